/* SPDX-License-Identifier: MIT */
/* See moods_scene.h. */
#include "scan/moods_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scan/call.h"
#include "util/error.h"

_Atomic(char) moods[26];
_Atomic(unsigned) asked[26];

/* What the other letters mean. */
static const struct {
	char mood;
	sb_kind kind;
} errors[] = {
	{'r', SB_KIND_CONNECTION_FAILED},
	{'t', SB_KIND_TIMEOUT},
	{'g', SB_KIND_PROTOCOL_ERROR},
	{'u', SB_KIND_ENGINE_UNAVAILABLE},
	{'x', SB_KIND_ENGINE_CRASHED},
	{'a', SB_KIND_AUTHENTICATION_FAILED},
	{'l', SB_KIND_RATE_LIMITED},
	{'o', SB_KIND_OVERLOADED},
	{'b', SB_KIND_FILE_TOO_LARGE},
	{'m', SB_KIND_LIMIT_EXCEEDED},
	{'e', SB_KIND_ENCRYPTED},
	{'d', SB_KIND_CORRUPT},
	{'n', SB_KIND_UNSUPPORTED},
	{'h', SB_KIND_CHANGED},
	{'f', SB_KIND_FILE_NOT_FOUND},
	{'p', SB_KIND_IO},
	{'q', SB_KIND_NOT_CONFIGURED},
	{'z', SB_KIND_INTERNAL},
};

static int knows(sb_call *call, unsigned attempt, sb_error *error)
{
	size_t length;
	const char *content = sb_call_memory(call, &length);
	bool found = content != NULL && length == 68 && memcmp(content, "X5O", 3) == 0;

	return found ? infected(call, attempt, error) : clean(call, attempt, error);
}

int moody(sb_call *call, unsigned attempt, sb_error *error)
{
	unsigned engine = (unsigned)(call->engine->conf->name[0] - 'a');
	char mood = atomic_load(&moods[engine]);

	atomic_fetch_add(&asked[engine], 1);
	switch (mood) {
	case 'c':
		return clean(call, attempt, error);
	case 'i':
		return infected(call, attempt, error);
	case 'k': /* knows the test file, as a scanner should */
		return knows(call, attempt, error);
	case 'H': /* hangs, and minds nothing */
		return until_go(call, attempt, error);
	case 'C': /* hangs until it is cancelled */
		return until_cancelled(call, attempt, error);
	case 'F': /* hangs, then fails */
		until_go(call, attempt, error);
		return sb_error_set(error, SB_KIND_CONNECTION_FAILED, 0, "lost");
	default:
		break;
	}
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (errors[i].mood == mood)
			return sb_error_set(error, errors[i].kind, 0, "in the mood for it");
	return -SB_KIND_INTERNAL;
}

void set_moods(const char *all)
{
	for (size_t i = 0; i < 26; i++) {
		atomic_store(&moods[i], i < strlen(all) ? all[i] : 'c');
		atomic_store(&asked[i], 0);
	}
}

void open_moody(struct bench *bench, const char *all, const char *engines)
{
	char yaml[1500];

	set_moods(all);
	snprintf(yaml, sizeof yaml, "audit: {enabled: false}\nlimits: {timeout: 30d}\nengines:\n%s",
		engines);
	open_bench(bench, moody, yaml);
}

sb_report *scan_number(struct bench *bench, unsigned number)
{
	char text[32];

	snprintf(text, sizeof text, "content %u", number);
	return scan_text(bench, text);
}

/* Scan, and compare kind (NONE: clean). */
void scan_expect(struct bench *bench, const char *why, sb_kind kind)
{
	static unsigned number;
	sb_report *report = scan_number(bench, ++number);

	expect(why, report, kind == SB_KIND_NONE ? SB_OUTCOME_CLEAN : SB_OUTCOME_ERROR, kind);
	sb_report_free(report);
}

void scan_times(struct bench *bench, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		sb_report_free(scan_number(bench, i));
}

void breaker_is(struct bench *bench, const char *engine, const char *state)
{
	const char *now = sb_manager_breaker(bench->manager, engine, NULL);

	if (strcmp(now, state) != 0)
		fail_msg("the breaker of %s is %s, not %s", engine, now, state);
}

uint64_t metric(struct bench *bench, const char *engine, sb_metric which)
{
	uint64_t value = UINT64_MAX;

	assert_int_equal(sb_manager_engine_metric(bench->manager, engine, which, &value), 0);
	return value;
}

void turn(struct bench *bench, uint64_t ms)
{
	sb_clock_fake_turn(bench->clock, ms * SB_MS);
}

void make_half_open(struct bench *bench, const char *mood)
{
	scan_times(bench, 5);
	breaker_is(bench, "a", "open");
	turn(bench, 36000);
	set_moods(mood);
}

void await_entered(void)
{
	while (sem_wait(&script.entered) != 0)
		;
}

void drain_entered(void)
{
	while (sem_trywait(&script.entered) == 0)
		;
}

sb_report *scan_only(struct bench *bench, const char *engines)
{
	sb_scan_options *options = sb_scan_options_new();
	sb_input *input = sb_input_memory("x", 1);
	sb_report *report = NULL;
	sb_error error;

	sb_error_init(&error);
	for (; engines != NULL && *engines != '\0'; engines++)
		sb_scan_options_add_engine(options, (char[]){*engines, '\0'});
	if (sb_scan(&report, bench->manager, input, options, &error) < 0)
		fail_msg("%s", error.message);
	sb_scan_options_free(options);
	sb_input_free(input);
	return report;
}
