/* SPDX-License-Identifier: MIT */
/*
 * The effective configuration: an sb_config (document) checked against the settings tables and
 * turned into plain structures, immutable from then on. The manager and the command line read
 * it; nobody else parses YAML.
 */
#ifndef SB_CONFIG_CONFIG_H
#define SB_CONFIG_CONFIG_H

#include <scanbridge/config.h>
#include <scanbridge/sys/engine.h>
#include <scanbridge/sys/store.h>

#include <stdatomic.h>

#include "audit/audit.h"
#include "policy/policy.h"
#include "scan/decision.h"
#include "scan/gates/breaker_state.h"
#include "scan/gates/quota_state.h"
#include "util/buf.h"

/* What a call is answered while the engine's breaker is open. */
typedef enum sb_on_open {
	SB_ON_OPEN_FAIL_CLOSED = 0, /* the error circuit_open, and a required engine's counts */
	SB_ON_OPEN_FAIL_OPEN,       /* the same error, which doesn't count as a required engine's */
	SB_ON_OPEN_FALLBACK,        /* another engine answers in its place */
} sb_on_open;

/* Keys that every engine has, whatever its type. */
typedef struct sb_engine_conf {
	const char *name;
	const sb_engine_ops *ops;
	sb_role role;
	uint64_t timeout_ms;
	uint64_t max_size; /* 0: none of its own */
	unsigned concurrency;
	unsigned tier; /* from 1 */
	double weight;
	bool veto;
	bool heuristics_infected;
	bool isolation_process;
	const char *self_test;         /* eicar | builtin | off | absolute path */
	uint64_t max_signature_age_ms; /* 0: off */
	struct {
		unsigned attempts; /* the first try counted */
		uint64_t initial_ms, max_ms;
		double multiplier;
		bool jitter;
	} retry;
	sb_breaker_rules breaker;
	sb_quota_rules quota;
	sb_on_open on_open;
	size_t fallback;            /* with SB_ON_OPEN_FALLBACK: which engine, in file order */
	bool fallback_only_if_open; /* and not after any failure */
	void *settings; /* ops->state_size bytes, zeroed, with the type's own settings filled in:
			   a template that the manager copies for each open; strings belong to the
			   configuration */
	const char *origin; /* file:line:column, for messages */
	/* BLAKE3 over the type's own settings, without those that no verdict depends on. */
	uint8_t judging[32];
	bool judges_by_secrets; /* some of them are secret */
	uint8_t digest[32];     /* over all that is said of it, but for its place */
	bool names_files;       /* some of its type's own settings are paths */
} sb_engine_conf;

/* Below the data directory: rules that releases from quarantine have made. */
#define SB_RELEASES "releases.yaml"

typedef struct sb_conf {
	const char *data_dir; /* absolute */
	struct {
		bool enabled, persistent;
		uint64_t memory, ttl_ms;
	} cache;
	const char *origin; /* the file it was read from, or NULL */
	struct {
		uint64_t max_size, timeout_ms, spool_memory, spool_disk;
		unsigned max_in_flight;
		bool copy_unpinned;
	} limits;
	struct {
		sb_container_limits limits;
		const char *const *passwords; /* NULL-terminated, never NULL */
	} containers;
	struct {
		sb_texts_list trusted_keys; /* files with the keys of rule bundles, absolute */
		sb_texts_list benign;       /* files and folders that no rule may flag, absolute */
	} rules;
	bool hash_sha256, hash_md5; /* in every report */
	bool isolation_process;     /* of what belongs to no engine */
	bool mime_always;           /* media types also where nothing asks for them */
	sb_engine_conf *engines;
	size_t engine_count;
	sb_decision_rules decision;
	sb_next_tier next_tier;
	bool early_decision; /* don't wait for whom the outcome doesn't need */
	const sb_policy *policy;
	unsigned policy_asks; /* what it looks at: bits of enum sb_condition */
	struct {
		bool enabled;
		bool failure_allows; /* on_failure: allow */
		const char *file;    /* absolute */
		sb_audit_sync sync;
		uint64_t reserve;
	} audit;
	struct {
		bool enabled, remove_original;
		const char *key_file;  /* absolute; NULL: `key` in the store's folder */
		uint64_t retention_ms; /* 0: for ever */
		uint64_t max_size, max_per_hour;
		sb_texts_list restore_roots; /* empty: any, for the command line */
		const sb_store_ops *store;   /* the program's own; NULL: the file store */
		void *store_data;
	} quarantine;
	const char *const *notices; /* defaults that this build does not have, and warnings */
	size_t notice_count;
	uint8_t digest[32];       /* BLAKE3 over the effective settings, for the audit log */
	uint8_t rules_digest[32]; /* over those of decision and policy */
	sb_arena *arena;
	_Atomic(unsigned) references;
} sb_conf;

/* Check and build; errors as `origin:line:column: message`. The result is the caller's. */
int sb_conf_build(sb_conf **out, const sb_config *config, sb_error *error);
sb_conf *sb_conf_ref(sb_conf *conf);
/* One reference less; NULL is fine. */
void sb_conf_free(sb_conf *conf);

/* Fails, and names the key, where @p then has another value for something that can't change while
 * a manager with @p now runs. */
int sb_conf_fixed(const sb_conf *now, const sb_conf *then, sb_error *error);

/* Like sb_config_set(), with @p text taken literally: for paths from a command line. */
int sb_config_set_text(sb_config *config, const char *key, const char *text, sb_error *error);

/* Where the configuration is looked for (interface.md 1): the path to load, or NULL for the
 * built-in defaults. @p explicit_path: from --config, or NULL. Out is allocated. */
char *sb_config_find(const char *explicit_path);

/* The whole effective configuration as YAML with a comment for what is off in this build. */
int sb_config_show(const sb_config *config, sb_buf *out, sb_error *error);
/* A commented starter file made from the settings tables. */
void sb_config_starter(sb_buf *out);

#endif
