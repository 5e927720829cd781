/* SPDX-License-Identifier: MIT */
/* dlopen() and what has to be right behind it; see load.h. */
#include "plugin/load.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settings/pack.h"
#include "settings/settings.h"

enum { SETTINGS_BYTES = 64 << 20, STATE_BYTES = 1 << 30 };

static int refuse(const sb_plugin_order *order, sb_error *error, const char *what)
{
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "plugin %s: %s", order->path, what);
}

/* --- What it shows of itself ------------------------------------------------------------------ */

/* The loader names the path it was given, which tells nobody anything. */
static const char *loader_error(void)
{
	const char *text = dlerror(), *behind;

	if (text == NULL)
		return "it can't be loaded";
	behind = strncmp(text, "/proc/self/fd/", 14) == 0 ? strstr(text, ": ") : NULL;
	return behind != NULL ? behind + 2 : text;
}

static int check_abi(const sb_plugin_order *order, const sb_plugin *entry, sb_error *error)
{
	if (entry->abi == SB_ENGINE_ABI)
		return 0;
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
		"plugin %s: it was built for engine ABI %u (Scanbridge %.32s), and this "
		"Scanbridge, "
		"%s, has engine ABI %u: build it anew with the headers of this one",
		order->path, entry->abi, entry->version != NULL ? entry->version : "?",
		SB_VERSION_STRING, SB_ENGINE_ABI);
}

static size_t size_of(sb_setting_type type)
{
	static const size_t sizes[] = {
		[SB_SETTING_BOOL] = sizeof(bool),
		[SB_SETTING_INT] = sizeof(int64_t),
		[SB_SETTING_NUMBER] = sizeof(double),
		[SB_SETTING_SIZE] = sizeof(uint64_t),
		[SB_SETTING_DURATION] = sizeof(uint64_t),
		[SB_SETTING_TEXT] = sizeof(char *),
		[SB_SETTING_PATH] = sizeof(char *),
		[SB_SETTING_CHOICE] = sizeof(int),
		[SB_SETTING_TEXTS] = sizeof(sb_texts),
		[SB_SETTING_PATHS] = sizeof(sb_texts),
		[SB_SETTING_INTS] = sizeof(sb_ints),
	};

	return type < sizeof sizes / sizeof sizes[0] ? sizes[type] : 0;
}

static int check_settings(const sb_plugin_order *order, const sb_engine_ops *ops, sb_error *error)
{
	for (const sb_setting *row = ops->settings; row != NULL && row->key != NULL; row++) {
		size_t size = size_of(row->type);

		if (size == 0 || ops->state_size < size || row->offset > ops->state_size - size)
			return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
				"plugin %s: its setting %.64s lies outside of its state, or has no "
				"type that a plugin can have",
				order->path, row->key);
		if (row->type == SB_SETTING_CHOICE && row->choices == NULL)
			return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
				"plugin %s: its setting %.64s has no choices", order->path,
				row->key);
	}
	return 0;
}

static int check_ops(const sb_plugin_order *order, const sb_engine_ops *ops, sb_error *error)
{
	if (ops == NULL || ops->abi != SB_ENGINE_ABI || ops->name == NULL)
		return refuse(order, error,
			"its sb_engine_ops lack abi or name: write .abi = SB_ENGINE_ABI");
	if (ops->scan == NULL)
		return refuse(order, error, "it has no scan()");
	if (ops->submit != NULL || ops->poll != NULL)
		return refuse(order, error,
			"it has submit() and poll(): deferred verdicts are not available in this "
			"build");
	if (ops->replicas != NULL)
		return refuse(order, error, "it has replicas(), which a plugin can't have");
	if (ops->state_size > STATE_BYTES)
		return refuse(order, error, "its state is larger than 1 GiB");
	return check_settings(order, ops, error);
}

static int bind(sb_loaded *out, const sb_plugin_order *order, sb_error *error)
{
	const sb_plugin *entry;
	char path[64];
	int status;

	/* No other plugin has this name while the descriptor is open. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", order->fd);
	out->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (out->handle == NULL)
		return refuse(order, error, loader_error());
	entry = dlsym(out->handle, "sb_plugin_entry");
	if (entry == NULL)
		return refuse(order, error,
			"it has no symbol sb_plugin_entry: its source needs SB_PLUGIN_EXPORT(), "
			"once");
	status = check_abi(order, entry, error);
	if (status == 0)
		status = check_ops(order, entry->ops, error);
	if (status == 0)
		out->ops = entry->ops;
	return status;
}

/* --- Settings --------------------------------------------------------------------------------- */

/* Without any settings: is there one that must be? */
static int check_required(const sb_engine_ops *ops, sb_error *error)
{
	for (const sb_setting *row = ops->settings; row != NULL && row->key != NULL; row++)
		if (row->required)
			return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
				"settings: \"%.64s\" is missing%s%.200s", row->key,
				row->help != NULL ? ": " : "", row->help != NULL ? row->help : "");
	return 0;
}

static int fill(sb_loaded *out, const sb_plugin_order *order, sb_error *error)
{
	sb_error own;
	sb_reader reader = {&out->arena, &own};
	const sb_table table = {out->ops->settings, out->state};
	const sb_node *map = NULL;
	int status;

	sb_error_init(&own);
	if (order->settings.length > 0) {
		map = sb_node_unpack(&out->arena, order->settings.data, order->settings.length);
		if (map == NULL)
			return refuse(order, error, "its settings are too large");
	}
	status = map == NULL ? check_required(out->ops, &own) : 0;
	if (status == 0)
		status = sb_settings_read(&reader, map, "settings", &table, 1, NULL);
	if (status != 0)
		sb_error_copy(error, &own);
	return status != 0 ? -(int)own.kind : 0;
}

/* --- Its life --------------------------------------------------------------------------------- */

static int open_it(sb_loaded *out, const sb_plugin_order *order, sb_error *error)
{
	sb_error own;
	int status;

	sb_error_init(&own);
	if (out->ops->environment != NULL)
		out->ops->environment(out->state, &out->environment);
	out->began = true;
	status = out->ops->open != NULL ? out->ops->open(out->state, &own) : 0;
	if (status >= 0)
		return 0;
	/* It is what is configured, whatever the plugin calls it. */
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "plugin %.300s: %.600s", order->path,
		own.message[0] != '\0' ? own.message
				       : "it could not be opened and did not say why");
}

static int load(sb_loaded *out, const sb_plugin_order *order, sb_error *error)
{
	int status = bind(out, order, error);

	if (status < 0)
		return status;
	out->state = calloc(1, out->ops->state_size > 0 ? out->ops->state_size : 1);
	if (out->state == NULL)
		return sb_error_no_memory(error);
	status = fill(out, order, error);
	return status == 0 ? open_it(out, order, error) : status;
}

int sb_plugin_load(sb_loaded *out, const sb_plugin_order *order, sb_error *error)
{
	int status;

	*out = (sb_loaded){.environment = order->environment};
	sb_arena_init(&out->arena, SETTINGS_BYTES);
	status = load(out, order, error);
	if (status < 0)
		sb_plugin_unload(out);
	return status;
}

void sb_plugin_unload(sb_loaded *loaded)
{
	if (loaded->began && loaded->ops->close != NULL)
		loaded->ops->close(loaded->state);
	free(loaded->state);
	if (loaded->handle != NULL)
		dlclose(loaded->handle);
	sb_arena_done(&loaded->arena);
	*loaded = (sb_loaded){.ops = NULL};
}

/* --- What it says of itself ------------------------------------------------------------------- */

int sb_plugin_identity(const sb_loaded *loaded, sb_identity *out, sb_error *error)
{
	enum { ASK_MS = 2000 };
	int status = 0;

	*out = (sb_identity){.exactness = SB_EXACT_NONE};
	if (loaded->ops->identity != NULL)
		status = loaded->ops->identity(loaded->state, ASK_MS, out, error);
	else
		out->exactness = SB_EXACT_FULL; /* its settings and its file are its identity */
	out->engine_version[sizeof out->engine_version - 1] = '\0';
	out->signature_version[sizeof out->signature_version - 1] = '\0';
	if (out->exactness > SB_EXACT_FULL)
		out->exactness = SB_EXACT_NONE;
	return status;
}

/* Nothing said is zero, which is the class of lists: only what calls itself one is one. */
sb_assurance sb_plugin_class(const sb_loaded *loaded)
{
	const sb_engine_ops *ops = loaded->ops;
	sb_assurance class = ops->class_of != NULL ? ops->class_of(loaded->state) : ops->assurance;

	if (class == SB_ASSURANCE_ANTIVIRUS || (ops->flags & SB_ENGINE_HASH_LIST) == 0)
		return class == SB_ASSURANCE_ANTIVIRUS ? class : SB_ASSURANCE_RULES;
	return class;
}

uint64_t sb_plugin_max_size(const sb_loaded *loaded)
{
	sb_limits limits = {0};

	if (loaded->ops->limits != NULL)
		loaded->ops->limits(loaded->state, &limits);
	return limits.max_size;
}
