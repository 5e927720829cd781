/* SPDX-License-Identifier: MIT */
/*
 * What VirusTotal's API v3 answers: bytes in, one statement out, no input or output. Feed a body as
 * it arrives, then ask once what status and body together say.
 *
 *   body   = { "data": { "id": …, "attributes": { … } } }       of an object
 *          | { "data": "https://…" }                            of the question for an upload URL
 *          | { "error": { "code": …, "message": … } }
 *
 * Size, depth and number of values are bounded while a body arrives, so that reading it afterwards
 * can't take more than a few MiB. Clean has one rule: an analysis of exactly these bytes, recent
 * enough, in which enough vendors had an opinion and none a hit. What fits no rule is a protocol
 * error.
 */
#ifndef SB_WIRE_VIRUSTOTAL_REPLY_H
#define SB_WIRE_VIRUSTOTAL_REPLY_H

#include <jansson.h>
#include <scanbridge/types.h>

#include "util/buf.h"
#include "wire/virustotal_url.h"

enum {
	SB_VT_REPLY_MAX = 4 << 20, /* bytes */
	SB_VT_DEPTH_MAX = 32,
	SB_VT_VALUES_MAX = 50000,
	SB_VT_HITS_MAX = 16, /* that are told by name */
};

/* --- A body, as it arrives ----------------------------------------------------------------------
 */

typedef struct sb_vt_body {
	sb_buf text;
	unsigned depth, values;
	bool in_string, escaped;
	const char *beyond; /* which limit it is beyond; NULL: none */
} sb_vt_body;

void sb_vt_body_begin(sb_vt_body *body);
/* False: it is beyond a limit, and nothing more is of use. */
bool sb_vt_body_feed(sb_vt_body *body, const void *data, size_t length);
void sb_vt_body_end(sb_vt_body *body);

/* --- What it says ------------------------------------------------------------------------------
 */

typedef enum sb_vt_question {
	SB_VT_FILE,       /* GET /files/SHA256 */
	SB_VT_UPLOAD_URL, /* GET /files/upload_url */
	SB_VT_UPLOAD,     /* POST /files, or to an upload URL */
	SB_VT_ANALYSIS,   /* GET /analyses/ID */
	SB_VT_QUESTIONS_
} sb_vt_question;

typedef struct sb_vt_weight {
	const char *vendor;
	double weight;
} sb_vt_weight;

/* What was asked, and by what terms an answer is judged. */
typedef struct sb_vt_terms {
	sb_vt_question question;
	const char *sha256; /* 64 digits: an answer about other bytes is none */
	const char *id;     /* ANALYSIS: which */
	double min_detections;
	int64_t min_voters;
	int64_t now, max_age;        /* s; max_age 0: any age */
	const sb_vt_weight *weights; /* of vendors whose hits count otherwise than 1 */
	size_t weight_count;
} sb_vt_terms;

typedef enum sb_vt_says {
	SB_VT_FAILED = 0,
	SB_VT_CLEAN,
	SB_VT_SUSPICIOUS,
	SB_VT_INFECTED,
	SB_VT_NO_OPINION, /* too few vendors, or too long ago */
	SB_VT_UNKNOWN,    /* never seen */
	SB_VT_PENDING,    /* the analysis isn't done */
	SB_VT_GIVEN,      /* an id, or an upload URL */
} sb_vt_says;

/* One vendor's hit: texts as they came, untrusted; NULL: not told. */
typedef struct sb_vt_hit {
	const char *vendor, *version, *update, *name;
	bool malicious; /* else suspicious */
} sb_vt_hit;

typedef struct sb_vt_answer {
	sb_vt_says says;
	sb_kind kind;                          /* FAILED */
	int64_t retry_after;                   /* FAILED: s; -1: nobody knows */
	char message[320];                     /* FAILED, NO_OPINION: for people, escaped */
	const char *given;                     /* GIVEN */
	int64_t malicious, suspicious, voters; /* hits of vendors with a weight */
	double score;                          /* weights of the malicious ones */
	int64_t date;                          /* of the analysis, s; 0: not told */
	sb_vt_hit hits[SB_VT_HITS_MAX];        /* malicious ones first */
	size_t hit_count;
	json_t *root; /* what the texts live in */
} sb_vt_answer;

/* @p retry_after: s, from the header; 0: none. sb_vt_answer_done() follows. */
void sb_vt_judge(sb_vt_answer *out, long status, int64_t retry_after, const sb_vt_body *body,
	const sb_vt_terms *terms);
void sb_vt_answer_done(sb_vt_answer *answer);

#endif
