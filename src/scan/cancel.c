/* SPDX-License-Identifier: MIT */
/* A token that ends blocking scans: the list of jobs that were given it. */
#include <stdlib.h>

#include "scan/job.h"

struct sb_cancel {
	pthread_mutex_t lock; /* guards the rest; taken before any job's */
	sb_job *first;
	bool told;
};

sb_cancel *sb_cancel_new(void)
{
	sb_cancel *cancel = calloc(1, sizeof *cancel);

	if (cancel != NULL)
		pthread_mutex_init(&cancel->lock, NULL);
	return cancel;
}

void sb_cancel_free(sb_cancel *cancel)
{
	if (cancel == NULL)
		return;
	pthread_mutex_destroy(&cancel->lock);
	free(cancel);
}

void sb_cancel_all(sb_cancel *cancel)
{
	pthread_mutex_lock(&cancel->lock);
	cancel->told = true;
	/* Under the lock: a job can't end while it is cancelled. */
	for (sb_job *job = cancel->first; job != NULL; job = job->later)
		sb_job_cancel(job);
	pthread_mutex_unlock(&cancel->lock);
}

void sb_cancel_attach(sb_cancel *cancel, sb_job *job)
{
	if (cancel == NULL)
		return;
	pthread_mutex_lock(&cancel->lock);
	job->later = cancel->first;
	if (cancel->first != NULL)
		cancel->first->earlier = job;
	cancel->first = job;
	if (cancel->told)
		sb_job_cancel(job);
	pthread_mutex_unlock(&cancel->lock);
}

void sb_cancel_detach(sb_cancel *cancel, sb_job *job)
{
	if (cancel == NULL)
		return;
	pthread_mutex_lock(&cancel->lock);
	if (job->earlier != NULL)
		job->earlier->later = job->later;
	else
		cancel->first = job->later;
	if (job->later != NULL)
		job->later->earlier = job->earlier;
	pthread_mutex_unlock(&cancel->lock);
}
