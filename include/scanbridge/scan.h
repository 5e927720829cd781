/* SPDX-License-Identifier: MIT */
/**
 * Scanning. Bytes come in as an sb_input; sb_scan() blocks until there is a report,
 * sb_submit() returns a job at once and announces its end on a queue that fits any
 * event loop:
 *
 *     sb_queue *queue = sb_queue_new(error);
 *     // watch sb_queue_fd(queue) for reading with epoll, libuv, GLib, …
 *     sb_submit(&job, manager, input, options, queue, on_done, data, error);
 *     // when it is readable: sb_dispatch(queue, 0) calls on_done in *your* thread
 *
 * Malware found is a success: the functions return 0 and the report says so. A negative
 * return means that no report could be made. A file that can't be opened or an engine
 * that fails is a report with outcome `error`, because policy has a say in it and the
 * audit log records it.
 */
#ifndef SCANBRIDGE_SCAN_H
#define SCANBRIDGE_SCAN_H

#include <scanbridge/context.h>
#include <scanbridge/manager.h>
#include <scanbridge/report.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- What is scanned --------------------------------------------------------------- */

/** Where the bytes come from; used for one scan. Threads: one at a time. */
typedef struct sb_input sb_input;

/** A file by its path, read when the scan starts. Symbolic links are followed; use
 * sb_input_at() to refuse them. NULL when there is no memory (all constructors). */
SB_API sb_input *sb_input_path(const char *path);
/** A file below an open directory, which is @p dir_fd until the scan has begun; a symbolic
 * link as last part is refused. @p path is what the report shows. */
SB_API sb_input *sb_input_at(int dir_fd, const char *name, const char *path);
/** What a readable descriptor of a regular file holds from its start, or of a pipe or
 * socket until its end. Duplicated: @p fd stays open and the caller's. With sb_submit(), 16
 * pipes and sockets of a manager are read at a time: push what may come slowly instead. */
SB_API sb_input *sb_input_fd(int fd);
/** Bytes in memory. sb_scan() uses them in place, they must not change until it returns;
 * sb_submit() copies them. */
SB_API sb_input *sb_input_memory(const void *data, size_t length);
/** Bytes that you push: sb_submit(), then sb_job_write() … sb_job_finish(). */
SB_API sb_input *sb_input_stream(void);
/** The name reports and policy use, any bytes; default: the path's last part. */
SB_API int sb_input_set_name(sb_input *input, const char *name, size_t length);
SB_API void sb_input_free(sb_input *input);

/* --- How --------------------------------------------------------------------------- */

typedef struct sb_scan_options sb_scan_options;

/** Ends blocking scans from another thread. Threads: may be shared, by any number of scans. */
typedef struct sb_cancel sb_cancel;
/** NULL when there is no memory. */
SB_API sb_cancel *sb_cancel_new(void);
/** After the last scan that was given it has returned; NULL is fine. */
SB_API void sb_cancel_free(sb_cancel *cancel);
/** Every sb_scan() that was given it, now or later, ends soon with its report: outcome error,
 * kind `cancelled`, unless a verdict was already there. For good. */
SB_API void sb_cancel_all(sb_cancel *cancel);

SB_API sb_scan_options *sb_scan_options_new(void);
SB_API void sb_scan_options_free(sb_scan_options *options);
/** For everything together, queueing and retries included. The smaller of this and
 * the configuration's `limits.timeout` holds; 0: only the configuration's. */
SB_API void sb_scan_options_set_timeout_ms(sb_scan_options *options, uint64_t ms);
/** Bytes; the smaller of this and `limits.max_size` holds; 0: only the configuration's. */
SB_API void sb_scan_options_set_max_size(sb_scan_options *options, uint64_t bytes);
/** Copied. */
SB_API int sb_scan_options_set_context(sb_scan_options *options, const sb_context *context);
/** Let sb_cancel_all() on @p cancel end the scan; it must live as long. NULL: nothing can. */
SB_API void sb_scan_options_set_cancel(sb_scan_options *options, sb_cancel *cancel);
/** Whether what policy holds back is put into quarantine, where the configuration has one
 * (default: true). False: nothing is stored or removed; the action stays what policy says. */
SB_API void sb_scan_options_set_quarantine(sb_scan_options *options, bool on);
/** Remove the original of a path that is infected, once its copy is in quarantine, also where the
 * configuration's `quarantine.remove_original` does not say so (default: false). What was removed,
 * or why it was not, is in the report. */
SB_API void sb_scan_options_set_remove_original(sb_scan_options *options, bool on);
/** Whether answers may come from the verdict cache, or from another scan of the same bytes that is
 * under way (default: true). False: every engine is asked anew; what it says is remembered for
 * others all the same. */
SB_API void sb_scan_options_set_cache(sb_scan_options *options, bool on);
/** Ask only the engines added so; none added: all. Unknown names fail the scan. */
SB_API int sb_scan_options_add_engine(sb_scan_options *options, const char *name);

/** Try @p password on encrypted archives, beside those of the configuration; copied. At most 64,
 * each of 1 to 1,024 bytes without NUL: otherwise -SB_KIND_LIMIT_EXCEEDED. Passwords stand in no
 * report, record or message. */
SB_API int sb_scan_options_add_password(
	sb_scan_options *options, const char *password, size_t length);

/* --- Blocking ---------------------------------------------------------------------- */

/**
 * Scan @p input and wait for the report.
 * @param[out] out  untouched on failure, else to be given to sb_report_free()
 * @param options   NULL for the defaults
 */
SB_API int sb_scan(sb_report **out, sb_manager *manager, sb_input *input,
	const sb_scan_options *options, sb_error *error);

/* --- Without waiting --------------------------------------------------------------- */

/** One scan under way. Threads: may be shared; freeing is the last call. */
typedef struct sb_job sb_job;
/** Where the ends of jobs arrive. Threads: may be shared. */
typedef struct sb_queue sb_queue;

typedef enum sb_job_status {
	SB_JOB_QUEUED = 0,
	SB_JOB_RUNNING,
	SB_JOB_DONE,
} sb_job_status;

SB_API sb_queue *sb_queue_new(sb_error *error);
/** Free it after every job that names it has been dispatched or freed; also after the manager. */
SB_API void sb_queue_free(sb_queue *queue);
/** Readable while ended jobs wait to be dispatched. Owned by the queue: never read it. For
 * edge-triggered watchers: dispatch until nothing is left. */
SB_API int sb_queue_fd(const sb_queue *queue);

/** Called by sb_dispatch(), in the thread that called it. */
typedef void (*sb_done_fn)(sb_job *job, void *data);
/** Call back for up to @p max ended jobs (0: all that wait); returns how many it took out. Never
 * blocks. Callbacks may do everything, submit and dispatch included. */
SB_API size_t sb_dispatch(sb_queue *queue, size_t max);

/**
 * Begin a scan and return. The input may be freed afterwards. Blocks for nothing; the thread
 * copies and hashes bytes in memory, everything else is done by others.
 * @param[out] out  untouched on failure, else to be given to sb_job_free()
 * @param queue, done, data  where the end is announced; queue NULL: nowhere
 */
SB_API int sb_submit(sb_job **out, sb_manager *manager, sb_input *input,
	const sb_scan_options *options, sb_queue *queue, sb_done_fn done, void *data,
	sb_error *error);

/**
 * Scan in this thread, and hear of the report from the queue: between the two are only the
 * records of the audit log. For programs that scan many files in a few threads: none of them waits
 * for the disk, and many records share one flush. Of those that only wait for it there may be
 * seven times as many as `limits.max_in_flight`; they don't count as in flight.
 * @param more  other scans follow at once: the record may wait for theirs, up to 20 ms
 * @param done  takes the report with sb_job_take(), and frees the job
 */
SB_API int sb_scan_queued(sb_manager *manager, sb_input *input, const sb_scan_options *options,
	bool more, sb_queue *queue, sb_done_fn done, void *data, sb_error *error);

/** Push bytes of a stream. Blocks only for the disk. After a failure the scan goes on to
 * its report (outcome error). */
SB_API int sb_job_write(sb_job *job, const void *data, size_t length, sb_error *error);
/** The stream is whole. Without it, sb_job_free() ends the scan as `cancelled`. Blocks only for
 * the disk. */
SB_API int sb_job_finish(sb_job *job, sb_error *error);

SB_API sb_job_status sb_job_state(const sb_job *job);
/** Wait until it is done or @p timeout_ms have passed (negative: for ever); true when done. */
SB_API bool sb_job_wait(sb_job *job, int64_t timeout_ms);
/** End it early: the report comes soon, with outcome error, kind `cancelled`, unless a
 * verdict was already there. Never blocks. Of no effect once it is done, also when its manager
 * is gone; but not while sb_manager_free() is under way. */
SB_API void sb_job_cancel(sb_job *job);
/** Take the report of a job that is done: 0 once, afterwards -SB_KIND_INTERNAL. */
SB_API int sb_job_take(sb_job *job, sb_report **out, sb_error *error);
/** Cancels what still runs, and nobody is called back for it any more; NULL is fine. */
SB_API void sb_job_free(sb_job *job);

#ifdef __cplusplus
}
#endif
#endif
