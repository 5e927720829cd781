/* SPDX-License-Identifier: MIT */
/* The parts of a clamd of our own that start no program. */
#include "engines/clamd/spawn.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/io.h"
#include "util/scratch.h"

#define SECOND (1000 * SB_MS)

/* --- When to start again ---------------------------------------------------------------------- */

static void test_waits_grow_up_to_a_minute(void **state)
{
	static const uint64_t waits[] = {
		0, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
	sb_restart restart = {0};
	uint64_t now = 7 * SECOND;

	(void)state;
	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		sb_restart_ended(&restart, now);
		assert_int_equal(restart.due - now, waits[i] * SB_MS);
		assert_int_equal(sb_restart_hopeless(&restart), i >= 2);
		now = restart.due;
	}
	restart.failures = UINT32_MAX;
	sb_restart_ended(&restart, now);
	assert_int_equal(restart.failures, UINT32_MAX);
	assert_int_equal(restart.due - now, 60000 * SB_MS);
}

static void test_a_minute_of_life_is_good(void **state)
{
	static const struct {
		uint64_t lived;
		unsigned failures;
	} rows[] = {{0, 4}, {60 * SECOND - 1, 4}, {60 * SECOND, 1}, {3600 * SECOND, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_restart restart = {.failures = 3, .stillborn = 3};

		assert_true(sb_restart_hopeless(&restart));
		sb_restart_up(&restart, SECOND);
		assert_false(sb_restart_hopeless(&restart));
		sb_restart_ended(&restart, SECOND + rows[i].lived);
		assert_int_equal(restart.failures, rows[i].failures);
		assert_int_equal(restart.up_since, 0);
		assert_false(sb_restart_hopeless(&restart)); /* it had come up */
	}
}

/* --- Limits and configurations ------------------------------------------------------------------
 */

#define MIB (1ull << 20)

static const struct {
	const char *why;
	uint64_t max_size, max_content, timeout_ms;
	unsigned depth, concurrency;
	uint64_t file, scan, ms;
	unsigned recursion, threads;
} limits[] = {
	{"as usual", 25 * MIB, 1024 * MIB, 60000, 16, 4, 25 * MIB, 100 * MIB, 60000, 17, 8},
	{"no limit of its own", 0, 1024 * MIB, 60000, 16, 4, 1024 * MIB, 2000 * MIB, 60000, 17, 8},
	{"none at all", 0, 0, 60000, 16, 1, 2000 * MIB, 2000 * MIB, 60000, 17, 5},
	{"all of it unpacked in one", 500 * MIB, 1024 * MIB, 1, 16, 1, 500 * MIB, 2000 * MIB, 1, 17,
		5},
	{"less than four times that", 500 * MIB + 1, 1024 * MIB, 1, 16, 1, 500 * MIB + 1,
		2000 * MIB, 1, 17, 5},
	{"larger than all content", 50 * MIB, 25 * MIB, 1, 16, 1, 25 * MIB, 100 * MIB, 1, 17, 5},
	{"more than clamd can", 2001 * MIB, 4096 * MIB, 1, 16, 1, 2000 * MIB, 2000 * MIB, 1, 17, 5},
	{"its most, one less", 2000 * MIB - 1, 4096 * MIB, 1, 16, 1, 2000 * MIB - 1, 2000 * MIB, 1,
		17, 5},
	{"less than a probe", 1, 1024 * MIB, 1, 16, 1, 1024, 4096, 1, 17, 5},
	{"flat", MIB, 1024 * MIB, 1, 0, 1, MIB, 4 * MIB, 1, 2, 5},
	{"as deep as known answers allow", MIB, 1024 * MIB, 1, 19, 1, MIB, 4 * MIB, 1, 20, 5},
	{"deeper", MIB, 1024 * MIB, 1, 64, 1, MIB, 4 * MIB, 1, 20, 5},
	{"days", MIB, 1024 * MIB, UINT64_C(30) * 86400000, 16, 1, MIB, 4 * MIB, 0, 17, 5},
};

static void test_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		sb_environment environment = {.max_size = limits[i].max_size,
			.max_content = limits[i].max_content,
			.timeout_ms = limits[i].timeout_ms,
			.concurrency = limits[i].concurrency,
			.containers = {.max_depth = limits[i].depth, .max_members = 10000}};
		sb_spawn_limits out;

		sb_spawn_limits_of(&environment, &out);
		if (out.max_file != limits[i].file || out.max_scan != limits[i].scan ||
			out.max_scan_ms != limits[i].ms || out.threads != limits[i].threads ||
			out.max_recursion != limits[i].recursion || out.max_members != 10000)
			fail_msg("%s", limits[i].why);
		assert_int_equal(
			sb_spawn_temporary_need(&out), limits[i].concurrency * limits[i].scan);
	}
}

static void test_configuration(void **state)
{
	static const char *const lines[] = {"\nLocalSocket clamd.sock\n", "\nAlertExceedsMax yes\n",
		"\nAlertEncrypted yes\n", "\nDisableCache yes\n", "\nMaxFileSize 2\n",
		"\nStreamMaxLength 1\n", "\nMaxScanSize 2\n", "\nMaxScanTime 3\n",
		"\nMaxRecursion 5\n", "\nMaxFiles 4\n", "\nMaxThreads 6\n",
		"\nDatabaseDirectory ../db\n", "\nTemporaryDirectory /t\n",
		"\nConcurrentDatabaseReload no\n", "\nForeground yes\n", "\nSelfCheck 0\n"};
	const sb_spawn_limits some = {1, 2, 3, 4, 5, 6};
	sb_buf out;

	(void)state;
	sb_buf_init(&out, 4096);
	sb_spawn_clamd_conf(&out, &some, "../db", "/t", false);
	assert_false(out.failed);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		if (strstr(out.data, lines[i]) == NULL)
			fail_msg("%s", lines[i]);
	assert_null(strstr(out.data, "TCP"));
	sb_buf_clear(&out);
	sb_spawn_clamd_conf(&out, &some, "../db", "/t", true);
	assert_non_null(strstr(out.data, "\nConcurrentDatabaseReload yes\n"));
	sb_buf_done(&out);
}

static void test_paths(void **state)
{
	char longest[1002];

	(void)state;
	memset(longest, 'a', sizeof longest);
	longest[1000] = '\0';
	assert_true(sb_spawn_path_ok(longest));
	longest[1000] = 'a';
	longest[1001] = '\0';
	assert_false(sb_spawn_path_ok(longest));
	assert_true(sb_spawn_path_ok("/var/lib/clamav"));
	assert_true(sb_spawn_path_ok("/h\xc3\xb6he"));
	assert_false(sb_spawn_path_ok(""));
	assert_false(sb_spawn_path_ok("/a b"));
	assert_false(sb_spawn_path_ok("/a\nTCPSocket 1"));
	assert_false(sb_spawn_path_ok("/a#b"));
	assert_false(sb_spawn_path_ok("/a\"b"));
	assert_false(sb_spawn_path_ok("/a\x7f"));
}

static void test_memory(void **state)
{
	(void)state;
	assert_int_equal(
		sb_spawn_available("MemTotal: 9 kB\nMemAvailable:    3 kB\nX: 1 kB\n"), 3072);
	assert_int_equal(sb_spawn_available("MemAvailable: 3 kB"), 3072);
	assert_int_equal(sb_spawn_available("NotMemAvailable: 3 kB"), 0);
	assert_int_equal(sb_spawn_available("MemAvailable: 3 MB"), 0);
	assert_int_equal(sb_spawn_available("MemAvailable: -3 kB"), 0);
	assert_int_equal(sb_spawn_available("MemAvailable: 99999999999999999999999 kB"), 0);
	assert_int_equal(sb_spawn_available(""), 0);
	assert_int_equal(sb_spawn_loaded_size(0), 64 * MIB);
	assert_int_equal(sb_spawn_loaded_size(200 * MIB), 1264 * MIB);
	assert_true(sb_spawn_loaded_size(UINT64_MAX) > UINT64_MAX / 2);
}

/* --- The record ---------------------------------------------------------------------------------
 */

static void test_record(void **state)
{
	sb_spawn_record record = {.phase = SB_SPAWN_UP, .time = -7, .doubts = UINT64_MAX - 1}, back;
	char text[SB_SPAWN_RECORD];

	(void)state;
	memset(record.engine, 'e', sizeof record.engine - 1);
	memset(record.signatures, 's', sizeof record.signatures - 1);
	memset(record.message, 'm', sizeof record.message - 1);
	memset(record.temporary, 't', sizeof record.temporary - 1);
	record.message[3] = '\n';
	sb_spawn_record_write(text, &record);
	assert_true(sb_spawn_record_read(text, &back));
	assert_int_equal(back.phase, SB_SPAWN_UP);
	assert_int_equal(back.time, -7);
	assert_int_equal(back.doubts, UINT64_MAX - 1);
	assert_string_equal(back.temporary, record.temporary);
	assert_string_equal(back.engine, record.engine);
	assert_string_equal(back.signatures, record.signatures);
	assert_int_equal(back.message[3], ' ');
	assert_int_equal(strlen(back.message), sizeof record.message - 1);
	record = (sb_spawn_record){.phase = SB_SPAWN_DOWN};
	sb_spawn_record_write(text, &record);
	assert_true(sb_spawn_record_read(text, &back));
	assert_int_equal(back.phase, SB_SPAWN_DOWN);
	assert_string_equal(back.message, "");
}

/* Whatever byte of it is lost: another record, or none, but nothing outside of it. */
static void test_damaged_records(void **state)
{
	sb_spawn_record record = {.phase = SB_SPAWN_UP, .engine = "1.4.6", .signatures = "s"}, back;
	char text[SB_SPAWN_RECORD], damaged[SB_SPAWN_RECORD];
	size_t refused = 0;

	(void)state;
	sb_spawn_record_write(text, &record);
	for (size_t i = 0; i < sizeof text; i++) {
		memcpy(damaged, text, sizeof text);
		damaged[i] = '\0';
		refused += !sb_spawn_record_read(damaged, &back);
	}
	assert_true(refused > 25);
	memset(damaged, 0, sizeof damaged);
	assert_false(sb_spawn_record_read(damaged, &back));
	memset(damaged, 'x', sizeof damaged);
	assert_false(sb_spawn_record_read(damaged, &back));
	memset(damaged, '\n', sizeof damaged);
	assert_false(sb_spawn_record_read(damaged, &back));
}

/* --- The folder of signatures --------------------------------------------------------------------
 */

static int folder_fd;
static char folder[SB_SCRATCH_PATH];

static int set_up(void **state)
{
	(void)state;
	if (!sb_scratch_make(folder, "spawn", false))
		return -1;
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder_fd >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	sb_close(&folder_fd);
	return sb_scratch_remove(folder) ? 0 : -1;
}

static void put(const char *name, const char *text)
{
	int fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(sb_write_all(fd, text, strlen(text)), 0);
	sb_close(&fd);
}

static void look(sb_spawn_database *out)
{
	assert_int_equal(sb_spawn_database_look(folder, out, NULL), 0);
}

static void test_every_change_shows(void **state)
{
	sb_spawn_database before, now;
	char longer[SB_SCRATCH_PATH + 8];

	(void)state;
	look(&before);
	assert_int_equal(before.files, 0);
	put("daily.cvd", "1234");
	look(&now);
	assert_int_equal(now.files, 1);
	assert_int_equal(now.bytes, 4);
	assert_string_not_equal(now.tag, before.tag);
	before = now;
	look(&now);
	assert_string_equal(now.tag, before.tag);
	put("new.tmp", "12"); /* not one of them */
	put("freshclam.dat", "12");
	assert_int_equal(mkdirat(folder_fd, "x.ndb", 0700), 0);
	look(&now);
	assert_string_equal(now.tag, before.tag);
	put("new", "4321"); /* as long, in its place */
	assert_int_equal(renameat(folder_fd, "new", folder_fd, "daily.cvd"), 0);
	look(&now);
	assert_string_not_equal(now.tag, before.tag);
	before = now;
	put("own.ndb", "1");
	look(&now);
	assert_int_equal(now.files, 2);
	assert_string_not_equal(now.tag, before.tag);
	snprintf(longer, sizeof longer, "%s/none", folder);
	assert_int_equal(sb_spawn_database_look(longer, &now, NULL), -(int)SB_KIND_NOT_CONFIGURED);
}

static void test_names_of_signatures(void **state)
{
	static const char *const good[] = {"main.cvd", "daily.cld", "x.ndb", "a.b.yara"};
	static const char *const idle[] = {"a.cfg", "local.ign2", "a.fp", "a.sfp", "a.pwdb"};
	static const char *const bad[] = {"x", ".ndb", "ndb", "x.ndb~", "x.ndb.tmp", "x.", "x.CVD"};
	bool detects;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(sb_spawn_is_signature(good[i], &detects));
		assert_true(detects);
	}
	for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++) {
		assert_true(sb_spawn_is_signature(idle[i], &detects));
		assert_false(detects);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(sb_spawn_is_signature(bad[i], &detects));
}

/* What finds nothing counts as nothing, and its change as one. */
static void test_what_finds_nothing(void **state)
{
	sb_spawn_database before, now;

	(void)state;
	put("local.ign2", "Some.Name\n");
	look(&before);
	assert_int_equal(before.files, 0);
	put("local.fp", "1:2:3\n");
	look(&now);
	assert_int_equal(now.files, 0);
	assert_string_not_equal(now.tag, before.tag);
	put("own.yara", "1");
	look(&now);
	assert_int_equal(now.files, 1);
}

/* What would not fit a record is refused: nobody could look whether there is room. */
static void test_a_long_temporary_folder(void **state)
{
	char path[SB_SPAWN_TEMPORARY_BASE + 2];
	sb_error error;

	(void)state;
	sb_error_init(&error);
	for (size_t length = SB_SPAWN_TEMPORARY_BASE - 1; length <= SB_SPAWN_TEMPORARY_BASE + 1;
		length++) {
		size_t at = (size_t)snprintf(path, sizeof path, "%s", folder);

		assert_true(at < length);
		memset(path + at, '/', length - at);
		path[length] = '\0';
		assert_int_equal(sb_spawn_temporary_check(path, 1, &error),
			length <= SB_SPAWN_TEMPORARY_BASE ? 0 : -SB_KIND_NOT_CONFIGURED);
	}
	assert_non_null(strstr(error.message, "at most 120 bytes"));
	assert_int_equal(sb_spawn_temporary_check("tmp", 1, &error), -SB_KIND_NOT_CONFIGURED);
}

/* --- The log -------------------------------------------------------------------------------------
 */

static uint64_t size_of(const char *name)
{
	struct stat info;

	return fstatat(folder_fd, name, &info, 0) == 0 ? (uint64_t)info.st_size : 0;
}

static void test_the_log_is_bounded(void **state)
{
	char line[SB_SPAWN_LINE];
	sb_spawn_log log;

	(void)state;
	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = '\0';
	sb_spawn_log_open(&log, folder_fd);
	for (size_t i = 0; i < 5 * SB_SPAWN_LOG_BYTES / sizeof line; i++)
		sb_spawn_log_line(&log, "clamd", line);
	assert_true(size_of("clamd.log") > 0);
	assert_true(size_of("clamd.log") < SB_SPAWN_LOG_BYTES + 1000);
	assert_true(size_of("clamd.log.1") < SB_SPAWN_LOG_BYTES + 1000);
	log.muted = true;
	line[0] = '\0';
	uint64_t before = size_of("clamd.log");
	sb_spawn_log_line(&log, "clamd", "ERROR: out of luck");
	sb_spawn_log_line(&log, "clamd", "goodbye");
	sb_spawn_log_line(&log, "scanbridge", "ERROR: no");
	assert_int_equal(size_of("clamd.log"), before);
	assert_string_equal(log.last, "ERROR: out of luck");
	sb_spawn_log_close(&log);
}

/* Words of ClamAV 1.4 with a temporary folder that is full, gone or closed to it. */
static void test_words_of_doubt(void **state)
{
	static const char *const bad[] = {
		"LibClamAV Error: cli_writen: write error: No space left on device",
		"LibClamAV Warning: cli_unzip: failed to write 68 inflated bytes",
		"LibClamAV Error: Can't create temporary directory for scan: /dev/shm/x.",
		"LibClamAV Error: cli_gentempfd_with_prefix: Can't create temporary file /x",
		"LibClamAV Error: cli_max_malloc(): Can't allocate memory (9 bytes).",
		"LibClamAV Error: open: Too many open files"};
	static const char *const good[] = {"LibClamAV Error: cli_pcre_report: pcre2_match",
		"LibClamAV Warning: PNG: Unexpected", "ERROR: No space left on device",
		"/memfd:LibClamAV Error: temporary: OK", "LibClamAV Error", ""};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (!sb_spawn_is_doubt(bad[i]))
			fail_msg("%s", bad[i]);
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (sb_spawn_is_doubt(good[i]))
			fail_msg("%s", good[i]);
}

static char heard[4096];

static void hear(void *data, const char *line)
{
	size_t used = strlen(heard);

	(void)data;
	snprintf(heard + used, sizeof heard - used, "<%zu %.3s>", strlen(line), line);
}

static void test_lines(void **state)
{
	char much[2 * SB_SPAWN_LINE];
	sb_spawn_lines lines = {.fd = -1};
	int ends[2];

	(void)state;
	memset(much, 'm', sizeof much);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	lines.fd = ends[0];
	assert_true(sb_spawn_lines_read(&lines, hear, NULL));
	assert_string_equal(heard, "");
	assert_int_equal(sb_write_all(ends[1], "one\n\ntw", 7), 0);
	assert_true(sb_spawn_lines_read(&lines, hear, NULL));
	assert_string_equal(heard, "<3 one>");
	assert_int_equal(sb_write_all(ends[1], "o\n", 2), 0);
	assert_int_equal(sb_write_all(ends[1], much, sizeof much), 0);
	assert_int_equal(sb_write_all(ends[1], "\nlast", 5), 0);
	assert_true(sb_spawn_lines_read(&lines, hear, NULL));
	assert_string_equal(heard, "<3 one><3 two><255 mmm>");
	sb_close(&ends[1]);
	assert_false(sb_spawn_lines_read(&lines, hear, NULL));
	assert_string_equal(heard, "<3 one><3 two><255 mmm><4 las>");
	sb_close(&ends[0]);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_grow_up_to_a_minute),
		cmocka_unit_test(test_a_minute_of_life_is_good),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_configuration),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_damaged_records),
		IN_FOLDER(test_every_change_shows),
		cmocka_unit_test(test_names_of_signatures),
		IN_FOLDER(test_what_finds_nothing),
		IN_FOLDER(test_a_long_temporary_folder),
		IN_FOLDER(test_the_log_is_bounded),
		cmocka_unit_test(test_words_of_doubt),
		cmocka_unit_test(test_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
