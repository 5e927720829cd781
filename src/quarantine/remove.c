/* SPDX-License-Identifier: MIT */
/*
 * Removing an original (safety.md 6, step 9; T5). An attacker may swap whatever he can write to
 * at any moment. So: nothing is named by a path, nothing is followed, and the file is taken out
 * of reach of its name before it is looked at: renamed to a random sibling, compared there, and
 * then unlinked, or put back. All that can be lost is a link that the attacker put under a name
 * of 128 random bits within the last microseconds, and that is noticed and said.
 */
#include "quarantine/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "quarantine/front.h"
#include "util/temp.h"
#include "util/io.h"
#include "util/text.h"

sb_quarantine_identity sb_removal_identify(const struct stat *st)
{
	return (sb_quarantine_identity){(int64_t)st->st_dev, (int64_t)st->st_ino, st->st_size,
		(int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec};
}

static bool same(const struct stat *st, const sb_quarantine_identity *identity)
{
	sb_quarantine_identity have = sb_removal_identify(st);

	return S_ISREG(st->st_mode) && have.dev == identity->dev && have.ino == identity->ino &&
	       have.size == identity->size && have.mtime == identity->mtime;
}

/* A descriptor of the file itself tells afterwards whether it was this one that went. */
int sb_removal_unlink(
	int folder, const char *name, const sb_quarantine_identity *identity, uint64_t *links)
{
	int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat before, after;

	if (fd < 0 || fstat(fd, &before) != 0) {
		sb_close(&fd);
		return -1;
	}
	if (!same(&before, identity)) {
		sb_close(&fd);
		errno = ESTALE;
		return -1;
	}
	if (unlinkat(folder, name, 0) != 0 || fstat(fd, &after) != 0) {
		sb_close(&fd);
		return -1;
	}
	sb_close(&fd);
	if (links != NULL)
		*links = after.st_nlink;
	if (after.st_nlink < before.st_nlink)
		return 0;
	errno = ESTALE;
	return -1;
}

int sb_removal_put_back(int folder, const char *sibling, const char *name)
{
	return renameat2(folder, sibling, folder, name, RENAME_NOREPLACE);
}

/* --- The operation --------------------------------------------------------------------------- */

struct removal {
	sb_quarantine *q;
	const sb_quarantine_original *original;
	sb_quarantine_claim claim;
	sb_quarantine_identity identity;
	char name[256]; /* escaped, for messages */
	uint64_t links;
	bool gone, unflushed;
};

static sb_quarantine_status changed(const struct removal *r, int sys_errno, sb_error *error)
{
	return sb_quarantine_fail(error, SB_Q_CHANGED, sys_errno,
		"%s/%s isn't the file that was scanned: it was not removed", r->original->path,
		r->name);
}

/* By ctime as well, as long as our own rename has not moved it. */
static sb_quarantine_status look(const struct removal *r, sb_error *error)
{
	const struct stat *want = &r->original->scanned;
	struct stat have;

	if (fstatat(r->original->parent, r->original->name, &have, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? changed(r, 0, error)
				       : sb_quarantine_fail(error, SB_Q_IO, errno, "%s/%s",
						 r->original->path, r->name);
	if (!same(&have, &r->identity) || have.st_ctim.tv_sec != want->st_ctim.tv_sec ||
		have.st_ctim.tv_nsec != want->st_ctim.tv_nsec)
		return changed(r, 0, error);
	return SB_Q_OK;
}

static sb_quarantine_status put_back(const struct removal *r, sb_error *error)
{
	const sb_quarantine_original *o = r->original;

	if (sb_removal_put_back(o->parent, r->claim.sibling, o->name) != 0 && errno != ENOENT)
		return sb_quarantine_fail(error, SB_Q_CHANGED, errno,
			"%s/%s isn't the file that was scanned, and could not get its name back: "
			"it is "
			"there as %s",
			o->path, r->name, r->claim.sibling);
	return SB_Q_CHANGED;
}

static sb_quarantine_status take_away(struct removal *r, sb_error *error)
{
	const sb_quarantine_original *o = r->original;
	int saved;

	if (renameat2(o->parent, o->name, o->parent, r->claim.sibling, RENAME_NOREPLACE) != 0)
		return errno == ENOENT ? changed(r, 0, error)
				       : sb_quarantine_fail(error, SB_Q_IO, errno,
						 "%s/%s: cannot remove it", o->path, r->name);
	if (sb_removal_unlink(o->parent, r->claim.sibling, &r->identity, &r->links) != 0) {
		saved = errno;
		changed(r, saved == ESTALE ? 0 : saved, error);
		return put_back(r, error);
	}
	r->gone = true;
	r->unflushed = sb_temp_flush(o->parent) != 0;
	if (r->unflushed)
		return sb_quarantine_fail(error, SB_Q_IO, errno,
			"%s/%s was removed, but the folder could not be flushed", o->path, r->name);
	return SB_Q_OK;
}

static sb_quarantine_status claim(struct removal *r, sb_error *error)
{
	sb_quarantine *q = r->q;
	struct stat folder;
	uint8_t bytes[16];
	char digits[33];

	q->options.random(bytes, sizeof bytes);
	sb_hex(digits, bytes, sizeof bytes);
	snprintf(r->claim.sibling, sizeof r->claim.sibling, ".sb-%s", digits);
	if (fstat(r->original->parent, &folder) != 0)
		return sb_quarantine_fail(error, SB_Q_IO, errno, "%s", r->original->path);
	r->claim.folder = sb_removal_identify(&folder);
	return q->ops->claim(q->self, &r->claim, sb_clock_wall(q->options.clock),
		q->options.max_per_hour, error);
}

/* When the folder could not be flushed the claim stays: recovery looks again. */
static sb_quarantine_status settle(struct removal *r, sb_quarantine_status status,
	const sb_quarantine_record *record, sb_error *error)
{
	sb_quarantine_status settled = SB_Q_OK;
	char detail[64];

	if (status == SB_Q_OK) {
		snprintf(detail, sizeof detail, "%llu other hard links remain",
			(unsigned long long)r->links);
		status = sb_front_event(r->q, SB_Q_EVENT_REMOVED, record, NULL,
			r->links > 0 ? detail : NULL, error);
	}
	if (!r->unflushed)
		settled = r->q->ops->settle(
			r->q->self, r->claim.sibling, status == SB_Q_OK ? error : NULL);
	return status != SB_Q_OK ? status : settled;
}

static bool name_ok(const char *name)
{
	return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static sb_quarantine_status remove_it(
	struct removal *r, const sb_quarantine_record *record, sb_error *error)
{
	sb_quarantine_status status = look(r, error);

	if (status != SB_Q_OK)
		return status;
	status = sb_front_event(r->q, SB_Q_EVENT_REMOVE_INTENT, record, NULL, NULL, error);
	if (status == SB_Q_OK)
		status = claim(r, error);
	if (status != SB_Q_OK)
		return status;
	status = look(r, error);
	if (status == SB_Q_OK)
		status = take_away(r, error);
	return settle(r, status, record, error);
}

/* The log tells of this file, which may be another one than the object came from. */
static void tell_of_original(
	sb_quarantine_record *record, const sb_quarantine_original *original, sb_arena *arena)
{
	size_t room = strlen(original->path) + strlen(original->name) + 2;
	char *path = sb_arena_alloc(arena, room);

	record->name = original->name;
	record->name_length = strlen(original->name);
	record->path = path;
	record->path_length = path != NULL ? room - 1 : 0;
	if (path != NULL)
		snprintf(path, room, "%s/%s", original->path, original->name);
	if (original->scan_id != NULL)
		record->scan_id = original->scan_id;
}

sb_quarantine_status sb_quarantine_remove_original(sb_quarantine *q, const char *id,
	const sb_quarantine_original *original, uint64_t *other_links, sb_error *error)
{
	struct removal r = {.q = q, .original = original};
	sb_quarantine_record record;
	sb_quarantine_status status;
	sb_arena arena;
	sb_buf text;

	sb_buf_init(&text, sizeof r.name - 1);
	sb_escape(&text, original->name, strnlen(original->name, 60));
	snprintf(r.name, sizeof r.name, "%s", text.data != NULL ? text.data : "");
	sb_buf_done(&text);
	r.identity = sb_removal_identify(&original->scanned);
	r.claim.parent = original->path;
	r.claim.name = original->name;
	r.claim.file = r.identity;
	sb_arena_init(&arena, SB_FRONT_ARENA);
	status = sb_front_find(q, id, &arena, &record, error);
	if (status == SB_Q_OK && (q->ops->claim == NULL || q->ops->settle == NULL))
		status = sb_quarantine_fail(error, SB_Q_REFUSED, 0,
			"quarantine: the store %s keeps no record of removals: originals stay",
			q->ops->name);
	if (status == SB_Q_OK &&
		(record.outcome != SB_OUTCOME_INFECTED || !name_ok(original->name)))
		status = sb_quarantine_fail(error, SB_Q_REFUSED, 0,
			"quarantine: only the original of an infected object is removed");
	if (status == SB_Q_OK && (uint64_t)original->scanned.st_size != record.size)
		status = changed(&r, 0, error);
	if (status == SB_Q_OK) {
		snprintf(r.claim.object, sizeof r.claim.object, "%s", id);
		tell_of_original(&record, original, &arena);
		status = remove_it(&r, &record, error);
		if (status != SB_Q_OK && !r.gone)
			sb_front_event(q, SB_Q_EVENT_REMOVE_FAILED, &record, NULL,
				error != NULL ? error->message : sb_quarantine_status_name(status),
				NULL);
	}
	sb_arena_done(&arena);
	if (other_links != NULL)
		*other_links = r.links;
	return status;
}
