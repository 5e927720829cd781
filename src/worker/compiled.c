/* SPDX-License-Identifier: MIT */
#include "worker/compiled.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/key.h"
#include "util/aead.h"
#include "util/io.h"
#include "util/temp.h"
#include "util/text.h"
#include "util/uuid.h"

enum {
	DIGITS = 2 * SB_BLAKE3_SIZE,
	HEAD = DIGITS + SB_AEAD_NONCE,
	AROUND = HEAD + SB_AEAD_TAG,
	FILES = 16,
	NAME = 64,
};

static const uint64_t bytes_most = 512ull << 20;
static const char before[] = "rules-", behind[] = ".yarac";

static void file_name(char out[NAME], const char *identity)
{
	snprintf(out, NAME, "%s%.32s%s", before, identity, behind);
}

static bool is_ours(const char *name)
{
	size_t length = strlen(name), end = sizeof behind - 1;

	return length > end && strncmp(name, before, sizeof before - 1) == 0 &&
	       strcmp(name + length - end, behind) == 0;
}

/* --- Opening --------------------------------------------------------------------------------- */

void sb_compiled_open(sb_compiled *out, const char *data_dir)
{
	static const char purpose[] = "scanbridge: compiled rules";
	char path[4096];
	sb_mac_keys keys;

	out->dir = -1;
	if (data_dir == NULL ||
		snprintf(path, sizeof path, "%s/cache", data_dir) >= (int)sizeof path)
		return;
	out->dir = sb_mac_keys_open(&keys, path, NULL);
	if (out->dir >= 0)
		sb_blake3_keyed(keys.mac, purpose, sizeof purpose, out->key);
	sb_mac_keys_forget(&keys);
}

void sb_compiled_close(sb_compiled *compiled)
{
	sb_close(&compiled->dir);
	explicit_bzero(compiled->key, sizeof compiled->key);
}

bool sb_compiled_secret(const sb_compiled *compiled, char out[33])
{
	static const char purpose[] = "known answer";
	uint8_t digest[SB_BLAKE3_SIZE];

	if (compiled->dir < 0)
		return false;
	sb_blake3_keyed(compiled->key, purpose, sizeof purpose, digest);
	sb_hex(out, digest, 16);
	return true;
}

/* --- Reading --------------------------------------------------------------------------------- */

/* Opened where it stands: HEAD bytes behind the beginning. */
static bool open_sealed(
	const sb_compiled *compiled, const char *identity, uint8_t *data, size_t length)
{
	sb_aead *aead = sb_aead_new(compiled->key, false);
	bool good = aead != NULL && length > AROUND && memcmp(data, identity, DIGITS) == 0 &&
		    sb_aead_open(aead, data + DIGITS, identity, DIGITS, data + HEAD,
			    length - AROUND, data + HEAD);

	sb_aead_free(aead);
	return good;
}

/* All of a file, to be freed; NULL: none, or larger than all may be together. */
static uint8_t *read_all(int fd, size_t *length)
{
	struct stat st;
	uint8_t *data;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
		(uint64_t)st.st_size > bytes_most)
		return NULL;
	*length = (size_t)st.st_size;
	data = malloc(*length);
	if (data != NULL && sb_pread_full(fd, data, *length, 0) != (ssize_t)*length) {
		free(data);
		data = NULL;
	}
	return data;
}

int sb_compiled_lend(const sb_compiled *compiled, const char *identity)
{
	char name[NAME];
	uint8_t *data = NULL;
	size_t length = 0;
	int memory, file;

	if (compiled->dir < 0)
		return -1;
	file_name(name, identity);
	memory = memfd_create("scanbridge-compiled", MFD_CLOEXEC);
	file = openat(compiled->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (memory >= 0 && file >= 0)
		data = read_all(file, &length);
	if (data != NULL && open_sealed(compiled, identity, data, length) &&
		sb_write_all(memory, data + HEAD, length - AROUND) != 0)
		sb_close(&memory);
	free(data);
	sb_close(&file);
	return memory;
}

/* --- Writing --------------------------------------------------------------------------------- */

typedef struct found {
	char name[NAME];
	struct timespec when;
	uint64_t bytes;
} found;

static bool is_older(const found *a, const found *b)
{
	return a->when.tv_sec != b->when.tv_sec ? a->when.tv_sec < b->when.tv_sec
						: a->when.tv_nsec < b->when.tv_nsec;
}

/* How many there are, and the oldest of them. */
static unsigned look_around(int dir, found *oldest, uint64_t *bytes)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	unsigned count = 0;
	struct stat st;

	*bytes = 0;
	for (struct dirent *e; entries != NULL && (e = readdir(entries)) != NULL;) {
		found one;

		if (!is_ours(e->d_name) || strlen(e->d_name) >= NAME ||
			fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		one = (found){.when = st.st_mtim, .bytes = (uint64_t)st.st_size};
		memcpy(one.name, e->d_name, strlen(e->d_name) + 1);
		*bytes += one.bytes;
		if (count++ == 0 || is_older(&one, oldest))
			*oldest = one;
	}
	if (entries != NULL)
		closedir(entries);
	else
		sb_close(&fd);
	return count;
}

/* The oldest go, until one more has room. */
static void make_room(int dir, uint64_t need)
{
	found oldest;
	uint64_t bytes;

	while (true) {
		unsigned count = look_around(dir, &oldest, &bytes);

		if (count == 0 || (count < FILES && bytes + need <= bytes_most) ||
			unlinkat(dir, oldest.name, 0) < 0)
			return;
	}
}

/* No flush: what a power failure tears does not open. */
static void write_file(int dir, const char *name, const uint8_t *data, size_t length)
{
	static const char temporary[] = ".rules.temporary";
	sb_temp temp;

	(void)unlinkat(dir, name, 0);
	make_room(dir, length);
	if (sb_temp_open(&temp, dir, temporary, SB_TEMP_OWNED) != 0)
		return;
	if (sb_write_all(temp.fd, data, length) == 0)
		(void)sb_temp_name(&temp, name);
	sb_temp_drop(&temp);
}

static bool seal(const sb_compiled *compiled, const char *identity, uint8_t *data, size_t length)
{
	sb_aead *aead = sb_aead_new(compiled->key, true);
	bool good;

	memcpy(data, identity, DIGITS);
	sb_random(data + DIGITS, SB_AEAD_NONCE);
	good = aead != NULL && sb_aead_seal(aead, data + DIGITS, identity, DIGITS, data + HEAD,
				       length - AROUND, data + HEAD);
	sb_aead_free(aead);
	return good;
}

void sb_compiled_keep(const sb_compiled *compiled, const char *identity, int fd)
{
	char name[NAME];
	struct stat st;
	uint8_t *data;
	size_t length;

	if (compiled->dir < 0 || fstat(fd, &st) < 0 || st.st_size <= 0 ||
		(uint64_t)st.st_size + AROUND > bytes_most)
		return;
	length = (size_t)st.st_size + AROUND;
	data = malloc(length);
	file_name(name, identity);
	if (data != NULL && sb_pread_full(fd, data + HEAD, (size_t)st.st_size, 0) == st.st_size &&
		seal(compiled, identity, data, length))
		write_file(compiled->dir, name, data, length);
	free(data);
}
