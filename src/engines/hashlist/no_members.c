/* SPDX-License-Identifier: MIT */
/* In builds without a worker: lists know whole contents only. */
#include "engines/hashlist/members.h"

int sb_members_open(sb_members **out, const sb_bundle_digest *entries, size_t count,
	const sb_environment *environment, sb_error *error)
{
	(void)entries;
	(void)count;
	(void)environment;
	(void)error;
	*out = NULL;
	return 0;
}

void sb_members_close(sb_members *members)
{
	(void)members;
}

int sb_members_look(sb_members *members, sb_call *call, sb_error *error)
{
	(void)members;
	(void)call;
	(void)error;
	return 0;
}
