/* SPDX-License-Identifier: MIT */
/*
 * The least that a client of clamd can do: the yardstick for everything built on top of clamd.
 *
 *     clamd_min SOCKET CONNECTIONS [plain] < list of files, one a line
 *
 * Each thread keeps one IDSESSION and passes one descriptor at a time (`plain`: one connection
 * per file). It checks nothing that a product must check. Prints files and hits.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un where = {.sun_family = AF_UNIX};
static char **files;
static size_t count;
static int plain;
static atomic_size_t next, hits, failures;

static int dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&where, sizeof where) != 0) {
		perror("connect");
		exit(2);
	}
	return fd;
}

static int ask(int link, int fd, const char *command, size_t length)
{
	struct iovec part = {(char *)(size_t)command, length};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(sizeof(int))};

	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	return sendmsg(link, &message, MSG_NOSIGNAL) == (ssize_t)length ? 0 : -1;
}

static void hear(int link)
{
	char reply[4096];
	size_t length = 0;

	while (length < sizeof reply && (length == 0 || reply[length - 1] != '\0')) {
		ssize_t n = recv(link, reply + length, sizeof reply - length, 0);

		if (n <= 0) {
			failures++;
			return;
		}
		length += (size_t)n;
	}
	if (strstr(reply, " FOUND") != NULL)
		hits++;
	else if (strstr(reply, ": OK") == NULL)
		failures++;
}

static void *work(void *unused)
{
	static const char first[] = "zIDSESSION\0zFILDES\0", again[] = "zFILDES\0";
	int link = -1;
	size_t i;

	(void)unused;
	while ((i = next++) < count) {
		int fd = open(files[i], O_RDONLY | O_CLOEXEC), fresh = link < 0, failed;

		if (fresh)
			link = dial();
		failed = fresh && !plain ? ask(link, fd, first, sizeof first)
					 : ask(link, fd, again, sizeof again);
		if (failed != 0)
			failures++;
		else
			hear(link);
		close(fd);
		if (plain) {
			close(link);
			link = -1;
		}
	}
	if (link >= 0)
		close(link);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	size_t room = 0, size = 0;
	ssize_t n;
	char *line = NULL;
	int connections;

	if (argc < 3 || strlen(argv[1]) >= sizeof where.sun_path ||
		(connections = atoi(argv[2])) < 1 || connections > 64) {
		fprintf(stderr, "usage: clamd_min SOCKET CONNECTIONS(1..64) [plain] < FILES\n");
		return 2;
	}
	memcpy(where.sun_path, argv[1], strlen(argv[1]) + 1);
	plain = argc > 3;
	while ((n = getline(&line, &size, stdin)) > 0) {
		line[n - 1] = '\0';
		if (count == room)
			files = realloc(files, (room = room * 2 + 1024) * sizeof *files);
		if (files == NULL || (files[count++] = strdup(line)) == NULL)
			return 2;
	}
	free(line);
	for (int i = 0; i < connections; i++)
		if (pthread_create(&threads[i], NULL, work, NULL) != 0)
			return 2;
	for (int i = 0; i < connections; i++)
		pthread_join(threads[i], NULL);
	printf("%zu files, %zu hits, %zu failures\n", count, (size_t)hits, (size_t)failures);
	return failures > 0;
}
