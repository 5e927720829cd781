// SPDX-License-Identifier: MIT
//
// Extortion by encryption: the note that is left behind, and the commands that take away the
// ways back (shadow copies, backups, recovery) before files are encrypted.
//
// A note is told by three things that come together in a short text: your files are encrypted,
// pay in coins or write to a hidden address, and a deadline or a threat.
//
// False positives: articles that quote a whole note.

rule Ransom_Note
{
	meta:
		signature_id = "SB-0901"
		description = "Note that demands money for encrypted files"
		verdict = "suspicious"
		severity = "high"
		category = "ransom"
		reference = "https://attack.mitre.org/techniques/T1486/"
		false_positives = "articles that quote a whole note"
	strings:
		$locked1 = /(files|documents|data|network|servers|computers?|databases?)[a-z, \r\n]{1,60}(has|have|were|was|are|is)[ \r\n]{1,3}(all[ ]|been[ ]|now[ ]){0,3}(securely |strongly |completely )?(encrypted|locked)/ ascii wide nocase
		$locked2 = /we[ ]{1,2}(have[ ]{1,2})?encrypted[ ]{1,2}(all[ ]{1,2}(of[ ]{1,2})?)?your[ ]{1,2}/ ascii wide nocase
		$pay1 = /\bbitcoins?\b/ ascii wide nocase
		$pay2 = /\bmonero\b/ ascii wide nocase
		$pay3 = /\b(decrypt(or|er|ion)|decoder|private)[ ]{1,2}(tool|key|software|program)\b/ ascii wide nocase
		$pay4 = /\bbc1q[a-z0-9]{30,60}\b/ ascii wide nocase
		$pay5 = /\bransom\b/ ascii wide nocase
		$where1 = /[a-z2-7]{56}\.onion/ ascii wide nocase
		$where2 = /\btor[ ]{0,1}browser/ ascii wide nocase
		$where3 = /(@proton\.|@protonmail\.|@tutanota\.|@tuta\.|@onionmail\.|@cock\.|@mailfence\.|@airmail\.|@keemail\.|@firemail\.)[a-z]{2,4}\b/ ascii wide nocase
		$where4 = /\b(your|personal|unique)[ ]{1,2}(personal[ ]{1,2})?id\b[ ]{0,3}(is)?[ ]{0,3}:/ ascii wide nocase
		$threat1 = /(do not rename|don't rename|do not modify|don't modify|do not try to (decrypt|rename|recover)|don't try to (decrypt|rename|recover)|do not use third|don't use third|do not edit|don't edit|do not decrypt)/ ascii wide nocase
		$threat2 = /(price|cost|payment|amount|fee|sum)[^.\r\n]{0,50}(double|doubled|increase|higher|raised)/ ascii wide nocase
		$threat3 = /([p][e][r]manently|[f]orev[e]r|irrev[e]rsibl|never)[^.\r\n]{0,60}(lost|lose|delete|destroy|recover|decrypt|damage)/ ascii wide nocase
		$threat4 = /(leak|publish|sold|sell|release)[^.\r\n]{0,60}(your|stolen|downloaded|exfiltrated|all)[ ]{1,2}(data|files|documents|information)/ ascii wide nocase
		$threat5 = /(within|after|in|have)[ ]{1,2}([0-9]{1,3}|three|five|seven)[ ]{1,2}(hours|days)/ ascii wide nocase
		$threat6 = /(lose|lost|delete|destroy|damage)[^.\r\n]{0,60}([p][e][r]manently|[f]orev[e]r|irrev[e]rsibl)/ ascii wide nocase
	condition:
		filesize < 256KB and any of ($locked*) and any of ($pay*) and any of ($where*) and
		any of ($threat*)
}

rule Ransom_Script_Removes_Backups
{
	meta:
		signature_id = "SB-0902"
		description = "Script that removes shadow copies and turns off recovery"
		verdict = "suspicious"
		severity = "high"
		category = "ransom"
		reference = "https://attack.mitre.org/techniques/T1490/"
		false_positives = "articles and detection rules that quote whole commands"
	strings:
		$shadow1 = /vssadmin(\.exe)?["^]{0,2}[ ]{1,4}delete[ ]{1,4}shadows[ ]{1,4}\/all/ ascii wide nocase
		$shadow2 = /wmic(\.exe)?["^]{0,2}[ ]{1,4}shadowcopy[ ]{1,4}delete/ ascii wide nocase
		$shadow3 = /Win32_ShadowCopy[^\r\n]{1,80}\.?Delete/ ascii wide nocase
		$recover1 = /bcdedit(\.exe)?["^]{0,2}[ ]{1,4}\/set[^\r\n]{1,40}recoveryenabled[ ]{1,4}no/ ascii wide nocase
		$recover2 = /bcdedit(\.exe)?["^]{0,2}[ ]{1,4}\/set[^\r\n]{1,40}ignoreallfailures/ ascii wide nocase
		$recover3 = /wbadmin(\.exe)?["^]{0,2}[ ]{1,4}delete[ ]{1,4}(catalog|systemstatebackup)/ ascii wide nocase
		$recover4 = /wevtutil(\.exe)?["^]{0,2}[ ]{1,4}cl[ ]{1,4}/ ascii wide nocase
	condition:
		any of ($shadow*) and any of ($recover*) and filesize < 1MB and uint16(0) != 0x5A4D
}

rule Ransom_Program_Removes_Backups
{
	meta:
		signature_id = "SB-0903"
		description = "Windows program that removes shadow copies and turns off recovery"
		verdict = "suspicious"
		severity = "critical"
		category = "ransom"
		reference = "https://attack.mitre.org/techniques/T1490/"
		false_positives = "scanners that carry such texts as patterns"
	strings:
		$shadow1 = /delete[ ]{1,4}shadows[ ]{1,4}\/all/ ascii wide nocase
		$shadow2 = /shadowcopy[ ]{1,4}delete/ ascii wide nocase
		$shadow3 = /Win32_ShadowCopy[^\r\n\x00]{1,80}Delete/ ascii wide nocase
		$recover1 = /\/set[ ]{1,4}\{?default\}?[ ]{1,4}recoveryenabled[ ]{1,4}no/ ascii wide nocase
		$recover2 = /bootst[a]t[u]spolicy[ ]{1,4}ignoreallfailures/ ascii wide nocase
		$recover3 = /delete[ ]{1,4}([c][a]talog|[s][y][s][t]emst[a]tebackup)[ ]{1,4}-(quiet|keepversions)/ ascii wide nocase
	condition:
		uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and filesize < 64MB and
		any of ($shadow*) and any of ($recover*)
}
