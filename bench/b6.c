/* SPDX-License-Identifier: MIT */
/*
 * B6 and B6b: what manager, decision, policy and report cost around an engine that costs
 * nothing (mock), against the limit that nobody can beat: hashing, or opening, reading and
 * hashing the same bytes in a bare loop. Both in turn, in one process.
 *
 *   b6 memory SIZE THREADS AUDIT ROUNDS     AUDIT: off | lines (written, not flushed)
 *   b6 paths LIST THREADS ROUNDS [ENGINES]  LIST: a file of paths, one a line
 *
 * One line: rate, the bare loop's rate, their ratio; medians over the rounds.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <scanbridge/scanbridge.h>

#include "util/hash.h"
#include "util/io.h"

enum { MAX_THREADS = 16, MAX_ROUNDS = 99 };

struct work {
	sb_manager *manager; /* NULL: the bare loop */
	char **paths;
	size_t count; /* scans, or paths */
	const char *bytes;
	size_t size;
	_Atomic(size_t) next;
	_Atomic(size_t) failed;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void scan_one(struct work *work, sb_input *input)
{
	sb_report *report = NULL;

	if (input == NULL || sb_scan(&report, work->manager, input, NULL, NULL) < 0 ||
		!sb_outcome_is_clean(sb_report_outcome(report)))
		work->failed++;
	sb_report_free(report);
	sb_input_free(input);
}

static void bare_path(const char *path, char *buffer, size_t room)
{
	uint8_t digest[SB_BLAKE3_SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && (size_t)st.st_size > room)
		sb_blake3_file(fd, (uint64_t)st.st_size, 0, digest, NULL);
	else if ((n = sb_read_full(fd, buffer, room)) >= 0)
		sb_blake3_memory(buffer, (size_t)n, digest);
	close(fd);
}

static void *run(void *data)
{
	struct work *work = data;
	size_t room = 16 << 20, batch = work->paths != NULL ? 1 : 64;
	char *buffer = malloc(room);
	uint8_t digest[SB_BLAKE3_SIZE];

	for (;;) {
		size_t first = atomic_fetch_add(&work->next, batch);
		if (first >= work->count)
			break;
		for (size_t i = first; i < first + batch && i < work->count; i++) {
			if (work->paths != NULL && work->manager != NULL)
				scan_one(work, sb_input_path(work->paths[i]));
			else if (work->paths != NULL)
				bare_path(work->paths[i], buffer, room);
			else if (work->manager != NULL)
				scan_one(work, sb_input_memory(work->bytes, work->size));
			else
				sb_blake3_memory(work->bytes, work->size, digest);
		}
	}
	free(buffer);
	return NULL;
}

static double seconds(struct work *work, unsigned threads)
{
	pthread_t ids[MAX_THREADS];
	double begun = now();

	work->next = 0;
	for (unsigned i = 0; i < threads; i++)
		pthread_create(&ids[i], NULL, run, work);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	return now() - begun;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void compare(
	struct work *work, sb_manager *manager, unsigned threads, unsigned rounds, const char *what)
{
	double ours[MAX_ROUNDS], bare[MAX_ROUNDS];

	for (unsigned i = 0; i < rounds + 1; i++) { /* the first one warms up */
		unsigned k = i > 0 ? i - 1 : 0;
		work->manager = manager;
		ours[k] = seconds(work, threads);
		work->manager = NULL;
		bare[k] = seconds(work, threads);
	}
	qsort(ours, rounds, sizeof *ours, by_value);
	qsort(bare, rounds, sizeof *bare, by_value);
	printf("%s, %u thread%s: %.0f/s (%.3f s; bare loop %.0f/s, ratio %.2f), %zu failed\n", what,
		threads, threads > 1 ? "s" : "", (double)work->count / ours[rounds / 2],
		ours[rounds / 2], (double)work->count / bare[rounds / 2],
		bare[rounds / 2] / ours[rounds / 2], work->failed);
}

static sb_manager *open_manager(const char *dir, bool audit, unsigned engines)
{
	sb_config *config = sb_config_new();
	sb_error *error = sb_error_new();
	sb_manager *manager = NULL;
	char text[512];

	snprintf(text, sizeof text,
		"data_dir: %s\naudit: {enabled: %s, sync: none}\ncache: {enabled: false}\n"
		"limits: {max_size: 8GiB, max_in_flight: 1000}\nengines: []\n",
		dir, audit ? "true" : "false");
	sb_config_load_text(config, text, strlen(text), "bench", error);
	for (unsigned i = 0; i < engines; i++) {
		snprintf(text, sizeof text,
			"{name: m%u, type: mock, self_test: off, concurrency: 16}", i);
		sb_config_add_engine(config, text, error);
	}
	if (sb_manager_open(&manager, config, error) < 0)
		fprintf(stderr, "%s\n", sb_error_message(error));
	sb_config_free(config);
	sb_error_free(error);
	return manager;
}

static char **read_list(const char *path, size_t *count)
{
	size_t length;
	char *text = sb_read_file(path, 1 << 30, &length), **paths = NULL, *line = text;

	*count = 0;
	while (line != NULL && *line != '\0') {
		char *end = strchr(line, '\n');
		if (end != NULL)
			*end = '\0';
		paths = realloc(paths, (*count + 1) * sizeof *paths);
		paths[(*count)++] = line;
		line = end != NULL ? end + 1 : NULL;
	}
	return paths;
}

int main(int argc, char **argv)
{
	const char *dir = getenv("B6_DATA");
	struct work work = {.count = 0};
	char what[128];
	sb_manager *manager;

	if (dir == NULL || argc < 5)
		return 2;
	if (strcmp(argv[1], "memory") == 0 && argc == 6) {
		bool audit = strcmp(argv[4], "lines") == 0;
		work.size = strtoul(argv[2], NULL, 10);
		work.bytes = calloc(1, work.size + 1);
		work.count = work.size > 8192 ? 50000 : audit ? 200000 : 500000;
		manager = open_manager(dir, audit, 1);
		snprintf(what, sizeof what, "%zu bytes from memory, audit %s", work.size, argv[4]);
		if (manager != NULL)
			compare(&work, manager, (unsigned)atoi(argv[3]), (unsigned)atoi(argv[5]),
				what);
	} else {
		unsigned engines = argc > 5 ? (unsigned)atoi(argv[5]) : 1;
		work.paths = read_list(argv[2], &work.count);
		manager = open_manager(dir, false, engines);
		snprintf(what, sizeof what, "%zu files by path, %u mock%s", work.count, engines,
			engines > 1 ? "s" : "");
		if (manager != NULL)
			compare(&work, manager, (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]),
				what);
	}
	sb_manager_free(manager);
	return manager != NULL && work.failed == 0 ? 0 : 1;
}
