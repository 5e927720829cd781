/* SPDX-License-Identifier: MIT */
/*
 * Is a file a shared object for this machine? Only the first bytes are looked at, for a message
 * that says what is wrong; whether the rest is sound, the dynamic loader finds out.
 */
#ifndef SB_PLUGIN_ELF_HEAD_H
#define SB_PLUGIN_ELF_HEAD_H

#include <stdbool.h>
#include <stddef.h>

enum { SB_ELF_HEAD = 20 }; /* bytes that are looked at */

/* @p own: the head of a file that is right. False with @p why. */
bool sb_elf_check(const void *data, size_t length, const void *own, char *why, size_t room);
/* The head of the program or library that this code is in. */
const void *sb_elf_own(void);

#endif
