/* SPDX-License-Identifier: MIT */
/*
 * Rule files into a bundle. A configured path is a root: a folder, or the folder of the file
 * that was named. Files are opened below it and never through a link that leads out (openat2
 * with RESOLVE_BENEATH); what a rule file includes comes along.
 */
#include "worker/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/io.h"

enum { MAX_DEPTH = 16, MAX_FILE = 64 << 20 };

typedef struct root {
	sb_bundle *bundle;
	const char *path; /* as configured, for messages */
	int fd;
	uint32_t number;
	sb_error *error;
} root;

/* --- The bundle's own index ------------------------------------------------------------------ */

/* The source in what was packed so far, or NULL; its name behind it. */
static sb_bundle_source *packed(sb_bundle *bundle, uint32_t number, const char *name)
{
	for (size_t at = 0; at < bundle->text.length;) {
		sb_bundle_source *source = (sb_bundle_source *)(void *)(bundle->text.data + at);
		const char *its_name = (const char *)(source + 1);

		if (source->root == number && strcmp(its_name, name) == 0)
			return source;
		at += sizeof *source + source->name_length + source->text_length + 2;
	}
	return NULL;
}

/* Entries stay aligned for the index: texts are filled up with a line's end or two. */
static int pack(sb_bundle *bundle, uint32_t number, const char *name, const char *text,
	size_t length, bool compiled, sb_error *error)
{
	size_t name_length = strlen(name), align = _Alignof(sb_bundle_source);
	size_t fill = (align - (name_length + length + 2) % align) % align;
	sb_bundle_source source = {.name_length = (uint32_t)name_length,
		.text_length = (uint32_t)(length + fill),
		.root = number,
		.compiled = compiled};

	if (bundle->sources == SB_BUNDLE_SOURCES)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"more than %d rule files in one set", SB_BUNDLE_SOURCES);
	sb_buf_add(&bundle->text, &source, sizeof source);
	sb_buf_add(&bundle->text, name, name_length + 1);
	sb_buf_add(&bundle->text, text, length);
	sb_buf_add(&bundle->text, "\n\n\n", fill);
	sb_buf_add(&bundle->text, "", 1);
	bundle->sources++;
	bundle->compiled += compiled;
	return bundle->text.failed
		       ? sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
				 "the rules take more than %d MiB", SB_BUNDLE_BYTES >> 20)
		       : 0;
}

int sb_bundle_add_text(
	sb_bundle *bundle, const char *name, const char *text, size_t length, sb_error *error)
{
	return pack(bundle, bundle->roots++, name, text, length, true, error);
}

uint32_t sb_bundle_new_root(sb_bundle *bundle)
{
	return bundle->roots++;
}

int sb_bundle_add_source(sb_bundle *bundle, uint32_t number, const char *name, const char *text,
	size_t length, bool compiled, sb_error *error)
{
	return pack(bundle, number, name, text, length, compiled, error);
}

/* --- One file --------------------------------------------------------------------------------- */

static int open_below(int dir, const char *name, int flags)
{
	/* openat2() refuses what O_PATH would ignore. */
	int more = (flags & O_PATH) != 0 ? O_CLOEXEC : O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct open_how how = {.flags = (unsigned)(flags | more),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
}

static int refuse(const root *r, const char *name, const char *what)
{
	int code = errno;

	return sb_error_set(r->error, SB_KIND_NOT_CONFIGURED, code, "rules: %s%s%s: %s", r->path,
		name[0] != '\0' ? "/" : "", name, what);
}

/* Its text, allocated; NULL: the error is set. */
static char *read_text(const root *r, const char *name, size_t *length)
{
	int fd = open_below(r->fd, name, O_RDONLY);
	struct stat info;
	char *text = NULL;
	ssize_t n = -1;

	if (fd < 0 || fstat(fd, &info) < 0) {
		refuse(r, name, errno == EXDEV ? "leads out of the folder" : "can't be opened");
	} else if (!S_ISREG(info.st_mode) || info.st_size > MAX_FILE) {
		errno = 0;
		refuse(r, name,
			S_ISREG(info.st_mode) ? "is larger than 64 MiB" : "is not a regular file");
	} else if ((text = malloc((size_t)info.st_size + 1)) == NULL ||
		   (n = sb_read_full(fd, text, (size_t)info.st_size)) < 0) {
		refuse(r, name, "can't be read");
	}
	sb_close(&fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	*length = (size_t)n;
	return text;
}

static int add_file(const root *r, const char *name, bool compiled, unsigned depth);

/* What can't be found is left to the compiler: it names the line. */
static int add_includes(
	const root *r, const char *name, const char *text, size_t length, unsigned depth)
{
	size_t at = 0, included;
	const char *include;
	int status = 0;

	while (status == 0 &&
		(include = sb_bundle_next_include(text, length, &at, &included)) != NULL) {
		char *below = sb_bundle_resolve(name, include, included);
		int fd = below != NULL ? open_below(r->fd, below, O_PATH) : -1;

		if (fd >= 0)
			status = add_file(r, below, false, depth + 1);
		sb_close(&fd);
		free(below);
	}
	return status;
}

static int add_file(const root *r, const char *name, bool compiled, unsigned depth)
{
	sb_bundle_source *before = packed(r->bundle, r->number, name);
	size_t length = 0;
	char *text;
	int status;

	if (before != NULL) {
		/* Included by one file, and to be compiled for itself. */
		r->bundle->compiled += compiled && before->compiled == 0;
		before->compiled |= compiled;
		return 0;
	}
	errno = 0;
	if (depth > MAX_DEPTH)
		return refuse(r, name, "includes are nested more than 16 deep");
	text = read_text(r, name, &length);
	if (text == NULL)
		return -SB_KIND_NOT_CONFIGURED;
	if (memchr(text, '\0', length) != NULL) {
		errno = 0;
		status = refuse(r, name,
			"holds a NUL byte: not a rule source (compiled rules "
			"are not loaded)");
	} else {
		status = pack(r->bundle, r->number, name, text, length, compiled, r->error);
	}
	if (status == 0)
		status = add_includes(r, name, text, length, depth);
	free(text);
	return status;
}

/* --- Folders -----------------------------------------------------------------------------------
 */

static bool is_rule_file(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL && name[0] != '.' &&
	       (strcasecmp(dot, ".yar") == 0 || strcasecmp(dot, ".yara") == 0);
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int add_folder(const root *r, const char *name, unsigned depth);

static int add_entry(const root *r, const char *name, unsigned depth)
{
	int fd = open_below(r->fd, name, O_PATH);
	struct stat info;
	int status = fd >= 0 ? fstat(fd, &info) : -1;

	sb_close(&fd);
	if (status < 0)
		return is_rule_file(name) ? refuse(r, name, "can't be opened") : 0;
	if (S_ISDIR(info.st_mode))
		return add_folder(r, name, depth + 1);
	return is_rule_file(name) ? add_file(r, name, true, 0) : 0;
}

static int add_folder(const root *r, const char *name, unsigned depth)
{
	int fd = open_below(r->fd, name[0] != '\0' ? name : ".", O_RDONLY | O_DIRECTORY);
	struct dirent **entries = NULL;
	int count, status = 0;

	if (depth > MAX_DEPTH) {
		sb_close(&fd);
		errno = 0;
		return refuse(r, name, "folders are nested more than 16 deep");
	}
	count = fd >= 0 ? scandirat(fd, ".", &entries, visible, alphasort) : -1;
	sb_close(&fd);
	if (count < 0)
		return refuse(r, name, "can't be read");
	for (int i = 0; i < count; i++) {
		char path[4096];
		int n = snprintf(path, sizeof path, "%s%s%s", name, name[0] != '\0' ? "/" : "",
			entries[i]->d_name);
		if (status == 0 && n < (int)sizeof path)
			status = add_entry(r, path, depth);
		free(entries[i]);
	}
	free(entries);
	return status;
}

int sb_bundle_add_rules(sb_bundle *bundle, const char *path, sb_error *error)
{
	root r = {.bundle = bundle, .path = path, .number = bundle->roots++, .error = error};
	char *copy = strdup(path), *second = strdup(path);
	const char *name = "", *folder = path;
	unsigned before = bundle->compiled;
	struct stat info;
	int status;

	if (copy == NULL || second == NULL) {
		free(copy);
		free(second);
		return sb_error_no_memory(error);
	}
	status = stat(path, &info);
	if (status == 0 && !S_ISDIR(info.st_mode)) {
		name = basename(copy);
		folder = dirname(second);
		r.path = folder;
	}
	r.fd = status == 0 ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (r.fd < 0)
		status = refuse(&r, "", "can't be opened");
	else if (name[0] != '\0')
		status = add_file(&r, name, true, 0);
	else
		status = add_folder(&r, "", 0);
	errno = 0;
	if (status == 0 && name[0] == '\0' && bundle->compiled == before)
		status = refuse(&r, "", "no *.yar or *.yara file in there");
	sb_close(&r.fd);
	free(copy);
	free(second);
	return status;
}
