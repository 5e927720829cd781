/* SPDX-License-Identifier: MIT */
/* Where the worker program and the bundled rules are. */
#ifndef SB_WORKER_PATHS_H
#define SB_WORKER_PATHS_H

#include "util/error.h"

/* The worker program: in the build folder that we run from, else installed; $SCANBRIDGE_WORKER
 * overrides both. NULL with @p error when there is none that may be started. */
const char *sb_worker_path(sb_error *error);
/* The folder of the bundled rules; it need not exist. */
const char *sb_bundled_rules(void);

#endif
