/* SPDX-License-Identifier: MIT */
/* Who answers for whom, in one scan; see fallback.h. */
#include "scan/fallback.h"

#include "scan/manager_body.h"

/* The engine that this one's failures fall back to, or NULL. */
static sb_engine *fallback_of(const sb_job *job, const sb_engine *engine)
{
	const sb_site *site = job->site;

	if (engine->conf->on_open != SB_ON_OPEN_FALLBACK || engine->conf->role == SB_ROLE_SHADOW)
		return NULL;
	/* By the site's own configuration: in that of the engine others may have had its place. */
	return site->engines[site->conf->engines[sb_site_find(site, engine)].fallback];
}

static size_t slot_of(const sb_job *job, const sb_engine *engine)
{
	for (size_t i = 0; i < job->report->result_count; i++)
		if (job->engines[i] == engine)
			return i;
	return SB_NO_SLOT;
}

/* Failures of the engine, not of the content, the caller or ours. */
static bool falls_back(const sb_engine *engine, const sb_result *result)
{
	sb_kind kind = sb_error_kind(result->error);

	if (result->engine == NULL || result->outcome != SB_OUTCOME_ERROR)
		return false;
	if (engine->conf->fallback_only_if_open)
		return kind == SB_KIND_CIRCUIT_OPEN;
	return sb_kind_class(kind) == SB_CLASS_ENGINE || sb_kind_class(kind) == SB_CLASS_TRANSIENT;
}

/* An engine is in a scan once: there is a slot for each that the manager has. */
void sb_fallback_reserve(sb_job *job)
{
	job->asked = job->report->result_count;
	for (size_t i = 0; i < job->report->result_count; i++) { /* grows */
		sb_engine *fallback = fallback_of(job, job->engines[i]);

		if (fallback != NULL && slot_of(job, fallback) == SB_NO_SLOT)
			job->engines[job->report->result_count++] = fallback;
	}
	job->slots = job->report->result_count;
}

size_t sb_fallback_need(sb_job *job, size_t slot)
{
	const sb_engine *fallback = fallback_of(job, job->engines[slot]);
	size_t needed;

	if (fallback == NULL || !falls_back(job->engines[slot], &job->report->results[slot]))
		return SB_NO_SLOT;
	needed = slot_of(job, fallback);
	/* Asked from the start, or by now; not if its tier's turn is still to come. */
	if (job->calls[needed] != NULL || !job->settled[needed])
		return SB_NO_SLOT;
	job->settled[needed] = false;
	job->pending++;
	job->deferred[needed] = job->streaming;
	return job->streaming ? SB_NO_SLOT : needed;
}

size_t sb_fallback_deferred(sb_job *job)
{
	size_t found = SB_NO_SLOT;

	pthread_mutex_lock(&job->lock);
	for (size_t i = 0; i < job->report->result_count && found == SB_NO_SLOT; i++)
		if (job->deferred[i])
			found = i;
	if (found != SB_NO_SLOT)
		job->deferred[found] = false;
	pthread_mutex_unlock(&job->lock);
	return found;
}

/* --- When all have answered ------------------------------------------------------------------ */

static void drop_unused(sb_job *job)
{
	sb_report *report = job->report;
	size_t kept = job->asked;

	for (size_t i = job->asked; i < report->result_count; i++) {
		if (report->results[i].engine == NULL)
			continue;
		report->results[kept] = report->results[i];
		report->arenas[kept] = report->arenas[i];
		job->engines[kept++] = job->engines[i];
	}
	report->result_count = kept;
}

/* Who is only there for others has the strictest of their roles. */
static void lend_role(const sb_job *job, size_t from, size_t to, bool first)
{
	sb_result *results = job->report->results;

	if (to >= job->asked && (first || results[from].role < results[to].role))
		results[to].role = results[from].role;
}

void sb_fallback_connect(sb_job *job)
{
	sb_report *report = job->report;
	uint64_t lent = 0; /* a bit for each slot; there are at most 64 engines */

	for (size_t i = 0; i < report->result_count; i++) {
		const sb_engine *fallback = fallback_of(job, job->engines[i]);
		size_t slot = fallback != NULL ? slot_of(job, fallback) : SB_NO_SLOT;

		if (slot == SB_NO_SLOT || !falls_back(job->engines[i], &report->results[i]))
			continue;
		report->results[i].fallback = slot + 1;
		lend_role(job, i, slot, (lent >> slot & 1) == 0);
		lent |= (uint64_t)1 << slot;
	}
}

void sb_fallback_link(sb_job *job)
{
	drop_unused(job);
	sb_fallback_connect(job);
}

/* Whoever is only there for another one says so, whatever came of it. */
static void tell_purpose(const sb_job *job, const sb_result *from)
{
	sb_result *to =
		from->fallback > job->asked ? &job->report->results[from->fallback - 1] : NULL;

	if (to != NULL && to->stands_for == NULL)
		to->stands_for = from->engine;
}

void sb_fallback_tell(sb_job *job)
{
	for (size_t i = 0; i < job->report->result_count; i++) {
		const sb_result *result = &job->report->results[i];

		tell_purpose(job, result);

		if (result->replaced_by != NULL)
			atomic_fetch_add(&job->engines[i]->fallbacks, 1);
		if (result->fail_open)
			atomic_fetch_add(&job->engines[i]->fail_opens, 1);
	}
}
