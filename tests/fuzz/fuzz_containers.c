/* SPDX-License-Identifier: MIT */
/*
 * The walk over any bytes, with small limits. Oracles: no limit is ever passed, paths hold no NUL
 * and end in the name, the problem is one of four kinds and has its fact, whoever finds members
 * was likely, and a second walk says the same.
 */
#include <stdlib.h>
#include <string.h>

#include "containers/containers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const sb_container_limits limits = {
	.max_depth = 4,
	.max_members = 64,
	.max_bytes = 4 << 20,
	.max_member = 1 << 20,
	.max_memory = 2 << 20,
	.max_ratio = 100,
};

typedef struct seen {
	uint64_t members, bytes, hash;
} seen;

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void mix(seen *s, const void *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		s->hash = (s->hash ^ ((const uint8_t *)data)[i]) * 1099511628211u;
}

static int member(void *data, const sb_member *m)
{
	seen *s = data;

	require(strlen(m->path) == m->path_length && strlen(m->name) == m->name_length);
	require(m->path_length <= 4096 && m->depth <= limits.max_depth);
	if (m->depth == 0)
		return 0;
	require(m->name_length > 0 && m->path_length >= m->name_length);
	require(strcmp(m->path + m->path_length - m->name_length, m->name) == 0);
	require(m->size <= limits.max_member && m->container[0] != '\0');
	s->members++;
	s->bytes += m->size;
	require(s->members <= limits.max_members && s->bytes <= limits.max_bytes);
	mix(s, m->path, m->path_length);
	mix(s, m->data, m->size);
	return 0;
}

static void walk(const uint8_t *data, size_t size, sb_walked *out, seen *s)
{
	static const char *const passwords[] = {"infected", NULL};
	const sb_walk_options options = {
		.limits = limits, .passwords = passwords, .member = member, .data = s};

	*s = (seen){0};
	require(sb_containers_walk(out, data, size, "x.br", 4 * (size_t)(size % 2), &options) == 0);
}

static bool has_fact(const sb_walked *w)
{
	switch (w->problem) {
	case SB_KIND_NONE:
		return true;
	case SB_KIND_LIMIT_EXCEEDED:
		return (w->facts & SB_FACT_LIMIT) != 0;
	case SB_KIND_ENCRYPTED:
		return (w->facts & SB_FACT_ENCRYPTED) != 0;
	case SB_KIND_CORRUPT:
		return (w->facts & SB_FACT_CORRUPT) != 0;
	case SB_KIND_UNSUPPORTED:
		return (w->facts & SB_FACT_UNSUPPORTED) != 0;
	default:
		return false;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sb_walked first, second;
	seen one, two;

	walk(data, size, &first, &one);
	walk(data, size, &second, &two);
	require(one.members == two.members && one.hash == two.hash);
	require(first.problem == second.problem && first.doubt == second.doubt);
	require(strcmp(first.message, second.message) == 0 && first.facts == second.facts);
	require(has_fact(&first) && (first.problem == SB_KIND_NONE) == (first.message[0] == '\0'));
	require(first.members >= one.members && first.bytes >= one.bytes);
	require(first.members <= limits.max_members && first.bytes <= limits.max_bytes);
	require(first.depth <= limits.max_depth);
	return 0;
}
