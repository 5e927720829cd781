/* SPDX-License-Identifier: MIT */
#include "util/uuid.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "util/text.h"

/*
 * Which process this is, without asking the kernel each time: a word that is 0 after any kind of
 * fork (madvise(2), MADV_WIPEONFORK), and is given the next number then. NULL where the kernel has
 * no such memory.
 */
static _Atomic(unsigned) *process;
static pthread_once_t process_once = PTHREAD_ONCE_INIT;

static void find_process(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	if (madvise(page, size, MADV_WIPEONFORK) == 0)
		process = page;
	else
		munmap(page, size);
}

/* Other than in any process that this one was forked from. */
static unsigned this_process(void)
{
	static _Atomic(unsigned) last;
	unsigned now, none = 0;

	pthread_once(&process_once, find_process);
	if (process == NULL)
		return (unsigned)getpid();
	now = atomic_load_explicit(process, memory_order_relaxed);
	if (now == 0) {
		now = atomic_fetch_add(&last, 1) + 1;
		if (!atomic_compare_exchange_strong(process, &none, now))
			now = none; /* another thread was faster */
	}
	return now;
}

/* One getrandom() serves 25 ids. A forked child must not draw its parent's bytes again. */
void sb_random(void *out, size_t length)
{
	static _Thread_local unsigned char pool[256];
	static _Thread_local size_t left;
	static _Thread_local unsigned owner;
	unsigned now = this_process();
	unsigned char *p = out;

	if (owner != now) {
		owner = now;
		left = 0;
	}
	while (length > 0) {
		size_t take = length < left ? length : left;
		if (take == 0) {
			/* Up to 256 bytes are never short once the kernel's pool is ready. */
			ssize_t n = getrandom(pool, sizeof pool, 0);
			if (n == (ssize_t)sizeof pool)
				left = sizeof pool;
			else if (n >= 0 || errno != EINTR)
				abort(); /* a kernel without it: ids must never repeat */
			continue;
		}
		memcpy(p, pool + sizeof pool - left, take);
		memset(pool + sizeof pool - left, 0, take);
		left -= take;
		p += take;
		length -= take;
	}
}

void sb_uuid7(char out[SB_UUID_SIZE], uint64_t unix_ns)
{
	uint64_t ms = unix_ns / 1000000;
	uint8_t id[16];
	char digits[33];

	sb_random(id + 6, 10);
	for (int i = 0; i < 6; i++)
		id[i] = (uint8_t)(ms >> (40 - 8 * i));
	id[6] = (uint8_t)(0x70 | (id[6] & 0x0f));
	id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
	sb_hex(digits, id, 16);
	memcpy(out, digits, 8);
	memcpy(out + 9, digits + 8, 4);
	memcpy(out + 14, digits + 12, 4);
	memcpy(out + 19, digits + 16, 4);
	memcpy(out + 24, digits + 20, 12);
	out[8] = out[13] = out[18] = out[23] = '-';
	out[36] = '\0';
}
