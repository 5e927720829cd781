// SPDX-License-Identifier: MIT
//
// PDF documents that do something when they are opened. Decoded streams arrive as members of the
// container "pdf", so the rules look at both: the document as it is, and what was packed in it.
//
// False positives: forms and presentations with much JavaScript are not reported; what is looked
// for is a start of programs, code of exploits, and names that are spelt to get past a reader.

rule Pdf_Starts_Program
{
	meta:
		signature_id = "SB-0501"
		description = "PDF with an action that starts a program"
		verdict = "suspicious"
		severity = "high"
		category = "pdf"
		reference = "https://attack.mitre.org/techniques/T1204/002/"
		false_positives = "kiosk documents that start a local program"
	strings:
		$head = /%PDF-[12]\./
		$launch = /\/S[ \r\n\t]{0,8}\/Launch\b/
		$program = /\/(F|P|UF|D)[ \r\n\t]{0,8}\([^)\r\n]{0,200}(cmd\.exe|\(cmd\)|powershell|mshta|wscript|cscript|rundll32|regsvr32|\.exe\)|\.scr\)|\.com\)|\.bat\)|\.cmd\)|\.vbs\)|\.vbe\)|\.js\)|\.jse\)|\.hta\)|\.ps1\)|\.msi\)|\.lnk\)|\.sh\))/ nocase
	condition:
		$launch and $program and filesize < 256MB and ($head in (0 .. 1024) or container == "pdf")
}

rule Pdf_Script_Opens_Attachment
{
	meta:
		signature_id = "SB-0502"
		description = "PDF whose script stores and opens an attached file"
		verdict = "suspicious"
		severity = "high"
		category = "pdf"
		reference = "https://attack.mitre.org/techniques/T1204/002/"
		false_positives = "portfolios that open their first file"
	strings:
		$head = /%PDF-[12]\./
		$export = /exportDataObject[ \r\n\t]{0,8}\([^)]{0,300}nLaunch["']?[ \r\n\t]{0,8}:[ \r\n\t]{0,8}[12]/
	condition:
		$export and filesize < 256MB and ($head in (0 .. 1024) or container == "pdf")
}

rule Pdf_Script_Exploit
{
	meta:
		signature_id = "SB-0503"
		description = "PDF whose script fills memory with code"
		verdict = "suspicious"
		severity = "high"
		category = "exploit"
		reference = "https://attack.mitre.org/techniques/T1203/"
		false_positives = "none known"
	strings:
		$head = /%PDF-[12]\./
		$spray = /unescape[ \r\n\t]{0,8}\([ \r\n\t]{0,8}["']([^"'\r\n]{0,10}["'][ ]{0,3}\+[ ]{0,3}["'])?%u[0-9a-f]{4}/ nocase
		$hole1 = "Collab.collectEmailInfo"
		$hole2 = "Collab.getIcon"
		$hole3 = "util.printf"
		$hole4 = "media.newPlayer"
		$hole5 = "spell.customDictionaryOpen"
		$hole6 = "getAnnots"
		$hole7 = /while[ ]{0,3}\([ ]{0,3}\w{1,40}\.length[ ]{0,3}<[=]?[ ]{0,3}(0x)?[0-9a-f]{4,8}[^;]{0,20}\)/ nocase
	condition:
		$spray and any of ($hole*) and filesize < 64MB and
		($head in (0 .. 1024) or container == "pdf")
}

rule Pdf_Carries_Program
{
	meta:
		signature_id = "SB-0504"
		description = "PDF with an attached program or script"
		verdict = "suspicious"
		severity = "medium"
		category = "pdf"
		reference = "https://attack.mitre.org/techniques/T1027/009/"
		false_positives = "manuals that come with their example scripts"
	strings:
		$head = /%PDF-[12]\./
		$attached = "/EmbeddedFile"
		$name = /\/(F|UF)[ \r\n\t]{0,8}\([^)\r\n]{1,200}(\.exe\)|\.scr\)|\.com\)|\.pif\)|\.bat\)|\.cmd\)|\.vbs\)|\.vbe\)|\.jse\)|\.wsf\)|\.hta\)|\.ps1\)|\.msi\)|\.lnk\)|\.cpl\)|\.jar\)|\.iso\)|\.docm\)|\.xlsm\))/ nocase
	condition:
		(uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and container == "pdf") or
		($name and filesize < 256MB and ($head in (0 .. 1024) or container == "pdf") and
			($attached or container == "pdf"))
}

rule Pdf_Hides_Action_Names
{
	meta:
		signature_id = "SB-0505"
		description = "PDF that spells the name of an action with character codes"
		verdict = "suspicious"
		severity = "medium"
		category = "pdf"
		reference = "https://attack.mitre.org/techniques/T1027/"
		false_positives = "none known; no writer escapes letters"
	strings:
		$head = /%PDF-[12]\./
		$script = /(\/#4a|\/J#61|\/Ja#76|\/Jav#61|\/Java#53|\/JavaS#63|\/JavaSc#72|\/JavaScr#69|\/JavaScri#70|\/JavaScrip#74)[#a-z0-9]{0,24}\b/ nocase
		$launch = /(\/#4c|\/L#61|\/La#75|\/Lau#6e|\/Laun#63|\/Launc#68)[#a-z0-9]{0,15}\b/ nocase
		$open = /(\/#4fpen|\/O#70|\/Op#65|\/Ope#6e|\/Open#41|\/OpenA#63|\/OpenAc#74|\/OpenAct#69|\/OpenActi#6f|\/OpenActio#6e)[#a-z0-9]{0,24}\b/ nocase
	condition:
		$head in (0 .. 1024) and filesize < 64MB and any of ($script, $launch, $open)
}
