/* SPDX-License-Identifier: MIT */
/*
 * Scans in a GLib main loop, as GTK programs and many daemons have one: the completion queue is
 * a source like any other descriptor. What is scanned and how it is printed stands in scans.h.
 *
 *     cc glib_loop.c $(pkg-config --cflags --libs scanbridge glib-2.0) -o glib_loop
 *     ./glib_loop scanbridge.yaml PATH...
 *
 * Ctrl-C cancels. Exit status: 0 all allowed, 1 something is held back, 2 something could not be
 * scanned, 130 interrupted.
 */
#include "scans.h"

#include <glib-unix.h>
#include <signal.h>

struct program {
	struct scans scans;
	GMainLoop *loop;
};

static gboolean on_ended(gint fd, GIOCondition condition, gpointer data)
{
	struct program *program = data;

	(void)fd;
	(void)condition;
	sb_dispatch(program->scans.queue, 0);
	if (!scans_go_on(&program->scans))
		g_main_loop_quit(program->loop);
	return G_SOURCE_CONTINUE;
}

static gboolean on_interrupt(gpointer data)
{
	struct program *program = data;

	scans_cancel(&program->scans);
	return G_SOURCE_CONTINUE;
}

static void run(struct program *program)
{
	guint ended, interrupt;

	program->loop = g_main_loop_new(NULL, FALSE);
	ended = g_unix_fd_add(sb_queue_fd(program->scans.queue), G_IO_IN, on_ended, program);
	interrupt = g_unix_signal_add(SIGINT, on_interrupt, program);
	if (scans_go_on(&program->scans))
		g_main_loop_run(program->loop);
	g_source_remove(interrupt);
	g_source_remove(ended);
	g_main_loop_unref(program->loop);
}

int main(int argc, char **argv)
{
	struct program program;

	setvbuf(stdout, NULL, _IOLBF, 0); /* a line as soon as it is known */
	if (scans_open(&program.scans, argc, argv))
		run(&program);
	return scans_close(&program.scans);
}
