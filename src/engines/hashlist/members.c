/* SPDX-License-Identifier: MIT */
/* A pool of workers without rules, whose zygote holds the block list; see members.h. */
#include "engines/hashlist/members.h"

#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "worker/pool.h"

struct sb_members {
	sb_pool *pool;
};

int sb_members_open(sb_members **out, const sb_bundle_digest *entries, size_t count,
	const sb_environment *environment, sb_error *error)
{
	sb_members *members = calloc(1, sizeof *members);
	sb_bundle bundle;
	int status;

	if (members == NULL)
		return sb_error_no_memory(error);
	sb_bundle_init(&bundle);
	bundle.digests = entries;
	bundle.digest_count = count;
	status = sb_pool_open_in(&members->pool, "hashlist", &bundle, environment, 0, 256, error);
	sb_bundle_done(&bundle);
	if (status < 0) {
		free(members);
		return sb_error_prefix(error,
			"start a worker for the members of containers (members: false "
			"does without)");
	}
	*out = members;
	return 0;
}

void sb_members_close(sb_members *members)
{
	if (members != NULL)
		sb_pool_close(members->pool);
	free(members);
}

static int state(sb_call *call, const sb_found *found, sb_error *error)
{
	return sb_call_infected(call,
		&(sb_threat){.name = found->name,
			.name_length = strlen(found->name),
			.severity = found->severity,
			.category = found->category,
			.description = found->description,
			.signature_id = found->signature_id,
			.member = found->member},
		error);
}

/* What could not be opened is not known to a list, and that is no failure of it. */
int sb_members_look(sb_members *members, sb_call *call, sb_error *error)
{
	sb_answer *answer = malloc(sizeof *answer);
	const sb_reply *reply;
	int status;

	if (answer == NULL)
		return sb_error_no_memory(error);
	reply = &answer->reply;
	status = sb_pool_judge(members->pool, call, 0, answer, error);
	if (status == 0 && reply->failure != SB_KIND_NONE)
		status = sb_error_set(error, reply->failure, 0, "%s", reply->failure_message);
	if (status == 0 && reply->found_count > 0)
		sb_call_cover(call, sb_call_size(call), SB_CONTENT_UNKNOWN);
	for (size_t i = 0; status == 0 && i < reply->found_count; i++)
		status = state(call, &reply->found[i], error);
	if (status == 0 && reply->found_count > 0)
		status = 1;
	free(answer);
	return status;
}
