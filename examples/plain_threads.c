/* SPDX-License-Identifier: MIT */
/*
 * Scans without an event loop: four threads share one manager, each waits for its own scan in
 * sb_scan(). One token ends all scans that wait.
 *
 *     cc plain_threads.c $(pkg-config --cflags --libs scanbridge) -pthread -o plain_threads
 *     ./plain_threads scanbridge.yaml PATH...
 *
 * Ctrl-C cancels. Exit status: 0 all allowed, 1 something is held back, 2 something could not be
 * scanned, 130 interrupted.
 */
#include <scanbridge/scanbridge.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

enum { THREADS = 4 };

static struct {
	sb_manager *manager;
	sb_cancel *cancel;
	char **paths;
	size_t count;
	_Atomic(size_t) next;
	atomic_bool held_back, unscanned, interrupted, over;
} all;

static void scan(const char *path, const sb_scan_options *options, sb_error *error)
{
	sb_input *input = sb_input_path(path);
	sb_report *report;

	if (sb_scan(&report, all.manager, input, options, error) < 0) {
		fprintf(stderr, "%s: %s\n", path, sb_error_message(error));
		all.unscanned = true;
	} else {
		bool is_error = sb_report_outcome(report) == SB_OUTCOME_ERROR;

		printf("%s %s %s\n", sb_outcome_name(sb_report_outcome(report)),
			sb_action_name(sb_report_action(report)), path);
		if (!sb_report_allowed(report))
			*(is_error ? &all.unscanned : &all.held_back) = true;
		sb_report_free(report);
	}
	sb_input_free(input);
}

/* Options may be shared; an error belongs to one thread. */
static void *work(void *options)
{
	sb_error *error = sb_error_new();
	size_t i;

	while (!all.interrupted && (i = atomic_fetch_add(&all.next, 1)) < all.count)
		scan(all.paths[i], options, error);
	sb_error_free(error);
	return NULL;
}

/* Signals come to this thread only: all others have them blocked, the library's too. */
static void *wait_for_interrupt(void *set)
{
	int number;

	if (sigwait(set, &number) == 0 && !all.over) {
		all.interrupted = true;
		sb_cancel_all(all.cancel);
	}
	return NULL;
}

static void run(void)
{
	sb_scan_options *options = sb_scan_options_new();
	pthread_t threads[THREADS], waiter;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sb_scan_options_set_cancel(options, all.cancel);
	pthread_create(&waiter, NULL, wait_for_interrupt, &set);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, options);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	all.over = true;
	pthread_kill(waiter, SIGINT); /* no more to wait for */
	pthread_join(waiter, NULL);
	sb_scan_options_free(options);
}

int main(int argc, char **argv)
{
	sb_config *config = sb_config_new();
	sb_error *error = sb_error_new();

	setvbuf(stdout, NULL, _IOLBF, 0); /* a line as soon as it is known */
	all.cancel = sb_cancel_new();
	all.paths = argv + 2;
	all.count = argc > 2 ? (size_t)argc - 2 : 0;
	all.unscanned = true;
	if (argc < 3) {
		fprintf(stderr, "usage: %s CONFIG PATH...\n", argv[0]);
	} else if (sb_config_load_file(config, argv[1], error) < 0 ||
		   sb_manager_open(&all.manager, config, error) < 0) {
		fprintf(stderr, "%s: %s\n", argv[0], sb_error_message(error));
	} else {
		all.unscanned = false;
		run();
	}
	sb_manager_free(all.manager);
	sb_cancel_free(all.cancel);
	sb_config_free(config);
	sb_error_free(error);
	return all.interrupted ? 130 : all.held_back ? 1 : all.unscanned ? 2 : 0;
}
