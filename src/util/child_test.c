/* SPDX-License-Identifier: MIT */
/* Programs on a tether: what they are given, how they end, and that nothing of them is left. */
#include "util/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/io.h"

enum { PATIENCE = 60000 };

/* /bin/sh with a script on a tether; its words come out of *words, which may be NULL. */
static sb_child *start(const char *script, int *words)
{
	char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
		(char *)(uintptr_t)script, NULL};
	char *environment[] = {(char *)(uintptr_t) "PATH=/usr/bin:/bin", NULL};
	sb_child_plan plan = SB_CHILD_PLAN("sh");
	sb_child *child = NULL;
	sb_error error;
	int pair[2] = {-1, -1};

	sb_error_init(&error);
	if (words != NULL)
		assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	plan.path = "/bin/sh";
	plan.argv = argv;
	plan.environment = environment;
	plan.standard[1] = pair[1];
	plan.limits[0] = (sb_child_limit){RLIMIT_CORE, 0};
	plan.limits[1] = (sb_child_limit){RLIMIT_NOFILE, 99};
	plan.limit_count = 2;
	plan.tethered = true;
	assert_int_equal(sb_child_start(&child, &plan, &error), 0);
	sb_close(&pair[1]);
	if (words != NULL)
		*words = pair[0];
	return child;
}

static void await_end(const sb_child *child)
{
	struct pollfd end = {.fd = sb_child_fd(child), .events = POLLIN};

	assert_int_equal(poll(&end, 1, PATIENCE), 1);
}

static int status_of(const char *script)
{
	sb_child *child = start(script, NULL);

	await_end(child);
	return sb_child_join(child);
}

/* All that it says; ends when nobody is left who could say more. */
static void all_words(int fd, char *out, size_t room)
{
	ssize_t n = sb_read_full(fd, out, room - 1);

	assert_true(n >= 0);
	out[n] = '\0';
	close(fd);
}

static void test_status(void **state)
{
	(void)state;
	assert_int_equal(WEXITSTATUS(status_of("exit 0")), 0);
	assert_int_equal(WEXITSTATUS(status_of("exit 7")), 7);
	assert_int_equal(WTERMSIG(status_of("kill -SEGV $$")), SIGSEGV);
}

static void test_not_started(void **state)
{
	static const struct {
		const char *path;
		int why;
	} rows[] = {{"/nowhere/at/all", ENOENT}, {"/etc/passwd", EACCES}, {"/", EACCES}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		sb_child_plan plan = SB_CHILD_PLAN("it");
		sb_child *child = NULL;
		sb_error error;

		sb_error_init(&error);
		plan.path = rows[i].path;
		plan.tethered = i % 2 == 0;
		assert_int_equal(
			sb_child_start(&child, &plan, &error), -(int)SB_KIND_ENGINE_UNAVAILABLE);
		assert_int_equal(error.sys_errno, rows[i].why);
		assert_null(child);
	}
}

static void test_it_has_only_what_it_was_given(void **state)
{
	char words[1024];
	int fd;
	sb_child *child = start("echo $(ls /proc/self/fd | wc -l);" /* and ls's own */
				"grep NoNewPrivs /proc/self/status; ulimit -c; ulimit -Hn;"
				"env | grep -v -e ^_= -e ^PWD= -e ^SHLVL= -e ^OLDPWD=",
		&fd);

	(void)state;
	all_words(fd, words, sizeof words);
	assert_int_equal(sb_child_join(child), 0);
	assert_string_equal(words, "4\nNoNewPrivs:\t1\n0\n99\nPATH=/usr/bin:/bin\n");
}

/* Processes whose numbers were told are gone, every one of them; returns how many there were. */
static unsigned assert_gone(char *words)
{
	unsigned count = 0;

	for (char *at = words; *at != '\0'; count++) {
		int pid = (int)strtol(at, &at, 10);

		assert_true(pid > 0);
		assert_int_equal(kill(pid, 0), -1);
		assert_int_equal(errno, ESRCH);
		at += *at == '\n';
	}
	return count;
}

static void test_what_it_leaves_behind_ends(void **state)
{
	char words[1024];
	int fd;
	/* One in the background, one in a session of its own, one whose parent is gone. */
	sb_child *child = start("sleep 1000 & echo $!; setsid sh -c 'echo $$; exec sleep 1000' &"
				"(sh -c 'trap \"\" TERM HUP; echo $$; sleep 1000' & ) &"
				"sleep 1000 & echo $!; exec true",
		&fd);

	(void)state;
	await_end(child);
	assert_int_equal(sb_child_join(child), 0);
	all_words(fd, words, sizeof words);
	/* Those that were killed before they said a word are gone, too. */
	assert_in_range(assert_gone(words), 2, 4);
}

static void test_it_ends_when_told(void **state)
{
	char word[2] = "", words[1024];
	int fd, status;
	sb_child *child = start("trap '' TERM HUP INT; (setsid sh -c 'echo $$; exec sleep 1000' &);"
				"echo $$; while :; do sleep 1000; done",
		&fd);

	(void)state;
	for (int lines = 0; lines < 2; lines += word[0] == '\n')
		assert_int_equal(read(fd, word, 1), 1);
	sb_child_end(child);
	sb_child_end(child);
	await_end(child);
	status = sb_child_join(child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	all_words(fd, words, sizeof words);
	assert_string_equal(words, "");
}

/* A tree of processes that leave their sessions and are in no hurry to end. */
static void test_a_tree_of_processes_ends(void **state)
{
	char words[8192];
	int fd;
	sb_child *child = start("d=6; grow() { echo $(exec sh -c 'echo $PPID');"
				" [ $d -gt 0 ] || exec sleep 1000; d=$((d - 1));"
				" (grow) & (grow) & exec sleep 1000; };"
				" (grow) & n=0; while [ $n -lt 99999 ]; do n=$((n + 1)); done",
		&fd);

	(void)state;
	await_end(child);
	sb_child_join(child);
	all_words(fd, words, sizeof words); /* ends: nobody has the other end any more */
	assert_true(assert_gone(words) > 0);
}

static volatile sig_atomic_t signals;

static void count(int number)
{
	(void)number;
	signals++;
}

static void test_the_application_never_notices(void **state)
{
	struct sigaction action = {.sa_handler = count}, before;

	(void)state;
	sigaction(SIGCHLD, &action, &before);
	(void)status_of("sleep 1000 & exit 1");
	assert_int_equal(signals, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	sigaction(SIGCHLD, &before, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_not_started),
		cmocka_unit_test(test_it_has_only_what_it_was_given),
		cmocka_unit_test(test_what_it_leaves_behind_ends),
		cmocka_unit_test(test_it_ends_when_told),
		cmocka_unit_test(test_a_tree_of_processes_ends),
		cmocka_unit_test(test_the_application_never_notices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
