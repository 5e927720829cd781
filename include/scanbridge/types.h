/* SPDX-License-Identifier: MIT */
/**
 * Scanbridge: the words every other header uses.
 *
 * Four outcomes, five actions, four severities and the kinds of error. In every
 * enumeration zero is the value that promises nothing, so memory that somebody
 * forgot to fill in never reads as clean or as allowed.
 */
#ifndef SCANBRIDGE_TYPES_H
#define SCANBRIDGE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SB_API __attribute__((visibility("default")))
#define SB_PRINTF(format_index, first_argument)                                                    \
	__attribute__((format(printf, format_index, first_argument)))
#else
#define SB_API
#define SB_PRINTF(format_index, first_argument)
#endif

#define SB_VERSION_MAJOR 0
#define SB_VERSION_MINOR 1
#define SB_VERSION_PATCH 0
#define SB_VERSION_STRING "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/** What is known about the content. Exactly these four. */
typedef enum sb_outcome {
	SB_OUTCOME_ERROR = 0, /**< the scan could not be completed; the error's kind says why */
	SB_OUTCOME_CLEAN,
	SB_OUTCOME_INFECTED,
	SB_OUTCOME_SUSPICIOUS,
} sb_outcome;

/** What policy decides, by growing strictness. Only the two `allow` values allow. */
typedef enum sb_action {
	SB_ACTION_NONE = 0, /**< not decided: never allowed */
	SB_ACTION_ALLOW,
	SB_ACTION_ALLOW_WITH_WARNING,
	SB_ACTION_REQUIRE_MANUAL_REVIEW,
	SB_ACTION_QUARANTINE,
	SB_ACTION_BLOCK,
} sb_action;

/** How bad a threat is; scores 25, 50, 75, 100. */
typedef enum sb_severity {
	SB_SEVERITY_NONE = 0,
	SB_SEVERITY_LOW,
	SB_SEVERITY_MEDIUM,
	SB_SEVERITY_HIGH,
	SB_SEVERITY_CRITICAL,
} sb_severity;

/** Why a scan, an engine or a call failed. New kinds may be added; switch on the class. */
typedef enum sb_kind {
	SB_KIND_NONE = 0,
	/* content */
	SB_KIND_FILE_TOO_LARGE,
	SB_KIND_LIMIT_EXCEEDED,
	SB_KIND_ENCRYPTED,
	SB_KIND_CORRUPT,
	SB_KIND_UNSUPPORTED,
	SB_KIND_CHANGED,
	/* engine */
	SB_KIND_ENGINE_UNAVAILABLE,
	SB_KIND_TIMEOUT,
	SB_KIND_CONNECTION_FAILED,
	SB_KIND_PROTOCOL_ERROR,
	SB_KIND_ENGINE_CRASHED,
	SB_KIND_AUTHENTICATION_FAILED,
	/* transient */
	SB_KIND_CIRCUIT_OPEN,
	SB_KIND_RATE_LIMITED,
	SB_KIND_OVERLOADED,
	/* caller */
	SB_KIND_FILE_NOT_FOUND,
	SB_KIND_IO,
	SB_KIND_CANCELLED,
	SB_KIND_NOT_CONFIGURED,
	/* internal */
	SB_KIND_AUDIT_FAILED,
	SB_KIND_QUARANTINE_FAILED,
	SB_KIND_INTERNAL,
	SB_KIND_COUNT_, /**< number of kinds; not a kind, may grow */
} sb_kind;

/** The stable switch over errors. */
typedef enum sb_class {
	SB_CLASS_NONE = 0,
	SB_CLASS_CONTENT,   /**< lies in the bytes: scanning them again changes nothing */
	SB_CLASS_ENGINE,    /**< an engine could not do its work */
	SB_CLASS_TRANSIENT, /**< later it may work: see the error's retry_after_ms */
	SB_CLASS_CALLER,    /**< lies in the request or the configuration */
	SB_CLASS_INTERNAL,  /**< lies in Scanbridge or its disk */
} sb_class;

/** How much of the content an engine looked at. Only `complete` can be clean. */
typedef enum sb_coverage_state {
	SB_COVERAGE_NONE = 0,
	SB_COVERAGE_PARTIAL,
	SB_COVERAGE_COMPLETE,
} sb_coverage_state;

/** Whether containers inside the content were opened and every member judged. */
typedef enum sb_content_coverage {
	SB_CONTENT_UNKNOWN = 0, /**< the engine can't say, or can't prove it */
	SB_CONTENT_PARTIAL,
	SB_CONTENT_INSPECTED,
} sb_content_coverage;

/** What an engine's failure means for the outcome. */
typedef enum sb_role {
	SB_ROLE_REQUIRED = 0, /**< its failure is an error of the scan */
	SB_ROLE_OPTIONAL,     /**< its failure is reported and counts as no vote */
	SB_ROLE_SHADOW,       /**< runs, is reported, never decides */
} sb_role;

/** How much a clean answer of an engine is worth, ascending. */
typedef enum sb_assurance {
	SB_ASSURANCE_HASH = 0, /**< knows only exact copies */
	SB_ASSURANCE_RULES,    /**< pattern rules, no antivirus base */
	SB_ASSURANCE_ANTIVIRUS,
} sb_assurance;

/**
 * Names as they stand in reports, configuration and audit: `infected`,
 * `allow_with_warning`, `file_too_large`, … Static strings, never NULL; a value
 * outside the enumeration gives `error`, `none` or `internal`, the safe reading.
 */
SB_API const char *sb_outcome_name(sb_outcome outcome);
SB_API const char *sb_action_name(sb_action action);
SB_API const char *sb_severity_name(sb_severity severity);
SB_API const char *sb_kind_name(sb_kind kind);
SB_API const char *sb_class_name(sb_class error_class);
SB_API const char *sb_coverage_state_name(sb_coverage_state state);
SB_API const char *sb_content_coverage_name(sb_content_coverage content);
SB_API const char *sb_role_name(sb_role role);
SB_API const char *sb_assurance_name(sb_assurance assurance);

/** The way back from a name; false, and `*out` untouched, for an unknown one. */
SB_API bool sb_outcome_from_name(const char *name, sb_outcome *out);
SB_API bool sb_action_from_name(const char *name, sb_action *out);
SB_API bool sb_severity_from_name(const char *name, sb_severity *out);
SB_API bool sb_kind_from_name(const char *name, sb_kind *out);

/** True for SB_OUTCOME_CLEAN and for nothing else. */
SB_API bool sb_outcome_is_clean(sb_outcome outcome);
/** True for the two actions that allow. */
SB_API bool sb_action_allows(sb_action action);
/** 25, 50, 75 or 100; 0 for none. */
SB_API unsigned sb_severity_score(sb_severity severity);
/** SB_CLASS_INTERNAL for a number that is no kind, SB_CLASS_NONE for SB_KIND_NONE. */
SB_API sb_class sb_kind_class(sb_kind kind);
/** Whether the same request may succeed when it is made again. */
SB_API bool sb_kind_retryable(sb_kind kind);

/** `0.1.0`, the version of the library at run time. */
SB_API const char *sb_version(void);

#ifdef __cplusplus
}
#endif
#endif
