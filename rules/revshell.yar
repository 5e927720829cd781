// SPDX-License-Identifier: MIT
//
// Reverse shells: a shell whose input and output are a connection to somebody else. In every
// language these are a few lines that hardly vary: connect, put the connection in the place of
// standard input and output, start a shell.
//
// False positives: manuals and articles that quote a whole line, tools of testers.

rule Revshell_Bash_Device
{
	meta:
		signature_id = "SB-0801"
		description = "Shell on a network connection by way of /dev/tcp"
		verdict = "suspicious"
		severity = "high"
		category = "revshell"
		reference = "https://attack.mitre.org/techniques/T1059/004/"
		false_positives = "articles that quote whole lines"
	strings:
		$direct = /\b(ba|z|da|k)?sh[ \t]{1,4}-[a-z]{0,3}i[a-z]{0,3}[ \t]{0,4}[012&]?>[&]?[ \t]{0,4}\/dev\/(tcp|udp)\/[a-z0-9.$_{}-]{1,80}\/[0-9$]/ nocase
		$loop = /[0-9]{1,3}<>[ \t]{0,3}\/dev\/(tcp|udp)\/[a-z0-9.$_{}-]{1,80}\/[0-9$][^\r\n]{0,40}[;\r\n&][^\r\n]{0,60}(while[ \t]{1,3}read|sh[ \t]{1,3}(-i[ \t]{1,3})?(0?<&|[012]?>&))/ nocase
		$redirect = /0<&[0-9]{1,3}[ \t]{0,3}-?;[ \t]{0,3}exec[ \t]{1,3}[0-9]{1,3}<>[ \t]{0,3}\/dev\/(tcp|udp)\//
	condition:
		filesize < 4MB and any of them
}

rule Revshell_Netcat_Exec
{
	meta:
		signature_id = "SB-0802"
		description = "netcat that hands a shell to a foreign host"
		verdict = "suspicious"
		severity = "high"
		category = "revshell"
		reference = "https://attack.mitre.org/techniques/T1059/004/"
		false_positives = "articles that quote whole lines"
	strings:
		$before = /\b(nc|ncat|netcat)(\.exe|\.traditional)?[ \t]{1,4}[^\r\nl|;]{0,40}-[a-km-z]{0,4}[ec][ \t]{1,4}["']?(\/(usr\/)?bin\/(ba|z|da|k)?sh|cmd(\.exe)?|powershell(\.exe)?)["']?[ \t]{1,4}[^\r\n]{0,20}(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|\$[a-z_{]|[a-z0-9-]{1,40}\.[a-z]{2,8})[ \t:]{1,4}[0-9$]/ nocase
		$after = /\b(nc|ncat|netcat)(\.exe|\.traditional)?[ \t]{1,4}(-[a-km-z]{1,4}[ \t]{1,4})?(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|\$[a-z_{]{1,20}}?|[a-z0-9-]{1,40}\.[a-z.]{2,30})[ \t]{1,4}[0-9$][a-z0-9_{}]{1,20}[ \t]{1,4}-[a-km-z]{0,4}[ec][ \t]{1,4}["']?(\/(usr\/)?bin\/(ba|z|da|k)?sh|cmd(\.exe)?|powershell(\.exe)?)\b/ nocase
	condition:
		filesize < 4MB and any of them
}

rule Revshell_Pipe_Loop
{
	meta:
		signature_id = "SB-0803"
		description = "Shell that is tied to a connection by a named pipe"
		verdict = "suspicious"
		severity = "high"
		category = "revshell"
		reference = "https://attack.mitre.org/techniques/T1059/004/"
		false_positives = "articles that quote whole lines"
	strings:
		$line = /(mkfifo|mknod)[ \t]{1,4}[^\r\n|]{2,200}\|[ \t]{0,4}(\/(usr\/)?bin\/)?(ba|z|da|k)?sh([ \t]{1,4}-[a-z]{1,3})?[ \t]{0,4}(2>&1)?[ \t]{0,4}\|[ \t]{0,4}(nc|ncat|netcat|telnet|openssl|socat|busybox)[ \t][^\r\n]{4,120}>/
	condition:
		filesize < 4MB and $line
}

rule Revshell_Socat
{
	meta:
		signature_id = "SB-0804"
		description = "socat that hands a shell to a foreign host"
		verdict = "suspicious"
		severity = "high"
		category = "revshell"
		reference = "https://attack.mitre.org/techniques/T1059/004/"
		false_positives = "articles that quote whole lines"
	strings:
		$first = /socat[ \t][^\r\n]{0,80}(exec|system):["']?[^\r\n]{0,20}sh\b[^\r\n]{0,80}[ \t](tcp4?|tcp6|openssl|udp)(-connect)?:[^\r\n, \t]{1,80}:[0-9$]/ nocase
		$second = /socat[ \t]{1,4}(tcp4?|tcp6|openssl|udp)(-connect)?:[^\r\n \t]{1,120}:[0-9$][^\r\n \t]{1,60}[ \t]{1,4}(exec|system):["']?[^\r\n]{0,20}sh\b/ nocase
	condition:
		filesize < 4MB and any of them
}

rule Revshell_Python
{
	meta:
		signature_id = "SB-0805"
		description = "Python that puts a connection in the place of a shell's input and output"
		verdict = "suspicious"
		severity = "high"
		category = "revshell"
		reference = "https://attack.mitre.org/techniques/T1059/006/"
		false_positives = "tools of testers"
	strings:
		$connect = ".connect(("
		$dup = /dup2[ ]{0,2}\([ ]{0,2}[a-z_0-9.]{1,20}\.fileno\(\)[ ]{0,2},[ ]{0,2}(0|1|2|fd|f|i|x)[ ]{0,2}\)/
		$shell1 = /pty\.spawn[ ]{0,2}\([ ]{0,2}\[?["']/
		$shell2 = /(subprocess\.call|subprocess\.run|subprocess\.Popen|subprocess\.check_call|os\.system|os\.exec[lv]p?e?)[ ]{0,2}\([ ]{0,2}\[?[ ]{0,2}["'](\/(usr\/)?bin\/)?(ba|z|da)?sh\b/
	condition:
		filesize < 1MB and $connect and $dup and any of ($shell*)
}

rule Revshell_Perl_Ruby
{
	meta:
		signature_id = "SB-0806"
		description = "Perl or Ruby that puts a connection in the place of a shell's input and output"
		verdict = "suspicious"
		severity = "high"
		category = "revshell"
		reference = "https://attack.mitre.org/techniques/T1059/"
		false_positives = "tools of testers"
	strings:
		$perl1 = "sockaddr_in("
		$perl2 = "IO::Socket::INET"
		$stdin = /STDIN[ ]{0,2},[ ]{0,2}["'][<>]{1,2}&[ ]{0,2}=?\$?[A-Za-z_]{1,20}/
		$stdout = /STDOUT[ ]{0,2},[ ]{0,2}["']>{1,2}&[ ]{0,2}=?\$?[A-Za-z_]{1,20}/
		$fdopen = /STDIN->fdopen[ ]{0,2}\([ ]{0,2}\$[a-z_]{1,20}[ ]{0,2},[ ]{0,2}r[ ]{0,2}\)/
		$shell = /(exec|system)[ ]{0,3}[({]?[ ]{0,3}["']\/(usr\/)?bin\/(ba|z|da|k)?sh([ ]{1,3}-i)?["']/
		$loop = "while<>"
		$ruby = /TCPSocket\.(new|open)[ ]{0,2}\(/
		$ruby1 = /sh -i[ ]{0,3}<&[ ]{0,2}(%d|#\{)/
		$ruby2 = /IO\.popen[ ]{0,2}\([ ]{0,2}[a-z_]{1,12}[ ]{0,2},[ ]{0,2}["']r["'][ ]{0,2}\)[ ]{0,2}\{[ ]{0,2}\|[a-z_]{1,12}\|[ ]{0,2}[a-z_]{1,12}\.(print|puts|write)/
	condition:
		filesize < 1MB and
		((any of ($perl1, $perl2) and
			(($stdin and $stdout and $shell) or ($fdopen and $loop))) or
			($ruby and any of ($ruby1, $ruby2)))
}

rule Revshell_PHP
{
	meta:
		signature_id = "SB-0807"
		description = "PHP that ties a shell to a connection"
		verdict = "suspicious"
		severity = "high"
		category = "revshell"
		reference = "https://attack.mitre.org/techniques/T1505/003/"
		false_positives = "tools of testers"
	strings:
		$connect = /(fsockopen|pfsockopen|stream_socket_client|socket_connect)[ ]{0,2}\(/
		$handle = /sh[ ]{1,3}(-i[ ]{1,3})?<&3[ ]{1,3}>&3/
		$pipes = /proc_open[ ]{0,2}\(/
		$shell = /["';][ ]{0,2}\/(usr\/)?bin\/(ba|da)?sh[ ]{1,3}-i["']/
	condition:
		filesize < 1MB and $connect and ($handle or ($pipes and $shell))
}

rule Revshell_PowerShell
{
	meta:
		signature_id = "SB-0808"
		description = "PowerShell that runs what comes over a connection and sends the result back"
		verdict = "suspicious"
		severity = "high"
		category = "revshell"
		reference = "https://attack.mitre.org/techniques/T1059/001/"
		false_positives = "tools of testers"
	strings:
		$connect = /Net\.Sockets\.TCPClient['"]?[ ]{0,3}\(/ ascii wide nocase
		$stream = ".GetStream()" ascii wide nocase
		$read = ".Read(" ascii wide nocase
		$run1 = /\biex[ (|;"'&$]/ ascii wide nocase
		$run2 = "Invoke-Expression" ascii wide nocase
		$run3 = /\.FileName[ ]{0,3}=[ ]{0,3}["'](cmd|powershell)/ ascii wide nocase
		$write = ".Write(" ascii wide nocase
	condition:
		filesize < 1MB and $connect and $stream and $read and $write and any of ($run*)
}
