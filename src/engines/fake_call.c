/* SPDX-License-Identifier: MIT */
/* The core as small as an engine's unit test needs it; see fake_call.h. */
#include "engines/fake_call.h"

#include <assert.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util/hash.h"
#include "util/text.h"

void fake_call_init(sb_call *call, const char *data)
{
	*call = (sb_call){.data = data, .size = strlen(data), .cancel_fd = -1};
}

static void *setting(void *state, const sb_engine_ops *ops, const char *key)
{
	const sb_setting *row = ops->settings;

	while (row->key != NULL && strcmp(row->key, key) != 0)
		row++;
	assert(row->key != NULL);
	return (char *)state + row->offset;
}

void fake_set_text(void *state, const sb_engine_ops *ops, const char *key, const char *value)
{
	memcpy(setting(state, ops, key), &value, sizeof value);
}

void fake_set_number(void *state, const sb_engine_ops *ops, const char *key, uint64_t value)
{
	memcpy(setting(state, ops, key), &value, sizeof value);
}

void fake_set_texts(void *state, const sb_engine_ops *ops, const char *key,
	const char *const *items, size_t count)
{
	sb_texts texts = {items, count};

	memcpy(setting(state, ops, key), &texts, sizeof texts);
}

static size_t digest_of(const void *data, size_t length, sb_digest which, uint8_t *out)
{
	if (which == SB_DIGEST_BLAKE3)
		sb_blake3_memory(data, length, out);
	else if (which == SB_DIGEST_SHA256)
		sb_sha256_memory(data, length, out);
	else
		sb_md5_memory(data, length, out);
	return which == SB_DIGEST_MD5 ? 16 : 32;
}

const char *fake_hex(const char *data, sb_digest which)
{
	static char digits[4][65];
	static unsigned next;
	uint8_t digest[32];
	char *out = digits[next++ % 4];

	sb_hex(out, digest, digest_of(data, strlen(data), which, digest));
	return out;
}

/* --- What engine.h promises ---------------------------------------------------------------- */

uint64_t sb_call_size(const sb_call *call)
{
	return call->size;
}

int sb_call_digest(sb_call *call, sb_digest which, uint8_t *out, sb_error *error)
{
	call->digests |= 1u << which;
	if (call->digest_fails != SB_KIND_NONE)
		return sb_error_set(error, call->digest_fails, 0, "no digest");
	digest_of(call->data, call->size, which, out);
	return 0;
}

uint64_t sb_call_remaining_ms(const sb_call *call)
{
	struct timespec now;
	uint64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	if (call->deadline_ms == 0)
		return UINT64_MAX;
	return call->deadline_ms > ms ? call->deadline_ms - ms : 0;
}

size_t sb_call_replica(const sb_call *call)
{
	(void)call;
	return SB_ANY_REPLICA;
}

bool sb_call_cancelled(const sb_call *call)
{
	struct pollfd cancel = {.fd = call->cancel_fd, .events = POLLIN};

	return poll(&cancel, 1, 0) > 0;
}

int sb_call_cancel_fd(sb_call *call)
{
	return call->cancel_fd;
}

int sb_call_clean(sb_call *call, uint64_t bytes, sb_content_coverage content, sb_error *error)
{
	(void)error;
	call->outcome = SB_OUTCOME_CLEAN;
	call->bytes = bytes;
	call->content = content;
	return 0;
}

static void keep(char *out, size_t room, const char *text)
{
	snprintf(out, room, "%s", text != NULL ? text : "");
}

int sb_call_infected(sb_call *call, const sb_threat *threat, sb_error *error)
{
	(void)error;
	call->outcome = SB_OUTCOME_INFECTED;
	call->severity = threat->severity;
	snprintf(call->threat, sizeof call->threat, "%.*s", (int)threat->name_length, threat->name);
	keep(call->category, sizeof call->category, threat->category);
	keep(call->signature_id, sizeof call->signature_id, threat->signature_id);
	return 0;
}

int sb_call_suspicious(sb_call *call, const sb_threat *threat, double confidence, sb_error *error)
{
	(void)confidence;
	sb_call_infected(call, threat, error);
	call->outcome = SB_OUTCOME_SUSPICIOUS;
	return 0;
}

void sb_call_cover(sb_call *call, uint64_t bytes, sb_content_coverage content)
{
	call->bytes = bytes;
	call->content = content;
}

int sb_call_abstain(sb_call *call, sb_kind kind, sb_error *error, const char *format, ...)
{
	char message[256];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	call->abstained = true;
	return sb_error_set(error, kind, 0, "%s", message);
}

void sb_call_doubt(sb_call *call, uint64_t ms)
{
	(void)call;
	(void)ms;
}

void sb_call_container(sb_call *call, const sb_container *container)
{
	call->opened = true;
	call->container = *container;
	keep(call->container_type, sizeof call->container_type, container->type);
	call->container.type = call->container_type;
}

void sb_call_mime(sb_call *call, const char *mime)
{
	keep(call->mime, sizeof call->mime, mime);
}

bool sb_call_wants_mime(const sb_call *call)
{
	return call->wants_mime;
}

const char *const *sb_call_passwords(const sb_call *call)
{
	static const char *const none[] = {NULL};

	return call->passwords != NULL ? call->passwords : none;
}
