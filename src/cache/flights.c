/* SPDX-License-Identifier: MIT */
#include "cache/flights.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "util/uuid.h"

enum { BUCKETS = 1024 };

struct sb_flight {
	sb_cache_key key;
	sb_waiter *waiters;
	struct sb_flight *next, **link; /* in its bucket */
};

struct sb_flights {
	pthread_mutex_t lock; /* guards all, and the links of waiters */
	uint64_t secret;
	size_t waiting;
	sb_flight *buckets[BUCKETS];
	_Atomic(unsigned) landings[BUCKETS];
};

sb_flights *sb_flights_new(void)
{
	sb_flights *flights = calloc(1, sizeof *flights);

	if (flights == NULL)
		return NULL;
	pthread_mutex_init(&flights->lock, NULL);
	sb_random(&flights->secret, sizeof flights->secret);
	return flights;
}

void sb_flights_free(sb_flights *flights)
{
	if (flights == NULL)
		return;
	pthread_mutex_destroy(&flights->lock);
	free(flights);
}

/* --- Finding -----------------------------------------------------------------------------------
 */

static size_t bucket_of(const sb_flights *flights, const sb_cache_key *key)
{
	uint64_t hash, gen;

	memcpy(&hash, key->hash, sizeof hash);
	memcpy(&gen, key->gen, sizeof gen);
	hash = ((hash ^ flights->secret) * 0x9fb21c651e98df25ull) ^ gen;
	return (hash ^ hash >> 32) % BUCKETS;
}

static bool same_key(const sb_cache_key *a, const sb_cache_key *b)
{
	return a->length == b->length && memcmp(a->hash, b->hash, sizeof a->hash) == 0 &&
	       memcmp(a->gen, b->gen, sizeof a->gen) == 0;
}

static sb_flight *find(sb_flight *first, const sb_cache_key *key)
{
	while (first != NULL && !same_key(&first->key, key))
		first = first->next;
	return first;
}

/* --- Waiting -----------------------------------------------------------------------------------
 */

/* Earliest first, so that those whose time has come are at the front. */
static void enqueue(sb_flight *flight, sb_waiter *waiter)
{
	sb_waiter **link = &flight->waiters;

	while (*link != NULL && (*link)->until <= waiter->until)
		link = &(*link)->next;
	waiter->next = *link;
	waiter->link = link;
	if (waiter->next != NULL)
		waiter->next->link = &waiter->next;
	*link = waiter;
	waiter->flight = flight;
}

static void dequeue(sb_waiter *waiter)
{
	*waiter->link = waiter->next;
	if (waiter->next != NULL)
		waiter->next->link = waiter->link;
	waiter->flight = NULL;
}

/* Without the lock: what told() does is not ours to know. A waiter may be gone after it. */
static size_t tell(sb_waiter *first, const sb_result *result)
{
	size_t count = 0;

	for (; first != NULL; count++) {
		sb_waiter *next = first->next;

		first->told(first, result);
		first = next;
	}
	return count;
}

static sb_flight *begin(sb_flight **bucket, const sb_cache_key *key)
{
	sb_flight *flight = malloc(sizeof *flight);

	if (flight == NULL)
		return NULL;
	*flight = (sb_flight){.key = *key, .next = *bucket, .link = bucket};
	if (flight->next != NULL)
		flight->next->link = &flight->next;
	*bucket = flight;
	return flight;
}

sb_flight *sb_flights_join(
	sb_flights *flights, const sb_cache_key *key, sb_waiter *waiter, bool *alone)
{
	sb_flight **bucket = &flights->buckets[bucket_of(flights, key)], *flight;

	*alone = false;
	pthread_mutex_lock(&flights->lock);
	flight = find(*bucket, key);
	if (flight != NULL) {
		enqueue(flight, waiter);
		flights->waiting++;
		flight = NULL;
	} else {
		flight = begin(bucket, key);
		*alone = flight == NULL;
	}
	pthread_mutex_unlock(&flights->lock);
	return flight;
}

unsigned sb_flights_landings(sb_flights *flights, const sb_cache_key *key)
{
	return atomic_load(&flights->landings[bucket_of(flights, key)]);
}

size_t sb_flights_land(
	sb_flights *flights, sb_flight *flight, const sb_result *result, sb_content_state state)
{
	bool shared = result != NULL && sb_cache_may_share(&flight->key, result, state);
	sb_waiter *waiters;
	size_t count;

	pthread_mutex_lock(&flights->lock);
	*flight->link = flight->next;
	if (flight->next != NULL)
		flight->next->link = flight->link;
	waiters = flight->waiters;
	if (shared) /* before anybody else can lead */
		atomic_fetch_add(&flights->landings[bucket_of(flights, &flight->key)], 1);
	for (sb_waiter *w = waiters; w != NULL; w = w->next) {
		w->flight = NULL;
		w->again = result == NULL;
		flights->waiting--;
	}
	pthread_mutex_unlock(&flights->lock);
	free(flight);
	count = tell(waiters, shared ? result : NULL);
	return shared ? count : 0;
}

bool sb_flights_leave(sb_flights *flights, sb_waiter *waiter)
{
	bool left;

	pthread_mutex_lock(&flights->lock);
	left = waiter->flight != NULL;
	if (left) {
		dequeue(waiter);
		flights->waiting--;
	}
	pthread_mutex_unlock(&flights->lock);
	return left;
}

/* --- Time --------------------------------------------------------------------------------------
 */

/* Those at the front whose time has come go over to *late; the next one's time. */
static uint64_t take_late(sb_flights *flights, sb_flight *flight, uint64_t now, sb_waiter **late)
{
	while (flight->waiters != NULL && flight->waiters->until <= now) {
		sb_waiter *waiter = flight->waiters;

		dequeue(waiter);
		flights->waiting--;
		waiter->again = false;
		waiter->next = *late;
		*late = waiter;
	}
	return flight->waiters != NULL ? flight->waiters->until : SB_NEVER;
}

uint64_t sb_flights_expire(sb_flights *flights, uint64_t now)
{
	uint64_t next = SB_NEVER;
	sb_waiter *late = NULL;

	pthread_mutex_lock(&flights->lock);
	for (unsigned i = 0; i < BUCKETS && flights->waiting > 0; i++) {
		for (sb_flight *f = flights->buckets[i]; f != NULL; f = f->next) {
			uint64_t at = take_late(flights, f, now, &late);

			next = at < next ? at : next;
		}
	}
	pthread_mutex_unlock(&flights->lock);
	tell(late, NULL);
	return next;
}

size_t sb_flights_waiting(sb_flights *flights, const sb_flight *flight, uint64_t *latest)
{
	size_t count = 0;

	*latest = 0;
	pthread_mutex_lock(&flights->lock);
	for (const sb_waiter *w = flight->waiters; w != NULL; w = w->next, count++)
		*latest = w->until > *latest ? w->until : *latest;
	pthread_mutex_unlock(&flights->lock);
	return count;
}

size_t sb_flights_all_waiting(sb_flights *flights)
{
	size_t count;

	pthread_mutex_lock(&flights->lock);
	count = flights->waiting;
	pthread_mutex_unlock(&flights->lock);
	return count;
}
