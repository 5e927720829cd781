/* SPDX-License-Identifier: MIT */
/*
 * A plugin in a worker. The zygote loads and opens it; each worker has a copy of its state, and
 * runs its scan() with the functions of sys/engine.h as they are here: the content is in memory,
 * and what is stated goes into the reply.
 */
#ifndef SB_WORKER_PLUGIN_H
#define SB_WORKER_PLUGIN_H

#include "plugin/load.h"
#include "worker/bundle.h"
#include "worker/channel.h"

typedef struct sb_guest {
	sb_loaded loaded;
	int never; /* a descriptor that never becomes readable */
} sb_guest;

/* In the zygote: load and open what the bundle orders, and say in @p ready who it is. */
int sb_guest_open(
	sb_guest *guest, const sb_bundle_head *head, sb_zygote_message *ready, sb_error *error);

/* One request to its reply, in @p out of SB_REPLY_BYTES; its length, 0: none could be made. @p fd:
 * the content's descriptor at offset 0, or -1. */
size_t sb_guest_judge(
	sb_guest *guest, const sb_request *request, const void *data, int fd, void *out);

/* --- A call as the plugin sees it: plugin_call.c -----------------------------------------------
 */

struct sb_call {
	sb_guest *guest;
	const sb_request *request;
	const void *data;
	int fd;
	uint64_t until_ms; /* CLOCK_MONOTONIC */
	sb_reply_writer writer;
	sb_stated stated;
	bool lost; /* a detection, for want of memory */
	bool versions;
	char engine_version[64], signature_version[128];
	sb_container container;
	char container_type[20];
	bool opened;
	char mime[128];
};

uint64_t sb_guest_now(void); /* ms, CLOCK_MONOTONIC */

#endif
