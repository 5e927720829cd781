/* SPDX-License-Identifier: MIT */
/*
 * Disks that fail on command (D1, D4): what was acknowledged is stored, and the log opens, verifies
 * and goes on once the disk is well.
 */
#include "audit/audit_scene.h"
#include "audit/state.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_failed_writes),
		TEST(test_reopens_after_torn_write),
		TEST(test_failed_flush),
		TEST(test_state_against_log),
		TEST(test_every_call_fails),
		TEST(test_dead_disk),
		TEST(test_voided_publish),
		TEST(test_torn_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
