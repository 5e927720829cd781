/* SPDX-License-Identifier: MIT */
/*
 * Scans in a plain epoll loop, with no thread of our own: the completion queue is one more
 * descriptor to watch. What is scanned and how it is printed stands in scans.h.
 *
 *     cc event_loop.c $(pkg-config --cflags --libs scanbridge) -o event_loop
 *     ./event_loop scanbridge.yaml PATH...
 *
 * Ctrl-C cancels. Exit status: 0 all allowed, 1 something is held back, 2 something could not be
 * scanned, 130 interrupted.
 */
#include "scans.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void watch(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		perror("epoll_ctl");
		exit(2);
	}
}

/* Ctrl-C as something to read. */
static int interrupts(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void run(struct scans *scans)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), interrupt = interrupts();
	struct signalfd_siginfo info;

	watch(epoll, sb_queue_fd(scans->queue));
	watch(epoll, interrupt);
	while (scans_go_on(scans)) {
		struct epoll_event events[2];
		int count = epoll_wait(epoll, events, 2, -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.fd != interrupt)
				sb_dispatch(scans->queue, 0);
			else if (read(interrupt, &info, sizeof info) == sizeof info)
				scans_cancel(scans);
		}
	}
	close(interrupt);
	close(epoll);
}

int main(int argc, char **argv)
{
	struct scans scans;

	setvbuf(stdout, NULL, _IOLBF, 0); /* a line as soon as it is known */
	if (scans_open(&scans, argc, argv))
		run(&scans);
	return scans_close(&scans);
}
