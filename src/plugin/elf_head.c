/* SPDX-License-Identifier: MIT */
/* The head of an ELF file (man 5 elf); see elf_head.h. Type and machine stand at the same place for
 * 32 and 64 bits. */
#include "plugin/elf_head.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

static const struct {
	unsigned number;
	const char *name;
} machines[] = {
	{EM_386, "i386"},
	{EM_ARM, "ARM"},
	{EM_X86_64, "x86-64"},
	{EM_AARCH64, "AArch64"},
	{EM_PPC64, "PowerPC 64"},
	{EM_S390, "S/390"},
	{EM_RISCV, "RISC-V"},
};

static unsigned number_at(const unsigned char *head, size_t offset)
{
	unsigned low = head[offset], high = head[offset + 1];

	return head[EI_DATA] == ELFDATA2MSB ? low << 8 | high : high << 8 | low;
}

static void name_of(const unsigned char *head, char *out, size_t room)
{
	unsigned machine = number_at(head, offsetof(ElfW(Ehdr), e_machine));
	const char *name = "machine";

	for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++)
		if (machines[i].number == machine)
			name = machines[i].name;
	snprintf(out, room, "%s (%u, %d bits, %s endian)", name, machine,
		head[EI_CLASS] == ELFCLASS64 ? 64 : 32,
		head[EI_DATA] == ELFDATA2MSB ? "big" : "little");
}

bool sb_elf_check(const void *data, size_t length, const void *own, char *why, size_t room)
{
	const unsigned char *head = data, *mine = own;
	const size_t machine = offsetof(ElfW(Ehdr), e_machine);
	char theirs[80], ours[80];

	if (length < SB_ELF_HEAD || memcmp(head, ELFMAG, SELFMAG) != 0) {
		snprintf(why, room, "it is no ELF file; build it with cc -shared -fPIC");
		return false;
	}
	if (head[EI_CLASS] != mine[EI_CLASS] || head[EI_DATA] != mine[EI_DATA] ||
		number_at(head, machine) != number_at(mine, machine)) {
		name_of(head, theirs, sizeof theirs);
		name_of(mine, ours, sizeof ours);
		snprintf(why, room, "it was built for another architecture, %s; this is %s", theirs,
			ours);
		return false;
	}
	if (number_at(head, offsetof(ElfW(Ehdr), e_type)) != ET_DYN) {
		snprintf(why, room,
			"it is an ELF file, but no shared object; build it with cc -shared -fPIC");
		return false;
	}
	return true;
}

/* By the linker, which calls it so in every program and library. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

const void *sb_elf_own(void)
{
	return &__ehdr_start;
}
