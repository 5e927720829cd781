/* SPDX-License-Identifier: MIT */
/* What the thread of a clamd of our own knows: spawn.c, spawn_visit.c, spawn_clamd.c,
 * spawn_update.c. */
#ifndef SB_ENGINES_CLAMD_SPAWN_BODY_H
#define SB_ENGINES_CLAMD_SPAWN_BODY_H

#include <pthread.h>

#include "engines/clamd/spawn.h"
#include "util/clock.h"
#include "util/error.h"

/* A program that runs, and what it says. */
typedef struct sb_spawn_program {
	sb_child *child; /* NULL: it doesn't run */
	sb_spawn_lines output;
	uint64_t since;
} sb_spawn_program;

typedef enum sb_spawn_reload {
	SB_RELOAD_NONE = 0,
	SB_RELOAD_ASKED,  /* clamd is loading */
	SB_RELOAD_DONE,   /* it said that it judges by the new ones */
	SB_RELOAD_FAILED, /* it goes on with the old ones */
} sb_spawn_reload;

struct sb_spawn {
	sb_spawn_settings settings;
	sb_spawn_limits limits;
	sb_spawn_place place;
	char *address, *name;
	sb_net_address where;
	int settled; /* eventfd: readable while nobody has to wait */
	int stop;    /* eventfd */
	int nudge;   /* eventfd: is it still there? */
	int turn;    /* eventfd: readable by whoever may go in, while they go one by one */
	pthread_t thread;
	bool has_thread;

	pthread_mutex_t lock; /* guards what follows, up to the empty line */
	pthread_cond_t news;
	sb_spawn_record record;
	uint64_t phase_since;
	unsigned ends;
	unsigned inside, inside_at_end; /* scans, now and at the last end */
	unsigned careful;               /* so many more go in one by one */
	char ended[160];                /* how, the last time */
	bool by_us;                     /* we ended it, for what no content did */
	bool hearing;                   /* the thread has bytes of clamd's in hand */
	int said;                       /* the pipe that clamd's words come from; -1 */
	uint64_t heard;                 /* bytes of it that were understood */
	char doubt[SB_SPAWN_LINE];      /* the last words that make a clean doubtful */

	/* the thread's own */
	bool holder; /* it alone writes it, under the lock */
	sb_restart restart;
	sb_spawn_program clamd, update;
	char *temporary;
	sb_spawn_log log;
	const char *given_up; /* why it was ended by us; NULL: it wasn't */
	bool look_temporary;  /* has it lost its folder? */
	bool nudged;          /* a scan could not reach it */
	int watch;            /* inotify, on the folder of signatures; -1 */
	uint64_t changed_at, looked_at;
	uint64_t asked_at, answered_at; /* is it still there? */
	sb_spawn_reload reload;
	uint64_t reload_since;
	sb_spawn_database loaded, loading;
	char refused[17];    /* what clamd could not load */
	uint64_t update_due; /* SB_NEVER: not at all */
	int update_lock;
};

/* --- spawn.c ------------------------------------------------------------------------------- */

/* Tell everybody how it is: calls that wait, and other processes. */
void sb_spawn_publish(sb_spawn *spawn, const sb_spawn_record *record);
void sb_spawn_publish_phase(sb_spawn *spawn, sb_spawn_phase phase, const char *message);
void sb_spawn_say(sb_spawn *spawn, const char *format, ...) SB_PRINTF(2, 3);
/* Start @p plan with its output on a pipe. */
int sb_spawn_program_start(
	sb_spawn *spawn, sb_spawn_program *program, sb_child_plan *plan, sb_error *error);
/* Around all reading of what clamd says: a clean waits for it. */
void sb_spawn_hear_begin(sb_spawn *spawn);
void sb_spawn_hear_end(sb_spawn *spawn);
/* clamd has said something that makes a clean doubtful. */
void sb_spawn_doubt(sb_spawn *spawn, const char *line);
/* It has ended: what it said last, and its status as waitpid() tells it. */
int sb_spawn_program_end(
	sb_spawn *spawn, sb_spawn_program *program, void (*each)(void *data, const char *line));
/* `ended with status 1`, `was killed by signal 9 (Killed)`. */
void sb_spawn_tell_status(char *out, size_t room, int status);

/* --- spawn_clamd.c --------------------------------------------------------------------------- */

/* What is due; when to come again. */
uint64_t sb_spawn_clamd_step(sb_spawn *spawn, uint64_t now);
void sb_spawn_clamd_line(void *spawn, const char *line);
void sb_spawn_clamd_ended(sb_spawn *spawn, uint64_t now);
/* In the end: politely, then not. */
void sb_spawn_clamd_stop(sb_spawn *spawn);

/* --- spawn_update.c -------------------------------------------------------------------------- */

uint64_t sb_spawn_update_step(sb_spawn *spawn, uint64_t now);
void sb_spawn_update_line(void *spawn, const char *line);
void sb_spawn_update_ended(sb_spawn *spawn, uint64_t now);

#endif
