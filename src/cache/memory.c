/* SPDX-License-Identifier: MIT */
#include "cache/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cache/entry.h"
#include "util/uuid.h"

enum {
	MAX_SHARDS = 64,
	SHARD_MIN = 1 << 20, /* fewer shards rather than smaller ones */
	USES_MAX = 3,
	ROUNDS_MAX = 64, /* records that get another round for one newcomer */
	PER_SLOT = 96,   /* less than the smallest record: the index is never full */
	PER_GHOST = 192,
};

/* More than any machine has. */
static const uint64_t BYTES_MAX = 1ull << 46;

/* A record, 8-aligned; the entry follows. A filler is a first word without an entry. */
typedef struct record {
	uint32_t size;   /* of it all, up to the next record */
	uint16_t length; /* of the entry; 0: a filler */
	uint8_t uses, live;
	uint64_t stamp;
	uint32_t tag;
} record;
enum { RECORD_HEAD = 20 };

typedef struct ring {
	char *base;
	uint32_t size, head, tail, used;
} ring;

/* Where a record is: offset from the first ring's base in units of 8, plus 1. */
typedef struct slot {
	uint32_t tag, at;
} slot;

typedef struct shard {
	pthread_mutex_t lock;
	slot *slots;
	uint32_t *ghosts;
	uint32_t slot_count, ghost_count;
	ring young, main;
	uint64_t era;
	uint64_t bytes, entries, evictions;
	uint64_t padding[4];
} shard;

struct sb_memory {
	void *mapped;
	size_t mapped_size;
	uint64_t secret[2];
	unsigned shard_count; /* a power of two */
	shard shards[];
};

/* --- Making ---------------------------------------------------------------------------------- */

static size_t floor_to(size_t size, size_t unit)
{
	return size - size % unit;
}

/* @p size bytes at @p at: index, fingerprints, rings. */
static void lay_out(shard *s, char *at, size_t size)
{
	size_t young;

	s->slot_count = (uint32_t)(size / (PER_SLOT + sizeof(slot)));
	s->ghost_count = s->slot_count / (PER_GHOST / PER_SLOT) | 1;
	s->slots = (slot *)(void *)at;
	at += s->slot_count * sizeof(slot);
	s->ghosts = (uint32_t *)(void *)at;
	at += floor_to(s->ghost_count * sizeof *s->ghosts + 7, 8);
	size -= s->slot_count * sizeof(slot) + floor_to(s->ghost_count * sizeof *s->ghosts + 7, 8);
	young = floor_to(size / 10, 8);
	s->young = (ring){.base = at, .size = (uint32_t)young};
	s->main = (ring){.base = at + young, .size = (uint32_t)floor_to(size - young, 8)};
	pthread_mutex_init(&s->lock, NULL);
}

static unsigned count_shards(uint64_t bytes)
{
	unsigned count = 1;

	/* A shard's offsets are 32 bits of 8 bytes. */
	while ((count < MAX_SHARDS && bytes / (count * 2) >= SHARD_MIN) ||
		bytes / count > UINT32_MAX)
		count *= 2;
	return count;
}

sb_memory *sb_memory_new(uint64_t bytes)
{
	unsigned count = bytes <= BYTES_MAX ? count_shards(bytes) : 0;
	size_t own = sizeof(sb_memory) + count * sizeof(shard), each;
	sb_memory *memory;

	if (count == 0 || bytes < own + 16384)
		return NULL;
	memory = calloc(1, own);
	if (memory == NULL)
		return NULL;
	memory->shard_count = count;
	sb_random(memory->secret, sizeof memory->secret);
	memory->mapped_size = floor_to((size_t)bytes - own, 4096);
	memory->mapped = mmap(NULL, memory->mapped_size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory->mapped == MAP_FAILED) {
		free(memory);
		return NULL;
	}
	each = floor_to(memory->mapped_size / count, 64);
	for (unsigned i = 0; i < count; i++)
		lay_out(&memory->shards[i], (char *)memory->mapped + i * each, each);
	return memory;
}

void sb_memory_free(sb_memory *memory)
{
	if (memory == NULL)
		return;
	for (unsigned i = 0; i < memory->shard_count; i++)
		pthread_mutex_destroy(&memory->shards[i].lock);
	munmap(memory->mapped, memory->mapped_size);
	free(memory);
}

/* --- The index ------------------------------------------------------------------------------- */

static uint64_t word(const uint8_t *data)
{
	uint64_t value;

	memcpy(&value, data, sizeof value);
	return value;
}

/* Contents may be made so that their digests begin alike; the secret keeps them from meeting. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 32) * 0x9fb21c651e98df25ull;
	value = (value ^ value >> 29) * 0xd6e8feb86659fd93ull;
	return value ^ value >> 32;
}

static uint64_t tag_of(const sb_memory *memory, const sb_cache_key *key)
{
	uint64_t hash = mix((word(key->hash) ^ memory->secret[0]) + mix(word(key->hash + 8)));

	return mix((hash ^ word(key->gen) ^ memory->secret[1]) + key->length);
}

static record *record_at(const shard *s, uint32_t at)
{
	return (record *)(void *)(s->young.base + ((size_t)at - 1) * 8);
}

static uint32_t at_of(const shard *s, const record *r)
{
	return (uint32_t)((size_t)((const char *)r - s->young.base) / 8 + 1);
}

static uint32_t home_of(const shard *s, uint32_t tag)
{
	return (uint32_t)(((uint64_t)tag * s->slot_count) >> 32);
}

static uint32_t after(const shard *s, uint32_t i)
{
	return i + 1 == s->slot_count ? 0 : i + 1;
}

static const uint8_t *entry_of(const record *r)
{
	return (const uint8_t *)r + RECORD_HEAD;
}

/* The slot of this key; NULL: not here. */
static slot *find(const shard *s, uint32_t tag, const sb_cache_key *key)
{
	for (uint32_t i = home_of(s, tag); s->slots[i].at != 0; i = after(s, i))
		if (s->slots[i].tag == tag &&
			sb_entry_is_of(entry_of(record_at(s, s->slots[i].at)), key))
			return &s->slots[i];
	return NULL;
}

static slot *find_record(const shard *s, const record *r)
{
	uint32_t at = at_of(s, r), i = home_of(s, r->tag);

	while (s->slots[i].at != at)
		i = after(s, i);
	return &s->slots[i];
}

static void add_slot(shard *s, const record *r)
{
	uint32_t i = home_of(s, r->tag);

	while (s->slots[i].at != 0)
		i = after(s, i);
	s->slots[i] = (slot){.tag = r->tag, .at = at_of(s, r)};
}

/* What stands behind the gap and could not be found across it moves into it. */
static void remove_slot(shard *s, slot *gone)
{
	uint32_t gap = (uint32_t)(gone - s->slots);

	for (uint32_t i = after(s, gap); s->slots[i].at != 0; i = after(s, i)) {
		uint32_t home = home_of(s, s->slots[i].tag);
		uint32_t from_home = (i + s->slot_count - home) % s->slot_count;
		uint32_t from_gap = (i + s->slot_count - gap) % s->slot_count;

		if (from_home < from_gap)
			continue;
		s->slots[gap] = s->slots[i];
		gap = i;
	}
	s->slots[gap].at = 0;
}

static void kill_record(shard *s, record *r)
{
	remove_slot(s, find_record(s, r));
	r->live = 0;
	s->bytes -= r->size;
	s->entries--;
}

static void reset(shard *s, uint64_t era)
{
	memset(s->slots, 0, s->slot_count * sizeof *s->slots);
	memset(s->ghosts, 0, s->ghost_count * sizeof *s->ghosts);
	s->young.head = s->young.tail = s->young.used = 0;
	s->main.head = s->main.tail = s->main.used = 0;
	s->bytes = s->entries = 0;
	s->era = era;
}

/* --- Rings ----------------------------------------------------------------------------------- */

static record *ring_at(const ring *q, uint32_t offset)
{
	return (record *)(void *)(q->base + offset);
}

/* Room for @p size bytes in one piece at the head; NULL: the tail is in the way. */
static record *reserve(ring *q, uint32_t size)
{
	bool wrapped = q->head < q->tail || q->used == q->size;
	record *r;

	if (q->used == 0)
		q->head = q->tail = 0;
	if (!wrapped && q->size - q->head < size && q->tail >= size) {
		uint32_t rest = q->size - q->head;

		if (rest > 0) {
			*(uint64_t *)(void *)(q->base + q->head) = 0;
			ring_at(q, q->head)->size = rest;
		}
		q->used += rest;
		q->head = 0;
		wrapped = true;
	}
	if ((wrapped ? q->tail : q->size) - q->head < size || q->size - q->used < size)
		return NULL;
	r = ring_at(q, q->head);
	q->head += size;
	if (q->head == q->size)
		q->head = 0;
	q->used += size;
	return r;
}

/* Take the record at the tail off; it stays readable until something is reserved. */
static record *take(ring *q)
{
	record *r = ring_at(q, q->tail);

	q->used -= r->size;
	q->tail += r->size;
	if (q->tail == q->size)
		q->tail = 0;
	return r;
}

static uint32_t *ghost_of(const shard *s, uint32_t tag)
{
	return &s->ghosts[((uint64_t)tag * s->ghost_count) >> 32];
}

static void evict(shard *s, record *r)
{
	*ghost_of(s, r->tag) = r->tag;
	kill_record(s, r);
	s->evictions++;
}

/* Put a copy of a record that was taken off a ring at the head of main, if there is room without
 * making any. @p copy is not in main. */
static bool move_to_main(shard *s, slot *where, const record *copy, uint8_t uses)
{
	record *r = reserve(&s->main, copy->size);

	if (r == NULL)
		return false;
	memcpy(r, copy, RECORD_HEAD + (size_t)copy->length);
	r->uses = uses;
	where->at = at_of(s, r);
	return true;
}

typedef union scratch {
	record head;
	char bytes[RECORD_HEAD + SB_CACHE_ENTRY_MAX];
} scratch;

static record *reserve_main(shard *s, uint32_t size)
{
	unsigned rounds = 0;
	record *r;

	while ((r = reserve(&s->main, size)) == NULL) {
		record *old = take(&s->main);
		scratch copy;

		if (old->length == 0 || !old->live)
			continue;
		if (old->uses > 0 && rounds++ < ROUNDS_MAX) {
			slot *where = find_record(s, old);

			memcpy(&copy, old, RECORD_HEAD + (size_t)old->length);
			if (move_to_main(s, where, &copy.head, (uint8_t)(copy.head.uses - 1)))
				continue;
		}
		evict(s, old);
	}
	return r;
}

/* The tail of the young ring: into main, if it was asked for or main has room to spare, or out. */
static void graduate(shard *s)
{
	record *old = take(&s->young);
	record *r;

	if (old->length == 0 || !old->live)
		return;
	if (old->uses == 0) {
		if (!move_to_main(s, find_record(s, old), old, 0))
			evict(s, old);
		return;
	}
	/* Nothing is reserved in young meanwhile: `old` stays what it is. */
	r = reserve_main(s, old->size);
	find_record(s, old)->at = at_of(s, r);
	memcpy(r, old, RECORD_HEAD + (size_t)old->length);
	r->uses = 0;
}

static record *reserve_young(shard *s, uint32_t size)
{
	record *r;

	while ((r = reserve(&s->young, size)) == NULL)
		graduate(s);
	return r;
}

/* --- What is asked of it --------------------------------------------------------------------- */

static shard *enter(sb_memory *memory, uint64_t tag, uint64_t era)
{
	shard *s = &memory->shards[(tag >> 32) & (memory->shard_count - 1)];

	pthread_mutex_lock(&s->lock);
	if (s->era != era)
		reset(s, era);
	return s;
}

size_t sb_memory_get(
	sb_memory *memory, const sb_cache_key *key, uint64_t stamp, uint64_t era, uint8_t *out)
{
	uint64_t tag = tag_of(memory, key);
	shard *s = enter(memory, tag, era);
	slot *where = find(s, (uint32_t)tag, key);
	size_t length = 0;

	if (where != NULL) {
		record *r = record_at(s, where->at);

		if (r->stamp == stamp) {
			length = r->length;
			memcpy(out, entry_of(r), length);
			r->uses = (uint8_t)(r->uses < USES_MAX ? r->uses + 1 : USES_MAX);
		} else {
			kill_record(s, r);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return length;
}

void sb_memory_put(sb_memory *memory, const sb_cache_key *key, uint64_t stamp, uint64_t era,
	const uint8_t *entry, size_t length)
{
	uint64_t tag = tag_of(memory, key);
	uint32_t size = (uint32_t)floor_to(RECORD_HEAD + length + 7, 8);
	shard *s = enter(memory, tag, era);
	slot *where = find(s, (uint32_t)tag, key);
	bool again = *ghost_of(s, (uint32_t)tag) == (uint32_t)tag;

	if (where != NULL)
		kill_record(s, record_at(s, where->at));
	if (size <= s->young.size / 2) {
		record *r = again ? reserve_main(s, size) : reserve_young(s, size);

		*r = (record){.size = size,
			.length = (uint16_t)length,
			.live = 1,
			.stamp = stamp,
			.tag = (uint32_t)tag};
		memcpy((char *)r + RECORD_HEAD, entry, length);
		add_slot(s, r);
		s->bytes += size;
		s->entries++;
	}
	pthread_mutex_unlock(&s->lock);
}

void sb_memory_drop(sb_memory *memory, const sb_cache_key *key)
{
	uint64_t tag = tag_of(memory, key);
	shard *s = &memory->shards[(tag >> 32) & (memory->shard_count - 1)];
	slot *where;

	pthread_mutex_lock(&s->lock);
	where = find(s, (uint32_t)tag, key);
	if (where != NULL)
		kill_record(s, record_at(s, where->at));
	pthread_mutex_unlock(&s->lock);
}

void sb_memory_usage_get(sb_memory *memory, sb_memory_usage *out)
{
	*out = (sb_memory_usage){.limit = memory->mapped_size + sizeof *memory +
					  memory->shard_count * sizeof(shard)};
	for (unsigned i = 0; i < memory->shard_count; i++) {
		shard *s = &memory->shards[i];

		pthread_mutex_lock(&s->lock);
		out->bytes += s->bytes;
		out->entries += s->entries;
		out->evictions += s->evictions;
		pthread_mutex_unlock(&s->lock);
	}
}
