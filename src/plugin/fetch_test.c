/* SPDX-License-Identifier: MIT */
/* What was looked at is what is copied, whatever happens to the file's name meanwhile. Who may own
 * and write what, the scenarios show. */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "plugin/elf_head.h"
#include "plugin/fetch.h"
#include "util/io.h"

enum { SIZE = 100000, ROUNDS = 300 };

typedef struct place {
	char folder[600], path[700];
	int fd; /* of the folder */
	sb_error error;
} place;

static void write_file(const place *p, const char *name, char fill, mode_t mode)
{
	char *data = malloc(SIZE);
	int fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	memset(data, fill, SIZE);
	memset(data, 0, sizeof(ElfW(Ehdr))); /* no segments: nothing that leads elsewhere */
	memcpy(data, sb_elf_own(), SB_ELF_HEAD);
	data[16] = 3; /* a shared object, as a program that can be anywhere is, too */
	assert_int_equal(sb_write_all(fd, data, SIZE), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	free(data);
}

/* Beside this program: below /tmp no plugin may be. */
static int setup(void **state)
{
	place *p = calloc(1, sizeof *p);
	ssize_t length = readlink("/proc/self/exe", p->folder, 500);
	sb_plugin_copy copy;

	sb_error_init(&p->error);
	p->folder[length > 0 ? length : 0] = '\0';
	memcpy(strrchr(p->folder, '/'), "/fetch.XXXXXX", sizeof "/fetch.XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	p->fd = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(p->path, sizeof p->path, "%s/a.so", p->folder);
	write_file(p, "a.so", 'a', 0755);
	*state = p;
	if (sb_plugin_fetch(&copy, p->path, geteuid(), &p->error) == 0)
		sb_close(&copy.fd);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"a.so", "evil", "good", "next"};
	place *p = *state;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		(void)unlinkat(p->fd, names[i], 0);
	close(p->fd);
	(void)rmdir(p->folder);
	free(p);
	return 0;
}

/* Others can write to a folder above: there is nothing to be seen here. */
static void need_trust(const place *p)
{
	if (p->error.kind != SB_KIND_NONE) {
		print_message("%s\n", p->error.message);
		skip();
	}
}

static void copy_is_sealed_and_whole(void **state)
{
	place *p = *state;
	sb_plugin_copy copy, again;
	char last;

	need_trust(p);
	assert_int_equal(sb_plugin_fetch(&copy, p->path, geteuid(), &p->error), 0);
	assert_int_equal(lseek(copy.fd, 0, SEEK_END), SIZE);
	assert_int_equal(unlinkat(p->fd, "a.so", 0), 0);
	write_file(p, "a.so", 'b', 0755);
	assert_int_equal(pread(copy.fd, &last, 1, SIZE - 1), 1);
	assert_int_equal(last, 'a');
	assert_int_equal(pwrite(copy.fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(copy.fd, 0), -1);
	assert_int_equal(sb_plugin_fetch(&again, p->path, geteuid(), &p->error), 0);
	assert_memory_not_equal(copy.digest, again.digest, sizeof copy.digest);
	sb_close(&copy.fd);
	sb_close(&again.fd);
}

static void owner_is_root_or_ourselves(void **state)
{
	place *p = *state;
	sb_plugin_copy copy;

	need_trust(p);
	if (geteuid() == 0)
		assert_int_equal(fchownat(p->fd, "a.so", 12345, (gid_t)-1, 0), 0);
	assert_int_equal(
		sb_plugin_fetch(&copy, p->path, geteuid() == 0 ? 12345 : geteuid(), &p->error), 0);
	sb_close(&copy.fd);
	assert_int_equal(
		sb_plugin_fetch(&copy, p->path, 12346, &p->error), -SB_KIND_NOT_CONFIGURED);
	assert_int_equal(copy.fd, -1);
	assert_non_null(strstr(p->error.message, "belongs to"));
}

/* A sparse file of the greatest size and one byte more. */
static void size_has_a_limit(void **state)
{
	place *p = *state;
	int fd = openat(p->fd, "a.so", O_WRONLY | O_CLOEXEC);
	sb_plugin_copy copy;

	need_trust(p);
	assert_int_equal(ftruncate(fd, (off_t)SB_PLUGIN_BYTES + 1), 0);
	assert_int_equal(
		sb_plugin_fetch(&copy, p->path, geteuid(), &p->error), -SB_KIND_NOT_CONFIGURED);
	assert_non_null(strstr(p->error.message, "more than 256 MiB"));
	for (off_t less = 0; less < 2; less++) {
		assert_int_equal(ftruncate(fd, (off_t)SB_PLUGIN_BYTES - less), 0);
		assert_int_equal(sb_plugin_fetch(&copy, p->path, geteuid(), &p->error), 0);
		sb_close(&copy.fd);
	}
	close(fd);
}

typedef struct swapper {
	const place *place;
	_Atomic(bool) stop;
} swapper;

static bool put(const place *p, const char *name)
{
	return linkat(p->fd, name, p->fd, "next", 0) == 0 &&
	       renameat(p->fd, "next", p->fd, "a.so") == 0;
}

/* Under one name, in turns, a file that may be loaded and one that others can write to. */
static void *swap(void *data)
{
	swapper *s = data;
	bool good = true;

	while (good && !atomic_load(&s->stop))
		good = put(s->place, "evil") && put(s->place, "good");
	return good ? NULL : s;
}

static void swapped_file_is_never_taken(void **state)
{
	place *p = *state;
	swapper s = {.place = p};
	sb_plugin_copy copy;
	unsigned taken = 0, refused = 0;
	pthread_t thread;
	void *failed;
	char last;

	need_trust(p);
	write_file(p, "good", 'g', 0755);
	write_file(p, "evil", 'e', 0777);
	assert_int_equal(unlinkat(p->fd, "a.so", 0), 0);
	assert_int_equal(linkat(p->fd, "good", p->fd, "a.so", 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
	while (taken < ROUNDS || refused < ROUNDS) {
		if (sb_plugin_fetch(&copy, p->path, geteuid(), &p->error) < 0) {
			refused++; /* the evil one, or its inode changed under our eyes */
			continue;
		}
		assert_int_equal(pread(copy.fd, &last, 1, SIZE - 1), 1);
		assert_int_equal(last, 'g');
		sb_close(&copy.fd);
		taken++;
	}
	atomic_store(&s.stop, true);
	pthread_join(thread, &failed);
	assert_null(failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(copy_is_sealed_and_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(owner_is_root_or_ourselves, setup, teardown),
		cmocka_unit_test_setup_teardown(size_has_a_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(swapped_file_is_never_taken, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
