/* SPDX-License-Identifier: MIT */
/*
 * New rules for a program that runs: a signed bundle is imported, and the manager judges by it from
 * the next scan on. Nothing is closed, and scans under way end as they began.
 *
 *     cc new_rules.c $(pkg-config --cflags --libs scanbridge) -o new_rules
 *     ./new_rules scanbridge.yaml FILE BUNDLE
 *
 * `scanbridge rules import` checks signature and version, tries the rules out, and puts the change
 * on record. It is a process of its own: whoever may write to the data directory can run it, from a
 * timer for example, and the program needs only what comes after it.
 */
#include <scanbridge/scanbridge.h>

#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

extern char **environ;

static int show(sb_manager *manager, const char *path, sb_error *error)
{
	sb_input *input = sb_input_path(path);
	sb_report *report;
	int status = sb_scan(&report, manager, input, NULL, error);

	sb_input_free(input);
	if (status < 0)
		return status;
	printf("%s:", sb_outcome_name(sb_report_outcome(report)));
	for (size_t i = 0; i < sb_report_threat_count(report); i++)
		printf(" %s", sb_report_threat_name(report, i));
	putchar('\n');
	sb_report_free(report);
	return 0;
}

/* 0 when the bundle is in use now; the program has said why not otherwise. */
static int import(char *config, char *bundle)
{
	char *words[] = {"scanbridge", "--config", config, "rules", "import", bundle, NULL};
	pid_t child;
	int status;

	fflush(stdout); /* the child writes to the same place */
	if (posix_spawnp(&child, words[0], NULL, NULL, words, environ) != 0)
		return -1;
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0
		       ? 0
		       : -1;
}

int main(int argc, char **argv)
{
	sb_error *error = sb_error_new();
	sb_config *config = sb_config_new();
	sb_manager *manager = NULL;
	int status = -1;

	if (argc != 4) {
		fprintf(stderr, "usage: %s CONFIG FILE BUNDLE\n", argv[0]);
	} else {
		status = sb_config_load_file(config, argv[1], error);
		if (status == 0)
			status = sb_manager_open(&manager, config, error);
		if (status == 0)
			status = show(manager, argv[2], error);
		if (status == 0 && import(argv[1], argv[3]) != 0)
			status = 1;
		/* Tried out once more, with this program's own settings. What does not show itself
		 * well changes nothing. */
		if (status == 0)
			status = sb_manager_reload(manager, NULL, error);
		if (status == 0)
			status = show(manager, argv[2], error);
		if (status > 0)
			fprintf(stderr, "%s: the rules are as they were\n", argv[0]);
		if (status < 0)
			fprintf(stderr, "%s: %s\n", argv[0], sb_error_message(error));
	}
	sb_manager_free(manager);
	sb_config_free(config);
	sb_error_free(error);
	return status == 0 ? 0 : 2;
}
