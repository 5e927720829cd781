/* SPDX-License-Identifier: MIT */
/* A set of (device, inode) pairs: 16 bytes each, twice that at most. */
#ifndef SB_CLI_INODES_H
#define SB_CLI_INODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sb_inodes {
	struct sb_inode {
		uint64_t device, number;
	} * slots; /* number 0: free; no file has it */
	size_t count, capacity;
} sb_inodes;

/* True when the pair was not in the set. Without memory it says true: twice is better than never.
 */
bool sb_inodes_add(sb_inodes *set, uint64_t device, uint64_t number);
void sb_inodes_done(sb_inodes *set);

#endif
