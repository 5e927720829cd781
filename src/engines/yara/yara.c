/* SPDX-License-Identifier: MIT */
/*
 * YARA rules in sandboxed workers (src/worker): every content and every member of a container is
 * shown to the rules. This side never looks at a byte of the content: it hands it over, and turns
 * a worker's reply into a statement.
 */
#include <scanbridge/sys/engine.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/shelf.h"
#include "util/current.h"
#include "util/error.h"
#include "worker/found.h"
#include "worker/paths.h"
#include "worker/pool.h"

/* The rules as they were read once, and the processes that judge by them. */
typedef struct rule_set {
	sb_used used;
	sb_pool *pool;
} rule_set;

typedef struct yara_state {
	/* settings */
	sb_texts rules, bundles;
	int64_t workers, recycle;
	const sb_environment *environment;
	sb_current sets;
} yara_state;

static const sb_setting yara_settings[] = {
	{.key = "rules",
		.type = SB_SETTING_PATHS,
		.offset = offsetof(yara_state, rules),
		.operational = true,
		.help = "rule files, and folders of *.yar and *.yara; default: the bundled rules"},
	{.key = "bundles",
		.type = SB_SETTING_TEXTS,
		.offset = offsetof(yara_state, bundles),
		.operational = true,
		.help = "signed rule bundles that `rules import` brought, by name; NAME@VERSION: "
			"this "
			"version only"},
	{.key = "workers",
		.type = SB_SETTING_INT,
		.offset = offsetof(yara_state, workers),
		.fallback = "0",
		.max = 64,
		.operational = true,
		.help = "processes that are kept busy side by side; 0: one for each processor"},
	{.key = "recycle",
		.type = SB_SETTING_INT,
		.offset = offsetof(yara_state, recycle),
		.fallback = "256",
		.max = 1e9,
		.operational = true,
		.help = "contents that one process judges before a fresh one takes over; "
			"1: each in its own; 0: any number"},
	{.key = NULL},
};

/* --- Opening --------------------------------------------------------------------------------- */

static void yara_environment(void *state, const sb_environment *environment)
{
	((yara_state *)state)->environment = environment;
}

/* `NAME` or `NAME@VERSION`. */
static bool parse_reference(const char *text, char name[SB_PACK_NAME + 1], uint64_t *version)
{
	const char *at = strchrnul(text, '@');
	size_t length = (size_t)(at - text), digits = *at != '\0' ? strlen(at + 1) : 0;

	if (length > SB_PACK_NAME || (*at != '\0' && (digits < 1 || digits > 14)) ||
		(*at != '\0' && strspn(at + 1, "0123456789") != digits))
		return false;
	memcpy(name, text, length);
	name[length] = '\0';
	*version = *at != '\0' ? strtoull(at + 1, NULL, 10) : 0;
	return sb_pack_name_ok(name) && (*at == '\0' || *version > 0);
}

/* Its files below a root of their own, with the bundle's name before theirs in messages. */
static int add_files(sb_bundle *bundle, const sb_pack *pack, sb_error *error)
{
	char path[SB_PACK_NAME + SB_PACK_PATH + 2];
	uint32_t root = sb_bundle_new_root(bundle);
	sb_pack_place place = {0};
	sb_pack_entry file;
	int status = 0;

	while (status == 0 && sb_pack_next(pack, &place, &file) && !file.is_sample) {
		snprintf(path, sizeof path, "%s/%s", pack->name, file.name);
		status = sb_bundle_add_source(bundle, root, path, (const char *)file.data,
			file.length, sb_pack_is_rule_file(file.name), error);
	}
	return status;
}

static int add_bundle(const yara_state *yara, const char *text, sb_bundle *bundle, sb_error *error)
{
	const sb_environment *environment = yara->environment;
	char name[SB_PACK_NAME + 1];
	sb_shelved shelved;
	uint64_t version;
	int status;

	if (!parse_reference(text, name, &version))
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"bundles: \"%.80s\" is not NAME or NAME@VERSION", text);
	status = sb_shelf_open(&shelved, environment->data_dir, name, version,
		environment->rule_keys.items, environment->rule_keys.count, error);
	if (status == 0)
		status = add_files(bundle, &shelved.pack, error);
	sb_shelf_done(&shelved);
	return status;
}

static int gather(const yara_state *yara, sb_bundle *bundle, sb_error *error)
{
	int status = 0;

	if (yara->rules.count == 0 && yara->bundles.count == 0)
		return sb_bundle_add_rules(bundle, sb_bundled_rules(), error);
	for (size_t i = 0; status == 0 && i < yara->rules.count; i++)
		status = sb_bundle_add_rules(bundle, yara->rules.items[i], error);
	for (size_t i = 0; status == 0 && i < yara->bundles.count; i++)
		status = add_bundle(yara, yara->bundles.items[i], bundle, error);
	return status;
}

static void free_set(sb_used *used)
{
	rule_set *set = (rule_set *)(void *)used;

	if (set == NULL)
		return;
	sb_pool_close(set->pool);
	free(set);
}

/* Read, compiled by a zygote of its own, and ready. */
static int make_set(const yara_state *yara, rule_set **out, sb_error *error)
{
	rule_set *set = calloc(1, sizeof *set);
	sb_bundle bundle;
	int status;

	if (set == NULL)
		return sb_error_no_memory(error);
	sb_bundle_init(&bundle);
	status = gather(yara, &bundle, error);
	if (status == 0)
		status = sb_pool_open_in(&set->pool, "yara", &bundle, yara->environment,
			(unsigned)yara->workers, (unsigned)yara->recycle, error);
	sb_bundle_done(&bundle);
	if (status == 0 && sb_pool_rules(set->pool) == 0)
		status = sb_error_set(
			error, SB_KIND_NOT_CONFIGURED, 0, "the rule files hold no rule");
	if (status == 0)
		*out = set;
	else
		free_set(&set->used);
	return status;
}

/* In place of what there was, if anything; else that stays. */
static int yara_reload(void *state, sb_error *error)
{
	yara_state *yara = state;
	rule_set *fresh = NULL;
	int status = make_set(yara, &fresh, error);

	if (status == 0)
		sb_current_replace(&yara->sets, &fresh->used);
	return status;
}

static int yara_open(void *state, sb_error *error)
{
	yara_state *yara = state;

	sb_current_open(&yara->sets, free_set);
	return yara_reload(state, error);
}

/* The one that judges now; leave() follows. */
static rule_set *use(yara_state *yara)
{
	return (rule_set *)(void *)sb_current_use(&yara->sets);
}

static void leave(yara_state *yara, rule_set *set)
{
	sb_current_leave(&yara->sets, &set->used);
}

static void yara_close(void *state)
{
	yara_state *yara = state;

	sb_current_close(&yara->sets);
}

/* --- From reply to statement ---------------------------------------------------------------------
 */

static sb_content_coverage content_of(const sb_reply *reply)
{
	if (!reply->opened)
		return SB_CONTENT_UNKNOWN;
	return reply->doubt || reply->problem != SB_KIND_NONE ? SB_CONTENT_PARTIAL
							      : SB_CONTENT_INSPECTED;
}

/* What could not be looked at weighs more than a suspicion about the rest, which is told with
 * it. */
static int state_problem(const sb_reply *reply, sb_error *error)
{
	if (reply->found_count == 0)
		return sb_error_set(error, reply->problem, 0, "%s", reply->problem_message);
	return sb_error_set(error, reply->problem, 0, "%s; suspicious besides: %.128s",
		reply->problem_message, reply->found[0].name);
}

static int state(sb_call *call, const sb_reply *reply, sb_error *error)
{
	int status = 0;

	if (reply->failure != SB_KIND_NONE)
		return sb_error_set(error, reply->failure, 0, "%s", reply->failure_message);
	if (reply->mime != NULL)
		sb_call_mime(call, reply->mime);
	if (reply->opened)
		sb_call_container(call, &reply->container);
	if (reply->problem != SB_KIND_NONE && !sb_reply_is_infected(reply))
		return state_problem(reply, error);
	if (reply->found_count == 0)
		return sb_call_clean(call, reply->bytes, content_of(reply), error);
	/* Beside a detection that is ignored, a part that nobody could read must not count as seen.
	 */
	sb_call_cover(call, reply->problem == SB_KIND_NONE ? reply->bytes : 0, content_of(reply));
	for (size_t i = 0; status == 0 && i < reply->found_count; i++)
		status = sb_found_state(call, &reply->found[i], -1, error);
	return status;
}

enum { SIGNATURES = 17 }; /* the first digits of a rule set's identity */

static void name_signatures(const rule_set *set, char *out, size_t room)
{
	snprintf(out, room, "%.*s", SIGNATURES - 1, sb_pool_identity(set->pool));
}

/* By the set that judges, which need not be the one that is asked for an identity afterwards. */
static void state_versions(sb_call *call, const rule_set *set)
{
	char signatures[SIGNATURES];

	name_signatures(set, signatures, sizeof signatures);
	sb_call_versions(call, sb_pool_version(set->pool), signatures);
}

static int yara_scan(void *data, sb_call *call, sb_error *error)
{
	yara_state *yara = data;
	sb_answer *answer = malloc(sizeof *answer);
	rule_set *set;
	int status;

	if (answer == NULL)
		return sb_error_no_memory(error);
	set = use(yara);
	state_versions(call, set);
	status = sb_pool_judge(
		set->pool, call, sb_call_wants_mime(call) ? SB_REQUEST_MIME : 0, answer, error);
	leave(yara, set);
	if (status == 0)
		status = state(call, &answer->reply, error);
	free(answer);
	return status;
}

/* --- Identity and known answers ------------------------------------------------------------------
 */

static int yara_identity(void *state_data, uint64_t timeout_ms, sb_identity *out, sb_error *error)
{
	yara_state *yara = state_data;
	rule_set *set = use(yara);

	(void)timeout_ms;
	(void)error;
	*out = (sb_identity){.exactness = SB_EXACT_FULL};
	snprintf(out->engine_version, sizeof out->engine_version, "%s", sb_pool_version(set->pool));
	name_signatures(set, out->signature_version, sizeof out->signature_version);
	leave(yara, set);
	return 0;
}

/* Content that a hidden rule knows: whatever the rules are, the way from content to match works. */
static int yara_canary(void *state_data, sb_check *check, sb_error *error)
{
	yara_state *yara = state_data;
	rule_set *set = use(yara);
	const char *canary = sb_pool_canary(set->pool);
	sb_check_answer answer;
	int status = sb_check_scan(check, canary, strlen(canary), &answer, error);

	leave(yara, set);
	if (status < 0)
		return status;
	if (answer.outcome == SB_OUTCOME_ERROR)
		return sb_error_prefix(error, "known-answer test with the hidden rule");
	return answer.outcome == SB_OUTCOME_INFECTED &&
			       strcmp(answer.threat, "Scanbridge_Canary") == 0
		       ? 0
		       : sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, 0,
				 "known-answer test: the hidden rule did not match");
}

extern const sb_engine_ops sb_engine_yara;
const sb_engine_ops sb_engine_yara = {
	.abi = SB_ENGINE_ABI,
	.name = "yara",
	.summary = "YARA rules in a sandboxed process; opens containers",
	.state_size = sizeof(yara_state),
	.settings = yara_settings,
	.assurance = SB_ASSURANCE_RULES,
	.flags = SB_ENGINE_HONOURS_DEADLINE | SB_ENGINE_LOCAL | SB_ENGINE_BY_NAME,
	.environment = yara_environment,
	.open = yara_open,
	.scan = yara_scan,
	.identity = yara_identity,
	.canary = yara_canary,
	.reload = yara_reload,
	.close = yara_close,
};
