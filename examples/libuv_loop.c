/* SPDX-License-Identifier: MIT */
/*
 * Scans in a libuv loop: a uv_poll_t watches the completion queue. What is scanned and how it is
 * printed stands in scans.h. Not one scan occupies libuv's own thread pool.
 *
 *     cc libuv_loop.c $(pkg-config --cflags --libs scanbridge libuv) -o libuv_loop
 *     ./libuv_loop scanbridge.yaml PATH...
 *
 * Ctrl-C cancels. Exit status: 0 all allowed, 1 something is held back, 2 something could not be
 * scanned, 130 interrupted.
 */
#include "scans.h"

#include <signal.h>
#include <uv.h>

struct program {
	struct scans scans;
	uv_poll_t ended;
	uv_signal_t interrupt;
};

/* With both watchers closed nothing keeps uv_run() any longer. */
static void go_on(struct program *program)
{
	if (scans_go_on(&program->scans))
		return;
	uv_close((uv_handle_t *)&program->ended, NULL);
	uv_close((uv_handle_t *)&program->interrupt, NULL);
}

static void on_ended(uv_poll_t *poll, int status, int events)
{
	struct program *program = poll->data;

	(void)status;
	(void)events;
	sb_dispatch(program->scans.queue, 0);
	go_on(program);
}

static void on_interrupt(uv_signal_t *signal, int number)
{
	struct program *program = signal->data;

	(void)number;
	scans_cancel(&program->scans);
}

static void run(struct program *program)
{
	uv_loop_t *loop = uv_default_loop();

	program->ended.data = program->interrupt.data = program;
	uv_poll_init(loop, &program->ended, sb_queue_fd(program->scans.queue));
	uv_poll_start(&program->ended, UV_READABLE, on_ended);
	uv_signal_init(loop, &program->interrupt);
	uv_signal_start(&program->interrupt, on_interrupt, SIGINT);
	go_on(program);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_loop_close(loop);
}

int main(int argc, char **argv)
{
	struct program program;

	setvbuf(stdout, NULL, _IOLBF, 0); /* a line as soon as it is known */
	if (scans_open(&program.scans, argc, argv))
		run(&program);
	return scans_close(&program.scans);
}
