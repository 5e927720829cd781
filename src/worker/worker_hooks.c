/* SPDX-License-Identifier: MIT */
/*
 * What a worker that was taken over might try; see worker_hooks.h. A forbidden deed either ends
 * the process, or comes back with an error: then the hook goes on and the content is judged as
 * usual. A deed that succeeded leaves its mark, by ending the process with status 99.
 */
#include "worker_hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SUCCEEDED = 99, NOBODY = 0x3ffffff };

typedef struct scene {
	sb_control *control;
	sb_slot *slot;
	const void *data;
	uint64_t size;
} scene;

static void must_fail(long result)
{
	if (result >= 0)
		_exit(SUCCEEDED);
}

/* --- Accidents ---------------------------------------------------------------------------------
 */

static void fault(const scene *s)
{
	volatile uintptr_t nowhere = 8;

	(void)s;
	*(volatile int *)nowhere = 1;
}

static void do_abort(const scene *s)
{
	(void)s;
	abort();
}

static void leave_quietly(const scene *s)
{
	(void)s;
	_exit(0);
}

static void loop(const scene *s)
{
	for (;;)
		*(volatile uint8_t *)&s->slot->reply[0] = 1;
}

static void fork_bomb(const scene *s)
{
	(void)s;
	for (int i = 0; i < 1000; i++)
		must_fail(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static void eat_memory(const scene *s)
{
	const size_t size = 10ull << 30;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)s;
	if (memory == MAP_FAILED)
		abort();
	memset(memory, 1, size);
	_exit(SUCCEEDED);
}

static void close_all(const scene *s)
{
	(void)s;
	for (int i = 0; i < 64; i++)
		close(i);
}

static void stop_itself(const scene *s)
{
	(void)s;
	for (;;) /* it may not send signals: it just does nothing any more */
		syscall(SYS_futex, &s->control->quit, FUTEX_WAIT, 0, NULL, NULL, 0);
}

/* --- Lies
 * ----------------------------------------------------------------------------------------- */

static void answer(const scene *s, const void *reply, uint32_t length)
{
	memcpy(s->slot->reply, reply, length);
	s->slot->reply_length = length;
	atomic_store(&s->slot->state, SB_SLOT_DONE);
	syscall(SYS_futex, &s->slot->state, FUTEX_WAKE, 1, NULL, NULL, 0);
	stop_itself(s);
}

static void say_garbage(const scene *s)
{
	answer(s, "\xde\xad\xbe\xef garbage that is no reply", 30);
}

static void say_ok(const scene *s)
{
	answer(s, "OK", 2);
}

static void say_too_much(const scene *s)
{
	s->slot->reply_length = UINT32_MAX;
	atomic_store(&s->slot->state, SB_SLOT_DONE);
	syscall(SYS_futex, &s->slot->state, FUTEX_WAKE, 1, NULL, NULL, 0);
	stop_itself(s);
}

static void odd_state(const scene *s)
{
	atomic_store(&s->slot->state, 0xffff);
	syscall(SYS_futex, &s->slot->state, FUTEX_WAKE, 1, NULL, NULL, 0);
	stop_itself(s);
}

/* --- Breaking out -------------------------------------------------------------------------------
 */

static void open_file(const scene *s)
{
	(void)s;
	must_fail(open("/etc/passwd", O_RDONLY));
	must_fail(open("/tmp/scanbridge-was-here", O_WRONLY | O_CREAT, 0600));
	must_fail(syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR, 0));
}

static void other_process(const scene *s)
{
	(void)s;
	must_fail(open("/proc/1/mem", O_RDONLY));
	must_fail(syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0));
}

static void write_input(const scene *s)
{
	/* Its mapping is read-only; a writable one can't be had. */
	if (mprotect((void *)((uintptr_t)s->data & ~4095ull), 4096, PROT_READ | PROT_WRITE) == 0)
		_exit(SUCCEEDED);
}

#define CALL(name, ...)                                                                            \
	static void name(const scene *s)                                                           \
	{                                                                                          \
		(void)s;                                                                           \
		must_fail(syscall(__VA_ARGS__));                                                   \
	}

CALL(open_socket, SYS_socket, AF_UNIX, SOCK_STREAM, 0)
CALL(open_inet, SYS_socket, AF_INET, SOCK_STREAM, 0)
CALL(run_program, SYS_execve, "/bin/true", NULL, NULL)
CALL(trace, SYS_ptrace, PTRACE_TRACEME, 0, 0, 0)
CALL(signal_parent, SYS_kill, NOBODY, SIGTERM)
CALL(signal_self, SYS_kill, NOBODY, SIGSTOP)
CALL(mount_something, SYS_mount, "none", "/mnt", "tmpfs", 0, NULL)
CALL(keys, SYS_keyctl, 0, -3, 0, 0, 0)
CALL(io_ring, SYS_io_uring_setup, 4, NULL)
CALL(page_faults, SYS_userfaultfd, 0)
CALL(new_space, SYS_unshare, 0x10000000)
CALL(load_bpf, SYS_bpf, 0, NULL, 0)
CALL(open_at2, SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0)
CALL(handle, SYS_open_by_handle_at, AT_FDCWD, NULL, 0)
CALL(thread, SYS_clone3, NULL, 0)
CALL(set_user, SYS_setuid, 0)
CALL(perf, SYS_perf_event_open, NULL, 0, 0, 0, 0)
CALL(read_pid, SYS_pidfd_open, 1, 0)
CALL(memory_file, SYS_memfd_create, "x", 0)

static void run_memory(const scene *s)
{
	(void)s;
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) != MAP_FAILED)
		_exit(SUCCEEDED);
}

static const struct {
	const char *word;
	void (*deed)(const scene *s);
} hooks[] = {
	{"fault", fault},
	{"abort", do_abort},
	{"exit", leave_quietly},
	{"loop", loop},
	{"fork", fork_bomb},
	{"memory", eat_memory},
	{"close", close_all},
	{"stop", stop_itself},
	{"garbage", say_garbage},
	{"ok", say_ok},
	{"long", say_too_much},
	{"state", odd_state},
	{"open", open_file},
	{"openat2", open_at2},
	{"handle", handle},
	{"process", other_process},
	{"input", write_input},
	{"socket", open_socket},
	{"inet", open_inet},
	{"exec", run_program},
	{"ptrace", trace},
	{"kill", signal_parent},
	{"stopself", signal_self},
	{"mount", mount_something},
	{"keyctl", keys},
	{"io_uring", io_ring},
	{"userfaultfd", page_faults},
	{"unshare", new_space},
	{"bpf", load_bpf},
	{"thread", thread},
	{"setuid", set_user},
	{"perf", perf},
	{"pidfd", read_pid},
	{"memfd", memory_file},
	{"execmem", run_memory},
};

void sb_worker_hook(sb_control *control, sb_slot *slot, const void *data, uint64_t size)
{
	static const char mark[] = "hook: ";
	const scene s = {control, slot, data, size};
	const char *word = (const char *)data + sizeof mark - 1;

	if (size < sizeof mark || memcmp(data, mark, sizeof mark - 1) != 0)
		return;
	for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
		size_t length = strlen(hooks[i].word);

		if (size - (sizeof mark - 1) > length && word[length] == '\n' &&
			memcmp(word, hooks[i].word, length) == 0)
			hooks[i].deed(&s);
	}
}
