/* SPDX-License-Identifier: MIT */
/*
 * What many use while one may put another in its place: rules read anew, a plugin fetched again.
 * Whoever began with the old one ends with it; the last to leave it ends it.
 */
#ifndef SB_UTIL_CURRENT_H
#define SB_UTIL_CURRENT_H

#include <pthread.h>
#include <stdbool.h>

/* The first member of what is used. */
typedef struct sb_used {
	unsigned users; /* guarded by the lock of its sb_current */
} sb_used;

typedef struct sb_current {
	pthread_mutex_t lock;
	bool open;
	sb_used *now;
	void (*end)(sb_used *used); /* frees; NULL is fine */
} sb_current;

/* With nothing in it. */
void sb_current_open(sb_current *current, void (*end)(sb_used *used));
/* Nobody uses it any more. One that was never opened (zeroed) is fine. */
void sb_current_close(sb_current *current);
sb_used *sb_current_use(sb_current *current);
void sb_current_leave(sb_current *current, sb_used *used);
/* @p fresh belongs to it from now on. */
void sb_current_replace(sb_current *current, sb_used *fresh);

#endif
