/* SPDX-License-Identifier: MIT */
/*
 * Locking, writing and flushing one log file. The lock is an open file description lock on
 * the log itself: it ends with its process however that ends, and different descriptors of
 * one process exclude each other too. One fstatat() of the log's name under the lock tells
 * both if the file is still the one we have open and if somebody wrote behind us: when the
 * size is what we left, the end of the chain is still in memory and nothing has to be read.
 */
#include "audit/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/file_own.h"
#include "util/io.h"
#include "util/text.h"
#include "util/uuid.h"

const sb_audit_io sb_audit_system_io = {write, fdatasync, ftruncate, fallocate};

int sb_audit_fail(const sb_audit_file *f, sb_error *error, int sys_errno, const char *format, ...)
{
	char text[768];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return sb_error_set(
		error, SB_KIND_AUDIT_FAILED, sys_errno, "audit log %s: %s", f->path, text);
}

int sb_audit_lock(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
	int status;

	do {
		status = fcntl(fd, F_OFD_SETLKW, &lock);
	} while (status != 0 && errno == EINTR);
	return status;
}

int sb_audit_own(const sb_audit_file *f, int fd)
{
	struct stat folder, file;

	if (fstat(f->dir, &folder) != 0 || fstat(fd, &file) != 0 || fchmod(fd, 0600) != 0)
		return -1;
	if (file.st_uid == folder.st_uid || geteuid() != 0)
		return 0;
	return fchown(fd, folder.st_uid, folder.st_gid);
}

int sb_audit_known(const sb_audit_file *f, sb_audit_state *out, sb_error *error)
{
	int found = sb_audit_state_read(f->state, out);

	return found >= 0 ? found : sb_audit_fail(f, error, errno, "cannot read its .state");
}

void sb_audit_file_time(const sb_audit_file *f, char out[])
{
	sb_format_time(out, sb_clock_wall(f->clock));
}

/* --- Opening ------------------------------------------------------------------------------ */

/* The log's file as it is named now. It is created only when nothing is known of one: a log
 * that has vanished is not begun anew in silence. */
static int open_log(sb_audit_file *f, sb_error *error)
{
	const int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	sb_audit_state known;
	struct stat st;

	f->fd = openat(f->dir, f->name, flags);
	if (f->fd < 0 && errno == ENOENT) {
		int found = sb_audit_known(f, &known, error);
		if (found < 0)
			return found;
		if (found > 0)
			return sb_audit_fail(f, error, 0,
				"is missing, but %s.state knows it up to seq %llu: put it back, or "
				"remove the .state file to begin a new log",
				f->name, (unsigned long long)known.seq);
		f->fd = openat(f->dir, f->name, flags | O_CREAT, 0600);
		if (f->fd >= 0 && sb_audit_own(f, f->fd) != 0) {
			int saved = errno;
			sb_close(&f->fd);
			return sb_audit_fail(f, error, saved, "cannot set owner and mode");
		}
	}
	if (f->fd < 0)
		return sb_audit_fail(f, error, errno, "cannot open");
	if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		sb_close(&f->fd);
		return sb_audit_fail(f, error, 0, "isn't a regular file");
	}
	f->device = st.st_dev;
	f->inode = st.st_ino;
	f->known = f->failed = f->named = false;
	sb_audit_forget_reserve(f);
	return 0;
}

static int open_state(sb_audit_file *f, sb_error *error)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	char *name;

	if (asprintf(&name, "%s.state", f->name) < 0)
		return sb_error_no_memory(error);
	f->state = openat(f->dir, name, flags);
	if (f->state < 0 && errno == ENOENT) {
		f->state = openat(f->dir, name, flags | O_CREAT, 0600);
		if (f->state >= 0 && sb_audit_own(f, f->state) != 0)
			sb_close(&f->state);
	}
	free(name);
	if (f->state < 0 || sb_audit_state_prepare(f->state) != 0)
		return sb_audit_fail(f, error, errno, "cannot open its .state");
	return 0;
}

static int open_folder(sb_audit_file *f, sb_error *error)
{
	char *slash = strrchr(f->path, '/');

	if (slash == NULL || slash[1] == '\0')
		return sb_audit_fail(f, error, 0, "isn't an absolute path of a file");
	f->name = slash + 1;
	*slash = '\0';
	f->dir = open(slash == f->path ? "/" : f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*slash = '/';
	if (f->dir < 0)
		return sb_audit_fail(f, error, errno, "cannot open its folder");
	return 0;
}

/* What stands in the log but isn't known to be on disk (a new log, a crash, a lost state) is
 * made durable and known before anything is built on it: a failed flush voids the rest. */
static int settle(sb_audit_file *f, sb_error *error)
{
	sb_audit_state known;
	int found = sb_audit_known(f, &known, error);

	if (found < 0 || (found > 0 && known.first == f->first && known.seq >= f->head.seq))
		return found < 0 ? found : 0;
	return sb_audit_file_flush(f, error);
}

int sb_audit_file_open(
	sb_audit_file *f, const sb_audit_options *options, const sb_audit_io *io, sb_error *error)
{
	uint32_t random;
	int status;

	*f = (sb_audit_file){.io = io,
		.clock = options->clock,
		.sync = options->sync,
		.reserve = options->reserve,
		.dir = -1,
		.fd = -1,
		.state = -1};
	f->path = strdup(options->path);
	if (f->path == NULL)
		return sb_error_no_memory(error);
	sb_random(&random, sizeof random);
	snprintf(f->writer, sizeof f->writer, "%ld-%08x", (long)getpid(), random);
	status = open_folder(f, error);
	if (status == 0)
		status = open_state(f, error);
	if (status == 0)
		status = sb_audit_file_begin(f, error);
	if (status == 0) {
		sb_audit_file_end(f);
		status = settle(f, error);
	}
	if (status != 0)
		sb_audit_file_close(f);
	return status;
}

void sb_audit_file_close(sb_audit_file *f)
{
	sb_close(&f->fd);
	sb_close(&f->state);
	sb_close(&f->dir);
	free(f->path);
	f->path = NULL;
}

/* --- A group ------------------------------------------------------------------------------ */

/* Lock the file that bears the log's name: another process may have put a new one there. */
static int lock_named(sb_audit_file *f, sb_error *error)
{
	struct stat named;
	int status;

	for (;;) {
		if (f->fd < 0 && (status = open_log(f, error)) != 0)
			return status;
		if (sb_audit_lock(f->fd, F_WRLCK) != 0)
			return sb_audit_fail(f, error, errno, "cannot lock");
		if (fstatat(f->dir, f->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
			named.st_ino == f->inode && named.st_dev == f->device)
			break;
		sb_close(&f->fd);
	}
	f->size = (uint64_t)named.st_size;
	return 0;
}

static int know_end(sb_audit_file *f, sb_error *error)
{
	if (f->known && f->size == f->end)
		return 0;
	if (f->known && f->size < f->end)
		return sb_audit_fail(f, error, 0,
			"became shorter: somebody cut %llu bytes off; run `scanbridge audit verify "
			"%s`",
			(unsigned long long)(f->end - f->size), f->path);
	if (f->known && sb_audit_read_last(f))
		return 0;
	return f->size == 0 && !f->known ? sb_audit_begin_log(f, error)
					 : sb_audit_recover(f, error);
}

int sb_audit_file_begin(sb_audit_file *f, sb_error *error)
{
	int status = lock_named(f, error);

	if (status != 0)
		return status;
	/* The flush failed, and so did going on in a new file: try that first. */
	status = f->failed ? sb_audit_rotate(f, error) : know_end(f, error);
	if (status != 0)
		sb_audit_file_end(f);
	return status;
}

void sb_audit_file_end(sb_audit_file *f)
{
	if (f->fd >= 0)
		sb_audit_lock(f->fd, F_UNLCK);
}

int sb_audit_write_all(const sb_audit_file *f, int fd, const sb_buf *data)
{
	size_t done = 0;

	while (done < data->length) {
		ssize_t n = f->io->write(fd, data->data + done, data->length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? EIO : errno;
			return -1;
		}
		done += (size_t)n;
	}
	return 0;
}

/* Space is taken ahead while there is some, an eighth of the reserve at a time, so that a
 * disk that others filled still takes at least seven eighths of it. That it can't be had is
 * no error: the records that follow use it up, and then the write says so. Only what is
 * missing is asked for: tmpfs gives up the whole range when a part of it can't be had. */
static void keep_reserve(sb_audit_file *f, uint64_t end)
{
	uint64_t from = f->reserved_to > end ? f->reserved_to : end, to = end + f->reserve;

	if (f->reserve == 0 || end < f->reserve_at)
		return;
	f->reserve_at = end + f->reserve / 8;
	if (f->io->fallocate(f->fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)) == 0)
		f->reserved_to = to;
}

/* After a cut, or in another file: nothing is known to be taken. */
void sb_audit_forget_reserve(sb_audit_file *f)
{
	f->reserved_to = f->reserve_at = 0;
}

int sb_audit_file_write(
	sb_audit_file *f, const sb_buf *lines, const sb_audit_head *head, sb_error *error)
{
	if (lines->failed)
		return sb_error_no_memory(error);
	keep_reserve(f, f->end + lines->length);
	if (sb_audit_write_all(f, f->fd, lines) != 0) {
		int saved = errno;
		/* No torn line stays behind; if even that fails the next writer recovers. */
		if (f->io->ftruncate(f->fd, (off_t)f->end) != 0)
			f->known = false;
		sb_audit_forget_reserve(f);
		return sb_audit_fail(f, error, saved, "cannot write");
	}
	f->head = *head;
	f->end += lines->length;
	f->size = f->end;
	f->known = true;
	return 0;
}

int sb_audit_write_own(sb_audit_file *f, const char *event, const sb_buf *body, sb_error *error)
{
	char time[SB_TIME_SIZE];
	sb_audit_parts parts = {.time = time,
		.writer = f->writer,
		.event = event,
		.body = body->data,
		.body_length = body->length};
	sb_audit_head head = f->head;
	sb_buf line;
	int status;

	if (body->failed)
		return sb_error_no_memory(error);
	sb_audit_file_time(f, time);
	sb_buf_init(&line, (size_t)2 * SB_AUDIT_LINE_MAX);
	sb_audit_line_add(&line, &head, &parts);
	status = sb_audit_file_write(f, &line, &head, error);
	sb_buf_done(&line);
	return status;
}

/* --- Durability --------------------------------------------------------------------------- */

static int publish(sb_audit_file *f, sb_error *error)
{
	sb_audit_state mine = {.first = f->first, .seq = f->head.seq, .offset = f->end};
	int status;

	memcpy(mine.log_id, f->log_id, sizeof mine.log_id);
	memcpy(mine.hash, f->head.hash, sizeof mine.hash);
	status = sb_audit_state_publish(f->state, &mine);
	if (status < 0)
		return sb_audit_fail(f, error, errno, "cannot write its .state");
	if (status > 0)
		return sb_audit_fail(f, error, 0,
			"another process met a failing disk and went on in a new file; the "
			"records up to seq %llu that were not released are void",
			(unsigned long long)mine.seq);
	f->head.durable = mine.seq;
	return 0;
}

int sb_audit_file_flush(sb_audit_file *f, sb_error *error)
{
	int saved, status;

	if (f->sync == SB_AUDIT_SYNC_NONE)
		return 0;
	if (f->io->fdatasync(f->fd) == 0) {
		if (!f->named && fsync(f->dir) != 0)
			return sb_audit_fail(f, error, errno, "cannot make its name durable");
		f->named = true;
		return publish(f, error);
	}
	saved = errno;
	f->failed = true;
	status = lock_named(f, error);
	if (status != 0)
		return status;
	/* f->failed is gone when somebody else's new file bears the name by now. */
	if (f->failed)
		status = sb_audit_rotate(f, error);
	sb_audit_file_end(f);
	if (status != 0)
		return sb_error_prefix(error, "flush failed (%s), and then", strerror(saved));
	return sb_audit_fail(f, error, saved,
		"the disk did not take its records; the log goes on in a new file");
}
