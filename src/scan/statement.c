/* SPDX-License-Identifier: MIT */
/*
 * What an engine sees of its call, and what it says about it (sys/engine.h). The rules that
 * keep a careless engine from saying clean are here and nowhere else: a statement is needed,
 * and a clean one counts the bytes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scan/job.h"
#include "scan/manager_body.h"
#include "util/io.h"
#include "util/text.h"

enum { ASK_MS = 2000 }; /* for its identity */

/* --- The content ------------------------------------------------------------------------ */

uint64_t sb_call_size(const sb_call *call)
{
	return call->streamed ? call->result.bytes : sb_content_size(call->content);
}

const char *sb_call_name(const sb_call *call, size_t *length)
{
	if ((call->engine->ops->flags & SB_ENGINE_BY_NAME) == 0)
		((sb_call *)(uintptr_t)call)->recall.unshared = true;
	if (length != NULL)
		*length = call->name.length;
	return call->name.data != NULL ? call->name.data : "";
}

int sb_call_fd(sb_call *call, sb_error *error)
{
	if (call->fd < 0)
		call->fd = sb_content_fd(call->content, error);
	return call->fd;
}

const void *sb_call_memory(const sb_call *call, size_t *length)
{
	return sb_content_memory(call->content, length);
}

int64_t sb_call_read(sb_call *call, uint64_t offset, void *buffer, size_t length, sb_error *error)
{
	return sb_content_read(call->content, offset, buffer, length, error);
}

int sb_call_digest(sb_call *call, sb_digest which, uint8_t *out, sb_error *error)
{
	switch (which) {
	case SB_DIGEST_BLAKE3:
		memcpy(out, sb_content_blake3(call->content), SB_BLAKE3_SIZE);
		return 0;
	case SB_DIGEST_SHA256:
		return sb_content_sha256(call->content, out, error);
	case SB_DIGEST_MD5:
		return sb_content_md5(call->content, out, error);
	}
	return sb_error_set(error, SB_KIND_INTERNAL, 0, "digest %d is unknown", (int)which);
}

/* --- Time ------------------------------------------------------------------------------- */

uint64_t sb_call_remaining_ms(const sb_call *call)
{
	uint64_t now = sb_clock_now(call->clock);

	/* Rounded up, so that waiting this long really reaches the deadline. */
	return now >= call->deadline ? 0 : (call->deadline - now + SB_MS - 1) / SB_MS;
}

bool sb_call_cancelled(const sb_call *call)
{
	return call->dropping || atomic_load(&call->cancelled);
}

size_t sb_call_replica(const sb_call *call)
{
	return call->breaker != NULL ? (size_t)(call->breaker - call->engine->breakers)
				     : SB_ANY_REPLICA;
}

/* --- The statement ---------------------------------------------------------------------- */

void sb_call_restate(struct sb_call *call)
{
	const sb_engine_conf *conf = call->engine->conf;

	call->result = (sb_result){
		.engine = conf->name,
		.type = conf->ops->name,
		.role = conf->role,
		.assurance = call->engine->assurance,
		.hash_list = (conf->ops->flags & SB_ENGINE_HASH_LIST) != 0,
		.weight = conf->weight,
		.veto = conf->veto,
		.confidence = -1,
		.attempts = call->retries + 1,
	};
	call->next_detection = &call->result.detections;
	call->stated_clean = call->said_cover = call->lost = false;
	call->covered = 0;
	call->again_at = 0;
	sb_error_init(&call->error);
}

int sb_call_clean(sb_call *call, uint64_t bytes, sb_content_coverage content, sb_error *error)
{
	(void)error;
	call->stated_clean = true;
	sb_call_cover(call, bytes, content);
	return 0;
}

void sb_call_cover(sb_call *call, uint64_t bytes, sb_content_coverage content)
{
	call->said_cover = true;
	call->covered = bytes;
	call->result.content = content;
}

/* PUA.* and Heuristics.*: hits that are no proof. */
static bool is_heuristic(const char *name, size_t length)
{
	return (length > 4 && memcmp(name, "PUA.", 4) == 0) ||
	       (length > 11 && memcmp(name, "Heuristics.", 11) == 0);
}

/* Names outside the grammar become a digest of themselves; the original, escaped, goes into
 * the description. */
static bool set_name(sb_call *call, sb_detection *detection, const sb_threat *threat)
{
	uint8_t digest[SB_BLAKE3_SIZE];
	char name[32] = "Unnamed.";
	sb_buf escaped;

	if (threat->name != NULL && sb_threat_name_ok(threat->name, threat->name_length)) {
		detection->name = sb_arena_copy(&call->arena, threat->name, threat->name_length);
		return detection->name != NULL;
	}
	sb_blake3_memory(threat->name, threat->name != NULL ? threat->name_length : 0, digest);
	sb_hex(name + 8, digest, 8);
	detection->name = sb_arena_text(&call->arena, name);
	sb_buf_init(&escaped, 4096);
	sb_escape(&escaped, threat->name, threat->name_length < 512 ? threat->name_length : 512);
	detection->description = sb_arena_copy(&call->arena, escaped.data, escaped.length);
	sb_buf_done(&escaped);
	return detection->name != NULL && detection->description != NULL;
}

static const char *copy_text(sb_call *call, const char *text, bool *failed)
{
	size_t length = text != NULL ? strlen(text) : 0;
	const char *copy;

	if (text == NULL)
		return NULL;
	copy = sb_arena_copy(&call->arena, text, length < 1024 ? length : 1024);
	*failed = *failed || copy == NULL;
	return copy;
}

static int detect(sb_call *call, sb_outcome outcome, const sb_threat *threat, sb_error *error)
{
	sb_detection *detection = sb_arena_zalloc(&call->arena, sizeof *detection);
	bool failed = detection == NULL || !set_name(call, detection, threat);

	if (failed)
		return sb_error_no_memory(error);
	if (outcome == SB_OUTCOME_INFECTED && !call->engine->conf->heuristics_infected &&
		is_heuristic(detection->name, strlen(detection->name)))
		outcome = SB_OUTCOME_SUSPICIOUS;
	detection->outcome = outcome;
	detection->severity =
		threat->severity != SB_SEVERITY_NONE ? threat->severity : SB_SEVERITY_HIGH;
	detection->category = copy_text(call, threat->category, &failed);
	if (detection->description == NULL)
		detection->description = copy_text(call, threat->description, &failed);
	detection->signature_id = copy_text(call, threat->signature_id, &failed);
	detection->member = copy_text(call, threat->member, &failed);
	if (failed)
		return sb_error_no_memory(error);
	*call->next_detection = detection;
	call->next_detection = &detection->next;
	return 0;
}

int sb_call_infected(sb_call *call, const sb_threat *threat, sb_error *error)
{
	return detect(call, SB_OUTCOME_INFECTED, threat, error);
}

int sb_call_suspicious(sb_call *call, const sb_threat *threat, double confidence, sb_error *error)
{
	if (confidence > call->result.confidence)
		call->result.confidence = confidence > 1 ? 1 : confidence;
	return detect(call, SB_OUTCOME_SUSPICIOUS, threat, error);
}

int sb_call_abstain(sb_call *call, sb_kind kind, sb_error *error, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	call->result.abstained = true;
	return sb_error_set(error, kind, 0, "%s", text);
}

void sb_call_doubt(sb_call *call, uint64_t ms)
{
	sb_recall_doubt(call, ms);
}

void sb_call_versions(sb_call *call, const char *engine, const char *signatures)
{
	bool failed = false;

	call->result.engine_version = copy_text(call, engine, &failed);
	call->result.signature_version = copy_text(call, signatures, &failed);
}

/* --- What kind of content it is ----------------------------------------------------------- */

void sb_call_container(sb_call *call, const sb_container *container)
{
	sb_container *copy = sb_arena_alloc(&call->arena, sizeof *copy);
	bool failed = copy == NULL, typed = container->type != NULL && container->type[0] != '\0';

	if (!failed) {
		*copy = *container;
		copy->facts &= 2u * SB_FACT_LAUNCH - 1; /* those that have a name */
		copy->type = typed ? copy_text(call, container->type, &failed) : NULL;
	}
	call->lost = call->lost || failed;
	call->result.container = failed ? NULL : copy;
}

void sb_call_mime(sb_call *call, const char *mime)
{
	bool failed = false;

	call->result.mime = mime != NULL && mime[0] != '\0' ? copy_text(call, mime, &failed) : NULL;
	call->lost = call->lost || failed;
}

bool sb_call_wants_mime(const sb_call *call)
{
	return sb_conf_wants_mime(sb_call_conf(call));
}

const char *const *sb_call_passwords(const sb_call *call)
{
	if (call->job != NULL && call->job->passwords != NULL)
		return call->job->passwords;
	return sb_call_conf(call)->containers.passwords;
}

/* --- From statement to result ------------------------------------------------------------- */

static void fail(sb_call *call, const sb_error *error)
{
	bool abstained = call->result.abstained;

	sb_error_copy(&call->error, error);
	sb_error_set_engine(&call->error, call->engine->conf->name);
	call->result.outcome = SB_OUTCOME_ERROR;
	call->result.error = &call->error;
	call->result.abstained = abstained;
	call->result.detections = NULL;
}

static void fail_with(sb_call *call, sb_kind kind, const char *what)
{
	sb_error error;

	sb_error_set(&error, kind, 0, "engine %s %s", call->engine->conf->name, what);
	call->result.abstained = false;
	fail(call, &error);
}

static void set_coverage(sb_call *call, uint64_t size)
{
	call->result.bytes = call->covered < size ? call->covered : size;
	call->result.coverage = !call->said_cover       ? SB_COVERAGE_NONE
				: call->covered >= size ? SB_COVERAGE_COMPLETE
							: SB_COVERAGE_PARTIAL;
	/* An engine that looked at part of the bytes has not inspected all of their content. */
	if (call->result.coverage != SB_COVERAGE_COMPLETE &&
		call->result.content == SB_CONTENT_INSPECTED)
		call->result.content = SB_CONTENT_PARTIAL;
}

static void judge_clean(sb_call *call, uint64_t size)
{
	char text[96];

	if (call->covered == size) {
		call->result.outcome = SB_OUTCOME_CLEAN;
		return;
	}
	snprintf(text, sizeof text, "looked at %llu of %llu bytes and called that clean",
		(unsigned long long)call->covered, (unsigned long long)size);
	fail_with(call, SB_KIND_PROTOCOL_ERROR, text);
}

static void judge(sb_call *call)
{
	uint64_t size = sb_content_size(call->content);

	set_coverage(call, size);
	if (call->result.detections == NULL && call->stated_clean) {
		judge_clean(call, size);
		return;
	}
	for (const sb_detection *d = call->result.detections; d != NULL; d = d->next)
		if (call->result.outcome != SB_OUTCOME_INFECTED)
			call->result.outcome = d->outcome;
	if (call->result.outcome == SB_OUTCOME_ERROR)
		fail_with(call, SB_KIND_PROTOCOL_ERROR, "answered without a statement");
}

/* What its last known-answer test says of the one that made the statement. */
static void recall_test(sb_call *call, const sb_identity *identity, bool *attested, bool *bad)
{
	sb_engine *engine = call->engine;
	char text[256];

	*attested = *bad = false;
	pthread_mutex_lock(&engine->identity_lock);
	if (engine->attested.known) {
		sb_engine_identity_text(engine, identity, text, sizeof text);
		if (strcmp(engine->attested.identity, text) == 0) {
			*bad = !engine->attested.ok;
			*attested = engine->attested.limits && engine->attested.encrypted &&
				    engine->attested.mail;
		}
	}
	pthread_mutex_unlock(&engine->identity_lock);
}

void sb_call_hold_to(sb_call *call, const sb_identity *identity)
{
	sb_engine *engine = call->engine;
	bool attested, bad, failed = false;

	recall_test(call, identity, &attested, &bad);
	if (identity != NULL && call->result.engine_version == NULL) {
		call->result.engine_version = copy_text(call, identity->engine_version, &failed);
		call->result.signature_version =
			copy_text(call, identity->signature_version, &failed);
	}
	if ((engine->ops->flags & SB_ENGINE_NEEDS_ATTESTATION) != 0 && !attested)
		call->result.content = SB_CONTENT_UNKNOWN;
	if (call->result.outcome != SB_OUTCOME_CLEAN)
		return;
	if (bad)
		fail_with(call, SB_KIND_ENGINE_UNAVAILABLE,
			"failed its known-answer test; see scanbridge engines --check");
	else if (identity != NULL && sb_engine_is_stale(engine, identity))
		fail_with(call, SB_KIND_ENGINE_UNAVAILABLE,
			"has signatures older than max_signature_age; update them");
}

/* It named signatures of its own, and they are not the engine's: other ones are taking over, or
 * another replica has them. */
static bool stands_on_others(const sb_call *call, const sb_identity *identity)
{
	return call->result.signature_version != NULL && identity->signature_version[0] != '\0' &&
	       strcmp(call->result.signature_version, identity->signature_version) != 0;
}

/* Who it was, and whether it was the same all the time. */
static void apply_identity(sb_call *call)
{
	sb_identity identity;
	uint64_t left = sb_call_remaining_ms(call);
	bool known = sb_engine_identity(call->engine, left, &identity);

	/* It could not say a moment ago, while it was starting; by now it has answered, and clean
	 * depends on how old its signatures are. */
	if (!known && call->engine->conf->max_signature_age_ms > 0 &&
		call->result.outcome == SB_OUTCOME_CLEAN)
		known = sb_engine_ask(
				call->engine, left < ASK_MS ? left : ASK_MS, &identity, NULL) == 0;
	call->recall.others = known && stands_on_others(call, &identity);
	/* Where identities are not exact, replicas may name different ones for good. */
	call->recall.changed =
		atomic_load(&call->engine->identity_changes) != call->recall.changes ||
		(call->recall.others && identity.exactness == SB_EXACT_FULL);
	sb_call_hold_to(call, known ? &identity : NULL);
}

/* Feed a stream as it grows. */
static int run_stream(sb_call *call, sb_error *error)
{
	const sb_engine_ops *ops = call->engine->ops;
	void *state = call->engine->state, *stream = NULL;
	uint64_t max = call->engine->max_size, offset = 0;
	char buffer[65536];
	int64_t n = ops->begin(state, call, &stream, error);

	if (n < 0)
		return (int)n;
	while ((n = sb_content_follow(call->content, offset, buffer, sizeof buffer, call->deadline,
			&call->cancelled, error)) > 0) {
		offset += (uint64_t)n;
		if (max > 0 && offset > max) {
			n = sb_error_set(error, SB_KIND_FILE_TOO_LARGE, 0,
				"the stream is longer than engine %s's max_size of %llu bytes",
				call->engine->conf->name, (unsigned long long)max);
			break;
		}
		n = ops->feed(state, stream, buffer, (size_t)n, error);
		if (n < 0)
			break;
	}
	call->result.bytes = offset;
	if (n < 0) {
		ops->finish(state, call, stream, false, NULL);
		return (int)n;
	}
	return ops->finish(state, call, stream, true, error);
}

static int ask(sb_call *call, sb_error *error)
{
	const sb_engine_ops *ops = call->engine->ops;

	if (call->ticket == NULL) { /* else an attempt goes on */
		call->asked = true;
		call->recall.changes = atomic_load(&call->engine->identity_changes);
		if (call->engine->conf->breaker.slow_ns > 0)
			call->asked_at = sb_clock_now(call->clock);
	}
	if (call->streamed)
		return run_stream(call, error);
	return ops->submit != NULL ? sb_call_ask_deferred(call, error)
				   : ops->scan(call->engine->state, call, error);
}

void sb_call_run(struct sb_call *call)
{
	sb_error error;
	int status;

	sb_call_restate(call);
	sb_error_init(&error);
	status = ask(call, &error);
	sb_close(&call->fd);
	if (call->again_at != 0)
		return;
	if (status == 0 && call->lost) /* policy must not judge by half of what was said */
		status = sb_error_no_memory(&error);
	if (status == 0) {
		judge(call);
		if (call->job != NULL)
			apply_identity(call);
	} else {
		if (error.kind == SB_KIND_NONE) /* the return counts, even without a message */
			sb_error_set(&error,
				status > -SB_KIND_COUNT_ ? (sb_kind)-status : SB_KIND_INTERNAL, 0,
				"engine %s failed without saying why", call->engine->conf->name);
		fail(call, &error);
	}
	call->result.duration_ms =
		(double)(sb_clock_now(call->clock) - call->started) / (double)SB_MS;
}
