/* SPDX-License-Identifier: MIT */
/*
 * An entry of the verdict cache as anybody may have written it. Oracles: what is accepted is
 * complete evidence, clean only without detections, and would be written byte for byte the same
 * way; what is cut is refused; the line of the key file, read from the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/entry.h"
#include "cache/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const sb_entry *entry, const uint8_t *data, size_t size)
{
	static uint8_t again[SB_CACHE_ENTRY_MAX];

	if (!sb_entry_holds(&entry->result, entry->key.length) || !entry->result.cached ||
		entry->result.outcome == SB_OUTCOME_ERROR)
		abort();
	if ((entry->result.outcome == SB_OUTCOME_CLEAN) != (entry->result.detections == NULL))
		abort();
	if (sb_entry_write(again, sizeof again, &entry->key, &entry->result, entry->exactness,
		    entry->stored) != size ||
		memcmp(again, data, size) != 0)
		abort();
}

static sb_entry_status read_entry(sb_entry *out, const uint8_t *data, size_t size, size_t memory)
{
	sb_entry_status status;
	sb_arena arena;

	sb_arena_init(&arena, memory);
	status = sb_entry_read(out, data, size, &arena);
	if (status == SB_ENTRY_GOOD)
		check(out, data, size);
	sb_arena_done(&arena);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t key[SB_MAC_KEY];
	sb_entry entry;

	/* The room that reading takes is bounded by what was read. */
	if (read_entry(&entry, data, size, 1 << 20) == SB_ENTRY_NO_MEMORY)
		abort();
	read_entry(&entry, data, size, 256);
	sb_mac_key_parse(key, (const char *)data, size);
	return 0;
}
