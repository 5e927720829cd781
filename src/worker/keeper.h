/* SPDX-License-Identifier: MIT */
/*
 * Starting a process that the application never notices. A library that forks makes SIGCHLD
 * for a host that may count its own children, and loses its child to a host that waits for all
 * of them. So there is a keeper in between:
 *
 *     application ──clone(CLONE_VM, exit signal 0)──► keeper ──vfork + exec──► program
 *
 * The keeper shares our memory, so nothing is copied; it never execs, so its exit signal stays
 * 0: no SIGCHLD, and wait() without __WALL passes it over. It holds nothing but what the program
 * needs, waits for the program and ends with it. The program inherits no descriptor but those
 * that are given, no signal state and no environment.
 */
#ifndef SB_WORKER_KEEPER_H
#define SB_WORKER_KEEPER_H

#include "util/error.h"

enum { SB_KEPT_FDS = 4 };

typedef struct sb_kept sb_kept;

/* Start @p program (a descriptor, O_PATH is enough). Its descriptor 3 + i is fds[i]; 0, 1 and 2
 * are /dev/null. argv[0] is @p name. Returns 0 once it was executed. */
int sb_kept_start(sb_kept **out, int program, const char *name, const int *fds, size_t count,
	sb_error *error);
/* It was told to end, or should have: wait for that, at most @p ms, then end it by force. The
 * status of its wait. */
int sb_kept_end(sb_kept *kept, unsigned ms);
/* Wait until it has ended, and free. The program must have been told to. */
void sb_kept_join(sb_kept *kept);

#endif
