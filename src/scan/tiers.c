/* SPDX-License-Identifier: MIT */
/* Who is asked when, and who isn't; see tiers.h. */
#include "scan/tiers.h"

#include "scan/fallback.h"
#include "scan/manager_body.h"
#include "scan/verdict.h"

static unsigned tier_of(const sb_job *job, size_t slot)
{
	return job->engines[slot]->conf->tier;
}

/* The lowest tier above @p above; 0: there is none. */
static unsigned tier_after(const sb_job *job, unsigned above)
{
	unsigned found = 0;

	for (size_t i = 0; i < job->asked; i++)
		if (tier_of(job, i) > above && (found == 0 || tier_of(job, i) < found))
			found = tier_of(job, i);
	return found;
}

void sb_tiers_begin(sb_job *job)
{
	job->tier = tier_after(job, 0);
	for (size_t i = 0; i < job->slots; i++)
		job->settled[i] = i >= job->asked || tier_of(job, i) > job->tier;
}

bool sb_tiers_wants(const sb_job *job, size_t slot)
{
	/* Those of later tiers may be asked by others meanwhile: by who needs a fallback. */
	return slot < job->asked && tier_of(job, slot) <= job->tier && job->calls[slot] == NULL;
}

size_t sb_tiers_wanted(const sb_job *job)
{
	size_t count = 0;

	for (size_t i = 0; i < job->asked; i++)
		count += sb_tiers_wants(job, i);
	return count;
}

/* Whoever has not been asked, later tier or reserve, stands in the results for a while as that. */
static void stand_in(sb_job *job, bool *stood_in)
{
	for (size_t i = 0; i < job->report->result_count; i++) {
		sb_result *result = &job->report->results[i];

		stood_in[i] = result->engine == NULL;
		if (stood_in[i])
			*result = (sb_result){.engine = job->engines[i]->conf->name,
				.abstained = true,
				.not_asked = true};
	}
}

/* What the answers so far would lead to, if they were all. */
static bool ask_for_more(sb_job *job)
{
	const sb_conf *conf = job->site->conf;
	sb_report *report = job->report;
	bool *stood_in = sb_arena_zalloc(&report->arena, (job->slots + 1) * sizeof *stood_in);
	sb_decision decision;
	sb_arena arena;
	bool more;

	if (stood_in == NULL)
		return true; /* rather one too many */
	sb_arena_init(&arena, 1 << 16);
	stand_in(job, stood_in);
	sb_fallback_connect(job);
	sb_decide(&decision, report->results, report->result_count, &conf->decision, false, NULL,
		report->requested_wall / 1000000000, &arena);
	more = sb_decision_asks_for_more(&decision, conf->next_tier);
	for (size_t i = 0; i < report->result_count; i++)
		if (stood_in[i])
			report->results[i] = (sb_result){0};
	sb_arena_done(&arena);
	return more;
}

bool sb_tiers_next(sb_job *job)
{
	unsigned next = tier_after(job, job->tier);
	size_t wanted;

	if (next == 0 || job->content_error.kind != SB_KIND_NONE || job->early ||
		!ask_for_more(job))
		return false;
	pthread_mutex_lock(&job->lock);
	job->tier = next;
	wanted = sb_tiers_wanted(job);
	for (size_t i = 0; i < job->asked; i++)
		if (sb_tiers_wants(job, i))
			job->settled[i] = false;
	job->pending = wanted + 1;
	pthread_mutex_unlock(&job->lock);
	return true;
}

void sb_tiers_tell(sb_job *job)
{
	if (job->content_error.kind != SB_KIND_NONE)
		return;
	for (size_t i = 0; i < job->asked; i++) {
		if (job->report->results[i].engine != NULL || tier_of(job, i) <= job->tier)
			continue;
		sb_verdict_blank(job, i, true, SB_KIND_CANCELLED,
			"not asked: it is of tier %u, and what was known after tier %u was enough",
			tier_of(job, i), job->tier);
		job->report->results[i].not_asked = true;
	}
}
