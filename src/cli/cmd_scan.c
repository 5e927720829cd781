/* SPDX-License-Identifier: MIT */
/* `scan`: options to configuration, scan options and plan, as `watch` has them too; then the
 * run. */
#include "cli/cmd_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/line.h"
#include "cli/log.h"
#include "cli/open.h"
#include "cli/term.h"
#include "policy/policy.h"
#include "scan/manager.h"
#include "util/text.h"

#define AT(member) offsetof(sb_scan_settings, member)

static const char *const presets[] = {"default", "strict", "monitor", "mail", NULL};

const sb_option sb_scan_cli_options[] = {
	{"What is scanned", 0, SB_OPTION_GROUP, NULL, 0, NULL},
	{"exclude", 'x', SB_OPTION_LIST, "GLOB", AT(excludes),
		"leave out files and directories: a pattern without / is for names, one with / for "
		"paths; repeatable"},
	{"file-list", 0, SB_OPTION_TEXT, "FILE", AT(file_list),
		"scan the paths in FILE too, one a line; - is standard input"},
	{"null", '0', SB_OPTION_YES, NULL, AT(nul_separated), "the file list is separated by NUL"},
	{"name", 0, SB_OPTION_TEXT, "NAME", AT(name), "what standard input (-) is called"},
	{"max-size", 0, SB_OPTION_SIZE, "SIZE", AT(max_size),
		"larger files are an error; the smaller of this and limits.max_size holds"},
	{"How", 0, SB_OPTION_GROUP, NULL, 0, NULL},
	{"engine", 'e', SB_OPTION_LIST, "NAME", AT(engines), "ask only this engine; repeatable"},
	{"policy", 'p', SB_OPTION_TEXT, "PRESET|FILE", AT(policy),
		"default, strict, monitor, mail or a file", presets},
	{"jobs", 'j', SB_OPTION_COUNT, "N", AT(jobs),
		"files in work at once (default: enough for all engines)"},
	{"timeout", 't', SB_OPTION_DURATION, "TIME", AT(timeout_ms),
		"for one file; the smaller of this and limits.timeout holds"},
	{"archive-password", 0, SB_OPTION_LIST, "PW", AT(passwords),
		"try this password on encrypted archives; repeatable"},
	{"no-cache", 0, SB_OPTION_YES, NULL, AT(no_cache), "take no verdict from the cache"},
	{"no-quarantine", 0, SB_OPTION_YES, NULL, AT(no_quarantine),
		"store nothing; actions stay what policy says"},
	{"remove", 0, SB_OPTION_YES, NULL, AT(remove),
		"remove infected files once they are in quarantine"},
	{"dry-run", 0, SB_OPTION_YES, NULL, AT(dry_run), "store and remove nothing"},
	{"local", 0, SB_OPTION_YES, NULL, AT(local),
		"scan in this process, never through a server"},
	{"For policy and audit", 0, SB_OPTION_GROUP, NULL, 0, NULL},
	{"tenant", 0, SB_OPTION_TEXT, "ID", AT(tenant), "whose files these are"},
	{"user", 0, SB_OPTION_TEXT, "ID", AT(user), "who asks"},
	{"request-id", 0, SB_OPTION_TEXT, "ID", AT(request_id), "your own reference"},
	{"source", 0, SB_OPTION_TEXT, "NAME", AT(source), "where they come from (default: cli)"},
	{"meta", 0, SB_OPTION_LIST, "K=V", AT(metadata), "anything else; repeatable"},
	{"Output", 0, SB_OPTION_GROUP, NULL, 0, NULL},
	{"json", 0, SB_OPTION_YES, NULL, AT(json), "one report a line, as JSON, for every file"},
	{"verbose", 'v', SB_OPTION_YES, NULL, AT(verbose),
		"a line for every file and for what is skipped"},
	{"quiet", 'q', SB_OPTION_YES, NULL, AT(quiet), "no summary, no progress"},
	{"progress", 0, SB_OPTION_YES, NULL, AT(progress),
		"show progress (default: when standard error is a terminal)"},
	{"no-progress", 0, SB_OPTION_NO, NULL, AT(progress), "don't"},
	{"no-color", 0, SB_OPTION_NO, NULL, AT(colour), "no colours; NO_COLOR does the same"},
	{NULL},
};

/* --- Options to library calls -------------------------------------------------------------- */

/* The command that is run, for messages. */
static const char *command = "scan";

static int refuse(const char *option, const char *message)
{
	sb_log(SB_LOG_ERROR, "%s: %s: %s", command, option, message);
	return -1;
}

static int add_metadata(sb_context *context, const sb_words *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		const char *equals = strchr(pairs->items[i], '=');
		int status;
		if (equals == NULL || equals == pairs->items[i])
			return refuse("--meta", "write it as KEY=VALUE");
		status = sb_context_set_metadata(context, pairs->items[i],
			(size_t)(equals - pairs->items[i]), equals + 1, strlen(equals + 1));
		if (status == -SB_KIND_LIMIT_EXCEEDED)
			return refuse("--meta", "there are too many pairs, 64 is the limit");
		if (status < 0)
			return refuse("--meta", "out of memory");
	}
	return 0;
}

static int fill_context(sb_context *context, const sb_scan_settings *settings)
{
	const struct {
		const char *value;
		int (*set)(sb_context *, const char *, size_t);
	} fields[] = {
		{settings->tenant, sb_context_set_tenant},
		{settings->user, sb_context_set_user},
		{settings->request_id, sb_context_set_request_id},
		{settings->source != NULL ? settings->source : "cli", sb_context_set_source},
	};

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (fields[i].value != NULL &&
			fields[i].set(context, fields[i].value, strlen(fields[i].value)) < 0)
			return refuse("context", "out of memory");
	return add_metadata(context, &settings->metadata);
}

static int add_password(sb_scan_options *options, const char *password)
{
	int status = sb_scan_options_add_password(options, password, strlen(password));

	if (status == -SB_KIND_LIMIT_EXCEEDED)
		return refuse(
			"--archive-password", "up to 64, each of 1 to 1024 bytes, are possible");
	return status < 0 ? refuse("--archive-password", "out of memory") : 0;
}

static int fill_options(
	sb_scan_options *options, sb_cancel *cancel, const sb_scan_settings *settings)
{
	sb_context *context = sb_context_new();
	int status = context != NULL ? fill_context(context, settings) : -1;

	if (status == 0 && sb_scan_options_set_context(options, context) < 0)
		status = refuse("context", "out of memory");
	sb_context_free(context);
	sb_scan_options_set_cancel(options, cancel);
	sb_scan_options_set_max_size(options, settings->max_size);
	sb_scan_options_set_timeout_ms(options, settings->timeout_ms);
	sb_scan_options_set_quarantine(
		options, settings->no_quarantine == 0 && settings->dry_run == 0);
	sb_scan_options_set_cache(options, settings->no_cache == 0);
	sb_scan_options_set_remove_original(options, settings->remove != 0);
	for (size_t i = 0; status == 0 && i < settings->engines.count; i++)
		if (sb_scan_options_add_engine(options, settings->engines.items[i]) < 0)
			status = refuse("--engine", "out of memory");
	for (size_t i = 0; status == 0 && i < settings->passwords.count; i++)
		status = add_password(options, settings->passwords.items[i]);
	return status;
}

/* A preset by its name, everything else is a file. */
static int set_policy(sb_config *config, const char *policy)
{
	const size_t count = sizeof presets / sizeof presets[0] - 1;
	const char *near = sb_suggest(policy, presets, count);
	char *path;
	int status;
	sb_error error;

	sb_error_init(&error);
	for (size_t i = 0; i < count; i++)
		if (strcmp(policy, presets[i]) == 0)
			return sb_config_set(config, "policy.preset", policy, &error) < 0
				       ? refuse("--policy", sb_error_message(&error))
				       : 0;
	/* Absolute, because paths in the configuration are relative to its file. */
	path = sb_cli_absolute(policy);
	if (path == NULL) {
		char text[128];
		snprintf(text, sizeof text, "no such preset or file%s%s%s",
			near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
			near != NULL ? "'?" : "");
		return refuse("--policy", text);
	}
	status = sb_config_set_text(config, "policy.file", path, &error);
	free(path);
	return status < 0 ? refuse("--policy", sb_error_message(&error)) : 0;
}

/* --- What the configuration has to say -------------------------------------------------------- */

static int check_engines(const sb_conf *conf, const sb_words *engines)
{
	const char *names[64];
	size_t count = 0;

	for (size_t i = 0; i < conf->engine_count && count < 64; i++)
		names[count++] = conf->engines[i].name;
	for (size_t i = 0; i < engines->count; i++) {
		const char *near;
		size_t k = 0;
		while (k < conf->engine_count &&
			strcmp(conf->engines[k].name, engines->items[i]) != 0)
			k++;
		if (k < conf->engine_count)
			continue;
		near = sb_suggest(engines->items[i], names, count);
		sb_log(SB_LOG_ERROR, "%s: --engine: no engine is called '%.64s'%s%s%s", command,
			engines->items[i], near != NULL ? "; did you mean '" : "",
			near != NULL ? near : "", near != NULL ? "'?" : "");
		return -1;
	}
	return 0;
}

/* Enough to keep every engine's permits busy, and one more for each that has just ended; but where
 * the work is done here, who waits for a permit only costs being woken. */
static unsigned default_jobs(const sb_conf *conf)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned jobs = cpus > 0 ? (unsigned)cpus : 1;

	for (size_t i = 0; i < conf->engine_count; i++) {
		const sb_engine_conf *engine = &conf->engines[i];
		bool local = (engine->ops->flags & SB_ENGINE_LOCAL) != 0;
		unsigned useful = local ? engine->concurrency : 2 * engine->concurrency;

		jobs = useful > jobs ? useful : jobs;
	}
	return jobs < 64 ? jobs : 64;
}

/* One that is just released may still be counted by the manager. */
static unsigned at_once_for(const sb_conf *conf)
{
	const unsigned max = conf->limits.max_in_flight;

	return max > 1 ? max - 1 : 1;
}

/* Verdicts wait for a flush: as many as are flushed together, and once more as many, so that nobody
 * waits while a slow disk flushes. The manager lets eight times as many wait as are at work. */
static unsigned in_flight_for(const sb_conf *conf, unsigned jobs)
{
	const unsigned waiting = 1024, max = conf->limits.max_in_flight;
	const unsigned most = max > 1 ? 8 * (max - 1) : 1;

	return jobs + waiting < most ? jobs + waiting : most;
}

static unsigned jobs_for(const sb_conf *conf, const sb_scan_settings *settings)
{
	unsigned jobs = settings->jobs > 0 ? settings->jobs : default_jobs(conf);

	return jobs < at_once_for(conf) ? jobs : at_once_for(conf);
}

static uint64_t budget_for(const sb_conf *conf)
{
	const uint64_t plenty = 24 << 20; /* the whole program stays below 64 MiB */
	uint64_t half = conf->limits.spool_memory / 2;

	return half < plenty ? half : plenty;
}

/* --- Running it ---------------------------------------------------------------------------- */

/* Directories on the way, files in work and sessions to engines: the usual soft limit of 1,024
 * is for programs that use select(). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 8192) {
		limit.rlim_cur = limit.rlim_max < 8192 ? limit.rlim_max : 8192;
		(void)setrlimit(
			RLIMIT_NOFILE, &limit); /* the old limit does too, with fewer jobs */
	}
}

sb_output_options sb_scan_output_options(const sb_scan_settings *settings)
{
	sb_output_options options = {.json = settings->json != 0,
		.verbose = settings->verbose != 0,
		.quiet = settings->quiet != 0};

	options.progress =
		!options.quiet &&
		(settings->progress != 0 ? settings->progress > 0 : sb_term_redraws(STDERR_FILENO));
	options.colours_out = settings->colour >= 0 && sb_term_colours(STDOUT_FILENO);
	options.colours_err = settings->colour >= 0 && sb_term_colours(STDERR_FILENO);
	return options;
}

sb_scan_run sb_scan_plan(const sb_scan_session *session)
{
	const sb_scan_settings *settings = session->settings;
	const sb_conf *conf = sb_manager_conf(session->manager);
	const unsigned jobs = jobs_for(conf, settings);

	return (sb_scan_run){.manager = session->manager,
		.options = session->options,
		.cancel = session->cancel,
		.jobs = jobs,
		.in_flight = in_flight_for(conf, jobs),
		.budget = budget_for(conf),
		.walk = {settings->excludes.items, settings->excludes.count, conf->data_dir}};
}

static int run(const sb_scan_session *session, char *const *paths, size_t path_count)
{
	const sb_scan_settings *settings = session->settings;
	const sb_output_options look = sb_scan_output_options(settings);
	sb_output *output = sb_output_new(&look);
	sb_scan_run plan = sb_scan_plan(session);
	sb_run_end end;
	int status;

	if (output == NULL) {
		sb_log(SB_LOG_ERROR, "out of memory");
		return SB_EXIT_FAILED;
	}
	plan.output = output;
	plan.paths = paths;
	plan.path_count = path_count;
	plan.file_list = settings->file_list;
	plan.nul_separated = settings->nul_separated != 0;
	plan.stdin_name = settings->name;
	plan.progress = look.progress;
	end = sb_scan_run_all(&plan);
	if (end == SB_RUN_FAILED) {
		sb_output_free(output);
		return SB_EXIT_FAILED;
	}
	status = sb_output_finish(output, end != SB_RUN_DONE);
	if (end == SB_RUN_STUCK)
		_exit(status); /* threads that don't end still use everything */
	sb_output_free(output);
	return status;
}

static int check_words(const sb_scan_settings *settings, char *const *paths, size_t count)
{
	size_t stdins = settings->file_list != NULL && strcmp(settings->file_list, "-") == 0;

	for (size_t i = 0; i < count; i++)
		stdins += strcmp(paths[i], "-") == 0;
	if (stdins > 1)
		return refuse("-", "standard input can be used once");
	if (count == 0 && settings->file_list == NULL) {
		(void)refuse("PATH", "nothing to scan was named");
		sb_log(SB_LOG_ERROR, "try 'scanbridge scan --help'");
		return -1;
	}
	if (settings->nul_separated != 0 && settings->file_list == NULL)
		return refuse("-0", "belongs to --file-list");
	return 0;
}

/* `build/` is meant as a name. */
static int trim_excludes(const sb_words *excludes)
{
	for (size_t i = 0; i < excludes->count; i++) {
		char *pattern = (char *)(uintptr_t)excludes->items[i]; /* argv is ours to change */
		size_t length = strlen(pattern);
		while (length > 1 && pattern[length - 1] == '/')
			pattern[--length] = '\0';
		if (length == 0)
			return refuse("--exclude", "the pattern is empty");
	}
	return 0;
}

int sb_scan_open(sb_scan_session *session, const sb_globals *globals, const char *name,
	const sb_scan_settings *settings)
{
	*session = (sb_scan_session){.settings = settings};
	command = name;
	if (trim_excludes(&settings->excludes) < 0)
		return -1;
	session->config = sb_cli_config(globals);
	if (session->config == NULL)
		return -1;
	raise_descriptor_limit();
	session->options = sb_scan_options_new();
	session->cancel = sb_cancel_new();
	if (session->options == NULL || session->cancel == NULL)
		return refuse(name, "out of memory");
	if (fill_options(session->options, session->cancel, settings) < 0 ||
		(settings->policy != NULL && set_policy(session->config, settings->policy) < 0))
		return -1;
	session->manager = sb_cli_open(session->config);
	return session->manager != NULL
		       ? check_engines(sb_manager_conf(session->manager), &settings->engines)
		       : -1;
}

/* What can't be read, and what the command line names and is not there any more, is told before
 * anything is opened. */
static int read_anew(const sb_scan_settings *settings, const sb_globals *globals, sb_config **out,
	sb_error *error)
{
	sb_conf *conf = NULL;
	int status;

	*out = sb_cli_load(globals, error);
	if (*out == NULL)
		return -(int)sb_error_kind(error);
	if (settings->policy != NULL && set_policy(*out, settings->policy) < 0)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"the policy of the command line can't be used");
	status = sb_conf_build(&conf, *out, error);
	if (status == 0 && check_engines(conf, &settings->engines) < 0)
		status = sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"an engine of the command line is not in the configuration any more");
	sb_conf_free(conf);
	return status;
}

int sb_scan_reconfigure(const sb_scan_session *session, const sb_globals *globals, sb_error *error)
{
	sb_config *config = NULL;
	int status = read_anew(session->settings, globals, &config, error);

	if (status < 0)
		sb_manager_refuse(session->manager, globals->config, error);
	else
		status = sb_manager_reconfigure(session->manager, config, error);
	sb_config_free(config);
	return status;
}

/* Scans were made all the same, only more slowly than they might be. */
static void tell_cache_problem(sb_manager *manager)
{
	char problem[256];

	if (manager != NULL && sb_manager_cache_problem(manager, problem, sizeof problem))
		sb_log(SB_LOG_WARN, "verdict cache: %s", problem);
}

void sb_scan_close(sb_scan_session *session)
{
	tell_cache_problem(session->manager);
	sb_manager_free(session->manager);
	sb_scan_options_free(session->options);
	sb_cancel_free(session->cancel);
	sb_config_free(session->config);
}

int sb_cmd_scan(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_scan_settings *settings = data;
	sb_scan_session session = {.settings = settings};
	int status = SB_EXIT_FAILED;

	if (check_words(settings, words, count) == 0 &&
		sb_scan_open(&session, globals, "scan", settings) == 0)
		status = run(&session, words, count);
	sb_scan_close(&session);
	return status;
}
