/* SPDX-License-Identifier: MIT */
/*
 * One lock orders what is shown: a result line is one write on standard output, preceded, when
 * a progress line stands on the terminal, by wiping that line from standard error.
 */
#include "cli/output.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/line.h"
#include "cli/log.h"
#include "cli/progress.h"
#include "cli/term.h"
#include "util/clock.h"
#include "util/io.h"
#include "util/text.h"

enum { MAX_CURRENT = 4096 };

struct sb_output {
	sb_output_options options;
	uint64_t started; /* ns */
	atomic_uint_fast64_t found_files, found_bytes;
	atomic_bool found_all, broken;
	pthread_mutex_t lock;
	/* under lock */
	sb_tally tally;
	sb_buf line;
	sb_buf current;
	sb_rate rate;
	pthread_mutex_t screen; /* the terminal: taken inside `lock`, or alone by the log */
	bool progress_shown;    /* under screen */
};

static void wipe(void *data)
{
	sb_output *output = data;

	pthread_mutex_lock(&output->screen);
	if (output->progress_shown)
		(void)sb_write_all(STDERR_FILENO, "\r\033[K", 4);
	output->progress_shown = false;
	pthread_mutex_unlock(&output->screen);
}

sb_output *sb_output_new(const sb_output_options *options)
{
	sb_output *output = calloc(1, sizeof *output);

	if (output == NULL)
		return NULL;
	output->options = *options;
	output->started = sb_clock_now(sb_clock_system());
	pthread_mutex_init(&output->lock, NULL);
	pthread_mutex_init(&output->screen, NULL);
	sb_buf_init(&output->line, 16 * 1024 * 1024);
	sb_buf_init(&output->current, MAX_CURRENT);
	if (options->progress)
		sb_log_set_before(wipe, output);
	return output;
}

void sb_output_free(sb_output *output)
{
	if (output == NULL)
		return;
	sb_log_set_before(NULL, NULL);
	sb_buf_done(&output->line);
	sb_buf_done(&output->current);
	pthread_mutex_destroy(&output->screen);
	pthread_mutex_destroy(&output->lock);
	free(output);
}

/* --- Lines ------------------------------------------------------------------------------ */

/* One write of what stands in output->line. */
static bool emit(sb_output *output)
{
	int failure = 0;

	if (atomic_load(&output->broken))
		return false;
	if (output->options.progress)
		wipe(output);
	if (output->line.failed)
		failure = ENOMEM;
	else if (sb_write_all(STDOUT_FILENO, output->line.data, output->line.length) != 0)
		failure = errno;
	if (failure == 0)
		return true;
	atomic_store(&output->broken, true);
	sb_log(SB_LOG_ERROR, "standard output: %s; stopping", strerror(failure));
	return false;
}

static bool needs_line(const sb_output *output, const sb_report *report)
{
	return output->options.verbose || sb_report_outcome(report) != SB_OUTCOME_CLEAN ||
	       sb_report_error(report) != NULL ||
	       (sb_report_action(report) != SB_ACTION_ALLOW && !sb_report_is_low_assurance(report));
}

bool sb_output_report(sb_output *output, const char *path, size_t length, sb_report *report)
{
	bool well = true;

	pthread_mutex_lock(&output->lock);
	sb_tally_report(&output->tally, report);
	sb_buf_clear(&output->line);
	if (output->options.json) {
		size_t size;
		const char *json = sb_report_json(report, &size);
		if (json != NULL)
			sb_buf_add(&output->line, json, size);
		else
			output->line.failed = true;
		sb_buf_char(&output->line, '\n');
		well = emit(output);
	} else if (needs_line(output, report)) {
		sb_line_from_report(
			&output->line, path, length, report, output->options.colours_out);
		well = emit(output);
	}
	pthread_mutex_unlock(&output->lock);
	return well;
}

void sb_output_failed(sb_output *output, const char *path, const sb_error *error)
{
	pthread_mutex_lock(&output->lock);
	output->tally.failed++;
	pthread_mutex_unlock(&output->lock);
	sb_output_complain(path, sb_error_message(error));
}

void sb_output_unopened(sb_output *output, const char *path, const char *message)
{
	pthread_mutex_lock(&output->lock);
	output->tally.unopened++;
	pthread_mutex_unlock(&output->lock);
	sb_output_complain(path, message);
}

void sb_output_skipped(sb_output *output, const char *path, sb_skip why)
{
	pthread_mutex_lock(&output->lock);
	output->tally.skipped[why]++;
	if (output->options.verbose && !output->options.json) {
		sb_buf_clear(&output->line);
		sb_escape(&output->line, path, strlen(path));
		sb_buf_printf(&output->line, ": skipped: %s\n", sb_skip_name(why, 1));
		(void)emit(output);
	}
	pthread_mutex_unlock(&output->lock);
}

void sb_output_note(sb_output *output, const char *text)
{
	pthread_mutex_lock(&output->lock);
	if (!output->options.quiet) {
		sb_buf_clear(&output->line);
		sb_buf_printf(&output->line, "%s\n", text);
		if (!output->line.failed)
			(void)sb_write_all(STDERR_FILENO, output->line.data, output->line.length);
	}
	pthread_mutex_unlock(&output->lock);
}

void sb_output_watched(sb_output *output, uint64_t vanished, uint64_t unchanged, uint64_t left)
{
	pthread_mutex_lock(&output->lock);
	output->tally.vanished = vanished;
	output->tally.unchanged = unchanged;
	output->tally.left = left;
	pthread_mutex_unlock(&output->lock);
}

bool sb_output_broken(sb_output *output)
{
	return atomic_load(&output->broken);
}

/* --- Progress --------------------------------------------------------------------------- */

void sb_output_found(sb_output *output, uint64_t bytes)
{
	atomic_fetch_add(&output->found_files, 1);
	atomic_fetch_add(&output->found_bytes, bytes);
}

void sb_output_found_all(sb_output *output)
{
	atomic_store(&output->found_all, true);
}

void sb_output_begins(sb_output *output, const char *path, size_t length)
{
	if (!output->options.progress)
		return;
	pthread_mutex_lock(&output->lock);
	sb_buf_clear(&output->current);
	if (length > MAX_CURRENT / 8) {
		path += length - MAX_CURRENT / 8;
		length = MAX_CURRENT / 8;
	}
	sb_escape(&output->current, path, length);
	pthread_mutex_unlock(&output->lock);
}

static double elapsed(const sb_output *output)
{
	return (double)(sb_clock_now(sb_clock_system()) - output->started) / 1e9;
}

void sb_output_tick(sb_output *output)
{
	sb_progress now = {.found_files = atomic_load(&output->found_files),
		.found_bytes = atomic_load(&output->found_bytes),
		.found_all = atomic_load(&output->found_all),
		.seconds = elapsed(output)};
	sb_buf text;

	if (!output->options.progress)
		return;
	sb_buf_init(&text, 8192);
	sb_buf_text(&text, "\r");
	pthread_mutex_lock(&output->lock);
	now.files = output->tally.files;
	now.bytes = output->tally.bytes;
	now.current = output->current.data;
	sb_rate_add(&output->rate, &now);
	{
		sb_buf line;
		sb_buf_init(&line, 8192);
		sb_progress_format(&line, &now, sb_term_width(STDERR_FILENO));
		if (line.data != NULL)
			sb_buf_text(&text, line.data);
		sb_buf_done(&line);
	}
	sb_buf_text(&text, "\033[K");
	pthread_mutex_lock(&output->screen);
	if (!text.failed && sb_write_all(STDERR_FILENO, text.data, text.length) == 0)
		output->progress_shown = true;
	pthread_mutex_unlock(&output->screen);
	pthread_mutex_unlock(&output->lock);
	sb_buf_done(&text);
}

/* --- The end ---------------------------------------------------------------------------- */

int sb_output_finish(sb_output *output, bool interrupted)
{
	int status;

	pthread_mutex_lock(&output->lock);
	if (output->options.progress)
		wipe(output);
	output->tally.found = atomic_load(&output->found_files);
	status = sb_tally_status(&output->tally, interrupted, atomic_load(&output->broken));
	if (!output->options.quiet) {
		sb_buf_clear(&output->line);
		sb_summary_format(&output->line, &output->tally, elapsed(output), interrupted,
			sb_term_width(STDERR_FILENO), output->options.colours_err);
		if (!output->line.failed)
			(void)sb_write_all(STDERR_FILENO, output->line.data, output->line.length);
	}
	pthread_mutex_unlock(&output->lock);
	return status;
}
