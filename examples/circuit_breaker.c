/* SPDX-License-Identifier: MIT */
/*
 * What a program sees of a circuit breaker: an engine of its own that fails for a while, the
 * breaker's state and counters beside each scan, answers without the engine while it is open, its
 * recovery by itself, and orders by hand.
 *
 *     cc circuit_breaker.c $(pkg-config --cflags --libs scanbridge) -o circuit_breaker
 *     ./circuit_breaker DATA_DIR
 *
 * Exit status: 0 when it went as it should, else 2.
 */
#include <scanbridge/scanbridge.h>
#include <scanbridge/sys/engine.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static atomic_bool broken; /* what the engine suffers from */

static int flaky_scan(void *state, sb_call *call, sb_error *error)
{
	(void)state;
	if (broken)
		return sb_error_set(error, SB_KIND_CONNECTION_FAILED, 0, "nobody is there");
	return sb_call_clean(call, sb_call_size(call), SB_CONTENT_INSPECTED, error);
}

static const sb_engine_ops flaky = {
	.abi = SB_ENGINE_ABI,
	.name = "flaky",
	.summary = "fails while it is told to",
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HONOURS_DEADLINE,
	.scan = flaky_scan,
};

/* Opens after 3 failures in a row for two seconds (give or take a fifth), then one scan at a
 * time may try, and 2 good ones close it. */
static const char *const engine =
	"{name: mine, type: flaky, self_test: off, retry: {attempts: 1}, breaker: "
	"{failure_threshold: 3, open: 2s, max_open: 2s, success_threshold: 2}}";

static sb_manager *open_manager(const char *data_dir)
{
	sb_config *config = sb_config_new();
	sb_error *error = sb_error_new();
	sb_manager *manager = NULL;

	if (sb_config_register_engine(config, &flaky, error) < 0 ||
		sb_config_set(config, "data_dir", data_dir, error) < 0 ||
		sb_config_add_engine(config, engine, error) < 0 ||
		sb_manager_open(&manager, config, error) < 0)
		fprintf(stderr, "%s\n", sb_error_message(error));
	sb_config_free(config);
	sb_error_free(error);
	return manager;
}

static void print_count(sb_manager *manager, sb_metric metric, const char *name)
{
	uint64_t count = 0;

	sb_manager_engine_metric(manager, "mine", metric, &count);
	printf(" %s=%llu", name, (unsigned long long)count);
}

/* One scan, and how the breaker stands after it. Another letter each time: for one that is known
 * no engine is asked. */
static void scan(sb_manager *manager)
{
	static unsigned number;
	char letter[32];
	int length = snprintf(letter, sizeof letter, "letter %u", ++number);
	sb_input *input = sb_input_memory(letter, (size_t)length);
	sb_report *report;

	if (sb_scan(&report, manager, input, NULL, NULL) == 0) {
		const sb_error *error = sb_report_error(report);

		printf("%s", sb_outcome_name(sb_report_outcome(report)));
		if (error != NULL)
			printf(" (%s)", sb_kind_name(sb_error_kind(error)));
		if (error != NULL && sb_error_retry_after_ms(error) > 0)
			printf(", try again later");
		printf("; breaker %s:", sb_manager_breaker(manager, "mine", NULL));
		print_count(manager, SB_METRIC_SUCCESSFUL, "successful");
		print_count(manager, SB_METRIC_FAILED, "failed");
		print_count(manager, SB_METRIC_REJECTED, "rejected");
		print_count(manager, SB_METRIC_OPENED, "opened");
		print_count(manager, SB_METRIC_CLOSED, "closed");
		printf("\n");
		sb_report_free(report);
	}
	sb_input_free(input);
}

/* A program would do something else meanwhile; the breaker needs nobody to look at it. */
static void wait_for_a_try(sb_manager *manager)
{
	int64_t ms;

	while (strcmp(sb_manager_breaker(manager, "mine", &ms), "open") == 0 && ms > 0)
		poll(NULL, 0, (int)ms);
}

static void show(sb_manager *manager)
{
	scan(manager);
	broken = true;
	printf("-- the engine breaks\n");
	for (int i = 0; i < 4; i++)
		scan(manager); /* the fourth doesn't reach it */
	broken = false;
	printf("-- the engine works again\n");
	scan(manager); /* nobody knows yet */
	wait_for_a_try(manager);
	scan(manager);
	scan(manager);
	sb_manager_set_breaker(manager, "mine", SB_BREAKER_FORCE_OPEN, NULL);
	printf("-- forced open\n");
	scan(manager);
	sb_manager_set_breaker(manager, "mine", SB_BREAKER_RESET, NULL);
	printf("-- reset\n");
	scan(manager);
}

int main(int argc, char **argv)
{
	sb_manager *manager = argc == 2 ? open_manager(argv[1]) : NULL;

	if (argc != 2)
		fprintf(stderr, "usage: %s DATA_DIR\n", argv[0]);
	if (manager == NULL)
		return 2;
	show(manager);
	sb_manager_free(manager);
	return 0;
}
