/* SPDX-License-Identifier: MIT */
/* `hash`: options, then over to hash_files.c. */
#include "cli/commands.h"
#include "cli/hash_files.h"
#include "cli/open.h"
#include "cli/settings.h"

#define AT(member) offsetof(sb_hash_settings, member)

const sb_option sb_hash_options[] = {
	{"sha256", 0, SB_OPTION_YES, NULL, AT(sha256), "SHA-256 instead, as sha256sum prints it"},
	{"md5", 0, SB_OPTION_YES, NULL, AT(md5),
		"MD5 instead, as md5sum prints it; both together are marked sha256: and md5:"},
	{"threads", 't', SB_OPTION_COUNT, "N", AT(jobs),
		"work with N threads (default: one for each processor)"},
	{NULL},
};

int sb_cmd_hash(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_hash_settings *settings = data;

	(void)globals;
	return sb_cli_flushed(sb_hash_files(
		words, count, settings->sha256 != 0, settings->md5 != 0, settings->jobs, stdout));
}
