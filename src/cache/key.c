/* SPDX-License-Identifier: MIT */
#include "cache/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"
#include "util/temp.h"
#include "util/text.h"
#include "util/uuid.h"

#define WORDS "scanbridge-verdict-key 1 "

enum {
	WORDS_LENGTH = sizeof WORDS - 1,
	CHECK_SIZE = 8,
	CHECK_AT = WORDS_LENGTH + 2 * SB_MAC_KEY + 1,
	LINE = CHECK_AT + 2 * CHECK_SIZE + 1,
};

static const char name[] = "verdicts.key";

/* --- Text ------------------------------------------------------------------------------------ */

static void derive(uint8_t out[SB_MAC_KEY], const uint8_t key[SB_MAC_KEY], const char *purpose)
{
	sb_blake3_keyed(key, purpose, strlen(purpose), out);
}

bool sb_mac_key_parse(uint8_t out[SB_MAC_KEY], const char *text, size_t length)
{
	uint8_t check[CHECK_SIZE], right[SB_MAC_KEY];

	if (length != LINE || memcmp(text, WORDS, WORDS_LENGTH) != 0 || text[LINE - 1] != '\n' ||
		text[CHECK_AT - 1] != ' ' ||
		!sb_unhex(out, SB_MAC_KEY, text + WORDS_LENGTH, 2 * (size_t)SB_MAC_KEY) ||
		!sb_unhex(check, CHECK_SIZE, text + CHECK_AT, 2 * (size_t)CHECK_SIZE))
		return false;
	derive(right, out, "scanbridge verdict key check");
	return memcmp(right, check, CHECK_SIZE) == 0;
}

static void format(char line[LINE + 1], const uint8_t key[SB_MAC_KEY])
{
	char digits[2 * SB_MAC_KEY + 1], check[2 * CHECK_SIZE + 1];
	uint8_t right[SB_MAC_KEY];

	derive(right, key, "scanbridge verdict key check");
	sb_hex(digits, key, SB_MAC_KEY);
	sb_hex(check, right, CHECK_SIZE);
	snprintf(line, LINE + 1, WORDS "%s %s\n", digits, check);
	explicit_bzero(digits, sizeof digits);
}

/* --- File ------------------------------------------------------------------------------------ */

static int make(int dir, bool replace)
{
	char temporary[48] = ".verdict-key-", line[LINE + 1];
	uint8_t key[SB_MAC_KEY], dice[8];
	sb_temp temp;
	int status;

	sb_random(dice, sizeof dice);
	sb_hex(temporary + strlen(temporary), dice, sizeof dice);
	if (sb_temp_open(&temp, dir, temporary, SB_TEMP_OWNED | (replace ? SB_TEMP_NAMED : 0)) != 0)
		return -1;
	sb_random(key, sizeof key);
	format(line, key);
	status = sb_write_all(temp.fd, line, LINE);
	if (status == 0)
		status = replace ? sb_temp_replace(&temp, name) : sb_temp_publish(&temp, name);
	sb_temp_drop(&temp);
	explicit_bzero(key, sizeof key);
	explicit_bzero(line, sizeof line);
	return status;
}

enum found { FOUND_KEY, FOUND_NOTHING, FOUND_DAMAGE, FOUND_TROUBLE };

static enum found read_file(uint8_t key[SB_MAC_KEY], int fd, sb_error *error)
{
	char text[LINE + 1];
	struct stat st;
	ssize_t n = -1;
	bool good;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) != 0) {
		sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"%s can be read by others (mode %04o): remove it, a new one will be made",
			name, (unsigned)st.st_mode & 07777);
		return FOUND_TROUBLE;
	}
	n = sb_read_full(fd, text, sizeof text);
	if (n < 0) {
		sb_error_set(error, SB_KIND_IO, errno, "%s: cannot read", name);
		return FOUND_TROUBLE;
	}
	good = sb_mac_key_parse(key, text, (size_t)n);
	explicit_bzero(text, sizeof text);
	return good ? FOUND_KEY : FOUND_DAMAGE;
}

static enum found look(uint8_t key[SB_MAC_KEY], int dir, sb_error *error)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	enum found found;

	if (fd < 0 && errno == ENOENT)
		return FOUND_NOTHING;
	if (fd < 0) {
		sb_error_set(error, SB_KIND_IO, errno, "%s: cannot open", name);
		return FOUND_TROUBLE;
	}
	found = read_file(key, fd, error);
	sb_close(&fd);
	return found;
}

static void derive_all(sb_mac_keys *out, const uint8_t key[SB_MAC_KEY])
{
	uint8_t id[SB_MAC_KEY];

	derive(out->mac, key, "scanbridge verdict entry");
	derive(out->place, key, "scanbridge verdict place");
	derive(id, key, "scanbridge verdict database");
	memcpy(&out->id, id, sizeof out->id);
	out->id = (out->id & 0x7fffffff) | 1;
}

int sb_mac_keys_load(sb_mac_keys *out, int dir, sb_error *error)
{
	uint8_t key[SB_MAC_KEY];

	/* Of several processes that make one, one wins, and all read that one. */
	for (unsigned i = 0; i < 3; i++) {
		enum found found = look(key, dir, error);

		if (found == FOUND_TROUBLE)
			return -1;
		if (found == FOUND_KEY) {
			derive_all(out, key);
			explicit_bzero(key, sizeof key);
			return 0;
		}
		if (make(dir, found == FOUND_DAMAGE) != 0 && errno != EEXIST)
			break;
	}
	sb_error_set(error, SB_KIND_IO, errno, "%s: cannot make it", name);
	return -1;
}

/* As root for somebody else's data directory: what we make there is his. */
int sb_mac_folder_open(const char *path)
{
	bool made = mkdirat(AT_FDCWD, path, 0700) == 0;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat above;

	if (dir < 0 || !made || geteuid() != 0)
		return dir;
	if (fstatat(dir, "..", &above, 0) != 0 || fchown(dir, above.st_uid, above.st_gid) != 0)
		sb_close(&dir);
	return dir;
}

int sb_mac_keys_open(sb_mac_keys *out, const char *path, sb_error *error)
{
	int fd = sb_mac_folder_open(path);

	*out = (sb_mac_keys){0};
	if (fd < 0)
		sb_error_set(error, SB_KIND_IO, errno, "open %s", path);
	else if (sb_mac_keys_load(out, fd, error) != 0)
		sb_close(&fd);
	return fd;
}

void sb_mac_keys_forget(sb_mac_keys *keys)
{
	explicit_bzero(keys, sizeof *keys);
}
