/* SPDX-License-Identifier: MIT */
/*
 * An engine that says what it is told to say: for tests, examples and measurements. It keeps
 * every rule of the contract that a real engine keeps (deadline, cancel, streams), so that
 * what is learned with it holds for the others. Its only shared state is one atomic counter;
 * with no schedule, no latency and no responses a scan costs a few nanoseconds.
 */
#include <scanbridge/sys/engine.h>

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/hash.h"
#include "util/text.h"

enum verb {
	VERB_CLEAN = 0,
	VERB_INFECTED,
	VERB_SUSPICIOUS,
	VERB_ERROR,
	VERB_PARTIAL, /* clean, but not all of it was looked at */
	VERB_HANG,    /* until the deadline or a cancel */
	VERB_SILENT,  /* returns without a statement */
};

/* What to say; the word that `infected:` and `suspicious:` carry is the threat's name. */
struct saying {
	enum verb verb;
	sb_kind kind;
	const char *name;
	size_t name_length;
};

struct response {
	uint8_t hash[SB_BLAKE3_SIZE];
	struct saying saying;
};

typedef struct mock_state {
	/* settings */
	sb_texts texts;
	const char *otherwise_text, *fail_kind_text, *schedule;
	uint64_t latency_ms;
	int64_t fail_every;
	int content;
	/* made by open() */
	struct response *responses; /* sorted by hash */
	struct saying otherwise;
	sb_kind fail_kind;
	size_t schedule_length;
	atomic_ulong scans; /* counted only where a schedule needs it */
} mock_state;

/* Index is sb_content_coverage. */
static const char *const content_words[] = {"unknown", "partial", "inspected", NULL};

static const sb_setting mock_settings[] = {
	{.key = "responses",
		.type = SB_SETTING_TEXTS,
		.offset = offsetof(mock_state, texts),
		.help = "HASH=WHAT: what to say about the content with this BLAKE3 hash"},
	{.key = "default",
		.type = SB_SETTING_TEXT,
		.offset = offsetof(mock_state, otherwise_text),
		.fallback = "clean",
		.help = "what to say about all other content: clean, infected:NAME, "
			"suspicious:NAME, error:KIND, partial, hang or silent"},
	{.key = "latency",
		.type = SB_SETTING_DURATION,
		.offset = offsetof(mock_state, latency_ms),
		.fallback = "0ms",
		.max = 86400000,
		.help = "time each scan takes"},
	{.key = "fail_every",
		.type = SB_SETTING_INT,
		.offset = offsetof(mock_state, fail_every),
		.fallback = "0",
		.max = 1e9,
		.help = "fail every Nth scan; 0: none"},
	{.key = "fail_kind",
		.type = SB_SETTING_TEXT,
		.offset = offsetof(mock_state, fail_kind_text),
		.fallback = "engine_unavailable",
		.help = "kind of error that fail_every and schedule give"},
	{.key = "schedule",
		.type = SB_SETTING_TEXT,
		.offset = offsetof(mock_state, schedule),
		.help = "a letter for each scan, again and again: `.` works, `x` fails"},
	{.key = "content",
		.type = SB_SETTING_CHOICE,
		.offset = offsetof(mock_state, content),
		.fallback = "inspected",
		.choices = content_words,
		.help = "what a clean answer says about containers"},
	{.key = NULL},
};

/* --- Settings ---------------------------------------------------------------------------- */

static const struct {
	const char *word;
	enum verb verb;
	bool named; /* `:WORD` follows */
} verbs[] = {
	{"clean", VERB_CLEAN, false},
	{"infected", VERB_INFECTED, true},
	{"suspicious", VERB_SUSPICIOUS, true},
	{"error", VERB_ERROR, true},
	{"partial", VERB_PARTIAL, false},
	{"hang", VERB_HANG, false},
	{"silent", VERB_SILENT, false},
};

static int bad_text(sb_error *error, const char *what, const char *text, const char *expected)
{
	sb_buf escaped;

	sb_buf_init(&escaped, 512);
	sb_escape(&escaped, text, strnlen(text, 100));
	sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "%s: `%s`: expected %s", what,
		escaped.length > 0 ? escaped.data : "", expected);
	sb_buf_done(&escaped);
	return -SB_KIND_NOT_CONFIGURED;
}

static bool parse_saying(const char *text, struct saying *out)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		size_t length = strlen(verbs[i].word);
		const char *word = text + length + 1;

		if (strncmp(text, verbs[i].word, length) != 0 ||
			text[length] != (verbs[i].named ? ':' : '\0'))
			continue;
		*out = (struct saying){.verb = verbs[i].verb};
		if (out->verb == VERB_ERROR)
			return sb_kind_from_name(word, &out->kind);
		if (verbs[i].named) {
			out->name = word;
			out->name_length = strlen(word);
		}
		return !verbs[i].named || out->name_length > 0;
	}
	return false;
}

static bool parse_response(const char *text, struct response *out)
{
	enum { DIGITS = 2 * SB_BLAKE3_SIZE };

	return strnlen(text, DIGITS + 1) > DIGITS && text[DIGITS] == '=' &&
	       sb_unhex(out->hash, SB_BLAKE3_SIZE, text, DIGITS) &&
	       parse_saying(text + DIGITS + 1, &out->saying);
}

static int by_hash(const void *left, const void *right)
{
	return memcmp(left, right, SB_BLAKE3_SIZE);
}

static int load_responses(mock_state *mock, sb_error *error)
{
	if (mock->texts.count == 0)
		return 0;
	mock->responses = calloc(mock->texts.count, sizeof *mock->responses);
	if (mock->responses == NULL)
		return sb_error_no_memory(error);
	for (size_t i = 0; i < mock->texts.count; i++)
		if (!parse_response(mock->texts.items[i], &mock->responses[i]))
			return bad_text(error, "responses", mock->texts.items[i],
				"64 hexadecimal digits, `=` and what to say, as in `default`");
	qsort(mock->responses, mock->texts.count, sizeof *mock->responses, by_hash);
	for (size_t i = 1; i < mock->texts.count; i++)
		if (by_hash(&mock->responses[i - 1], &mock->responses[i]) == 0)
			return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
				"responses: the same hash stands there twice");
	return 0;
}

static int mock_open(void *state, sb_error *error)
{
	mock_state *mock = state;

	atomic_init(&mock->scans, 0);
	if (mock->otherwise_text != NULL && !parse_saying(mock->otherwise_text, &mock->otherwise))
		return bad_text(error, "default", mock->otherwise_text,
			"clean, infected:NAME, suspicious:NAME, error:KIND, partial, hang or "
			"silent");
	mock->fail_kind = SB_KIND_ENGINE_UNAVAILABLE;
	if (mock->fail_kind_text != NULL &&
		!sb_kind_from_name(mock->fail_kind_text, &mock->fail_kind))
		return bad_text(error, "fail_kind", mock->fail_kind_text,
			"a kind of error such as timeout");
	if (mock->schedule != NULL) {
		mock->schedule_length = strlen(mock->schedule);
		if (mock->schedule_length == 0 ||
			strspn(mock->schedule, ".x") != mock->schedule_length)
			return bad_text(error, "schedule", mock->schedule, "letters `.` and `x`");
	}
	return load_responses(mock, error);
}

static void mock_close(void *state)
{
	mock_state *mock = state;

	free(mock->responses);
	mock->responses = NULL;
}

/* --- Scanning ---------------------------------------------------------------------------- */

static uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Wait @p ms, or less when the call must end: then -kind. */
static int wait_ms(sb_call *call, uint64_t ms, sb_error *error)
{
	uint64_t start = monotonic_ms();
	struct pollfd cancel = {.fd = sb_call_cancel_fd(call), .events = POLLIN};

	for (;;) {
		uint64_t gone = monotonic_ms() - start, left = ms > gone ? ms - gone : 0;
		uint64_t budget = sb_call_remaining_ms(call);

		if (sb_call_cancelled(call))
			return sb_error_set(error, SB_KIND_CANCELLED, 0, "cancelled");
		if (budget == 0)
			return sb_error_set(
				error, SB_KIND_TIMEOUT, 0, "no answer before the deadline");
		if (left == 0)
			return 0;
		left = left < budget ? left : budget;
		if (poll(&cancel, 1, left < 3600000 ? (int)left : 3600000) < 0 && errno != EINTR)
			return sb_error_set(error, SB_KIND_INTERNAL, errno, "poll");
	}
}

static bool fails_now(mock_state *mock)
{
	unsigned long number;

	if (mock->schedule_length == 0 && mock->fail_every <= 0)
		return false;
	number = atomic_fetch_add_explicit(&mock->scans, 1, memory_order_relaxed);
	if (mock->fail_every > 0 && (number + 1) % (unsigned long)mock->fail_every == 0)
		return true;
	return mock->schedule_length > 0 && mock->schedule[number % mock->schedule_length] == 'x';
}

static int choose(const mock_state *mock, sb_call *call, const struct saying **out, sb_error *error)
{
	uint8_t hash[SB_BLAKE3_SIZE];
	const struct response *found;
	int rc;

	*out = &mock->otherwise;
	if (mock->responses == NULL)
		return 0;
	rc = sb_call_digest(call, SB_DIGEST_BLAKE3, hash, error);
	if (rc < 0)
		return rc;
	found = bsearch(hash, mock->responses, mock->texts.count, sizeof *found, by_hash);
	if (found != NULL)
		*out = &found->saying;
	return 0;
}

/* Half of the content; of nothing there is no half, so that is refused. */
static int say_partial(sb_call *call, sb_content_coverage content, sb_error *error)
{
	uint64_t size = sb_call_size(call);

	if (size == 0)
		return sb_error_set(error, SB_KIND_LIMIT_EXCEEDED, 0, "nothing was looked at");
	return sb_call_clean(call, size / 2, content, error);
}

static int say(const mock_state *mock, sb_call *call, const struct saying *saying, sb_error *error)
{
	sb_content_coverage content = (sb_content_coverage)mock->content;
	sb_threat threat = {.name = saying->name, .name_length = saying->name_length};

	switch (saying->verb) {
	case VERB_CLEAN:
		return sb_call_clean(call, sb_call_size(call), content, error);
	case VERB_INFECTED:
		sb_call_cover(call, sb_call_size(call), content);
		return sb_call_infected(call, &threat, error);
	case VERB_SUSPICIOUS:
		sb_call_cover(call, sb_call_size(call), content);
		return sb_call_suspicious(call, &threat, -1, error);
	case VERB_ERROR:
		return sb_error_set(error, saying->kind, 0, "told to fail");
	case VERB_PARTIAL:
		return say_partial(call, content, error);
	case VERB_HANG:
		return wait_ms(call, UINT64_MAX, error);
	case VERB_SILENT:
		return 0;
	}
	return sb_error_set(error, SB_KIND_INTERNAL, 0, "unknown verb");
}

static int mock_scan(void *state, sb_call *call, sb_error *error)
{
	mock_state *mock = state;
	const struct saying *saying;
	int rc;

	if (fails_now(mock))
		return sb_error_set(error, mock->fail_kind, 0, "told to fail by its schedule");
	if (mock->latency_ms > 0) {
		rc = wait_ms(call, mock->latency_ms, error);
		if (rc < 0)
			return rc;
	}
	rc = choose(mock, call, &saying, error);
	return rc < 0 ? rc : say(mock, call, saying, error);
}

/* --- Streams: count what arrives, then scan ------------------------------------------------ */

static int mock_begin(void *state, sb_call *call, void **stream, sb_error *error)
{
	uint64_t *fed = calloc(1, sizeof *fed);

	(void)state;
	(void)call;
	if (fed == NULL)
		return sb_error_no_memory(error);
	*stream = fed;
	return 0;
}

static int mock_feed(void *state, void *stream, const void *data, size_t length, sb_error *error)
{
	uint64_t *fed = stream;

	(void)state;
	(void)data;
	(void)error;
	*fed += length;
	return 0;
}

static int mock_finish(void *state, sb_call *call, void *stream, bool whole, sb_error *error)
{
	uint64_t fed = *(uint64_t *)stream;

	free(stream);
	if (!whole)
		return 0;
	if (fed != sb_call_size(call))
		return sb_error_set(error, SB_KIND_INTERNAL, 0,
			"got %llu bytes of a stream of %llu", (unsigned long long)fed,
			(unsigned long long)sb_call_size(call));
	return mock_scan(state, call, error);
}

static int mock_identity(void *state, uint64_t timeout_ms, sb_identity *out, sb_error *error)
{
	(void)state;
	(void)timeout_ms;
	(void)error;
	*out = (sb_identity){.engine_version = SB_VERSION_STRING, .exactness = SB_EXACT_FULL};
	return 0;
}

extern const sb_engine_ops sb_engine_mock;
const sb_engine_ops sb_engine_mock = {
	.abi = SB_ENGINE_ABI,
	.name = "mock",
	.summary = "says what it is told to say: for tests and measurements",
	.state_size = sizeof(mock_state),
	.settings = mock_settings,
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	/* It waits only when told to, and then for the deadline or a cancel too. */
	.flags = SB_ENGINE_HONOURS_DEADLINE,
	.open = mock_open,
	.scan = mock_scan,
	.begin = mock_begin,
	.feed = mock_feed,
	.finish = mock_finish,
	.identity = mock_identity,
	.close = mock_close,
};
