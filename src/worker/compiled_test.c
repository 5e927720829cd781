/* SPDX-License-Identifier: MIT */
/* What is kept comes back; what was changed, cut, moved or signed by another key does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"
#include "worker/compiled.h"

enum { DIGITS = 64, SIZE = 300, AROUND = 92 };

typedef struct scene {
	char data[64], folder[80];
	sb_compiled compiled;
	uint8_t content[SIZE];
} scene;

static void begin(scene *x)
{
	snprintf(x->data, sizeof x->data, "/tmp/sb-compiled-XXXXXX");
	assert_non_null(mkdtemp(x->data));
	snprintf(x->folder, sizeof x->folder, "%s/cache", x->data);
	for (size_t i = 0; i < SIZE; i++)
		x->content[i] = (uint8_t)(i * 7 + 1);
	sb_compiled_open(&x->compiled, x->data);
	assert_true(x->compiled.dir >= 0);
}

static unsigned each_file(const scene *x, bool remove)
{
	DIR *entries = opendir(x->folder);
	unsigned count = 0;

	for (struct dirent *e; entries != NULL && (e = readdir(entries)) != NULL;) {
		if (e->d_name[0] == '.' && (e->d_name[1] == '\0' || e->d_name[1] == '.'))
			continue;
		count += strncmp(e->d_name, "rules-", 6) == 0;
		if (remove)
			assert_int_equal(unlinkat(dirfd(entries), e->d_name, 0), 0);
	}
	if (entries != NULL)
		closedir(entries);
	return count;
}

static void end(scene *x)
{
	sb_compiled_close(&x->compiled);
	each_file(x, true);
	rmdir(x->folder);
	assert_int_equal(rmdir(x->data), 0);
}

static void name_set(char out[DIGITS + 1], unsigned number)
{
	snprintf(out, DIGITS + 1, "%064x", number);
	out[0] = (char)('a' + number % 26); /* the name has the first half */
	out[1] = (char)('a' + number / 26);
}

static void keep_set(scene *x, unsigned number)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	char identity[DIGITS + 1];

	name_set(identity, number);
	assert_int_equal(sb_write_all(fd, x->content, SIZE), 0);
	sb_compiled_keep(&x->compiled, identity, fd);
	close(fd);
}

/* True: what was kept; false: an empty file. */
static bool has_set(scene *x, unsigned number)
{
	char identity[DIGITS + 1];
	uint8_t got[SIZE + 1];
	ssize_t n;
	int fd;

	name_set(identity, number);
	fd = sb_compiled_lend(&x->compiled, identity);
	assert_true(fd >= 0);
	n = sb_pread_full(fd, got, sizeof got, 0);
	close(fd);
	assert_true(n == 0 || n == SIZE);
	if (n == SIZE)
		assert_memory_equal(got, x->content, SIZE);
	return n == SIZE;
}

static void path_of(const scene *x, unsigned number, char out[192])
{
	char identity[DIGITS + 1];

	name_set(identity, number);
	snprintf(out, 192, "%s/rules-%.32s.yarac", x->folder, identity);
}

/* Nothing of it can be seen: the rules know what other scanners look for. */
static void assert_hidden(const scene *x, const char *path)
{
	uint8_t bytes[SIZE + AROUND];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(sb_pread_full(fd, bytes, sizeof bytes, 0), sizeof bytes);
	close(fd);
	for (size_t i = 0; i + 8 <= SIZE; i += 8)
		assert_null(memmem(bytes, sizeof bytes, x->content + i, 8));
}

static void test_kept(void **state)
{
	char secret[33], again[33], path[192];
	struct stat st;
	scene x;

	(void)state;
	begin(&x);
	assert_false(has_set(&x, 1));
	keep_set(&x, 1);
	assert_true(has_set(&x, 1));
	assert_false(has_set(&x, 2));
	assert_true(sb_compiled_secret(&x.compiled, secret));
	sb_compiled_close(&x.compiled);
	sb_compiled_open(&x.compiled, x.data);
	assert_true(has_set(&x, 1));
	assert_true(sb_compiled_secret(&x.compiled, again));
	assert_string_equal(secret, again);
	path_of(&x, 1, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, SIZE + AROUND);
	assert_hidden(&x, path);
	end(&x);
}

static void test_damage(void **state)
{
	uint8_t bytes[SIZE + AROUND];
	char path[192];
	scene x;
	int fd;

	(void)state;
	begin(&x);
	keep_set(&x, 1);
	path_of(&x, 1, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(sb_pread_full(fd, bytes, sizeof bytes, 0), sizeof bytes);
	for (size_t i = 0; i < sizeof bytes; i++) {
		uint8_t wrong = bytes[i] ^ (uint8_t)(1u << i % 8);

		assert_int_equal(sb_pwrite_all(fd, &wrong, 1, i), 0);
		assert_false(has_set(&x, 1));
		assert_int_equal(sb_pwrite_all(fd, &bytes[i], 1, i), 0);
	}
	assert_true(has_set(&x, 1));
	for (size_t i = 0; i < sizeof bytes; i++) {
		assert_int_equal(ftruncate(fd, (off_t)i), 0);
		assert_false(has_set(&x, 1));
		assert_int_equal(sb_pwrite_all(fd, bytes, sizeof bytes, 0), 0);
	}
	assert_int_equal(sb_pwrite_all(fd, "", 1, sizeof bytes), 0);
	assert_false(has_set(&x, 1)); /* one byte more */
	keep_set(&x, 1);
	assert_true(has_set(&x, 1));
	close(fd);
	end(&x);
}

/* Under another set's name, or by another key. */
static void test_moved(void **state)
{
	char from[192], to[192], key[128];
	scene x;

	(void)state;
	begin(&x);
	keep_set(&x, 1);
	path_of(&x, 1, from);
	path_of(&x, 2, to);
	assert_int_equal(rename(from, to), 0);
	assert_false(has_set(&x, 2));
	assert_int_equal(rename(to, from), 0);
	assert_true(has_set(&x, 1));
	sb_compiled_close(&x.compiled);
	snprintf(key, sizeof key, "%s/verdicts.key", x.folder);
	assert_int_equal(unlink(key), 0);
	sb_compiled_open(&x.compiled, x.data);
	assert_false(has_set(&x, 1));
	keep_set(&x, 1);
	assert_true(has_set(&x, 1));
	end(&x);
}

/* What is no file is neither followed nor waited for. */
static void test_odd_files(void **state)
{
	char path[192], other[192];
	scene x;

	(void)state;
	begin(&x);
	path_of(&x, 1, path);
	path_of(&x, 2, other);
	keep_set(&x, 2);
	assert_int_equal(symlink(other, path), 0);
	assert_false(has_set(&x, 1));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(has_set(&x, 1));
	keep_set(&x, 1); /* in its place */
	assert_true(has_set(&x, 1));
	end(&x);
}

static void test_sixteen(void **state)
{
	enum { MOST = 16 };
	char path[192];
	scene x;

	(void)state;
	begin(&x);
	for (unsigned i = 0; i < MOST + 1; i++) {
		struct timespec times[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 1000 + i}};

		keep_set(&x, i);
		path_of(&x, i, path);
		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
		assert_int_equal(each_file(&x, false), i < MOST ? i + 1 : MOST);
	}
	assert_false(has_set(&x, 0));
	for (unsigned i = 1; i < MOST + 1; i++)
		assert_true(has_set(&x, i));
	keep_set(&x, 5); /* again: nobody has to go for it */
	assert_int_equal(each_file(&x, false), MOST);
	end(&x);
}

static void test_nowhere(void **state)
{
	static const char *const places[] = {NULL, "/proc/self", "/nonexistent/folder"};
	char secret[33], identity[DIGITS + 1];
	sb_compiled compiled;

	(void)state;
	name_set(identity, 1);
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		sb_compiled_open(&compiled, places[i]);
		assert_false(sb_compiled_secret(&compiled, secret));
		assert_int_equal(sb_compiled_lend(&compiled, identity), -1);
		sb_compiled_keep(&compiled, identity, -1);
		sb_compiled_close(&compiled);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_odd_files),
		cmocka_unit_test(test_sixteen),
		cmocka_unit_test(test_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
