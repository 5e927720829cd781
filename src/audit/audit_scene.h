/* SPDX-License-Identifier: MIT */
/* For tests of the audit log: a log in a folder of its own, written, read and verified. */
#ifndef SB_AUDIT_AUDIT_SCENE_H
#define SB_AUDIT_AUDIT_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_own.h"
#include "audit/verify.h"
#include "util/io.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct fixture {
	char folder[64], path[96], state[104];
	sb_clock *clock;
	sb_audit_options options;
	sb_error error;
};

static inline int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);
	const char *base = getenv("TMPDIR");
	struct stat shm;

	/* In memory if possible: thousands of flushes that prove nothing here. */
	if (base == NULL)
		base = stat("/dev/shm", &shm) == 0 && S_ISDIR(shm.st_mode) ? "/dev/shm" : "/tmp";
	snprintf(x->folder, sizeof x->folder, "%.32s/sb-audit-XXXXXX", base);
	if (mkdtemp(x->folder) == NULL)
		return -1;
	snprintf(x->path, sizeof x->path, "%s/audit.jsonl", x->folder);
	snprintf(x->state, sizeof x->state, "%s.state", x->path);
	x->clock = sb_clock_fake_new();
	x->options = (sb_audit_options){.path = x->path, .clock = x->clock};
	sb_error_init(&x->error);
	*state = x;
	return 0;
}

static inline void empty_folder(const struct fixture *x)
{
	DIR *dir = opendir(x->folder);
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

static inline int tear_down(void **state)
{
	struct fixture *x = *state;

	empty_folder(x);
	rmdir(x->folder);
	sb_clock_fake_free(x->clock);
	free(x);
	return 0;
}

static inline sb_audit *open_io(
	struct fixture *x, const sb_audit_io *io, sb_audit_recovery *recovery)
{
	sb_audit *audit = NULL;

	sb_error_init(&x->error);
	if (sb_audit_open_with(&audit, &x->options, io, recovery, &x->error) != 0)
		fail_msg("%s", x->error.message);
	return audit;
}

static inline sb_audit *open_log(struct fixture *x)
{
	return open_io(x, &sb_audit_system_io, NULL);
}

static inline int append(
	sb_audit *audit, const char *event, const char *body, uint64_t *seq, sb_error *error)
{
	sb_audit_entry entry = {event, body, strlen(body), 77};
	int status = sb_audit_append(audit, &entry, 1, error);

	if (seq != NULL)
		*seq = entry.seq;
	return status;
}

static inline void must_append(struct fixture *x, sb_audit *audit, unsigned count)
{
	char body[64];

	for (unsigned i = 0; i < count; i++) {
		snprintf(body, sizeof body, "\"scan_id\":\"%u\",\"outcome\":\"clean\"", i);
		if (append(audit, "scan_completed", body, NULL, &x->error) != 0)
			fail_msg("%s", x->error.message);
	}
}

static inline char *slurp(const char *path, size_t *length)
{
	char *data = sb_read_file(path, 64 << 20, length);

	if (data == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	return data;
}

static inline void spill(const char *path, const void *data, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(sb_write_all(fd, data, length), 0);
	close(fd);
}

static inline sb_audit_verdict verify(const struct fixture *x, bool use_state)
{
	sb_audit_verdict verdict;
	sb_error error;

	sb_error_init(&error);
	if (sb_audit_verify(x->path, use_state, &verdict, &error) != 0)
		fail_msg("%s", error.message);
	return verdict;
}

/* A log of about @p bytes, in memory. */
static inline char *make_log(struct fixture *x, size_t bytes, size_t *length)
{
	sb_audit *audit;

	empty_folder(x);
	audit = open_log(x);
	must_append(x, audit, (unsigned)(bytes / 300));
	sb_audit_close(audit);
	return slurp(x->path, length);
}

static inline void must_refuse(struct fixture *x, const char *what)
{
	sb_audit *audit;

	sb_error_init(&x->error);
	if (sb_audit_open(&audit, &x->options, NULL, &x->error) != -SB_KIND_AUDIT_FAILED)
		fail_msg("%s was accepted", what);
	assert_non_null(strstr(x->error.message, x->path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
