/* SPDX-License-Identifier: MIT */
/*
 * A directory is read whole: files go out at once, names of subdirectories wait, packed in the
 * frame of their directory. Then the walk goes down into one after the other:
 *
 *   frames   / ── srv ── www ── img      only the last KEEP_OPEN hold a descriptor of their own
 *            waiting names of each
 *
 * Going up again to a frame whose descriptor was given back opens `..` and compares device and
 * inode with what was there before: a directory that was moved in between is reported, never
 * followed to its new place. Seeking in a directory that was closed would save the waiting
 * names, but positions do not survive a reopen on every file system.
 */
#include "cli/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/inodes.h"
#include "cli/walk_rules.h"
#include "util/io.h"

enum {
	KEEP_OPEN = 16,
	MAX_PATH = 256 * 1024,
	MAX_WAITING = 64 * 1024 * 1024, /* bytes of waiting names in one directory */
	BUFFER = 64 * 1024,
};

struct frame {
	sb_walk_dir *dir; /* NULL: given back */
	dev_t device;
	ino_t inode;
	size_t path_length;
	sb_buf waiting; /* names, each with its NUL */
	size_t cursor;
};

struct sb_walk {
	sb_walk_options options;
	sb_walk_sink sink;
	bool has_data_dir;
	dev_t data_device;
	ino_t data_inode;
	sb_inodes seen;
	sb_buf path; /* of the top frame, with a slash behind */
	struct frame *frames;
	size_t depth, room;
	char *buffer;
};

/* --- Items and directories ------------------------------------------------------------ */

sb_walk_dir *sb_walk_dir_new(int fd, const char *prefix, size_t length)
{
	sb_walk_dir *dir = malloc(sizeof *dir + length + 1);

	if (dir == NULL)
		return NULL;
	atomic_init(&dir->refs, 1);
	dir->fd = fd;
	memcpy(dir->prefix, prefix, length);
	dir->prefix[length] = '\0';
	return dir;
}

void sb_walk_dir_unref(sb_walk_dir *dir)
{
	if (dir == NULL || atomic_fetch_sub(&dir->refs, 1) != 1)
		return;
	sb_close(&dir->fd);
	free(dir);
}

sb_walk_item *sb_walk_item_new(sb_walk_dir *dir, const char *name, uint64_t size)
{
	size_t length = strlen(name);
	sb_walk_item *item = malloc(sizeof *item + length + 1);

	if (item == NULL)
		return NULL;
	if (dir != NULL)
		atomic_fetch_add(&dir->refs, 1);
	item->dir = dir;
	item->size = size;
	item->standard_input = false;
	memcpy(item->name, name, length + 1);
	return item;
}

void sb_walk_item_free(sb_walk_item *item)
{
	if (item == NULL)
		return;
	sb_walk_dir_unref(item->dir);
	free(item);
}

void sb_walk_item_path(const sb_walk_item *item, sb_buf *out)
{
	sb_buf_clear(out);
	if (item->dir != NULL)
		sb_buf_text(out, item->dir->prefix);
	sb_buf_text(out, item->name);
}

/* --- What is met ------------------------------------------------------------------------ */

/* The path of @p name in the top frame, until the path changes; "" if there is no room. */
static const char *path_of(sb_walk *walk, const char *name)
{
	size_t length = walk->path.length;

	sb_buf_text(&walk->path, name);
	walk->path.length = length; /* the bytes stay behind it, NUL included */
	walk->path.failed = false;
	return walk->path.data != NULL ? walk->path.data : "";
}

static void skip(sb_walk *walk, const char *name, sb_skip why)
{
	walk->sink.skipped(walk->sink.data, path_of(walk, name), why);
}

static void problem(sb_walk *walk, const char *path, const char *what, int error)
{
	char message[256];

	snprintf(message, sizeof message, "%s: %s", what, strerror(error));
	walk->sink.problem(walk->sink.data, path, message);
}

/* The path of a frame without its slash, for messages; to be freed. */
static char *frame_path(const sb_walk *walk, const struct frame *frame)
{
	size_t length = frame->path_length;

	while (length > 1 && walk->path.data[length - 1] == '/')
		length--;
	return strndup(walk->path.data, length);
}

static void frame_problem(sb_walk *walk, const struct frame *frame, const char *what, int error)
{
	char *path = frame_path(walk, frame);

	problem(walk, path != NULL ? path : "", what, error);
	free(path);
}

/* --- Reading one directory ---------------------------------------------------------------- */

static bool emit(
	sb_walk *walk, sb_walk_dir *dir, const char *path, const char *name, const struct stat *st)
{
	sb_walk_item *item;

	if (st != NULL && S_ISREG(st->st_mode) && st->st_nlink > 1 &&
		!sb_inodes_add(&walk->seen, st->st_dev, st->st_ino)) {
		walk->sink.skipped(walk->sink.data, path, SB_SKIP_HARD_LINK);
		return true;
	}
	item = sb_walk_item_new(dir, name, st != NULL ? (uint64_t)st->st_size : 0);
	if (item == NULL) {
		problem(walk, path, "could not be scanned", ENOMEM);
		return true;
	}
	return walk->sink.file(walk->sink.data, item);
}

static void wait_for_turn(sb_walk *walk, struct frame *frame, const char *name)
{
	sb_buf *waiting = &frame->waiting;
	size_t length = waiting->length;

	sb_buf_add(waiting, name, strlen(name) + 1);
	if (!waiting->failed)
		return;
	waiting->failed = false;
	sb_buf_cut(waiting, length);
	problem(walk, path_of(walk, name), "could not be opened", ENOMEM);
}

static bool take_entry(sb_walk *walk, struct frame *frame, const char *name, unsigned char type)
{
	struct stat st;

	if (sb_walk_excluded(&walk->options,
		    walk->options.exclude_count > 0 ? path_of(walk, name) : "", name)) {
		skip(walk, name, SB_SKIP_EXCLUDED);
		return true;
	}
	if (type == DT_REG || type == DT_UNKNOWN) {
		if (fstatat(frame->dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
			/* Gone or unreadable: the scan's own error says so in a report. */
			return emit(walk, frame->dir, path_of(walk, name), name, NULL);
		}
		type = (unsigned char)IFTODT(st.st_mode);
	}
	switch (type) {
	case DT_REG:
		return emit(walk, frame->dir, path_of(walk, name), name, &st);
	case DT_DIR:
		wait_for_turn(walk, frame, name);
		return true;
	case DT_LNK:
		skip(walk, name, SB_SKIP_SYMLINK);
		return true;
	default:
		skip(walk, name, SB_SKIP_SPECIAL);
		return true;
	}
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* All entries of the top frame; false: stop. */
static bool read_entries(sb_walk *walk)
{
	struct frame *frame = &walk->frames[walk->depth - 1];

	for (;;) {
		ssize_t got = getdents64(frame->dir->fd, walk->buffer, BUFFER);
		if (got < 0)
			frame_problem(walk, frame, "could not be read", errno);
		if (got <= 0)
			return true;
		for (ssize_t at = 0; at < got;) {
			const struct dirent64 *entry =
				(const struct dirent64 *)(const void *)(walk->buffer + at);
			at += entry->d_reclen;
			if (!is_dots(entry->d_name) &&
				!take_entry(walk, frame, entry->d_name, entry->d_type))
				return false;
		}
	}
}

/* --- Going down and up ---------------------------------------------------------------- */

static bool make_room(sb_walk *walk)
{
	size_t room = walk->room > 0 ? 2 * walk->room : 32;
	struct frame *frames;

	if (walk->depth < walk->room)
		return true;
	frames = realloc(walk->frames, room * sizeof *frames);
	if (frames == NULL)
		return false;
	walk->frames = frames;
	walk->room = room;
	return true;
}

/* The frame for an open directory whose path stands in walk->path; takes @p fd. */
static bool push(sb_walk *walk, int fd, const struct stat *st)
{
	sb_walk_dir *dir = sb_walk_dir_new(fd, walk->path.data, walk->path.length);
	struct frame *frame;

	if (dir == NULL || !make_room(walk)) {
		if (dir == NULL)
			sb_close(&fd);
		sb_walk_dir_unref(dir);
		return false;
	}
	frame = &walk->frames[walk->depth++];
	*frame = (struct frame){.dir = dir,
		.device = st->st_dev,
		.inode = st->st_ino,
		.path_length = walk->path.length};
	sb_buf_init(&frame->waiting, MAX_WAITING);
	if (walk->depth > KEEP_OPEN) {
		struct frame *old = &walk->frames[walk->depth - 1 - KEEP_OPEN];
		sb_walk_dir_unref(old->dir);
		old->dir = NULL;
	}
	return true;
}

/* Open @p name in @p at (or a path, AT_FDCWD) and read it; @p shown is its path for messages. */
static bool enter(sb_walk *walk, int at, const char *name, const char *shown, int flags,
	const dev_t *parent_device)
{
	struct stat st;
	size_t length = walk->path.length;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | flags);

	if (fd < 0 || fstat(fd, &st) != 0) {
		problem(walk, shown, "could not be opened", errno);
		sb_close(&fd);
		return true;
	}
	if (walk->has_data_dir && st.st_dev == walk->data_device && st.st_ino == walk->data_inode) {
		walk->sink.skipped(walk->sink.data, shown, SB_SKIP_DATA_DIR);
		sb_close(&fd);
		return true;
	}
	if ((parent_device == NULL || *parent_device != st.st_dev) &&
		sb_on_kernel_file_system(fd)) {
		walk->sink.skipped(walk->sink.data, shown, SB_SKIP_KERNEL);
		sb_close(&fd);
		return true;
	}
	sb_buf_text(&walk->path, name);
	if (walk->path.length == 0 || walk->path.data[walk->path.length - 1] != '/')
		sb_buf_char(&walk->path, '/');
	if (walk->path.failed) {
		walk->path.failed = false;
		sb_buf_cut(&walk->path, length);
		problem(walk, path_of(walk, ""), "a directory in it could not be opened",
			ENAMETOOLONG);
		sb_close(&fd);
		return true;
	}
	if (!push(walk, fd, &st)) {
		problem(walk, path_of(walk, ""), "could not be opened", ENOMEM);
		sb_buf_cut(&walk->path, length);
		return true;
	}
	return read_entries(walk);
}

static void frame_done(struct frame *frame)
{
	sb_walk_dir_unref(frame->dir);
	sb_buf_done(&frame->waiting);
}

/* Give the parent its descriptor back, through `..` of the frame that is about to end. */
static void reopen_parent(sb_walk *walk)
{
	struct frame *child = &walk->frames[walk->depth - 1];
	struct frame *parent = child - 1;
	struct stat st;
	int fd = -1;

	if (parent->dir != NULL)
		return;
	if (child->dir != NULL)
		fd = openat(child->dir->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == parent->device &&
		st.st_ino == parent->inode)
		parent->dir = sb_walk_dir_new(fd, walk->path.data, parent->path_length);
	if (parent->dir != NULL)
		return;
	sb_close(&fd);
	if (parent->cursor < parent->waiting.length)
		frame_problem(walk, parent, "was moved while it was walked, not all of it was seen",
			ESTALE);
	parent->cursor = parent->waiting.length;
}

static void pop(sb_walk *walk)
{
	if (walk->depth > 1)
		reopen_parent(walk);
	frame_done(&walk->frames[--walk->depth]);
	sb_buf_cut(&walk->path, walk->depth > 0 ? walk->frames[walk->depth - 1].path_length : 0);
}

static bool walk_tree(sb_walk *walk, const char *root)
{
	bool more;

	sb_buf_clear(&walk->path);
	more = enter(walk, AT_FDCWD, root, root, 0, NULL);
	while (more && walk->depth > 0) {
		struct frame *top = &walk->frames[walk->depth - 1];
		if (top->cursor == top->waiting.length) {
			pop(walk);
			continue;
		}
		/* The frame may move while its child is pushed, the packed names do not. */
		const char *name = top->waiting.data + top->cursor;
		dev_t device = top->device;
		char *shown = strdup(path_of(walk, name));
		top->cursor += strlen(name) + 1;
		more = enter(walk, top->dir->fd, name, shown != NULL ? shown : name, O_NOFOLLOW,
			&device);
		free(shown);
	}
	while (walk->depth > 0)
		frame_done(&walk->frames[--walk->depth]);
	return more;
}

/* --- The caller's side ------------------------------------------------------------------ */

sb_walk *sb_walk_new(const sb_walk_options *options, const sb_walk_sink *sink)
{
	sb_walk *walk = calloc(1, sizeof *walk);
	struct stat st;

	if (walk == NULL || (walk->buffer = malloc(BUFFER)) == NULL) {
		free(walk);
		return NULL;
	}
	walk->options = *options;
	walk->sink = *sink;
	sb_buf_init(&walk->path, MAX_PATH);
	if (options->data_dir != NULL && stat(options->data_dir, &st) == 0) {
		walk->has_data_dir = true;
		walk->data_device = st.st_dev;
		walk->data_inode = st.st_ino;
	}
	return walk;
}

void sb_walk_free(sb_walk *walk)
{
	if (walk == NULL)
		return;
	sb_inodes_done(&walk->seen);
	sb_buf_done(&walk->path);
	free(walk->frames);
	free(walk->buffer);
	free(walk);
}

bool sb_walk_path(sb_walk *walk, const char *path)
{
	struct stat st;
	const char *slash = strrchr(path, '/');

	if (strcmp(path, "-") == 0) {
		sb_walk_item *item = sb_walk_item_new(NULL, path, 0);
		if (item == NULL) {
			problem(walk, path, "could not be scanned", ENOMEM);
			return true;
		}
		item->standard_input = true;
		return walk->sink.file(walk->sink.data, item);
	}
	if (sb_walk_excluded(
		    &walk->options, path, slash != NULL && slash[1] != '\0' ? slash + 1 : path)) {
		walk->sink.skipped(walk->sink.data, path, SB_SKIP_EXCLUDED);
		return true;
	}
	/* What can't be looked at becomes an item all the same: the report says what is wrong. */
	if (stat(path, &st) != 0)
		return emit(walk, NULL, path, path, NULL);
	if (S_ISDIR(st.st_mode))
		return walk_tree(walk, path);
	return emit(walk, NULL, path, path, &st);
}
