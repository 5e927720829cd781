/* SPDX-License-Identifier: MIT */
/*
 * The structure of a zip file. Oracles: every position lies in the data and in order, directories
 * come from the back, an entry that agrees has its bytes where both headers say.
 */
#include <stdlib.h>
#include <string.h>

#include "containers/extent.h"
#include "containers/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_entries(const uint8_t *data, size_t size, const sb_zip_directory *d)
{
	uint64_t at = d->from, before = at;
	sb_zip_entry e;

	while (sb_zip_next_entry(data, size, d, &at, &e)) {
		require(at > before && at <= d->to);
		require(e.name >= data + before && e.name + e.name_length <= data + d->to);
		require(!e.agrees || (e.local < e.data && e.data <= e.end && e.end <= size));
		require(e.agrees || (e.data == 0 && e.end == 0));
		before = at;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t before = size;
	sb_zip_directory d;

	while (sb_zip_last_directory(data, size, 0, before, &d)) {
		require(d.record < before && memcmp(data + d.record, "PK\5\6", 4) == 0);
		require(d.base <= d.from && d.from <= d.to && d.to <= d.record);
		require(d.record < d.end && d.end <= size);
		check_entries(data, size, &d);
		before = d.record;
	}
	require(sb_extent_xz(data, size) <= size);
	require(sb_extent_zstd(data, size) <= size);
	require(sb_extent_lz4(data, size) <= size);
	return 0;
}
