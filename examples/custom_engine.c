/* SPDX-License-Identifier: MIT */
/*
 * An engine of your own in ordinary blocking C: it objects to files that hold a word.
 *
 *     ./custom_engine WORD FILE...
 *
 * The core does the rest: limits, threads, deadlines, the decision, policy, the audit log.
 */
#include <scanbridge/scanbridge.h>
#include <scanbridge/sys/engine.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- The engine ------------------------------------------------------------------------ */

/* Zeroed by the core; settings are filled in before open(). */
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

static int word_open(void *state, sb_error *error)
{
	const struct word_state *engine = state;

	if (engine->word[0] == '\0')
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "word: must not be empty");
	return 0;
}

static int found(sb_call *call, uint64_t size, sb_error *error)
{
	static const char name[] = "Word.Forbidden";
	sb_threat threat = {.name = name, .name_length = sizeof name - 1};

	sb_call_cover(call, size, SB_CONTENT_UNKNOWN);
	return sb_call_infected(call, &threat, error);
}

/* Runs in a thread of this engine, from several at once: the state is only read. */
static int word_scan(void *state, sb_call *call, sb_error *error)
{
	const struct word_state *engine = state;
	size_t length = strlen(engine->word), kept = 0;
	char buffer[65536];
	uint64_t at = 0;

	if (length > sizeof buffer / 2)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "word: too long");
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

static const sb_engine_ops word_engine = {
	.abi = SB_ENGINE_ABI,
	.name = "word",
	.summary = "objects to files that hold a word",
	.state_size = sizeof(struct word_state),
	.settings = word_settings,
	.assurance = SB_ASSURANCE_RULES,
	.open = word_open,
	.scan = word_scan,
};

/* --- A program that uses it --------------------------------------------------------------- */

static int configure(sb_config *config, const char *word, sb_error *error)
{
	char engine[256];

	snprintf(engine, sizeof engine, "{name: mine, type: word, word: \"%s\"}", word);
	if (sb_config_register_engine(config, &word_engine, error) < 0 ||
		sb_config_add_engine(config, engine, error) < 0 ||
		sb_config_set(config, "audit.enabled", "false", error) < 0)
		return -1;
	return 0;
}

static int scan(sb_manager *manager, const char *path, sb_error *error)
{
	sb_input *input = sb_input_path(path);
	sb_report *report;
	int refused = 1;

	if (sb_scan(&report, manager, input, NULL, error) < 0) {
		fprintf(stderr, "%s: %s\n", path, sb_error_message(error));
	} else {
		printf("%s: %s\n", path, sb_report_explanation(report));
		refused = !sb_report_allowed(report);
		sb_report_free(report);
	}
	sb_input_free(input);
	return refused;
}

int main(int argc, char **argv)
{
	sb_error *error = sb_error_new();
	sb_config *config = sb_config_new();
	sb_manager *manager = NULL;
	int status = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: %s WORD FILE...\n", argv[0]);
		status = 2;
	} else if (configure(config, argv[1], error) < 0 ||
		   sb_manager_open(&manager, config, error) < 0) {
		fprintf(stderr, "%s: %s\n", argv[0], sb_error_message(error));
		status = 2;
	}
	for (int i = 2; i < argc && status != 2; i++)
		status |= scan(manager, argv[i], error);
	sb_manager_free(manager);
	sb_config_free(config);
	sb_error_free(error);
	return status;
}
