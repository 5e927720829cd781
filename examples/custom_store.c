/* SPDX-License-Identifier: MIT */
/*
 * A quarantine store of your own: in memory, with a count and a budget of 1,000 bytes.
 *
 *     ./custom_store DATA_DIR FILE...
 *
 * Here only commit() is ours, and the rest is done by the store for tests. One for a database or an
 * object store fills in all of sb_store_ops; src/quarantine/memory.c is a whole one that needs
 * nothing but what <scanbridge/sys/store.h> has.
 */
#include <scanbridge/scanbridge.h>
#include <scanbridge/sys/store.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* --- The store ------------------------------------------------------------------------- */

enum { BUDGET = 1000 };

static _Atomic(uint64_t) kept; /* commits come from any thread */

static sb_quarantine_status counted_commit(void *self, const sb_quarantine_content *content,
	sb_quarantine_record *record, bool *duplicate, sb_error *error)
{
	sb_quarantine_status status;

	if (atomic_fetch_add(&kept, content->size) + content->size > BUDGET)
		status = sb_quarantine_fail(error, SB_Q_STORAGE_FULL, 0,
			"there is no room for %llu bytes", (unsigned long long)content->size);
	else
		status = sb_store_memory()->commit(self, content, record, duplicate, error);
	if (status != SB_Q_OK || *duplicate)
		atomic_fetch_sub(&kept, content->size);
	return status;
}

/* --- A program that uses it -------------------------------------------------------------- */

static sb_manager *open_manager(const char *data_dir, sb_error *error)
{
	static sb_store_ops counted; /* outlives every manager */
	static const char engine[] = "{name: demo, type: mock, default: \"infected:Test.Bad\"}";
	sb_config *config = sb_config_new();
	sb_manager *manager = NULL;
	char quoted[4096];

	counted = *sb_store_memory();
	counted.abi = SB_STORE_ABI; /* this program's, not that of the library it meets */
	counted.name = "counted";
	counted.commit = counted_commit;
	snprintf(quoted, sizeof quoted, "\"%s\"", data_dir);
	if (sb_config_register_store(config, &counted, NULL, error) < 0 ||
		sb_config_add_engine(config, engine, error) < 0 ||
		sb_config_set(config, "data_dir", quoted, error) < 0 ||
		sb_manager_open(&manager, config, error) < 0)
		fprintf(stderr, "%s\n", sb_error_message(error));
	sb_config_free(config);
	return manager;
}

/* `quarantine` promises that the copy is kept: what could not be kept is blocked. */
static void scan(sb_manager *manager, const char *path, sb_error *error)
{
	sb_input *input = sb_input_path(path);
	sb_report *report;

	if (sb_scan(&report, manager, input, NULL, error) < 0) {
		fprintf(stderr, "%s: %s\n", path, sb_error_message(error));
	} else {
		printf("%s: %s: %s\n", path, sb_action_name(sb_report_action(report)),
			sb_report_reason(report));
		sb_report_free(report);
	}
	sb_input_free(input);
}

int main(int argc, char **argv)
{
	sb_error *error = sb_error_new();
	sb_manager *manager = argc > 1 ? open_manager(argv[1], error) : NULL;
	sb_quarantine *quarantine;
	uint64_t count = 0;
	int status = 1;

	for (int i = 2; manager != NULL && i < argc; i++)
		scan(manager, argv[i], error);
	if (manager != NULL && sb_manager_quarantine(manager, &quarantine, error) == SB_Q_OK &&
		sb_quarantine_count(quarantine, &count, error) == SB_Q_OK) {
		printf("%llu objects, %llu bytes\n", (unsigned long long)count,
			(unsigned long long)kept);
		status = 0;
	}
	sb_manager_free(manager);
	sb_error_free(error);
	return status;
}
