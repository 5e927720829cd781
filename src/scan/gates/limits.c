/* SPDX-License-Identifier: MIT */
/* First gate: an engine that could not be opened is not asked, and content larger than the engine
 * can judge is not shown to it. The answer has its reason, and is never clean. */
#include "scan/call.h"

#include "util/text.h"

static sb_entered enter(struct sb_call *call, uint64_t now, uint64_t *until)
{
	uint64_t size = sb_content_size(call->content), max = call->engine->max_size;
	char text[32];

	(void)now;
	(void)until;
	if (call->engine->broken.kind != SB_KIND_NONE)
		return sb_call_refuse(
			call, false, call->engine->broken.kind, "%s", call->engine->broken.message);
	if (call->streamed || max == 0 || size <= max)
		return SB_GATE_PASS;
	return sb_call_refuse(call, true, SB_KIND_FILE_TOO_LARGE,
		"%llu bytes are more than engine %s's max_size of %s", (unsigned long long)size,
		call->engine->conf->name, sb_format_size(text, sizeof text, max));
}

static sb_left leave(struct sb_call *call, uint64_t now, uint64_t *at)
{
	(void)call;
	(void)now;
	(void)at;
	return SB_GATE_DONE;
}

const sb_gate sb_gate_limits = {"limits", enter, leave};
