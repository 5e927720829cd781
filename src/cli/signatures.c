/* SPDX-License-Identifier: MIT */
/* Bringing signature files in; see signatures.h. */
#include "cli/signatures.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/child.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/hash.h"
#include "util/io.h"
#include "util/temp.h"

#define RUN_TIME (60000 * SB_MS)

enum { PIECE = 256 * 1024, NAME_MAX_BYTES = 100, FILES_MAX = 64 };

static const char incoming[] = "incoming", previous[] = "previous";

/* --- Programs ------------------------------------------------------------------------------- */

/* What it says, until it has ended; false: it takes too long. */
static bool listen_to(sb_child *child, int fd, char *out, size_t room)
{
	const uint64_t until = sb_clock_now(sb_clock_system()) + RUN_TIME;
	struct pollfd set[] = {{fd, POLLIN, 0}, {sb_child_fd(child), POLLIN, 0}};
	char bytes[1024];
	size_t used = 0;

	for (;;) {
		uint64_t now = sb_clock_now(sb_clock_system());
		ssize_t n;

		out[used] = '\0';
		if (now >= until || poll(set, 2, (int)((until - now) / SB_MS) + 1) < 0)
			return false;
		if (set[0].revents == 0) {
			if (set[1].revents != 0)
				return true;
			continue;
		}
		n = read(fd, bytes, sizeof bytes);
		if (n <= 0)
			set[0].fd = -1;
		for (ssize_t i = 0; i < n && used + 1 < room; i++)
			out[used++] = bytes[i];
	}
}

int sb_signatures_run(const char *path, char *const *argv, int folder, const sb_spawn_user *user,
	char *out, size_t room)
{
	char *const environment[] = {(char *)(uintptr_t) "LANG=C", NULL};
	sb_child_plan plan = SB_CHILD_PLAN(path);
	sb_child *child = NULL;
	int ends[2], status;
	bool done = false;

	out[0] = '\0';
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	plan.path = path;
	plan.argv = argv;
	plan.environment = environment;
	plan.folder = folder;
	plan.standard[1] = plan.standard[2] = ends[1];
	plan.tethered = true;
	plan.other_user = user != NULL && user->other;
	plan.user = user != NULL ? user->uid : 0;
	plan.group = user != NULL ? user->gid : 0;
	status = sb_child_start(&child, &plan, NULL);
	sb_close(&ends[1]);
	if (status == 0) {
		done = listen_to(child, ends[0], out, room);
		sb_child_end(child);
		status = sb_child_join(child);
	}
	sb_close(&ends[0]);
	return done ? status : -1;
}

/* --- Folders --------------------------------------------------------------------------------- */

static int subfolder(const sb_signatures *s, const char *name, sb_error *error)
{
	int fd;

	if (mkdirat(s->folder, name, 0700) != 0 && errno != EEXIST)
		return sb_error_set(error, SB_KIND_IO, errno, "make the folder db/%s", name);
	fd = openat(s->folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && s->owner.other && fchown(fd, s->owner.uid, s->owner.gid) != 0)
		sb_close(&fd);
	return fd >= 0 ? fd : sb_error_set(error, SB_KIND_IO, errno, "open db/%s", name);
}

/* Each file in a folder, by its name; stops at the first that is not 0. */
static int each_file(int folder, int (*visit)(void *data, const char *name), void *data)
{
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = 0;
	DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;

	if (entries == NULL) {
		sb_close(&copy);
		return -1;
	}
	while (status == 0 && (entry = readdir(entries)) != NULL)
		if (entry->d_name[0] != '.')
			status = visit(data, entry->d_name);
	closedir(entries);
	return status;
}

static int remove_file(void *data, const char *name)
{
	return unlinkat(*(const int *)data, name, 0);
}

int sb_signatures_open(sb_signatures *out, const char *data_dir, const char *user, sb_error *error)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	*out = (sb_signatures){.folder = -1, .lock = -1};
	out->folder = sb_spawn_own_database(data_dir, user, &out->owner, error);
	if (out->folder < 0)
		return out->folder;
	out->sigtool = sb_spawn_find("sigtool");
	out->lock = openat(
		out->folder, "../update.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (out->lock >= 0 && fcntl(out->lock, F_OFD_SETLK, &lock) == 0)
		return 0;
	sb_error_set(error, SB_KIND_OVERLOADED, errno,
		"another process is changing the signatures in %s/clamav/db; try again when it is "
		"done",
		data_dir);
	sb_signatures_close(out);
	return -(int)SB_KIND_OVERLOADED;
}

void sb_signatures_close(sb_signatures *signatures)
{
	sb_close(&signatures->folder);
	sb_close(&signatures->lock);
}

/* --- One file -------------------------------------------------------------------------------- */

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static bool ends_with(const char *name, const char *ending)
{
	size_t length = strlen(name), tail = strlen(ending);

	return length > tail && strcmp(name + length - tail, ending) == 0;
}

static bool is_signed(const char *name)
{
	return ends_with(name, ".cvd") || ends_with(name, ".cud");
}

static int check_name(const char *path, sb_error *error)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	const char *name = base_of(path);
	size_t length = strlen(name);

	if (length <= NAME_MAX_BYTES && strspn(name, allowed) == length && name[0] != '.' &&
		name[0] != '-' && sb_spawn_is_signature(name, NULL))
		return 0;
	return sb_error_set(error, SB_KIND_UNSUPPORTED, 0,
		"%s: not the name of a signature file, such as daily.cvd or own.ndb", path);
}

/* Copy all of it; the digest of what follows a header, on the way. */
static int copy(int from, int to, sb_digester *digester, const char *path, sb_error *error)
{
	char *piece = malloc(PIECE);
	uint64_t done = 0;
	int status = piece != NULL ? 0 : sb_error_no_memory(error);

	while (status == 0) {
		ssize_t n = sb_read_full(from, piece, PIECE);
		size_t skip = done < SB_CVD_HEADER ? SB_CVD_HEADER : 0;

		if (n < 0)
			status = sb_error_set(error, SB_KIND_IO, errno, "read %s", path);
		if (n <= 0)
			break;
		done += (uint64_t)n;
		if (done > SB_SIGNATURES_MAX)
			status = sb_error_set(error, SB_KIND_FILE_TOO_LARGE, 0,
				"%s: more than 1 GiB is no signature file", path);
		else if (sb_write_all(to, piece, (size_t)n) != 0)
			status = sb_error_set(error, SB_KIND_IO, errno, "copy %s", path);
		else if ((size_t)n > skip)
			sb_digester_update(digester, piece + skip, (size_t)n - skip);
	}
	if (status == 0 && done == 0)
		status = sb_error_set(error, SB_KIND_CORRUPT, 0, "%s: is empty", path);
	free(piece);
	return status;
}

/* Of a copy: the header, and what it says of the rest. */
static int check_header(
	int fd, const uint8_t digest[16], const char *path, sb_cvd_header *header, sb_error *error)
{
	char bytes[SB_CVD_HEADER];

	if (sb_pread_full(fd, bytes, sizeof bytes, 0) != sizeof bytes ||
		!sb_cvd_header_parse(bytes, sizeof bytes, header))
		return sb_error_set(error, SB_KIND_CORRUPT, 0,
			"%s: does not begin like a signature file of ClamAV", path);
	if (!header->has_digest || memcmp(header->digest, digest, sizeof header->digest) != 0)
		return sb_error_set(error, SB_KIND_CORRUPT, 0,
			"%s: its content does not fit its digest: it is damaged or was changed",
			path);
	return 0;
}

/* By its makers' key, which sigtool knows; in the folder of copies. */
static int check_signature(const sb_signatures *s, int folder, const char *path, sb_error *error)
{
	char option[NAME_MAX_BYTES + 16], said[4096];
	char *const argv[] = {(char *)(uintptr_t) "sigtool", option, NULL};
	int status;

	snprintf(option, sizeof option, "--info=%s", base_of(path));
	status = sb_signatures_run(s->sigtool, argv, folder, &s->owner, said, sizeof said);
	if (status == 0 && strstr(said, "Verification OK") != NULL)
		return 0;
	return sb_error_set(
		error, SB_KIND_CORRUPT, 0, "%s: sigtool does not find it signed by ClamAV", path);
}

static void tell(
	const sb_signatures *s, const char *path, const sb_cvd_header *header, sb_buf *told)
{
	const char *name = base_of(path);

	if (header != NULL)
		sb_buf_printf(told,
			"%s: version %" PRIu64 " of %s, %" PRIu64 " signatures; digest%s\n", name,
			header->version, header->made, header->signatures,
			s->sigtool != NULL ? " and signature are right"
					   : " is right; sigtool is not installed: who made it "
					     "was not checked");
	else
		sb_buf_printf(told, "%s: not signed; taken as it is\n", name);
}

static int check_copy(const sb_signatures *s, int folder, int fd, sb_digester *digester,
	const char *path, sb_buf *told, sb_error *error)
{
	sb_cvd_header header;
	uint8_t digest[16];
	int status;

	sb_digester_final(digester, digest);
	if (!is_signed(path)) {
		tell(s, path, NULL, told);
		return 0;
	}
	status = check_header(fd, digest, path, &header, error);
	if (status == 0 && s->sigtool != NULL)
		status = check_signature(s, folder, path, error);
	if (status == 0)
		tell(s, path, &header, told);
	return status;
}

/* Into the folder of copies, whole, durable and checked. */
static int take(const sb_signatures *s, int folder, const char *path, sb_buf *told, sb_error *error)
{
	int from = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), to = -1, status;
	sb_digester *digester = sb_digester_new(SB_DIGESTER_MD5);
	struct stat info;

	status = check_name(path, error);
	if (status == 0 && digester == NULL)
		status = sb_error_no_memory(error);
	if (status == 0 && (from < 0 || fstat(from, &info) != 0))
		status = sb_error_set(error, SB_KIND_IO, errno, "open %s", path);
	if (status == 0 && !S_ISREG(info.st_mode))
		status =
			sb_error_set(error, SB_KIND_UNSUPPORTED, 0, "%s: is no regular file", path);
	if (status == 0) {
		to = openat(folder, base_of(path),
			O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (to < 0)
			status = sb_error_set(error, SB_KIND_IO, errno, "copy %s", path);
	}
	if (status == 0)
		status = copy(from, to, digester, path, error);
	if (status == 0 && (sb_temp_own(folder, to) != 0 || sb_temp_flush(to) != 0))
		status = sb_error_set(error, SB_KIND_IO, errno, "copy %s", path);
	if (status == 0)
		status = check_copy(s, folder, to, digester, path, told, error);
	sb_digester_free(digester);
	sb_close(&to);
	sb_close(&from);
	return status;
}

/* --- In place ----------------------------------------------------------------------------------
 */

/* daily.cvd and daily.cld are the same signatures: one takes the other's place. */
static bool same_signatures(const char *a, const char *b)
{
	const char *x = strrchr(a, '.'), *y = strrchr(b, '.');
	bool both =
		(is_signed(a) || ends_with(a, ".cld")) && (is_signed(b) || ends_with(b, ".cld"));

	return strcmp(a, b) == 0 || (both && x - a == y - b && strncmp(a, b, (size_t)(x - a)) == 0);
}

typedef struct exchange {
	int folder, from, to; /* what is at `folder` goes to `to`, what is in `from` comes */
	const char *name;     /* the file that comes */
} exchange;

/* Out of the way, if it is what comes under another ending. */
static int put_away(void *data, const char *name)
{
	const exchange *e = data;

	if (strcmp(name, e->name) == 0 || !same_signatures(name, e->name))
		return 0;
	return renameat(e->folder, name, e->to, name);
}

/* One after the other is in place, never none: the old one is kept by a second name first. */
static int put_in_place(void *data, const char *name)
{
	exchange *e = data;

	e->name = name;
	if (linkat(e->folder, name, e->to, name, 0) != 0 && errno != ENOENT)
		return -1;
	if (renameat(e->from, name, e->folder, name) != 0)
		return -1;
	return each_file(e->folder, put_away, e);
}

static int exchange_all(const sb_signatures *s, int from, int to, sb_error *error)
{
	exchange e = {.folder = s->folder, .from = from, .to = to};

	if (each_file(from, put_in_place, &e) == 0 && sb_temp_flush(to) == 0 &&
		sb_temp_flush(s->folder) == 0)
		return 0;
	return sb_error_set(error, SB_KIND_IO, errno,
		"put the signatures in place; what was replaced is in db/%s", previous);
}

int sb_signatures_import(const sb_signatures *signatures, char *const *paths, size_t count,
	sb_buf *told, sb_error *error)
{
	int from = subfolder(signatures, incoming, error), to, status = 0;

	if (from < 0)
		return from;
	if (count > FILES_MAX)
		status = sb_error_set(error, SB_KIND_UNSUPPORTED, 0, "more than 64 files at once");
	else if (each_file(from, remove_file, &from) != 0) /* of one that was interrupted */
		status = sb_error_set(error, SB_KIND_IO, errno, "empty db/%s", incoming);
	for (size_t i = 0; status == 0 && i < count; i++)
		status = take(signatures, from, paths[i], told, error);
	to = status == 0 ? subfolder(signatures, previous, error) : -1;
	if (status == 0 && to < 0)
		status = to;
	if (status == 0 && each_file(to, remove_file, &to) != 0)
		status = sb_error_set(error, SB_KIND_IO, errno, "empty db/%s", previous);
	if (status == 0)
		status = exchange_all(signatures, from, to, error);
	each_file(from, remove_file, &from);
	sb_close(&to);
	sb_close(&from);
	unlinkat(signatures->folder, incoming, AT_REMOVEDIR);
	return status;
}

typedef struct counted {
	size_t count;
	sb_buf *told;
} counted;

static int count_file(void *data, const char *name)
{
	counted *c = data;

	c->count++;
	sb_buf_printf(c->told, "%s: as it was before the last import\n", name);
	return 0;
}

/* By way of a third folder: what comes and what goes may have the same name. */
int sb_signatures_roll_back(const sb_signatures *signatures, sb_buf *told, sb_error *error)
{
	int to = -1, from = -1, status;
	counted c = {.told = told};

	from = openat(signatures->folder, previous, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 || each_file(from, count_file, &c) != 0 || c.count == 0)
		status = sb_error_set(error, SB_KIND_FILE_NOT_FOUND, 0,
			"there is nothing to go back to: no import has replaced a file");
	else
		status = to = subfolder(signatures, incoming, error);
	if (to >= 0)
		status = exchange_all(signatures, from, to, error);
	if (status == 0 && renameat2(signatures->folder, incoming, signatures->folder, previous,
				   RENAME_EXCHANGE) != 0)
		status = sb_error_set(error, SB_KIND_IO, errno, "keep what was replaced");
	sb_close(&to);
	sb_close(&from);
	unlinkat(signatures->folder, incoming, AT_REMOVEDIR);
	return status;
}
