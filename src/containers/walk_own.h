/* SPDX-License-Identifier: MIT */
/* What walk.c, unpack.c and embedded.c share of one walk. */
#ifndef SB_CONTAINERS_WALK_OWN_H
#define SB_CONTAINERS_WALK_OWN_H

#include "containers/ranges.h"
#include "containers/reader.h"

enum {
	SB_WALK_PATH_MAX = 4096, /* bytes of a path, and of a name, that are kept */
	SB_WALK_NAME_MAX = 1024,
	/* Bytes that are worth a look: more than what stamps and owners take. */
	SB_WALK_SCRAP = 40,
	SB_WALK_STOP = -1, /* what walk functions return when the walk is over */
};

/* From where on the ratio is looked at. */
#define SB_WALK_RATIO_FROM ((uint64_t)16 << 20)

struct sb_walk {
	const sb_walk_options *options;
	sb_walked *out;
	uint64_t size;     /* of the content */
	uint64_t produced; /* unpacked bytes, those that lay there ready not counted */
	uint64_t held;     /* of those, still in memory */
	bool over;         /* a limit of the whole walk was reached, or no time is left */
	int verdict;       /* what member() returned, not 0 */
};

extern const sb_reader_ops *const sb_readers[];

/* Judge and take apart. */
int sb_walk_visit(sb_walk *walk, sb_level *level, const char *container);
/* Search what no reader has claimed. */
int sb_walk_embedded(sb_walk *walk, sb_level *level);
/* What is left in a container even so: a member for each piece between zeros. */
int sb_walk_leftovers(sb_walk *walk, sb_level *level);
/* The path of a member, to be freed; the own name begins at *@p name. */
char *sb_walk_path(
	sb_walk *walk, const sb_level *level, const char *name, size_t length, const char **own);
/* One member more. 0, or SB_WALK_STOP past the limit. */
int sb_walk_count(sb_walk *walk, const sb_level *level);
/* A limit that ends the whole walk. */
int sb_walk_over(sb_walk *walk, const sb_level *level, const char *member, const char *text);

#endif
