/* SPDX-License-Identifier: MIT */
/*
 * Read leases: while one is held nobody can open the file for writing or truncate it, and
 * nobody has it open for writing already. Whoever tries waits until the keeper's thread has
 * heard of it and let go, which is at once: a scan never holds up a writer.
 */
#ifndef SB_SCAN_LEASE_H
#define SB_SCAN_LEASE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct sb_lease {
	struct sb_lease *next;
	int fd;
	bool taken;
	_Atomic(bool) broken;
} sb_lease;

typedef struct sb_lease_keeper {
	pthread_mutex_t lock; /* guards all but stop */
	pthread_cond_t started;
	sb_lease *held;
	pthread_t thread;
	pid_t tid; /* 0: no thread yet */
	_Atomic(bool) stop;
} sb_lease_keeper;

void sb_lease_keeper_init(sb_lease_keeper *keeper);
/* After the last lease is dropped. */
void sb_lease_keeper_done(sb_lease_keeper *keeper);

/* A lease on @p fd, which is open for reading only. False: not to be had here (somebody writes,
 * not the owner, a file system without leases). */
bool sb_lease_take(sb_lease_keeper *keeper, sb_lease *lease, int fd);
/* Before fd is closed; harmless when it was not taken. */
void sb_lease_drop(sb_lease_keeper *keeper, sb_lease *lease);
/* Held from the moment it was taken until now. */
bool sb_lease_intact(const sb_lease *lease);

#endif
