/* SPDX-License-Identifier: MIT */
/*
 * A plugin that does what no plugin should, for tests. While it is opened, by its setting `open`;
 * while it judges, by content that begins with `do: WORD`. Otherwise it objects to files that hold
 * the setting `needle`. -D options make it a plugin that can't be loaded at all.
 */
#include <scanbridge/sys/engine.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef INSIDE /* it knows how the worker is made inside, as one that was taken over would */
#include "worker/plugin.h"
#endif
#ifndef NAME
#define NAME "Guest.Needle"
#endif

struct guest_state {
	const char *needle, *open, *list;
	int64_t number;
	uint64_t size;
	int mood;
};

static const char *const moods[] = {"calm", "wild", NULL};
static const sb_setting settings[] = {
	{.key = "needle",
		.type = SB_SETTING_TEXT,
		.offset = offsetof(struct guest_state, needle),
		.fallback = "needle",
		.help = "what a file must not hold"},
	{.key = "open",
		.type = SB_SETTING_TEXT,
		.offset = offsetof(struct guest_state, open),
		.fallback = "",
		.help = "what to do while it is opened"},
	{.key = "list",
		.type = SB_SETTING_PATH,
		.offset = offsetof(struct guest_state, list),
		.help = "a file that must be readable while it is opened"},
	{.key = "number",
		.type = SB_SETTING_INT,
		.offset = offsetof(struct guest_state, number),
		.fallback = "7",
		.min = 1,
		.max = 9,
		.help = "1 to 9"},
	{.key = "size",
		.type = SB_SETTING_SIZE,
		.offset = offsetof(struct guest_state, size),
		.fallback = "1KiB",
		.help = "a size"},
	{.key = "mood",
		.type = SB_SETTING_CHOICE,
		.offset = offsetof(struct guest_state, mood),
		.fallback = "calm",
		.choices = moods,
		.help = "a word"},
#ifdef ASTRAY
	{.key = "astray", .type = SB_SETTING_TEXT, .offset = 1 << 20, .help = "outside"},
#endif
	{.key = NULL},
};

/* --- Misdeeds ----------------------------------------------------------------------------------
 */

static volatile bool forever = true;

struct scene {
	sb_call *call; /* NULL: while it is opened */
	sb_error *error;
};

static int fault(const struct scene *s)
{
	(void)s;
	*(volatile int *)8 = 1;
	return 0;
}

static int do_abort(const struct scene *s)
{
	(void)s;
	abort();
}

static int leave(const struct scene *s)
{
	(void)s;
	_exit(0);
}

static int leave_at_exit(const struct scene *s)
{
	(void)s;
	exit(0);
}

static int loop(const struct scene *s)
{
	(void)s;
	while (forever)
		continue;
	return 0;
}

static int doze(const struct scene *s)
{
	(void)s;
	while (forever)
		nanosleep(&(struct timespec){.tv_sec = 1000}, NULL);
	return 0;
}

static int flood_memory(const struct scene *s)
{
	(void)s;
	while (forever)
		memset(malloc(64 << 20), 1, 64 << 20);
	return 0;
}

static int overflow_stack(const struct scene *s)
{
	volatile char piece[1 << 16];

	piece[0] = 1;
	return overflow_stack(s) + piece[0];
}

static int flood_detections(const struct scene *s)
{
	const sb_threat threat = {.name = "Guest.Maybe", .name_length = 11};

	for (int i = 0; i < 1000000; i++)
		sb_call_suspicious(s->call, &threat, 0.5, s->error);
	return 0;
}

static int flood_text(const struct scene *s)
{
	const size_t size = 32 << 20;
	char *text = malloc(size);
	sb_threat threat = {.name = text, .name_length = size, .severity = SB_SEVERITY_HIGH};

	memset(text, 'x', size);
	text[size - 1] = '\0';
	threat.category = threat.description = threat.signature_id = threat.member = text;
	return sb_call_infected(s->call, &threat, s->error);
}

static int say_nothing(const struct scene *s)
{
	(void)s;
	return 0;
}

static int say_clean_too_early(const struct scene *s)
{
	return sb_call_clean(s->call, 1, SB_CONTENT_INSPECTED, s->error);
}

static int say_clean_too_much(const struct scene *s)
{
	return sb_call_clean(s->call, UINT64_MAX, SB_CONTENT_INSPECTED, s->error);
}

static int clean_then_fail(const struct scene *s)
{
	sb_call_clean(s->call, sb_call_size(s->call), SB_CONTENT_INSPECTED, s->error);
	return sb_error_set(s->error, SB_KIND_UNSUPPORTED, 0, "changed my mind");
}

static int odd_status(const struct scene *s)
{
	(void)s;
	return -12345;
}

static int abstain(const struct scene *s)
{
	return sb_call_abstain(s->call, SB_KIND_UNSUPPORTED, s->error, "none of my business");
}

static int open_socket(const struct scene *s)
{
	(void)s;
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : -1;
}

static int start_thread(const struct scene *s)
{
	(void)s;
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0 ? (_exit(0), 0) : 0;
}

/* Refused, and it goes on: then the content is as clean as it says. */
static int read_files(const struct scene *s)
{
	if (open("/etc/passwd", O_RDONLY) >= 0)
		_exit(99);
	return sb_call_clean(s->call, sb_call_size(s->call), SB_CONTENT_UNKNOWN, s->error);
}

/* Everything that a call offers, once; says clean if it is as it should be. */
static int use_all(const struct scene *s)
{
	sb_call *call = s->call;
	size_t length = 0, name_length = 0;
	const char *memory = sb_call_memory(call, &length),
		   *name = sb_call_name(call, &name_length);
	char piece[8] = {0}, again[8] = {0};
	uint8_t digest[32], other[32];
	int fd = sb_call_fd(call, s->error);

	if (memory == NULL || length != sb_call_size(call) || name_length != strlen(name) ||
		fd < 0 || lseek(fd, 0, SEEK_END) != (off_t)length || pread(fd, piece, 8, 0) != 8 ||
		memcmp(piece, memory, 8) != 0 || sb_call_read(call, 0, again, 8, s->error) != 8 ||
		memcmp(again, piece, 8) != 0 ||
		sb_call_read(call, length, again, 8, s->error) != 0 ||
		sb_call_digest(call, SB_DIGEST_SHA256, digest, s->error) != 0 ||
		sb_call_digest(call, SB_DIGEST_BLAKE3, other, s->error) != 0 ||
		memcmp(digest, other, 32) == 0 || sb_call_remaining_ms(call) == 0 ||
		sb_call_cancelled(call) || sb_call_cancel_fd(call) < 0 ||
		sb_call_passwords(call) == NULL)
		return sb_error_set(s->error, SB_KIND_INTERNAL, 0, "a call is not as it should be");
	sb_call_mime(call, "text/x-guest");
	sb_call_container(call, &(sb_container){.type = "box", .depth = 1, .members = 2});
	sb_call_versions(call, "guest 1", "list 7");
	return sb_call_clean(call, length, SB_CONTENT_UNKNOWN, s->error);
}

/* How often this process was asked to. */
static int count(const struct scene *s)
{
	static int times;
	char name[32];
	const int length = snprintf(name, sizeof name, "Guest.Count.%d", ++times);
	const sb_threat threat = {.name = name, .name_length = (size_t)length};

	return sb_call_infected(s->call, &threat, s->error);
}

#ifdef INSIDE
static int answer(sb_slot *slot, uint32_t length, uint32_t state)
{
	slot->reply_length = length;
	atomic_store(&slot->state, state);
	syscall(SYS_futex, &slot->state, 1, 1, NULL, NULL, 0);
	return doze(NULL);
}

static sb_slot *slot_of(const struct scene *s)
{
	return (sb_slot *)(void *)(s->call->writer.out - offsetof(sb_slot, reply));
}

static int say_garbage(const struct scene *s)
{
	memset(slot_of(s)->reply, 0xa5, 100);
	return answer(slot_of(s), 100, SB_SLOT_DONE);
}

static int say_too_long(const struct scene *s)
{
	return answer(slot_of(s), UINT32_MAX, SB_SLOT_DONE);
}

static int odd_state(const struct scene *s)
{
	return answer(slot_of(s), 0, 77);
}

/* A reply that says it judged, as the one of rules does, without a statement of a plugin. */
static int say_no_statement(const struct scene *s)
{
	sb_reply_writer writer;
	sb_slot *slot = slot_of(s);

	sb_reply_begin(&writer, slot->reply, sizeof slot->reply);
	return answer(
		slot, (uint32_t)sb_reply_finish(&writer, s->call->request->size), SB_SLOT_DONE);
}

/* Where the zygote talks with its host. */
static int garble(const struct scene *s)
{
	char noise[sizeof(sb_zygote_message)];

	(void)s;
	memset(noise, 0xa5, sizeof noise);
	for (int i = 0; i < 3; i++)
		(void)!write(SB_ZYGOTE_CONTROL, noise, sizeof noise);
	return 0;
}

static int hang_up(const struct scene *s)
{
	(void)s;
	for (int i = 3; i < 64; i++)
		close(i);
	return 0;
}
#endif

static const struct {
	const char *word;
	int (*deed)(const struct scene *s);
} deeds[] = {
	{"fault", fault},
	{"abort", do_abort},
	{"leave", leave},
	{"exit", leave_at_exit},
	{"loop", loop},
	{"doze", doze},
	{"memory", flood_memory},
	{"stack", overflow_stack},
	{"detections", flood_detections},
	{"text", flood_text},
	{"nothing", say_nothing},
	{"early", say_clean_too_early},
	{"much", say_clean_too_much},
	{"fail", clean_then_fail},
	{"odd", odd_status},
	{"abstain", abstain},
	{"socket", open_socket},
	{"thread", start_thread},
	{"files", read_files},
	{"all", use_all},
	{"count", count},
#ifdef INSIDE
	{"garbage", say_garbage},
	{"long", say_too_long},
	{"state", odd_state},
	{"unstated", say_no_statement},
	{"garble", garble},
	{"hangup", hang_up},
#endif
};

static int act(const char *text, size_t length, const struct scene *s, bool *done)
{
	*done = true;
	for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
		size_t word = strlen(deeds[i].word);

		if (length >= word && memcmp(text, deeds[i].word, word) == 0 &&
			(length == word || text[word] == '\n'))
			return deeds[i].deed(s);
	}
	*done = false;
	return 0;
}

/* --- The engine --------------------------------------------------------------------------------
 */

static int guest_open(void *state, sb_error *error)
{
	const struct guest_state *guest = state;
	const struct scene s = {.error = error};
	bool done;
	int fd = guest->list != NULL ? open(guest->list, O_RDONLY | O_CLOEXEC) : 0;

	if (fd < 0)
		return sb_error_set(error, SB_KIND_IO, 0, "the list %s can't be read", guest->list);
	if (strcmp(guest->open, "refuse") == 0)
		return sb_error_set(error, SB_KIND_TIMEOUT, 0, "number %d, size %d, mood %d",
			(int)guest->number, (int)guest->size, guest->mood);
	return act(guest->open, strlen(guest->open), &s, &done);
}

static int guest_scan(void *state, sb_call *call, sb_error *error)
{
	const struct guest_state *guest = state;
	const struct scene s = {.call = call, .error = error};
	const sb_threat threat = {.name = NAME, .name_length = sizeof NAME - 1};
	size_t length;
	const char *data = sb_call_memory(call, &length);
	bool done = false;
	int status = 0;

	if (data != NULL && length > 4 && memcmp(data, "do: ", 4) == 0)
		status = act(data + 4, length - 4, &s, &done);
	if (done)
		return status;
	if (data != NULL && memmem(data, length, guest->needle, strlen(guest->needle)) != NULL) {
		sb_call_cover(call, length, SB_CONTENT_UNKNOWN);
		return sb_call_infected(call, &threat, error);
	}
	return sb_call_clean(call, length, SB_CONTENT_UNKNOWN, error);
}

static void guest_limits(const void *state, sb_limits *out)
{
	(void)state;
	out->max_size = 8 << 20;
}

static const sb_engine_ops guest_engine = {
	.abi = SB_ENGINE_ABI,
	.name = "guest",
	.summary = "misbehaves",
	.state_size = sizeof(struct guest_state),
	.settings = settings,
#ifdef ANTIVIRUS
	.assurance = SB_ASSURANCE_ANTIVIRUS,
#endif
	.open = guest_open,
#ifndef SCANLESS
	.scan = guest_scan,
#endif
	.limits = guest_limits,
};

#if defined(OTHER_ABI)
extern const sb_plugin sb_plugin_entry;
__attribute__((visibility("default"))) const sb_plugin sb_plugin_entry = {
	OTHER_ABI, "0.0.9", (const sb_engine_ops *)8}; /* to be looked at by nobody */
#elif !defined(NO_ENTRY)
SB_PLUGIN_EXPORT(guest_engine);
#endif
#ifdef UNDEFINED
extern int sb_no_such_function(void);
extern int (*const asks)(void);
int (*const asks)(void) = sb_no_such_function;
#endif
