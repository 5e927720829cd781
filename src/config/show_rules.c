/* SPDX-License-Identifier: MIT */
/* Rules as YAML again, so that the reader takes them back. */
#include "config/built.h"

#include <stdio.h>
#include <string.h>

/* How far conditions inside all, any and not stand to the right. */
enum { MAX_INDENT = 16 + 4 * (SB_CONDITIONS_DEPTH + 1) };

static void write_words(sb_buf *out, const char *indent, const char *key, unsigned bits,
	const char *(*name)(unsigned value))
{
	const char *comma = "";

	sb_buf_printf(out, "%s%s: [", indent, key);
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

static const char *day_word(unsigned value)
{
	return sb_day_names[value];
}

static void write_texts(sb_buf *out, const sb_texts_list *texts, const char *prefix)
{
	for (size_t i = 0; i < texts->count; i++) {
		char text[96];

		snprintf(text, sizeof text, "%s%s", prefix, texts->items[i]);
		sb_buf_text(out, out->data[out->length - 1] == '[' ? "" : ", ");
		sb_text_write(out, prefix[0] != '\0' ? text : texts->items[i]);
	}
}

/* Each digest with the algorithm that it is meant to be of. */
static void write_hashes(sb_buf *out, const sb_conditions *when, const char *indent)
{
	sb_buf_printf(out, "%shash: [", indent);
	write_texts(out, &when->hashes.blake3, "blake3:");
	write_texts(out, &when->hashes.sha256, "sha256:");
	write_texts(out, &when->hashes.md5, "md5:");
	sb_buf_text(out, "]\n");
}

static void write_container(sb_buf *out, const sb_conditions *conditions, const char *indent)
{
	const unsigned facts = conditions->container.present | conditions->container.absent;
	sb_when_container when = {
		.type = {conditions->container.types.items, conditions->container.types.count},
		.depth_above = conditions->container.depth_above,
		.members_above = (int64_t)conditions->container.members_above,
		.size_above = conditions->container.size_above};

	if ((conditions->given & SB_WHEN_CONTAINER) == 0)
		return;
	sb_buf_printf(out, "%scontainer:\n", indent);
	for (unsigned i = 0; sb_when_container_rows[i].key != NULL; i++) {
		bool given = i < SB_CONTAINER_FACTS
				     ? (facts >> i & 1) != 0
				     : (conditions->given >> (i - SB_CONTAINER_FACTS) &
					       SB_WHEN_CONTAINER_TYPE) != 0;
		if (!given)
			continue;
		if (i < SB_CONTAINER_FACTS)
			when.facts[i] = (conditions->container.present >> i & 1) != 0;
		sb_buf_printf(out, "%s  %s: ", indent, sb_when_container_rows[i].key);
		sb_setting_write(out, &sb_when_container_rows[i], &when);
		sb_buf_char(out, '\n');
	}
}

static void write_metadata(sb_buf *out, const sb_conditions *when, const char *indent)
{
	sb_buf_printf(out, "%smetadata:\n", indent);
	for (size_t i = 0; i < when->metadata_count; i++) {
		sb_buf_printf(out, "%s  ", indent);
		sb_text_write(out, when->metadata[i].key);
		sb_buf_text(out, ": [");
		write_texts(out, &when->metadata[i].values, "");
		sb_buf_text(out, "]\n");
	}
}

static void write_windows(sb_buf *out, const sb_conditions *when, const char *indent)
{
	sb_buf_printf(out, "%stime:\n", indent);
	for (size_t i = 0; i < when->window_count; i++) {
		const sb_window *window = &when->windows[i];
		sb_buf_printf(out, "%s  -\n%s  ", indent, indent);
		write_words(out, "  ", "days", window->days, day_word);
		sb_buf_printf(out, "%s    from: \"%02u:%02u\"\n%s    to: \"%02u:%02u\"\n", indent,
			window->from / 60, window->from % 60, indent, window->to / 60,
			window->to % 60);
		sb_buf_printf(out, "%s    zone: %s\n", indent, window->local ? "local" : "utc");
	}
}

static void write_nested(
	sb_buf *out, const char *key, const struct sb_conditions_list *list, const char *indent)
{
	char inner[MAX_INDENT];

	if (list->count == 0)
		return;
	sb_buf_printf(out, "%s%s:\n", indent, key);
	/* One alone needs no list, which would count as a level of its own. */
	if (list->count == 1 && strcmp(key, "not") == 0) {
		snprintf(inner, sizeof inner, "%s  ", indent);
		sb_show_when(out, list->items, inner);
		return;
	}
	snprintf(inner, sizeof inner, "%s    ", indent);
	for (size_t i = 0; i < list->count; i++) {
		sb_buf_printf(out, "%s  -\n", indent);
		sb_show_when(out, &list->items[i], inner);
	}
}

static void write_key(sb_buf *out, unsigned bit, const sb_conditions *when, const sb_when *values,
	const char *indent)
{
	const sb_setting *row = sb_when_rows;

	while ((bit >> (row - sb_when_rows)) != 1)
		row++;
	if (bit == SB_WHEN_OUTCOME) {
		write_words(out, indent, row->key, when->outcomes, outcome_word);
	} else if (bit == SB_WHEN_ERROR_KIND) {
		write_words(out, indent, row->key, when->error_kinds, kind_word);
	} else if (bit == SB_WHEN_ERROR_CLASS) {
		write_words(out, indent, row->key, when->error_classes, class_word);
	} else if (bit == SB_WHEN_HASH) {
		write_hashes(out, when, indent);
	} else {
		sb_buf_printf(out, "%s%s: ", indent, row->key);
		sb_setting_write(out, row, values);
		sb_buf_char(out, '\n');
	}
}

static void write_keys(sb_buf *out, const sb_conditions *when, const char *indent)
{
	const sb_when values = {.severity_at_least = (int)when->severity_at_least - SB_SEVERITY_LOW,
		.threat_name = {when->threat_names.items, when->threat_names.count},
		.threat_contains = {when->threat_contains.items, when->threat_contains.count},
		.source = {when->sources.items, when->sources.count},
		.tenant = {when->tenants.items, when->tenants.count},
		.user = {when->users.items, when->users.count},
		.file_type = {when->file_types.items, when->file_types.count},
		.mime = {when->mimes.items, when->mimes.count},
		.engine = {when->engines.items, when->engines.count},
		.size_above = when->size_above,
		.size_below = when->size_below,
		.detections_at_least = when->detections_at_least,
		.cached = when->cached,
		.never = true};

	for (unsigned i = 0; sb_when_rows[i].key != NULL; i++)
		if ((when->given >> i & 1) != 0)
			write_key(out, 1u << i, when, &values, indent);
}

void sb_show_when(sb_buf *out, const sb_conditions *when, const char *indent)
{
	if (when->given == 0)
		sb_buf_printf(out, "%salways: true\n", indent);
	write_keys(out, when, indent);
	write_container(out, when, indent);
	if (when->metadata_count > 0)
		write_metadata(out, when, indent);
	if (when->window_count > 0)
		write_windows(out, when, indent);
	write_nested(out, "all", &when->all, indent);
	write_nested(out, "any", &when->any, indent);
	write_nested(out, "not", &when->none, indent);
}

void sb_show_rules(sb_buf *out, const sb_rule *rules, size_t count, const char *indent)
{
	char inner[MAX_INDENT], deeper[MAX_INDENT];

	snprintf(inner, sizeof inner, "%s  ", indent);
	snprintf(deeper, sizeof deeper, "%s    ", indent);
	for (size_t i = 0; i < count; i++) {
		const sb_rule *rule = &rules[i];
		sb_ignore_values then = {.engine = sb_action_name(rule->action),
			.threat = rule->message,
			.reason = rule->reason};
		sb_buf_printf(out, "%s-\n", indent);
		sb_show_given(out, inner, sb_rule_rows, rule, true);
		sb_buf_printf(out, "%swhen:\n", inner);
		sb_show_when(out, &rule->when, deeper);
		sb_buf_printf(out, "%sthen:\n", inner);
		sb_show_given(out, deeper, sb_then_rows, &then, true);
	}
}
