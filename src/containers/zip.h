/* SPDX-License-Identifier: MIT */
/*
 * How a zip file is built, without unpacking anything: its directories (there may be several,
 * one per end record), what they list, and whether the local headers say the same. What no
 * directory accounts for, only the local headers can tell. Pure.
 */
#ifndef SB_CONTAINERS_ZIP_H
#define SB_CONTAINERS_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All positions count from the first byte of the data. */
typedef struct sb_zip_directory {
	uint64_t base;     /* where the file begins that the offsets in it count from */
	uint64_t from, to; /* its entries */
	uint64_t record;   /* the end record */
	uint64_t end;      /* behind the end record, in front of its comment */
	uint64_t entries;  /* that it is said to have, modulo 65536 */
	bool split;        /* one part of several */
} sb_zip_directory;

typedef struct sb_zip_entry {
	uint64_t central;   /* its header in the directory */
	uint64_t local;     /* its local header */
	uint64_t data, end; /* packed bytes */
	uint64_t size;      /* unpacked */
	uint32_t method;
	const uint8_t *name;
	size_t name_length;
	bool encrypted;
	bool agrees; /* the local header is there and says the same; else data and end are 0 */
	bool file;   /* no directory, link or device, by its name and mode */
} sb_zip_entry;

/* The last directory whose end record begins in [from, before). */
bool sb_zip_last_directory(
	const uint8_t *data, size_t size, uint64_t from, uint64_t before, sb_zip_directory *out);
/* The entry at *@p at, which begins at directory->from; false behind the last. */
bool sb_zip_next_entry(const uint8_t *data, size_t size, const sb_zip_directory *directory,
	uint64_t *at, sb_zip_entry *out);

#endif
