/* SPDX-License-Identifier: MIT */
/*
 * The verifier. A record is good when its line is well-formed and hashes to what it says, and
 * when it follows: seq one higher, prev the hash before, durable neither lower than before
 * nor at or above its own seq. Times are not compared: a clock step is never corruption.
 *
 * The first bad record ends it; everything up to there is proved, nothing behind it is.
 * Against somebody who can write the file and knows the format the chain alone proves little:
 * he can cut the end, or recompute all. The cut is noticed against the kept state; for the
 * rest a log needs an anchor outside.
 */
#include "audit/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/state.h"
#include "util/io.h"

enum { CHUNK = 256 * 1024 };

void sb_audit_verifier_init(sb_audit_verifier *v)
{
	*v = (sb_audit_verifier){0};
	sb_audit_head_init(&v->head);
}

void sb_audit_verifier_resume(sb_audit_verifier *v, uint64_t offset, const sb_audit_head *head)
{
	sb_audit_verifier_init(v);
	v->offset = offset;
	v->linked = head != NULL;
	if (head != NULL)
		v->head = *head;
}

static bool bad(sb_audit_verifier *v, const char *why)
{
	snprintf(v->why, sizeof v->why, "%s", why);
	return false;
}

/* The first record of a file names what it continues; `previous` and `prev` say the same. */
static bool first_ok(sb_audit_verifier *v, const sb_audit_line *line)
{
	const char *wrong = sb_audit_opened_read(&v->opened, line);
	const char *previous = v->opened.previous;
	sb_audit_head none;

	if (wrong != NULL)
		return bad(v, wrong);
	sb_audit_head_init(&none);
	if (line->seq == 0)
		return bad(v, "seq is 0");
	if ((line->seq == 1) != (previous[0] == '\0'))
		return bad(v, "seq and previous don't agree");
	if (memcmp(line->prev, previous[0] != '\0' ? previous : none.hash, SB_AUDIT_HASH) != 0)
		return bad(v, "prev isn't previous");
	return true;
}

static bool follows(sb_audit_verifier *v, const sb_audit_line *line)
{
	if (sb_audit_line_is(line, "log_opened"))
		return bad(v, "log_opened in the middle of a log");
	if (line->seq != v->head.seq + 1) {
		snprintf(v->why, sizeof v->why,
			"seq is %" PRIu64 " where %" PRIu64 " should follow", line->seq,
			v->head.seq + 1);
		return false;
	}
	if (memcmp(line->prev, v->head.hash, SB_AUDIT_HASH) != 0)
		return bad(v, "prev isn't the hash of the record before");
	if (line->durable < v->head.durable)
		return bad(v, "durable is lower than in the record before");
	return true;
}

static bool record(sb_audit_verifier *v, const char *text, size_t length)
{
	sb_audit_line line;
	const char *wrong = sb_audit_line_read(&line, text, length);

	if (wrong != NULL)
		return bad(v, wrong);
	if (v->linked ? !follows(v, &line) : v->offset == 0 && !first_ok(v, &line))
		return false;
	if (line.durable >= line.seq)
		return bad(v, "claims itself to be on disk already (durable)");
	v->linked = true;
	v->head.seq = line.seq;
	v->head.durable = line.durable;
	memcpy(v->head.hash, line.hash, SB_AUDIT_HASH);
	v->first_seq = v->records == 0 ? line.seq : v->first_seq;
	v->records++;
	v->offset += length + 1;
	if (line.seq == v->watch_seq)
		memcpy(v->watched, v->head.hash, sizeof v->watched);
	return true;
}

size_t sb_audit_verifier_feed(sb_audit_verifier *v, const char *data, size_t length, bool last)
{
	size_t used = 0;

	while (v->why[0] == '\0' && used < length) {
		const char *line = data + used, *end = memchr(line, '\n', length - used);
		if (end == NULL)
			break;
		if (!record(v, line, (size_t)(end - line)))
			return used;
		used += (size_t)(end - line) + 1;
	}
	if (v->why[0] != '\0' || used == length)
		return used;
	if (length - used >= SB_AUDIT_LINE_MAX) {
		bad(v, "is longer than 8 KiB");
	} else if (last) {
		v->unfinished = true;
		bad(v, "ends without a newline");
	}
	return used;
}

int sb_audit_verifier_read(sb_audit_verifier *v, int fd, uint64_t end)
{
	uint64_t at = v->offset;
	char *buffer = malloc(CHUNK);
	size_t kept = 0;
	int status = buffer != NULL ? 0 : -1;

	while (status == 0 && at < end && v->why[0] == '\0') {
		size_t want = CHUNK - kept, used;
		ssize_t n;

		if (want > end - at)
			want = (size_t)(end - at);
		n = sb_pread_full(fd, buffer + kept, want, at);
		if (n < 0) {
			status = -1;
			break;
		}
		if ((size_t)n < want) /* shrank while it was read */
			end = at + (uint64_t)n;
		at += (uint64_t)n;
		kept += (size_t)n;
		used = sb_audit_verifier_feed(v, buffer, kept, at >= end);
		kept -= used;
		memmove(buffer, buffer + used, kept);
	}
	free(buffer);
	return status;
}

/* --- Behind a bad record ------------------------------------------------------------------ */

static void consider(const char *text, size_t length, sb_audit_beyond *out)
{
	sb_audit_line line;

	if (sb_audit_line_read(&line, text, length) != NULL)
		return;
	out->records++;
	if (line.durable > out->durable)
		out->durable = line.durable;
}

/* Lines are found by newlines alone; what is too long for one is skipped. */
int sb_audit_look_beyond(int fd, uint64_t offset, uint64_t end, sb_audit_beyond *out)
{
	char *buffer = malloc(CHUNK);
	size_t kept = 0;

	*out = (sb_audit_beyond){0};
	if (buffer == NULL)
		return -1;
	while (offset < end) {
		size_t want = CHUNK - kept, used = 0;
		ssize_t n;
		char *newline;

		if (want > end - offset)
			want = (size_t)(end - offset);
		n = sb_pread_full(fd, buffer + kept, want, offset);
		if (n <= 0) {
			free(buffer);
			return n < 0 ? -1 : 0;
		}
		offset += (uint64_t)n;
		kept += (size_t)n;
		while ((newline = memchr(buffer + used, '\n', kept - used)) != NULL) {
			size_t length = (size_t)(newline - buffer) - used;
			consider(buffer + used, length, out);
			used += length + 1;
		}
		if (kept - used >= SB_AUDIT_LINE_MAX)
			used = kept;
		kept -= used;
		memmove(buffer, buffer + used, kept);
	}
	free(buffer);
	return 0;
}

/* --- Verdicts ----------------------------------------------------------------------------- */

static void conclude(const sb_audit_verifier *v, sb_audit_verdict *out)
{
	*out = (sb_audit_verdict){
		.ok = v->why[0] == '\0' && v->records > 0,
		.records = v->records,
		.first_seq = v->first_seq,
		.last_seq = v->head.seq,
		.bytes = v->offset,
		.torn_tail = v->unfinished,
	};
	memcpy(out->head, v->head.hash, sizeof out->head);
	if (out->ok)
		return;
	out->bad_line = v->records + 1;
	out->bad_offset = v->offset;
	out->bad_seq = v->head.seq + 1;
	snprintf(out->why, sizeof out->why, "%s",
		v->why[0] != '\0' ? v->why : "the log is empty: log_opened is missing");
}

void sb_audit_verify_memory(const void *data, size_t length, sb_audit_verdict *out)
{
	sb_audit_verifier v;

	sb_audit_verifier_init(&v);
	sb_audit_verifier_feed(&v, data, length, true);
	conclude(&v, out);
}

/* The chain is whole; does it also reach as far as is known? */
static void compare(const sb_audit_verifier *v, const sb_audit_state *known, sb_audit_verdict *out)
{
	char *why = out->why;
	size_t room = sizeof out->why;

	if (strcmp(known->log_id, v->opened.log_id) != 0)
		snprintf(why, room, "this is log %s, the kept state knows log %s here",
			v->opened.log_id, known->log_id);
	else if (v->first_seq < known->first)
		snprintf(why, room, "this file was replaced by one that begins at seq %" PRIu64,
			known->first);
	else if (v->first_seq == known->first && v->head.seq < known->seq)
		snprintf(why, room,
			"the log ends at seq %" PRIu64 ", but seq %" PRIu64
			" was on disk: records were cut off",
			v->head.seq, known->seq);
	else if (v->first_seq == known->first && strcmp(v->watched, known->hash) != 0)
		snprintf(why, room, "record %" PRIu64 " isn't the one that the kept state knows",
			known->seq);
	else if (v->first_seq > known->first && v->first_seq <= known->seq)
		snprintf(why, room,
			"this file begins at seq %" PRIu64 ", but seq %" PRIu64
			" was on disk before it",
			v->first_seq, known->seq);
	else if (v->first_seq == known->seq + 1 && strcmp(v->opened.previous, known->hash) != 0)
		snprintf(why, room, "it doesn't continue the record %" PRIu64 " that was on disk",
			known->seq);
	else
		return;
	out->ok = false;
	out->bad_line = out->records + 1;
	out->bad_offset = out->bytes;
	out->bad_seq = out->last_seq + 1;
}

static int read_state(const char *path, sb_audit_state *out, sb_error *error)
{
	char *name = NULL;
	int fd, status;

	if (asprintf(&name, "%s.state", path) < 0)
		return sb_error_no_memory(error);
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
	status = fd >= 0 ? sb_audit_state_read(fd, out) : errno == ENOENT ? 0 : -1;
	if (status < 0)
		status = sb_error_set(error, SB_KIND_IO, errno, "audit state %s", name);
	sb_close(&fd);
	free(name);
	return status;
}

/* Under the writers' lock the file ends in whole records: what they write while we read lies
 * behind the size taken here. */
static int settled_size(int fd, const char *path, uint64_t *size, sb_error *error)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct stat st;

	while (fcntl(fd, F_OFD_SETLKW, &lock) != 0)
		if (errno != EINTR)
			return sb_error_set(error, SB_KIND_IO, errno, "lock audit log %s", path);
	if (fstat(fd, &st) != 0)
		return sb_error_set(error, SB_KIND_IO, errno, "audit log %s", path);
	if (!S_ISREG(st.st_mode))
		return sb_error_set(
			error, SB_KIND_IO, 0, "audit log %s isn't a regular file", path);
	*size = (uint64_t)st.st_size;
	return 0;
}

static int verify_fd(
	int fd, const char *path, bool use_state, sb_audit_verdict *out, sb_error *error)
{
	struct flock unlock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	sb_audit_state known;
	sb_audit_beyond beyond;
	sb_audit_verifier v;
	uint64_t size = 0;
	int state = 0, status = settled_size(fd, path, &size, error);

	if (status != 0)
		return status;
	if (use_state)
		state = read_state(path, &known, error);
	fcntl(fd, F_OFD_SETLK, &unlock);
	if (state < 0)
		return state;
	sb_audit_verifier_init(&v);
	v.watch_seq = state > 0 ? known.seq : 0;
	if (sb_audit_verifier_read(&v, fd, size) != 0)
		return sb_error_set(error, SB_KIND_IO, errno, "read audit log %s", path);
	conclude(&v, out);
	if (out->ok && state > 0)
		compare(&v, &known, out);
	if (v.why[0] == '\0')
		return 0;
	if (sb_audit_look_beyond(fd, v.offset, size, &beyond) != 0)
		return sb_error_set(error, SB_KIND_IO, errno, "read audit log %s", path);
	out->torn_tail = beyond.records == 0 && !(state > 0 && known.seq > v.head.seq);
	return 0;
}

int sb_audit_verify(const char *path, bool use_state, sb_audit_verdict *out, sb_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), status;

	if (fd < 0)
		return sb_error_set(error, errno == ENOENT ? SB_KIND_FILE_NOT_FOUND : SB_KIND_IO,
			errno, "audit log %s", path);
	status = verify_fd(fd, path, use_state, out, error);
	sb_close(&fd);
	return status;
}
