/* SPDX-License-Identifier: MIT */
/* One file in one line. */
#include "cli/line.h"

#include <stdlib.h>
#include <string.h>

#include "cli/log.h"
#include "scan/report.h"
#include "cli/term.h"
#include "util/text.h"

enum { MAX_NAMES = 16 };

static void names(sb_buf *out, const char *const *items, size_t count)
{
	size_t shown = count < MAX_NAMES ? count : MAX_NAMES;

	for (size_t i = 0; i < shown; i++) {
		sb_buf_text(out, i > 0 ? ", " : "");
		sb_escape(out, items[i], strlen(items[i]));
	}
	if (count > shown)
		sb_buf_printf(out, ", and %zu more", count - shown);
}

static void error_text(sb_buf *out, const sb_error *error)
{
	const char *message = sb_error_message(error);

	sb_buf_printf(out, "%s: ", sb_kind_name(sb_error_kind(error)));
	sb_escape(out, message, strlen(message));
}

static void quarantine_text(sb_buf *out, const sb_line *line)
{
	sb_buf_printf(out, " (%s%s", line->quarantine_id, line->removed ? ", removed" : "");
	if (line->kept != NULL) {
		sb_buf_text(out, ", not removed: ");
		sb_escape(out, line->kept, strlen(line->kept));
	}
	sb_buf_char(out, ')');
}

void sb_line_format(sb_buf *out, const sb_line *line, bool colours)
{
	bool failed = line->outcome == SB_OUTCOME_ERROR;

	sb_escape(out, line->path, line->path_length);
	sb_buf_text(out, ": ");
	sb_colour_text(out, sb_colour_of(line->outcome), colours, sb_outcome_name(line->outcome));
	if (line->threat_count > 0) {
		sb_buf_char(out, ' ');
		names(out, line->threats, line->threat_count);
	}
	if (failed && line->error != NULL) {
		sb_buf_char(out, ' ');
		error_text(out, line->error);
	}
	if (line->engine_count > 0) {
		sb_buf_text(out, " [");
		names(out, line->engines, line->engine_count);
		sb_buf_char(out, ']');
	}
	sb_buf_printf(out, " -> %s", sb_action_name(line->action));
	if (line->quarantine_id != NULL)
		quarantine_text(out, line);
	if (!failed && line->error != NULL) {
		sb_buf_text(out, " (");
		error_text(out, line->error);
		sb_buf_char(out, ')');
	}
	sb_buf_char(out, '\n');
}

/* The engines that say what the report says; for an error, the one to blame. */
static size_t speakers(const sb_report *report, const char **out, size_t room)
{
	sb_outcome outcome = sb_report_outcome(report);
	const sb_error *error = sb_report_error(report);
	size_t count = 0;

	if (outcome == SB_OUTCOME_ERROR) {
		out[0] = error != NULL ? sb_error_engine(error) : NULL;
		return out[0] != NULL ? 1 : 0;
	}
	for (size_t i = 0; i < sb_report_engine_count(report) && count < room; i++) {
		sb_outcome said = sb_report_engine_outcome(report, i);
		bool hit = said == SB_OUTCOME_INFECTED || said == SB_OUTCOME_SUSPICIOUS;
		if (outcome == SB_OUTCOME_CLEAN ? said == SB_OUTCOME_CLEAN : hit)
			out[count++] = sb_report_engine_name(report, i);
	}
	return count;
}

void sb_line_from_report(
	sb_buf *out, const char *path, size_t length, const sb_report *report, bool colours)
{
	const char *engines[MAX_NAMES], **threats;
	size_t count = sb_report_threat_count(report);
	sb_line line = {.path = path,
		.path_length = length,
		.outcome = sb_report_outcome(report),
		.action = sb_report_action(report),
		.engines = engines,
		.error = sb_report_error(report),
		.quarantine_id = sb_report_quarantine_id(report),
		.removed = sb_report_original_removed(report),
		.kept = sb_report_original_note(report)};

	line.engine_count = speakers(report, engines, MAX_NAMES);
	threats = count > 0 ? calloc(count, sizeof *threats) : NULL;
	if (threats != NULL) {
		for (size_t i = 0; i < count; i++)
			threats[i] = sb_report_threat_name(report, i);
		line.threats = threats;
		line.threat_count = count;
	}
	sb_line_format(out, &line, colours);
	free(threats);
}

bool sb_report_is_low_assurance(const sb_report *report)
{
	return report->low_assurance && report->action == SB_ACTION_ALLOW_WITH_WARNING;
}

const char *sb_skip_name(sb_skip why, uint64_t count)
{
	static const char *const texts[SB_SKIP_COUNT_][2] = {
		[SB_SKIP_SYMLINK] = {"symbolic link", "symbolic links"},
		[SB_SKIP_SPECIAL] = {"special file", "special files"},
		[SB_SKIP_HARD_LINK] = {"hard link", "hard links"},
		[SB_SKIP_EXCLUDED] = {"excluded", "excluded"},
		[SB_SKIP_KERNEL] = {"kernel file system", "kernel file systems"},
		[SB_SKIP_DATA_DIR] = {"data directory", "data directories"},
	};

	return texts[why][count != 1];
}

void sb_output_complain(const char *path, const char *message)
{
	sb_buf text;

	sb_buf_init(&text, 1024 * 1024);
	/* The end of a path tells more than its beginning. */
	size_t length = strlen(path), cut = length > 1000 ? length - 1000 : 0;
	sb_escape(&text, path + cut, length - cut);
	sb_log(SB_LOG_ERROR, "%s%s: %s", cut > 0 ? "..." : "", text.data != NULL ? text.data : "",
		message);
	sb_buf_done(&text);
}
