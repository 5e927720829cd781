/* SPDX-License-Identifier: MIT */
/* Lines on standard error: each is one write, so that lines of several processes don't mix. */
#include "cli/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/io.h"
#include "util/json.h"
#include "util/text.h"

const char *const sb_log_levels[] = {"error", "warn", "info", "debug", NULL};
const char *const sb_log_formats[] = {"text", "json", NULL};

static struct {
	pthread_mutex_t lock;
	int level;
	bool json;
	void (*before)(void *data);
	void *data;
} logger = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = SB_LOG_WARN};

void sb_log_setup(int level, bool json)
{
	logger.level = level;
	logger.json = json;
}

void sb_log_set_before(void (*before)(void *data), void *data)
{
	pthread_mutex_lock(&logger.lock);
	logger.before = before;
	logger.data = data;
	pthread_mutex_unlock(&logger.lock);
}

static void as_text(sb_buf *out, sb_log_level level, const char *message)
{
	static const char *const marks[] = {"", "warning: ", "", "debug: "};

	sb_buf_printf(out, "scanbridge: %s", marks[level]);
	/* Not sb_escape(): what callers escaped must not be escaped twice. */
	for (const char *p = message; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		if (c < 0x20 || c == 0x7f)
			sb_buf_printf(out, "\\x%02x", c);
		else
			sb_buf_char(out, *p);
	}
	sb_buf_char(out, '\n');
}

static void as_json(sb_buf *out, sb_log_level level, const char *message)
{
	char now[SB_TIME_SIZE];
	sb_json json = sb_json_on(out);

	sb_format_time(now, sb_clock_wall(sb_clock_system()));
	sb_json_object(&json, NULL);
	sb_json_text(&json, "time", now);
	sb_json_text(&json, "level", sb_log_levels[level]);
	sb_json_text(&json, "message", message);
	sb_json_end_object(&json);
	sb_buf_char(out, '\n');
}

void sb_log(sb_log_level level, const char *format, ...)
{
	char message[2048];
	sb_buf line;
	va_list args;

	if ((int)level > logger.level)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	sb_buf_init(&line, 16384);
	if (logger.json)
		as_json(&line, level, message);
	else
		as_text(&line, level, message);
	pthread_mutex_lock(&logger.lock);
	if (logger.before != NULL)
		logger.before(logger.data);
	/* There is no other place left to complain to. */
	(void)sb_write_all(STDERR_FILENO, line.data != NULL ? line.data : message,
		line.data != NULL ? line.length : strlen(message));
	pthread_mutex_unlock(&logger.lock);
	sb_buf_done(&line);
}

void sb_log_error(const sb_error *error)
{
	sb_log(SB_LOG_ERROR, "%s", sb_error_message(error));
}
