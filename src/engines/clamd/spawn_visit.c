/* SPDX-License-Identifier: MIT */
/*
 * What a scan sees of a clamd of our own: it waits until there is one, goes in, alone where one
 * hostile file may be about, and hears when it leaves what became of clamd meanwhile.
 *
 * clamd calls OK what it could not unpack: with a temporary folder that is gone everything, with
 * one that is full some archives and all mail. For most of it its words tell. They come over a pipe
 * that it writes to before it answers; so a clean waits until what was in the pipe has been
 * understood. A process that shares the clamd of another one reads in the record how often that has
 * happened. Of mail it says nothing; so there must be room before and afterwards for what the
 * content itself takes.
 */
#include "engines/clamd/spawn_body.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/io.h"

#define MOMENT_MS 200
/* It is understood within microseconds, but for the moments in which its thread asks clamd. */
#define WORDS_MS 5000
/* Long enough for what is nearly done; nobody waits for a large archive to be alone. */
#define LEAVE_MS 1000
#define SPARE_ROOM (16ull << 20)

/* --- Waiting -----------------------------------------------------------------------------------
 */

/* Not to the last moment: there must be time to say why. */
static sb_net_wait shorter(const sb_net_wait *wait)
{
	uint64_t now = sb_net_now(), left = wait->deadline > now ? wait->deadline - now : 0;
	sb_net_wait own = *wait;

	if (wait->deadline != SB_NEVER)
		own.deadline -= left / 10 < MOMENT_MS * SB_MS ? left / 10 : MOMENT_MS * SB_MS;
	return own;
}

static int is_starting(sb_spawn *spawn, sb_error *error)
{
	uint64_t since;

	pthread_mutex_lock(&spawn->lock);
	since = spawn->phase_since;
	pthread_mutex_unlock(&spawn->lock);
	return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, 0,
		"%s is starting, for %llu s so far; it can judge when it has loaded its "
		"signatures",
		spawn->name, (unsigned long long)((sb_net_now() - since) / (1000 * SB_MS)));
}

int sb_spawn_await(sb_spawn *spawn, const sb_net_wait *wait, sb_spawn_record *out, sb_error *error)
{
	sb_net_wait own = shorter(wait);

	for (;;) {
		int status;

		pthread_mutex_lock(&spawn->lock);
		*out = spawn->record;
		pthread_mutex_unlock(&spawn->lock);
		if (out->phase == SB_SPAWN_UP)
			return 0;
		if (out->phase == SB_SPAWN_DOWN)
			return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, 0, "%s %s",
				spawn->name, out->message);
		status = sb_net_await(
			&own, spawn->settled, POLLIN, spawn->name, "it was starting", error);
		if (status == -(int)SB_KIND_TIMEOUT)
			return is_starting(spawn, error);
		if (status != 0)
			return status;
	}
}

/* --- What clamd said ---------------------------------------------------------------------------
 */

void sb_spawn_hear_begin(sb_spawn *spawn)
{
	pthread_mutex_lock(&spawn->lock);
	spawn->hearing = true;
	pthread_mutex_unlock(&spawn->lock);
}

void sb_spawn_hear_end(sb_spawn *spawn)
{
	pthread_mutex_lock(&spawn->lock);
	spawn->hearing = false;
	spawn->said = spawn->clamd.child != NULL ? spawn->clamd.output.fd : -1;
	spawn->heard = spawn->clamd.output.bytes;
	pthread_cond_broadcast(&spawn->news);
	pthread_mutex_unlock(&spawn->lock);
}

/* What is known now, by whoever shares one too; under the lock, as all that follows. */
static bool look(const sb_spawn *spawn, sb_spawn_record *out)
{
	char text[SB_SPAWN_RECORD];

	*out = spawn->record;
	return spawn->holder ||
	       (sb_pread_full(spawn->place.lock_fd, text, sizeof text, 0) == sizeof text &&
		       sb_spawn_record_read(text, out));
}

/* Is there no room for what content of that size takes by itself? Archives tell when they take
 * more. */
static bool cramped(const sb_spawn *spawn, const sb_spawn_record *record, uint64_t size)
{
	const uint64_t most = spawn->limits.max_scan / 2,
		       need = size < most / 4 ? 4 * size + SPARE_ROOM : most;

	return sb_spawn_temporary_room(&spawn->place, record->temporary) <
	       (need < most ? need : most);
}

/* False: it is over, whatever the time is. */
static bool await_news(sb_spawn *spawn, uint64_t until)
{
	struct timespec at = {(time_t)(until / 1000000000), (long)(until % 1000000000)};

	return pthread_cond_timedwait(&spawn->news, &spawn->lock, &at) == 0;
}

/* All that clamd had said when it answered; it may go on. */
static bool understood(sb_spawn *spawn, const sb_spawn_visit *visit, const sb_net_wait *wait)
{
	const uint64_t most = sb_net_now() + WORDS_MS * SB_MS,
		       until = wait->deadline < most ? wait->deadline : most;
	int there = 0;
	uint64_t all;

	while (spawn->hearing)
		if (!await_news(spawn, until))
			return false;
	if (spawn->said < 0 || ioctl(spawn->said, FIONREAD, &there) != 0)
		there = 0;
	all = spawn->heard + (uint64_t)there;
	while (spawn->said >= 0 && spawn->ends == visit->ends && spawn->heard < all)
		if (!await_news(spawn, until))
			return false;
	return true;
}

/* Is a clean one? */
static bool doubtful(sb_spawn *spawn, const sb_spawn_visit *visit, const sb_net_wait *wait,
	char *how, size_t room)
{
	sb_spawn_record record;

	if (!understood(spawn, visit, wait)) {
		snprintf(how, room, "what it had to say was not heard in time");
		return true;
	}
	if (!look(spawn, &record) || record.doubts != visit->doubts)
		snprintf(how, room, "%s",
			spawn->doubt[0] != '\0' ? spawn->doubt
						: "it could not unpack; see clamd.log");
	else if (visit->cramped || cramped(spawn, &record, visit->size))
		snprintf(how, room, "there is no room to unpack it in %.200s", record.temporary);
	else
		return false;
	return true;
}

void sb_spawn_doubt(sb_spawn *spawn, const char *line)
{
	sb_spawn_record record;

	pthread_mutex_lock(&spawn->lock);
	spawn->record.doubts++;
	snprintf(spawn->doubt, sizeof spawn->doubt, "%s", line);
	record = spawn->record;
	pthread_mutex_unlock(&spawn->lock);
	sb_spawn_publish(spawn, &record);
}

/* --- One by one --------------------------------------------------------------------------------
 */

static bool must_be_alone(sb_spawn *spawn)
{
	bool alone;

	pthread_mutex_lock(&spawn->lock);
	alone = spawn->careful > 0;
	pthread_mutex_unlock(&spawn->lock);
	return alone;
}

static int take_turn(sb_spawn *spawn, const sb_net_wait *wait, sb_error *error)
{
	uint64_t value;

	while (read(spawn->turn, &value, sizeof value) < 0) {
		int status = sb_net_await(
			wait, spawn->turn, POLLIN, spawn->name, "others had their turn", error);

		if (status != 0)
			return status;
	}
	return 0;
}

static void give_turn(sb_spawn *spawn)
{
	uint64_t one = 1;

	(void)sb_write_all(spawn->turn, &one, sizeof one);
}

/* False: clamd has ended since it was awaited: again, and one by one. Who is alone lets those leave
 * who went in before it was known, and have found the next clamd. */
static bool go_in(sb_spawn *spawn, uint64_t deadline, sb_spawn_visit *visit)
{
	const uint64_t most = sb_net_now() + LEAVE_MS * SB_MS,
		       until = deadline < most ? deadline : most;
	sb_spawn_record record;
	bool may;

	pthread_mutex_lock(&spawn->lock);
	while (visit->alone && spawn->inside > 0 && await_news(spawn, until))
		continue;
	may = spawn->record.phase == SB_SPAWN_UP && (visit->alone || spawn->careful == 0);
	if (may) {
		visit->ends = spawn->ends;
		visit->cramped = !look(spawn, &record) || cramped(spawn, &record, visit->size);
		visit->doubts = record.doubts;
		spawn->inside++;
	}
	pthread_mutex_unlock(&spawn->lock);
	return may;
}

int sb_spawn_enter(sb_spawn *spawn, uint64_t size, const sb_net_wait *wait, sb_spawn_visit *visit,
	sb_spawn_record *out, sb_error *error)
{
	int status = 0;

	*visit = (sb_spawn_visit){.size = size};
	do {
		if (!visit->alone && must_be_alone(spawn)) {
			status = take_turn(spawn, wait, error);
			if (status != 0)
				return status;
			visit->alone = true;
		}
		status = sb_spawn_await(spawn, wait, out, error);
		if (status != 0 && visit->alone)
			give_turn(spawn);
		if (status != 0)
			return status;
	} while (!go_in(spawn, wait->deadline, visit));
	return 0;
}

/* What its end, or its words, mean for one who was inside. */
static sb_spawn_end judge(sb_spawn *spawn, const sb_spawn_visit *visit, const sb_net_wait *wait,
	char *how, size_t room)
{
	const uint64_t until = sb_net_now() + MOMENT_MS * SB_MS;

	while (visit->broken && spawn->ends == visit->ends && await_news(spawn, until))
		continue;
	snprintf(how, room, "%s", spawn->ended);
	if (visit->clean && doubtful(spawn, visit, wait, how, room)) {
		if (!visit->alone && spawn->careful < spawn->inside)
			spawn->careful = spawn->inside;
		return SB_SPAWN_DOUBTED;
	}
	if (!visit->broken || spawn->ends == visit->ends)
		return SB_SPAWN_LIVES;
	return spawn->by_us || spawn->inside_at_end > 1 || !visit->delivered ? SB_SPAWN_ENDED
									     : SB_SPAWN_DIED_OF;
}

sb_spawn_end sb_spawn_leave(sb_spawn *spawn, const sb_spawn_visit *visit, const sb_net_wait *wait,
	char *how, size_t room)
{
	const uint64_t one = 1;
	sb_spawn_end end;

	pthread_mutex_lock(&spawn->lock);
	end = judge(spawn, visit, wait, how, room);
	spawn->inside--;
	if (spawn->inside == 0)
		pthread_cond_broadcast(&spawn->news);
	if (visit->alone && end == SB_SPAWN_LIVES && spawn->careful > 0)
		spawn->careful--;
	pthread_mutex_unlock(&spawn->lock);
	/* It may live where nobody can reach it. */
	if (visit->broken && end == SB_SPAWN_LIVES)
		(void)sb_write_all(spawn->nudge, &one, sizeof one);
	if (visit->alone)
		give_turn(spawn);
	return end;
}
