/* SPDX-License-Identifier: MIT */
/*
 * One audit log, several processes: a single chain comes out, whoever is killed. A child
 * tells us through a pipe what was acknowledged to it, as a client would remember a verdict;
 * afterwards every acknowledged record must be in the log (I3, A5), and the log must verify
 * (I5) after an opening that mended what there was to mend by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit.h"
#include "util/io.h"

static char folder[64], path[96];

static int set_up(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	snprintf(folder, sizeof folder, "%.32s/sb-audit-XXXXXX", base ? base : "/tmp");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/audit.jsonl", folder);
	return 0;
}

static int tear_down(void **state)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	(void)state;
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	return rmdir(folder);
}

static sb_audit *open_log(uint64_t reserve, sb_audit_recovery *recovery)
{
	sb_audit_options options = {.path = path, .reserve = reserve, .clock = sb_clock_system()};
	sb_audit *audit = NULL;
	sb_error error;

	sb_error_init(&error);
	if (sb_audit_open(&audit, &options, recovery, &error) != 0) {
		fprintf(stderr, "%s\n", error.message);
		return NULL;
	}
	return audit;
}

static void must_verify(uint64_t records)
{
	sb_audit_verdict verdict;
	sb_error error;

	sb_error_init(&error);
	if (sb_audit_verify(path, true, &verdict, &error) != 0)
		fail_msg("%s", error.message);
	if (!verdict.ok)
		fail_msg("line %llu: %s", (unsigned long long)verdict.bad_line, verdict.why);
	if (records > 0)
		assert_int_equal(verdict.records, records);
}

/* --- Eight writers ------------------------------------------------------------------------ */

enum { WRITERS = 8, APPENDS = 2000 };

static int write_many(int writer)
{
	sb_audit *audit = open_log(0, NULL);

	for (int i = 0; audit != NULL && i < APPENDS; i++) {
		char body[64];
		int length =
			snprintf(body, sizeof body, "\"writer_number\":%d,\"i\":%d", writer, i);
		sb_audit_entry entry = {"scan_completed", body, (size_t)length, 0};
		if (sb_audit_append(audit, &entry, 1, NULL) != 0)
			return 1;
	}
	sb_audit_close(audit);
	return audit != NULL ? 0 : 1;
}

static void test_one_chain(void **state)
{
	(void)state;
	for (int i = 0; i < WRITERS; i++) {
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			_exit(write_many(i));
	}
	for (int i = 0; i < WRITERS; i++) {
		int status;
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	must_verify(WRITERS * APPENDS + 1);
}

/* --- kill -9 ------------------------------------------------------------------------------ */

struct ack {
	uint64_t seq, tag;
};

enum { VICTIMS = 3, GROUP = 24, ROUNDS = 60, ACKS_MAX = 200000 };

static struct ack acks[ACKS_MAX];
static size_t ack_count;

/* Groups of large records, so that a kill has a chance to fall into a write. */
static void be_victim(int out, uint64_t tag)
{
	static char bodies[GROUP][4096];
	sb_audit *audit = open_log(1 << 20, NULL);

	while (audit != NULL) {
		sb_audit_entry entries[GROUP];
		struct ack done[GROUP];

		for (int i = 0; i < GROUP; i++) {
			int length = snprintf(bodies[i], sizeof bodies[i],
				"\"tag\":%llu,\"text\":\"%0*d\"",
				(unsigned long long)tag + (unsigned)i, (int)(tag % 3000), 0);
			entries[i] =
				(sb_audit_entry){"scan_completed", bodies[i], (size_t)length, 0};
		}
		if (sb_audit_append(audit, entries, GROUP, NULL) != 0)
			_exit(1);
		for (int i = 0; i < GROUP; i++)
			done[i] = (struct ack){entries[i].seq, tag + (unsigned)i};
		if (sb_write_all(out, done, sizeof done) != 0)
			_exit(1);
		tag += GROUP;
	}
	_exit(1);
}

/* Until @p want acknowledgements came, then kill, then take what is left in the pipe. */
static void one_round(unsigned round, unsigned want)
{
	pid_t victims[VICTIMS];
	int ends[2];
	unsigned got = 0;
	struct ack ack;

	assert_int_equal(pipe(ends), 0);
	for (unsigned i = 0; i < VICTIMS; i++) {
		victims[i] = fork();
		assert_true(victims[i] >= 0);
		if (victims[i] == 0) {
			close(ends[0]);
			be_victim(ends[1], ((uint64_t)round * VICTIMS + i) << 32);
		}
	}
	close(ends[1]);
	for (;;) {
		ssize_t n = sb_read_full(ends[0], &ack, sizeof ack);
		if (n != (ssize_t)sizeof ack)
			break;
		assert_true(ack_count < ACKS_MAX);
		acks[ack_count++] = ack;
		if (++got == want)
			for (int i = 0; i < VICTIMS; i++)
				kill(victims[i], SIGKILL);
	}
	close(ends[0]);
	for (int i = 0; i < VICTIMS; i++) {
		int status;
		assert_int_equal(waitpid(victims[i], &status, 0), victims[i]);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

static int by_seq(const void *a, const void *b)
{
	const struct ack *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* The log read once, the acknowledgements sorted: all of them must come by. */
static void must_hold_all_acks(void)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t room = 0, next = 0;

	assert_non_null(file);
	qsort(acks, ack_count, sizeof acks[0], by_seq);
	while (next < ack_count && getline(&line, &room, file) > 0) {
		unsigned long long seq = strtoull(line + 7, NULL, 10);
		const char *tag = strstr(line, "\"tag\":");

		if (seq != acks[next].seq)
			continue;
		assert_non_null(tag);
		assert_int_equal(strtoull(tag + 6, NULL, 10), acks[next].tag);
		next++;
	}
	free(line);
	fclose(file);
	assert_int_equal(next, ack_count);
}

static void test_kill(void **state)
{
	unsigned recovered = 0;
	time_t start = time(NULL);
	unsigned seed = (unsigned)start;

	(void)state;
	print_message("seed %u\n", seed);
	for (unsigned round = 0; round < ROUNDS && time(NULL) - start < 8; round++) {
		sb_audit_recovery recovery;
		sb_audit *audit;

		one_round(round, 1 + (unsigned)rand_r(&seed) % 300);
		audit = open_log(1 << 20, &recovery);
		assert_non_null(audit);
		sb_audit_close(audit);
		recovered += recovery.recovered;
		must_verify(0);
	}
	must_hold_all_acks();
	print_message("%zu acknowledged records, %u torn ends mended\n", ack_count, recovered);
}

/* --- A full disk -------------------------------------------------------------------------- */

static void fill_disk(const char *name)
{
	static const char zeros[4096];
	int fd = open(name, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	while (write(fd, zeros, sizeof zeros) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static unsigned append_until_full(sb_audit *audit)
{
	sb_audit_entry entry = {"scan_completed", "\"outcome\":\"clean\"", 17, 0};
	unsigned count = 0;
	sb_error error;

	sb_error_init(&error);
	while (sb_audit_append(audit, &entry, 1, &error) == 0)
		assert_true(++count < 100000);
	assert_int_equal(sb_error_kind(&error), SB_KIND_AUDIT_FAILED);
	assert_int_equal(sb_error_sys_errno(&error), ENOSPC);
	return count;
}

/* The reserve takes records when nothing else fits; after that no verdict is released, and
 * once there is room again the log goes on. */
static void test_full_disk(void **state)
{
	enum { RESERVE = 256 << 10, LINE = 290 };
	char filler[96];
	sb_audit *audit;
	unsigned count;

	(void)state;
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		mount("none", folder, "tmpfs", 0, "size=1m,mode=0700") != 0)
		skip();
	snprintf(filler, sizeof filler, "%s/filler", folder);
	audit = open_log(RESERVE, NULL);
	assert_non_null(audit);
	fill_disk(filler);
	count = append_until_full(audit);
	if (count < RESERVE / 8 * 7 / LINE)
		fail_msg("only %u records", count);
	must_verify(count + 1);
	assert_int_equal(unlinkat(AT_FDCWD, filler, 0), 0);
	count += append_until_full(audit);
	sb_audit_close(audit);
	must_verify(count + 1);
	assert_int_equal(umount(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_chain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kill, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
