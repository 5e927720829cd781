/* SPDX-License-Identifier: MIT */
/*
 * Compound files (MS-CFB, versions 3 and 4): a file system of sectors within a file. Reads what
 * can be read of damaged ones, and says that they are.
 */
#ifndef SB_CONTAINERS_CFB_H
#define SB_CONTAINERS_CFB_H

#include "containers/reader.h"
#include "util/buf.h"

enum { SB_CFB_NAME = 128, SB_CFB_PATH = 1024 };

typedef enum sb_cfb_type {
	SB_CFB_UNUSED = 0,
	SB_CFB_STORAGE = 1,
	SB_CFB_STREAM = 2,
	SB_CFB_ROOT = 5,
} sb_cfb_type;

typedef struct sb_cfb_bytes {
	sb_buf copy; /* of what does not lie in one piece */
	const uint8_t *data;
	size_t size;
	bool whole;
} sb_cfb_bytes;

typedef struct sb_cfb {
	sb_walk *walk;
	const uint8_t *data;
	size_t size;
	unsigned shift, mini_shift;
	uint64_t cutoff;  /* smaller streams are in the mini stream */
	uint32_t sectors; /* in the file, the header excluded */
	uint32_t *fat;    /* sectors of the table */
	size_t fat_count, fat_max;
	sb_cfb_bytes directory, mini_fat, mini;
	uint32_t *seen[2]; /* by sector and by mini sector: the chain that was there last */
	uint32_t chain;
	uint32_t *parents; /* by entry; SB_CFB_NONE: not in the tree */
	uint32_t entries;
	uint64_t left; /* bytes that streams may still have together */
	bool damaged;
} sb_cfb;

#define SB_CFB_NONE 0xffffffffu

bool sb_cfb_is(const uint8_t *data, size_t size);
/* 0, negative to pass up; `damaged` when a part is. Close it in any case. */
int sb_cfb_open(sb_cfb *cfb, sb_walk *walk, const sb_level *level);
void sb_cfb_close(sb_cfb *cfb);

sb_cfb_type sb_cfb_entry_type(const sb_cfb *cfb, uint32_t entry);
/* UTF-8, NUL-terminated; the length. */
size_t sb_cfb_name(const sb_cfb *cfb, uint32_t entry, char out[SB_CFB_NAME]);
/* From the root, `Storage/Stream`. */
size_t sb_cfb_path(const sb_cfb *cfb, uint32_t entry, char out[SB_CFB_PATH]);
bool sb_cfb_is_named(const sb_cfb *cfb, uint32_t entry, const char *name); /* any case */
/* A stream's bytes, as many as there are: release them. Negative: pass it up. */
int sb_cfb_read(sb_cfb *cfb, uint32_t entry, sb_cfb_bytes *out);
void sb_cfb_release(sb_cfb_bytes *bytes);

#endif
