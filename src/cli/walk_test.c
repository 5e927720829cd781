/* SPDX-License-Identifier: MIT */
/* The walk over a made tree: what is found, what is skipped and why, whatever names and depth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/feed.h"
#include "cli/walk.h"
#include "util/scratch.h"

static char base[SB_SCRATCH_PATH];

typedef struct seen {
	char **paths; /* `+path` a file, `-N path` skipped for reason N, `!path` a problem */
	size_t count, stop_after;
	size_t opened; /* items whose content could be opened through their directory */
	unsigned most_descriptors;
} seen;

static void note(seen *s, const char *mark, const char *path)
{
	s->paths = realloc(s->paths, (s->count + 1) * sizeof *s->paths);
	assert_non_null(s->paths);
	assert_true(asprintf(&s->paths[s->count++], "%s%s", mark, path) > 0);
}

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static bool on_file(void *data, sb_walk_item *item)
{
	seen *s = data;
	sb_buf path;
	unsigned descriptors = open_descriptors();
	int fd;

	sb_buf_init(&path, 1 << 20);
	sb_walk_item_path(item, &path);
	note(s, "+", path.data);
	sb_buf_done(&path);
	if (item->dir != NULL &&
		(fd = openat(item->dir->fd, item->name, O_RDONLY | O_NOFOLLOW)) >= 0) {
		s->opened++;
		close(fd);
	}
	if (descriptors > s->most_descriptors)
		s->most_descriptors = descriptors;
	sb_walk_item_free(item);
	return s->stop_after == 0 || s->count < s->stop_after;
}

static void on_skipped(void *data, const char *path, sb_skip why)
{
	char mark[8];

	snprintf(mark, sizeof mark, "-%d ", (int)why);
	note(data, mark, path);
}

static void on_problem(void *data, const char *path, const char *message)
{
	assert_true(strlen(message) > 0);
	note(data, "!", path);
}

static bool walk(seen *s, const sb_walk_options *options, const char *path)
{
	static const sb_walk_options none;
	const sb_walk_sink sink = {on_file, on_skipped, on_problem, s};
	sb_walk *w = sb_walk_new(options != NULL ? options : &none, &sink);
	bool more;

	assert_non_null(w);
	more = sb_walk_path(w, path);
	sb_walk_free(w);
	return more;
}

static bool has(const seen *s, const char *line)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->paths[i], line) == 0)
			return true;
	return false;
}

static size_t count_of(const seen *s, char mark)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += s->paths[i][0] == mark;
	return n;
}

static void forget(seen *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->paths[i]);
	free(s->paths);
	*s = (seen){NULL, 0, 0, 0, 0};
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

/* Deep trees can only be removed from the bottom, step by step. */
static void remove_deep(const char *name)
{
	char up[] = "..";
	unsigned depth = 0;

	assert_int_equal(chdir(base), 0);
	if (chdir(name) != 0)
		return;
	while (chdir("d") == 0)
		depth++;
	for (;;) {
		(void)unlinkat(AT_FDCWD, "f", 0);
		assert_int_equal(chdir(up), 0);
		if (depth-- == 0)
			break;
		assert_int_equal(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR), 0);
	}
	assert_int_equal(unlinkat(AT_FDCWD, name, AT_REMOVEDIR), 0);
}

static int set_up(void **state)
{
	(void)state;
	return sb_scratch_make(base, "walk", false) && chdir(base) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	if (chdir("/") != 0)
		return -1;
	return sb_scratch_remove(base) ? 0 : -1;
}

static void kinds_of_entries(void **state)
{
	static const char *const expected[] = {"+t/a", "+t/sub/b", "+t/new\nline", "+t/\xff\xfe",
		"+t/ ", "+t/-n", "-0 t/to_file", "-0 t/to_dir", "-0 t/dangling", "-1 t/fifo"};
	seen s = {0};

	(void)state;
	assert_int_equal(mkdir("t", 0700), 0);
	assert_int_equal(mkdir("t/sub", 0700), 0);
	assert_int_equal(mkdir("t/empty", 0700), 0);
	make_file("t/a");
	make_file("t/sub/b");
	make_file("t/new\nline");
	make_file("t/\xff\xfe");
	make_file("t/ ");
	make_file("t/-n");
	assert_int_equal(symlink("a", "t/to_file"), 0);
	assert_int_equal(symlink("sub", "t/to_dir"), 0);
	assert_int_equal(symlink("nowhere", "t/dangling"), 0);
	assert_int_equal(mkfifo("t/fifo", 0600), 0);
	assert_int_equal(link("t/a", "t/sub/again"), 0);
	assert_true(walk(&s, NULL, "t"));
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		if (!has(&s, expected[i]))
			print_message("missing: %s\n", expected[i]);
		/* of two names of one file either may come first */
		assert_true(has(&s, expected[i]) || (i == 0 && has(&s, "+t/sub/again")));
	}
	assert_int_equal(count_of(&s, '+'), 6);
	assert_int_equal(s.opened, 6);
	assert_int_equal(count_of(&s, '-'), 5);
	assert_true(has(&s, "-2 t/sub/again") || has(&s, "-2 t/a"));
	assert_int_equal(count_of(&s, '!'), 0);
	forget(&s);
}

static void arguments(void **state)
{
	static const struct {
		const char *why, *path, *expected;
	} rows[] = {
		{"a file", "arg/f", "+arg/f"},
		{"a link to a file is followed when it is named", "arg/link", "+arg/link"},
		{"a link to a directory too", "arg/dirlink", "+arg/dirlink/g"},
		{"a slash behind is not doubled", "arg/d/", "+arg/d/g"},
		{"what is not there is an item: the report tells", "arg/none", "+arg/none"},
		{"a FIFO as well", "arg/fifo", "+arg/fifo"},
		{"standard input", "-", "+-"},
		{"kernel file systems are left out", "/proc", "-4 /proc"},
	};

	(void)state;
	assert_int_equal(mkdir("arg", 0700), 0);
	assert_int_equal(mkdir("arg/d", 0700), 0);
	make_file("arg/f");
	make_file("arg/d/g");
	assert_int_equal(symlink("f", "arg/link"), 0);
	assert_int_equal(symlink("d", "arg/dirlink"), 0);
	assert_int_equal(mkfifo("arg/fifo", 0600), 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		seen s = {0};
		print_message("%s\n", rows[i].why);
		assert_true(walk(&s, NULL, rows[i].path));
		assert_int_equal(s.count, 1);
		assert_string_equal(s.paths[0], rows[i].expected);
		forget(&s);
	}
}

static void exclusions(void **state)
{
	static const struct {
		const char *why, *pattern;
		size_t files, skipped;
	} rows[] = {
		{"a name, at any depth", "*.o", 3, 2},
		{"a directory's name takes all below it", "build", 3, 1},
		{"a path from where the argument begins", "ex/build", 3, 1},
		{"a path from any slash on", "build/*.o", 4, 1},
		{"an absolute pattern holds from the root only", "/build/*", 5, 0},
		{"letters matter", "*.O", 5, 0},
		{"everything", "*", 0, 1},
	};

	(void)state;
	assert_int_equal(mkdir("ex", 0700), 0);
	assert_int_equal(mkdir("ex/build", 0700), 0);
	assert_int_equal(mkdir("ex/src", 0700), 0);
	make_file("ex/build/a.o");
	make_file("ex/build/a");
	make_file("ex/src/b.o");
	make_file("ex/src/b.c");
	make_file("ex/c");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const sb_walk_options options = {&rows[i].pattern, 1, NULL};
		seen s = {0};
		print_message("%s\n", rows[i].why);
		assert_true(walk(&s, &options, "ex"));
		assert_int_equal(count_of(&s, '+'), rows[i].files);
		assert_int_equal(count_of(&s, '-'), rows[i].skipped);
		forget(&s);
	}
}

static void data_directory(void **state)
{
	const sb_walk_options options = {NULL, 0, "dd/data"};
	seen s = {0};

	(void)state;
	assert_int_equal(mkdir("dd", 0700), 0);
	assert_int_equal(mkdir("dd/data", 0700), 0);
	make_file("dd/data/audit.jsonl");
	make_file("dd/f");
	assert_true(walk(&s, &options, "dd"));
	assert_int_equal(s.count, 2);
	assert_true(has(&s, "+dd/f"));
	assert_true(has(&s, "-5 dd/data"));
	forget(&s);
}

static void unreadable_directory(void **state)
{
	seen s = {0};

	(void)state;
	if (geteuid() == 0)
		skip(); /* root reads everything */
	assert_int_equal(mkdir("un", 0700), 0);
	assert_int_equal(mkdir("un/closed", 0000), 0);
	make_file("un/f");
	assert_true(walk(&s, NULL, "un"));
	assert_true(has(&s, "+un/f"));
	assert_true(has(&s, "!un/closed"));
	forget(&s);
}

/* 10,000 levels, with a second branch at the top so that the way up is walked too. */
static void deep_tree(void **state)
{
	enum { DEPTH = 10000 };
	seen s = {0};

	(void)state;
	assert_int_equal(mkdir("deep", 0700), 0);
	assert_int_equal(chdir("deep"), 0);
	for (int i = 0; i < DEPTH; i++) {
		assert_int_equal(mkdir("d", 0700), 0);
		if (i == 0) {
			assert_int_equal(mkdir("z", 0700), 0);
			make_file("z/f");
		}
		assert_int_equal(chdir("d"), 0);
	}
	make_file("f");
	assert_int_equal(chdir(base), 0);
	assert_true(walk(&s, NULL, "deep"));
	assert_int_equal(count_of(&s, '+'), 2);
	assert_int_equal(s.opened, 2);
	assert_int_equal(count_of(&s, '!'), 0);
	assert_true(has(&s, "+deep/z/f"));
	assert_true(s.most_descriptors < 40);
	forget(&s);
	assert_int_equal(unlink("deep/z/f"), 0);
	assert_int_equal(rmdir("deep/z"), 0);
	remove_deep("deep");
}

/* The sink moves the only way back while the walk is below it. */
static bool move_away(void *data, sb_walk_item *item)
{
	(void)rename("mv/d", "mv-elsewhere"); /* succeeds once */
	return on_file(data, item);
}

static void moved_while_walked(void **state)
{
	seen s = {0};
	const sb_walk_sink sink = {move_away, on_skipped, on_problem, &s};
	static const sb_walk_options none;
	sb_walk *w;

	(void)state;
	assert_int_equal(mkdir("mv", 0700), 0);
	assert_int_equal(chdir("mv"), 0);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(mkdir("d", 0700), 0);
		if (i == 0) {
			/* waits beside the deep branch, whichever of them comes first */
			assert_int_equal(mkdir("e", 0700), 0);
			assert_int_equal(mkdir("0", 0700), 0);
		}
		assert_int_equal(chdir("d"), 0);
	}
	make_file("f");
	assert_int_equal(chdir(base), 0);
	w = sb_walk_new(&none, &sink);
	assert_non_null(w);
	assert_true(sb_walk_path(w, "mv"));
	sb_walk_free(w);
	/* Everything in it was seen: a problem only if names were still waiting in `mv`. */
	assert_int_equal(count_of(&s, '+'), 1);
	assert_true(count_of(&s, '!') <= 1);
	assert_int_equal(count_of(&s, '!'), has(&s, "!mv"));
	forget(&s);
}

static void sink_can_stop(void **state)
{
	seen s = {.stop_after = 2};

	(void)state;
	assert_int_equal(mkdir("st", 0700), 0);
	for (int i = 0; i < 5; i++) {
		char name[16];
		snprintf(name, sizeof name, "st/%d", i);
		make_file(name);
	}
	assert_false(walk(&s, NULL, "st"));
	assert_int_equal(s.count, 2);
	forget(&s);
}

/* --- The feed --------------------------------------------------------------------------- */

static sb_walk_item *item_of(uint64_t size)
{
	sb_walk_item *item = calloc(1, sizeof *item + 1);

	assert_non_null(item);
	item->size = size;
	return item;
}

static void *take_one(void *data)
{
	return sb_feed_take(data);
}

static void feed_bounds_bytes(void **state)
{
	sb_feed *feed = sb_feed_new(100);
	sb_walk_item *a, *b;
	pthread_t thread;
	void *got;

	(void)state;
	assert_non_null(feed);
	assert_true(
		sb_feed_put(feed, item_of(1000))); /* larger than the budget: alone, but it goes */
	assert_true(sb_feed_put(feed, item_of(60)));
	assert_true(sb_feed_put(feed, item_of(0)));
	a = sb_feed_take(feed);
	assert_int_equal(a->size, 1000);
	assert_int_equal(pthread_create(&thread, NULL, take_one, feed), 0);
	sb_feed_done(feed, a); /* only now there is room for the next */
	assert_int_equal(pthread_join(thread, &got), 0);
	b = got;
	assert_int_equal(b->size, 60);
	sb_feed_end(feed);
	a = sb_feed_take(feed);
	assert_int_equal(a->size, 0);
	assert_null(sb_feed_take(feed));
	sb_feed_done(feed, a);
	sb_feed_done(feed, b);
	sb_feed_free(feed);
}

static void feed_says_when_takers_get_no_more(void **state)
{
	sb_feed *feed = sb_feed_new(100);

	(void)state;
	assert_non_null(feed);
	assert_true(sb_feed_has_more(feed, 3)); /* may still come */
	for (unsigned i = 0; i < 4; i++)
		assert_true(sb_feed_put(feed, item_of(1)));
	sb_feed_end(feed);
	for (unsigned left = 4; left > 0; left--) {
		assert_int_equal(sb_feed_has_more(feed, 3), left >= 3);
		sb_feed_done(feed, sb_feed_take(feed));
	}
	assert_false(sb_feed_has_more(feed, 1));
	sb_feed_free(feed);
}

static void feed_stops(void **state)
{
	sb_feed *feed = sb_feed_new(100);
	pthread_t thread;
	void *got;

	(void)state;
	assert_non_null(feed);
	assert_int_equal(pthread_create(&thread, NULL, take_one, feed), 0);
	sb_feed_stop(feed);
	assert_int_equal(pthread_join(thread, &got), 0);
	assert_null(got);
	assert_false(sb_feed_put(feed, item_of(1)));
	sb_feed_free(feed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_of_entries),
		cmocka_unit_test(arguments),
		cmocka_unit_test(exclusions),
		cmocka_unit_test(data_directory),
		cmocka_unit_test(unreadable_directory),
		cmocka_unit_test(deep_tree),
		cmocka_unit_test(moved_while_walked),
		cmocka_unit_test(sink_can_stop),
		cmocka_unit_test(feed_bounds_bytes),
		cmocka_unit_test(feed_says_when_takers_get_no_more),
		cmocka_unit_test(feed_stops),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
