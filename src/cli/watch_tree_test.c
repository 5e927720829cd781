/* SPDX-License-Identifier: MIT */
/* The watched tree: real folders and events, and events that the kernel gives only in need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/watch_tree.h"
#include "util/scratch.h"

enum { MAX_TOLD = 4096 };

struct tree_test {
	char base[SB_SCRATCH_PATH];
	char *told[MAX_TOLD]; /* `f path` found, `c path` closed, `- path` gone, … */
	size_t count;
	sb_tree *tree;
	char *roots[2];
};

static void tell(struct tree_test *t, const char *mark, const char *path)
{
	assert_true(t->count < MAX_TOLD);
	assert_true(asprintf(&t->told[t->count++], "%s %s", mark, path + strlen(t->base)) > 0);
}

static void on_file(void *data, const char *path, bool closed)
{
	tell(data, closed ? "c" : "f", path);
}

static void on_gone(void *data, const char *path, sb_tree_loss loss)
{
	tell(data, loss == SB_TREE_FOLDER ? "-/" : "-", path);
}

static void on_skipped(void *data, const char *path, sb_skip why)
{
	(void)why;
	tell(data, "s", path);
}

static void on_problem(void *data, const char *path, const char *message)
{
	(void)message;
	tell(data, "!", path);
}

static void on_root(void *data, const char *root, bool here)
{
	tell(data, here ? "here" : "lost", root);
}

static bool was_told(const struct tree_test *t, const char *what)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->told[i], what) == 0)
			return true;
	return false;
}

static void forget(struct tree_test *t)
{
	while (t->count > 0)
		free(t->told[--t->count]);
}

/* Until nothing is left to be heard or listed. */
static void settle(struct tree_test *t)
{
	bool more;

	do {
		struct pollfd ready = {.fd = sb_tree_fd(t->tree), .events = POLLIN};
		more = poll(&ready, 1, 0) > 0;
		if (more)
			(void)sb_tree_read(t->tree);
		more = sb_tree_list(t->tree) || more;
	} while (more);
}

static const char *at(const struct tree_test *t, const char *name)
{
	static char path[2][512];
	static int turn;

	turn = 1 - turn;
	snprintf(path[turn], sizeof path[turn], "%s%s", t->base, name);
	return path[turn];
}

static void make_file(const struct tree_test *t, const char *name)
{
	int fd = open(at(t, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static void make_folder(const struct tree_test *t, const char *name)
{
	assert_int_equal(mkdir(at(t, name), 0700), 0);
}

static int set_up(void **state)
{
	static const char *const excludes[] = {"*.part"};
	struct tree_test *t = calloc(1, sizeof *t);
	const sb_walk_options options = {excludes, 1, NULL};
	const sb_tree_sink sink = {on_file, on_gone, on_skipped, on_problem, on_root, t};

	assert_true(sb_scratch_make(t->base, "watch-tree", false));
	make_folder(t, "/in");
	assert_true(asprintf(&t->roots[0], "%s/in", t->base) > 0);
	assert_int_equal(sb_tree_new(&t->tree, t->roots, 1, &options, &sink, NULL), 0);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct tree_test *t = *state;

	sb_tree_free(t->tree);
	forget(t);
	sb_scratch_remove(t->base);
	free(t->roots[0]);
	free(t);
	return 0;
}

static void what_is_there_and_what_comes(void **state)
{
	struct tree_test *t = *state;

	make_folder(t, "/in/sub");
	make_file(t, "/in/sub/old");
	make_file(t, "/in/x.part");
	sb_tree_check(t->tree);
	settle(t);
	assert_true(was_told(t, "here /in"));
	assert_true(was_told(t, "f /in/sub/old"));
	assert_true(was_told(t, "s /in/x.part"));
	assert_int_equal(sb_tree_folders(t->tree), 2);
	forget(t);
	make_file(t, "/in/sub/new");
	make_file(t, "/in/y.part");
	make_folder(t, "/in/deep");
	make_folder(t, "/in/deep/er");
	make_file(t, "/in/deep/er/file"); /* before anybody can have a watch on it */
	settle(t);
	assert_true(was_told(t, "c /in/sub/new"));
	assert_false(was_told(t, "c /in/y.part"));
	assert_true(was_told(t, "f /in/deep/er/file") || was_told(t, "c /in/deep/er/file"));
	assert_int_equal(sb_tree_folders(t->tree), 4);
	forget(t);
	assert_int_equal(rename(at(t, "/in/sub/new"), at(t, "/in/deep/moved")), 0);
	assert_int_equal(rename(at(t, "/in/deep"), at(t, "/in/other")), 0);
	settle(t);
	assert_true(was_told(t, "- /in/sub/new"));
	assert_true(was_told(t, "-/ /in/deep"));
	assert_true(was_told(t, "f /in/other/moved"));
	assert_true(was_told(t, "f /in/other/er/file"));
	make_file(t, "/in/other/er/again");
	settle(t);
	assert_true(was_told(t, "c /in/other/er/again"));
	assert_int_equal(sb_tree_folders(t->tree), 4);
}

/* The kernel's word that its queue was full: everything is told again. */
static void overflow(void **state)
{
	const struct inotify_event lost = {.wd = -1, .mask = IN_Q_OVERFLOW};
	struct tree_test *t = *state;

	make_folder(t, "/in/sub");
	make_file(t, "/in/sub/old");
	sb_tree_check(t->tree);
	settle(t);
	make_file(t, "/in/sub/unheard");
	make_folder(t, "/in/new");
	make_file(t, "/in/new/unheard");
	forget(t);
	assert_false(sb_tree_overflowed(t->tree));
	sb_tree_event(t->tree, &lost);
	assert_true(sb_tree_overflowed(t->tree));
	assert_int_equal(t->count, 0);
	sb_tree_renew(t->tree); /* with all that was still in the queue */
	assert_false(sb_tree_overflowed(t->tree));
	settle(t);
	assert_true(was_told(t, "f /in/sub/old"));
	assert_true(was_told(t, "f /in/sub/unheard"));
	assert_true(was_told(t, "f /in/new/unheard"));
	assert_false(was_told(t, "lost /in"));
	assert_int_equal(sb_tree_folders(t->tree), 3);
	forget(t);
	make_file(t, "/in/new/heard");
	settle(t);
	assert_true(was_told(t, "c /in/new/heard"));
}

/* What the kernel says about watches that are not ours any more, or never were. */
static void strange_events(void **state)
{
	static const uint32_t masks[] = {0, IN_IGNORED, IN_UNMOUNT, IN_DELETE_SELF, IN_MOVE_SELF,
		IN_CREATE, IN_CREATE | IN_ISDIR, IN_CLOSE_WRITE, IN_MOVED_FROM | IN_ISDIR,
		IN_DELETE, IN_ATTRIB, UINT32_MAX & ~(uint32_t)IN_Q_OVERFLOW};
	struct tree_test *t = *state;

	make_folder(t, "/in/sub");
	sb_tree_check(t->tree);
	settle(t);
	for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
		for (int wd = -2; wd < 8; wd++) {
			const struct inotify_event event = {.wd = wd, .mask = masks[i]};
			sb_tree_event(t->tree, &event);
			settle(t);
			sb_tree_check(t->tree);
			settle(t);
		}
	}
	/* Whatever was believed of it: the root is there, and looked at again it is whole. */
	assert_int_equal(sb_tree_roots_here(t->tree), 1);
	sb_tree_renew(t->tree);
	settle(t);
	assert_int_equal(sb_tree_folders(t->tree), 2);
}

static void root_goes_and_comes(void **state)
{
	struct tree_test *t = *state;

	sb_tree_check(t->tree);
	settle(t);
	assert_int_equal(rename(at(t, "/in"), at(t, "/away")), 0);
	settle(t);
	assert_true(was_told(t, "lost /in"));
	assert_int_equal(sb_tree_roots_here(t->tree), 0);
	assert_int_equal(sb_tree_folders(t->tree), 0);
	sb_tree_renew(t->tree); /* nothing to be found is no error */
	settle(t);
	forget(t);
	make_folder(t, "/in");
	make_file(t, "/in/new");
	sb_tree_check(t->tree);
	settle(t);
	assert_true(was_told(t, "here /in"));
	assert_true(was_told(t, "f /in/new"));
}

/* Deeper than any path may be long: no recursion, and no path that the kernel refuses. */
static void deep(void **state)
{
	struct tree_test *t = *state;
	char name[201];
	int fd = open(at(t, "/in"), O_RDONLY | O_DIRECTORY), next;
	size_t folders = 1;

	memset(name, 'd', sizeof name - 1);
	name[200] = '\0';
	for (; folders <= 60; folders++) {
		assert_int_equal(mkdirat(fd, name, 0700), 0);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	sb_tree_check(t->tree);
	settle(t);
	assert_int_equal(sb_tree_folders(t->tree), folders);
	forget(t);
	next = openat(fd, "file", O_WRONLY | O_CREAT, 0600);
	assert_true(next >= 0);
	close(next);
	settle(t);
	assert_true(t->count > 0 && strlen(t->told[0]) > 60 * 200);
	/* Away, bottom first, since nobody else gets there. */
	unlinkat(fd, "file", 0);
	while (--folders > 0) {
		next = openat(fd, "..", O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
		assert_int_equal(unlinkat(fd, name, AT_REMOVEDIR), 0);
	}
	close(fd);
}

static void roots_and_paths(void **state)
{
	struct tree_test *t = *state;
	const char *relative = NULL;

	assert_ptr_equal(sb_tree_root_of(t->tree, at(t, "/in/a/b"), &relative), t->roots[0]);
	assert_string_equal(relative, "a/b");
	assert_null(sb_tree_root_of(t->tree, at(t, "/into/a"), &relative));
	assert_null(sb_tree_root_of(t->tree, "/", &relative));
	assert_string_equal(sb_tree_slash("/"), "");
	assert_string_equal(sb_tree_slash("/a"), "/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_there_and_what_comes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(overflow, set_up, tear_down),
		cmocka_unit_test_setup_teardown(strange_events, set_up, tear_down),
		cmocka_unit_test_setup_teardown(root_goes_and_comes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deep, set_up, tear_down),
		cmocka_unit_test_setup_teardown(roots_and_paths, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
