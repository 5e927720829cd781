/* SPDX-License-Identifier: MIT */
/*
 * Verdicts from headers. Each header that tells of a threat is a row of a table; the kinds of
 * what a server calls unscannable are looked up by its words.
 */
#include "wire/icap_verdict.h"

#include <string.h>

#include "wire/clamd_reply.h"

#define SPAN(literal) ((sb_icap_span){(literal), sizeof(literal) - 1})

static void decide(sb_icap_verdict *out, sb_outcome outcome, sb_kind kind, sb_icap_span text)
{
	out->certain = true;
	out->outcome = outcome;
	out->kind = kind;
	out->text = text;
}

static void fail(sb_icap_verdict *out, sb_kind kind, sb_icap_span words)
{
	decide(out, SB_OUTCOME_ERROR, kind, words);
}

static void begin(sb_icap_verdict *out)
{
	*out = (sb_icap_verdict){.retry_after_ms = -1};
	fail(out, SB_KIND_PROTOCOL_ERROR, SPAN("an answer that says nothing"));
	out->certain = false;
}

/* --- Words that mean "I could not look" ------------------------------------------------------- */

static const struct {
	const char *word;
	sb_kind kind;
} unscannable[] = {
	{"encrypt", SB_KIND_ENCRYPTED},
	{"password", SB_KIND_ENCRYPTED},
	{"decode", SB_KIND_CORRUPT},
	{"corrupt", SB_KIND_CORRUPT},
	{"damaged", SB_KIND_CORRUPT},
	{"malformed", SB_KIND_CORRUPT},
	{"broken", SB_KIND_CORRUPT},
	{"invalid", SB_KIND_CORRUPT},
	{"size", SB_KIND_LIMIT_EXCEEDED},
	{"too_large", SB_KIND_LIMIT_EXCEEDED},
	{"too large", SB_KIND_LIMIT_EXCEEDED},
	{"too big", SB_KIND_LIMIT_EXCEEDED},
	{"limit", SB_KIND_LIMIT_EXCEEDED},
	{"exceed", SB_KIND_LIMIT_EXCEEDED},
	{"layers", SB_KIND_LIMIT_EXCEEDED},
	{"depth", SB_KIND_LIMIT_EXCEEDED},
	{"nest", SB_KIND_LIMIT_EXCEEDED},
	{"recurs", SB_KIND_LIMIT_EXCEEDED},
	{"unscannable", SB_KIND_UNSUPPORTED},
	{"unsupported", SB_KIND_UNSUPPORTED},
	{"file_type", SB_KIND_UNSUPPORTED},
	{"file_extension", SB_KIND_UNSUPPORTED},
};

static sb_kind kind_of_words(sb_icap_span words, sb_kind otherwise)
{
	for (size_t i = 0; i < sizeof unscannable / sizeof unscannable[0]; i++)
		if (sb_icap_holds(words, unscannable[i].word))
			return unscannable[i].kind;
	return otherwise;
}

/* Another Scanbridge names the kind. What went wrong with its engines, went wrong with ours. */
static sb_kind kind_of_scanbridge(sb_icap_span threat)
{
	static const char prefix[] = "Scanbridge.Unscanned.";
	char name[32] = "";
	sb_kind kind;

	if (threat.length < sizeof prefix - 1 ||
		memcmp(threat.text, prefix, sizeof prefix - 1) != 0 ||
		threat.length - (sizeof prefix - 1) >= sizeof name)
		return SB_KIND_NONE;
	memcpy(name, threat.text + sizeof prefix - 1, threat.length - (sizeof prefix - 1));
	if (!sb_kind_from_name(name, &kind))
		return SB_KIND_NONE;
	return sb_kind_class(kind) == SB_CLASS_CONTENT ? kind : SB_KIND_ENGINE_UNAVAILABLE;
}

static void not_looked(sb_icap_span threat, sb_icap_verdict *out)
{
	sb_kind kind = kind_of_scanbridge(threat);

	if (kind == SB_KIND_NONE)
		kind = kind_of_words(threat, SB_KIND_UNSUPPORTED);
	fail(out, kind, threat.length > 0 ? threat : SPAN("a container that can't be scanned"));
}

/* --- X-Infection-Found, X-Violations-Found ---------------------------------------------------- */

static void found(sb_icap_span name, sb_icap_verdict *out)
{
	sb_kind kind;

	if (name.length >= 2 && name.text[0] == '"' && name.text[name.length - 1] == '"')
		name = (sb_icap_span){name.text + 1, name.length - 2};
	if (name.length == 0)
		name = SPAN("Unnamed");
	/* a clamd behind the server reports as found what it could not look at */
	if (sb_clamd_not_looked(name.text, name.length, &kind))
		fail(out, kind, name);
	else
		decide(out, SB_OUTCOME_INFECTED, SB_KIND_NONE, name);
}

/* `Type=0; Resolution=2; Threat=Name;`. Without a type it is a threat all the same. */
static void infection(sb_icap_span value, sb_icap_verdict *out)
{
	sb_icap_span type = SPAN("0"), threat = {NULL, 0}, rest = value;

	while (rest.length > 0) {
		sb_icap_span part = sb_icap_cut(&rest, ';'), name = sb_icap_cut(&part, '=');

		if (sb_icap_is(name, "Type"))
			type = sb_icap_trim(part);
		else if (sb_icap_is(name, "Threat"))
			threat = sb_icap_trim(part);
	}
	if (threat.text == NULL)
		threat = value;
	if (sb_icap_is(type, "0"))
		found(threat, out);
	else if (sb_icap_is(type, "2"))
		not_looked(threat, out);
	else
		decide(out, SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE, threat);
}

/* Of several the gravest: infected, then an error, then suspicious. */
static bool judge_infections(const sb_icap_block *block, sb_icap_verdict *out)
{
	static const int gravity[] = {
		[SB_OUTCOME_ERROR] = 2, [SB_OUTCOME_INFECTED] = 3, [SB_OUTCOME_SUSPICIOUS] = 1};
	sb_icap_span value;
	unsigned at = 0;
	bool any = false;

	while (sb_icap_find(block, "X-Infection-Found", &at, &value)) {
		sb_icap_verdict one = *out;

		infection(value, &one);
		if (!any || gravity[one.outcome] > gravity[out->outcome])
			*out = one;
		any = true;
	}
	return any;
}

/* `n`, then for each violation file, threat, problem and resolution, one a line. */
static bool first_violation(sb_icap_span value, sb_icap_span *member, sb_icap_span *threat)
{
	sb_icap_span count = sb_icap_cut(&value, '\n');

	*member = sb_icap_cut(&value, '\n');
	*threat = sb_icap_cut(&value, '\n');
	if (sb_icap_is(*member, "-"))
		member->length = 0;
	while (count.length > 0 && count.text[0] == '0') {
		count.text++;
		count.length--;
	}
	return count.length > 0;
}

/* --- One header, one row ---------------------------------------------------------------------- */

/* Values that say that nothing is the matter. */
static const char *const harmless[] = {"no threats", "none", "no", "false", "0", "clean", "allowed",
	"allow", "passed", "ok", "not infected"};

static bool is_harmless(sb_icap_span value)
{
	for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
		if (sb_icap_is(value, harmless[i]))
			return true;
	return false;
}

enum says { A_NAME, A_RESULT, A_NAME_ELSEWHERE, A_REASON, BLOCKED };

/* In the order in which they count. */
static const struct {
	const char *name;
	enum says says;
} headers[] = {
	{"X-Virus-ID", A_NAME},
	{"X-Virus-Name", A_NAME},
	{"X-FSecure-Infection-Name", A_NAME_ELSEWHERE},
	{"X-FSecure-Scan-Result", A_RESULT},
	{"X-Block-Reason", A_REASON},
	{"X-MWG-Block-Reason", A_REASON},
	{"X-Blocked-By", A_REASON},
	{"X-Blocked", A_REASON},
	{"X-Block-Result", A_REASON},
	{"X-Response-Info", BLOCKED},
};

static bool judge_value(enum says says, sb_icap_span value, sb_icap_verdict *out)
{
	switch (says) {
	case A_NAME:
		/* Kaspersky: `no threats`. Nothing at all says nothing. */
		if (sb_icap_is(value, "no threats"))
			return false;
		if (value.length == 0)
			fail(out, SB_KIND_PROTOCOL_ERROR, SPAN("a threat's header without a name"));
		else
			found(value, out);
		return true;
	case A_NAME_ELSEWHERE:
		if (value.length == 0)
			return false;
		found(value, out);
		return true;
	case A_RESULT:
		if (sb_icap_is(value, "clean"))
			return false;
		found(value, out);
		return true;
	case A_REASON:
		if (value.length == 0 || is_harmless(value))
			return false;
		break;
	case BLOCKED:
		if (!sb_icap_holds(value, "block"))
			return false;
		break;
	}
	decide(out, SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE, value);
	return true;
}

/* True when one of the headers tells of a threat, of a reason to block, or of no scan. */
static bool judge_headers(const sb_icap_block *block, sb_icap_verdict *out)
{
	sb_icap_span value, member = {NULL, 0}, threat;
	bool violated = sb_icap_get(block, "X-Violations-Found", &value) &&
			first_violation(value, &member, &threat);

	out->member = member;
	if (judge_infections(block, out))
		return true;
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
		unsigned at = 0;

		if (headers[i].says == A_REASON && violated)
			break;
		while (sb_icap_find(block, headers[i].name, &at, &value))
			if (judge_value(headers[i].says, value, out))
				return true;
	}
	if (violated)
		found(threat, out);
	return violated;
}

/* --- Status ------------------------------------------------------------------------------------
 */

static const struct {
	unsigned status;
	sb_kind kind;
} statuses[] = {
	{400, SB_KIND_PROTOCOL_ERROR},
	{401, SB_KIND_AUTHENTICATION_FAILED},
	{404, SB_KIND_NOT_CONFIGURED},
	{405, SB_KIND_NOT_CONFIGURED},
	{407, SB_KIND_AUTHENTICATION_FAILED},
	{505, SB_KIND_PROTOCOL_ERROR},
};

static void judge_failure(const sb_icap_reply *reply, sb_icap_verdict *out)
{
	sb_icap_span value;
	uint64_t seconds;
	sb_kind kind = reply->status >= 400 ? SB_KIND_ENGINE_UNAVAILABLE : SB_KIND_PROTOCOL_ERROR;

	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
		if (statuses[i].status == reply->status)
			kind = statuses[i].kind;
	fail(out, kind, sb_icap_first_line(&reply->head));
	if (reply->status == 500 && sb_icap_get(&reply->head, "X-Error-Code", &value))
		fail(out, kind_of_words(value, kind), value);
	if (reply->status == 503 && sb_icap_get(&reply->head, "Retry-After", &value)) {
		out->kind = SB_KIND_RATE_LIMITED;
		if (sb_icap_number(value, 86400, &seconds))
			out->retry_after_ms = (int64_t)seconds * 1000;
	}
}

static void judge_unmodified(sb_icap_sent sent, sb_icap_verdict *out)
{
	if (sent == SB_ICAP_SENT_PART)
		fail(out, SB_KIND_PROTOCOL_ERROR, SPAN("204 before the end of the body"));
	else
		decide(out, SB_OUTCOME_CLEAN, SB_KIND_NONE, SPAN("204"));
}

void sb_icap_judge_head(const sb_icap_reply *reply, sb_icap_sent sent, sb_icap_verdict *out)
{
	begin(out);
	/* an ICAP 403 is none of the RFC's, but who names a threat with it has found one */
	if (((reply->status >= 200 && reply->status < 300) || reply->status == 403) &&
		judge_headers(&reply->head, out))
		return;
	if (reply->status == 204)
		judge_unmodified(sent, out);
	else if (reply->status != 200)
		judge_failure(reply, out);
	else if (reply->part == SB_ICAP_NOTHING)
		fail(out, SB_KIND_PROTOCOL_ERROR, SPAN("200 with nothing in it"));
	else if (reply->announced == 0)
		fail(out, SB_KIND_PROTOCOL_ERROR, SPAN("200 with a body that has no headers"));
}

/* --- The message that came back ----------------------------------------------------------------
 */

/* Fields that say how to read the body: what we sent has to come back, or be left out. */
static const char *const framing[] = {"Content-Length", "Content-Type", "Content-Encoding",
	"Content-Range", "Content-Transfer-Encoding", "Transfer-Encoding"};

static bool same_span(sb_icap_span a, sb_icap_span b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.text, b.text, a.length) == 0);
}

static bool same_headers(const sb_icap_block *theirs, const sb_icap_block *ours)
{
	if (!same_span(sb_icap_first_line(theirs), sb_icap_first_line(ours)))
		return false;
	for (size_t i = 0; i < sizeof framing / sizeof framing[0]; i++) {
		sb_icap_span value, sent;
		unsigned at = 0;
		bool had = sb_icap_get(ours, framing[i], &sent);

		while (sb_icap_find(theirs, framing[i], &at, &value))
			if (!had || !same_span(value, sent))
				return false;
	}
	return true;
}

/* The status of an encapsulated response; 0: it is none. */
static unsigned inner_status(const sb_icap_reply *reply)
{
	sb_icap_span line = sb_icap_first_line(&reply->inner);
	uint64_t status;

	if (line.length < 12 || memcmp(line.text, "HTTP/", 5) != 0 || line.text[8] != ' ' ||
		!sb_icap_number((sb_icap_span){line.text + 9, 3}, 999, &status))
		return 0;
	return (unsigned)status;
}

void sb_icap_judge_inner(
	const sb_icap_reply *reply, const sb_icap_block *ours, sb_icap_verdict *out)
{
	unsigned status = reply->part == SB_ICAP_RESPONSE ? inner_status(reply) : 0;

	begin(out);
	if (judge_headers(&reply->inner, out))
		return;
	if (status == 403 || status == 307)
		decide(out, SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE, sb_icap_first_line(&reply->inner));
	else if (!same_headers(&reply->inner, ours))
		fail(out, SB_KIND_PROTOCOL_ERROR,
			SPAN("another message came back, and no word about a threat"));
}

void sb_icap_judge_end(
	const sb_icap_reply *reply, bool same, sb_icap_sent sent, sb_icap_verdict *out)
{
	(void)reply;
	begin(out);
	if (!same)
		fail(out, SB_KIND_PROTOCOL_ERROR,
			SPAN("the content came back changed, and no word about a threat"));
	else if (sent != SB_ICAP_SENT_ALL)
		fail(out, SB_KIND_PROTOCOL_ERROR, SPAN("an answer before the end of the body"));
	else
		decide(out, SB_OUTCOME_CLEAN, SB_KIND_NONE, SPAN("unchanged"));
}

void sb_icap_judge_broken(const sb_icap_reply *reply, const char *why, sb_icap_verdict *out)
{
	begin(out);
	if (why != NULL)
		fail(out, SB_KIND_PROTOCOL_ERROR, (sb_icap_span){why, strlen(why)});
	else if (reply->head.received == 0)
		fail(out, SB_KIND_CONNECTION_FAILED, SPAN("closed without a reply"));
	else
		fail(out, SB_KIND_PROTOCOL_ERROR, SPAN("reply cut short"));
}
