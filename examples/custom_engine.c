/* SPDX-License-Identifier: MIT */
/*
 * A program with an engine of its own, that of custom-engine/word.c: it objects to files that hold
 * a word.
 *
 *     ./custom_engine WORD FILE...
 *
 * The core does the rest: limits, threads, deadlines, the decision, policy, the audit log.
 */
#include <scanbridge/scanbridge.h>
#include <scanbridge/sys/engine.h>

#include <stdio.h>
#include <stdlib.h>

/* custom-engine/word.c, which is a plugin as well. */
extern const sb_engine_ops word_engine;

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
