/* SPDX-License-Identifier: MIT */
/* A chained hash by path, and two heaps by time: of the fresh ones, and of those that failed. */
#include "cli/watch_pending.h"

#include <stdlib.h>
#include <string.h>

#include "util/clock.h"

enum {
	BUCKETS = 16384,
	PUT_OFF = 50, /* times `settle`: a file that is never quiet is judged all the same */
	MAX_DOUBLINGS = 9,
	OUTAGE = SB_PENDING_OUTAGE,
};

static const uint64_t first_pause = 1000 * SB_MS, longest_pause = 300 * 1000 * SB_MS;

typedef struct heap {
	sb_pending_file **items;
	size_t count, room;
} heap;

struct sb_pending {
	uint64_t settle, random;
	size_t limit, count;
	heap fresh, failed;
	unsigned failures; /* in a row */
	uint64_t gate;     /* while there are any: no retry before */
	size_t retried;    /* retries in work */
	sb_pending_file *buckets[BUCKETS];
};

/* --- Heaps ------------------------------------------------------------------------------ */

static void place(heap *h, size_t i, sb_pending_file *file)
{
	h->items[i] = file;
	file->place = i;
}

static void up(heap *h, size_t i, sb_pending_file *file)
{
	while (i > 0 && h->items[(i - 1) / 2]->due > file->due) {
		place(h, i, h->items[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(h, i, file);
}

static void down(heap *h, size_t i, sb_pending_file *file)
{
	for (size_t child; (child = 2 * i + 1) < h->count; i = child) {
		if (child + 1 < h->count && h->items[child + 1]->due < h->items[child]->due)
			child++;
		if (h->items[child]->due >= file->due)
			break;
		place(h, i, h->items[child]);
	}
	place(h, i, file);
}

static void take_out(heap *h, const sb_pending_file *file)
{
	sb_pending_file *last = h->items[--h->count];
	size_t i = file->place;

	if (last == file)
		return;
	if (i > 0 && h->items[(i - 1) / 2]->due > last->due)
		up(h, i, last);
	else
		down(h, i, last);
}

/* Before a file is taken in: afterwards nothing fails. */
static bool make_room(heap *h, size_t count)
{
	size_t room = h->room > 0 ? 2 * h->room : 256;
	sb_pending_file **items;

	if (count <= h->room)
		return true;
	items = realloc(h->items, room * sizeof *items);
	if (items == NULL)
		return false;
	h->items = items;
	h->room = room;
	return true;
}

static heap *heap_of(sb_pending *pending, const sb_pending_file *file)
{
	return file->tries > 0 ? &pending->failed : &pending->fresh;
}

static void wait_until(sb_pending *pending, sb_pending_file *file, uint64_t due)
{
	heap *h = heap_of(pending, file);

	file->in_work = false;
	file->due = due;
	up(h, h->count++, file);
}

/* --- Files ------------------------------------------------------------------------------ */

static sb_pending_file **find(sb_pending *pending, const char *path)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a: an attacker who names files finds longer
						chains, of a table that has a limit */
	sb_pending_file **at;

	for (const char *p = path; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
	at = &pending->buckets[(hash ^ hash >> 32) % BUCKETS];
	while (*at != NULL && strcmp((*at)->path, path) != 0)
		at = &(*at)->next;
	return at;
}

static void forget(sb_pending *pending, sb_pending_file *file)
{
	*find(pending, file->path) = file->next;
	pending->count--;
	free(file);
}

sb_pending *sb_pending_new(uint64_t settle, size_t limit, uint64_t seed)
{
	sb_pending *pending = calloc(1, sizeof *pending);

	if (pending == NULL)
		return NULL;
	pending->settle = settle;
	pending->limit = limit;
	pending->random = seed | 1;
	return pending;
}

void sb_pending_free(sb_pending *pending)
{
	if (pending == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (pending->buckets[i] != NULL) {
			sb_pending_file *file = pending->buckets[i];
			pending->buckets[i] = file->next;
			free(file);
		}
	}
	free(pending->fresh.items);
	free(pending->failed.items);
	free(pending);
}

static sb_pending_file *add(sb_pending *pending, sb_pending_file **at, const char *path)
{
	size_t length = strlen(path);
	sb_pending_file *file;

	if (pending->count >= pending->limit || !make_room(&pending->fresh, pending->count + 1) ||
		!make_room(&pending->failed, pending->count + 1))
		return NULL;
	file = calloc(1, sizeof *file + length + 1);
	if (file == NULL)
		return NULL;
	memcpy(file->path, path, length + 1);
	*at = file;
	pending->count++;
	return file;
}

bool sb_pending_touch(sb_pending *pending, const char *path, uint64_t now, bool closed)
{
	sb_pending_file **at = find(pending, path), *file = *at;
	uint64_t due = now + pending->settle;

	if (file == NULL) {
		file = add(pending, at, path);
		if (file == NULL)
			return false;
		file->first = now;
	} else if (file->in_work) {
		file->again = true;
		file->gone = false;
		file->closed = closed;
		return true;
	} else {
		take_out(heap_of(pending, file), file);
		if (file->tries > 0)
			file->first = now;
		file->tries = 0; /* it is another one now */
	}
	file->closed = file->closed || closed;
	if (due > file->first + PUT_OFF * pending->settle)
		due = file->first + PUT_OFF * pending->settle;
	wait_until(pending, file, due);
	return true;
}

bool sb_pending_gone(sb_pending *pending, const char *path)
{
	sb_pending_file *file = *find(pending, path);

	if (file == NULL)
		return false;
	if (file->in_work) {
		file->gone = true;
		file->again = false;
		return false;
	}
	take_out(heap_of(pending, file), file);
	forget(pending, file);
	return true;
}

/* --- Whose turn it is --------------------------------------------------------------------- */

static uint64_t retry_due(const sb_pending *pending)
{
	uint64_t due = pending->failed.count > 0 ? pending->failed.items[0]->due : SB_NEVER;

	if (pending->failures == 0 || due == SB_NEVER)
		return due;
	if (pending->retried > 0)
		return SB_NEVER;
	return due > pending->gate ? due : pending->gate;
}

uint64_t sb_pending_due(const sb_pending *pending)
{
	uint64_t fresh = pending->fresh.count > 0 ? pending->fresh.items[0]->due : SB_NEVER;
	uint64_t retry = retry_due(pending);

	return fresh < retry ? fresh : retry;
}

sb_pending_file *sb_pending_take(sb_pending *pending, uint64_t now)
{
	heap *h = &pending->fresh;
	sb_pending_file *file;

	if (h->count == 0 || h->items[0]->due > now) {
		h = &pending->failed;
		if (retry_due(pending) > now)
			return NULL;
		pending->retried++;
	}
	file = h->items[0];
	take_out(h, file);
	file->in_work = true;
	file->again = file->gone = false;
	return file;
}

sb_pending_file *sb_pending_in_work(sb_pending *pending, const char *path)
{
	sb_pending_file *file = *find(pending, path);

	return file != NULL && file->in_work ? file : NULL;
}

/* --- What became of it -------------------------------------------------------------------- */

static uint64_t chance(sb_pending *pending)
{
	pending->random ^= pending->random << 13; /* xorshift64 */
	pending->random ^= pending->random >> 7;
	pending->random ^= pending->random << 17;
	return pending->random;
}

/* Three quarters to all of 1 s, 2 s, 4 s, … 5 min. */
static uint64_t pause_after(sb_pending *pending, unsigned failures)
{
	unsigned doublings = failures - 1 < MAX_DOUBLINGS ? failures - 1 : MAX_DOUBLINGS;
	uint64_t pause = first_pause << doublings;

	if (pause > longest_pause)
		pause = longest_pause;
	return pause - chance(pending) % (pause / 4 + 1);
}

static void leave_work(sb_pending *pending, const sb_pending_file *file)
{
	if (file->tries > 0)
		pending->retried--;
}

/* The end of an outage: whatever failed in it need not wait any longer. */
static void recover(sb_pending *pending, uint64_t now)
{
	heap *h = &pending->failed;

	if (pending->failures >= OUTAGE)
		for (size_t i = 0; i < h->count; i++)
			if (h->items[i]->due > now)
				h->items[i]->due = now; /* in no order that matters */
	pending->failures = 0;
}

/* Touched while it was in work: another file than the one that was in work. */
static bool begin_anew(sb_pending *pending, sb_pending_file *file, uint64_t now)
{
	if (!file->again)
		return false;
	file->tries = 0;
	file->first = now;
	wait_until(pending, file, now + pending->settle);
	return true;
}

void sb_pending_done(sb_pending *pending, sb_pending_file *file, uint64_t now, bool judged)
{
	leave_work(pending, file);
	if (judged)
		recover(pending, now);
	if (!begin_anew(pending, file, now))
		forget(pending, file);
}

static void pause(sb_pending *pending, sb_pending_file *file, uint64_t now, uint64_t after)
{
	uint64_t wait;

	if (begin_anew(pending, file, now))
		return;
	if (file->gone) {
		forget(pending, file);
		return;
	}
	file->tries++;
	wait = pause_after(pending, file->tries);
	wait_until(pending, file, now + (wait > after ? wait : after));
}

void sb_pending_failed(sb_pending *pending, sb_pending_file *file, uint64_t now, uint64_t after)
{
	leave_work(pending, file);
	/* Those that were in work together fail together: that is one failure. */
	if (pending->failures == 0 || now >= pending->gate) {
		pending->failures++;
		pending->gate = now + pause_after(pending, pending->failures);
	}
	pause(pending, file, now, after < longest_pause ? after : longest_pause);
}

void sb_pending_changed(sb_pending *pending, sb_pending_file *file, uint64_t now)
{
	leave_work(pending, file);
	pause(pending, file, now, 0);
}

void sb_pending_put_off(sb_pending *pending, sb_pending_file *file, uint64_t due)
{
	leave_work(pending, file);
	wait_until(pending, file, due);
}

bool sb_pending_is_late(const sb_pending *pending, const sb_pending_file *file, uint64_t now)
{
	return now >= file->first + PUT_OFF * pending->settle;
}

size_t sb_pending_count(const sb_pending *pending)
{
	return pending->count;
}

unsigned sb_pending_failures(const sb_pending *pending)
{
	return pending->failures;
}
