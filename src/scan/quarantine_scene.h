/* SPDX-License-Identifier: MIT */
/*
 * For tests of the quarantine as programs have it: a manager with a real file store and an engine
 * that goes by the first word; `bad` is infected, `odd` is suspicious.
 */
#ifndef SB_SCAN_QUARANTINE_SCENE_H
#define SB_SCAN_QUARANTINE_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>

#include <scanbridge/scanbridge.h>
#include <scanbridge/sys/engine.h>
#include <scanbridge/sys/store.h>

#include "scan/manager.h"
#include "util/error.h"

extern _Atomic(bool) lenient; /* new signatures: nothing is bad any more */

struct fixture {
	char folder[64], data[80], out[80];
	sb_clock *clock;
	sb_config *config;
	sb_manager *manager;
	sb_quarantine *q;
	sb_error error;
};

int set_up(void **state);
int tear_down(void **state);

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Anew, with @p more in the configuration; a manager has it from when it is opened. */
void configure(struct fixture *x, const char *more);
void open_manager(struct fixture *x);

void must(struct fixture *x, sb_quarantine_status status, sb_quarantine_status want);

/* Its action; and the id, where it was stored. */
sb_action scan(struct fixture *x, const char *text, const char *name, const char *tenant,
	char id[SB_QUARANTINE_ID_SIZE]);

void must_be_kept(struct fixture *x, const char *text, const char *name, const char *tenant,
	char id[SB_QUARANTINE_ID_SIZE]);

sb_quarantine_state state_of(struct fixture *x, const char *id);
bool is_there(const char *folder, const char *name);

extern const char nobody[]; /* an id that nothing has */
int never(void *data, const sb_quarantine_record *record);
void must_be_empty(struct fixture *x, sb_quarantine *q);

struct seen {
	char names[64];
	uint64_t time;
	char id[SB_QUARANTINE_ID_SIZE];
};

struct seen must_list(struct fixture *x, const sb_quarantine_filter *filter, const char *want);

/* bad: quarantined; odd: held. */
void keep_five(struct fixture *x, char ids[5][SB_QUARANTINE_ID_SIZE]);

int collect(void *data, const void *bytes, size_t length);
int refuse_all(void *data, const void *bytes, size_t length);

void must_restore(struct fixture *x, const char *id, const char *name, sb_quarantine_status want,
	sb_outcome outcome);

#endif
