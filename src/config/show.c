/* SPDX-License-Identifier: MIT */
/* The tables and what was read by them, as YAML again: for people, and for the digest. */
#include "config/built.h"

#include <stdio.h>
#include <string.h>

static bool is_unset(const sb_setting *row, const void *at)
{
	if (row->type == SB_SETTING_TEXT || row->type == SB_SETTING_PATH)
		return *(const char *const *)at == NULL;
	if (row->type >= SB_SETTING_TEXTS)
		return ((const sb_texts *)at)->count == 0;
	if (row->fallback != NULL || row->min <= 0) /* zero may have been given */
		return false;
	return row->type == SB_SETTING_NUMBER ? !(*(const double *)at > 0)
					      : *(const int64_t *)at == 0;
}

static void show_section(
	sb_buf *out, const char *indent, const sb_setting *row, const void *base, bool shown)
{
	char deeper[32];

	if (!*(const bool *)(const void *)((const char *)base + row->offset))
		return;
	snprintf(deeper, sizeof deeper, "%s  ", indent);
	sb_buf_printf(out, "%s%s:\n", indent, row->key);
	sb_show_given(out, deeper, row->rows, base, shown);
}

static void show_row(
	sb_buf *out, const char *indent, const sb_setting *row, const void *base, bool shown)
{
	if (row->type == SB_SETTING_SECTION) {
		show_section(out, indent, row, base, shown);
		return;
	}
	if (is_unset(row, (const char *)base + row->offset))
		return;
	if (row->secret && shown) {
		sb_buf_printf(out, "%s# %s: [***]\n", indent, row->key);
		return;
	}
	sb_buf_printf(out, "%s%s: ", indent, row->key);
	sb_setting_write(out, row, base);
	sb_buf_char(out, '\n');
}

/* Unset texts and numbers without a default are left out of engines and rules; secrets, where
 * people look on. A hidden list would be read back as a password, so it is a comment. */
void sb_show_given(
	sb_buf *out, const char *indent, const sb_setting *rows, const void *base, bool shown)
{
	for (; rows != NULL && rows->key != NULL; rows++)
		show_row(out, indent, rows, base, shown);
}

/* Of a section that was not given, nothing. */
static void show_judging(sb_buf *out, const char *indent, const sb_setting *rows, const void *base)
{
	for (const sb_setting *row = rows; row != NULL && row->key != NULL; row++) {
		if (row->operational)
			continue;
		if (row->type != SB_SETTING_SECTION) {
			show_row(out, indent, row, base, false);
		} else if (*(const bool *)(const void *)((const char *)base + row->offset)) {
			sb_buf_printf(out, "%s:\n", row->key);
			show_judging(out, "  ", row->rows, base);
		}
	}
}

void sb_show_judging(sb_buf *out, const sb_engine_conf *engine)
{
	show_judging(out, "", engine->ops->settings, engine->settings);
}

void sb_show_engine(
	sb_buf *out, const sb_engine_conf *engine, const sb_engine_values *values, bool shown)
{
	sb_buf_text(out, "  -\n");
	sb_show_given(out, "    ", sb_engine_rows, values, shown);
	sb_show_on_open(out, "    ", values);
	sb_show_given(out, "    ", engine->ops->settings, engine->settings, shown);
	for (const sb_section *s = sb_engine_sections; s->name != NULL; s++) {
		sb_buf_printf(out, "    %s:\n", s->name);
		sb_show_given(out, "      ", s->rows, values, shown);
	}
}

static void write_engines(sb_buf *out, const sb_built *built, bool shown)
{
	sb_buf_text(out, built->conf.engine_count > 0 ? "engines:\n" : "engines: []\n");
	for (size_t i = 0; i < built->conf.engine_count; i++)
		sb_show_engine(out, &built->conf.engines[i], &built->engines[i], shown);
}

static void write_policy(sb_buf *out, const sb_built *built)
{
	sb_buf_text(out, "policy:\n");
	if (built->preset != NULL)
		sb_buf_printf(out, "  preset: %s\n", built->preset);
	if (!built->own_rules)
		return;
	sb_buf_text(out, built->rule_count > 0 ? "  rules:\n" : "  rules: []\n");
	sb_show_rules(out, built->rules, built->rule_count, "    ");
}

/* They are a file of their own: for people a remark is enough. */
static void write_releases(sb_buf *out, const sb_built *built, bool shown)
{
	if (built->release_count == 0)
		return;
	if (shown)
		sb_buf_printf(out,
			"# before them, rules from releases.yaml in the data directory: "
			"%zu\n",
			built->release_count);
	else
		sb_show_rules(out, built->releases, built->release_count, "    ");
}

static void write_ignores(sb_buf *out, const sb_built *built)
{
	size_t count = built->conf.decision.ignore_count;

	sb_buf_text(out, count > 0 ? "  ignore:\n" : "  ignore: []\n");
	for (size_t i = 0; i < count; i++) {
		sb_buf_text(out, "    -\n");
		sb_show_given(out, "      ", sb_ignore_rows, &built->ignores[i], true);
	}
}

static void write_section(sb_buf *out, const sb_built *built, const sb_section *section, bool shown)
{
	if (strcmp(section->name, "policy") == 0) {
		write_policy(out, built);
		write_releases(out, built, shown);
		return;
	}
	sb_buf_printf(out, "%s:\n", section->name);
	sb_show_given(out, "  ", section->rows, &built->values, shown);
	if (strcmp(section->name, "decision") == 0)
		write_ignores(out, built);
}

void sb_show_rulebook(sb_buf *out, const sb_built *built)
{
	for (const sb_section *s = sb_sections; s->name != NULL; s++)
		if (strcmp(s->name, "decision") == 0 || strcmp(s->name, "policy") == 0)
			write_section(out, built, s, false);
}

void sb_show_write(sb_buf *out, const sb_built *built, bool shown)
{
	for (size_t i = 0; shown && i < built->conf.notice_count; i++)
		sb_buf_printf(out, "# %s\n", built->conf.notices[i]);
	sb_show_given(out, "", sb_top_rows, &built->values, shown);
	write_engines(out, built, shown);
	for (const sb_section *s = sb_sections; s->name != NULL; s++)
		write_section(out, built, s, shown);
	sb_buf_text(out, "listeners: []\n");
}

int sb_config_show(const sb_config *config, sb_buf *out, sb_error *error)
{
	sb_built *built;
	int rc = sb_build(&built, config, error);

	if (rc != 0)
		return rc;
	sb_show_write(out, built, true);
	sb_conf_free(&built->conf);
	return out->failed ? sb_error_no_memory(error) : 0;
}

/* --- The starter ------------------------------------------------------------------------- */

static void starter_row(sb_buf *out, const char *indent, const sb_setting *row)
{
	sb_buf_printf(out, "# %s%s: ", indent, row->key);
	/* The sample engine is a clamd: without its `#` the line must not lift clamd's limit. */
	if (row->offset == offsetof(sb_engine_values, max_size) && strcmp(indent, "    ") == 0)
		sb_buf_text(out, "25MiB");
	else
		sb_buf_text(out, row->fallback != NULL           ? row->fallback
				 : row->type == SB_SETTING_MAP   ? "{}"
				 : row->type >= SB_SETTING_TEXTS ? "[]"
								 : "null");
	sb_buf_printf(out, "%*s# %s", 4, "", row->help);
	for (size_t i = 0; row->choices != NULL && row->choices[i] != NULL; i++)
		sb_buf_printf(out, "%s%s", i == 0 ? ": " : " | ", row->choices[i]);
	sb_buf_char(out, '\n');
}

static void starter_rows(sb_buf *out, const char *indent, const sb_setting *rows)
{
	for (; rows->key != NULL; rows++)
		starter_row(out, indent, rows);
}

void sb_config_starter(sb_buf *out)
{
	sb_buf_text(out, "# Scanbridge. Every key with its default; remove the # to change one.\n"
			 "# Sizes: bytes, KiB, MiB, GiB. Durations: ms, s, m, h, d.\n\n");
	starter_rows(out, "", sb_top_rows);
	sb_buf_text(out,
		"\n# Engines, in the order in which reports list them. Without this key:\n"
		"# yara with the bundled rules where it is built in, and a local clamd, if one "
		"answers.\n"
		"# engines:\n"
		"#   - name: clamav\n#     type: clamd\n"
		"#     address: \"unix:/run/clamav/clamd.ctl\"\n");
	starter_rows(out, "    ", sb_engine_rows + 2);
	sb_buf_text(out, "#     on_open: fail_closed    # while its breaker is open: fail_closed | "
			 "fail_open | {fallback: NAME}\n");
	for (const sb_section *s = sb_engine_sections; s->name != NULL; s++) {
		sb_buf_printf(out, "#     # %s\n#     %s:\n", s->help, s->name);
		starter_rows(out, "      ", s->rows);
	}
	for (const sb_section *s = sb_sections; s->name != NULL; s++) {
		sb_buf_printf(out, "\n# %s\n# %s:\n", s->help, s->name);
		starter_rows(out, "  ", s->rows);
	}
}
