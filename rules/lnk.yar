// SPDX-License-Identifier: MIT
//
// Windows shortcuts that run a command instead of opening a file. Shortcuts have no business in
// mail and archives, yet many backups hold harmless ones; what counts is the command line.
//
// A shortcut begins with the size of its header and a class identifier; its texts are in the
// machine's code page or in UTF-16.
//
// False positives: shortcuts that administrators made for their own scripts.

rule Lnk_Starts_Interpreter
{
	meta:
		signature_id = "SB-0401"
		description = "Shortcut that starts an interpreter with a command it hides or fetches"
		verdict = "suspicious"
		severity = "high"
		category = "shortcut"
		reference = "https://attack.mitre.org/techniques/T1204/002/"
		false_positives = "shortcuts of administrators"
	strings:
		$program1 = "powershell" ascii wide nocase
		$program2 = "cmd.exe" ascii wide nocase
		$program3 = "mshta" ascii wide nocase
		$program4 = "wscript" ascii wide nocase
		$program5 = "cscript" ascii wide nocase
		$program6 = "rundll32" ascii wide nocase
		$program7 = "pwsh.exe" ascii wide nocase
		$sign1 = /-w[a-z]{0,10}[ ]{1,3}hidden/ ascii wide nocase
		$sign2 = /powershell[^\r\n]{0,200}[ "]-e(c|nc[a-z]{0,12})?[ ]{1,3}[a-z0-9+\/]{30}/ ascii wide nocase
		$sign3 = "DownloadString" ascii wide nocase
		$sign4 = "DownloadFile" ascii wide nocase
		$sign5 = "FromBase64String" ascii wide nocase
		$sign6 = "Invoke-Expression" ascii wide nocase
		$sign7 = "javascript:" ascii wide nocase
		$sign8 = "vbscript:" ascii wide nocase
		$sign9 = /findstr[^\r\n]{1,100}\.lnk/ ascii wide nocase
		$sign10 = /\biex[ (|;"'&$]/ ascii wide nocase
		$sign11 = /-(ep|exec[a-z]{0,11})[ ]{1,3}bypass[^\r\n]{1,80}(%temp%|%appdata%|\$env:(temp|appdata))/ ascii wide nocase
	condition:
		uint32(0) == 0x0000004C and uint32(4) == 0x00021401 and filesize < 32MB and
		any of ($program*) and any of ($sign*)
}

rule Lnk_Fetches_From_Web
{
	meta:
		signature_id = "SB-0402"
		description = "Shortcut that fetches a program or script from the network"
		verdict = "suspicious"
		severity = "high"
		category = "shortcut"
		reference = "https://attack.mitre.org/techniques/T1105/"
		false_positives = "none known"
	strings:
		$web = /(mshta|powershell|curl|certutil|bitsadmin|msiexec|wget|conhost|forfiles)(\.exe)?[^\r\n]{1,200}h[\^"]{0,2}t[\^"]{0,2}t[\^"]{0,2}ps?:\/\// ascii wide nocase
		$share = /(wscript|cscript|rundll32|regsvr32|cmd\.exe|mshta)[^\r\n]{1,200}\\\\[a-z0-9.-]{4,80}@(ssl|80|443|8080)[\\@]/ ascii wide nocase
	condition:
		uint32(0) == 0x0000004C and uint32(4) == 0x00021401 and filesize < 32MB and any of them
}

rule Lnk_Carries_Payload
{
	meta:
		signature_id = "SB-0403"
		description = "Shortcut that starts an interpreter and has a program or page behind its end"
		verdict = "suspicious"
		severity = "high"
		category = "shortcut"
		reference = "https://attack.mitre.org/techniques/T1027/009/"
		false_positives = "none known"
	strings:
		$program1 = "powershell" ascii wide nocase
		$program2 = "cmd.exe" ascii wide nocase
		$program3 = "mshta" ascii wide nocase
		$program4 = "wscript" ascii wide nocase
		$program5 = "cscript" ascii wide nocase
		$program6 = "rundll32" ascii wide nocase
		$program7 = "forfiles" ascii wide nocase
		$payload1 = "This program cannot be run in DOS mode"
		$payload2 = "<hta:application" nocase
		$payload3 = /<script[ >]/ nocase
		$payload4 = { 50 4B 03 04 (0A | 14) 00 }
		$payload5 = "%PDF-1."
		$payload6 = "MSCF\x00\x00\x00\x00"
		$payload7 = { D0 CF 11 E0 A1 B1 1A E1 }
	condition:
		uint32(0) == 0x0000004C and uint32(4) == 0x00021401 and filesize > 4KB and
		filesize < 128MB and any of ($program*) and any of ($payload*)
}

rule Lnk_Internet_Shortcut_To_Program
{
	meta:
		signature_id = "SB-0404"
		description = "Internet shortcut (.url) that opens a program or script on a foreign share"
		verdict = "suspicious"
		severity = "medium"
		category = "shortcut"
		reference = "https://attack.mitre.org/techniques/T1204/002/"
		false_positives = "shortcuts to programs on a company's share"
	strings:
		$head = "[InternetShortcut]" nocase
		$target = /URL[ ]{0,3}=[ ]{0,3}(file:(\/{2,5}|\\{2,5})|\\\\)[^\r\n]{3,200}\.(exe|scr|hta|js|jse|vbs|vbe|wsf|lnk|cmd|bat|msi|cpl|url|jar|ps1)[ \t]{0,8}[\r\n]/ nocase
	condition:
		filesize < 16KB and $head in (0 .. 512) and $target
}
