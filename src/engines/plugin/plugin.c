/* SPDX-License-Identifier: MIT */
/*
 * Engines in shared objects. By default their code runs in sandboxed worker processes (src/worker):
 * this side hands the content over and repeats what the plugin stated. With `isolation: none` it
 * runs in here, and a call is passed to it as it is.
 */
#include <scanbridge/sys/engine.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engines/plugin/instance.h"
#include "util/current.h"
#include "util/error.h"
#include "worker/found.h"

typedef struct plugin_state {
	/* settings */
	const char *path;
	sb_packed settings;
	int64_t workers, recycle;
	uint64_t open_timeout;
	const sb_environment *environment;
	sb_current instances;
} plugin_state;

static const sb_setting plugin_settings[] = {
	{.key = "path",
		.type = SB_SETTING_PATH,
		.offset = offsetof(plugin_state, path),
		.required = true,
		.operational = true, /* its content is part of the identity */
		.help = "the shared object; it and every folder above belong to root or our own "
			"user and are writable by nobody else; its libraries come from the "
			"system's folders: one with a run path is refused"},
	{.key = "settings",
		.type = SB_SETTING_MAP,
		.offset = offsetof(plugin_state, settings),
		.secret = true, /* only the plugin knows which of them are */
		.help = "the keys that the plugin itself has"},
	{.key = "workers",
		.type = SB_SETTING_INT,
		.offset = offsetof(plugin_state, workers),
		.fallback = "0",
		.max = 64,
		.operational = true,
		.help = "processes that are kept busy side by side; 0: one for each processor"},
	{.key = "recycle",
		.type = SB_SETTING_INT,
		.offset = offsetof(plugin_state, recycle),
		.fallback = "256",
		.max = 1e9,
		.operational = true,
		.help = "contents that one process judges before a fresh one takes over; "
			"1: each in its own; 0: any number"},
	{.key = "open_timeout",
		.type = SB_SETTING_DURATION,
		.offset = offsetof(plugin_state, open_timeout),
		.fallback = "30s",
		.min = 1,
		.max = 3600000,
		.operational = true,
		.help = "how long the plugin may take to open, in a process of its own"},
	{.key = NULL},
};

/* --- Opening --------------------------------------------------------------------------------- */

static void plugin_environment(void *state, const sb_environment *environment)
{
	((plugin_state *)state)->environment = environment;
}

static int make(const plugin_state *plugin, sb_instance **out, sb_error *error)
{
	const sb_instance_order order = {.path = plugin->path,
		.settings = plugin->settings,
		.workers = (unsigned)plugin->workers,
		.recycle = (unsigned)plugin->recycle,
		.open_ms = (unsigned)plugin->open_timeout,
		.environment = plugin->environment};

	return sb_instance_open(out, &order, error);
}

/* In place of what there was, if anything; else that stays. */
static int plugin_reload(void *state, sb_error *error)
{
	plugin_state *plugin = state;
	sb_instance *fresh = NULL;
	int status = make(plugin, &fresh, error);

	if (status == 0)
		sb_current_replace(&plugin->instances, &fresh->used);
	return status;
}

static int plugin_open(void *state, sb_error *error)
{
	plugin_state *plugin = state;

	sb_current_open(&plugin->instances, sb_instance_close);
	return plugin_reload(state, error);
}

/* The one that judges now; leave() follows. */
static sb_instance *use(plugin_state *plugin)
{
	return (sb_instance *)(void *)sb_current_use(&plugin->instances);
}

static void leave(plugin_state *plugin, sb_instance *instance)
{
	sb_current_leave(&plugin->instances, &instance->used);
}

static void plugin_close(void *state)
{
	plugin_state *plugin = state;

	sb_current_close(&plugin->instances);
}

/* --- From reply to statement ---------------------------------------------------------------------
 */

static int state_failure(sb_call *call, const sb_reply *reply, sb_error *error)
{
	int status = sb_plugin_says(error, reply->failure, "", reply->failure_message);

	if (!reply->has_stated || !reply->stated.abstained)
		return status;
	return sb_call_abstain(call, reply->failure, error, "%s", sb_error_message(error));
}

/* The same calls that the plugin made. */
static int repeat(sb_call *call, const sb_reply *reply, sb_error *error)
{
	const sb_stated *stated = &reply->stated;
	int status = 0;

	if (reply->mime != NULL)
		sb_call_mime(call, reply->mime);
	if (reply->opened)
		sb_call_container(call, &reply->container);
	/* Nobody may hide behind so many detections that the one that counts is not told. */
	if (reply->problem != SB_KIND_NONE && !sb_reply_is_infected(reply))
		return sb_error_set(error, reply->problem, 0, "%s", reply->problem_message);
	if (stated->clean)
		status = sb_call_clean(call, stated->bytes, stated->content, error);
	else if (stated->cover)
		sb_call_cover(call, stated->bytes, stated->content);
	for (size_t i = 0; status == 0 && i < reply->found_count; i++)
		status = sb_found_state(call, &reply->found[i], stated->confidence, error);
	return status;
}

static int state(sb_call *call, const sb_reply *reply, sb_error *error)
{
	if (reply->has_stated && reply->stated.doubt_ms > 0)
		sb_call_doubt(call, reply->stated.doubt_ms);
	if (reply->failure != SB_KIND_NONE)
		return state_failure(call, reply, error);
	if (!reply->has_stated)
		return sb_error_set(error, SB_KIND_PROTOCOL_ERROR, 0,
			"the worker's reply has no statement of the plugin");
	return repeat(call, reply, error);
}

/* By the instance that judges, which need not be the one that is asked for an identity
 * afterwards. */
static void state_versions(sb_call *call, sb_instance *instance, const sb_reply *reply)
{
	sb_identity identity;

	if (reply->engine_version != NULL || reply->signature_version != NULL)
		sb_call_versions(call, reply->engine_version, reply->signature_version);
	else if (sb_instance_identity(instance, &identity, NULL) == 0)
		sb_call_versions(call, identity.engine_version, identity.signature_version);
}

static int scan_in_process(sb_instance *instance, sb_call *call, sb_error *error)
{
	sb_answer *answer = malloc(sizeof *answer);
	uint32_t flags = SB_REQUEST_DESCRIPTOR;
	int status;

	if (answer == NULL)
		return sb_error_no_memory(error);
	if (sb_call_wants_mime(call))
		flags |= SB_REQUEST_MIME;
	status = sb_pool_judge(instance->pool, call, flags, answer, error);
	if (status == 0) {
		state_versions(call, instance, &answer->reply);
		status = state(call, &answer->reply, error);
	}
	free(answer);
	return status;
}

static int plugin_scan(void *data, sb_call *call, sb_error *error)
{
	plugin_state *plugin = data;
	sb_instance *instance = use(plugin);
	int status = instance->pool != NULL
			     ? scan_in_process(instance, call, error)
			     : instance->loaded.ops->scan(instance->loaded.state, call, error);

	leave(plugin, instance);
	return status;
}

/* --- What is known of it ------------------------------------------------------------------------
 */

static int plugin_identity(void *data, uint64_t timeout_ms, sb_identity *out, sb_error *error)
{
	plugin_state *plugin = data;
	sb_instance *instance = use(plugin);
	int status = sb_instance_identity(instance, out, error);

	(void)timeout_ms;
	leave(plugin, instance);
	return status;
}

/* The next two are asked after open(), before anybody scans. */
static sb_instance *first_instance(const void *data)
{
	const plugin_state *plugin = data;

	return (sb_instance *)(void *)plugin->instances.now;
}

static void plugin_limits(const void *data, sb_limits *out)
{
	out->max_size = sb_instance_max_size(first_instance(data));
}

static sb_assurance plugin_class(const void *data)
{
	return sb_instance_class(first_instance(data));
}

/* Its own known answers; in a worker only those of the core are put to it. */
static int plugin_canary(void *data, sb_check *check, sb_error *error)
{
	plugin_state *plugin = data;
	sb_instance *instance = use(plugin);
	int status = 0;

	if (instance->pool == NULL && instance->loaded.ops->canary != NULL)
		status = instance->loaded.ops->canary(instance->loaded.state, check, error);
	leave(plugin, instance);
	return status;
}

extern const sb_engine_ops sb_engine_plugin;
const sb_engine_ops sb_engine_plugin = {
	.abi = SB_ENGINE_ABI,
	.name = "plugin",
	.summary = "an engine in a shared object, in a sandboxed process",
	.state_size = sizeof(plugin_state),
	.settings = plugin_settings,
	.assurance = SB_ASSURANCE_RULES,
	/* Not HONOURS_DEADLINE: with `isolation: none` nobody can tell. */
	.flags = SB_ENGINE_LOCAL | SB_ENGINE_BY_NAME,
	.environment = plugin_environment,
	.open = plugin_open,
	.scan = plugin_scan,
	.identity = plugin_identity,
	.limits = plugin_limits,
	.class_of = plugin_class,
	.canary = plugin_canary,
	.reload = plugin_reload,
	.close = plugin_close,
};
