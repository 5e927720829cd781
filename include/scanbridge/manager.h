/* SPDX-License-Identifier: MIT */
/**
 * The manager: engines, policy and audit log of one configuration, ready to scan.
 *
 * Threads: a manager may be shared freely once sb_manager_open() has returned. It owns
 * a bounded number of threads (per engine at most `concurrency`, and a few of its own),
 * all of which block every signal. It has no event loop and no process-wide state.
 */
#ifndef SCANBRIDGE_MANAGER_H
#define SCANBRIDGE_MANAGER_H

#include <scanbridge/config.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_manager sb_manager;

/**
 * Open engines, audit log and data directory. May block for as long as engines need to
 * open. Fails with -SB_KIND_NOT_CONFIGURED for a configuration that can't work,
 * -SB_KIND_AUDIT_FAILED when the audit log can't be opened, -SB_KIND_IO for the data
 * directory.
 * @param[out] out  untouched on failure, else to be given to sb_manager_free()
 */
SB_API int sb_manager_open(sb_manager **out, const sb_config *config, sb_error *error);

/** Take no new scan (they fail with `cancelled`); returns at once. */
SB_API void sb_manager_close(sb_manager *manager);
/** Close, then wait until every scan in flight has ended. */
SB_API void sb_manager_stop(sb_manager *manager);
/** Stop, then free. NULL is fine. Jobs and reports that were taken live on. */
SB_API void sb_manager_free(sb_manager *manager);

#ifdef __cplusplus
}
#endif
#endif
