/* SPDX-License-Identifier: MIT */
/*
 * The VirusTotal engine from the inside, bottom up: the key, libcurl, one request, and the engine
 * on top.
 *
 *   virustotal.c   settings, the way of a content, statements
 *   client.c       one request, with a deadline, a cancel and limits
 *   curl.c         libcurl, loaded when the first engine is opened
 *   secret.c       the key, in memory of its own
 *
 * What answers mean is in wire/virustotal_reply.c.
 */
#ifndef SB_ENGINES_VIRUSTOTAL_H
#define SB_ENGINES_VIRUSTOTAL_H

#include <pthread.h>
#include <scanbridge/sys/engine.h>

#include "wire/virustotal_reply.h"

/* --- The key --------------------------------------------------------------------------------- */

/*
 * A header line with the key, in pages that no core dump has and no swap sees, and that are wiped
 * when they are given back. Nothing prints it: whoever asks for its text gets a name.
 */
typedef struct sb_vt_secret {
	char *line; /* NULL: none */
	size_t size;
} sb_vt_secret;

/* From a file or a pipe (`/dev/fd/N`): one line, which others can't read. 0 or -not_configured. */
int sb_vt_secret_load(sb_vt_secret *out, const char *path, sb_error *error);
void sb_vt_secret_forget(sb_vt_secret *secret);
/* Make it unreadable in what somebody says, who repeats it. */
void sb_vt_secret_redact(const sb_vt_secret *secret, char *text, size_t length);

/* --- One request ------------------------------------------------------------------------------
 */

typedef struct sb_vt_client sb_vt_client;

/* What all requests have in common. */
typedef struct sb_vt_service {
	const sb_vt_secret *secret;
	const char *ca_file; /* NULL: the system's */
	bool tls;
	pthread_mutex_t lock;
	sb_vt_client *idle; /* under lock */
} sb_vt_service;

typedef struct sb_vt_reply {
	long status;
	int64_t retry_after; /* s; 0: not told */
	sb_vt_body body;
} sb_vt_reply;

/* 0, or -not_configured where libcurl is missing. sb_vt_service_close() follows in both cases. */
int sb_vt_service_open(sb_vt_service *service, sb_error *error);
void sb_vt_service_close(sb_vt_service *service);
/*
 * GET @p url; with @p file_name: POST the call's content there, in a multipart form, read as it is
 * sent. 0 when an answer is there, however odd; or -kind. sb_vt_body_end(&reply->body) follows in
 * both cases.
 */
int sb_vt_ask(sb_vt_service *service, sb_call *call, const char *url, const char *file_name,
	sb_vt_reply *reply, sb_error *error);

#endif
