/* SPDX-License-Identifier: MIT */
/*
 * B7: what a durable audit record costs. Callers scan 1 KiB from memory with an engine that costs
 * nothing (mock), one after the other each, for two seconds: with no audit log, and with every
 * verdict's records on stable storage before it is released.
 *
 *   b7 FOLDER CALLERS ROUNDS
 *
 * In turn, medians over the rounds: rate and median of the time of a scan for both, and how many
 * records of that size the disk takes one by one in between.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <scanbridge/scanbridge.h>

enum { MAX_CALLERS = 256, MAX_ROUNDS = 99, SAMPLES = 1 << 16, RECORD = 2048 };
static const double duration = 2;

struct caller {
	pthread_t thread;
	sb_manager *manager;
	double until;
	size_t count, failed;
	double *times; /* of the last SAMPLES scans, in ms */
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void *call(void *data)
{
	struct caller *caller = data;
	char bytes[1024] = "a letter";
	double begun = now();

	while (begun < caller->until) {
		sb_input *input = sb_input_memory(bytes, sizeof bytes);
		sb_report *report = NULL;
		double ended;

		if (sb_scan(&report, caller->manager, input, NULL, NULL) < 0 ||
			!sb_outcome_is_clean(sb_report_outcome(report)))
			caller->failed++;
		sb_report_free(report);
		sb_input_free(input);
		ended = now();
		caller->times[caller->count++ % SAMPLES] = (ended - begun) * 1e3;
		begun = ended;
	}
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_of(double *values, size_t count)
{
	qsort(values, count, sizeof *values, by_value);
	return count > 0 ? values[count / 2] : 0;
}

struct figures {
	double rate, p50;
	size_t failed;
};

/* The first caller's times stand for all: they do the same. */
static struct figures run(sb_manager *manager, struct caller *callers, unsigned count)
{
	struct figures figures = {0};
	double begun = now();

	for (unsigned i = 0; i < count; i++) {
		callers[i].manager = manager;
		callers[i].until = begun + duration;
		callers[i].count = callers[i].failed = 0;
		if (pthread_create(&callers[i].thread, NULL, call, &callers[i]) != 0)
			exit(2);
	}
	for (unsigned i = 0; i < count; i++) {
		pthread_join(callers[i].thread, NULL);
		figures.rate += (double)callers[i].count;
		figures.failed += callers[i].failed;
	}
	figures.rate /= now() - begun;
	figures.p50 = median_of(
		callers[0].times, callers[0].count < SAMPLES ? callers[0].count : SAMPLES);
	return figures;
}

/* One record after the other, each flushed: per second. */
static double one_by_one(const char *folder)
{
	char path[4096], record[RECORD] = {0};
	double begun = now();
	unsigned count = 0;
	int fd;

	snprintf(path, sizeof path, "%s/alone", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	while (now() < begun + duration / 4) {
		if (fd < 0 || write(fd, record, sizeof record) != sizeof record ||
			fdatasync(fd) < 0) {
			perror(path);
			exit(2);
		}
		count++;
	}
	close(fd);
	return count / (now() - begun);
}

static sb_manager *open_manager(const char *folder, bool audit)
{
	sb_config *config = sb_config_new();
	sb_error *error = sb_error_new();
	sb_manager *manager = NULL;
	char text[4352];

	snprintf(text, sizeof text,
		"data_dir: \"%s/%s\"\naudit: {enabled: %s, sync: group}\n"
		"quarantine: {enabled: false}\nlimits: {max_in_flight: 1000}\nengines:\n"
		"  - {name: m, type: mock, self_test: off, concurrency: 256}\n",
		folder, audit ? "durable" : "bare", audit ? "true" : "false");
	if (sb_config_load_text(config, text, strlen(text), "b7", error) < 0 ||
		sb_manager_open(&manager, config, error) < 0) {
		fprintf(stderr, "%s\n", sb_error_message(error));
		exit(2);
	}
	sb_config_free(config);
	sb_error_free(error);
	return manager;
}

static size_t compare(const char *folder, struct caller *callers, unsigned count, unsigned rounds)
{
	double rates[2][MAX_ROUNDS], p50[2][MAX_ROUNDS], flushes[MAX_ROUNDS];
	sb_manager *managers[2] = {open_manager(folder, false), open_manager(folder, true)};
	size_t failed = 0;

	for (unsigned i = 0; i < rounds; i++) {
		for (unsigned audit = 0; audit < 2; audit++) {
			struct figures figures = run(managers[audit], callers, count);

			rates[audit][i] = figures.rate;
			p50[audit][i] = figures.p50;
			failed += figures.failed;
		}
		flushes[i] = one_by_one(folder);
	}
	printf("%u callers: %.0f/s durable, %.0f/s bare; p50 %.3f ms durable, %.3f ms bare; "
	       "%.0f flushes/s alone; %zu failed\n",
		count, median_of(rates[1], rounds), median_of(rates[0], rounds),
		median_of(p50[1], rounds), median_of(p50[0], rounds), median_of(flushes, rounds),
		failed);
	for (unsigned audit = 0; audit < 2; audit++)
		sb_manager_free(managers[audit]);
	return failed;
}

int main(int argc, char **argv)
{
	unsigned count = argc == 4 ? (unsigned)atoi(argv[2]) : 0;
	unsigned rounds = argc == 4 ? (unsigned)atoi(argv[3]) : 0;
	struct caller *callers = calloc(MAX_CALLERS, sizeof *callers);
	size_t failed;

	if (callers == NULL || count < 1 || count > MAX_CALLERS || rounds < 1 ||
		rounds > MAX_ROUNDS)
		return 2;
	for (unsigned i = 0; i < count; i++)
		if ((callers[i].times = calloc(SAMPLES, sizeof(double))) == NULL)
			return 2;
	failed = compare(argv[1], callers, count, rounds);
	for (unsigned i = 0; i < count; i++)
		free(callers[i].times);
	free(callers);
	return failed == 0 ? 0 : 1;
}
