/* SPDX-License-Identifier: MIT */
/*
 * A job: one scan from its input to its released report.
 *
 *   content → calls to all engines → decision → policy → audit record → done
 *
 * Attended (sb_scan): the caller's thread reads the content, runs engines that honour
 * deadlines, decides, and leads or joins the group that flushes its records. Unattended
 * (sb_submit): the crew reads, the last engine's thread decides, the release thread writes the
 * records of all jobs that are ready and announces their end. Nobody waits upward.
 *
 * References: the handle's, the calls', the timers', and one of its own while it is in flight.
 */
#ifndef SB_SCAN_JOB_H
#define SB_SCAN_JOB_H

#include <scanbridge/scan.h>

#include "scan/call.h"
#include "scan/crew.h"
#include "scan/input.h"
#include "scan/record.h"
#include "scan/report.h"

/* Who writes the scan_started record of a job that takes long. */
typedef enum sb_start {
	SB_START_LATER = 0, /* together with the others, at the end */
	SB_START_TAKEN,     /* the release thread, now */
	SB_START_WRITTEN,
} sb_start;

struct sb_job {
	_Atomic(unsigned) references;
	sb_manager *manager;
	struct sb_site *site; /* a reference, until its end */
	sb_report *report;    /* a reference; filled in by whoever drives the job */

	sb_input_type type;
	char *name_at; /* PATH, AT */
	int fd;        /* AT, FD; ours when `own_fd` */
	bool own_fd, follow;
	bool keeps_nothing, removes; /* quarantine, and the original behind it */
	bool reads_no_cache;
	const void *data; /* MEMORY, attended: the caller's */
	size_t length;
	uint64_t max_size;
	const char **passwords; /* of this scan, then the configuration's; NULL: only those */
	size_t own_passwords;   /* the first ones are copies */

	uint64_t begun, deadline; /* sb_clock_now() */
	sb_engine **engines; /* report->result_count of them: those asked for, in file order … */
	unsigned tier;       /* whose turn it is */
	size_t asked;        /* … so many, and behind them fallbacks in reserve … */
	size_t slots;        /* … together so many, also when the report shows fewer at the end */
	sb_content *content;
	sb_error content_error;         /* kind NONE: content is there */
	sb_content_state content_state; /* after the last answer */
	bool attended, rescanned;
	bool recording; /* counted as such in the manager */
	sb_record record;
	_Atomic(bool) cancelled;

	pthread_mutex_t lock; /* guards what follows, and the report's results */
	pthread_cond_t changed;
	struct sb_call **calls; /* references; NULL: not started */
	bool *settled;          /* a fallback in reserve is settled until it is needed */
	bool *deferred;         /* a fallback that is needed, and waits for the end of the stream */
	size_t pending;
	const char **uploaded_to; /* by an engine, whatever came of it; NULL: not */
	struct sb_call *offered;  /* for the caller's idle thread to run */
	bool idle, streaming, taken, done;
	bool early;                /* it was certain before all had answered */
	struct sb_call **unneeded; /* references: those who were being asked then */
	size_t unneeded_count;
	sb_start start;
	sb_job_status status;

	struct sb_job *earlier, *later; /* in the list of a sb_cancel, under its lock */

	sb_timer start_timer, stream_timer;
	sb_task task, start_task;

	sb_queue *queue;
	sb_done_fn announce;
	void *data_for;
	struct sb_job *next; /* in the queue */
};

sb_job *sb_job_ref(sb_job *job);
void sb_job_unref(sb_job *job);

/* A call has ended: take over its result. The call's driver gives up its reference after. */
void sb_job_deliver(sb_job *job, struct sb_call *call);
/* The call overran its deadline: a timeout, whatever it says later. */
void sb_job_abandon(sb_job *job, struct sb_call *call);
/* Hand a call that is ready to run to the thread that waits for the job; false if it can't. */
bool sb_job_offer(sb_job *job, struct sb_call *call);

/* The release thread's work: write the records, announce the ends. */
void sb_job_release_batch(void *manager, sb_task *first);

/* cancel.c: let the token end the job; NULL is fine. Detached before the job ends. */
void sb_cancel_attach(sb_cancel *cancel, sb_job *job);
void sb_cancel_detach(sb_cancel *cancel, sb_job *job);

/* queue.c: announce the end of a job; takes a reference of its own. */
void sb_queue_put(sb_queue *queue, sb_job *job);

#endif
