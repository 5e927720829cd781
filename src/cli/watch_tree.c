/* SPDX-License-Identifier: MIT */
/*
 * A node for each folder: found by its watch when an event comes, by its parent and name when
 * the folder is met, moved or deleted. Nodes that have to be listed stand in a row; one is being
 * listed, a buffer of entries at a time, so that events never wait for long.
 */
#include "cli/watch_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/walk_rules.h"
#include "cli/watch_file.h"
#include "cli/watch_nodes.h"
#include "util/io.h"

enum {
	MASK = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE |
	       IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR | IN_EXCL_UNLINK,
	BUFFER = 32 * 1024,
	READS = 8,
	MAX_PATH = 256 * 1024,
};

struct root {
	const char *path;
	sb_node *node; /* NULL: it is not here */
	bool was_here;
};

struct sb_tree {
	sb_walk_options options;
	sb_tree_sink sink;
	struct root *roots;
	size_t root_count;
	bool has_data_dir;
	dev_t data_device;
	ino_t data_inode;
	int fd; /* inotify */
	sb_nodes nodes;
	sb_node *listed; /* the one being listed, with its descriptor */
	int list_fd;
	bool overflowed;
	size_t unwatched;
	sb_buf path, other;
	char *buffer;
};

/* --- Paths ------------------------------------------------------------------------------ */

const char *sb_tree_slash(const char *path)
{
	size_t length = strlen(path);

	return length > 0 && path[length - 1] == '/' ? "" : "/";
}

/* The path of @p name in @p node, or of the node itself (name NULL), until the next call with
 * the same buffer; NULL without memory. */
static const char *path_of(sb_buf *out, const sb_node *node, const char *name)
{
	sb_buf_clear(out);
	out->failed = false;
	sb_node_path(out, node);
	if (name != NULL && out->data != NULL) {
		sb_buf_text(out, sb_tree_slash(out->data));
		sb_buf_text(out, name);
	}
	return out->failed ? NULL : out->data;
}

static void problem(sb_tree *tree, const char *path, const char *what, int error)
{
	char message[256];

	snprintf(message, sizeof message, "%s: %s", what, strerror(error));
	tree->sink.problem(tree->sink.data, path != NULL ? path : "", message);
}

const char *sb_tree_root_of(const sb_tree *tree, const char *path, const char **relative)
{
	for (size_t i = 0; i < tree->root_count; i++) {
		const char *root = tree->roots[i].path;
		size_t length = strlen(root);
		if (strncmp(path, root, length) != 0)
			continue;
		if (*sb_tree_slash(root) != '\0' && path[length++] != '/')
			continue;
		*relative = path + length;
		return root;
	}
	return NULL;
}

/* --- Watching --------------------------------------------------------------------------- */

static int open_inotify(sb_error *error)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == EMFILE)
		return sb_error_set(error, SB_KIND_IO, errno,
			"inotify: all instances of this user are in use (or all descriptors of "
			"this process): raise fs.inotify.max_user_instances with sysctl");
	return sb_error_set(error, SB_KIND_IO, errno, "inotify");
}

/* What is listed is closed before its node goes. */
static void stop_listing(sb_tree *tree)
{
	sb_close(&tree->list_fd);
	tree->listed = NULL;
}

static void drop_one(void *data, sb_node *node)
{
	sb_tree *tree = data;

	if (tree->listed == node)
		stop_listing(tree);
	if (node->wd >= 0)
		(void)inotify_rm_watch(tree->fd, node->wd); /* may be gone already */
	if (node->parent == NULL)
		for (size_t i = 0; i < tree->root_count; i++)
			if (tree->roots[i].node == node)
				tree->roots[i].node = NULL;
}

/* The folder is not ours any more, nor are those below it; NULL is fine. */
static void drop(sb_tree *tree, sb_node *node)
{
	sb_nodes_drop(&tree->nodes, node, drop_one, tree);
}

static void no_watch(sb_tree *tree, const char *path, int error)
{
	if (error == ENOSPC) {
		if (tree->unwatched++ == 0)
			tree->sink.problem(tree->sink.data, path,
				"all inotify watches are in use: raise "
				"fs.inotify.max_user_watches with sysctl, until then it is only "
				"looked at now and then");
		return;
	}
	problem(tree, path, "could not be watched", error);
}

/* Of an open folder; false: it is watched under another path (bind mounts, a root in a root). */
static bool watch(sb_tree *tree, sb_node *node, int fd, const char *path)
{
	char self[64];
	int wd;

	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	wd = inotify_add_watch(tree->fd, self, MASK);
	if (wd < 0) {
		no_watch(tree, path, errno);
		return true;
	}
	if (sb_nodes_by_wd(&tree->nodes, wd) != NULL)
		return false;
	sb_nodes_set_wd(&tree->nodes, node, wd);
	return true;
}

/* Why an open folder is left out; SB_SKIP_COUNT_: it is not. */
static sb_skip left_out(const sb_tree *tree, int fd, const struct stat *st, const sb_node *parent)
{
	if (tree->has_data_dir && st->st_dev == tree->data_device && st->st_ino == tree->data_inode)
		return SB_SKIP_DATA_DIR;
	if ((parent == NULL || parent->device != st->st_dev) && sb_on_kernel_file_system(fd))
		return SB_SKIP_KERNEL;
	return SB_SKIP_COUNT_;
}

/* Take an open folder in: watch it, and line it up for listing. */
static sb_node *adopt(sb_tree *tree, sb_node *parent, const char *name, int fd, const char *path)
{
	struct stat st;
	sb_node *node;
	sb_skip why;

	if (fstat(fd, &st) != 0) {
		problem(tree, path, "could not be opened", errno);
		return NULL;
	}
	why = left_out(tree, fd, &st, parent);
	if (why != SB_SKIP_COUNT_) {
		tree->sink.skipped(tree->sink.data, path, why);
		return NULL;
	}
	node = sb_nodes_add(&tree->nodes, parent, name);
	if (node == NULL) {
		problem(tree, path, "could not be watched", ENOMEM);
		return NULL;
	}
	node->device = st.st_dev;
	node->inode = st.st_ino;
	if (!watch(tree, node, fd, path)) {
		drop(tree, node);
		return NULL;
	}
	sb_nodes_line_up(&tree->nodes, node);
	return node;
}

/* A folder was met in @p parent, whose descriptor is @p at. */
static void meet_folder(sb_tree *tree, sb_node *parent, int at, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;
	const char *path = path_of(&tree->other, parent, name);
	sb_node *known = sb_nodes_child(&tree->nodes, parent, name);
	int fd = openat(at, name, flags);
	struct stat st;

	if (fd < 0 || path == NULL) {
		if (errno == EMFILE || errno == ENFILE)
			tree->overflowed = true;
		else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
			problem(tree, path, "could not be opened", errno);
		sb_close(&fd);
		return;
	}
	if (known != NULL && fstat(fd, &st) == 0 &&
		(st.st_dev != known->device || st.st_ino != known->inode)) {
		drop(tree, known);
		known = NULL;
	}
	if (known == NULL)
		(void)adopt(tree, parent, name, fd, path);
	sb_close(&fd);
}

/* --- Listing ---------------------------------------------------------------------------- */

/* The node's folder, if it is still the one that it was; -1. */
static int open_node(sb_tree *tree, const sb_node *node)
{
	const sb_node *top = node;
	const char *path = path_of(&tree->other, node, NULL), *relative = "";
	struct stat st;
	int fd;

	if (path == NULL)
		return -1;
	while (top->parent != NULL)
		top = top->parent;
	relative = path + strlen(top->name);
	fd = sb_watch_open_folder(top->name, relative + (*relative == '/'));
	if (fd >= 0 &&
		(fstat(fd, &st) != 0 || st.st_dev != node->device || st.st_ino != node->inode))
		sb_close(&fd);
	return fd;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* What is called so in a folder; its kind is looked up where the folder does not say. */
static void meet(sb_tree *tree, sb_node *node, int at, const char *name, unsigned char type)
{
	const char *path = path_of(&tree->path, node, name);
	struct stat st;

	if (path == NULL)
		return;
	if (sb_walk_excluded(&tree->options, path, name)) {
		tree->sink.skipped(tree->sink.data, path, SB_SKIP_EXCLUDED);
		return;
	}
	if (type == DT_UNKNOWN) {
		if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return; /* gone */
		type = (unsigned char)IFTODT(st.st_mode);
	}
	if (type == DT_REG)
		tree->sink.file(tree->sink.data, path, false);
	else if (type == DT_DIR)
		meet_folder(tree, node, at, name);
	else
		tree->sink.skipped(
			tree->sink.data, path, type == DT_LNK ? SB_SKIP_SYMLINK : SB_SKIP_SPECIAL);
}

/* The next one in the row, opened; false: there is none. A folder that can't be opened is gone,
 * and the event that says so on its way, or it is said. */
static bool next_to_list(sb_tree *tree)
{
	while (tree->listed == NULL) {
		sb_node *node = sb_nodes_next(&tree->nodes);
		if (node == NULL)
			return false;
		tree->list_fd = open_node(tree, node);
		if (tree->list_fd >= 0)
			tree->listed = node;
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			tree->overflowed = true;
		else if (errno == EACCES)
			problem(tree, path_of(&tree->path, node, NULL), "could not be listed",
				errno);
	}
	return true;
}

bool sb_tree_list(sb_tree *tree)
{
	ssize_t got;

	if (!next_to_list(tree))
		return false;
	got = getdents64(tree->list_fd, tree->buffer, BUFFER);
	if (got < 0 && errno != ENOENT)
		problem(tree, path_of(&tree->path, tree->listed, NULL), "could not be read", errno);
	for (ssize_t at = 0; at < got && tree->listed != NULL;) {
		const struct dirent64 *entry =
			(const struct dirent64 *)(const void *)(tree->buffer + at);
		at += entry->d_reclen;
		if (!is_dots(entry->d_name))
			meet(tree, tree->listed, tree->list_fd, entry->d_name, entry->d_type);
	}
	if (got <= 0)
		stop_listing(tree);
	return true;
}

/* --- Roots ------------------------------------------------------------------------------ */

static void lose(sb_tree *tree, struct root *root)
{
	drop(tree, root->node);
	root->node = NULL;
	tree->sink.root(tree->sink.data, root->path, false);
}

static void check_root(sb_tree *tree, struct root *root)
{
	bool was_here = root->node != NULL;
	struct stat st;
	int fd;

	if (was_here && stat(root->path, &st) == 0 && st.st_dev == root->node->device &&
		st.st_ino == root->node->inode)
		return;
	if (was_here)
		lose(tree, root);
	fd = sb_watch_open_folder(root->path, "");
	if (fd < 0)
		return;
	root->node = adopt(tree, NULL, root->path, fd, root->path);
	sb_close(&fd);
	if (root->node != NULL)
		tree->sink.root(tree->sink.data, root->path, true);
}

void sb_tree_check(sb_tree *tree)
{
	for (size_t i = 0; i < tree->root_count; i++)
		check_root(tree, &tree->roots[i]);
}

static void renew_root(sb_tree *tree, struct root *root, bool was_here)
{
	int fd = sb_watch_open_folder(root->path, "");

	if (fd >= 0)
		root->node = adopt(tree, NULL, root->path, fd, root->path);
	sb_close(&fd);
	if (was_here != (root->node != NULL))
		tree->sink.root(tree->sink.data, root->path, !was_here);
}

void sb_tree_renew(sb_tree *tree)
{
	int fd = open_inotify(NULL);

	/* Without a new one the old one does: its watches are taken out one by one. */
	for (size_t i = 0; i < tree->root_count; i++) {
		tree->roots[i].was_here = tree->roots[i].node != NULL;
		drop(tree, tree->roots[i].node);
	}
	if (fd >= 0) {
		sb_close(&tree->fd);
		tree->fd = fd;
	}
	tree->overflowed = false;
	tree->unwatched = 0;
	for (size_t i = 0; i < tree->root_count; i++)
		renew_root(tree, &tree->roots[i], tree->roots[i].was_here);
}

/* --- Events ----------------------------------------------------------------------------- */

/* Something came under this name. */
static void came(sb_tree *tree, sb_node *node, const struct inotify_event *event)
{
	bool closed = (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0;
	const char *path = path_of(&tree->path, node, event->name);
	int at;

	if (path == NULL)
		return;
	if ((event->mask & IN_ISDIR) == 0 && !sb_walk_excluded(&tree->options, path, event->name)) {
		tree->sink.file(tree->sink.data, path, closed);
		return;
	}
	if ((event->mask & IN_ISDIR) == 0)
		return; /* counted when it was listed, or not at all */
	at = open_node(tree, node);
	if (at >= 0)
		meet(tree, node, at, event->name, DT_DIR);
	sb_close(&at);
}

static void went(sb_tree *tree, sb_node *node, const struct inotify_event *event)
{
	bool folder = (event->mask & IN_ISDIR) != 0;
	sb_node *child = folder ? sb_nodes_child(&tree->nodes, node, event->name) : NULL;
	const char *path = path_of(&tree->path, node, event->name);
	sb_tree_loss loss = (event->mask & IN_DELETE) != 0 ? SB_TREE_DELETED : SB_TREE_MOVED;

	if (path != NULL)
		tree->sink.gone(tree->sink.data, path, folder ? SB_TREE_FOLDER : loss);
	if (child != NULL)
		drop(tree, child);
}

/* The folder itself: deleted, moved, unmounted. */
static void about_itself(sb_tree *tree, sb_node *node, uint32_t mask)
{
	sb_node *parent = node->parent;
	const char *path;
	int at;

	if (parent == NULL) {
		for (size_t i = 0; i < tree->root_count; i++)
			if (tree->roots[i].node == node && (mask & IN_MOVE_SELF) == 0)
				lose(tree, &tree->roots[i]);
		sb_tree_check(tree);
		return;
	}
	if ((mask & (IN_IGNORED | IN_UNMOUNT)) == 0)
		return; /* the parent's event tells, with the name */
	/* What was hidden below a mount is there again. */
	path = path_of(&tree->path, node, NULL);
	path = path != NULL ? strdup(strrchr(path, '/') + 1) : NULL;
	drop(tree, node);
	at = path != NULL && (mask & IN_UNMOUNT) != 0 ? open_node(tree, parent) : -1;
	if (at >= 0)
		meet(tree, parent, at, path, DT_UNKNOWN);
	sb_close(&at);
	free((char *)(uintptr_t)path);
}

void sb_tree_event(sb_tree *tree, const struct inotify_event *event)
{
	sb_node *node;

	if ((event->mask & IN_Q_OVERFLOW) != 0) {
		tree->overflowed = true;
		return;
	}
	node = sb_nodes_by_wd(&tree->nodes, event->wd);
	if (node == NULL)
		return; /* of a watch that we have given back */
	if ((event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) != 0)
		about_itself(tree, node, event->mask);
	else if (event->len == 0)
		return;
	else if ((event->mask & (IN_DELETE | IN_MOVED_FROM)) != 0)
		went(tree, node, event);
	else if ((event->mask & (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO)) != 0 ||
		 (event->mask & IN_ISDIR) != 0) /* a folder whose mode changed may be ours now */
		came(tree, node, event);
}

bool sb_tree_read(sb_tree *tree)
{
	_Alignas(struct inotify_event) char buffer[64 * 1024];

	for (int i = 0; i < READS; i++) {
		ssize_t got = read(tree->fd, buffer, sizeof buffer);
		if (got <= 0)
			return true; /* EAGAIN */
		for (ssize_t at = 0; at < got;) {
			const struct inotify_event *event =
				(const struct inotify_event *)(const void *)(buffer + at);
			at += (ssize_t)(sizeof *event + event->len);
			sb_tree_event(tree, event);
		}
	}
	return false;
}

/* --- The whole -------------------------------------------------------------------------- */

int sb_tree_new(sb_tree **out, char *const *roots, size_t count, const sb_walk_options *options,
	const sb_tree_sink *sink, sb_error *error)
{
	sb_tree *tree = calloc(1, sizeof *tree);
	struct stat st;

	if (tree == NULL)
		return sb_error_no_memory(error);
	tree->fd = tree->list_fd = -1;
	tree->options = *options;
	tree->sink = *sink;
	sb_buf_init(&tree->path, MAX_PATH);
	sb_buf_init(&tree->other, MAX_PATH);
	tree->roots = calloc(count, sizeof *tree->roots);
	tree->buffer = malloc(BUFFER);
	if (tree->roots == NULL || tree->buffer == NULL || sb_nodes_init(&tree->nodes) != 0) {
		sb_tree_free(tree);
		return sb_error_no_memory(error);
	}
	for (size_t i = 0; i < count; i++)
		tree->roots[tree->root_count++].path = roots[i];
	tree->fd = open_inotify(error);
	if (tree->fd < 0) {
		int status = tree->fd;
		sb_tree_free(tree);
		return status;
	}
	if (options->data_dir != NULL && stat(options->data_dir, &st) == 0) {
		tree->has_data_dir = true;
		tree->data_device = st.st_dev;
		tree->data_inode = st.st_ino;
	}
	*out = tree;
	return 0;
}

void sb_tree_free(sb_tree *tree)
{
	if (tree == NULL)
		return;
	for (size_t i = 0; i < tree->root_count; i++)
		drop(tree, tree->roots[i].node);
	stop_listing(tree);
	sb_close(&tree->fd);
	sb_nodes_done(&tree->nodes);
	sb_buf_done(&tree->path);
	sb_buf_done(&tree->other);
	free(tree->roots);
	free(tree->buffer);
	free(tree);
}

int sb_tree_fd(const sb_tree *tree)
{
	return tree->fd;
}

bool sb_tree_overflowed(const sb_tree *tree)
{
	return tree->overflowed;
}

size_t sb_tree_folders(const sb_tree *tree)
{
	return tree->nodes.count;
}

size_t sb_tree_roots_here(const sb_tree *tree)
{
	size_t here = 0;

	for (size_t i = 0; i < tree->root_count; i++)
		here += tree->roots[i].node != NULL;
	return here;
}

size_t sb_tree_unwatched(const sb_tree *tree)
{
	return tree->unwatched;
}
