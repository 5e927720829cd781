/* SPDX-License-Identifier: MIT */
/*
 * The media type of content when somebody wants to know and no engine has told: a worker of the
 * manager's own, without rules, that is started when it is needed for the first time. Builds
 * without a worker (no_inspect.c) know of none.
 */
#ifndef SB_SCAN_INSPECT_H
#define SB_SCAN_INSPECT_H

#include "scan/job.h"

typedef struct sb_inspector sb_inspector;

/* NULL: no memory, or no worker in the build. */
sb_inspector *sb_inspector_new(sb_manager *manager);
void sb_inspector_free(sb_inspector *inspector);

/* The media type of the job's content, in its report's arena; NULL when it can't be told. Blocks
 * for 200 ms at most. */
const char *sb_inspect_mime(sb_inspector *inspector, sb_job *job);

#endif
