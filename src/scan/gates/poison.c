/* SPDX-License-Identifier: MIT */
/* The table of crashes and the gate that looks into it; see poison.h. */
#include "scan/gates/poison.h"

#include <stdlib.h>
#include <string.h>

#include "scan/call.h"

/* --- The table ------------------------------------------------------------------------------ */

void sb_poison_init(sb_poison *poison)
{
	*poison = (sb_poison){0};
	pthread_mutex_init(&poison->lock, NULL);
}

void sb_poison_done(sb_poison *poison)
{
	free(poison->entries);
	pthread_mutex_destroy(&poison->lock);
}

/* With the lock. */
static struct sb_poison_entry *find(sb_poison *poison, const uint8_t *hash, uint64_t generation)
{
	for (unsigned i = 0; i < atomic_load(&poison->count); i++) {
		struct sb_poison_entry *entry = &poison->entries[i];

		if (memcmp(entry->hash, hash, sizeof entry->hash) == 0 &&
			(entry->generation == generation || entry->generation == 0 ||
				generation == 0))
			return entry;
	}
	return NULL;
}

/* With the lock: a new one, or the oldest. */
static struct sb_poison_entry *make_room(sb_poison *poison)
{
	if (poison->entries == NULL)
		poison->entries = calloc(SB_POISON_ENTRIES, sizeof *poison->entries);
	if (poison->entries == NULL)
		return NULL;
	if (atomic_load(&poison->count) < SB_POISON_ENTRIES)
		return &poison->entries[atomic_fetch_add(&poison->count, 1)];
	return &poison->entries[poison->next++ % SB_POISON_ENTRIES];
}

unsigned sb_poison_crashes(sb_poison *poison, const uint8_t *hash, uint64_t generation)
{
	const struct sb_poison_entry *entry;
	unsigned crashes = 0;

	if (atomic_load_explicit(&poison->count, memory_order_relaxed) == 0)
		return 0;
	pthread_mutex_lock(&poison->lock);
	entry = find(poison, hash, generation);
	if (entry != NULL)
		crashes = entry->crashes;
	pthread_mutex_unlock(&poison->lock);
	return crashes;
}

void sb_poison_note(sb_poison *poison, const uint8_t *hash, uint64_t generation)
{
	struct sb_poison_entry *entry;

	pthread_mutex_lock(&poison->lock);
	entry = find(poison, hash, generation);
	if (entry == NULL && (entry = make_room(poison)) != NULL) {
		memcpy(entry->hash, hash, sizeof entry->hash);
		entry->crashes = 0;
		entry->generation = 0;
	}
	if (entry != NULL) {
		entry->crashes++;
		if (generation != 0)
			entry->generation = generation;
	}
	pthread_mutex_unlock(&poison->lock);
}

/* --- The gate ------------------------------------------------------------------------------- */

/* What is known by now of who the engine is; asking would take time. 0: nothing. */
static uint64_t generation_of(sb_engine *engine)
{
	uint8_t digest[SB_BLAKE3_SIZE];
	uint64_t generation = 0;
	char text[256];

	pthread_mutex_lock(&engine->identity_lock);
	if (engine->identity_known) {
		sb_engine_identity_text(engine, &engine->identity, text, sizeof text);
		sb_blake3_memory(text, strlen(text), digest);
		memcpy(&generation, digest, sizeof generation);
	}
	pthread_mutex_unlock(&engine->identity_lock);
	return generation;
}

static unsigned crashes_of(struct sb_call *call)
{
	sb_poison *poison = &call->engine->poison;

	/* A stream has no hash before its end. */
	if (call->streamed || atomic_load_explicit(&poison->count, memory_order_relaxed) == 0)
		return 0;
	return sb_poison_crashes(
		poison, sb_content_blake3(call->content), generation_of(call->engine));
}

bool sb_poison_known(struct sb_call *call)
{
	return crashes_of(call) > 0;
}

static sb_entered enter(struct sb_call *call, uint64_t now, uint64_t *until)
{
	(void)now;
	(void)until;
	call->asked = false;
	if (crashes_of(call) < SB_POISON_CRASHES)
		return SB_GATE_PASS;
	return sb_call_refuse(call, true, SB_KIND_ENGINE_CRASHED,
		"engine %s crashed twice on this content, and is not shown it again until engine "
		"or signatures change",
		call->engine->conf->name);
}

static sb_left leave(struct sb_call *call, uint64_t now, uint64_t *at)
{
	(void)now;
	(void)at;
	if (call->asked && !call->streamed && !atomic_load(&call->cancelled) &&
		sb_error_kind(call->result.error) == SB_KIND_ENGINE_CRASHED)
		sb_poison_note(&call->engine->poison, sb_content_blake3(call->content),
			generation_of(call->engine));
	return SB_GATE_DONE;
}

const sb_gate sb_gate_poison = {"poison", enter, leave};
