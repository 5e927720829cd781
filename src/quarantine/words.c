/* SPDX-License-Identifier: MIT */
/* The words of quarantine: statuses with their kinds, states, events, ids. */
#include "quarantine/quarantine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/text.h"

static const struct {
	const char *name;
	sb_kind kind;
} statuses[SB_Q_STATUS_COUNT_] = {
	[SB_Q_OK] = {"ok", SB_KIND_NONE},
	[SB_Q_STORE_FAILED] = {"store_failed", SB_KIND_QUARANTINE_FAILED},
	[SB_Q_NOT_FOUND] = {"not_found", SB_KIND_FILE_NOT_FOUND},
	[SB_Q_RETRIEVE_FAILED] = {"retrieve_failed", SB_KIND_QUARANTINE_FAILED},
	[SB_Q_DELETE_FAILED] = {"delete_failed", SB_KIND_QUARANTINE_FAILED},
	[SB_Q_STORAGE_FULL] = {"storage_full", SB_KIND_QUARANTINE_FAILED},
	[SB_Q_IO] = {"io", SB_KIND_IO},
	[SB_Q_INTEGRITY] = {"integrity_check_failed", SB_KIND_CORRUPT},
	[SB_Q_INVALID_ID] = {"invalid_id", SB_KIND_FILE_NOT_FOUND},
	[SB_Q_HELD] = {"held", SB_KIND_QUARANTINE_FAILED},
	[SB_Q_EXPIRED] = {"expired", SB_KIND_FILE_NOT_FOUND},
	[SB_Q_CHANGED] = {"changed", SB_KIND_CHANGED},
	[SB_Q_EXISTS] = {"exists", SB_KIND_IO},
	[SB_Q_REFUSED] = {"refused", SB_KIND_QUARANTINE_FAILED},
	[SB_Q_NO_KEY] = {"no_key", SB_KIND_NOT_CONFIGURED},
	[SB_Q_BUSY] = {"busy", SB_KIND_OVERLOADED},
	[SB_Q_RATE] = {"rate_limited", SB_KIND_RATE_LIMITED},
	[SB_Q_AUDIT] = {"audit_failed", SB_KIND_AUDIT_FAILED},
	[SB_Q_NOT_CONFIGURED] = {"not_configured", SB_KIND_NOT_CONFIGURED},
	[SB_Q_INTERNAL] = {"internal", SB_KIND_INTERNAL},
};

static const char *const states[SB_Q_STATE_COUNT_] = {
	"none", "quarantined", "held", "released", "damaged"};

static const struct {
	const char *operation, *phase;
} events[SB_Q_EVENT_COUNT_] = {
	[SB_Q_EVENT_STORED] = {"store", "done"},
	[SB_Q_EVENT_ABORTED] = {"store", "aborted"},
	[SB_Q_EVENT_REMOVE_INTENT] = {"remove", "intent"},
	[SB_Q_EVENT_REMOVED] = {"remove", "done"},
	[SB_Q_EVENT_REMOVE_FAILED] = {"remove", "failed"},
	[SB_Q_EVENT_RETRIEVED] = {"get", "done"},
	[SB_Q_EVENT_RESTORE_INTENT] = {"restore", "intent"},
	[SB_Q_EVENT_RESTORED] = {"restore", "done"},
	[SB_Q_EVENT_RESTORE_FAILED] = {"restore", "failed"},
	[SB_Q_EVENT_DELETE_INTENT] = {"delete", "intent"},
	[SB_Q_EVENT_DELETED] = {"delete", "done"},
	[SB_Q_EVENT_DELETE_FAILED] = {"delete", "failed"},
	[SB_Q_EVENT_PURGE_INTENT] = {"purge", "intent"},
	[SB_Q_EVENT_PURGED] = {"purge", "done"},
	[SB_Q_EVENT_PURGE_FAILED] = {"purge", "failed"},
	[SB_Q_EVENT_RELEASED] = {"release", "done"},
	[SB_Q_EVENT_REJECTED] = {"reject", "done"},
	[SB_Q_EVENT_HOLD] = {"hold", "done"},
	[SB_Q_EVENT_UNHOLD] = {"unhold", "done"},
	[SB_Q_EVENT_KEY_ROTATED] = {"rekey", "done"},
	[SB_Q_EVENT_VERIFIED] = {"verify", "done"},
};

const char *sb_quarantine_status_name(sb_quarantine_status status)
{
	return (unsigned)status < SB_Q_STATUS_COUNT_ ? statuses[status].name : "internal";
}

sb_kind sb_quarantine_status_kind(sb_quarantine_status status)
{
	return (unsigned)status < SB_Q_STATUS_COUNT_ ? statuses[status].kind : SB_KIND_INTERNAL;
}

sb_quarantine_status sb_quarantine_fail(
	sb_error *error, sb_quarantine_status status, int sys_errno, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	sb_error_set(error, sb_quarantine_status_kind(status), sys_errno, "%s", text);
	return status;
}

sb_quarantine_status sb_quarantine_mismatch(
	sb_error *error, const char *what, const uint8_t *expected, const uint8_t *actual)
{
	char want[2 * SB_BLAKE3_SIZE + 1], have[2 * SB_BLAKE3_SIZE + 1];

	sb_hex(want, expected, SB_BLAKE3_SIZE);
	sb_hex(have, actual, SB_BLAKE3_SIZE);
	return sb_quarantine_fail(error, SB_Q_INTEGRITY, 0,
		"%s: integrity check failed: expected BLAKE3 %s, actual %s", what, want, have);
}

const char *sb_quarantine_state_name(sb_quarantine_state state)
{
	return (unsigned)state < SB_Q_STATE_COUNT_ ? states[state] : states[0];
}

bool sb_quarantine_state_from_name(const char *name, sb_quarantine_state *out)
{
	for (unsigned i = SB_Q_QUARANTINED; i < SB_Q_STATE_COUNT_; i++) {
		if (strcmp(states[i], name) == 0) {
			*out = (sb_quarantine_state)i;
			return true;
		}
	}
	return false;
}

const char *sb_quarantine_event_operation(sb_quarantine_event event)
{
	return (unsigned)event < SB_Q_EVENT_COUNT_ ? events[event].operation : "internal";
}

const char *sb_quarantine_event_phase(sb_quarantine_event event)
{
	return (unsigned)event < SB_Q_EVENT_COUNT_ ? events[event].phase : "failed";
}

bool sb_quarantine_id_ok(const char *id)
{
	return id != NULL && strspn(id, "0123456789abcdef") == SB_QUARANTINE_ID &&
	       id[SB_QUARANTINE_ID] == '\0';
}
