/* SPDX-License-Identifier: MIT */
/*
 * A file that gets its name only when it is whole and durable: without a name (O_TMPFILE) where
 * the file system can, so that a crash leaves nothing; else under a temporary name with a lock
 * on it, which tells the living from the dead. Always 0600, whatever the umask.
 */
#ifndef SB_UTIL_TEMP_H
#define SB_UTIL_TEMP_H

typedef struct sb_temp {
	int dir, fd;
	char name[64]; /* "" while it has none */
} sb_temp;

enum {
	SB_TEMP_NAMED = 1, /* a temporary name in any case */
	SB_TEMP_OWNED = 2, /* by the owner of the folder, when we are root */
};
/* 0, or -1 with errno. @p name: the temporary one, where one is needed. */
int sb_temp_open(sb_temp *temp, int dir, const char *name, unsigned flags);
/* fsync and link under its final name, which must be free (EEXIST); then fsync the folder. The
 * descriptor stays open. On failure sb_temp_drop() is still due. */
int sb_temp_publish(sb_temp *temp, const char *name);
/* The same in two steps. */
int sb_temp_sync(sb_temp *temp);
int sb_temp_name(sb_temp *temp, const char *name);
/* Like publish, but in place of what has that name. */
int sb_temp_replace(sb_temp *temp, const char *name);
/* Close; what was not published is gone. Keeps errno. */
void sb_temp_drop(sb_temp *temp);

/* 0600, and the owner of the folder when we are root. */
int sb_temp_own(int dir, int fd);
/* fsync in spite of EINTR, which must not be taken for a failed flush. */
int sb_temp_flush(int fd);

#endif
