/* SPDX-License-Identifier: MIT */
/*
 * Where a scanner works: a folder of our own for each run, which nobody else may enter,
 *
 *     <data_dir>/command/<32 random digits>/     0700, locked while the run lasts
 *         content                                the content, 0400; `content.docx` if so wished
 *         work/                                  the scanner's current and temporary folder
 *
 * removed with all that the scanner left in it. What a crash left behind is known by its lock,
 * which nobody holds any more, and removed when the next engine opens.
 */
#ifndef SB_ENGINES_COMMAND_PLACE_H
#define SB_ENGINES_COMMAND_PLACE_H

#include <scanbridge/sys/engine.h>

#include <limits.h>
#include <sys/stat.h>

typedef struct sb_place {
	int base, dir, work; /* descriptors; -1: none */
	char name[40];
	char path[PATH_MAX]; /* of the folder */
	char file[24];       /* the content's name in it, or "" */
	struct stat put;     /* the content as it was put there */
} sb_place;

/* Once: make the folder that holds them all, and remove what the dead left in it. */
int sb_place_prepare(const char *data_dir, sb_error *error);
int sb_place_make(sb_place *place, const char *data_dir, sb_error *error);
/* Put the call's content there. @p extension: without its dot; "": none. */
int sb_place_put(sb_place *place, sb_call *call, const char *extension, sb_error *error);
/* Whether the content is still there as it was put. */
bool sb_place_intact(const sb_place *place);
/* With all that is in it. */
void sb_place_remove(sb_place *place);

#endif
