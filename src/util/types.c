/* SPDX-License-Identifier: MIT */
/* Names and properties of outcomes, actions, severities and kinds: tables, nothing else. */
#include <scanbridge/types.h>

#include <string.h>

#include "util/kinds.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const outcome_names[] = {"error", "clean", "infected", "suspicious"};
static const char *const action_names[] = {
	"none", "allow", "allow_with_warning", "require_manual_review", "quarantine", "block"};
static const char *const severity_names[] = {"none", "low", "medium", "high", "critical"};
static const char *const class_names[] = {
	"none", "content", "engine", "transient", "caller", "internal"};
static const char *const coverage_names[] = {"none", "partial", "complete"};
static const char *const content_names[] = {"unknown", "partial", "inspected"};
static const char *const role_names[] = {"required", "optional", "shadow"};
static const char *const assurance_names[] = {"hash", "rules", "antivirus"};
static const char *const fact_names[] = {"encrypted", "corrupt", "limit", "unsupported", "macros",
	"autorun", "embedded", "external", "javascript", "launch"};

/* safety.md, section 2; `weight`: how much one such failure counts for a breaker. */
static const struct {
	const char *name;
	sb_class class;
	bool retryable;
	unsigned weight;
} kinds[SB_KIND_COUNT_] = {
	[SB_KIND_NONE] = {"none", SB_CLASS_NONE, false, 0},
	[SB_KIND_FILE_TOO_LARGE] = {"file_too_large", SB_CLASS_CONTENT, false, 0},
	[SB_KIND_LIMIT_EXCEEDED] = {"limit_exceeded", SB_CLASS_CONTENT, false, 0},
	[SB_KIND_ENCRYPTED] = {"encrypted", SB_CLASS_CONTENT, false, 0},
	[SB_KIND_CORRUPT] = {"corrupt", SB_CLASS_CONTENT, false, 0},
	[SB_KIND_UNSUPPORTED] = {"unsupported", SB_CLASS_CONTENT, false, 0},
	[SB_KIND_CHANGED] = {"changed", SB_CLASS_CONTENT, true, 0},
	[SB_KIND_ENGINE_UNAVAILABLE] = {"engine_unavailable", SB_CLASS_ENGINE, true, 1},
	[SB_KIND_TIMEOUT] = {"timeout", SB_CLASS_ENGINE, true, 1},
	[SB_KIND_CONNECTION_FAILED] = {"connection_failed", SB_CLASS_ENGINE, true, 1},
	[SB_KIND_PROTOCOL_ERROR] = {"protocol_error", SB_CLASS_ENGINE, true, 2},
	[SB_KIND_ENGINE_CRASHED] = {"engine_crashed", SB_CLASS_ENGINE, true, 1},
	[SB_KIND_AUTHENTICATION_FAILED] = {"authentication_failed", SB_CLASS_ENGINE, false, 0},
	[SB_KIND_CIRCUIT_OPEN] = {"circuit_open", SB_CLASS_TRANSIENT, true, 0},
	[SB_KIND_RATE_LIMITED] = {"rate_limited", SB_CLASS_TRANSIENT, true, 0},
	[SB_KIND_OVERLOADED] = {"overloaded", SB_CLASS_TRANSIENT, true, 0},
	[SB_KIND_FILE_NOT_FOUND] = {"file_not_found", SB_CLASS_CALLER, false, 0},
	[SB_KIND_IO] = {"io", SB_CLASS_CALLER, false, 0},
	[SB_KIND_CANCELLED] = {"cancelled", SB_CLASS_CALLER, false, 0},
	[SB_KIND_NOT_CONFIGURED] = {"not_configured", SB_CLASS_CALLER, false, 0},
	[SB_KIND_AUDIT_FAILED] = {"audit_failed", SB_CLASS_INTERNAL, false, 0},
	[SB_KIND_QUARANTINE_FAILED] = {"quarantine_failed", SB_CLASS_INTERNAL, false, 0},
	[SB_KIND_INTERNAL] = {"internal", SB_CLASS_INTERNAL, false, 0},
};

static const char *name_of(
	const char *const *names, size_t count, unsigned value, const char *otherwise)
{
	return value < count ? names[value] : otherwise;
}

static bool find(const char *const *names, size_t count, const char *name, unsigned *out)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0) {
			*out = (unsigned)i;
			return true;
		}
	}
	return false;
}

const char *sb_outcome_name(sb_outcome outcome)
{
	return name_of(outcome_names, COUNT(outcome_names), (unsigned)outcome, "error");
}

const char *sb_action_name(sb_action action)
{
	return name_of(action_names, COUNT(action_names), (unsigned)action, "none");
}

const char *sb_severity_name(sb_severity severity)
{
	return name_of(severity_names, COUNT(severity_names), (unsigned)severity, "none");
}

const char *sb_class_name(sb_class error_class)
{
	return name_of(class_names, COUNT(class_names), (unsigned)error_class, "internal");
}

const char *sb_coverage_state_name(sb_coverage_state state)
{
	return name_of(coverage_names, COUNT(coverage_names), (unsigned)state, "none");
}

const char *sb_content_coverage_name(sb_content_coverage content)
{
	return name_of(content_names, COUNT(content_names), (unsigned)content, "unknown");
}

const char *sb_role_name(sb_role role)
{
	return name_of(role_names, COUNT(role_names), (unsigned)role, "required");
}

const char *sb_assurance_name(sb_assurance assurance)
{
	return name_of(assurance_names, COUNT(assurance_names), (unsigned)assurance, "hash");
}

const char *sb_kind_name(sb_kind kind)
{
	return (unsigned)kind < SB_KIND_COUNT_ ? kinds[kind].name : "internal";
}

sb_class sb_kind_class(sb_kind kind)
{
	return (unsigned)kind < SB_KIND_COUNT_ ? kinds[kind].class : SB_CLASS_INTERNAL;
}

bool sb_kind_retryable(sb_kind kind)
{
	return (unsigned)kind < SB_KIND_COUNT_ && kinds[kind].retryable;
}

unsigned sb_kind_breaker_weight(sb_kind kind)
{
	return (unsigned)kind < SB_KIND_COUNT_ ? kinds[kind].weight : 0;
}

const char *sb_container_fact_name(unsigned bit)
{
	return name_of(fact_names, COUNT(fact_names), bit, NULL);
}

bool sb_outcome_from_name(const char *name, sb_outcome *out)
{
	unsigned value;
	if (!find(outcome_names, COUNT(outcome_names), name, &value))
		return false;
	*out = (sb_outcome)value;
	return true;
}

/* "none" is our word for "not yet", no value a user can write. */
bool sb_action_from_name(const char *name, sb_action *out)
{
	unsigned value;
	if (!find(action_names + 1, COUNT(action_names) - 1, name, &value))
		return false;
	*out = (sb_action)(value + 1);
	return true;
}

bool sb_severity_from_name(const char *name, sb_severity *out)
{
	unsigned value;
	if (!find(severity_names + 1, COUNT(severity_names) - 1, name, &value))
		return false;
	*out = (sb_severity)(value + 1);
	return true;
}

bool sb_kind_from_name(const char *name, sb_kind *out)
{
	for (unsigned i = 1; i < SB_KIND_COUNT_; i++) {
		if (strcmp(kinds[i].name, name) == 0) {
			*out = (sb_kind)i;
			return true;
		}
	}
	return false;
}

bool sb_outcome_is_clean(sb_outcome outcome)
{
	return outcome == SB_OUTCOME_CLEAN;
}

bool sb_action_allows(sb_action action)
{
	return action == SB_ACTION_ALLOW || action == SB_ACTION_ALLOW_WITH_WARNING;
}

unsigned sb_severity_score(sb_severity severity)
{
	return severity <= SB_SEVERITY_CRITICAL ? (unsigned)severity * 25 : 0;
}

const char *sb_version(void)
{
	return SB_VERSION_STRING;
}
