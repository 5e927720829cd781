/* SPDX-License-Identifier: MIT */
/* Fetching, opening, and asking who it is; see instance.h. */
#include "engines/plugin/instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/io.h"
#include "util/text.h"

int sb_plugin_says(sb_error *error, sb_kind kind, const char *before, const char *text)
{
	sb_buf escaped;
	int status;

	sb_buf_init(&escaped, 8192);
	sb_escape(&escaped, text, strnlen(text, 1024));
	status = sb_error_set(
		error, kind, 0, "%.400s%s", before, escaped.data != NULL ? escaped.data : "");
	sb_buf_done(&escaped);
	return status;
}

static int open_processes(sb_instance *instance, const sb_instance_order *order,
	const sb_plugin_order *plugin, sb_error *error)
{
	const sb_environment *environment = order->environment;
	const sb_pool_options options = {
		.name = "plugin",
		.workers = order->workers > 0 ? order->workers : environment->cpus,
		.max_workers = environment->concurrency,
		.recycle = order->recycle,
		.sandbox = true,
		.start_ms = order->open_ms,
		.max_content = environment->max_content,
		.limits = environment->containers,
	};
	char before[400] = "";
	sb_bundle bundle;
	sb_error own;
	int status;

	sb_error_init(&own);
	sb_bundle_init(&bundle);
	sb_bundle_set_plugin(&bundle, plugin);
	status = sb_pool_open(&instance->pool, &bundle, &options, &own);
	sb_bundle_done(&bundle);
	if (status == 0)
		return 0;
	/* What the plugin did, but not what was found in it, lacks its name. */
	if (own.kind == SB_KIND_ENGINE_UNAVAILABLE || own.kind == SB_KIND_TIMEOUT ||
		own.kind == SB_KIND_PROTOCOL_ERROR)
		snprintf(
			before, sizeof before, "plugin %.300s: while it was opened, ", order->path);
	return sb_plugin_says(error, own.kind, before, own.message);
}

int sb_instance_open(sb_instance **out, const sb_instance_order *order, sb_error *error)
{
	sb_plugin_order plugin = {.path = order->path,
		.settings = order->settings,
		.environment = *order->environment};
	sb_instance *instance = calloc(1, sizeof *instance);
	int status;

	if (instance == NULL)
		return sb_error_no_memory(error);
	status = sb_plugin_fetch(&instance->copy, order->path, geteuid(), error);
	plugin.fd = instance->copy.fd;
	if (status == 0)
		status = order->environment->isolation_process
				 ? open_processes(instance, order, &plugin, error)
				 : sb_plugin_load(&instance->loaded, &plugin, error);
	if (status == 0)
		*out = instance;
	else
		sb_instance_close(&instance->used);
	return status;
}

void sb_instance_close(sb_used *used)
{
	sb_instance *instance = (sb_instance *)(void *)used;

	if (instance == NULL)
		return;
	sb_pool_close(instance->pool);
	if (instance->loaded.ops != NULL)
		sb_plugin_unload(&instance->loaded);
	sb_close(&instance->copy.fd);
	free(instance);
}

/* What it says of its signatures stays as it says it, so that it can be compared with what it says
 * of an answer. */
static void add_file(const sb_instance *instance, sb_identity *identity)
{
	enum { BYTES = 8 };
	char digits[2 * BYTES + 1], engine[41];

	sb_hex(digits, instance->copy.digest, BYTES);
	snprintf(engine, sizeof engine, "%.40s", identity->engine_version);
	snprintf(identity->engine_version, sizeof identity->engine_version, "%s%s%s", engine,
		engine[0] != '\0' ? " " : "", digits);
	if (identity->signature_version[0] == '\0')
		memcpy(identity->signature_version, digits, sizeof digits);
}

int sb_instance_identity(sb_instance *instance, sb_identity *out, sb_error *error)
{
	sb_pool_guest guest;
	int status = 0;

	if (instance->pool != NULL) {
		sb_pool_guest_of(instance->pool, &guest);
		*out = guest.identity;
	} else {
		status = sb_plugin_identity(&instance->loaded, out, error);
	}
	add_file(instance, out);
	return status;
}

sb_assurance sb_instance_class(sb_instance *instance)
{
	sb_pool_guest guest;

	if (instance->pool == NULL)
		return sb_plugin_class(&instance->loaded);
	sb_pool_guest_of(instance->pool, &guest);
	return guest.assurance;
}

uint64_t sb_instance_max_size(sb_instance *instance)
{
	sb_pool_guest guest;

	if (instance->pool == NULL)
		return sb_plugin_max_size(&instance->loaded);
	sb_pool_guest_of(instance->pool, &guest);
	return guest.max_size;
}
