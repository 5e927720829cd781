/* SPDX-License-Identifier: MIT */
/* What those who were inside are told when they leave: who is to blame for an end, and which clean
 * is none. The thread that keeps clamd is played by the test; no clamd runs. */
#include "engines/clamd/spawn_body.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/io.h"

static sb_spawn spawn;
static int ends[2];

/* There is nobody else to be told. */
void sb_spawn_publish(sb_spawn *s, const sb_spawn_record *record)
{
	pthread_mutex_lock(&s->lock);
	s->record = *record;
	pthread_mutex_unlock(&s->lock);
}

/* What is free in the temporary folder. */
static uint64_t room;

uint64_t sb_spawn_temporary_room(const sb_spawn_place *place, const char *path)
{
	(void)place;
	(void)path;
	return room;
}

static int set_up(void **state)
{
	pthread_condattr_t attributes;

	(void)state;
	spawn = (sb_spawn){.holder = true,
		.record = {.phase = SB_SPAWN_UP},
		.name = "clamd",
		.limits = {.max_scan = 64 << 20}};
	room = 64 << 20;
	pthread_mutex_init(&spawn.lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&spawn.news, &attributes);
	pthread_condattr_destroy(&attributes);
	spawn.turn = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	spawn.nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	spawn.said = ends[0];
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sb_close(&spawn.turn);
	sb_close(&spawn.nudge);
	sb_close(&ends[0]);
	sb_close(&ends[1]);
	pthread_cond_destroy(&spawn.news);
	pthread_mutex_destroy(&spawn.lock);
	return 0;
}

static const sb_net_wait at_once = {0, -1}, patient = {SB_NEVER, -1};

static sb_spawn_visit enter(void)
{
	sb_spawn_visit visit;
	sb_spawn_record record;

	assert_int_equal(sb_spawn_enter(&spawn, 10, &patient, &visit, &record, NULL), 0);
	return visit;
}

static sb_spawn_end leave(const sb_spawn_visit *visit, const sb_net_wait *wait, char how[256])
{
	return sb_spawn_leave(&spawn, visit, wait, how, 256);
}

/* As sb_spawn_clamd_ended() does it. */
static void end(void)
{
	spawn.ends++;
	spawn.inside_at_end = spawn.inside;
}

/* Only who was alone inside, and whose content got there, may be why. */
static void test_who_is_to_blame(void **state)
{
	static const struct {
		bool broken, ended, delivered, by_us, others;
		sb_spawn_end end;
	} rows[] = {
		{true, true, true, false, false, SB_SPAWN_DIED_OF},
		{true, true, false, false, false, SB_SPAWN_ENDED}, /* dead before it came */
		{true, true, true, false, true, SB_SPAWN_ENDED},
		{true, true, true, true, false, SB_SPAWN_ENDED}, /* for what no content did */
		{true, false, true, false, false, SB_SPAWN_LIVES},
		{false, true, true, false, false, SB_SPAWN_LIVES}, /* it had its answer */
	};
	char how[256];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_spawn_visit visit = enter(), other = {0};
		uint64_t nudged = 0;

		if (rows[i].others)
			other = enter();
		if (rows[i].ended)
			end();
		spawn.by_us = rows[i].by_us;
		visit.broken = rows[i].broken;
		visit.delivered = rows[i].delivered;
		assert_int_equal(leave(&visit, &patient, how), rows[i].end);
		/* who can't reach one that lives lets somebody look */
		assert_int_equal(read(spawn.nudge, &nudged, sizeof nudged) > 0,
			rows[i].broken && !rows[i].ended);
		if (rows[i].others)
			assert_int_equal(leave(&other, &patient, how), SB_SPAWN_LIVES);
	}
	assert_int_equal(spawn.inside, 0);
}

typedef enum sleep_of { FOR_NEWS, FOR_CLAMD } sleep_of;

/* Until a thread of ours waits for that: on a futex, or for a descriptor (proc(5), "syscall"). */
static void await_waiting(const _Atomic(pid_t) *thread, sleep_of what)
{
	char path[64], text[256];
	long call = -1;

	while (call < 0 || (call == SYS_futex) != (what == FOR_NEWS)) {
		ssize_t n;
		int fd;

		snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)*thread);
		fd = open(path, O_RDONLY | O_CLOEXEC); /* not there before the thread has told */
		n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
		text[n > 0 ? n : 0] = '\0';
		if (sscanf(text, "%ld", &call) != 1) /* `running` */
			call = -1;
		sb_close(&fd);
	}
}

static void *leave_soon(void *data)
{
	const _Atomic(pid_t) first = getpid();
	char how[256];

	await_waiting(&first, FOR_NEWS);
	assert_int_equal(leave(data, &patient, how), SB_SPAWN_LIVES);
	return NULL;
}

/* Those who are inside when it is known that one hostile file is about leave first. */
static void test_alone_is_alone(void **state)
{
	sb_spawn_visit crowd[2] = {enter(), enter()}, visit;
	pthread_t threads[2];
	char how[256];

	(void)state;
	end();
	spawn.careful = 4;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, leave_soon, &crowd[i]), 0);
	visit = enter();
	assert_true(visit.alone);
	assert_int_equal(spawn.inside, 1);
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	end();
	visit.broken = visit.delivered = true;
	assert_int_equal(leave(&visit, &patient, how), SB_SPAWN_DIED_OF);
}

static _Atomic(pid_t) comer;

/* Somebody who came while all was well, and waits for the next clamd. */
static void *come(void *data)
{
	sb_spawn_visit *visit = data;

	comer = gettid();
	*visit = enter();
	return NULL;
}

/* clamd ends while it is waited for: what was true when the wait began no longer is. */
static void test_an_end_while_it_is_waited_for(void **state)
{
	sb_spawn_visit first, second;
	pthread_t thread;
	char how[256];

	(void)state;
	spawn.settled = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	spawn.record.phase = SB_SPAWN_STARTING;
	assert_int_equal(pthread_create(&thread, NULL, come, &second), 0);
	await_waiting(&comer, FOR_CLAMD);
	pthread_mutex_lock(&spawn.lock);
	spawn.careful = 2;
	spawn.record.phase = SB_SPAWN_UP;
	pthread_mutex_unlock(&spawn.lock);
	assert_int_equal(eventfd_write(spawn.settled, 1), 0);
	pthread_join(thread, NULL);
	assert_true(second.alone);
	assert_int_equal(leave(&second, &patient, how), SB_SPAWN_LIVES);
	first = enter();
	assert_true(first.alone);
	assert_int_equal(leave(&first, &patient, how), SB_SPAWN_LIVES);
	assert_false(enter().alone);
	sb_close(&spawn.settled);
}

/* The next one ends while those who found it leave: nobody goes in where there is none. */
static void test_an_end_while_others_leave(void **state)
{
	sb_spawn_visit crowd = enter(), alone;
	pthread_t thread;
	char how[256];

	(void)state;
	spawn.settled = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	spawn.careful = 2;
	comer = 0;
	assert_int_equal(pthread_create(&thread, NULL, come, &alone), 0);
	await_waiting(&comer, FOR_NEWS);
	pthread_mutex_lock(&spawn.lock);
	end();
	spawn.record.phase = SB_SPAWN_STARTING;
	pthread_mutex_unlock(&spawn.lock);
	assert_int_equal(leave(&crowd, &patient, how), SB_SPAWN_LIVES);
	await_waiting(&comer, FOR_CLAMD); /* the one after it */
	pthread_mutex_lock(&spawn.lock);
	end();
	spawn.record.phase = SB_SPAWN_UP;
	pthread_mutex_unlock(&spawn.lock);
	assert_int_equal(eventfd_write(spawn.settled, 1), 0);
	pthread_join(thread, NULL);
	assert_true(alone.alone);
	assert_int_equal(alone.ends, 2);
	assert_int_equal(leave(&alone, &patient, how), SB_SPAWN_LIVES);
	sb_close(&spawn.settled);
}

/* Between entering and leaving, and neither before nor without a clean. */
static void test_a_doubtful_clean(void **state)
{
	sb_spawn_visit visit;
	char how[256];

	(void)state;
	sb_spawn_doubt(&spawn, "earlier");
	visit = enter();
	visit.clean = true;
	assert_int_equal(leave(&visit, &patient, how), SB_SPAWN_LIVES);
	visit = enter();
	visit.clean = true;
	sb_spawn_doubt(&spawn, "no room");
	assert_int_equal(leave(&visit, &patient, how), SB_SPAWN_DOUBTED);
	assert_string_equal(how, "no room");
	assert_false(visit.alone);
	visit = enter(); /* whose doubt it was shows when it is alone */
	assert_true(visit.alone);
	sb_spawn_doubt(&spawn, "no room");
	assert_int_equal(leave(&visit, &patient, how), SB_SPAWN_LIVES); /* infected, say */
	assert_false(enter().alone);
	spawn.inside = 0;
}

/* Four times its size and 16 MiB, half of what one scan may unpack at most: before and after. */
static void test_room(void **state)
{
	static const uint64_t MIB = 1 << 20;
	const struct {
		uint64_t size, need;
	} rows[] = {{0, 16 * MIB}, {10, 16 * MIB + 40}, {4 * MIB - 1, 32 * MIB - 4},
		{4 * MIB, 32 * MIB}, {4 * MIB + 1, 32 * MIB}, {8 * MIB, 32 * MIB},
		{UINT64_MAX, 32 * MIB}};
	sb_spawn_record record;
	sb_spawn_visit visit;
	char how[256];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (uint64_t less = 0; less < 4;
			less++) { /* nowhere, at first, in the end, both */
			room = rows[i].need - (less & 1);
			assert_int_equal(sb_spawn_enter(&spawn, rows[i].size, &patient, &visit,
						 &record, NULL),
				0);
			visit.clean = true;
			room = rows[i].need - (less >> 1);
			assert_int_equal(leave(&visit, &patient, how),
				less == 0 ? SB_SPAWN_LIVES : SB_SPAWN_DOUBTED);
			spawn.careful = 0;
		}
}

typedef struct listener {
	pthread_t thread;
	const char *line; /* what it says of doubt; NULL: nothing */
} listener;

/* As the thread does it: read, understand, and only then be done. */
static void *listen(void *data)
{
	const listener *l = data;
	char bytes[64];

	sb_spawn_hear_begin(&spawn);
	spawn.clamd.child = (sb_child *)&spawn;
	spawn.clamd.output.fd = ends[0];
	spawn.clamd.output.bytes += (uint64_t)read(ends[0], bytes, sizeof bytes);
	if (l->line != NULL)
		sb_spawn_doubt(&spawn, l->line);
	sb_spawn_hear_end(&spawn);
	return NULL;
}

/* A clean waits for what was in the pipe when it came, not for more, and not for ever. */
static void test_words_are_heard_first(void **state)
{
	static const char *const lines[] = {NULL, "no room"};
	char how[256];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		listener l = {.line = lines[i]};
		sb_spawn_visit visit = enter();

		visit.clean = true;
		assert_int_equal(sb_write_all(ends[1], "words", 5), 0);
		assert_int_equal(pthread_create(&l.thread, NULL, listen, &l), 0);
		assert_int_equal(leave(&visit, &patient, how),
			lines[i] != NULL ? SB_SPAWN_DOUBTED : SB_SPAWN_LIVES);
		pthread_join(l.thread, NULL);
	}
	spawn.careful = 0;
	sb_spawn_visit visit = enter();
	visit.clean = true;
	assert_int_equal(sb_write_all(ends[1], "words", 5), 0);
	assert_int_equal(leave(&visit, &at_once, how), SB_SPAWN_DOUBTED);
	assert_non_null(strstr(how, "not heard in time"));
	spawn.said = -1; /* it has ended: all was heard */
	visit = enter();
	visit.clean = true;
	assert_int_equal(leave(&visit, &at_once, how), SB_SPAWN_LIVES);
}

/* Who shares another process's clamd reads it in the record. */
static void test_shared(void **state)
{
	char text[SB_SPAWN_RECORD], how[256];
	sb_spawn_record record = {.phase = SB_SPAWN_UP, .doubts = 7};
	FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	spawn.holder = false;
	spawn.said = -1;
	spawn.place.lock_fd = fileno(file);
	for (int i = 0; i < 3; i++) {
		static const sb_spawn_end wanted[] = {
			SB_SPAWN_LIVES, SB_SPAWN_DOUBTED, SB_SPAWN_DOUBTED};
		sb_spawn_visit visit;

		sb_spawn_record_write(text, &record);
		assert_int_equal(sb_pwrite_all(fileno(file), text, sizeof text, 0), 0);
		visit = enter();
		visit.clean = true;
		record.doubts += i == 1;
		sb_spawn_record_write(text, &record);
		assert_int_equal(sb_pwrite_all(fileno(file), text, i == 2 ? 1 : sizeof text, 0), 0);
		if (i == 2)
			assert_int_equal(ftruncate(fileno(file), 1), 0);
		assert_int_equal(leave(&visit, &patient, how), wanted[i]);
	}
	fclose(file);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		FRESH(test_who_is_to_blame),
		FRESH(test_alone_is_alone),
		FRESH(test_an_end_while_it_is_waited_for),
		FRESH(test_an_end_while_others_leave),
		FRESH(test_a_doubtful_clean),
		FRESH(test_room),
		FRESH(test_words_are_heard_first),
		FRESH(test_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
