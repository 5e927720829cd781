/* SPDX-License-Identifier: MIT */
/* A key in memory of its own; see virustotal.h. It is read to where it stays: no buffer on the way
 * has it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engines/virustotal/virustotal.h"
#include "util/io.h"

enum { PAGE = 4096, MIN_KEY = 16, MAX_KEY = 512, PIPE_MS = 10000 };
static const char prefix[] = "x-apikey: ";

static int bad(sb_error *error, const char *path, const char *what)
{
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "api_key_file %s: %s", path, what);
}

static int check_file(int fd, const char *path, sb_error *error)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)))
		return bad(error, path, "is neither a regular file nor a pipe");
	if (S_ISREG(st.st_mode) && (st.st_mode & 077) != 0)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"api_key_file %s: others can read or write it (mode %04o): chmod 600 it",
			path, (unsigned)st.st_mode & 07777);
	return 0;
}

/* All that is there, up to @p room; -1 with errno. A pipe may take a while. */
static ssize_t read_all(int fd, char *out, size_t room)
{
	size_t length = 0;

	while (length < room) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&ready, 1, PIPE_MS) == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		n = read(fd, out + length, room - length);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		length += (size_t)n;
	}
	return (ssize_t)length;
}

/* One word of printable characters, and white space around it: nothing that could end a header. */
static bool is_key(char *key, size_t length)
{
	size_t word = 0;

	while (length > 0 && strchr(" \t\r\n", key[length - 1]) != NULL)
		length--;
	while (word < length && key[word] > ' ' && key[word] <= '~')
		word++;
	key[length] = '\0';
	return length >= MIN_KEY && length <= MAX_KEY && word == length;
}

static int read_key(sb_vt_secret *out, int fd, const char *path, sb_error *error)
{
	char *key = out->line + sizeof prefix - 1;
	ssize_t length;
	int status = check_file(fd, path, error);

	if (status < 0)
		return status;
	memcpy(out->line, prefix, sizeof prefix);
	length = read_all(fd, key, MAX_KEY + 64);
	if (length < 0)
		return sb_error_set(
			error, SB_KIND_NOT_CONFIGURED, errno, "api_key_file %s: cannot read", path);
	if (!is_key(key, (size_t)length))
		return bad(error, path,
			"must hold the key and nothing else: 16 to 512 characters in one line");
	return 0;
}

int sb_vt_secret_load(sb_vt_secret *out, const char *path, sb_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), status;

	*out = (sb_vt_secret){.size = PAGE};
	if (fd < 0)
		return sb_error_set(
			error, SB_KIND_NOT_CONFIGURED, errno, "open api_key_file %s", path);
	out->line =
		mmap(NULL, out->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (out->line == MAP_FAILED) {
		out->line = NULL;
		sb_close(&fd);
		return sb_error_set(error, SB_KIND_INTERNAL, errno, "memory for the key");
	}
	(void)madvise(out->line, out->size, MADV_DONTDUMP);
	(void)madvise(out->line, out->size, MADV_WIPEONFORK);
	(void)mlock(out->line, out->size); /* beyond the limit it may be swapped */
	status = read_key(out, fd, path, error);
	sb_close(&fd);
	if (status < 0)
		sb_vt_secret_forget(out);
	return status;
}

void sb_vt_secret_redact(const sb_vt_secret *secret, char *text, size_t length)
{
	const char *key = secret->line + sizeof prefix - 1;
	size_t size = strlen(key);
	char *found;

	while (length >= size && (found = memmem(text, length, key, size)) != NULL) {
		memset(found, '*', size);
		length -= (size_t)(found - text) + size;
		text = found + size;
	}
}

void sb_vt_secret_forget(sb_vt_secret *secret)
{
	if (secret->line == NULL)
		return;
	explicit_bzero(secret->line, secret->size);
	(void)munmap(secret->line, secret->size);
	secret->line = NULL;
}
