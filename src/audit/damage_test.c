/* SPDX-License-Identifier: MIT */
/*
 * A log that is not as it was written: every way to tamper with it is noticed (A1), every cut that
 * a crash can leave is recovered, and what is no log of ours is refused.
 */
#include "audit/audit_scene.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
