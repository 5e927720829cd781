/* SPDX-License-Identifier: MIT */
/*
 * What clamd and freshclam say goes into `clamd.log` with the time; when that is full it becomes
 * `clamd.log.1`, in place of the one before. Lines are cut, odd bytes are escaped. The last error
 * is kept for messages.
 */
#include "engines/clamd/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/io.h"
#include "util/text.h"

static const char name[] = "clamd.log", older[] = "clamd.log.1";

static void open_file(sb_spawn_log *log)
{
	struct stat info;

	log->fd = openat(
		log->folder, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	log->written = log->fd >= 0 && fstat(log->fd, &info) == 0 && info.st_size > 0
			       ? (uint64_t)info.st_size
			       : 0;
}

void sb_spawn_log_open(sb_spawn_log *log, int folder)
{
	*log = (sb_spawn_log){.folder = folder, .fd = -1};
	open_file(log);
}

void sb_spawn_log_close(sb_spawn_log *log)
{
	sb_close(&log->fd);
}

static void rotate(sb_spawn_log *log)
{
	sb_close(&log->fd);
	/* Should that fail, it goes on where it was. */
	if (renameat(log->folder, name, log->folder, older) == 0)
		log->written = 0;
	open_file(log);
}

static bool is_error(const char *line)
{
	return strncmp(line, "ERROR", 5) == 0 || strstr(line, "Error:") != NULL;
}

bool sb_spawn_is_doubt(const char *line)
{
	/* As strerror() and libclamav say it; we start it with LANG=C. */
	static const char *const words[] = {"emporary", "rite error", "ailed to write",
		"can't write", "Can't write", "No space left", "Disk quota", "Input/output error",
		"Too many open files", "Read-only file system", "llocate memory", "File too large",
		"Permission denied"};

	if (strncmp(line, "LibClamAV Error:", 16) != 0 &&
		strncmp(line, "LibClamAV Warning:", 18) != 0)
		return false;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strstr(line, words[i]) != NULL)
			return true;
	return false;
}

static void keep(sb_spawn_log *log, const char *line)
{
	bool error = is_error(line);

	if (!error && log->last_is_error)
		return;
	snprintf(log->last, sizeof log->last, "%s", line);
	log->last_is_error = error;
}

void sb_spawn_log_line(sb_spawn_log *log, const char *who, const char *line)
{
	char when[SB_TIME_SIZE];
	sb_buf text;

	if (strcmp(who, "clamd") == 0)
		keep(log, line);
	if (log->muted)
		return;
	if (log->written >= SB_SPAWN_LOG_BYTES)
		rotate(log);
	sb_format_time(when, sb_clock_wall(sb_clock_system()));
	sb_buf_init(&text, 8 * SB_SPAWN_LINE);
	sb_buf_printf(&text, "%s %s: ", when, who);
	sb_escape(&text, line, strlen(line));
	sb_buf_char(&text, '\n');
	/* A full disk is no reason to stop; the last words are kept. */
	if (log->fd >= 0 && !text.failed && sb_write_all(log->fd, text.data, text.length) == 0)
		log->written += text.length;
	sb_buf_done(&text);
}

/* --- Lines ----------------------------------------------------------------------------------- */

static void take(
	sb_spawn_lines *lines, char c, void (*each)(void *data, const char *line), void *data)
{
	if (c != '\n' && c != '\0') {
		if (lines->length + 1 < sizeof lines->line)
			lines->line[lines->length++] = c;
		return;
	}
	lines->line[lines->length] = '\0';
	if (lines->length > 0)
		each(data, lines->line);
	lines->length = 0;
}

bool sb_spawn_lines_read(
	sb_spawn_lines *lines, void (*each)(void *data, const char *line), void *data)
{
	char bytes[4096];
	ssize_t n;

	do
		n = read(lines->fd, bytes, sizeof bytes);
	while (n < 0 && errno == EINTR);
	lines->bytes += n > 0 ? (uint64_t)n : 0;
	for (ssize_t i = 0; i < n; i++)
		take(lines, bytes[i], each, data);
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		take(lines, '\n', each, data);
		return false;
	}
	return true;
}
