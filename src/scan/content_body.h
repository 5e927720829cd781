/* SPDX-License-Identifier: MIT */
/*
 * The inside of content, shared by the files that make it: snapshot.c (files, memory,
 * pipes), stream.c (what is pushed), spool.c (budgets and places), content.c (what all
 * content answers).
 */
#ifndef SB_SCAN_CONTENT_BODY_H
#define SB_SCAN_CONTENT_BODY_H

#include <stdatomic.h>

#include "scan/content.h"
#include "scan/lease.h"

typedef enum sb_content_place {
	SB_PLACE_BORROWED, /* memory: the caller's */
	SB_PLACE_MEMORY,   /* memory == heap */
	SB_PLACE_MEMFD,    /* fd, mapped at memory where that worked */
	SB_PLACE_SPOOL,    /* fd: an unlinked file of ours */
	SB_PLACE_FILE,     /* fd: the file itself, under `lease` when pinned */
} sb_content_place;

struct sb_stream;

struct sb_content {
	_Atomic(unsigned) refs;
	sb_content_place place;
	sb_spool *spool;
	_Atomic(uint64_t) size; /* of a growing stream: what readers may read */
	const void *memory;
	char *heap; /* stays with the object when it is kept for the next scan */
	size_t capacity;
	bool roomy; /* the heap is one of the usual size, counted in the spool */
	int fd;
	int memfd;                       /* made from memory when an engine wants a descriptor */
	uint64_t memory_used, disk_used; /* reserved in the spool's budgets */
	sb_lease lease;
	bool has_stat;
	struct stat stat;
	struct sb_stream *stream;
	pthread_mutex_t lock; /* guards the making of memfd, sha256 and md5 */
	_Atomic(bool) sha256_known, md5_known;
	uint8_t blake3[SB_BLAKE3_SIZE], sha256[SB_SHA256_SIZE], md5[SB_MD5_SIZE];
};

enum { SB_IO_PIECE = 512 * 1024 };

/* --- spool.c ---------------------------------------------------------------------------- */

/* An object with one reference, place MEMORY and no bytes; NULL out of memory. */
sb_content *sb_content_make(sb_spool *spool);
/* At least @p size bytes of heap; contents are lost. */
bool sb_content_heap(sb_content *content, size_t size);
/* Count @p bytes more for this content; `overloaded` when they do not fit. */
int sb_content_use_memory(sb_content *content, uint64_t bytes, sb_error *error);
int sb_content_use_disk(sb_content *content, uint64_t bytes, sb_error *error);
void sb_content_release_memory(sb_content *content, uint64_t bytes);
void sb_content_release_disk(sb_content *content, uint64_t bytes);
/* The object goes back to the spool; everything it held is released before. */
void sb_content_unmake(sb_content *content);
uint64_t sb_spool_small(const sb_spool *spool);
bool sb_spool_copies(const sb_spool *spool);
sb_lease_keeper *sb_spool_leases(sb_spool *spool);
/* A new unlinked file; -1 and error. */
int sb_spool_file(sb_spool *spool, sb_error *error);
/* A new memory file, not yet sealed; -1 and error. */
int sb_spool_memfd(sb_error *error);
int sb_spool_seal(int fd, sb_error *error);
/* Own, read-only open file description of what @p fd is. -1 and errno. */
int sb_spool_reopen(int fd);

/* --- snapshot.c ------------------------------------------------------------------------- */

/* 0, or `timeout` or `cancelled` when the source says that reading must stop. */
int sb_source_check(const sb_content_source *source, sb_error *error);
int sb_source_too_large(const sb_content_source *source, const char *what, uint64_t size,
	bool whole, sb_error *error);
int sb_wrong_length(const char *what, bool grew, sb_error *error);
bool sb_same_file(const struct stat *a, const struct stat *b);
/* 0, or `changed` when @p fd is no longer what content->stat says. */
int sb_content_unchanged(const sb_content *content, int fd, const char *what, sb_error *error);

/* --- pin.c ------------------------------------------------------------------------------ */

/* Pin the file that content->stat describes and hash it. Takes @p fd over, also on failure.
 * @p own: its open file description is ours alone, else it can only be copied. */
int sb_content_pin(sb_content *content, const sb_content_source *source, int fd, bool own,
	const char *what, sb_error *error);

/* --- stream.c --------------------------------------------------------------------------- */

void sb_stream_free(sb_content *content);

#endif
