/* SPDX-License-Identifier: MIT */
/*
 * The decision. Each answer is first read as one vote, with every doubt read against it; the votes
 * are counted; the counts give the outcome:
 *
 *   infected  >  a required engine failed  >  suspicious  >  clean, if enough answers prove it
 *
 * The strategy says how many hits make it infected (is_enough); fewer make it suspicious, so that
 * one engine's finding is never lost in the others' silence.
 *
 * Nothing falls through to clean: it is said in one place (enough_clean), and only after
 * min_engines complete answers were counted. Shadow engines are passed over at the one place
 * that reads votes. Hash lists vote, but are never counted as proof: a scan that only an allow
 * entry speaks for stays error not_configured, since a list knows names of bytes and has
 * looked at nothing.
 */
#include "scan/decision.h"

#include <stdio.h>
#include <string.h>

enum vote {
	VOTE_NONE = 0,   /* shadow: no vote at all */
	VOTE_NOT_ASKED,  /* of a tier whose turn didn't come: none either, but it is told */
	VOTE_FAILED,     /* could not answer, or what it said proves nothing */
	VOTE_REPLACED,   /* failed, and another engine answered in its place */
	VOTE_NO_OPINION, /* a hash list that doesn't know these bytes */
	VOTE_LISTED,     /* a hash list that allows them */
	VOTE_CLEAN,      /* looked at every byte */
	VOTE_SUSPICIOUS,
	VOTE_INFECTED,
	VOTE_COUNT_,
};

struct answer {
	enum vote vote;
	sb_kind kind;     /* of a failure */
	unsigned ignored; /* detections taken out by decision.ignore */
};

struct tally {
	unsigned votes[VOTE_COUNT_];
	unsigned deciding;
	double weight;                               /* of the hits */
	bool veto;                                   /* one of them decides alone */
	const sb_result *required_failure, *failure; /* the first of each in file order */
	const sb_result *best;                       /* the clean answer that is worth most */
	unsigned required_kinds, kinds;              /* of the failures, a bit each */
	bool inspected;                              /* every clean answer opened containers */
	double confidence;
};

/* --- Reading one answer ------------------------------------------------------------------ */

static bool is_ignored(const sb_result *result, const sb_detection *detection,
	const sb_decision_rules *rules, uint64_t now)
{
	for (size_t i = 0; i < rules->ignore_count; i++) {
		const sb_ignore *ignore = &rules->ignores[i];
		if (now < ignore->until && strcmp(ignore->threat, detection->name) == 0 &&
			(ignore->engine == NULL || strcmp(ignore->engine, result->engine) == 0))
			return true;
	}
	return false;
}

static void mark_ignored(sb_result *result, const sb_decision_rules *rules, uint64_t now)
{
	for (sb_detection *d = result->detections; d != NULL; d = d->next)
		d->ignored = is_ignored(result, d, rules, now);
}

/* Memory that nobody filled in has no error, or one without a kind: it gave no answer. */
static sb_kind failure_kind(const sb_result *result)
{
	sb_kind kind = sb_error_kind(result->error);

	return kind > SB_KIND_NONE && kind < SB_KIND_COUNT_ ? kind : SB_KIND_INTERNAL;
}

static struct answer read_failure(const sb_result *result)
{
	struct answer answer = {VOTE_FAILED, failure_kind(result), 0};

	if (result->not_asked && result->abstained)
		answer.vote = VOTE_NOT_ASKED;
	if (result->hash_list && result->abstained && answer.kind == SB_KIND_UNSUPPORTED)
		answer.vote = VOTE_NO_OPINION;
	return answer;
}

/* Nothing was found, or nothing that is not ignored: what is that worth? */
static struct answer read_nothing_found(const sb_result *result, unsigned ignored)
{
	struct answer answer = {VOTE_FAILED, SB_KIND_NONE, ignored};

	if (result->abstained || result->not_asked || result->error != NULL)
		answer.kind = failure_kind(result); /* it contradicts itself */
	else if (result->coverage != SB_COVERAGE_COMPLETE)
		/* An engine may stop at a detection: the rest behind an ignored one is unseen. */
		answer.kind = ignored > 0 ? SB_KIND_LIMIT_EXCEEDED : SB_KIND_PROTOCOL_ERROR;
	else
		answer.vote = result->hash_list ? VOTE_LISTED : VOTE_CLEAN;
	return answer;
}

/* What it said, whoever else said something. */
static struct answer read_alone(const sb_result *result)
{
	unsigned ignored = 0, infected = 0, found = 0;

	if (result->role == SB_ROLE_SHADOW)
		return (struct answer){VOTE_NONE, SB_KIND_NONE, 0};
	if (result->outcome != SB_OUTCOME_CLEAN && result->outcome != SB_OUTCOME_INFECTED &&
		result->outcome != SB_OUTCOME_SUSPICIOUS)
		return read_failure(result);
	for (const sb_detection *d = result->detections; d != NULL; d = d->next) {
		ignored += d->ignored;
		found += !d->ignored;
		infected += !d->ignored && d->outcome == SB_OUTCOME_INFECTED;
	}
	/* Where something was taken out, what is left speaks; else the answer itself does too. */
	if (infected > 0 || (ignored == 0 && result->outcome == SB_OUTCOME_INFECTED))
		return (struct answer){VOTE_INFECTED, SB_KIND_NONE, ignored};
	if (found > 0 || (ignored == 0 && result->outcome == SB_OUTCOME_SUSPICIOUS))
		return (struct answer){VOTE_SUSPICIOUS, SB_KIND_NONE, ignored};
	return read_nothing_found(result, ignored);
}

static struct answer read_answer(const sb_result *result)
{
	struct answer answer = read_alone(result);

	if (answer.vote == VOTE_FAILED && result->replaced_by != NULL)
		answer.vote = VOTE_REPLACED;
	return answer;
}

/*
 * Whose failure another entry answers for. A failure of the engine, that is, and an answer that
 * is a vote by itself: clean with every byte looked at, or a detection. A fallback that failed
 * may have one of its own.
 */
static void find_substitutes(sb_result *results, size_t count)
{
	for (size_t i = 0; i < count; i++)
		results[i].replaced_by = results[i].stands_for = NULL;
	for (size_t i = 0; i < count; i++) {
		size_t at = i;

		for (size_t steps = 0; steps < count; steps++) {
			struct answer answer = read_alone(&results[at]);
			sb_class class = sb_kind_class(answer.kind);

			if (at != i && answer.vote >= VOTE_CLEAN) {
				results[i].replaced_by = results[at].engine;
				if (results[at].stands_for == NULL)
					results[at].stands_for = results[i].engine;
				break;
			}
			if (answer.vote != VOTE_FAILED ||
				(class != SB_CLASS_ENGINE && class != SB_CLASS_TRANSIENT) ||
				results[at].fallback == 0 || results[at].fallback > count)
				break;
			at = results[at].fallback - 1;
		}
	}
}

/* --- Counting ---------------------------------------------------------------------------- */

/* `on_open: fail_open` makes an engine optional while its circuit is open, and only then; one that
 * is replaced has been answered for. */
static bool is_required(const sb_result *result, sb_kind kind)
{
	return result->replaced_by == NULL && result->role != SB_ROLE_OPTIONAL &&
	       !(result->fail_open && kind == SB_KIND_CIRCUIT_OPEN);
}

static void count_failure(struct tally *tally, const sb_result *result, sb_kind kind)
{
	bool required = is_required(result, kind);

	if (tally->failure == NULL)
		tally->failure = result;
	if (tally->required_failure == NULL && required)
		tally->required_failure = result;
	tally->kinds |= 1u << kind;
	tally->required_kinds |= required ? 1u << kind : 0;
}

static void count_clean(struct tally *tally, const sb_result *result)
{
	if (tally->best == NULL || result->assurance > tally->best->assurance)
		tally->best = result;
	if (result->content != SB_CONTENT_INSPECTED)
		tally->inspected = false;
}

static void count_hit(struct tally *tally, const sb_result *result)
{
	tally->weight += result->weight;
	tally->veto = tally->veto || result->veto;
}

static void count_votes(struct tally *tally, const sb_result *results, size_t count)
{
	*tally = (struct tally){.inspected = true, .confidence = -1};
	for (size_t i = 0; i < count; i++) {
		struct answer answer = read_answer(&results[i]);

		if (answer.vote == VOTE_NONE || answer.vote == VOTE_NOT_ASKED)
			continue;
		tally->deciding++;
		tally->votes[answer.vote]++;
		if (answer.vote == VOTE_FAILED || answer.vote == VOTE_REPLACED)
			count_failure(tally, &results[i], answer.kind);
		else if (answer.vote == VOTE_CLEAN)
			count_clean(tally, &results[i]);
		else if (answer.vote == VOTE_INFECTED)
			count_hit(tally, &results[i]);
		else if (answer.vote == VOTE_SUSPICIOUS &&
			 results[i].confidence > tally->confidence)
			tally->confidence = results[i].confidence;
	}
}

/* --- Strategies --------------------------------------------------------------------------- */

static unsigned complete(const struct tally *tally)
{
	return tally->votes[VOTE_CLEAN] + tally->votes[VOTE_SUSPICIOUS] +
	       tally->votes[VOTE_INFECTED];
}

/* How many hits the strategy needs, given the answers that there are. */
static unsigned needed_hits(const struct tally *tally, const sb_decision_rules *rules)
{
	switch (rules->strategy) {
	case SB_STRATEGY_ALL:
		return complete(tally);
	case SB_STRATEGY_QUORUM:
		return rules->quorum;
	case SB_STRATEGY_MAJORITY:
		return complete(tally) / 2 + 1;
	case SB_STRATEGY_ANY:
	case SB_STRATEGY_WEIGHTED:
		break;
	}
	return 1;
}

/* At least one hit is there. What the enum doesn't know is read as `any`. */
static bool is_enough(const struct tally *tally, const sb_decision_rules *rules)
{
	if (tally->veto)
		return true;
	if (rules->strategy == SB_STRATEGY_WEIGHTED)
		return tally->weight >= rules->threshold;
	return tally->votes[VOTE_INFECTED] >= needed_hits(tally, rules);
}

/* How near the hits came to being enough. */
static double shortfall_confidence(const struct tally *tally, const sb_decision_rules *rules)
{
	if (rules->strategy == SB_STRATEGY_WEIGHTED)
		return tally->weight / rules->threshold;
	return (double)tally->votes[VOTE_INFECTED] / needed_hits(tally, rules);
}

/* --- Errors that the engines did not bring along ----------------------------------------- */

static const sb_error no_memory = {
	.kind = SB_KIND_INTERNAL, .retry_after_ms = -1, .message = "out of memory"};

static const sb_error *make_error(
	sb_arena *arena, sb_kind kind, const char *engine, const char *message)
{
	sb_error *error = sb_arena_alloc(arena, sizeof *error);

	if (error == NULL)
		return &no_memory;
	sb_error_set(error, kind, 0, "%s", message);
	sb_error_set_engine(error, engine);
	return error;
}

static const sb_error *error_of(const sb_result *result, sb_arena *arena)
{
	sb_kind kind = read_answer(result).kind;
	const char *message = "the engine gave no answer";

	if (sb_error_kind(result->error) == kind)
		return result->error;
	if (kind == SB_KIND_PROTOCOL_ERROR)
		message = "the engine said clean without having looked at the whole content";
	else if (kind == SB_KIND_LIMIT_EXCEEDED)
		message = "the engine stopped at an ignored detection: "
			  "the rest of the content was not looked at";
	return make_error(arena, kind, result->engine, message);
}

static const sb_error *too_few_error(const struct tally *tally, unsigned needed, sb_arena *arena)
{
	char message[160];

	if (tally->failure != NULL)
		return error_of(tally->failure, arena);
	if (tally->deciding == 0)
		return make_error(arena, SB_KIND_NOT_CONFIGURED, NULL,
			"no engine decides: configure at least one that is required or optional");
	snprintf(message, sizeof message,
		"%u of %u complete clean answers that decision.min_engines asks for "
		"(hash lists never count)",
		tally->votes[VOTE_CLEAN], needed);
	return make_error(arena, SB_KIND_NOT_CONFIGURED, NULL, message);
}

/* --- Words ------------------------------------------------------------------------------- */

/* Built on the stack and copied once; a text that is too long ends with "...". */
struct text {
	size_t length;
	char data[1024];
};

static void add(struct text *text, const char *word)
{
	size_t room = sizeof text->data - text->length, length = strlen(word);

	if (length > room) {
		length = room;
		memcpy(text->data + text->length, word, length);
		memcpy(text->data + sizeof text->data - 3, "...", 3);
	} else {
		memcpy(text->data + text->length, word, length);
	}
	text->length += length;
}

static void add_number(struct text *text, unsigned number)
{
	char digits[11], *p = digits + sizeof digits - 1;

	*p = '\0';
	do
		*--p = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	add(text, p);
}

/* "1 of 2 engines " */
static void add_count(struct text *text, unsigned number, unsigned of)
{
	add_number(text, number);
	add(text, " of ");
	add_number(text, of);
	add(text, " engines ");
}

static void add_kind(struct text *text, const char *verb, sb_kind kind)
{
	add(text, verb);
	add(text, " (");
	add(text, sb_kind_name(kind));
	add(text, ")");
}

static const char *keep(const struct text *text, sb_arena *arena, const char *otherwise)
{
	const char *copy = sb_arena_copy(arena, text->data, text->length);

	return copy != NULL ? copy : otherwise;
}

static void add_voters(struct text *text, const sb_result *results, size_t count, enum vote vote)
{
	const char *before = " (";

	for (size_t i = 0; i < count; i++) {
		if (read_answer(&results[i]).vote != vote)
			continue;
		add(text, before);
		add(text, results[i].engine);
		before = ", ";
	}
	add(text, ")");
}

static void add_note(struct text *text, const sb_result *result, struct answer answer, bool in_head)
{
	static const char *const said[VOTE_COUNT_] = {
		[VOTE_NOT_ASKED] = " was not asked",
		[VOTE_LISTED] = " lists these bytes as allowed",
		[VOTE_SUSPICIOUS] = " suspicious",
		[VOTE_INFECTED] = " infected",
	};

	if (!in_head && (answer.vote == VOTE_FAILED || answer.vote == VOTE_NO_OPINION ||
				answer.vote == VOTE_REPLACED)) {
		add(text, "; ");
		add(text, result->engine);
		add_kind(text, result->abstained ? " abstained" : " failed", answer.kind);
		if (answer.vote == VOTE_REPLACED) {
			add(text, ", replaced by ");
			add(text, result->replaced_by);
		}
	} else if (!in_head && said[answer.vote] != NULL) {
		add(text, "; ");
		add(text, result->engine);
		add(text, said[answer.vote]);
	}
	if (answer.ignored > 0) {
		add(text, "; ");
		add(text, result->engine);
		add(text, ": ");
		add_number(text, answer.ignored);
		add(text, answer.ignored > 1 ? " detections ignored" : " detection ignored");
	}
}

/* What the head of the sentence doesn't tell: failures, abstentions, lesser findings. */
static void add_notes(struct text *text, const sb_result *results, size_t count, enum vote head,
	const sb_result *culprit)
{
	for (size_t i = 0; i < count; i++) {
		struct answer answer = read_answer(&results[i]);
		add_note(text, &results[i], answer, answer.vote == head || &results[i] == culprit);
	}
}

/* --- The outcome ------------------------------------------------------------------------- */

static void decide_found(
	sb_decision *out, struct text *text, const struct tally *tally, enum vote vote)
{
	out->outcome = vote == VOTE_INFECTED ? SB_OUTCOME_INFECTED : SB_OUTCOME_SUSPICIOUS;
	if (vote == VOTE_SUSPICIOUS)
		out->confidence = tally->confidence;
	add_count(text, tally->votes[vote], tally->deciding);
	add(text, sb_outcome_name(out->outcome));
}

/* "1 of 3 engines infected (a), 2 needed" */
static void decide_too_few_hits(sb_decision *out, struct text *text, const struct tally *tally,
	const sb_decision_rules *rules, const sb_result *results, size_t count)
{
	double confidence = shortfall_confidence(tally, rules);
	char weights[80];

	out->outcome = SB_OUTCOME_SUSPICIOUS;
	out->confidence = confidence > tally->confidence ? confidence : tally->confidence;
	add_count(text, tally->votes[VOTE_INFECTED], tally->deciding);
	add(text, "infected");
	add_voters(text, results, count, VOTE_INFECTED);
	if (rules->strategy == SB_STRATEGY_WEIGHTED) {
		snprintf(weights, sizeof weights, ", weight %.6g of %.6g", tally->weight,
			rules->threshold);
		add(text, weights);
	} else {
		add(text, ", ");
		add_number(text, needed_hits(tally, rules));
		add(text, " needed");
	}
}

static void decide_failed(
	sb_decision *out, struct text *text, const sb_result *culprit, sb_arena *arena)
{
	out->error = error_of(culprit, arena);
	add(text, "required engine ");
	add(text, culprit->engine);
	/* The vote's kind: where there is no memory for an error, that is another one. */
	add_kind(text, culprit->abstained ? " abstained" : " failed", read_answer(culprit).kind);
}

static void weigh_assurance(sb_decision *out, const struct tally *tally,
	const sb_decision_rules *rules, sb_arena *arena)
{
	struct text reason = {0};

	out->low_assurance = tally->best->assurance < rules->min_assurance;
	if (!out->low_assurance)
		return;
	add(&reason, "the best complete clean answer has assurance ");
	add(&reason, sb_assurance_name(tally->best->assurance));
	add(&reason, " (");
	add(&reason, tally->best->engine);
	add(&reason, "), below ");
	add(&reason, sb_assurance_name(rules->min_assurance));
	out->assurance_reason = keep(&reason, arena, "no clean answer has the assurance asked for");
}

/* The one place that says clean. */
static void decide_clean(sb_decision *out, struct text *text, const struct tally *tally,
	const sb_decision_rules *rules, sb_arena *arena)
{
	unsigned clean = tally->votes[VOTE_CLEAN];
	unsigned needed = rules->min_engines > 0 ? rules->min_engines : 1;

	add_count(text, clean, tally->deciding);
	add(text, "complete and clean");
	if (clean >= needed) {
		out->outcome = SB_OUTCOME_CLEAN;
		if (tally->inspected)
			add(text, ", fully inspected");
		weigh_assurance(out, tally, rules, arena);
	} else {
		out->error = too_few_error(tally, needed, arena);
		add(text, ", needed ");
		add_number(text, needed);
	}
}

static void replace_by_changed(sb_decision *out, struct text *text, sb_arena *arena)
{
	add(text, "the content changed while it was scanned (otherwise ");
	add(text, sb_outcome_name(out->outcome));
	add(text, ")");
	out->outcome = SB_OUTCOME_ERROR;
	out->error = make_error(arena, SB_KIND_CHANGED, NULL,
		"the content changed while it was scanned: scan it again");
	out->low_assurance = false;
	out->assurance_reason = NULL;
	out->confidence = -1;
}

/* What is said first; the notes tell the rest. */
struct head {
	enum vote vote;
	const sb_result *culprit;
};

static struct head decide_by_votes(sb_decision *out, struct text *text, const struct tally *tally,
	const sb_decision_rules *rules, const sb_result *results, size_t count, sb_arena *arena)
{
	struct head head = {VOTE_CLEAN, NULL};

	if (tally->votes[VOTE_INFECTED] > 0 && is_enough(tally, rules)) {
		decide_found(out, text, tally, head.vote = VOTE_INFECTED);
		add_voters(text, results, count, head.vote);
	} else if (tally->required_failure != NULL) {
		decide_failed(out, text, head.culprit = tally->required_failure, arena);
	} else if (tally->votes[VOTE_INFECTED] > 0) {
		head.vote = VOTE_INFECTED;
		decide_too_few_hits(out, text, tally, rules, results, count);
	} else if (tally->votes[VOTE_SUSPICIOUS] > 0) {
		decide_found(out, text, tally, head.vote = VOTE_SUSPICIOUS);
		add_voters(text, results, count, head.vote);
	} else {
		decide_clean(out, text, tally, rules, arena);
	}
	return head;
}

const char *sb_strategy_name(sb_strategy strategy)
{
	static const char *const names[] = {"any", "all", "quorum", "majority", "weighted"};

	return names[(unsigned)strategy <= SB_STRATEGY_WEIGHTED ? strategy : SB_STRATEGY_ANY];
}

void sb_decide(sb_decision *out, sb_result *results, size_t count, const sb_decision_rules *rules,
	bool changed, const sb_error *content_error, uint64_t unix_seconds, sb_arena *arena)
{
	struct text text;
	struct tally tally;
	struct head head = {VOTE_CLEAN, NULL};
	size_t prefix;

	*out = (sb_decision){.outcome = SB_OUTCOME_ERROR, .confidence = -1};
	for (size_t i = 0; i < count; i++)
		mark_ignored(&results[i], rules, unix_seconds);
	find_substitutes(results, count);
	count_votes(&tally, results, count);
	out->complete_clean = tally.votes[VOTE_CLEAN];

	text.length = 0;
	add(&text, sb_strategy_name(rules->strategy));
	add(&text, ": ");
	prefix = text.length;
	if (content_error != NULL) {
		out->error = content_error;
		add_kind(&text, "the content could not be scanned", sb_error_kind(content_error));
	} else {
		head = decide_by_votes(out, &text, &tally, rules, results, count, arena);
	}
	if (changed &&
		(out->outcome == SB_OUTCOME_CLEAN || out->outcome == SB_OUTCOME_SUSPICIOUS)) {
		text.length = prefix;
		replace_by_changed(out, &text, arena);
		head.vote = VOTE_CLEAN; /* now what was found is named by the notes */
	}
	if (out->error != NULL)
		out->error_kinds = 1u << sb_error_kind(out->error) |
				   (content_error != NULL              ? 0
					   : tally.required_kinds != 0 ? tally.required_kinds
								       : tally.kinds);
	if (content_error == NULL)
		add_notes(&text, results, count, head.vote, head.culprit);
	out->explanation = keep(&text, arena, "no memory for the explanation");
}

bool sb_decision_asks_for_more(const sb_decision *decision, sb_next_tier when)
{
	switch (when) {
	case SB_NEXT_ON_DOUBT:
		return decision->outcome == SB_OUTCOME_SUSPICIOUS ||
		       decision->outcome == SB_OUTCOME_ERROR || decision->low_assurance;
	case SB_NEXT_ON_SUSPICION:
		return decision->outcome == SB_OUTCOME_SUSPICIOUS;
	case SB_NEXT_UNLESS_INFECTED:
		break;
	}
	return decision->outcome != SB_OUTCOME_INFECTED;
}

bool sb_decision_is_certain(sb_result *results, const bool *settled, size_t count,
	const sb_decision_rules *rules, uint64_t unix_seconds)
{
	struct tally tally = {0};

	for (size_t i = 0; i < count; i++) {
		enum vote vote = VOTE_CLEAN; /* of whoever has not answered: that is the worst */

		if (settled[i]) {
			mark_ignored(&results[i], rules, unix_seconds);
			vote = read_alone(&results[i]).vote;
		}
		tally.votes[vote]++;
		if (vote == VOTE_INFECTED)
			count_hit(&tally, &results[i]);
	}
	return tally.votes[VOTE_INFECTED] > 0 && is_enough(&tally, rules);
}
