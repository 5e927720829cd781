/* SPDX-License-Identifier: MIT */
/* What a worker found, stated for the call that asked. */
#ifndef SB_WORKER_FOUND_H
#define SB_WORKER_FOUND_H

#include <scanbridge/sys/engine.h>

#include "worker/message.h"

/* @p confidence: of a suspicion; -1: none is known. As sb_call_infected(). */
int sb_found_state(sb_call *call, const sb_found *found, double confidence, sb_error *error);
/* Is one of them a verdict? */
bool sb_reply_is_infected(const sb_reply *reply);

#endif
