/* SPDX-License-Identifier: MIT */
/* Only in the tests' own worker: content that begins with `hook: WORD` makes it do what no worker
 * should, from crashing to leaving its sandbox. */
#ifndef SB_WORKER_HOOKS_H
#define SB_WORKER_HOOKS_H

#include "worker/channel.h"

void sb_worker_hook(sb_control *control, sb_slot *slot, const void *data, uint64_t size);

#endif
