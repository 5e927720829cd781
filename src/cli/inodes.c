/* SPDX-License-Identifier: MIT */
/* Open addressing with linear probing, at most three quarters full. */
#include "cli/inodes.h"

#include <stdlib.h>

static struct sb_inode *slot(
	struct sb_inode *slots, size_t capacity, uint64_t device, uint64_t number)
{
	uint64_t hash = (number ^ (device << 40 | device >> 24)) * 0x9e3779b97f4a7c15u;
	size_t i = (size_t)(hash >> 20) & (capacity - 1);

	while (slots[i].number != 0 && (slots[i].number != number || slots[i].device != device))
		i = (i + 1) & (capacity - 1);
	return &slots[i];
}

static bool grow(sb_inodes *set)
{
	size_t capacity = set->capacity > 0 ? set->capacity * 2 : 1024;
	struct sb_inode *slots = calloc(capacity, sizeof *slots);

	if (slots == NULL)
		return false;
	for (size_t i = 0; i < set->capacity; i++) {
		const struct sb_inode *old = &set->slots[i];
		if (old->number != 0)
			*slot(slots, capacity, old->device, old->number) = *old;
	}
	free(set->slots);
	set->slots = slots;
	set->capacity = capacity;
	return true;
}

bool sb_inodes_add(sb_inodes *set, uint64_t device, uint64_t number)
{
	struct sb_inode *at;

	if (number == 0)
		return true;
	if (4 * (set->count + 1) > 3 * set->capacity && !grow(set))
		return true;
	at = slot(set->slots, set->capacity, device, number);
	if (at->number != 0)
		return false;
	*at = (struct sb_inode){device, number};
	set->count++;
	return true;
}

void sb_inodes_done(sb_inodes *set)
{
	free(set->slots);
	*set = (sb_inodes){NULL, 0, 0};
}
