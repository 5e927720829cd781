/* SPDX-License-Identifier: MIT */
#include "quarantine/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/temp.h"
#include "util/buf.h"
#include "util/io.h"
#include "util/text.h"

#define WORDS "scanbridge-quarantine-key 1 "

enum {
	WORDS_LENGTH = sizeof WORDS - 1,
	KEY_AT = WORDS_LENGTH + 2 * SB_KEY_ID + 1,
	LINE = KEY_AT + 2 * SB_AEAD_KEY,
	FILE_MAX = SB_KEYS_MAX * (LINE + 1),
};

static void key_id(uint8_t out[SB_KEY_ID], const uint8_t key[SB_AEAD_KEY])
{
	uint8_t whole[SB_AEAD_KEY];

	sb_key_derive(whole, key, "scanbridge quarantine key id");
	memcpy(out, whole, SB_KEY_ID);
}

static bool parse_line(struct sb_master_key *out, const char *line, size_t length)
{
	const char *id = line + WORDS_LENGTH, *key = line + KEY_AT;
	uint8_t right[SB_KEY_ID];

	if (length != LINE || memcmp(line, WORDS, WORDS_LENGTH) != 0 || key[-1] != ' ' ||
		!sb_unhex(out->id, SB_KEY_ID, id, (size_t)2 * SB_KEY_ID) ||
		!sb_unhex(out->key, SB_AEAD_KEY, key, (size_t)2 * SB_AEAD_KEY))
		return false;
	key_id(right, out->key);
	return memcmp(right, out->id, SB_KEY_ID) == 0;
}

unsigned sb_keys_parse(sb_keys *out, const char *text, size_t length)
{
	unsigned line = 1;

	*out = (sb_keys){0};
	for (; length > 0; line++) {
		const char *end = memchr(text, '\n', length);
		size_t n = end != NULL ? (size_t)(end - text) : length;

		if (end == NULL || out->count == SB_KEYS_MAX ||
			!parse_line(&out->list[out->count], text, n))
			return line;
		out->count++;
		text += n + 1;
		length -= n + 1;
	}
	return out->count > 0 ? 0 : 1;
}

void sb_keys_forget(sb_keys *keys)
{
	sb_key_forget(keys, sizeof *keys);
}

const struct sb_master_key *sb_keys_find(const sb_keys *keys, const uint8_t id[SB_KEY_ID])
{
	for (size_t i = 0; i < keys->count; i++)
		if (memcmp(keys->list[i].id, id, SB_KEY_ID) == 0)
			return &keys->list[i];
	return NULL;
}

const struct sb_master_key *sb_keys_active(const sb_keys *keys)
{
	return &keys->list[keys->count - 1];
}

/* --- The file -------------------------------------------------------------------------------- */

static void make_key(struct sb_master_key *out, void (*random)(void *out, size_t length))
{
	random(out->key, sizeof out->key);
	key_id(out->id, out->key);
}

static int write_keys(int fd, const sb_keys *keys)
{
	char text[FILE_MAX + 1], id[2 * SB_KEY_ID + 1], key[2 * SB_AEAD_KEY + 1];
	int length = 0, status;

	for (size_t i = 0; i < keys->count; i++) {
		sb_hex(id, keys->list[i].id, SB_KEY_ID);
		sb_hex(key, keys->list[i].key, SB_AEAD_KEY);
		length += snprintf(
			text + length, sizeof text - (size_t)length, WORDS "%s %s\n", id, key);
	}
	status = sb_write_all(fd, text, (size_t)length);
	sb_key_forget(text, sizeof text);
	sb_key_forget(key, sizeof key);
	return status;
}

/* The folder that holds @p path, and the name in it. */
static int open_folder(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	int fd;

	*name = slash != NULL ? slash + 1 : path;
	if (slash == NULL)
		return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (folder == NULL)
		return -1;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	return fd;
}

static int publish(const char *path, const sb_keys *keys, bool replace,
	void (*random)(void *out, size_t length))
{
	const char *name;
	int dir = open_folder(path, &name), status = -1;
	char temporary[64], digits[17];
	uint8_t bytes[8];
	sb_temp temp;

	if (dir < 0)
		return -1;
	random(bytes, sizeof bytes);
	sb_hex(digits, bytes, sizeof bytes);
	snprintf(temporary, sizeof temporary, ".sb-key-%s", digits);
	if (sb_temp_open(&temp, dir, temporary, SB_TEMP_OWNED | (replace ? SB_TEMP_NAMED : 0)) ==
		0) {
		status = write_keys(temp.fd, keys);
		if (status == 0)
			status = replace ? sb_temp_replace(&temp, name)
					 : sb_temp_publish(&temp, name);
		sb_temp_drop(&temp);
	}
	sb_close(&dir);
	return status;
}

static sb_quarantine_status read_keys(sb_keys *out, int fd, const char *path, sb_error *error)
{
	char text[FILE_MAX + 1];
	struct stat st;
	ssize_t n;
	unsigned line;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return sb_quarantine_fail(error, SB_Q_NOT_CONFIGURED, 0,
			"quarantine key file %s: isn't a regular file", path);
	if ((st.st_mode & 077) != 0)
		return sb_quarantine_fail(error, SB_Q_NOT_CONFIGURED, 0,
			"quarantine key file %s: others can read or write it (mode %04o): chmod "
			"600 it",
			path, (unsigned)st.st_mode & 07777);
	n = sb_read_full(fd, text, sizeof text);
	if (n < 0)
		return sb_quarantine_fail(
			error, SB_Q_IO, errno, "quarantine key file %s: cannot read", path);
	line = sb_keys_parse(out, text, (size_t)n);
	sb_key_forget(text, sizeof text);
	if (line != 0)
		return sb_quarantine_fail(error, SB_Q_NOT_CONFIGURED, 0,
			"quarantine key file %s:%u: no key (or a damaged one): put back a copy of "
			"it",
			path, line);
	return SB_Q_OK;
}

sb_quarantine_status sb_keys_load(sb_keys *out, const char *path, bool create,
	void (*random)(void *out, size_t length), sb_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	sb_quarantine_status status;

	if (fd < 0 && errno == ENOENT && create) {
		sb_keys fresh = {.count = 1};

		make_key(&fresh.list[0], random);
		if (publish(path, &fresh, false, random) != 0 && errno != EEXIST)
			return sb_quarantine_fail(error, SB_Q_IO, errno,
				"quarantine key file %s: cannot make it", path);
		sb_keys_forget(&fresh);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	}
	if (fd < 0 && errno == ENOENT)
		return sb_quarantine_fail(error, SB_Q_NO_KEY, 0,
			"quarantine key file %s is missing, and there are objects that only it "
			"opens: "
			"put it back from a copy, or move the quarantine away to begin a new one",
			path);
	if (fd < 0)
		return sb_quarantine_fail(
			error, SB_Q_IO, errno, "quarantine key file %s: cannot open", path);
	status = read_keys(out, fd, path, error);
	sb_close(&fd);
	return status;
}

sb_quarantine_status sb_keys_add(
	sb_keys *keys, const char *path, void (*random)(void *out, size_t length), sb_error *error)
{
	sb_keys more = *keys;

	if (more.count == SB_KEYS_MAX) {
		memmove(&more.list[0], &more.list[1], sizeof more.list - sizeof more.list[0]);
		more.count--;
	}
	make_key(&more.list[more.count++], random);
	if (publish(path, &more, true, random) != 0)
		return sb_quarantine_fail(
			error, SB_Q_IO, errno, "quarantine key file %s: cannot replace it", path);
	*keys = more;
	sb_keys_forget(&more);
	return SB_Q_OK;
}

/* --- Wrapping -------------------------------------------------------------------------------- */

bool sb_key_wrap(uint8_t out[SB_WRAPPED_KEY], const struct sb_master_key *master,
	const uint8_t nonce[SB_AEAD_NONCE], const uint8_t key[SB_AEAD_KEY], const void *ad,
	size_t ad_length)
{
	sb_aead *aead = sb_aead_new(master->key, true);
	bool good = aead != NULL &&
		    sb_aead_seal(aead, nonce, ad, ad_length, key, SB_AEAD_KEY, out + SB_AEAD_NONCE);

	memcpy(out, nonce, SB_AEAD_NONCE);
	sb_aead_free(aead);
	return good;
}

bool sb_key_unwrap(uint8_t out[SB_AEAD_KEY], const struct sb_master_key *master,
	const uint8_t wrapped[SB_WRAPPED_KEY], const void *ad, size_t ad_length)
{
	sb_aead *aead = sb_aead_new(master->key, false);
	bool good = aead != NULL && sb_aead_open(aead, wrapped, ad, ad_length,
					    wrapped + SB_AEAD_NONCE, SB_AEAD_KEY, out);

	sb_aead_free(aead);
	return good;
}
