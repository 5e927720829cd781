/* SPDX-License-Identifier: MIT */
/* Without a worker in the build there are no media types but the engines'. */
#include "scan/inspect.h"

sb_inspector *sb_inspector_new(sb_manager *manager)
{
	(void)manager;
	return NULL;
}

void sb_inspector_free(sb_inspector *inspector)
{
	(void)inspector;
}

const char *sb_inspect_mime(sb_inspector *inspector, sb_job *job)
{
	(void)inspector;
	(void)job;
	return NULL;
}
