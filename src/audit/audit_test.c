/* SPDX-License-Identifier: MIT */
/*
 * The audit log in one process: the format, every way to tamper with it (A1), recovery of
 * every cut, disks that fail on command (D1, D4), clocks that step (A2), odd names (A6) and
 * threads. Several processes and kill -9 are in tests/audit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_own.h"
#include "audit/state.h"
#include "audit/verify.h"
#include "util/io.h"
#include "util/json.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* --- A folder, a log ---------------------------------------------------------------------- */

struct fixture {
	char folder[64], path[96], state[104];
	sb_clock *clock;
	sb_audit_options options;
	sb_error error;
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);
	const char *base = getenv("TMPDIR");
	struct stat shm;

	/* In memory if possible: thousands of flushes that prove nothing here. */
	if (base == NULL)
		base = stat("/dev/shm", &shm) == 0 && S_ISDIR(shm.st_mode) ? "/dev/shm" : "/tmp";
	snprintf(x->folder, sizeof x->folder, "%.32s/sb-audit-XXXXXX", base);
	if (mkdtemp(x->folder) == NULL)
		return -1;
	snprintf(x->path, sizeof x->path, "%s/audit.jsonl", x->folder);
	snprintf(x->state, sizeof x->state, "%s.state", x->path);
	x->clock = sb_clock_fake_new();
	x->options = (sb_audit_options){.path = x->path, .clock = x->clock};
	sb_error_init(&x->error);
	*state = x;
	return 0;
}

static void empty_folder(const struct fixture *x)
{
	DIR *dir = opendir(x->folder);
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	empty_folder(x);
	rmdir(x->folder);
	sb_clock_fake_free(x->clock);
	free(x);
	return 0;
}

static sb_audit *open_io(struct fixture *x, const sb_audit_io *io, sb_audit_recovery *recovery)
{
	sb_audit *audit = NULL;

	sb_error_init(&x->error);
	if (sb_audit_open_with(&audit, &x->options, io, recovery, &x->error) != 0)
		fail_msg("%s", x->error.message);
	return audit;
}

static sb_audit *open_log(struct fixture *x)
{
	return open_io(x, &sb_audit_system_io, NULL);
}

static int append(
	sb_audit *audit, const char *event, const char *body, uint64_t *seq, sb_error *error)
{
	sb_audit_entry entry = {event, body, strlen(body), 77};
	int status = sb_audit_append(audit, &entry, 1, error);

	if (seq != NULL)
		*seq = entry.seq;
	return status;
}

static void must_append(struct fixture *x, sb_audit *audit, unsigned count)
{
	char body[64];

	for (unsigned i = 0; i < count; i++) {
		snprintf(body, sizeof body, "\"scan_id\":\"%u\",\"outcome\":\"clean\"", i);
		if (append(audit, "scan_completed", body, NULL, &x->error) != 0)
			fail_msg("%s", x->error.message);
	}
}

static char *slurp(const char *path, size_t *length)
{
	char *data = sb_read_file(path, 64 << 20, length);

	if (data == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	return data;
}

static void spill(const char *path, const void *data, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(sb_write_all(fd, data, length), 0);
	close(fd);
}

static sb_audit_verdict verify(const struct fixture *x, bool use_state)
{
	sb_audit_verdict verdict;
	sb_error error;

	sb_error_init(&error);
	if (sb_audit_verify(x->path, use_state, &verdict, &error) != 0)
		fail_msg("%s", error.message);
	return verdict;
}

/* A log of about @p bytes, in memory. */
static char *make_log(struct fixture *x, size_t bytes, size_t *length)
{
	sb_audit *audit;

	empty_folder(x);
	audit = open_log(x);
	must_append(x, audit, (unsigned)(bytes / 300));
	sb_audit_close(audit);
	return slurp(x->path, length);
}

/* --- The format --------------------------------------------------------------------------- */

static void test_format(void **state)
{
	struct fixture *x = *state;
	sb_audit *audit = open_log(x);
	sb_audit_entry two[] = {
		{"scan_started", "\"scan_id\":\"a\"", 13, 0}, {"scan_completed", "", 0, 0}};
	static const char *const keys[] = {
		"seq", "time", "event", "prev", "hash", "writer", "durable"};
	size_t length;
	char *data, *line, *rest;
	unsigned n = 0;
	struct stat st;

	assert_int_equal(sb_audit_append(audit, two, COUNT(two), &x->error), 0);
	assert_int_equal(two[0].seq, 2);
	assert_int_equal(two[1].seq, 3);
	must_append(x, audit, 1);
	sb_audit_close(audit);
	assert_int_equal(stat(x->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	data = slurp(x->path, &length);
	for (line = strtok_r(data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		const char *key;
		json_t *value;
		size_t k = 0;

		assert_non_null(json);
		json_object_foreach(json, key, value) if (k < COUNT(keys))
			assert_string_equal(key, keys[k++]);
		assert_int_equal(json_integer_value(json_object_get(json, "seq")), ++n);
		json_decref(json);
	}
	assert_int_equal(n, 4);
	free(data);
	assert_true(verify(x, true).ok);
	assert_int_equal(verify(x, true).last_seq, 4);
}

/* A6: one parseable record each, at most 8 KiB. */
static void test_odd_names(void **state)
{
	struct fixture *x = *state;
	static const struct {
		const char *why, *name;
		size_t length;
	} rows[] = {{"line breaks", "a\r\nb", 4}, {"escape", "\x1b[2J", 4}, {"quotes", "a\"b\\", 4},
		{"NUL", "a\0b", 3}, {"no UTF-8", "\xff\xfe", 2}, {"DEL and C1", "\x7f\xc2\x85", 3},
		{"line separator", "\xe2\x80\xa8", 3}, {"empty", "", 0}};
	sb_audit *audit = open_log(x);
	size_t length, lines = 0;
	char *data;

	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_buf body;
		sb_json json = sb_json_on(&body);

		sb_buf_init(&body, 65536);
		sb_json_bytes(&json, "name", rows[i].name, rows[i].length);
		if (append(audit, "scan_completed", body.data, NULL, &x->error) != 0)
			fail_msg("%s: %s", rows[i].why, x->error.message);
		sb_buf_done(&body);
	}
	sb_audit_close(audit);
	data = slurp(x->path, &length);
	for (char *at = data, *end; (end = strchr(at, '\n')) != NULL; at = end + 1, lines++) {
		json_t *json = json_loadb(at, (size_t)(end - at), JSON_ALLOW_NUL, NULL);
		assert_non_null(json);
		json_decref(json);
	}
	assert_int_equal(lines, COUNT(rows) + 1);
	free(data);
	assert_true(verify(x, true).ok);
}

static void test_refused_entries(void **state)
{
	struct fixture *x = *state;
	sb_audit *audit = open_log(x);
	char *large = malloc(9000);
	static const struct {
		const char *why, *event, *body;
	} rows[] = {{"upper case event", "Scan", ""}, {"empty event", "", ""},
		{"quote in the event", "a\"", ""}, {"raw line break", "e", "\"a\":\"\n\""},
		{"long event", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ""}};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (append(audit, rows[i].event, rows[i].body, NULL, &x->error) !=
			-SB_KIND_INTERNAL)
			fail_msg("%s was taken", rows[i].why);
	snprintf(large, 9000, "\"a\":\"%08190d\"", 0);
	assert_int_equal(append(audit, "e", large, NULL, &x->error), -SB_KIND_INTERNAL);
	snprintf(large, 9000, "\"a\":\"%07700d\"", 0);
	assert_int_equal(append(audit, "e", large, NULL, &x->error), 0);
	free(large);
	sb_audit_close(audit);
	assert_int_equal(verify(x, true).records, 2);
}

/* A2: the clock goes back a year; the log does not care. */
static void test_clock_step(void **state)
{
	struct fixture *x = *state;
	sb_clock *early = x->clock, *late = sb_clock_fake_new();
	sb_audit *audit;

	sb_clock_fake_turn(late, 365ull * 86400 * 1000000000);
	x->options.clock = late;
	audit = open_log(x);
	must_append(x, audit, 2);
	sb_audit_close(audit);
	x->options.clock = early;
	audit = open_log(x);
	must_append(x, audit, 2);
	sb_audit_close(audit);
	sb_clock_fake_free(late);
	assert_true(verify(x, true).ok);
	assert_int_equal(verify(x, true).records, 5);
}

/* --- A1: tampering ------------------------------------------------------------------------ */

/* The first bad record must be the one that byte @p at lies in, or the one behind it (a
 * changed newline joins two). */
static void must_notice(const char *data, size_t length, const char *what, size_t at)
{
	sb_audit_verdict verdict;

	sb_audit_verify_memory(data, length, &verdict);
	if (verdict.ok)
		fail_msg("%s at byte %zu went unnoticed", what, at);
	if (verdict.bad_offset > at || verdict.why[0] == '\0')
		fail_msg("%s at byte %zu: named offset %llu (%s)", what, at,
			(unsigned long long)verdict.bad_offset, verdict.why);
}

static void test_every_bit(void **state)
{
	size_t length;
	char *data = make_log(*state, 8192, &length);

	for (size_t i = 0; i < length; i++)
		for (int bit = 0; bit < 8; bit++) {
			data[i] = (char)(data[i] ^ 1 << bit);
			must_notice(data, length, "a bit flipped", i);
			data[i] = (char)(data[i] ^ 1 << bit);
		}
	free(data);
}

/* Only the neighbourhood is read again for each byte: the records before are proved once. */
static void test_every_byte(void **state)
{
	size_t length, line = 0;
	char *data = make_log(*state, 65536, &length);
	sb_audit_verifier before, now;

	sb_audit_verifier_init(&before);
	for (size_t i = 0; i < length; i++) {
		char kept = data[i];
		size_t end = i + 2048 < length ? i + 2048 : length;

		now = before;
		data[i] = (char)~kept;
		sb_audit_verifier_feed(&now, data + line, end - line, end == length);
		if (now.why[0] == '\0' || now.offset != line)
			fail_msg("byte %zu inverted: %s at %llu", i, now.why,
				(unsigned long long)now.offset);
		data[i] = kept;
		if (kept == '\n') {
			sb_audit_verifier_feed(&before, data + line, i + 1 - line, false);
			assert_string_equal(before.why, "");
			line = i + 1;
		}
	}
	free(data);
}

/* Where each line begins, and the end. */
static size_t split(const char *data, size_t length, size_t *starts, size_t room)
{
	size_t count = 0;

	for (size_t i = 0; i < length && count + 1 < room; i++)
		if (i == 0 || data[i - 1] == '\n')
			starts[count++] = i;
	starts[count] = length;
	return count;
}

static void test_every_record(void **state)
{
	size_t length, starts[64];
	char *data = make_log(*state, 8192, &length), *other = malloc(3 * length);
	size_t count = split(data, length, starts, COUNT(starts));

	for (size_t i = 0; i < count; i++) {
		size_t at = starts[i], size = starts[i + 1] - at, tail = length - starts[i + 1];

		if (i + 1 < count) { /* the last one: that is a cut */
			memcpy(other, data, at);
			memcpy(other + at, data + at + size, tail);
			must_notice(other, length - size, "a record dropped", at);
		}
		memcpy(other, data, at + size);
		memcpy(other + at + size, data + at, size + tail);
		must_notice(other, length + size, "a record duplicated", at + size);
		memcpy(other, data, at);
		memcpy(other + at, data + starts[count - 1], length - starts[count - 1]);
		memcpy(other + at + length - starts[count - 1], data + at, size + tail);
		if (i + 1 < count)
			must_notice(other, length + length - starts[count - 1], "one inserted", at);
		if (i + 2 < count) {
			size_t next = starts[i + 2] - starts[i + 1];
			memcpy(other, data, length);
			memcpy(other + at, data + starts[i + 1], next);
			memcpy(other + at + next, data + at, size);
			must_notice(other, length, "two swapped", at);
		}
	}
	memcpy(other, data, length);
	memcpy(other + length, data, length);
	must_notice(other, 2 * length, "two logs joined", length);
	free(other);
	free(data);
}

/* Every cut is noticed against the kept state; without it, every cut inside a record. */
static void test_every_cut(void **state)
{
	struct fixture *x = *state;
	size_t length;
	char *data = make_log(x, 4096, &length);

	for (size_t cut = 0; cut < length; cut++) {
		sb_audit_verdict verdict;

		assert_int_equal(truncate(x->path, 0), 0);
		spill(x->path, data, cut);
		verdict = verify(x, true);
		if (verdict.ok || verdict.torn_tail)
			fail_msg("cut at %zu of %zu went unnoticed", cut, length);
		verdict = verify(x, false);
		if (verdict.ok != (cut > 0 && data[cut - 1] == '\n'))
			fail_msg("cut at %zu without state: %s", cut, verdict.why);
	}
	free(data);
}

struct line_case {
	const char *why, *event, *body;
	uint64_t skip;    /* added to seq */
	uint64_t durable; /* claimed */
	bool good;
};

/* Lines that hash correctly and still don't follow. */
static void test_wrong_lines(void **state)
{
	static const struct line_case rows[] = {
		{"a good one", "e", "\"a\":1", 0, 1, true},
		{"no body", "e", "", 0, 1, true},
		{"a gap in seq", "e", "\"a\":1", 1, 1, false},
		{"durable falls", "e", "\"a\":1", 0, 0, false},
		{"durable is its own seq", "e", "\"a\":1", 0, 3, false},
		{"log_opened in the middle", "log_opened", "\"format\":1", 0, 1, false},
		{"a NUL byte", "e", NULL, 0, 1, false},
	};
	size_t length;
	char *data = make_log(*state, 300, &length); /* seq 1 and 2, the second claims 1 */
	sb_audit_verdict whole;

	sb_audit_verify_memory(data, length, &whole);
	assert_true(whole.ok);
	assert_int_equal(whole.last_seq, 2);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct line_case *row = &rows[i];
		sb_audit_head head = {.seq = 2 + row->skip, .durable = row->durable};
		sb_audit_parts parts = {"2026-01-01T00:00:00.000Z", "1-a", row->event,
			row->body != NULL ? row->body : "\"\0\":1",
			row->body ? strlen(row->body) : 5};
		sb_audit_verdict verdict;
		sb_buf log;

		sb_buf_init(&log, 65536);
		sb_buf_add(&log, data, length);
		memcpy(head.hash, whole.head, sizeof head.hash);
		sb_audit_line_add(&log, &head, &parts);
		sb_audit_verify_memory(log.data, log.length, &verdict);
		if (verdict.ok != row->good || (!row->good && verdict.bad_line != 3))
			fail_msg("%s: %s", row->why, verdict.why);
		sb_buf_done(&log);
	}
	free(data);
}

/* A first record that hashes and is none. */
static void test_wrong_beginnings(void **state)
{
	static const char id[] = "01234567-89ab-7def-8123-456789abcdef";
	static const struct {
		const char *why, *event, *format;
		bool good;
	} rows[] = {
		{"a good one", "log_opened",
			"\"format\":1,\"log_id\":\"%s\",\"algorithm\":\"sha256\",\"previous\":null",
			true},
		{"another event", "scan_started",
			"\"format\":1,\"log_id\":\"%s\",\"algorithm\":\"sha256\",\"previous\":null",
			false},
		{"another format", "log_opened",
			"\"format\":2,\"log_id\":\"%s\",\"algorithm\":\"sha256\",\"previous\":null",
			false},
		{"another algorithm", "log_opened",
			"\"format\":1,\"log_id\":\"%s\",\"algorithm\":\"md5\",\"previous\":null",
			false},
		{"continues nothing with seq 1", "log_opened",
			"\"format\":1,\"log_id\":\"%s\",\"algorithm\":\"sha256\",\"previous\":\""
			"0000000000000000000000000000000000000000000000000000000000000000\"",
			false},
		{"an id that is none", "log_opened",
			"\"format\":1,\"log_id\":\"g%s\",\"algorithm\":\"sha256\",\"previous\":"
			"null",
			false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_audit_parts parts = {.time = "2026-01-01T00:00:00.000Z",
			.writer = "1-a",
			.event = rows[i].event};
		char body[512], *percent;
		sb_audit_verdict verdict;
		sb_audit_head head;
		sb_buf log;

		snprintf(body, sizeof body, "%s", rows[i].format);
		percent = strstr(body, "%s");
		memmove(percent + sizeof id - 1, percent + 2, strlen(percent + 2) + 1);
		memcpy(percent, id, sizeof id - 1);
		parts.body = body;
		parts.body_length = strlen(body);
		sb_buf_init(&log, 65536);
		sb_audit_head_init(&head);
		sb_audit_line_add(&log, &head, &parts);
		sb_audit_verify_memory(log.data, log.length, &verdict);
		if (verdict.ok != rows[i].good)
			fail_msg("%s: %s", rows[i].why, verdict.why);
		sb_buf_done(&log);
	}
}

/* --- Recovery ----------------------------------------------------------------------------- */

/* A crash leaves any part of the last record; nothing of it was known to be on disk. */
static void test_recovers_every_tear(void **state)
{
	struct fixture *x = *state;
	size_t length, starts[8], count, kept;
	char *data, *known;
	sb_audit *audit;

	audit = open_log(x);
	must_append(x, audit, 2);
	known = slurp(x->state, &kept);
	must_append(x, audit, 1);
	sb_audit_close(audit);
	data = slurp(x->path, &length);
	count = split(data, length, starts, COUNT(starts));
	assert_int_equal(count, 4);
	for (size_t cut = starts[3]; cut < length; cut++) {
		sb_audit_recovery recovery;
		sb_audit_verdict verdict;

		spill(x->state, known, kept);
		spill(x->path, data, cut);
		assert_int_equal(verify(x, true).torn_tail, cut > starts[3]);
		audit = open_io(x, &sb_audit_system_io, &recovery);
		must_append(x, audit, 1);
		sb_audit_close(audit);
		assert_int_equal(recovery.recovered, cut > starts[3]);
		verdict = verify(x, true);
		if (!verdict.ok || verdict.last_seq != (cut > starts[3] ? 5 : 4))
			fail_msg("cut at %zu: %s", cut, verdict.why);
		if (!recovery.recovered)
			continue;
		assert_int_equal(recovery.offset, starts[3]);
		assert_int_equal(recovery.length, cut - starts[3]);
		assert_int_equal(recovery.last_seq, 3);
	}
	free(known);
	free(data);
}

/* The same where the first record itself was torn: the log begins anew. */
static void test_recovers_unborn(void **state)
{
	struct fixture *x = *state;
	size_t length;
	char *data = make_log(x, 0, &length);
	static const char zeros[100];

	for (size_t cut = 0; cut < length; cut++) {
		empty_folder(x);
		spill(x->path, data, cut);
		sb_audit_close(open_log(x));
		if (!verify(x, true).ok)
			fail_msg("cut at %zu", cut);
	}
	empty_folder(x);
	spill(x->path, zeros, sizeof zeros);
	sb_audit_close(open_log(x));
	assert_int_equal(verify(x, true).records, 2);
	free(data);
}

struct damage {
	const char *why;
	bool state;   /* kept */
	int from_end; /* of which record's middle a byte is changed: 0 the last */
	bool recovers;
};

/* I5: what was never flushed is cut; what was known to be on disk is not touched. */
static void test_damage(void **state)
{
	struct fixture *x = *state;
	static const struct damage rows[] = {
		{"the last record, nobody knows it", false, 0, true},
		{"the one before, claimed by the last", false, 1, false},
		{"far from the end", false, 9, false},
		{"the last record, known", true, 0, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t length, starts[64], count, now_length;
		char *data = make_log(x, 4096, &length), *now;
		sb_audit *audit = NULL;
		int status;

		count = split(data, length, starts, COUNT(starts));
		data[starts[count - 1 - (size_t)rows[i].from_end] + 150] ^= 1;
		spill(x->path, data, length);
		if (!rows[i].state)
			unlinkat(AT_FDCWD, x->state, 0);
		status = sb_audit_open(&audit, &x->options, NULL, &x->error);
		if ((status == 0) != rows[i].recovers)
			fail_msg("%s: %s", rows[i].why, x->error.message);
		sb_audit_close(audit);
		now = slurp(x->path, &now_length);
		if (status != 0 && (now_length != length || memcmp(now, data, length) != 0))
			fail_msg("%s: refused, and yet changed", rows[i].why);
		free(now);
		free(data);
	}
}

/* A group that was never flushed may have holes: nothing behind the hole claims it. */
static void test_hole(void **state)
{
	struct fixture *x = *state;
	sb_audit_entry three[] = {{"a", "", 0, 0}, {"b", "", 0, 0}, {"c", "", 0, 0}};
	size_t length, kept, starts[8], count;
	sb_audit_recovery recovery;
	sb_audit *audit = open_log(x);
	char *data, *known;

	must_append(x, audit, 1);
	known = slurp(x->state, &kept);
	assert_int_equal(sb_audit_append(audit, three, COUNT(three), &x->error), 0);
	sb_audit_close(audit);
	data = slurp(x->path, &length);
	count = split(data, length, starts, COUNT(starts));
	memset(data + starts[count - 2], 0, 200); /* of b */
	spill(x->path, data, length);
	spill(x->state, known, kept);
	audit = open_io(x, &sb_audit_system_io, &recovery);
	sb_audit_close(audit);
	assert_true(recovery.recovered);
	assert_int_equal(recovery.last_seq, 3);
	assert_int_equal(recovery.offset, starts[count - 2]);
	assert_true(verify(x, true).ok);
	free(known);
	free(data);
}

static void must_refuse(struct fixture *x, const char *what)
{
	sb_audit *audit;

	sb_error_init(&x->error);
	if (sb_audit_open(&audit, &x->options, NULL, &x->error) != -SB_KIND_AUDIT_FAILED)
		fail_msg("%s was accepted", what);
	assert_non_null(strstr(x->error.message, x->path));
}

static void test_refuses(void **state)
{
	struct fixture *x = *state;
	static const char letter[] = "Dear reader,\nthis is no log.\n";
	size_t length, now_length;
	char *data, *other, *now;

	spill(x->path, letter, sizeof letter - 1);
	must_refuse(x, "somebody's letter");
	now = slurp(x->path, &now_length);
	assert_string_equal(now, letter);
	free(now);
	spill(x->path, "root:x:0", 8);
	must_refuse(x, "a file without newline");

	other = make_log(x, 900, &length);
	data = make_log(x, 1500, &length);
	assert_int_equal(truncate(x->path, (off_t)(length / 2)), 0);
	must_refuse(x, "a log that lost its end");
	spill(x->path, "", 0);
	must_refuse(x, "an emptied log");
	spill(x->path, other, strlen(other));
	must_refuse(x, "another log in its place");
	unlinkat(AT_FDCWD, x->path, 0);
	must_refuse(x, "a vanished log");
	assert_non_null(strstr(x->error.message, "is missing"));
	spill(x->path, data, length);
	sb_audit_close(open_log(x)); /* put back: fine */
	x->options.path = "relative.jsonl";
	assert_int_equal(sb_audit_open(&(sb_audit *){NULL}, &x->options, NULL, &x->error),
		-SB_KIND_AUDIT_FAILED);
	free(other);
	free(data);
}

/* Only the end is read: a log whose middle is unreadable rubbish opens, verify names it. */
static void test_opens_by_the_end(void **state)
{
	struct fixture *x = *state;
	size_t length;
	char *data = make_log(x, 3 << 20, &length);
	sb_audit *audit;

	assert_true(length > 2 << 20);
	data[length / 4] ^= 1;
	spill(x->path, data, length);
	unlinkat(AT_FDCWD, x->state, 0);
	audit = open_log(x);
	must_append(x, audit, 1);
	sb_audit_close(audit);
	assert_false(verify(x, true).ok);
	free(data);
}

/* A long hole at the end hides every good line of the first window. */
static void test_long_hole(void **state)
{
	struct fixture *x = *state;
	size_t length;
	char *data = make_log(x, 600000, &length);
	sb_audit_recovery recovery;

	assert_int_equal(truncate(x->path, (off_t)(length + (2 << 20))), 0);
	unlinkat(AT_FDCWD, x->state, 0);
	sb_audit_close(open_io(x, &sb_audit_system_io, &recovery));
	assert_true(recovery.recovered);
	assert_int_equal(recovery.offset, length);
	assert_int_equal(recovery.length, 2 << 20);
	assert_true(verify(x, true).ok);
	free(data);
}

static void test_refuses_paths(void **state)
{
	struct fixture *x = *state;
	char link[128], nowhere[128];
	static const char victim[] = "somebody's";
	size_t length;
	char *data;

	snprintf(link, sizeof link, "%s/victim", x->folder);
	snprintf(nowhere, sizeof nowhere, "%s/none/audit.jsonl", x->folder);
	spill(link, victim, sizeof victim - 1);
	assert_int_equal(symlink(link, x->path), 0);
	must_refuse(x, "a symbolic link");
	data = slurp(link, &length);
	assert_string_equal(data, victim);
	free(data);
	unlinkat(AT_FDCWD, x->path, 0);
	assert_int_equal(mkfifo(x->path, 0600), 0);
	must_refuse(x, "a FIFO");
	unlinkat(AT_FDCWD, x->path, 0);
	unlinkat(AT_FDCWD, x->state, 0);
	assert_int_equal(symlink(link, x->state), 0);
	must_refuse(x, "a symbolic link as its state");
	x->options.path = nowhere;
	assert_int_equal(sb_audit_open(&(sb_audit *){NULL}, &x->options, NULL, &x->error),
		-SB_KIND_AUDIT_FAILED);
}

/* Somebody shortens the log under a running writer. */
static void test_cut_while_open(void **state)
{
	struct fixture *x = *state;
	sb_audit *audit = open_log(x);
	struct stat st;

	must_append(x, audit, 3);
	assert_int_equal(stat(x->path, &st), 0);
	assert_int_equal(truncate(x->path, st.st_size / 2), 0);
	assert_int_equal(append(audit, "e", "", NULL, &x->error), -SB_KIND_AUDIT_FAILED);
	assert_non_null(strstr(x->error.message, "became shorter"));
	sb_audit_close(audit);
}

/* --- Disks that fail ---------------------------------------------------------------------- */

/* Counters run down; at 0 the call fails, once or (sticky) for ever. */
static struct {
	int write_in, short_in, sync_in, truncate_in, any_in, error;
	bool sticky;
} fault;

static bool strikes(int *in)
{
	if (*in < 0 || (*in)-- > 0)
		return false;
	if (fault.sticky)
		*in = 0;
	return true;
}

static ssize_t faulty_write(int fd, const void *data, size_t length)
{
	if (strikes(&fault.short_in)) {
		fault.write_in = 0;
		return write(fd, data, length / 2);
	}
	if (strikes(&fault.any_in) || strikes(&fault.write_in)) {
		errno = fault.error;
		return -1;
	}
	return write(fd, data, length);
}

static int faulty_sync(int fd)
{
	if (strikes(&fault.any_in) || strikes(&fault.sync_in)) {
		errno = fault.error;
		return -1;
	}
	return fdatasync(fd);
}

static int faulty_truncate(int fd, off_t length)
{
	if (strikes(&fault.any_in) || strikes(&fault.truncate_in)) {
		errno = fault.error;
		return -1;
	}
	return ftruncate(fd, length);
}

static int faulty_allocate(int fd, int mode, off_t offset, off_t length)
{
	if (strikes(&fault.any_in)) {
		errno = fault.error;
		return -1;
	}
	return fallocate(fd, mode, offset, length);
}

static const sb_audit_io faulty_io = {faulty_write, faulty_sync, faulty_truncate, faulty_allocate};

static void no_fault(void)
{
	memset(&fault, 0xff, sizeof fault);
	fault.sticky = false;
	fault.error = EIO;
}

static void test_failed_writes(void **state)
{
	struct fixture *x = *state;
	static const struct {
		const char *why;
		int write_in, short_in, truncate_in, error;
		uint64_t last_seq; /* after two more appends */
	} rows[] = {
		{"disk full", 0, -1, -1, ENOSPC, 5},
		{"quota", 0, -1, -1, EDQUOT, 5},
		{"half a record, then full", -1, 0, -1, ENOSPC, 5},
		{"half a record that can't be cut", -1, 0, 0, EIO, 6}, /* + log_recovered */
		{"interrupted: written all the same", 0, -1, -1, EINTR, 6},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_audit *audit;
		uint64_t seq;
		int status;

		empty_folder(x);
		no_fault();
		audit = open_io(x, &faulty_io, NULL);
		must_append(x, audit, 2);
		fault.write_in = rows[i].write_in;
		fault.short_in = rows[i].short_in;
		fault.truncate_in = rows[i].truncate_in;
		fault.error = rows[i].error;
		status = append(audit, "lost", "", &seq, &x->error);
		if (rows[i].error != EINTR) {
			assert_int_equal(status, -SB_KIND_AUDIT_FAILED);
			assert_int_equal(x->error.sys_errno, rows[i].error);
			assert_int_equal(seq, 0);
		}
		no_fault();
		must_append(x, audit, 2);
		sb_audit_close(audit);
		if (!verify(x, true).ok || verify(x, true).last_seq != rows[i].last_seq)
			fail_msg("%s: %s, last seq %llu", rows[i].why, verify(x, true).why,
				(unsigned long long)verify(x, true).last_seq);
	}
}

static void test_reopens_after_torn_write(void **state)
{
	struct fixture *x = *state;
	sb_audit_recovery recovery;
	sb_audit *audit;

	no_fault();
	audit = open_io(x, &faulty_io, NULL);
	must_append(x, audit, 2);
	fault.short_in = fault.truncate_in = 0;
	assert_int_equal(append(audit, "lost", "", NULL, &x->error), -SB_KIND_AUDIT_FAILED);
	sb_audit_close(audit);
	assert_true(verify(x, true).torn_tail);
	audit = open_io(x, &sb_audit_system_io, &recovery);
	sb_audit_close(audit);
	assert_true(recovery.recovered);
	assert_int_equal(recovery.last_seq, 3);
	assert_true(verify(x, true).ok);
}

/* D4: the flush fails once; the file is never flushed again, the log goes on in a new one. */
static void test_failed_flush(void **state)
{
	struct fixture *x = *state;
	sb_audit *audit, *peer;
	char old[128], *data;
	size_t length;
	uint64_t seq;
	struct stat before, after, kept;

	no_fault();
	audit = open_io(x, &faulty_io, NULL);
	peer = open_io(x, &sb_audit_system_io, NULL);
	must_append(x, audit, 2);
	must_append(x, peer, 2); /* released by another: 5 is on disk */
	assert_int_equal(stat(x->path, &before), 0);
	fault.sync_in = 0;
	assert_int_equal(append(audit, "lost", "", &seq, &x->error), -SB_KIND_AUDIT_FAILED);
	assert_int_equal(seq, 0);
	assert_int_equal(stat(x->path, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	snprintf(old, sizeof old, "%s.5", x->path);
	assert_int_equal(stat(old, &kept), 0);
	assert_int_equal(before.st_ino, kept.st_ino);
	data = slurp(x->path, &length);
	assert_non_null(strstr(data, "{\"seq\":6,"));
	assert_non_null(strstr(data, "\"voids\":{\"from_seq\":6,"));
	free(data);

	must_append(x, peer, 1); /* notices the new file by itself */
	must_append(x, audit, 1);
	sb_audit_close(peer);
	sb_audit_close(audit);
	assert_true(verify(x, true).ok);
	assert_int_equal(verify(x, true).first_seq, 6);
	assert_int_equal(verify(x, true).last_seq, 8);
	sb_audit_close(open_log(x));
	spill(x->path, "", 0);
	must_refuse(x, "the new file emptied");
}

/* Is this text in any file of the folder? */
static bool stored(const struct fixture *x, const char *text)
{
	DIR *dir = opendir(x->folder);
	struct dirent *entry;
	bool found = false;

	while (!found && (entry = readdir(dir)) != NULL) {
		char name[400], *data;
		size_t length;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "%s/%s", x->folder, entry->d_name);
		data = slurp(name, &length);
		found = memmem(data, length, text, strlen(text)) != NULL;
		free(data);
	}
	closedir(dir);
	return found;
}

/* Open, five appends, reopen, five more; returns what was acknowledged, a bit each. */
static unsigned eventful_life(struct fixture *x)
{
	unsigned acknowledged = 0;

	for (int life = 0; life < 2; life++) {
		sb_audit *audit;

		if (sb_audit_open_with(&audit, &x->options, &faulty_io, NULL, &x->error) != 0)
			continue;
		for (int i = life * 5; i < life * 5 + 5; i++) {
			char body[32];
			snprintf(body, sizeof body, "\"tag\":\"t%d\"", i);
			if (append(audit, "e", body, NULL, &x->error) == 0)
				acknowledged |= 1u << i;
		}
		sb_audit_close(audit);
	}
	return acknowledged;
}

/* D1: every call fails, once, and from there on for ever. What was acknowledged is stored,
 * and once the disk is well the log opens, verifies and goes on. */
static void test_every_call_fails(void **state)
{
	struct fixture *x = *state;
	static const int errors[] = {EIO, ENOSPC, EDQUOT, EROFS};
	bool reached = true;

	x->options.reserve = 1 << 16;
	for (int k = 0; reached; k++)
		for (size_t e = 0; e < 2 * COUNT(errors); e++) {
			unsigned acknowledged;
			sb_audit *audit;

			empty_folder(x);
			no_fault();
			fault.any_in = k;
			fault.sticky = e % 2 != 0;
			fault.error = errors[e / 2];
			acknowledged = eventful_life(x);
			reached = fault.any_in <= 0;
			no_fault();
			audit = open_log(x);
			must_append(x, audit, 1);
			sb_audit_close(audit);
			if (!verify(x, true).ok)
				fail_msg("call %d, %s: %s", k, strerror(errors[e / 2]),
					verify(x, true).why);
			for (int i = 0; i < 10; i++) {
				char text[16];
				snprintf(text, sizeof text, "\"t%d\"", i);
				if ((acknowledged >> i & 1) != 0 && !stored(x, text))
					fail_msg("call %d: record %d was acknowledged", k, i);
			}
			if (!reached)
				assert_int_equal(acknowledged, 0x3ff);
		}
}

static char *after_failed_flush(struct fixture *x, sb_audit_state *before)
{
	sb_audit *audit;
	size_t length;
	int fd;
	char *old;

	empty_folder(x);
	no_fault();
	audit = open_io(x, &faulty_io, NULL);
	must_append(x, audit, 3);
	old = slurp(x->path, &length);
	fd = open(x->state, O_RDONLY);
	assert_int_equal(sb_audit_state_read(fd, before), 1);
	close(fd);
	fault.sync_in = 0;
	assert_int_equal(append(audit, "lost", "", NULL, &x->error), -SB_KIND_AUDIT_FAILED);
	must_append(x, audit, 1);
	sb_audit_close(audit);
	return old;
}

static void keep_state(const struct fixture *x, const sb_audit_state *kept)
{
	int fd = open(x->state, O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(sb_audit_state_publish(fd, kept), 0);
	close(fd);
}

/* Log and kept state that don't fit: verify and open agree on what is acceptable. */
static void test_state_against_log(void **state)
{
	struct fixture *x = *state;
	enum { OLD_FILE, OLD_STATE, WRONG_HEAD, TOO_NEW, OTHER_LOG, CHANGED, CASES };
	static const char *const why[CASES] = {"yesterday's file put back",
		"a state from before the new file", "a state with another head before the new file",
		"a file that begins inside of what was on disk", "the state of another log",
		"a record other than the known one"};

	for (int i = 0; i < CASES; i++) {
		sb_audit_state before;
		char *old = after_failed_flush(x, &before);
		sb_audit *audit = NULL;
		sb_audit_verdict verdict;
		int status;

		if (i == WRONG_HEAD)
			before.hash[0] = before.hash[0] == '0' ? '1' : '0';
		if (i == TOO_NEW)
			before.seq++;
		if (i == OTHER_LOG)
			before.log_id[0] = before.log_id[0] == '0' ? '1' : '0';
		if (i == OLD_FILE)
			spill(x->path, old, strlen(old));
		else if (i != CHANGED)
			keep_state(x, &before);
		if (i == CHANGED) {
			int fd = open(x->state, O_RDONLY);
			assert_int_equal(sb_audit_state_read(fd, &before), 1);
			close(fd);
			before.hash[0] = before.hash[0] == '0' ? '1' : '0';
			keep_state(x, &before);
		}
		verdict = verify(x, true);
		status = sb_audit_open(&audit, &x->options, NULL, &x->error);
		sb_audit_close(audit);
		if ((status == 0) != (i == OLD_STATE))
			fail_msg("open, %s: %s", why[i], x->error.message);
		if (verdict.ok != (i == OLD_STATE))
			fail_msg("verify, %s: %s", why[i], verdict.why);
		free(old);
	}
}

/* The disk is gone altogether: appends fail, and work again once it is back. */
static void test_dead_disk(void **state)
{
	struct fixture *x = *state;
	sb_audit *audit;

	no_fault();
	audit = open_io(x, &faulty_io, NULL);
	must_append(x, audit, 1);
	fault.sync_in = 0;
	fault.sticky = true;
	for (int i = 0; i < 3; i++)
		assert_int_equal(append(audit, "lost", "", NULL, &x->error), -SB_KIND_AUDIT_FAILED);
	no_fault();
	must_append(x, audit, 2);
	sb_audit_close(audit);
	assert_true(verify(x, true).ok);
	assert_int_equal(verify(x, true).first_seq, 3);
}

/* Whoever flushes a file that another has voided in the meantime must not release. */
static void test_voided_publish(void **state)
{
	struct fixture *x = *state;
	sb_audit_state known, late;
	int fd;

	sb_audit_close(open_log(x));
	fd = open(x->state, O_RDWR);
	assert_int_equal(sb_audit_state_read(fd, &known), 1);
	late = known;
	late.seq = 9;
	known.first = known.seq = 5;
	assert_int_equal(sb_audit_state_publish(fd, &known), 0);
	assert_int_equal(sb_audit_state_publish(fd, &late), 1);
	late = known;
	late.seq = 4; /* older news of the same file */
	assert_int_equal(sb_audit_state_publish(fd, &late), 0);
	assert_int_equal(sb_audit_state_read(fd, &late), 1);
	assert_int_equal(late.seq, 5);
	close(fd);
}

/* A torn slot costs the newest claim at most. */
static void test_torn_state(void **state)
{
	struct fixture *x = *state;
	sb_audit_state known;
	sb_audit *audit = open_log(x);
	size_t length;
	char *data;
	int fd;

	must_append(x, audit, 4);
	sb_audit_close(audit);
	data = slurp(x->state, &length);
	for (size_t i = 0; i < 200; i++) {
		data[i] ^= 1;
		spill(x->state, data, length);
		fd = open(x->state, O_RDONLY);
		assert_int_equal(sb_audit_state_read(fd, &known), 1);
		assert_true(known.seq == 5 || known.seq == 4);
		close(fd);
		data[i] ^= 1;
	}
	free(data);
}

/* --- Threads, several handles ------------------------------------------------------------- */

enum { THREADS = 16, APPENDS = 60 };

struct worker {
	sb_audit *audit;
	uint64_t seqs[APPENDS];
};

static void *work(void *data)
{
	struct worker *worker = data;

	for (int i = 0; i < APPENDS; i++) {
		sb_audit_entry three[] = {{"scan_started", "\"a\":1", 5, 0},
			{"scan_completed", "\"b\":2", 5, 0}, {"policy_decision", "\"c\":3", 5, 0}};
		sb_error error;

		sb_error_init(&error);
		if (sb_audit_append(worker->audit, three, 3, &error) != 0)
			return worker;
		if (three[1].seq != three[0].seq + 1 || three[2].seq != three[0].seq + 2)
			return worker;
		worker->seqs[i] = three[0].seq;
	}
	return NULL;
}

static void run_threads(struct fixture *x, sb_audit_sync sync)
{
	static struct worker workers[THREADS];
	pthread_t threads[THREADS];
	sb_audit *audits[2];
	bool *seen = calloc(THREADS * APPENDS * 3 + 2, 1);

	empty_folder(x);
	x->options.sync = sync;
	audits[0] = open_log(x);
	audits[1] = open_log(x); /* like another process */
	for (int i = 0; i < THREADS; i++) {
		workers[i].audit = audits[i % 2];
		pthread_create(&threads[i], NULL, work, &workers[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		assert_null(failed);
		for (int k = 0; k < APPENDS; k++) {
			uint64_t seq = workers[i].seqs[k];
			assert_true(seq >= 2 && seq <= THREADS * APPENDS * 3);
			assert_false(seen[seq]);
			seen[seq] = true;
		}
	}
	sb_audit_close(audits[0]);
	sb_audit_close(audits[1]);
	free(seen);
	assert_true(verify(x, true).ok);
	assert_int_equal(verify(x, true).records, THREADS * APPENDS * 3 + 1);
}

static void test_threads(void **state)
{
	run_threads(*state, SB_AUDIT_SYNC_GROUP);
	run_threads(*state, SB_AUDIT_SYNC_EACH);
	run_threads(*state, SB_AUDIT_SYNC_NONE);
}

static void test_reserve(void **state)
{
	struct fixture *x = *state;
	sb_audit *audit;
	struct stat st;

	x->options.reserve = 1 << 20;
	audit = open_log(x);
	must_append(x, audit, 3);
	assert_int_equal(stat(x->path, &st), 0);
	sb_audit_close(audit);
	assert_true(st.st_size < 4096);
	if (st.st_blocks * 512 < 4096) /* a file system without fallocate */
		skip();
	assert_true(st.st_blocks * 512 >= 1 << 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_format),
		TEST(test_odd_names),
		TEST(test_refused_entries),
		TEST(test_clock_step),
		TEST(test_every_bit),
		TEST(test_every_byte),
		TEST(test_every_record),
		TEST(test_every_cut),
		TEST(test_wrong_lines),
		TEST(test_wrong_beginnings),
		TEST(test_recovers_every_tear),
		TEST(test_recovers_unborn),
		TEST(test_damage),
		TEST(test_hole),
		TEST(test_refuses),
		TEST(test_opens_by_the_end),
		TEST(test_long_hole),
		TEST(test_refuses_paths),
		TEST(test_cut_while_open),
		TEST(test_failed_writes),
		TEST(test_reopens_after_torn_write),
		TEST(test_failed_flush),
		TEST(test_state_against_log),
		TEST(test_every_call_fails),
		TEST(test_dead_disk),
		TEST(test_voided_publish),
		TEST(test_torn_state),
		TEST(test_threads),
		TEST(test_reserve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
