// SPDX-License-Identifier: MIT
//
// Scripts that fetch or unpack something and run it: PowerShell, VBScript, JScript, HTA, batch
// files and the Windows programs that are abused for downloads, shell scripts.
//
// Each step is harmless on its own, and manuals are full of them; a rule asks for the whole chain
// (fetch or decode, store, run, and out of sight) in one text of a script's size.
//
// False positives: tools for administrators and testers, and articles that quote whole attacks.
// Text is looked at in ASCII and UTF-16, in any case where the language does not care.

rule Script_PowerShell_Encoded_Command
{
	meta:
		signature_id = "SB-0201"
		description = "PowerShell is started with a command in Base64"
		verdict = "suspicious"
		severity = "medium"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1027/010/"
		false_positives = "deployment tools that wrap their commands like this"
	strings:
		// UTF-16 of ASCII text in Base64 has a fixed shape: no chance hits.
		$command = /(powershell|pwsh)(\.exe)?["']?[ \t][^\r\n]{0,200}[\/-]e(c|nc?[a-z]{0,12})?[ \t]{1,4}["']?([a-z0-9+\/][AQgw][AB][a-z0-9+\/]A[A-H][a-z0-9+\/]A){4}/ ascii wide nocase
	condition:
		filesize < 8MB and $command
}

rule Script_PowerShell_Hidden_Download
{
	meta:
		signature_id = "SB-0202"
		description = "PowerShell downloads and runs something in a hidden window"
		verdict = "suspicious"
		severity = "high"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1059/001/"
		false_positives = "installers of administrators"
	strings:
		$shell = "powershell" ascii wide nocase
		$hidden = /[ '"]-w[a-z]{0,10}[ ,'"]{1,4}hidden/ ascii wide nocase
		$net1 = "DownloadString" ascii wide nocase
		$net2 = "DownloadFile" ascii wide nocase
		$net3 = "DownloadData" ascii wide nocase
		$net4 = "Invoke-WebRequest" ascii wide nocase
		$net5 = "Invoke-RestMethod" ascii wide nocase
		$net6 = "Start-BitsTransfer" ascii wide nocase
		$run1 = "Invoke-Expression" ascii wide nocase
		$run2 = /\biex[ (|;"'&$]/ ascii wide nocase
		$run3 = "Start-Process" ascii wide nocase
		$run4 = "Invoke-Item" ascii wide nocase
		$run5 = "ShellExecute" ascii wide nocase
	condition:
		filesize < 512KB and $shell and $hidden and any of ($net*) and any of ($run*)
}

rule Script_PowerShell_Loads_Assembly
{
	meta:
		signature_id = "SB-0203"
		description = "PowerShell runs a program that it decodes in memory"
		verdict = "suspicious"
		severity = "high"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1620/"
		false_positives = "modules that carry their library inside"
	strings:
		$load = /Assembly\][ ]{0,3}::[ ]{0,3}['"]?Load['"]?[ ]{0,3}\(/ ascii wide nocase
		$decode1 = "FromBase64String" ascii wide nocase
		$decode2 = "GzipStream" ascii wide nocase
		$decode3 = "DeflateStream" ascii wide nocase
		$decode4 = "DownloadData" ascii wide nocase
		$decode5 = /-bxor/ ascii wide nocase
		$start1 = /\.EntryPoint[ ]{0,3}\./ ascii wide nocase
		$start2 = /\.[G]etMet[h]od[ ]{0,3}\(/ ascii wide nocase
		$start3 = ".Invoke($null" ascii wide nocase
	condition:
		$load and any of ($decode*) and any of ($start*) and filesize < 16MB and
		uint16(0) != 0x5A4D
}

rule Script_PowerShell_Native_Code
{
	meta:
		signature_id = "SB-0204"
		description = "PowerShell puts machine code into memory and runs it"
		verdict = "suspicious"
		severity = "critical"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1055/"
		false_positives = "tools of testers"
	strings:
		$byte = /\[byte\[\]\]/ ascii wide nocase
		$marshal = "InteropServices.Marshal" ascii wide nocase
		$memory1 = "VirtualAlloc" ascii wide nocase
		$memory2 = "VirtualProtect" ascii wide nocase
		$start1 = "CreateThread" ascii wide nocase
		$start2 = "GetDelegateForFunctionPointer" ascii wide nocase
		$start3 = /Cr[e]at[e]R[e]m[o]teTh[r]ead/ ascii wide nocase
	condition:
		$byte and $marshal and any of ($memory*) and any of ($start*) and filesize < 4MB and
		uint16(0) != 0x5A4D
}

rule Script_Disables_Defender
{
	meta:
		signature_id = "SB-0205"
		description = "Script that turns off Microsoft Defender or its script scanning"
		verdict = "suspicious"
		severity = "high"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1562/001/"
		false_positives = "administrators' scripts, articles"
	strings:
		$off1 = /Set-MpPreference[^\r\n]{0,120}-Disable(RealtimeMonitoring|BehaviorMonitoring|IOAVProtection|ScriptScanning)[ :]{1,3}(\$true|1)/ ascii wide nocase
		$off2 = /Add-MpPreference[^\r\n]{0,60}-Exclusion(Path|Extension)[ ]{1,3}['"]?([c-z]:\\?['"]?[\r\n ;]|\$env:(temp|appdata|public|userprofile)|\.?exe\b)/ ascii wide nocase
		$off3 = /amsiInitFailed['"],['"]NonPublic,Static['"]\)\.SetValue/ ascii wide nocase
	condition:
		any of them and filesize < 1MB and uint16(0) != 0x5A4D
}

rule Script_PowerShell_Character_Codes
{
	meta:
		signature_id = "SB-0206"
		description = "PowerShell that puts its words together from more than 60 character codes"
		verdict = "suspicious"
		severity = "medium"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1027/"
		false_positives = "tables of characters"
	strings:
		$code = /\[char\][ ]{0,2}\(?[ ]{0,2}(0x)?[0-9a-f]{2,3}\b/ ascii wide nocase
		$run1 = "Invoke-Expression" ascii wide nocase
		$run2 = /\biex[ (|;"'&$]/ ascii wide nocase
		$run3 = /&[ ]{0,3}\([ ]{0,3}(\[char\]|\$(shellid|pshome|env:comspec|verbosepreference))/ ascii wide nocase
	condition:
		any of ($run*) and #code > 60 and filesize < 1MB and uint16(0) != 0x5A4D
}

rule Script_WSH_Downloads_And_Runs
{
	meta:
		signature_id = "SB-0207"
		description = "VBScript or JScript that downloads a file, stores it and runs it"
		verdict = "suspicious"
		severity = "high"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1059/005/"
		false_positives = "update scripts"
	strings:
		$net1 = "XMLHTTP" ascii wide nocase
		$net2 = "WinHttpRequest" ascii wide nocase
		$store1 = "ADODB.Stream" ascii wide nocase
		$store2 = "SaveToFile" ascii wide nocase
		$run1 = "WScript.Shell" ascii wide nocase
		$run2 = "Shell.Application" ascii wide nocase
		$run3 = "Win32_Process" ascii wide nocase
		$object1 = /CreateObject[ ]{0,3}\(/ ascii wide nocase
		$object2 = /ActiveXObject[ ]{0,3}\(/ ascii wide nocase
	condition:
		any of ($net*) and all of ($store*) and any of ($run*) and any of ($object*) and
		filesize < 1MB and uint16(0) != 0x5A4D
}

rule Script_WSH_Starts_PowerShell
{
	meta:
		signature_id = "SB-0208"
		description = "VBScript or JScript that starts PowerShell out of sight or with code from elsewhere"
		verdict = "suspicious"
		severity = "high"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1059/005/"
		false_positives = "scripts that start an administrator's task without a window"
	strings:
		$object = /(CreateObject|ActiveXObject)[ ]{0,3}\([ ]{0,3}['"](WScript\.Shell|Shell\.Application)['"]/ ascii wide nocase
		$shell = "powershell" ascii wide nocase
		$sign1 = /-w[a-z]{0,10}[ ]{1,3}hidden/ ascii wide nocase
		$sign2 = "DownloadString" ascii wide nocase
		$sign3 = "DownloadFile" ascii wide nocase
		$sign4 = "FromBase64String" ascii wide nocase
		$sign5 = /powershell[^\r\n]{0,120}[ "]-e(c|nc[a-z]{0,12})[ ]{1,3}/ ascii wide nocase
	condition:
		$object and $shell and any of ($sign*) and filesize < 1MB and uint16(0) != 0x5A4D
}

rule Script_VBS_Hides_Its_Text
{
	meta:
		signature_id = "SB-0209"
		description = "VBScript that executes text made of more than 100 character codes"
		verdict = "suspicious"
		severity = "medium"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1027/"
		false_positives = "none known"
	strings:
		$execute = /\bexecute(global)?[ \t]{0,3}[( ]/ nocase
		$code = /\bchrw?[ ]{0,2}\([ ]{0,2}(&h)?[0-9a-f(]{1,5}/ nocase
	condition:
		$execute and #code > 100 and filesize < 2MB and uint16(0) != 0x5A4D and
		(extension == "vbs" or extension == "vbe" or extension == "wsf" or extension == "hta" or
			extension == "vb" or extension == "txt" or extension == "")
}

rule Script_HTA_Starts_Program
{
	meta:
		signature_id = "SB-0210"
		description = "HTML application that starts a shell or downloads"
		verdict = "suspicious"
		severity = "high"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1218/005/"
		false_positives = "in-house HTML applications"
	strings:
		$application = "<hta:application" ascii wide nocase
		$script = "<script" ascii wide nocase
		$object = /(CreateObject|ActiveXObject)[ ]{0,3}\([ ]{0,3}['"](WScript\.Shell|Shell\.Application)/ ascii wide nocase
		$run1 = "powershell" ascii wide nocase
		$run2 = /(cmd\.exe|cmd)[ ]\/c/ ascii wide nocase
		$run3 = "XMLHTTP" ascii wide nocase
		$run4 = "certutil" ascii wide nocase
		$run5 = "bitsadmin" ascii wide nocase
		$run6 = "rundll32" ascii wide nocase
	condition:
		filesize < 4MB and ($application or extension == "hta") and $script and $object and
		any of ($run*)
}

rule Script_Certutil_Download
{
	meta:
		signature_id = "SB-0211"
		description = "certutil downloads a file"
		verdict = "suspicious"
		severity = "medium"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1105/"
		false_positives = "administrators' scripts, articles"
	strings:
		$get = /certutil(\.exe)?["^]{0,2}[ \t][^\r\n]{0,60}[\/-](urlcache|verifyctl)[ \t][^\r\n]{0,80}https?:\/\// ascii wide nocase
	condition:
		$get and filesize < 1MB and uint16(0) != 0x5A4D
}

rule Script_Certutil_Decode_And_Run
{
	meta:
		signature_id = "SB-0212"
		description = "Batch file that decodes a program with certutil"
		verdict = "suspicious"
		severity = "high"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1140/"
		false_positives = "self-extracting batch files"
	strings:
		$decode = /certutil(\.exe)?["^]{0,2}[ \t][^\r\n]{0,40}[\/-]decode(hex)?[ \t][^\r\n]{1,200}\.(exe|dll|scr|hta|vbs|js|ps1|cab|zip|bat|cmd)\b/ ascii wide nocase
	condition:
		$decode and filesize < 16MB and uint16(0) != 0x5A4D
}

rule Script_Bitsadmin_Download_And_Run
{
	meta:
		signature_id = "SB-0213"
		description = "bitsadmin downloads a program or script"
		verdict = "suspicious"
		severity = "medium"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1197/"
		false_positives = "administrators' scripts"
	strings:
		$get = /bitsadmin(\.exe)?["^]{0,2}[ \t][^\r\n]{0,60}\/transfer[^\r\n]{1,120}https?:\/\/[^\r\n]{1,300}\.(exe|dll|scr|hta|vbs|js|ps1|bat|cmd|msi|zip)\b/ ascii wide nocase
	condition:
		$get and filesize < 1MB and uint16(0) != 0x5A4D
}

rule Script_Mshta_Runs_Code
{
	meta:
		signature_id = "SB-0214"
		description = "mshta runs code from the web or from its own command line"
		verdict = "suspicious"
		severity = "high"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1218/005/"
		false_positives = "articles that quote whole commands"
	strings:
		$web = /mshta(\.exe)?["'^]{0,2}[ \t]{1,4}["']?https?:\/\/[a-z0-9]/ ascii wide nocase
		$code = /mshta(\.exe)?["'^]{0,2}[ \t]{1,4}["']?(vbscript|javascript):[^\r\n]{0,300}(createobject|getobject|activexobject|execute|eval)/ ascii wide nocase
	condition:
		any of them and filesize < 1MB and uint16(0) != 0x5A4D
}

rule Script_Regsvr32_Remote_Scriptlet
{
	meta:
		signature_id = "SB-0215"
		description = "regsvr32 or rundll32 runs a script"
		verdict = "suspicious"
		severity = "high"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1218/010/"
		false_positives = "articles that quote whole commands"
	strings:
		$scriptlet = /regsvr32(\.exe)?["^]{0,2}[ \t][^\r\n]{0,60}[\/-]i:["']?(https?:|\\\\)[^\r\n]{1,300}scrobj/ ascii wide nocase
		$javascript = /rundll32(\.exe)?["^]{0,2}[ \t]{1,4}["']?javascript:[^\r\n]{0,60}mshtml/ ascii wide nocase
	condition:
		any of them and filesize < 1MB and uint16(0) != 0x5A4D
}

rule Script_HTML_Smuggling
{
	meta:
		signature_id = "SB-0216"
		description = "Web page that puts a program or archive together and saves it without being asked"
		verdict = "suspicious"
		severity = "medium"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1027/006/"
		false_positives = "saved web applications with an export function and a packed library inside"
	strings:
		$page = /<(html|script|svg|!doctype)/ nocase
		$decode = "atob(" fullword
		$save1 = "msSaveOrOpenBlob"
		$save2 = "createObjectURL"
		$click = ".click()"
		$name = /\.download[ ]{0,3}=|setAttribute\(['"]download['"]/
		// Base64 of the first bytes of: PE, zip, rar, 7z, an ISO's empty sectors, LNK.
		$payload = /['"`](TVqQAAMAAAA|TVpQAAIAAAA|UEsDB[A-Z]{2}|UmFyIRoH|N3q8ryc|AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA|TAAAAAEUAgA)[A-Za-z0-9+\/]{200}/
	condition:
		$page in (0 .. 4096) and $decode and any of ($save*) and $click and $name and $payload and
		filesize < 32MB and uint16(0) != 0x5A4D
}

rule Script_Shell_Cron_Downloader
{
	meta:
		signature_id = "SB-0217"
		description = "Shell script that has cron download and run something again and again"
		verdict = "suspicious"
		severity = "high"
		category = "script"
		reference = "https://attack.mitre.org/techniques/T1053/003/"
		false_positives = "articles about break-ins"
	strings:
		$cron1 = "crontab"
		$cron2 = "/etc/cron."
		$cron3 = "/var/spool/cron"
		$line = /\* \* \* \*[^\r\n|]{0,80}(curl|wget)[ \t][^\r\n|]{4,300}\|[ \t]{0,4}(\/bin\/)?(ba|da)?sh\b/
	condition:
		filesize < 1MB and any of ($cron*) and $line
}

rule Script_Shell_Miner_Setup
{
	meta:
		signature_id = "SB-0218"
		description = "Shell script that sets up a coin miner and clears away others"
		verdict = "suspicious"
		severity = "high"
		category = "miner"
		reference = "https://attack.mitre.org/techniques/T1496/"
		false_positives = "none known"
	strings:
		$pool = /stratum\+(tcp|ssl):\/\//
		$miner1 = "xmrig"
		$miner2 = "minerd"
		$miner3 = "--donate-level"
		$get1 = "curl "
		$get2 = "wget "
		$clear1 = /pkill[ \t]{1,3}(-9[ \t]{1,3})?-?f?[ \t]{0,3}[a-z]/
		$clear2 = /xargs[ \t][^\r\n]{0,40}kill[ \t]{1,3}-9/
		$clear3 = "killall "
	condition:
		filesize < 1MB and uint16(0) == 0x2123 and $pool and any of ($miner*) and
		any of ($get*) and any of ($clear*)
}
