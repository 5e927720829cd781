/* SPDX-License-Identifier: MIT */
/* Task lists with threads that are started when the first task comes; see crew.h. */
#include "scan/crew.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "util/clock.h"
#include "util/thread.h"

enum { MAX_THREADS = 16, GROUP = 512 };
static const uint64_t linger = 20 * SB_MS;

struct sb_crew {
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t work;
	sb_task *first, **last;
	const char *name;
	pthread_t threads[MAX_THREADS];
	unsigned started, wanted, idle;
	bool stop;
	/* a release takes the whole list at once, when enough are together or one is in a hurry */
	unsigned count;
	bool hurry, lingering;
	void (*batch)(void *data, sb_task *first);
	void *data;
};

struct sb_release {
	struct sb_crew crew;
};

static int init(struct sb_crew *crew, const char *name, unsigned threads)
{
	crew->name = name;
	crew->wanted = threads < MAX_THREADS ? threads : MAX_THREADS;
	crew->last = &crew->first;
	pthread_mutex_init(&crew->lock, NULL);
	return sb_cond_init(&crew->work);
}

static sb_task *take(struct sb_crew *crew)
{
	sb_task *task = crew->first;

	crew->first = crew->batch != NULL ? NULL : task->next;
	if (crew->first == NULL)
		crew->last = &crew->first;
	crew->count = 0;
	crew->hurry = false;
	return task;
}

/* With the lock held: wait a little for more, when all that wait are patient. Real time: it is
 * about a disk. */
static void let_gather(struct sb_crew *crew)
{
	sb_clock *clock = sb_clock_system();
	uint64_t until = sb_clock_now(clock) + linger;

	crew->lingering = true;
	while (!crew->hurry && !crew->stop && crew->count < GROUP && sb_clock_now(clock) < until)
		sb_clock_wait(clock, &crew->work, &crew->lock, until);
	crew->lingering = false;
}

static void *work(void *data)
{
	struct sb_crew *crew = data;

	sb_thread_mark_worker();
	pthread_mutex_lock(&crew->lock);
	for (;;) {
		sb_task *task;

		while (crew->first == NULL && !crew->stop) {
			crew->idle++;
			pthread_cond_wait(&crew->work, &crew->lock);
			crew->idle--;
		}
		if (crew->first == NULL)
			break;
		if (crew->batch != NULL && !crew->hurry)
			let_gather(crew);
		task = take(crew);
		pthread_mutex_unlock(&crew->lock);
		if (crew->batch != NULL)
			crew->batch(crew->data, task);
		else
			task->run(task);
		pthread_mutex_lock(&crew->lock);
	}
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

/* With the lock held. Without a single thread the caller has to do the work itself. */
static void start_one(struct sb_crew *crew)
{
	if (crew->idle > 0 || crew->started == crew->wanted)
		return;
	if (sb_thread_start(&crew->threads[crew->started], crew->name, work, crew) == 0)
		crew->started++;
}

static void put(struct sb_crew *crew, sb_task *task, bool patient)
{
	bool alone;

	task->next = NULL;
	pthread_mutex_lock(&crew->lock);
	start_one(crew);
	alone = crew->started == 0;
	if (!alone) {
		*crew->last = task;
		crew->last = &task->next;
		crew->count++;
		crew->hurry = crew->hurry || !patient;
		if (!crew->lingering || crew->hurry || crew->count == GROUP)
			pthread_cond_signal(&crew->work);
	}
	pthread_mutex_unlock(&crew->lock);
	if (alone && crew->batch != NULL)
		crew->batch(crew->data, task);
	else if (alone)
		task->run(task);
}

static void finish(struct sb_crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	crew->stop = true;
	pthread_cond_broadcast(&crew->work);
	pthread_mutex_unlock(&crew->lock);
	for (unsigned i = 0; i < crew->started; i++)
		pthread_join(crew->threads[i], NULL);
	pthread_cond_destroy(&crew->work);
	pthread_mutex_destroy(&crew->lock);
	free(crew);
}

int sb_crew_open(sb_crew **out, const char *name, unsigned threads, sb_error *error)
{
	sb_crew *crew = calloc(1, sizeof *crew);

	if (crew == NULL)
		return sb_error_no_memory(error);
	init(crew, name, threads);
	*out = crew;
	return 0;
}

void sb_crew_close(sb_crew *crew)
{
	if (crew != NULL)
		finish(crew);
}

void sb_crew_put(sb_crew *crew, sb_task *task)
{
	put(crew, task, false);
}

int sb_release_open(
	sb_release **out, void (*batch)(void *data, sb_task *first), void *data, sb_error *error)
{
	sb_release *release = calloc(1, sizeof *release);

	if (release == NULL)
		return sb_error_no_memory(error);
	init(&release->crew, "sb-release", 1);
	release->crew.batch = batch;
	release->crew.data = data;
	*out = release;
	return 0;
}

void sb_release_close(sb_release *release)
{
	if (release != NULL)
		finish(&release->crew);
}

void sb_release_put(sb_release *release, sb_task *task, bool patient)
{
	put(&release->crew, task, patient);
}
