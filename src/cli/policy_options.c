/* SPDX-License-Identifier: MIT */
/* What the policy commands can be told. */
#include "cli/commands.h"
#include "cli/settings.h"

#define AT(member) offsetof(sb_policy_settings, member)

const sb_option sb_policy_check_options[] = {
	{"json", 0, SB_OPTION_YES, NULL, AT(json), "the result as JSON"},
	{NULL},
};

const sb_option sb_policy_explain_options[] = {
	{"policy", 'p', SB_OPTION_TEXT, "POLICY", AT(policy),
		"a preset or a file instead of the configured policy"},
	{"json", 0, SB_OPTION_YES, NULL, AT(json), "the result as JSON"},
	{NULL},
};

const sb_option sb_policy_replay_options[] = {
	{"policy", 'p', SB_OPTION_TEXT, "POLICY", AT(policy), "the candidate: a preset or a file"},
	{"since", 0, SB_OPTION_TEXT, "TIME", AT(since),
		"only scans recorded then or later: RFC 3339 or YYYY-MM-DD"},
	{"until", 0, SB_OPTION_TEXT, "TIME", AT(until), "only scans recorded before"},
	{"examples", 'n', SB_OPTION_NUMBER, "N", AT(examples),
		"show that many of the scans that change (default: 10)"},
	{"json", 0, SB_OPTION_YES, NULL, AT(json), "the result as JSON"},
	{NULL},
};
