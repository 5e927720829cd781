/* SPDX-License-Identifier: MIT */
/*
 * The keeper; see child.h. A thread of ours makes it and then does nothing but wait for its end:
 * keeper and thread share the thread's local storage (errno), and so only one of them runs.
 *
 * What runs in shared memory beside the application is bare: system calls and nothing that the C
 * library or a sanitizer would keep books about.
 */
#include "util/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

struct sb_child {
	pthread_t thread;
	const sb_child_plan *plan; /* until it was executed */
	const char *path;
	char *const *argv, *const *environment;
	char *own_argv[2];
	int null;
	int tether, kept; /* our end and the keeper's */
	char *stacks;     /* the keeper's, the program's */
	/* Memory is shared by all who take part: 0, then STARTED or the errno of a failure. */
	_Atomic(int) state;
	_Atomic(int) status;
};

enum { STARTED = -1, UNKNOWN = -1 };

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
BARE static int place_descriptors(const struct sb_child *child)
{
	const sb_child_plan *plan = child->plan;
	const int after = FIRST + (int)plan->count;
	int fds[FIRST + SB_CHILD_FDS + 1], status = 0;

	for (int i = 0; i <= after; i++) {
		int from = i < FIRST   ? plan->standard[i]
			   : i < after ? plan->fds[i - FIRST]
				       : plan->program;

		fds[i] = (int)syscall(SYS_fcntl, from < 0 ? child->null : from, F_DUPFD, HIGH);
		status |= fds[i];
	}
	for (int i = 0; i < after && status >= 0; i++)
		status |= move(fds[i], i, 0);
	/* One more, closed by the exec itself. */
	if (status < 0 || move(fds[after], after, O_CLOEXEC) < 0)
		return -1;
	return (int)syscall(SYS_close_range, after + 1, ~0U, 0);
}

BARE static int set_limits(const sb_child_plan *plan)
{
	for (size_t i = 0; i < plan->limit_count; i++) {
		const sb_child_limit *limit = &plan->limits[i];
		struct rlimit now;

		if (syscall(SYS_prlimit64, 0, limit->resource, NULL, &now) < 0)
			return -1;
		now.rlim_cur = limit->value < now.rlim_max ? limit->value : now.rlim_max;
		now.rlim_max = now.rlim_cur;
		if (syscall(SYS_prlimit64, 0, limit->resource, &now, NULL) < 0)
			return -1;
	}
	return 0;
}

/* Once it is somebody else, what it was told about its parent's death is forgotten: before tie().
 */
BARE static int become(const sb_child_plan *plan)
{
	if (!plan->other_user)
		return 0;
	if (syscall(SYS_setgroups, 0, NULL) < 0 ||
		syscall(SYS_setresgid, plan->group, plan->group, plan->group) < 0)
		return -1;
	return (int)syscall(SYS_setresuid, plan->user, plan->user, plan->user);
}

/* The keeper is the parent, so what dies with it dies with the application, too. */
BARE static int tie(const sb_child_plan *plan)
{
	if (!plan->tethered)
		return 0;
	if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

BARE static int run_program(void *data)
{
	struct sb_child *child = data;
	const sb_child_plan *plan = child->plan;

	default_signals();
	(void)syscall(SYS_setsid); /* a terminal's Ctrl-C is for the application */
	if (become(plan) == 0 && tie(plan) == 0 && set_limits(plan) == 0 &&
		(plan->folder < 0 || syscall(SYS_fchdir, plan->folder) == 0) &&
		place_descriptors(child) == 0)
		(void)syscall(SYS_execveat, plan->program < 0 ? AT_FDCWD : FIRST + (int)plan->count,
			child->path, child->argv, child->environment,
			plan->program < 0 ? 0 : AT_EMPTY_PATH);
	atomic_store(&child->state, errno);
	syscall(SYS_exit_group, 127);
	return 127;
}

/* --- The keeper's side ---------------------------------------------------------------------- */

BARE static void settle(struct sb_child *child, int state)
{
	int none = 0;

	(void)atomic_compare_exchange_strong(&child->state, &none, state);
	(void)syscall(SYS_futex, &child->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

BARE static long reap(pid_t who, int *status, int flags)
{
	long pid;

	do
		pid = syscall(SYS_wait4, who, status, flags | (int)__WALL, NULL);
	while (pid < 0 && errno == EINTR);
	return pid;
}

/* Kill every process whose parent we are by now; false when nobody can tell them. */
BARE static bool kill_children(void)
{
	char text[1024];
	long n, fd = syscall(SYS_openat, AT_FDCWD, "/proc/thread-self/children", O_RDONLY, 0);
	int pid = 0;

	if (fd < 0)
		return false;
	while ((n = syscall(SYS_read, fd, text, sizeof text)) > 0)
		for (long i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			if (pid > 0)
				(void)syscall(SYS_kill, pid, SIGKILL);
			pid = 0;
		}
	(void)syscall(SYS_close, fd);
	return n == 0;
}

/* Whoever dies leaves us its children. A process that is to die starts no more of them, so this
 * comes to an end. */
BARE static void end_all(void)
{
	for (;;) {
		long pid = reap(-1, NULL, WNOHANG);

		if (pid < 0)
			return;
		if (pid == 0 && (!kill_children() || reap(-1, NULL, 0) < 0))
			return;
	}
}

enum { TETHER_FD = 0 };

/* Until the program ends, or is to end, or the application does. */
BARE static void hold(struct sb_child *child, pid_t program)
{
	long ended = syscall(SYS_pidfd_open, program, 0);
	struct pollfd events[] = {
		{.fd = TETHER_FD, .events = POLLIN | POLLRDHUP},
		{.fd = (int)ended, .events = POLLIN},
	};
	int status = UNKNOWN;

	while (ended >= 0 && syscall(SYS_ppoll, events, 2, NULL, NULL, 0) < 0 && errno == EINTR)
		continue;
	(void)syscall(SYS_kill, -program, SIGKILL); /* not reaped yet: still its number */
	(void)syscall(SYS_kill, program, SIGKILL);
	if (reap(program, &status, 0) == program)
		atomic_store(&child->status, status);
	end_all();
	(void)syscall(SYS_write, TETHER_FD, "", 1);
}

BARE static int keep(void *data)
{
	struct sb_child *child = data;
	const bool tethered = child->plan->tethered;
	int program, status = UNKNOWN;

	(void)syscall(SYS_prctl, PR_SET_NAME, "sb-keeper", 0, 0, 0);
	if (tethered)
		(void)syscall(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	/* Returns when the program was executed, or has given up and said why. */
	program = clone(
		run_program, child->stacks + 2 * STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, child);
	/* Nothing that the application closes may stay open here. */
	if (tethered)
		(void)move(child->kept, TETHER_FD, O_CLOEXEC);
	(void)syscall(SYS_close_range, tethered ? TETHER_FD + 1 : 0, ~0U, 0);
	settle(child, program < 0 ? errno : STARTED);
	if (program > 0 && tethered)
		hold(child, program);
	else if (program > 0 && reap(program, &status, 0) == program)
		atomic_store(&child->status, status);
	syscall(SYS_exit_group, 0);
	return 0;
}

/* --- The application's side ------------------------------------------------------------------ */

static void *watch(void *data)
{
	struct sb_child *child = data;
	int keeper = clone(keep, child->stacks + STACK, CLONE_VM, child), status;

	if (keeper < 0)
		settle(child, errno);
	while (keeper > 0 && waitpid(keeper, &status, (int)__WCLONE) < 0 && errno == EINTR)
		continue;
	settle(child, ECHILD); /* had it not come so far */
	return NULL;
}

static int await(struct sb_child *child)
{
	while (atomic_load(&child->state) == 0)
		syscall(SYS_futex, &child->state, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return atomic_load(&child->state);
}

static void release(struct sb_child *child)
{
	sb_close(&child->null);
	sb_close(&child->tether);
	sb_close(&child->kept);
	if (child->stacks != MAP_FAILED)
		munmap(child->stacks, 2 * STACK);
	free(child->own_argv[0]);
	free(child);
}

static int prepare(struct sb_child *child, const sb_child_plan *plan)
{
	static char *const none[] = {NULL};
	int pair[2] = {-1, -1};

	child->plan = plan;
	child->path = plan->program < 0 ? plan->path : "";
	child->own_argv[0] = strdup(plan->name);
	child->argv = plan->argv != NULL ? plan->argv : child->own_argv;
	child->environment = plan->environment != NULL ? plan->environment : none;
	child->stacks = mmap(NULL, 2 * STACK, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	child->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (plan->tethered && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	child->tether = pair[0];
	child->kept = pair[1];
	return child->own_argv[0] == NULL || child->stacks == MAP_FAILED || child->null < 0 ? -1
											    : 0;
}

int sb_child_start(sb_child **out, const sb_child_plan *plan, sb_error *error)
{
	sb_child *child = calloc(1, sizeof *child);
	int state;

	if (child == NULL)
		return sb_error_no_memory(error);
	child->stacks = MAP_FAILED;
	child->null = child->tether = child->kept = -1;
	atomic_init(&child->status, UNKNOWN);
	if (prepare(child, plan) < 0) {
		sb_error_set(error, SB_KIND_INTERNAL, errno, "prepare to start %s", plan->name);
		release(child);
		return -SB_KIND_INTERNAL;
	}
	state = sb_thread_start(&child->thread, "sb-keeper", watch, child);
	if (state != 0) {
		release(child);
		return sb_error_set(error, SB_KIND_INTERNAL, state, "start a thread");
	}
	state = await(child);
	sb_close(&child->kept);
	if (state == STARTED) {
		*out = child;
		return 0;
	}
	(void)sb_child_join(child);
	return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, state, "start %s", plan->name);
}

int sb_child_fd(const sb_child *child)
{
	return child->tether;
}

void sb_child_end(sb_child *child)
{
	(void)shutdown(child->tether, SHUT_WR);
}

int sb_child_join(sb_child *child)
{
	int status;

	if (child == NULL)
		return UNKNOWN;
	pthread_join(child->thread, NULL);
	status = atomic_load(&child->status);
	release(child);
	return status;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool is_over_within(const struct sb_child *child, unsigned ms)
{
	const uint64_t until = now_ms() + ms;
	struct pollfd over = {.fd = child->tether, .events = POLLIN};
	uint64_t now = until - ms;
	int ready;

	do {
		ready = poll(&over, 1, (int)(until - now));
		now = now_ms();
	} while (ready < 0 && errno == EINTR && now < until);
	return ready > 0;
}

int sb_child_end_within(sb_child *child, unsigned ms)
{
	if (child == NULL)
		return UNKNOWN;
	if (!is_over_within(child, ms))
		sb_child_end(child);
	return sb_child_join(child);
}
