/* SPDX-License-Identifier: MIT */
/*
 * The loop. A file is offered to the crew when it has been quiet for a while, when it is not
 * known from before, and when nobody is writing it any more as far as can be told. Known it
 * becomes when its verdict was released and it is still what it was when it was offered.
 */
#include "cli/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/line.h"
#include "cli/log.h"
#include "cli/watch_file.h"
#include "cli/watch_mounts.h"
#include "cli/watch_state.h"
#include "cli/watch_tree.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/io.h"

enum {
	MAX_PENDING = 32768,
	OFFERED_AT_ONCE = 512,
	MIN_SETTLE_MS = 20, /* above the clock tick by which files are dated */
	CHECK_MS = 1000,
	RENEW_MS = 1000,      /* after lost events, not sooner than so long after the last time */
	UNWATCHED_MS = 30000, /* folders that inotify has no watches for */
	STILL_MS = 10000,     /* a file that is held open, but not written to */
	EXPIRE_S = 90 * 86400,
};

/* What a scan came to, for the file. */
typedef enum ended_as { JUDGED, GONE, FAILED, CANCELLED } ended_as;

struct ended {
	struct ended *next;
	ended_as as;
	uint64_t after; /* ns */
	char path[];
};

struct sb_watch {
	const sb_watch_plan *plan;
	sb_clock *clock;
	sb_tree *tree;
	sb_pending *pending;
	sb_watch_state *state;
	sb_mounts mounts;
	char **absolute; /* of each root: what the state knows it by */
	sb_buf key, cursor;
	sb_walk_dir *folder; /* the one last opened, within a turn */
	struct stat own[3];
	size_t own_count;
	int wake_fd;
	atomic_bool stopped;
	uint64_t settle; /* ns */
	bool failed, listing, full, missed, mounted, rejudge, listed, ready, pipe_out, more_events;
	size_t pruned; /* roots that were gone through; SIZE_MAX: not now */
	uint64_t next_check, last_renew;
	uint64_t vanished, unchanged;
	uint8_t digest[SB_BLAKE3_SIZE]; /* by which it judges, and how often that has changed */
	unsigned era;
	pthread_mutex_t lock; /* guards what follows */
	uint8_t next_digest[SB_BLAKE3_SIZE];
	bool has_next;
	struct ended *first_ended, **last_ended;
};

static void wake(sb_watch *watch)
{
	uint64_t one = 1;

	(void)sb_write_all(watch->wake_fd, &one, sizeof one); /* full: it is awake */
}

static uint64_t now_of(const sb_watch *watch)
{
	return sb_clock_now(watch->clock);
}

/* --- Places ------------------------------------------------------------------------------ */

/* What the state calls it; NULL without memory or root. */
static const char *key_of(sb_watch *watch, const char *path)
{
	const char *relative, *root = sb_tree_root_of(watch->tree, path, &relative);
	size_t i = 0;

	if (root == NULL)
		return NULL;
	while (watch->plan->roots[i] != root)
		i++;
	sb_buf_clear(&watch->key);
	watch->key.failed = false;
	sb_buf_text(&watch->key, watch->absolute[i]);
	sb_buf_text(&watch->key, sb_tree_slash(watch->absolute[i]));
	sb_buf_text(&watch->key, relative);
	return watch->key.failed ? NULL : watch->key.data;
}

static void close_folder(sb_watch *watch)
{
	sb_walk_dir_unref(watch->folder);
	watch->folder = NULL;
}

/* The folder of a file, open; NULL with errno. */
static sb_walk_dir *open_folder(sb_watch *watch, const char *path)
{
	const char *relative, *root = sb_tree_root_of(watch->tree, path, &relative);
	const char *slash = strrchr(path, '/');
	size_t length = slash != NULL ? (size_t)(slash + 1 - path) : 0;
	char *below;
	int fd;

	if (watch->folder != NULL && strlen(watch->folder->prefix) == length &&
		memcmp(watch->folder->prefix, path, length) == 0)
		return watch->folder;
	close_folder(watch);
	if (root == NULL || slash == NULL) {
		errno = ENOENT;
		return NULL;
	}
	below = strndup(relative, slash + 1 > relative ? (size_t)(slash + 1 - relative) : 0);
	fd = below != NULL ? sb_watch_open_folder(root, below) : -1;
	free(below);
	if (fd >= 0)
		watch->folder = sb_walk_dir_new(fd, path, length);
	if (watch->folder == NULL)
		sb_close(&fd);
	return watch->folder;
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static bool look(sb_watch *watch, const char *path, struct stat *st)
{
	const sb_walk_dir *folder = open_folder(watch, path);

	return folder != NULL && fstatat(folder->fd, name_of(path), st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_own(const sb_watch *watch, const struct stat *st)
{
	struct stat audit;

	for (size_t i = 0; i < watch->own_count; i++)
		if (watch->own[i].st_dev == st->st_dev && watch->own[i].st_ino == st->st_ino)
			return true;
	return watch->plan->audit_file != NULL && stat(watch->plan->audit_file, &audit) == 0 &&
	       audit.st_dev == st->st_dev && audit.st_ino == st->st_ino;
}

/* --- What the tree tells ------------------------------------------------------------------ */

static void on_file(void *data, const char *path, bool closed)
{
	sb_watch *watch = data;

	if (!sb_pending_touch(watch->pending, path, now_of(watch), closed))
		watch->missed = true;
}

/* What an original is called for a moment while it is removed (quarantine/remove.c). */
static bool is_removal(const char *name)
{
	return strncmp(name, ".sb-", 4) == 0 && strspn(name + 4, "0123456789abcdef") == 32 &&
	       name[36] == '\0';
}

static void on_gone(void *data, const char *path, sb_tree_loss loss)
{
	sb_watch *watch = data;
	const char *key = key_of(watch, path);

	if (loss != SB_TREE_FOLDER && sb_pending_gone(watch->pending, path))
		watch->vanished += loss == SB_TREE_DELETED && !is_removal(name_of(path));
	if (key != NULL && loss == SB_TREE_FOLDER)
		sb_watch_state_forget_below(watch->state, key);
	else if (key != NULL)
		sb_watch_state_forget(watch->state, key);
}

static void on_skipped(void *data, const char *path, sb_skip why)
{
	sb_watch *watch = data;

	if (watch->last_renew == 0) /* once is enough */
		sb_output_skipped(watch->plan->output, path, why);
}

static void on_problem(void *data, const char *path, const char *message)
{
	sb_watch *watch = data;

	sb_output_unopened(watch->plan->output, path, message);
}

static void on_root(void *data, const char *root, bool here)
{
	sb_watch *watch = data;

	if (watch->ready)
		sb_log(SB_LOG_WARN, "%s: %s", root,
			here ? "is here again and watched"
			     : "is gone; it will be watched when it is back");
}

/* --- What the crew hands in --------------------------------------------------------------- */

static ended_as classify(const sb_error *error)
{
	sb_kind kind = sb_error_kind(error);

	if (kind == SB_KIND_NONE)
		return JUDGED;
	if (kind == SB_KIND_CANCELLED)
		return CANCELLED;
	if (kind == SB_KIND_FILE_NOT_FOUND && sb_error_engine(error) == NULL)
		return GONE;
	/* That it is too large or encrypted is so next time, too. */
	return sb_error_class(error) == SB_CLASS_CONTENT && kind != SB_KIND_CHANGED ? JUDGED
										    : FAILED;
}

/* Any thread: show it, then hand it in. */
static bool on_ended(
	void *data, const char *path, size_t length, sb_report *report, const sb_error *error)
{
	sb_watch *watch = data;
	struct ended *ended = malloc(sizeof *ended + length + 1);
	bool well = ended != NULL;

	if (report != NULL)
		error = sb_report_error(report);
	if (ended == NULL) {
		sb_log(SB_LOG_ERROR, "out of memory");
		return false;
	}
	*ended = (struct ended){.as = classify(error)};
	memcpy(ended->path, path, length + 1);
	if (sb_error_retry_after_ms(error) > 0)
		ended->after = (uint64_t)sb_error_retry_after_ms(error) * SB_MS;
	if (report == NULL)
		sb_output_failed(watch->plan->output, path, error);
	else if (ended->as != GONE)
		well = sb_output_report(watch->plan->output, path, length, report);
	pthread_mutex_lock(&watch->lock);
	*watch->last_ended = ended;
	watch->last_ended = &ended->next;
	pthread_mutex_unlock(&watch->lock);
	wake(watch);
	return well;
}

static void judged(sb_watch *watch, sb_pending_file *file, uint64_t now)
{
	sb_watch_identity is;
	struct stat st;
	const char *key;

	if (!look(watch, file->path, &st)) { /* removed, by us or by others */
		sb_pending_done(watch->pending, file, now, true);
		return;
	}
	is = sb_watch_identify(&st);
	if (!sb_watch_same(&is, &file->identity)) {
		sb_pending_changed(watch->pending, file, now);
		return;
	}
	key = file->too_new || file->era != watch->era ? NULL : key_of(watch, file->path);
	if (key != NULL)
		sb_watch_state_put(
			watch->state, key, &is, sb_clock_wall(watch->clock) / 1000000000);
	sb_pending_done(watch->pending, file, now, true);
}

static void take_in(sb_watch *watch, const struct ended *ended)
{
	sb_pending_file *file = sb_pending_in_work(watch->pending, ended->path);
	uint64_t now = now_of(watch);

	if (file == NULL)
		return;
	switch (ended->as) {
	case JUDGED:
		judged(watch, file, now);
		return;
	case GONE:
		watch->vanished++;
		sb_pending_done(watch->pending, file, now, false);
		return;
	case FAILED:
		sb_pending_failed(watch->pending, file, now, ended->after);
		return;
	case CANCELLED: /* we end: it is left for the next time */
		sb_pending_put_off(watch->pending, file, SB_NEVER);
		return;
	}
}

static void take_ended(sb_watch *watch)
{
	struct ended *ended, *next;

	pthread_mutex_lock(&watch->lock);
	ended = watch->first_ended;
	watch->first_ended = NULL;
	watch->last_ended = &watch->first_ended;
	pthread_mutex_unlock(&watch->lock);
	if (ended != NULL)
		watch->full = false;
	for (; ended != NULL; ended = next) {
		next = ended->next;
		take_in(watch, ended);
		free(ended);
	}
}

/* --- What the crew gets ------------------------------------------------------------------- */

/* None of ours, or not to be found: nothing waits for it any more. */
static void dismiss(sb_watch *watch, sb_pending_file *file)
{
	sb_pending_done(watch->pending, file, now_of(watch), false);
}

/* How long a file has not been changed, in ns. Dates of the future tell nothing. */
static uint64_t quiet_for(const sb_watch *watch, const struct stat *st)
{
	uint64_t wall = sb_clock_wall(watch->clock);
	uint64_t changed =
		(uint64_t)st->st_ctim.tv_sec * 1000000000 + (uint64_t)st->st_ctim.tv_nsec;

	return changed <= wall ? wall - changed : SB_NEVER;
}

/* True: its time has not come. What is written still is judged when it is closed, or when
 * nothing was written for long: some programs never close their files. */
static bool put_off(sb_watch *watch, sb_pending_file *file, const struct stat *st)
{
	const uint64_t still = STILL_MS * SB_MS;
	uint64_t quiet = quiet_for(watch, st), least = watch->settle, now = now_of(watch);

	if (!file->closed && quiet < still &&
		sb_watch_has_writer(watch->folder->fd, name_of(file->path)))
		least = still;
	/* Its dates may not tell the next change from the last one: judged, but not known. */
	file->too_new = quiet < MIN_SETTLE_MS * SB_MS;
	if (quiet >= least || (least < still && sb_pending_is_late(watch->pending, file, now)))
		return false;
	sb_pending_put_off(watch->pending, file, now + least - quiet);
	return true;
}

/* Whether the file, which was looked at, is to be scanned now; if not, it is dealt with. */
static bool wanted(sb_watch *watch, sb_pending_file *file, const struct stat *st)
{
	const char *key;

	if (!S_ISREG(st->st_mode)) {
		if (!S_ISDIR(st->st_mode))
			on_skipped(watch, file->path,
				S_ISLNK(st->st_mode) ? SB_SKIP_SYMLINK : SB_SKIP_SPECIAL);
		dismiss(watch, file);
		return false;
	}
	file->identity = sb_watch_identify(st);
	key = key_of(watch, file->path);
	if (key != NULL && sb_watch_state_knows(watch->state, key, &file->identity)) {
		watch->unchanged += watch->last_renew == 0;
		dismiss(watch, file);
		return false;
	}
	if (is_own(watch, st)) {
		dismiss(watch, file);
		return false;
	}
	return !put_off(watch, file, st);
}

/* False: the crew takes no more for now. */
static bool offer_one(sb_watch *watch, sb_feed *feed, sb_pending_file *file)
{
	struct stat st;
	sb_walk_item *item;

	if (!look(watch, file->path, &st)) {
		if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
			watch->vanished++;
			dismiss(watch, file);
		} else { /* a folder that may not be entered, no descriptors */
			sb_pending_changed(watch->pending, file, now_of(watch));
		}
		return true;
	}
	if (!wanted(watch, file, &st))
		return true;
	file->era = watch->era;
	item = sb_walk_item_new(watch->folder, name_of(file->path), (uint64_t)st.st_size);
	if (item != NULL && sb_feed_offer(feed, item))
		return true;
	sb_walk_item_free(item);
	sb_pending_put_off(watch->pending, file, now_of(watch));
	return false;
}

static void offer(sb_watch *watch, sb_feed *feed)
{
	for (int i = 0; i < OFFERED_AT_ONCE && !watch->full; i++) {
		sb_pending_file *file = sb_pending_take(watch->pending, now_of(watch));
		if (file == NULL)
			break;
		watch->full = !offer_one(watch, feed, file);
	}
	close_folder(watch);
}

/* --- Turns of the loop -------------------------------------------------------------------- */

static bool has_room(const sb_watch *watch)
{
	return sb_pending_count(watch->pending) < MAX_PENDING / 2;
}

/* When everything has to be looked through anew; SB_NEVER: it need not. */
static uint64_t renew_due(const sb_watch *watch)
{
	if (sb_tree_overflowed(watch->tree) || watch->mounted || watch->rejudge ||
		(watch->missed && has_room(watch)))
		return watch->last_renew + RENEW_MS * SB_MS;
	if (watch->listed && sb_tree_unwatched(watch->tree) > 0)
		return watch->last_renew + UNWATCHED_MS * SB_MS;
	return SB_NEVER;
}

static void renew(sb_watch *watch)
{
	if (sb_tree_overflowed(watch->tree) || watch->missed)
		sb_log(SB_LOG_WARN,
			"more happened than could be followed; looking through everything again");
	watch->missed = watch->mounted = watch->rejudge = false;
	watch->last_renew = now_of(watch);
	sb_tree_renew(watch->tree);
	watch->listing = true;
	watch->pruned = 0;
}

static int patience(const sb_watch *watch)
{
	uint64_t now = now_of(watch), until = watch->next_check;
	uint64_t due = watch->full ? SB_NEVER : sb_pending_due(watch->pending);

	if (watch->more_events || (watch->listing && has_room(watch)) ||
		(!watch->listing && watch->pruned < watch->plan->root_count))
		return 0;
	if (due < until)
		until = due;
	if (renew_due(watch) < until)
		until = renew_due(watch);
	return until > now ? (int)((until - now) / SB_MS) + 1 : 0;
}

static void fail(sb_watch *watch, const char *message)
{
	sb_log(SB_LOG_ERROR, "watch: %s", message);
	watch->failed = true;
	atomic_store(&watch->stopped, true);
}

static void wait_for_news(sb_watch *watch)
{
	const sb_watch_plan *plan = watch->plan;
	struct pollfd polled[] = {{sb_tree_fd(watch->tree), POLLIN, 0}, {watch->wake_fd, POLLIN, 0},
		{watch->mounts.fd, POLLPRI, 0}, {watch->pipe_out ? STDOUT_FILENO : -1, 0, 0}};
	uint64_t count;

	if (poll(polled, sizeof polled / sizeof polled[0], patience(watch)) <= 0)
		return;
	if ((polled[1].revents & POLLIN) != 0)
		(void)!read(watch->wake_fd, &count, sizeof count);
	if (polled[2].revents != 0)
		watch->mounted = sb_mounts_changed(&watch->mounts, plan->roots, plan->root_count) ||
				 watch->mounted;
	if ((polled[3].revents & (POLLERR | POLLHUP)) != 0)
		fail(watch, "nobody reads standard output any more");
}

static void look_around(sb_watch *watch)
{
	uint64_t now = now_of(watch);

	watch->more_events = !sb_tree_read(watch->tree);
	if (now >= renew_due(watch))
		renew(watch);
	if (now >= watch->next_check) {
		sb_tree_check(watch->tree);
		watch->next_check = now + CHECK_MS * SB_MS;
	}
	watch->listing = !has_room(watch) || sb_tree_list(watch->tree);
}

/* The first list is done: everything that is there is watched, or can't be. */
static void first_list_done(sb_watch *watch)
{
	watch->listed = true;
	watch->pruned = 0;
	if (sb_tree_unwatched(watch->tree) > 0)
		fail(watch, "it can't be seen what arrives in all of the folders");
}

/* Once, and not only when the last of a million files that were there already has its turn: the
 * service manager does not wait that long. */
static void begin(sb_watch *watch)
{
	size_t folders = sb_tree_folders(watch->tree);
	char text[128];

	watch->ready = true;
	if (watch->listed)
		snprintf(text, sizeof text, "watching %zu %s", folders,
			folders == 1 ? "folder" : "folders");
	else
		snprintf(text, sizeof text, "watching; more folders follow as files are judged");
	sb_output_note(watch->plan->output, text);
	sb_watch_notify("READY=1");
}

static void keep_state(sb_watch *watch)
{
	const sb_watch_plan *plan = watch->plan;
	const sb_error *failure;

	if (!watch->listing && watch->pruned < plan->root_count &&
		!sb_watch_state_prune(
			watch->state, watch->absolute[watch->pruned], &watch->cursor)) {
		watch->pruned++;
		sb_buf_clear(&watch->cursor);
	}
	sb_watch_state_commit(watch->state);
	failure = sb_watch_state_failure(watch->state);
	if (failure != NULL)
		sb_log(SB_LOG_WARN,
			"%s; files that are judged from now on are judged again after a restart",
			sb_error_message(failure));
}

void sb_watch_judge_by(sb_watch *watch, const uint8_t *digest)
{
	pthread_mutex_lock(&watch->lock);
	memcpy(watch->next_digest, digest, sizeof watch->next_digest);
	watch->has_next = true;
	pthread_mutex_unlock(&watch->lock);
	wake(watch);
}

/* Everything is looked through again; what is in work may have been judged by the one before. */
static void take_digest(sb_watch *watch)
{
	bool changed;

	pthread_mutex_lock(&watch->lock);
	changed = watch->has_next &&
		  memcmp(watch->digest, watch->next_digest, sizeof watch->digest) != 0;
	watch->has_next = false;
	memcpy(watch->digest, changed ? watch->next_digest : watch->digest, sizeof watch->digest);
	pthread_mutex_unlock(&watch->lock);
	if (!changed)
		return;
	watch->era++;
	sb_watch_state_commit(watch->state);
	sb_watch_state_judge_by(watch->state, watch->digest);
	watch->rejudge = true;
}

static void run(void *data, sb_feed *feed)
{
	sb_watch *watch = data;

	sb_watch_state_expire(watch->state, sb_clock_wall(watch->clock) / 1000000000 - EXPIRE_S,
		watch->absolute, watch->plan->root_count);
	while (!atomic_load(&watch->stopped)) {
		take_digest(watch);
		take_ended(watch);
		look_around(watch);
		if (!watch->listed && !watch->listing)
			first_list_done(watch);
		if (!watch->failed && !watch->ready && (watch->listed || !has_room(watch)))
			begin(watch);
		offer(watch, feed);
		keep_state(watch);
		if (!atomic_load(&watch->stopped))
			wait_for_news(watch);
	}
	sb_watch_notify("STOPPING=1");
}

static void stop(void *data)
{
	sb_watch *watch = data;

	atomic_store(&watch->stopped, true);
	wake(watch);
}

/* --- The whole -------------------------------------------------------------------------- */

static char *absolute(const char *path)
{
	char *folder = path[0] != '/' ? getcwd(NULL, 0) : NULL, *out;

	if (path[0] == '/')
		return strdup(path);
	if (folder == NULL || asprintf(&out, "%s%s%s", folder, sb_tree_slash(folder), path) < 0)
		out = NULL;
	free(folder);
	return out;
}

/* What we write to ourselves is none of our business: every line would bring another one. */
static void note_own(sb_watch *watch)
{
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		struct stat *st = &watch->own[watch->own_count];
		if (fstat(fd, st) != 0)
			continue;
		if (S_ISREG(st->st_mode))
			watch->own_count++;
		else if (fd == STDOUT_FILENO)
			watch->pipe_out = S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode);
	}
}

static int open_parts(sb_watch *watch, sb_error *error)
{
	const sb_watch_plan *plan = watch->plan;
	const sb_tree_sink sink = {on_file, on_gone, on_skipped, on_problem, on_root, watch};
	uint64_t seed = 0;
	bool renewed = false;
	int status;

	watch->absolute = calloc(plan->root_count, sizeof *watch->absolute);
	for (size_t i = 0; watch->absolute != NULL && i < plan->root_count; i++)
		if ((watch->absolute[i] = absolute(plan->roots[i])) == NULL)
			return sb_error_set(error, SB_KIND_IO, errno, "%s", plan->roots[i]);
	(void)!getrandom(&seed, sizeof seed, 0); /* it spreads tries, no more */
	watch->pending = sb_pending_new(watch->settle, MAX_PENDING, seed);
	if (watch->absolute == NULL || watch->pending == NULL)
		return sb_error_no_memory(error);
	watch->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (watch->wake_fd < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "eventfd");
	sb_mounts_open(&watch->mounts, plan->roots, plan->root_count);
	status = sb_watch_state_open(
		&watch->state, plan->walk.data_dir, plan->digest, &renewed, error);
	if (renewed)
		sb_log(SB_LOG_WARN,
			"watch.sqlite was damaged and made anew: all files are judged once more");
	if (status < 0)
		return status;
	return sb_tree_new(&watch->tree, plan->roots, plan->root_count, &plan->walk, &sink, error);
}

int sb_watch_new(sb_watch **out, const sb_watch_plan *plan, sb_error *error)
{
	sb_watch *watch = calloc(1, sizeof *watch);
	int status;

	if (watch == NULL)
		return sb_error_no_memory(error);
	watch->plan = plan;
	memcpy(watch->digest, plan->digest, sizeof watch->digest);
	watch->clock = sb_clock_system();
	watch->wake_fd = watch->mounts.fd = -1;
	watch->pruned = SIZE_MAX;
	watch->settle = SB_MS * (plan->settle_ms > MIN_SETTLE_MS ? plan->settle_ms : MIN_SETTLE_MS);
	watch->listing = true;
	watch->last_ended = &watch->first_ended;
	pthread_mutex_init(&watch->lock, NULL);
	sb_buf_init(&watch->key, 512 * 1024);
	sb_buf_init(&watch->cursor, 512 * 1024);
	note_own(watch);
	status = open_parts(watch, error);
	if (status < 0) {
		sb_watch_free(watch);
		return status;
	}
	*out = watch;
	return 0;
}

void sb_watch_free(sb_watch *watch)
{
	if (watch == NULL)
		return;
	close_folder(watch);
	sb_tree_free(watch->tree);
	sb_watch_state_close(watch->state);
	sb_pending_free(watch->pending);
	for (size_t i = 0; watch->absolute != NULL && i < watch->plan->root_count; i++)
		free(watch->absolute[i]);
	free(watch->absolute);
	sb_buf_done(&watch->key);
	sb_buf_done(&watch->cursor);
	sb_close(&watch->wake_fd);
	sb_mounts_close(&watch->mounts);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
}

sb_scan_finder sb_watch_finder(sb_watch *watch)
{
	return (sb_scan_finder){run, stop, on_ended, watch};
}

bool sb_watch_finish(sb_watch *watch)
{
	take_ended(watch);
	sb_watch_state_commit(watch->state);
	sb_output_watched(watch->plan->output, watch->vanished, watch->unchanged,
		sb_pending_count(watch->pending));
	return !watch->failed;
}
