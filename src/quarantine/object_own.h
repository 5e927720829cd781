/* SPDX-License-Identifier: MIT */
/* What object.c does for object_content.c. */
#ifndef SB_QUARANTINE_OBJECT_OWN_H
#define SB_QUARANTINE_OBJECT_OWN_H

#include "quarantine/object.h"

uint64_t sb_object_chunks(uint64_t size);
bool sb_object_wrap(sb_object_head *head, const struct sb_master_key *master,
	const uint8_t key[SB_AEAD_KEY], void (*random)(void *out, size_t length));
bool sb_object_unwrap(
	uint8_t key[SB_AEAD_KEY], const sb_object_head *head, const struct sb_master_key *master);
bool sb_object_state_seal(uint8_t sector[SB_OBJECT_SECTOR], const sb_object_head *head,
	const uint8_t key[SB_AEAD_KEY], const sb_object_state *state,
	void (*random)(void *out, size_t length));
bool sb_object_state_open(sb_object_state *out, const sb_object_head *head,
	const uint8_t key[SB_AEAD_KEY], const uint8_t sector[SB_OBJECT_SECTOR]);

#endif
