/* SPDX-License-Identifier: MIT */
/*
 * What the quarantine costs, one thread:
 *
 *     q2 speed DIR MIB     store and read one content of MIB mebibytes, three times; the best
 *                          MB/s of processor time, which others on the machine don't change
 *     q2 list DIR COUNT    pages of 100 out of COUNT objects by several filters; worst ms
 *
 * Rows for `list` are put into the index directly; objects there are none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "quarantine/record.h"
#include "quarantine/store_body.h"
#include "util/uuid.h"

static sb_error error;

static double seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void must(sb_quarantine_status status)
{
	if (status == SB_Q_OK)
		return;
	fprintf(stderr, "%s: %s\n", sb_quarantine_status_name(status), error.message);
	exit(1);
}

static int64_t read_memory(void *data, uint64_t offset, void *out, size_t length, sb_error *why)
{
	(void)why;
	memcpy(out, (const char *)data + offset, length);
	return (int64_t)length;
}

static int swallow(void *data, const void *bytes, size_t length)
{
	(void)bytes;
	*(uint64_t *)data += length;
	return 0;
}

static void speed(sb_quarantine *q, size_t size)
{
	char *data = malloc(size);
	uint8_t blake3[32], sha256[32] = {0};
	sb_quarantine_content content = {read_memory, data, size, blake3, sha256};
	double store = 0, load = 0;

	if (data == NULL)
		exit(1);
	sb_random(data, size);
	for (unsigned i = 0; i < 3; i++) {
		sb_quarantine_record record = {
			.state = SB_Q_QUARANTINED, .outcome = SB_OUTCOME_INFECTED};
		uint64_t count = 0;
		double start, middle, end;

		data[0] = (char)i;
		sb_blake3_memory(data, size, blake3);
		start = seconds(CLOCK_PROCESS_CPUTIME_ID);
		must(sb_quarantine_commit(q, &content, &record, NULL, &error));
		middle = seconds(CLOCK_PROCESS_CPUTIME_ID);
		must(sb_quarantine_get(q, record.id, NULL, swallow, &count, &error));
		end = seconds(CLOCK_PROCESS_CPUTIME_ID);
		must(sb_quarantine_delete(q, record.id, NULL, &error));
		if ((double)size / (middle - start) > store)
			store = (double)size / (middle - start);
		if ((double)size / (end - middle) > load)
			load = (double)size / (end - middle);
	}
	printf("store %.0f MB/s, read %.0f MB/s\n", store / 1e6, load / 1e6);
	free(data);
}

static int count_one(void *data, const sb_quarantine_record *record)
{
	(void)record;
	*(uint64_t *)data += 1;
	return 0;
}

static void page(sb_quarantine *q, const char *what, sb_quarantine_filter filter)
{
	double worst = 0;
	uint64_t count = 0;

	filter.limit = 100;
	for (unsigned i = 0; i < 10; i++) {
		double start = seconds(CLOCK_MONOTONIC);
		count = 0;
		must(sb_quarantine_list(q, &filter, count_one, &count, &error));
		if (seconds(CLOCK_MONOTONIC) - start > worst)
			worst = seconds(CLOCK_MONOTONIC) - start;
	}
	printf("%-28s %3" PRIu64 " rows, worst %.2f ms\n", what, count, worst * 1e3);
}

static void put_rows(sb_store_files *s, unsigned long count)
{
	must(sb_index_begin(&s->index, &error));
	for (unsigned long i = 0; i < count; i++) {
		sb_quarantine_record record = {
			.state = i % 50 == 0 ? SB_Q_REVIEW : SB_Q_QUARANTINED,
			.outcome = SB_OUTCOME_INFECTED,
			.time = (i + 1) * 1000000000,
			.size = i,
			.tenant = i % 1000 == 0 ? "rare" : "common",
			.threats = "[{\"name\":\"Some.Threat\",\"severity\":\"high\"}]"};
		sb_buf text;

		snprintf(record.id, sizeof record.id, "%032lx", i);
		sb_blake3_memory(record.id, sizeof record.id, record.blake3);
		sb_buf_init(&text, SB_RECORD_MAX);
		must(sb_record_write(&text, &record, &error));
		must(sb_index_put(&s->index, &record, text.data, 2000, &error));
		sb_buf_done(&text);
	}
	must(sb_index_end(&s->index, SB_Q_OK, &error));
}

static void list(sb_quarantine *q, sb_store_files *s, unsigned long count)
{
	uint8_t hash[32];
	char id[SB_QUARANTINE_ID_SIZE];

	put_rows(s, count);
	snprintf(id, sizeof id, "%032lx", count / 2);
	sb_blake3_memory(id, sizeof id, hash);
	page(q, "newest", (sb_quarantine_filter){0});
	page(q, "by cursor in the middle",
		(sb_quarantine_filter){
			.cursor_time = (count / 2 + 1) * 1000000000, .cursor_id = id});
	page(q, "by offset at the end", (sb_quarantine_filter){.offset = count - 100});
	page(q, "rare tenant", (sb_quarantine_filter){.tenant = "rare"});
	page(q, "common tenant", (sb_quarantine_filter){.tenant = "common"});
	page(q, "held", (sb_quarantine_filter){.state = SB_Q_REVIEW});
	page(q, "held, rare tenant",
		(sb_quarantine_filter){.state = SB_Q_REVIEW, .tenant = "rare"});
	page(q, "one hash", (sb_quarantine_filter){.hash = hash});
	page(q, "a time span",
		(sb_quarantine_filter){.after = 1000000000, .before = count / 3 * 1000000000});
	page(q, "expired", (sb_quarantine_filter){.only_expired = true});
}

int main(int count, char **arg)
{
	sb_quarantine_options options = {.clock = sb_clock_system()};
	sb_store_files_options files = {.dir = count > 2 ? arg[2] : NULL};
	sb_quarantine *q;
	void *self;

	if (count != 4)
		return 2;
	sb_error_init(&error);
	must(sb_store_files_open(&self, &files, &error));
	must(sb_quarantine_new(&q, &sb_store_files_ops, self, &options, &error));
	if (strcmp(arg[1], "speed") == 0)
		speed(q, strtoul(arg[3], NULL, 10) << 20);
	else
		list(q, self, strtoul(arg[3], NULL, 10));
	sb_quarantine_close(q);
	return 0;
}
