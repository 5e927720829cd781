/* SPDX-License-Identifier: MIT */
/*
 * The configuration of a clamd of our own. It says all that a verdict depends on, whatever the
 * defaults of the installed version are: that limits and encryption are told (AlertExceedsMax,
 * AlertEncrypted), and that everything up to the engine's max_size is looked at.
 *
 * A test with known answers nests archives 25 deep and expects to hear of it, so max_recursion
 * stays below. Paths are relative where clamd runs as another user, who can't walk there.
 */
#include "engines/clamd/spawn.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { RECURSION_MIN = 2, RECURSION_MAX = 20, SPARE_THREADS = 4, PATH_MAX_BYTES = 1000 };

/* clamd's own ratio of MaxScanSize to MaxFileSize. */
enum { UNPACKED = 4 };

void sb_spawn_limits_of(const sb_environment *environment, sb_spawn_limits *out)
{
	const sb_container_limits *inside = &environment->containers;
	uint64_t size = environment->max_size, most = environment->max_content;

	if (size == 0 || (most > 0 && most < size))
		size = most;
	if (size == 0 || size > SB_SPAWN_MAX_FILE)
		size = SB_SPAWN_MAX_FILE;
	*out = (sb_spawn_limits){
		.max_file = size < 1024 ? 1024 : size, /* the smallest probe */
		.max_scan_ms = environment->timeout_ms < INT32_MAX ? environment->timeout_ms : 0,
		.max_members = inside->max_members,
		.max_recursion = inside->max_depth + 1,
		.threads = environment->concurrency + SPARE_THREADS,
	};
	out->max_scan = out->max_file * UNPACKED;
	if (out->max_scan > SB_SPAWN_MAX_SCAN)
		out->max_scan = SB_SPAWN_MAX_SCAN;
	if (out->max_recursion < RECURSION_MIN)
		out->max_recursion = RECURSION_MIN;
	if (out->max_recursion > RECURSION_MAX)
		out->max_recursion = RECURSION_MAX;
}

uint64_t sb_spawn_temporary_need(const sb_spawn_limits *limits)
{
	return (limits->threads - SPARE_THREADS) * limits->max_scan;
}

/* A zip's member that is larger than MaxFileSize is cut there, and the rest is called clean without
 * a word. Cut at MaxScanSize it is one that goes beyond that, which is told. */
static void put_limits(sb_buf *out, const sb_spawn_limits *limits)
{
	sb_buf_printf(out,
		"MaxFileSize %" PRIu64 "\nStreamMaxLength %" PRIu64 "\nMaxScanSize %" PRIu64 "\n"
		"MaxScanTime %" PRIu64 "\nMaxRecursion %u\nMaxFiles %" PRIu64 "\nMaxThreads %u\n"
		"MaxQueue %u\n",
		limits->max_scan, limits->max_file, limits->max_scan, limits->max_scan_ms,
		limits->max_recursion, limits->max_members, limits->threads,
		2 * limits->threads + 100);
}

void sb_spawn_judging(sb_buf *out, const sb_spawn_limits *limits, const char *program,
	const char *database, const char *user)
{
	put_limits(out, limits);
	sb_buf_printf(out, "program %s\ndatabase %s\nuser %s\n", program, database, user);
}

void sb_spawn_clamd_conf(sb_buf *out, const sb_spawn_limits *limits, const char *database,
	const char *temporary, bool concurrent_reload)
{
	sb_buf_text(out, "# Written by Scanbridge at every start: changes are lost.\n"
			 "Foreground yes\nLocalSocket clamd.sock\nLocalSocketMode 600\n"
			 "FixStaleSocket yes\nSelfCheck 0\nExitOnOOM yes\n"
			 "AlertExceedsMax yes\nAlertEncrypted yes\n"
			 /* It would remember as clean what it could not unpack. */
			 "DisableCache yes\n");
	put_limits(out, limits);
	sb_buf_printf(out, "DatabaseDirectory %s\nTemporaryDirectory %s\n", database, temporary);
	sb_buf_printf(out, "ConcurrentDatabaseReload %s\n", concurrent_reload ? "yes" : "no");
}

void sb_spawn_freshclam_conf(sb_buf *out, bool test_databases)
{
	sb_buf_printf(out,
		"# Written by Scanbridge at every start: changes are lost.\n"
		"DatabaseDirectory .\nForeground yes\nDatabaseMirror database.clamav.net\n"
		"DNSDatabaseInfo current.cvd.clamav.net\nConnectTimeout 30\nReceiveTimeout 300\n"
		"MaxAttempts 3\nTestDatabases %s\n",
		test_databases ? "yes" : "no");
}

/* --- What goes in ----------------------------------------------------------------------------- */

/* Its parser takes the rest of a line, and strips what is blank at its end. */
bool sb_spawn_path_ok(const char *path)
{
	size_t length = strlen(path);

	for (size_t i = 0; i < length; i++)
		if ((unsigned char)path[i] <= ' ' || path[i] == '"' || path[i] == '#' ||
			path[i] == 0x7f)
			return false;
	return length > 0 && length <= PATH_MAX_BYTES;
}

uint64_t sb_spawn_available(const char *meminfo)
{
	static const char key[] = "MemAvailable:";
	const char *line = strstr(meminfo, key);
	char *end;
	unsigned long long kib;

	if (line == NULL || (line != meminfo && line[-1] != '\n'))
		return 0;
	line += sizeof key - 1;
	line += strspn(line, " ");
	if (*line < '0' || *line > '9')
		return 0;
	kib = strtoull(line, &end, 10);
	if (strncmp(end, " kB", 3) != 0 || kib > UINT64_MAX / 1024)
		return 0;
	return kib * 1024;
}

/* Its manual speaks of 1.2 GiB for signatures that are 230 MiB on disk. */
uint64_t sb_spawn_loaded_size(uint64_t on_disk)
{
	const uint64_t most = UINT64_MAX / 8;

	return 64ull * 1024 * 1024 + 6 * (on_disk < most ? on_disk : most);
}
