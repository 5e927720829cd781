/* SPDX-License-Identifier: MIT */
/* `setup clamav` of a build without the engine clamd. */
#include "cli/commands.h"
#include "cli/log.h"
#include "cli/settings.h"

#define AT(member) offsetof(sb_setup_settings, member)

const sb_option sb_setup_options[] = {
	{"write", 0, SB_OPTION_ABSENT, "FILE", AT(write), "write the configuration"},
	{"import", 0, SB_OPTION_ABSENT, NULL, AT(import), "bring signature files in"},
	{"roll-back", 0, SB_OPTION_ABSENT, NULL, AT(roll_back), "undo the last import"},
	{NULL},
};

int sb_cmd_setup_clamav(const sb_globals *globals, const void *data, char **words, size_t count)
{
	(void)globals;
	(void)data;
	(void)words;
	(void)count;
	sb_log(SB_LOG_ERROR, "the engine type clamd is not available in this build");
	return SB_EXIT_FAILED;
}
