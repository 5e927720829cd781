/* SPDX-License-Identifier: MIT */
/*
 * A rule bundle as a file: rule sources with a name, a version and a signature. Integers are
 * little-endian.
 *
 *     head, 132 bytes
 *       0    8  magic: 89 53 42 52 55 4c 0d 0a
 *       8   64  signature: Ed25519 over all that follows it
 *      72   16  `scanbridge-rules`: a key that signs other things signs no rules by that
 *      88    4  format: 1
 *      92   32  key id: SHA-256 of the public key's 32 bytes
 *     124    8  length of the payload: what is behind the head, to the end of the file
 *     payload
 *       text name, u64 version, u64 creation time (s since the epoch), u32 files, u32 samples
 *       each file:    text path, u32 length, source
 *       each sample:  text rule, u32 length, content with all bits inverted, so that no scanner
 *                     trips over the bundle: what this rule has to find
 *     A text is a byte with its length, its bytes and a zero.
 *
 * Nothing of the payload is looked at before the signature was found good. Paths name sources for
 * includes and messages, nothing is ever unpacked; they are confined all the same, and ascend, so
 * that none comes twice. Pure: no input or output here.
 */
#ifndef SB_RULES_PACK_H
#define SB_RULES_PACK_H

#include <stdint.h>

#include "util/buf.h"

enum {
	SB_PACK_HEAD = 132,
	SB_PACK_SIGNATURE = 64,
	SB_PACK_KEY_ID = 32,
	SB_PACK_BYTES = 64 * 1024 * 1024, /* of the whole file */
	SB_PACK_FILES = 10000,
	SB_PACK_SAMPLES = 100,
	SB_PACK_NAME = 63,  /* a-z 0-9 . _ -, a letter or digit first */
	SB_PACK_PATH = 191, /* with the bundle's name before it, a text */
	SB_PACK_DEPTH = 16, /* steps of a path */
	SB_PACK_RULE = 128,
};
/* Fourteen digits: room for a date and a time. */
#define SB_PACK_VERSION_MAX UINT64_C(99999999999999)

/* --- The head ------------------------------------------------------------------------------ */

/* All point into the file. */
typedef struct sb_pack_head {
	const uint8_t *signature, *key_id;
	const uint8_t *signed_bytes, *payload;
	size_t signed_length, payload_length;
} sb_pack_head;

/* NULL, or in words why this is no bundle. */
const char *sb_pack_head_read(sb_pack_head *out, const void *data, size_t length);
/* What precedes the payload, but for the signature, which is left zero. */
void sb_pack_head_write(
	uint8_t out[SB_PACK_HEAD], const uint8_t key_id[SB_PACK_KEY_ID], uint64_t payload_length);

/* --- The payload ---------------------------------------------------------------------------- */

/* All point into the payload. */
typedef struct sb_pack {
	const char *name;
	uint64_t version, created;
	uint32_t files, samples;
	const uint8_t *entries, *end;
} sb_pack;

typedef struct sb_pack_entry {
	const char *name; /* a file's path, or a sample's rule */
	const uint8_t *data;
	size_t length;
	bool is_sample;
} sb_pack_entry;

/* The whole payload is checked. NULL, or in words what is wrong with it. */
const char *sb_pack_read(sb_pack *out, const void *payload, size_t length);
/* One after the other, files first; @p place is zero first. False at the end. Only of what was read
 * well. */
typedef struct sb_pack_place {
	size_t at;
	uint32_t number;
} sb_pack_place;
bool sb_pack_next(const sb_pack *pack, sb_pack_place *place, sb_pack_entry *out);

bool sb_pack_name_ok(const char *name);
/* NULL, or in words what is wrong with it. */
const char *sb_pack_path_problem(const char *path);
/* A file that is compiled; any other one is there to be included. */
bool sb_pack_is_rule_file(const char *path);

/* --- Writing it ----------------------------------------------------------------------------- */

void sb_pack_write(sb_buf *out, const sb_pack *pack); /* all before the entries */
void sb_pack_write_entry(sb_buf *out, const sb_pack_entry *entry);

#endif
