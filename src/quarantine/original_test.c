/* SPDX-License-Identifier: MIT */
/*
 * Originals: removed only when they are what was scanned, and put anywhere only when they may
 * be (T5, T6). Against somebody who swaps files, links and folders all the while (P6): nothing
 * outside is touched, and no loss goes unsaid.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quarantine/record.h"
#include "util/io.h"
#include "util/scratch.h"

#define MINUTE (UINT64_C(60) * 1000000000)

struct fixture {
	char folder[64], dir[96], in[96], out[96];
	int in_fd, out_fd;
	sb_clock *clock;
	sb_quarantine_options options;
	sb_quarantine *q;
	sb_error error;
	unsigned events[SB_Q_EVENT_COUNT_];
	int refuse;
};

static int hear(void *data, sb_quarantine_event event, const sb_quarantine_record *record,
	const char *reason, const char *detail, sb_error *error)
{
	struct fixture *x = data;

	(void)record;
	(void)reason;
	(void)detail;
	if ((int)event == x->refuse)
		return sb_error_set(error, SB_KIND_AUDIT_FAILED, 0, "the log is full");
	x->events[event]++;
	return 0;
}

static void open_store(struct fixture *x)
{
	sb_store_files_options files = {.dir = x->dir};
	void *self;

	sb_error_init(&x->error);
	if (sb_store_files_open(&self, &files, &x->error) != SB_Q_OK ||
		sb_quarantine_new(&x->q, &sb_store_files_ops, self, &x->options, &x->error) !=
			SB_Q_OK)
		fail_msg("%s", x->error.message);
}

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);

	if (!sb_scratch_make(x->folder, "original", true))
		return -1;
	snprintf(x->dir, sizeof x->dir, "%s/quarantine", x->folder);
	snprintf(x->in, sizeof x->in, "%s/in", x->folder);
	snprintf(x->out, sizeof x->out, "%s/out", x->folder);
	mkdir(x->in, 0755);
	mkdir(x->out, 0755);
	x->in_fd = open(x->in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	x->out_fd = open(x->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	x->clock = sb_clock_fake_new();
	x->refuse = -1;
	x->options = (sb_quarantine_options){.hooks = {hear, x}, .clock = x->clock};
	open_store(x);
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	sb_quarantine_close(x->q);
	close(x->in_fd);
	close(x->out_fd);
	sb_scratch_remove(x->folder);
	sb_clock_fake_free(x->clock);
	free(x);
	return 0;
}

/* --- Making and looking ---------------------------------------------------------------------- */

static void make(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(sb_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static bool holds(int dir, const char *name, const char *text)
{
	char data[256];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd >= 0 ? sb_read_full(fd, data, sizeof data) : -1;

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) && memcmp(data, text, (size_t)n) == 0;
}

static unsigned count_names(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fdopendir(fd);
	unsigned count = 0;

	while (readdir(stream) != NULL)
		count++;
	closedir(stream);
	return count - 2;
}

/* Scan and keep: the state of the file as it was read. */
static void scan(struct fixture *x, const char *name, sb_outcome outcome,
	char id[SB_QUARANTINE_ID_SIZE], sb_quarantine_original *out)
{
	int fd = openat(x->in_fd, name, O_RDONLY | O_CLOEXEC);
	sb_quarantine_record record = {
		.state = SB_Q_QUARANTINED, .outcome = outcome, .path = x->in};
	uint8_t blake3[32], sha256[32] = {0};
	sb_quarantine_content content = {sb_quarantine_read_fd, &fd, 0, blake3, sha256};

	record.path_length = strlen(x->in);
	*out = (sb_quarantine_original){.parent = x->in_fd, .path = x->in, .name = name};
	assert_int_equal(fstat(fd, &out->scanned), 0);
	content.size = (uint64_t)out->scanned.st_size;
	assert_int_equal(sb_blake3_file(fd, content.size, 1, blake3, &x->error), 0);
	if (sb_quarantine_commit(x->q, &content, &record, NULL, &x->error) != SB_Q_OK)
		fail_msg("%s", x->error.message);
	memcpy(id, record.id, SB_QUARANTINE_ID_SIZE);
	close(fd);
}

static void must(struct fixture *x, sb_quarantine_status status, sb_quarantine_status want)
{
	if (status != want)
		fail_msg("%s instead of %s: %s", sb_quarantine_status_name(status),
			sb_quarantine_status_name(want), x->error.message);
	sb_error_init(&x->error);
}

static sb_quarantine_status remove_it(
	struct fixture *x, const char *id, const sb_quarantine_original *original, uint64_t *links)
{
	return sb_quarantine_remove_original(x->q, id, original, links, &x->error);
}

/* --- Removing -------------------------------------------------------------------------------- */

static void test_remove(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE];
	sb_quarantine_original original;
	uint64_t links;

	make(x->in_fd, "bad", "infected");
	scan(x, "bad", SB_OUTCOME_INFECTED, id, &original);
	x->refuse = SB_Q_EVENT_REMOVE_INTENT;
	must(x, remove_it(x, id, &original, NULL), SB_Q_AUDIT);
	assert_true(holds(x->in_fd, "bad", "infected"));
	x->refuse = -1;
	must(x, remove_it(x, id, &original, &links), SB_Q_OK);
	assert_int_equal(links, 0);
	assert_int_equal(count_names(x->in_fd), 0);
	assert_int_equal(x->events[SB_Q_EVENT_REMOVED], 1);
	must(x, remove_it(x, id, &original, NULL), SB_Q_CHANGED);
	must(x, sb_quarantine_delete(x->q, id, NULL, &x->error), SB_Q_OK);
	make(x->in_fd, "bad", "infected");
	must(x, remove_it(x, id, &original, NULL), SB_Q_NOT_FOUND);
	assert_true(holds(x->in_fd, "bad", "infected"));
}

static void test_remove_links(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE];
	sb_quarantine_original original;
	uint64_t links;

	make(x->in_fd, "bad", "infected");
	assert_int_equal(linkat(x->in_fd, "bad", x->out_fd, "other", 0), 0);
	scan(x, "bad", SB_OUTCOME_INFECTED, id, &original);
	must(x, remove_it(x, id, &original, &links), SB_Q_OK);
	assert_int_equal(links, 1);
	assert_true(holds(x->out_fd, "other", "infected"));
}

static void test_remove_not_infected(void **state)
{
	static const sb_outcome outcomes[] = {
		SB_OUTCOME_ERROR, SB_OUTCOME_CLEAN, SB_OUTCOME_SUSPICIOUS};
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE];
	sb_quarantine_original original;

	for (unsigned i = 0; i < 3; i++) {
		char text[8] = {(char)('a' + i)};
		make(x->in_fd, "file", text);
		scan(x, "file", outcomes[i], id, &original);
		must(x, remove_it(x, id, &original, NULL), SB_Q_REFUSED);
		assert_true(holds(x->in_fd, "file", text));
	}
}

/* What may have happened since the scan; the file, whatever it is now, stays. */
static void replace_it(struct fixture *x)
{
	make(x->in_fd, "new", "infected");
	assert_int_equal(renameat(x->in_fd, "new", x->in_fd, "bad"), 0);
}

static void link_it(struct fixture *x)
{
	make(x->out_fd, "victim", "infected");
	unlinkat(x->in_fd, "bad", 0);
	assert_int_equal(symlinkat("../out/victim", x->in_fd, "bad"), 0);
}

static void write_it(struct fixture *x)
{
	make(x->in_fd, "bad", "disinfec");
}

static void touch_it(struct fixture *x)
{
	struct timespec past[2] = {{1, 0}, {1, 0}};
	assert_int_equal(utimensat(x->in_fd, "bad", past, 0), 0);
}

static void mode_it(struct fixture *x)
{
	assert_int_equal(fchmodat(x->in_fd, "bad", 0600, 0), 0); /* only ctime tells */
}

static void folder_it(struct fixture *x)
{
	unlinkat(x->in_fd, "bad", 0);
	assert_int_equal(mkdirat(x->in_fd, "bad", 0755), 0);
}

static void remove_before(struct fixture *x)
{
	unlinkat(x->in_fd, "bad", 0);
}

static void test_remove_changed(void **state)
{
	static void (*const changes[])(struct fixture * x) = {
		replace_it, link_it, write_it, touch_it, mode_it, folder_it, remove_before};
	struct fixture *x = *state;

	for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		char id[SB_QUARANTINE_ID_SIZE];
		sb_quarantine_original original;
		unsigned names;

		make(x->in_fd, "bad", "infected");
		scan(x, "bad", SB_OUTCOME_INFECTED, id, &original);
		changes[i](x);
		names = count_names(x->in_fd);
		must(x, remove_it(x, id, &original, NULL), SB_Q_CHANGED);
		assert_int_equal(count_names(x->in_fd), names);
		if (changes[i] == link_it)
			assert_true(holds(x->out_fd, "victim", "infected"));
		if (unlinkat(x->in_fd, "bad", 0) != 0)
			unlinkat(x->in_fd, "bad", AT_REMOVEDIR);
	}
	assert_int_equal(x->events[SB_Q_EVENT_REMOVED], 0);
}

/* Q5: the breaker stops removal, and nothing else; it outlives the process. */
static void test_rate(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE];
	sb_quarantine_original original;

	x->options.max_per_hour = 3;
	for (unsigned i = 0; i < 8; i++) {
		char text[16];
		sb_quarantine_close(x->q);
		open_store(x);
		snprintf(text, sizeof text, "infected %u", i);
		make(x->in_fd, "bad", text);
		scan(x, "bad", SB_OUTCOME_INFECTED, id, &original);
		must(x, remove_it(x, id, &original, NULL), i % 4 == 3 ? SB_Q_RATE : SB_Q_OK);
		if (i % 4 == 3) {
			assert_true(holds(x->in_fd, "bad", text));
			sb_clock_fake_turn(x->clock, 61 * MINUTE);
		}
	}
	assert_int_equal(x->events[SB_Q_EVENT_STORED], 8);
}

/* --- Restoring ------------------------------------------------------------------------------- */

static int judge(void *data, int fd, const sb_quarantine_record *record, sb_error *error)
{
	char text[64] = "";

	(void)record;
	if (pread(fd, text, sizeof text - 1, 0) < 0 || data != NULL)
		return sb_error_set(error, SB_KIND_INTERNAL, 0, "still infected");
	return strcmp(text, "infected") == 0 ? 0 : -1;
}

static void test_restore(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "/etc/x"};
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE];
	sb_quarantine_original original;
	sb_quarantine_target target = {.folder = x->out_fd, .name = "odd: \xff\n", .rescan = judge};
	struct stat st;

	make(x->in_fd, "bad", "infected");
	scan(x, "bad", SB_OUTCOME_INFECTED, id, &original);
	target.data = x;
	must(x, sb_quarantine_restore_at(x->q, id, &target, &x->error), SB_Q_REFUSED);
	assert_int_equal(count_names(x->out_fd), 0);
	target.data = NULL;
	x->refuse = SB_Q_EVENT_RESTORE_INTENT;
	must(x, sb_quarantine_restore_at(x->q, id, &target, &x->error), SB_Q_AUDIT);
	assert_int_equal(count_names(x->out_fd), 0);
	x->refuse = -1;
	mode_t old = umask(0);
	must(x, sb_quarantine_restore_at(x->q, id, &target, &x->error), SB_Q_OK);
	umask(old);
	assert_true(holds(x->out_fd, target.name, "infected"));
	assert_int_equal(fstatat(x->out_fd, target.name, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	make(x->out_fd, target.name, "precious");
	must(x, sb_quarantine_restore_at(x->q, id, &target, &x->error), SB_Q_EXISTS);
	assert_true(holds(x->out_fd, target.name, "precious"));
	assert_int_equal(symlinkat("nowhere", x->out_fd, "link"), 0);
	target.name = "link";
	must(x, sb_quarantine_restore_at(x->q, id, &target, &x->error), SB_Q_EXISTS);
	assert_int_equal(count_names(x->out_fd), 2);
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		target.name = bad[i];
		must(x, sb_quarantine_restore_at(x->q, id, &target, &x->error), SB_Q_REFUSED);
	}
	assert_int_equal(count_names(x->out_fd), 2);
	assert_int_equal(x->events[SB_Q_EVENT_RESTORED], 1);
}

static void test_targets(void **state)
{
	struct fixture *x = *state;
	int fd = sb_quarantine_open_target(x->folder, "out", &x->error);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(
		symlinkat("out", openat(x->in_fd, "..", O_RDONLY | O_DIRECTORY), "link"), 0);
	assert_int_equal(sb_quarantine_open_target(x->folder, "link", &x->error), -1);
	assert_int_equal(sb_quarantine_open_target(x->out, "../in", &x->error), -1);
	assert_int_equal(sb_quarantine_open_target(x->out, "/etc", &x->error), -1);
	assert_int_equal(sb_quarantine_open_target("/", "proc", &x->error), -1);
	fd = sb_quarantine_open_target(NULL, x->out, &x->error);
	assert_true(fd >= 0);
	close(fd);
}

/* --- Races ----------------------------------------------------------------------------------- */

struct attack {
	struct fixture *x;
	_Atomic bool stop;
	_Atomic uint64_t swaps;
};

/* Whoever may write to the folder also sees the random name, for as long as it lives. */
static void swap_siblings(int in, int out)
{
	int fd = openat(in, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, ".sb-", 4) == 0 &&
			linkat(out, "victim", in, "other", 0) == 0)
			renameat(in, "other", in, entry->d_name);
	closedir(dir);
	unlinkat(in, "other", 0);
}

/* The name is in turn the file, a link out, another file, a folder link, a hard link. */
static void *swap_all_the_time(void *data)
{
	struct attack *a = data;
	int in = a->x->in_fd, out = a->x->out_fd;

	for (uint64_t i = 0; !a->stop; i++) {
		bool made;

		if (i % 4 == 0)
			made = symlinkat("../out/victim", in, "trap") == 0;
		else if (i % 4 == 1)
			made = linkat(out, "victim", in, "trap", 0) == 0;
		else if (i % 4 == 2)
			made = symlinkat("../out", in, "trap") == 0;
		else
			made = linkat(out, "scanned", in, "trap", 0) == 0;
		if (renameat2(in, "trap", in, "bad", RENAME_EXCHANGE) != 0)
			renameat(in, "trap", in, "bad");
		unlinkat(in, "trap", 0);
		if (i % 8 == 0)
			swap_siblings(in, out);
		a->swaps += made;
	}
	return NULL;
}

static void restore_all_the_time(struct fixture *x, const char *id)
{
	sb_quarantine_target target = {.folder = x->in_fd, .name = "bad"};
	sb_quarantine_status status = sb_quarantine_restore_at(x->q, id, &target, &x->error);

	if (status != SB_Q_OK && status != SB_Q_EXISTS)
		fail_msg("%s", x->error.message);
}

/* SB_RACE_SWAPS=1000000 for the long form. */
static void test_race(void **state)
{
	struct fixture *x = *state;
	const char *wanted = getenv("SB_RACE_SWAPS");
	uint64_t swaps = wanted != NULL ? strtoull(wanted, NULL, 10) : 20000;
	uint64_t removed = 0, changed = 0, tries = 0;
	struct attack attack = {.x = x};
	sb_quarantine_original original;
	char id[SB_QUARANTINE_ID_SIZE];
	struct stat victim, now;
	pthread_t thread;

	make(x->out_fd, "victim", "infected");
	make(x->in_fd, "bad", "infected");
	assert_int_equal(linkat(x->in_fd, "bad", x->out_fd, "scanned", 0), 0);
	assert_int_equal(fstatat(x->out_fd, "victim", &victim, 0), 0);
	scan(x, "bad", SB_OUTCOME_INFECTED, id, &original);
	x->options.hooks.event = NULL;
	assert_int_equal(pthread_create(&thread, NULL, swap_all_the_time, &attack), 0);
	for (; attack.swaps < swaps || tries < swaps / 10; tries++) {
		sb_quarantine_status status;
		/* The attacker's links move ctime; the file is the scanned one all the same. */
		fstatat(x->out_fd, "scanned", &original.scanned, 0);
		status = remove_it(x, id, &original, NULL);
		removed += status == SB_Q_OK;
		changed += status == SB_Q_CHANGED;
		if (status != SB_Q_OK && status != SB_Q_CHANGED)
			fail_msg("%s: %s", sb_quarantine_status_name(status), x->error.message);
		restore_all_the_time(x, id);
	}
	attack.stop = true;
	pthread_join(thread, NULL);
	assert_true(holds(x->out_fd, "victim", "infected"));
	assert_true(holds(x->out_fd, "scanned", "infected"));
	assert_int_equal(fstatat(x->out_fd, "victim", &now, 0), 0);
	assert_int_equal(now.st_ino, victim.st_ino);
	assert_int_equal(now.st_mode, victim.st_mode);
	assert_int_equal(count_names(x->out_fd), 2);
	assert_int_equal(removed + changed, tries);
	print_message("%llu swaps, %llu tries: %llu removed, %llu changed, %u names left\n",
		(unsigned long long)attack.swaps, (unsigned long long)tries,
		(unsigned long long)removed, (unsigned long long)changed, count_names(x->in_fd));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_remove),
		TEST(test_remove_links),
		TEST(test_remove_not_infected),
		TEST(test_remove_changed),
		TEST(test_rate),
		TEST(test_restore),
		TEST(test_targets),
		TEST(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
