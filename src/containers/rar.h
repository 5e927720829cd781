/* SPDX-License-Identifier: MIT */
/* Sums of what lies stored in a RAR archive, which libarchive does not look at. Pure. */
#ifndef SB_CONTAINERS_RAR_H
#define SB_CONTAINERS_RAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a member that is stored as it is, in the open, has another sum than its header says. */
bool sb_rar_is_damaged(const uint8_t *data, size_t size);
/* Seven bits at a time, the lowest first. */
uint64_t sb_rar_number(const uint8_t *data, size_t size, size_t *at);

#endif
