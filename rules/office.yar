// SPDX-License-Identifier: MIT
//
// Office documents that do something when they are opened.
//
// Macros arrive decompressed, one member for each module (VBA/NAME.bas); the parts of a .docx or
// .xlsx arrive as members of the zip. A macro that runs by itself is common in offices, and one
// that starts programs or downloads is common as well: what the rules look for is both together.
//
// False positives: home-made automation that starts programs when its workbook is opened; such a
// file deserves the look that "suspicious" asks for. Ignore the rule where it is the daily bread.

rule Office_Macro_Autorun_Starts_Program
{
	meta:
		signature_id = "SB-0101"
		description = "Macro that runs by itself and starts a program"
		verdict = "suspicious"
		severity = "high"
		category = "macro"
		reference = "https://attack.mitre.org/techniques/T1204/002/"
		false_positives = "in-house automation that starts programs when a document is opened"
	strings:
		$vba = "Attribute VB_"
		$auto = /sub[ \t]{1,8}(auto_open\(|[a][u]toop[e]n\(|auto_exec\(|[a][u]toexec\(|auto_close\(|[a][u]toclo[s]e\(|[a][u][t]onew\(|docum[e]nt_open\(|docum[e]nt_close\(|docum[e]nt_new\(|workbook_open\(|workbook_activate\(|workbook_beforeclose\()/ nocase
		$run1 = /\bshell[ \t]{0,4}[("]/ nocase
		$run2 = "WScript.Shell" nocase
		$run3 = "Shell.Application" nocase
		$run4 = "Win32_Process" nocase
		$run5 = "ShellExecute" nocase
		$run6 = "72C24DD5-D70A-438B-8A42-98424B88AFB8" nocase // class of WScript.Shell
	condition:
		$auto and any of ($run*) and filesize < 2MB and (extension == "bas" or $vba at 0)
}

rule Office_Macro_Autorun_Downloads
{
	meta:
		signature_id = "SB-0102"
		description = "Macro that runs by itself and stores something from the network"
		verdict = "suspicious"
		severity = "high"
		category = "macro"
		reference = "https://attack.mitre.org/techniques/T1105/"
		false_positives = "workbooks that update themselves from a server"
	strings:
		$vba = "Attribute VB_"
		$auto = /sub[ \t]{1,8}(auto_open\(|[a][u]toop[e]n\(|auto_exec\(|[a][u]toexec\(|auto_close\(|[a][u]toclo[s]e\(|[a][u][t]onew\(|docum[e]nt_open\(|docum[e]nt_close\(|docum[e]nt_new\(|workbook_open\(|workbook_activate\(|workbook_beforeclose\()/ nocase
		$both = "URLDownloadToFile" nocase
		$net1 = "XMLHTTP" nocase
		$net2 = "WinHttpRequest" nocase
		$net3 = "InternetOpenUrl" nocase
		$store1 = "ADODB.Stream" nocase
		$store2 = "SaveToFile" nocase
		$store3 = /\bfor[ \t]{1,4}binary\b/ nocase
	condition:
		$auto and ($both or (any of ($net*) and any of ($store*))) and
		filesize < 2MB and (extension == "bas" or $vba at 0)
}

rule Office_Macro_Native_Code
{
	meta:
		signature_id = "SB-0103"
		description = "Macro that puts machine code into memory and runs it"
		verdict = "suspicious"
		severity = "critical"
		category = "macro"
		reference = "https://attack.mitre.org/techniques/T1055/"
		false_positives = "none known"
	strings:
		$vba = "Attribute VB_"
		$declare = /declare[ \t]{1,8}(ptrsafe[ \t]{1,8})?function/ nocase
		$memory1 = "VirtualAlloc" nocase
		$memory2 = "HeapCreate" nocase
		$memory3 = "NtAllocateVirtualMemory" nocase
		$memory4 = "VirtualProtect" nocase
		$copy1 = "RtlMoveMemory" nocase
		$copy2 = /[W][r][i]teProc[e]ssMemory/ nocase
		$copy3 = "RtlCopyMemory" nocase
		$copy4 = "UuidFromString" nocase
		$start1 = "CreateThread" nocase
		$start2 = "CreateRemoteThread" nocase
		$start3 = /([E][n][u]mSyst[e]mLocales|[E][n][u]mWindows|[E][n][u]mDesktops|[E][n][u]mDateFormats|[E][n][u]mChildWindows|[E][n][u]mUILanguages)/ nocase
		$start4 = "CallWindowProc" nocase
		$start5 = "CreateTimerQueueTimer" nocase
		$start6 = "QueueUserAPC" nocase
	condition:
		$declare and any of ($memory*) and any of ($copy*) and any of ($start*) and
		filesize < 2MB and (extension == "bas" or $vba at 0)
}

rule Office_Macro_Starts_PowerShell
{
	meta:
		signature_id = "SB-0104"
		description = "Macro that starts a script interpreter out of sight or with code from elsewhere"
		verdict = "suspicious"
		severity = "high"
		category = "macro"
		reference = "https://attack.mitre.org/techniques/T1059/001/"
		false_positives = "administrators' workbooks"
	strings:
		$vba = "Attribute VB_"
		$program1 = "powershell" nocase
		$program2 = "mshta" nocase
		$program3 = "regsvr32" nocase
		$sign1 = /powershell[^\r\n]{0,120}[ "]-e(c|nc[a-z]{0,12})? / nocase
		$sign2 = /-w[a-z]{0,10} {1,3}hidden/ nocase
		$sign3 = /-(ep|exec[a-z]{0,11}) {1,3}bypass/ nocase
		$sign4 = "DownloadString" nocase
		$sign5 = "DownloadFile" nocase
		$sign6 = "FromBase64String" nocase
		$sign7 = "scrobj" nocase
		$sign8 = /mshta(\.exe)?["' ]{1,4}(https?|vbscript|javascript):/ nocase
	condition:
		any of ($program*) and any of ($sign*) and
		filesize < 2MB and (extension == "bas" or $vba at 0)
}

rule Office_Macro_Hides_Its_Text
{
	meta:
		signature_id = "SB-0105"
		description = "Macro that runs by itself and puts its words together from more than 100 character codes"
		verdict = "suspicious"
		severity = "medium"
		category = "macro"
		reference = "https://attack.mitre.org/techniques/T1027/"
		false_positives = "macros that write texts in other alphabets by ChrW"
	strings:
		$vba = "Attribute VB_"
		$auto = /sub[ \t]{1,8}(auto_open\(|[a][u]toop[e]n\(|auto_exec\(|[a][u]toexec\(|auto_close\(|[a][u]toclo[s]e\(|[a][u][t]onew\(|docum[e]nt_open\(|docum[e]nt_close\(|docum[e]nt_new\(|workbook_open\(|workbook_activate\(|workbook_beforeclose\()/ nocase
		$code = /\bchrw?\$?[ \t]{0,2}\(/ nocase
		$use1 = "CreateObject" nocase
		$use2 = "GetObject" nocase
		$use3 = "CallByName" nocase
		$use4 = /\bshell\b/ nocase
	condition:
		$auto and any of ($use*) and #code > 100 and
		filesize < 2MB and (extension == "bas" or $vba at 0)
}

rule Office_Excel4_Auto_Open
{
	meta:
		signature_id = "SB-0106"
		description = "Excel 4 macro that runs when the workbook is opened"
		verdict = "suspicious"
		severity = "medium"
		category = "macro"
		reference = "https://attack.mitre.org/techniques/T1059/"
		false_positives = "workbooks from before 1997"
	strings:
		// The defined name with the built-in number 1, Auto_Open, in a BIFF8 stream.
		$name = { 18 00 ?? 00 (20 | 21) 00 00 01 ?? 00 00 00 ?? 00 00 00 00 00 00 01 }
	condition:
		$name and filesize < 64MB and (uint32be(0) == 0xD0CF11E0 or container == "ole")
}

rule Office_Excel4_Macro_Starts_Program
{
	meta:
		signature_id = "SB-0107"
		description = "Excel 4 macro sheet that calls programs or libraries"
		verdict = "suspicious"
		severity = "high"
		category = "macro"
		reference = "https://attack.mitre.org/techniques/T1059/"
		false_positives = "old add-ins that call libraries"
	strings:
		$sheet = "<xm:macrosheet"
		$call = /<f[^>]{0,60}>[^<]{0,200}\b(EXEC|CALL|REGISTER|FWRITELN|FORMULA\.FILL)\(/
	condition:
		$call and filesize < 32MB and $sheet in (0 .. 1024)
}

rule Office_DDE_Starts_Program
{
	meta:
		signature_id = "SB-0108"
		description = "Field or link that starts a program by DDE"
		verdict = "suspicious"
		severity = "high"
		category = "dde"
		reference = "https://attack.mitre.org/techniques/T1559/002/"
		false_positives = "none known"
	strings:
		$field = /DDE(AUTO)?["'\\ \t]{1,6}[^<\r\n]{0,80}(cmd|powershell|mshta|wscript|cscript|rundll32|regsvr32)(\.exe)?["'\\ \t]/ nocase
		$word1 = "instrText"
		$word2 = "fldSimple"
		$word3 = "\\fldinst"
		$link = /ddeService="(cmd|powershell|mshta|wscript|cscript|rundll32|regsvr32|msexcel)"/ nocase
		$cell = /(^|[\r\n,;"])[=+@-]{1,2}(cmd\||powershell\||mshta\||rundll32\||msexcel\|)['" ]/ nocase
	condition:
		filesize < 16MB and
		(($field and (uint32be(0) == 0xD0CF11E0 or any of ($word*))) or $link or
			($cell and (extension == "csv" or extension == "slk" or extension == "txt" or
				extension == "tsv")))
}

rule Office_Remote_Template
{
	meta:
		signature_id = "SB-0109"
		description = "Document that fetches its template from the web"
		verdict = "suspicious"
		severity = "medium"
		category = "template"
		reference = "https://attack.mitre.org/techniques/T1221/"
		false_positives = "templates that a company keeps on a web server"
	strings:
		$type = "relationships/attachedTemplate"
		$there = /Target="(https?|ftp|mhtml):[^"]{4,400}"/ nocase
		$external = "TargetMode=\"External\"" nocase
		$rtf = /\{\\\*\\template[ \r\n]{1,4}https?:/ nocase
	condition:
		filesize < 4MB and
		((filesize < 64KB and $type and $there and $external) or
			($rtf and uint32be(0) == 0x7B5C7274))
}

rule Office_Remote_Object
{
	meta:
		signature_id = "SB-0110"
		description = "Document that fetches an object from the web when it is opened"
		verdict = "suspicious"
		severity = "high"
		category = "template"
		reference = "https://attack.mitre.org/techniques/T1203/"
		false_positives = "none known"
	strings:
		$object = /relationships\/oleObject"[^>]{0,300}Target="(https?|mhtml|ftp|ms-msdt):[^>]{0,500}TargetMode="External"/ nocase
		$other = /"(https?|mhtml|ftp|ms-msdt):[^>]{0,500}relationships\/oleObject"[^>]{0,300}TargetMode="External"/ nocase
		$scheme = /ms-msdt:[\/\\-]{0,2}id[ ]{1,3}pcwdiagnostic/ nocase
	condition:
		filesize < 256KB and (any of ($object, $other) or $scheme)
}

rule Office_RTF_Equation_At_Once
{
	meta:
		signature_id = "SB-0111"
		description = "RTF that runs the old equation editor as soon as it is opened"
		verdict = "suspicious"
		severity = "high"
		category = "exploit"
		reference = "https://nvd.nist.gov/vuln/detail/CVE-2017-11882"
		false_positives = "none known; formulas are not updated by themselves"
	strings:
		$update = "\\objupdate" nocase
		$class1 = "4571756174696f6e2e33" nocase // Equation.3
		$class2 = "02ce020000000000c000000000000046" nocase
		$class3 = /\\objclass[ ]{1,3}Equation\.3/ nocase
	condition:
		$update and any of ($class*) and filesize < 32MB and uint32be(0) == 0x7B5C7274
}

rule Office_RTF_Embedded_Program
{
	meta:
		signature_id = "SB-0112"
		description = "RTF that carries a Windows program"
		verdict = "suspicious"
		severity = "high"
		category = "dropper"
		reference = "https://attack.mitre.org/techniques/T1027/009/"
		false_positives = "documents into which somebody put an installer"
	strings:
		$object = "\\objdata" nocase
		$stub = "546869732070726f6772616d2063616e6e6f74" nocase // "This program cannot"
		$must = "546869732070726f6772616d206d75737420" nocase // "This program must "
	condition:
		$object and any of ($stub, $must) and filesize < 64MB and uint32be(0) == 0x7B5C7274
}
