/* SPDX-License-Identifier: MIT */
/*
 * ClamAV over clamd's socket. A scan picks an address and a transport (the descriptor itself
 * where it can be passed, a stream otherwise), asks over a pooled session or, for large content,
 * over a connection of its own, and turns the one reply into one statement.
 *
 * Several addresses are replicas: the core says which one an attempt goes to. Trying again within
 * one call happens only where nothing was judged: a fresh link when a pooled one had died, a
 * stream when descriptors get lost on the way; and, in known-answer tests, the next address when
 * no connection comes about. Everything else is returned, and the core decides.
 *
 * With `spawn` the one address is that of a clamd of our own (spawn.h).
 */
#include "engines/clamd/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engines/known_answers.h"
#include "util/buf.h"
#include "util/error.h"
#include "util/text.h"

/* Together with others, alone, and once more should it be somebody else's again. */
enum { VISITS = 3 };

/* What was clean so shortly before clamd was heard to fail is not remembered. */
enum { DOUBT_MS = 5000 };

typedef enum transport { TRANSPORT_AUTO, TRANSPORT_FILDES, TRANSPORT_INSTREAM } transport;

typedef struct clamd {
	/* settings */
	sb_texts address;
	int transport;
	uint64_t chunk_size, connect_timeout_ms, session_max;
	bool pool;
	sb_spawn_settings spawning;
	const sb_environment *environment;
	/* made by open() */
	sb_clamd_peer *peers;
	size_t peer_count;
	sb_spawn *spawn;         /* NULL: none of our own */
	atomic_size_t preferred; /* the address that worked last */
} clamd;

static const char *const transports[] = {"auto", "fildes", "instream", NULL};

static const char *const updates[] = {"auto", "freshclam", "follow", "off", NULL};

static const sb_setting spawn_settings[] = {
	{"program", SB_SETTING_PATH, offsetof(clamd, spawning.program),
		.help = "the clamd to start; without it, where it is usually installed"},
	{"database", SB_SETTING_PATH, offsetof(clamd, spawning.database),
		.help = "a folder of signatures that others fill, such as /var/lib/clamav, never "
			"written to; without it clamav/db in the data directory"},
	{"update", SB_SETTING_CHOICE, offsetof(clamd, spawning.update), "auto", .choices = updates,
		.operational = true,
		.help = "freshclam: run it at intervals, for a folder of our own; follow: load "
			"what others put there; off: look at the folder at a start only; auto: "
			"freshclam without database, else follow"},
	{"freshclam", SB_SETTING_PATH, offsetof(clamd, spawning.freshclam), .operational = true,
		.help = "the freshclam to run; without it, where it is usually installed"},
	{"interval", SB_SETTING_DURATION, offsetof(clamd, spawning.interval_ms), "2h", 1000,
		30 * 86400000., .operational = true, .help = "from one freshclam to the next"},
	{"temporary", SB_SETTING_PATH, offsetof(clamd, spawning.temporary), .operational = true,
		.help = "where clamd unpacks; without it in memory, where there is room for four "
			"times max_size for each scan at the same time, else in the data "
			"directory"},
	{"user", SB_SETTING_TEXT, offsetof(clamd, spawning.user), .operational = true,
		.help = "whom clamd and freshclam run as when we are root; without it clamav"},
	{"start_timeout", SB_SETTING_DURATION, offsetof(clamd, spawning.start_timeout_ms), "3m",
		100, 86400000., .operational = true,
		.help = "for loading the signatures; a clamd that is silent for so long is ended "
			"and started anew, then and later"},
	{NULL},
};

static const sb_setting settings[] = {
	{"address", SB_SETTING_TEXTS, offsetof(clamd, address), .required = true,
		.instead = "spawn",
		.help = "where clamd listens: unix:PATH or tcp:HOST:PORT; several are replicas"},
	{"transport", SB_SETTING_CHOICE, offsetof(clamd, transport), "auto", .choices = transports,
		.operational = true,
		.help = "pass the descriptor (fildes, unix sockets only) or send the bytes"},
	{"chunk_size", SB_SETTING_SIZE, offsetof(clamd, chunk_size), "64KiB", 1, 16777216,
		.operational = true, .help = "bytes per piece of a stream"},
	{"connect_timeout", SB_SETTING_DURATION, offsetof(clamd, connect_timeout_ms), "10s", 1,
		3600000, .operational = true, .help = "for connecting to one address"},
	{"pool", SB_SETTING_BOOL, offsetof(clamd, pool), "true", .operational = true,
		.help = "keep sessions open between scans"},
	{"session_max", SB_SETTING_SIZE, offsetof(clamd, session_max), "1MiB", 0, 1099511627776,
		.operational = true, .help = "larger content gets a connection of its own"},
	{"spawn", SB_SETTING_SECTION, offsetof(clamd, spawning.given), .rows = spawn_settings,
		.help = "Instead of address: a clamd of our own, started with limits that fit the "
			"engine's, watched, started again when it ends, and ended with us"},
	{NULL},
};

/* --- Open and close ------------------------------------------------------------------------ */

static void clamd_environment(void *state, const sb_environment *environment)
{
	clamd *c = state;

	c->environment = environment;
}

static int open_spawned(clamd *c, sb_error *error)
{
	int status;

	if (c->address.count > 0)
		return sb_error_set(
			error, SB_KIND_NOT_CONFIGURED, 0, "address and spawn exclude each other");
	c->peers = calloc(1, sizeof *c->peers);
	if (c->peers == NULL)
		return sb_error_no_memory(error);
	status = sb_spawn_open(&c->spawn, &c->spawning, c->environment, error);
	if (status == 0)
		status = sb_clamd_peer_open(&c->peers[0], sb_spawn_address(c->spawn), error);
	if (status != 0)
		return status;
	c->peers[0].address.text = sb_spawn_name(c->spawn);
	c->peer_count = 1;
	return 0;
}

static int clamd_open(void *state, sb_error *error)
{
	clamd *c = state;

	if (c->spawning.given)
		return open_spawned(c, error);
	if (c->address.count == 0)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"address: at least one is needed, such as unix:/run/clamav/clamd.ctl");
	c->peers = calloc(c->address.count, sizeof *c->peers);
	if (c->peers == NULL)
		return sb_error_no_memory(error);
	for (size_t i = 0; i < c->address.count; i++) {
		int status = sb_clamd_peer_open(&c->peers[i], c->address.items[i], error);

		if (status != 0)
			return status;
		c->peer_count++;
		if (c->transport == TRANSPORT_FILDES && !c->peers[i].address.local)
			return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
				"address `%s`: transport fildes needs a unix socket; use "
				"transport auto or instream",
				c->address.items[i]);
	}
	return 0;
}

static void clamd_close(void *state)
{
	clamd *c = state;

	for (size_t i = 0; i < c->peer_count; i++)
		sb_clamd_peer_close(&c->peers[i]);
	free(c->peers);
	c->peers = NULL;
	c->peer_count = 0;
	sb_spawn_close(c->spawn);
	c->spawn = NULL;
}

/* --- One request to one clamd -------------------------------------------------------------- */

/* A link whose reply leaves no doubt about where the next one begins. */
static bool reusable(const sb_clamd_request *request, const sb_clamd_verdict *verdict)
{
	return request->complete &&
	       (verdict->outcome == SB_OUTCOME_CLEAN || verdict->outcome == SB_OUTCOME_INFECTED ||
		       verdict->kind == SB_KIND_LIMIT_EXCEEDED ||
		       verdict->kind == SB_KIND_ENCRYPTED || verdict->kind == SB_KIND_CORRUPT);
}

/* Connecting has a limit of its own inside the call's deadline. */
static int connect_link(const clamd *c, const sb_clamd_peer *peer, bool session,
	const sb_net_wait *wait, sb_clamd_link **out, sb_error *error)
{
	sb_net_wait connecting = sb_net_within(wait, c->connect_timeout_ms);

	return sb_clamd_link_open(out, peer, session, &connecting, error);
}

/* 0 when a reply was judged. @p unreachable: no connection came about. */
static int ask_peer(const clamd *c, sb_clamd_peer *peer, sb_clamd_request *request, bool session,
	const sb_net_wait *wait, sb_clamd_reply *reply, sb_clamd_verdict *verdict,
	bool *unreachable, sb_error *error)
{
	sb_clamd_link *link = session ? sb_clamd_pool_take(peer) : NULL;
	int status;

	for (;;) {
		status = link == NULL ? connect_link(c, peer, session, wait, &link, error) : 0;
		*unreachable = status != 0;
		if (status != 0)
			return status;
		status = sb_clamd_ask(link, peer->address.text, request, wait, reply, error);
		if (status == 0 && !request->stale)
			break;
		sb_clamd_link_close(link);
		link = NULL;
		if (status != 0)
			return status;
	}
	sb_clamd_reply_judge(reply, request->complete, verdict);
	if (session && reusable(request, verdict))
		sb_clamd_pool_give(peer, link);
	else
		sb_clamd_link_close(link);
	return 0;
}

/* --- Transports ---------------------------------------------------------------------------- */

/* clamd calls a descriptor that it can't read OK: so only what is surely readable goes out. */
static int check_descriptor(int fd, const sb_call *call, sb_error *error)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(fd, &st) != 0)
		return sb_error_set(error, SB_KIND_IO, errno, "look at the content's descriptor");
	if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY)
		return sb_error_set(
			error, SB_KIND_IO, 0, "the content's descriptor is not readable");
	if (!S_ISREG(st.st_mode))
		return sb_error_set(error, SB_KIND_UNSUPPORTED, 0,
			"the content's descriptor is no regular file");
	if ((uint64_t)st.st_size != sb_call_size(call))
		return sb_error_set(error, SB_KIND_CHANGED, 0,
			"the content's size changed while it was scanned");
	return 0;
}

static int prepare(const clamd *c, const sb_clamd_peer *peer, sb_call *call,
	sb_clamd_request *request, sb_error *error)
{
	bool pass = c->transport == TRANSPORT_FILDES ||
		    (c->transport == TRANSPORT_AUTO && peer->address.local &&
			    !atomic_load(&peer->no_descriptors));

	*request = (sb_clamd_request){.command = SB_CLAMD_INSTREAM, .call = call, .fd = -1};
	request->chunk = (size_t)c->chunk_size;
	if (!pass)
		return 0;
	request->command = SB_CLAMD_FILDES;
	request->fd = sb_call_fd(call, error);
	if (request->fd < 0)
		return error != NULL ? -(int)sb_error_kind(error) : -(int)SB_KIND_IO;
	return check_descriptor(request->fd, call, error);
}

/* --- Statements ---------------------------------------------------------------------------- */

static int state_error(const char *where, const sb_clamd_verdict *verdict, sb_error *error)
{
	size_t shown = verdict->length < 200 ? verdict->length : 200;
	sb_buf words;
	int status;

	sb_buf_init(&words, 4096);
	sb_escape(&words, verdict->text, shown);
	status = sb_error_set(error, verdict->kind, 0, "%s: %s%s", where,
		verdict->kind == SB_KIND_PROTOCOL_ERROR ? "not clamd's protocol: " : "",
		words.data != NULL ? words.data : "empty reply");
	sb_buf_done(&words);
	return status;
}

/* What became of one call, for whoever watches over a clamd of our own. */
typedef struct outcome {
	bool delivered; /* clamd got some of it */
	bool clean;
} outcome;

static int state_verdict(sb_call *call, const sb_clamd_peer *peer, const sb_clamd_request *request,
	const sb_clamd_verdict *verdict, sb_error *error)
{
	uint64_t bytes = request->command == SB_CLAMD_FILDES ? sb_call_size(call) : request->sent;
	sb_threat threat = {.name = verdict->text, .name_length = verdict->length};

	switch (verdict->outcome) {
	case SB_OUTCOME_CLEAN:
		return sb_call_clean(call, bytes, SB_CONTENT_INSPECTED, error);
	case SB_OUTCOME_INFECTED:
		/* clamd stops at the first hit: what else is inside, it can't say */
		sb_call_cover(call, bytes, SB_CONTENT_UNKNOWN);
		return sb_call_infected(call, &threat, error);
	case SB_OUTCOME_ERROR:
	case SB_OUTCOME_SUSPICIOUS:
		break;
	}
	return state_error(peer->address.text, verdict, error);
}

/* --- Slots --------------------------------------------------------------------------------- */

static int scan_with(const clamd *c, sb_clamd_peer *peer, sb_call *call, const sb_net_wait *wait,
	sb_clamd_reply *reply, outcome *out, bool *unreachable, sb_error *error)
{
	bool session = c->pool && sb_call_size(call) <= c->session_max;
	sb_clamd_request request;
	sb_clamd_verdict verdict;
	int status;

	do {
		*unreachable = false;
		status = prepare(c, peer, call, &request, error);
		if (status == 0)
			status = ask_peer(c, peer, &request, session, wait, reply, &verdict,
				unreachable, error);
		out->delivered |= request.delivered;
		if (status != 0)
			return status;
		if (request.command != SB_CLAMD_FILDES || !verdict.no_descriptor)
			break;
		atomic_store(&peer->no_descriptors, true);
	} while (c->transport == TRANSPORT_AUTO);
	out->clean = verdict.outcome == SB_OUTCOME_CLEAN;
	return state_verdict(call, peer, &request, &verdict, error);
}

static int scan_peers(
	clamd *c, sb_call *call, const sb_net_wait *wait, outcome *out, sb_error *error)
{
	size_t wanted = sb_call_replica(call);
	size_t first = wanted != SB_ANY_REPLICA ? wanted : atomic_load(&c->preferred);
	size_t tries = wanted != SB_ANY_REPLICA ? 1 : c->peer_count;
	sb_clamd_reply reply;
	int status = 0;

	for (size_t i = 0; i < tries; i++) {
		size_t at = (first + i) % c->peer_count;
		bool unreachable;

		*out = (outcome){0};
		status = scan_with(c, &c->peers[at], call, wait, &reply, out, &unreachable, error);
		if (status == 0 && i > 0)
			atomic_store(&c->preferred, at);
		/* what answered badly is not asked first next time */
		if (status == -(int)SB_KIND_CONNECTION_FAILED || status == -(int)SB_KIND_TIMEOUT)
			atomic_store(&c->preferred, (at + 1) % c->peer_count);
		if (!unreachable || status == -(int)SB_KIND_CANCELLED)
			break;
	}
	return status;
}

static int doubt(const clamd *c, sb_call *call, const char *how, sb_error *error)
{
	sb_call_doubt(call, DOUBT_MS);
	return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, 0,
		"%s called this clean and may not have looked at all of it: %s",
		sb_spawn_name(c->spawn), how);
}

/* A connection that breaks because our own clamd ends: when nobody else was inside, this content is
 * why; else it is asked again, alone. So it is when clamd was heard to fail at unpacking something
 * while it called this clean: what it could not unpack is OK to it. */
static int scan_spawned(clamd *c, sb_call *call, const sb_net_wait *wait, sb_error *error)
{
	bool again = true;
	int status = 0;

	for (int i = 0; i < VISITS && again; i++) {
		sb_spawn_record record;
		sb_spawn_visit visit;
		char how[SB_SPAWN_LINE];
		outcome out;

		status = sb_spawn_enter(c->spawn, sb_call_size(call), wait, &visit, &record, error);
		if (status != 0)
			return status;
		sb_call_versions(call, record.engine, record.signatures);
		status = scan_peers(c, call, wait, &out, error);
		visit.broken = status == -(int)SB_KIND_CONNECTION_FAILED;
		visit.delivered = out.delivered;
		visit.clean = status == 0 && out.clean;
		switch (sb_spawn_leave(c->spawn, &visit, wait, how, sizeof how)) {
		case SB_SPAWN_LIVES:
			again = false;
			break;
		case SB_SPAWN_ENDED:
			break;
		case SB_SPAWN_DIED_OF:
			return sb_error_set(error, SB_KIND_ENGINE_CRASHED, 0,
				"%s %s while it looked at this", sb_spawn_name(c->spawn), how);
		case SB_SPAWN_DOUBTED:
			again = !visit.alone;
			status = doubt(c, call, how, error);
			break;
		}
	}
	return status;
}

static int clamd_scan(void *state, sb_call *call, sb_error *error)
{
	clamd *c = state;
	sb_net_wait wait = {sb_net_deadline(sb_call_remaining_ms(call)), sb_call_cancel_fd(call)};

	outcome out;

	return c->spawn != NULL ? scan_spawned(c, call, &wait, error)
				: scan_peers(c, call, &wait, &out, error);
}

static const char *const *clamd_replicas(const void *state, size_t *count)
{
	const clamd *c = state;

	if (c->spawn != NULL) {
		*count = 1;
		return NULL;
	}

	*count = c->address.count;
	return c->address.items;
}

/* Like clamd's own text, which is what people compare it with. */
static int keep_identity(
	const sb_clamd_verdict *verdict, const char *where, sb_identity *out, sb_error *error)
{
	sb_clamd_version version;

	if (!sb_clamd_version_parse(verdict->text, verdict->length, &version))
		return sb_error_set(error, SB_KIND_PROTOCOL_ERROR, 0,
			"%s: the answer to VERSION has another form", where);
	*out = (sb_identity){.signature_time = version.time, .exactness = SB_EXACT_PARTIAL};
	memcpy(out->engine_version, version.engine, sizeof version.engine);
	memcpy(out->signature_version, version.signatures, sizeof version.signatures);
	return 0;
}

/* As its keeper knows it: any change of the folder of signatures shows. */
static int spawned_identity(clamd *c, const sb_net_wait *wait, sb_identity *out, sb_error *error)
{
	sb_spawn_record record;
	int status = sb_spawn_await(c->spawn, wait, &record, error);

	if (status != 0)
		return status;
	*out = (sb_identity){.signature_time = record.time, .exactness = SB_EXACT_FULL};
	memcpy(out->engine_version, record.engine, sizeof record.engine);
	memcpy(out->signature_version, record.signatures, sizeof record.signatures);
	return 0;
}

static void clamd_limits(const void *state, sb_limits *out)
{
	const clamd *c = state;

	out->max_size = c->spawning.given ? SB_SPAWN_MAX_FILE : 0;
}

static int clamd_identity(void *state, uint64_t timeout_ms, sb_identity *out, sb_error *error)
{
	clamd *c = state;
	sb_net_wait wait = {sb_net_deadline(timeout_ms), -1};
	size_t first = atomic_load(&c->preferred);
	sb_clamd_reply reply;
	int status = 0;

	if (c->spawn != NULL)
		return spawned_identity(c, &wait, out, error);
	for (size_t i = 0; i < c->peer_count; i++) {
		sb_clamd_peer *peer = &c->peers[(first + i) % c->peer_count];
		sb_clamd_request request = {.command = SB_CLAMD_VERSION, .fd = -1};
		sb_clamd_verdict verdict;
		bool unreachable;

		status = ask_peer(
			c, peer, &request, false, &wait, &reply, &verdict, &unreachable, error);
		if (status == 0 && verdict.outcome == SB_OUTCOME_CLEAN)
			return keep_identity(&verdict, peer->address.text, out, error);
		if (status == 0)
			return state_error(peer->address.text, &verdict, error);
		if (!unreachable)
			break;
	}
	return status;
}

static int clamd_canary(void *state, sb_check *check, sb_error *error)
{
	static const sb_remedies remedies = {
		.limits = "set `AlertExceedsMax yes` in clamd.conf: without it clamd calls clean "
			  "what goes beyond its limits",
		.member_size =
			"set MaxScanSize in clamd.conf to the value of MaxFileSize: where it is "
			"more, clamd cuts an archive's member at MaxFileSize and calls the "
			"rest clean",
		.encrypted = "set `AlertEncrypted yes` (or `AlertEncryptedArchive yes` and "
			     "`AlertEncryptedDoc yes`) in clamd.conf: without it clamd calls clean "
			     "what it can't decrypt",
		.mail = "give clamd's TemporaryDirectory room, and don't turn ScanMail or "
			"ScanArchive off in clamd.conf: it calls the test file in a mail clean",
		.max_size = "raise MaxFileSize, MaxScanSize and StreamMaxLength in clamd.conf to "
			    "the engine's max_size or more, or lower max_size",
	};

	(void)state;
	return sb_known_answers(check, &remedies, error);
}

const sb_engine_ops sb_engine_clamd = {
	.abi = SB_ENGINE_ABI,
	.name = "clamd",
	.summary = "ClamAV through its daemon, by unix socket or TCP",
	.state_size = sizeof(clamd),
	.settings = settings,
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HONOURS_DEADLINE | SB_ENGINE_NEEDS_ATTESTATION,
	.environment = clamd_environment,
	.open = clamd_open,
	.scan = clamd_scan,
	.identity = clamd_identity,
	.replicas = clamd_replicas,
	.limits = clamd_limits,
	.canary = clamd_canary,
	.close = clamd_close,
};
