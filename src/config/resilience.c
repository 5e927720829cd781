/* SPDX-License-Identifier: MIT */
/* What becomes of an engine that fails: retry, breaker, quota, on_open with its fallback. */
#include "config/built.h"

#include <string.h>

#include "util/clock.h"

static const char *const on_open_words[] = {"fail_closed", "fail_open", NULL};

/* --- breaker ------------------------------------------------------------------------------- */

/* The preset chooses the defaults of the section that it stands in. */
static const sb_setting *rows_of(const sb_section *section, const sb_node *map)
{
	const sb_node *preset = sb_node_get(map, "preset");
	const char *const *words = sb_breaker_presets[0][0].choices;

	if (section->rows != sb_breaker_presets[0] || preset == NULL || preset->text == NULL)
		return section->rows;
	for (size_t i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], preset->text) == 0)
			return sb_breaker_presets[i];
	return section->rows;
}

static int read_sections(sb_reader *reader, const sb_node *node, sb_engine_values *values)
{
	sb_table table = {NULL, values};
	const sb_node *breaker = sb_node_get(node, "breaker");
	int rc = 0;

	for (const sb_section *s = sb_engine_sections; rc == 0 && s->name != NULL; s++) {
		const sb_node *map = sb_node_get(node, s->name);

		table.rows = rows_of(s, map);
		rc = sb_settings_read(reader, map, s->name, &table, 1, NULL);
	}
	if (rc != 0 || values->breaker.max_open >= values->breaker.open)
		return rc;
	if (sb_node_get(breaker, "max_open") != NULL)
		return sb_node_error(reader->error, sb_node_get(breaker, "max_open"),
			"breaker.max_open is shorter than open");
	values->breaker.max_open = values->breaker.open;
	return 0;
}

static sb_breaker_rules breaker_of(const sb_engine_values *v)
{
	return (sb_breaker_rules){
		.automatic =
			strcmp(sb_breaker_presets[0][0].choices[v->breaker.preset], "off") != 0,
		.failure_threshold = (unsigned)v->breaker.failure_threshold,
		.failure_rate = (unsigned)v->breaker.failure_rate,
		.minimum_calls = (unsigned)v->breaker.minimum_calls,
		.window_ns = v->breaker.window * SB_MS,
		.slow_ns = v->breaker.slow_call * SB_MS,
		.success_threshold = (unsigned)v->breaker.success_threshold,
		.half_open_probes = (unsigned)v->breaker.half_open_probes,
		.open_ns = v->breaker.open * SB_MS,
		.max_open_ns = v->breaker.max_open * SB_MS,
	};
}

/* --- on_open ------------------------------------------------------------------------------- */

/* A word, or a map with the one key `fallback`. */
static int read_on_open(sb_reader *reader, const sb_node *node, sb_engine_values *values)
{
	static const sb_setting word[] = {{.key = "on_open",
						  .type = SB_SETTING_CHOICE,
						  .offset = offsetof(sb_engine_values, on_open),
						  .choices = on_open_words},
		{.key = NULL}};
	static const sb_setting fallback[] = {
		{.key = "fallback",
			.type = SB_SETTING_TEXT,
			.offset = offsetof(sb_engine_values, fallback),
			.required = true},
		{.key = NULL}};
	sb_table table = {node != NULL && node->type == SB_NODE_MAP ? fallback : word, values};
	sb_node one, map = {.type = SB_NODE_MAP, .first = &one, .last = &one, .count = 1};

	if (node == NULL)
		return 0;
	if (node->type == SB_NODE_MAP) {
		values->on_open = SB_ON_OPEN_FALLBACK;
		return sb_settings_read(reader, node, "on_open", &table, 1, NULL);
	}
	one = *node;
	one.next = NULL;
	return sb_settings_read(reader, &map, "engines", &table, 1, NULL);
}

int sb_build_resilience(
	sb_reader *reader, const sb_node *node, sb_engine_values *values, sb_engine_conf *conf)
{
	int rc = read_sections(reader, node, values);

	if (rc == 0)
		rc = read_on_open(reader, sb_node_get(node, "on_open"), values);
	if (rc != 0)
		return rc;
	conf->retry.attempts = (unsigned)values->retry.attempts;
	conf->retry.initial_ms = values->retry.initial;
	conf->retry.max_ms = values->retry.max;
	conf->retry.multiplier = values->retry.multiplier;
	conf->retry.jitter = values->retry.jitter;
	conf->breaker = breaker_of(values);
	conf->quota = (sb_quota_rules){.per_minute = (uint32_t)values->quota.per_minute,
		.per_day = (uint32_t)values->quota.per_day};
	conf->on_open = (sb_on_open)values->on_open;
	conf->fallback_only_if_open = values->fallback_on == 1;
	return 0;
}

void sb_show_on_open(sb_buf *out, const char *indent, const sb_engine_values *values)
{
	sb_buf_printf(out, "%son_open: ", indent);
	if (values->on_open != SB_ON_OPEN_FALLBACK) {
		sb_buf_printf(out, "%s\n", on_open_words[values->on_open]);
		return;
	}
	sb_buf_text(out, "{fallback: ");
	sb_text_write(out, values->fallback);
	sb_buf_text(out, "}\n");
}

/* --- Fallbacks ----------------------------------------------------------------------------- */

static int find_fallback(sb_reader *reader, const sb_node *node, sb_built *built, size_t index)
{
	const char *names[65], *wanted = built->engines[index].fallback;
	sb_engine_conf *conf = &built->conf.engines[index];
	size_t count = built->conf.engine_count;
	char shown[SB_SHOWN], tail[SB_SHOWN];

	for (conf->fallback = 0; conf->fallback < count; conf->fallback++) {
		names[conf->fallback] = built->engines[conf->fallback].name;
		if (strcmp(names[conf->fallback], wanted) == 0)
			break;
	}
	if (conf->fallback == count) {
		names[count] = NULL;
		return sb_node_error(reader->error, node, "fallback: no engine is called \"%s\"%s",
			sb_shown(shown, wanted), sb_did_you_mean(tail, wanted, names));
	}
	if (built->conf.engines[conf->fallback].role == SB_ROLE_SHADOW)
		return sb_node_error(reader->error, node,
			"fallback: engine %s is a shadow, which never decides", wanted);
	if ((built->conf.engines[conf->fallback].ops->flags & SB_ENGINE_HASH_LIST) != 0)
		return sb_node_error(reader->error, node,
			"fallback: engine %s is a hash list, which looks at no content", wanted);
	return 0;
}

/* Follow the fallbacks from one engine; more steps than engines lead in a circle. */
static int check_circle(sb_reader *reader, const sb_node *node, const sb_built *built, size_t index)
{
	const sb_engine_conf *engines = built->conf.engines, *at = &engines[index];

	for (size_t steps = 0; at->on_open == SB_ON_OPEN_FALLBACK; steps++) {
		if (steps > 0 && at == &engines[index])
			return sb_node_error(reader->error, node,
				"fallback: engine %s is in the end its own fallback", at->name);
		if (steps > built->conf.engine_count)
			return 0; /* a circle that this one is not part of */
		at = &engines[at->fallback];
	}
	return 0;
}

static const sb_node *fallback_node(const sb_node *engine)
{
	return sb_node_get(sb_node_get(engine, "on_open"), "fallback");
}

int sb_build_fallbacks(sb_reader *reader, const sb_node *list, sb_built *built)
{
	size_t index = 0;
	int rc = 0;

	for (const sb_node *node = list->first; rc == 0 && node != NULL; node = node->next, index++)
		if (built->conf.engines[index].on_open == SB_ON_OPEN_FALLBACK)
			rc = find_fallback(reader, fallback_node(node), built, index);
	index = 0;
	for (const sb_node *node = list->first; rc == 0 && node != NULL; node = node->next, index++)
		if (built->conf.engines[index].on_open == SB_ON_OPEN_FALLBACK)
			rc = check_circle(reader, fallback_node(node), built, index);
	return rc;
}
