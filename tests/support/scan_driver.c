/* SPDX-License-Identifier: MIT */
/*
 * A host program for tests: the public API, driven line by line from standard input, so that a
 * test can run thousands of scans in one process and see what they leave behind.
 *
 *     open CONFIG                     open a manager (answers {"opened":true})
 *     path P | fd P | memory P        submit a scan; its report is printed when it ends
 *     stream P CHUNK                  the same, pushed in pieces of CHUNK bytes
 *     blocking P                      sb_scan() on the path; `-`: on a stream, which is refused
 *     many P N                        N scans by sb_scan(), one line with the outcomes
 *     cancel T                        end the scans that were tagged so
 *     wait                            until no scan is under way
 *     breaker E [open|close|reset]    an engine's breaker and counters, after that order
 *     reload [E]                      let an engine, or all, read rules and lists anew
 *     reconfigure FILE                take over another configuration
 *     stats                           descriptors, threads and resident memory of the process
 *     close                           free the manager
 *     quit
 *
 * A scan's line may go on with `tag=T engines=A,B timeout=MS`. Words are separated by spaces.
 * Every answer is one line of JSON. One thread, one poll() over standard input and the queue:
 * what an event loop would do.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <scanbridge/scanbridge.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_WORDS 8

static sb_manager *manager;
static sb_queue *queue;
static size_t in_flight;

/* One submitted scan: what its line of output needs. */
struct ticket {
	sb_job *job;
	struct timespec begun;
	char tag[128];
	void *memory;
	int fd;
	struct ticket *next;
};
static struct ticket *tickets; /* of the scans in flight */

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fputs("scan_driver: ", stderr);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
	exit(2);
}

static double ms_since(const struct timespec *begun)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begun->tv_sec) * 1e3 +
	       (double)(now.tv_nsec - begun->tv_nsec) / 1e6;
}

static void print_error(const char *tag, const sb_error *error)
{
	/* Messages of ours escape what came from outside, but may hold quotes. */
	printf("{\"tag\":\"%s\",\"failed\":\"%s\",\"message\":\"", tag,
		sb_kind_name(sb_error_kind(error)));
	for (const char *c = sb_error_message(error); *c; c++)
		if (*c == '"' || *c == '\\' || (unsigned char)*c < 0x20)
			printf("\\u%04x", (unsigned char)*c);
		else
			putchar(*c);
	puts("\"}");
}

static void print_report(const char *tag, double elapsed, const sb_report *report)
{
	const char *json = sb_report_json(report, NULL);

	printf("{\"tag\":\"%s\",\"elapsed_ms\":%.1f,\"report\":%s}\n", tag, elapsed,
		json ? json : "null");
}

/* --- The words of one line ----------------------------------------------------------- */

struct line {
	char *word[MAX_WORDS];
	size_t words;
	const char *tag, *engines;
	uint64_t timeout;
};

static void parse(struct line *line, char *text)
{
	char *rest = text, *word;

	*line = (struct line){.tag = ""};
	while ((word = strsep(&rest, " \n"))) {
		if (!*word)
			continue;
		if (!strncmp(word, "tag=", 4))
			line->tag = word + 4;
		else if (!strncmp(word, "engines=", 8))
			line->engines = word + 8;
		else if (!strncmp(word, "timeout=", 8))
			line->timeout = strtoull(word + 8, NULL, 10);
		else if (line->words < MAX_WORDS)
			line->word[line->words++] = word;
	}
}

static sb_scan_options *options_of(const struct line *line)
{
	sb_scan_options *options = sb_scan_options_new();
	char name[64];

	if (!options)
		die("no memory");
	sb_scan_options_set_timeout_ms(options, line->timeout);
	for (const char *at = line->engines; at && *at;) {
		size_t length = strcspn(at, ",");

		snprintf(name, sizeof(name), "%.*s", (int)length, at);
		if (sb_scan_options_add_engine(options, name))
			die("engine %s", name);
		at += length + (at[length] == ',');
	}
	return options;
}

static void *read_whole(const char *path, size_t *length)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *data;

	if (fd < 0 || fstat(fd, &st))
		die("%s: %s", path, strerror(errno));
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		die("no memory");
	for (*length = 0; *length < (size_t)st.st_size;) {
		ssize_t n = read(fd, data + *length, (size_t)st.st_size - *length);

		if (n <= 0)
			die("%s: %s", path, n ? strerror(errno) : "became shorter");
		*length += (size_t)n;
	}
	close(fd);
	return data;
}

/* --- Scans --------------------------------------------------------------------------- */

static void on_done(sb_job *job, void *data)
{
	struct ticket *ticket = data;
	sb_report *report = NULL;
	sb_error *error = sb_error_new();
	double elapsed = ms_since(&ticket->begun);

	if (sb_job_take(job, &report, error))
		print_error(ticket->tag, error);
	else
		print_report(ticket->tag, elapsed, report);
	sb_report_free(report);
	sb_error_free(error);
	sb_job_free(job);
	for (struct ticket **at = &tickets; *at; at = &(*at)->next)
		if (*at == ticket) {
			*at = ticket->next;
			break;
		}
	if (ticket->fd >= 0)
		close(ticket->fd);
	free(ticket->memory);
	free(ticket);
	in_flight--;
}

static sb_input *input_of(const struct line *line, struct ticket *ticket)
{
	const char *verb = line->word[0], *path = line->word[1];
	size_t length;

	if (!strcmp(verb, "path"))
		return sb_input_path(path);
	if (!strcmp(verb, "stream"))
		return sb_input_stream();
	if (!strcmp(verb, "fd")) {
		ticket->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (ticket->fd < 0)
			die("%s: %s", path, strerror(errno));
		return sb_input_fd(ticket->fd);
	}
	ticket->memory = read_whole(path, &length);
	return sb_input_memory(ticket->memory, length);
}

/* In pieces, so that memory shows what the library keeps. A failed write is not the end: the
 * report, which is awaited, tells why. */
static void push(sb_job *job, const char *path, size_t chunk)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *piece = malloc(chunk ? chunk : 1);
	ssize_t n;

	if (fd < 0 || !piece)
		die("%s: %s", path, strerror(errno));
	while ((n = read(fd, piece, chunk)) > 0)
		if (sb_job_write(job, piece, (size_t)n, NULL))
			break;
	sb_job_finish(job, NULL);
	close(fd);
	free(piece);
}

static void submit(const struct line *line)
{
	bool stream = !strcmp(line->word[0], "stream");
	struct ticket *ticket = calloc(1, sizeof(*ticket));
	sb_error *error = sb_error_new();
	sb_scan_options *options = options_of(line);
	sb_input *input;
	sb_job *job;

	if (!ticket || !error || line->words != 2u + stream)
		die("%s: wrong number of words", line->word[0]);
	ticket->fd = -1;
	snprintf(ticket->tag, sizeof(ticket->tag), "%s", line->tag);
	clock_gettime(CLOCK_MONOTONIC, &ticket->begun);
	input = input_of(line, ticket);
	in_flight++;
	if (sb_submit(&job, manager, input, options, queue, on_done, ticket, error)) {
		in_flight--;
		print_error(ticket->tag, error);
		free(ticket->memory);
		free(ticket);
	} else {
		ticket->job = job;
		ticket->next = tickets;
		tickets = ticket;
		if (stream)
			push(job, line->word[1], strtoull(line->word[2], NULL, 10));
	}
	sb_input_free(input);
	sb_scan_options_free(options);
	sb_error_free(error);
}

static void cancel(const char *tag)
{
	for (struct ticket *ticket = tickets; ticket; ticket = ticket->next)
		if (!strcmp(ticket->tag, tag))
			sb_job_cancel(ticket->job);
}

/* sb_scan() on a path, @p count times; every report is printed only when there is one. */
static void blocking(const struct line *line, unsigned long count)
{
	unsigned long outcomes[4] = {0}, failed = 0;
	sb_scan_options *options = options_of(line);
	sb_error *error = sb_error_new();

	for (unsigned long i = 0; i < count; i++) {
		sb_input *input = strcmp(line->word[1], "-") != 0 ? sb_input_path(line->word[1])
								  : sb_input_stream();
		sb_report *report = NULL;
		struct timespec begun;

		clock_gettime(CLOCK_MONOTONIC, &begun);
		if (sb_scan(&report, manager, input, options, error))
			failed++;
		else
			outcomes[sb_report_outcome(report)]++;
		if (count == 1 && report)
			print_report(line->tag, ms_since(&begun), report);
		else if (count == 1)
			print_error(line->tag, error);
		sb_report_free(report);
		sb_input_free(input);
	}
	if (count != 1)
		printf("{\"tag\":\"%s\",\"many\":%lu,\"clean\":%lu,\"infected\":%lu,"
		       "\"suspicious\":%lu,\"error\":%lu,\"failed\":%lu}\n",
			line->tag, count, outcomes[SB_OUTCOME_CLEAN], outcomes[SB_OUTCOME_INFECTED],
			outcomes[SB_OUTCOME_SUSPICIOUS], outcomes[SB_OUTCOME_ERROR], failed);
	sb_scan_options_free(options);
	sb_error_free(error);
}

/* --- The process --------------------------------------------------------------------- */

static size_t entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t count = 0;

	if (!dir)
		die("%s: %s", path, strerror(errno));
	for (struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

static void print_stats(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long size = 0, resident = 0;

	if (!file || fscanf(file, "%lu %lu", &size, &resident) != 2)
		die("/proc/self/statm");
	fclose(file);
	/* One less: the descriptor that looks. */
	printf("{\"fds\":%zu,\"threads\":%zu,\"rss_kib\":%lu,\"in_flight\":%zu}\n",
		entries("/proc/self/fd") - 1, entries("/proc/self/task"),
		resident * (unsigned long)sysconf(_SC_PAGESIZE) / 1024, in_flight);
}

static void open_manager(const char *path)
{
	sb_config *config = sb_config_new();
	sb_error *error = sb_error_new();

	if (!config || !error)
		die("no memory");
	if (sb_config_load_file(config, path, error) || sb_manager_open(&manager, config, error)) {
		print_error("open", error);
	} else {
		queue = sb_queue_new(error);
		if (!queue)
			die("%s", sb_error_message(error));
		puts("{\"opened\":true}");
	}
	sb_config_free(config);
	sb_error_free(error);
}

static void wait_all(void)
{
	while (in_flight) {
		struct pollfd ready = {.fd = sb_queue_fd(queue), .events = POLLIN};

		if (poll(&ready, 1, -1) < 0 && errno != EINTR)
			die("poll: %s", strerror(errno));
		sb_dispatch(queue, 0);
	}
}

static void close_manager(void)
{
	if (queue)
		wait_all();
	sb_manager_free(manager);
	sb_queue_free(queue);
	manager = NULL;
	queue = NULL;
}

static bool is_submitted(const char *verb)
{
	return !strcmp(verb, "path") || !strcmp(verb, "fd") || !strcmp(verb, "memory") ||
	       !strcmp(verb, "stream");
}

/* An order for an engine's breaker, if there is one, and how it stands. */
static void print_breaker(const char *engine, const char *order)
{
	static const char *const orders[] = {"open", "close", "reset"};
	static const char *const metrics[] = {"successful", "failed", "rejected", "opened",
		"closed", "retries", "fail_open", "fallbacks", "rate_limited"};
	int64_t wait = 0;
	const char *state;

	for (unsigned i = 0; order && i < 3; i++)
		if (!strcmp(order, orders[i]) &&
			sb_manager_set_breaker(manager, engine, (sb_breaker_order)i, NULL))
			die("breaker %s", engine);
	state = sb_manager_breaker(manager, engine, &wait);
	printf("{\"breaker\":\"%s\",\"retry_after_ms\":%" PRId64, state ? state : "", wait);
	for (unsigned i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		uint64_t value = 0;

		if (sb_manager_engine_metric(manager, engine, (sb_metric)i, &value))
			die("metric %s of %s", metrics[i], engine);
		printf(",\"%s\":%" PRIu64, metrics[i], value);
	}
	puts("}");
}

static void reload(const char *engine)
{
	sb_error *error = sb_error_new();

	if (sb_manager_reload(manager, engine, error) == 0)
		puts("{\"reloaded\":true}");
	else
		print_error("reload", error);
	sb_error_free(error);
}

static void reconfigure(const char *path)
{
	sb_config *config = sb_config_new();
	sb_error *error = sb_error_new();

	if (sb_config_load_file(config, path, error) == 0 &&
		sb_manager_reconfigure(manager, config, error) == 0)
		puts("{\"reconfigured\":true}");
	else
		print_error("reconfigure", error);
	sb_error_free(error);
	sb_config_free(config);
}

/* False at the end. */
static bool obey(char *text)
{
	struct line line;

	parse(&line, text);
	if (!line.words)
		return true;
	if (!strcmp(line.word[0], "quit"))
		return false;
	if (!strcmp(line.word[0], "stats")) {
		print_stats();
	} else if (!strcmp(line.word[0], "open") && line.words == 2 && !manager) {
		open_manager(line.word[1]);
	} else if (!manager) {
		die("%s: no manager is open", line.word[0]);
	} else if (!strcmp(line.word[0], "wait")) {
		wait_all();
		puts("{\"waited\":true}");
	} else if (!strcmp(line.word[0], "breaker") && line.words >= 2) {
		print_breaker(line.word[1], line.words > 2 ? line.word[2] : NULL);
	} else if (!strcmp(line.word[0], "reconfigure") && line.words == 2) {
		reconfigure(line.word[1]);
	} else if (!strcmp(line.word[0], "reload")) {
		reload(line.words > 1 ? line.word[1] : NULL);
	} else if (!strcmp(line.word[0], "cancel") && line.words == 2) {
		cancel(line.word[1]);
	} else if (!strcmp(line.word[0], "close")) {
		close_manager();
		puts("{\"closed\":true}");
	} else if (!strcmp(line.word[0], "blocking") && line.words == 2) {
		blocking(&line, 1);
	} else if (!strcmp(line.word[0], "many") && line.words == 3) {
		blocking(&line, strtoul(line.word[2], NULL, 10));
	} else if (is_submitted(line.word[0])) {
		submit(&line);
	} else {
		die("unknown command: %s", line.word[0]);
	}
	return true;
}

/* Lines that are complete, out of what has arrived; false at the end. */
static bool read_commands(void)
{
	static char buffer[1 << 16];
	static size_t used;
	ssize_t n = read(STDIN_FILENO, buffer + used, sizeof(buffer) - 1 - used);
	char *start = buffer, *end;

	if (n <= 0)
		return false;
	used += (size_t)n;
	buffer[used] = '\0';
	while ((end = strchr(start, '\n'))) {
		*end = '\0';
		if (!obey(start))
			return false;
		start = end + 1;
	}
	used -= (size_t)(start - buffer);
	memmove(buffer, start, used);
	return used < sizeof(buffer) - 1;
}

static void *nothing(void *data)
{
	return data;
}

/* A sanitizer's runtime starts a thread of its own beside the first one of the program: let it
 * do so before anybody counts. */
static void first_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
		die("no thread");
}

int main(void)
{
	bool go_on = true;

	first_thread();
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (go_on) {
		struct pollfd ready[2] = {
			{.fd = STDIN_FILENO, .events = POLLIN},
			{.fd = queue ? sb_queue_fd(queue) : -1, .events = POLLIN},
		};

		if (poll(ready, 2, -1) < 0 && errno != EINTR)
			die("poll: %s", strerror(errno));
		if (ready[1].revents)
			sb_dispatch(queue, 0);
		if (ready[0].revents)
			go_on = read_commands();
	}
	close_manager();
	return 0;
}
