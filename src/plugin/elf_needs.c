/* SPDX-License-Identifier: MIT */
/* The dynamic section of an ELF file (man 5 elf); see elf_needs.h. Like the loader, this goes by
 * addresses in memory, and by the segments that are put there. Every offset is checked. */
#include "plugin/elf_needs.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "util/buf.h"
#include "util/text.h"

typedef struct image {
	const unsigned char *data;
	uint64_t length, table; /* of the file; where its program headers begin */
	unsigned segments;
	uint64_t tags, count; /* the dynamic section: where, and how many entries */
	uint64_t names, name_bytes;
	char *why;
	size_t room;
} image;

static bool refuse(const image *it, const char *what)
{
	snprintf(it->why, it->room, "%s", what);
	return false;
}

static bool damaged(const image *it)
{
	return refuse(it, "its program headers or its dynamic section are damaged; build it anew");
}

static bool copy_at(const image *it, uint64_t at, void *out, size_t size)
{
	if (at > it->length || size > it->length - at)
		return false;
	memcpy(out, it->data + at, size);
	return true;
}

static bool segment_at(const image *it, unsigned i, ElfW(Phdr) * out)
{
	return copy_at(it, it->table + (uint64_t)i * sizeof *out, out, sizeof *out);
}

/* Where in the file is what will be at an address, and how much of it? */
static bool locate(const image *it, uint64_t address, uint64_t *at, uint64_t *left)
{
	ElfW(Phdr) segment;

	for (unsigned i = 0; i < it->segments && segment_at(it, i, &segment); i++) {
		uint64_t inside = address - segment.p_vaddr;

		if (segment.p_type != PT_LOAD || address < segment.p_vaddr ||
			inside >= segment.p_filesz)
			continue;
		if (segment.p_offset > it->length ||
			segment.p_filesz > it->length - segment.p_offset)
			return false;
		*at = segment.p_offset + inside;
		*left = segment.p_filesz - inside;
		return true;
	}
	return false;
}

/* --- Finding ---------------------------------------------------------------------------------- */

static bool find_segments(image *it)
{
	ElfW(Ehdr) head;

	if (!copy_at(it, 0, &head, sizeof head) || head.e_phnum > SB_ELF_SEGMENTS ||
		(head.e_phnum > 0 && head.e_phentsize != sizeof(ElfW(Phdr))) ||
		head.e_phoff > it->length)
		return false;
	it->table = head.e_phoff;
	it->segments = head.e_phnum;
	return true;
}

/* False: it is damaged. There may be none. */
static bool find_tags(image *it)
{
	ElfW(Phdr) segment;
	uint64_t left;
	bool found = false;

	for (unsigned i = 0; i < it->segments; i++) {
		if (!segment_at(it, i, &segment) || (found && segment.p_type == PT_DYNAMIC))
			return false;
		if (segment.p_type != PT_DYNAMIC)
			continue;
		found = true;
		if (!locate(it, segment.p_vaddr, &it->tags, &left))
			return false;
		it->count = left / sizeof(ElfW(Dyn)); /* the loader looks for DT_NULL only */
	}
	return true;
}

static bool tag_at(const image *it, uint64_t i, ElfW(Dyn) * out)
{
	return copy_at(it, it->tags + i * sizeof *out, out, sizeof *out);
}

/* How many entries there are, and where their names stand; false: one of them is missing. */
static bool find_names(image *it)
{
	ElfW(Dyn) tag;
	uint64_t i;
	bool found = false;

	for (i = 0; i < it->count && i <= SB_ELF_TAGS && tag_at(it, i, &tag); i++) {
		if (tag.d_tag == DT_NULL)
			break;
		if (tag.d_tag == DT_STRTAB) /* the last one counts, as for the loader */
			found = locate(it, tag.d_un.d_ptr, &it->names, &it->name_bytes);
	}
	if (i == it->count || i > SB_ELF_TAGS)
		return false;
	it->count = i;
	return found || i == 0;
}

/* --- Judging ---------------------------------------------------------------------------------- */

static const char *name_at(const image *it, uint64_t offset)
{
	const char *name;
	uint64_t left;

	if (offset >= it->name_bytes)
		return NULL;
	name = (const char *)it->data + it->names + offset;
	left = it->name_bytes - offset;
	return memchr(name, '\0', left <= SB_ELF_NAME ? left : SB_ELF_NAME + 1) != NULL ? name
											: NULL;
}

static bool leads(const image *it, const char *before, const char *name, const char *behind)
{
	sb_buf text;

	sb_buf_init(&text, 4096);
	sb_escape(&text, name, strnlen(name, 100));
	snprintf(it->why, it->room, "%s %s, and nobody has looked at what is there; %s (ldconfig)",
		before, text.data != NULL ? text.data : "", behind);
	sb_buf_done(&text);
	return false;
}

static bool judge(const image *it, const ElfW(Dyn) * tag)
{
	bool path = tag->d_tag == DT_RPATH || tag->d_tag == DT_RUNPATH || tag->d_tag == DT_AUDIT ||
		    tag->d_tag == DT_DEPAUDIT;
	const char *name;

	if (!path && tag->d_tag != DT_NEEDED && tag->d_tag != DT_FILTER &&
		tag->d_tag != DT_AUXILIARY)
		return true;
	name = name_at(it, tag->d_un.d_val);
	if (name == NULL)
		return damaged(it);
	if (path)
		return leads(it, "it has a run path,", name,
			"link it without -rpath, and put its libraries where the system's loader "
			"looks");
	if (strchr(name, '/') == NULL)
		return true;
	return leads(it, "it needs by its path the library", name,
		"link it by name (-l), and put the library where the system's loader looks");
}

bool sb_elf_needs_check(const void *data, size_t length, char *why, size_t room)
{
	image it = {.data = data, .length = length, .why = why, .room = room};
	ElfW(Dyn) tag;

	if (!find_segments(&it) || !find_tags(&it))
		return damaged(&it);
	if (it.tags == 0 && it.count == 0)
		return true;
	if (!find_names(&it))
		return damaged(&it);
	for (uint64_t i = 0; i < it.count; i++)
		if (!tag_at(&it, i, &tag))
			return damaged(&it);
		else if (!judge(&it, &tag))
			return false;
	return true;
}
