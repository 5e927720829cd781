/* SPDX-License-Identifier: MIT */
/* The parts of a removal that recovery does as well; see remove.c. */
#ifndef SB_QUARANTINE_REMOVE_H
#define SB_QUARANTINE_REMOVE_H

#include <sys/stat.h>

#include <scanbridge/sys/store.h>

sb_quarantine_identity sb_removal_identify(const struct stat *st);
/* Unlink @p name in @p folder if it is a regular file with this identity. 0; or -1: it isn't
 * (ESTALE), or errno. *links: hard links that are left. */
int sb_removal_unlink(
	int folder, const char *name, const sb_quarantine_identity *identity, uint64_t *links);
/* 0, or -1 with errno: EEXIST when its name is taken. */
int sb_removal_put_back(int folder, const char *sibling, const char *name);

#endif
