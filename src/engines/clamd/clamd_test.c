/* SPDX-License-Identifier: MIT */
/*
 * The clamd engine against a real clamd that the test starts, with one signature for EICAR, and
 * against a scripted one for what a real clamd does only on a bad day. The core is played by the
 * sb_call_* functions below. Without a clamd on the machine its tests are skipped.
 */
#include "engines/clamd/clamd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/error.h"
#include "util/io.h"
#include "util/text.h"

extern const sb_engine_ops sb_engine_clamd;

/* --- A core ------------------------------------------------------------------------------- */

struct sb_call {
	const char *data;
	size_t size;
	bool in_memory; /* sb_call_memory() gives it */
	int fd_flags;   /* how sb_call_fd() opens it; 0: O_RDONLY */
	uint64_t deadline;
	int cancel_fd, fd;
	/* what the engine said */
	sb_outcome outcome;
	uint64_t bytes;
	sb_content_coverage content;
	char threat[129];
	struct sb_error error;
};

uint64_t sb_call_size(const sb_call *call)
{
	return call->size;
}

const void *sb_call_memory(const sb_call *call, size_t *length)
{
	*length = call->size;
	return call->in_memory ? call->data : NULL;
}

int64_t sb_call_read(sb_call *call, uint64_t offset, void *buffer, size_t length, sb_error *error)
{
	size_t left = call->size - (size_t)offset;

	(void)error;
	if (length > left)
		length = left;
	memcpy(buffer, call->data + offset, length);
	return (int64_t)length;
}

int sb_call_fd(sb_call *call, sb_error *error)
{
	char path[64];
	int fd = memfd_create("content", MFD_CLOEXEC);

	if (fd < 0 || sb_write_all(fd, call->data, call->size) != 0)
		return sb_error_set(error, SB_KIND_IO, errno, "memfd"), -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	call->fd = open(path, call->fd_flags | O_CLOEXEC);
	sb_close(&fd);
	return call->fd;
}

uint64_t sb_call_remaining_ms(const sb_call *call)
{
	uint64_t now = sb_net_now();

	return call->deadline > now ? (call->deadline - now) / 1000000 : 0;
}

size_t sb_call_replica(const sb_call *call)
{
	(void)call;
	return SB_ANY_REPLICA;
}

int sb_call_cancel_fd(sb_call *call)
{
	return call->cancel_fd;
}

int sb_call_clean(sb_call *call, uint64_t bytes, sb_content_coverage content, sb_error *error)
{
	(void)error;
	call->outcome = SB_OUTCOME_CLEAN;
	call->bytes = bytes;
	call->content = content;
	return 0;
}

int sb_call_infected(sb_call *call, const sb_threat *threat, sb_error *error)
{
	(void)error;
	call->outcome = SB_OUTCOME_INFECTED;
	snprintf(call->threat, sizeof call->threat, "%.*s", (int)threat->name_length, threat->name);
	return 0;
}

void sb_call_doubt(sb_call *call, uint64_t ms)
{
	(void)call;
	(void)ms;
}

void sb_call_versions(sb_call *call, const char *engine, const char *signatures)
{
	(void)call;
	(void)engine;
	(void)signatures;
}

void sb_call_cover(sb_call *call, uint64_t bytes, sb_content_coverage content)
{
	call->bytes = bytes;
	call->content = content;
}

struct sb_check {
	void *state;
	uint64_t max_size;
	int holds[4]; /* by sb_attestation: -1 not asked */
};

uint64_t sb_check_max_size(const sb_check *check)
{
	return check->max_size;
}

void sb_check_attest(sb_check *check, sb_attestation what, bool holds, const char *remedy)
{
	assert_true(strlen(remedy) > 0);
	check->holds[what] = holds;
}

/* --- One scan ------------------------------------------------------------------------------ */

static sb_call scan_call(void *state, sb_call call)
{
	int status;

	call.fd = -1;
	if (call.deadline == 0)
		call.deadline = sb_net_deadline(20000);
	sb_error_init(&call.error);
	status = sb_engine_clamd.scan(state, &call, &call.error);
	if (status != 0) {
		assert_int_equal(-status, call.error.kind);
		call.outcome = SB_OUTCOME_ERROR;
	} else {
		assert_int_not_equal(call.outcome, SB_OUTCOME_ERROR);
	}
	sb_close(&call.fd);
	return call;
}

static sb_call scan(void *state, const void *data, size_t size)
{
	return scan_call(
		state, (sb_call){.data = data, .size = size, .in_memory = true, .cancel_fd = -1});
}

int sb_check_scan(
	sb_check *check, const void *data, size_t length, sb_check_answer *answer, sb_error *error)
{
	sb_call call = scan(check->state, data, length);

	(void)error;
	*answer = (sb_check_answer){.outcome = call.outcome, .kind = call.error.kind};
	snprintf(answer->threat, sizeof answer->threat, "%s", call.threat);
	return 0;
}

#define EXPECT_CLEAN(call, size)                                                                   \
	do {                                                                                       \
		if ((call).outcome != SB_OUTCOME_CLEAN)                                            \
			fail_msg("%s: %s", sb_outcome_name((call).outcome), (call).error.message); \
		assert_int_equal((call).bytes, size);                                              \
		assert_int_equal((call).content, SB_CONTENT_INSPECTED);                            \
	} while (0)

#define EXPECT_INFECTED(call)                                                                      \
	do {                                                                                       \
		if ((call).outcome != SB_OUTCOME_INFECTED)                                         \
			fail_msg("%s: %s", sb_outcome_name((call).outcome), (call).error.message); \
		assert_string_equal((call).threat, "Eicar-Test-Signature.UNOFFICIAL");             \
	} while (0)

#define EXPECT_ERROR(call, expected)                                                               \
	do {                                                                                       \
		assert_int_equal((call).outcome, SB_OUTCOME_ERROR);                                \
		if ((call).error.kind != (expected))                                               \
			fail_msg("%s instead of %s: %s", sb_kind_name((call).error.kind),          \
				sb_kind_name(expected), (call).error.message);                     \
	} while (0)

/* --- Settings ------------------------------------------------------------------------------ */

typedef struct options {
	const char *addresses[2];
	int transport; /* 0 auto, 1 fildes, 2 instream */
	bool no_pool;
	uint64_t chunk_size, session_max;
} options;

static void *setting(void *state, const char *key)
{
	for (const sb_setting *row = sb_engine_clamd.settings; row->key != NULL; row++)
		if (strcmp(row->key, key) == 0)
			return (char *)state + row->offset;
	fail_msg("no setting %s", key);
	return NULL;
}

static int engine_open(void **out, const options *o, sb_error *error)
{
	void *state = calloc(1, sb_engine_clamd.state_size);
	size_t count = o->addresses[0] == NULL ? 0 : o->addresses[1] == NULL ? 1 : 2;

	assert_non_null(state);
	*(sb_texts *)setting(state, "address") = (sb_texts){o->addresses, count};
	*(int *)setting(state, "transport") = o->transport;
	*(uint64_t *)setting(state, "chunk_size") = o->chunk_size != 0 ? o->chunk_size : 65536;
	*(uint64_t *)setting(state, "connect_timeout") = 10000;
	*(uint64_t *)setting(state, "session_max") = o->session_max != 0 ? o->session_max : 1 << 20;
	*(bool *)setting(state, "pool") = !o->no_pool;
	*out = state;
	return sb_engine_clamd.open(state, error);
}

static void *engine(const options *o)
{
	struct sb_error error;
	void *state;

	if (engine_open(&state, o, &error) != 0)
		fail_msg("open: %s", error.message);
	return state;
}

static void engine_close(void *state)
{
	sb_engine_clamd.close(state);
	free(state);
}

static void test_addresses(void **unused)
{
	static const struct {
		const char *why, *address;
		bool good;
	} rows[] = {
		{"unix socket", "unix:/run/clamav/clamd.ctl", true},
		{"host and port", "tcp:localhost:3310", true},
		{"IPv6", "tcp:[::1]:3310", true},
		{"no kind", "/run/clamd", false},
		{"unknown kind", "udp:localhost:3310", false},
		{"relative path", "unix:clamd.ctl", false},
		{"empty path", "unix:", false},
		{"path too long for a socket",
			"unix:/"
			"0123456789012345678901234567890123456789012345678901234567890123456789"
			"01234567890123456789012345678901234567",
			false},
		{"no port", "tcp:localhost", false},
		{"empty port", "tcp:localhost:", false},
		{"port 0", "tcp:localhost:0", false},
		{"port too large", "tcp:localhost:65536", false},
		{"port with sign", "tcp:localhost:+1", false},
		{"words behind the port", "tcp:localhost:1x", false},
		{"IPv6 without brackets", "tcp:::1:3310", false},
		{"no host", "tcp::3310", false},
		{"empty brackets", "tcp:[]:3310", false},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		options o = {.addresses = {rows[i].address}};
		struct sb_error error;
		void *state;
		int status = engine_open(&state, &o, &error);

		if ((status == 0) != rows[i].good)
			fail_msg("%s: %s", rows[i].why, rows[i].good ? error.message : "accepted");
		if (status != 0) {
			assert_int_equal(error.kind, SB_KIND_NOT_CONFIGURED);
			assert_non_null(strstr(error.message, rows[i].address));
		}
		engine_close(state);
	}
}

static void test_open_refuses(void **unused)
{
	options none = {.addresses = {NULL}};
	options fildes = {.addresses = {"unix:/x", "tcp:localhost:1"}, .transport = 1};
	struct sb_error error;
	void *state;

	(void)unused;
	assert_int_equal(engine_open(&state, &none, &error), -(int)SB_KIND_NOT_CONFIGURED);
	engine_close(state);
	assert_int_equal(engine_open(&state, &fildes, &error), -(int)SB_KIND_NOT_CONFIGURED);
	assert_non_null(strstr(error.message, "tcp:localhost:1"));
	engine_close(state);
}

/* --- A real clamd --------------------------------------------------------------------------- */

static char folder[64], local_address[128], tcp_address[64], tcp6_address[64], eicar[80];
static pid_t clamd_pid = -1;

static void write_file(const char *name, const char *text)
{
	char path[160];
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(sb_write_all(fd, text, strlen(text)), 0);
	sb_close(&fd);
}

/* A port that was free a moment ago. */
static unsigned free_port(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6};
	socklen_t length = sizeof any;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, length) != 0 ||
		getsockname(fd, (struct sockaddr *)&any, &length) != 0)
		fail_msg("no port");
	sb_close(&fd);
	return ntohs(any.sin6_port);
}

static bool answers(void)
{
	options o = {.addresses = {local_address}};
	void *state = engine(&o);
	sb_identity identity;
	int status = sb_engine_clamd.identity(state, 1000, &identity, NULL);

	engine_close(state);
	return status == 0;
}

/* Start it and wait until it answers; every wait ends after 30 s. */
static void clamd_start(const char *extra)
{
	uint64_t end = sb_net_deadline(30000);
	unsigned port = free_port();
	char text[2048], conf[160];

	snprintf(tcp_address, sizeof tcp_address, "tcp:127.0.0.1:%u", port);
	snprintf(tcp6_address, sizeof tcp6_address, "tcp:[::1]:%u", port);
	snprintf(text, sizeof text,
		"Foreground yes\nLocalSocket %s/s\nTCPSocket %u\nTCPAddr 127.0.0.1\nTCPAddr ::1\n"
		"DatabaseDirectory %s/db\nTemporaryDirectory %s\nLogFile %s/log\n"
		"FixStaleSocket yes\n%s",
		folder, port, folder, folder, folder, extra);
	write_file("clamd.conf", text);
	snprintf(conf, sizeof conf, "--config-file=%s/clamd.conf", folder);
	clamd_pid = fork();
	if (clamd_pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 1);
		dup2(null, 2);
		execlp("clamd", "clamd", conf, (char *)NULL);
		_exit(127);
	}
	assert_true(clamd_pid > 0);
	while (!answers()) {
		if (sb_net_now() > end || waitpid(clamd_pid, NULL, WNOHANG) == clamd_pid)
			fail_msg("clamd does not start; see %s/log", folder);
		poll(NULL, 0, 20);
	}
}

static void clamd_stop(int with)
{
	if (clamd_pid <= 0)
		return;
	kill(clamd_pid, SIGCONT);
	kill(clamd_pid, with);
	waitpid(clamd_pid, NULL, 0);
	clamd_pid = -1;
}

static bool have_clamd(void)
{
	static const char *const places[] = {
		"/usr/sbin/clamd", "/usr/bin/clamd", "/usr/local/sbin/clamd"};
	struct stat st;

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
		if (stat(places[i], &st) == 0)
			return true;
	return false;
}

static int set_up(void **state)
{
	static const char *const parts[] = {"X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-",
		"ANTIVIRUS-TEST", "-FILE!$H+H*"};
	char line[256], hex[161];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		memcpy(eicar + strlen(eicar), parts[i], strlen(parts[i]) + 1);
	snprintf(folder, sizeof folder, "/tmp/sb-clamd-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(line, sizeof line, "%s/db", folder);
	assert_int_equal(mkdir(line, 0755), 0);
	snprintf(local_address, sizeof local_address, "unix:%s/s", folder);
	sb_hex(hex, (const uint8_t *)eicar, strlen(eicar));
	snprintf(line, sizeof line, "Eicar-Test-Signature:0:*:%s\n", hex);
	write_file("db/test.ndb", line);
	return 0;
}

static void empty_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
	rmdir(path);
}

static int tear_down(void **state)
{
	char db[160];

	(void)state;
	snprintf(db, sizeof db, "%s/db", folder);
	empty_folder(db);
	empty_folder(folder);
	return 0;
}

static int start_with(const char *lines)
{
	if (have_clamd())
		clamd_start(lines);
	return 0;
}

static int start_small(void **state)
{
	(void)state;
	return start_with("StreamMaxLength 1M\nMaxFileSize 1M\nMaxThreads 4\n");
}

#define ALERTS "AlertExceedsMax yes\nAlertEncrypted yes\nMaxFileSize 2M\nStreamMaxLength 4M\n"

static int start_alerting(void **state)
{
	(void)state;
	return start_with(ALERTS "MaxScanSize 2M\n");
}

static int start_cutting(void **state)
{
	(void)state;
	return start_with(ALERTS "ScanMail no\n");
}

static int stop(void **state)
{
	(void)state;
	clamd_stop(SIGKILL);
	return 0;
}

#define NEED_CLAMD()                                                                               \
	do {                                                                                       \
		(void)unused;                                                                      \
		if (clamd_pid <= 0)                                                                \
			skip();                                                                    \
	} while (0)

/* Every transport, pooled or not, from memory and by reading. */
static void test_transports(void **unused)
{
	static const char clean[] = "nothing to be seen here";
	options rows[] = {
		{.addresses = {local_address}},
		{.addresses = {local_address}, .no_pool = true},
		{.addresses = {local_address}, .transport = 1},
		{.addresses = {local_address}, .transport = 2},
		{.addresses = {local_address}, .transport = 2, .no_pool = true},
		{.addresses = {local_address}, .transport = 2, .chunk_size = 1},
		{.addresses = {tcp_address}},
		{.addresses = {tcp_address}, .no_pool = true, .chunk_size = 7},
		{.addresses = {tcp6_address}},
		{.addresses = {tcp6_address}, .no_pool = true},
	};

	NEED_CLAMD();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		void *state = engine(&rows[i]);

		for (int round = 0; round < 3; round++) {
			sb_call call = {.size = strlen(eicar),
				.data = eicar,
				.cancel_fd = -1,
				.in_memory = round != 1};

			call = scan_call(state, call);
			EXPECT_INFECTED(call);
			call = (sb_call){.size = strlen(clean),
				.data = clean,
				.cancel_fd = -1,
				.in_memory = round != 1};
			call = scan_call(state, call);
			EXPECT_CLEAN(call, strlen(clean));
			call = scan(state, "", 0);
			EXPECT_CLEAN(call, 0);
		}
		engine_close(state);
	}
}

/* StreamMaxLength and MaxFileSize are 1 MiB, and this clamd is silent about the latter. */
static void test_stream_limit(void **unused)
{
	size_t limit = 1 << 20;
	char *data = calloc(1, limit + 100);

	NEED_CLAMD();
	assert_non_null(data);
	memset(data, 'a', limit + 100);
	for (int tcp = 0; tcp < 2; tcp++) {
		for (uint64_t session_max = 1; session_max < 8 << 20; session_max = 8 << 20) {
			options o = {.addresses = {tcp ? tcp_address : local_address},
				.transport = 2,
				.session_max = session_max};
			void *state = engine(&o);
			sb_call call = scan(state, data, limit - 1);

			EXPECT_CLEAN(call, limit - 1);
			call = scan(state, data, limit);
			EXPECT_CLEAN(call, limit);
			call = scan(state, data, limit + 1);
			EXPECT_ERROR(call, SB_KIND_FILE_TOO_LARGE);
			/* and the next one is not harmed by it */
			call = scan(state, eicar, strlen(eicar));
			EXPECT_INFECTED(call);
			engine_close(state);
		}
	}
	free(data);
}

static void test_unreadable_descriptor(void **unused)
{
	options o = {.addresses = {local_address}};
	void *state;
	sb_call call = {.data = eicar, .size = strlen(eicar), .cancel_fd = -1};

	NEED_CLAMD();
	state = engine(&o);
	call.fd_flags = O_WRONLY;
	call = scan_call(state, call);
	EXPECT_ERROR(call, SB_KIND_IO);
	call = (sb_call){.data = eicar, .size = strlen(eicar), .cancel_fd = -1, .fd_flags = O_PATH};
	call = scan_call(state, call);
	EXPECT_ERROR(call, SB_KIND_IO);
	engine_close(state);
}

static void test_one_session_serves_many(void **unused)
{
	options o = {.addresses = {local_address}};
	void *state;
	sb_clamd_peer peer;
	sb_net_wait wait = {sb_net_deadline(20000), -1};
	sb_clamd_link *link;
	char text[64];

	NEED_CLAMD();
	state = engine(&o);
	for (int i = 0; i < 1000; i++) {
		sb_call call;

		snprintf(text, sizeof text, "file number %d", i);
		call = i % 10 == 9 ? scan(state, eicar, strlen(eicar))
				   : scan(state, text, strlen(text));
		if (i % 10 == 9)
			EXPECT_INFECTED(call);
		else
			EXPECT_CLEAN(call, strlen(text));
	}
	engine_close(state);

	/* the same below the engine, where the link can be seen */
	assert_int_equal(sb_clamd_peer_open(&peer, local_address, NULL), 0);
	assert_int_equal(sb_clamd_link_open(&link, &peer, true, &wait, NULL), 0);
	for (int i = 0; i < 3; i++) {
		sb_clamd_request request = {.command = SB_CLAMD_PING, .fd = -1};
		sb_clamd_link *before = link;
		sb_clamd_verdict verdict;
		sb_clamd_reply reply;

		assert_int_equal(sb_clamd_ask(link, "", &request, &wait, &reply, NULL), 0);
		sb_clamd_reply_judge(&reply, true, &verdict);
		assert_int_equal(verdict.outcome, SB_OUTCOME_CLEAN);
		assert_int_equal(reply.id, i + 1);
		sb_clamd_pool_give(&peer, link);
		link = sb_clamd_pool_take(&peer);
		assert_ptr_equal(link, before);
	}
	sb_clamd_pool_give(&peer, link);
	sb_clamd_peer_close(&peer);
}

static void *scan_many(void *state)
{
	char text[64];

	for (int i = 0; i < 100; i++) {
		sb_call call;

		snprintf(text, sizeof text, "%p file %d", (void *)&text, i);
		call = scan(state, text, strlen(text));
		if (call.outcome != SB_OUTCOME_CLEAN)
			return state;
		call = scan(state, eicar, strlen(eicar));
		if (call.outcome != SB_OUTCOME_INFECTED)
			return state;
	}
	return NULL;
}

static void run_threads(void *state, int reloads)
{
	pthread_t threads[8];
	void *failed;

	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, scan_many, state), 0);
	for (int i = 0; i < reloads; i++) {
		kill(clamd_pid, SIGUSR2);
		poll(NULL, 0, 20);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

static void test_threads_and_reload(void **unused)
{
	options local = {.addresses = {local_address}};
	options tcp = {.addresses = {tcp_address}};
	void *state;

	NEED_CLAMD();
	state = engine(&local);
	run_threads(state, 0);
	run_threads(state, 5);
	engine_close(state);
	state = engine(&tcp);
	run_threads(state, 0);
	engine_close(state);
}

static void test_identity(void **unused)
{
	options o = {.addresses = {tcp_address}};
	struct sb_error error;
	sb_identity identity;
	void *state;

	NEED_CLAMD();
	state = engine(&o);
	assert_int_equal(sb_engine_clamd.identity(state, 5000, &identity, &error), 0);
	assert_true(identity.engine_version[0] >= '0' && identity.engine_version[0] <= '9');
	assert_string_equal(identity.signature_version, "");
	assert_int_equal(identity.exactness, SB_EXACT_PARTIAL);
	engine_close(state);
}

static void test_next_address(void **unused)
{
	char missing[160];
	options o = {.addresses = {missing, local_address}};
	sb_identity identity;
	void *state;

	NEED_CLAMD();
	snprintf(missing, sizeof missing, "unix:%s/none", folder);
	state = engine(&o);
	assert_int_equal(sb_engine_clamd.identity(state, 5000, &identity, NULL), 0);
	for (int i = 0; i < 2; i++) {
		sb_call call = scan(state, eicar, strlen(eicar));
		EXPECT_INFECTED(call);
	}
	engine_close(state);
	o.addresses[1] = NULL;
	state = engine(&o);
	sb_call call = scan(state, eicar, strlen(eicar));
	EXPECT_ERROR(call, SB_KIND_CONNECTION_FAILED);
	assert_non_null(strstr(call.error.message, missing));
	engine_close(state);
}

typedef struct attested {
	int limits, encrypted, mail, max_size;
} attested;

static void check_canary(uint64_t max_size, attested expected)
{
	options o = {.addresses = {local_address}, .transport = 2};
	struct sb_error error;
	sb_check check = {.max_size = max_size, .holds = {-1, -1, -1, -1}};

	check.state = engine(&o);
	assert_int_equal(sb_engine_clamd.canary(check.state, &check, &error), 0);
	assert_int_equal(check.holds[SB_ATTEST_LIMITS], expected.limits);
	assert_int_equal(check.holds[SB_ATTEST_ENCRYPTED], expected.encrypted);
	assert_int_equal(check.holds[SB_ATTEST_MAIL], expected.mail);
	assert_int_equal(check.holds[SB_ATTEST_MAX_SIZE], expected.max_size);
	engine_close(check.state);
}

static void test_canary_of_a_silent_clamd(void **unused)
{
	NEED_CLAMD();
	check_canary(1 << 20, (attested){false, false, true, true});
	check_canary((1 << 20) + 1, (attested){false, false, true, false});
	check_canary(0, (attested){false, false, true, false});
}

static void test_canary_of_an_alerting_clamd(void **unused)
{
	NEED_CLAMD();
	check_canary(2 << 20, (attested){true, true, true, true});
	check_canary((2 << 20) + 1, (attested){true, true, true, false});
	check_canary(0, (attested){true, true, true, false});
}

/* MaxScanSize is clamd's own, far beyond MaxFileSize; and mail is left alone. */
static void test_canary_of_a_cutting_clamd(void **unused)
{
	NEED_CLAMD();
	check_canary(2 << 20, (attested){false, true, false, true});
}

static void test_size_alert(void **unused)
{
	options o = {.addresses = {local_address}};
	size_t size = (2 << 20) + 1;
	char *data = calloc(1, size);
	void *state;
	sb_call call;

	NEED_CLAMD();
	assert_non_null(data);
	state = engine(&o);
	call = scan(state, data, size);
	EXPECT_ERROR(call, SB_KIND_LIMIT_EXCEEDED);
	engine_close(state);
	free(data);
}

/* Stopped: nothing but the deadline helps. Killed: the pooled session is dead, so is the next. */
static void test_stopped_and_killed(void **unused)
{
	options o = {.addresses = {local_address}};
	sb_call call = {.data = eicar, .size = strlen(eicar), .cancel_fd = -1};
	sb_call cancelled = call;
	void *state;

	NEED_CLAMD();
	state = engine(&o);
	EXPECT_INFECTED(scan(state, eicar, strlen(eicar)));
	kill(clamd_pid, SIGSTOP);
	call.deadline = sb_net_deadline(200);
	call = scan_call(state, call);
	EXPECT_ERROR(call, SB_KIND_TIMEOUT);
	cancelled.cancel_fd = eventfd(1, EFD_CLOEXEC);
	cancelled = scan_call(state, cancelled);
	EXPECT_ERROR(cancelled, SB_KIND_CANCELLED);
	close(cancelled.cancel_fd);
	kill(clamd_pid, SIGCONT);
	EXPECT_INFECTED(scan(state, eicar, strlen(eicar)));
	clamd_stop(SIGKILL);
	call = scan(state, eicar, strlen(eicar));
	EXPECT_ERROR(call, SB_KIND_CONNECTION_FAILED);
	/* a new one behind the same socket: the old session is not mistaken for it */
	clamd_start("");
	EXPECT_INFECTED(scan(state, eicar, strlen(eicar)));
	engine_close(state);
}

/* --- A scripted clamd ----------------------------------------------------------------------- */

/* One connection: what must have arrived before the answer goes out, and whether it closes. */
typedef struct step {
	size_t await; /* bytes to read first; 0: answer at once */
	const char *answer;
	size_t length;
	bool keep; /* read on until the client hangs up, then take the next connection */
} step;

typedef struct script {
	int listener;
	const step *steps;
	size_t count;
	pthread_t thread;
	char address[160];
} script;

static void play(int fd, const step *s)
{
	char bytes[4096];
	size_t seen = 0;

	while (seen < s->await) {
		ssize_t n = recv(fd, bytes, sizeof bytes, 0);
		if (n <= 0)
			return;
		seen += (size_t)n;
	}
	if (send(fd, s->answer, s->length, MSG_NOSIGNAL) < 0)
		return;
	while (s->keep && recv(fd, bytes, sizeof bytes, 0) > 0)
		continue;
}

static void *script_run(void *data)
{
	script *s = data;

	for (size_t i = 0; i < s->count; i++) {
		int fd = accept(s->listener, NULL, NULL);

		if (fd < 0)
			break;
		play(fd, &s->steps[i]);
		close(fd);
	}
	return NULL;
}

static void script_start(script *s, const step *steps, size_t count)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	static int number;

	*s = (script){.steps = steps, .count = count};
	snprintf(where.sun_path, sizeof where.sun_path, "%s/f%d", folder, number++);
	snprintf(s->address, sizeof s->address, "unix:%s", where.sun_path);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&where, sizeof where), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, script_run, s), 0);
}

static void script_end(script *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
}

#define B(literal) literal, sizeof(literal) - 1

static const struct {
	const char *why;
	bool pool;
	step steps[2];
	sb_outcome outcome;
	sb_kind kind;
} stories[] = {
#define ERR(kind) SB_OUTCOME_ERROR, SB_KIND_##kind
	{"clean over a plain connection", false, {{14, B("stream: OK\0")}}, SB_OUTCOME_CLEAN,
		SB_KIND_NONE},
	{"clean in a session", true, {{25, B("1: stream: OK\0"), true}}, SB_OUTCOME_CLEAN,
		SB_KIND_NONE},
	{"accepted and closed", false, {{0, B("")}}, ERR(CONNECTION_FAILED)},
	{"closed after the upload", false, {{14, B("")}}, ERR(CONNECTION_FAILED)},
	{"another id", true, {{25, B("2: stream: OK\0"), true}}, ERR(PROTOCOL_ERROR)},
	{"two replies in a session", true, {{25, B("1: stream: OK\0001: stream: OK\0"), true}},
		ERR(PROTOCOL_ERROR)},
	{"two replies", false, {{14, B("stream: OK\0stream: OK\0")}}, ERR(PROTOCOL_ERROR)},
	{"cut short", false, {{14, B("stream: O")}}, ERR(PROTOCOL_ERROR)},
	{"no terminator", false, {{14, B("stream: OK")}}, ERR(PROTOCOL_ERROR)},
	{"limit", false, {{10, B("INSTREAM size limit exceeded. ERROR\0")}}, ERR(FILE_TOO_LARGE)},
	{"clamd got tired", true, {{25, B("COMMAND READ TIMED OUT\n")}}, ERR(TIMEOUT)},
};

static void test_scripts(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof stories / sizeof stories[0]; i++) {
		options o = {.transport = 2, .no_pool = !stories[i].pool};
		script fake;
		sb_call call;
		void *state;

		script_start(&fake, stories[i].steps, 1);
		o.addresses[0] = fake.address;
		state = engine(&o);
		call = scan(state, "", 0);
		if (call.outcome != stories[i].outcome || call.error.kind != stories[i].kind)
			fail_msg("%s: %s %s", stories[i].why, sb_outcome_name(call.outcome),
				call.error.message);
		engine_close(state);
		script_end(&fake);
	}
}

/* The answer comes while most of the body is still to be sent, and clamd reads on. */
static void test_answer_before_the_end(void **unused)
{
	static const step early_ok[] = {{1, B("stream: OK\0"), true}};
	static const step early_found[] = {{1, B("stream: X FOUND\0"), true}};
	static const step early_limit[] = {{1, B("INSTREAM size limit exceeded. ERROR\0")}};
	static const struct {
		const step *steps;
		sb_outcome outcome;
		sb_kind kind;
	} rows[] = {
		{early_ok, ERR(PROTOCOL_ERROR)},
		{early_found, SB_OUTCOME_INFECTED, SB_KIND_NONE},
		{early_limit, ERR(FILE_TOO_LARGE)},
	};
	size_t size = 16 << 20;
	char *data = calloc(1, size);

	(void)unused;
	assert_non_null(data);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		options o = {.transport = 2};
		script fake;
		sb_call call;
		void *state;

		script_start(&fake, rows[i].steps, 1);
		o.addresses[0] = fake.address;
		state = engine(&o);
		call = scan(state, data, size);
		if (call.outcome != rows[i].outcome || call.error.kind != rows[i].kind)
			fail_msg("row %zu: %s %s", i, sb_outcome_name(call.outcome),
				call.error.message);
		assert_true(call.bytes < size);
		engine_close(state);
		script_end(&fake);
	}
	free(data);
}

/* The session dies while it is idle: the scan does not notice. */
static void test_dead_session_is_replaced(void **unused)
{
	static const step steps[] = {
		{25, B("1: stream: OK\0")}, /* and closes */
		{25, B("1: stream: X FOUND\0"), true},
	};
	options o = {.transport = 2};
	script fake;
	sb_call call;
	void *state;

	(void)unused;
	script_start(&fake, steps, 2);
	o.addresses[0] = fake.address;
	state = engine(&o);
	call = scan(state, "", 0);
	EXPECT_CLEAN(call, 0);
	call = scan(state, "", 0);
	assert_int_equal(call.outcome, SB_OUTCOME_INFECTED);
	engine_close(state);
	script_end(&fake);
}

static void test_lost_descriptor_falls_back(void **unused)
{
	static const step steps[] = {
		{9, B("No file descriptor received. ERROR\0")},
		{14, B("stream: X FOUND\0")},
		{14, B("stream: OK\0")},
	};
	options o = {.no_pool = true};
	script fake;
	sb_call call;
	void *state;

	(void)unused;
	script_start(&fake, steps, 3);
	o.addresses[0] = fake.address;
	state = engine(&o);
	call = scan(state, "", 0);
	assert_int_equal(call.outcome, SB_OUTCOME_INFECTED);
	call = scan(state, "", 0);
	EXPECT_CLEAN(call, 0);
	engine_close(state);
	script_end(&fake);
}

static void test_full_queue(void **unused)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	char address[160];
	options o = {.addresses = {address}};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), first;
	sb_call call = {.data = "", .in_memory = true, .cancel_fd = -1};
	void *state;

	(void)unused;
	snprintf(where.sun_path, sizeof where.sun_path, "%s/full", folder);
	snprintf(address, sizeof address, "unix:%s", where.sun_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&where, sizeof where), 0);
	assert_int_equal(listen(listener, 0), 0);
	first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(first, (struct sockaddr *)&where, sizeof where), 0);
	state = engine(&o);
	call.deadline = sb_net_deadline(100);
	call = scan_call(state, call);
	EXPECT_ERROR(call, SB_KIND_ENGINE_UNAVAILABLE);
	engine_close(state);
	close(first);
	close(listener);
}

int main(void)
{
#define SMALL(test) cmocka_unit_test_setup_teardown(test, start_small, stop)
#define ALERTING(test) cmocka_unit_test_setup_teardown(test, start_alerting, stop)
#define CUTTING(test) cmocka_unit_test_setup_teardown(test, start_cutting, stop)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_open_refuses),
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_answer_before_the_end),
		cmocka_unit_test(test_dead_session_is_replaced),
		cmocka_unit_test(test_lost_descriptor_falls_back),
		cmocka_unit_test(test_full_queue),
		SMALL(test_transports),
		SMALL(test_stream_limit),
		SMALL(test_unreadable_descriptor),
		SMALL(test_one_session_serves_many),
		SMALL(test_threads_and_reload),
		SMALL(test_identity),
		SMALL(test_next_address),
		SMALL(test_canary_of_a_silent_clamd),
		ALERTING(test_canary_of_an_alerting_clamd),
		CUTTING(test_canary_of_a_cutting_clamd),
		ALERTING(test_size_alert),
		SMALL(test_stopped_and_killed),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
