/* SPDX-License-Identifier: MIT */
/*
 * `policy replay`: what a candidate policy would have decided about every scan in an audit log. A
 * scan is two records, one behind the other: scan_completed has the facts, policy_decision the
 * action. Each line's own hash is checked; whether none is missing is `audit verify`'s business.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/line.h"
#include "cli/log.h"
#include "cli/open.h"
#include "cli/policy_facts.h"
#include "cli/policy_load.h"
#include "cli/settings.h"
#include "util/json.h"
#include "util/text.h"

enum {
	ACTIONS = SB_ACTION_BLOCK + 1,
	DEFAULT_EXAMPLES = 10,
	MAX_TIME = 40,
	MAX_ID = 40,
	MAX_NAME = 200,
	MAX_OUT = 64 << 20,
	CONDITIONS = 31, /* bits of enum sb_condition */
};

/* The scan whose facts came last. */
typedef struct scan {
	char id[MAX_ID], time[MAX_TIME], name[MAX_NAME];
	bool waits; /* for its policy_decision */
	sb_policy_decision decision;
} scan;

typedef struct replay {
	const sb_policy *policy;
	unsigned looks_at; /* enum sb_condition bits */
	uint64_t since, until, examples;
	uint64_t matrix[ACTIONS][ACTIONS];
	uint64_t scans, changed, damaged, undecided, lacking;
	uint64_t lacks[CONDITIONS + 1]; /* last: facts that could not be read */
	scan last;
	sb_buf text;   /* examples for people */
	sb_json found; /* the same as members of an array */
} replay;

/* --- One scan ----------------------------------------------------------------------------------
 */

static void keep(char *out, size_t room, const char *text)
{
	snprintf(out, room, "%s", text != NULL ? text : "");
}

/* A record that does not say what the candidate looks at. */
static bool count_lacking(replay *r, unsigned lacking)
{
	bool any = false;

	for (unsigned bit = 0; bit < CONDITIONS; bit++)
		if ((lacking & r->looks_at) >> bit & 1) {
			r->lacks[bit]++;
			any = true;
		}
	r->lacking += any;
	return any;
}

static void take_completed(replay *r, const json_t *record, const char *time)
{
	sb_known_facts known;
	const char *wrong;
	sb_arena arena;

	if (r->last.waits)
		r->undecided++;
	r->last.waits = false;
	sb_arena_init(&arena, 1 << 20);
	wrong = sb_facts_from_record(&known, record, &arena);
	if (wrong != NULL) {
		r->lacks[CONDITIONS]++;
		r->lacking++;
	} else if (!count_lacking(r, known.lacking)) {
		sb_policy_evaluate(r->policy, &known.facts, &r->last.decision);
		keep(r->last.id, MAX_ID, json_string_value(json_object_get(record, "scan_id")));
		keep(r->last.name, MAX_NAME, known.facts.name);
		keep(r->last.time, MAX_TIME, time);
		r->last.waits = true;
	}
	sb_arena_done(&arena);
}

static void add_example(replay *r, sb_action from, const char *old_rule)
{
	const scan *s = &r->last;
	sb_buf *out = &r->text;

	sb_buf_printf(out, "  %s ", s->time);
	sb_escape(out, s->name, strlen(s->name));
	sb_buf_printf(out, ": %s", sb_action_name(from));
	if (old_rule != NULL) {
		sb_buf_text(out, " by ");
		sb_escape(out, old_rule, strlen(old_rule));
	}
	sb_buf_printf(out, " -> %s by ", sb_action_name(s->decision.action));
	sb_escape(out, s->decision.rule_id != NULL ? s->decision.rule_id : "no rule",
		strlen(s->decision.rule_id != NULL ? s->decision.rule_id : "no rule"));
	sb_buf_printf(out, " (scan %s)\n", s->id);
	sb_json_object(&r->found, NULL);
	sb_json_text(&r->found, "scan_id", s->id);
	sb_json_text(&r->found, "time", s->time);
	sb_json_text(&r->found, "name", s->name);
	sb_json_text(&r->found, "from", sb_action_name(from));
	sb_json_text(&r->found, "from_rule", old_rule);
	sb_json_text(&r->found, "to", sb_action_name(s->decision.action));
	sb_json_text(&r->found, "to_rule", s->decision.rule_id);
	sb_json_end_object(&r->found);
}

/* The value of a text member that holds a plain word. Quotes inside JSON texts have a backslash
 * before them, so nothing that came from outside looks like the member. */
static bool word_of(const char *body, const char *member, char *out, size_t room)
{
	const char *start = strstr(body, member);
	size_t length;

	if (start == NULL)
		return false;
	start += strlen(member);
	length = strcspn(start, "\"");
	if (length >= room)
		return false;
	memcpy(out, start, length);
	out[length] = '\0';
	return true;
}

/* Only an example needs more of the record than two words. */
static void take_change(replay *r, const char *body, size_t length, sb_action from)
{
	json_t *record;

	if (r->changed++ >= r->examples)
		return;
	record = json_loadb(body, length, JSON_ALLOW_NUL, NULL);
	add_example(r, from, json_string_value(json_object_get(record, "matched_rule_id")));
	json_decref(record);
}

static void take_decision(replay *r, const char *body, size_t length)
{
	char id[MAX_ID], action[32];
	sb_action from;

	if (!r->last.waits || !word_of(body, "\"scan_id\":\"", id, sizeof id) ||
		strcmp(id, r->last.id) != 0)
		return;
	r->last.waits = false;
	if (!word_of(body, "\"action\":\"", action, sizeof action) ||
		!sb_action_from_name(action, &from)) {
		r->undecided++;
		return;
	}
	r->scans++;
	r->matrix[from][r->last.decision.action]++;
	if (from != r->last.decision.action)
		take_change(r, body, length, from);
}

/* --- Lines --------------------------------------------------------------------------------------
 */

/* `"time":"…"` stands second in every line. */
static void time_of(const char *line, char out[MAX_TIME])
{
	const char *start = strstr(line, "\"time\":\"");
	size_t length = start != NULL ? strcspn(start + 8, "\"") : 0;

	snprintf(out, MAX_TIME, "%.*s", (int)(length < MAX_TIME ? length : 0),
		start != NULL ? start + 8 : "");
}

static bool in_time(const replay *r, const char *time)
{
	uint64_t seconds;

	if (r->since == 0 && r->until == 0)
		return true;
	return sb_parse_time(time, &seconds, NULL) && seconds >= r->since &&
	       (r->until == 0 || seconds < r->until);
}

static void take_line(replay *r, char *line, size_t length)
{
	sb_audit_line parts;
	char time[MAX_TIME];
	bool completed;
	json_t *record;
	char *body;

	if (sb_audit_line_read(&parts, line, length) != NULL) {
		r->damaged++;
		return;
	}
	completed = sb_audit_line_is(&parts, "scan_completed");
	if (!completed && !sb_audit_line_is(&parts, "policy_decision"))
		return;
	time_of(line, time);
	if (!in_time(r, time) || parts.body_length == 0)
		return;
	/* The members alone are no JSON: the comma before them and what is behind make way. */
	body = line + (parts.body - line);
	body[-1] = '{';
	if (!completed) {
		take_decision(r, body - 1, parts.body_length + 2);
		return;
	}
	record = json_loadb(body - 1, parts.body_length + 2, JSON_ALLOW_NUL, NULL);
	if (record == NULL)
		r->damaged++;
	else
		take_completed(r, record, time);
	json_decref(record);
}

/* A line has at most 8 KiB; what is longer is none of ours. */
static void take_file(replay *r, FILE *in)
{
	char line[SB_AUDIT_LINE_MAX + 1];
	size_t length = 0;
	int c;

	while ((c = getc_unlocked(in)) != EOF) {
		if (c != '\n') {
			if (length < sizeof line)
				line[length++] = (char)c;
			continue;
		}
		if (length == sizeof line) {
			r->damaged++;
		} else if (length > 0) {
			line[length] = '\0';
			take_line(r, line, length);
		}
		length = 0;
	}
	r->damaged += length > 0;
	r->undecided += r->last.waits;
}

/* --- What came of it -----------------------------------------------------------------------------
 */

/* Why records could not be recomputed: what they lack. */
static const char *lack_text(unsigned bit, char out[128])
{
	const char *name = sb_condition_name((enum sb_condition)(1u << bit));

	if (bit == CONDITIONS)
		return "the record can't be understood";
	if (1u << bit == SB_ASKS_SHA256 || 1u << bit == SB_ASKS_MD5)
		return 1u << bit == SB_ASKS_MD5 ? "the record has no MD5 digest for hash"
						: "the record has no SHA-256 digest for hash";
	snprintf(out, 128, "the record does not have all that %s needs", name != NULL ? name : "");
	return out;
}

static void print_text(const replay *r, const char *path)
{
	char why[128];
	sb_buf shown;

	sb_buf_init(&shown, 1 << 16);
	sb_escape(&shown, path, strlen(path));
	printf("%s: %" PRIu64 " scans, %" PRIu64 " change\n", shown.data != NULL ? shown.data : "",
		r->scans, r->changed);
	sb_buf_done(&shown);
	if (r->changed > 0)
		printf("  %-22s  %-22s  %10s\n", "from", "to", "scans");
	for (int from = 0; from < ACTIONS; from++)
		for (int to = 0; to < ACTIONS; to++)
			if (from != to && r->matrix[from][to] > 0)
				printf("  %-22s  %-22s  %10" PRIu64 "\n",
					sb_action_name((sb_action)from),
					sb_action_name((sb_action)to), r->matrix[from][to]);
	if (r->text.length > 0)
		printf("examples:\n%s", r->text.data);
	for (unsigned bit = 0; bit <= CONDITIONS; bit++)
		if (r->lacks[bit] > 0)
			printf("%" PRIu64 " records could not be recomputed because %s\n",
				r->lacks[bit], lack_text(bit, why));
	if (r->undecided > 0)
		printf("%" PRIu64 " scans have no decision on record\n", r->undecided);
	if (r->damaged > 0)
		printf("%" PRIu64 " damaged lines were left out; run `scanbridge audit verify`\n",
			r->damaged);
}

static void lacks_json(sb_json *json, const replay *r)
{
	char why[128];

	sb_json_array(json, "not_recomputed");
	for (unsigned bit = 0; bit <= CONDITIONS; bit++) {
		if (r->lacks[bit] == 0)
			continue;
		sb_json_object(json, NULL);
		sb_json_text(json, "reason", lack_text(bit, why));
		sb_json_uint(json, "records", r->lacks[bit]);
		sb_json_end_object(json);
	}
	sb_json_end_array(json);
}

static void matrix_json(sb_json *json, const replay *r)
{
	sb_json_array(json, "matrix");
	for (int from = 0; from < ACTIONS; from++)
		for (int to = 0; to < ACTIONS; to++) {
			if (r->matrix[from][to] == 0)
				continue;
			sb_json_object(json, NULL);
			sb_json_text(json, "from", sb_action_name((sb_action)from));
			sb_json_text(json, "to", sb_action_name((sb_action)to));
			sb_json_uint(json, "scans", r->matrix[from][to]);
			sb_json_end_object(json);
		}
	sb_json_end_array(json);
}

static void print_json(const replay *r, char *const *paths, size_t count)
{
	const sb_buf *found = r->found.buf;
	sb_buf out;
	sb_json json = sb_json_on(&out);

	sb_buf_init(&out, MAX_OUT * 2);
	sb_json_object(&json, NULL);
	sb_json_text(&json, "audit", paths[count - 1]);
	if (count > 1) {
		sb_json_array(&json, "audit_files");
		for (size_t i = 0; i < count; i++)
			sb_json_text(&json, NULL, paths[i]);
		sb_json_end_array(&json);
	}
	sb_json_uint(&json, "scans", r->scans);
	sb_json_uint(&json, "changed", r->changed);
	matrix_json(&json, r);
	sb_json_array(&json, "examples");
	if (found->length > 0)
		sb_json_raw(&json, NULL, found->data, found->length);
	sb_json_end_array(&json);
	lacks_json(&json, r);
	sb_json_uint(&json, "undecided", r->undecided);
	sb_json_uint(&json, "damaged", r->damaged);
	sb_json_end_object(&json);
	if (!out.failed)
		printf("%s\n", out.data);
	sb_buf_done(&out);
}

/* --- The command
 * ---------------------------------------------------------------------------------- */

static int replay_file(replay *r, const char *path)
{
	FILE *in = fopen(path, "re");
	int status = in != NULL ? 0 : -1;

	if (status == 0) {
		take_file(r, in);
		status = ferror(in) ? -1 : 0;
	}
	if (status < 0)
		sb_log(SB_LOG_ERROR, "%.512s: %s", path, strerror(errno));
	if (in != NULL)
		fclose(in);
	return status;
}

/* A log that has gone on in a new file is several of them, to be given oldest first. */
static int replay_files(replay *r, char *const *paths, size_t count, bool as_json)
{
	sb_buf found;
	int status = 0;

	sb_buf_init(&r->text, MAX_OUT);
	sb_buf_init(&found, MAX_OUT);
	r->found = sb_json_on(&found);
	for (size_t i = 0; status == 0 && i < count; i++)
		status = replay_file(r, paths[i]);
	if (status == 0 && (r->text.failed || found.failed)) {
		sb_log(SB_LOG_ERROR, "policy replay: too many examples");
		status = -1;
	}
	if (status == 0 && as_json)
		print_json(r, paths, count);
	else if (status == 0)
		print_text(r, paths[count - 1]);
	sb_buf_done(&r->text);
	sb_buf_done(&found);
	return status < 0 ? SB_EXIT_FAILED : r->changed > 0 ? SB_EXIT_FOUND : SB_EXIT_OK;
}

static bool read_moment(const char *option, const char *text, uint64_t *seconds)
{
	if (text == NULL || sb_parse_time(text, seconds, NULL))
		return true;
	sb_log(SB_LOG_ERROR, "%s: \"%.64s\" is no time: RFC 3339 or YYYY-MM-DD", option, text);
	return false;
}

/* --- The configuration's log, and the files it continues ----------------------------------------
 */

typedef struct log_files {
	char **paths;
	size_t count;
} log_files;

static void free_files(log_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->paths[i]);
	free(files->paths);
}

/* `audit.jsonl.4711`: a file that took no more records after this number. */
static bool continues(const char *name, const char *log)
{
	size_t length = strlen(log);

	return strncmp(name, log, length) == 0 && name[length] == '.' && name[length + 1] != '\0' &&
	       name[length + 1 + strspn(name + length + 1, "0123456789")] == '\0';
}

static int add_file(log_files *files, const char *folder, size_t length, const char *name)
{
	char **paths = realloc(files->paths, (files->count + 1) * sizeof *paths);

	if (paths == NULL)
		return -1;
	files->paths = paths;
	if (asprintf(&paths[files->count], "%.*s%s", (int)length, folder, name) < 0)
		return -1;
	files->count++;
	return 0;
}

/* Oldest first, the log itself last. */
static int find_files(log_files *files, const char *log)
{
	const char *name = strrchr(log, '/') + 1; /* it is absolute */
	size_t length = (size_t)(name - log);
	char *folder = strndup(log, length);
	struct dirent **entries = NULL;
	int n = folder != NULL ? scandir(folder, &entries, NULL, versionsort) : 0;
	int status = folder != NULL ? 0 : -1;

	for (int i = 0; i < n; i++) {
		if (status == 0 && continues(entries[i]->d_name, name))
			status = add_file(files, log, length, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	free(folder);
	return status == 0 ? add_file(files, log, length, name) : -1;
}

static int replay_configured(replay *r, const sb_loaded_policy *loaded, bool as_json)
{
	log_files files = {NULL};
	int status = SB_EXIT_FAILED;

	if (loaded->conf == NULL || !loaded->conf->audit.enabled)
		sb_log(SB_LOG_ERROR, "the configuration has no audit log: name a file");
	else if (find_files(&files, loaded->conf->audit.file) < 0)
		sb_log(SB_LOG_ERROR, "out of memory");
	else
		status = replay_files(r, files.paths, files.count, as_json);
	free_files(&files);
	return status;
}

int sb_cmd_policy_replay(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_policy_settings *settings = data;
	replay *r = calloc(1, sizeof *r);
	sb_loaded_policy loaded;
	int status = SB_EXIT_FAILED;

	if (r == NULL || settings->policy == NULL) {
		sb_log(SB_LOG_ERROR, r == NULL
					     ? "out of memory"
					     : "policy replay: --policy is missing: the candidate");
		free(r);
		return SB_EXIT_FAILED;
	}
	r->examples = settings->examples > 0 ? settings->examples : DEFAULT_EXAMPLES;
	if (read_moment("--since", settings->since, &r->since) &&
		read_moment("--until", settings->until, &r->until) &&
		sb_cli_policy(&loaded, globals, settings->policy)) {
		r->policy = loaded.policy;
		r->looks_at = sb_policy_asks(loaded.policy);
		status = count > 0 ? replay_files(r, words, count, settings->json != 0)
				   : replay_configured(r, &loaded, settings->json != 0);
		sb_cli_policy_done(&loaded);
	}
	free(r);
	return sb_cli_flushed(status);
}
