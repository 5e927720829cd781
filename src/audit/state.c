/* SPDX-License-Identifier: MIT */
/* Two checksummed slots in a small file, and the agreement between processes; see state.h. */
#include "audit/state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "util/hash.h"
#include "util/io.h"

/* One slot as it lies on disk. Numbers in the machine's order: the file describes this
 * machine's disk and goes nowhere else. */
struct slot {
	char magic[8];
	char log_id[40];
	char hash[72];
	uint64_t first, seq, offset;
	uint8_t sum[SB_SHA256_SIZE];
};

enum { SLOTS = 2, SLOT_DISTANCE = 4096 };

static const char magic[8] = "sbaudit1";

static void slot_sum(const struct slot *slot, uint8_t out[SB_SHA256_SIZE])
{
	sb_sha256_memory(slot, offsetof(struct slot, sum), out);
}

static bool slot_ok(const struct slot *slot)
{
	uint8_t sum[SB_SHA256_SIZE];

	slot_sum(slot, sum);
	return memcmp(slot->magic, magic, sizeof magic) == 0 &&
	       memcmp(slot->sum, sum, sizeof sum) == 0 && slot->log_id[SB_AUDIT_LOG_ID] == '\0' &&
	       slot->hash[SB_AUDIT_HASH] == '\0';
}

static bool newer(const struct slot *a, const struct slot *b)
{
	return a->first != b->first ? a->first > b->first : a->seq > b->seq;
}

/* The index of the newest good slot, SLOTS if there is none, -1 with errno. */
static int newest(int fd, struct slot *out)
{
	int found = SLOTS;

	for (int i = 0; i < SLOTS; i++) {
		struct slot slot;
		ssize_t n = sb_pread_full(fd, &slot, sizeof slot, (uint64_t)i * SLOT_DISTANCE);
		if (n < 0)
			return -1;
		if (n != (ssize_t)sizeof slot || !slot_ok(&slot))
			continue;
		if (found == SLOTS || newer(&slot, out)) {
			*out = slot;
			found = i;
		}
	}
	return found;
}

static int set_lock(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
	int status;

	do {
		status = fcntl(fd, F_OFD_SETLKW, &lock);
	} while (status != 0 && errno == EINTR);
	return status;
}

/* Behind what is there already, under the lock: a slot that another process just wrote stays. */
int sb_audit_state_prepare(int fd)
{
	static const char zeros[SLOT_DISTANCE + sizeof(struct slot)];
	struct stat st;
	int status = set_lock(fd, F_WRLCK);

	if (status != 0)
		return status;
	status = fstat(fd, &st);
	if (status == 0 && st.st_size < (off_t)sizeof zeros)
		status = sb_pwrite_all(
			fd, zeros, sizeof zeros - (size_t)st.st_size, (uint64_t)st.st_size);
	set_lock(fd, F_UNLCK);
	return status;
}

int sb_audit_state_read(int fd, sb_audit_state *out)
{
	struct slot slot;
	int found;

	if (set_lock(fd, F_RDLCK) != 0)
		return -1;
	found = newest(fd, &slot);
	set_lock(fd, F_UNLCK);
	if (found < 0)
		return -1;
	if (found == SLOTS)
		return 0;
	*out = (sb_audit_state){.first = slot.first, .seq = slot.seq, .offset = slot.offset};
	memcpy(out->log_id, slot.log_id, sizeof out->log_id);
	memcpy(out->hash, slot.hash, sizeof out->hash);
	return 1;
}

static int publish_locked(int fd, const sb_audit_state *mine)
{
	struct slot next = {.first = mine->first, .seq = mine->seq, .offset = mine->offset};
	struct slot known;
	int at = newest(fd, &known);

	if (at < 0)
		return -1;
	if (at < SLOTS) {
		if (memcmp(known.log_id, mine->log_id, sizeof mine->log_id) != 0 ||
			known.first > mine->first)
			return 1;
		if (known.first == mine->first && known.seq >= mine->seq)
			return 0;
	}
	memcpy(next.magic, magic, sizeof magic);
	memcpy(next.log_id, mine->log_id, sizeof mine->log_id);
	memcpy(next.hash, mine->hash, sizeof mine->hash);
	slot_sum(&next, next.sum);
	at = at == 0 ? 1 : 0;
	return sb_pwrite_all(fd, &next, sizeof next, (uint64_t)at * SLOT_DISTANCE);
}

int sb_audit_state_publish(int fd, const sb_audit_state *mine)
{
	int status;

	if (set_lock(fd, F_WRLCK) != 0)
		return -1;
	status = publish_locked(fd, mine);
	set_lock(fd, F_UNLCK);
	return status;
}
