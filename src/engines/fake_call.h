/* SPDX-License-Identifier: MIT */
/*
 * A core for unit tests of engines: the sb_call_* functions over plain memory. It keeps what
 * the engine said, for the test to look at.
 */
#ifndef SB_ENGINES_FAKE_CALL_H
#define SB_ENGINES_FAKE_CALL_H

#include <scanbridge/sys/engine.h>

struct sb_call {
	/* the content and the time, set by the test */
	const char *data;
	uint64_t size;
	uint64_t deadline_ms; /* on CLOCK_MONOTONIC; 0: never */
	int cancel_fd;        /* readable: cancelled; -1: never */
	sb_kind digest_fails;
	bool wants_mime;
	const char *const *passwords; /* NULL-terminated; NULL: none */

	/* what the engine did */
	unsigned digests; /* bit per sb_digest that was asked for */
	sb_outcome outcome;
	bool abstained;
	uint64_t bytes;
	sb_content_coverage content;
	char threat[64], category[32], signature_id[80];
	sb_severity severity;
	bool opened; /* it told of a container, or that there is none */
	sb_container container;
	char container_type[32], mime[80];
};

void fake_call_init(sb_call *call, const char *data);
/* Set one setting by its key in the engine's table, as the configuration would. */
void fake_set_text(void *state, const sb_engine_ops *ops, const char *key, const char *value);
void fake_set_number(void *state, const sb_engine_ops *ops, const char *key, uint64_t value);
void fake_set_texts(void *state, const sb_engine_ops *ops, const char *key,
	const char *const *items, size_t count);
/* 64 digits of the content's BLAKE3 or SHA-256, 32 of its MD5; static. */
const char *fake_hex(const char *data, sb_digest which);

#endif
