/* SPDX-License-Identifier: MIT */
/* What build.c makes and show.c prints: sb_conf and, beside it, every key as it was read. */
#ifndef SB_CONFIG_BUILT_H
#define SB_CONFIG_BUILT_H

#include "config/document.h"
#include "config/policy_file.h"
#include "settings/settings.h"

/* The values of all sections; tables.c says which key is where. */
typedef struct sb_values {
	const char *data_dir, *user;
	sb_texts hashes;
	int isolation, mime;
	struct {
		uint64_t max_size, timeout, spool_memory, spool_disk;
		int64_t max_in_flight;
		bool copy_unpinned;
	} limits;
	struct {
		int64_t max_depth, max_members, max_ratio;
		uint64_t max_size, max_member, max_memory;
		sb_texts passwords;
	} containers;
	struct {
		sb_texts trusted_keys, benign;
	} rules;
	struct {
		int strategy, min_assurance, next_tier;
		int64_t min_engines, quorum;
		double threshold;
		bool early_decision;
	} decision;
	struct {
		const char *preset, *file;
	} policy;
	struct {
		bool enabled, remove_original;
		const char *key_file;
		uint64_t retention, max_size;
		int64_t max_per_hour;
		sb_texts restore_roots;
	} quarantine;
	struct {
		bool enabled;
		const char *file;
		int on_failure, sync;
		sb_texts sinks;
		uint64_t reserve;
	} audit;
	struct {
		bool enabled, persistent;
		uint64_t memory, ttl;
	} cache;
} sb_values;

/* The keys that every engine has. */
typedef struct sb_engine_values {
	const char *name, *type, *self_test;
	int role, heuristics, isolation, on_open, fallback_on;
	uint64_t timeout, max_size, max_signature_age;
	int64_t concurrency, tier;
	double weight;
	bool veto;
	struct {
		int64_t attempts;
		uint64_t initial, max;
		double multiplier;
		bool jitter;
	} retry;
	struct {
		int preset;
		int64_t failure_threshold, failure_rate, minimum_calls, success_threshold,
			half_open_probes;
		uint64_t window, slow_call, open, max_open;
	} breaker;
	struct {
		int64_t per_minute, per_day;
	} quota;
	const char *fallback; /* of on_open; NULL: none */
} sb_engine_values;

typedef struct sb_ignore_values {
	const char *engine, *threat, *until, *reason;
} sb_ignore_values;

typedef struct sb_built {
	sb_conf conf; /* first: sb_conf_free() frees the whole */
	sb_arena arena;
	sb_values values;
	sb_engine_values *engines; /* beside conf.engines */
	sb_ignore_values *ignores; /* beside conf.decision.ignores */
	const sb_rule *rules;      /* without those of the preset behind them */
	size_t rule_count;
	const sb_rule *releases; /* stand before them */
	size_t release_count;
	bool own_rules;     /* `rules` were given, if only an empty list */
	const char *preset; /* behind the rules, or alone; NULL: none */
	size_t notice_room;
} sb_built;

typedef struct sb_section {
	const char *name;
	const sb_setting *rows; /* offsets into sb_values or sb_engine_values */
	const char *const *others;
	const char *help;
} sb_section;

extern const sb_setting sb_top_rows[];
extern const sb_section sb_sections[]; /* ends with a row without a name */
extern const sb_setting sb_engine_rows[];
extern const sb_section sb_engine_sections[]; /* retry, breaker, quota */
/* The rows of section breaker, by its key preset. */
extern const sb_setting *const sb_breaker_presets[];
extern const sb_setting sb_ignore_rows[];
extern const sb_setting sb_listener_rows[];
extern const sb_setting sb_rule_rows[];
extern const sb_setting sb_then_rows[];

/* Engine types of later builds: their keys are checked already. NULL: not one of them. */
const sb_setting *sb_absent_engine_rows(const char *type);
/* Large enough for any table of a section that is only checked. */
enum { SB_SCRATCH = 512 };

/* A condition of a rule: what it is read into, and the bit that says it was given. */
typedef struct sb_when {
	sb_texts outcome, error_kind, error_class, threat_name, threat_contains, source, tenant,
		user;
	int severity_at_least;
	uint64_t size_above, size_below;
	int64_t detections_at_least;
	sb_texts file_type, mime, engine, hash;
	bool cached, never, always;
} sb_when;
extern const sb_setting sb_when_rows[];

typedef struct sb_when_window {
	sb_texts days;
	const char *from, *to;
	int zone;
} sb_when_window;
extern const sb_setting sb_window_rows[];
extern const char *const sb_day_names[]; /* Sunday first; NULL behind Saturday */

/* The conditions in `container`; facts in the order of enum sb_container_fact. */
enum { SB_CONTAINER_FACTS = 10 };
typedef struct sb_when_container {
	sb_texts type;
	int64_t depth_above, members_above;
	uint64_t size_above;
	bool facts[SB_CONTAINER_FACTS];
} sb_when_container;
extern const sb_setting sb_when_container_rows[];

/* Whether engines can be put into a process of their own: the worker comes with yara. */
bool sb_worker_available(void);
/* retry, breaker, quota, on_open and fallback_on of one engine. */
int sb_build_resilience(
	sb_reader *reader, const sb_node *node, sb_engine_values *values, sb_engine_conf *conf);
/* The fallbacks of all engines, by name: each must be there, must decide, and must not lead
 * back. @p list: the engines' nodes. */
int sb_build_fallbacks(sb_reader *reader, const sb_node *list, sb_built *built);
/* on_open as it is written into a configuration. */
void sb_show_on_open(sb_buf *out, const char *indent, const sb_engine_values *values);
int sb_build_engines(sb_reader *reader, const sb_config *config, sb_built *built);
/* The map `when` of a rule. */
int sb_build_when(sb_reader *reader, const sb_node *node, sb_conditions *when);
/* A list of digests, by algorithm; @p given: SB_WHEN_HASH and what else it asks for. */
int sb_build_hashes(
	sb_reader *reader, const sb_node *node, const sb_texts *texts, sb_conditions *when);
/* The tests of a policy file; NULL: none. */
int sb_build_tests(sb_reader *reader, const sb_node *node, sb_policy_file *file);
/* file:line:column */
int sb_build_origin(sb_reader *reader, const sb_node *node, const char **out);
/* One rule of a list. */
int sb_build_rule(sb_reader *reader, const sb_node *node, sb_rule *rule);
int sb_build_releases(sb_reader *reader, const char *data_dir, sb_built *built);
int sb_build_policy(sb_reader *reader, const sb_config *config, sb_built *built);
int sb_notice(sb_reader *reader, sb_built *built, const char *format, ...) SB_PRINTF(3, 4);
int sb_build(sb_built **out, const sb_config *config, sb_error *error);
/* @p shown: for people, with comments and without secrets; else all there is, for the digest. */
void sb_show_write(sb_buf *out, const sb_built *built, bool shown);
/* What the verdicts of an engine depend on, of its type's own settings; and what outcome and action
 * depend on. For digests. */
void sb_show_engine(
	sb_buf *out, const sb_engine_conf *engine, const sb_engine_values *values, bool shown);
void sb_show_judging(sb_buf *out, const sb_engine_conf *engine);
void sb_show_rulebook(sb_buf *out, const sb_built *built);
/* A list of rules, and the conditions of one, as they are written into a policy. */
void sb_show_rules(sb_buf *out, const sb_rule *rules, size_t count, const char *indent);
void sb_show_when(sb_buf *out, const sb_conditions *when, const char *indent);
/* What has a value, a line each. */
void sb_show_given(
	sb_buf *out, const char *indent, const sb_setting *rows, const void *base, bool shown);

#endif
