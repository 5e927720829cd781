/* SPDX-License-Identifier: MIT */
/*
 * The first record of a file, and going on in a new file after a failed flush (D4). When
 * fdatasync() fails the kernel may mark the lost pages clean: asking again "succeeds", with
 * the data gone. So this file takes no record any more. The next one starts behind the last
 * record that is known to be on disk, names the tail that it voids, is complete and flushed
 * before it takes the log's name, and takes it atomically:
 *
 *   audit.jsonl.<seq>   the old file, kept whole (a second name, then the only one)
 *   audit.jsonl         the new file: log_opened, with seq = durable + 1
 *
 * All of it under the lock of the old file; the new one is locked before it can be seen.
 */
#include "audit/file_own.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"
#include "util/text.h"
#include "util/uuid.h"

int sb_audit_begin_log(sb_audit_file *f, sb_error *error)
{
	sb_audit_state known;
	sb_buf body;
	int status = sb_audit_known(f, &known, error);

	if (status < 0)
		return status;
	if (status > 0)
		return sb_audit_fail(f, error, 0,
			"is empty, but its .state knows it up to seq %" PRIu64
			": put it back, or remove both to begin a new log",
			known.seq);
	sb_uuid7(f->log_id, sb_clock_wall(f->clock));
	sb_audit_head_init(&f->head);
	f->first = 1;
	f->end = 0;
	sb_buf_init(&body, SB_AUDIT_LINE_MAX);
	sb_audit_opened_body(&body, f->log_id, NULL, NULL);
	status = sb_audit_write_own(f, "log_opened", &body, error);
	sb_buf_done(&body);
	return status;
}

/* The new file's first record, durable before anybody sees it. */
static int fill(sb_audit_file *next, const sb_audit_file *old, sb_error *error)
{
	char voids[128];
	sb_buf body;
	int status;

	snprintf(voids, sizeof voids,
		"\"voids\":{\"from_seq\":%" PRIu64 ",\"from_offset\":%" PRIu64 "}",
		next->head.seq + 1, next->end);
	next->end = 0;
	sb_buf_init(&body, SB_AUDIT_LINE_MAX);
	sb_audit_opened_body(
		&body, old->log_id, next->head.seq > 0 ? next->head.hash : NULL, voids);
	status = sb_audit_write_own(next, "log_opened", &body, error);
	sb_buf_done(&body);
	if (status == 0 && next->io->fdatasync(next->fd) != 0)
		status = sb_audit_fail(old, error, errno, "cannot flush the new file");
	return status;
}

/* The old file gets the name that says where its trusted part ends; another if that is taken. */
static int keep_old(const sb_audit_file *f, uint64_t seq)
{
	char *name;
	int status = -1;

	for (int n = 0; n < 1000 && status != 0; n++) {
		if ((n == 0 ? asprintf(&name, "%s.%" PRIu64, f->name, seq)
			    : asprintf(&name, "%s.%" PRIu64 ".%d", f->name, seq, n)) < 0)
			return -1;
		status = linkat(f->dir, f->name, f->dir, name, 0);
		free(name);
		if (status != 0 && errno != EEXIST)
			break;
	}
	return status;
}

static int replace(sb_audit_file *next, sb_audit_file *f, const char *temporary, sb_error *error)
{
	sb_audit_state fresh = {.first = next->first, .seq = next->head.seq, .offset = next->end};

	if (keep_old(f, next->first - 1) != 0)
		return sb_audit_fail(
			f, error, errno, "cannot keep the old file under another name");
	if (renameat(f->dir, temporary, f->dir, f->name) != 0)
		return sb_audit_fail(f, error, errno, "cannot put the new file in its place");
	if (fsync(f->dir) != 0)
		return sb_audit_fail(f, error, errno, "cannot make the new file's name durable");
	memcpy(fresh.log_id, f->log_id, sizeof fresh.log_id);
	memcpy(fresh.hash, next->head.hash, sizeof fresh.hash);
	if (sb_audit_state_publish(f->state, &fresh) != 0)
		return sb_audit_fail(f, error, errno, "cannot write its .state");
	return 0;
}

/* A locked file under a temporary name, and the head that it is to continue. */
static int prepare(sb_audit_file *next, const char *temporary, sb_error *error)
{
	sb_audit_state known;
	struct stat file;
	int found = sb_audit_known(next, &known, error);

	next->fd = -1;
	if (found < 0)
		return found;
	sb_audit_head_init(&next->head);
	next->end = 0;
	if (found > 0) {
		next->head.seq = next->head.durable = known.seq;
		memcpy(next->head.hash, known.hash, sizeof known.hash);
		next->end = known.offset;
	}
	next->first = next->head.seq + 1;
	unlinkat(next->dir, temporary, 0); /* of one who died here: we hold the lock */
	next->fd = openat(next->dir, temporary,
		O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (next->fd < 0 || sb_audit_own(next, next->fd) != 0 ||
		sb_audit_lock(next->fd, F_WRLCK) != 0 || fstat(next->fd, &file) != 0)
		return sb_audit_fail(next, error, errno, "cannot begin a new file");
	next->device = file.st_dev;
	next->inode = file.st_ino;
	sb_audit_forget_reserve(next);
	return 0;
}

int sb_audit_rotate(sb_audit_file *f, sb_error *error)
{
	sb_audit_file next = *f;
	char *temporary;
	int status;

	if (asprintf(&temporary, "%s.new", f->name) < 0)
		return sb_error_no_memory(error);
	status = prepare(&next, temporary, error);
	if (status == 0)
		status = fill(&next, f, error);
	if (status == 0)
		status = replace(&next, f, temporary, error);
	free(temporary);
	if (status != 0) {
		sb_close(&next.fd);
		return status;
	}
	sb_close(&f->fd); /* and with it the lock: the others find the new file */
	next.failed = false;
	next.known = next.named = true;
	next.head.durable = next.head.seq;
	*f = next;
	return 0;
}
