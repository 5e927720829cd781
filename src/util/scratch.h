/* SPDX-License-Identifier: MIT */
/* For tests: a folder of a test's own, and its end with all that is in it. */
#ifndef SB_UTIL_SCRATCH_H
#define SB_UTIL_SCRATCH_H

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { SB_SCRATCH_PATH = 64 };

/* Below $TMPDIR, else /tmp; @p in_memory: in /dev/shm before that, where there is one, for tests
 * that flush a lot. False when there is no place. */
static inline bool sb_scratch_make(char path[SB_SCRATCH_PATH], const char *name, bool in_memory)
{
	const char *base = getenv("TMPDIR");
	struct stat st;

	if (base == NULL)
		base = in_memory && stat("/dev/shm", &st) == 0 ? "/dev/shm" : "/tmp";
	return snprintf(path, SB_SCRATCH_PATH, "%s/sb-%s-XXXXXX", base, name) < SB_SCRATCH_PATH &&
	       mkdtemp(path) != NULL;
}

static inline int sb_scratch_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static inline bool sb_scratch_remove(const char *path)
{
	return nftw(path, sb_scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0;
}

#endif
