/* SPDX-License-Identifier: MIT */
/*
 * A reply as the host reads it, from a worker that was taken over. Oracles: all texts end inside
 * the bytes; it judged or it says why not, never both; no prefix of a reply is one.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, const uint8_t *data, size_t size)
{
	const uint8_t *at = (const uint8_t *)text;

	if (text != NULL && (at < data || at >= data + size ||
				    memchr(at, '\0', (size_t)(data + size - at)) == NULL))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static sb_reply reply, cut;

	if (!sb_reply_read(&reply, data, size))
		return 0;
	if (reply.judged == (reply.failure != SB_KIND_NONE) ||
		reply.found_count > SB_MAX_DETECTIONS)
		abort();
	for (size_t i = 0; i < reply.found_count; i++) {
		const sb_found *found = &reply.found[i];
		const char *const texts[] = {found->name, found->category, found->description,
			found->signature_id, found->member};

		if (found->name == NULL || found->severity < SB_SEVERITY_LOW ||
			found->severity > SB_SEVERITY_CRITICAL)
			abort();
		for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
			check_text(texts[k], data, size);
	}
	check_text(reply.problem_message, data, size);
	check_text(reply.failure_message, data, size);
	check_text(reply.mime, data, size);
	check_text(reply.engine_version, data, size);
	check_text(reply.signature_version, data, size);
	if (reply.has_stated && (reply.stated.abstained != (reply.failure != SB_KIND_NONE) ||
					reply.stated.content > SB_CONTENT_INSPECTED))
		abort();
	check_text(reply.container.type, data, size);
	if (size > 0 && sb_reply_read(&cut, data, size - 1))
		abort();
	return 0;
}
