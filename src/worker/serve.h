/* SPDX-License-Identifier: MIT */
/*
 * A worker: takes what its host queued, takes it apart, judges every member, answers. One file at
 * a time, in a sandbox, until it is told to quit.
 */
#ifndef SB_WORKER_SERVE_H
#define SB_WORKER_SERVE_H

#include "worker/bundle.h"
#include "worker/channel.h"
#include "worker/rules.h"

/* What a zygote hands down to its workers. */
typedef struct sb_trade {
	const sb_bundle_head *head;
	sb_rules *rules;
	struct sb_guest *guest; /* NULL: rules judge; else there are none */
} sb_trade;

/* A worker's end of its channel. */
typedef struct sb_bench {
	sb_control *control;
	const sb_slot_content *contents; /* SB_SLOTS of them */
	int socket;                      /* where large content arrives */
	struct {
		int fd; /* -1: none */
		uint32_t ticket;
	} waiting[SB_SLOTS]; /* descriptors that came ahead of their turn */
} sb_bench;

/* Never returns. */
_Noreturn void sb_serve(const sb_trade *trade, sb_bench *bench);

/* judge.c: one request to its reply, in @p out of SB_REPLY_BYTES; its length, 0: none could be
 * made. @p data is the content. */
size_t sb_judge(const sb_trade *trade, const sb_request *request, const void *data, void *out);

/* mime.c: load libmagic's tables, in the zygote; false: there are none. */
bool sb_mime_load(void);
/* The media type of bytes; "" when unknown. Belongs to the module until the next call. */
const char *sb_mime_of(const void *data, size_t size);

#endif
