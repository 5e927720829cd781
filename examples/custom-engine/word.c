/* SPDX-License-Identifier: MIT */
/*
 * An engine of your own: it objects to files that hold a word. The same source is a plugin
 * (`make`, then `type: plugin`) and part of a program (../custom_engine.c).
 */
#include <scanbridge/sys/engine.h>

#include <string.h>

/* Zeroed by the core, which fills in the settings before open(). */
struct word_state {
	const char *word;
};

static const sb_setting word_settings[] = {
	{.key = "word",
		.type = SB_SETTING_TEXT,
		.offset = offsetof(struct word_state, word),
		.required = true,
		.help = "what a file must not hold"},
	{.key = NULL},
};

enum { PIECE = 65536, LONGEST = PIECE / 2 };

/* What the table can't say. */
static int word_open(void *state, sb_error *error)
{
	const struct word_state *engine = state;
	size_t length = strlen(engine->word);

	if (length == 0 || length > LONGEST)
		return sb_error_set(
			error, SB_KIND_NOT_CONFIGURED, 0, "word: 1 to %d bytes expected", LONGEST);
	return 0;
}

static int found(sb_call *call, uint64_t bytes, sb_error *error)
{
	static const char name[] = "Word.Forbidden";
	const sb_threat threat = {.name = name, .name_length = sizeof name - 1};

	sb_call_cover(call, bytes, SB_CONTENT_UNKNOWN);
	return sb_call_infected(call, &threat, error);
}

/* Ordinary blocking code. It may run several times at once: the state is only read. */
static int word_scan(void *state, sb_call *call, sb_error *error)
{
	const struct word_state *engine = state;
	size_t length = strlen(engine->word), kept = 0;
	char buffer[PIECE];
	uint64_t at = 0;

	for (;;) {
		int64_t got = sb_call_read(call, at, buffer + kept, sizeof buffer - kept, error);

		if (got < 0)
			return (int)got;
		if (got == 0) /* every byte was seen: only now may it be called clean */
			return sb_call_clean(call, at, SB_CONTENT_UNKNOWN, error);
		if (sb_call_remaining_ms(call) == 0)
			return sb_error_set(error, SB_KIND_TIMEOUT, 0, "out of time");
		at += (uint64_t)got;
		kept += (size_t)got;
		if (memmem(buffer, kept, engine->word, length) != NULL)
			return found(call, at, error);
		/* The word may begin in this piece and end in the next. */
		if (kept >= length) {
			memmove(buffer, buffer + kept - (length - 1), length - 1);
			kept = length - 1;
		}
	}
}

extern const sb_engine_ops word_engine;
const sb_engine_ops word_engine = {
	.abi = SB_ENGINE_ABI,
	.name = "word",
	.summary = "objects to files that hold a word",
	.state_size = sizeof(struct word_state),
	.settings = word_settings,
	.assurance = SB_ASSURANCE_RULES,
	.open = word_open,
	.scan = word_scan,
};
SB_PLUGIN_EXPORT(word_engine);
