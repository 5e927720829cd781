/* SPDX-License-Identifier: MIT */
/*
 * scanbridge-worker: the program. It starts as a zygote: one thread that compiles the rules,
 * locks itself up, and from then on only forks workers and waits for them. It never looks at
 * content. It ends when its host does, or closes the control socket, and takes its workers
 * along.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/error.h"
#include "util/io.h"
#include "worker/plugin.h"
#include "worker/sandbox.h"
#include "worker/serve.h"

enum { MAX_WORKERS = 1024, FDS = 3 };

typedef struct child {
	pid_t pid;
	uint32_t id;
} child;

typedef struct zygote {
	sb_trade trade;
	child children[MAX_WORKERS];
	size_t count;
	int signals;
} zygote;

/* --- Words with the host ------------------------------------------------------------------------
 */

/* A packet, with one descriptor if @p fd is one. */
static void say(const sb_zygote_message *message, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec bytes = {(void *)(uintptr_t)message,
		offsetof(sb_zygote_message, text) + strlen(message->text) + 1};
	struct msghdr packet = {.msg_iov = &bytes, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *head = &control.align;

		packet.msg_control = control.room;
		packet.msg_controllen = sizeof control.room;
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(head), &fd, sizeof fd);
	}
	while (sendmsg(SB_ZYGOTE_CONTROL, &packet, MSG_NOSIGNAL) < 0 && errno == EINTR)
		continue;
}

_Noreturn static void fail(sb_kind kind, const char *why)
{
	sb_zygote_message message = {.word = SB_ZYGOTE_FAILED, .kind = (uint32_t)kind};

	snprintf(message.text, sizeof message.text, "%s", why);
	say(&message, -1);
	_exit(1);
}

_Noreturn static void fail_with(const sb_error *error)
{
	fail(error->kind != SB_KIND_NONE ? error->kind : SB_KIND_INTERNAL, error->message);
}

/* The host's word and its descriptors; false: the host has closed. */
static bool hear(sb_zygote_message *message, int fds[FDS])
{
	union {
		char room[CMSG_SPACE(FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec bytes = {message, sizeof *message};
	struct msghdr packet = {.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof control.room};
	ssize_t n = recvmsg(SB_ZYGOTE_CONTROL, &packet, MSG_CMSG_CLOEXEC);
	struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR(&packet) : NULL;

	if (n < 0 && errno == EINTR)
		return hear(message, fds);
	if (head == NULL || head->cmsg_len != CMSG_LEN(FDS * sizeof(int)))
		return false;
	memcpy(fds, CMSG_DATA(head), FDS * sizeof(int));
	return true;
}

/* --- Workers -------------------------------------------------------------------------------------
 */

/* In the child: what is left of the zygote is closed, then the door. */
_Noreturn static void become_worker(const zygote *z, const int fds[FDS], pid_t parent)
{
	sb_bench bench = {.socket = fds[2]};
	sigset_t all;

	for (size_t i = 0; i < SB_SLOTS; i++)
		bench.waiting[i].fd = -1;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(1);
	(void)prctl(PR_SET_NAME, "sb-worker", 0, 0, 0);
	bench.contents =
		mmap(NULL, SB_SLOTS * sizeof *bench.contents, PROT_READ, MAP_SHARED, fds[0], 0);
	bench.control =
		mmap(NULL, sizeof *bench.control, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
	if (bench.contents == MAP_FAILED || bench.control == MAP_FAILED)
		_exit(1);
	close(fds[0]);
	close(fds[1]);
	close(z->signals);
	for (int i = SB_ZYGOTE_CONTROL; i <= SB_ZYGOTE_HOST; i++)
		close(i);
	sigemptyset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if (!sb_sandbox_enter(z->trade.head->memory, z->trade.head->sandbox != 0))
		_exit(1);
	sb_serve(&z->trade, &bench);
}

static void fork_worker(zygote *z, const sb_zygote_message *order, const int fds[FDS])
{
	sb_zygote_message answer = {.word = SB_ZYGOTE_FORKED, .id = order->id};
	pid_t self = getpid(), pid = z->count < MAX_WORKERS ? fork() : -1;
	int fd = -1;

	if (pid == 0)
		become_worker(z, fds, self);
	if (pid > 0) {
		z->children[z->count++] = (child){pid, order->id};
		fd = (int)syscall(SYS_pidfd_open, pid, 0);
	}
	answer.status = pid > 0 && fd >= 0 ? 0 : errno;
	if (pid > 0 && fd < 0)
		(void)kill(pid, SIGKILL); /* the host could not end it */
	say(&answer, fd);
	if (fd >= 0)
		close(fd);
}

static void bury(zygote *z)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		sb_zygote_message word = {.word = SB_ZYGOTE_ENDED, .status = status};

		for (size_t i = 0; i < z->count; i++) {
			if (z->children[i].pid != pid)
				continue;
			word.id = z->children[i].id;
			z->children[i] = z->children[--z->count];
			say(&word, -1);
			break;
		}
	}
}

/* --- Its life ----------------------------------------------------------------------------------
 */

static void obey(zygote *z)
{
	struct pollfd events[] = {{.fd = SB_ZYGOTE_CONTROL, .events = POLLIN},
		{.fd = z->signals, .events = POLLIN}, {.fd = SB_ZYGOTE_HOST, .events = POLLIN}};
	struct signalfd_siginfo drained[8];
	sb_zygote_message message;
	int fds[FDS];

	for (;;) {
		if (poll(events, sizeof events / sizeof events[0], -1) < 0 && errno != EINTR)
			return;
		if (events[1].revents != 0 && read(z->signals, drained, sizeof drained) > 0)
			bury(z);
		if (events[2].revents != 0)
			return;
		if (events[0].revents == 0)
			continue;
		if (!hear(&message, fds))
			return;
		if (message.word == SB_ZYGOTE_FORK)
			fork_worker(z, &message, fds);
		for (size_t i = 0; i < FDS; i++)
			close(fds[i]);
	}
}

static const sb_bundle_head *map_bundle(void)
{
	struct stat info;
	void *data;

	if (fstat(SB_ZYGOTE_BUNDLE, &info) < 0)
		return NULL;
	data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, SB_ZYGOTE_BUNDLE, 0);
	return data == MAP_FAILED ? NULL : sb_bundle_check(data, (size_t)info.st_size);
}

/* Where memory gets scarce, a worker is what can be spared. */
static void be_first_to_go(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!write(fd, "500", 3);
		close(fd);
	}
}

/* A scan takes and gives back the same few blocks every time: they stay in the process, which does
 * not live long. What is large goes back to the system at once. */
static void keep_memory(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 16 << 20);
	(void)mallopt(M_TOP_PAD, 1 << 20);
}

static void watch_children(zygote *z)
{
	sigset_t children;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &children, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	z->signals = signalfd(-1, &children, SFD_CLOEXEC);
}

/* Rules are compiled with the rights that we begin with: they are data. */
static void prepare_rules(zygote *z, sb_zygote_message *ready)
{
	int kept = fcntl(SB_ZYGOTE_COMPILED, F_GETFD) < 0 ? -1 : SB_ZYGOTE_COMPILED;
	char why[SB_ZYGOTE_TEXT];
	bool fresh;

	z->trade.rules = sb_rules_compile(z->trade.head, kept, &fresh, why, sizeof why);
	if (z->trade.rules == NULL)
		fail(SB_KIND_NOT_CONFIGURED, why);
	ready->compiled = fresh;
	sb_close(&kept);
	sb_containers_prepare();
	(void)sb_mime_load(); /* without its tables there are no media types */
	ready->rules = sb_rules_count(z->trade.rules);
	snprintf(ready->text, sizeof ready->text, "%s", sb_rules_version());
}

/* A plugin is code: it never has rights to give away. It may read files while it is opened, as an
 * unprivileged user, and none once there is content. */
static void prepare_plugin(zygote *z, sb_zygote_message *ready)
{
	static sb_guest guest;
	char why[SB_ZYGOTE_TEXT];
	sb_error error;

	sb_error_init(&error);
	if (!sb_sandbox_drop(z->trade.head->sandbox != 0, why, sizeof why))
		fail(SB_KIND_NOT_CONFIGURED, why);
	if (sb_guest_open(&guest, z->trade.head, ready, &error) < 0)
		fail_with(&error);
	z->trade.guest = &guest;
	close(SB_ZYGOTE_PLUGIN);
}

/* They were told to end at once. */
static void end_workers(zygote *z)
{
	for (size_t i = 0; i < z->count; i++)
		(void)kill(z->children[i].pid, SIGKILL);
	for (size_t i = 0; i < z->count; i++)
		(void)waitpid(z->children[i].pid, NULL, 0);
}

int main(void)
{
	static zygote z;
	sb_zygote_message ready = {.word = SB_ZYGOTE_READY};
	char why[SB_ZYGOTE_TEXT];

	if (fcntl(SB_ZYGOTE_CONTROL, F_GETFD) < 0 || fcntl(SB_ZYGOTE_HOST, F_GETFD) < 0) {
		fputs("scanbridge-worker is started by Scanbridge itself, not by hand.\n", stderr);
		return 2;
	}
	(void)prctl(PR_SET_NAME, "sb-zygote", 0, 0, 0);
	be_first_to_go();
	keep_memory();
	z.trade.head = map_bundle();
	if (z.trade.head == NULL)
		fail(SB_KIND_NOT_CONFIGURED, "scanbridge-worker belongs to another version");
	if (z.trade.head->plugin != 0)
		prepare_plugin(&z, &ready);
	else
		prepare_rules(&z, &ready);
	if (!sb_sandbox_prepare(z.trade.head->sandbox != 0, z.trade.guest != NULL, why, sizeof why))
		fail(SB_KIND_NOT_CONFIGURED, why);
	watch_children(&z);
	say(&ready, -1);
	obey(&z);
	end_workers(&z);
	_exit(0); /* a plugin may have left something to be done at the end: it is not asked */
}
