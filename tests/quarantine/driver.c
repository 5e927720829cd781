/* SPDX-License-Identifier: MIT */
/*
 * One operation on a file store, for tests that kill it or make its calls fail:
 *
 *     driver DIR store PATH          keep PATH; prints the id
 *     driver DIR remove PATH         keep it and remove the original
 *     driver DIR restore ID FOLDER NAME
 *     driver DIR delete|release|hold|get|check ID
 *     driver DIR rotate|purge|list|verify
 *     driver DIR many N PREFIX       keep N contents
 *
 * Prints what it did; `- STATUS: message` and exit 1 when it could not. Events go, one word a
 * line, to the file named by SB_EVENTS. SB_NAMED: temporary names. SB_EXPIRED: retention 1 ns.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quarantine/record.h"
#include "util/buf.h"
#include "util/io.h"
#include "util/text.h"

static sb_error error;
static sb_quarantine *q;

static int hear(void *data, sb_quarantine_event event, const sb_quarantine_record *record,
	const char *reason, const char *detail, sb_error *why)
{
	char line[160];
	int *fd = data, length;

	(void)reason;
	(void)why;
	length = snprintf(line, sizeof line, "%s-%s %s %.80s\n",
		sb_quarantine_event_operation(event), sb_quarantine_event_phase(event),
		record != NULL ? record->id : "-", detail != NULL ? detail : "");
	if (*fd >= 0 && sb_write_all(*fd, line, (size_t)length) != 0)
		return sb_error_set(why, SB_KIND_AUDIT_FAILED, errno, "events");
	return 0;
}

static int report(sb_quarantine_status status)
{
	if (status == SB_Q_OK)
		return 0;
	printf("- %s: %s\n", sb_quarantine_status_name(status), error.message);
	return 1;
}

static int split(const char *path, sb_quarantine_original *original)
{
	const char *slash = strrchr(path, '/');

	original->path = strndup(path, (size_t)(slash - path));
	original->name = slash + 1;
	original->parent = open(original->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return original->parent;
}

static sb_quarantine_status keep(const char *path, struct stat *st, sb_quarantine_record *record)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t blake3[32], sha256[32] = {0};
	sb_quarantine_content content = {sb_quarantine_read_fd, &fd, 0, blake3, sha256};
	sb_quarantine_status status;

	*record = (sb_quarantine_record){.state = SB_Q_QUARANTINED,
		.outcome = SB_OUTCOME_INFECTED,
		.path = path,
		.path_length = strlen(path)};
	if (fd < 0 || fstat(fd, st) != 0)
		return sb_quarantine_fail(&error, SB_Q_IO, errno, "%s", path);
	content.size = (uint64_t)st->st_size;
	if (sb_blake3_file(fd, content.size, 1, blake3, &error) != 0)
		return SB_Q_IO;
	status = sb_quarantine_commit(q, &content, record, NULL, &error);
	close(fd);
	return status;
}

static sb_quarantine_status store(const char *path, bool and_remove)
{
	sb_quarantine_record record;
	sb_quarantine_original original;
	struct stat st;
	sb_quarantine_status status = keep(path, &st, &record);

	if (status != SB_Q_OK)
		return status;
	printf("%s\n", record.id);
	fflush(stdout);
	if (!and_remove)
		return SB_Q_OK;
	if (split(path, &original) < 0)
		return sb_quarantine_fail(&error, SB_Q_IO, errno, "%s", path);
	original.scanned = st;
	return sb_quarantine_remove_original(q, record.id, &original, NULL, &error);
}

static int64_t read_text(void *data, uint64_t offset, void *out, size_t length, sb_error *why)
{
	(void)why;
	memcpy(out, (const char *)data + offset, length);
	return (int64_t)length;
}

static sb_quarantine_status store_many(unsigned long count, const char *prefix)
{
	sb_quarantine_status status = SB_Q_OK;

	for (unsigned long i = 0; status == SB_Q_OK && i < count; i++) {
		char text[64];
		uint8_t blake3[32], sha256[32];
		int length = snprintf(text, sizeof text, "%.20s %lu", prefix, i);
		sb_quarantine_content content = {read_text, text, (uint64_t)length, blake3, sha256};
		sb_quarantine_record record = {.state = SB_Q_QUARANTINED,
			.outcome = SB_OUTCOME_INFECTED,
			.name = text,
			.name_length = (size_t)length};
		sb_blake3_memory(text, (size_t)length, blake3);
		sb_sha256_memory(text, (size_t)length, sha256);
		status = sb_quarantine_commit(q, &content, &record, NULL, &error);
		if (status == SB_Q_OK)
			printf("%s\n", record.id);
	}
	return status;
}

static sb_quarantine_status restore(const char *id, const char *folder, const char *name)
{
	sb_quarantine_target target = {.name = name};

	target.folder = sb_quarantine_open_target(NULL, folder, &error);
	return target.folder < 0 ? SB_Q_IO : sb_quarantine_restore_at(q, id, &target, &error);
}

static int print_record(void *data, const sb_quarantine_record *record)
{
	sb_buf out;

	(void)data;
	sb_buf_init(&out, 1 << 20);
	sb_record_json(&out, record);
	printf("%s\n", out.data);
	sb_buf_done(&out);
	return 0;
}

static void print_bad(void *data, const char *id, const char *message)
{
	(void)data;
	printf("bad %s %s\n", id, message);
}

static int print_bytes(void *data, const void *bytes, size_t length)
{
	(void)data;
	return fwrite(bytes, 1, length, stdout) == length ? 0 : -1;
}

static int check(const char *id)
{
	sb_quarantine_verified v;
	int failed = report(sb_quarantine_verify(q, id, &v, print_bad, NULL, &error));

	printf("%llu good %llu bad %llu strays\n", (unsigned long long)v.good,
		(unsigned long long)v.bad, (unsigned long long)v.strays);
	return failed || v.bad > 0 || v.strays > 0;
}

static int run(void *self, int count, char **arg)
{
	const sb_quarantine_filter all = {.include_expired = true, .limit = 0};
	const char *word = arg[0], *id = count > 1 ? arg[1] : NULL;
	uint64_t number = 0;

	if (strcmp(word, "verify") == 0 || strcmp(word, "check") == 0)
		return check(id);
	if (strcmp(word, "list") == 0)
		return report(sb_quarantine_list(q, &all, print_record, NULL, &error));
	if (strcmp(word, "purge") == 0)
		return report(sb_quarantine_purge(q, 0, &number, &error));
	if (strcmp(word, "rotate") == 0)
		return report(sb_store_files_rotate_key(self, &number, &error));
	if (strcmp(word, "delete") == 0)
		return report(sb_quarantine_delete(q, id, NULL, &error));
	if (strcmp(word, "release") == 0)
		return report(sb_quarantine_release(q, id, NULL, &error));
	if (strcmp(word, "hold") == 0)
		return report(sb_quarantine_hold(q, id, true, NULL, &error));
	if (strcmp(word, "get") == 0)
		return report(sb_quarantine_get(q, id, NULL, print_bytes, NULL, &error));
	if (strcmp(word, "store") == 0 || strcmp(word, "remove") == 0)
		return report(store(id, word[0] == 'r'));
	if (strcmp(word, "many") == 0 && count == 3)
		return report(store_many(strtoul(id, NULL, 10), arg[2]));
	if (strcmp(word, "restore") == 0 && count == 4)
		return report(restore(id, arg[2], arg[3]));
	return 2;
}

int main(int count, char **arg)
{
	const char *events = getenv("SB_EVENTS");
	int fd =
		events != NULL ? open(events, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
	sb_quarantine_options options = {.hooks = {hear, &fd},
		.clock = sb_clock_system(),
		.retention = getenv("SB_EXPIRED") != NULL};
	sb_store_files_options files = {.named_temp = getenv("SB_NAMED") != NULL};
	void *self;
	int status;

	if (count < 3)
		return 2;
	if (events != NULL && fd < 0) {
		printf("- audit_failed: %s\n", events);
		return 1;
	}
	files.dir = arg[1];
	sb_error_init(&error);
	if (report(sb_store_files_open(&self, &files, &error)) ||
		report(sb_quarantine_new(&q, &sb_store_files_ops, self, &options, &error)))
		return 1;
	status = run(self, count - 2, arg + 2);
	sb_quarantine_close(q);
	return fflush(stdout) == 0 ? status : 2;
}
