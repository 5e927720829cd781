/* SPDX-License-Identifier: MIT */
/* See sources.h. */
#include "rules/sources.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"

enum { MAX_ENTRIES = SB_PACK_FILES + SB_PACK_SAMPLES };

void sb_rule_sources_init(sb_rule_sources *sources)
{
	*sources = (sb_rule_sources){.count = 0};
}

void sb_rule_sources_done(sb_rule_sources *sources)
{
	for (size_t i = 0; i < sources->count; i++) {
		free((void *)(uintptr_t)sources->list[i].name);
		free((void *)(uintptr_t)sources->list[i].data);
	}
	free(sources->list);
	sb_rule_sources_init(sources);
}

static int refuse(sb_error *error, const char *path, const char *what)
{
	int code = errno;

	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, code, "%.300s: %s", path, what);
}

/* The bytes become ours in any case. */
static int add(sb_rule_sources *sources, const char *name, uint8_t *data, size_t length,
	bool is_sample, sb_error *error)
{
	sb_pack_entry *more =
		reallocarray(sources->list, sources->count + 1, sizeof *sources->list);
	char *copy = strdup(name);

	if (more != NULL)
		sources->list = more;
	if (more == NULL || copy == NULL || sources->count == MAX_ENTRIES ||
		sources->bytes + length > SB_PACK_BYTES) {
		bool full = more != NULL && copy != NULL;

		free(copy);
		free(data);
		errno = 0;
		return full ? refuse(error, name, "more than a bundle can take")
			    : sb_error_no_memory(error);
	}
	sources->bytes += length;
	sources->list[sources->count++] = (sb_pack_entry){
		.name = copy, .data = data, .length = length, .is_sample = is_sample};
	return 0;
}

/* --- Files ----------------------------------------------------------------------------------- */

static int add_open(sb_rule_sources *sources, int fd, const char *name, bool is_sample,
	const char *shown, sb_error *error)
{
	struct stat info;
	uint8_t *data;
	ssize_t n;

	if (fstat(fd, &info) < 0)
		return refuse(error, shown, "can't be read");
	errno = 0;
	if (!S_ISREG(info.st_mode))
		return refuse(error, shown, "is no regular file");
	if (info.st_size > SB_PACK_BYTES)
		return refuse(error, shown, "is larger than 64 MiB");
	data = malloc((size_t)info.st_size + 1);
	if (data == NULL)
		return sb_error_no_memory(error);
	n = sb_read_full(fd, data, (size_t)info.st_size);
	if (n < 0) {
		free(data);
		return refuse(error, shown, "can't be read");
	}
	for (ssize_t i = 0; is_sample && i < n; i++)
		data[i] = (uint8_t)~data[i];
	return add(sources, name, data, (size_t)n, is_sample, error);
}

int sb_rule_sources_sample(
	sb_rule_sources *sources, const char *rule, const char *path, sb_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int status = fd >= 0 ? add_open(sources, fd, rule, true, path, error)
			     : refuse(error, path, "can't be opened");

	sb_close(&fd);
	return status;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int add_below(
	sb_rule_sources *sources, int dir, const char *name, const char *below, sb_error *error);

static int add_folder(sb_rule_sources *sources, int dir, const char *below, sb_error *error)
{
	struct dirent **entries = NULL;
	int count = scandirat(dir, ".", &entries, is_visible, alphasort), status = 0;

	if (count < 0)
		return refuse(error, below, "can't be read");
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		char path[2 * SB_PACK_PATH];
		int n = snprintf(
			path, sizeof path, "%s%s%s", below, below[0] != '\0' ? "/" : "", name);

		errno = 0;
		if (status == 0)
			status = n > SB_PACK_PATH
					 ? refuse(error, path, "its path is too long for a bundle")
					 : add_below(sources, dir, name, path, error);
		free(entries[i]);
	}
	free(entries);
	return status;
}

/* The length of a path bounds the depth. */
static int add_below(
	sb_rule_sources *sources, int dir, const char *name, const char *below, sb_error *error)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
	struct stat info;
	int status;

	if (fd < 0 || fstat(fd, &info) < 0)
		status = refuse(error, below, errno == ELOOP ? "is a link" : "can't be opened");
	else if (S_ISDIR(info.st_mode))
		status = add_folder(sources, fd, below, error);
	else
		status = add_open(sources, fd, below, false, below, error);
	sb_close(&fd);
	return status;
}

int sb_rule_sources_folder(sb_rule_sources *sources, const char *path, sb_error *error)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status = fd >= 0 ? add_folder(sources, fd, "", error)
			     : refuse(error, path, "is no folder that can be read");

	sb_close(&fd);
	return status;
}

/* --- Packing ---------------------------------------------------------------------------------- */

/* Files before samples, files by their path: the same folder always gives the same bytes. */
static int by_place(const void *a, const void *b)
{
	const sb_pack_entry *x = a, *y = b;

	return x->is_sample != y->is_sample ? x->is_sample - y->is_sample
					    : strcmp(x->name, y->name);
}

int sb_rule_sources_pack(sb_rule_sources *sources, sb_pack *pack, sb_buf *out, sb_error *error)
{
	static const char head[SB_PACK_HEAD];
	const char *problem;
	sb_pack again;

	pack->files = pack->samples = 0;
	for (size_t i = 0; i < sources->count; i++)
		*(sources->list[i].is_sample ? &pack->samples : &pack->files) += 1;
	if (sources->count > 0)
		qsort(sources->list, sources->count, sizeof *sources->list, by_place);
	sb_buf_add(out, head, sizeof head);
	sb_pack_write(out, pack);
	for (size_t i = 0; i < sources->count; i++)
		sb_pack_write_entry(out, &sources->list[i]);
	errno = 0;
	if (out->failed)
		return refuse(error, pack->name, "it is larger than 64 MiB");
	problem = sb_pack_read(&again, out->data + sizeof head, out->length - sizeof head);
	return problem == NULL ? 0 : refuse(error, pack->name, problem);
}
