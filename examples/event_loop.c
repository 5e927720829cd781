/* SPDX-License-Identifier: MIT */
/*
 * Scans beside other work in one epoll loop, with no thread of our own: the completion queue is
 * one more descriptor to watch. libuv (uv_poll_t), libevent or GLib take it the same way.
 *
 *     find /usr/bin -type f | ./event_loop scanbridge.yaml
 *
 * A path a line on standard input; a scan begins as soon as its path is there, several run at
 * once, and reports are printed in the order in which the scans end.
 */
#include <scanbridge/scanbridge.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { MAX_IN_FLIGHT = 64, LINE_SIZE = 4096 };

struct loop {
	sb_manager *manager;
	sb_queue *queue;
	sb_error *error;
	int epoll;
	size_t in_flight, failed;
	bool input_open, reading; /* reading: standard input is being watched */
	char line[LINE_SIZE];     /* what came of a line so far */
	size_t length;
};

static void watch(struct loop *loop, int fd, int operation)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(loop->epoll, operation, fd, &event) < 0) {
		perror("epoll_ctl (standard input must be a pipe or terminal)");
		exit(2);
	}
}

/* With enough scans under way, stop reading paths; a bounded program can't be flooded. */
static void watch_input(struct loop *loop)
{
	bool wanted = loop->input_open && loop->in_flight < MAX_IN_FLIGHT;

	if (wanted != loop->reading)
		watch(loop, STDIN_FILENO, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL);
	loop->reading = wanted;
}

/* Runs in sb_dispatch(), that is in this thread. */
static void on_done(sb_job *job, void *data)
{
	struct loop *loop = data;
	sb_report *report;

	loop->in_flight--;
	if (sb_job_take(job, &report, loop->error) == 0) {
		puts(sb_report_json(report, NULL));
		loop->failed += !sb_report_allowed(report);
		sb_report_free(report);
	} else {
		fprintf(stderr, "%s\n", sb_error_message(loop->error));
		loop->failed++;
	}
	sb_job_free(job);
}

static void submit(struct loop *loop, const char *path)
{
	sb_input *input = sb_input_path(path);
	sb_job *job;

	if (sb_submit(&job, loop->manager, input, NULL, loop->queue, on_done, loop, loop->error) <
		0) {
		fprintf(stderr, "%s: %s\n", path, sb_error_message(loop->error));
		loop->failed++;
	} else {
		loop->in_flight++;
	}
	sb_input_free(input);
}

/* Take what there is to read; every whole line is a path. */
static void on_input(struct loop *loop)
{
	ssize_t got =
		read(STDIN_FILENO, loop->line + loop->length, sizeof loop->line - 1 - loop->length);
	char *start = loop->line, *newline;

	if (got <= 0) {
		loop->input_open = got < 0 && errno == EINTR;
		return;
	}
	loop->length += (size_t)got;
	loop->line[loop->length] = '\0';
	while ((newline = strchr(start, '\n')) != NULL) {
		*newline = '\0';
		if (*start != '\0')
			submit(loop, start);
		start = newline + 1;
	}
	loop->length -= (size_t)(start - loop->line);
	memmove(loop->line, start, loop->length);
	if (loop->length == sizeof loop->line - 1) {
		fprintf(stderr, "a path is longer than %d bytes\n", LINE_SIZE - 2);
		loop->input_open = false;
		loop->failed++;
	}
}

static void run(struct loop *loop)
{
	struct epoll_event events[2];

	watch(loop, sb_queue_fd(loop->queue), EPOLL_CTL_ADD);
	loop->input_open = true;
	for (;;) {
		int count;

		watch_input(loop);
		if (!loop->input_open && loop->in_flight == 0)
			return;
		count = epoll_wait(loop->epoll, events, 2, -1);
		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == STDIN_FILENO)
				on_input(loop);
			else
				sb_dispatch(loop->queue, 0);
		}
	}
}

int main(int argc, char **argv)
{
	struct loop loop = {.error = sb_error_new(), .epoll = epoll_create1(EPOLL_CLOEXEC)};
	sb_config *config = sb_config_new();
	int status = 2;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CONFIG < PATHS\n", argv[0]);
	} else if (sb_config_load_file(config, argv[1], loop.error) < 0 ||
		   sb_manager_open(&loop.manager, config, loop.error) < 0 ||
		   (loop.queue = sb_queue_new(loop.error)) == NULL) {
		fprintf(stderr, "%s: %s\n", argv[0], sb_error_message(loop.error));
	} else {
		run(&loop);
		status = loop.failed > 0;
	}
	sb_manager_free(loop.manager);
	sb_queue_free(loop.queue);
	sb_config_free(config);
	sb_error_free(loop.error);
	close(loop.epoll);
	return status;
}
