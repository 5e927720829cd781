/* SPDX-License-Identifier: MIT */
/*
 * Any command-line scanner: started anew for each content, in a folder of its own, without a
 * shell, in bubblewrap's sandbox where there is one. What it ended with is looked up in a table:
 * only a status that is known to mean clean, of a program that ended by itself in time, with the
 * content still in its place, is clean. Names of threats are looked for in what it printed; they
 * never decide anything. With `output: json` a scanner says it all in JSON (external_reply.h).
 */
#include "engines/command/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/hash.h"
#include "util/io.h"
#include "util/json.h"
#include "util/text.h"
#include "wire/clamd_reply.h"
#include "wire/external_reply.h"

static const char *const inputs[] = {"file", "stdin", "descriptor", NULL};
static const char *const outputs[] = {"exit", "json", NULL};
static const char *const sandboxes[] = {"auto", "bwrap", "none", NULL};

#define AT(member) offsetof(sb_command, member)
#define STATUSES(name, text)                                                                       \
	{                                                                                          \
		.key = #name, .type = SB_SETTING_INTS, .offset = AT(name), .max = 255,             \
		.help = (text)                                                                     \
	}

static const sb_setting settings[] = {
	{"preset", SB_SETTING_CHOICE, AT(preset), "none", .choices = sb_preset_words,
		.help = "ready settings, for all that is not given here"},
	{"argv", SB_SETTING_TEXTS, AT(argv),
		.help = "the program and its arguments; {} or {path}: the content's path, "
			"{work}: a folder for temporary files"},
	{"input", SB_SETTING_CHOICE, AT(input), "file", .choices = inputs,
		.help = "how it gets the content: a copy, its standard input, or descriptor 3"},
	{"keep_extension", SB_SETTING_BOOL, AT(keep_extension), "false",
		.help = "let the copy end like the content's name (.docx), if that is harmless"},
	{"output", SB_SETTING_CHOICE, AT(output), "exit", .choices = outputs,
		.help = "what says the verdict: the exit status, or JSON as external scanners of "
			"MetaDefender print it"},
	STATUSES(clean_exit, "statuses that mean clean; default: 0"),
	STATUSES(infected_exit, "statuses that mean infected; default: 1"),
	STATUSES(suspicious_exit, "statuses that mean suspicious"),
	STATUSES(unsupported_exit, "statuses that mean that this content can't be judged"),
	STATUSES(error_exit, "statuses that mean that the scanner can't work now; all that stand "
			     "in no list are errors, too"),
	{"threat_pattern", SB_SETTING_TEXT, AT(threat_pattern),
		.help = "regular expression (PCRE2) for a line of its output; the first group is "
			"the threat's name"},
	{"version_command", SB_SETTING_TEXTS, AT(version_command),
		.help = "program and arguments that print which version and signatures judge"},
	{"environment", SB_SETTING_TEXTS, AT(environment),
		.help = "variables that it gets: NAME from our own environment, or NAME=VALUE"},
	{"sandbox", SB_SETTING_CHOICE, AT(sandbox), "auto", .choices = sandboxes,
		.help = "bubblewrap, where it works (auto; where it doesn't, `engines` and the "
			"program's start say so), always or never"},
	{"network", SB_SETTING_BOOL, AT(network), "false",
		.help = "let it use the network from inside the sandbox"},
	{"max_output", SB_SETTING_SIZE, AT(max_output), "1MiB", 1024, 64 << 20, .operational = true,
		.help = "more than that is error protocol_error"},
	{"max_processes", SB_SETTING_INT, AT(max_processes), "0", 0, 1000000, .operational = true,
		.help = "of our user, that it may not go beyond (RLIMIT_NPROC); 0: no limit; root "
			"has none"},
	{NULL},
};

/* --- One run -------------------------------------------------------------------------------------
 */

enum { FILES = 1024, CONTENT_FD = 3, MIB = 1 << 20 };

/* What it may use up. Files may become as large as unpacking has reason to. */
static void set_limits(const sb_command *command, sb_child_plan *plan)
{
	const sb_child_limit limits[] = {{RLIMIT_CORE, 0}, {RLIMIT_NOFILE, FILES},
		{RLIMIT_FSIZE, (rlim_t)4096 * MIB}, {RLIMIT_NPROC, (rlim_t)command->max_processes}};

	_Static_assert(sizeof limits / sizeof *limits <= SB_CHILD_LIMITS, "room in the plan");
	plan->limit_count = command->max_processes > 0 ? 4 : 3;
	memcpy(plan->limits, limits, plan->limit_count * sizeof *limits);
}

/* Memory that nobody can change any more. */
static bool is_sealed(int fd)
{
	const int needed = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & needed) == needed;
}

/* The content for descriptor 3: as it is where it is sealed; else our copy, since a scanner of our
 * user could open it anew for writing. */
static int open_descriptor(sb_place *place, sb_call *call, bool *owned, sb_error *error)
{
	int fd = sb_call_fd(call, error), status;

	*owned = false;
	if (fd < 0)
		return error != NULL ? -(int)sb_error_kind(error) : -(int)SB_KIND_IO;
	if (is_sealed(fd))
		return fd;
	status = sb_place_put(place, call, "", error);
	if (status < 0)
		return status;
	fd = openat(place->dir, place->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	*owned = fd >= 0;
	return fd >= 0 ? fd : sb_error_set(error, SB_KIND_IO, errno, "open the scanner's copy");
}

/* The part of a name that is safe as the end of another one, or "". */
static void extension_of(const sb_call *call, char out[9])
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t length, at;
	const char *name = sb_call_name(call, &length);

	out[0] = '\0';
	for (at = length; at > 0 && name[at - 1] != '\0' && strchr(allowed, name[at - 1]); at--)
		continue;
	if (at > 1 && at < length && name[at - 1] == '.' && length - at <= 8)
		snprintf(out, 9, "%.*s", (int)(length - at), name + at);
}

/* What an external scanner gets on its standard input. Engines judge side by side, so there are no
 * results of others yet. */
static void write_request(sb_buf *out, const sb_call *call)
{
	sb_json json = sb_json_on(out);

	sb_json_object(&json, NULL);
	sb_json_object(&json, "file_info");
	sb_json_uint(&json, "file_size", sb_call_size(call));
	sb_json_end_object(&json);
	sb_json_object(&json, "scan_results");
	sb_json_object(&json, "scan_details");
	sb_json_end_object(&json);
	sb_json_end_object(&json);
	sb_json_end_object(&json);
}

/* How the content gets there. */
typedef struct delivery {
	int fd; /* -1: by its path or through the pipe */
	bool owned;
	char path[PATH_MAX]; /* "": through the pipe */
} delivery;

static int deliver(
	const sb_command *command, sb_place *place, sb_call *call, delivery *out, sb_error *error)
{
	char extension[9] = "";
	int status;

	*out = (delivery){.fd = -1};
	if (call == NULL || command->input == SB_INPUT_STDIN)
		return 0;
	if (command->input == SB_INPUT_DESCRIPTOR) {
		out->fd = open_descriptor(place, call, &out->owned, error);
		snprintf(out->path, sizeof out->path, "/proc/self/fd/%d", CONTENT_FD);
		return out->fd < 0 ? out->fd : 0;
	}
	if (command->keep_extension)
		extension_of(call, extension);
	status = sb_place_put(place, call, extension, error);
	snprintf(out->path, sizeof out->path, "%.*s/%s", PATH_MAX - 32, place->path, place->file);
	return status;
}

static int run_delivered(sb_command *command, const sb_run_words *words, const sb_place *place,
	sb_call *call, const delivery *content, uint64_t timeout_ms, sb_run_end *end,
	sb_error *error)
{
	sb_child_plan plan = SB_CHILD_PLAN(words->argv.items[0]);
	sb_run run = {.plan = &plan,
		.wrapped = command->bwrap[0] != '\0',
		.max_output = command->max_output,
		.timeout_ms = timeout_ms,
		.cancel_fd = call != NULL ? sb_call_cancel_fd(call) : -1};
	sb_buf request;
	int status;

	plan.path = words->path;
	plan.argv = words->argv.items;
	plan.environment = words->environment.items;
	plan.fds = &content->fd;
	plan.count = content->fd >= 0 ? 1 : 0;
	plan.folder = place->work;
	set_limits(command, &plan);
	sb_buf_init(&request, 4096);
	if (call != NULL && command->output == SB_OUTPUT_JSON) {
		write_request(&request, call);
		run.text = request.data;
	} else if (call != NULL && command->input == SB_INPUT_STDIN) {
		run.call = call;
	}
	status = sb_run_do(&run, end, error);
	sb_buf_done(&request);
	return status;
}

int sb_command_run(sb_command *command, const sb_texts *argv, const char *program, sb_place *place,
	sb_call *call, uint64_t timeout_ms, sb_run_end *end, sb_error *error)
{
	delivery content;
	sb_run_words words;
	int status = deliver(command, place, call, &content, error);

	*end = (sb_run_end){.number = -1};
	if (status == 0)
		status = sb_words_make(&words, command, argv, program, place,
			content.path[0] != '\0' ? content.path : NULL,
			content.fd >= 0 ? CONTENT_FD + 1 : CONTENT_FD, error);
	if (status == 0) {
		if (call != NULL) /* copying took its part */
			timeout_ms = sb_call_remaining_ms(call);
		status = run_delivered(
			command, &words, place, call, &content, timeout_ms, end, error);
		sb_words_free(&words);
	}
	if (content.owned)
		close(content.fd);
	return status;
}

/* --- From the end of a run to a statement --------------------------------------------------------
 */

/* One sentence, with the beginning of what the scanner complained about. */
SB_PRINTF(4, 5)
static int problem(const sb_run_end *end, sb_kind kind, sb_error *error, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return sb_error_set(error, kind, 0, "%s%s%s", text, end->complaint[0] != '\0' ? ": " : "",
		end->complaint);
}

/* Shells and the sandbox say 128 + N of what died of signal N. */
static int check_status(const sb_command *command, const sb_run_end *end, sb_error *error)
{
	if (end->number <= 128 || end->number > 128 + 64 ||
		command->meaning[end->number] != SB_MEANS_NOTHING)
		return 0;
	return problem(end, SB_KIND_ENGINE_CRASHED, error, "the scanner died of signal %d",
		end->number - 128);
}

/* 0 when it ended by itself and end->number is its status. */
static int check_end(const sb_command *command, const sb_run_end *end, sb_error *error)
{
	switch (end->how) {
	case SB_RUN_EXITED:
		return check_status(command, end, error);
	case SB_RUN_KILLED:
		return problem(end, SB_KIND_ENGINE_CRASHED, error, "the scanner died of signal %d",
			end->number);
	case SB_RUN_LATE:
		return problem(end, SB_KIND_TIMEOUT, error,
			"the scanner did not end in time and was killed");
	case SB_RUN_CANCELLED:
		return problem(end, SB_KIND_CANCELLED, error, "cancelled, and the scanner killed");
	case SB_RUN_FLOODED:
		return problem(end, SB_KIND_PROTOCOL_ERROR, error,
			"the scanner printed more than max_output and was killed");
	case SB_RUN_UNTOLD:
		break;
	}
	return problem(end, SB_KIND_ENGINE_UNAVAILABLE, error,
		"the scanner was not started, or nobody knows how it ended");
}

/* How much of the content it had before it. */
static uint64_t seen(const sb_command *command, const sb_call *call, const sb_run_end *end)
{
	return command->input == SB_INPUT_STDIN ? end->fed : sb_call_size(call);
}

static int state_clean(const sb_command *command, sb_call *call, const sb_place *place,
	const sb_run_end *end, sb_error *error)
{
	/* Another scanner's guard may have taken it away before this one saw it. */
	if (place->file[0] != '\0' && !sb_place_intact(place))
		return problem(end, SB_KIND_PROTOCOL_ERROR, error,
			"clean, said the scanner, but its copy of the content was changed or "
			"removed");
	return sb_call_clean(call, seen(command, call, end), SB_CONTENT_UNKNOWN, error);
}

/* The kind of a name that only says why the content could not be judged; NONE: a threat. */
static sb_kind doubt_of(const sb_preset *preset, const sb_names_found *found)
{
	for (const sb_doubt *doubt = preset->doubts; doubt->prefix != NULL; doubt++)
		if (found->length > strlen(doubt->prefix) &&
			memcmp(found->name, doubt->prefix, strlen(doubt->prefix)) == 0)
			return doubt->kind;
	return SB_KIND_NONE;
}

static int state_name(
	sb_call *call, sb_meaning meaning, const char *name, size_t length, sb_error *error)
{
	const sb_threat threat = {.name = name, .name_length = length};

	return meaning == SB_MEANS_INFECTED ? sb_call_infected(call, &threat, error)
					    : sb_call_suspicious(call, &threat, -1, error);
}

/* Found. Names that are only doubts count where there is no other. */
static int state_found(const sb_command *command, sb_call *call, const sb_run_end *end,
	sb_meaning meaning, sb_error *error)
{
	static const char unnamed[] = "Unnamed.Detection";
	sb_names_found found[SB_NAMES_MAX];
	size_t count = command->names == NULL ? 0
					      : sb_names_find(command->names, end->output.data,
							end->output.length, found);
	sb_kind doubt = SB_KIND_NONE;
	int status = 0, stated = 0;

	sb_call_cover(call, seen(command, call, end), SB_CONTENT_UNKNOWN);
	for (size_t i = 0; status == 0 && i < count; i++) {
		sb_kind kind = doubt_of(command->base, &found[i]);

		doubt = doubt == SB_KIND_NONE ? kind : doubt;
		if (kind != SB_KIND_NONE)
			continue;
		status = state_name(call, meaning, found[i].name, found[i].length, error);
		stated++;
	}
	if (status < 0 || stated > 0)
		return status;
	if (doubt != SB_KIND_NONE)
		return sb_error_set(error, doubt, 0, "the scanner could not look at all of it: %s",
			sb_kind_name(doubt));
	return state_name(call, meaning, unnamed, sizeof unnamed - 1, error);
}

static int state_exit(const sb_command *command, sb_call *call, const sb_place *place,
	const sb_run_end *end, sb_error *error)
{
	const sb_meaning meaning = (sb_meaning)command->meaning[end->number & 255];

	switch (meaning) {
	case SB_MEANS_CLEAN:
		return state_clean(command, call, place, end, error);
	case SB_MEANS_INFECTED:
	case SB_MEANS_SUSPICIOUS:
		return state_found(command, call, end, meaning, error);
	case SB_MEANS_UNSUPPORTED:
		return problem(end, SB_KIND_UNSUPPORTED, error,
			"the scanner can't judge this content (status %d)", end->number);
	case SB_MEANS_FAILURE:
		return problem(end, SB_KIND_ENGINE_UNAVAILABLE, error,
			"the scanner failed with status %d", end->number);
	case SB_MEANS_NOTHING:
		break;
	}
	return problem(end, SB_KIND_PROTOCOL_ERROR, error,
		"status %d stands in none of the lists *_exit", end->number);
}

static int state_json(sb_command *command, sb_call *call, const sb_place *place,
	const sb_run_end *end, sb_error *error)
{
	sb_external_reply *reply;
	int status;

	if (end->number != 0)
		return problem(end, SB_KIND_ENGINE_UNAVAILABLE, error,
			"the scanner failed with status %d", end->number);
	reply = malloc(sizeof *reply);
	if (reply == NULL)
		return sb_error_no_memory(error);
	sb_external_reply_parse(end->output.data, end->output.length, reply);
	if (reply->outcome != SB_OUTCOME_ERROR)
		atomic_store(&command->def_time, reply->def_time);
	if (reply->outcome == SB_OUTCOME_CLEAN) {
		status = state_clean(command, call, place, end, error);
	} else if (reply->outcome == SB_OUTCOME_ERROR) {
		status = problem(end, reply->kind, error, "%s", reply->problem);
	} else {
		sb_call_cover(call, sb_call_size(call), SB_CONTENT_UNKNOWN);
		status = state_name(call,
			reply->outcome == SB_OUTCOME_INFECTED ? SB_MEANS_INFECTED
							      : SB_MEANS_SUSPICIOUS,
			reply->threat_length > 0 ? reply->threat : "Unnamed.Detection",
			reply->threat_length > 0 ? reply->threat_length : 17, error);
	}
	free(reply);
	return status;
}

/* --- Slots
 * ----------------------------------------------------------------------------------------- */

/* It may have been replaced since it was opened. */
static int check_program(const sb_command *command, sb_error *error)
{
	struct stat info;
	sb_error why;

	sb_error_init(&why);
	if (sb_program_check(command->program, &info, &why) == 0)
		return 0;
	return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, why.sys_errno, "%s", why.message);
}

static int command_scan(void *state, sb_call *call, sb_error *error)
{
	sb_command *command = state;
	sb_place place = {.base = -1, .dir = -1, .work = -1};
	sb_run_end end = {.number = -1};
	int status = check_program(command, error);

	if (status == 0)
		status = sb_place_make(&place, command->around->data_dir, error);
	if (status == 0)
		status = sb_command_run(command, &command->argv, command->program, &place, call,
			sb_call_remaining_ms(call), &end, error);
	if (status == 0)
		status = check_end(command, &end, error);
	if (status == 0 && command->output == SB_OUTPUT_JSON)
		status = state_json(command, call, &place, &end, error);
	else if (status == 0)
		status = state_exit(command, call, &place, &end, error);
	sb_run_end_done(&end);
	sb_place_remove(&place);
	return status;
}

static void command_environment(void *state, const sb_environment *environment)
{
	((sb_command *)state)->around = environment;
}

static int command_open(void *state, sb_error *error)
{
	sb_command *command = state;
	int status = sb_command_settle(command, error);

	if (status == 0)
		status = sb_program_find(command->argv.items[0], command->program, error);
	if (status == 0 && command->version_command.count > 0)
		status = sb_program_find(
			command->version_command.items[0], command->version_program, error);
	if (status == 0 && command->threat_pattern != NULL)
		status = sb_names_open(&command->names, command->threat_pattern, error);
	if (status == 0)
		status = sb_place_prepare(command->around->data_dir, error);
	return status == 0 ? sb_sandbox_open(command, error) : status;
}

static void command_close(void *state)
{
	sb_command *command = state;

	sb_names_close(command->names);
	command->names = NULL;
}

/* --- Identity
 * -------------------------------------------------------------------------------------- */

/* A digest of which file the program is, and of what it says about itself. */
static void digest_of(const sb_buf *said, const struct stat *info, char out[17])
{
	struct {
		uint64_t device, inode, size, seconds, nanoseconds;
		uint8_t said[SB_BLAKE3_SIZE];
	} text = {(uint64_t)info->st_dev, (uint64_t)info->st_ino, (uint64_t)info->st_size,
		(uint64_t)info->st_mtim.tv_sec, (uint64_t)info->st_mtim.tv_nsec, {0}};
	uint8_t digest[SB_BLAKE3_SIZE];

	if (said != NULL)
		sb_blake3_memory(said->data, said->length, text.said);
	sb_blake3_memory(&text, sizeof text, digest);
	sb_hex(out, digest, 8);
}

static int ask_version(sb_command *command, uint64_t timeout_ms, sb_run_end *end, sb_error *error)
{
	sb_place place;
	int status = sb_place_make(&place, command->around->data_dir, error);

	if (status == 0)
		status = sb_command_run(command, &command->version_command,
			command->version_program, &place, NULL, timeout_ms, end, error);
	sb_place_remove(&place);
	if (status == 0)
		status = check_end(command, end, error);
	if (status == 0 && (end->number != 0 || end->output.length == 0))
		status = problem(end, SB_KIND_ENGINE_UNAVAILABLE, error,
			"version_command ended with status %d", end->number);
	return status;
}

/* The first line, for people; what it is like goes into the digest. */
static void keep_version(
	const sb_command *command, const sb_run_end *end, const char *digest, sb_identity *out)
{
	size_t length = strcspn(end->output.data, "\r\n");
	sb_clamd_version version;
	sb_buf line;

	if (command->base->clam_version &&
		sb_clamd_version_parse(end->output.data, length, &version)) {
		out->signature_time = version.time;
		memcpy(out->engine_version, version.engine, sizeof version.engine);
		memcpy(out->signature_version, version.signatures, sizeof version.signatures);
		return;
	}
	sb_buf_init(&line, 4096);
	sb_escape(&line, end->output.data, length < 512 ? length : 512);
	snprintf(out->engine_version, sizeof out->engine_version, "%.63s",
		line.data != NULL ? line.data : "");
	snprintf(out->signature_version, sizeof out->signature_version, "%s", digest);
	sb_buf_done(&line);
}

/* What a version command says need not change with every change of signatures: never exact. */
static int command_identity(void *state, uint64_t timeout_ms, sb_identity *out, sb_error *error)
{
	sb_command *command = state;
	sb_run_end end = {.number = -1};
	struct stat info;
	char digest[17];
	int status = sb_program_check(command->program, &info, error);

	*out = (sb_identity){.exactness = SB_EXACT_NONE,
		.signature_time = atomic_load(&command->def_time) / 1000};
	if (status < 0)
		return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, 0,
			"the program %s is not fit to be started", command->program);
	if (command->version_command.count == 0) {
		digest_of(NULL, &info, digest);
		snprintf(out->signature_version, sizeof out->signature_version, "%s", digest);
		return 0;
	}
	status = ask_version(command, timeout_ms, &end, error);
	if (status == 0) {
		digest_of(&end.output, &info, digest);
		keep_version(command, &end, digest, out);
		out->exactness = SB_EXACT_PARTIAL;
	}
	sb_run_end_done(&end);
	return status;
}

static void command_limits(const void *state, sb_limits *out)
{
	out->max_size = ((const sb_command *)state)->base->max_size;
}

static const char *command_note(const void *state)
{
	const sb_command *command = state;

	return command->note[0] != '\0' ? command->note : NULL;
}

extern const sb_engine_ops sb_engine_command;
const sb_engine_ops sb_engine_command = {
	.abi = SB_ENGINE_ABI,
	.name = "command",
	.summary = "any command-line scanner, by its exit status or JSON",
	.state_size = sizeof(sb_command),
	.settings = settings,
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.environment = command_environment,
	.open = command_open,
	.scan = command_scan,
	.identity = command_identity,
	.limits = command_limits,
	.note = command_note,
	.close = command_close,
};
