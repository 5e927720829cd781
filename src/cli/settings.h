/* SPDX-License-Identifier: MIT */
/* The options of each command, as the tables fill them in. */
#ifndef SB_CLI_SETTINGS_H
#define SB_CLI_SETTINGS_H

#include "cli/options.h"

typedef struct sb_scan_settings {
	int json, verbose, quiet, colour, progress; /* 1, -1 (--no-…), 0: not given */
	int no_cache, no_quarantine, remove, dry_run, local;
	unsigned jobs; /* 0: as many as help */
	sb_words engines, excludes, metadata, passwords;
	const char *policy, *file_list, *name;
	int nul_separated;
	uint64_t max_size, timeout_ms; /* 0: the configuration's */
	const char *tenant, *user, *request_id, *source;
} sb_scan_settings;

typedef struct sb_watch_settings {
	sb_scan_settings scan; /* first: rows of scan's table fill it in */
	uint64_t settle_ms;
} sb_watch_settings;

typedef struct sb_engines_settings {
	int check, json;
} sb_engines_settings;

typedef struct sb_audit_show_settings {
	int json;
	uint64_t after, limit;
	const char *event;
} sb_audit_show_settings;

typedef struct sb_audit_export_settings {
	int format;
	uint64_t after;
} sb_audit_export_settings;

typedef struct sb_policy_settings {
	int json;
	const char *policy, *since, *until;
	uint64_t examples;
} sb_policy_settings;

typedef struct sb_cache_settings {
	int json;
} sb_cache_settings;

typedef struct sb_setup_settings {
	const char *write;
	int import, roll_back;
} sb_setup_settings;

typedef struct sb_rules_settings {
	int json;
	uint64_t version; /* 0: not given */
	const char *name, *key, *output, *reason;
	sb_words benign, samples;
} sb_rules_settings;

typedef struct sb_hash_settings {
	int sha256, md5;
	unsigned jobs;
} sb_hash_settings;

#endif
