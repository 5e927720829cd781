/* SPDX-License-Identifier: MIT */
/* A policy file by itself: its rules, and the tests that it brings along. */
#ifndef SB_CONFIG_POLICY_FILE_H
#define SB_CONFIG_POLICY_FILE_H

#include "policy/policy.h"

/* What is given, and what has to come out. */
typedef struct sb_policy_test {
	const char *name;   /* or NULL */
	const char *origin; /* file:line:column */
	sb_facts facts;
	sb_action action;
	const char *rule; /* id of the rule that has to match; NULL: any or none */
} sb_policy_test;

typedef struct sb_policy_file {
	const sb_policy *policy;
	const sb_policy_test *tests;
	size_t test_count;
	sb_arena arena;
} sb_policy_file;

/* Errors as `path:line:column: message`. The result is the caller's. */
int sb_policy_file_read(sb_policy_file **out, const char *path, sb_error *error);
void sb_policy_file_free(sb_policy_file *file);

#endif
