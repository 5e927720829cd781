/* SPDX-License-Identifier: MIT */
/*
 * Restoring (T6): the object is verified whole into a file without a name in the target folder,
 * judged anew there, flushed, and only then named. Nothing is overwritten, no link followed,
 * nothing privileged comes back: 0600, ours. The object stays until it is deleted.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "quarantine/front.h"
#include "util/temp.h"
#include "util/io.h"
#include "util/text.h"

int sb_quarantine_open_target(const char *root, const char *path, sb_error *error)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV};
	int at = open(root != NULL ? root : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = at;

	if (at >= 0 && root != NULL) {
		fd = (int)syscall(SYS_openat2, at, path, &how, sizeof how);
		sb_close(&at);
	}
	if (fd < 0)
		sb_error_set(error, errno == ENOENT ? SB_KIND_FILE_NOT_FOUND : SB_KIND_IO, errno,
			"restore into %s%s%s", root != NULL ? root : "", root != NULL ? "/" : "",
			path);
	return fd;
}

static int write_piece(void *data, const void *bytes, size_t length)
{
	return sb_write_all(((sb_temp *)data)->fd, bytes, length);
}

static bool name_ok(const char *name)
{
	return name != NULL && name[0] != '\0' && strchr(name, '/') == NULL &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strlen(name) <= 255;
}

static sb_quarantine_status exists(const sb_quarantine_target *target, sb_error *error)
{
	sb_buf text;

	sb_buf_init(&text, 512);
	sb_escape(&text, target->name, strlen(target->name));
	sb_quarantine_fail(error, SB_Q_EXISTS, 0,
		"restore: %s is there already, and nothing is overwritten", text.data);
	sb_buf_done(&text);
	return SB_Q_EXISTS;
}

static sb_quarantine_status cannot(const char *what, sb_error *error)
{
	return sb_quarantine_fail(error,
		errno == ENOSPC || errno == EDQUOT ? SB_Q_STORAGE_FULL : SB_Q_RETRIEVE_FAILED,
		errno, "restore: %s", what);
}

/* What lies there now, not what we meant to write. */
static sb_quarantine_status check(int fd, const sb_quarantine_record *record, sb_error *error)
{
	uint8_t actual[SB_BLAKE3_SIZE];

	if (sb_blake3_file(fd, record->size, 1, actual, error) != 0)
		return sb_quarantine_fail(
			error, SB_Q_RETRIEVE_FAILED, 0, "restore: cannot read what was written");
	if (memcmp(actual, record->blake3, sizeof actual) == 0)
		return SB_Q_OK;
	return sb_quarantine_mismatch(error, "restore", record->blake3, actual);
}

static sb_quarantine_status judge(const sb_quarantine_target *target, int fd,
	const sb_quarantine_record *record, sb_error *error)
{
	sb_error own;

	if (target->rescan == NULL)
		return SB_Q_OK;
	sb_error_init(&own);
	if (target->rescan(target->data, fd, record, &own) == 0)
		return SB_Q_OK;
	return sb_quarantine_fail(error, SB_Q_REFUSED, 0, "restore refused: %s", own.message);
}

static sb_quarantine_status put(sb_quarantine *q, const sb_quarantine_record *record,
	const sb_quarantine_target *target, sb_error *error)
{
	char temporary[48], digits[17];
	sb_quarantine_status status;
	uint8_t bytes[8];
	sb_temp temp; /* whoever owns the folder, what comes out is ours */

	q->options.random(bytes, sizeof bytes);
	sb_hex(digits, bytes, sizeof bytes);
	snprintf(temporary, sizeof temporary, ".sb-restore-%s", digits);
	if (sb_temp_open(&temp, target->folder, temporary, 0) != 0)
		return cannot("cannot make a file in the folder", error);
	status = q->ops->read(q->self, record->id, write_piece, &temp, error);
	if (status == SB_Q_OK)
		status = check(temp.fd, record, error);
	if (status == SB_Q_OK)
		status = judge(target, temp.fd, record, error);
	if (status == SB_Q_OK && sb_temp_sync(&temp) != 0)
		status = cannot("cannot flush the file", error);
	if (status == SB_Q_OK && sb_temp_name(&temp, target->name) != 0)
		status = errno == EEXIST ? exists(target, error)
					 : cannot("cannot name the file", error);
	sb_temp_drop(&temp);
	return status;
}

sb_quarantine_status sb_quarantine_restore_at(
	sb_quarantine *q, const char *id, const sb_quarantine_target *wanted, sb_error *error)
{
	sb_quarantine_target with = *wanted, *target = &with;
	sb_quarantine_record record;
	sb_quarantine_status status;
	sb_arena arena;

	sb_arena_init(&arena, SB_FRONT_ARENA);
	status = sb_front_readable(q, id, &arena, &record, error);
	if (status == SB_Q_OK && target->name == NULL)
		target->name = record.name != NULL && record.name_length > 0 ? record.name : id;
	if (status == SB_Q_OK && !name_ok(target->name))
		status = sb_quarantine_fail(
			error, SB_Q_REFUSED, 0, "restore: this is no name for a file");
	if (status == SB_Q_OK)
		status = sb_front_event(
			q, SB_Q_EVENT_RESTORE_INTENT, &record, target->reason, NULL, error);
	if (status == SB_Q_OK) {
		status = put(q, &record, target, error);
		if (status == SB_Q_OK)
			status = sb_front_event(
				q, SB_Q_EVENT_RESTORED, &record, target->reason, NULL, error);
		else
			sb_front_event(q, SB_Q_EVENT_RESTORE_FAILED, &record, target->reason,
				sb_quarantine_status_name(status), NULL);
	}
	sb_arena_done(&arena);
	return status;
}

/* --- By the folder's path ----------------------------------------------------------------------
 */

/* What is left of @p path below @p root (`.` for the root itself); NULL: it lies elsewhere. */
static const char *below(const char *root, const char *path)
{
	size_t length = strlen(root);

	while (length > 1 && root[length - 1] == '/')
		length--;
	if (strncmp(path, root, length) != 0)
		return NULL;
	path += length;
	if (length > 1 && *path != '/' && *path != '\0')
		return NULL;
	path += strspn(path, "/");
	return *path != '\0' ? path : ".";
}

static int open_below_roots(const sb_quarantine *q, const char *path, sb_error *error)
{
	for (size_t i = 0; i < q->options.root_count; i++) {
		const char *rest = below(q->options.roots[i], path);
		if (rest != NULL)
			return sb_quarantine_open_target(q->options.roots[i], rest, error);
	}
	sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
		"restore into %s: it is below none of quarantine.restore_roots", path);
	return -1;
}

/* A descriptor, or -1. */
static int open_folder(const sb_quarantine *q, const char *folder, sb_error *error)
{
	char *path;
	int fd = -1;

	if (q->options.root_count == 0)
		return sb_quarantine_open_target(NULL, folder, error);
	path = sb_absolute(folder);
	if (path == NULL)
		sb_error_no_memory(error);
	else
		fd = open_below_roots(q, path, error);
	free(path);
	return fd;
}

sb_quarantine_status sb_quarantine_restore_into(sb_quarantine *q, const char *id,
	const char *folder, sb_quarantine_target *target, sb_error *error)
{
	sb_quarantine_status status;
	sb_error own;

	sb_error_init(&own);
	target->folder = open_folder(q, folder, &own);
	if (target->folder < 0)
		return sb_quarantine_fail(error,
			own.kind == SB_KIND_NOT_CONFIGURED ? SB_Q_NOT_CONFIGURED : SB_Q_IO, 0, "%s",
			own.message);
	status = sb_quarantine_restore_at(q, id, target, error);
	sb_close(&target->folder);
	return status;
}

sb_quarantine_status sb_quarantine_restore_unscanned(sb_quarantine *q, const char *id,
	const char *folder, const char *name, const char *reason, sb_error *error)
{
	sb_quarantine_target target = {.name = name, .reason = reason};

	if (reason == NULL || reason[0] == '\0')
		return sb_quarantine_fail(error, SB_Q_REFUSED, 0,
			"restore without a scan: there must be a reason for it");
	return sb_quarantine_restore_into(q, id, folder, &target, error);
}
