/* SPDX-License-Identifier: MIT */
/*
 * What a worker may do: read memory it was given and burn its own time. It opens no file and no
 * socket, starts nothing, signals nobody, sees no other process, and is never root.
 *
 * In layers, each of which would do alone for most attacks: an unprivileged user without
 * capabilities, no_new_privs, resource limits, Landlock (raw system calls, whatever ABI the
 * kernel has; kernel documentation, userspace-api/landlock.rst), and a seccomp filter that ends
 * the process at the first system call that a scan does not need.
 */
#ifndef SB_WORKER_SANDBOX_H
#define SB_WORKER_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the zygote, before code that is not ours runs in it: if @p locked, user, capabilities,
 * no_new_privs. */
bool sb_sandbox_drop(bool locked, char *why, size_t room);
/* In the zygote, before it forks: if @p locked, user, capabilities, no_new_privs, Landlock, and
 * the filter is compiled; @p plugin: a little wider, see there. False with @p why. */
bool sb_sandbox_prepare(bool locked, bool plugin, char *why, size_t room);
/* In a worker: limits of resources, at most @p memory bytes more than the zygote had, then, if
 * @p locked, the filter. False: it must not go on. */
bool sb_sandbox_enter(uint64_t memory, bool locked);

#endif
