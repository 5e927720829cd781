// SPDX-License-Identifier: MIT
//
// Packed programs: what they really do can be seen only when they run, by this scanner as little
// as by others. Packing is no proof of anything, hence severity low; a rule of the policy can let
// these pass or not, by place or by user.
//
// Headers are read by hand: the modules pe and elf cost every scan of every file, whatever it is,
// many times what all rules here cost together.
//
// False positives: every program whose maker uses a packer, for size or against copying.

rule Packed_UPX_Windows
{
	meta:
		signature_id = "SB-0601"
		description = "Windows program packed with UPX"
		verdict = "suspicious"
		severity = "low"
		category = "packed"
		reference = "https://attack.mitre.org/techniques/T1027/002/"
		false_positives = "small tools are often packed with UPX"
	condition:
		uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and
		// The name of the first or second section: UPX0, UPX1
		for any i in (0 .. 1) : (
			uint32(uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) + 40 * i) == 0x30585055 or
			uint32(uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) + 40 * i) == 0x31585055)
}

rule Packed_UPX_ELF
{
	meta:
		signature_id = "SB-0602"
		description = "Linux program packed with UPX"
		verdict = "suspicious"
		severity = "low"
		category = "packed"
		reference = "https://attack.mitre.org/techniques/T1027/002/"
		false_positives = "small tools are often packed with UPX"
	strings:
		$loader = "UPX!"
	condition:
		uint32(0) == 0x464C457F and $loader in (0x34 .. 0x200)
}

rule Packed_Known_Section
{
	meta:
		signature_id = "SB-0603"
		description = "Windows program with the sections of a well-known packer or protector"
		verdict = "suspicious"
		severity = "low"
		category = "packed"
		reference = "https://attack.mitre.org/techniques/T1027/002/"
		false_positives = "games and paid programs that are protected against copying"
	strings:
		$name = /(\.aspack\x00|\.adata\x00\x00|\.MPRESS[12]|\.petite\x00|\.themida|\.winlice|\.vmp[0-2]\x00\x00\x00|\.enigma[12]|\.nsp[0-2]\x00\x00\x00|PEC2\x00\x00\x00\x00|PECompa|\.boom\x00\x00\x00|\.yP\x00\x00\x00\x00\x00|FSG!\x00)/
	condition:
		uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and
		// In the table of sections
		uint16(uint32(0x3C) + 6) > 0 and uint16(uint32(0x3C) + 6) < 96 and
		$name in (uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) ..
			uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) + 40 * uint16(uint32(0x3C) + 6) - 8)
}

rule Packed_PE_Layout
{
	meta:
		signature_id = "SB-0604"
		description = "Windows program that begins in a section which is writable, after an empty one"
		verdict = "suspicious"
		severity = "low"
		category = "packed"
		reference = "https://attack.mitre.org/techniques/T1027/002/"
		false_positives = "programs packed by their makers"
	condition:
		uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and
		uint16(uint32(0x3C) + 6) > 1 and uint16(uint32(0x3C) + 6) < 32 and
		// The first section has no bytes in the file, yet code runs in it
		uint32(uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) + 16) == 0 and
		uint32(uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) + 36) & 0xA0000000 == 0xA0000000 and
		// and the entry point is in another one that is executable and writable
		for any i in (1 .. uint16(uint32(0x3C) + 6) - 1) : (
			uint32(uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) + 40 * i + 36) & 0xA0000000 == 0xA0000000 and
			uint32(uint32(0x3C) + 40) >= uint32(uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) + 40 * i + 12) and
			uint32(uint32(0x3C) + 40) < uint32(uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) + 40 * i + 12) + uint32(uint32(0x3C) + 24 + uint16(uint32(0x3C) + 20) + 40 * i + 8))
}

rule Packed_ELF_Layout
{
	meta:
		signature_id = "SB-0605"
		description = "Linux program without sections that loads a segment writable and executable"
		verdict = "suspicious"
		severity = "low"
		category = "packed"
		reference = "https://attack.mitre.org/techniques/T1027/002/"
		false_positives = "hand-made tiny programs"
	condition:
		uint32(0) == 0x464C457F and uint8(5) == 1 and
		(uint16(16) == 2 or uint16(16) == 3) and
		(
			// 64 bit: no section headers; PT_LOAD with flags rwx
			(uint8(4) == 2 and uint16(60) == 0 and uint16(56) > 0 and uint16(56) < 32 and
				for any i in (0 .. uint16(56) - 1) : (
					uint32(uint32(32) + 56 * i) == 1 and
					uint32(uint32(32) + 56 * i + 4) & 7 == 7)) or
			// 32 bit
			(uint8(4) == 1 and uint16(48) == 0 and uint16(44) > 0 and uint16(44) < 32 and
				for any i in (0 .. uint16(44) - 1) : (
					uint32(uint32(28) + 32 * i) == 1 and
					uint32(uint32(28) + 32 * i + 24) & 7 == 7))
		)
}
