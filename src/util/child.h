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
 * that are given, no signal state and no environment but the one that is given.
 *
 * A tethered program does not outlive its purpose, and neither does anything that it starts: the
 * keeper adopts whatever its parents leave behind (it is a subreaper, which the application is
 * not), also what has left the process group and the session, and kills until nothing is left:
 * when the program ends, when sb_child_end() says so, and when the application dies. The one thing
 * that can end the keeper first is SIGKILL; then only the program itself goes with it. Without
 * /proc nobody can tell what was adopted: then only the program's process group ends.
 */
#ifndef SB_UTIL_CHILD_H
#define SB_UTIL_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "util/error.h"

enum { SB_CHILD_FDS = 4, SB_CHILD_LIMITS = 4 };

typedef struct sb_child_limit {
	int resource; /* RLIMIT_…; never raised above what is allowed anyway */
	rlim_t value;
} sb_child_limit;

/* Everything is looked at before sb_child_start() returns, and not afterwards. */
typedef struct sb_child_plan {
	const char *name; /* what messages call it */
	int program;      /* a descriptor (O_PATH is enough); -1: by its path */
	const char *path;
	char *const *argv, *const *environment; /* NULL-terminated; NULL: the name; nothing */
	int standard[3];                        /* its descriptors 0, 1, 2; -1: /dev/null */
	const int *fds;                         /* its descriptors 3, 4, … */
	size_t count;
	int folder;      /* where it runs; -1: where we are */
	bool other_user; /* as `user` and `group`, without further groups; takes root */
	uid_t user;
	gid_t group;
	sb_child_limit limits[SB_CHILD_LIMITS];
	size_t limit_count;
	bool tethered; /* as said above, and without a way to new privileges */
} sb_child_plan;

/* Nothing but a name and /dev/null. */
#define SB_CHILD_PLAN(called)                                                                      \
	{                                                                                          \
		.name = (called), .program = -1, .standard = {-1, -1, -1}, .folder = -1            \
	}

typedef struct sb_child sb_child;

/* 0 once the program was executed; else `engine_unavailable` with the errno of why not. */
int sb_child_start(sb_child **out, const sb_child_plan *plan, sb_error *error);
/* Becomes readable when a tethered program and all that came from it is gone; for poll(). */
int sb_child_fd(const sb_child *child);
/* Kill a tethered program and all that came from it. Returns at once; may be repeated. */
void sb_child_end(sb_child *child);
/* A tethered program was told to end, or should have by itself: wait for that, at most @p ms, then
 * end it by force, and free. As sb_child_join() otherwise. */
int sb_child_end_within(sb_child *child, unsigned ms);
/* Wait until it is over, and free. A program without tether must have been told to end. Returns
 * its status as waitpid() does, -1 when nobody knows it. NULL is fine. */
int sb_child_join(sb_child *child);

#endif
