/* SPDX-License-Identifier: MIT */
#include "containers/fake_walk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/io.h"

struct sb_unpacking {
	sb_walk *walk;
	fake_member member;
	size_t room;
};

static void *checked(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

bool fake_walk_run(sb_walk *walk, const sb_reader_ops *reader, const void *data, size_t size)
{
	sb_level level = {.data = data, .size = size, .name = "", .path = ""};

	walk->likeness = reader->recognise(data, size, &walk->type);
	if (walk->likeness == SB_NOT_THIS)
		return false;
	level.type = walk->type;
	walk->result = reader->take_apart(walk, &level, walk->likeness);
	if (walk->open != 0) {
		fprintf(stderr, "%zu members left open\n", walk->open);
		abort();
	}
	return true;
}

void fake_walk_done(sb_walk *walk)
{
	for (size_t i = 0; i < walk->count; i++) {
		free(walk->members[i].name);
		free(walk->members[i].data);
	}
	free(walk->members);
	*walk = (sb_walk){0};
}

const fake_member *fake_walk_find(const sb_walk *walk, const char *name)
{
	for (size_t i = 0; i < walk->count; i++)
		if (strcmp(walk->members[i].name, name) == 0)
			return &walk->members[i];
	return NULL;
}

bool fake_walk_has(const sb_walk *walk, const void *data, size_t size)
{
	for (size_t i = 0; i < walk->count; i++)
		if (walk->members[i].size == size &&
			(size == 0 || memcmp(walk->members[i].data, data, size) == 0))
			return true;
	return false;
}

char *fake_walk_sample(const char *name, size_t *size)
{
	const char *folder = getenv("CLAMAV_TESTFILES");
	char path[4096];

	if (folder == NULL)
		folder = "/usr/share/clamav-testfiles";
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return sb_read_file(path, 16 << 20, size);
}

static int limit(sb_walk *walk, const sb_level *level, const char *what)
{
	sb_walk_problem(walk, level, NULL, SB_KIND_LIMIT_EXCEEDED, "%s", what);
	return 1;
}

int sb_walk_open(sb_walk *walk, const sb_level *level, const char *name, size_t name_length,
	uint64_t packed, sb_unpacking **out)
{
	sb_unpacking *u;
	int stop = sb_walk_poll(walk);

	(void)packed;
	*out = NULL;
	if (stop != 0)
		return stop;
	if (walk->max_members > 0 && walk->count >= walk->max_members) {
		limit(walk, level, "members");
		return -SB_KIND_LIMIT_EXCEEDED;
	}
	u = checked(calloc(1, sizeof(*u)));
	u->walk = walk;
	u->member.name = checked(strndup(name, name_length));
	u->room = 64;
	u->member.data = checked(malloc(u->room));
	walk->open++;
	*out = u;
	return 0;
}

int sb_walk_append(sb_unpacking *u, const void *data, size_t size)
{
	sb_walk *walk = u->walk;
	int stop = sb_walk_poll(walk);

	if (stop != 0)
		return stop;
	if ((walk->max_member > 0 && u->member.size + size > walk->max_member) ||
		(walk->max_bytes > 0 && walk->bytes + size > walk->max_bytes))
		return limit(walk, NULL, "bytes");
	while (u->room < u->member.size + size) {
		u->room *= 2;
		u->member.data = checked(realloc(u->member.data, u->room));
	}
	if (size > 0)
		memcpy(u->member.data + u->member.size, data, size);
	u->member.size += size;
	walk->bytes += size;
	return 0;
}

int sb_walk_close(sb_unpacking *u)
{
	sb_walk *walk = u->walk;

	if ((walk->count & (walk->count + 1)) == 0)
		walk->members = checked(
			reallocarray(walk->members, 2 * walk->count + 2, sizeof(*walk->members)));
	/* Exactly as large as it is, so that a sanitizer sees one byte too far. */
	u->member.data = checked(realloc(u->member.data, u->member.size > 0 ? u->member.size : 1));
	walk->members[walk->count++] = u->member;
	walk->open--;
	free(u);
	return sb_walk_poll(walk);
}

void sb_walk_drop(sb_unpacking *u)
{
	if (u == NULL)
		return;
	u->walk->open--;
	free(u->member.name);
	free(u->member.data);
	free(u);
}

int sb_walk_member(sb_walk *walk, const sb_level *level, const char *name, size_t name_length,
	const void *data, size_t size)
{
	sb_unpacking *u;
	int result = sb_walk_open(walk, level, name, name_length, size, &u);

	if (result != 0)
		return result;
	result = sb_walk_append(u, data, size);
	if (result == 0)
		return sb_walk_close(u);
	sb_walk_drop(u);
	return result;
}

void sb_walk_problem(sb_walk *walk, const sb_level *level, const char *member, sb_kind kind,
	const char *format, ...)
{
	va_list args;

	(void)level;
	(void)member;
	if (kind == SB_KIND_ENCRYPTED)
		walk->facts |= SB_FACT_ENCRYPTED;
	if (kind == SB_KIND_CORRUPT)
		walk->facts |= SB_FACT_CORRUPT;
	if (kind == SB_KIND_LIMIT_EXCEEDED)
		walk->facts |= SB_FACT_LIMIT;
	if (walk->problem != SB_KIND_NONE && walk->problem <= kind)
		return;
	walk->problem = kind;
	va_start(args, format);
	vsnprintf(walk->message, sizeof(walk->message), format, args);
	va_end(args);
}

void sb_walk_doubt(sb_walk *walk, const sb_level *level, const char *format, ...)
{
	va_list args;

	(void)level;
	if (walk->doubt)
		return;
	walk->doubt = true;
	va_start(args, format);
	vsnprintf(walk->doubt_message, sizeof(walk->doubt_message), format, args);
	va_end(args);
}

void sb_walk_fact(sb_walk *walk, unsigned facts)
{
	walk->facts |= facts;
}

void sb_walk_seen(const sb_level *level, uint64_t from, uint64_t to)
{
	(void)level;
	(void)from;
	(void)to;
}

int sb_walk_poll(sb_walk *walk)
{
	walk->polls++;
	return walk->max_polls > 0 && walk->polls > walk->max_polls ? -SB_KIND_LIMIT_EXCEEDED : 0;
}

const char *const *sb_walk_passwords(const sb_walk *walk)
{
	static const char *const none[] = {NULL};

	(void)walk;
	return none;
}
