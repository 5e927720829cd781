/* SPDX-License-Identifier: MIT */
/* Digests against published vectors, and our BLAKE3 tree against the official hasher. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/hash.h"
#include "util/io.h"
#include "util/text.h"

static void check_hex(const uint8_t *digest, size_t size, const char *expected, const char *why)
{
	char hex[65];

	sb_hex(hex, digest, size);
	if (strcmp(hex, expected) != 0)
		fail_msg("%s: %s, expected %s", why, hex, expected);
}

/* --- SHA-256 and MD5 -------------------------------------------------------------------- */

#define TWO_BLOCKS "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"

static const struct {
	const char *why, *text;
	size_t repeat;
	const char *sha256, *md5;
} vectors[] = {
	{"RFC 1321 and FIPS 180-4: nothing", "", 1,
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"d41d8cd98f00b204e9800998ecf8427e"},
	{"one block", "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"900150983cd24fb0d6963f7d28e17f72"},
	{"two blocks", TWO_BLOCKS, 1,
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
		"8215ef0796a20bcaaae116d3876c664a"},
	{"a million", "a", 1000000,
		"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
		"7707d6ae4e027c70eea2a935c2296f21"},
};

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		size_t step = strlen(vectors[i].text), length = step * vectors[i].repeat;
		char *data = malloc(length + 1);
		uint8_t sha256[SB_SHA256_SIZE], md5[SB_MD5_SIZE];

		for (size_t k = 0; k < vectors[i].repeat; k++)
			memcpy(data + k * step, vectors[i].text, step);
		sb_sha256_memory(data, length, sha256);
		sb_md5_memory(data, length, md5);
		check_hex(sha256, sizeof sha256, vectors[i].sha256, vectors[i].why);
		check_hex(md5, sizeof md5, vectors[i].md5, vectors[i].why);
		free(data);
	}
}

static void test_digester_starts_anew(void **state)
{
	sb_digester *sha256 = sb_digester_new(SB_DIGESTER_SHA256);
	sb_digester *md5 = sb_digester_new(SB_DIGESTER_MD5);
	uint8_t out[SB_SHA256_SIZE];

	(void)state;
	for (int round = 0; round < 2; round++) {
		sb_digester_update(sha256, "a", 1);
		sb_digester_update(sha256, "bc", 2);
		sb_digester_final(sha256, out);
		check_hex(out, SB_SHA256_SIZE, vectors[1].sha256, "in pieces");
		sb_digester_update(md5, "ab", 2);
		sb_digester_update(md5, "c", 1);
		sb_digester_final(md5, out);
		check_hex(out, SB_MD5_SIZE, vectors[1].md5, "in pieces");
	}
	sb_digester_free(sha256);
	sb_digester_free(md5);
	sb_digester_free(NULL);
}

/* --- BLAKE3 ----------------------------------------------------------------------------- */

/* The input of the official test vectors: bytes 0 to 250, over and over. */
static void fill(uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		data[i] = (uint8_t)(i % 251);
}

static const struct {
	size_t length;
	const char *digest;
} official[] = {
	{0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},
	{1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"},
	{1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"},
	{1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"},
	{1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"},
	{102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"},
};

/* By `b3sum --keyed` with a key of 32 times `k`, over `abc`. */
static void test_blake3_keyed(void **state)
{
	uint8_t key[SB_BLAKE3_SIZE], out[SB_BLAKE3_SIZE];

	(void)state;
	memset(key, 'k', sizeof key);
	sb_blake3_keyed(key, "abc", 3, out);
	check_hex(out, sizeof out,
		"afe3d7ad8d5833d736ab4f589515187829143f7f6fea514659bd53f4eaf74d62", "keyed");
}

static void test_blake3_vectors(void **state)
{
	static uint8_t data[102400];
	uint8_t out[SB_BLAKE3_SIZE];

	(void)state;
	fill(data, sizeof data);
	for (size_t i = 0; i < sizeof official / sizeof official[0]; i++) {
		sb_blake3 *hasher = sb_blake3_new();

		sb_blake3_memory(data, official[i].length, out);
		check_hex(out, sizeof out, official[i].digest, "at once");
		sb_blake3_update(hasher, "x", 1);
		sb_blake3_reset(hasher);
		for (size_t k = 0; k < official[i].length; k += 1000)
			sb_blake3_update(hasher, data + k,
				official[i].length - k < 1000 ? official[i].length - k : 1000);
		sb_blake3_final(hasher, out);
		check_hex(out, sizeof out, official[i].digest, "in pieces after a reset");
		sb_blake3_free(hasher);
	}
}

enum { MOST = 40 * 1024 * 1024 };

static uint8_t *content;
static int file;

static int setup(void **state)
{
	uint64_t x = 88172645463325252u;

	(void)state;
	content = malloc(MOST);
	file = memfd_create("hash_test", MFD_CLOEXEC);
	if (content == NULL || file < 0)
		return -1;
	for (size_t i = 0; i < MOST; i += sizeof x) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(content + i, &x, sizeof x);
	}
	return sb_write_all(file, content, MOST);
}

static int teardown(void **state)
{
	(void)state;
	free(content);
	close(file);
	return 0;
}

static void check_size(uint64_t size, unsigned threads)
{
	uint8_t expected[SB_BLAKE3_SIZE], out[SB_BLAKE3_SIZE];

	sb_blake3_memory(content, size, expected);
	assert_int_equal(sb_blake3_file(file, size, threads, out, NULL), 0);
	if (memcmp(out, expected, sizeof out) != 0)
		fail_msg("wrong tree: %llu bytes, %u threads", (unsigned long long)size, threads);
}

static void test_tree(void **state)
{
	static const uint64_t edges[] = {0, 1, 1023, 1024, 1025, 2047, 2048, 2049, 3 << 20,
		(3 << 20) + 512 * 1024, (5 << 20) + 1024, (5 << 20) + 1023, MOST};
	uint64_t x = 2463534242u;

	(void)state;
	for (unsigned threads = 0; threads <= 4; threads++)
		for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
			check_size(edges[i], threads);
	for (uint64_t power = 4096; power <= 32 * 1024 * 1024; power *= 2)
		for (uint64_t around = power - 1; around <= power + 1; around++)
			check_size(around, (unsigned)(around % 4 + 1));
	for (int i = 0; i < 40; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		check_size(x % MOST, (unsigned)(x % 4 + 1));
	}
}

/* More than 1,024 units of 1 MiB, so that units grow; zeros cost no disk. */
static void test_tree_of_larger_units(void **state)
{
	const uint64_t size = (1100ull << 20) + 700001;
	int fd = memfd_create("sparse", MFD_CLOEXEC);
	uint8_t expected[SB_BLAKE3_SIZE], out[SB_BLAKE3_SIZE];
	sb_blake3 *hasher = sb_blake3_new();
	uint64_t left = size;

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	memset(content, 0, 1 << 20);
	while (left > 0) {
		size_t step = left < 1 << 20 ? (size_t)left : 1 << 20;
		sb_blake3_update(hasher, content, step);
		left -= step;
	}
	sb_blake3_final(hasher, expected);
	sb_blake3_free(hasher);
	assert_int_equal(sb_blake3_file(fd, size, 2, out, NULL), 0);
	assert_memory_equal(out, expected, sizeof out);
	close(fd);
}

static bool stop_at_third(void *data)
{
	_Atomic(unsigned) *asked = data;

	return atomic_fetch_add(asked, 1) >= 2;
}

static void test_failures(void **state)
{
	int closed = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	_Atomic(unsigned) asked = 0;
	uint8_t out[SB_BLAKE3_SIZE];
	sb_error error;

	(void)state;
	sb_error_init(&error);
	assert_int_equal(sb_blake3_file(file, MOST + 1, 2, out, &error), -SB_KIND_CHANGED);
	assert_int_equal(sb_error_kind(&error), SB_KIND_CHANGED);
	assert_int_equal(sb_blake3_file(closed, 100, 1, out, &error), -SB_KIND_IO);
	assert_int_equal(sb_blake3_file(closed, MOST, 2, out, &error), -SB_KIND_IO);
	assert_int_equal(sb_error_sys_errno(&error), EBADF);
	assert_int_equal(sb_blake3_file_until(file, MOST, 2, stop_at_third, &asked, out, &error),
		-SB_KIND_CANCELLED);
	assert_in_range(atomic_load(&asked), 3, 8);
	close(closed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_digester_starts_anew),
		cmocka_unit_test(test_blake3_vectors),
		cmocka_unit_test(test_blake3_keyed),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_tree_of_larger_units),
	};

	return cmocka_run_group_tests_name("hash", tests, setup, teardown);
}
