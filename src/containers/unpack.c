/* SPDX-License-Identifier: MIT */
/*
 * Members and their bytes. What lies in its container as it is, is never copied; the rest grows
 * in anonymous memory that goes back to the system at once.
 */
#include "containers/walk_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "containers/bytes.h"
#include "util/text.h"

enum { FIRST_ROOM = 64 << 10 };

struct sb_unpacking {
	sb_walk *walk;
	const sb_level *outer;
	uint64_t packed;
	uint8_t *mapped;      /* NULL while all bytes lie in the outer level */
	const uint8_t *slice; /* where they lie there */
	size_t size, room;
	const char *name;
	char *path;
};

/* --- Memory ------------------------------------------------------------------------------ */

static bool grow(sb_unpacking *member, size_t size)
{
	size_t room = member->room > 0 ? member->room : FIRST_ROOM;
	void *mapped;

	while (room < size)
		room *= 2;
	if (room == member->room)
		return true;
	if (member->mapped == NULL)
		mapped = mmap(
			NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	else
		mapped = mremap(member->mapped, member->room, room, MREMAP_MAYMOVE);
	if (mapped == MAP_FAILED)
		return false;
	member->mapped = mapped;
	member->room = room;
	return true;
}

static void release(sb_unpacking *member)
{
	if (member->mapped != NULL) {
		munmap(member->mapped, member->room);
		member->walk->held -= member->size;
	}
	free(member->path);
	free(member);
}

/* --- Limits ------------------------------------------------------------------------------ */

static int past(sb_unpacking *member, const char *limit, uint64_t value)
{
	char text[32];

	sb_walk_problem(member->walk, member->outer, member->name, SB_KIND_LIMIT_EXCEEDED,
		"unpacks to more than %s %s", limit, sb_format_size(text, sizeof text, value));
	return 1;
}

static bool ratio_past(uint64_t unpacked, uint64_t packed, unsigned ratio)
{
	uint64_t allowed;

	return unpacked > SB_WALK_RATIO_FROM &&
	       !__builtin_mul_overflow(packed, (uint64_t)ratio, &allowed) && unpacked > allowed;
}

static int past_ratio(sb_unpacking *member)
{
	sb_walk_problem(member->walk, member->outer, member->name, SB_KIND_LIMIT_EXCEEDED,
		"unpacks to more than max_ratio %u times its size",
		member->walk->options->limits.max_ratio);
	return 1;
}

static int check(sb_unpacking *member, size_t more, bool copied)
{
	sb_walk *walk = member->walk;
	const sb_container_limits *limits = &walk->options->limits;
	uint64_t held = copied ? more + (member->mapped == NULL ? member->size : 0) : 0;
	uint64_t packed = member->packed > 0 ? member->packed : member->outer->size;

	if (member->size + more > limits->max_member)
		return past(member, "max_member", limits->max_member);
	if (walk->out->bytes + more > limits->max_bytes) {
		walk->over = true;
		return past(member, "max_size", limits->max_bytes);
	}
	if (walk->held + held > limits->max_memory)
		return past(member, "max_memory", limits->max_memory);
	if (ratio_past(walk->produced + held, walk->size, limits->max_ratio)) {
		walk->over = true;
		return past_ratio(member);
	}
	if (copied && ratio_past(member->size + more, packed, limits->max_ratio))
		return past_ratio(member);
	return 0;
}

/* --- Piece by piece ------------------------------------------------------------------------ */

int sb_walk_open(sb_walk *walk, const sb_level *level, const char *name, size_t name_length,
	uint64_t packed, sb_unpacking **out)
{
	sb_unpacking *member;

	*out = NULL;
	if (sb_walk_count(walk, level) < 0)
		return SB_WALK_STOP;
	member = calloc(1, sizeof *member);
	if (member != NULL)
		member->path = sb_walk_path(walk, level, name, name_length, &member->name);
	if (member == NULL || member->path == NULL) {
		free(member);
		return sb_walk_over(walk, level, NULL, "no memory for another member");
	}
	member->walk = walk;
	member->outer = level;
	member->packed = packed;
	*out = member;
	return 0;
}

static bool inside(const sb_level *level, const uint8_t *data, size_t size)
{
	uintptr_t at = (uintptr_t)data - (uintptr_t)level->data;

	return (uintptr_t)data >= (uintptr_t)level->data && at <= level->size &&
	       size <= level->size - at;
}

/* Whether these bytes lie in the level, right behind those that the member has already. */
static bool lies_ready(const sb_unpacking *member, const uint8_t *data, size_t size)
{
	return member->mapped == NULL && inside(member->outer, data, size) &&
	       (member->size == 0 || member->slice + member->size == data);
}

static bool copy(sb_unpacking *member, const uint8_t *data, size_t size)
{
	const uint8_t *slice = member->mapped == NULL ? member->slice : NULL;

	if (!grow(member, member->size + size))
		return false;
	if (slice != NULL && member->size > 0) {
		memcpy(member->mapped, slice, member->size);
		member->walk->held += member->size;
		member->walk->produced += member->size;
	}
	memcpy(member->mapped + member->size, data, size);
	member->walk->held += size;
	member->walk->produced += size;
	return true;
}

int sb_walk_append(sb_unpacking *member, const void *data, size_t size)
{
	bool ready = lies_ready(member, data, size);
	int result;

	if (size == 0)
		return 0;
	if (sb_walk_poll(member->walk) < 0)
		return SB_WALK_STOP;
	result = check(member, size, !ready);
	if (result != 0)
		return result;
	if (ready && member->size == 0)
		member->slice = data;
	if (!ready && !copy(member, data, size)) {
		sb_walk_problem(member->walk, member->outer, member->name, SB_KIND_LIMIT_EXCEEDED,
			"no memory to unpack it");
		return 1;
	}
	member->size += size;
	member->walk->out->bytes += size;
	return 0;
}

int sb_walk_close(sb_unpacking *member)
{
	const sb_level *outer = member->outer;
	const uint8_t *data = member->mapped != NULL ? member->mapped : member->slice;
	sb_level level = {
		.data = data != NULL ? data : (const uint8_t *)"",
		.size = member->size,
		.name = member->name,
		.path = member->path,
		.depth = outer->depth + 1,
		.outer = outer,
	};
	int result;

	if (member->mapped == NULL && member->size > 0 && inside(outer, data, member->size))
		sb_walk_claim(outer, (uint64_t)(data - outer->data),
			(uint64_t)(data - outer->data) + member->size);
	for (const sb_level *l = outer; l != NULL && inside(l, level.data, level.size);
		l = l->outer)
		sb_walk_seen(l, (uint64_t)(level.data - l->data),
			(uint64_t)(level.data - l->data) + level.size);
	result = sb_walk_visit(member->walk, &level, outer->type != NULL ? outer->type : "");
	release(member);
	return result;
}

void sb_walk_drop(sb_unpacking *member)
{
	release(member);
}

void sb_walk_undo(sb_unpacking *member)
{
	sb_walk *walk = member->walk;

	walk->out->members--;
	walk->out->bytes -= member->size;
	walk->produced -= member->mapped != NULL ? member->size : 0;
	release(member);
}

/* --- Whole --------------------------------------------------------------------------------- */

int sb_walk_member(sb_walk *walk, const sb_level *level, const char *name, size_t name_length,
	const void *data, size_t size)
{
	sb_unpacking *member;
	int result = sb_walk_open(walk, level, name, name_length, 0, &member);

	if (result != 0)
		return result;
	/* The bytes are there already, wherever that is. */
	result = size > 0 ? check(member, size, false) : 0;
	if (result != 0) {
		sb_walk_drop(member);
		return walk->over ? SB_WALK_STOP : 0;
	}
	member->slice = data;
	member->size = size;
	walk->out->bytes += size;
	return sb_walk_close(member);
}

/* --- What is passed over --------------------------------------------------------------------- */

int sb_walk_scrap(
	sb_walk *walk, const sb_level *level, const char *name, uint64_t from, uint64_t size)
{
	const uint8_t *data = level->data + from;

	if (size < SB_WALK_SCRAP || memcmp(data, data + 1, (size_t)size - 1) == 0)
		return 0;
	return sb_walk_member(walk, level, name, strlen(name), data, (size_t)size);
}

int sb_walk_fields(sb_walk *walk, const sb_level *level, uint64_t from, uint64_t size)
{
	int result = 0;

	while (result == 0 && size >= SB_WALK_SCRAP) {
		uint64_t part = sb_le16(level->data + from + 2);

		if (part > size - 4)
			return sb_walk_scrap(walk, level, "extra field", from, size);
		result = sb_walk_scrap(walk, level, "extra field", from + 4, part);
		from += 4 + part;
		size -= 4 + part;
	}
	return result;
}
