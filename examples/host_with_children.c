/* SPDX-License-Identifier: MIT */
/*
 * A host program with habits of its own: 64 threads, children of its own, a SIGCHLD handler that
 * reaps whatever it is told of, and a count of both. Scanbridge's sandboxed engine starts
 * processes too, and the host must not notice: no SIGCHLD that is not its own, no child that it
 * does not know, none of its own lost.
 *
 *     host_with_children RULES_FILE FILE DATA_DIR
 *
 * Prints what it counted; exit status 0 when every scan gave a verdict and every count is right.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <scanbridge/scanbridge.h>

enum { THREADS = 64, SCANS = 20, CHILDREN = 200, OURS = 7 };

static atomic_int reaped, strangers, verdicts, failures;
/* As servers have done it for decades: somebody ended, so take all that have. */
static void on_child(int number)
{
	int saved = errno, status;
	pid_t pid;

	(void)number;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (WIFEXITED(status) && WEXITSTATUS(status) == OURS)
			atomic_fetch_add(&reaped, 1);
		else
			atomic_fetch_add(&strangers, 1);
	}
	errno = saved;
}

struct job {
	sb_manager *manager;
	const char *path;
};

static void *scan(void *data)
{
	const struct job *job = data;

	for (int i = 0; i < SCANS; i++) {
		sb_input *input = sb_input_path(job->path);
		sb_report *report = NULL;

		if (input != NULL && sb_scan(&report, job->manager, input, NULL, NULL) == 0 &&
			sb_report_outcome(report) != SB_OUTCOME_ERROR)
			atomic_fetch_add(&verdicts, 1);
		else
			atomic_fetch_add(&failures, 1);
		sb_report_free(report);
		sb_input_free(input);
	}
	return NULL;
}

/* Children of the host's own, one after the other, while the threads scan. They end with a status
 * by which the handler knows them. */
static void have_children(void)
{
	for (int i = 0; i < CHILDREN; i++)
		if (fork() == 0)
			_exit(OURS);
}

static sb_manager *open_manager(const char *rules, const char *data_dir)
{
	sb_config *config = sb_config_new();
	sb_error *error = sb_error_new();
	sb_manager *manager = NULL;
	char engine[4352];

	snprintf(engine, sizeof engine, "{name: yara, type: yara, recycle: 10, rules: \"%s\"}",
		rules);
	if (sb_config_set(config, "data_dir", data_dir, error) < 0 ||
		sb_config_add_engine(config, engine, error) < 0 ||
		sb_manager_open(&manager, config, error) < 0)
		fprintf(stderr, "%s\n", sb_error_message(error));
	sb_error_free(error);
	sb_config_free(config);
	return manager;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_RESTART};
	pthread_t threads[THREADS];
	struct job job;
	sigset_t child;

	if (argc != 4) {
		fprintf(stderr, "usage: %s RULES_FILE FILE DATA_DIR\n", argv[0]);
		return 2;
	}
	sigaction(SIGCHLD, &action, NULL);
	job.path = argv[2];
	job.manager = open_manager(argv[1], argv[3]);
	if (job.manager == NULL)
		return 2;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, scan, &job) != 0)
			return 2;
	have_children();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	sb_manager_free(job.manager);

	/* Whoever has not been told of yet; afterwards there must be nobody left. */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &child, NULL);
	on_child(SIGCHLD);
	while (atomic_load(&reaped) + atomic_load(&strangers) < CHILDREN) {
		sigwaitinfo(&child, NULL);
		on_child(SIGCHLD);
	}
	printf("%d verdicts, %d failures, %d of %d children reaped, %d strangers\n", verdicts,
		failures, reaped, CHILDREN, strangers);
	return verdicts == THREADS * SCANS && reaped == CHILDREN && strangers == 0 &&
			       waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD
		       ? 0
		       : 1;
}
