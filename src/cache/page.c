/* SPDX-License-Identifier: MIT */
#include "cache/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"
#include "util/temp.h"
#include "util/text.h"
#include "util/uuid.h"

enum { PAGE = 4096 };
_Static_assert(sizeof(sb_page_body) <= PAGE, "the body fits into a page");

static const char magic[16] = "sb-verdicts 1\n";
static const char name[] = "verdicts.page";

/* Sets of `seen` are this far apart, so that reading the time isn't writing to a shared line. */
static const uint64_t grain = 10 * SB_MS;

/* --- The file -------------------------------------------------------------------------------- */

static void fill(sb_page_body *body, uint64_t first)
{
	memcpy(body->magic, magic, sizeof magic);
	atomic_init(&body->number, first);
}

static sb_page_body *map(int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* A whole page of ours; its blocks are there, since it was written and not only made long. */
static bool is_page(int fd)
{
	char start[sizeof magic];
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == PAGE &&
	       st.st_nlink > 0 && sb_pread_full(fd, start, sizeof start, 0) == sizeof start &&
	       memcmp(start, magic, sizeof magic) == 0;
}

static int write_page(int dir, uint64_t first, bool replace)
{
	union {
		sb_page_body body;
		char bytes[PAGE];
	} page = {.bytes = {0}};
	char temporary[40] = ".verdicts-";
	uint8_t dice[8];
	sb_temp temp;
	int status;

	fill(&page.body, first);
	sb_random(dice, sizeof dice);
	sb_hex(temporary + strlen(temporary), dice, sizeof dice);
	if (sb_temp_open(&temp, dir, temporary, SB_TEMP_OWNED | (replace ? SB_TEMP_NAMED : 0)) != 0)
		return -1;
	status = sb_write_all(temp.fd, &page, PAGE);
	if (status == 0)
		status = replace ? sb_temp_replace(&temp, name) : sb_temp_publish(&temp, name);
	sb_temp_drop(&temp);
	return status;
}

/* Of several processes that make it at the same time one wins, and all open that one. */
static int open_file(int dir, uint64_t first)
{
	for (unsigned i = 0; i < 3; i++) {
		int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
		bool there = fd >= 0;

		if (there && is_page(fd))
			return fd;
		if (!there && errno != ENOENT)
			return -1;
		sb_close(&fd);
		if (write_page(dir, first, there) != 0 && errno != EEXIST)
			return -1;
	}
	errno = EIO;
	return -1;
}

sb_page *sb_page_open(int dir, uint64_t first, uint64_t instance)
{
	sb_page *page = calloc(1, sizeof *page);

	if (page == NULL)
		return NULL;
	page->fd = dir < 0 ? -1 : open_file(dir, first);
	page->instance = instance;
	if (dir < 0 || page->fd >= 0)
		page->body = map(page->fd);
	if (page->body == NULL) {
		int saved = errno;
		sb_page_close(page);
		errno = saved;
		return NULL;
	}
	if (dir < 0)
		fill(page->body, first);
	return page;
}

void sb_page_close(sb_page *page)
{
	while (page != NULL) {
		sb_page *older = page->older;

		if (page->body != NULL)
			munmap(page->body, PAGE);
		sb_close(&page->fd);
		free(page);
		page = older;
	}
}

bool sb_page_is_there(const sb_page *page)
{
	struct stat st;

	return page->fd < 0 || (fstat(page->fd, &st) == 0 && st.st_nlink > 0 && st.st_size == PAGE);
}

void sb_page_sync(const sb_page *page)
{
	if (page->fd >= 0)
		msync(page->body, PAGE, MS_SYNC);
}

/* --- Counters -------------------------------------------------------------------------------- */

_Atomic(uint64_t) *sb_page_hash(const sb_page *page, const uint8_t hash[SB_BLAKE3_SIZE])
{
	return &page->body->hashes[hash[0]];
}

_Atomic(uint64_t) *sb_page_gen(const sb_page *page, const uint8_t gen[SB_GEN_SIZE])
{
	return &page->body->gens[gen[0] % SB_PAGE_GENS];
}

/* Counters only grow, so a sum that is the same is made of the same numbers. */
uint64_t sb_page_stamp(const sb_page *page, const sb_cache_key *key)
{
	uint64_t all = atomic_load(&page->body->everything);
	uint64_t hash = atomic_load(sb_page_hash(page, key->hash));
	uint64_t gen = atomic_load(sb_page_gen(page, key->gen));

	if (((all | hash | gen) & 1) != 0)
		return 0;
	return (page->instance << 48) | ((all + hash + gen + 2) & 0xffffffffffffull);
}

uint64_t sb_page_era(const sb_page *page)
{
	return (page->instance << 48) | (atomic_load(&page->body->everything) & 0xffffffffffffull);
}

void sb_page_begin(_Atomic(uint64_t) *counter)
{
	if ((atomic_load(counter) & 1) == 0)
		atomic_fetch_add(counter, 1);
}

void sb_page_end(_Atomic(uint64_t) *counter)
{
	if ((atomic_load(counter) & 1) != 0)
		atomic_fetch_add(counter, 1);
}

void sb_page_move(_Atomic(uint64_t) *counter)
{
	atomic_fetch_add(counter, 2);
}

void sb_page_settle(const sb_page *page)
{
	sb_page_end(&page->body->everything);
	for (unsigned i = 0; i < SB_PAGE_HASHES; i++)
		sb_page_end(&page->body->hashes[i]);
	for (unsigned i = 0; i < SB_PAGE_GENS; i++)
		sb_page_end(&page->body->gens[i]);
}

bool sb_page_is_unsettled(const sb_page *page)
{
	uint64_t all = atomic_load(&page->body->everything);

	for (unsigned i = 0; i < SB_PAGE_HASHES; i++)
		all |= atomic_load(&page->body->hashes[i]);
	for (unsigned i = 0; i < SB_PAGE_GENS; i++)
		all |= atomic_load(&page->body->gens[i]);
	return (all & 1) != 0;
}

/* --- Time ------------------------------------------------------------------------------------ */

/* What others have seen is read before the clock is: so it is later only if the clock was set
 * back, however long this thread was interrupted in between. */
bool sb_page_time(const sb_page *page, const sb_clock *clock, uint64_t *now, uint64_t *seen)
{
	*seen = atomic_load(&page->body->seen);
	*now = sb_clock_wall(clock);
	if (*now < *seen)
		return false;
	if (*now - *seen >= grain) {
		uint64_t expected = *seen;
		/* Somebody else's may be a little later: that is as good. */
		atomic_compare_exchange_strong(&page->body->seen, &expected, *now);
	}
	return true;
}
