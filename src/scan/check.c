/* SPDX-License-Identifier: MIT */
/* Known-answer tests and their store; see check.h. */
#include "scan/check.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan/call.h"
#include "scan/manager_body.h"
#include "util/io.h"
#include "util/json.h"
#include "util/text.h"
#include "util/uuid.h"

/* --- Asking the engine ------------------------------------------------------------------- */

uint64_t sb_check_max_size(const sb_check *check)
{
	return check->engine->max_size;
}

struct sb_call *sb_check_call(
	sb_check *check, const char *name, const void *data, size_t length, sb_error *error)
{
	sb_content_source source = {
		.spool = check->engine->manager->spool,
		.max_size = UINT64_MAX,
		.deadline = check->deadline,
		.clock = check->engine->manager->clock,
	};
	sb_content *content = NULL;
	struct sb_call *call;

	if (sb_content_from_memory(&content, &source, data, length, false, error) < 0)
		return NULL;
	call = sb_call_new(
		check->engine, NULL, 0, content, (sb_span){name, strlen(name)}, check->deadline);
	sb_content_unref(content);
	if (call == NULL) {
		sb_error_no_memory(error);
		return NULL;
	}
	/* It costs what a scan costs, past every gate or not. */
	if (sb_quota_spend_now(check->engine, error) < 0) {
		sb_call_refuse(call, true, sb_error_kind(error), "%s", sb_error_message(error));
		return call;
	}
	if (check->by_itself && !sb_tester_hold(check->engine, call))
		sb_call_cancel(call);
	if (check->on_trial && !sb_manager_hold(check->engine->manager, call))
		sb_call_cancel(call);
	sb_call_run_wholly(call);
	if (check->by_itself)
		sb_tester_hold(check->engine, NULL);
	if (check->on_trial)
		sb_manager_hold(check->engine->manager, NULL);
	return call;
}

int sb_check_scan(
	sb_check *check, const void *data, size_t length, sb_check_answer *answer, sb_error *error)
{
	sb_error own;
	struct sb_call *call = sb_check_call(check, "check", data, length, &own);

	if (call == NULL) {
		sb_error_copy(error, &own);
		return -(int)own.kind;
	}
	*answer = (sb_check_answer){.outcome = call->result.outcome};
	if (call->result.error != NULL) {
		answer->kind = call->result.error->kind;
		sb_error_copy(error, call->result.error);
	}
	if (call->result.detections != NULL)
		snprintf(
			answer->threat, sizeof answer->threat, "%s", call->result.detections->name);
	sb_call_unref(call);
	return 0;
}

static void remedy(sb_engine_state *out, const char *text)
{
	size_t used = strlen(out->remedy);

	snprintf(out->remedy + used, sizeof out->remedy - used, "%s%s", used > 0 ? "\n" : "", text);
}

void sb_check_attest(sb_check *check, sb_attestation what, bool holds, const char *text)
{
	sb_engine_state *out = check->out;
	bool *const fields[] = {
		[SB_ATTEST_LIMITS] = &out->attested_limits,
		[SB_ATTEST_ENCRYPTED] = &out->attested_encrypted,
		[SB_ATTEST_MAX_SIZE] = &out->attested_max_size,
		[SB_ATTEST_MAIL] = &out->attested_mail,
	};

	if ((size_t)what >= sizeof fields / sizeof fields[0])
		return;
	*fields[what] = holds;
	if (!holds && text != NULL)
		remedy(out, text);
}

/* --- The known answers ---------------------------------------------------------------------- */

/* A benign text that no engine can have in its cache of clean content. */
static int probe_benign(sb_check *check, sb_error *error)
{
	uint8_t nonce[16];
	char digits[33], text[96];
	sb_check_answer answer;
	int status;

	sb_random(nonce, sizeof nonce);
	sb_hex(digits, nonce, sizeof nonce);
	snprintf(text, sizeof text, "Scanbridge known-answer test, a benign text: %s\n", digits);
	status = sb_check_scan(check, text, strlen(text), &answer, error);
	if (status < 0 || answer.outcome == SB_OUTCOME_CLEAN)
		return status;
	if (answer.outcome == SB_OUTCOME_ERROR)
		return sb_error_prefix(error, "known-answer test with a benign text");
	return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, 0,
		"known-answer test: a benign text was called %s (%s)",
		sb_outcome_name(answer.outcome), answer.threat);
}

/* The EICAR test file (eicar.org), put together here so that no scanner minds this program. */
static size_t eicar(char out[69])
{
	static const char *const parts[] = {"X5O!P%@AP[4\\PZX54(P^)7CC)7}", "$EICAR-", "STANDARD-",
		"ANTIVIRUS-", "TEST-FILE", "!$H+H*"};
	size_t length = 0;

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		memcpy(out + length, parts[i], strlen(parts[i]));
		length += strlen(parts[i]);
	}
	return length;
}

static int probe_detection(sb_check *check, const char *self_test, sb_error *error)
{
	sb_check_answer answer;
	char text[69];
	size_t length;
	char *file = NULL;
	int status;

	if (strcmp(self_test, "eicar") != 0) {
		file = sb_read_file(self_test, 64 << 20, &length);
		if (file == NULL)
			return sb_error_set(error, SB_KIND_NOT_CONFIGURED, errno,
				"read the self_test file %s", self_test);
	} else {
		length = eicar(text);
	}
	status = sb_check_scan(check, file != NULL ? file : text, length, &answer, error);
	free(file);
	if (status < 0 || answer.outcome == SB_OUTCOME_INFECTED)
		return status;
	if (answer.outcome == SB_OUTCOME_ERROR)
		return sb_error_prefix(error, "known-answer test with %s", self_test);
	return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, 0,
		"known-answer test: %s was called %s; the engine's signatures are missing or "
		"broken",
		self_test, sb_outcome_name(answer.outcome));
}

static int run_tests(sb_check *check, sb_error *error)
{
	const sb_engine_ops *ops = check->engine->ops;
	const char *self_test = check->engine->conf->self_test;
	int status = 0;

	if (self_test == NULL || strcmp(self_test, "off") == 0)
		return 0;
	if (strcmp(self_test, "builtin") != 0) {
		status = probe_benign(check, error);
		if (status == 0)
			status = probe_detection(check, self_test, error);
	}
	if (status == 0 && ops->canary != NULL)
		status = ops->canary(check->engine->state, check, error);
	return status;
}

/* --- The store ----------------------------------------------------------------------------------
 */

static const char store_name[] = "checks.json";

static void load_one(sb_engine *engine, const json_t *entry)
{
	sb_attested *attested = &engine->attested;
	const char *identity = json_string_value(json_object_get(entry, "identity"));
	const char *when = json_string_value(json_object_get(entry, "time"));

	pthread_mutex_lock(&engine->identity_lock);
	if (identity == NULL || attested->known) {
		pthread_mutex_unlock(&engine->identity_lock);
		return;
	}
	*attested = (sb_attested){
		.known = true,
		.ok = json_is_true(json_object_get(entry, "ok")),
		.limits = json_is_true(json_object_get(entry, "limits")),
		.encrypted = json_is_true(json_object_get(entry, "encrypted")),
		.max_size = json_is_true(json_object_get(entry, "max_size")),
		.mail = json_is_true(json_object_get(entry, "mail")),
	};
	snprintf(attested->identity, sizeof attested->identity, "%s", identity);
	snprintf(attested->when, sizeof attested->when, "%s", when != NULL ? when : "");
	pthread_mutex_unlock(&engine->identity_lock);
}

void sb_check_load(sb_site *site)
{
	const sb_manager *manager = site->manager;
	int fd = openat(manager->data_dir_fd, store_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	json_t *root;

	if (fd < 0)
		return;
	root = json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
	sb_close(&fd);
	for (size_t i = 0; i < site->engine_count; i++)
		load_one(site->engines[i], json_object_get(root, site->engines[i]->conf->name));
	json_decref(root);
}

static void entry_json(sb_json *json, sb_engine *engine)
{
	sb_attested copy;
	const sb_attested *attested = &copy;

	pthread_mutex_lock(&engine->identity_lock);
	copy = engine->attested;
	pthread_mutex_unlock(&engine->identity_lock);
	if (!copy.known)
		return;
	sb_json_object(json, engine->conf->name);
	sb_json_text(json, "identity", attested->identity);
	sb_json_text(json, "time", attested->when);
	sb_json_bool(json, "ok", attested->ok);
	sb_json_bool(json, "limits", attested->limits);
	sb_json_bool(json, "encrypted", attested->encrypted);
	sb_json_bool(json, "max_size", attested->max_size);
	sb_json_bool(json, "mail", attested->mail);
	sb_json_end_object(json);
}

/* A new file beside the old one, then renamed over it. Losing it costs a check. */
static int store(sb_manager *manager, sb_error *error)
{
	sb_site *site = sb_site_now(manager);
	char temporary[64], token[SB_UUID_SIZE];
	sb_buf buf;
	sb_json json = sb_json_on(&buf);
	int fd, status = -1;

	sb_uuid7(token, sb_clock_wall(manager->clock));
	snprintf(temporary, sizeof temporary, "checks.%s.tmp", token);
	sb_buf_init(&buf, 1 << 20);
	sb_json_object(&json, NULL);
	for (size_t i = 0; i < site->engine_count; i++)
		entry_json(&json, site->engines[i]);
	sb_json_end_object(&json);
	sb_site_unref(site);
	sb_buf_char(&buf, '\n');
	fd = openat(manager->data_dir_fd, temporary,
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && !buf.failed)
		status = sb_write_all(fd, buf.data, buf.length);
	if (status == 0)
		status = fsync(fd);
	sb_close(&fd);
	if (status == 0)
		status =
			renameat(manager->data_dir_fd, temporary, manager->data_dir_fd, store_name);
	if (status != 0) {
		sb_error_set(error, SB_KIND_IO, errno, "store the check in %s/%s",
			manager->conf->data_dir, store_name);
		unlinkat(manager->data_dir_fd, temporary, 0);
	}
	sb_buf_done(&buf);
	return status == 0 ? 0 : -SB_KIND_IO;
}

static int keep(sb_engine *engine, const sb_engine_state *state, sb_error *error)
{
	sb_attested attested = {
		.known = true,
		.ok = state->check_ok,
		.limits = state->attested_limits,
		.encrypted = state->attested_encrypted,
		.max_size = state->attested_max_size,
		.mail = state->attested_mail,
	};

	sb_engine_identity_text(engine, state->reachable ? &state->identity : NULL,
		attested.identity, sizeof attested.identity);
	sb_format_time(attested.when, sb_clock_wall(engine->manager->clock));
	pthread_mutex_lock(&engine->identity_lock);
	engine->attested = attested;
	pthread_mutex_unlock(&engine->identity_lock);
	return store(engine->manager, error);
}

/* --- One engine, looked at ---------------------------------------------------------------- */

static void recall(sb_engine *engine, sb_engine_state *out)
{
	char identity[256];

	sb_engine_identity_text(
		engine, out->reachable ? &out->identity : NULL, identity, sizeof identity);
	pthread_mutex_lock(&engine->identity_lock);
	if (engine->attested.known && strcmp(engine->attested.identity, identity) == 0) {
		out->attested_limits = engine->attested.limits;
		out->attested_encrypted = engine->attested.encrypted;
		out->attested_max_size = engine->attested.max_size;
		out->attested_mail = engine->attested.mail;
	}
	pthread_mutex_unlock(&engine->identity_lock);
}

uint64_t sb_check_deadline(const sb_engine *engine)
{
	uint64_t ms = engine->conf->timeout_ms;

	return sb_clock_now(engine->manager->clock) + (ms > 0 ? ms : 60000) * SB_MS;
}

static int look_at(sb_engine *engine, bool check, bool by_itself, sb_engine_state *out)
{
	sb_manager *manager = engine->manager;
	const sb_engine_conf *conf = engine->conf;
	uint64_t begun = sb_clock_now(manager->clock);
	sb_check test = {
		.engine = engine,
		.deadline = sb_check_deadline(engine),
		.out = out,
		.by_itself = by_itself,
	};
	sb_generation generation;
	sb_breaker_view view;
	int status;

	*out = (sb_engine_state){
		.name = conf->name,
		.type = conf->ops->name,
		.role = conf->role,
		.assurance = engine->assurance,
		.note = sb_engine_note(engine),
		.signature_age_s = -1,
	};
	sb_breaker_look(engine, begun, &view);
	out->breaker = sb_breaker_shown(&view);
	sb_error_init(&out->error);
	status = sb_engine_ask(engine, 5000, &out->identity, &out->error);
	out->reachable = status == 0;
	if (out->identity.signature_time > 0)
		out->signature_age_s = (int64_t)(sb_clock_wall(manager->clock) / 1000000000) -
				       out->identity.signature_time;
	if (status == 0 && check) {
		status = run_tests(&test, &out->error);
		out->checked = true;
		out->check_ok = status == 0;
		if (status == 0)
			sb_error_init(&out->error);
		/* An engine that could not answer has proved nothing, neither good nor bad. */
		if (status == 0 || out->error.kind == SB_KIND_ENGINE_UNAVAILABLE) {
			sb_error error;
			sb_error_init(&error);
			if (keep(engine, out, &error) < 0)
				remedy(out, error.message);
		}
	} else if (status == 0) {
		recall(engine, out);
	}
	out->has_quota = sb_quota_look(engine, &out->quota);
	sb_engine_generation(engine, &generation);
	out->generation_known = generation.known;
	memcpy(out->generation, generation.gen, sizeof out->generation);
	sb_error_set_engine(&out->error, conf->name);
	out->duration_ms = (double)(sb_clock_now(manager->clock) - begun) / (double)SB_MS;
	return status;
}

int sb_manager_engine_state(sb_manager *manager, size_t index, bool check, sb_engine_state *out)
{
	sb_site *site = sb_site_now(manager);
	int status = look_at(site->engines[index], check, false, out);

	sb_site_unref(site);
	return status;
}

int sb_check_trial(sb_engine *engine, sb_error *error)
{
	sb_engine_state *state = calloc(1, sizeof *state); /* for what a canary attests */
	sb_identity identity;
	int status;

	if (state == NULL)
		return sb_error_no_memory(error);
	status = sb_engine_ask(engine, 5000, &identity, error);
	if (status == 0) {
		sb_check test = {
			.engine = engine, .out = state, .deadline = sb_check_deadline(engine)};
		test.on_trial = true;

		status = run_tests(&test, error);
	}
	free(state);
	return status;
}

/* --- By itself ---------------------------------------------------------------------------- */

int sb_check_wholly(sb_engine *engine, sb_error *error)
{
	sb_engine_state *state = malloc(sizeof *state);
	int status;

	if (state == NULL)
		return sb_error_no_memory(error);
	status = look_at(engine, true, true, state);
	if (status < 0)
		sb_error_copy(error, &state->error);
	free(state);
	return status;
}

static int check_age(sb_engine *engine, const sb_identity *identity, sb_error *error)
{
	if (!sb_engine_is_stale(engine, identity))
		return 0;
	return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, 0,
		"engine %s has signatures older than max_signature_age; update them",
		engine->conf->name);
}

int sb_check_quickly(sb_engine *engine, sb_error *error)
{
	const char *self_test = engine->conf->self_test;
	sb_engine_state *state = malloc(sizeof *state); /* for what a canary attests */
	sb_identity identity;
	int status;

	if (state == NULL)
		return sb_error_no_memory(error);
	state->remedy[0] = '\0';
	status = sb_engine_ask(engine, 5000, &identity, error);
	if (status == 0)
		status = check_age(engine, &identity, error);
	if (status == 0) {
		sb_check test = {.engine = engine, .out = state, .by_itself = true};

		test.deadline = sb_check_deadline(engine);
		if (strcmp(self_test, "builtin") != 0) {
			status = probe_benign(&test, error);
			if (status == 0)
				status = probe_detection(&test, self_test, error);
		} else if (engine->ops->canary != NULL) {
			status = engine->ops->canary(engine->state, &test, error);
		}
	}
	free(state);
	return status;
}
