/* SPDX-License-Identifier: MIT */
/* `engines`: every engine looked at now, as a table for people or as JSON, one a line. */
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/log.h"
#include "cli/open.h"
#include "cli/settings.h"
#include "cli/term.h"
#include "scan/manager.h"
#include "util/hash.h"
#include "util/json.h"
#include "util/text.h"

#define AT(member) offsetof(sb_engines_settings, member)

const sb_option sb_engines_options[] = {
	{"check", 0, SB_OPTION_YES, NULL, AT(check),
		"run the known-answer test on each engine and tell what to change"},
	{"json", 0, SB_OPTION_YES, NULL, AT(json), "one engine a line, as JSON"},
	{NULL},
};

/* --- As JSON ---------------------------------------------------------------------------- */

static void put_check(sb_json *json, const sb_engine_state *state)
{
	if (!state->checked) {
		sb_json_null(json, "check");
		return;
	}
	sb_json_object(json, "check");
	sb_json_bool(json, "ok", state->check_ok);
	sb_json_bool(json, "attested_limits", state->attested_limits);
	sb_json_bool(json, "attested_encrypted", state->attested_encrypted);
	sb_json_bool(json, "attested_max_size", state->attested_max_size);
	sb_json_bool(json, "attested_mail", state->attested_mail);
	sb_json_text(json, "remedy", state->remedy[0] != '\0' ? state->remedy : NULL);
	sb_json_number(json, "duration_ms", state->duration_ms);
	sb_json_end_object(json);
}

static void put_left(sb_json *json, const char *key, uint32_t left)
{
	if (left != UINT32_MAX)
		sb_json_uint(json, key, left);
	else
		sb_json_null(json, key);
}

static void put_quota(sb_json *json, const sb_engine_state *state)
{
	const sb_quota_view *quota = &state->quota;
	char time[SB_TIME_SIZE];

	if (!state->has_quota) {
		sb_json_null(json, "quota");
		return;
	}
	sb_json_object(json, "quota");
	sb_json_uint(json, "per_minute", quota->rules.per_minute);
	sb_json_uint(json, "per_day", quota->rules.per_day);
	put_left(json, "left_in_minute", quota->left_in_minute);
	put_left(json, "left_today", quota->left_today);
	sb_json_int(json, "wait_ms", quota->wait_ms);
	sb_format_time(time, quota->resets_at * 1000000000);
	sb_json_text(json, "day_ends", time);
	sb_json_end_object(json);
}

static const char *text_or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static void put_json(
	sb_buf *out, const sb_engine_state *state, const uint8_t site_gen[SB_BLAKE3_SIZE])
{
	sb_json json = sb_json_on(out);

	sb_json_object(&json, NULL);
	sb_json_text(&json, "name", state->name);
	sb_json_text(&json, "type", state->type);
	sb_json_text(&json, "role", sb_role_name(state->role));
	sb_json_text(&json, "assurance", sb_assurance_name(state->assurance));
	sb_json_text(&json, "breaker", state->breaker);
	sb_json_bool(&json, "reachable", state->reachable);
	sb_json_text(&json, "engine_version", text_or_null(state->identity.engine_version));
	sb_json_text(&json, "signature_version", text_or_null(state->identity.signature_version));
	if (state->generation_known)
		sb_json_hex(&json, "engine_gen", state->generation, sizeof state->generation);
	else
		sb_json_null(&json, "engine_gen");
	sb_json_hex(&json, "site_gen", site_gen, SB_BLAKE3_SIZE);
	if (state->signature_age_s >= 0)
		sb_json_int(&json, "signature_age_s", state->signature_age_s);
	else
		sb_json_null(&json, "signature_age_s");
	put_quota(&json, state);
	if (state->error.kind != SB_KIND_NONE) {
		sb_json_object(&json, "error");
		sb_json_text(&json, "kind", sb_kind_name(state->error.kind));
		sb_json_text(&json, "class", sb_class_name(sb_kind_class(state->error.kind)));
		sb_json_text(&json, "message", state->error.message);
		sb_json_end_object(&json);
	} else {
		sb_json_null(&json, "error");
	}
	sb_json_text(&json, "note", state->note);
	put_check(&json, state);
	sb_json_end_object(&json);
	sb_buf_char(out, '\n');
}

/* --- As a table ---------------------------------------------------------------------------- */

enum { COLUMNS = 9 };
static const char *const titles[COLUMNS] = {
	"NAME", "TYPE", "ROLE", "ASSURANCE", "BREAKER", "VERSION", "SIGNATURES", "AGE", "STATE"};

typedef struct cells {
	char text[COLUMNS][96];
} cells;

static void age(char *out, size_t room, int64_t seconds)
{
	if (seconds < 0)
		snprintf(out, room, "-");
	else if (seconds < 2 * 3600)
		snprintf(out, room, "%lld min", (long long)(seconds / 60));
	else if (seconds < 2 * 86400)
		snprintf(out, room, "%lld h", (long long)(seconds / 3600));
	else
		snprintf(out, room, "%lld d", (long long)(seconds / 86400));
}

static const char *condition(const sb_engine_state *state)
{
	if (state->error.kind != SB_KIND_NONE)
		return sb_kind_name(state->error.kind);
	if (state->checked)
		return state->check_ok ? "ok, checked" : "check failed";
	return state->reachable ? "ok" : "unreachable";
}

static void put_cell(char *out, size_t room, const char *text)
{
	sb_buf escaped;

	sb_buf_init(&escaped, 4096);
	sb_escape(&escaped, text, strnlen(text, 200));
	snprintf(out, room, "%s", escaped.length > 0 ? escaped.data : "-");
	sb_buf_done(&escaped);
}

static void fill(cells *row, const sb_engine_state *state)
{
	const char *texts[COLUMNS] = {state->name, state->type, sb_role_name(state->role),
		sb_assurance_name(state->assurance), state->breaker, state->identity.engine_version,
		state->identity.signature_version, "", condition(state)};
	char number[32];

	age(number, sizeof number, state->signature_age_s);
	texts[7] = number;
	for (size_t i = 0; i < COLUMNS; i++)
		put_cell(row->text[i], sizeof row->text[i], texts[i]);
}

static void put_table(sb_buf *out, const cells *rows, size_t count)
{
	size_t widths[COLUMNS];

	for (size_t c = 0; c < COLUMNS; c++) {
		widths[c] = strlen(titles[c]);
		for (size_t r = 0; r < count; r++)
			if (strlen(rows[r].text[c]) > widths[c])
				widths[c] = strlen(rows[r].text[c]);
	}
	for (size_t r = 0; r <= count; r++) {
		for (size_t c = 0; c < COLUMNS; c++) {
			const char *text = r == 0 ? titles[c] : rows[r - 1].text[c];
			sb_buf_printf(out, c + 1 < COLUMNS ? "%-*s  " : "%.*s",
				c + 1 < COLUMNS ? (int)widths[c] : 96, text);
		}
		sb_buf_char(out, '\n');
	}
}

/* Each line of a text behind `  NAME: `. */
static void put_lines(sb_buf *out, const char *name, const char *text)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		sb_buf_printf(out, "  %s: ", name);
		sb_escape(out, text, length);
		sb_buf_char(out, '\n');
		text += length;
		text += *text == '\n';
	}
}

static void put_quota_line(sb_buf *out, const sb_engine_state *state)
{
	const sb_quota_view *quota = &state->quota;

	if (!state->has_quota)
		return;
	sb_buf_printf(out, "  %s: left of its quota:", state->name);
	if (quota->rules.per_minute > 0)
		sb_buf_printf(out, " %u of %u in this minute", quota->left_in_minute,
			quota->rules.per_minute);
	if (quota->rules.per_day > 0)
		sb_buf_printf(out, "%s %u of %u today, until 00:00 UTC",
			quota->rules.per_minute > 0 ? "," : "", quota->left_today,
			quota->rules.per_day);
	if (quota->wait_ms > 0)
		sb_buf_printf(out, "; the next request in %lld s",
			(long long)(quota->wait_ms + 999) / 1000);
	sb_buf_char(out, '\n');
}

static void put_advice(sb_buf *out, const sb_engine_state *state)
{
	put_quota_line(out, state);
	if (state->error.kind != SB_KIND_NONE)
		put_lines(out, state->name, state->error.message);
	put_lines(out, state->name, state->remedy);
	if (state->note != NULL)
		put_lines(out, state->name, state->note);
}

/* --- Both -------------------------------------------------------------------------------- */

static bool look(sb_manager *manager, size_t index, bool check, sb_engine_state *state)
{
	int status = sb_manager_engine_state(manager, index, check, state);

	return status >= 0 && (!check || !state->checked || state->check_ok);
}

/* All of them first: what they are together is known only then. */
static int look_at_all(sb_manager *manager, bool check, sb_engine_state *states, size_t count)
{
	int status = SB_EXIT_OK;

	for (size_t i = 0; i < count; i++)
		if (!look(manager, i, check, &states[i]) && check &&
			states[i].role == SB_ROLE_REQUIRED)
			status = SB_EXIT_FOUND;
	return status;
}

static void put_people(sb_buf *out, const sb_engine_state *states, cells *rows, size_t count)
{
	sb_buf advice;

	sb_buf_init(&advice, 4 * 1024 * 1024);
	for (size_t i = 0; i < count; i++) {
		fill(&rows[i], &states[i]);
		put_advice(&advice, &states[i]);
	}
	put_table(out, rows, count);
	if (advice.length > 0)
		sb_buf_printf(out, "\n%s", advice.data);
	out->failed = out->failed || advice.failed;
	sb_buf_done(&advice);
}

static int show(sb_manager *manager, const sb_engines_settings *settings)
{
	const size_t count = sb_manager_conf(manager)->engine_count;
	sb_engine_state *states = calloc(count + 1, sizeof *states);
	cells *rows = calloc(count + 1, sizeof *rows);
	uint8_t site_gen[SB_BLAKE3_SIZE];
	int status = SB_EXIT_FAILED;
	sb_buf out;

	sb_buf_init(&out, 4 * 1024 * 1024);
	if (states != NULL && rows != NULL) {
		status = look_at_all(manager, settings->check != 0, states, count);
		sb_manager_site_gen(manager, site_gen);
		for (size_t i = 0; settings->json != 0 && i < count; i++)
			put_json(&out, &states[i], site_gen);
		if (settings->json == 0)
			put_people(&out, states, rows, count);
	}
	if (states == NULL || rows == NULL || out.failed) {
		sb_log(SB_LOG_ERROR, "out of memory");
		status = SB_EXIT_FAILED;
	} else if (out.length > 0) {
		fwrite(out.data, 1, out.length, stdout);
	}
	sb_buf_done(&out);
	free(states);
	free(rows);
	return sb_cli_flushed(status);
}

int sb_cmd_engines(const sb_globals *globals, const void *data, char **words, size_t count)
{
	sb_config *config = sb_cli_config(globals);
	sb_manager *manager = config != NULL ? sb_cli_open(config) : NULL;
	int status = manager != NULL ? show(manager, data) : SB_EXIT_FAILED;

	(void)words;
	(void)count;
	sb_manager_free(manager);
	sb_config_free(config);
	return status;
}
