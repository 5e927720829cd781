/* SPDX-License-Identifier: MIT */
/*
 * Known files by their digests: a block list and an allow list. Each is one sorted array,
 * searched by halving; an entry says which digests it may be (64 digits without a prefix are
 * BLAKE3 or SHA-256). SHA-256 and MD5 of a content are asked for only when a list has such an
 * entry. A block entry beats an allow entry. Unknown content is an abstention: a list has
 * looked at nothing, so it says `content: unknown` even for what it allows.
 *
 * MD5 may block but not allow: anybody can make two files with one MD5.
 *
 * Where this build has a worker, the members of containers are looked up in the block list as
 * well: the worker opens the container, and has the list.
 */
#include <scanbridge/sys/engine.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engines/hashlist/members.h"
#include "util/hash.h"
#include "util/text.h"

enum { MAX_LINE = 255 }; /* what is kept of a line; the digest stands first */
static const uint64_t max_file_size = 256ull << 20;

enum { BLAKE3 = 1 << SB_DIGEST_BLAKE3, SHA256 = 1 << SB_DIGEST_SHA256, MD5 = 1 << SB_DIGEST_MD5 };

typedef sb_bundle_digest listed; /* as the worker takes it: no padding */

struct table {
	listed *entries; /* MD5 digests have 16 zero bytes behind */
	size_t count, room;
	unsigned kinds; /* of all entries together */
};

typedef struct hashlist_state {
	const char *block_path, *allow_path;
	struct table block, allow;
	char version[17];
	int64_t time;
	bool members;
	const sb_environment *environment;
	sb_members *opener; /* NULL: members are not looked at */
} hashlist_state;

static const sb_setting hashlist_settings[] = {
	{.key = "block",
		.type = SB_SETTING_PATH,
		.offset = offsetof(hashlist_state, block_path),
		.operational = true,
		.help = "file of digests that are infected, one a line"},
	{.key = "allow",
		.type = SB_SETTING_PATH,
		.offset = offsetof(hashlist_state, allow_path),
		.operational = true,
		.help = "file of digests that are clean, one a line; BLAKE3 or SHA-256"},
	{.key = "members",
		.type = SB_SETTING_BOOL,
		.offset = offsetof(hashlist_state, members),
		.fallback = "true",
		.help = "look up the members of containers in the block list, too"},
	{.key = NULL},
};

/* --- One line ---------------------------------------------------------------------------- */

static const struct {
	const char *prefix;
	size_t digits;
	uint8_t kinds;
} forms[] = {
	{"blake3:", 64, BLAKE3},
	{"sha256:", 64, SHA256},
	{"", 64, BLAKE3 | SHA256},
	{"", 32, MD5},
};

enum parsed { LINE_BAD, LINE_EMPTY, LINE_ENTRY };

static bool is_alphanumeric(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static enum parsed parse_line(const char *line, listed *out)
{
	size_t digits;

	if (*line == '\0' || *line == '#')
		return LINE_EMPTY;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		size_t skip = strlen(forms[i].prefix);
		const char *start = line + skip;

		if (strncmp(line, forms[i].prefix, skip) != 0)
			continue;
		digits = strspn(start, "0123456789abcdefABCDEF");
		if (digits != forms[i].digits || is_alphanumeric(start[digits]))
			continue;
		*out = (listed){.kinds = forms[i].kinds};
		return sb_unhex(out->digest, digits / 2, start, digits) ? LINE_ENTRY : LINE_BAD;
	}
	return LINE_BAD;
}

/* --- One file ---------------------------------------------------------------------------- */

struct reader {
	FILE *file;
	const char *path;
	unsigned long line;
	char text[MAX_LINE + 1];
	size_t length;
};

/* The next line without leading space, cut to what is kept; NUL bytes become newlines, which no
 * line has, so that they can't hide what follows. False at the end. */
static bool next_line(struct reader *reader)
{
	int c = getc_unlocked(reader->file);

	if (c == EOF)
		return false;
	reader->line++;
	reader->length = 0;
	for (; c != EOF && c != '\n'; c = getc_unlocked(reader->file)) {
		bool leading = reader->length == 0 && (c == ' ' || c == '\t' || c == '\r');
		if (!leading && reader->length < MAX_LINE)
			reader->text[reader->length++] = c != '\0' ? (char)c : '\n';
	}
	reader->text[reader->length] = '\0';
	return true;
}

static int bad_line(const struct reader *reader, sb_error *error, const char *expected)
{
	sb_buf shown;

	sb_buf_init(&shown, 1024);
	sb_escape(&shown, reader->text, reader->length < 80 ? reader->length : 80);
	sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "%s:%lu: `%s`%s: %s", reader->path,
		reader->line, shown.length > 0 ? shown.data : "", reader->length > 80 ? "..." : "",
		expected);
	sb_buf_done(&shown);
	return -SB_KIND_NOT_CONFIGURED;
}

static int add_entry(struct table *table, const listed *entry, sb_error *error)
{
	if (table->count == table->room) {
		size_t room = table->room > 0 ? table->room * 2 : 256;
		listed *grown = reallocarray(table->entries, room, sizeof *grown);

		if (grown == NULL)
			return sb_error_no_memory(error);
		table->entries = grown;
		table->room = room;
	}
	table->entries[table->count++] = *entry;
	table->kinds |= entry->kinds;
	return 0;
}

static int read_lines(
	struct table *table, struct reader *reader, unsigned accepted, sb_error *error)
{
	listed entry;

	while (next_line(reader)) {
		enum parsed parsed = parse_line(reader->text, &entry);
		int rc;

		if (parsed == LINE_EMPTY)
			continue;
		if (parsed == LINE_BAD)
			return bad_line(reader, error,
				"expected a digest: 64 hexadecimal digits (BLAKE3 or SHA-256, or "
				"one of them with `blake3:` or `sha256:` before it), or 32 (MD5)");
		if ((entry.kinds & accepted) == 0)
			return bad_line(reader, error,
				"MD5 can't allow, because two files with the same MD5 are easily "
				"made: expected 64 hexadecimal digits, BLAKE3 or SHA-256");
		rc = add_entry(table, &entry, error);
		if (rc < 0)
			return rc;
	}
	if (ferror(reader->file))
		return sb_error_set(
			error, SB_KIND_NOT_CONFIGURED, errno, "read hash list %s", reader->path);
	if (table->count == 0)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"hash list %s is empty: it must hold a digest", reader->path);
	return 0;
}

static int by_digest(const void *left, const void *right)
{
	return memcmp(left, right, sizeof((listed *)NULL)->digest);
}

/* The same digits may stand there with several prefixes. */
static void sort_and_merge(struct table *table)
{
	size_t kept = 0;

	qsort(table->entries, table->count, sizeof *table->entries, by_digest);
	for (size_t i = 1; i < table->count; i++) {
		if (by_digest(&table->entries[kept], &table->entries[i]) == 0)
			table->entries[kept].kinds |= table->entries[i].kinds;
		else
			table->entries[++kept] = table->entries[i];
	}
	table->count = kept + 1;
}

static int check_file(int fd, const char *path, int64_t *newest, sb_error *error)
{
	struct stat info;

	if (fstat(fd, &info) < 0)
		return sb_error_set(
			error, SB_KIND_NOT_CONFIGURED, errno, "stat hash list %s", path);
	if (!S_ISREG(info.st_mode))
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"hash list %s is not a regular file", path);
	if ((uint64_t)info.st_size > max_file_size)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"hash list %s is larger than 256MiB: split it over several engines", path);
	if (info.st_mtime > *newest)
		*newest = info.st_mtime;
	return 0;
}

static int load(
	struct table *table, const char *path, unsigned accepted, int64_t *newest, sb_error *error)
{
	struct reader reader = {.path = path};
	int fd, rc;

	if (path == NULL)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return sb_error_set(
			error, SB_KIND_NOT_CONFIGURED, errno, "open hash list %s", path);
	rc = check_file(fd, path, newest, error);
	reader.file = rc < 0 ? NULL : fdopen(fd, "r");
	if (reader.file == NULL) {
		close(fd);
		return rc < 0 ? rc : sb_error_no_memory(error);
	}
	rc = read_lines(table, &reader, accepted, error);
	fclose(reader.file);
	if (rc == 0)
		sort_and_merge(table);
	return rc;
}

/* What the lists say, whatever their comments and order: the version of the signatures. */
static int fix_version(hashlist_state *list, sb_error *error)
{
	const struct table *tables[] = {&list->block, &list->allow};
	sb_blake3 *hasher = sb_blake3_new();
	uint8_t digest[SB_BLAKE3_SIZE];

	if (hasher == NULL)
		return sb_error_no_memory(error);
	for (size_t i = 0; i < 2; i++) {
		uint64_t count = tables[i]->count;
		sb_blake3_update(hasher, &count, sizeof count);
		if (count > 0)
			sb_blake3_update(
				hasher, tables[i]->entries, tables[i]->count * sizeof(listed));
	}
	sb_blake3_final(hasher, digest);
	sb_blake3_free(hasher);
	sb_hex(list->version, digest, (sizeof list->version - 1) / 2);
	return 0;
}

static int hashlist_open(void *state, sb_error *error)
{
	hashlist_state *list = state;
	int rc;

	if (list->block_path == NULL && list->allow_path == NULL)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"a hashlist needs `block: FILE`, `allow: FILE` or both");
	rc = load(&list->block, list->block_path, BLAKE3 | SHA256 | MD5, &list->time, error);
	if (rc == 0)
		rc = load(&list->allow, list->allow_path, BLAKE3 | SHA256, &list->time, error);
	if (rc == 0)
		rc = fix_version(list, error);
	if (rc == 0 && list->members && list->block.count > 0 && list->environment != NULL)
		rc = sb_members_open(&list->opener, list->block.entries, list->block.count,
			list->environment, error);
	return rc;
}

static void hashlist_environment(void *state, const sb_environment *environment)
{
	((hashlist_state *)state)->environment = environment;
}

/* Opening containers takes its time. */
static bool hashlist_waits(const void *state)
{
	return ((const hashlist_state *)state)->opener != NULL;
}

static void hashlist_close(void *state)
{
	hashlist_state *list = state;

	sb_members_close(list->opener);
	list->opener = NULL;
	free(list->block.entries);
	free(list->allow.entries);
	list->block.entries = list->allow.entries = NULL;
}

/* --- One content ------------------------------------------------------------------------- */

static const struct {
	uint8_t kind;
	sb_digest digest;
	size_t size;
} digests[] = {
	{BLAKE3, SB_DIGEST_BLAKE3, SB_BLAKE3_SIZE},
	{SHA256, SB_DIGEST_SHA256, SB_SHA256_SIZE},
	{MD5, SB_DIGEST_MD5, SB_MD5_SIZE},
};

/* The digest by which the content stands in the table, its size in bytes; 0: it doesn't; or
 * -kind. */
static int find(const struct table *table, sb_call *call, uint8_t found[32], sb_error *error)
{
	for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++) {
		const listed *entry;
		int rc;

		if ((table->kinds & digests[i].kind) == 0)
			continue;
		memset(found, 0, 32);
		rc = sb_call_digest(call, digests[i].digest, found, error);
		if (rc < 0)
			return rc;
		entry = bsearch(found, table->entries, table->count, sizeof *entry, by_digest);
		if (entry != NULL && (entry->kinds & digests[i].kind) != 0)
			return (int)digests[i].size;
	}
	return 0;
}

static int hashlist_scan(void *state, sb_call *call, sb_error *error)
{
	const hashlist_state *list = state;
	uint8_t digest[32];
	char digits[65];
	int size = find(&list->block, call, digest, error);

	if (size > 0) {
		sb_hex(digits, digest, (size_t)size);
		sb_call_cover(call, sb_call_size(call), SB_CONTENT_UNKNOWN);
		return sb_call_infected(call,
			&(sb_threat){.name = "Blocklist.Match",
				.name_length = 15,
				.severity = SB_SEVERITY_HIGH,
				.category = "blocklist",
				.description = "the digest of the content is on the block list",
				.signature_id = digits},
			error);
	}
	if (size == 0 && list->opener != NULL) {
		int members = sb_members_look(list->opener, call, error);
		if (members != 0) /* one is on the list, or a failure */
			return members < 0 ? members : 0;
	}
	if (size == 0)
		size = find(&list->allow, call, digest, error);
	if (size < 0)
		return size;
	if (size > 0)
		return sb_call_clean(call, sb_call_size(call), SB_CONTENT_UNKNOWN, error);
	return sb_call_abstain(
		call, SB_KIND_UNSUPPORTED, error, "the lists don't know this content");
}

static int hashlist_identity(void *state, uint64_t timeout_ms, sb_identity *out, sb_error *error)
{
	const hashlist_state *list = state;

	(void)timeout_ms;
	(void)error;
	*out = (sb_identity){.engine_version = SB_VERSION_STRING,
		.signature_time = list->time,
		.exactness = SB_EXACT_FULL};
	memcpy(out->signature_version, list->version, sizeof list->version);
	return 0;
}

extern const sb_engine_ops sb_engine_hashlist;
const sb_engine_ops sb_engine_hashlist = {
	.abi = SB_ENGINE_ABI,
	.name = "hashlist",
	.summary = "files of digests that are known bad or known good",
	.state_size = sizeof(hashlist_state),
	.settings = hashlist_settings,
	.assurance = SB_ASSURANCE_HASH,
	.flags = SB_ENGINE_INLINE | SB_ENGINE_HONOURS_DEADLINE | SB_ENGINE_HASH_LIST,
	.environment = hashlist_environment,
	.open = hashlist_open,
	.waits = hashlist_waits,
	.scan = hashlist_scan,
	.identity = hashlist_identity,
	.close = hashlist_close,
};
