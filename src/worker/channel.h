/* SPDX-License-Identifier: MIT */
/*
 * The memory that a host and one worker share, and how work passes through it.
 *
 *   content   written by the host, read-only for the worker: per slot a request and, if it is
 *             small, the bytes to judge; so small files cost no descriptor and no system call
 *   control   written by both: per slot a state and the reply; a doorbell
 *
 * A slot goes FREE → QUEUED (host) → RUNNING (worker) → DONE (worker) → FREE (host). A host that
 * changes its mind takes QUEUED → WITHDRAWN; whoever swaps first has it. Each content has a ticket.
 * Sleeping and waking is by futex (man 2 futex) on the state words and the doorbell, only when
 * somebody sleeps.
 *
 * Nothing in the control memory is believed: the host copies a reply before it reads it, and a
 * state that makes no sense ends the worker. Large content follows as a descriptor through the
 * worker's socket, with the slot's number.
 */
#ifndef SB_WORKER_CHANNEL_H
#define SB_WORKER_CHANNEL_H

#include <stdatomic.h>

#include "worker/message.h"

enum {
	SB_SLOTS = 4,
	SB_SLOT_CONTENT = 256 * 1024, /* larger content comes as a descriptor */
};

typedef enum sb_slot_state {
	SB_SLOT_FREE = 0,
	SB_SLOT_QUEUED,
	SB_SLOT_RUNNING,
	SB_SLOT_DONE,
	SB_SLOT_WITHDRAWN,
	/* set by the host when the worker is gone */
	SB_SLOT_LOST,    /* it was queued */
	SB_SLOT_CRASHED, /* it was running */
} sb_slot_state;

typedef struct sb_slot {
	_Alignas(64) _Atomic(uint32_t) state;
	uint32_t ticket;         /* the lowest one is next */
	uint32_t request_length; /* bytes in the content memory; no secret, and checked */
	uint32_t reply_length;
	_Alignas(64) uint8_t reply[SB_REPLY_BYTES];
} sb_slot;

typedef struct sb_control {
	_Alignas(64) _Atomic(uint32_t) doorbell; /* counts submissions */
	_Atomic(uint32_t) sleeping;              /* the worker waits for the doorbell */
	_Atomic(uint32_t) quit;
	sb_slot slots[SB_SLOTS];
} sb_control;

typedef struct sb_slot_content {
	uint8_t request[SB_REQUEST_BYTES];
	uint8_t content[SB_SLOT_CONTENT];
} sb_slot_content;

/* Through the worker's socket, with the descriptor. By its ticket the worker knows a descriptor
 * from that of a content that was taken back from the same slot before. */
typedef struct sb_handover {
	uint32_t slot, ticket;
} sb_handover;

/* --- Between host and zygote: one packet each ------------------------------------------------ */

enum { SB_ZYGOTE_TEXT = 3800 };

typedef enum sb_zygote_word {
	SB_ZYGOTE_READY = 1, /* zygote: rules are compiled; text: engine's version */
	SB_ZYGOTE_FAILED,    /* zygote: text says why, kind says what; it ends */
	SB_ZYGOTE_FORK,      /* host, with content, control and socket of worker `id` */
	SB_ZYGOTE_FORKED,    /* zygote, with a pidfd */
	SB_ZYGOTE_ENDED,     /* zygote: worker `id` ended with wait status `status` */
} sb_zygote_word;

typedef struct sb_zygote_message {
	uint32_t word, id, kind;
	int32_t status; /* of a wait, or an errno */
	uint64_t rules;
	uint32_t compiled; /* they were compiled now, and are worth keeping */
	/* of a plugin that is ready */
	sb_identity identity;
	uint64_t max_size;
	uint32_t assurance;
	char text[SB_ZYGOTE_TEXT];
} sb_zygote_message;

/* A zygote's descriptors; the last one is there when there is a plugin, or compiled rules are
 * kept. */
enum {
	SB_ZYGOTE_CONTROL = 3,
	SB_ZYGOTE_BUNDLE = 4,
	SB_ZYGOTE_HOST = 5,
	SB_ZYGOTE_PLUGIN = 6,
	SB_ZYGOTE_COMPILED = 6,
};

#endif
