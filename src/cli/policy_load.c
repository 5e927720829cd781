/* SPDX-License-Identifier: MIT */
/* See policy_load.h. A preset's name wins over a file of that name, as with `scan --policy`. */
#include "cli/policy_load.h"

#include <stdlib.h>

#include "cli/log.h"
#include "cli/open.h"

/* Without a word: what it has to say matters only to those who need it. */
static sb_conf *quiet_conf(const sb_globals *globals)
{
	char *path = sb_config_find(globals->config);
	sb_config *config = sb_config_new();
	sb_conf *conf = NULL;
	sb_error error;

	int status = config != NULL ? 0 : -1;

	sb_error_init(&error);
	if (status == 0 && path != NULL)
		status = sb_config_load_file(config, path, &error);
	if (status == 0 && globals->data_dir != NULL)
		status = sb_config_set_text(config, "data_dir", globals->data_dir, &error);
	if (status == 0 && sb_conf_build(&conf, config, &error) < 0)
		conf = NULL;
	free(path);
	sb_config_free(config);
	return conf;
}

static sb_conf *configured(const sb_globals *globals)
{
	sb_config *config = sb_cli_config(globals);
	sb_conf *conf = config != NULL ? sb_cli_conf(config) : NULL;

	sb_config_free(config);
	return conf;
}

bool sb_cli_policy(sb_loaded_policy *out, const sb_globals *globals, const char *wanted)
{
	sb_error error;

	*out = (sb_loaded_policy){.name = wanted, .min_assurance = SB_ASSURANCE_ANTIVIRUS};
	out->conf = wanted == NULL ? configured(globals) : quiet_conf(globals);
	if (out->conf != NULL)
		out->min_assurance = out->conf->decision.min_assurance;
	if (wanted == NULL) {
		out->name = "the configured policy";
		out->policy = out->conf != NULL ? out->conf->policy : NULL;
		return out->policy != NULL;
	}
	out->policy = sb_policy_preset(wanted);
	if (out->policy != NULL)
		return true;
	sb_error_init(&error);
	if (sb_policy_file_read(&out->file, wanted, &error) < 0) {
		sb_log_error(&error);
		sb_cli_policy_done(out);
		return false;
	}
	out->policy = out->file->policy;
	return true;
}

void sb_cli_policy_done(sb_loaded_policy *loaded)
{
	sb_policy_file_free(loaded->file);
	sb_conf_free(loaded->conf);
	*loaded = (sb_loaded_policy){0};
}
