/* SPDX-License-Identifier: MIT */
/*
 * The body of sb_report: what a scan found, in memory of its own, so that it outlives job and
 * manager. A job fills it in; nobody changes it after the job is done.
 */
#ifndef SB_SCAN_REPORT_H
#define SB_SCAN_REPORT_H

#include <scanbridge/report.h>
#include <stdatomic.h>

#include "quarantine/quarantine.h"
#include "scan/context.h"
#include "scan/result.h"
#include "util/arena.h"
#include "util/hash.h"
#include "util/json.h"
#include "util/uuid.h"

/* A threat by its name, merged over all deciding engines. */
typedef struct sb_merged {
	const char *name;
	sb_severity severity;
	const char *category, *signature_id, *description, *member;
	const char **engines;
	size_t engine_count;
} sb_merged;

/* What became of the file that was scanned. */
typedef enum sb_original {
	SB_ORIGINAL_LEFT = 0, /* nobody asked for anything else */
	SB_ORIGINAL_REMOVED,
	SB_ORIGINAL_KEPT, /* it was to be removed, and was not */
} sb_original;

struct sb_report {
	_Atomic(unsigned) references;
	sb_arena arena;
	char id[SB_UUID_SIZE];

	sb_outcome outcome;
	sb_action action;
	const char *rule_id, *rule_name, *reason, *explanation;
	const char *message; /* the rule's for the user, or NULL */
	double confidence;
	bool low_assurance;
	const sb_error *error;
	unsigned error_kinds; /* bit per sb_kind that an error is owed to */

	sb_span name, path; /* path: data NULL unless a path was scanned */
	uint64_t size;
	const char *mime; /* or NULL */
	bool opened;      /* a deciding engine looked inside: `container` tells what it saw */
	sb_container container;
	bool hashed, pinned, has_sha256, has_md5;
	char blake3[65], sha256[65], md5[33];

	sb_result *results; /* strings and detections belong to `arena` or to `arenas` */
	sb_arena *arenas;   /* of the calls, moved here; result_count of them */
	size_t result_count;
	sb_merged *threats;
	size_t threat_count;

	char quarantine_id[SB_QUARANTINE_ID_SIZE]; /* "": nothing is kept */
	sb_original original;
	const char *original_note; /* why it was kept */
	uint64_t other_links;      /* hard links that are left of one that was removed */

	sb_context context;
	uint64_t requested_wall, completed_wall; /* ns since the epoch */
	double duration_ms;
	uint64_t audit_seq;

	_Atomic(char *) json;
};

/* NULL: no memory. */
sb_report *sb_report_new(size_t engines);
sb_report *sb_report_ref(sb_report *report);
/* Fill in `threats` from the results. 0 or -kind. */
int sb_report_merge(sb_report *report);
/* Fill in `mime` and `container` from the results of engines that decide: the first type and
 * media type in file order, the facts of all, the largest numbers. */
void sb_report_merge_kind(sb_report *report);
/* One threat as an object of an array. */
void sb_report_threat_json(sb_json *json, const sb_merged *threat);
/* Whether there is a container to speak of; content that was opened may be none. */
bool sb_report_is_container(const sb_report *report);
/* The member `container`. */
void sb_container_json(sb_json *json, const sb_container *container);

#endif
