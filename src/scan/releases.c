/* SPDX-License-Identifier: MIT */
/* releases.yaml: one rule a line, replaced as a whole under a lock; see releases.h. */
#include "scan/releases.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "config/config.h"
#include "util/temp.h"
#include "util/buf.h"
#include "util/io.h"
#include "util/json.h"
#include "util/text.h"
#include "util/uuid.h"

enum { MAX_FILE = 64 << 20, MAX_TEXT = 1024 };

static const char head[] =
	"# What `scanbridge quarantine release` lets pass, before every other rule. To take one\n"
	"# back, delete its line.\n"
	"rules:\n";

/* A JSON text is a YAML text, too. */
static void text(sb_buf *out, const char *key, const char *value)
{
	sb_json json = sb_json_on(out);

	sb_buf_printf(out, "%s: ", key);
	sb_json_text_n(&json, NULL, value, sb_json_fitting(value, strlen(value), MAX_TEXT));
}

static void rule(sb_buf *out, const sb_quarantine_record *record, const char *reason)
{
	char digits[2 * SB_BLAKE3_SIZE + 1], released[128], time[SB_TIME_SIZE];

	sb_hex(digits, record->blake3, SB_BLAKE3_SIZE);
	sb_format_time(time, sb_clock_wall(sb_clock_system()));
	snprintf(released, sizeof released, "released %s by uid %u", time, (unsigned)geteuid());
	sb_buf_printf(out, "  - {id: released-%s, ", record->id);
	text(out, "description", released);
	sb_buf_printf(out, ", when: {hash: \"blake3:%s\"", digits);
	if (record->tenant != NULL) {
		sb_buf_text(out, ", ");
		text(out, "tenant", record->tenant);
	}
	sb_buf_text(out, "}, then: {action: allow, ");
	text(out, "reason", reason != NULL ? reason : "released from quarantine");
	sb_buf_text(out, "}}\n");
}

/* The file as it is; empty when there is none yet. */
static int read_old(int dir, sb_buf *out)
{
	char piece[4096];
	int fd = openat(dir, SB_RELEASES, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	while ((n = sb_read_full(fd, piece, sizeof piece)) > 0)
		sb_buf_add(out, piece, (size_t)n);
	sb_close(&fd);
	return n < 0 || out->failed ? -1 : 0;
}

static int replace(int dir, const sb_buf *content)
{
	sb_temp temp;
	int status;

	if (sb_temp_open(&temp, dir, ".releases", SB_TEMP_NAMED | SB_TEMP_OWNED) != 0)
		return -1;
	status = sb_write_all(temp.fd, content->data, content->length);
	if (status == 0)
		status = sb_temp_replace(&temp, SB_RELEASES);
	sb_temp_drop(&temp);
	return status;
}

static int add(int dir, const sb_quarantine_record *record, const char *reason, bool *added)
{
	char id[64];
	sb_buf content;
	int status;

	sb_buf_init(&content, MAX_FILE);
	snprintf(id, sizeof id, "{id: released-%s,", record->id);
	status = read_old(dir, &content);
	*added = status == 0 && (content.data == NULL || strstr(content.data, id) == NULL);
	if (*added) {
		if (content.length == 0)
			sb_buf_text(&content, head);
		else if (content.data[content.length - 1] != '\n')
			sb_buf_char(&content, '\n');
		rule(&content, record, reason);
		status = content.failed ? -1 : replace(dir, &content);
	}
	sb_buf_done(&content);
	return status;
}

int sb_releases_add(const char *data_dir, const sb_quarantine_record *record, const char *reason,
	bool *added, sb_error *error)
{
	int dir = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status = dir >= 0 ? 0 : -1;

	*added = false;
	while (status == 0 && (status = flock(dir, LOCK_EX)) != 0 && errno == EINTR)
		status = 0;
	if (status == 0)
		status = add(dir, record, reason, added);
	if (status != 0)
		sb_error_set(error, SB_KIND_IO, errno, "%s/" SB_RELEASES, data_dir);
	sb_close(&dir);
	return status == 0 ? 0 : -SB_KIND_IO;
}
