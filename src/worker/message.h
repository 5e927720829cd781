/* SPDX-License-Identifier: MIT */
/*
 * What host and worker say to each other about one content: a request, a reply. Both are flat
 * bytes in memory that the other side may have written with any intention, so both parsers are
 * pure, copy nothing, and refuse whatever is not exactly of the form:
 *
 *     u32 magic, then records: u16 tag, u32 length, length bytes
 *
 * All numbers in the order of the machine: the two never live on different ones.
 */
#ifndef SB_WORKER_MESSAGE_H
#define SB_WORKER_MESSAGE_H

#include <scanbridge/sys/engine.h>

enum {
	SB_REQUEST_BYTES = 96 * 1024, /* the most that a request may take */
	SB_REPLY_BYTES = 64 * 1024,
	SB_REQUEST_PASSWORDS = 128,
	SB_MAX_DETECTIONS = 64, /* more are counted, not told */
};

/* --- Request ------------------------------------------------------------------------------ */

enum sb_request_flags {
	SB_REQUEST_MIME = 1 << 0,       /* say the media type, whatever is found */
	SB_REQUEST_DESCRIPTOR = 1 << 1, /* the content comes as a descriptor, not in the slot */
	SB_REQUEST_FLAT = 1 << 2,       /* judge the content itself only, open nothing */
	SB_REQUEST_JUST_MIME = 1 << 3,  /* the media type and nothing else */
};

typedef struct sb_request {
	uint32_t flags;
	uint64_t size;    /* of the content */
	uint64_t time_ms; /* that it may take; the host ends it later by force */
	const char *name; /* the content's, NUL-terminated, NUL-free */
	size_t name_length;
	const char *passwords[SB_REQUEST_PASSWORDS + 1]; /* NULL-terminated list */
	size_t password_count;
} sb_request;

/* The length written, or 0 when it does not fit into @p room. A name that is too long is cut. */
size_t sb_request_write(void *out, size_t room, const sb_request *request);
/* False: not a request. Pointers lead into @p data. */
bool sb_request_read(sb_request *out, const void *data, size_t length);

/* --- Reply -------------------------------------------------------------------------------- */

typedef struct sb_found {
	bool infected; /* else suspicious */
	sb_severity severity;
	/* NUL-terminated; NULL when not given */
	const char *name, *category, *description, *signature_id, *member;
} sb_found;

/* What a plugin said by the functions of sys/engine.h, as it said it. */
typedef struct sb_stated {
	bool clean, cover, abstained;
	sb_content_coverage content;
	uint64_t bytes; /* with clean or cover */
	double confidence;
	uint64_t doubt_ms; /* 0: none */
} sb_stated;

typedef struct sb_reply {
	sb_kind failure; /* the worker could not judge; NONE: the rest counts */
	const char *failure_message;
	bool judged;    /* says so itself: a reply without it is no statement */
	uint64_t bytes; /* of the content that were looked at */
	sb_found found[SB_MAX_DETECTIONS];
	size_t found_count;
	sb_kind problem; /* encrypted, corrupt, limit_exceeded, unsupported, or NONE */
	const char *problem_message;
	bool doubt;  /* something may be hidden where nobody can look */
	bool opened; /* containers were looked for */
	sb_container container;
	const char *mime;
	bool has_stated; /* a plugin judged; with a failure only if it abstained */
	sb_stated stated;
	const char *engine_version, *signature_version; /* NULL: not said */
} sb_reply;

/* Written record by record; what does not fit is left out and makes finish() say so. */
typedef struct sb_reply_writer {
	uint8_t *out;
	size_t room, length;
	size_t found;
	bool dropped; /* detections did not fit: to be said as a problem */
	bool failed;
} sb_reply_writer;

void sb_reply_begin(sb_reply_writer *writer, void *out, size_t room);
/* Detections beyond what fits are dropped, which sets `dropped`. */
void sb_reply_found(sb_reply_writer *writer, const sb_found *found);
void sb_reply_problem(sb_reply_writer *writer, sb_kind kind, const char *message);
void sb_reply_container(sb_reply_writer *writer, const sb_container *container, bool doubt);
void sb_reply_mime(sb_reply_writer *writer, const char *mime);
void sb_reply_stated(sb_reply_writer *writer, const sb_stated *stated);
void sb_reply_versions(sb_reply_writer *writer, const char *engine, const char *signatures);
/* Forget what was written: only this remains to be said. */
void sb_reply_failure(sb_reply_writer *writer, sb_kind kind, const char *message);
/* The statement that the content was judged. The length of the reply; 0: it did not fit. */
size_t sb_reply_finish(sb_reply_writer *writer, uint64_t bytes);
size_t sb_reply_end(sb_reply_writer *writer); /* of a failure */

/* False: not a reply. Pointers lead into @p data, which the other side can't reach any more. */
bool sb_reply_read(sb_reply *out, const void *data, size_t length);

#endif
