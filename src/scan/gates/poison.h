/* SPDX-License-Identifier: MIT */
/*
 * Content that an engine has died of. What crashed it twice is not shown to it again, as long as
 * engine and signatures are the same: one hostile file must not cost a worker a scan. A table of
 * bounded size per engine; the oldest entry makes room.
 */
#ifndef SB_SCAN_GATES_POISON_H
#define SB_SCAN_GATES_POISON_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "util/hash.h"

enum { SB_POISON_ENTRIES = 256, SB_POISON_CRASHES = 2 };

typedef struct sb_poison {
	_Atomic(unsigned) count; /* entries in use: none, no look */
	pthread_mutex_t lock;    /* guards the rest */
	struct sb_poison_entry {
		uint8_t hash[SB_BLAKE3_SIZE];
		uint64_t generation; /* of the engine; 0: not known */
		unsigned crashes;
	} * entries; /* made with the first crash */
	unsigned next;
} sb_poison;

void sb_poison_init(sb_poison *poison);
void sb_poison_done(sb_poison *poison);
/* How often it crashed on this content; a generation of 0 fits any. */
unsigned sb_poison_crashes(sb_poison *poison, const uint8_t *hash, uint64_t generation);
/* Once more. Without memory it is forgotten. */
void sb_poison_note(sb_poison *poison, const uint8_t *hash, uint64_t generation);

struct sb_call;
/* Has this call's content crashed its engine before? */
bool sb_poison_known(struct sb_call *call);

#endif
