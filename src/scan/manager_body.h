/* SPDX-License-Identifier: MIT */
/* The body of sb_manager: what jobs, calls and gates share. */
#ifndef SB_SCAN_MANAGER_BODY_H
#define SB_SCAN_MANAGER_BODY_H

#include <stdatomic.h>

#include "scan/crew.h"
#include "scan/engine.h"
#include "scan/manager.h"
#include "scan/site.h"
#include "scan/content.h"
#include "scan/timers.h"
#include "scan/verdicts.h"

struct sb_job;

struct sb_manager {
	/* What it was opened with: the data directory and what lies in it can't change. All that
	 * can is the site's. */
	sb_conf *conf;
	pthread_mutex_t site_lock; /* guards the next three */
	struct sb_site *site;
	size_t engines_alive;
	struct sb_call *on_trial; /* that a canary waits for; NULL: none */
	pthread_cond_t engine_gone;
	pthread_mutex_t reconfiguring; /* held while another site is made */
	sb_crew *retirers;             /* close engines */
	bool has_generation_key;
	sb_clock *clock;
	sb_spool *spool;
	sb_audit *audit; /* NULL: off */
	sb_audit_recovery recovery;
	struct sb_events *events; /* engine_state: told, and on record */
	sb_timers *timers;
	struct sb_verdicts *verdicts;   /* the cache; NULL: off */
	sb_crew *crew;                  /* reads content and finishes jobs that nobody waits for */
	sb_crew *pipes;                 /* reads what comes when others send it */
	struct sb_inspector *inspector; /* tells media types where no engine does; or NULL */
	sb_crew *askers;                /* ask engines who they are */
	sb_crew *testers;       /* run known-answer tests by themselves; NULL: nobody does */
	sb_release *release;    /* writes their records and announces their end */
	struct sb_store *store; /* the quarantine; NULL: off */
	sb_crew *keepers;       /* put aside what jobs that nobody waits for hold back */
	int data_dir_fd;
	uint8_t generation_key[SB_BLAKE3_SIZE]; /* where secrets are part of generations */

	_Atomic(int) retry_budget;   /* thousandths of a retry */
	_Atomic(unsigned) in_flight; /* number of scans, and SB_CLOSING */
	_Atomic(unsigned) recording; /* of those, how many only wait for their record */
};

/* The verdict cache's folder; false: too long. */
bool sb_manager_cache_path(const struct sb_manager *manager, char *out, size_t room);

/* Somebody will look at the media type of clean content, too. */
static inline bool sb_conf_wants_mime(const sb_conf *conf)
{
	return conf->mime_always || (conf->policy_asks & SB_WHEN_MIME) != 0;
}

/* Where secrets are part of generations, and there is none yet. */
void sb_manager_make_generation_key(struct sb_manager *manager, const sb_conf *conf);

/* No new scan gets in. In one word with the number, so that the last scan to leave learns that
 * somebody waits for it without another look at a manager that may be gone by then. */
#define SB_CLOSING (1u << 31)

/* Of a canary: the call to end when the manager is closed; NULL: none any more. False: it is
 * closed.
 */
bool sb_manager_hold(struct sb_manager *manager, struct sb_call *call);

/* A scan begins: how many were in flight before, or -cancelled once the manager is closed. */
int sb_manager_enter(struct sb_manager *manager, sb_error *error);
/* A scan has ended; the manager may be gone when this returns. */
void sb_manager_leave(struct sb_manager *manager);
/* What changes engines or configuration: one at a time, whoever asks for it. */
int sb_manager_change(struct sb_manager *manager,
	int (*change)(struct sb_manager *manager, const void *what, sb_error *error),
	const void *what, sb_error *error);

/* Retries come from a bucket: 10 at the start, a tenth of a retry for every call. */
void sb_retry_budget_earn(struct sb_manager *manager);
bool sb_retry_budget_spend(struct sb_manager *manager);

#endif
