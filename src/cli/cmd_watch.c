/* SPDX-License-Identifier: MIT */
/* `watch`: what `scan` does with its options, for folders instead of paths, until a signal. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cmd_scan.h"
#include "cli/line.h"
#include "cli/log.h"
#include "cli/walk_rules.h"
#include "cli/watch.h"
#include "cli/watch_file.h"
#include "scan/manager.h"
#include "util/hash.h"
#include "util/io.h"

enum { GRACE_MS = 5000, SETTLE_MS = 200, ROW_ROOM = 48 };

/* --- Options ---------------------------------------------------------------------------- */

#define AT(member) offsetof(sb_watch_settings, member)

/* Rows without a type are scan's row of that name: said once, and the same for both. */
enum { AS_SCAN = -1 };
static const struct {
	int type;
	sb_option row;
} rows[] = {
	{SB_OPTION_GROUP, {"What is scanned", 0, SB_OPTION_GROUP, NULL, 0, NULL}},
	{AS_SCAN, {.name = "exclude"}},
	{AS_SCAN, {.name = "max-size"}},
	{SB_OPTION_DURATION, {"settle", 0, SB_OPTION_DURATION, "TIME", AT(settle_ms),
				     "how long a file must have been quiet (default: 200ms)"}},
	{SB_OPTION_GROUP, {"How", 0, SB_OPTION_GROUP, NULL, 0, NULL}},
	{AS_SCAN, {.name = "engine"}},
	{AS_SCAN, {.name = "policy"}},
	{AS_SCAN, {.name = "jobs"}},
	{AS_SCAN, {.name = "timeout"}},
	{AS_SCAN, {.name = "archive-password"}},
	{AS_SCAN, {.name = "no-cache"}},
	{AS_SCAN, {.name = "no-quarantine"}},
	{AS_SCAN, {.name = "remove"}},
	{AS_SCAN, {.name = "dry-run"}},
	{SB_OPTION_GROUP, {"For policy and audit", 0, SB_OPTION_GROUP, NULL, 0, NULL}},
	{AS_SCAN, {.name = "tenant"}},
	{AS_SCAN, {.name = "user"}},
	{SB_OPTION_TEXT, {"source", 0, SB_OPTION_TEXT, "NAME", AT(scan.source),
				 "where they come from (default: watch)"}},
	{AS_SCAN, {.name = "meta"}},
	{SB_OPTION_GROUP, {"Output", 0, SB_OPTION_GROUP, NULL, 0, NULL}},
	{AS_SCAN, {.name = "json"}},
	{AS_SCAN, {.name = "verbose"}},
	{SB_OPTION_YES, {"quiet", 'q', SB_OPTION_YES, NULL, AT(scan.quiet), "no summary"}},
	{AS_SCAN, {.name = "no-color"}},
};

sb_option sb_watch_cli_options[ROW_ROOM];
_Static_assert(sizeof rows / sizeof rows[0] < ROW_ROOM, "the table ends with an empty row");

static const sb_option *scan_row(const char *name)
{
	const sb_option *row = sb_scan_cli_options;

	while (row->name != NULL && (row->type == SB_OPTION_GROUP || strcmp(row->name, name) != 0))
		row++;
	return row->name != NULL ? row : NULL;
}

void sb_watch_options_fill(void)
{
	size_t count = 0;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const sb_option *row =
			rows[i].type == AS_SCAN ? scan_row(rows[i].row.name) : &rows[i].row;
		if (row != NULL)
			sb_watch_cli_options[count++] = *row;
	}
}

/* --- Folders ---------------------------------------------------------------------------- */

static int refuse(const char *path, const char *message)
{
	sb_output_complain(path, message);
	return -1;
}

static bool same_place(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether an open folder is the data directory, or lies in it. Takes the descriptor. */
static bool in_data_dir(int fd, const char *data_dir)
{
	struct stat data, here, above;
	bool found = false;

	if (stat(data_dir, &data) != 0 || fstat(fd, &here) != 0)
		memset(&data, 0, sizeof data);
	for (;;) {
		int up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		found = same_place(&here, &data);
		sb_close(&fd);
		fd = up;
		if (found || fd < 0 || fstat(fd, &above) != 0 || same_place(&above, &here))
			break;
		here = above;
	}
	sb_close(&fd);
	return found;
}

static int check_root(char *root, const char *data_dir)
{
	size_t length = strlen(root);
	int fd;

	if (strcmp(root, "-") == 0)
		return refuse(root, "watch takes folders, no standard input");
	while (length > 1 && root[length - 1] == '/')
		root[--length] = '\0';
	fd = sb_watch_open_folder(root, "");
	if (fd < 0)
		return refuse(root,
			errno == ENOTDIR ? "is no folder: watch takes folders" : strerror(errno));
	if (sb_on_kernel_file_system(fd)) {
		sb_close(&fd);
		return refuse(root, "its files are made by the kernel; it can't be watched");
	}
	return in_data_dir(fd, data_dir)
		       ? refuse(root, "is part of the data directory, which is never watched")
		       : 0;
}

static int check_roots(char **roots, size_t count, const char *data_dir)
{
	for (size_t i = 0; i < count; i++)
		if (check_root(roots[i], data_dir) < 0)
			return -1;
	return 0;
}

/* --- What verdicts depend on ------------------------------------------------------------ */

static void add_text(sb_buf *out, const char *text)
{
	sb_buf_printf(out, "%zu:%s", text != NULL ? strlen(text) + 1 : 0, text != NULL ? text : "");
}

static void add_words(sb_buf *out, const sb_words *words)
{
	sb_buf_printf(out, "%zu words ", words->count);
	for (size_t i = 0; i < words->count; i++)
		add_text(out, words->items[i]);
}

/* The configuration, and what the command line says beside it. */
static int digest_of(
	uint8_t out[SB_BLAKE3_SIZE], const sb_manager *manager, const sb_scan_settings *s)
{
	uint8_t digest[SB_BLAKE3_SIZE];
	sb_buf text;
	bool whole;

	sb_manager_digest(manager, digest);
	sb_buf_init(&text, 4 << 20);
	sb_buf_add(&text, digest, sizeof digest);
	sb_buf_printf(&text, "%llu %llu ", (unsigned long long)s->max_size,
		(unsigned long long)s->timeout_ms);
	add_words(&text, &s->engines);
	add_words(&text, &s->passwords);
	add_words(&text, &s->metadata);
	add_text(&text, s->tenant);
	add_text(&text, s->user);
	add_text(&text, s->source);
	whole = !text.failed;
	if (whole)
		sb_blake3_memory(text.data, text.length, out);
	else
		sb_log(SB_LOG_ERROR, "watch: out of memory");
	if (text.data != NULL)
		explicit_bzero(text.data, text.length);
	sb_buf_done(&text);
	return whole ? 0 : -1;
}

/* --- Running it ------------------------------------------------------------------------- */

static int status_of(sb_run_end end)
{
	switch (end) {
	case SB_RUN_TERMINATED:
		return SB_EXIT_OK;
	case SB_RUN_INTERRUPTED:
	case SB_RUN_STUCK:
		return SB_EXIT_INTERRUPTED;
	case SB_RUN_DONE: /* by itself: it could not go on */
	case SB_RUN_FAILED:
		break;
	}
	return SB_EXIT_FAILED;
}

struct reading {
	const sb_scan_session *session;
	const sb_globals *globals;
	sb_watch *watch;
};

static int read_anew(void *data, sb_error *error)
{
	const struct reading *reading = data;
	const sb_scan_session *session = reading->session;
	uint8_t digest[SB_BLAKE3_SIZE];
	int status = sb_scan_reconfigure(session, reading->globals, error);

	if (status == 0 && digest_of(digest, session->manager, session->settings) == 0)
		sb_watch_judge_by(reading->watch, digest);
	return status;
}

static int run(const sb_scan_session *session, const sb_globals *globals, sb_watch *watch,
	sb_output *output)
{
	const sb_scan_finder finder = sb_watch_finder(watch);
	struct reading reading = {.session = session, .globals = globals, .watch = watch};
	sb_scan_run plan = sb_scan_plan(session);
	sb_run_end end;

	plan.output = output;
	plan.finder = &finder;
	plan.grace_ms = GRACE_MS;
	plan.reload = read_anew;
	plan.reload_data = &reading;
	end = sb_scan_run_all(&plan);
	if (end == SB_RUN_FAILED)
		return SB_EXIT_FAILED;
	if (end != SB_RUN_STUCK && !sb_watch_finish(watch))
		end = SB_RUN_DONE;
	(void)sb_output_finish(output, false);
	if (end == SB_RUN_STUCK)
		_exit(status_of(end)); /* threads that don't end still use everything */
	return status_of(sb_output_broken(output) ? SB_RUN_DONE : end);
}

static int watch_folders(const sb_scan_session *session, const sb_globals *globals,
	const sb_watch_settings *settings, char **roots, size_t count)
{
	const sb_conf *conf = sb_manager_conf(session->manager);
	sb_output_options look = sb_scan_output_options(session->settings);
	uint8_t digest[SB_BLAKE3_SIZE];
	sb_watch_plan plan = {.roots = roots,
		.root_count = count,
		.walk = sb_scan_plan(session).walk,
		.audit_file = conf->audit.enabled ? conf->audit.file : NULL,
		.digest = digest,
		.settle_ms = settings->settle_ms > 0 ? settings->settle_ms : SETTLE_MS};
	sb_watch *watch = NULL;
	int status = SB_EXIT_FAILED;
	sb_error error;

	sb_error_init(&error);
	look.progress = false; /* nobody knows how much will come */
	if (check_roots(roots, count, conf->data_dir) < 0 ||
		digest_of(digest, session->manager, session->settings) < 0)
		return SB_EXIT_FAILED;
	plan.output = sb_output_new(&look);
	if (plan.output == NULL)
		(void)sb_error_no_memory(&error);
	if (plan.output != NULL && sb_watch_new(&watch, &plan, &error) == 0)
		status = run(session, globals, watch, plan.output);
	else
		sb_log_error(&error);
	sb_watch_free(watch);
	sb_output_free(plan.output);
	return status;
}

int sb_cmd_watch(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_watch_settings *settings = data;
	sb_scan_settings scan = settings->scan;
	sb_scan_session session;
	int status = SB_EXIT_FAILED;
	sigset_t lease; /* see sb_watch_has_writer() */

	sigemptyset(&lease);
	sigaddset(&lease, SIGIO);
	pthread_sigmask(SIG_BLOCK, &lease, NULL);
	if (scan.source == NULL)
		scan.source = "watch";
	if (sb_scan_open(&session, globals, "watch", &scan) == 0)
		status = watch_folders(&session, globals, settings, words, count);
	sb_scan_close(&session);
	return status;
}
