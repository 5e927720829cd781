/* SPDX-License-Identifier: MIT */
/*
 * Counting, and the table at the end:
 *
 *     files       20,003   1.21 GB
 *     clean       19,998
 *     infected         2
 *     skipped         14   9 symbolic links, 4 hard links, 1 special file
 *     cache hits       0
 *     time        3.41 s   5,866 files/s, 355 MB/s
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/line.h"
#include "cli/term.h"

enum { ROOM = 512, ROWS = 15 };

/* The content could not even be reached: the user named something that is not there. */
static bool is_unopened(const sb_report *report)
{
	const sb_error *error = sb_report_error(report);
	sb_kind kind = error != NULL ? sb_error_kind(error) : SB_KIND_NONE;

	return error != NULL && sb_error_engine(error) == NULL &&
	       (kind == SB_KIND_FILE_NOT_FOUND || kind == SB_KIND_IO);
}

void sb_tally_report(sb_tally *tally, const sb_report *report)
{
	sb_outcome outcome = sb_report_outcome(report);

	tally->files++;
	tally->bytes += sb_report_size(report);
	if (outcome != SB_OUTCOME_ERROR) /* or nobody has read it, and no disk is so fast */
		tally->judged += sb_report_size(report);
	tally->outcomes[outcome]++;
	if (!sb_report_allowed(report)) {
		if (outcome == SB_OUTCOME_ERROR)
			tally->errors_denied++;
		else
			tally->judged_denied++;
	}
	tally->unopened += is_unopened(report);
	tally->cached += sb_report_cached(report);
	tally->quarantined += sb_report_quarantine_id(report) != NULL;
	tally->removed += sb_report_original_removed(report);
	tally->not_removed += sb_report_original_note(report) != NULL;
	tally->unpinned += outcome != SB_OUTCOME_ERROR && !sb_report_pinned(report);
	if (sb_report_is_low_assurance(report)) {
		if (tally->low_assurance++ == 0)
			snprintf(tally->assurance_reason, sizeof tally->assurance_reason, "%s",
				sb_report_reason(report));
	}
}

int sb_tally_status(const sb_tally *tally, bool interrupted, bool output_failed)
{
	if (interrupted)
		return SB_EXIT_INTERRUPTED;
	if (output_failed)
		return SB_EXIT_FAILED;
	if (tally->judged_denied > 0)
		return SB_EXIT_FOUND;
	if (tally->errors_denied > 0 || tally->unopened > 0 || tally->failed > 0)
		return SB_EXIT_FAILED;
	return SB_EXIT_OK;
}

typedef struct row {
	const char *label;
	char value[SB_NUMBER_SIZE];
	char detail[ROOM];
	sb_colour colour;
} row;

/* @p text from @p column on, its further lines after @p indent blanks, broken at blanks. */
static void put_wrapped(sb_buf *out, const char *text, size_t column, size_t indent, unsigned width)
{
	bool first = true;

	while (*text != '\0') {
		size_t word = strcspn(text, " ");
		size_t columns = sb_text_columns(text, word);
		if (!first && column + 1 + columns > width) {
			sb_buf_printf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			sb_buf_char(out, ' ');
			column++;
		}
		sb_buf_add(out, text, word);
		column += columns;
		text += word + (text[word] == ' ');
		first = false;
	}
	sb_buf_char(out, '\n');
}

/* `detail` behind the value, on lines of its own where the terminal is too narrow. */
static void put_row(sb_buf *out, const row *r, size_t value_width, unsigned width, bool colours)
{
	enum { INDENT = 4 };
	size_t column = 2 + 12 + value_width + 3, length = strlen(r->detail);
	char value[2 * SB_NUMBER_SIZE];

	sb_buf_printf(out, "  %-12s", r->label);
	snprintf(value, sizeof value, "%*s", (int)value_width, r->value);
	sb_colour_text(out, r->colour, colours, value);
	if (length == 0) {
		sb_buf_char(out, '\n');
		return;
	}
	if (column + length <= width) {
		sb_buf_printf(out, "   %s\n", r->detail);
		return;
	}
	sb_buf_printf(out, "\n%*s", INDENT, "");
	put_wrapped(out, r->detail, INDENT, INDENT, width);
}

static row count_row(const char *label, uint64_t n, sb_colour colour)
{
	row r = {.label = label, .colour = n > 0 ? colour : SB_COLOUR_DIM};

	sb_format_count(r.value, n);
	return r;
}

static row skipped_row(const sb_tally *tally)
{
	uint64_t sum = 0;
	size_t used = 0;
	row r;

	for (int i = 0; i < SB_SKIP_COUNT_; i++)
		sum += tally->skipped[i];
	r = count_row("skipped", sum, SB_COLOUR_NONE);
	for (int i = 0; i < SB_SKIP_COUNT_ && used < ROOM; i++) {
		char n[SB_NUMBER_SIZE];
		if (tally->skipped[i] == 0)
			continue;
		used += (size_t)snprintf(r.detail + used, ROOM - used, "%s%s %s",
			used > 0 ? ", " : "", sb_format_count(n, tally->skipped[i]),
			sb_skip_name((sb_skip)i, tally->skipped[i]));
	}
	return r;
}

/* What became of the originals only where something did. */
static row quarantined_row(const sb_tally *tally)
{
	row r = count_row("quarantined", tally->quarantined, SB_COLOUR_STRONG);
	char n[SB_NUMBER_SIZE], m[SB_NUMBER_SIZE];

	if (tally->not_removed > 0)
		snprintf(r.detail, ROOM, "%s originals removed, %s not",
			sb_format_count(n, tally->removed), sb_format_count(m, tally->not_removed));
	else if (tally->removed > 0)
		snprintf(r.detail, ROOM, "%s %s removed", sb_format_count(n, tally->removed),
			tally->removed == 1 ? "original" : "originals");
	return r;
}

static row time_row(const sb_tally *tally, double seconds)
{
	row r = {.label = "time"};
	char files[SB_NUMBER_SIZE], bytes[SB_NUMBER_SIZE];
	double base = seconds > 1e-6 ? seconds : 1e-6;

	sb_format_elapsed(r.value, seconds);
	snprintf(r.detail, ROOM, "%s files/s, %s/s",
		sb_format_count(files, (uint64_t)((double)tally->files / base)),
		sb_format_bytes(bytes, (double)tally->judged / base));
	return r;
}

static size_t make_rows(row *rows, const sb_tally *t, double seconds)
{
	size_t n = 0;

	rows[n] = count_row("files", t->files, SB_COLOUR_STRONG);
	sb_format_bytes(rows[n++].detail, (double)t->bytes);
	rows[n++] = count_row("clean", t->outcomes[SB_OUTCOME_CLEAN], SB_COLOUR_GOOD);
	rows[n++] = count_row("infected", t->outcomes[SB_OUTCOME_INFECTED], SB_COLOUR_BAD);
	rows[n++] = count_row("suspicious", t->outcomes[SB_OUTCOME_SUSPICIOUS], SB_COLOUR_DOUBT);
	rows[n++] = count_row("error", t->outcomes[SB_OUTCOME_ERROR] + t->failed, SB_COLOUR_FAILED);
	rows[n++] = count_row(
		"not allowed", t->judged_denied + t->errors_denied + t->failed, SB_COLOUR_STRONG);
	if (t->quarantined > 0)
		rows[n++] = quarantined_row(t);
	if (t->unopened > 0)
		rows[n++] = count_row("not opened", t->unopened, SB_COLOUR_FAILED);
	rows[n++] = skipped_row(t);
	if (t->unchanged > 0) {
		rows[n] = count_row("unchanged", t->unchanged, SB_COLOUR_NONE);
		snprintf(rows[n++].detail, ROOM, "judged before");
	}
	if (t->vanished > 0) {
		rows[n] = count_row("vanished", t->vanished, SB_COLOUR_NONE);
		snprintf(rows[n++].detail, ROOM, "gone before they were scanned");
	}
	rows[n++] = count_row("cache hits", t->cached, SB_COLOUR_NONE);
	rows[n++] = time_row(t, seconds);
	return n;
}

static void note(sb_buf *out, const char *text, unsigned width)
{
	sb_buf_text(out, "\n  ");
	put_wrapped(out, text, 2, 2, width);
}

static void notes(sb_buf *out, const sb_tally *tally, bool interrupted, unsigned width)
{
	char n[SB_NUMBER_SIZE], text[ROOM];

	if (tally->low_assurance > 0) {
		snprintf(text, sizeof text, "Allowed with a warning: %s clean %s; %s.",
			sb_format_count(n, tally->low_assurance),
			tally->low_assurance == 1 ? "file" : "files", tally->assurance_reason);
		note(out, text, width);
	}
	if (tally->unpinned > 0) {
		snprintf(text, sizeof text, "Not protected from change while scanned: %s %s.",
			sb_format_count(n, tally->unpinned),
			tally->unpinned == 1 ? "file" : "files");
		note(out, text, width);
	}
	if (tally->left > 0) {
		snprintf(text, sizeof text, "Not judged: %s %s; next time.",
			sb_format_count(n, tally->left), tally->left == 1 ? "file" : "files");
		note(out, text, width);
	}
	if (interrupted && tally->found > tally->files) {
		char found[SB_NUMBER_SIZE];
		snprintf(text, sizeof text, "Interrupted: %s of %s files found were not scanned.",
			sb_format_count(n, tally->found - tally->files),
			sb_format_count(found, tally->found));
		note(out, text, width);
	} else if (interrupted) {
		note(out, "Interrupted: not everything was scanned.", width);
	}
}

void sb_summary_format(sb_buf *out, const sb_tally *tally, double seconds, bool interrupted,
	unsigned width, bool colours)
{
	row rows[ROWS];
	size_t count = make_rows(rows, tally, seconds), value_width = 0;

	for (size_t i = 0; i < count; i++)
		if (strlen(rows[i].value) > value_width)
			value_width = strlen(rows[i].value);
	sb_buf_char(out, '\n');
	for (size_t i = 0; i < count; i++)
		put_row(out, &rows[i], value_width, width, colours);
	notes(out, tally, interrupted, width);
}
