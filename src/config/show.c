/* SPDX-License-Identifier: MIT */
/* The tables and what was read by them, as YAML again: for people, and for the digest. */
#include "config/built.h"

#include <string.h>

/* Unset texts and numbers without a default are left out of engines and rules; secrets, where
 * people look on. A hidden list would be read back as a password, so it is a comment. */
static void write_given(
	sb_buf *out, const char *indent, const sb_setting *rows, const void *base, bool shown)
{
	for (; rows != NULL && rows->key != NULL; rows++) {
		const void *at = (const char *)base + rows->offset;
		bool text = rows->type == SB_SETTING_TEXT || rows->type == SB_SETTING_PATH;
		bool list = rows->type >= SB_SETTING_TEXTS;
		if (text && *(const char *const *)at == NULL)
			continue;
		if (list && ((const sb_texts *)at)->count == 0)
			continue;
		if (rows->fallback == NULL && !text && !list && *(const char *)at == 0 &&
			rows->min > 0)
			continue;
		if (rows->secret && shown) {
			sb_buf_printf(out, "%s# %s: [***]\n", indent, rows->key);
			continue;
		}
		sb_buf_printf(out, "%s%s: ", indent, rows->key);
		sb_setting_write(out, rows, base);
		sb_buf_char(out, '\n');
	}
}

static void write_engines(sb_buf *out, const sb_built *built, bool shown)
{
	sb_buf_text(out, built->conf.engine_count > 0 ? "engines:\n" : "engines: []\n");
	for (size_t i = 0; i < built->conf.engine_count; i++) {
		const sb_engine_conf *engine = &built->conf.engines[i];
		sb_buf_text(out, "  -\n");
		write_given(out, "    ", sb_engine_rows, &built->engines[i], shown);
		write_given(out, "    ", engine->ops->settings, engine->settings, shown);
		for (const sb_section *s = sb_engine_sections; s->name != NULL; s++) {
			sb_buf_printf(out, "    %s:\n", s->name);
			write_given(out, "      ", s->rows, &built->engines[i], shown);
		}
	}
}

static void write_words(
	sb_buf *out, const char *key, unsigned bits, const char *(*name)(unsigned value))
{
	const char *comma = "";

	sb_buf_printf(out, "        %s: [", key);
	for (unsigned i = 0; i < 32; i++)
		if ((bits >> i & 1) != 0) {
			sb_buf_printf(out, "%s%s", comma, name(i));
			comma = ", ";
		}
	sb_buf_text(out, "]\n");
}

static const char *outcome_word(unsigned value)
{
	return sb_outcome_name((sb_outcome)value);
}

static const char *kind_word(unsigned value)
{
	return sb_kind_name((sb_kind)value);
}

static const char *class_word(unsigned value)
{
	return sb_class_name((sb_class)value);
}

static void write_container(sb_buf *out, const sb_rule *rule)
{
	const unsigned facts = rule->container.present | rule->container.absent;
	sb_when_container when = {
		.type = {rule->container.types.items, rule->container.types.count},
		.depth_above = rule->container.depth_above,
		.members_above = (int64_t)rule->container.members_above,
		.size_above = rule->container.size_above};

	if (rule->given < SB_WHEN_CONTAINER_TYPE)
		return;
	sb_buf_text(out, "        container:\n");
	for (unsigned i = 0; sb_when_container_rows[i].key != NULL; i++) {
		bool given = i < SB_CONTAINER_FACTS ? (facts >> i & 1) != 0
						    : (rule->given >> (i - SB_CONTAINER_FACTS) &
							      SB_WHEN_CONTAINER_TYPE) != 0;
		if (!given)
			continue;
		if (i < SB_CONTAINER_FACTS)
			when.facts[i] = (rule->container.present >> i & 1) != 0;
		sb_buf_printf(out, "          %s: ", sb_when_container_rows[i].key);
		sb_setting_write(out, &sb_when_container_rows[i], &when);
		sb_buf_char(out, '\n');
	}
}

static void write_when(sb_buf *out, const sb_rule *rule)
{
	sb_when when = {.severity_at_least = (int)rule->severity_at_least - SB_SEVERITY_LOW,
		.threat_name = {rule->threat_names.items, rule->threat_names.count},
		.threat_contains = {rule->threat_contains.items, rule->threat_contains.count},
		.source = {rule->sources.items, rule->sources.count},
		.tenant = {rule->tenants.items, rule->tenants.count},
		.user = {rule->users.items, rule->users.count},
		.file_type = {rule->file_types.items, rule->file_types.count},
		.mime = {rule->mimes.items, rule->mimes.count},
		.size_above = rule->size_above,
		.size_below = rule->size_below,
		.detections_at_least = rule->detections_at_least,
		.never = true,
		.always = true};

	sb_buf_text(out, "      when:\n");
	if (rule->given == 0)
		sb_buf_text(out, "        always: true\n");
	for (unsigned i = 0; sb_when_rows[i].key != NULL; i++) {
		if ((rule->given >> i & 1) == 0)
			continue;
		if (1u << i == SB_WHEN_OUTCOME) {
			write_words(out, "outcome", rule->outcomes, outcome_word);
		} else if (1u << i == SB_WHEN_ERROR_KIND) {
			write_words(out, "error_kind", rule->error_kinds, kind_word);
		} else if (1u << i == SB_WHEN_ERROR_CLASS) {
			write_words(out, "error_class", rule->error_classes, class_word);
		} else {
			sb_buf_printf(out, "        %s: ", sb_when_rows[i].key);
			sb_setting_write(out, &sb_when_rows[i], &when);
			sb_buf_char(out, '\n');
		}
	}
	write_container(out, rule);
}

static void write_policy(sb_buf *out, const sb_built *built)
{
	sb_buf_text(out, "policy:\n");
	if (built->preset != NULL)
		sb_buf_printf(out, "  preset: %s\n", built->preset);
	if (!built->own_rules)
		return;
	sb_buf_text(out, built->rule_count > 0 ? "  rules:\n" : "  rules: []\n");
	for (size_t i = 0; i < built->rule_count; i++) {
		const sb_rule *rule = &built->rules[i];
		sb_ignore_values then = {.engine = sb_action_name(rule->action),
			.threat = rule->message,
			.reason = rule->reason};
		sb_buf_text(out, "    -\n");
		write_given(out, "      ", sb_rule_rows, rule, true);
		write_when(out, rule);
		sb_buf_text(out, "      then:\n");
		write_given(out, "        ", sb_then_rows, &then, true);
	}
}

static void write_ignores(sb_buf *out, const sb_built *built)
{
	size_t count = built->conf.decision.ignore_count;

	sb_buf_text(out, count > 0 ? "  ignore:\n" : "  ignore: []\n");
	for (size_t i = 0; i < count; i++) {
		sb_buf_text(out, "    -\n");
		write_given(out, "      ", sb_ignore_rows, &built->ignores[i], true);
	}
}

void sb_show_write(sb_buf *out, const sb_built *built, bool shown)
{
	for (size_t i = 0; shown && i < built->conf.notice_count; i++)
		sb_buf_printf(out, "# %s\n", built->conf.notices[i]);
	write_given(out, "", sb_top_rows, &built->values, shown);
	write_engines(out, built, shown);
	for (const sb_section *s = sb_sections; s->name != NULL; s++) {
		if (strcmp(s->name, "policy") == 0) {
			write_policy(out, built);
			continue;
		}
		sb_buf_printf(out, "%s:\n", s->name);
		write_given(out, "  ", s->rows, &built->values, shown);
		if (strcmp(s->name, "decision") == 0)
			write_ignores(out, built);
	}
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
	for (const sb_section *s = sb_engine_sections; s->name != NULL; s++) {
		sb_buf_printf(out, "#     # %s\n#     %s:\n", s->help, s->name);
		starter_rows(out, "      ", s->rows);
	}
	for (const sb_section *s = sb_sections; s->name != NULL; s++) {
		sb_buf_printf(out, "\n# %s\n# %s:\n", s->help, s->name);
		starter_rows(out, "  ", s->rows);
	}
}
