/* SPDX-License-Identifier: MIT */
/* The `cache` commands: what the verdict cache of the data directory holds, and forgetting it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/cache.h"
#include "cli/commands.h"
#include "cli/log.h"
#include "cli/open.h"
#include "cli/settings.h"
#include "cli/term.h"
#include "scan/report.h"
#include "util/text.h"

const sb_option sb_cache_cli_options[] = {
	{"json", 0, SB_OPTION_YES, NULL, offsetof(sb_cache_settings, json), "as JSON"},
	{NULL},
};

/* --- Which cache ----------------------------------------------------------------------------- */

/* The configuration's, as it is on disk; *nothing when there is none yet, which a command that
 * only looks must not make. False: the reason was printed. */
static bool open_cache(const sb_globals *globals, sb_cache **out, bool *nothing)
{
	sb_config *config = sb_cli_config(globals);
	sb_conf *conf = config != NULL ? sb_cli_conf(config) : NULL;
	sb_cache_options options = {.persistent = true, .clock = sb_clock_system()};
	char *dir = NULL;
	struct stat st;
	sb_error error;
	int status = -1;

	*out = NULL;
	*nothing = false;
	sb_error_init(&error);
	if (conf != NULL && asprintf(&dir, "%s/cache", conf->data_dir) < 0)
		dir = NULL;
	if (dir != NULL && stat(dir, &st) != 0 && errno == ENOENT) {
		*nothing = true;
		status = 0;
	} else if (dir != NULL) {
		options.dir = dir;
		options.ttl_ms = conf->cache.ttl_ms;
		status = sb_cache_open(out, &options, &error);
		if (status != 0)
			sb_log_error(&error);
	}
	free(dir);
	sb_conf_free(conf);
	sb_config_free(config);
	return status == 0;
}

static bool parse_hash(const char *word, uint8_t out[SB_BLAKE3_SIZE])
{
	sb_buf shown;

	if (sb_unhex(out, SB_BLAKE3_SIZE, word, strlen(word)))
		return true;
	sb_buf_init(&shown, 512);
	sb_escape(&shown, word, strnlen(word, 80));
	sb_log(SB_LOG_ERROR,
		"'%s' is no BLAKE3 digest: 64 hexadecimal digits, as `scanbridge hash FILE` prints",
		shown.data != NULL ? shown.data : "");
	sb_buf_done(&shown);
	return false;
}

static int tell_error(const sb_error *error)
{
	sb_log_error(error);
	return SB_EXIT_FAILED;
}

/* --- Looking at one content ------------------------------------------------------------------ */

struct looking {
	sb_buf text;
	bool json;
	unsigned count;
};

static void put_detections(sb_json *json, const sb_result *result)
{
	sb_json_array(json, "threats");
	for (const sb_detection *d = result->detections; d != NULL; d = d->next) {
		sb_json_object(json, NULL);
		sb_json_text(json, "name", d->name);
		sb_json_text(json, "outcome", sb_outcome_name(d->outcome));
		sb_json_text(json, "severity", sb_severity_name(d->severity));
		sb_json_text(json, "category", d->category);
		sb_json_text(json, "signature_id", d->signature_id);
		sb_json_text(json, "description", d->description);
		sb_json_text(json, "member", d->member);
		sb_json_end_object(json);
	}
	sb_json_end_array(json);
}

static const char *exactness_name(sb_exactness exactness)
{
	static const char *const names[] = {"none", "partial", "exact"};

	return names[exactness];
}

static void put_known(sb_buf *out, const sb_cache_known *known)
{
	const sb_result *result = &known->result;
	char stored[SB_TIME_SIZE], expires[SB_TIME_SIZE];
	sb_json json = sb_json_on(out);

	sb_format_time(stored, known->stored);
	sb_format_time(expires, known->expires);
	sb_json_object(&json, NULL);
	sb_json_hex(&json, "blake3", known->key.hash, sizeof known->key.hash);
	sb_json_uint(&json, "size", known->key.length);
	sb_json_text(&json, "type", result->type);
	sb_json_hex(&json, "engine_gen", known->key.gen, sizeof known->key.gen);
	sb_json_text(&json, "outcome", sb_outcome_name(result->outcome));
	sb_json_object(&json, "coverage");
	sb_json_text(&json, "state", sb_coverage_state_name(result->coverage));
	sb_json_uint(&json, "bytes", result->bytes);
	sb_json_text(&json, "content", sb_content_coverage_name(result->content));
	sb_json_end_object(&json);
	put_detections(&json, result);
	if (result->confidence >= 0)
		sb_json_number(&json, "confidence", result->confidence);
	sb_json_text(&json, "engine_version", result->engine_version);
	sb_json_text(&json, "signature_version", result->signature_version);
	sb_json_text(&json, "mime", result->mime);
	if (result->container != NULL)
		sb_container_json(&json, result->container);
	sb_json_text(&json, "identity", exactness_name(known->exactness));
	sb_json_text(&json, "stored_at", stored);
	sb_json_text(&json, "expires_at", expires);
	sb_json_end_object(&json);
	sb_buf_char(out, '\n');
}

static void put_escaped(sb_buf *out, const char *before, const char *text)
{
	if (text == NULL)
		return;
	sb_buf_text(out, before);
	sb_escape(out, text, strlen(text));
}

/* `infected Some.Name [yara 4.2.3, signatures …], stored …, holds until …` */
static void say_known(sb_buf *out, const sb_cache_known *known)
{
	const sb_result *result = &known->result;
	char stored[SB_TIME_SIZE], expires[SB_TIME_SIZE];

	sb_format_time(stored, known->stored);
	sb_format_time(expires, known->expires);
	sb_buf_text(out, sb_outcome_name(result->outcome));
	for (const sb_detection *d = result->detections; d != NULL; d = d->next)
		put_escaped(out, " ", d->name);
	put_escaped(out, " [", result->type != NULL ? result->type : "?");
	put_escaped(out, " ", result->engine_version);
	put_escaped(out, ", signatures ", result->signature_version);
	sb_buf_printf(out, "], %" PRIu64 " bytes, stored %s, holds until %s\n", known->key.length,
		stored, expires);
}

static int take_known(void *data, const sb_cache_known *known)
{
	struct looking *looking = data;

	looking->count++;
	if (looking->json)
		put_known(&looking->text, known);
	else
		say_known(&looking->text, known);
	return 0;
}

int sb_cmd_cache_lookup(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_cache_settings *settings = data;
	struct looking looking = {.json = settings->json != 0};
	uint8_t hash[SB_BLAKE3_SIZE];
	sb_cache *cache;
	bool nothing;
	sb_error error;
	int status = 0;

	(void)count;
	sb_error_init(&error);
	if (!parse_hash(words[0], hash) || !open_cache(globals, &cache, &nothing))
		return SB_EXIT_FAILED;
	sb_buf_init(&looking.text, 64 << 20);
	if (!nothing)
		status = sb_cache_each(cache, hash, take_known, &looking, &error);
	sb_cache_close(cache);
	if (status != 0) {
		sb_buf_done(&looking.text);
		return tell_error(&error);
	}
	if (looking.count == 0) {
		sb_buf_done(&looking.text);
		sb_log(SB_LOG_ERROR, "nothing is known about %s", words[0]);
		return SB_EXIT_FOUND;
	}
	return sb_cli_print(&looking.text);
}

/* --- Forgetting ------------------------------------------------------------------------------ */

int sb_cmd_cache_forget(const sb_globals *globals, const void *data, char **words, size_t count)
{
	uint8_t hash[SB_BLAKE3_SIZE];
	uint64_t removed = 0;
	sb_cache *cache;
	bool nothing;
	sb_error error;
	int status = 0;

	(void)data;
	(void)count;
	sb_error_init(&error);
	if (!parse_hash(words[0], hash) || !open_cache(globals, &cache, &nothing))
		return SB_EXIT_FAILED;
	if (!nothing)
		status = sb_cache_forget(cache, hash, &removed, &error);
	sb_cache_close(cache);
	if (status != 0)
		return tell_error(&error);
	if (removed == 0) {
		sb_log(SB_LOG_ERROR, "nothing was known about %s", words[0]);
		return SB_EXIT_FOUND;
	}
	printf("%" PRIu64 " forgotten\n", removed);
	return sb_cli_flushed(SB_EXIT_OK);
}

int sb_cmd_cache_clear(const sb_globals *globals, const void *data, char **words, size_t count)
{
	sb_cache *cache;
	bool nothing;
	sb_error error;
	int status = 0;

	(void)data;
	(void)words;
	(void)count;
	sb_error_init(&error);
	if (!open_cache(globals, &cache, &nothing))
		return SB_EXIT_FAILED;
	if (!nothing)
		status = sb_cache_clear(cache, &error);
	sb_cache_close(cache);
	return status != 0 ? tell_error(&error) : SB_EXIT_OK;
}

/* --- Figures --------------------------------------------------------------------------------- */

static void put_stats(sb_buf *out, const sb_cache_stats *stats)
{
	sb_json json = sb_json_on(out);

	sb_json_object(&json, NULL);
	sb_json_uint(&json, "entries", stats->disk_entries);
	sb_json_uint(&json, "bytes", stats->disk_bytes);
	sb_json_uint(&json, "limit", stats->disk_limit);
	for (unsigned i = 0; i < SB_CACHE_COUNTS_; i++)
		sb_json_uint(&json, sb_cache_count_name(i), stats->all[i]);
	sb_json_text(&json, "problem", stats->state[0] != '\0' ? stats->state : NULL);
	sb_json_end_object(&json);
	sb_buf_char(out, '\n');
}

static void say_count(sb_buf *out, const sb_cache_stats *stats, sb_cache_count count)
{
	uint64_t hits = stats->all[SB_CACHE_HITS], asked = hits + stats->all[SB_CACHE_MISSES];
	char number[SB_NUMBER_SIZE], disk[SB_NUMBER_SIZE];

	if (count == SB_CACHE_DISK_HITS) /* told with the hits */
		return;
	sb_buf_printf(out, "  %-12s %s", sb_cache_count_name(count),
		sb_format_count(number, stats->all[count]));
	if (count == SB_CACHE_HITS && hits > 0)
		sb_buf_printf(out, "   %.1f %%; %s from disk", (double)hits * 100 / (double)asked,
			sb_format_count(disk, stats->all[SB_CACHE_DISK_HITS]));
	sb_buf_char(out, '\n');
}

static void say_stats(sb_buf *out, const sb_cache_stats *stats)
{
	char number[SB_NUMBER_SIZE], bytes[SB_NUMBER_SIZE], limit[SB_NUMBER_SIZE];

	sb_buf_printf(out, "  %-12s %s", "verdicts", sb_format_count(number, stats->disk_entries));
	if (stats->disk_entries > 0)
		sb_buf_printf(out, "   %s of %s", sb_format_bytes(bytes, (double)stats->disk_bytes),
			sb_format_bytes(limit, (double)stats->disk_limit));
	sb_buf_char(out, '\n');
	for (unsigned i = 0; i < SB_CACHE_COUNTS_; i++)
		say_count(out, stats, (sb_cache_count)i);
	if (stats->state[0] != '\0') {
		sb_buf_text(out, "  problem      ");
		sb_escape(out, stats->state, strlen(stats->state));
		sb_buf_char(out, '\n');
	}
}

int sb_cmd_cache_stats(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_cache_settings *settings = data;
	sb_cache_stats stats = {0};
	sb_cache *cache;
	bool nothing;
	sb_buf text;

	(void)words;
	(void)count;
	if (!open_cache(globals, &cache, &nothing))
		return SB_EXIT_FAILED;
	if (!nothing)
		sb_cache_stats_get(cache, &stats);
	sb_cache_close(cache);
	sb_buf_init(&text, 65536);
	if (settings->json != 0)
		put_stats(&text, &stats);
	else
		say_stats(&text, &stats);
	return sb_cli_print(&text);
}
