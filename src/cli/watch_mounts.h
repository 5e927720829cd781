/* SPDX-License-Identifier: MIT */
/* Mounts below the watched folders: inotify tells when one goes, and nothing when one comes. */
#ifndef SB_CLI_WATCH_MOUNTS_H
#define SB_CLI_WATCH_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sb_mounts {
	int fd; /* POLLPRI: something was mounted or unmounted somewhere; -1: nobody tells */
	uint64_t last;
} sb_mounts;

/* Without /proc there is nothing to be heard. */
void sb_mounts_open(sb_mounts *mounts, char *const *roots, size_t count);
void sb_mounts_close(sb_mounts *mounts);
/* Whether what is mounted below a root is something else than the last time. */
bool sb_mounts_changed(sb_mounts *mounts, char *const *roots, size_t count);

#endif
