/* SPDX-License-Identifier: MIT */
/**
 * The manager: engines, policy and audit log of one configuration, ready to scan.
 *
 * Threads: a manager may be shared freely once sb_manager_open() has returned. It owns
 * a bounded number of threads (per engine at most `concurrency`, and a few of its own),
 * all of which block every signal. It has no event loop and no process-wide state.
 * In a child made by fork() there is none of its threads: exec or _exit(), nothing else.
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
/** Close, then wait until every scan in flight has ended, up to its deadline: a stream counts until
 * it was finished, cancelled or freed. Nothing has to be dispatched meanwhile. */
SB_API void sb_manager_stop(sb_manager *manager);
/** Stop, then free. NULL is fine. Jobs and reports that were taken live on. */
SB_API void sb_manager_free(sb_manager *manager);

/* --- Engines that fail ------------------------------------------------------------------- */

/** What somebody wants of an engine's circuit breaker. */
typedef enum sb_breaker_order {
	SB_BREAKER_FORCE_OPEN = 0, /**< nobody asks the engine, until the next order */
	/** It is asked again, with no failure counted. When it opens again, it stays open as long
	 * as it would have. */
	SB_BREAKER_FORCE_CLOSE,
	SB_BREAKER_RESET, /**< closed, and as if it had never been open */
} sb_breaker_order;

/** Takes effect for the next call; calls inside the engine go on. For all replicas. Also for an
 * engine with `breaker: {preset: off}`. On record as `engine_state`. Any thread. 0, or
 * -SB_KIND_NOT_CONFIGURED when there is no such engine. */
SB_API int sb_manager_set_breaker(
	sb_manager *manager, const char *engine, sb_breaker_order order, sb_error *error);
/** `closed`, `open` or `half_open`; `off` for an engine whose breaker opens by hand only and is
 * closed; NULL when there is no such engine. Of several replicas, each of which has a breaker: how
 * far the one is closed that is most. Static text. Any thread.
 * @param[out] retry_after_ms  NULL, or: while open, until the engine is tried again; -1 when that
 *             takes an order or another configuration; otherwise 0 */
SB_API const char *sb_manager_breaker(
	const sb_manager *manager, const char *engine, int64_t *retry_after_ms);

/**
 * Let engines read their rules and lists anew; with @p engine NULL, all that have some. They are
 * tried out first, as sb_manager_reconfigure() does. What can't be used, or does not show itself
 * well, changes nothing: the engine goes on with what it has, and the error says why. Scans under
 * way end as they began. On record as `engine_state`. Blocks until it is done; any thread. 0, or
 * -SB_KIND_NOT_CONFIGURED when there is no such engine or it has nothing to read anew, or the kind
 * of the first failure; the others are done nevertheless.
 */
SB_API int sb_manager_reload(sb_manager *manager, const char *engine, sb_error *error);

/**
 * Take over another configuration, read anew from its files by the caller: engines, decision,
 * policy, limits, rules. What is new judges nothing before it has shown itself: every engine that
 * is new or changed, or whose rules or lists are, is opened, must pass its known-answer test
 * (`self_test`), and must leave benign content alone (what we make, and `rules.benign`). Then all
 * takes over at once: scans under way end as they began, and later ones are judged by the new
 * configuration alone. Engines that are as they were keep all they have: breakers, processes,
 * sessions, what they remember. If anything fails, all stays as it was, and the error says why.
 *
 * `data_dir`, the sections `audit` (but `on_failure`), `cache` and `quarantine` (but
 * `remove_original`), `isolation`, `limits.spool_memory`, `limits.spool_disk`,
 * `limits.copy_unpinned` and a registered store can't change: the error names the key. @p config
 * may be freed afterwards; types registered with it must outlive the manager.
 *
 * On record as `config_loaded`, refused ones too. Blocks until it is done, which may take as long
 * as engines need to open and answer; one at a time; any thread. 0, or -kind: not_configured for a
 * configuration that is refused.
 */
SB_API int sb_manager_reconfigure(sb_manager *manager, const sb_config *config, sb_error *error);

/** Counters of one engine since it was opened: with the manager, or by
 * sb_manager_reconfigure(). Until it is opened anew they never go down. */
typedef enum sb_metric {
	SB_METRIC_SUCCESSFUL = 0, /**< attempts that were answered */
	SB_METRIC_FAILED,         /**< attempts that were not, for whatever reason */
	SB_METRIC_REJECTED,       /**< attempts that the breaker turned away */
	SB_METRIC_OPENED,         /**< how often the breaker opened … */
	SB_METRIC_CLOSED,         /**< … and closed */
	SB_METRIC_RETRIES,        /**< of the attempts, those after a first one */
	SB_METRIC_FAIL_OPEN,      /**< scans that did without it by `on_open: fail_open` */
	SB_METRIC_FALLBACKS,      /**< scans in which its fallback answered for it */
	SB_METRIC_RATE_LIMITED,   /**< of the failed attempts, those its quota had no room for */
} sb_metric;

/** Attempts are the sum of the first three. 0, or -SB_KIND_NOT_CONFIGURED when there is no such
 * engine or metric. Any thread. */
SB_API int sb_manager_engine_metric(
	const sb_manager *manager, const char *engine, sb_metric metric, uint64_t *out);

#ifdef __cplusplus
}
#endif
#endif
