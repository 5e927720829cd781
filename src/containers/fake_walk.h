/* SPDX-License-Identifier: MIT */
/*
 * A walk for the tests of readers: one level, no recursion; it keeps what a reader says. Members
 * have simple limits, past which it answers as the real one does.
 */
#ifndef SB_CONTAINERS_FAKE_WALK_H
#define SB_CONTAINERS_FAKE_WALK_H

#include "containers/reader.h"

typedef struct fake_member {
	char *name;
	uint8_t *data;
	size_t size;
} fake_member;

struct sb_walk {
	size_t max_members, max_member, max_bytes;
	unsigned max_polls; /* 0: no end; afterwards the time is over */

	fake_member *members;
	size_t count, bytes, open;
	unsigned facts, polls;
	sb_kind problem;
	char message[256];
	bool doubt;
	char doubt_message[128];
	sb_likeness likeness;
	const char *type;
	int result;
};

/* Recognise and take apart; false when the reader says it is not its own. */
bool fake_walk_run(sb_walk *walk, const sb_reader_ops *reader, const void *data, size_t size);
void fake_walk_done(sb_walk *walk);
const fake_member *fake_walk_find(const sb_walk *walk, const char *name);
/* A member with exactly these bytes, whatever its name. */
bool fake_walk_has(const sb_walk *walk, const void *data, size_t size);

/* A file of Debian's clamav-testfiles, to be freed; NULL when they are not installed
 * ($CLAMAV_TESTFILES, else where the package has them). */
char *fake_walk_sample(const char *name, size_t *size);

#endif
