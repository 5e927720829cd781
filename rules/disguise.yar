// SPDX-License-Identifier: MIT
//
// Content that is something else than its name says: programs and scripts that are called
// documents, names with two extensions, names that are written backwards or padded with spaces.
//
// The name alone is never enough: `report.pdf.exe` has to hold a program, too. So all rules here
// need the external variables `filename` and `extension`, and find nothing in nameless content.
//
// False positives: test data of programs that deal with such files.

rule Disguise_Program_As_Document
{
	meta:
		signature_id = "SB-0301"
		description = "Program whose extension says document, picture, sound or film"
		verdict = "suspicious"
		severity = "high"
		category = "disguise"
		reference = "https://attack.mitre.org/techniques/T1036/008/"
		false_positives = "test data"
	condition:
		((uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550) or
			uint32(0) == 0x464C457F or
			uint32(0) == 0xFEEDFACE or uint32(0) == 0xFEEDFACF) and
		extension matches /^(pdf|docx?|docm|dotx?|rtf|odt|ods|odp|xlsx?|xlsm|xlsb|csv|pptx?|ppsx?|pptm|txt|html?|xml|json|eml|msg|jpe?g|png|gif|bmp|tiff?|webp|ico|svg|heic|mp3|wav|ogg|flac|m4a|mp4|m4v|avi|mkv|mov|wmv|webm)$/
}

rule Disguise_Script_As_Document
{
	meta:
		signature_id = "SB-0302"
		description = "Script whose extension says office document, picture, sound or film"
		verdict = "suspicious"
		severity = "medium"
		category = "disguise"
		reference = "https://attack.mitre.org/techniques/T1036/008/"
		false_positives = "test data, text tables that are called .doc or .xls"
	strings:
		$php = "<?php"
		$batch = "@echo off" nocase
		$hta = "<hta:application" nocase
		$wsh = /(CreateObject|ActiveXObject)[ ]{0,3}\([ ]{0,3}['"](WScript\.Shell|Shell\.Application|ADODB\.Stream|Scripting\.FileSystemObject)/ nocase
	condition:
		filesize < 4MB and
		(uint16(0) == 0x2123 or $php at 0 or $batch in (0 .. 256) or $hta in (0 .. 1024) or $wsh) and
		extension matches /^(pdf|docx?|dotx?|odt|ods|odp|xlsx?|pptx?|ppsx?|jpe?g|png|gif|bmp|tiff?|webp|ico|heic|mp3|wav|ogg|flac|m4a|mp4|m4v|avi|mkv|mov|wmv|webm)$/ and
		uint32be(0) != 0xD0CF11E0 and uint32be(0) != 0x504B0304 and uint32be(0) != 0x25504446
}

rule Disguise_Double_Extension_Program
{
	meta:
		signature_id = "SB-0303"
		description = "Program or shortcut with a document's extension before its own"
		verdict = "suspicious"
		severity = "high"
		category = "disguise"
		reference = "https://attack.mitre.org/techniques/T1036/007/"
		false_positives = "none known"
	condition:
		((uint16(0) == 0x5A4D and extension matches /^(exe|scr|com|pif|cpl|bat|cmd)$/) or
			(uint32(0) == 0x0000004C and extension == "lnk") or
			(uint32be(0) == 0xD0CF11E0 and extension == "msi")) and
		filename matches /\.(pdf|docx?|docm|rtf|odt|xlsx?|xlsm|csv|pptx?|txt|html?|jpe?g|png|gif|bmp|mp3|wav|mp4|avi|mkv|zip|rar|7z)[ _.-]{0,200}\.[a-z]{3}$/i
}

rule Disguise_Double_Extension_Script
{
	meta:
		signature_id = "SB-0304"
		description = "Script with a document's extension before its own, in mail or an archive"
		verdict = "suspicious"
		severity = "medium"
		category = "disguise"
		reference = "https://attack.mitre.org/techniques/T1036/007/"
		false_positives = "script libraries with such names in archives"
	condition:
		depth > 0 and size > 0 and
		extension matches /^(js|jse|vbs|vbe|wsf|wsh|hta|bat|cmd|ps1)$/ and
		filename matches /\.(pdf|docx?|docm|rtf|xlsx?|xlsm|pptx?|jpe?g|png|gif|mp3|mp4)[ _-]{0,200}\.[a-z0-9]{2,3}$/i
}

rule Disguise_Right_To_Left_Name
{
	meta:
		signature_id = "SB-0305"
		description = "Program or script whose name is partly written backwards"
		verdict = "suspicious"
		severity = "high"
		category = "disguise"
		reference = "https://attack.mitre.org/techniques/T1036/002/"
		false_positives = "none known; plain right-to-left names need no override"
	condition:
		// U+202E, right-to-left override, in UTF-8
		filename contains "\xE2\x80\xAE" and
		extension matches /^(exe|scr|com|pif|cpl|dll|msi|jar|js|jse|vbs|vbe|wsf|wsh|hta|bat|cmd|ps1|lnk|url|iso|img|reg|sh|py|desktop|appimage|app|dmg)$/
}

rule Disguise_Padded_Name
{
	meta:
		signature_id = "SB-0306"
		description = "Program or script whose extension is pushed out of sight by spaces"
		verdict = "suspicious"
		severity = "high"
		category = "disguise"
		reference = "https://attack.mitre.org/techniques/T1036/"
		false_positives = "none known"
	condition:
		filename contains "               " and
		extension matches /^(exe|scr|com|pif|cpl|msi|jar|js|jse|vbs|vbe|wsf|wsh|hta|bat|cmd|ps1|lnk|url)$/ and
		filename matches /\.[a-z0-9]{2,4}[ ]{15,300}[._ -]{0,4}\.[a-z0-9]{2,3}$/i
}

rule Disguise_Script_In_Picture
{
	meta:
		signature_id = "SB-0307"
		description = "Picture that carries PHP code which runs commands"
		verdict = "suspicious"
		severity = "high"
		category = "disguise"
		reference = "https://attack.mitre.org/techniques/T1505/003/"
		false_positives = "none known"
	strings:
		$php = /<\?php[ \t\r\n][^?]{0,400}(eval|assert|system|passthru|shell_exec|exec|\$_(GET|POST|REQUEST|COOKIE))[ ]{0,3}[(\[]/ nocase
	condition:
		$php and filesize < 16MB and
		(uint32be(0) == 0x89504E47 or uint32be(0) == 0x47494638 or uint16be(0) == 0xFFD8 or
			uint16be(0) == 0x424D)
}
