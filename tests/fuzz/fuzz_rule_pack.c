/* SPDX-License-Identifier: MIT */
/*
 * A rule bundle as anybody may have made it: head, and payload behind it as if its signature were
 * good. Oracles: nothing that is read lies outside the input; what is accepted has paths that
 * are confined, ascending and as many as it says, and would be written byte for byte the same way.
 */
#include <stdlib.h>
#include <string.h>

#include "rules/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entry(const sb_pack_entry *entry, const uint8_t *data, size_t size)
{
	if (entry->data < data || entry->data + entry->length > data + size)
		abort();
	if (!entry->is_sample && (sb_pack_path_problem(entry->name) != NULL ||
					 strstr(entry->name, "..") == entry->name ||
					 strstr(entry->name, "/../") != NULL))
		abort();
}

static void check(const sb_pack *pack, const uint8_t *data, size_t size)
{
	uint32_t files = 0, samples = 0;
	sb_pack_place place = {0};
	sb_pack_entry entry;
	sb_buf again;

	sb_buf_init(&again, size + 1);
	sb_pack_write(&again, pack);
	while (sb_pack_next(pack, &place, &entry)) {
		check_entry(&entry, data, size);
		*(entry.is_sample ? &samples : &files) += 1;
		sb_pack_write_entry(&again, &entry);
	}
	if (files != pack->files || samples != pack->samples || again.failed ||
		again.length != size || memcmp(again.data, data, size) != 0)
		abort();
	sb_buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sb_pack_head head;
	sb_pack pack;

	if (sb_pack_head_read(&head, data, size) == NULL) {
		if (head.payload + head.payload_length != data + size)
			abort();
		data = head.payload;
		size = head.payload_length;
	}
	if (sb_pack_read(&pack, data, size) == NULL)
		check(&pack, data, size);
	return 0;
}
