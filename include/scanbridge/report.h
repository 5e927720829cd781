/* SPDX-License-Identifier: MIT */
/**
 * A report: everything one scan found, decided and did. Accessors for what programs
 * switch on; JSON (schema `scanbridge.report/1`) for all of it.
 *
 * Ownership: a report is the caller's, to be given to sb_report_free(). What an
 * accessor returns belongs to the report and lives as long as it. Threads: any number
 * may read a report at once.
 */
#ifndef SCANBRIDGE_REPORT_H
#define SCANBRIDGE_REPORT_H

#include <scanbridge/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_report sb_report;

SB_API void sb_report_free(sb_report *report);

SB_API sb_outcome sb_report_outcome(const sb_report *report);
SB_API sb_action sb_report_action(const sb_report *report);
/** sb_action_allows(sb_report_action()). */
SB_API bool sb_report_allowed(const sb_report *report);
/** UUIDv7 (RFC 9562) of the scan, 36 characters. */
SB_API const char *sb_report_id(const sb_report *report);
/** How the outcome came about, in words: `any: 1 of 2 engines infected (clamav)`. */
SB_API const char *sb_report_explanation(const sb_report *report);
/** Why policy chose the action. */
SB_API const char *sb_report_reason(const sb_report *report);
/** Id of the policy rule that decided; NULL when none matched. */
SB_API const char *sb_report_rule(const sb_report *report);
/** Non-NULL exactly for outcome error, and as quarantine_failed beside another outcome. */
SB_API const sb_error *sb_report_error(const sb_report *report);

/** The name given by the caller, or the last part of the path; any bytes, may be empty. */
SB_API const char *sb_report_name(const sb_report *report, size_t *length);
SB_API uint64_t sb_report_size(const sb_report *report);
/** 64 hexadecimal digits, or NULL when the content was not read whole. */
SB_API const char *sb_report_blake3(const sb_report *report);
/** 64 hexadecimal digits, or NULL when nothing asked for it. */
SB_API const char *sb_report_sha256(const sb_report *report);
/** The content's media type as an engine saw it in the bytes (`application/zip`), or NULL when
 * none told: `mime: always` in the configuration asks for it. */
SB_API const char *sb_report_mime(const sb_report *report);
/** False for content that could not be protected from change while it was scanned. */
SB_API bool sb_report_pinned(const sb_report *report);
/** True when every answer came from the verdict cache. */
SB_API bool sb_report_cached(const sb_report *report);
SB_API double sb_report_duration_ms(const sb_report *report);
/** Sequence number of the scan's last audit record; 0 without an audit log. */
SB_API uint64_t sb_report_audit_seq(const sb_report *report);

/** Id of the object in quarantine that holds the content, 32 characters; NULL: none. */
SB_API const char *sb_report_quarantine_id(const sb_report *report);
/** True when the file itself was removed, as the scan was asked to. */
SB_API bool sb_report_original_removed(const sb_report *report);
/** Why the file is still there although it was to be removed; NULL when nothing went wrong. */
SB_API const char *sb_report_original_note(const sb_report *report);

/** Threats, merged by name over all deciding engines. */
SB_API size_t sb_report_threat_count(const sb_report *report);
SB_API const char *sb_report_threat_name(const sb_report *report, size_t index);
SB_API sb_severity sb_report_threat_severity(const sb_report *report, size_t index);

/** One entry for every engine of the scan, in file order; then those that were asked only to
 * answer for one of them. */
SB_API size_t sb_report_engine_count(const sb_report *report);
SB_API const char *sb_report_engine_name(const sb_report *report, size_t index);
SB_API sb_outcome sb_report_engine_outcome(const sb_report *report, size_t index);
SB_API sb_coverage_state sb_report_engine_coverage(const sb_report *report, size_t index);
SB_API const sb_error *sb_report_engine_error(const sb_report *report, size_t index);
/** The engine that answered in place of this one, whose entry keeps its error; NULL: none. */
SB_API const char *sb_report_engine_replaced_by(const sb_report *report, size_t index);
/** The engine that this one answered for, the first of them in file order; NULL: for itself
 * only. */
SB_API const char *sb_report_engine_stands_for(const sb_report *report, size_t index);
/** Of a tier whose turn didn't come: it had no part in the outcome. */
SB_API bool sb_report_engine_not_asked(const sb_report *report, size_t index);
/** Not asked, as its breaker is open, and by `on_open: fail_open` not missed. */
SB_API bool sb_report_engine_fail_open(const sb_report *report, size_t index);

/** The whole report as one line of JSON without a newline, made at the first call;
 * NULL when there is no memory. */
SB_API const char *sb_report_json(const sb_report *report, size_t *length);

#ifdef __cplusplus
}
#endif
#endif
