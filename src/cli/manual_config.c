/* SPDX-License-Identifier: MIT */
/* scanbridge.yaml(5): every key of the settings tables with type, range, default and help. */
#include <stdio.h>
#include <string.h>

#include "cli/manual.h"
#include "config/built.h"
#include "engines/engines.h"
#include "util/text.h"

/* --- One key ------------------------------------------------------------------------------ */

static const char *type_name(sb_setting_type type)
{
	switch (type) {
	case SB_SETTING_BOOL:
		return "true or false";
	case SB_SETTING_INT:
		return "whole number";
	case SB_SETTING_NUMBER:
		return "number";
	case SB_SETTING_SIZE:
		return "SIZE";
	case SB_SETTING_DURATION:
		return "DURATION";
	case SB_SETTING_TEXT:
		return "text";
	case SB_SETTING_PATH:
		return "PATH";
	case SB_SETTING_CHOICE:
	case SB_SETTING_SECTION:
		return "";
	case SB_SETTING_TEXTS:
		return "LIST of texts";
	case SB_SETTING_PATHS:
		return "LIST of PATHs";
	case SB_SETTING_INTS:
		return "LIST of whole numbers";
	case SB_SETTING_MAP:
		return "map";
	}
	return "";
}

static void bound(sb_buf *out, const sb_setting *row, double value)
{
	char text[32];

	if (row->type == SB_SETTING_SIZE)
		sb_format_size(text, sizeof text, (uint64_t)value);
	else if (row->type == SB_SETTING_DURATION && value == 0)
		snprintf(text, sizeof text, "off");
	else if (row->type == SB_SETTING_DURATION)
		sb_format_duration(text, sizeof text, (uint64_t)value);
	else
		snprintf(text, sizeof text, row->type == SB_SETTING_NUMBER ? "%g" : "%.0f", value);
	sb_scdoc_text(out, text);
}

static void choices(sb_buf *out, const char *const *list)
{
	for (size_t i = 0; list[i] != NULL; i++) {
		sb_buf_text(out, i == 0 ? "" : list[i + 1] != NULL ? ", " : " or ");
		sb_scdoc_text(out, list[i]);
	}
}

static void key(sb_buf *out, const sb_setting *row)
{
	sb_buf_char(out, '*');
	sb_scdoc_text(out, row->key);
	sb_buf_text(out, "* (");
	if (row->type == SB_SETTING_CHOICE)
		choices(out, row->choices);
	else
		sb_scdoc_text(out, type_name(row->type));
	if (row->min != 0 || row->max != 0) {
		sb_buf_text(out, " from ");
		bound(out, row, row->min);
		sb_buf_text(out, " to ");
		bound(out, row, row->max);
	}
	if (row->required) {
		sb_buf_text(out, row->instead == NULL ? "; required" : "; required without ");
		sb_scdoc_text(out, row->instead != NULL ? row->instead : "");
	} else if (row->fallback != NULL) {
		sb_buf_text(out, "; default ");
		sb_scdoc_text(out, row->fallback);
	}
	sb_buf_text(out, ")\n\t");
	sb_scdoc_text(out, row->help);
	sb_buf_text(out, row->secret ? "; config show hides it\n\n" : "\n\n");
}

/* Sections have headings of their own; see sections_of(). */
static void keys(sb_buf *out, const sb_setting *rows)
{
	for (; rows != NULL && rows->key != NULL; rows++)
		if (rows->type != SB_SETTING_SECTION)
			key(out, rows);
}

static void heading(sb_buf *out, const char *level, const char *name, const char *text)
{
	sb_buf_printf(out, "%s ", level);
	sb_scdoc_text(out, name);
	sb_buf_text(out, "\n\n");
	if (text == NULL)
		return;
	sb_scdoc_text(out, text);
	sb_buf_text(out, ".\n\n");
}

/* --- Sections ----------------------------------------------------------------------------- */

/* The maps that stand below the keys of an engine's type. */
static void sections_of(sb_buf *out, const sb_engine_ops *ops)
{
	for (const sb_setting *row = ops->settings; row != NULL && row->key != NULL; row++) {
		if (row->type != SB_SETTING_SECTION)
			continue;
		heading(out, "##", row->key, row->help);
		keys(out, row->rows);
	}
}

static void engine_types(sb_buf *out)
{
	char name[80];

	for (size_t i = 0; sb_builtin_engines[i] != NULL; i++) {
		const sb_engine_ops *ops = sb_builtin_engines[i];
		snprintf(name, sizeof name, "Engines of type %s", ops->name);
		heading(out, "##", name, ops->summary);
		keys(out, ops->settings);
		sections_of(out, ops);
	}
	for (size_t i = 0; sb_absent_engines[i] != NULL; i++) {
		const sb_setting *rows = sb_absent_engine_rows(sb_absent_engines[i]);
		snprintf(name, sizeof name, "Engines of type %s", sb_absent_engines[i]);
		heading(out, "##", name, "Not available in this build");
		keys(out, rows);
	}
}

static void engines(sb_buf *out)
{
	heading(out, "#", "engines",
		"A list of engines, in the order in which reports show them. Without this key: "
		"yara with the bundled rules, where it is built in, and clamav, when a local clamd "
		"answers; an empty list means none");
	keys(out, sb_engine_rows);
	sb_scdoc_items(out, sb_manual_engine_keys);
	for (const sb_section *s = sb_engine_sections; s->name != NULL; s++) {
		heading(out, "##", s->name, s->help);
		keys(out, s->rows);
	}
	engine_types(out);
}

static void rules(sb_buf *out)
{
	heading(out, "##", "rules",
		"A list of rules. The first that matches, by priority, decides; the preset's come "
		"last; what none matches is blocked");
	keys(out, sb_rule_rows);
	heading(out, "##", "when",
		"In a rule: the conditions that all must hold. In a rule whose action allows, "
		"those on threats must hold for every threat");
	keys(out, sb_when_rows);
	sb_scdoc_items(out, sb_manual_when_keys);
	heading(out, "##", "container", "In when: what was found inside containers");
	keys(out, sb_when_container_rows);
	heading(out, "##", "time", "In when: a window, or a list of windows");
	keys(out, sb_window_rows);
	heading(out, "##", "then", "In a rule: an action, or these keys");
	keys(out, sb_then_rows);
}

static void sections(sb_buf *out)
{
	for (const sb_section *s = sb_sections; s->name != NULL; s++) {
		heading(out, "#", s->name, s->help);
		keys(out, s->rows);
		if (strcmp(s->name, "decision") == 0) {
			heading(out, "##", "ignore",
				"A list of signatures that don't count; they stay in reports and "
				"records");
			keys(out, sb_ignore_rows);
		}
		if (strcmp(s->name, "policy") == 0)
			rules(out);
	}
}

void sb_manual_config(sb_buf *out)
{
	sb_buf_text(out, "# DESCRIPTION\n\n");
	sb_scdoc_paragraphs(out, sb_manual_config_introduction);
	sb_scdoc_items(out, sb_manual_values);
	heading(out, "#", "TOP LEVEL", NULL);
	keys(out, sb_top_rows);
	engines(out);
	sections(out);
	heading(out, "#", "listeners", "Not available in this build; checked all the same");
	keys(out, sb_listener_rows);
	heading(out, "#", "EXAMPLE", NULL);
	sb_scdoc_literal(out, sb_manual_config_example);
	sb_buf_text(out, "# SEE ALSO\n\n*scanbridge*(1), *scanbridge-config-check*(1), "
			 "*scanbridge-config-show*(1), *scanbridge-config-init*(1)\n");
}
