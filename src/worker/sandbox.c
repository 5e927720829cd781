/* SPDX-License-Identifier: MIT */
/* The layers around a worker; see sandbox.h. */
#include "worker/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static struct sock_fprog filter;
static uint64_t base; /* address space of the zygote: rules, libraries, tables */

static bool complain(char *why, size_t room, const char *what)
{
	snprintf(why, room, "%s: %s", what, strerror(errno));
	return false;
}

/* --- Who it is ------------------------------------------------------------------------------ */

static bool drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		(void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0); /* only root may, and need */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) == 0;
}

/* Never root: the product's own account where there is one, else nobody. In a container whose
 * only user is root there is no other: then without capabilities. */
static bool drop_root(char *why, size_t room)
{
	const struct passwd *account = geteuid() == 0 ? getpwnam("scanbridge") : NULL;
	uid_t user = account != NULL ? account->pw_uid : 65534;
	gid_t group = account != NULL ? account->pw_gid : 65534;

	if (geteuid() == 0) {
		(void)setgroups(0, NULL);
		if ((setresgid(group, group, group) < 0 || setresuid(user, user, user) < 0) &&
			errno != EINVAL)
			return complain(why, room, "become an unprivileged user");
	}
	if (!drop_capabilities())
		return complain(why, room, "drop capabilities");
	return true;
}

/* --- Landlock -------------------------------------------------------------------------------- */

/* Everything that this kernel can forbid, and nothing that is allowed. Without Landlock the
 * filter stands alone. */
static bool forbid_files(char *why, size_t room)
{
	static const struct {
		uint64_t files, network, scopes;
	} known[] = {
		{0x1fff, 0, 0}, /* ABI 1 */
		{0x3fff, 0, 0}, /* 2: refer */
		{0x7fff, 0, 0}, /* 3: truncate */
		{0x7fff, 3, 0}, /* 4: TCP bind and connect */
		{0xffff, 3, 0}, /* 5: device ioctl */
		{0xffff, 3, 3}, /* 6: abstract sockets, signals */
	};
	struct {
		uint64_t files, network, scopes;
	} rules;
	/* The size of the structure that an ABI knows. */
	static const size_t sizes[] = {8, 8, 8, 16, 16, 24};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	size_t last = sizeof known / sizeof known[0];
	int fd;
	bool good;

	if (abi <= 0)
		return true;
	last = (size_t)abi < last ? (size_t)abi - 1 : last - 1;
	memcpy(&rules, &known[last], sizeof rules);
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizes[last], 0);
	good = fd >= 0 && syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	if (fd >= 0)
		close(fd);
	return good ? true : complain(why, room, "Landlock");
}

/* --- seccomp --------------------------------------------------------------------------------- */

/* All that judging bytes in memory takes. Executable memory is not among it. */
static const int allowed[] = {SCMP_SYS(brk), SCMP_SYS(clock_gettime), SCMP_SYS(close),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(fstat), SCMP_SYS(futex), SCMP_SYS(getrandom),
	SCMP_SYS(lseek), SCMP_SYS(madvise), SCMP_SYS(mremap), SCMP_SYS(munmap), SCMP_SYS(read),
	SCMP_SYS(recvmsg), SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sched_yield)};

/* What ordinary C adds: sleeping and waiting by the clock, reading the content by its descriptor.
 * All of it works on what a worker has anyway. */
static const int plugins[] = {SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(pread64), SCMP_SYS(readv),
	SCMP_SYS(preadv), SCMP_SYS(_llseek), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(clock_getres), SCMP_SYS(dup), SCMP_SYS(fadvise64), SCMP_SYS(msync),
	SCMP_SYS(sigaltstack), SCMP_SYS(set_robust_list)};

/* Libraries try these and do without: a lookup of a character set or a message, a look at
 * oneself. Refused without raising the alarm. */
static const int refused[] = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat), SCMP_SYS(lstat),
	SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
	SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(ioctl), SCMP_SYS(tgkill), SCMP_SYS(getpid),
	SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(prlimit64),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(rt_sigaction)};

/* What the sanitizers' own code calls on top. */
static const int sanitizers[] = {SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(getpid),
	SCMP_SYS(gettid), SCMP_SYS(tgkill), SCMP_SYS(sched_getaffinity), SCMP_SYS(prlimit64),
	SCMP_SYS(rt_sigaction), SCMP_SYS(sigaltstack), SCMP_SYS(sysinfo), SCMP_SYS(uname),
	SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
	SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(clone), SCMP_SYS(ptrace), SCMP_SYS(wait4),
	SCMP_SYS(kill), SCMP_SYS(prctl), SCMP_SYS(getppid), SCMP_SYS(dup), SCMP_SYS(pipe2),
	SCMP_SYS(set_robust_list), SCMP_SYS(getdents64), SCMP_SYS(mprotect), SCMP_SYS(mmap)};

static bool add_all(scmp_filter_ctx context, uint32_t action, const int *calls, size_t count)
{
	bool good = true;

	for (size_t i = 0; i < count; i++) {
		/* Some do not exist on every architecture. */
		int status = calls[i] < 0 ? 0 : seccomp_rule_add(context, action, calls[i], 0);
		good = good && (status == 0 || status == -EACCES);
	}
	return good;
}

static bool add_memory_calls(scmp_filter_ctx context)
{
	const struct scmp_arg_cmp data_only =
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0); /* the third argument of both */

	return seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, data_only) == 0 &&
	       seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, data_only) == 0;
}

/* Out of libseccomp as a program for the kernel: workers load it without the library's work. */
static bool export_filter(scmp_filter_ctx context)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	off_t size;
	bool good = fd >= 0 && seccomp_export_bpf(context, fd) == 0;

	size = good ? lseek(fd, 0, SEEK_END) : 0;
	filter.len = (unsigned short)((size_t)size / sizeof(struct sock_filter));
	filter.filter = size > 0 ? malloc((size_t)size) : NULL;
	good = filter.filter != NULL && pread(fd, filter.filter, (size_t)size, 0) == size;
	if (fd >= 0)
		close(fd);
	return good;
}

static bool compile_filter(bool plugin, char *why, size_t room)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_KILL_PROCESS);
	bool good = context != NULL;

	errno = ENOMEM;
	if (good && SANITIZED)
		good = add_all(context, SCMP_ACT_ALLOW, sanitizers,
			sizeof sanitizers / sizeof sanitizers[0]);
	else if (good)
		good = add_memory_calls(context);
	good = good &&
	       add_all(context, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof allowed[0]);
	if (good && plugin)
		good = add_all(
			context, SCMP_ACT_ALLOW, plugins, sizeof plugins / sizeof plugins[0]);
	if (good && !SANITIZED)
		good = add_all(context, SCMP_ACT_ERRNO(EACCES), refused,
			sizeof refused / sizeof refused[0]);
	good = good && export_filter(context);
	seccomp_release(context);
	return good ? true : complain(why, room, "compile the seccomp filter");
}

static uint64_t address_space(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file != NULL) {
		if (fscanf(file, "%lu", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

bool sb_sandbox_drop(bool locked, char *why, size_t room)
{
	if (!locked)
		return true;
	if (!drop_root(why, room))
		return false;
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? true
							   : complain(why, room, "no_new_privs");
}

bool sb_sandbox_prepare(bool locked, bool plugin, char *why, size_t room)
{
	base = address_space();
	if (!locked)
		return true;
	return sb_sandbox_drop(locked, why, room) && forbid_files(why, room) &&
	       compile_filter(plugin, why, room);
}

/* --- In the worker ---------------------------------------------------------------------------- */

static bool limit(int what, uint64_t value)
{
	const struct rlimit both = {value, value};

	return setrlimit((__rlimit_resource_t)what, &both) == 0;
}

bool sb_sandbox_enter(uint64_t memory, bool locked)
{
	bool good = limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_NOFILE, 16);

	if (!SANITIZED && base > 0)
		good = good && limit(RLIMIT_AS, base + memory);
	if (!SANITIZED)
		good = good && limit(RLIMIT_NPROC, 0);
	if (!locked)
		return good;
	return good && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}
