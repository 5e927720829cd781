/* SPDX-License-Identifier: MIT */
/*
 * What an external scanner writes to its standard output: one JSON object, after the contract that
 * MetaDefender Core has with its "External Scanners":
 *
 *     {"def_time": 1700000000000, "scan_result_i": 1, "threat_found": "Some.Name"}
 *
 *   scan_result_i   0 no threat    1 infected    2 suspicious    3 failed    10 not scanned
 *                   19 cancelled   22 unwanted   23 format not supported
 *
 * All three have to be there, with the right types, and agree with each other; members that
 * nobody knows are passed over. Only 0 is clean. Pure: bytes in, verdict out.
 */
#ifndef SB_WIRE_EXTERNAL_REPLY_H
#define SB_WIRE_EXTERNAL_REPLY_H

#include <scanbridge/types.h>

enum { SB_EXTERNAL_REPLY_MAX = 1 << 20, SB_EXTERNAL_THREAT_MAX = 1024 };

typedef struct sb_external_reply {
	sb_outcome outcome; /* ERROR unless the reply is whole and says otherwise */
	sb_kind kind;       /* for ERROR */
	int64_t def_time;   /* of the signatures, in ms since the epoch; 0: not told */
	size_t threat_length;
	char threat[SB_EXTERNAL_THREAT_MAX]; /* untrusted; cut at its size */
	char problem[160];                   /* for ERROR: our words, nothing from outside */
} sb_external_reply;

void sb_external_reply_parse(const char *text, size_t length, sb_external_reply *out);

#endif
