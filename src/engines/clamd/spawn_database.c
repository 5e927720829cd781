/* SPDX-License-Identifier: MIT */
/*
 * The folder of signatures: what is in it, as a digest over names, sizes and times, so that any
 * change shows, also of signatures that clamd's VERSION doesn't tell of.
 */
#include "engines/clamd/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/error.h"
#include "util/hash.h"
#include "util/text.h"

enum { MAX_FILES = 4096, TEXT_BYTES = 4 << 20, FIND_NOTHING = 11 };

/* What cli_load() of libclamav knows (signatures manual, "Database formats"). The first ones find
 * nothing: they say what is let pass, or how others are used. With them alone clamd comes up, and
 * calls everything clean. */
bool sb_spawn_is_signature(const char *name, bool *detects)
{
	static const char *const endings[] = {"cfg", "info", "fp", "sfp", "ign", "ign2", "ftm",
		"cat", "crb", "wdb", "pwdb", "cvd", "cld", "cud", "db", "hdb", "hsb", "hdu", "hsu",
		"mdb", "msb", "mdu", "msu", "ndb", "ndu", "ldb", "ldu", "sdb", "zmd", "rmd", "idb",
		"cbc", "cdb", "gdb", "pdb", "imp", "ioc", "yar", "yara"};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot != NULL && dot != name && i < sizeof endings / sizeof endings[0];
		i++)
		if (strcmp(dot + 1, endings[i]) == 0) {
			if (detects != NULL)
				*detects = i >= FIND_NOTHING;
			return true;
		}
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A line for one file. */
static bool look_at(int dir, const char *name, sb_spawn_database *out, char **line)
{
	bool detects = false;
	struct stat info;

	if (!sb_spawn_is_signature(name, &detects) || fstatat(dir, name, &info, 0) != 0 ||
		!S_ISREG(info.st_mode))
		return true;
	out->bytes += (uint64_t)info.st_size;
	if (asprintf(line, "%s\n%lld %lld.%09ld %lld.%09ld %llu\n", name, (long long)info.st_size,
		    (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
		    (long long)info.st_ctim.tv_sec, info.st_ctim.tv_nsec,
		    (unsigned long long)info.st_ino) < 0)
		return false;
	out->files += detects;
	return true;
}

static bool digest(char **lines, size_t count, char tag[17])
{
	uint8_t hash[SB_BLAKE3_SIZE];
	bool failed;
	sb_buf text;

	qsort(lines, count, sizeof *lines, by_name);
	sb_buf_init(&text, TEXT_BYTES);
	for (size_t i = 0; i < count; i++)
		sb_buf_text(&text, lines[i]);
	failed = text.failed;
	if (!failed)
		sb_blake3_memory(text.data != NULL ? text.data : "", text.length, hash);
	sb_hex(tag, hash, failed ? 0 : 8);
	sb_buf_done(&text);
	return !failed;
}

int sb_spawn_database_look(const char *folder, sb_spawn_database *out, sb_error *error)
{
	DIR *entries = opendir(folder);
	char **lines = calloc(MAX_FILES, sizeof *lines);
	const struct dirent *entry;
	size_t count = 0;
	int status = 0;

	*out = (sb_spawn_database){0};
	if (entries == NULL)
		status = sb_error_set(error, SB_KIND_NOT_CONFIGURED, errno,
			"open the folder of signatures %s", folder);
	if (status == 0 && lines == NULL)
		status = sb_error_no_memory(error);
	while (status == 0 && (entry = readdir(entries)) != NULL) {
		if (count == MAX_FILES)
			status = sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
				"%s: more than %d files of signatures", folder, MAX_FILES);
		else if (!look_at(dirfd(entries), entry->d_name, out, &lines[count]))
			status = sb_error_no_memory(error);
		else
			count += lines[count] != NULL;
	}
	if (status == 0 && !digest(lines, count, out->tag))
		status = sb_error_no_memory(error);
	for (size_t i = 0; lines != NULL && i < count; i++)
		free(lines[i]);
	free(lines);
	if (entries != NULL)
		closedir(entries);
	return status;
}
