/* SPDX-License-Identifier: MIT */
/* One run of a program; see run.h. */
#include "engines/command/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/error.h"
#include "util/io.h"
#include "util/text.h"
#include "wire/bwrap_status.h"

/* What is polled. */
enum { TETHER, OUT, ERR, REPORT, IN, CANCEL, EVENTS };
enum { PIECE = 16 * 1024, REPORT_MAX = 4096 };

typedef struct run_state {
	const sb_run *run;
	sb_child *child;
	struct pollfd events[EVENTS];
	sb_run_end *end;
	sb_buf errors, report;
	uint64_t said;   /* by the program, so far */
	uint64_t given;  /* to the program, so far */
	uint64_t until;  /* in ms */
	int unread;      /* the end that the program reads from, to see what it left there */
	sb_run_how over; /* why it was ended; UNTOLD: it was not */
} run_state;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- Listening ------------------------------------------------------------------------------- */

static void end_it(run_state *state, sb_run_how why)
{
	if (state->over != SB_RUN_UNTOLD)
		return;
	state->over = why;
	sb_child_end(state->child);
}

/* As much as fits; the rest of what was said is counted and dropped. */
static void keep(sb_buf *buf, const char *data, size_t length)
{
	size_t room = buf->max - buf->length;

	sb_buf_add(buf, data, length < room ? length : room);
}

/* Everything that is there now. */
static void hear(run_state *state, int which, sb_buf *into)
{
	struct pollfd *event = &state->events[which];
	char piece[PIECE];

	while (event->fd >= 0) {
		ssize_t n = read(event->fd, piece, sizeof piece);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			sb_close(&event->fd);
			return;
		}
		keep(into, piece, (size_t)n);
		if (which == REPORT)
			continue;
		state->said += (uint64_t)n;
		if (state->said > state->run->max_output) {
			end_it(state, SB_RUN_FLOODED);
			return; /* look at the clock, too: it may never stop to talk */
		}
	}
}

static void hear_all(run_state *state)
{
	hear(state, OUT, &state->end->output);
	hear(state, ERR, &state->errors);
	hear(state, REPORT, &state->report);
}

/* --- Feeding --------------------------------------------------------------------------------- */

/* The next bytes for its standard input: how many, 0 when there are no more, -kind. */
static int64_t next_bytes(run_state *state, char piece[PIECE], sb_error *error)
{
	const sb_run *run = state->run;
	size_t left, length = run->text != NULL ? strlen(run->text) : 0;

	if (run->call != NULL)
		return sb_call_read(run->call, state->given, piece, PIECE, error);
	left = length - (size_t)state->given;
	if (left > PIECE)
		left = PIECE;
	if (left > 0)
		memcpy(piece, run->text + state->given, left);
	return (int64_t)left;
}

static int feed(run_state *state, sb_error *error)
{
	char piece[PIECE];
	int64_t ready = next_bytes(state, piece, error);
	ssize_t n;

	if (ready < 0)
		return (int)ready;
	if (ready == 0)
		sb_close(&state->events[IN].fd);
	do
		n = ready > 0 ? write(state->events[IN].fd, piece, (size_t)ready) : 0;
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return sb_error_set(error, SB_KIND_INTERNAL, errno, "write to the scanner");
	if (n > 0)
		state->given += (uint64_t)n;
	return 0;
}

/* What lies in the pipe when the program is gone was never looked at. */
static uint64_t taken(const run_state *state)
{
	int left = 0;

	if (state->unread < 0 || ioctl(state->unread, FIONREAD, &left) < 0 || left < 0 ||
		(uint64_t)left > state->given)
		return 0;
	return state->given - (uint64_t)left;
}

/* --- Waiting --------------------------------------------------------------------------------- */

static int patience(const run_state *state)
{
	uint64_t now = now_ms();

	if (state->over != SB_RUN_UNTOLD)
		return -1;
	if (now >= state->until)
		return 0;
	return state->until - now < 60000 ? (int)(state->until - now) : 60000;
}

/* Until nothing is left of it, for it to have no more to say. */
static int attend(run_state *state, sb_error *error)
{
	struct pollfd *events = state->events;
	int status = 0;

	while (events[TETHER].revents == 0) {
		if (poll(events, EVENTS, patience(state)) < 0 && errno != EINTR)
			status = sb_error_set(error, SB_KIND_INTERNAL, errno, "poll");
		hear_all(state);
		if (status == 0 && events[IN].fd >= 0 && events[IN].revents != 0)
			status = feed(state, error);
		if (events[CANCEL].revents != 0) {
			events[CANCEL].fd = -1;
			end_it(state, SB_RUN_CANCELLED);
		}
		if (status < 0 || now_ms() >= state->until)
			end_it(state, SB_RUN_LATE);
	}
	hear_all(state);
	return status;
}

static void tell(run_state *state, int status)
{
	sb_run_end *end = state->end;
	sb_buf words;

	end->fed = taken(state);
	end->how = state->over;
	if (state->over == SB_RUN_UNTOLD && state->said > state->run->max_output)
		end->how = SB_RUN_FLOODED;
	if (end->how == SB_RUN_UNTOLD && status != -1 && WIFSIGNALED(status)) {
		end->how = SB_RUN_KILLED;
		end->number = WTERMSIG(status);
	} else if (end->how == SB_RUN_UNTOLD && status != -1 && WIFEXITED(status)) {
		end->number = state->run->wrapped
				      ? sb_bwrap_status(state->report.data, state->report.length)
				      : WEXITSTATUS(status);
		end->how = end->number >= 0 ? SB_RUN_EXITED : SB_RUN_UNTOLD;
	}
	sb_buf_init(&words, 4L * SB_COMPLAINT + 1);
	sb_escape(&words, state->errors.data, strcspn(state->errors.data, "\n"));
	snprintf(end->complaint, sizeof end->complaint, "%s", words.data != NULL ? words.data : "");
	sb_buf_done(&words);
}

/* --- Pipes ----------------------------------------------------------------------------------- */

/* Ours is left in the events and does not block; the program's is returned, -1 on failure. */
static int lay_pipe(run_state *state, int which)
{
	int pair[2], ours = which == IN ? 1 : 0;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -1;
	state->events[which] = (struct pollfd){
		.fd = pair[ours], .events = (short)(which == IN ? POLLOUT : POLLIN)};
	if (fcntl(pair[ours], F_SETFL, O_NONBLOCK) == 0)
		return pair[!ours];
	sb_close(&pair[!ours]);
	return -1;
}

static int start(run_state *state, sb_error *error)
{
	const sb_run *run = state->run;
	const bool fed = run->call != NULL || run->text != NULL;
	sb_child_plan plan = *run->plan;
	int fds[SB_CHILD_FDS], status = 0;
	int in = fed ? lay_pipe(state, IN) : -1, out = lay_pipe(state, OUT),
	    err = lay_pipe(state, ERR), report = run->wrapped ? lay_pipe(state, REPORT) : -1;

	if ((fed && in < 0) || out < 0 || err < 0 || (run->wrapped && report < 0))
		status = sb_error_set(error, SB_KIND_INTERNAL, errno, "make a pipe");
	plan.standard[0] = in;
	plan.standard[1] = out;
	plan.standard[2] = err;
	for (size_t i = 0; i < plan.count; i++)
		fds[i] = run->plan->fds[i];
	if (run->wrapped)
		fds[plan.count++] = report;
	plan.fds = fds;
	plan.tethered = true;
	if (status == 0)
		status = sb_child_start(&state->child, &plan, error);
	state->unread = in; /* with a reader of our own there is no SIGPIPE either */
	sb_close(&out);
	sb_close(&err);
	sb_close(&report);
	return status;
}

/* --- All of it ------------------------------------------------------------------------------- */

int sb_run_do(const sb_run *run, sb_run_end *end, sb_error *error)
{
	run_state state = {
		.run = run, .end = end, .until = now_ms() + run->timeout_ms, .unread = -1};
	int status, exit_status = -1;

	*end = (sb_run_end){.how = SB_RUN_UNTOLD, .number = -1};
	sb_buf_init(&end->output, (size_t)run->max_output);
	sb_buf_init(&state.errors, SB_COMPLAINT);
	sb_buf_init(&state.report, REPORT_MAX);
	sb_buf_text(&end->output, "");
	sb_buf_text(&state.errors, "");
	sb_buf_text(&state.report, "");
	for (size_t i = 0; i < EVENTS; i++)
		state.events[i].fd = -1;
	status = start(&state, error);
	if (status == 0) {
		state.events[TETHER] =
			(struct pollfd){.fd = sb_child_fd(state.child), .events = POLLIN};
		state.events[CANCEL] = (struct pollfd){.fd = run->cancel_fd, .events = POLLIN};
		status = attend(&state, error);
		exit_status = sb_child_join(state.child);
	}
	for (int i = OUT; i <= IN; i++)
		sb_close(&state.events[i].fd);
	if (!end->output.failed && !state.errors.failed && !state.report.failed)
		tell(&state, exit_status);
	else
		status = status < 0 ? status : sb_error_no_memory(error);
	sb_close(&state.unread);
	sb_buf_done(&state.errors);
	sb_buf_done(&state.report);
	return status;
}

void sb_run_end_done(sb_run_end *end)
{
	sb_buf_done(&end->output);
}
