/* SPDX-License-Identifier: MIT */
/*
 * Another configuration for a manager that runs: what is new judges from the next scan on, what is
 * as it was keeps all it has, what fails changes nothing. At the end many threads scan while the
 * configuration changes, engines fail, breakers are forced and the cache is cleared.
 */
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/cache.h"
#include "scan/manager_body.h"
#include "scan/scan_bench.h"
#include "util/error.h"

/* --- Engines that tell how they live ------------------------------------------------------------
 */

/* Of all instances together; what the `list` of the engine `listed` says is in `list`. */
static struct {
	_Atomic(int) opened, closed, list, refuse_open, lie;
} life;

typedef struct living {
	const char *word;
	int64_t pace;
	int list;
} living;

static int living_open(void *state, sb_error *error)
{
	atomic_fetch_add(&life.opened, 1);
	((living *)state)->list = atomic_load(&life.list);
	return atomic_load(&life.refuse_open) != 0
		       ? sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "not today")
		       : 0;
}

static void living_close(void *state)
{
	(void)state;
	atomic_fetch_add(&life.closed, 1);
}

/* EICAR and benign content as they should, or everything alike when told to lie. */
static int living_scan(void *state, sb_call *call, sb_error *error)
{
	const living *self = state;
	const sb_threat threat = {.name = self->word, .name_length = strlen(self->word)};
	size_t length;
	const char *text = sb_call_memory(call, &length);

	if (script.scan != NULL)
		return scripted_scan(state, call, error);
	if (atomic_load(&life.lie) == 0 &&
		memmem(text, length, "ANTIVIRUS-TEST-FILE", 19) == NULL &&
		memmem(text, length, "needle", 6) == NULL)
		return sb_call_clean(call, length, SB_CONTENT_INSPECTED, error);
	sb_call_cover(call, length, SB_CONTENT_INSPECTED);
	return sb_call_infected(call, &threat, error);
}

static int living_identity(void *state, uint64_t timeout_ms, sb_identity *out, sb_error *error)
{
	(void)timeout_ms;
	(void)error;
	out->exactness = SB_EXACT_FULL;
	snprintf(out->engine_version, sizeof out->engine_version, "1");
	snprintf(out->signature_version, sizeof out->signature_version, "%d",
		((living *)state)->list);
	return 0;
}

static int living_reload(void *state, sb_error *error)
{
	(void)state;
	(void)error;
	fail_msg("another instance takes its place");
	return 0;
}

static const sb_setting living_settings[] = {
	{.key = "word",
		.type = SB_SETTING_TEXT,
		.offset = offsetof(living, word),
		.fallback = "Found"},
	{.key = "pace",
		.type = SB_SETTING_INT,
		.offset = offsetof(living, pace),
		.fallback = "0",
		.max = 1000,
		.operational = true},
	{.key = NULL},
};

static const sb_engine_ops living_ops = {
	.abi = SB_ENGINE_ABI,
	.name = "living",
	.summary = "tells how it lives",
	.state_size = sizeof(living),
	.settings = living_settings,
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HONOURS_DEADLINE | SB_ENGINE_LOCAL,
	.open = living_open,
	.scan = living_scan,
	.identity = living_identity,
	.reload = living_reload,
	.close = living_close,
};

/* --- Helpers -------------------------------------------------------------------------------------
 */

#define QUIET "audit: {enabled: false}\n"
#define LIVING(more) "engines: [{name: e, type: living, self_test: off" more "}]\n"

static void begin(struct bench *bench, const char *yaml)
{
	memset(&life, 0, sizeof life);
	bench_extra = &living_ops;
	open_bench(bench, NULL, yaml);
}

static void end(struct bench *bench)
{
	close_bench(bench);
	bench_extra = NULL;
	assert_int_equal(atomic_load(&life.opened), atomic_load(&life.closed));
}

static void change(struct bench *bench, const char *yaml)
{
	sb_error error;

	if (reconfigure_bench(bench, yaml, &error) < 0)
		fail_msg("%s: %s", yaml, error.message);
}

static void refuse(struct bench *bench, const char *yaml, const char *words)
{
	sb_error error;

	assert_true(reconfigure_bench(bench, yaml, &error) < 0);
	if (strstr(error.message, words) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", words, error.message);
}

/* `clean`, or the threat of the first engine. */
static void finds(struct bench *bench, const char *text, const char *wanted)
{
	sb_report *report = scan_text(bench, text);
	const char *name = sb_report_threat_count(report) > 0
				   ? sb_report_threat_name(report, 0)
				   : sb_outcome_name(sb_report_outcome(report));

	assert_string_equal(name, wanted);
	sb_report_free(report);
}

static uint64_t metric(struct bench *bench, const char *engine, sb_metric which)
{
	uint64_t value = 0;

	assert_int_equal(sb_manager_engine_metric(bench->manager, engine, which, &value), 0);
	return value;
}

static void site_gen(struct bench *bench, uint8_t out[32])
{
	sb_engine_state state;

	for (size_t i = 0; i < bench->manager->site->engine_count; i++)
		(void)sb_manager_engine_state(bench->manager, i, false, &state);
	sb_manager_site_gen(bench->manager, out);
}

/* --- What is new, what is as it was --------------------------------------------------------------
 */

static void engines_come_go_and_change(void **unused)
{
	struct bench bench;

	(void)unused;
	begin(&bench, QUIET LIVING(""));
	finds(&bench, "a needle", "Found");
	change(&bench, QUIET LIVING(", word: Other"));
	finds(&bench, "a needle", "Other");
	change(&bench, QUIET "engines: [{name: e, type: living, self_test: off, word: Other},\n"
			     " {name: f, type: living, self_test: off, word: More}]\n");
	assert_int_equal(atomic_load(&life.opened), 3 + 1); /* one to see whether `e` is the same */
	assert_int_equal(bench.manager->site->engine_count, 2);
	change(&bench, QUIET "engines: [{name: f, type: living, self_test: off, word: More}]\n");
	finds(&bench, "a needle", "More");
	assert_null(sb_manager_breaker(bench.manager, "e", NULL));
	end(&bench);
}

static void what_is_as_it_was_keeps_its_state(void **unused)
{
	static const char *const others[] = {
		/* another place in the file, another engine beside it, other sections */
		QUIET "\n\nengines: [{name: o, type: obedient, self_test: off, role: optional},\n"
		      " {name: e, type: living, self_test: off}]\n",
		QUIET LIVING("") "policy: {preset: strict}\n",
		QUIET LIVING("") "decision: {min_engines: 1}\nhashes: [blake3, sha256]\n",
		QUIET LIVING("") "limits: {timeout: 1h, max_in_flight: 7}\n",
	};
	struct bench bench;
	sb_engine *engine;

	(void)unused;
	begin(&bench, QUIET LIVING(""));
	engine = bench.manager->site->engines[0];
	finds(&bench, "nothing", "clean");
	assert_int_equal(
		sb_manager_set_breaker(bench.manager, "e", SB_BREAKER_FORCE_OPEN, NULL), 0);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		change(&bench, others[i]);
		assert_true(sb_site_has(bench.manager->site, engine));
		assert_string_equal(sb_manager_breaker(bench.manager, "e", NULL), "open");
		assert_int_equal(metric(&bench, "e", SB_METRIC_SUCCESSFUL), 1);
	}
	end(&bench);
}

static void what_has_changed_is_opened_anew(void **unused)
{
	static const char *const others[] = {
		QUIET LIVING(", word: Other"),
		QUIET LIVING(", pace: 3"),
		QUIET LIVING(", timeout: 7s"),
		QUIET LIVING(", breaker: {open: 1s}"),
		QUIET LIVING("") "containers: {max_depth: 3}\n",
		QUIET LIVING("") "limits: {max_size: 5MiB}\n",
		QUIET LIVING("") "mime: always\n",
	};
	(void)unused;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		struct bench bench;
		const sb_engine *engine;

		begin(&bench, QUIET LIVING(""));
		engine = bench.manager->site->engines[0];
		assert_int_equal(
			sb_manager_set_breaker(bench.manager, "e", SB_BREAKER_FORCE_OPEN, NULL), 0);
		change(&bench, others[i]);
		assert_string_equal(sb_manager_breaker(bench.manager, "e", NULL), "closed");
		assert_ptr_not_equal(engine, bench.manager->site->engines[0]);
		end(&bench);
	}
}

/* Nothing is said differently, and the list that is named holds something else. */
static void another_list_takes_over(void **unused)
{
	struct bench bench;
	const sb_engine *engine;

	(void)unused;
	begin(&bench, QUIET LIVING(""));
	engine = bench.manager->site->engines[0];
	change(&bench, QUIET LIVING(""));
	assert_ptr_equal(engine, bench.manager->site->engines[0]);
	atomic_store(&life.list, 7);
	change(&bench, QUIET LIVING(""));
	assert_ptr_not_equal(engine, bench.manager->site->engines[0]);
	end(&bench);
}

static void generations_change_where_judging_does(void **unused)
{
	static const struct {
		const char *yaml;
		bool engine, site;
	} rows[] = {
		{QUIET LIVING(", pace: 3"), false, false},
		{QUIET LIVING(", timeout: 7s"), false, false},
		{QUIET LIVING("") "limits: {timeout: 1h}\n", false, false},
		{QUIET LIVING("") "policy: {preset: strict}\n", false, true},
		{QUIET LIVING("") "decision: {min_assurance: rules}\n", false, true},
		{QUIET LIVING(", role: optional"), false, true},
		{QUIET LIVING(", word: Other"), true, true},
		{QUIET LIVING(", heuristics: infected"), true, true},
		{QUIET LIVING("") "containers: {max_depth: 3}\n", true, true},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t before[32], after[32];
		sb_generation was, is;
		struct bench bench;

		begin(&bench, QUIET LIVING(""));
		site_gen(&bench, before);
		sb_engine_generation(bench.manager->site->engines[0], &was);
		change(&bench, rows[i].yaml);
		site_gen(&bench, after);
		sb_engine_generation(bench.manager->site->engines[0], &is);
		assert_true(was.known && is.known);
		if ((memcmp(was.gen, is.gen, sizeof was.gen) != 0) != rows[i].engine ||
			(memcmp(before, after, sizeof before) != 0) != rows[i].site)
			fail_msg("%s", rows[i].yaml);
		end(&bench);
	}
}

/* What is remembered holds on where nothing about judging has changed, and only there. */
static void cache_goes_on(void **unused)
{
	struct bench bench;
	sb_report *report;
	size_t i;
	static const struct {
		const char *yaml;
		bool cached;
	} rows[] = {
		{QUIET LIVING("") "cache: {enabled: true}\n", true},
		{QUIET LIVING(", pace: 1") "cache: {enabled: true}\n", true},
		{QUIET LIVING(", pace: 1") "cache: {enabled: true}\npolicy: {preset: strict}\n",
			true},
		{QUIET LIVING(", word: Other") "cache: {enabled: true}\n", false},
		{QUIET LIVING("") "cache: {enabled: true}\n", true},
	};

	(void)unused;
	begin(&bench, QUIET LIVING("") "cache: {enabled: true}\n");
	finds(&bench, "a needle", "Found");
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		change(&bench, rows[i].yaml);
		report = scan_text(&bench, "a needle");
		if (sb_report_cached(report) != rows[i].cached)
			fail_msg("%s", rows[i].yaml);
		sb_report_free(report);
	}
	end(&bench);
}

/* The one it falls back to has another number, and is the same. */
static void fallbacks_are_found_in_their_new_place(void **unused)
{
	static const char first[] =
		QUIET "engines: [{name: e, type: living, self_test: off, on_open: {fallback: f}},\n"
		      " {name: f, type: obedient, self_test: off}]\n";
	static const char then[] =
		QUIET "engines: [{name: f, type: obedient, self_test: off},\n"
		      " {name: g, type: obedient, self_test: off, role: optional},\n"
		      " {name: e, type: living, self_test: off, on_open: {fallback: f}}]\n";
	struct bench bench;
	sb_report *report;

	(void)unused;
	begin(&bench, first);
	script.scan = clean;
	assert_int_equal(
		sb_manager_set_breaker(bench.manager, "e", SB_BREAKER_FORCE_OPEN, NULL), 0);
	for (int i = 0; i < 2; i++) {
		report = scan_text(&bench, "x");
		assert_int_equal(sb_report_outcome(report), SB_OUTCOME_CLEAN);
		assert_non_null(strstr(sb_report_json(report, NULL), "\"replaced_by\":\"f\""));
		sb_report_free(report);
		change(&bench, then);
	}
	end(&bench);
}

/* --- Scans under way
 * ------------------------------------------------------------------------------
 */

static int first_until_go(sb_call *call, unsigned attempt, sb_error *error)
{
	return attempt == 0 ? until_go(call, attempt, error) : infected(call, attempt, error);
}

/* A scan that began before ends as it began, by an engine and a policy that are gone by then. */
static void scans_end_as_they_began(void **unused)
{
	struct bench bench;
	sb_report *report;
	sb_job *job;

	(void)unused;
	begin(&bench, QUIET LIVING(", timeout: 24h") "limits: {timeout: 30d}\n"
						     "policy: {preset: monitor}\n");
	script.scan = first_until_go;
	job = submit_text(&bench, "x", NULL, NULL, NULL);
	while (sem_wait(&script.entered) != 0)
		continue;
	change(&bench, QUIET "engines: [{name: o, type: obedient, self_test: off}]\n"
			     "policy: {preset: strict}\n");
	report = scan_text(&bench, "x");
	assert_int_equal(sb_report_action(report), SB_ACTION_QUARANTINE);
	sb_report_free(report);
	assert_int_equal(atomic_load(&life.closed), 0);
	assert_int_equal(sb_job_state(job), SB_JOB_RUNNING);
	sem_post(&script.go);
	report = take(job);
	assert_int_equal(sb_report_outcome(report), SB_OUTCOME_CLEAN);
	assert_non_null(strstr(sb_report_json(report, NULL), "\"engine\":\"e\""));
	sb_report_free(report);
	end(&bench);
}

static void streams_end_as_they_began(void **unused)
{
	struct bench bench;
	sb_report *report;
	sb_input *input = sb_input_stream();
	sb_job *job = NULL;

	(void)unused;
	begin(&bench, QUIET LIVING(""));
	assert_int_equal(sb_submit(&job, bench.manager, input, NULL, NULL, NULL, NULL, NULL), 0);
	sb_input_free(input);
	assert_int_equal(sb_job_write(job, "a nee", 5, NULL), 0);
	change(&bench, QUIET LIVING(", word: Other"));
	assert_int_equal(sb_job_write(job, "dle", 3, NULL), 0);
	assert_int_equal(sb_job_finish(job, NULL), 0);
	report = take(job);
	assert_string_equal(sb_report_threat_name(report, 0), "Found");
	sb_report_free(report);
	end(&bench);
}

/* --- What is refused
 * ------------------------------------------------------------------------------
 */

static void what_fails_changes_nothing(void **unused)
{
	static const struct {
		const char *yaml, *words;
	} rows[] = {
		{"engines: [{name: e, type: living, wordd: x}]\n", "wordd"},
		{"engines: [{name: e, type: nothing}]\n", "nothing"},
		{"engines: {", "test:"},
		{QUIET LIVING("") "isolation: none\n"
				  "cache: {enabled: false}\n",
			"isolation"},
		{QUIET LIVING("") "cache: {enabled: true}\n", "cache.enabled"},
		{QUIET LIVING("") "quarantine: {max_size: 1GiB}\n", "quarantine.max_size"},
		{QUIET LIVING("") "limits: {spool_memory: 1GiB}\n", "limits.spool_memory"},
		{LIVING(""), "audit.enabled"},
	};
	struct bench bench;

	(void)unused;
	begin(&bench, QUIET LIVING(""));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const sb_site *site = bench.manager->site;

		refuse(&bench, rows[i].yaml, rows[i].words);
		assert_ptr_equal(site, bench.manager->site);
		finds(&bench, "a needle", "Found");
	}
	atomic_store(&life.refuse_open, 1);
	refuse(&bench, QUIET LIVING(", word: Other"), "not today");
	refuse(&bench, QUIET LIVING(", word: Other, role: optional"), "not today");
	finds(&bench, "a needle", "Found");
	end(&bench);
}

static void what_can_change_around_them_does(void **unused)
{
	struct bench bench;

	(void)unused;
	begin(&bench, QUIET LIVING(""));
	change(&bench, "audit: {enabled: false, on_failure: allow}\n" LIVING(
			       "") "quarantine: {remove_original: true}\n");
	assert_true(bench.manager->site->conf->quarantine.remove_original);
	end(&bench);
}

static void the_canary_decides(void **unused)
{
	struct bench bench;

	(void)unused;
	begin(&bench, QUIET LIVING(""));
	change(&bench, QUIET "engines: [{name: e, type: living, self_test: eicar, word: Two}]\n");
	finds(&bench, "a needle", "Two");
	atomic_store(&life.lie, 1);
	refuse(&bench, QUIET "engines: [{name: e, type: living, self_test: eicar, word: Three}]\n",
		"a benign text was called infected");
	/* What has no known answers still has to leave alone what is benign. */
	refuse(&bench,
		QUIET "engines: [{name: e, type: living, self_test: builtin, word: Three}]\n",
		"Three flags a benign file");
	atomic_store(&life.lie, 0);
	finds(&bench, "a needle", "Two");
	end(&bench);
}

static void *reconfigure_to_stuck(void *data)
{
	sb_error error;

	assert_int_equal(reconfigure_bench(data,
				 QUIET "engines: [{name: s, type: living, self_test: eicar, "
				       "timeout: 24h}]\n",
				 &error),
		-SB_KIND_CANCELLED);
	return NULL;
}

/* An engine that never answers is given up when the manager is closed. */
static void closing_ends_the_canary(void **unused)
{
	struct bench bench;
	pthread_t thread;

	(void)unused;
	begin(&bench, QUIET LIVING(""));
	script.scan = until_cancelled;
	assert_int_equal(pthread_create(&thread, NULL, reconfigure_to_stuck, &bench), 0);
	while (sem_wait(&script.entered) != 0)
		continue;
	sb_manager_close(bench.manager);
	pthread_join(thread, NULL);
	end(&bench);
}

/* What was out of service before, and is said the same of, keeps nobody else from changing. */
static void out_of_service_as_before(void **unused)
{
	struct bench bench;

	(void)unused;
	memset(&life, 0, sizeof life);
	bench_extra = &living_ops;
	atomic_store(&life.refuse_open, 1);
	open_bench(&bench, NULL, QUIET LIVING(", role: optional"));
	change(&bench, QUIET LIVING(", role: optional") "policy: {preset: strict}\n");
	atomic_store(&life.refuse_open, 0);
	change(&bench, QUIET LIVING(", role: optional") "policy: {preset: strict}\n");
	finds(&bench, "a needle", "Found");
	end(&bench);
}

static void every_change_is_on_record(void **unused)
{
	static const char *const wanted[] = {NULL, "not_configured"};
	char path[128], line[16384];
	struct bench bench;
	size_t count = 0;
	FILE *log;

	(void)unused;
	begin(&bench, LIVING(""));
	change(&bench, LIVING("") "policy: {preset: strict}\n");
	refuse(&bench, LIVING("") "polici: {}\n", "polici");
	snprintf(path, sizeof path, "%s/audit.jsonl", bench.dir);
	log = fopen(path, "r");
	assert_non_null(log);
	while (fgets(line, sizeof line, log) != NULL) {
		json_t *record = json_loads(line, 0, NULL);
		const char *event = json_string_value(json_object_get(record, "event"));
		const char *error = json_string_value(json_object_get(record, "error"));

		if (strcmp(event, "config_loaded") == 0) {
			assert_true(count < 2);
			assert_true((error == NULL) == (wanted[count] == NULL));
			assert_int_equal(
				json_integer_value(json_object_get(record, "engines_kept")),
				count == 0);
			count++;
		}
		json_decref(record);
	}
	fclose(log);
	assert_int_equal(count, 2);
	end(&bench);
}

/* --- All at once
 * ----------------------------------------------------------------------------------
 */

static struct stress {
	sb_manager *manager;
	_Atomic(bool) stop;
	_Atomic(unsigned) scans, wrong;
} stress;

static void *scan_on(void *data)
{
	unsigned number = 0;
	char text[64];

	while (!atomic_load(&stress.stop)) {
		bool bad = number % 3 == 0;
		sb_report *report = NULL;
		sb_input *input;
		sb_outcome outcome;

		snprintf(text, sizeof text, "%s %zu %u", bad ? "a needle" : "hay",
			(size_t)(uintptr_t)data, number++ % 100);
		input = sb_input_memory(text, strlen(text));
		if (sb_scan(&report, stress.manager, input, NULL, NULL) < 0) {
			atomic_fetch_add(&stress.wrong, 1);
		} else {
			/* An engine whose breaker is forced open errs; nothing is ever missed. */
			outcome = sb_report_outcome(report);
			if (outcome != SB_OUTCOME_ERROR && (outcome == SB_OUTCOME_INFECTED) != bad)
				atomic_fetch_add(&stress.wrong, 1);
		}
		atomic_fetch_add(&stress.scans, 1);
		sb_report_free(report);
		sb_input_free(input);
	}
	return NULL;
}

static void *disturb(void *data)
{
	static const sb_breaker_order orders[] = {
		SB_BREAKER_FORCE_OPEN, SB_BREAKER_FORCE_CLOSE, SB_BREAKER_RESET};
	uint64_t value;

	(void)data;
	for (unsigned i = 0; !atomic_load(&stress.stop); i++) {
		(void)sb_manager_set_breaker(
			stress.manager, i % 2 == 0 ? "e" : "o", orders[i % 3], NULL);
		(void)sb_manager_breaker(stress.manager, "e", NULL);
		(void)sb_manager_engine_metric(stress.manager, "e", SB_METRIC_SUCCESSFUL, &value);
		if (i % 16 == 0)
			(void)sb_cache_clear(sb_verdicts_cache(stress.manager->verdicts), NULL);
		sched_yield();
	}
	return NULL;
}

/* Every third reconfiguration fails: an engine that lies, or does not open. */
static void reconfigure_on(struct bench *bench, unsigned rounds)
{
	char yaml[1024];
	sb_error error;

	for (unsigned i = 0; i < rounds; i++) {
		bool fails = i % 3 == 2;

		atomic_store(&life.refuse_open, fails);
		atomic_store(&life.list, (int)(i / 4));
		snprintf(yaml, sizeof yaml,
			QUIET "cache: {enabled: true}\nlimits: {max_in_flight: 1000}\n"
			      "policy: {preset: %s}\n"
			      "engines: [{name: e, type: living, self_test: eicar, word: W%u, "
			      "concurrency: 8}%s]\n",
			i % 2 == 0 ? "strict" : "default", i % 5,
			i % 4 < 2 ? ",\n {name: o, type: living, self_test: off, role: optional}"
				  : "");
		assert_true((reconfigure_bench(bench, yaml, &error) < 0) == fails);
	}
	atomic_store(&life.refuse_open, 0);
}

static void many_threads(void **unused)
{
	enum { THREADS = 64 };
	const char *wanted = getenv("SB_RECONFIGURATIONS");
	unsigned rounds = wanted != NULL ? (unsigned)strtoul(wanted, NULL, 10) : 30;
	pthread_t threads[THREADS + 1];
	struct bench bench;

	(void)unused;
	begin(&bench, QUIET LIVING("") "cache: {enabled: true}\nlimits: {max_in_flight: 1000}\n");
	memset(&stress, 0, sizeof stress);
	stress.manager = bench.manager;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, scan_on, (void *)(uintptr_t)i), 0);
	assert_int_equal(pthread_create(&threads[THREADS], NULL, disturb, NULL), 0);
	reconfigure_on(&bench, rounds);
	while (atomic_load(&stress.scans) < 1000)
		sched_yield();
	atomic_store(&stress.stop, true);
	for (size_t i = 0; i <= THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&stress.wrong), 0);
	print_message("%u scans during %u reconfigurations\n", atomic_load(&stress.scans), rounds);
	end(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engines_come_go_and_change),
		cmocka_unit_test(what_is_as_it_was_keeps_its_state),
		cmocka_unit_test(what_has_changed_is_opened_anew),
		cmocka_unit_test(another_list_takes_over),
		cmocka_unit_test(generations_change_where_judging_does),
		cmocka_unit_test(cache_goes_on),
		cmocka_unit_test(fallbacks_are_found_in_their_new_place),
		cmocka_unit_test(scans_end_as_they_began),
		cmocka_unit_test(streams_end_as_they_began),
		cmocka_unit_test(what_fails_changes_nothing),
		cmocka_unit_test(what_can_change_around_them_does),
		cmocka_unit_test(the_canary_decides),
		cmocka_unit_test(closing_ends_the_canary),
		cmocka_unit_test(out_of_service_as_before),
		cmocka_unit_test(every_change_is_on_record),
		cmocka_unit_test(many_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
