/* SPDX-License-Identifier: MIT */
/* A worker's loop: wait for the doorbell, take the oldest slot, judge, answer; see channel.h. */
#include "worker/serve.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/plugin.h"

#ifdef SB_WORKER_HOOKS
#include "worker_hooks.h"
#else
#define sb_worker_hook(control, slot, data, size) (void)0
#endif

static sb_slot *oldest(sb_control *control)
{
	sb_slot *first = NULL;

	for (size_t i = 0; i < SB_SLOTS; i++) {
		sb_slot *slot = &control->slots[i];

		if (atomic_load(&slot->state) == SB_SLOT_QUEUED &&
			(first == NULL || (int32_t)(slot->ticket - first->ticket) < 0))
			first = slot;
	}
	return first;
}

/* Claimed: RUNNING. NULL: told to quit. */
static sb_slot *next_slot(sb_control *control)
{
	for (;;) {
		uint32_t bell = atomic_load(&control->doorbell), queued = SB_SLOT_QUEUED;
		sb_slot *slot = oldest(control);

		if (slot != NULL) {
			if (atomic_compare_exchange_strong(&slot->state, &queued, SB_SLOT_RUNNING))
				return slot;
			continue; /* withdrawn meanwhile */
		}
		if (atomic_load(&control->quit) != 0)
			return NULL;
		atomic_store(&control->sleeping, 1);
		/* Returns at once when the bell was rung since we looked. */
		syscall(SYS_futex, &control->doorbell, FUTEX_WAIT, bell, NULL, NULL, 0);
		atomic_store(&control->sleeping, 0);
	}
}

/* --- Content ------------------------------------------------------------------------------------
 */

/* One more descriptor, for whichever slot it is. False: the host is gone. */
static bool receive(sb_bench *bench)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	sb_handover handover = {.slot = SB_SLOTS};
	struct iovec bytes = {&handover, sizeof handover};
	struct msghdr message = {.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof control.room};
	ssize_t n = recvmsg(bench->socket, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *first = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	if (n < 0 && errno == EINTR)
		return true;
	if (first == NULL || first->cmsg_type != SCM_RIGHTS || handover.slot >= SB_SLOTS)
		return false;
	if (bench->waiting[handover.slot].fd >= 0)
		close(bench->waiting[handover.slot].fd);
	memcpy(&bench->waiting[handover.slot].fd, CMSG_DATA(first), sizeof(int));
	bench->waiting[handover.slot].ticket = handover.ticket;
	return true;
}

/* The descriptor of a slot's content. */
static int take_descriptor(sb_bench *bench, size_t slot)
{
	int fd;

	/* What is there may belong to a content that was taken back. */
	while (bench->waiting[slot].fd < 0 ||
		bench->waiting[slot].ticket != bench->control->slots[slot].ticket)
		if (!receive(bench))
			_exit(0);
	fd = bench->waiting[slot].fd;
	bench->waiting[slot].fd = -1;
	return fd;
}

/* The content, mapped; MAP_FAILED when it isn't what it should be. */
static void *map(int fd, uint64_t size)
{
	void *data = MAP_FAILED;
	off_t length;

	/* A file that has shrunk would end us in the middle of it. (fstat() of today's C library
	 * is a call that could open files: the sandbox refuses it.) */
	length = lseek(fd, 0, SEEK_END);
	if (length >= 0 && (uint64_t)length >= size)
		data = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	(void)lseek(fd, 0, SEEK_SET); /* a plugin reads it from the beginning */
	return data;
}

/* --- Work ------------------------------------------------------------------------------------ */

static uint32_t refuse(sb_slot *slot, sb_kind kind, const char *why)
{
	sb_reply_writer writer;

	sb_reply_begin(&writer, slot->reply, sizeof slot->reply);
	sb_reply_failure(&writer, kind, why);
	return (uint32_t)sb_reply_end(&writer);
}

static uint32_t judge(
	const sb_trade *trade, sb_slot *slot, const sb_request *request, const void *data, int fd)
{
	if (trade->guest != NULL)
		return (uint32_t)sb_guest_judge(trade->guest, request, data, fd, slot->reply);
	return (uint32_t)sb_judge(trade, request, data, slot->reply);
}

static uint32_t judge_large(
	const sb_trade *trade, sb_bench *bench, sb_slot *slot, const sb_request *request)
{
	int fd = take_descriptor(bench, (size_t)(slot - bench->control->slots));
	void *data = map(fd, request->size);
	uint32_t length;

	if (data == MAP_FAILED) {
		close(fd);
		return refuse(slot, SB_KIND_CHANGED, "the content can't be mapped as it was");
	}
	sb_worker_hook(bench->control, slot, data, request->size);
	length = judge(trade, slot, request, data, fd);
	munmap(data, (size_t)request->size);
	close(fd);
	return length;
}

static uint32_t work(const sb_trade *trade, sb_bench *bench, sb_slot *slot)
{
	const sb_slot_content *content = &bench->contents[slot - bench->control->slots];
	uint32_t length = slot->request_length;
	sb_request request;

	if (length > sizeof content->request ||
		!sb_request_read(&request, content->request, length))
		return refuse(slot, SB_KIND_INTERNAL, "the request can't be read");
	if ((request.flags & SB_REQUEST_DESCRIPTOR) != 0)
		return judge_large(trade, bench, slot, &request);
	if (request.size > sizeof content->content)
		return refuse(slot, SB_KIND_INTERNAL, "the content does not fit its slot");
	sb_worker_hook(bench->control, slot, content->content, request.size);
	return judge(trade, slot, &request, content->content, -1);
}

_Noreturn void sb_serve(const sb_trade *trade, sb_bench *bench)
{
	sb_slot *slot;

	while ((slot = next_slot(bench->control)) != NULL) {
		slot->reply_length = work(trade, bench, slot);
		atomic_store(&slot->state, SB_SLOT_DONE);
		syscall(SYS_futex, &slot->state, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	_exit(0);
}
