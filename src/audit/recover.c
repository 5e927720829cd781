/* SPDX-License-Identifier: MIT */
/*
 * Finding the end of a log that we don't know: at opening, and after a process died in the
 * middle of a write. A log may have 10^7 records, so only its end is read: from the last
 * record that the kept state knows to be on disk, or without kept state about the last MiB.
 * The lock is held, so a torn line is never somebody's write in progress.
 *
 * What is cut and what is not (I5). Records that were never flushed may be torn, or lost
 * anywhere among their neighbours when power fails, so a bad record is cut with all that
 * follows, unless the kept state, or the `durable` of a good record behind it, says that it
 * had been on disk: then somebody changed the file, and nothing is touched.
 */
#include "audit/file_own.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/verify.h"
#include "util/io.h"

enum { WINDOW = 1 << 20 };

/* The line that ends at @p end, with its newline there, if it is a good one. */
static bool line_before(int fd, uint64_t end, sb_audit_line *out, char text[SB_AUDIT_LINE_MAX + 1])
{
	/* One byte more than a line: the newline of the one before. */
	size_t want = end <= SB_AUDIT_LINE_MAX ? (size_t)end : SB_AUDIT_LINE_MAX + 1;
	ssize_t n = sb_pread_full(fd, text, want, end - want);
	char *start;

	if (n <= 0 || (size_t)n != want || text[want - 1] != '\n')
		return false;
	start = memrchr(text, '\n', want - 1);
	if (start == NULL && want < end)
		return false;
	start = start != NULL ? start + 1 : text;
	return sb_audit_line_read(out, start, (size_t)(text + want - 1 - start)) == NULL;
}

static void head_from(sb_audit_head *head, const sb_audit_line *line)
{
	head->seq = line->seq;
	head->durable = line->durable > head->durable ? line->durable : head->durable;
	memcpy(head->hash, line->hash, SB_AUDIT_HASH);
	head->hash[SB_AUDIT_HASH] = '\0';
}

bool sb_audit_read_last(sb_audit_file *f)
{
	char text[SB_AUDIT_LINE_MAX + 1];
	sb_audit_line line;

	if (!line_before(f->fd, f->size, &line, text) || line.seq <= f->head.seq)
		return false;
	head_from(&f->head, &line);
	f->end = f->size;
	return true;
}

/* --- The first record --------------------------------------------------------------------- */

/* What a crash while creating a log can leave: a part of its first record, or zeros. */
static bool unborn(const char *text, size_t length)
{
	static const char begin[] = "{\"seq\":1,\"time\":\"";
	size_t compared = length < sizeof begin - 1 ? length : sizeof begin - 1;
	size_t zeros = 0;

	while (zeros < length && text[zeros] == '\0')
		zeros++;
	if (zeros == length)
		return length < SB_AUDIT_LINE_MAX;
	return length < SB_AUDIT_LINE_MAX && memchr(text, '\n', length) == NULL &&
	       memcmp(text, begin, compared) == 0;
}

/* 1: read; 0: the log died while it was created; -kind: not a log of ours. */
static int read_first(sb_audit_file *f, sb_audit_opened *opened, sb_error *error)
{
	char text[SB_AUDIT_LINE_MAX];
	ssize_t n = sb_pread_full(f->fd, text, sizeof text, 0);
	const char *wrong = "no line of an audit log", *end;
	sb_audit_line line;

	if (n < 0)
		return sb_audit_fail(f, error, errno, "cannot read");
	end = memchr(text, '\n', (size_t)n);
	if (end == NULL && unborn(text, (size_t)n))
		return 0;
	if (end != NULL)
		wrong = sb_audit_line_read(&line, text, (size_t)(end - text));
	if (wrong == NULL)
		wrong = sb_audit_opened_read(opened, &line);
	if (wrong != NULL)
		return sb_audit_fail(f, error, 0,
			"isn't an audit log, or its first record was changed (%s); nothing was "
			"written to it: set audit.file to another name, or move it away",
			wrong);
	memcpy(f->log_id, opened->log_id, sizeof f->log_id);
	f->first = line.seq;
	return 1;
}

/* --- Where to start ----------------------------------------------------------------------- */

struct start {
	uint64_t offset;
	sb_audit_head head;
	bool linked; /* head is known */
};

static int tampered(const sb_audit_file *f, sb_error *error, const char *what, uint64_t seq)
{
	return sb_audit_fail(f, error, 0,
		"%s at seq %" PRIu64 ", which had been on disk: not a crash. Run `scanbridge audit "
		"verify %s`, keep the file, and move it away with its .state to begin a new log",
		what, seq, f->path);
}

/* Does the file still hold what is known? Then that is where to start. */
static int start_known(const sb_audit_file *f, const sb_audit_state *known,
	const sb_audit_opened *opened, struct start *out, sb_error *error)
{
	char text[SB_AUDIT_LINE_MAX + 1];
	sb_audit_line line;

	if (strcmp(known->log_id, f->log_id) != 0)
		return sb_audit_fail(f, error, 0,
			"is log %s, but its .state knows log %s here: the log was replaced. Put "
			"the "
			"right one back, or remove the .state file to accept this one",
			f->log_id, known->log_id);
	if (f->first > known->first) {
		/* The state is from before a new file: older than true, as it may be. */
		if (f->first <= known->seq ||
			(f->first == known->seq + 1 && strcmp(opened->previous, known->hash) != 0))
			return tampered(
				f, error, "doesn't continue the file before it", known->seq);
		return 0;
	}
	if (f->first < known->first)
		return tampered(f, error, "is an older file than the one", known->first);
	if (known->offset > f->size)
		return tampered(f, error, "is shorter than it was", known->seq);
	if (!line_before(f->fd, known->offset, &line, text) || line.seq != known->seq ||
		memcmp(line.hash, known->hash, SB_AUDIT_HASH) != 0)
		return tampered(f, error, "was changed", known->seq);
	out->offset = known->offset;
	out->linked = true;
	out->head.durable = line.durable;
	head_from(&out->head, &line);
	return 0;
}

/* Without knowledge: the first good record of the last MiB, or of more if there is none. */
static int start_window(const sb_audit_file *f, struct start *out, sb_error *error)
{
	char text[2 * SB_AUDIT_LINE_MAX];

	for (uint64_t span = WINDOW; span < f->size; span *= 8) {
		uint64_t from = f->size - span;
		ssize_t n = sb_pread_full(f->fd, text, sizeof text, from);
		char *line, *end;
		sb_audit_line read;

		if (n < 0)
			return sb_audit_fail(f, error, errno, "cannot read");
		line = memchr(text, '\n', (size_t)n);
		if (line == NULL)
			continue;
		line++;
		end = memchr(line, '\n', (size_t)(text + n - line));
		if (end == NULL || sb_audit_line_read(&read, line, (size_t)(end - line)) != NULL)
			continue;
		out->offset = from + (uint64_t)(line - text);
		return 0;
	}
	return 0;
}

static int find_start(sb_audit_file *f, struct start *out, sb_error *error)
{
	sb_audit_opened opened;
	sb_audit_state known;
	int found, status;

	if (f->known) { /* a process died behind our last record */
		*out = (struct start){f->end, f->head, true};
		return 0;
	}
	*out = (struct start){0};
	sb_audit_head_init(&out->head);
	found = sb_audit_known(f, &known, error);
	if (found < 0)
		return found;
	status = read_first(f, &opened, error);
	if (status < 0)
		return status;
	if (status == 0)
		return found > 0 ? tampered(f, error, "lost its beginning", known.seq) : 0;
	status = found > 0 ? start_known(f, &known, &opened, out, error) : 0;
	if (status == 0 && !out->linked)
		status = start_window(f, out, error);
	return status;
}

/* --- Cutting ------------------------------------------------------------------------------ */

static int note_cut(sb_audit_file *f, const char *why, sb_error *error)
{
	sb_buf body;
	int status;

	sb_buf_init(&body, SB_AUDIT_LINE_MAX);
	sb_buf_printf(&body,
		"\"offset\":%" PRIu64 ",\"length\":%" PRIu64 ",\"last_seq\":%" PRIu64
		",\"reason\":\"%s\"",
		f->recovery.offset, f->recovery.length, f->recovery.last_seq, why);
	status = sb_audit_write_own(f, "log_recovered", &body, error);
	sb_buf_done(&body);
	return status;
}

static int cut(sb_audit_file *f, const sb_audit_verifier *v, sb_error *error)
{
	sb_audit_beyond beyond;
	int status = 0;

	if (sb_audit_look_beyond(f->fd, v->offset, f->size, &beyond) != 0)
		return sb_audit_fail(f, error, errno, "cannot read");
	if (beyond.durable > v->head.seq)
		return tampered(f, error, "was changed", v->head.seq + 1);
	if (f->io->ftruncate(f->fd, (off_t)v->offset) != 0)
		return sb_audit_fail(
			f, error, errno, "cannot cut the torn end at %" PRIu64, v->offset);
	f->recovery = (sb_audit_recovery){.recovered = true,
		.offset = v->offset,
		.length = f->size - v->offset,
		.last_seq = v->head.seq};
	f->size = f->end = v->offset;
	sb_audit_forget_reserve(f);
	f->head = v->head;
	f->known = v->offset > 0;
	if (!f->known)
		status = sb_audit_begin_log(f, error);
	return status != 0 ? status : note_cut(f, v->why, error);
}

int sb_audit_recover(sb_audit_file *f, sb_error *error)
{
	sb_audit_verifier v;
	struct start start;
	int status = find_start(f, &start, error);

	if (status != 0)
		return status;
	sb_audit_verifier_resume(&v, start.offset, start.linked ? &start.head : NULL);
	if (sb_audit_verifier_read(&v, f->fd, f->size) != 0)
		return sb_audit_fail(f, error, errno, "cannot read");
	if (v.why[0] != '\0')
		return cut(f, &v, error);
	f->head = v.head;
	f->end = v.offset;
	f->known = true;
	return 0;
}
