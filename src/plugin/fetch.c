/* SPDX-License-Identifier: MIT */
/* From path to sealed copy; see fetch.h. First the walk (man 7 path_resolution, done by hand and
 * with a look at every step), then the copy. */
#include "plugin/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "plugin/elf_head.h"
#include "plugin/elf_needs.h"
#include "util/io.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

enum { LINKS = 40, PIECE = 1 << 18 };

typedef struct walk {
	const char *plugin; /* as it was configured */
	uid_t user;
	int folder;          /* O_PATH: where we are */
	char at[PATH_MAX];   /* its name, for messages */
	char rest[PATH_MAX]; /* what is still to come */
	unsigned links;
	sb_error *error;
} walk;

/* --- Who may have written it ------------------------------------------------------------------ */

static void name_user(uid_t user, char *out, size_t room)
{
	char text[1024];
	struct passwd account, *found = NULL;

	(void)getpwuid_r(user, &account, text, sizeof text, &found);
	snprintf(out, room, "%.64s (uid %u)",
		found != NULL ? found->pw_name : "a user without name", (unsigned)user);
}

static int check_owner(const walk *w, const struct stat *info, const char *what, const char *name)
{
	char owner[100], own[100];

	if (info->st_uid == 0 || info->st_uid == w->user)
		return 0;
	name_user(info->st_uid, owner, sizeof owner);
	name_user(w->user, own, sizeof own);
	return sb_error_set(w->error, SB_KIND_NOT_CONFIGURED, 0,
		"plugin %s: the %s %s belongs to %s, mode %04o; it must belong to root or to %s: "
		"chown it, or put the plugin elsewhere",
		w->plugin, what, name, owner, (unsigned)info->st_mode & 07777, own);
}

/* Access control lists show in the group's bits, as their mask. */
static int check_mode(const walk *w, const struct stat *info, const char *what, const char *name)
{
	char owner[100];

	if ((info->st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return 0;
	name_user(info->st_uid, owner, sizeof owner);
	return sb_error_set(w->error, SB_KIND_NOT_CONFIGURED, 0,
		"plugin %s: the %s %s, which belongs to %s, can be written by %s, mode %04o; %s",
		w->plugin, what, name, owner,
		(info->st_mode & S_IWOTH) != 0 ? "everybody" : "its group",
		(unsigned)info->st_mode & 07777,
		(info->st_mode & S_ISVTX) != 0 ? "put the plugin elsewhere"
					       : "chmod go-w it, or put the plugin elsewhere");
}

static int check(const walk *w, const struct stat *info, const char *what, const char *name)
{
	int status = check_owner(w, info, what, name);

	return status == 0 ? check_mode(w, info, what, name) : status;
}

/* --- The walk --------------------------------------------------------------------------------- */

static int fail(const walk *w, int number, const char *what, const char *name)
{
	return sb_error_set(w->error, SB_KIND_NOT_CONFIGURED, number, "plugin %s: %s %s%s%s",
		w->plugin, what, w->at, w->at[1] != '\0' ? "/" : "", name);
}

/* The name of what is at @p name in the present folder. */
static int name_step(const walk *w, char out[PATH_MAX], const char *name)
{
	const char *separator = w->at[1] != '\0' ? "/" : "";

	if (strlen(w->at) + strlen(name) + 2 > PATH_MAX)
		return fail(w, ENAMETOOLONG, "look at", name);
	stpcpy(stpcpy(stpcpy(out, w->at), separator), name);
	return 0;
}

/* Takes @p fd over. */
static int enter(walk *w, int fd, const char *name)
{
	struct stat info;
	int status;

	if (fd < 0 || fstat(fd, &info) < 0) {
		status = sb_error_set(w->error, SB_KIND_NOT_CONFIGURED, errno,
			"plugin %s: open the folder %s", w->plugin, name);
		sb_close(&fd);
		return status;
	}
	sb_close(&w->folder);
	w->folder = fd;
	if (name != w->at)
		memcpy(w->at, name, strlen(name) + 1);
	return check(w, &info, "folder", w->at);
}

static int enter_root(walk *w)
{
	return enter(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), "/");
}

static int enter_parent(walk *w)
{
	char *slash = strrchr(w->at, '/');

	slash[slash == w->at] = '\0';
	return enter(w, openat(w->folder, "..", O_PATH | O_DIRECTORY | O_CLOEXEC), w->at);
}

/* What a link says comes before the rest. */
static int follow(walk *w, int link, const char *name)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t length = readlinkat(link, "", target, sizeof target);

	if (length < 0)
		return fail(w, errno, "read the link", name);
	if (++w->links > LINKS)
		return fail(w, ELOOP, "follow the link", name);
	if ((size_t)length + strlen(w->rest) + 2 > sizeof rest)
		return fail(w, ENAMETOOLONG, "follow the link", name);
	memcpy(rest, target, (size_t)length);
	rest[length] = '/';
	memcpy(rest + length + 1, w->rest, strlen(w->rest) + 1);
	memcpy(w->rest, rest, strlen(rest) + 1);
	return rest[0] == '/' ? enter_root(w) : 0;
}

/* Next of the path's names into @p out; false: there is none left. */
static bool next_name(walk *w, char out[NAME_MAX + 1], bool *too_long)
{
	size_t skip = strspn(w->rest, "/"), length = strcspn(w->rest + skip, "/");

	*too_long = length > NAME_MAX;
	if (length == 0 || *too_long)
		return false;
	memcpy(out, w->rest + skip, length);
	out[length] = '\0';
	memmove(w->rest, w->rest + skip + length, strlen(w->rest + skip + length) + 1);
	return true;
}

/* One name further. The file's descriptor when it is there, -1 on the way. */
static int step(walk *w, const char *name, int *file)
{
	char full[PATH_MAX];
	struct stat info;
	int fd, status;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0)
		return enter_parent(w);
	status = name_step(w, full, name);
	if (status < 0)
		return status;
	fd = openat(w->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &info) < 0) {
		status = fail(w, errno, "open", name);
		sb_close(&fd);
		return status;
	}
	if (S_ISDIR(info.st_mode))
		return enter(w, fd, full);
	if (S_ISLNK(info.st_mode)) { /* its mode means nothing */
		status = check_owner(w, &info, "link", full);
		status = status == 0 ? follow(w, fd, name) : status;
		sb_close(&fd);
		return status;
	}
	status = S_ISREG(info.st_mode) ? check(w, &info, "file", full)
				       : fail(w, 0, "no regular file:", name);
	if (status < 0)
		sb_close(&fd);
	*file = fd;
	return status;
}

/* An O_PATH descriptor of the file, or -kind. */
static int find(walk *w)
{
	char name[NAME_MAX + 1];
	bool too_long = false;
	int file = -1, status = enter_root(w);

	while (status == 0 && file < 0 && next_name(w, name, &too_long))
		status = step(w, name, &file);
	if (status == 0 && file < 0)
		status = fail(w, too_long ? ENAMETOOLONG : EISDIR, "open", "");
	if (status == 0 && w->rest[strspn(w->rest, "/")] != '\0') {
		status = fail(w, ENOTDIR, "look into", name);
		sb_close(&file);
	}
	sb_close(&w->folder);
	return status < 0 ? status : file;
}

/* --- The copy --------------------------------------------------------------------------------- */

static int make_memory(void)
{
	int fd = memfd_create("scanbridge-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL) /* older kernels: always executable */
		fd = memfd_create("scanbridge-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

/* 0, or an errno; ESTALE: it is not what it was at its beginning. */
static int copy_bytes(int from, int to, const struct stat *before, uint8_t digest[SB_BLAKE3_SIZE])
{
	char *piece = malloc(PIECE);
	sb_blake3 *hasher = sb_blake3_new();
	struct stat after;
	uint64_t total = 0;
	ssize_t n = piece != NULL && hasher != NULL ? 1 : -1;

	while (n > 0 && (n = sb_read_full(from, piece, PIECE)) > 0) {
		sb_blake3_update(hasher, piece, (size_t)n);
		total += (uint64_t)n;
		if (total > (uint64_t)before->st_size || sb_write_all(to, piece, (size_t)n) < 0)
			n = -1;
	}
	if (hasher != NULL)
		sb_blake3_final(hasher, digest);
	sb_blake3_free(hasher);
	free(piece);
	if (n < 0)
		return total > (uint64_t)before->st_size ? ESTALE : errno != 0 ? errno : EIO;
	if (fstat(from, &after) < 0 || total != (uint64_t)before->st_size ||
		after.st_size != before->st_size ||
		memcmp(&after.st_mtim, &before->st_mtim, sizeof after.st_mtim) != 0 ||
		memcmp(&after.st_ctim, &before->st_ctim, sizeof after.st_ctim) != 0)
		return ESTALE;
	return fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0
		       ? errno
		       : 0;
}

/* What the file must be besides ours. */
static int inspect(const walk *w, int fd, const struct stat *info)
{
	unsigned char head[SB_ELF_HEAD] = {0};
	struct statvfs mount;
	char why[300];
	ssize_t length = pread(fd, head, sizeof head, 0);

	if (info->st_size > SB_PLUGIN_BYTES)
		return sb_error_set(w->error, SB_KIND_NOT_CONFIGURED, 0,
			"plugin %s: it has more than %d MiB", w->plugin, SB_PLUGIN_BYTES >> 20);
	if (fstatvfs(fd, &mount) == 0 && (mount.f_flag & ST_NOEXEC) != 0)
		return sb_error_set(w->error, SB_KIND_NOT_CONFIGURED, 0,
			"plugin %s: it is on a file system that is mounted with noexec; put it "
			"elsewhere",
			w->plugin);
	if (!sb_elf_check(head, length > 0 ? (size_t)length : 0, sb_elf_own(), why, sizeof why))
		return sb_error_set(
			w->error, SB_KIND_NOT_CONFIGURED, 0, "plugin %s: %s", w->plugin, why);
	return 0;
}

/* The copy, which is what will be loaded: nobody can change it, or make it shorter. */
static int inspect_copy(const walk *w, int fd, size_t length)
{
	const void *data =
		length > 0 ? mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	char why[400];
	bool good;

	if (data == MAP_FAILED)
		return sb_error_set(w->error, SB_KIND_NOT_CONFIGURED, errno,
			"plugin %s: look at its copy", w->plugin);
	good = sb_elf_needs_check(data, length, why, sizeof why);
	munmap((void *)(uintptr_t)data, length);
	return good ? 0
		    : sb_error_set(
			      w->error, SB_KIND_NOT_CONFIGURED, 0, "plugin %s: %s", w->plugin, why);
}

/* Through the descriptor that was looked at: whatever has its name by now. */
static int copy(const walk *w, int file, sb_plugin_copy *out)
{
	char path[64];
	struct stat info;
	int fd, status, number;

	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &info) < 0) {
		status = sb_error_set(
			w->error, SB_KIND_NOT_CONFIGURED, errno, "plugin %s: open it", w->plugin);
		sb_close(&fd);
		return status;
	}
	status = inspect(w, fd, &info);
	out->fd = status == 0 ? make_memory() : -1;
	if (status == 0) {
		number = out->fd < 0 ? errno : copy_bytes(fd, out->fd, &info, out->digest);
		if (number == ESTALE)
			status = sb_error_set(w->error, SB_KIND_NOT_CONFIGURED, 0,
				"plugin %s: it changed while it was read; try again", w->plugin);
		else if (number != 0)
			status = sb_error_set(w->error, SB_KIND_NOT_CONFIGURED, number,
				"plugin %s: copy it into memory", w->plugin);
	}
	if (status == 0)
		status = inspect_copy(w, out->fd, (size_t)info.st_size);
	if (status < 0)
		sb_close(&out->fd);
	sb_close(&fd);
	return status;
}

int sb_plugin_fetch(sb_plugin_copy *out, const char *path, uid_t user, sb_error *error)
{
	walk w = {.plugin = path, .user = user, .folder = -1, .at = "/", .error = error};
	int file, status;

	*out = (sb_plugin_copy){.fd = -1};
	if (path[0] != '/' || strlen(path) >= sizeof w.rest)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"plugin %.200s: an absolute path of at most %d bytes expected", path,
			PATH_MAX - 1);
	memcpy(w.rest, path, strlen(path) + 1);
	file = find(&w);
	if (file < 0)
		return file;
	status = copy(&w, file, out);
	sb_close(&file);
	return status;
}
