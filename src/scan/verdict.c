/* SPDX-License-Identifier: MIT */
/* What becomes of a job's answers; see verdict.h. The thread that calls these is the only one
 * that touches the job: all calls are settled. */
#include "scan/verdict.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "scan/facts.h"
#include "scan/fallback.h"
#include "scan/inspect.h"
#include "scan/manager_body.h"
#include "scan/tiers.h"
#include "util/text.h"

#define OWNER(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

void sb_verdict_blank(
	sb_job *job, size_t slot, bool abstained, sb_kind kind, const char *format, ...)
{
	const sb_engine *engine = job->engines[slot];
	sb_error *error = sb_arena_alloc(&job->report->arena, sizeof *error);
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (error != NULL) {
		sb_error_set(error, kind, 0, "%s", text);
		sb_error_set_engine(error, engine->conf->name);
	}
	job->report->results[slot] = (sb_result){
		.engine = engine->conf->name,
		.type = engine->ops->name,
		.role = engine->conf->role,
		.assurance = engine->assurance,
		.hash_list = (engine->ops->flags & SB_ENGINE_HASH_LIST) != 0,
		.weight = engine->conf->weight,
		.veto = engine->conf->veto,
		.confidence = -1,
		.abstained = abstained,
		.error = error,
	};
}

/* --- Once more ------------------------------------------------------------------------------ */

/* When it was certain before all had answered, those that still work are told to stop: here too,
 * as whoever brought the last answer may find the list empty already. */
static void drop_calls(sb_job *job)
{
	for (size_t i = 0; i < job->slots; i++) {
		struct sb_call *call;

		pthread_mutex_lock(&job->lock);
		call = job->calls[i];
		job->calls[i] = NULL;
		pthread_mutex_unlock(&job->lock);
		if (call == NULL)
			continue;
		if (job->early)
			sb_call_cancel(call);
		sb_call_unref(call);
	}
}

static bool somebody_found_it(const sb_report *report)
{
	for (size_t i = 0; i < report->result_count; i++)
		if (report->results[i].outcome == SB_OUTCOME_INFECTED)
			return true;
	return false;
}

static bool can_repeat(const sb_job *job)
{
	return !job->rescanned && !atomic_load(&job->cancelled) &&
	       (job->type == SB_INPUT_PATH || job->type == SB_INPUT_AT) &&
	       sb_clock_now(job->manager->clock) < job->deadline && !somebody_found_it(job->report);
}

/*
 * The private copy stood still, but does the path still lead to what was copied? A verdict on a
 * path is read as one about the file that is there. A path that leads nowhere misleads nobody.
 */
static bool leads_elsewhere(const sb_job *job)
{
	struct stat then, now;

	if ((job->type != SB_INPUT_PATH && job->type != SB_INPUT_AT) ||
		!sb_content_stat(job->content, &then) ||
		fstatat(job->fd, job->name_at, &now, job->follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return then.st_dev != now.st_dev || then.st_ino != now.st_ino ||
	       then.st_size != now.st_size || then.st_mtim.tv_sec != now.st_mtim.tv_sec ||
	       then.st_mtim.tv_nsec != now.st_mtim.tv_nsec;
}

static sb_content_state state_of(const sb_job *job)
{
	if (job->content == NULL || job->content_error.kind != SB_KIND_NONE)
		return SB_CONTENT_STATE_UNPINNED;
	return leads_elsewhere(job) ? SB_CONTENT_STATE_CHANGED : sb_content_check(job->content);
}

bool sb_verdict_again(sb_job *job)
{
	sb_report *report = job->report;
	bool changed;

	job->content_state = state_of(job);
	changed = job->content_state == SB_CONTENT_STATE_CHANGED ||
		  job->content_error.kind == SB_KIND_CHANGED;
	if (!changed || !can_repeat(job))
		return false;
	job->rescanned = true;
	drop_calls(job);
	sb_content_unref(job->content);
	job->content = NULL;
	sb_error_init(&job->content_error);
	for (size_t i = 0; i < report->result_count; i++) {
		sb_arena_done(&report->arenas[i]);
		report->results[i] = (sb_result){0};
	}
	sb_tiers_begin(job);
	return true;
}

/* --- Deciding -------------------------------------------------------------------------------- */

/* Engines that were not asked because there was nothing to show them. */
static void fill_blanks(sb_job *job)
{
	const sb_error *why = &job->content_error;

	for (size_t i = 0; i < job->report->result_count; i++)
		if (job->report->results[i].engine == NULL)
			sb_verdict_blank(job, i, true,
				why->kind != SB_KIND_NONE ? why->kind : SB_KIND_INTERNAL,
				"not asked: %.400s", why->message);
}

/* Also where the answer came too late, or not at all. */
static void tell_uploads(sb_job *job)
{
	for (size_t i = 0; i < job->report->result_count; i++)
		job->report->results[i].uploaded_to = job->uploaded_to[i];
}

/* The names belong to the configuration, which the report outlives. */
static void own_names(sb_report *report)
{
	for (size_t i = 0; i < report->result_count; i++) {
		sb_result *result = &report->results[i];
		const char *engine = sb_arena_text(&report->arena, result->engine);
		const char *type = sb_arena_text(&report->arena, result->type);

		result->engine = engine != NULL ? engine : "";
		result->type = type != NULL ? type : "";
	}
}

/* A digest's text, and then that it is there: an early scan_started may be reading them. */
static void show_digest(sb_job *job, char *text, bool *shown, const uint8_t *digest, size_t size)
{
	pthread_mutex_lock(&job->lock);
	sb_hex(text, digest, size);
	*shown = true;
	pthread_mutex_unlock(&job->lock);
}

static void describe_content(sb_job *job)
{
	sb_report *report = job->report;

	if (job->content == NULL || job->content_error.kind != SB_KIND_NONE)
		return;
	report->size = sb_content_size(job->content);
	report->pinned = job->content_state == SB_CONTENT_STATE_PINNED;
	show_digest(job, report->blake3, &report->hashed, sb_content_blake3(job->content),
		SB_BLAKE3_SIZE);
}

/* SHA-256 and MD5 from the same content: when configured, when a rule asks for them or somebody
 * needed them already, and SHA-256 whenever the outcome is not clean. */
static void more_digests(sb_job *job)
{
	sb_report *report = job->report;
	const sb_conf *conf = job->site->conf;
	uint8_t digest[SB_SHA256_SIZE];

	if (!report->hashed)
		return;
	if ((conf->hash_sha256 || report->outcome != SB_OUTCOME_CLEAN ||
		    sb_content_sha256_if_known(job->content) != NULL ||
		    (conf->policy_asks & SB_ASKS_SHA256) != 0) &&
		sb_content_sha256(job->content, digest, NULL) == 0)
		show_digest(job, report->sha256, &report->has_sha256, digest, SB_SHA256_SIZE);
	if ((conf->hash_md5 || sb_content_md5_if_known(job->content) != NULL ||
		    (conf->policy_asks & SB_ASKS_MD5) != 0) &&
		sb_content_md5(job->content, digest, NULL) == 0)
		show_digest(job, report->md5, &report->has_md5, digest, SB_MD5_SIZE);
}

static void decide(sb_job *job)
{
	sb_report *report = job->report;
	const sb_error *content_error =
		job->content_error.kind != SB_KIND_NONE ? &job->content_error : NULL;
	sb_decision decision;

	sb_decide(&decision, report->results, report->result_count, &job->site->conf->decision,
		job->content_state == SB_CONTENT_STATE_CHANGED, content_error,
		report->requested_wall / 1000000000, &report->arena);
	report->outcome = decision.outcome;
	report->explanation = decision.explanation;
	report->error_kinds = decision.error_kinds;
	report->confidence = decision.confidence;
	report->low_assurance = decision.low_assurance;
	if (decision.error != NULL) {
		sb_error *copy = sb_arena_alloc(&report->arena, sizeof *copy);
		if (copy != NULL) {
			sb_error_init(copy);
			sb_error_copy(copy, decision.error);
		}
		report->error = copy;
	}
	report->reason = decision.assurance_reason; /* until policy says more */
}

static void apply_policy(sb_job *job)
{
	sb_report *report = job->report;
	sb_policy_decision decision = {.action = SB_ACTION_BLOCK, .reason = "out of memory"};
	sb_facts facts;

	/* Rules that can't see everything must not be asked. */
	if (sb_facts_of(&facts, report) == 0) {
		if ((job->site->conf->policy_asks & SB_WHEN_TIME) != 0)
			sb_facts_add_local_time(&facts);
		/* What the path leads to now is not what the digests are of. */
		if (job->content_state == SB_CONTENT_STATE_CHANGED)
			facts.blake3 = facts.sha256 = facts.md5 = NULL;
		sb_policy_evaluate(job->site->conf->policy, &facts, &decision);
	}
	report->action = decision.action;
	report->reason = sb_arena_text(&report->arena, decision.reason);
	if (decision.message != NULL)
		report->message = sb_arena_text(&report->arena, decision.message);
	if (decision.rule_id != NULL) {
		report->rule_id = sb_arena_text(&report->arena, decision.rule_id);
		report->rule_name = sb_arena_text(&report->arena, decision.rule_name);
	}
}

/* Where no engine told it: what is not clean deserves one, and who asked for it gets it. Content
 * that a worker has died of, or was not done with in time, is shown to no other; and whoever
 * cancels wants an end. */
static void find_mime(sb_job *job)
{
	sb_report *report = job->report;
	const sb_conf *conf = job->site->conf;

	if (report->mime == NULL && report->hashed &&
		sb_kind_class(sb_error_kind(report->error)) != SB_CLASS_ENGINE &&
		sb_error_kind(report->error) != SB_KIND_CANCELLED &&
		(report->outcome != SB_OUTCOME_CLEAN || sb_conf_wants_mime(conf)))
		report->mime = sb_inspect_mime(job->manager->inspector, job);
}

void sb_verdict_reach(sb_job *job)
{
	sb_report *report = job->report;

	drop_calls(job);
	sb_tiers_tell(job);
	sb_fallback_link(job);
	fill_blanks(job);
	tell_uploads(job);
	own_names(report);
	describe_content(job);
	decide(job);
	sb_fallback_tell(job);
	more_digests(job);
	sb_report_merge_kind(report);
	if (sb_report_merge(report) < 0) {
		report->outcome = SB_OUTCOME_ERROR;
		report->explanation = "out of memory";
	}
	find_mime(job);
	apply_policy(job);
	report->completed_wall = sb_clock_wall(job->manager->clock);
	report->duration_ms =
		(double)(sb_clock_now(job->manager->clock) - job->begun) / (double)SB_MS;
}

/* --- Recording ------------------------------------------------------------------------------- */

/* Nothing is said about content whose verdict is not on record. */
static void withhold(sb_job *job, const sb_error *why)
{
	sb_report *report = job->report;
	sb_error *error = sb_arena_alloc(&report->arena, sizeof *error);

	if (error != NULL) {
		sb_error_init(error);
		sb_error_copy(error, why);
		error->kind = SB_KIND_AUDIT_FAILED;
	}
	report->outcome = SB_OUTCOME_ERROR;
	report->action = SB_ACTION_BLOCK;
	report->error = error;
	report->rule_id = report->rule_name = report->message = NULL;
	report->reason = "no verdict without its audit record";
	report->explanation = "the audit record could not be made durable";
	report->threat_count = 0;
	report->mime = NULL;
	report->container = (sb_container){0};
	for (size_t i = 0; i < report->result_count; i++) {
		sb_verdict_blank(job, i, false, SB_KIND_AUDIT_FAILED,
			"withheld: the audit record could not be made durable");
	}
	tell_uploads(job);
	own_names(report);
}

/* The report is final; nothing of the manager's may be held by a job that lives on. */
void sb_verdict_let_go(sb_job *job)
{
	sb_content_wait_alone(job->content);
	sb_content_unref(job->content);
	job->content = NULL;
}

static void recorded(sb_job *job, int status, const sb_error *why)
{
	if (status == 0)
		job->report->audit_seq = job->record.entries[job->record.count - 1].seq;
	else if (!job->site->conf->audit.failure_allows)
		withhold(job, why);
}

/* True: scan_started is still to be written with the others. */
static bool claim_start(sb_job *job, bool may_wait)
{
	bool with_start;

	if (sb_timer_cancel(job->manager->timers, &job->start_timer))
		sb_job_unref(job);
	pthread_mutex_lock(&job->lock);
	/* It precedes scan_completed: wait for it if the release thread has it in hand, which
	 * itself takes tasks in order and cannot meet that. */
	while (may_wait && job->start == SB_START_TAKEN)
		pthread_cond_wait(&job->changed, &job->lock);
	with_start = job->start == SB_START_LATER;
	if (with_start)
		job->start = SB_START_WRITTEN;
	pthread_mutex_unlock(&job->lock);
	return with_start;
}

static int compose(sb_job *job, sb_error *error)
{
	bool with_start = claim_start(job, job->attended);

	if (sb_record_finished(&job->record, job->report, with_start, job->site->conf->digest) == 0)
		return 0;
	return sb_error_set(error, SB_KIND_AUDIT_FAILED, 0, "out of memory for the audit record");
}

void sb_verdict_write(sb_job *job)
{
	sb_error error;
	int status;

	sb_verdict_let_go(job);
	if (job->manager->audit == NULL)
		return;
	sb_error_init(&error);
	status = compose(job, &error);
	if (status == 0)
		status = sb_audit_append(
			job->manager->audit, job->record.entries, job->record.count, &error);
	recorded(job, status, &error);
}

/* Long scans' scan_started: what is known of the job without disturbing it. */
static int compose_start(sb_job *job, sb_record *record)
{
	int status;

	sb_record_init(record);
	pthread_mutex_lock(&job->lock);
	status = sb_record_started(record, job->report);
	pthread_mutex_unlock(&job->lock);
	return status;
}

void sb_verdict_write_start(sb_job *job)
{
	sb_record record;

	if (job->manager->audit == NULL || !claim_start(job, true))
		return;
	/* If it can't be written now, it is written with the others, if they can be. */
	if (compose_start(job, &record) < 0 ||
		sb_audit_append(job->manager->audit, record.entries, record.count, NULL) < 0) {
		pthread_mutex_lock(&job->lock);
		job->start = SB_START_LATER;
		pthread_mutex_unlock(&job->lock);
	}
	sb_record_done(&record);
}

typedef struct group {
	sb_audit_entry *entries;
	sb_record *starts;
	size_t entry_count, start_count;
} group;

static void collect(group *batch, const sb_record *record)
{
	for (size_t i = 0; i < record->count; i++)
		batch->entries[batch->entry_count++] = record->entries[i];
}

static void write_together(
	sb_manager *manager, sb_task *first, size_t count, void (*start_mark)(sb_task *))
{
	group batch = {
		.entries = calloc(count * 3, sizeof *batch.entries),
		.starts = calloc(count, sizeof *batch.starts),
	};
	sb_error error;
	int status = 0;
	size_t at = 0;

	sb_error_init(&error);
	if (batch.entries == NULL || batch.starts == NULL)
		status = sb_error_set(&error, SB_KIND_AUDIT_FAILED, 0, "out of memory");
	for (sb_task *task = first; status == 0 && task != NULL; task = task->next) {
		if (task->run == start_mark) {
			sb_record *record = &batch.starts[batch.start_count++];
			status = compose_start(OWNER(sb_job, start_task, task), record);
			collect(&batch, record);
		} else {
			sb_job *job = OWNER(sb_job, task, task);
			status = compose(job, &error);
			collect(&batch, &job->record);
		}
	}
	if (status == 0)
		status = sb_audit_append(manager->audit, batch.entries, batch.entry_count, &error);
	for (sb_task *task = first; task != NULL; task = task->next) {
		sb_job *job;

		if (task->run == start_mark) {
			at++;
			continue;
		}
		job = OWNER(sb_job, task, task);
		at += job->record.count;
		if (status == 0)
			job->record.entries[job->record.count - 1].seq = batch.entries[at - 1].seq;
		recorded(job, status, &error);
	}
	for (size_t i = 0; i < batch.start_count; i++)
		sb_record_done(&batch.starts[i]);
	free(batch.starts);
	free(batch.entries);
}

void sb_verdict_write_batch(sb_manager *manager, sb_task *first, void (*start_mark)(sb_task *))
{
	size_t count = 0;

	for (sb_task *task = first; task != NULL; task = task->next) {
		count++;
		if (task->run != start_mark)
			sb_verdict_let_go(OWNER(sb_job, task, task));
	}
	if (manager->audit != NULL)
		write_together(manager, first, count, start_mark);
}
