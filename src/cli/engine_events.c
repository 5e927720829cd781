/* SPDX-License-Identifier: MIT */
/* What happens to engines, in words; see engine_events.h. */
#include "cli/engine_events.h"

#include <stdio.h>
#include <string.h>

#include "cli/log.h"
#include "scan/manager.h"
#include "util/text.h"

static const char *const causes[] = {
	[SB_BREAKER_CAUSE_NONE] = "",
	[SB_BREAKER_CAUSE_ROW] = ": too many failures in a row",
	[SB_BREAKER_CAUSE_RATE] = ": too large a share of failures",
	[SB_BREAKER_CAUSE_PROBE] = ": a try failed",
	[SB_BREAKER_CAUSE_FATAL] = ": no try would help until the configuration changes",
	[SB_BREAKER_CAUSE_HAND] = ": by hand",
};

static void tell_open(const sb_engine_event *event, const char *name)
{
	char time[40] = "until further notice", last[400] = "";
	sb_buf escaped;

	sb_buf_init(&escaped, 2048);
	if (event->open_ms >= 0)
		snprintf(time, sizeof time, "for %.1f s", (double)event->open_ms / 1000);
	if (event->kind != SB_KIND_NONE) {
		sb_escape(&escaped, event->message, strlen(event->message));
		snprintf(last, sizeof last, "; the last one: %s: %.300s", sb_kind_name(event->kind),
			escaped.length > 0 ? escaped.data : "");
	}
	sb_log(SB_LOG_WARN, "engine %s is left alone %s%s%s", name, time, causes[event->cause],
		last);
	sb_buf_done(&escaped);
}

static void tell(const sb_engine_event *event)
{
	char name[300];

	if (event->what == SB_EVENT_QUOTA) {
		sb_log(SB_LOG_WARN, "the quota of engine %s: %s", event->engine, event->message);
		return;
	}
	snprintf(name, sizeof name, "%s%s%s", event->engine,
		event->replica[0] != '\0' ? " at " : "", event->replica);
	switch (event->to) {
	case SB_BREAKER_OPEN:
		tell_open(event, name);
		break;
	case SB_BREAKER_HALF_OPEN:
		sb_log(SB_LOG_INFO, "engine %s is tried again", name);
		break;
	case SB_BREAKER_CLOSED:
		sb_log(SB_LOG_WARN, "engine %s works again%s", name,
			event->by_hand ? ": somebody says so" : "");
		break;
	}
}

void sb_tell_engine_events(sb_manager *manager, sb_told *told)
{
	sb_engine_event event;

	pthread_mutex_lock(&told->lock);
	while (sb_manager_event(manager, &told->seen, &event))
		tell(&event);
	pthread_mutex_unlock(&told->lock);
}
