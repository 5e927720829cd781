/* SPDX-License-Identifier: MIT */
/*
 * What a rejected call costs: a whole scan of 1 KiB (job, decision, policy, report), with the
 * breaker of its only engine closed, and open. In turn, in one process; medians of the rounds.
 *
 *   breaker [ROUNDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <scanbridge/scanbridge.h>

enum { SCANS = 20000, MAX_ROUNDS = 99 };

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static sb_manager *open_manager(const char *dir)
{
	sb_config *config = sb_config_new();
	sb_error *error = sb_error_new();
	sb_manager *manager = NULL;
	char yaml[512];

	snprintf(yaml, sizeof yaml,
		"data_dir: %s\naudit: {enabled: false}\ncache: {enabled: false}\n"
		"engines: [{name: mock, type: mock}]\n",
		dir);
	if (sb_config_load_text(config, yaml, strlen(yaml), "bench", error) < 0 ||
		sb_manager_open(&manager, config, error) < 0) {
		fprintf(stderr, "breaker: %s\n", sb_error_message(error));
		exit(2);
	}
	sb_config_free(config);
	sb_error_free(error);
	return manager;
}

/* Microseconds a scan. */
static double measure(sb_manager *manager, sb_breaker_order order)
{
	static const char content[1024];
	double begun;

	sb_manager_set_breaker(manager, "mock", order, NULL);
	begun = now();
	for (int i = 0; i < SCANS; i++) {
		sb_input *input = sb_input_memory(content, sizeof content);
		sb_report *report = NULL;

		if (sb_scan(&report, manager, input, NULL, NULL) < 0)
			exit(2);
		sb_report_free(report);
		sb_input_free(input);
	}
	return (now() - begun) * 1e6 / SCANS;
}

static int by_value(const void *left, const void *right)
{
	const double *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 5;
	double closed[MAX_ROUNDS], open[MAX_ROUNDS];
	char dir[] = "/tmp/sb-bench-breaker-XXXXXX";
	sb_manager *manager;

	if (rounds < 1 || rounds > MAX_ROUNDS || mkdtemp(dir) == NULL)
		return 2;
	manager = open_manager(dir);
	for (int i = 0; i < rounds; i++) {
		closed[i] = measure(manager, SB_BREAKER_FORCE_CLOSE);
		open[i] = measure(manager, SB_BREAKER_FORCE_OPEN);
	}
	sb_manager_free(manager);
	qsort(closed, (size_t)rounds, sizeof *closed, by_value);
	qsort(open, (size_t)rounds, sizeof *open, by_value);
	printf("a scan with the breaker closed %.2f us, open %.2f us; data left in %s\n",
		closed[rounds / 2], open[rounds / 2], dir);
	return 0;
}
