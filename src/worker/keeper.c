/* SPDX-License-Identifier: MIT */
/*
 * The keeper; see keeper.h. A thread of ours makes it and then does nothing but wait for its end:
 * keeper and thread share the thread's local storage (errno), and so only one of them runs.
 *
 * What runs in shared memory beside the application is bare: system calls and nothing that the C
 * library or a sanitizer would keep books about.
 */
#include "worker/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/io.h"
#include "util/thread.h"

/* No sanitizer may look for shadow stacks or thread states of a process that has none. */
#define BARE __attribute__((no_sanitize("address", "thread", "undefined"), no_stack_protector))

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1 /* as gcc says it */
#endif
#endif
#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer takes every clone() for a fork() with a memory of its own. */
extern int __clone(int (*run)(void *), void *stack, int flags, void *data, ...);
#define clone __clone
#endif

enum { STACK = 64 * 1024, FIRST = 3, HIGH = 64, SIGNALS = 64 };

struct sb_kept {
	pthread_t thread;
	int program, null;
	int fds[SB_KEPT_FDS];
	size_t count;
	char *argv[2];
	char *stacks; /* the keeper's, the program's */
	/* Memory is shared by all who take part: 0, then STARTED or the errno of a failure. */
	_Atomic(int) state;
	/* The program, while it can be signalled: whoever takes the number has it for himself, and
	 * the keeper reaps the program only with it, so that it is nobody else's by then. */
	_Atomic(int) target;
	_Atomic(int) over; /* the program has ended, or never began: */
	int status;        /* of its wait */
};

enum { STARTED = -1 };

/* --- The program's side: between vfork and exec ------------------------------------------ */

/* As the kernel has it (man 2 rt_sigaction): larger than it is on any architecture. */
struct kernel_action {
	unsigned long words[8];
};

BARE static void default_signals(void)
{
	static const struct kernel_action standard = {{0}};
	static const uint64_t none;

	for (int i = 1; i <= SIGNALS; i++) /* for KILL and STOP it fails */
		(void)syscall(SYS_rt_sigaction, i, &standard, NULL, SIGNALS / 8);
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, SIGNALS / 8);
}

BARE static int move(int fd, int to, int flags)
{
	return (int)syscall(SYS_dup3, fd, to, flags);
}

/* First out of the way of their targets, then into place. */
BARE static int place_descriptors(const struct sb_kept *kept)
{
	const int after = FIRST + (int)kept->count;
	int program = (int)syscall(SYS_fcntl, kept->program, F_DUPFD, HIGH);
	int null = (int)syscall(SYS_fcntl, kept->null, F_DUPFD, HIGH);
	int fds[SB_KEPT_FDS], status = program | null;

	for (size_t i = 0; i < kept->count; i++) {
		fds[i] = (int)syscall(SYS_fcntl, kept->fds[i], F_DUPFD, HIGH);
		status |= fds[i];
	}
	for (int i = 0; i < FIRST && status >= 0; i++)
		status |= move(null, i, 0);
	for (int i = FIRST; i < after && status >= 0; i++)
		status |= move(fds[i - FIRST], i, 0);
	/* One more, closed by the exec itself. */
	if (status < 0 || move(program, after, O_CLOEXEC) < 0)
		return -1;
	return (int)syscall(SYS_close_range, after + 1, ~0U, 0);
}

BARE static int run_program(void *data)
{
	struct sb_kept *kept = data;
	char *environment[] = {NULL};

	default_signals();
	(void)syscall(SYS_setsid); /* a terminal's Ctrl-C is for the application */
	if (place_descriptors(kept) == 0)
		(void)syscall(SYS_execveat, FIRST + (int)kept->count, "", kept->argv, environment,
			AT_EMPTY_PATH);
	atomic_store(&kept->state, errno);
	syscall(SYS_exit_group, 127);
	return 127;
}

/* --- The keeper's side ---------------------------------------------------------------------- */

BARE static void settle(struct sb_kept *kept, int state)
{
	int none = 0;

	(void)atomic_compare_exchange_strong(&kept->state, &none, state);
	(void)syscall(SYS_futex, &kept->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

BARE static void await_end(struct sb_kept *kept, int program)
{
	while (syscall(SYS_waitid, P_PID, program, NULL, WEXITED | WNOWAIT, NULL) < 0 &&
		errno == EINTR)
		continue;
	while (atomic_exchange(&kept->target, 0) == 0)
		(void)syscall(SYS_sched_yield);
	while (syscall(SYS_wait4, program, &kept->status, 0, NULL) < 0 && errno == EINTR)
		continue;
}

BARE static int keep(void *data)
{
	struct sb_kept *kept = data;
	int program;

	(void)syscall(SYS_prctl, PR_SET_NAME, "sb-keeper", 0, 0, 0);
	/* Returns when the program was executed, or has given up and said why. */
	program = clone(
		run_program, kept->stacks + 2 * STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, kept);
	atomic_store(&kept->target, program > 0 ? program : 0);
	/* Nothing that the application closes may stay open here. */
	(void)syscall(SYS_close_range, 0U, ~0U, 0);
	settle(kept, program < 0 ? errno : STARTED);
	if (program > 0)
		await_end(kept, program);
	syscall(SYS_exit_group, 0);
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- The application's side ------------------------------------------------------------------ */

static void *watch(void *data)
{
	struct sb_kept *kept = data;
	int keeper = clone(keep, kept->stacks + STACK, CLONE_VM, kept), status;

	if (keeper < 0)
		settle(kept, errno);
	while (keeper > 0 && waitpid(keeper, &status, (int)__WCLONE) < 0 && errno == EINTR)
		continue;
	settle(kept, ECHILD); /* had it not come so far */
	atomic_store(&kept->over, 1);
	(void)syscall(SYS_futex, &kept->over, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	return NULL;
}

static int await(struct sb_kept *kept)
{
	while (atomic_load(&kept->state) == 0)
		syscall(SYS_futex, &kept->state, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return atomic_load(&kept->state);
}

static void release(struct sb_kept *kept)
{
	sb_close(&kept->null);
	if (kept->stacks != MAP_FAILED)
		munmap(kept->stacks, 2 * STACK);
	free(kept->argv[0]);
	free(kept);
}

static int prepare(
	struct sb_kept *kept, int program, const char *name, const int *fds, size_t count)
{
	kept->program = program;
	kept->count = count;
	memcpy(kept->fds, fds, count * sizeof *fds);
	kept->argv[0] = strdup(name);
	kept->stacks = mmap(NULL, 2 * STACK, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	kept->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return kept->argv[0] == NULL || kept->stacks == MAP_FAILED || kept->null < 0 ? -1 : 0;
}

int sb_kept_start(
	sb_kept **out, int program, const char *name, const int *fds, size_t count, sb_error *error)
{
	sb_kept *kept = calloc(1, sizeof *kept);
	int state;

	if (kept == NULL)
		return sb_error_no_memory(error);
	kept->null = -1;
	if (prepare(kept, program, name, fds, count) < 0) {
		sb_error_set(error, SB_KIND_INTERNAL, errno, "prepare to start %s", name);
		release(kept);
		return -SB_KIND_INTERNAL;
	}
	state = sb_thread_start(&kept->thread, "sb-keeper", watch, kept);
	if (state != 0) {
		release(kept);
		return sb_error_set(error, SB_KIND_INTERNAL, state, "start a thread");
	}
	state = await(kept);
	if (state == STARTED) {
		*out = kept;
		return 0;
	}
	sb_kept_join(kept);
	return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, state, "start %s", name);
}

/* True when it is over. */
static bool await_over(sb_kept *kept, uint64_t ms)
{
	const uint64_t until = now_ms() + ms;

	for (uint64_t now; atomic_load(&kept->over) == 0;) {
		now = now_ms();
		if (now >= until)
			return false;
		(void)syscall(SYS_futex, &kept->over, FUTEX_WAIT_PRIVATE, 0,
			&(struct timespec){.tv_sec = (time_t)((until - now) / 1000),
				.tv_nsec = (long)((until - now) % 1000) * 1000000},
			NULL, 0);
	}
	return true;
}

int sb_kept_end(sb_kept *kept, unsigned ms)
{
	int target;

	if (await_over(kept, ms))
		return kept->status;
	target = atomic_exchange(&kept->target, 0);
	if (target > 0) {
		(void)kill(target, SIGKILL);
		atomic_store(&kept->target, target);
	}
	while (!await_over(kept, 1000))
		continue;
	return kept->status;
}

void sb_kept_join(sb_kept *kept)
{
	if (kept == NULL)
		return;
	pthread_join(kept->thread, NULL);
	release(kept);
}
