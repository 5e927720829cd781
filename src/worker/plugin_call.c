/* SPDX-License-Identifier: MIT */
/* The functions of sys/engine.h for a plugin in a worker; the program exports them, see plugin.h.
 * What the core makes of a statement is in scan/statement.c: here it is only written down. */
#include "worker/plugin.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util/error.h"
#include "util/hash.h"
#include "util/text.h"

uint64_t sb_guest_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- The content ------------------------------------------------------------------------------ */

uint64_t sb_call_size(const sb_call *call)
{
	return call->request->size;
}

const char *sb_call_name(const sb_call *call, size_t *length)
{
	if (length != NULL)
		*length = call->request->name_length;
	return call->request->name;
}

int sb_call_fd(sb_call *call, sb_error *error)
{
	return call->fd >= 0 ? call->fd
			     : sb_error_set(error, SB_KIND_UNSUPPORTED, 0,
				       "empty content has no descriptor in a worker process");
}

const void *sb_call_memory(const sb_call *call, size_t *length)
{
	if (length != NULL)
		*length = (size_t)call->request->size;
	return call->data;
}

int64_t sb_call_read(sb_call *call, uint64_t offset, void *buffer, size_t length, sb_error *error)
{
	uint64_t size = call->request->size, left = offset < size ? size - offset : 0;
	size_t n = length < left ? length : (size_t)left;

	(void)error;
	if (n > 0)
		memcpy(buffer, (const char *)call->data + offset, n);
	return (int64_t)n;
}

int sb_call_digest(sb_call *call, sb_digest which, uint8_t *out, sb_error *error)
{
	size_t size = (size_t)call->request->size;

	switch (which) {
	case SB_DIGEST_BLAKE3:
		sb_blake3_memory(call->data, size, out);
		return 0;
	case SB_DIGEST_SHA256:
		sb_sha256_memory(call->data, size, out);
		return 0;
	case SB_DIGEST_MD5:
		sb_md5_memory(call->data, size, out);
		return 0;
	}
	return sb_error_set(error, SB_KIND_INTERNAL, 0, "digest %d is unknown", (int)which);
}

/* --- Time: whoever is cancelled is ended by the host -------------------------------------------
 */

uint64_t sb_call_remaining_ms(const sb_call *call)
{
	uint64_t now = sb_guest_now();

	return now < call->until_ms ? call->until_ms - now : 0;
}

bool sb_call_cancelled(const sb_call *call)
{
	(void)call;
	return false;
}

int sb_call_cancel_fd(sb_call *call)
{
	return call->guest->never;
}

size_t sb_call_replica(const sb_call *call)
{
	(void)call;
	return SB_ANY_REPLICA;
}

/* --- The statement ---------------------------------------------------------------------------- */

int sb_call_clean(sb_call *call, uint64_t bytes, sb_content_coverage content, sb_error *error)
{
	(void)error;
	call->stated.clean = true;
	sb_call_cover(call, bytes, content);
	return 0;
}

void sb_call_cover(sb_call *call, uint64_t bytes, sb_content_coverage content)
{
	call->stated.cover = true;
	call->stated.bytes = bytes;
	call->stated.content = content <= SB_CONTENT_INSPECTED ? content : SB_CONTENT_UNKNOWN;
}

enum { TEXT = 1024 }; /* as much as the core keeps of one */

/* A name is any bytes, and a text of a reply ends at its NUL: what has one, or is none, is sent in
 * a form that the core then takes for what it is, no name of the field's grammar. */
static void copy_name(sb_buf *out, const sb_threat *threat)
{
	size_t length = threat->name != NULL ? threat->name_length : 0;

	if (length > 0 && memchr(threat->name, '\0', length) == NULL)
		sb_buf_add(out, threat->name, length < TEXT ? length : TEXT);
	else if (length > 0)
		sb_escape(out, threat->name, length < TEXT / 2 ? length : TEXT / 2);
	else
		sb_buf_char(out, '?');
}

static const char *cut(char out[TEXT + 1], const char *text)
{
	size_t length = text != NULL ? strnlen(text, TEXT) : 0;

	if (text == NULL)
		return NULL;
	memcpy(out, text, length);
	out[length] = '\0';
	return out;
}

static int report(sb_call *call, bool infected, const sb_threat *threat, sb_error *error)
{
	char texts[4][TEXT + 1];
	sb_severity severity = threat->severity;
	sb_buf name;
	bool failed;

	if (severity < SB_SEVERITY_LOW || severity > SB_SEVERITY_CRITICAL)
		severity = SB_SEVERITY_HIGH;
	sb_buf_init(&name, 4 * TEXT);
	copy_name(&name, threat);
	failed = name.failed;
	if (!failed)
		sb_reply_found(
			&call->writer, &(sb_found){.infected = infected,
					       .severity = severity,
					       .name = name.data,
					       .category = cut(texts[0], threat->category),
					       .description = cut(texts[1], threat->description),
					       .signature_id = cut(texts[2], threat->signature_id),
					       .member = cut(texts[3], threat->member)});
	sb_buf_done(&name);
	call->lost = call->lost || failed;
	return failed ? sb_error_no_memory(error) : 0;
}

int sb_call_infected(sb_call *call, const sb_threat *threat, sb_error *error)
{
	return report(call, true, threat, error);
}

int sb_call_suspicious(sb_call *call, const sb_threat *threat, double confidence, sb_error *error)
{
	if (confidence > call->stated.confidence)
		call->stated.confidence = confidence > 1 ? 1 : confidence;
	return report(call, false, threat, error);
}

int sb_call_abstain(sb_call *call, sb_kind kind, sb_error *error, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	call->stated.abstained = true;
	return sb_error_set(error, kind, 0, "%s", text);
}

void sb_call_doubt(sb_call *call, uint64_t ms)
{
	if (ms > call->stated.doubt_ms)
		call->stated.doubt_ms = ms;
}

static void copy_text(char *out, size_t room, const char *text)
{
	snprintf(out, room, "%s", text != NULL ? text : "");
}

void sb_call_versions(sb_call *call, const char *engine, const char *signatures)
{
	call->versions = true;
	copy_text(call->engine_version, sizeof call->engine_version, engine);
	copy_text(call->signature_version, sizeof call->signature_version, signatures);
}

/* --- What kind of content it is ----------------------------------------------------------------
 */

void sb_call_container(sb_call *call, const sb_container *container)
{
	call->opened = true;
	call->container = *container;
	copy_text(call->container_type, sizeof call->container_type, container->type);
	call->container.type = call->container_type;
}

void sb_call_mime(sb_call *call, const char *mime)
{
	copy_text(call->mime, sizeof call->mime, mime);
}

bool sb_call_wants_mime(const sb_call *call)
{
	return (call->request->flags & SB_REQUEST_MIME) != 0;
}

const char *const *sb_call_passwords(const sb_call *call)
{
	return call->request->passwords;
}
