/* SPDX-License-Identifier: MIT */
/* Where ends of jobs arrive: a list, and an eventfd that is readable while it isn't empty. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "scan/job.h"
#include "util/io.h"

struct sb_queue {
	int fd;
	pthread_mutex_t lock; /* guards the list */
	sb_job *first, **last;
};

sb_queue *sb_queue_new(sb_error *error)
{
	sb_queue *queue = calloc(1, sizeof *queue);

	if (queue == NULL) {
		sb_error_no_memory(error);
		return NULL;
	}
	queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->fd < 0) {
		sb_error_set(error, SB_KIND_INTERNAL, errno, "make a completion queue");
		free(queue);
		return NULL;
	}
	queue->last = &queue->first;
	pthread_mutex_init(&queue->lock, NULL);
	return queue;
}

void sb_queue_free(sb_queue *queue)
{
	if (queue == NULL)
		return;
	while (queue->first != NULL) {
		sb_job *job = queue->first;
		queue->first = job->next;
		sb_job_unref(job);
	}
	sb_close(&queue->fd);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

int sb_queue_fd(const sb_queue *queue)
{
	return queue->fd;
}

void sb_queue_put(sb_queue *queue, sb_job *job)
{
	const uint64_t one = 1;

	sb_job_ref(job);
	job->next = NULL;
	pthread_mutex_lock(&queue->lock);
	/* It stays readable until the list is empty. Under the lock, so that the reader's drain
	 * can't swallow it. Cannot overflow. */
	if (queue->first == NULL && write(queue->fd, &one, sizeof one) < 0)
		errno = 0;
	*queue->last = job;
	queue->last = &job->next;
	pthread_mutex_unlock(&queue->lock);
}

/* Up to @p max jobs, taken out of the list. */
static sb_job *take(sb_queue *queue, size_t max)
{
	sb_job *first, **link = &queue->first;
	uint64_t count;

	pthread_mutex_lock(&queue->lock);
	first = queue->first;
	for (size_t i = 0; *link != NULL && (max == 0 || i < max); i++)
		link = &(*link)->next;
	queue->first = *link;
	*link = NULL;
	if (first != NULL && queue->first == NULL) {
		queue->last = &queue->first;
		if (read(queue->fd, &count, sizeof count) < 0)
			errno = 0; /* EAGAIN: it was empty already */
	}
	pthread_mutex_unlock(&queue->lock);
	return first;
}

size_t sb_dispatch(sb_queue *queue, size_t max)
{
	sb_job *job = take(queue, max);
	size_t count = 0;

	while (job != NULL) {
		sb_job *next = job->next;
		sb_done_fn announce;

		pthread_mutex_lock(&job->lock);
		announce = job->announce; /* NULL: freed in the meantime */
		pthread_mutex_unlock(&job->lock);
		if (announce != NULL)
			announce(job, job->data_for);
		sb_job_unref(job);
		job = next;
		count++;
	}
	return count;
}
