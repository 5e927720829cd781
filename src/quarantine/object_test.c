/* SPDX-License-Identifier: MIT */
/*
 * Objects in memory (Q1): every byte flipped, every cut, chunks swapped, doubled, dropped and
 * spliced are noticed, and not one byte comes out that was not authentic. Keys, records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quarantine/object.h"
#include "util/io.h"
#include "util/text.h"
#include "util/uuid.h"

static const char id[] = "0123456789abcdef0123456789abcdef";
static const char other_id[] = "0123456789abcdef0123456789abcdee";

struct bytes {
	uint8_t *data;
	size_t size;
};

/* Different at every place, so that a byte out of place is a wrong byte. */
static uint8_t pattern(uint64_t i)
{
	return (uint8_t)(i * 7 + (i >> 8) * 13 + (i >> 18) * 101 + 3);
}

static struct bytes make_content(size_t size)
{
	struct bytes b = {malloc(size + 1), size};

	for (size_t i = 0; i < size; i++)
		b.data[i] = pattern(i);
	return b;
}

static int64_t read_bytes(void *data, uint64_t offset, void *out, size_t length, sb_error *error)
{
	struct bytes *b = data;

	(void)error;
	if (offset >= b->size)
		return 0;
	if (length > b->size - offset)
		length = b->size - (size_t)offset;
	memcpy(out, b->data + offset, length);
	return (int64_t)length;
}

static ssize_t pread_bytes(void *data, void *out, size_t length, uint64_t offset)
{
	return (ssize_t)read_bytes(data, offset, out, length, NULL);
}

static void make_keys(sb_keys *keys)
{
	char line[256], hex_key[65], hex_id[17];
	uint8_t key[32], derived[32];

	for (unsigned i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(i + 1);
	sb_key_derive(derived, key, "scanbridge quarantine key id");
	sb_hex(hex_key, key, sizeof key);
	sb_hex(hex_id, derived, 8);
	snprintf(line, sizeof line, "scanbridge-quarantine-key 1 %s %s\n", hex_id, hex_key);
	assert_int_equal(sb_keys_parse(keys, line, strlen(line)), 0);
}

static sb_quarantine_record make_record(const char *object_id, const struct bytes *content)
{
	sb_quarantine_record r = {.state = SB_Q_QUARANTINED,
		.expires_at = 99,
		.time = 77,
		.size = content->size,
		.name = "a\xff:\n\"b",
		.name_length = 6,
		.path = "/in/a b",
		.path_length = 7,
		.has_original = true,
		.uid = 1,
		.gid = 2,
		.mode = 0100640,
		.nlink = 3,
		.mtime = -5,
		.outcome = SB_OUTCOME_INFECTED,
		.reason = "caf\xc3\xa9",
		.threats = "[{\"name\":\"T\"}]"};

	memcpy(r.id, object_id, sizeof r.id);
	sb_blake3_memory(content->data, content->size, r.blake3);
	sb_sha256_memory(content->data, content->size, r.sha256);
	return r;
}

static struct bytes make_object(const sb_keys *keys, const char *object_id, struct bytes *content)
{
	sb_quarantine_record record = make_record(object_id, content);
	sb_quarantine_content c = {
		read_bytes, content, content->size, record.blake3, record.sha256};
	int fd = memfd_create("object", MFD_CLOEXEC);
	struct bytes out;
	struct stat st;
	sb_error error;

	sb_error_init(&error);
	if (sb_object_write(fd, sb_keys_active(keys), &record, &c, sb_random, &error) != SB_Q_OK)
		fail_msg("%s", error.message);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, sb_object_length_for(&record, content->size, &error));
	out.size = (size_t)st.st_size;
	out.data = malloc(out.size + 1);
	assert_int_equal(sb_pread_full(fd, out.data, out.size, 0), st.st_size);
	close(fd);
	return out;
}

/* What came out must be the beginning of the content, whatever happened to the object. */
struct taken {
	uint64_t count;
	bool wrong;
};

static int take(void *data, const void *bytes, size_t length)
{
	struct taken *t = data;

	for (size_t i = 0; i < length; i++)
		t->wrong |= ((const uint8_t *)bytes)[i] != pattern(t->count + i);
	t->count += length;
	return 0;
}

static sb_quarantine_status read_whole(
	const sb_keys *keys, struct bytes *object, struct taken *taken, sb_error *error)
{
	sb_object_input input = {pread_bytes, object, object->size};
	sb_quarantine_status status;
	sb_object opened;

	*taken = (struct taken){0};
	sb_error_init(error);
	status = sb_object_open(&opened, &input, keys, id, error);
	if (status != SB_Q_OK)
		return status;
	status = sb_object_read(&opened, take, taken, error);
	sb_object_close(&opened);
	assert_false(taken->wrong);
	return status;
}

static void must_fail(
	const sb_keys *keys, struct bytes *object, uint64_t most, const char *what, size_t at)
{
	struct taken taken;
	sb_error error;
	sb_quarantine_status status = read_whole(keys, object, &taken, &error);

	if (status != SB_Q_INTEGRITY && status != SB_Q_NO_KEY)
		fail_msg("%s at %zu: %s", what, at, sb_quarantine_status_name(status));
	assert_true(taken.count <= most);
	assert_true(error.message[0] != '\0');
}

/* --- As it should be ------------------------------------------------------------------------- */

static void test_there_and_back(void **state)
{
	static const size_t sizes[] = {0, 1, 68, SB_OBJECT_CHUNK - 1, SB_OBJECT_CHUNK,
		SB_OBJECT_CHUNK + 1, 3 * SB_OBJECT_CHUNK, 1000003};
	sb_keys keys;

	(void)state;
	make_keys(&keys);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct bytes content = make_content(sizes[i]);
		struct bytes object = make_object(&keys, id, &content);
		struct taken taken;
		sb_error error;

		assert_int_equal(read_whole(&keys, &object, &taken, &error), SB_Q_OK);
		assert_int_equal(taken.count, sizes[i]);
		free(content.data);
		free(object.data);
	}
}

static void test_record(void **state)
{
	struct bytes content = make_content(100), object;
	sb_quarantine_record want = make_record(id, &content), have;
	sb_object_input input = {pread_bytes, &object, 0};
	sb_object opened;
	sb_arena arena;
	sb_keys keys;

	(void)state;
	make_keys(&keys);
	object = make_object(&keys, id, &content);
	input.length = object.size;
	assert_int_equal(sb_object_open(&opened, &input, &keys, id, NULL), SB_Q_OK);
	sb_arena_init(&arena, 1 << 20);
	assert_true(sb_object_record(&opened, &arena, &have));
	assert_int_equal(have.state, want.state);
	assert_int_equal(have.expires_at, 99);
	assert_int_equal(have.time, 77);
	assert_int_equal(have.name_length, 6);
	assert_memory_equal(have.name, want.name, 6);
	assert_memory_equal(have.path, want.path, 8);
	assert_true(have.has_original);
	assert_int_equal(have.uid, 1);
	assert_int_equal(have.gid, 2);
	assert_int_equal(have.mode, 0100640);
	assert_int_equal(have.nlink, 3);
	assert_int_equal(have.mtime, -5);
	assert_int_equal(have.outcome, SB_OUTCOME_INFECTED);
	assert_string_equal(have.reason, want.reason);
	assert_string_equal(have.threats, want.threats);
	assert_string_equal(have.engines, "[]");
	assert_null(have.tenant);
	sb_arena_done(&arena);
	sb_object_close(&opened);
	free(content.data);
	free(object.data);
}

/* --- As it may become ------------------------------------------------------------------------ */

static void test_every_flip(void **state)
{
	struct bytes content = make_content(300), object;
	sb_keys keys;

	(void)state;
	make_keys(&keys);
	object = make_object(&keys, id, &content);
	for (size_t i = 0; i < object.size; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			object.data[i] ^= (uint8_t)(1u << bit);
			must_fail(&keys, &object, 0, "flip", i);
			object.data[i] ^= (uint8_t)(1u << bit);
		}
	}
	free(content.data);
	free(object.data);
}

static void test_every_cut(void **state)
{
	struct bytes content = make_content(2000), object;
	size_t size;
	sb_keys keys;

	(void)state;
	make_keys(&keys);
	object = make_object(&keys, id, &content);
	size = object.size;
	for (object.size = 0; object.size < size; object.size++)
		must_fail(&keys, &object, 0, "cut", object.size);
	object.size = size + 1;
	object.data[size] = 0;
	must_fail(&keys, &object, 0, "longer", size);
	free(content.data);
	free(object.data);
}

/* The file may shrink behind our back as well: the stated length no longer helps. */
static void test_shrinks_while_open(void **state)
{
	struct bytes content = make_content(2 * SB_OBJECT_CHUNK + 5), object;
	sb_object_input input;
	struct taken taken = {0};
	sb_object opened;
	sb_keys keys;

	(void)state;
	make_keys(&keys);
	object = make_object(&keys, id, &content);
	input = (sb_object_input){pread_bytes, &object, object.size};
	assert_int_equal(sb_object_open(&opened, &input, &keys, id, NULL), SB_Q_OK);
	object.size -= 1;
	assert_int_equal(sb_object_read(&opened, take, &taken, NULL), SB_Q_INTEGRITY);
	assert_false(taken.wrong);
	assert_int_equal(taken.count, 2 * SB_OBJECT_CHUNK);
	sb_object_close(&opened);
	free(content.data);
	free(object.data);
}

enum { SEALED = SB_OBJECT_CHUNK + SB_AEAD_TAG, CHUNKS = 4 };

static uint8_t *chunk(const struct bytes *object, unsigned number)
{
	return object->data + object->size - (size_t)(CHUNKS - number) * SEALED;
}

static void test_chunks(void **state)
{
	struct bytes content = make_content((size_t)CHUNKS * SB_OBJECT_CHUNK), a, b, c;
	uint8_t *space = malloc(SEALED);
	sb_keys keys;

	(void)state;
	make_keys(&keys);
	a = make_object(&keys, id, &content);
	b = make_object(&keys, id, &content); /* the same again, under another key */
	c = make_object(&keys, other_id, &content);
	for (unsigned i = 0; i < CHUNKS; i++) {
		uint64_t before = (uint64_t)i * SB_OBJECT_CHUNK;
		memcpy(space, chunk(&a, i), SEALED);
		for (unsigned k = i + 1; k < CHUNKS; k++) {
			memcpy(chunk(&a, i), chunk(&a, k), SEALED); /* doubled */
			must_fail(&keys, &a, before, "doubled", i);
			memcpy(chunk(&a, i), space, SEALED);
			memcpy(chunk(&a, k), space, SEALED);
			must_fail(&keys, &a, (uint64_t)k * SB_OBJECT_CHUNK, "doubled", k);
			memcpy(chunk(&a, k), chunk(&b, k), SEALED); /* spliced */
			must_fail(&keys, &a, (uint64_t)k * SB_OBJECT_CHUNK, "spliced", k);
			memcpy(chunk(&a, k), chunk(&c, k), SEALED);
			must_fail(&keys, &a, (uint64_t)k * SB_OBJECT_CHUNK, "spliced", k);
			free(a.data);
			a = make_object(&keys, id, &content);
			memcpy(space, chunk(&a, i), SEALED);
			memcpy(chunk(&a, i), chunk(&a, k), SEALED); /* swapped */
			memcpy(chunk(&a, k), space, SEALED);
			must_fail(&keys, &a, before, "swapped", i);
			memcpy(chunk(&a, k), chunk(&a, i), SEALED);
			memcpy(chunk(&a, i), space, SEALED);
		}
		memmove(chunk(&a, i), chunk(&a, i) + SEALED, (size_t)(CHUNKS - 1 - i) * SEALED);
		a.size -= SEALED; /* dropped */
		must_fail(&keys, &a, 0, "dropped", i);
		free(a.data);
		a = make_object(&keys, id, &content);
	}
	must_fail(&keys, &c, 0, "another object under this name", 0);
	free(a.data);
	free(b.data);
	free(c.data);
	free(space);
	free(content.data);
}

/* Head, state and record of one object in front of another one's content. */
static void test_fronts(void **state)
{
	struct bytes content = make_content(1000), a, b;
	size_t parts[] = {0, SB_OBJECT_SECTOR, SB_OBJECT_RECORD, 0};
	sb_keys keys;

	(void)state;
	make_keys(&keys);
	a = make_object(&keys, id, &content);
	b = make_object(&keys, id, &content);
	assert_int_equal(a.size, b.size);
	parts[3] = a.size - 1000 - SB_AEAD_TAG;
	for (unsigned i = 0; i < 3; i++) {
		uint8_t kept[4096];
		size_t n = parts[i + 1] - parts[i];
		memcpy(kept, a.data + parts[i], n);
		memcpy(a.data + parts[i], b.data + parts[i], n);
		must_fail(&keys, &a, 0, "part of another", i);
		memcpy(a.data + parts[i], kept, n);
	}
	free(a.data);
	free(b.data);
	free(content.data);
}

static void test_random_flips(void **state)
{
	struct bytes content = make_content(8 << 20), object;
	unsigned seed = 1;
	sb_keys keys;

	(void)state;
	make_keys(&keys);
	object = make_object(&keys, id, &content);
	for (int i = 0; i < 200; i++) {
		size_t at = ((size_t)rand_r(&seed) << 8) % object.size;
		object.data[at] ^= 0x10;
		must_fail(&keys, &object, at, "flip", at);
		object.data[at] ^= 0x10;
	}
	free(object.data);
	free(content.data);
}

/* --- In place -------------------------------------------------------------------------------- */

static void test_in_place(void **state)
{
	struct bytes content = make_content(1000), object;
	sb_object_state changed = {7, SB_Q_RELEASED, true, 1234};
	int fd = memfd_create("object", MFD_CLOEXEC);
	sb_object_input input = {pread_bytes, &object, 0};
	struct taken taken;
	sb_object opened;
	sb_error error;
	sb_keys keys;

	(void)state;
	make_keys(&keys);
	object = make_object(&keys, id, &content);
	input.length = object.size;
	assert_int_equal(sb_pwrite_all(fd, object.data, object.size, 0), 0);
	assert_int_equal(sb_object_open(&opened, &input, &keys, id, NULL), SB_Q_OK);
	assert_int_equal(sb_object_write_state(fd, &opened, &changed, sb_random), 0);
	assert_int_equal(sb_object_rewrap(fd, &opened, sb_keys_active(&keys), sb_random), 0);
	sb_object_close(&opened);
	assert_int_equal(sb_pread_full(fd, object.data, object.size, 0), object.size);
	assert_int_equal(sb_object_open(&opened, &input, &keys, id, NULL), SB_Q_OK);
	assert_int_equal(opened.state.sequence, 7);
	assert_int_equal(opened.state.state, SB_Q_RELEASED);
	assert_true(opened.state.legal_hold);
	assert_int_equal(opened.state.expires_at, 1234);
	sb_object_close(&opened);
	assert_int_equal(read_whole(&keys, &object, &taken, &error), SB_Q_OK);
	assert_int_equal(sb_object_erase(fd), 0);
	assert_int_equal(sb_pread_full(fd, object.data, object.size, 0), object.size);
	assert_int_equal(read_whole(&keys, &object, &taken, &error), SB_Q_INTEGRITY);
	assert_non_null(strstr(error.message, "its key was destroyed"));
	close(fd);
	free(object.data);
	free(content.data);
}

/* The bytes that are kept must be the bytes that were scanned. */
static void test_other_bytes(void **state)
{
	struct bytes content = make_content(5000);
	sb_quarantine_record record = make_record(id, &content);
	sb_quarantine_content c = {read_bytes, &content, 5000, record.blake3, record.sha256};
	int fd = memfd_create("object", MFD_CLOEXEC);
	sb_error error;
	sb_keys keys;

	(void)state;
	make_keys(&keys);
	sb_error_init(&error);
	content.data[4000] ^= 1;
	assert_int_equal(sb_object_write(fd, sb_keys_active(&keys), &record, &c, sb_random, &error),
		SB_Q_INTEGRITY);
	assert_int_equal(error.kind, SB_KIND_CORRUPT);
	assert_non_null(strstr(error.message, "expected BLAKE3 "));
	content.size--;
	assert_int_equal(sb_object_write(fd, sb_keys_active(&keys), &record, &c, sb_random, &error),
		SB_Q_CHANGED);
	close(fd);
	free(content.data);
}

/* --- Keys ------------------------------------------------------------------------------------ */

static void test_key_lines(void **state)
{
	char text[512];
	sb_keys keys;
	const char *folder = getenv("TMPDIR");
	char dir[128], path[160];
	struct stat st;
	sb_error error;

	(void)state;
	snprintf(dir, sizeof dir, "%.64s/sb-keys-XXXXXX", folder ? folder : "/tmp");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/key", dir);
	sb_error_init(&error);
	assert_int_equal(sb_keys_load(&keys, path, false, sb_random, &error), SB_Q_NO_KEY);
	assert_non_null(strstr(error.message, "is missing"));
	umask(0);
	assert_int_equal(sb_keys_load(&keys, path, true, sb_random, &error), SB_Q_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	umask(022);
	assert_int_equal(sb_keys_add(&keys, path, sb_random, &error), SB_Q_OK);
	assert_int_equal(keys.count, 2);
	assert_int_equal(sb_keys_load(&keys, path, true, sb_random, &error), SB_Q_OK);
	assert_int_equal(keys.count, 2);
	assert_ptr_equal(sb_keys_find(&keys, keys.list[0].id), &keys.list[0]);

	int fd = open(path, O_RDWR);
	ssize_t n = sb_pread_full(fd, text, sizeof text, 0);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(sb_keys_load(&keys, path, true, sb_random, &error), SB_Q_NOT_CONFIGURED);
	close(fd);
	for (ssize_t i = 0; i < n; i++) { /* every flip is noticed, and names its line */
		text[i] ^= 1;
		assert_int_equal(sb_keys_parse(&keys, text, (size_t)n), i < n / 2 ? 1 : 2);
		text[i] ^= 1;
		if (i != n / 2)
			assert_int_not_equal(sb_keys_parse(&keys, text, (size_t)i), 0);
	}
	assert_int_equal(unlinkat(AT_FDCWD, path, 0), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_ids(void **state)
{
	static const char *const bad[] = {"", "..", "../../etc/passwd", "/etc/passwd",
		"0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdef0",
		"0123456789ABCDEF0123456789abcdef", "0123456789abcdef0123456789abcde/",
		"0123456789abcdef0123456789abcde\n", "%2e%2e%2f", "key", ".", NULL};

	(void)state;
	assert_true(sb_quarantine_id_ok(id));
	assert_false(sb_quarantine_id_ok(NULL));
	for (unsigned i = 0; bad[i] != NULL; i++)
		assert_false(sb_quarantine_id_ok(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_every_flip),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_shrinks_while_open),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_fronts),
		cmocka_unit_test(test_random_flips),
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_other_bytes),
		cmocka_unit_test(test_key_lines),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
