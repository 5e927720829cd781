/* SPDX-License-Identifier: MIT */
/* Benign files that the configuration names: read whole, below a folder without its links. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan/benign.h"
#include "util/io.h"

typedef struct search {
	sb_benign_fn fn;
	void *data;
	sb_error *error;
	unsigned files;
} search;

static int look(search *s, int dir, const char *name, const char *path, unsigned depth);

static int unreadable(const search *s, const char *path)
{
	return sb_error_set(s->error, SB_KIND_IO, errno, "the benign file %.300s", path);
}

/* A file that shrinks meanwhile is shown as far as it goes. */
static int show(search *s, int fd, const char *path, size_t size)
{
	char *bytes;
	ssize_t n;
	int status;

	if (++s->files > SB_BENIGN_FILES)
		return sb_error_set(s->error, SB_KIND_NOT_CONFIGURED, 0,
			"%.300s: more than %d benign files", path, SB_BENIGN_FILES);
	bytes = malloc(size + 1);
	if (bytes == NULL)
		return sb_error_no_memory(s->error);
	n = sb_read_full(fd, bytes, size);
	status = n >= 0 ? s->fn(s->data, path, bytes, (size_t)n, s->error) : unreadable(s, path);
	free(bytes);
	return status;
}

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int walk(search *s, int fd, const char *path, unsigned depth)
{
	struct dirent **entries = NULL;
	int count = scandirat(fd, ".", &entries, is_entry, alphasort), status = 0;

	if (count < 0)
		return unreadable(s, path);
	if (depth == SB_BENIGN_DEPTH)
		status = sb_error_set(s->error, SB_KIND_NOT_CONFIGURED, 0,
			"%.300s: folders are nested more than %d deep", path, SB_BENIGN_DEPTH);
	for (int i = 0; i < count; i++) {
		char below[4096];
		int n = snprintf(below, sizeof below, "%s/%s", path, entries[i]->d_name);

		if (status == 0 && n < (int)sizeof below)
			status = look(s, fd, entries[i]->d_name, below, depth + 1);
		free(entries[i]);
	}
	free(entries);
	return status;
}

static int look(search *s, int dir, const char *name, const char *path, unsigned depth)
{
	int links = depth > 0 ? O_NOFOLLOW : 0;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | links);
	struct stat info;
	int status = 0;

	if (fd < 0 && depth > 0 && (errno == ELOOP || errno == ENXIO))
		return 0; /* a link, or a socket */
	if (fd < 0 || fstat(fd, &info) < 0)
		status = unreadable(s, path);
	else if (S_ISDIR(info.st_mode))
		status = walk(s, fd, path, depth);
	else if (S_ISREG(info.st_mode) && info.st_size <= SB_BENIGN_FILE)
		status = show(s, fd, path, (size_t)info.st_size);
	sb_close(&fd);
	return status;
}

int sb_benign_below(const char *path, sb_benign_fn fn, void *data, sb_error *error)
{
	search s = {.fn = fn, .data = data, .error = error};

	return look(&s, AT_FDCWD, path, path, 0);
}
