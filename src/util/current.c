/* SPDX-License-Identifier: MIT */
#include "util/current.h"

#include <stddef.h>

void sb_current_open(sb_current *current, void (*end)(sb_used *used))
{
	pthread_mutex_init(&current->lock, NULL);
	current->end = end;
	current->now = NULL;
	current->open = true;
}

void sb_current_close(sb_current *current)
{
	if (!current->open)
		return;
	current->end(current->now);
	current->now = NULL;
	pthread_mutex_destroy(&current->lock);
	current->open = false;
}

sb_used *sb_current_use(sb_current *current)
{
	sb_used *used;

	pthread_mutex_lock(&current->lock);
	used = current->now;
	used->users++;
	pthread_mutex_unlock(&current->lock);
	return used;
}

void sb_current_leave(sb_current *current, sb_used *used)
{
	bool last;

	pthread_mutex_lock(&current->lock);
	last = --used->users == 0 && used != current->now;
	pthread_mutex_unlock(&current->lock);
	if (last)
		current->end(used);
}

void sb_current_replace(sb_current *current, sb_used *fresh)
{
	sb_used *old;
	bool unused;

	pthread_mutex_lock(&current->lock);
	old = current->now;
	current->now = fresh;
	unused = old == NULL || old->users == 0;
	pthread_mutex_unlock(&current->lock);
	if (unused)
		current->end(old);
}
