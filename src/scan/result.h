/* SPDX-License-Identifier: MIT */
/*
 * What one engine said about one content: the currency between the call driver, the decision
 * kernel, the report and (later) the cache. Plain data, memory of the scan's arena.
 *
 * All-zero is an error without coverage: it counts as a failed engine, never as clean.
 */
#ifndef SB_SCAN_RESULT_H
#define SB_SCAN_RESULT_H

#include <scanbridge/sys/engine.h>

#include "util/error.h"

/* One detection, as the decision sees it. */
typedef struct sb_detection {
	const char *name;   /* in the threat grammar */
	sb_outcome outcome; /* INFECTED or SUSPICIOUS, heuristics already applied */
	sb_severity severity;
	const char *category, *description, *signature_id, *member; /* or NULL */
	bool ignored; /* by decision.ignore: stays visible, does not decide */
	struct sb_detection *next;
} sb_detection;

typedef struct sb_result {
	/* who: from the configuration; never NULL */
	const char *engine, *type;
	sb_role role;
	sb_assurance assurance;
	bool hash_list;
	double weight;
	bool veto; /* its hit is enough, whatever the strategy */

	/* what it said */
	sb_outcome outcome;
	sb_coverage_state coverage;
	uint64_t bytes;
	sb_content_coverage content;
	bool abstained; /* was not asked, or has no opinion by nature */
	/* Of a tier whose turn didn't come; abstained, too. No failure, and no vote. */
	bool not_asked;
	bool fail_open;
	/* Its failure may be answered for by the entry with this number, from 1; 0: by none. */
	size_t fallback;
	/* Set by the decision: the engine that answered in its place, and the one that it
	 * answered for; or NULL. */
	const char *replaced_by, *stands_for;
	sb_detection *detections;                       /* in the order they were found */
	double confidence;                              /* 0..1, negative: unknown */
	const char *engine_version, *signature_version; /* or NULL */
	const sb_container *container;                  /* NULL: did not look inside */
	const char *mime;                               /* or NULL */
	const char *uploaded_to; /* a host that the content was given to; or NULL */
	bool cached;
	unsigned attempts;
	double duration_ms;
	sb_error *error; /* non-NULL exactly for outcome error */
} sb_result;

#endif
