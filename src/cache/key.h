/* SPDX-License-Identifier: MIT */
/*
 * The key that entries on disk are authenticated with: verdicts.key, 0600, one line
 *
 *     scanbridge-verdict-key 1 <64 hex: key> <16 hex: check>
 *
 * made at first use, and durable before anything is signed with it. A damaged one is replaced:
 * what it had signed are misses. One that others can read is refused.
 */
#ifndef SB_CACHE_KEY_H
#define SB_CACHE_KEY_H

#include "util/hash.h"

enum { SB_MAC_KEY = SB_BLAKE3_SIZE, SB_MAC_SIZE = SB_BLAKE3_SIZE };

typedef struct sb_mac_keys {
	uint8_t mac[SB_MAC_KEY];   /* of entries */
	uint8_t place[SB_MAC_KEY]; /* where rows are found: nobody chooses his neighbours */
	uint32_t id;               /* tells databases of another key apart; never 0 */
} sb_mac_keys;

/* Of the folder at @p path, which is made 0700 if it is missing: a descriptor of it, or -1. */
int sb_mac_keys_open(sb_mac_keys *out, const char *path, sb_error *error);
/* The folder alone: a descriptor, or -1 with errno. */
int sb_mac_folder_open(const char *path);
/* In the folder @p dir; 0, or -1 and why in *error (`io`, `not_configured`). */
int sb_mac_keys_load(sb_mac_keys *out, int dir, sb_error *error);
void sb_mac_keys_forget(sb_mac_keys *keys);
/* Pure; false when it is no such line. */
bool sb_mac_key_parse(uint8_t out[SB_MAC_KEY], const char *text, size_t length);

#endif
