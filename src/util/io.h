/* SPDX-License-Identifier: MIT */
/* Reading and writing to the end, in spite of EINTR and short counts. */
#ifndef SB_UTIL_IO_H
#define SB_UTIL_IO_H

#include <stdint.h>
#include <sys/types.h>

/* 0, or -1 with errno. */
int sb_write_all(int fd, const void *data, size_t length);
int sb_pwrite_all(int fd, const void *data, size_t length, uint64_t offset);
/* Bytes read, fewer than asked only at the end of the file; -1 with errno. */
ssize_t sb_read_full(int fd, void *data, size_t length);
ssize_t sb_pread_full(int fd, void *data, size_t length, uint64_t offset);
/* Close and set to -1; -1 is fine. Keeps errno. */
void sb_close(int *fd);
/* A whole small file, NUL-terminated, to be freed; NULL with errno (EFBIG above max). */
char *sb_read_file(const char *path, size_t max, size_t *length);
/* @p path from the root on, whether it is there or not, to be freed; NULL with errno. */
char *sb_absolute(const char *path);

#endif
