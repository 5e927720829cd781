/* SPDX-License-Identifier: MIT */
/* Content that passes from one place to another, and is known to be the same when it got there. */
#include <stdlib.h>
#include <string.h>

#include "quarantine/quarantine.h"

enum { PIECE = 256 << 10 };

static sb_quarantine_status pass_pieces(const sb_quarantine_content *content, sb_blake3 *hasher,
	uint8_t *buffer, sb_quarantine_sink sink, void *data, sb_error *error)
{
	for (uint64_t at = 0; at < content->size;) {
		size_t want = content->size - at < PIECE ? (size_t)(content->size - at) : PIECE;
		int64_t n = content->read(content->data, at, buffer, want, error);

		if (n < 0)
			return SB_Q_IO;
		if ((size_t)n != want)
			return sb_quarantine_fail(error, SB_Q_CHANGED, 0,
				"quarantine: the content is shorter than it was");
		sb_blake3_update(hasher, buffer, want);
		if (sink != NULL && sink(data, buffer, want) != 0)
			return sb_quarantine_fail(error, SB_Q_RETRIEVE_FAILED, 0,
				"quarantine: cannot write what was read");
		at += want;
	}
	return SB_Q_OK;
}

sb_quarantine_status sb_store_content_pass(
	const sb_quarantine_content *content, sb_quarantine_sink sink, void *data, sb_error *error)
{
	uint8_t *buffer = malloc(content->size < PIECE ? (size_t)content->size + 1 : PIECE);
	sb_blake3 *hasher = sb_blake3_new();
	uint8_t actual[SB_BLAKE3_SIZE];
	sb_quarantine_status status;

	if (buffer == NULL || hasher == NULL) {
		status = sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	} else {
		status = pass_pieces(content, hasher, buffer, sink, data, error);
		sb_blake3_final(hasher, actual);
		if (status == SB_Q_OK && memcmp(actual, content->blake3, sizeof actual) != 0)
			status = sb_quarantine_mismatch(
				error, "quarantine", content->blake3, actual);
	}
	sb_blake3_free(hasher);
	free(buffer);
	return status;
}
