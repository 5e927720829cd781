/* SPDX-License-Identifier: MIT */
/*
 * What was proved before is not asked again, and what is being asked is asked once: the cache gate
 * through the manager, with engines by script and a clock that is turned.
 */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scan/call.h"
#include "scan/manager_body.h"
#include "scan/scan_bench.h"
#include "util/error.h"
#include "util/io.h"
#include "util/scratch.h"

#define QUIET "audit: {enabled: false}\nquarantine: {enabled: false}\nlimits: {timeout: 24h}\n"
#define CACHED QUIET "cache: {enabled: true}\n"
#define ENGINE(type)                                                                               \
	"engines: [{name: e, type: " type ", self_test: off, timeout: 24h, retry: {attempts: "     \
	"1}}]\n"

enum { MINUTE = 60 * 1000 };

/* --- An engine that says who it is ------------------------------------------------------------ */

static struct {
	_Atomic(int) version;
	_Atomic(unsigned) asked; /* who it is */
	_Atomic(bool) silent, thinking;
	sb_exactness exactness;
} self;

static int identity(void *state, uint64_t timeout_ms, sb_identity *out, sb_error *error)
{
	(void)state;
	(void)timeout_ms;
	atomic_fetch_add(&self.asked, 1);
	while (atomic_load(&self.thinking))
		sched_yield();
	if (atomic_load(&self.silent))
		return sb_error_set(error, SB_KIND_CONNECTION_FAILED, 0, "says nothing");
	*out = (sb_identity){.engine_version = "1", .exactness = self.exactness};
	snprintf(out->signature_version, sizeof out->signature_version, "%d",
		atomic_load(&self.version));
	return 0;
}

static const sb_engine_ops changing = {
	.abi = SB_ENGINE_ABI,
	.name = "changing",
	.summary = "has signatures",
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HONOURS_DEADLINE,
	.scan = scripted_scan,
	.identity = identity,
};

static const sb_engine_ops by_name = {
	.abi = SB_ENGINE_ABI,
	.name = "by_name",
	.summary = "looks at names",
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HONOURS_DEADLINE | SB_ENGINE_BY_NAME,
	.scan = scripted_scan,
};

static void open_with(
	struct bench *bench, const sb_engine_ops *extra, behaviour scan, const char *yaml)
{
	bench_extra = extra;
	self.exactness = SB_EXACT_FULL;
	atomic_store(&self.version, 1);
	atomic_store(&self.asked, 0);
	atomic_store(&self.silent, false);
	atomic_store(&self.thinking, false);
	open_bench(bench, scan, yaml);
}

static void turn_minutes(struct bench *bench, unsigned minutes)
{
	sb_clock_fake_turn(bench->clock, minutes * (uint64_t)MINUTE * SB_MS);
}

/* The same folder and clock, another process. */
static void reopen(struct bench *bench, const char *yaml)
{
	char text[2048];
	sb_config *config = sb_config_new();
	sb_error error;

	sb_error_init(&error);
	sb_manager_free(bench->manager);
	bench->manager = NULL;
	snprintf(text, sizeof text, "data_dir: %s\n%s", bench->dir, yaml);
	sb_config_register_engine(config, &obedient, &error);
	sb_config_register_engine(config, bench_extra, &error);
	if (sb_config_load_text(config, text, strlen(text), "test", &error) < 0 ||
		sb_manager_open_with(&bench->manager, config, bench->clock, &error) < 0)
		fail_msg("%s", error.message);
	sb_config_free(config);
}

/* --- Looking ---------------------------------------------------------------------------------- */

static sb_report *scan_named(
	struct bench *bench, const char *text, const char *name, const sb_scan_options *options)
{
	sb_input *input = sb_input_memory(text, strlen(text));
	sb_report *report = NULL;
	sb_error error;

	sb_error_init(&error);
	assert_int_equal(sb_input_set_name(input, name, strlen(name)), 0);
	if (sb_scan(&report, bench->manager, input, options, &error) < 0)
		fail_msg("%s", error.message);
	sb_input_free(input);
	return report;
}

/* Scan, and compare where the answer came from, and how often the engine was asked so far. */
static void expect_scan(struct bench *bench, const char *why, const char *text, bool cached,
	unsigned asked, const sb_scan_options *options)
{
	sb_report *report = scan_named(bench, text, "", options);

	if (sb_report_cached(report) != cached || atomic_load(&script.attempts) != asked)
		fail_msg("%s: %u times asked; %s", why, atomic_load(&script.attempts),
			sb_report_json(report, NULL));
	sb_report_free(report);
}

/* --- Lookups ---------------------------------------------------------------------------------- */

static int both(sb_call *call, unsigned attempt, sb_error *error)
{
	const sb_container container = {.type = "zip", .members = 3, .facts = SB_FACT_MACROS};
	const sb_threat odd = {.name = "PUA.Odd", .name_length = 7, .severity = SB_SEVERITY_LOW};

	sb_call_versions(call, "engine 7", "signatures 9");
	sb_call_container(call, &container);
	sb_call_mime(call, "application/zip");
	infected(call, attempt, error);
	return sb_call_infected(call, &odd, error);
}

static void a_second_scan_says_the_same(void **unused)
{
	static const char *const said[] = {"\"outcome\":\"infected\"", "Test.Virus", "PUA.Odd",
		"\"severity\":\"low\"", "\"engine_version\":\"engine 7\"",
		"\"signature_version\":\"signatures 9\"", "\"mime\":\"application/zip\"",
		"\"macros\":true", "\"content\":\"inspected\"", "\"state\":\"complete\""};
	static const char config[] = CACHED ENGINE("obedient");
	struct bench bench;

	(void)unused;
	open_with(&bench, &changing, both, config);
	for (unsigned i = 0; i < 3; i++) {
		sb_report *report;

		if (i == 2) /* from disk */
			reopen(&bench, config);
		report = scan_text(&bench, "x");
		for (size_t k = 0; k < sizeof said / sizeof said[0]; k++)
			if (strstr(sb_report_json(report, NULL), said[k]) == NULL)
				fail_msg("scan %u: no %s in %s", i, said[k],
					sb_report_json(report, NULL));
		assert_true(sb_report_cached(report) == (i > 0));
		assert_non_null(strstr(sb_report_json(report, NULL),
			i > 0 ? "\"cached\":true,\"attempts\":0" : "\"attempts\":1"));
		sb_report_free(report);
	}
	assert_int_equal(atomic_load(&script.attempts), 1);
	expect_scan(&bench, "other bytes", "y", false, 2, NULL);
	close_bench(&bench);
}

static int half(sb_call *call, unsigned attempt, sb_error *error)
{
	infected(call, attempt, error);
	sb_call_cover(call, sb_call_size(call) - 1, SB_CONTENT_INSPECTED);
	return 0;
}

static int abstains(sb_call *call, unsigned attempt, sb_error *error)
{
	(void)attempt;
	return sb_call_abstain(call, SB_KIND_UNSUPPORTED, error, "no opinion");
}

static int damaged(sb_call *call, unsigned attempt, sb_error *error)
{
	(void)call;
	(void)attempt;
	return sb_error_set(error, SB_KIND_CORRUPT, 0, "damaged");
}

static int looks_at_the_name(sb_call *call, unsigned attempt, sb_error *error)
{
	(void)sb_call_name(call, NULL);
	return clean(call, attempt, error);
}

static void only_evidence_is_remembered(void **unused)
{
	static const struct {
		const char *why;
		behaviour scan;
	} rows[] = {
		{"part of it", half},
		{"no opinion", abstains},
		{"an error", damaged},
		{"asked for the name and doesn't say so", looks_at_the_name},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bench bench;

		open_with(&bench, &changing, rows[i].scan, CACHED ENGINE("obedient"));
		expect_scan(&bench, rows[i].why, "xyz", false, 1, NULL);
		expect_scan(&bench, rows[i].why, "xyz", false, 2, NULL);
		close_bench(&bench);
	}
}

static void names_count_where_they_matter(void **unused)
{
	static const char *const names[] = {"a.txt", "a.exe", "a.txt", "", "a.exe", ""};
	struct bench bench;
	unsigned asked[] = {1, 2, 2, 3, 3, 3};

	(void)unused;
	open_with(&bench, &by_name, looks_at_the_name, CACHED ENGINE("by_name"));
	for (size_t i = 0; i < 6; i++) {
		sb_report *report = scan_named(&bench, "x", names[i], NULL);

		assert_int_equal(atomic_load(&script.attempts), asked[i]);
		assert_true(sb_report_cached(report) == (i > 0 && asked[i] == asked[i - 1]));
		sb_report_free(report);
	}
	reopen(&bench, CACHED ENGINE("by_name"));
	for (size_t i = 0; i < 6; i++)
		sb_report_free(scan_named(&bench, "x", names[i], NULL));
	assert_int_equal(atomic_load(&script.attempts), 3);
	close_bench(&bench);
}

static void a_scan_may_want_none(void **unused)
{
	sb_scan_options *anew = sb_scan_options_new(), *secret = sb_scan_options_new();
	struct bench bench;

	(void)unused;
	sb_scan_options_set_cache(anew, false);
	assert_int_equal(sb_scan_options_add_password(secret, "s", 1), 0);
	open_with(&bench, &changing, clean, CACHED ENGINE("obedient"));
	expect_scan(&bench, "with a password of its own", "x", false, 1, secret);
	expect_scan(&bench, "the first without", "x", false, 2, NULL);
	expect_scan(&bench, "with a password again", "x", false, 3, secret);
	expect_scan(&bench, "reads nothing", "x", false, 4, anew);
	expect_scan(&bench, "known all the same", "x", true, 4, NULL);
	expect_scan(&bench, "reads nothing", "y", false, 5, anew);
	expect_scan(&bench, "but stores", "y", true, 5, NULL);
	close_bench(&bench);
	open_with(&bench, &changing, clean, QUIET "cache: {enabled: false}\n" ENGINE("obedient"));
	expect_scan(&bench, "off", "x", false, 1, NULL);
	expect_scan(&bench, "off", "x", false, 2, NULL);
	close_bench(&bench);
	sb_scan_options_free(anew);
	sb_scan_options_free(secret);
}

/* --- Content that could change ---------------------------------------------------------------- */

static bool scan_path_cached(struct bench *bench, const char *path)
{
	sb_input *input = sb_input_path(path);
	sb_report *report = NULL;
	bool cached;

	assert_int_equal(sb_scan(&report, bench->manager, input, NULL, NULL), 0);
	expect("a path", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	cached = sb_report_cached(report);
	sb_report_free(report);
	sb_input_free(input);
	return cached;
}

/* Larger than what is read into memory, and somebody has it open for writing. */
static void what_could_change_is_not_remembered(void **unused)
{
	struct bench bench;
	char path[128];
	int fd;

	(void)unused;
	open_with(&bench, &changing, clean, CACHED ENGINE("obedient"));
	snprintf(path, sizeof path, "%s/large", bench.dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 17 << 20), 0);
	assert_false(scan_path_cached(&bench, path));
	assert_false(scan_path_cached(&bench, path));
	assert_int_equal(atomic_load(&script.attempts), 2);
	sb_close(&fd);
	assert_false(scan_path_cached(&bench, path)); /* pinned: it counts */
	assert_true(scan_path_cached(&bench, path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	/* What is known of the bytes that were hashed holds for them, pinned or not. */
	assert_true(scan_path_cached(&bench, path));
	sb_close(&fd);
	assert_int_equal(atomic_load(&script.attempts), 3);
	close_bench(&bench);
}

static struct {
	char path[128];
	int fd;
} target;

static int is_written_to(sb_call *call, unsigned attempt, sb_error *error)
{
	if (attempt == 0) { /* breaks the lease, and leaves the bytes as they are */
		target.fd = open(target.path, O_RDWR | O_CLOEXEC);
		assert_true(target.fd >= 0);
	}
	return clean(call, attempt, error);
}

static void a_broken_lease_is_no_proof(void **unused)
{
	struct bench bench;

	(void)unused;
	open_with(&bench, &changing, is_written_to, CACHED ENGINE("obedient"));
	snprintf(target.path, sizeof target.path, "%s/large", bench.dir);
	target.fd = open(target.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(target.fd, 17 << 20), 0);
	sb_close(&target.fd);
	assert_false(scan_path_cached(&bench, target.path));
	sb_close(&target.fd);
	assert_false(scan_path_cached(&bench, target.path));
	assert_true(scan_path_cached(&bench, target.path));
	close_bench(&bench);
}

/* --- Time, and who would judge ---------------------------------------------------------------- */

static void verdicts_grow_old(void **unused)
{
	static const struct {
		sb_exactness exactness;
		unsigned minutes;
		bool cached;
	} rows[] = {
		{SB_EXACT_FULL, 59, true},
		{SB_EXACT_FULL, 60, false},
		{SB_EXACT_PARTIAL, 14, true},
		{SB_EXACT_PARTIAL, 15, false},
		{SB_EXACT_NONE, 14, true},
		{SB_EXACT_NONE, 15, false},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bench bench;

		open_with(&bench, &changing, clean, QUIET "cache: {ttl: 1h}\n" ENGINE("changing"));
		self.exactness = rows[i].exactness;
		expect_scan(&bench, "first", "x", false, 1, NULL);
		turn_minutes(&bench, rows[i].minutes);
		expect_scan(&bench, "later", "x", rows[i].cached, rows[i].cached ? 1 : 2, NULL);
		close_bench(&bench);
	}
}

static void another_engine_knows_nothing(void **unused)
{
	struct bench bench;

	(void)unused;
	open_with(&bench, &changing, clean, CACHED ENGINE("changing"));
	expect_scan(&bench, "first", "x", false, 1, NULL);
	expect_scan(&bench, "second", "x", true, 1, NULL);
	assert_int_equal(atomic_load(&self.asked), 1);
	atomic_store(&self.version, 2);
	sb_clock_fake_turn(bench.clock, 4999 * SB_MS);
	expect_scan(&bench, "early, and nobody waits for the answer", "x", true, 1, NULL);
	while (atomic_load(&self.asked) == 1)
		sched_yield();
	sb_clock_fake_turn(bench.clock, 5000 * SB_MS);
	expect_scan(&bench, "other signatures", "x", false, 2, NULL);
	expect_scan(&bench, "known to them", "x", true, 2, NULL);
	atomic_store(&self.version, 1);
	sb_clock_fake_turn(bench.clock, 5000 * SB_MS);
	expect_scan(&bench, "back to the first", "x", true, 2, NULL);
	close_bench(&bench);
}

static void who_is_unknown_proves_nothing(void **unused)
{
	struct bench bench;

	(void)unused;
	open_with(&bench, &changing, clean, CACHED ENGINE("changing"));
	atomic_store(&self.silent, true);
	expect_scan(&bench, "says nothing", "x", false, 1, NULL);
	expect_scan(&bench, "says nothing", "x", false, 2, NULL);
	atomic_store(&self.silent, false);
	sb_clock_fake_turn(bench.clock, 5000 * SB_MS);
	expect_scan(&bench, "speaks", "x", false, 3, NULL);
	expect_scan(&bench, "speaks", "x", true, 3, NULL);
	atomic_store(&self.silent, true);
	sb_clock_fake_turn(bench.clock, 5000 * SB_MS);
	expect_scan(&bench, "silent again", "x", false, 4, NULL);
	close_bench(&bench);
}

static int is_overtaken(sb_call *call, unsigned attempt, sb_error *error)
{
	if (attempt == 0) {
		atomic_store(&self.version, 2);
		sb_clock_fake_turn(script.clock, 5000 * SB_MS);
	}
	return clean(call, attempt, error);
}

/* Clean by signatures that were replaced meanwhile: once more. */
static void what_was_overtaken_is_asked_again(void **unused)
{
	static const char *const caches[] = {"true", "false"};

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		struct bench bench;
		char yaml[512];

		snprintf(yaml, sizeof yaml, QUIET "cache: {enabled: %s}\n" ENGINE("changing"),
			caches[i]);
		open_with(&bench, &changing, is_overtaken, yaml);
		(void)sb_manager_engine_state(
			bench.manager, 0, false, &(sb_engine_state){.name = NULL});
		expect_scan(&bench, "overtaken", "x", false, 2, NULL);
		expect_scan(&bench, "by the new ones", "x", i == 0, i == 0 ? 2 : 3, NULL);
		atomic_store(&self.version, 1);
		sb_clock_fake_turn(bench.clock, 5000 * SB_MS);
		expect_scan(&bench, "not by the old ones", "x", false, i == 0 ? 3 : 5, NULL);
		close_bench(&bench);
	}
}

static int by_others(sb_call *call, unsigned attempt, sb_error *error)
{
	sb_call_versions(call, "1", attempt < 3 ? "2" : "1");
	return clean(call, attempt, error);
}

/* Others have taken over, and who asks for its identity has not heard of them yet. */
static void what_others_said_is_not_kept_as_its_own(void **unused)
{
	struct bench bench;

	(void)unused;
	open_with(&bench, &changing, by_others, CACHED ENGINE("changing"));
	(void)sb_manager_engine_state(bench.manager, 0, false, &(sb_engine_state){.name = NULL});
	expect_scan(&bench, "twice by others", "x", false, 2, NULL);
	expect_scan(&bench, "then by itself", "x", false, 4, NULL);
	expect_scan(&bench, "which is kept", "x", true, 4, NULL);
	close_bench(&bench);
}

/* Not asked again for that, where identities are not exact. */
static void replicas_may_differ(void **unused)
{
	struct bench bench;

	(void)unused;
	open_with(&bench, &changing, by_others, CACHED ENGINE("changing"));
	self.exactness = SB_EXACT_PARTIAL;
	(void)sb_manager_engine_state(bench.manager, 0, false, &(sb_engine_state){.name = NULL});
	expect_scan(&bench, "by another one", "x", false, 1, NULL);
	expect_scan(&bench, "which is not kept", "x", false, 2, NULL);
	close_bench(&bench);
}

/* A hit says no more than the engine would be believed now. */
static void a_bad_test_counts_at_once(void **unused)
{
	struct bench bench;
	sb_report *report;
	sb_engine *engine;

	(void)unused;
	open_with(&bench, &changing, clean, CACHED ENGINE("changing"));
	expect_scan(&bench, "first", "x", false, 1, NULL);
	engine = bench.manager->site->engines[0];
	pthread_mutex_lock(&engine->identity_lock);
	engine->attested = (sb_attested){.known = true, .ok = false};
	sb_engine_identity_text(engine, &engine->identity, engine->attested.identity,
		sizeof engine->attested.identity);
	pthread_mutex_unlock(&engine->identity_lock);
	report = scan_text(&bench, "x");
	expect("known bad", report, SB_OUTCOME_ERROR, SB_KIND_ENGINE_UNAVAILABLE);
	assert_false(sb_report_cached(report));
	sb_report_free(report);
	assert_true(atomic_load(&script.attempts) > 1);
	close_bench(&bench);
}

static int doubts(sb_call *call, unsigned attempt, sb_error *error)
{
	if (attempt == 2)
		sb_call_doubt(call, 10 * MINUTE);
	return clean(call, attempt, error);
}

static void what_is_doubted_is_forgotten(void **unused)
{
	struct bench bench;

	(void)unused;
	open_with(&bench, &changing, doubts, CACHED ENGINE("changing"));
	expect_scan(&bench, "long ago", "old", false, 1, NULL);
	/* What still waits to be written is dropped whatever its age. */
	sb_cache_flush(sb_verdicts_cache(bench.manager->verdicts));
	turn_minutes(&bench, 20);
	expect_scan(&bench, "before", "x", false, 2, NULL);
	turn_minutes(&bench, 5);
	expect_scan(&bench, "the doubt", "y", false, 3, NULL);
	expect_scan(&bench, "in doubt", "x", false, 4, NULL);
	expect_scan(&bench, "doubted itself", "y", false, 5, NULL);
	expect_scan(&bench, "too long ago", "old", true, 5, NULL);
	close_bench(&bench);
}

/* --- At the same time ------------------------------------------------------------------------- */

enum { MANY = 64 };
#define CROWD                                                                                      \
	QUIET "cache: {memory: %s}\nengines: [{name: e, type: %s, self_test: off,"                 \
	      " timeout: %s, concurrency: 64, retry: {attempts: 1}}]\n"

static void open_crowd(struct bench *bench, behaviour scan, const char *memory, const char *type,
	const char *timeout)
{
	char yaml[512];

	snprintf(yaml, sizeof yaml, CROWD, memory, type, timeout);
	open_with(bench, &changing, scan, yaml);
}

static void submit_many(struct bench *bench, sb_job **jobs, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		jobs[i] = submit_text(bench, "x", NULL, NULL, NULL);
}

static unsigned waiting_of(struct bench *bench)
{
	return (unsigned)sb_flights_all_waiting(sb_verdicts_flights(bench->manager->verdicts));
}

static void await_waiting(struct bench *bench, unsigned count)
{
	while (waiting_of(bench) != count)
		sched_yield();
}

static void enter_once(void)
{
	while (sem_wait(&script.entered) != 0)
		;
}

static unsigned count_cached(sb_job **jobs, unsigned count, sb_outcome outcome)
{
	unsigned cached = 0;

	for (unsigned i = 0; i < count; i++) {
		sb_report *report = take(jobs[i]);

		assert_int_equal(sb_report_outcome(report), outcome);
		cached += sb_report_cached(report);
		sb_report_free(report);
	}
	return cached;
}

static void one_asks_for_all(void **unused)
{
	static const char *const memories[] = {"64MiB", "0"};
	sb_job *jobs[MANY];

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		struct bench bench;

		open_crowd(&bench, until_go, memories[i], "obedient", "24h");
		submit_many(&bench, jobs, MANY);
		enter_once();
		await_waiting(&bench, MANY - 1);
		sem_post(&script.go);
		assert_int_equal(count_cached(jobs, MANY, SB_OUTCOME_CLEAN), MANY - 1);
		assert_int_equal(atomic_load(&script.attempts), 1);
		close_bench(&bench);
	}
}

static char order[MANY + 1]; /* first bytes of what was asked, one after the other */

static int in_order(sb_call *call, unsigned attempt, sb_error *error)
{
	size_t length;

	order[attempt] = ((const char *)sb_call_memory(call, &length))[0];
	return clean(call, attempt, error);
}

static unsigned curious_of(struct bench *bench)
{
	sb_engine *engine = bench->manager->site->engines[0];
	unsigned count = 0;

	pthread_mutex_lock(&engine->identity_lock);
	for (const struct sb_call *call = engine->curious; call != NULL; call = call->curious_next)
		count++;
	pthread_mutex_unlock(&engine->identity_lock);
	return count;
}

/* Those that have to wait until it is known who judges go on in the order in which they came. */
static void first_come_first_served(void **unused)
{
	struct bench bench;
	sb_job *jobs[5];

	(void)unused;
	open_with(&bench, &changing, in_order,
		CACHED "engines: [{name: e, type: changing, self_test: off, timeout: 24h, "
		       "concurrency: 1}]\n");
	memset(order, 0, sizeof order);
	atomic_store(&self.thinking, true);
	for (unsigned i = 0; i < 5; i++) {
		const char text[] = {(char)('a' + i), '\0'};

		jobs[i] = submit_text(&bench, text, NULL, NULL, NULL);
		while (curious_of(&bench) != i + 1)
			sched_yield();
	}
	atomic_store(&self.thinking, false);
	assert_int_equal(count_cached(jobs, 5, SB_OUTCOME_CLEAN), 0);
	assert_string_equal(order, "abcde");
	close_bench(&bench);
}

struct crowd {
	struct bench *bench;
	pthread_t thread;
};

static void *scan_again_and_again(void *data)
{
	struct crowd *one = data;

	for (unsigned i = 0; i < 50; i++) {
		char text[32];

		snprintf(text, sizeof text, "content %u", i);
		sb_report_free(scan_text(one->bench, text));
	}
	return NULL;
}

/* Attended, and without anybody arranging it: every content is asked for once. */
static void a_crowd_asks_once_each(void **unused)
{
	struct crowd crowd[8];
	struct bench bench;

	(void)unused;
	open_crowd(&bench, clean, "64MiB", "obedient", "24h");
	for (size_t i = 0; i < 8; i++) {
		crowd[i].bench = &bench;
		assert_int_equal(
			pthread_create(&crowd[i].thread, NULL, scan_again_and_again, &crowd[i]), 0);
	}
	for (size_t i = 0; i < 8; i++)
		pthread_join(crowd[i].thread, NULL);
	assert_int_equal(atomic_load(&script.attempts), 50);
	close_bench(&bench);
}

static int first_is_cancelled(sb_call *call, unsigned attempt, sb_error *error)
{
	return attempt == 0 ? until_cancelled(call, attempt, error)
			    : until_go(call, attempt, error);
}

static void a_leader_who_leaves_hands_over(void **unused)
{
	sb_job *jobs[MANY];
	struct bench bench;

	(void)unused;
	open_crowd(&bench, first_is_cancelled, "64MiB", "obedient", "24h");
	submit_many(&bench, jobs, 1);
	enter_once();
	submit_many(&bench, jobs + 1, MANY - 1);
	await_waiting(&bench, MANY - 1);
	sb_job_cancel(jobs[0]);
	enter_once(); /* another one leads, before or after the first has returned */
	await_waiting(&bench, MANY - 2);
	sem_post(&script.go);
	assert_int_equal(count_cached(jobs + 1, MANY - 1, SB_OUTCOME_CLEAN), MANY - 2);
	assert_int_equal(count_cached(jobs, 1, SB_OUTCOME_ERROR), 0);
	assert_int_equal(atomic_load(&script.attempts), 2);
	close_bench(&bench);
}

static void who_waits_may_leave(void **unused)
{
	sb_job *jobs[3];
	struct bench bench;

	(void)unused;
	open_crowd(&bench, until_go, "64MiB", "obedient", "24h");
	submit_many(&bench, jobs, 1);
	enter_once();
	submit_many(&bench, jobs + 1, 2);
	await_waiting(&bench, 2);
	sb_job_cancel(jobs[1]);
	assert_int_equal(count_cached(jobs + 1, 1, SB_OUTCOME_ERROR), 0);
	sem_post(&script.go);
	assert_int_equal(count_cached(jobs, 1, SB_OUTCOME_CLEAN), 0);
	assert_int_equal(count_cached(jobs + 2, 1, SB_OUTCOME_CLEAN), 1);
	assert_int_equal(atomic_load(&script.attempts), 1);
	close_bench(&bench);
}

static int first_fails(sb_call *call, unsigned attempt, sb_error *error)
{
	if (attempt > 0)
		return clean(call, attempt, error);
	until_go(call, attempt, error);
	return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, 0, "lost");
}

static void a_failure_is_not_shared(void **unused)
{
	sb_job *jobs[8];
	struct bench bench;

	(void)unused;
	open_crowd(&bench, first_fails, "64MiB", "obedient", "24h");
	submit_many(&bench, jobs, 1);
	enter_once();
	submit_many(&bench, jobs + 1, 7);
	await_waiting(&bench, 7);
	sem_post(&script.go);
	assert_int_equal(count_cached(jobs, 1, SB_OUTCOME_ERROR), 0);
	assert_int_equal(count_cached(jobs + 1, 7, SB_OUTCOME_CLEAN), 0);
	assert_int_equal(atomic_load(&script.attempts), 8);
	close_bench(&bench);
}

static int first_hangs(sb_call *call, unsigned attempt, sb_error *error)
{
	return attempt == 0 ? until_go(call, attempt, error) : clean(call, attempt, error);
}

/* Whoever waits keeps the time to ask for himself. */
static void nobody_waits_for_ever(void **unused)
{
	sb_job *jobs[2];
	struct bench bench;

	(void)unused;
	open_crowd(&bench, first_hangs, "64MiB", "obedient", "2h");
	submit_many(&bench, jobs, 1);
	enter_once();
	submit_many(&bench, jobs + 1, 1);
	await_waiting(&bench, 1);
	turn_minutes(&bench, 59);
	assert_int_equal(waiting_of(&bench), 1);
	turn_minutes(&bench, 1);
	assert_int_equal(count_cached(jobs + 1, 1, SB_OUTCOME_CLEAN), 0);
	sem_post(&script.go);
	assert_int_equal(count_cached(jobs, 1, SB_OUTCOME_CLEAN), 0);
	close_bench(&bench);
}

/* One that minds no deadline is given up, and somebody else takes over. */
static void a_stuck_leader_holds_nobody(void **unused)
{
	sb_job *first, *second;
	struct bench bench;
	sb_report *report;

	(void)unused;
	open_crowd(&bench, first_hangs, "64MiB", "stubborn", "1h");
	first = submit_text(&bench, "x", NULL, NULL, NULL);
	enter_once();
	report = turn_until_done(&bench, first, MINUTE * SB_MS);
	expect("given up", report, SB_OUTCOME_ERROR, SB_KIND_TIMEOUT);
	sb_report_free(report);
	second = submit_text(&bench, "x", NULL, NULL, NULL);
	assert_int_equal(count_cached(&second, 1, SB_OUTCOME_CLEAN), 0);
	sem_post(&script.go);
	close_bench(&bench);
}

/* --- Around it -------------------------------------------------------------------------------- */

static void no_cache_fails_no_scan(void **unused)
{
	struct bench bench;
	char path[128], problem[256];
	int fd;

	(void)unused;
	open_with(&bench, &changing, clean, CACHED ENGINE("obedient"));
	assert_false(sb_manager_cache_problem(bench.manager, problem, sizeof problem));
	sb_manager_free(bench.manager);
	bench.manager = NULL;
	snprintf(path, sizeof path, "%s/cache", bench.dir);
	assert_true(sb_scratch_remove(path));
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); /* no folder */
	assert_true(fd >= 0);
	sb_close(&fd);
	reopen(&bench, CACHED ENGINE("obedient"));
	expect_scan(&bench, "first", "x", false, 1, NULL);
	expect_scan(&bench, "memory goes on", "x", true, 1, NULL);
	assert_true(sb_manager_cache_problem(bench.manager, problem, sizeof problem));
	assert_non_null(strstr(problem, "cache"));
	close_bench(&bench);
}

static void generation_of(const char *yaml, uint8_t engine[32], uint8_t site[32])
{
	sb_engine_state state;
	struct bench bench;

	open_with(&bench, &changing, clean, yaml);
	assert_int_equal(sb_manager_engine_state(bench.manager, 0, false, &state), 0);
	assert_true(state.generation_known);
	memcpy(engine, state.generation, 32);
	sb_manager_site_gen(bench.manager, site);
	close_bench(&bench);
}

#define MOCK(more) "engines: [{name: m, type: mock" more "}]\n"

static void generations_show_what_matters(void **unused)
{
	static const struct {
		const char *yaml;
		bool engine, site; /* changes */
	} rows[] = {
		{MOCK(""), false, false},
		{MOCK("") "limits: {timeout: 7s}\naudit: {reserve: 1MiB}\n", false, false},
		{MOCK(", timeout: 7s, concurrency: 9, retry: {attempts: 9}, breaker: {preset: off},"
		      " max_size: 7MiB, max_signature_age: 9d, isolation: none"),
			false, false},
		{MOCK(", role: optional"), false, true},
		{MOCK(", weight: 2"), false, true},
		{MOCK("") "decision: {min_assurance: rules}\n", false, true},
		{MOCK("") "decision: {strategy: weighted, threshold: 0.5}\n", false, true},
		{MOCK("") "policy: {preset: strict}\n", false, true},
		{MOCK(", heuristics: infected"), true, true},
		{MOCK(", default: partial"), true, true},
		{MOCK(", content: unknown"), true, true},
		{"engines: [{name: n, type: mock}]\n", true, true},
		{MOCK("") "mime: always\n", true, true},
		{MOCK("") "containers: {max_depth: 3}\n", true, true},
		{MOCK("") "containers: {passwords: [infected]}\n", true, true},
	};
	uint8_t engine[32], site[32], first_engine[32], first_site[32];

	(void)unused;
	generation_of(rows[0].yaml, first_engine, first_site);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		generation_of(rows[i].yaml, engine, site);
		if ((memcmp(engine, first_engine, 32) != 0) != rows[i].engine ||
			(memcmp(site, first_site, 32) != 0) != rows[i].site)
			fail_msg("%s", rows[i].yaml);
	}
}

/* A digest that is shown must not be one that passwords can be tried on: another folder's is
 * another one. In one folder it stays the same. */
static void secrets_are_keyed(void **unused)
{
	static const char config[] = CACHED MOCK("") "containers: {passwords: [infected]}\n";
	uint8_t engine[32], other[32], site[32];
	struct bench bench;
	sb_engine_state state;

	(void)unused;
	generation_of(config, engine, site);
	generation_of(config, other, site);
	assert_memory_not_equal(engine, other, 32);
	open_with(&bench, &changing, clean, config);
	assert_int_equal(sb_manager_engine_state(bench.manager, 0, false, &state), 0);
	memcpy(engine, state.generation, 32);
	reopen(&bench, config);
	assert_int_equal(sb_manager_engine_state(bench.manager, 0, false, &state), 0);
	assert_memory_equal(engine, state.generation, 32);
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_scan_says_the_same),
		cmocka_unit_test(only_evidence_is_remembered),
		cmocka_unit_test(names_count_where_they_matter),
		cmocka_unit_test(a_scan_may_want_none),
		cmocka_unit_test(what_could_change_is_not_remembered),
		cmocka_unit_test(a_broken_lease_is_no_proof),
		cmocka_unit_test(verdicts_grow_old),
		cmocka_unit_test(another_engine_knows_nothing),
		cmocka_unit_test(who_is_unknown_proves_nothing),
		cmocka_unit_test(what_was_overtaken_is_asked_again),
		cmocka_unit_test(what_others_said_is_not_kept_as_its_own),
		cmocka_unit_test(replicas_may_differ),
		cmocka_unit_test(a_bad_test_counts_at_once),
		cmocka_unit_test(what_is_doubted_is_forgotten),
		cmocka_unit_test(first_come_first_served),
		cmocka_unit_test(one_asks_for_all),
		cmocka_unit_test(a_crowd_asks_once_each),
		cmocka_unit_test(a_leader_who_leaves_hands_over),
		cmocka_unit_test(who_waits_may_leave),
		cmocka_unit_test(a_failure_is_not_shared),
		cmocka_unit_test(nobody_waits_for_ever),
		cmocka_unit_test(a_stuck_leader_holds_nobody),
		cmocka_unit_test(no_cache_fails_no_scan),
		cmocka_unit_test(generations_show_what_matters),
		cmocka_unit_test(secrets_are_keyed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
