/* SPDX-License-Identifier: MIT */
/* Names by globs, file systems by their magic number. */
#include "cli/walk_rules.h"

#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "util/text.h"

/* File systems whose files are made by the kernel as they are read. Not in every libc's
 * headers: the numbers are the kernel's ABI. */
static const unsigned long kernel_file_systems[] = {
	PROC_SUPER_MAGIC,
	SYSFS_MAGIC,
	DEVPTS_SUPER_MAGIC,
	CGROUP_SUPER_MAGIC,
	CGROUP2_SUPER_MAGIC,
	DEBUGFS_MAGIC,
	TRACEFS_MAGIC,
	SECURITYFS_MAGIC,
	SELINUX_MAGIC,
	SMACK_MAGIC,
	PSTOREFS_MAGIC,
	EFIVARFS_MAGIC,
	BPF_FS_MAGIC,
	BINFMTFS_MAGIC,
	NSFS_MAGIC,
	0x62656570 /* configfs */,
	0x65735543 /* fusectl */,
	0x19800202 /* mqueue */,
	0x67596969 /* rpc_pipefs */,
	0x6c6f6f70 /* binderfs */,
};

bool sb_on_kernel_file_system(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0)
		return false;
	for (size_t i = 0; i < sizeof kernel_file_systems / sizeof kernel_file_systems[0]; i++)
		if ((unsigned long)fs.f_type == kernel_file_systems[i])
			return true;
	return false;
}

/* A path pattern holds for the whole path or, if relative, from any slash on. */
static bool path_matches(const char *pattern, const char *path)
{
	if (sb_glob(pattern, path, strlen(path), false))
		return true;
	if (pattern[0] == '/')
		return false;
	for (const char *p = strchr(path, '/'); p != NULL; p = strchr(p + 1, '/'))
		if (sb_glob(pattern, p + 1, strlen(p + 1), false))
			return true;
	return false;
}

bool sb_walk_excluded(const sb_walk_options *options, const char *path, const char *name)
{
	for (size_t i = 0; i < options->exclude_count; i++) {
		const char *pattern = options->excludes[i];
		if (strchr(pattern, '/') != NULL ? path_matches(pattern, path)
						 : sb_glob(pattern, name, strlen(name), false))
			return true;
	}
	return false;
}
