/* SPDX-License-Identifier: MIT */
/* The lines of mountinfo (proc(5)) in which a root's path stands, as one number. Nothing is
 * parsed: a line too many costs one look through the folders. */
#include "cli/watch_mounts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/watch_file.h"
#include "util/buf.h"
#include "util/io.h"

enum { MAX_TEXT = 16 << 20, CHUNK = 64 * 1024 };

static bool read_all(int fd, sb_buf *text)
{
	ssize_t got = -1;

	if (lseek(fd, 0, SEEK_SET) != 0)
		return false;
	for (;;) {
		char *at = sb_buf_reserve(text, CHUNK);
		got = at != NULL ? read(fd, at, CHUNK - 1) : -1;
		if (got <= 0)
			break;
		text->length += (size_t)got;
	}
	sb_buf_char(text, '\0');
	return got == 0 && !text->failed;
}

/* ` /the/root/`, as the kernel writes it: links resolved, some bytes in octal. */
static bool pattern_of(sb_buf *out, const char *root)
{
	char self[64], path[4096];
	int fd = sb_watch_open_folder(root, "");
	ssize_t length;

	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	length = fd >= 0 ? readlink(self, path, sizeof path) : -1;
	sb_close(&fd);
	if (length <= 0 || length == (ssize_t)sizeof path)
		return false;
	sb_buf_clear(out);
	sb_buf_char(out, ' ');
	for (ssize_t i = 0; i < length; i++) {
		if (strchr(" \t\n\\", path[i]) != NULL)
			sb_buf_printf(out, "\\%03o", (unsigned)path[i]);
		else
			sb_buf_char(out, path[i]);
	}
	if (path[length - 1] != '/')
		sb_buf_char(out, '/');
	return !out->failed;
}

static uint64_t add_lines(uint64_t sum, const char *text, const char *pattern)
{
	for (const char *line = text; *line != '\0';) {
		size_t length = strcspn(line, "\n");
		if (memmem(line, length, pattern, strlen(pattern)) != NULL)
			for (size_t i = 0; i < length; i++)
				sum = (sum ^ (unsigned char)line[i]) * 0x100000001b3u; /* FNV-1a */
		line += length + (line[length] == '\n');
	}
	return sum;
}

static uint64_t look(const sb_mounts *mounts, char *const *roots, size_t count)
{
	uint64_t sum = 0xcbf29ce484222325u;
	sb_buf text, pattern;

	sb_buf_init(&text, MAX_TEXT);
	sb_buf_init(&pattern, 64 * 1024);
	if (read_all(mounts->fd, &text))
		for (size_t i = 0; i < count; i++)
			if (pattern_of(&pattern, roots[i]))
				sum = add_lines(sum, text.data, pattern.data);
	sb_buf_done(&text);
	sb_buf_done(&pattern);
	return sum;
}

void sb_mounts_open(sb_mounts *mounts, char *const *roots, size_t count)
{
	mounts->fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (mounts->fd >= 0)
		mounts->last = look(mounts, roots, count);
}

void sb_mounts_close(sb_mounts *mounts)
{
	sb_close(&mounts->fd);
}

bool sb_mounts_changed(sb_mounts *mounts, char *const *roots, size_t count)
{
	uint64_t now = look(mounts, roots, count);
	bool changed = now != mounts->last;

	mounts->last = now;
	return changed;
}
