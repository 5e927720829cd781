// SPDX-License-Identifier: MIT
//
// The EICAR test file: 68 bytes that every scanner reports by agreement, so that people can see
// that a chain of scanners works. Harmless.
//
// By its definition (https://www.eicar.org/download-anti-malware-testfile/) the 68 bytes stand at
// the very start and nothing but white space (space, tab, CR, LF, Ctrl-Z) may follow, up to 128
// bytes altogether. A text that only quotes it is not a test file, so nothing else is looked for.
//
// The bytes are written as hex digits: the rule file itself must trip no scanner.
// False positives: none known.

rule EICAR_Test_File
{
	meta:
		signature_id = "SB-0001"
		description = "EICAR anti-malware test file"
		verdict = "infected"
		severity = "high"
		category = "test"
		reference = "https://www.eicar.org/download-anti-malware-testfile/"
		false_positives = "none known"
	strings:
		$eicar = {
			58 35 4F 21 50 25 40 41 50 5B 34 5C 50 5A 58 35 34 28 50 5E 29 37 43 43 29 37 7D 24
			45 49 43 41 52 2D 53 54 41 4E 44 41 52 44 2D
			41 4E 54 49 56 49 52 55 53 2D 54 45 53 54 2D 46 49 4C 45 21
			24 48 2B 48 2A
		}
	condition:
		filesize >= 68 and filesize <= 128 and $eicar at 0 and
		(filesize == 68 or
			for all i in (68 .. filesize - 1) : (
				uint8(i) == 0x20 or uint8(i) == 0x09 or uint8(i) == 0x0D or
				uint8(i) == 0x0A or uint8(i) == 0x1A))
}
