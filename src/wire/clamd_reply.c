/* SPDX-License-Identifier: MIT */
/*
 * clamd's replies. Verdicts are looked up in tables (what clamd calls found but means as "could
 * not look", and its error texts); everything around them is a strict match from both ends: the
 * id and label that we know already from the left, the verdict word from the right.
 */
#include "wire/clamd_reply.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct span {
	const char *text;
	size_t length;
} span;

#define SPAN(literal) ((span){(literal), sizeof(literal) - 1})

static bool starts(span s, span prefix)
{
	return s.length >= prefix.length && memcmp(s.text, prefix.text, prefix.length) == 0;
}

static bool ends(span s, span suffix)
{
	return s.length >= suffix.length &&
	       memcmp(s.text + s.length - suffix.length, suffix.text, suffix.length) == 0;
}

static bool same(span a, span b)
{
	return a.length == b.length && starts(a, b);
}

static bool skip(span *s, span prefix)
{
	if (!starts(*s, prefix))
		return false;
	s->text += prefix.length;
	s->length -= prefix.length;
	return true;
}

static size_t count_digits(span s)
{
	size_t n = 0;

	while (n < s.length && s.text[n] >= '0' && s.text[n] <= '9')
		n++;
	return n;
}

/* --- Collecting ----------------------------------------------------------------------- */

/* Ends in LF whatever the command's terminator was, and never carries an id. */
static const span timed_out_text = {"COMMAND READ TIMED OUT", 22};

void sb_clamd_reply_begin(sb_clamd_reply *reply, sb_clamd_command command, uint64_t id)
{
	reply->command = command;
	reply->id = id;
	reply->length = 0;
	reply->extra = 0;
	reply->whole = reply->too_long = reply->timed_out = false;
}

bool sb_clamd_reply_feed(sb_clamd_reply *reply, const void *data, size_t length)
{
	const char *bytes = data;

	for (size_t i = 0; i < length; i++) {
		if (reply->whole || reply->too_long) {
			reply->extra += length - i;
			break;
		}
		if (bytes[i] == '\0') {
			reply->whole = true;
		} else if (bytes[i] == '\n' &&
			   same((span){reply->text, reply->length}, timed_out_text)) {
			reply->whole = reply->timed_out = true;
		} else if (reply->length == sizeof reply->text) {
			reply->too_long = true;
		} else {
			reply->text[reply->length++] = bytes[i];
		}
	}
	return reply->whole || reply->too_long;
}

/* --- Judging -------------------------------------------------------------------------- */

/* Reported as found, but they say "I could not look": no hit, and never clean. */
static const struct {
	span prefix;
	sb_kind kind;
} not_looked[] = {
	{{"Heuristics.Limits.", 18}, SB_KIND_LIMIT_EXCEEDED},
	{{"Heuristics.Encrypted.", 21}, SB_KIND_ENCRYPTED},
	{{"Heuristics.Broken.", 18}, SB_KIND_CORRUPT},
};

/* Everything else that ends in ERROR is engine_unavailable: memory, temporary space, "Process
 * aborted", "Can't read file", texts of versions to come. */
static const struct {
	const char *text;
	sb_kind kind;
} error_texts[] = {
	{"INSTREAM size limit exceeded.", SB_KIND_FILE_TOO_LARGE},
	{"Exceeded time limit", SB_KIND_LIMIT_EXCEEDED},
	{"Exceeded max recursion depth", SB_KIND_LIMIT_EXCEEDED},
	{"Exceeded max scan size", SB_KIND_LIMIT_EXCEEDED},
	{"Exceeded max scan files", SB_KIND_LIMIT_EXCEEDED},
	{"Can't parse data", SB_KIND_CORRUPT},
	{"Can't unpack some data", SB_KIND_CORRUPT},
	{"Bad format or broken data", SB_KIND_CORRUPT},
	{"Access denied.", SB_KIND_IO},
	{"Not supported file type", SB_KIND_UNSUPPORTED},
	{"Not a regular file", SB_KIND_UNSUPPORTED},
};

static void fail(sb_clamd_verdict *out, sb_kind kind, span words)
{
	out->outcome = SB_OUTCOME_ERROR;
	out->kind = kind;
	out->text = words.text;
	out->length = words.length;
}

static void judge_error(span words, sb_clamd_verdict *out)
{
	sb_kind kind = SB_KIND_ENGINE_UNAVAILABLE;

	for (size_t i = 0; i < sizeof error_texts / sizeof error_texts[0]; i++)
		if (same(words, (span){error_texts[i].text, strlen(error_texts[i].text)}))
			kind = error_texts[i].kind;
	fail(out, kind, words);
	out->no_descriptor = same(words, SPAN("No file descriptor received."));
}

/* ExtendedDetectionInfo appends `(<hex digest>:<size>)` to the name: known already, dropped. */
static span without_digest(span name)
{
	size_t at = name.length, digits, hex = 0;

	if (at == 0 || name.text[at - 1] != ')')
		return name;
	for (digits = 0, at--; at > 0 && name.text[at - 1] >= '0' && name.text[at - 1] <= '9'; at--)
		digits++;
	if (digits == 0 || at == 0 || name.text[--at] != ':')
		return name;
	while (at > 0 && strchr("0123456789abcdef", name.text[at - 1]) != NULL) {
		at--;
		hex++;
	}
	if ((hex != 32 && hex != 40 && hex != 64) || at < 1 || name.text[at - 1] != '(')
		return name;
	name.length = at - 1;
	return name;
}

bool sb_clamd_not_looked(const char *name, size_t length, sb_kind *kind)
{
	for (size_t i = 0; i < sizeof not_looked / sizeof not_looked[0]; i++) {
		if (starts((span){name, length}, not_looked[i].prefix)) {
			*kind = not_looked[i].kind;
			return true;
		}
	}
	return false;
}

static void judge_found(span name, sb_clamd_verdict *out)
{
	sb_kind kind;

	name = without_digest(name);
	/* clamd 0.105 printed a lost name this way */
	if (name.length == 0 || same(name, SPAN("(null)"))) {
		fail(out, SB_KIND_PROTOCOL_ERROR, SPAN("found without a name"));
		return;
	}
	if (sb_clamd_not_looked(name.text, name.length, &kind)) {
		fail(out, kind, name);
		return;
	}
	out->outcome = SB_OUTCOME_INFECTED;
	out->kind = SB_KIND_NONE;
	out->text = name.text;
	out->length = name.length;
}

static bool skip_label(span *rest, sb_clamd_command command)
{
	span s = *rest;
	size_t digits;

	if (command == SB_CLAMD_INSTREAM)
		return skip(rest, SPAN("stream: "));
	if (!skip(&s, SPAN("fd[")))
		return false;
	digits = count_digits(s);
	s.text += digits;
	s.length -= digits;
	/* the number is clamd's own and proves nothing */
	if (digits == 0 || digits > 10 || !skip(&s, SPAN("]: ")))
		return false;
	*rest = s;
	return true;
}

static void judge_labelled(span rest, bool body_sent, sb_clamd_verdict *out)
{
	if (same(rest, SPAN("OK"))) {
		if (!body_sent) {
			fail(out, SB_KIND_PROTOCOL_ERROR, SPAN("OK before the end of the body"));
			return;
		}
		out->outcome = SB_OUTCOME_CLEAN;
		out->kind = SB_KIND_NONE;
	} else if (ends(rest, SPAN(" FOUND"))) {
		judge_found((span){rest.text, rest.length - 6}, out);
	} else if (ends(rest, SPAN(" ERROR"))) {
		judge_error((span){rest.text, rest.length - 6}, out);
	} else if (starts(rest, SPAN("Excluded"))) {
		fail(out, SB_KIND_UNSUPPORTED, rest);
	}
}

/* Answers without a label; false when it is none of them. An error with somebody else's label or
 * id is no answer to us. */
static bool judge_bare(span rest, sb_clamd_verdict *out)
{
	if (same(rest, SPAN("UNKNOWN COMMAND")) || same(rest, SPAN("COMMAND UNAVAILABLE"))) {
		fail(out, SB_KIND_ENGINE_UNAVAILABLE, rest);
		return true;
	}
	if (!ends(rest, SPAN(" ERROR")) || starts(rest, SPAN("stream: ")) ||
		starts(rest, SPAN("fd[")) || ((rest.text[0] | 0x20) < 'a') ||
		((rest.text[0] | 0x20) > 'z'))
		return false;
	judge_error((span){rest.text, rest.length - 6}, out);
	return true;
}

/* PONG and the version line. */
static void judge_answer(const sb_clamd_reply *reply, span rest, sb_clamd_verdict *out)
{
	bool good = reply->command == SB_CLAMD_PING
			    ? same(rest, SPAN("PONG"))
			    : reply->command == SB_CLAMD_VERSION && starts(rest, SPAN("ClamAV "));
	if (!good)
		return;
	out->outcome = SB_OUTCOME_CLEAN;
	out->kind = SB_KIND_NONE;
	out->text = rest.text;
	out->length = rest.length;
}

void sb_clamd_reply_judge(const sb_clamd_reply *reply, bool body_sent, sb_clamd_verdict *out)
{
	span rest = {reply->text, reply->length};
	bool labelled;
	char id[32];

	*out = (sb_clamd_verdict){0};
	fail(out, SB_KIND_PROTOCOL_ERROR, rest);
	if (reply->too_long) {
		fail(out, SB_KIND_PROTOCOL_ERROR, SPAN("reply without an end"));
		return;
	}
	if (!reply->whole) {
		if (reply->length == 0)
			fail(out, SB_KIND_CONNECTION_FAILED, SPAN("closed without a reply"));
		else
			fail(out, SB_KIND_PROTOCOL_ERROR, SPAN("reply cut short"));
		return;
	}
	if (reply->timed_out) {
		fail(out, SB_KIND_TIMEOUT, timed_out_text);
		return;
	}
	if (reply->id != 0) {
		int length = snprintf(id, sizeof id, "%llu: ", (unsigned long long)reply->id);
		if (!skip(&rest, (span){id, (size_t)length}))
			return;
	}
	labelled = reply->command >= SB_CLAMD_INSTREAM && skip_label(&rest, reply->command);
	/* clamd may explain an error twice: of errors without a label the first one counts */
	if (!labelled && judge_bare(rest, out))
		return;
	if (reply->extra > 0)
		fail(out, SB_KIND_PROTOCOL_ERROR, SPAN("more than one reply"));
	else if (labelled)
		judge_labelled(rest, body_sent, out);
	else
		judge_answer(reply, rest, out);
}

/* --- VERSION -------------------------------------------------------------------------- */

/* "Thu Nov 20 09:26:34 2025": ctime() of clamd's host, its zone untold. 0 when it is not. */
static int64_t parse_ctime(const char *text)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char month[4];
	const char *found;
	struct tm tm = {0};
	int end = 0;

	if (sscanf(text, "%*3s %3s %2d %2d:%2d:%2d %4d%n", month, &tm.tm_mday, &tm.tm_hour,
		    &tm.tm_min, &tm.tm_sec, &tm.tm_year, &end) != 6 ||
		text[end] != '\0' || (found = strstr(months, month)) == NULL ||
		(found - months) % 3 != 0 || tm.tm_year < 1970 || tm.tm_mday < 1 ||
		tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 ||
		tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
		return 0;
	tm.tm_mon = (int)(found - months) / 3;
	tm.tm_year -= 1900;
	return (int64_t)timegm(&tm);
}

bool sb_clamd_version_parse(const char *text, size_t length, sb_clamd_version *out)
{
	span rest = {text, length};
	const char *slash, *date;
	size_t engine;

	*out = (sb_clamd_version){0};
	if (!skip(&rest, SPAN("ClamAV ")))
		return false;
	for (size_t i = 0; i < rest.length; i++)
		if (rest.text[i] < ' ' || rest.text[i] > '~')
			return false;
	slash = memchr(rest.text, '/', rest.length);
	engine = slash != NULL ? (size_t)(slash - rest.text) : rest.length;
	if (engine == 0 || engine >= sizeof out->engine)
		return false;
	memcpy(out->engine, rest.text, engine);
	if (slash == NULL)
		return true;
	rest.length -= engine + 1;
	if (rest.length >= sizeof out->signatures)
		return false;
	memcpy(out->signatures, slash + 1, rest.length);
	date = strchr(out->signatures, '/');
	if (date != NULL)
		out->time = parse_ctime(date + 1);
	return true;
}
