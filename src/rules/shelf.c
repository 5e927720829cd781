/* SPDX-License-Identifier: MIT */
/* Reading what is on the shelf; see shelf.h. Changing it: shelf_change.c. */
#include "rules/shelf_own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"

/* --- A bundle --------------------------------------------------------------------------------- */

static int refuse(sb_error *error, sb_kind kind, const char *name, const char *problem)
{
	return sb_error_set(error, kind, 0, "%.300s: %s", name, problem);
}

static int read_bytes(sb_shelved *out, int fd, const char *name, sb_error *error)
{
	struct stat info;
	ssize_t n;

	if (fstat(fd, &info) < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "%.300s", name);
	if (!S_ISREG(info.st_mode))
		return refuse(error, SB_KIND_UNSUPPORTED, name, "is no regular file");
	if (info.st_size > SB_PACK_BYTES)
		return refuse(error, SB_KIND_UNSUPPORTED, name, "it is larger than 64 MiB");
	out->bytes = malloc((size_t)info.st_size + 1);
	if (out->bytes == NULL)
		return sb_error_no_memory(error);
	n = sb_read_full(fd, out->bytes, (size_t)info.st_size);
	if (n < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "read %.300s", name);
	out->length = (size_t)n;
	return 0;
}

/* In this order: nothing of the payload is looked at before its signature is known to be good. */
static int take_apart(sb_shelved *out, const char *name, const char *const *keys, size_t key_count,
	sb_error *error)
{
	const char *problem = sb_pack_head_read(&out->head, out->bytes, out->length);
	int status;

	if (problem != NULL)
		return refuse(error, SB_KIND_UNSUPPORTED, name, problem);
	status = sb_rule_verify(&out->head, keys, key_count, error);
	if (status < 0)
		return sb_error_prefix(error, "%.300s", name);
	problem = sb_pack_read(&out->pack, out->head.payload, out->head.payload_length);
	return problem == NULL ? 0 : refuse(error, SB_KIND_UNSUPPORTED, name, problem);
}

int sb_shelf_read(sb_shelved *out, int dir, const char *path, const char *name,
	const char *const *keys, size_t key_count, sb_error *error)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int status;

	*out = (sb_shelved){.length = 0};
	if (fd < 0)
		return sb_error_set(error, errno == ENOENT ? SB_KIND_FILE_NOT_FOUND : SB_KIND_IO,
			errno, "open %.300s", name);
	status = read_bytes(out, fd, name, error);
	sb_close(&fd);
	if (status == 0)
		status = take_apart(out, name, keys, key_count, error);
	if (status < 0)
		sb_shelf_done(out);
	return status;
}

void sb_shelf_done(sb_shelved *shelved)
{
	free(shelved->bytes);
	*shelved = (sb_shelved){.length = 0};
}

/* --- Which ones there are ----------------------------------------------------------------------
 */

/* Digits only, as they would be written. */
static bool parse_version(const char *text, uint64_t *out)
{
	size_t length = strlen(text);

	if (length < 1 || length > 14 || strspn(text, "0123456789") != length || text[0] == '0')
		return false;
	*out = strtoull(text, NULL, 10);
	return true;
}

int sb_shelf_state_at(sb_shelf_state *state, int dir, const char *name, sb_error *error)
{
	int fd = openat(dir, SB_SHELF_CURRENT, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[64], again[64];
	ssize_t n;

	*state = (sb_shelf_state){0};
	if (fd < 0 && errno == ENOENT)
		return 0;
	n = fd >= 0 ? sb_read_full(fd, text, sizeof text - 1) : -1;
	sb_close(&fd);
	if (n < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "rule bundle %s: read %s", name,
			SB_SHELF_CURRENT);
	text[n] = '\0';
	if (sscanf(text, "current %14" SCNu64 "\nhighest %14" SCNu64, &state->current,
		    &state->highest) == 2)
		snprintf(again, sizeof again, SB_SHELF_FORMAT, state->current, state->highest);
	else
		again[0] = '\0';
	if (strcmp(text, again) != 0 || state->current < 1 || state->highest < state->current)
		return sb_error_set(error, SB_KIND_CORRUPT, 0,
			"rule bundle %s: %s in its folder is damaged; remove the folder, and "
			"import the bundle again",
			name, SB_SHELF_CURRENT);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void sb_shelf_versions_at(sb_shelf_versions *out, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	uint64_t version;

	out->count = 0;
	if (folder == NULL) {
		sb_close(&fd);
		return;
	}
	while ((entry = readdir(folder)) != NULL)
		if (parse_version(entry->d_name, &version) &&
			out->count < sizeof out->list / sizeof out->list[0])
			out->list[out->count++] = version;
	closedir(folder);
	qsort(out->list, out->count, sizeof out->list[0], by_number);
}

/* Its folder; -1 with errno. */
static int open_folder(const char *data_dir, const char *name)
{
	char path[4096];

	if (snprintf(path, sizeof path, "%s/" SB_SHELF_ROOT "/%s", data_dir, name) >=
		(int)sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int no_bundle(const char *name, sb_error *error)
{
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
		"there is no rule bundle %.63s; bring one with `scanbridge rules import`", name);
}

int sb_shelf_look(sb_shelf_state *state, sb_shelf_versions *versions, const char *data_dir,
	const char *name, sb_error *error)
{
	int dir = sb_pack_name_ok(name) ? open_folder(data_dir, name) : -1;
	int status;

	versions->count = 0;
	if (dir < 0)
		return no_bundle(name, error);
	sb_shelf_versions_at(versions, dir);
	status = sb_shelf_state_at(state, dir, name, error);
	sb_close(&dir);
	return status;
}

static int open_version(sb_shelved *out, int dir, const char *name, uint64_t version,
	const char *const *keys, size_t key_count, sb_error *error)
{
	char file[24], shown[120];
	int status;

	snprintf(file, sizeof file, "%" PRIu64, version);
	snprintf(shown, sizeof shown, "rule bundle %s, version %" PRIu64, name, version);
	status = sb_shelf_read(out, dir, file, shown, keys, key_count, error);
	if (status == 0 && (strcmp(out->pack.name, name) != 0 || out->pack.version != version)) {
		sb_shelf_done(out);
		status = refuse(error, SB_KIND_CORRUPT, shown, "says that it is another one");
	}
	return status;
}

int sb_shelf_open(sb_shelved *out, const char *data_dir, const char *name, uint64_t version,
	const char *const *keys, size_t key_count, sb_error *error)
{
	int dir = sb_pack_name_ok(name) ? open_folder(data_dir, name) : -1;
	sb_shelf_state state = {.current = version};
	int status = 0;

	*out = (sb_shelved){.length = 0};
	if (dir < 0)
		return no_bundle(name, error);
	/* The one in use may just be replaced, and removed when many follow: then look again. */
	for (unsigned tries = 0; tries < 5; tries++) {
		if (version == 0)
			status = sb_shelf_state_at(&state, dir, name, error);
		if (status == 0 && state.current == 0)
			status = no_bundle(name, error);
		if (status == 0)
			status =
				open_version(out, dir, name, state.current, keys, key_count, error);
		if (version != 0 || status != -SB_KIND_FILE_NOT_FOUND)
			break;
		status = 0;
	}
	sb_close(&dir);
	if (out->bytes == NULL && status == 0)
		status = sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"rule bundle %s: the version in use, %" PRIu64 ", is missing", name,
			state.current);
	return status;
}

/* --- All of them --------------------------------------------------------------------------------
 */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(char ***names, size_t *count, const char *name)
{
	char **more = reallocarray(*names, *count + 1, sizeof *more);

	if (more == NULL)
		return -1;
	*names = more;
	more[*count] = strdup(name);
	return more[*count] != NULL ? (++*count, 0) : -1;
}

int sb_shelf_names(char ***names, size_t *count, const char *data_dir, sb_error *error)
{
	int dir = open_folder(data_dir, ".");
	DIR *folder = dir >= 0 ? fdopendir(dir) : NULL;
	const struct dirent *entry;
	int status = 0;

	*names = NULL;
	*count = 0;
	if (folder == NULL) {
		sb_close(&dir);
		return errno == ENOENT ? 0
				       : sb_error_set(error, SB_KIND_IO, errno, "open %s/%s",
						 data_dir, SB_SHELF_ROOT);
	}
	while (status == 0 && (entry = readdir(folder)) != NULL)
		if (sb_pack_name_ok(entry->d_name) && add_name(names, count, entry->d_name) != 0)
			status = sb_error_no_memory(error);
	closedir(folder);
	if (*count > 0)
		qsort(*names, *count, sizeof **names, by_name);
	return status;
}
