/* SPDX-License-Identifier: MIT */
/* Keys and signatures, and the shelf: what is put there is found, what was altered is not. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "rules/shelf.h"
#include "rules/sources.h"
#include "util/scratch.h"

static char folder[SB_SCRATCH_PATH], key[128], other_key[128];
static char trusted_path[140], other_path[140];
static const char *const trusted[] = {trusted_path};
static sb_error error;

static int make(void **unused)
{
	char id[2 * SB_PACK_KEY_ID + 1];

	(void)unused;
	if (!sb_scratch_make(folder, "shelf", true))
		return -1;
	snprintf(key, sizeof key, "%s/key", folder);
	snprintf(other_key, sizeof other_key, "%s/other", folder);
	snprintf(trusted_path, sizeof trusted_path, "%s.pub", key);
	snprintf(other_path, sizeof other_path, "%s.pub", other_key);
	sb_error_init(&error);
	return sb_rule_make_key(key, id, &error) == 0 &&
			       sb_rule_make_key(other_key, id, &error) == 0
		       ? 0
		       : -1;
}

static int clean_up(void **unused)
{
	(void)unused;
	return sb_scratch_remove(folder) ? 0 : -1;
}

/* A bundle `ours` of one file, signed, in memory. */
static sb_buf make_bundle(uint64_t version, const char *signed_by)
{
	static const char text[] = "rule r { condition: false }";
	const sb_pack pack = {.name = "ours", .version = version, .files = 1};
	const sb_pack_entry file = {
		.name = "a.yar", .data = (const uint8_t *)text, .length = sizeof text - 1};
	static const char head[SB_PACK_HEAD];
	sb_buf bytes;

	sb_buf_init(&bytes, SB_PACK_BYTES);
	sb_buf_add(&bytes, head, sizeof head);
	sb_pack_write(&bytes, &pack);
	sb_pack_write_entry(&bytes, &file);
	assert_int_equal(sb_rule_sign((uint8_t *)bytes.data, bytes.length, signed_by, &error), 0);
	return bytes;
}

static void write_bytes(const char *name, const void *bytes, size_t length)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static int read_back(sb_shelved *out, const char *name, const char *const *keys, size_t count)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return sb_shelf_read(out, AT_FDCWD, path, name, keys, count, &error);
}

static void put(sb_shelf *shelf, uint64_t version)
{
	sb_buf bytes = make_bundle(version, key);
	sb_shelved shelved;

	write_bytes("new", bytes.data, bytes.length);
	assert_int_equal(read_back(&shelved, "new", trusted, 1), 0);
	assert_int_equal(sb_shelf_put(shelf, &shelved, &error), 0);
	sb_shelf_done(&shelved);
	sb_buf_done(&bytes);
}

static void use(uint64_t version, uint64_t highest)
{
	sb_shelf_state state = {.current = version, .highest = highest};
	sb_shelf shelf;

	assert_int_equal(sb_shelf_lock(&shelf, folder, "ours", &error), 0);
	if (version == highest)
		put(&shelf, version);
	assert_int_equal(sb_shelf_switch(&shelf, &state, &error), 0);
	sb_shelf_unlock(&shelf);
}

static uint64_t in_use(uint64_t version)
{
	sb_shelved shelved;
	uint64_t got;

	sb_error_init(&error);
	if (sb_shelf_open(&shelved, folder, "ours", version, trusted, 1, &error) < 0)
		return 0;
	got = shelved.pack.version;
	sb_shelf_done(&shelved);
	return got;
}

/* --- Signatures --------------------------------------------------------------------------------
 */

static void signature_covers_every_byte(void **state)
{
	const char *const both[] = {other_path, trusted_path};
	sb_buf bytes = make_bundle(1, key);
	sb_shelved shelved;

	(void)state;
	write_bytes("good", bytes.data, bytes.length);
	assert_int_equal(read_back(&shelved, "good", both, 2), 0);
	sb_shelf_done(&shelved);
	for (size_t i = 0; i < bytes.length; i++) {
		bytes.data[i] = (char)(bytes.data[i] ^ 0x10);
		write_bytes("bad", bytes.data, bytes.length);
		assert_true(read_back(&shelved, "bad", both, 2) < 0);
		assert_null(shelved.bytes);
		if (i >= SB_PACK_HEAD)
			assert_int_equal(error.kind, SB_KIND_AUTHENTICATION_FAILED);
		bytes.data[i] = (char)(bytes.data[i] ^ 0x10);
	}
	sb_buf_done(&bytes);
}

static void only_trusted_keys_count(void **state)
{
	const char *const other[] = {other_path};
	sb_buf bytes = make_bundle(1, key), forged = make_bundle(1, other_key);
	sb_shelved shelved;

	(void)state;
	write_bytes("good", bytes.data, bytes.length);
	assert_int_equal(read_back(&shelved, "good", other, 1), -SB_KIND_AUTHENTICATION_FAILED);
	assert_int_equal(read_back(&shelved, "good", NULL, 0), -SB_KIND_AUTHENTICATION_FAILED);
	assert_non_null(strstr(error.message, "rules.trusted_keys"));
	/* Signed by another key under the id of the trusted one. */
	memcpy(forged.data + 92, bytes.data + 92, SB_PACK_KEY_ID);
	write_bytes("forged", forged.data, forged.length);
	assert_int_equal(read_back(&shelved, "forged", trusted, 1), -SB_KIND_AUTHENTICATION_FAILED);
	sb_buf_done(&forged);
	sb_buf_done(&bytes);
}

static void keys_that_others_could_use_are_refused(void **state)
{
	sb_buf bytes = make_bundle(1, key);
	sb_shelved shelved;

	(void)state;
	write_bytes("good", bytes.data, bytes.length);
	assert_int_equal(chmod(trusted_path, 0666), 0);
	assert_int_equal(read_back(&shelved, "good", trusted, 1), -SB_KIND_NOT_CONFIGURED);
	assert_int_equal(chmod(trusted_path, 0644), 0);
	assert_int_equal(chmod(key, 0640), 0);
	assert_int_equal(sb_rule_sign((uint8_t *)bytes.data, bytes.length, key, &error),
		-SB_KIND_NOT_CONFIGURED);
	assert_int_equal(chmod(key, 0600), 0);
	/* Of another kind, or none. */
	write_bytes("none.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 57);
	assert_int_equal(sb_rule_sign((uint8_t *)bytes.data, bytes.length, trusted_path, &error),
		-SB_KIND_NOT_CONFIGURED);
	sb_buf_done(&bytes);
}

/* --- The shelf ----------------------------------------------------------------------------------
 */

static void what_is_switched_to_is_in_use(void **state)
{
	sb_shelf_versions versions;
	sb_shelf_state now;

	(void)state;
	assert_int_equal(in_use(0), 0);
	assert_int_equal(error.kind, SB_KIND_NOT_CONFIGURED);
	use(3, 3);
	assert_int_equal(in_use(0), 3);
	for (uint64_t version = 4; version <= 8; version++)
		use(version, version);
	assert_int_equal(in_use(0), 8);
	assert_int_equal(sb_shelf_look(&now, &versions, folder, "ours", &error), 0);
	assert_int_equal(versions.count, SB_SHELF_KEPT);
	assert_int_equal(versions.list[0], 5);
	use(5, 8);
	assert_int_equal(in_use(0), 5);
	use(9, 9);
	use(5, 9);
	use(10, 10); /* the one in use before is not among the highest, and goes */
	assert_int_equal(in_use(0), 10);
	assert_int_equal(in_use(7), 7);
	assert_int_equal(in_use(5), 0);
}

static void what_nobody_switched_to_is_cleared_away(void **state)
{
	sb_shelf_versions versions;
	sb_shelf_state now;
	sb_shelf shelf;

	(void)state;
	use(3, 3);
	assert_int_equal(sb_shelf_lock(&shelf, folder, "ours", &error), 0);
	put(&shelf, 4);
	sb_shelf_unlock(&shelf);
	assert_int_equal(in_use(0), 3);
	assert_int_equal(in_use(4), 4); /* by its number: the canary does */
	assert_int_equal(sb_shelf_lock(&shelf, folder, "ours", &error), 0);
	sb_shelf_unlock(&shelf);
	assert_int_equal(sb_shelf_look(&now, &versions, folder, "ours", &error), 0);
	assert_int_equal(versions.count, 1);
}

static void damage_is_told(void **state)
{
	static const char *const damaged[] = {"", "current 3", "current 3\nhighest 2\n",
		"current 0\nhighest 0\n", "current 03\nhighest 3\n", "current 3\nhighest 3\nx",
		"current 123456789012345\nhighest 123456789012345\n"};

	(void)state;
	use(3, 3);
	for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
		write_bytes("rules/ours/current", damaged[i], strlen(damaged[i]));
		assert_int_equal(in_use(0), 0);
		assert_int_equal(error.kind, SB_KIND_CORRUPT);
	}
	write_bytes("rules/ours/current", "current 2\nhighest 3\n", 20);
	assert_int_equal(in_use(0), 0); /* not there */
	assert_int_equal(error.kind, SB_KIND_NOT_CONFIGURED);
	write_bytes("rules/ours/current", "current 3\nhighest 3\n", 20);
	assert_int_equal(in_use(0), 3);
	write_bytes("rules/ours/3", "nonsense", 8);
	assert_int_equal(in_use(0), 0);
	assert_int_equal(error.kind, SB_KIND_UNSUPPORTED);
}

/* Good by itself, and not what its place says. */
static void another_version_in_its_place_is_told(void **state)
{
	sb_buf bytes = make_bundle(2, key);

	(void)state;
	use(3, 3);
	write_bytes("rules/ours/3", bytes.data, bytes.length);
	assert_int_equal(in_use(0), 0);
	assert_int_equal(error.kind, SB_KIND_CORRUPT);
	sb_buf_done(&bytes);
}

static void names_are_listed(void **state)
{
	char path[256], **names;
	size_t count;

	(void)state;
	assert_int_equal(sb_shelf_names(&names, &count, folder, &error), 0);
	assert_int_equal(count, 0);
	use(3, 3);
	snprintf(path, sizeof path, "%s/rules/another", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(sb_shelf_names(&names, &count, folder, &error), 0);
	assert_int_equal(count, 2);
	assert_string_equal(names[0], "another");
	assert_string_equal(names[1], "ours");
	free(names[0]);
	free(names[1]);
	free(names);
}

/* --- From a folder -------------------------------------------------------------------------------
 */

static void folder_is_packed_in_order(void **state)
{
	sb_rule_sources sources;
	sb_pack pack = {.name = "ours", .version = 1};
	sb_pack_place place = {0};
	sb_pack_entry got;
	sb_buf bytes;
	char path[256];

	(void)state;
	snprintf(path, sizeof path, "%s/src", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	write_bytes("src/b.yar", "rule b { condition: false }", 27);
	write_bytes("src/a.inc", "", 0);
	write_bytes("src/.hidden.yar", "x", 1);
	write_bytes("sample", "\x01\x02", 2);
	sb_buf_init(&bytes, SB_PACK_BYTES);
	sb_rule_sources_init(&sources);
	assert_int_equal(sb_rule_sources_folder(&sources, path, &error), 0);
	snprintf(path, sizeof path, "%s/sample", folder);
	assert_int_equal(sb_rule_sources_sample(&sources, "b", path, &error), 0);
	assert_int_equal(sb_rule_sources_pack(&sources, &pack, &bytes, &error), 0);
	assert_int_equal(pack.files, 2);
	assert_null(sb_pack_read(&pack, bytes.data + SB_PACK_HEAD, bytes.length - SB_PACK_HEAD));
	assert_true(sb_pack_next(&pack, &place, &got));
	assert_string_equal(got.name, "a.inc");
	assert_true(sb_pack_next(&pack, &place, &got));
	assert_string_equal(got.name, "b.yar");
	assert_true(sb_pack_next(&pack, &place, &got));
	assert_true(got.is_sample);
	assert_memory_equal(got.data, "\xfe\xfd", 2);
	sb_rule_sources_done(&sources);
	sb_buf_done(&bytes);
	/* A link would bring along what is elsewhere. */
	snprintf(path, sizeof path, "%s/src/link.yar", folder);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	snprintf(path, sizeof path, "%s/src", folder);
	assert_true(sb_rule_sources_folder(&sources, path, &error) < 0);
	assert_non_null(strstr(error.message, "link.yar"));
	sb_rule_sources_done(&sources);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clean_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(signature_covers_every_byte),
		TEST(only_trusted_keys_count),
		TEST(keys_that_others_could_use_are_refused),
		TEST(what_is_switched_to_is_in_use),
		TEST(what_nobody_switched_to_is_cleared_away),
		TEST(damage_is_told),
		TEST(another_version_in_its_place_is_told),
		TEST(names_are_listed),
		TEST(folder_is_packed_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
