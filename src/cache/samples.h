/* SPDX-License-Identifier: MIT */
/* Results and keys for tests and benches of the cache: each made from a number, none twice. */
#ifndef SB_CACHE_SAMPLES_H
#define SB_CACHE_SAMPLES_H

#include <stdio.h>
#include <string.h>

#include "cache/cache.h"

typedef struct sb_sample {
	sb_cache_key key;
	sb_result result;
	sb_detection detections[2];
	sb_container container;
	char name[48], version[32], description[512];
} sb_sample;

static inline void sb_sample_key(sb_cache_key *key, uint64_t number)
{
	*key = (sb_cache_key){.length = number * 3 + 1};
	sb_blake3_memory(&number, sizeof number, key->hash);
	memset(key->gen, (int)(number % 3) + 1, sizeof key->gen);
}

/* In turn: clean and bare, clean with all facts, infected, infected and suspicious, suspicious. */
static inline void sb_sample_make(sb_sample *s, uint64_t number)
{
	unsigned variant = (unsigned)(number % 5);

	*s = (sb_sample){0};
	sb_sample_key(&s->key, number);
	snprintf(s->name, sizeof s->name, "Test.Sample-%llu", (unsigned long long)number);
	snprintf(s->version, sizeof s->version, "v%llu", (unsigned long long)number);
	s->result = (sb_result){.outcome = variant < 2   ? SB_OUTCOME_CLEAN
					   : variant < 4 ? SB_OUTCOME_INFECTED
							 : SB_OUTCOME_SUSPICIOUS,
		.coverage = SB_COVERAGE_COMPLETE,
		.content = (sb_content_coverage)(number % 3),
		.bytes = s->key.length,
		.confidence = variant == 4 ? 0.25 : -1,
		.type = variant == 0 ? NULL : "mock",
		.engine_version = variant == 0 ? NULL : "1.4.6",
		.signature_version = s->version};
	if (variant == 1) {
		s->container = (sb_container){"zip", 2, number, 1 << 20, SB_FACT_MACROS};
		s->result.container = &s->container;
		s->result.mime = "application/zip";
	}
	if (variant < 2)
		return;
	memset(s->description, 'd', number % (sizeof s->description - 1));
	s->detections[0] = (sb_detection){.name = s->name,
		.outcome = s->result.outcome,
		.severity = (sb_severity)(number % 4 + 1),
		.category = "test",
		.description = s->description,
		.member = variant == 3 ? "inner/name" : NULL};
	s->detections[1] = (sb_detection){.name = "PUA.Other",
		.outcome = SB_OUTCOME_SUSPICIOUS,
		.severity = SB_SEVERITY_LOW,
		.signature_id = "17"};
	s->result.detections = &s->detections[0];
	if (variant == 3)
		s->detections[0].next = &s->detections[1];
}

static inline bool sb_sample_same_text(const char *a, const char *b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static inline bool sb_sample_same_detection(const sb_detection *a, const sb_detection *b)
{
	return a->outcome == b->outcome && a->severity == b->severity &&
	       sb_sample_same_text(a->name, b->name) &&
	       sb_sample_same_text(a->category, b->category) &&
	       sb_sample_same_text(a->description, b->description) &&
	       sb_sample_same_text(a->signature_id, b->signature_id) &&
	       sb_sample_same_text(a->member, b->member);
}

static inline bool sb_sample_same_container(const sb_container *a, const sb_container *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return sb_sample_same_text(a->type, b->type) && a->depth == b->depth &&
	       a->members == b->members && a->bytes == b->bytes && a->facts == b->facts;
}

/* Whether two results state the same. */
static inline bool sb_sample_same(const sb_result *a, const sb_result *b)
{
	const sb_detection *x = a->detections, *y = b->detections;

	for (; x != NULL && y != NULL; x = x->next, y = y->next)
		if (!sb_sample_same_detection(x, y))
			return false;
	return x == y && a->outcome == b->outcome && a->coverage == b->coverage &&
	       a->bytes == b->bytes && a->content == b->content &&
	       (a->confidence >= 0 ? a->confidence == b->confidence : b->confidence < 0) &&
	       sb_sample_same_text(a->engine_version, b->engine_version) &&
	       sb_sample_same_text(a->signature_version, b->signature_version) &&
	       sb_sample_same_text(a->mime, b->mime) && sb_sample_same_text(a->type, b->type) &&
	       sb_sample_same_container(a->container, b->container);
}

#endif
