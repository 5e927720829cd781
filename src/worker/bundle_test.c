/* SPDX-License-Identifier: MIT */
/* Rule files into bundles: which are packed, which includes are followed and where they end. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/error.h"
#include "util/io.h"
#include "worker/bundle.h"
#include "util/scratch.h"

static char folder[SB_SCRATCH_PATH];

static void write_file(const char *name, const char *text)
{
	char path[256], *slash = path + strlen(folder);
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	while ((slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int make_folder(void **unused)
{
	(void)unused;
	return sb_scratch_make(folder, "bundle", false) ? 0 : -1;
}

static int remove_folder(void **unused)
{
	(void)unused;
	return sb_scratch_remove(folder) ? 0 : -1;
}

/* `name*` for each source, those that are compiled with the star. */
static const char *listing(sb_bundle *bundle)
{
	static char text[1024];
	sb_bundle_head head = {0};
	sb_error error;
	sb_source_view view;
	const sb_bundle_head *read;
	uint64_t at = 0;
	int fd = sb_bundle_seal(bundle, &head, &error);
	void *data;

	assert_true(fd >= 0);
	data = mmap(NULL, head.length, PROT_READ, MAP_SHARED, fd, 0);
	read = sb_bundle_check(data, head.length);
	assert_non_null(read);
	assert_null(sb_bundle_check(data, head.length - 1));
	text[0] = '\0';
	while (sb_bundle_next_source(read, &at, &view)) {
		strncat(text, view.name, 100);
		strncat(text, view.compiled ? "* " : " ", 3);
	}
	munmap(data, head.length);
	close(fd);
	return text;
}

static int add(sb_bundle *bundle, const char *name, sb_error *error)
{
	char path[256];

	snprintf(path, sizeof path, "%s%s%s", folder, name[0] != '\0' ? "/" : "", name);
	sb_bundle_init(bundle);
	sb_error_init(error);
	return sb_bundle_add_rules(bundle, path, error);
}

static void folders_are_taken_with_their_includes(void **unused)
{
	sb_bundle bundle;
	sb_error error;

	(void)unused;
	write_file("b.yar", "include \"lib/common.inc\"\nrule b { condition: true }");
	write_file("a.YARA", "rule a { condition: true }");
	write_file("lib/common.inc", "include \"../b.yar\" // include \"nothing\"\n");
	write_file("lib/c.yar", "include \"common.inc\"");
	write_file("readme.txt", "no rules");
	write_file(".hidden.yar", "no");
	assert_int_equal(add(&bundle, "", &error), 0);
	assert_string_equal(listing(&bundle), "a.YARA* b.yar* lib/common.inc lib/c.yar* ");
	assert_int_equal(bundle.compiled, 3);
	sb_bundle_done(&bundle);
}

static void one_file_stays_in_its_folder(void **unused)
{
	sb_bundle bundle;
	sb_error error;

	(void)unused;
	write_file("one/x.yar", "include \"../b.yar\"\ninclude \"y.inc\"\ninclude \"/etc/passwd\"");
	write_file("one/y.inc", "");
	assert_int_equal(add(&bundle, "one/x.yar", &error), 0);
	assert_string_equal(listing(&bundle), "x.yar* y.inc ");
	sb_bundle_done(&bundle);
}

/* A link inside may point inside; one that leads out is an error with its name. */
static void links_out_are_refused(void **unused)
{
	sb_bundle bundle;
	sb_error error;
	char path[256];

	(void)unused;
	write_file("two/real.yar", "rule r { condition: true }");
	snprintf(path, sizeof path, "%s/two/link.yar", folder);
	assert_int_equal(symlink("real.yar", path), 0);
	assert_int_equal(add(&bundle, "two", &error), 0);
	sb_bundle_done(&bundle);
	snprintf(path, sizeof path, "%s/two/out.yar", folder);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(add(&bundle, "two", &error), -SB_KIND_NOT_CONFIGURED);
	assert_non_null(strstr(error.message, "out.yar"));
	sb_bundle_done(&bundle);
}

static void what_is_missing_is_named(void **unused)
{
	static const char *const bad[] = {"nowhere", "empty", "nul.yar"};
	sb_bundle bundle;
	sb_error error;
	char path[256];

	(void)unused;
	snprintf(path, sizeof path, "%s/empty", folder);
	mkdir(path, 0755);
	write_file("nul.yar", "");
	snprintf(path, sizeof path, "%s/nul.yar", folder);
	assert_int_equal(truncate(path, 10), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(add(&bundle, bad[i], &error), -SB_KIND_NOT_CONFIGURED);
		assert_non_null(strstr(error.message, i == 0 ? "nowhere" : bad[i]));
		sb_bundle_done(&bundle);
	}
}

/* The identity follows what decides, and nothing else. */
static void the_identity_is_of_the_rules(void **unused)
{
	char seen[3][65];
	sb_error error;

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		sb_bundle bundle;
		sb_bundle_init(&bundle);
		assert_int_equal(sb_bundle_add_text(
					 &bundle, "a.yar", i == 2 ? "rule b" : "rule a", 6, &error),
			0);
		(void)listing(&bundle);
		memcpy(seen[i], bundle.identity, 65);
		sb_bundle_done(&bundle);
	}
	assert_string_equal(seen[0], seen[1]);
	assert_string_not_equal(seen[0], seen[2]);
}

static void includes_are_found(void **unused)
{
	static const char text[] =
		"include \"a\" // include \"no\"\n/* include \"no\" */ \"include \\\"no\\\"\" "
		"xinclude \"no\" include\n\t\"b c\" include include \"d\"";
	const char *const expected[] = {"a", "b c", "d"};
	size_t at = 0, length, count = 0;
	const char *name;

	(void)unused;
	while ((name = sb_bundle_next_include(text, sizeof text - 1, &at, &length)) != NULL) {
		assert_true(count < 3);
		assert_int_equal(length, strlen(expected[count]));
		assert_memory_equal(name, expected[count++], length);
	}
	assert_int_equal(count, 3);
}

static void names_never_leave_their_root(void **unused)
{
	static const struct {
		const char *from, *include, *path;
	} rows[] = {
		{"a.yar", "b.yar", "b.yar"},
		{"x/a.yar", "b.yar", "x/b.yar"},
		{"x/a.yar", "../b.yar", "b.yar"},
		{"x/y/a.yar", "./.././b.yar", "x/b.yar"},
		{"x/a.yar", "y//b.yar", "x/y/b.yar"},
		{"x/a.yar", "../../b.yar", NULL},
		{"a.yar", "../b.yar", NULL},
		{"a.yar", "/b.yar", NULL},
		{"a.yar", "", NULL},
		{"a.yar", "x/..", NULL},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *path =
			sb_bundle_resolve(rows[i].from, rows[i].include, strlen(rows[i].include));
		if (rows[i].path == NULL)
			assert_null(path);
		else
			assert_string_equal(path, rows[i].path);
		free(path);
	}
}

/* A plugin's order is as it was given; cut anywhere it is none. */
static void an_order_comes_out_as_it_went_in(void **unused)
{
	const sb_plugin_order in = {.path = "/x/y.so",
		.fd = 0,
		.settings = {"any\0bytes", 9},
		.environment = {.data_dir = "/data", .cpus = 3, .max_content = 77}};
	sb_bundle_head head = {.sandbox = 1};
	sb_plugin_order out;
	sb_bundle bundle;
	void *data;
	int fd;

	(void)unused;
	sb_bundle_init(&bundle);
	sb_bundle_set_plugin(&bundle, &in);
	fd = sb_bundle_seal(&bundle, &head, NULL);
	assert_true(fd >= 0);
	data = malloc(head.length);
	assert_int_equal(pread(fd, data, head.length, 0), head.length);
	assert_non_null(sb_bundle_check(data, head.length));
	assert_true(sb_bundle_plugin(data, 6, &out));
	assert_string_equal(out.path, "/x/y.so");
	assert_int_equal(out.fd, 6);
	assert_int_equal(out.settings.length, 9);
	assert_memory_equal(out.settings.data, "any\0bytes", 9);
	assert_string_equal(out.environment.data_dir, "/data");
	assert_int_equal(out.environment.cpus, 3);
	assert_int_equal(out.environment.max_content, 77);
	for (uint64_t cut = head.sources_at; cut < head.digests_at - 9; cut++) {
		((sb_bundle_head *)data)->digests_at = cut;
		assert_false(sb_bundle_plugin(data, 6, &out));
	}
	free(data);
	close(fd);
	sb_bundle_done(&bundle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folders_are_taken_with_their_includes),
		cmocka_unit_test(one_file_stays_in_its_folder),
		cmocka_unit_test(links_out_are_refused),
		cmocka_unit_test(what_is_missing_is_named),
		cmocka_unit_test(the_identity_is_of_the_rules),
		cmocka_unit_test(includes_are_found),
		cmocka_unit_test(names_never_leave_their_root),
		cmocka_unit_test(an_order_comes_out_as_it_went_in),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
