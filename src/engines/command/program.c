/* SPDX-License-Identifier: MIT */
/*
 * Which file is started. A name without a slash is looked for in the system's folders, never in
 * those of whoever started us; and what other users could have written is not started.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engines/command/command.h"
#include "util/error.h"
#include "util/io.h"

static const char *const folders[] = {
	"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"};

/* Programs and scripts with `#!`. What the kernel would refuse, the sandbox would hand to a shell,
 * and a shell is content with an empty file. */
static bool can_be_run(const char *path)
{
	char head[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n = fd >= 0 ? sb_read_full(fd, head, sizeof head) : -1;

	/* Who may run it but not read it has root to ask. */
	if (fd < 0)
		return errno == EACCES;
	close(fd);
	return (n == (ssize_t)sizeof head && memcmp(head, "\177ELF", 4) == 0) ||
	       (n > 3 && memcmp(head, "#!", 2) == 0);
}

int sb_program_check(const char *path, struct stat *info, sb_error *error)
{
	const char *why = NULL;

	if (stat(path, info) < 0)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, errno, "the program %s", path);
	if (!S_ISREG(info->st_mode))
		why = "is not a regular file";
	else if (info->st_uid != 0 && info->st_uid != geteuid())
		why = "belongs to another user";
	else if ((info->st_mode & S_IWOTH) != 0 ||
		 ((info->st_mode & S_IWGRP) != 0 && info->st_gid != 0 && info->st_gid != getegid()))
		why = "can be written by other users";
	else if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		why = "is not executable";
	else if (!can_be_run(path))
		why = "is neither a program nor a script";
	if (why != NULL)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"the program %s %s: it is not started", path, why);
	return 0;
}

int sb_program_find(const char *word, char path[PATH_MAX], sb_error *error)
{
	struct stat info;

	if (strchr(word, '/') != NULL) {
		if (word[0] != '/' || snprintf(path, PATH_MAX, "%s", word) >= PATH_MAX)
			return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
				"argv: the program is a name or an absolute path, not `%.200s`",
				word);
		return sb_program_check(path, &info, error);
	}
	for (size_t i = 0; word[0] != '\0' && i < sizeof folders / sizeof *folders; i++)
		if (snprintf(path, PATH_MAX, "%s/%s", folders[i], word) < PATH_MAX &&
			stat(path, &info) == 0)
			return sb_program_check(path, &info, error);
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, ENOENT,
		"argv: there is no program `%.200s` in the system's folders; give its absolute "
		"path",
		word);
}
