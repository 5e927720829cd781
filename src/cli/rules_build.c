/* SPDX-License-Identifier: MIT */
/* `rules build` and `rules keygen`: what whoever publishes rules does. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/log.h"
#include "cli/open.h"
#include "cli/settings.h"
#include "rules/keys.h"
#include "rules/sources.h"
#include "util/io.h"
#include "util/temp.h"

#define AT(member) offsetof(sb_rules_settings, member)

const sb_option sb_rules_build_options[] = {
	{"output", 'o', SB_OPTION_TEXT, "FILE", AT(output), "the bundle; must not be there yet"},
	{"name", 0, SB_OPTION_TEXT, "NAME", AT(name), "1 to 63 of a-z 0-9 . _ -"},
	{"bundle-version", 0, SB_OPTION_NUMBER, "N", AT(version),
		"higher than that of every bundle before it "
		"(default: the time, as YYYYMMDDhhmmss)"},
	{"key", 0, SB_OPTION_TEXT, "FILE", AT(key), "the private key to sign it with"},
	{"sample", 0, SB_OPTION_LIST, "RULE=FILE", AT(samples),
		"content that this rule has to find before the bundle is used (repeatable)"},
	{NULL},
};

const sb_option sb_rules_keygen_options[] = {
	{"output", 'o', SB_OPTION_TEXT, "FILE", AT(output),
		"the private key; the public one is FILE.pub"},
	{NULL},
};

static int failed(const sb_error *error)
{
	sb_log_error(error);
	return SB_EXIT_FAILED;
}

static int missing(const char *command, const char *option)
{
	sb_log(SB_LOG_ERROR, "%s: %s is missing", command, option);
	return SB_EXIT_FAILED;
}

/* --- Building ----------------------------------------------------------------------------------
 */

/* Time in UTC: it ascends, and tells when that was. */
static uint64_t version_by_time(time_t now)
{
	struct tm tm;
	char digits[16];

	if (gmtime_r(&now, &tm) == NULL ||
		strftime(digits, sizeof digits, "%Y%m%d%H%M%S", &tm) == 0)
		return 0;
	return strtoull(digits, NULL, 10);
}

static int add_sample(sb_rule_sources *sources, const char *text, sb_error *error)
{
	const char *equals = strchr(text, '=');
	char rule[SB_PACK_RULE + 1];

	if (equals == NULL || equals == text || (size_t)(equals - text) > SB_PACK_RULE ||
		equals[1] == '\0')
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"--sample: RULE=FILE expected, not '%.80s'", text);
	memcpy(rule, text, (size_t)(equals - text));
	rule[equals - text] = '\0';
	return sb_rule_sources_sample(sources, rule, equals + 1, error);
}

/* Whole and durable before it has its name. */
static int write_new(const char *path, const sb_buf *bytes, sb_error *error)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
	int dir = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	sb_temp temp = {.fd = -1};
	int status = -1;

	if (dir >= 0 && sb_temp_open(&temp, dir, ".scanbridge-bundle", 0) == 0) {
		status = sb_write_all(temp.fd, bytes->data, bytes->length);
		if (status == 0) /* nothing in it is secret */
			status = fchmod(temp.fd, 0644);
		if (status == 0)
			status = sb_temp_publish(&temp, name);
	}
	if (status != 0)
		sb_error_set(error, SB_KIND_IO, errno, "write %s", path);
	sb_temp_drop(&temp);
	sb_close(&dir);
	free(folder);
	return status;
}

static int build(const sb_rules_settings *s, const char *folder, sb_error *error)
{
	time_t now = time(NULL);
	sb_pack pack = {.name = s->name,
		.version = s->version > 0 ? s->version : version_by_time(now),
		.created = (uint64_t)now};
	sb_rule_sources sources;
	sb_buf bytes;
	int status;

	sb_buf_init(&bytes, SB_PACK_BYTES);
	sb_rule_sources_init(&sources);
	status = sb_rule_sources_folder(&sources, folder, error);
	for (size_t i = 0; status == 0 && i < s->samples.count; i++)
		status = add_sample(&sources, s->samples.items[i], error);
	if (status == 0)
		status = sb_rule_sources_pack(&sources, &pack, &bytes, error);
	if (status == 0)
		status = sb_rule_sign((uint8_t *)bytes.data, bytes.length, s->key, error);
	if (status == 0)
		status = write_new(s->output, &bytes, error);
	if (status == 0)
		printf("%s: %s, version %" PRIu64 ", %u files, %u samples\n", s->output, pack.name,
			pack.version, pack.files, pack.samples);
	sb_rule_sources_done(&sources);
	sb_buf_done(&bytes);
	return status;
}

int sb_cmd_rules_build(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_rules_settings *s = data;
	sb_error error;

	(void)globals;
	(void)count;
	sb_error_init(&error);
	if (s->output == NULL)
		return missing("rules build", "--output FILE");
	if (s->name == NULL)
		return missing("rules build", "--name NAME");
	if (s->key == NULL)
		return missing("rules build", "--key FILE");
	if (build(s, words[0], &error) != 0)
		return failed(&error);
	return sb_cli_flushed(SB_EXIT_OK);
}

int sb_cmd_rules_keygen(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_rules_settings *s = data;
	char id[2 * SB_PACK_KEY_ID + 1];
	sb_error error;

	(void)globals;
	(void)words;
	(void)count;
	sb_error_init(&error);
	if (s->output == NULL)
		return missing("rules keygen", "--output FILE");
	if (sb_rule_make_key(s->output, id, &error) < 0)
		return failed(&error);
	printf("%s.pub: key %s\n", s->output, id);
	return sb_cli_flushed(SB_EXIT_OK);
}
