/* SPDX-License-Identifier: MIT */
/*
 * The smallest complete program: scan files one after the other and say what may happen to them.
 *
 *     cc basic_scan.c $(pkg-config --cflags --libs scanbridge) -o basic_scan
 *     ./basic_scan scanbridge.yaml FILE...
 *
 * Exit status: 0 everything is allowed, 1 something is not, 2 no report could be made.
 */
#include <scanbridge/scanbridge.h>

#include <stdio.h>

static int scan_one(sb_manager *manager, const char *path, sb_error *error)
{
	sb_input *input = sb_input_path(path);
	sb_report *report;
	int status;

	/* Malware found is a success: there is a report, and it says so. */
	if (sb_scan(&report, manager, input, NULL, error) < 0) {
		fprintf(stderr, "%s: %s\n", path, sb_error_message(error));
		sb_input_free(input);
		return 2;
	}
	printf("%s: %s -> %s\n", path, sb_outcome_name(sb_report_outcome(report)),
		sb_action_name(sb_report_action(report)));
	for (size_t i = 0; i < sb_report_threat_count(report); i++)
		printf("    %s\n", sb_report_threat_name(report, i));
	if (sb_report_error(report) != NULL)
		printf("    %s\n", sb_error_message(sb_report_error(report)));

	/* The one question that decides what to do with the file. */
	status = sb_report_allowed(report) ? 0 : 1;
	sb_report_free(report);
	sb_input_free(input);
	return status;
}

int main(int argc, char **argv)
{
	sb_error *error = sb_error_new();
	sb_config *config = sb_config_new();
	sb_manager *manager = NULL;
	int worst = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: %s CONFIG FILE...\n", argv[0]);
		worst = 2;
	} else if (sb_config_load_file(config, argv[1], error) < 0 ||
		   sb_manager_open(&manager, config, error) < 0) {
		fprintf(stderr, "%s: %s\n", argv[0], sb_error_message(error));
		worst = 2;
	} else {
		for (int i = 2; i < argc; i++) {
			int status = scan_one(manager, argv[i], error);

			worst = status > worst ? status : worst;
		}
	}
	sb_manager_free(manager);
	sb_config_free(config);
	sb_error_free(error);
	return worst;
}
