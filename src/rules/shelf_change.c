/* SPDX-License-Identifier: MIT */
/*
 * Changing the shelf: a version first, whole and durable, then the file that names it. A process
 * that dies in between leaves a version that nobody uses, which the next one clears away.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules/shelf_own.h"
#include "util/io.h"
#include "util/temp.h"

#define TEMPORARY ".new"

static int open_made(int dir, const char *name)
{
	bool made = mkdirat(dir, name, 0700) == 0;
	int fd = made || errno == EEXIST
			 ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
			 : -1;

	if (made && fd >= 0 && sb_temp_flush(dir) != 0)
		sb_close(&fd);
	return fd;
}

/* File, cause and remedy. */
static int failed(const sb_shelf *shelf, const char *doing, const char *file, sb_error *error)
{
	static const struct {
		int number;
		const char *remedy;
	} rows[] = {{ENOSPC, "make room there"}, {EDQUOT, "make room there"},
		{EROFS, "make that folder writable"}, {EACCES, "make that folder writable"},
		{EPERM, "make that folder writable"}};
	const char *remedy = "look at the disk";
	int number = errno;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].number == number)
			remedy = rows[i].remedy;
	sb_error_set(error, SB_KIND_IO, number,
		"%s %s/" SB_SHELF_ROOT "/%s%s (what was in use still is; %s, and try again)", doing,
		shelf->data_dir, shelf->name, file, remedy);
	return -SB_KIND_IO;
}

static int lock(int fd)
{
	int status;

	do {
		status = flock(fd, LOCK_EX);
	} while (status != 0 && errno == EINTR);
	return status;
}

static void clear_away(sb_shelf *shelf, const char *name)
{
	sb_shelf_versions versions;
	sb_shelf_state state;

	unlinkat(shelf->dir, TEMPORARY, 0);
	sb_shelf_versions_at(&versions, shelf->dir);
	if (sb_shelf_state_at(&state, shelf->dir, name, NULL) < 0)
		return;
	for (size_t i = 0; i < versions.count; i++)
		if (versions.list[i] > state.highest)
			sb_shelf_drop(shelf, versions.list[i]);
}

int sb_shelf_lock(sb_shelf *shelf, const char *data_dir, const char *name, sb_error *error)
{
	int data = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*shelf = (sb_shelf){.root = -1, .dir = -1, .data_dir = data_dir, .name = name};
	if (data >= 0)
		shelf->root = open_made(data, SB_SHELF_ROOT);
	if (shelf->root >= 0 && lock(shelf->root) == 0)
		shelf->dir = open_made(shelf->root, name);
	sb_close(&data);
	if (shelf->dir < 0) {
		failed(shelf, "open", "", error);
		sb_shelf_unlock(shelf);
		return -SB_KIND_IO;
	}
	clear_away(shelf, name);
	return 0;
}

void sb_shelf_unlock(sb_shelf *shelf)
{
	sb_close(&shelf->dir);
	sb_close(&shelf->root); /* and with it the lock */
}

/* Always under a name of its own first: the final one may be taken. */
static int put(sb_shelf *shelf, const char *name, const void *bytes, size_t length, sb_error *error)
{
	char file[32];
	sb_temp temp;
	int status = sb_temp_open(&temp, shelf->dir, TEMPORARY, SB_TEMP_NAMED | SB_TEMP_OWNED);

	if (status == 0)
		status = sb_write_all(temp.fd, bytes, length);
	if (status == 0)
		status = sb_temp_replace(&temp, name);
	snprintf(file, sizeof file, "/%s", name);
	if (status != 0)
		status = failed(shelf, "write", file, error);
	sb_temp_drop(&temp);
	return status;
}

int sb_shelf_put(sb_shelf *shelf, const sb_shelved *shelved, sb_error *error)
{
	char name[24];

	snprintf(name, sizeof name, "%" PRIu64, shelved->pack.version);
	return put(shelf, name, shelved->bytes, shelved->length, error);
}

void sb_shelf_drop(sb_shelf *shelf, uint64_t version)
{
	sb_shelf_state state;
	char name[24];

	if (sb_shelf_state_at(&state, shelf->dir, shelf->name, NULL) < 0 ||
		state.current == version)
		return;
	snprintf(name, sizeof name, "%" PRIu64, version);
	unlinkat(shelf->dir, name, 0);
}

/* The highest says what was ever in use, and is kept in `current`: its file may go like any. */
static void prune(sb_shelf *shelf, const sb_shelf_state *state)
{
	sb_shelf_versions versions;
	size_t left;

	sb_shelf_versions_at(&versions, shelf->dir);
	left = versions.count;
	for (size_t i = 0; i < versions.count && left > SB_SHELF_KEPT; i++) {
		if (versions.list[i] == state->current)
			continue;
		sb_shelf_drop(shelf, versions.list[i]);
		left--;
	}
}

static int put_state(sb_shelf *shelf, const sb_shelf_state *state, sb_error *error)
{
	char text[64];

	snprintf(text, sizeof text, SB_SHELF_FORMAT, state->current, state->highest);
	return put(shelf, SB_SHELF_CURRENT, text, strlen(text), error);
}

/* It may have its name already, when making that durable fails: whoever is told of the failure has
 * to find what was. */
static void put_back(sb_shelf *shelf, const sb_shelf_state *before)
{
	sb_shelf_state now;

	if (sb_shelf_state_at(&now, shelf->dir, shelf->name, NULL) == 0 &&
		now.current == before->current && now.highest == before->highest)
		return;
	if (before->current == 0)
		unlinkat(shelf->dir, SB_SHELF_CURRENT, 0);
	else
		(void)put_state(shelf, before, NULL);
}

int sb_shelf_switch(sb_shelf *shelf, const sb_shelf_state *state, sb_error *error)
{
	sb_shelf_state before;
	int status = sb_shelf_state_at(&before, shelf->dir, shelf->name, error);

	if (status < 0)
		return status;
	status = put_state(shelf, state, error);
	if (status == 0)
		prune(shelf, state);
	else
		put_back(shelf, &before);
	return status;
}
