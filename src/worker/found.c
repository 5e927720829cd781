/* SPDX-License-Identifier: MIT */
#include "worker/found.h"

#include <string.h>

int sb_found_state(sb_call *call, const sb_found *found, double confidence, sb_error *error)
{
	const sb_threat threat = {.name = found->name,
		.name_length = strlen(found->name),
		.severity = found->severity,
		.category = found->category,
		.description = found->description,
		.signature_id = found->signature_id,
		.member = found->member};

	return found->infected ? sb_call_infected(call, &threat, error)
			       : sb_call_suspicious(call, &threat, confidence, error);
}

bool sb_reply_is_infected(const sb_reply *reply)
{
	for (size_t i = 0; i < reply->found_count; i++)
		if (reply->found[i].infected)
			return true;
	return false;
}
