/* SPDX-License-Identifier: MIT */
/* What our own front ends ask of a manager beyond the public API. */
#ifndef SB_SCAN_MANAGER_H
#define SB_SCAN_MANAGER_H

#include <scanbridge/scan.h>
#include <scanbridge/sys/engine.h>

#include "config/config.h"
#include "scan/events.h"
#include "scan/gates/quota.h"

/* The configuration that the manager was opened with; lives as long as the manager. */
const sb_conf *sb_manager_conf(const sb_manager *manager);

/* The digest of the one that it judges by now. */
void sb_manager_digest(const sb_manager *manager, uint8_t out[32]);
/* Another configuration can't even be read: on record like one that is refused. */
void sb_manager_refuse(sb_manager *manager, const char *origin, const sb_error *why);

/* Why an optional or shadow engine of the configuration could not be opened, so that it is
 * never asked; NULL when it could. */
const sb_error *sb_manager_engine_problem(const sb_manager *manager, size_t index);

/* What the engine wants whoever runs it to know (sb_engine_ops.note); NULL: nothing. */
const char *sb_manager_engine_note(const sb_manager *manager, size_t index);

/* The data directory, made where it isn't there, for whoever needs no manager. On failure, too,
 * *out may be open. */
int sb_manager_open_data_dir(int *out, const sb_conf *conf, sb_error *error);

/* The audit log of a configuration, for whoever needs no manager; *out stays NULL when it has none.
 * @p recovery may be NULL. */
int sb_manager_open_audit(sb_audit **out, const sb_conf *conf, sb_clock *clock,
	sb_audit_recovery *recovery, sb_error *error);
/* Its quarantine; NULL when the configuration has none. */
struct sb_store *sb_manager_store(const sb_manager *manager);

/* What opening the audit log had to mend; NULL without an audit log. */
const sb_audit_recovery *sb_manager_recovery(const sb_manager *manager);

/* Why the verdict cache remembers less than it should, in words; false when all is well. It never
 * keeps a scan from being made. */
bool sb_manager_cache_problem(sb_manager *manager, char *out, size_t room);

/* The next thing that happened to an engine after number @p seen (0: from the start), which it
 * moves on; false when there is none yet. */
bool sb_manager_event(sb_manager *manager, uint64_t *seen, sb_engine_event *out);

/* From now on engines are tested by themselves, until the manager is freed; see tester.h. Once. */
int sb_manager_start_tests(sb_manager *manager, sb_error *error);

/* Open with a clock of the test's choosing, and without audit when @p audit is false. */
int sb_manager_open_with(
	sb_manager **out, const sb_config *config, sb_clock *clock, sb_error *error);

/* A digest of all that an answer depends on: see generation.h. Engines that haven't been asked who
 * they are yet are in it as unknown. */
void sb_manager_site_gen(sb_manager *manager, uint8_t out[32]);

/* One engine, looked at: identity asked now, known-answer tests when `check` is set. */
typedef struct sb_engine_state {
	const char *name, *type;
	sb_role role;
	sb_assurance assurance;
	const char *breaker; /* as sb_manager_breaker() says it */
	bool reachable;      /* identity was answered */
	sb_identity identity;
	sb_error error; /* kind NONE when all is well */
	bool checked;   /* a known-answer test ran now */
	bool check_ok;
	bool attested_limits, attested_encrypted, attested_max_size,
		attested_mail;   /* now, or stored for this identity */
	char remedy[1024];       /* what to change, one line each; empty when nothing */
	const char *note;        /* as sb_manager_engine_note() says it */
	int64_t signature_age_s; /* -1: unknown */
	double duration_ms;
	bool has_quota; /* and its account could be read */
	sb_quota_view quota;
	bool generation_known;
	uint8_t generation[32];
} sb_engine_state;

/* Look at engine @p index of the configuration; 0, or -kind when it is not well (also in
 * out->error). A check's outcome is stored in the data directory for later scans. */
int sb_manager_engine_state(sb_manager *manager, size_t index, bool check, sb_engine_state *out);

#endif
