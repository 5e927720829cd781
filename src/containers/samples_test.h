/* SPDX-License-Identifier: MIT */
/*
 * Containers for the tests, made when they run: by libarchive's writers, and byte by byte for
 * formats that it only reads.
 */
#ifndef SB_CONTAINERS_SAMPLES_TEST_H
#define SB_CONTAINERS_SAMPLES_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sample {
	uint8_t *data; /* malloc()ed, exactly that large */
	size_t size;
} sample;

typedef struct sample_file {
	const char *name;
	const void *data;
	size_t size;
} sample_file;

/* What the archives hold unless a test says otherwise: doc.txt and dir/b.bin. */
extern const sample_file sample_files[3]; /* the last is empty */
enum { DOC_SIZE = 11, BIN_SIZE = 5000 };

sample sample_of(const void *data, size_t size);
/* Frees both. */
sample sample_join(sample first, sample second);
sample sample_cut(sample whole, size_t size);
/* libarchive: @p filter and @p options may be NULL, @p password too. */
sample sample_archive(const char *format, const char *filter, const char *options,
	const char *password, const sample_file *files);
/* One compressed stream of @p content. */
sample sample_packed(const char *filter, const void *content, size_t size);
sample sample_zip(const sample_file *files, bool stored);
sample sample_rar4(bool volume);
sample sample_rar5(bool volume);
sample sample_cab(void);
sample sample_lha(void);

#endif
