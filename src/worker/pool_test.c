/* SPDX-License-Identifier: MIT */
/*
 * A pool with real processes: the tests' own worker does everything that a worker must not. What
 * has to come out: a named error in time, for that content and for no other, and nothing left
 * behind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/error.h"
#include "worker/pool.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* --- The core, as small as a pool needs it
 * -------------------------------------------------------- */

struct sb_call {
	const char *data;
	size_t size;
	bool by_fd;
	uint64_t deadline; /* sb_pool_now() */
	_Atomic(bool) cancelled;
	int fd;
	uint64_t doubt; /* ms */
};

uint64_t sb_pool_now(void);

uint64_t sb_call_size(const sb_call *call)
{
	return call->size;
}

const char *sb_call_name(const sb_call *call, size_t *length)
{
	(void)call;
	*length = 8;
	return "test.bin";
}

int sb_call_fd(sb_call *call, sb_error *error)
{
	(void)error;
	call->fd = memfd_create("content", 0);
	assert_int_equal(write(call->fd, call->data, call->size), call->size);
	return call->fd;
}

const void *sb_call_memory(const sb_call *call, size_t *length)
{
	*length = call->by_fd ? 0 : call->size;
	return call->by_fd ? NULL : call->data;
}

int64_t sb_call_read(sb_call *call, uint64_t offset, void *buffer, size_t length, sb_error *error)
{
	/* In pieces, as files are read. */
	size_t left = call->size - offset, n = length < left ? length : left;

	(void)error;
	n = n > 1000 ? 1000 : n;
	memcpy(buffer, call->data + offset, n);
	return (int64_t)n;
}

uint64_t sb_call_remaining_ms(const sb_call *call)
{
	uint64_t now = sb_pool_now();

	return now < call->deadline ? call->deadline - now : 0;
}

bool sb_call_cancelled(const sb_call *call)
{
	return atomic_load(&call->cancelled);
}

void sb_call_doubt(sb_call *call, uint64_t ms)
{
	call->doubt = ms;
}

const char *const *sb_call_passwords(const sb_call *call)
{
	static const char *const none[] = {NULL};

	(void)call;
	return none;
}

/* --- What is tested
 * ------------------------------------------------------------------------------- */

static const char rule[] =
	"rule Needle { meta: severity = \"high\" strings: $a = \"needle\" condition: $a }\n"
	"rule Named { meta: verdict = \"suspicious\" condition: filename == \"test.bin\" and "
	"extension == \"bin\" and size == 17 and depth == 0 }\n";

enum { PATIENCE = 20000, SOON = 250 };

static sb_pool *open_pool_in(
	const char *data_dir, unsigned workers, unsigned max_workers, unsigned recycle)
{
	sb_pool_options options = {.name = "test",
		.data_dir = data_dir,
		.workers = workers,
		.max_workers = max_workers,
		.recycle = recycle,
		.sandbox = true,
		.limits = {.max_depth = 16,
			.max_members = 1000,
			.max_bytes = 1 << 30,
			.max_member = 64 << 20,
			.max_memory = 128 << 20,
			.max_ratio = 100}};
	sb_bundle bundle;
	sb_pool *pool = NULL;
	sb_error error;

	sb_bundle_init(&bundle);
	sb_error_init(&error);
	assert_int_equal(sb_bundle_add_text(&bundle, "test.yar", rule, strlen(rule), &error), 0);
	if (sb_pool_open(&pool, &bundle, &options, &error) != 0)
		fail_msg("%s", error.message);
	sb_bundle_done(&bundle);
	assert_int_equal(sb_pool_rules(pool), 2);
	return pool;
}

static sb_pool *open_pool(unsigned workers, unsigned max_workers, unsigned recycle)
{
	return open_pool_in(NULL, workers, max_workers, recycle);
}

typedef struct result {
	int status;
	sb_error error;
	sb_answer answer;
	uint64_t ms, doubt;
} result;

static void judge_call(sb_pool *pool, sb_call *call, result *out)
{
	uint64_t begun = sb_pool_now();

	sb_error_init(&out->error);
	out->status = sb_pool_judge(pool, call, 0, &out->answer, &out->error);
	out->ms = sb_pool_now() - begun;
	out->doubt = call->doubt;
	if (out->status == 0 && out->answer.reply.failure != SB_KIND_NONE)
		fprintf(stderr, "the worker said: %s\n", out->answer.reply.failure_message);
	if (call->fd > 0)
		close(call->fd);
}

static void judge_n(sb_pool *pool, const char *data, size_t size, uint64_t ms, result *out)
{
	sb_call call = {.data = data, .size = size, .deadline = sb_pool_now() + ms};

	judge_call(pool, &call, out);
}

static void judge(sb_pool *pool, const char *text, uint64_t ms, result *out)
{
	judge_n(pool, text, strlen(text), ms, out);
}

static void assert_good(sb_pool *pool)
{
	static _Thread_local result r;

	judge(pool, "a needle in hay", PATIENCE, &r);
	if (r.status != 0)
		fail_msg("an honest request failed: %s", r.error.message);
	assert_int_equal(r.answer.reply.found_count, 1);
	assert_string_equal(r.answer.reply.found[0].name, "Needle");
}

static void judges_what_it_is_given(void **unused)
{
	sb_pool *pool = open_pool(1, 2, 0);
	result *r = malloc(sizeof *r);

	(void)unused;
	assert_good(pool);
	judge(pool, "nothing", PATIENCE, r);
	assert_int_equal(r->status, 0);
	assert_int_equal(r->answer.reply.found_count, 0);
	assert_true(r->answer.reply.judged && r->answer.reply.opened && !r->answer.reply.doubt);
	judge(pool, "seventeen letters", PATIENCE, r);
	assert_int_equal(r->answer.reply.found_count, 1);
	assert_false(r->answer.reply.found[0].infected);
	judge(pool, "", PATIENCE, r);
	assert_int_equal(r->status, 0);
	judge(pool, sb_pool_canary(pool), PATIENCE, r);
	assert_string_equal(r->answer.reply.found[0].name, "Scanbridge_Canary");
	free(r);
	sb_pool_close(pool);
}

/* Just what fits a slot, one byte more, and much more; from memory and from a file. */
static void takes_any_size(void **unused)
{
	static const size_t sizes[] = {
		256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 3 * 1024 * 1024 + 17};
	sb_pool *pool = open_pool(1, 2, 0);
	result *r = malloc(sizeof *r);

	(void)unused;
	for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
		size_t size = sizes[i / 2];
		char *data = calloc(1, size);
		sb_call call = {.data = data,
			.size = size,
			.by_fd = i % 2 == 1,
			.deadline = sb_pool_now() + PATIENCE};

		memcpy(data + size - 6, "needle", 6);
		judge_call(pool, &call, r);
		if (r->status != 0)
			fail_msg("%zu bytes: %s", size, r->error.message);
		if (r->answer.reply.found_count != 1)
			fail_msg("%zu bytes, %s: nothing found", size,
				i % 2 == 1 ? "file" : "memory");
		assert_int_equal(r->answer.reply.bytes, size);
		free(data);
	}
	free(r);
	sb_pool_close(pool);
}

/* --- Bad behaviour
 * -------------------------------------------------------------------------------- */

typedef struct deed {
	const char *word;
	sb_kind kind;        /* NONE: refused, and the content is judged as usual */
	const char *message; /* holds this */
	bool in_sanitizers;  /* the sanitizers' own needs do not get in the way */
} deed;

static const deed deeds[] = {
	{"fault", SB_KIND_ENGINE_CRASHED, "SEGV", false},
	{"abort", SB_KIND_ENGINE_CRASHED, "signal", false},
	{"exit", SB_KIND_ENGINE_CRASHED, "status 0", true},
	{"loop", SB_KIND_TIMEOUT, "in time", true},
	{"stop", SB_KIND_TIMEOUT, "in time", true},
	{"fork", SB_KIND_ENGINE_CRASHED, "SIGSYS", false},
	{"memory", SB_KIND_ENGINE_CRASHED, "signal", false},
	{"close", SB_KIND_NONE, NULL, true},
	{"garbage", SB_KIND_PROTOCOL_ERROR, "can't be read", true},
	{"ok", SB_KIND_PROTOCOL_ERROR, "can't be read", true},
	{"long", SB_KIND_PROTOCOL_ERROR, "length", true},
	{"state", SB_KIND_PROTOCOL_ERROR, "impossible state", true},
	/* breaking out: refused, or the end */
	{"open", SB_KIND_NONE, NULL, false},
	{"openat2", SB_KIND_ENGINE_CRASHED, "SIGSYS", false},
	{"handle", SB_KIND_ENGINE_CRASHED, "SIGSYS", false},
	{"process", SB_KIND_ENGINE_CRASHED, "SIGSYS", false},
	{"input", SB_KIND_NONE, NULL, false},
	{"socket", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"inet", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"exec", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"ptrace", SB_KIND_ENGINE_CRASHED, "SIGSYS", false},
	{"kill", SB_KIND_ENGINE_CRASHED, "SIGSYS", false},
	{"stopself", SB_KIND_ENGINE_CRASHED, "SIGSYS", false},
	{"mount", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"keyctl", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"io_uring", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"userfaultfd", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"unshare", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"bpf", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"thread", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"setuid", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"perf", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"pidfd", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"memfd", SB_KIND_ENGINE_CRASHED, "SIGSYS", true},
	{"execmem", SB_KIND_ENGINE_CRASHED, "SIGSYS", false},
};

static void check_deed(sb_pool *pool, const deed *d, result *r)
{
	const uint64_t limit = 400;
	char text[64];

	snprintf(text, sizeof text, "hook: %s\n", d->word);
	judge(pool, text, limit, r);
	if (r->status != -(int)d->kind ||
		(d->message != NULL && strstr(r->error.message, d->message) == NULL))
		fail_msg("%s: got %d, %s", d->word, r->status, r->error.message);
	/* What died or lied may have lied before; what was too slow has not. */
	if ((d->kind == SB_KIND_ENGINE_CRASHED || d->kind == SB_KIND_PROTOCOL_ERROR) !=
		(r->doubt > 0))
		fail_msg("%s: doubt of %llu ms", d->word, (unsigned long long)r->doubt);
	if (r->ms > limit + SOON)
		fail_msg("%s took %llu ms", d->word, (unsigned long long)r->ms);
	assert_good(pool);
}

static void survives_every_deed(void **unused)
{
	sb_pool *pool = open_pool(1, 4, 0);
	result *r = malloc(sizeof *r);

	(void)unused;
	for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)
		if (deeds[i].in_sanitizers || !SANITIZED)
			check_deed(pool, &deeds[i], r);
	free(r);
	sb_pool_close(pool);
}

/* --- Beside each other ---------------------------------------------------------------------------
 */

typedef struct asker {
	sb_pool *pool;
	pthread_t thread;
	unsigned count;
	result *last;
	const char *text;
	uint64_t ms;
} asker;

static void *ask_honestly(void *data)
{
	asker *a = data;

	for (unsigned i = 0; i < a->count; i++)
		assert_good(a->pool);
	return NULL;
}

static void *ask_once(void *data)
{
	asker *a = data;

	judge(a->pool, a->text, a->ms, a->last);
	return NULL;
}

/* Crashes and hangs in one thread; 64 others ask all the while and get their answers. */
static void nobody_else_is_affected(void **unused)
{
	enum { THREADS = 64 };
	sb_pool *pool = open_pool(2, 6, 50);
	asker askers[THREADS];
	result *r = malloc(sizeof *r);

	(void)unused;
	for (size_t i = 0; i < THREADS; i++) {
		askers[i] = (asker){.pool = pool, .count = 50};
		assert_int_equal(
			pthread_create(&askers[i].thread, NULL, ask_honestly, &askers[i]), 0);
	}
	for (unsigned i = 0; i < 6; i++) {
		judge(pool, "hook: exit\n", PATIENCE, r);
		assert_int_equal(r->status, -(int)SB_KIND_ENGINE_CRASHED);
		judge(pool, "hook: loop\n", 100, r);
		assert_int_equal(r->status, -(int)SB_KIND_TIMEOUT);
	}
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
	free(r);
	sb_pool_close(pool);
}

/* One content hangs in the only worker; the next does not wait behind it. */
static void a_slow_content_is_passed_by(void **unused)
{
	sb_pool *pool = open_pool(1, 2, 0);
	asker slow = {.pool = pool,
		.text = "hook: loop\n",
		.ms = 3000,
		.last = malloc(sizeof *slow.last)};
	result *r = malloc(sizeof *r);

	(void)unused;
	assert_good(pool);
	assert_int_equal(pthread_create(&slow.thread, NULL, ask_once, &slow), 0);
	for (unsigned i = 0; i < 20; i++) {
		judge(pool, "hay", 2500, r);
		assert_int_equal(r->status, 0);
	}
	assert_int_equal(pthread_join(slow.thread, NULL), 0);
	assert_int_equal(slow.last->status, -(int)SB_KIND_TIMEOUT);
	free(slow.last);
	free(r);
	sb_pool_close(pool);
}

/* Contents that come as descriptors, each with its own right answer, while others hang: they are
 * moved from worker to worker, and none may be taken for another. */
static _Atomic(unsigned) wrong_answers;

static void *ask_with_descriptors(void *data)
{
	enum { SIZE = 300 * 1024 };
	asker *a = data;
	char *text = calloc(1, SIZE + 64);
	result *r = malloc(sizeof *r);

	for (unsigned i = 0; i < a->count; i++) {
		bool needle = (i + a->ms) % 3 == 0;
		size_t size = SIZE + (i + a->ms) % 64;

		memset(text, needle ? ' ' : '.', SIZE + 64);
		if (needle)
			memcpy(text + SIZE - 10, "needle", 6);
		judge_n(a->pool, text, size, PATIENCE, r);
		if (r->status != 0 || r->answer.reply.failure != SB_KIND_NONE ||
			r->answer.reply.bytes != size || r->answer.reply.found_count != needle) {
			fprintf(stderr,
				"content %u of thread %u: %s, %zu of %zu bytes, %zu found\n", i,
				(unsigned)a->ms, r->error.message, (size_t)r->answer.reply.bytes,
				size, r->answer.reply.found_count);
			atomic_fetch_add(&wrong_answers, 1);
		}
	}
	free(r);
	free(text);
	return NULL;
}

static void no_content_is_taken_for_another(void **unused)
{
	enum { THREADS = 8 };
	sb_pool *pool = open_pool(1, 4, 0);
	asker askers[THREADS];
	result *r = malloc(sizeof *r);

	(void)unused;
	for (unsigned i = 0; i < THREADS; i++) {
		askers[i] = (asker){.pool = pool, .count = 40, .ms = i};
		assert_int_equal(
			pthread_create(&askers[i].thread, NULL, ask_with_descriptors, &askers[i]),
			0);
	}
	for (unsigned i = 0; i < 8; i++)
		judge(pool, "hook: loop\n", 60, r);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
	assert_int_equal(wrong_answers, 0);
	free(r);
	sb_pool_close(pool);
}

static _Atomic(bool) attack_over;

static void *attack(void *data)
{
	result *r = malloc(sizeof *r);

	while (!attack_over)
		judge(data, "hook: exit\n", PATIENCE, r);
	free(r);
	return NULL;
}

/* One worker, which dies all the time of what others give it: whoever waited in it when it died is
 * not taken along a second time. */
static void the_innocent_are_judged_among_the_deadly(void **unused)
{
	enum { DEADLY = 12, INNOCENT = 24 };
	sb_pool *pool = open_pool(1, 1, 0);
	asker innocent[INNOCENT];
	pthread_t deadly[DEADLY];

	(void)unused;
	for (unsigned i = 0; i < DEADLY; i++)
		assert_int_equal(pthread_create(&deadly[i], NULL, attack, pool), 0);
	for (unsigned i = 0; i < INNOCENT; i++) {
		innocent[i] = (asker){.pool = pool,
			.text = "a needle in hay",
			.ms = PATIENCE,
			.last = malloc(sizeof *innocent[i].last)};
		assert_int_equal(
			pthread_create(&innocent[i].thread, NULL, ask_once, &innocent[i]), 0);
	}
	for (unsigned i = 0; i < INNOCENT; i++)
		assert_int_equal(pthread_join(innocent[i].thread, NULL), 0);
	attack_over = true;
	for (unsigned i = 0; i < DEADLY; i++)
		assert_int_equal(pthread_join(deadly[i], NULL), 0);
	for (unsigned i = 0; i < INNOCENT; i++) {
		if (innocent[i].last->status != 0)
			fail_msg("%s", innocent[i].last->error.message);
		assert_int_equal(innocent[i].last->answer.reply.found_count, 1);
		free(innocent[i].last);
	}
	sb_pool_close(pool);
}

static void *cancel_soon(void *data)
{
	sb_call *call = data;

	atomic_store(&call->cancelled, true);
	return NULL;
}

static void a_cancelled_call_ends_soon(void **unused)
{
	sb_pool *pool = open_pool(1, 2, 0);
	sb_call call = {.data = "hook: loop\n", .size = 11, .deadline = sb_pool_now() + PATIENCE};
	result *r = malloc(sizeof *r);
	pthread_t thread;

	(void)unused;
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &call), 0);
	judge_call(pool, &call, r);
	pthread_join(thread, NULL);
	assert_int_equal(r->status, -(int)SB_KIND_CANCELLED);
	assert_true(r->ms < PATIENCE / 4);
	assert_good(pool);
	free(r);
	sb_pool_close(pool);
}

static void workers_are_recycled(void **unused)
{
	sb_pool *pool = open_pool(1, 1, 1);

	(void)unused;
	for (unsigned i = 0; i < 20; i++)
		assert_good(pool);
	sb_pool_close(pool);
}

/* --- What the host sees -------------------------------------------------------------------------
 */

static _Atomic(unsigned) child_signals;

static void count_signal(int number)
{
	(void)number;
	atomic_fetch_add(&child_signals, 1);
}

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* No SIGCHLD, no child that wait() could meet, no descriptor and no process left. */
static void the_host_notices_nothing(void **unused)
{
	struct sigaction action = {.sa_handler = count_signal}, before;
	unsigned descriptors;
	result *r = malloc(sizeof *r);
	sb_pool *pool;
	int status;

	(void)unused;
	sb_pool_close(open_pool(1, 1, 0)); /* what is opened once and for all */
	descriptors = open_descriptors();
	sigaction(SIGCHLD, &action, &before);
	pool = open_pool(2, 4, 2);
	for (unsigned i = 0; i < 10; i++)
		assert_good(pool);
	judge(pool, "hook: exit\n", PATIENCE, r);
	assert_int_equal(r->status, -(int)SB_KIND_ENGINE_CRASHED);
	assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	sb_pool_close(pool);
	sigaction(SIGCHLD, &before, NULL);
	assert_int_equal(child_signals, 0);
	assert_int_equal(waitpid(-1, &status, WNOHANG | (int)__WALL), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(open_descriptors(), descriptors);
	free(r);
}

/* The parent of @p pid and its name, from /proc; 0 when it is gone. */
static pid_t parent_of(pid_t pid, char name[32])
{
	char path[64];
	FILE *file;
	int parent = 0;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file == NULL || fscanf(file, "%*d (%31[^)]) %*c %d", name, &parent) != 2)
		parent = 0;
	if (file != NULL)
		fclose(file);
	return parent;
}

/* Our zygote: the child of our keeper. */
static pid_t find_zygote(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (found == 0 && (entry = readdir(dir)) != NULL) {
		pid_t pid = atoi(entry->d_name);
		char name[32] = "", keeper[32] = "";
		pid_t parent = pid > 0 ? parent_of(pid, name) : 0;

		if (parent > 0 && strncmp(name, "sb-zygote", 9) == 0 &&
			parent_of(parent, keeper) == getpid() && strcmp(keeper, "sb-keeper") == 0)
			found = pid;
	}
	closedir(dir);
	return found;
}

static void a_lost_zygote_is_replaced(void **unused)
{
	sb_pool *pool = open_pool(1, 2, 0);
	pid_t zygote = 0, before = 0;

	(void)unused;
	for (unsigned i = 0; i < 3; i++) {
		while ((zygote = find_zygote()) == 0 || zygote == before)
			sched_yield(); /* a new one is on its way */
		before = zygote;
		assert_good(pool); /* by then it is ready */
		assert_int_equal(kill(zygote, SIGKILL), 0);
	}
	assert_good(pool);
	sb_pool_close(pool);
}

static void bad_rules_are_told_with_their_line(void **unused)
{
	static const char text[] = "rule a { condition: true }\nrule b {\n condition: nonsense }\n";
	sb_pool_options options = {.name = "test", .workers = 1, .max_workers = 1, .sandbox = true};
	sb_bundle bundle;
	sb_pool *pool = NULL;
	sb_error error;

	(void)unused;
	sb_bundle_init(&bundle);
	sb_error_init(&error);
	sb_bundle_add_text(&bundle, "folder/bad.yar", text, strlen(text), &error);
	assert_int_equal(sb_pool_open(&pool, &bundle, &options, &error), -SB_KIND_NOT_CONFIGURED);
	assert_null(pool);
	assert_non_null(strstr(error.message, "folder/bad.yar:3: "));
	sb_bundle_done(&bundle);
}

/* --- Compiled rules that are kept ----------------------------------------------------------- */

/* The one file of compiled rules below @p dir, which it opens. */
static int open_compiled(const char *dir, struct stat *st)
{
	char path[512] = "";
	struct dirent *e;
	DIR *entries;
	int fd;

	snprintf(path, sizeof path, "%s/cache", dir);
	entries = opendir(path);
	assert_non_null(entries);
	while ((e = readdir(entries)) != NULL && strncmp(e->d_name, "rules-", 6) != 0)
		continue;
	assert_non_null(e);
	fd = openat(dirfd(entries), e->d_name, O_RDWR | O_CLOEXEC);
	assert_int_equal(fstat(fd, st), 0);
	closedir(entries);
	return fd;
}

/* Open, judge, close; and the file that is there then. */
static int judge_with(const char *dir, struct stat *st)
{
	sb_pool *pool = open_pool_in(dir, 1, 2, 0);
	result *r = malloc(sizeof *r);

	assert_good(pool);
	judge(pool, sb_pool_canary(pool), PATIENCE, r);
	assert_int_equal(r->answer.reply.found_count, 1);
	assert_string_equal(r->answer.reply.found[0].name, "Scanbridge_Canary");
	judge(pool, "seventeen letters", PATIENCE, r);
	assert_string_equal(r->answer.reply.found[0].name, "Named");
	free(r);
	sb_pool_close(pool);
	return open_compiled(dir, st);
}

/* A data directory with compiled rules and their key, and nothing else. */
static void remove_data(const char *dir)
{
	char path[512];
	struct dirent *e;
	DIR *entries;

	snprintf(path, sizeof path, "%s/cache", dir);
	entries = opendir(path);
	assert_non_null(entries);
	while ((e = readdir(entries)) != NULL)
		if (e->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(entries), e->d_name, 0), 0);
	closedir(entries);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* The second start takes what the first has compiled; damage is noticed, and mended. */
static void compiled_rules_are_kept(void **unused)
{
	char dir[] = "/tmp/sb-pool-XXXXXX";
	struct stat first, again, mended;
	uint8_t byte;
	int fd;

	(void)unused;
	assert_non_null(mkdtemp(dir));
	close(judge_with(dir, &first));
	fd = judge_with(dir, &again);
	assert_int_equal(first.st_ino, again.st_ino);
	assert_int_equal(first.st_mtim.tv_nsec, again.st_mtim.tv_nsec);
	assert_int_equal(pread(fd, &byte, 1, again.st_size / 2), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, again.st_size / 2), 1);
	close(judge_with(dir, &mended)); /* `fd` holds the old inode, so it can't be used again */
	assert_int_not_equal(mended.st_ino, again.st_ino);
	assert_int_equal(mended.st_size, again.st_size);
	close(fd);
	remove_data(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_what_it_is_given),
		cmocka_unit_test(takes_any_size),
		cmocka_unit_test(survives_every_deed),
		cmocka_unit_test(nobody_else_is_affected),
		cmocka_unit_test(a_slow_content_is_passed_by),
		cmocka_unit_test(no_content_is_taken_for_another),
		cmocka_unit_test(the_innocent_are_judged_among_the_deadly),
		cmocka_unit_test(a_cancelled_call_ends_soon),
		cmocka_unit_test(workers_are_recycled),
		cmocka_unit_test(the_host_notices_nothing),
		cmocka_unit_test(a_lost_zygote_is_replaced),
		cmocka_unit_test(compiled_rules_are_kept),
		cmocka_unit_test(bad_rules_are_told_with_their_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
