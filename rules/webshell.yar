// SPDX-License-Identifier: MIT
//
// Web shells: pages that run whatever a request brings. In PHP, JSP, ASP and ASP.NET the core is
// always the same, input of the request that reaches a function which executes; managers with
// many functions are told by the company these keep.
//
// What opens a program in a page is looked for with the byte behind it, whichever it is: two
// bytes by themselves are found in every larger picture, and cost a search for all strings.
//
// False positives: exercises in web security, administration panels in one file, and licence
// protection that unpacks code with eval.

rule Webshell_PHP_Runs_Request
{
	meta:
		signature_id = "SB-0701"
		description = "PHP that executes what a request brings"
		verdict = "suspicious"
		severity = "critical"
		category = "webshell"
		reference = "https://attack.mitre.org/techniques/T1505/003/"
		false_positives = "exercises in web security"
	strings:
		$open = /(<\?php|<\?=|<\? |<\?\t|<\?\r|<\?\n)/ nocase
		$direct = /\b(eval|assert|system|passthru|shell_exec|exec|popen|proc_open|pcntl_exec|create_function)[ \t]{0,4}\([ \t]{0,4}(@|['"]{2},|stripslashes\(|base64_decode\(|gzinflate\(|str_rot13\(|trim\(|urldecode\(|hex2bin\(|\(){0,4}[ \t]{0,4}@?(\$_GET|\$_POST|\$_REQUEST|\$_COOKIE|\$_SERVER)[ \t]{0,3}[\[{]/ nocase
		$tick = /`[ ]{0,3}[{]?(\$_GET|\$_POST|\$_REQUEST|\$_COOKIE)\[[^`\r\n]{1,60}`/
		$name = /\$_(GET|POST|REQUEST|COOKIE)[ ]{0,3}[\[{][^\]}\r\n]{1,40}[\]}][ ]{0,3}\([ ]{0,3}@?(\$_GET|\$_POST|\$_REQUEST|\$_COOKIE)/
		$regex = /preg_replace[ ]{0,3}\([ ]{0,3}['"]([\/#~|@])[^'"\r\n]{0,60}[\/#~|@][a-z]{0,5}e[a-z]{0,5}['"][ ]{0,3},[ ]{0,3}@?(\$_GET|\$_POST|\$_REQUEST|\$_COOKIE)/
	condition:
		filesize < 2MB and $open and any of ($direct, $tick, $name, $regex)
}

rule Webshell_PHP_Runs_Decoded
{
	meta:
		signature_id = "SB-0702"
		description = "PHP that executes text which it decodes first"
		verdict = "suspicious"
		severity = "medium"
		category = "webshell"
		reference = "https://attack.mitre.org/techniques/T1027/"
		false_positives = "licence protection of paid PHP programs"
	strings:
		$open = /(<\?php|<\?=|<\? |<\?\t|<\?\r|<\?\n)/ nocase
		$chain = /\b(eval\(|eval \(|assert\(|assert \(|create_function\()[ ]{0,3}(['"]{2},|['"]\?>['"][ ]{0,3}\.)?[ ]{0,3}@?(gzinflate|gzuncompress|gzdecode|str_rot13|strrev|base64_decode|convert_uudecode|hex2bin|rawurldecode)[ ]{0,3}\([ ]{0,3}@?(gzinflate|gzuncompress|gzdecode|str_rot13|strrev|base64_decode|convert_uudecode|hex2bin|rawurldecode|['"][a-z0-9+\/=%\\]{100})/ nocase
	condition:
		filesize < 8MB and $open and $chain
}

rule Webshell_PHP_Manager
{
	meta:
		signature_id = "SB-0703"
		description = "PHP page with the functions of a web shell: commands, files, rights, server"
		verdict = "suspicious"
		severity = "high"
		category = "webshell"
		reference = "https://attack.mitre.org/techniques/T1505/003/"
		false_positives = "file managers in one file that also run commands"
	strings:
		$open = "<?php" nocase
		$request = /(\$_POST|\$_GET|\$_REQUEST)[ ]{0,3}\[/
		$run1 = "shell_exec("
		$run2 = "passthru("
		$run3 = "proc_open("
		$run4 = /[^a-z_>:](system\(|[s][y][s]tem \(|[s][y][s][t]em  \()[ ]{0,2}\$/
		$run5 = /[^a-z_>:](popen\(|[p][o]pen \(|[p][o][p]en  \()[ ]{0,2}\$/
		$sign1 = "safe_mode"
		$sign2 = "disable_functions"
		$sign3 = "posix_getpwuid"
		$sign4 = "php_uname"
		$sign5 = "move_uploaded_file"
		$sign6 = /[f]ilep[e]rms/
		$sign7 = "/etc/passwd"
		$sign8 = "fsockopen"
		$sign9 = "disk_free_space"
		$sign10 = /error_reporting[ ]{0,2}\([ ]{0,2}0[ ]{0,2}\)/
		$sign11 = /set_time_limit[ ]{0,2}\([ ]{0,2}0[ ]{0,2}\)/
	condition:
		filesize > 1KB and filesize < 1MB and $open in (0 .. 4096) and $request and
		3 of ($run*) and 7 of ($sign*)
}

rule Webshell_JSP_Runs_Request
{
	meta:
		signature_id = "SB-0704"
		description = "JSP that starts programs which a request names"
		verdict = "suspicious"
		severity = "high"
		category = "webshell"
		reference = "https://attack.mitre.org/techniques/T1505/003/"
		false_positives = "exercises in web security"
	strings:
		$open1 = { ( 3C 25 0? | 3C 25 1? | 3C 25 2? | 3C 25 3? | 3C 25 4? | 3C 25 5? | 3C 25 6? | 3C 25 7? | 3C 25 8? | 3C 25 9? | 3C 25 A? | 3C 25 B? | 3C 25 C? | 3C 25 D? | 3C 25 E? | 3C 25 F? ) } // <%
		$open2 = "<jsp:"
		$input = /(request\.getParameter|request\.getHeader|request\.getInputStream|request\.getReader|request\.getQueryString)/
		$run1 = /getRuntime[ ]{0,3}\([ ]{0,3}\)[ \r\n\t]{0,8}\.[ ]{0,3}exec[ ]{0,3}\(/
		$run2 = /new[ ]{1,3}(java\.lang\.)?ProcessBuilder[ ]{0,3}\(/
		$run3 = /\.eval\([ ]{0,3}request\.getParameter/
	condition:
		filesize < 1MB and uint32be(0) != 0xCAFEBABE and any of ($open*) and
		(extension startswith "jsp" or extension == "" or extension == "txt" or extension == "war" or
			extension == "jspf" or extension == "tag" or $open1 in (0 .. 256)) and
		$input and any of ($run*)
}

rule Webshell_JSP_Loads_Class
{
	meta:
		signature_id = "SB-0705"
		description = "JSP that loads a class which a request brings"
		verdict = "suspicious"
		severity = "critical"
		category = "webshell"
		reference = "https://attack.mitre.org/techniques/T1505/003/"
		false_positives = "none known"
	strings:
		$open = { ( 3C 25 0? | 3C 25 1? | 3C 25 2? | 3C 25 3? | 3C 25 4? | 3C 25 5? | 3C 25 6? | 3C 25 7? | 3C 25 8? | 3C 25 9? | 3C 25 A? | 3C 25 B? | 3C 25 C? | 3C 25 D? | 3C 25 E? | 3C 25 F? ) } // <%
		$class = "extends ClassLoader"
		$define = "defineClass"
		$input = /(request\.getParameter|request\.getHeader|request\.getInputStream|request\.getReader)/
		$decode1 = "AES"
		$decode2 = /base64/ nocase
	condition:
		filesize < 1MB and $open in (0 .. 4096) and $class and $define and $input and
		any of ($decode*)
}

rule Webshell_ASP_Runs_Request
{
	meta:
		signature_id = "SB-0706"
		description = "ASP that executes what a request brings"
		verdict = "suspicious"
		severity = "critical"
		category = "webshell"
		reference = "https://attack.mitre.org/techniques/T1505/003/"
		false_positives = "exercises in web security"
	strings:
		$open1 = { ( 3C 25 0? | 3C 25 1? | 3C 25 2? | 3C 25 3? | 3C 25 4? | 3C 25 5? | 3C 25 6? | 3C 25 7? | 3C 25 8? | 3C 25 9? | 3C 25 A? | 3C 25 B? | 3C 25 C? | 3C 25 D? | 3C 25 E? | 3C 25 F? ) } // <%
		$open2 = /<script[^>]{1,80}runat[ ]{0,3}=/ nocase
		$run = /[^.\w](eval\(|eval |execute\(|execute |executeglobal\(|executeglobal )[ (]{0,3}(unescape\()?(request\(|request \(|request\[|request\.item|request\.form|request\.querystring|request\.cookies|request\.params|request\.servervariables)/ nocase
	condition:
		filesize < 1MB and any of ($open*) and $run
}

rule Webshell_ASPX_Starts_Program
{
	meta:
		signature_id = "SB-0707"
		description = "ASP.NET page that starts a shell or loads code which a request brings"
		verdict = "suspicious"
		severity = "high"
		category = "webshell"
		reference = "https://attack.mitre.org/techniques/T1505/003/"
		false_positives = "exercises in web security"
	strings:
		$page = /<%@[ ]{0,3}(page|webhandler|webservice)\b/ nocase
		$input1 = /(request\.|request\[|request\()/ nocase
		$input2 = /runat=["']?server/ nocase
		$start1 = "ProcessStartInfo" nocase
		$start2 = "Process.Start" nocase
		$shell1 = "cmd.exe" nocase
		$shell2 = "powershell" nocase
		$load = /Assembly[ ]{0,2}\.[ ]{0,2}Load[ ]{0,2}\(/
		$decode1 = "FromBase64String"
		$decode2 = "TransformFinalBlock"
		$decode3 = "BinaryRead"
	condition:
		filesize < 1MB and $page in (0 .. 4096) and any of ($input*) and
		((any of ($start*) and any of ($shell*)) or ($load and any of ($decode*)))
}
