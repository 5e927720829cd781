/* SPDX-License-Identifier: MIT */
/*
 * Containers: bytes that hold other bytes. The walk takes content apart, level by level, and
 * hands over every member: archives, compressed files, mail, OLE2 and OOXML documents, PDF.
 *
 * Pure: bytes in memory, no files, no clock of its own, no process-wide state. Hostile content
 * costs at most the limits. It runs in the sandboxed worker only.
 *
 * Two kinds of trouble:
 *   a problem  something that is there could not be looked at: the answer must be an error of
 *              kind encrypted, corrupt, limit_exceeded or unsupported
 *   a doubt    something may be there that nobody can open: content coverage is `partial`
 * Without either, every member was handed over: `inspected`.
 */
#ifndef SB_CONTAINERS_CONTAINERS_H
#define SB_CONTAINERS_CONTAINERS_H

#include <scanbridge/sys/engine.h>

typedef struct sb_member {
	/* From the outermost member to this one, `inner.zip/doc.txt`; any bytes but NUL;
	 * NUL-terminated. Empty at depth 0. */
	const char *path;
	size_t path_length;
	const char *name; /* what rules see: the last member's own name, NUL-terminated */
	size_t name_length;
	const char *container; /* format of the container that holds it: `zip`, `mail`, …; "" */
	const uint8_t *data;
	size_t size;
	unsigned depth; /* 0: the content itself */
} sb_member;

typedef struct sb_walk_options {
	sb_container_limits limits;
	const char *const *passwords; /* tried on encrypted containers, NULL-terminated; or NULL */
	/* Judge one member: the content itself first, then each member before its own members.
	 * Not 0: stop the walk, which returns it. */
	int (*member)(void *data, const sb_member *member);
	/* Asked often: true when there is no time left (limit_exceeded). NULL: never. */
	bool (*expired)(void *data);
	void *data;
} sb_walk_options;

typedef struct sb_walked {
	sb_kind problem; /* SB_KIND_NONE, or the gravest: limit, encrypted, corrupt, unsupported */
	char message[256]; /* of the problem, with the member's path, escaped */
	bool doubt;
	char doubt_message[128];
	char type[16];           /* the outermost container's format, "" when it is none */
	unsigned facts;          /* enum sb_container_fact over all levels */
	unsigned depth;          /* the deepest level that was reached; 0: no container */
	uint64_t members, bytes; /* below depth 0 */
} sb_walked;

/* Take apart; 0 when the walk came to its end (problems and doubts included), or what member()
 * returned. @p name: the content's own. */
int sb_containers_walk(sb_walked *out, const void *data, size_t length, const char *name,
	size_t name_length, const sb_walk_options *options);

/* Once, as long as files can be opened: names beyond ASCII need the C.UTF-8 locale. Without it
 * such members are called `member7`. Tables that all walks use are made as well, so that processes
 * forked from this one share them. */
void sb_containers_prepare(void);

#endif
