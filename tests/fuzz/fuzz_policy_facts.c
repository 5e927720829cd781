/* SPDX-License-Identifier: MIT */
/* Any JSON as a report and as an audit record: facts, whatever they are, that presets decide. */
#include <stdint.h>

#include "cli/policy_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decide(const sb_known_facts *known)
{
	static const char *const presets[] = {"default", "strict", "monitor", "mail"};
	sb_policy_decision got;

	for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
		sb_policy_evaluate(sb_policy_preset(presets[i]), &known->facts, &got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *json = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
	sb_known_facts known;
	sb_arena arena;

	sb_arena_init(&arena, 1 << 20);
	if (json != NULL &&
		sb_facts_from_report(&known, json, SB_ASSURANCE_ANTIVIRUS, &arena) == NULL)
		decide(&known);
	if (json != NULL && sb_facts_from_record(&known, json, &arena) == NULL)
		decide(&known);
	sb_arena_done(&arena);
	json_decref(json);
	return 0;
}
