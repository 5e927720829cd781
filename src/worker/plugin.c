/* SPDX-License-Identifier: MIT */
/* From order to opened plugin, and from request to reply; see plugin.h. */
#include "worker/plugin.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "util/error.h"

int sb_guest_open(
	sb_guest *guest, const sb_bundle_head *head, sb_zygote_message *ready, sb_error *error)
{
	sb_plugin_order order;
	int status;

	if (!sb_bundle_plugin(head, SB_ZYGOTE_PLUGIN, &order))
		return sb_error_set(error, SB_KIND_INTERNAL, 0, "the order can't be read");
	guest->never = eventfd(0, EFD_CLOEXEC);
	status = sb_plugin_load(&guest->loaded, &order, error);
	if (status == 0)
		status = sb_plugin_identity(&guest->loaded, &ready->identity, error);
	if (status < 0)
		return status;
	ready->max_size = sb_plugin_max_size(&guest->loaded);
	ready->assurance = (uint32_t)sb_plugin_class(&guest->loaded);
	snprintf(ready->text, sizeof ready->text, "%.31s", guest->loaded.ops->name);
	return 0;
}

/* --- Judging ---------------------------------------------------------------------------------- */

/* What it said before it failed counts for nothing, but for doubt about earlier answers. */
static size_t say_failure(sb_call *call, int status, const sb_error *error)
{
	sb_kind kind = error->kind;
	const char *why =
		error->message[0] != '\0' ? error->message : "the plugin failed without saying why";

	if (kind == SB_KIND_NONE)
		kind = status > -SB_KIND_COUNT_ ? (sb_kind)-status : SB_KIND_INTERNAL;
	sb_reply_failure(&call->writer, kind, why);
	if (call->stated.abstained)
		sb_reply_stated(&call->writer, &(sb_stated){.abstained = true,
						       .confidence = -1,
						       .doubt_ms = call->stated.doubt_ms});
	return sb_reply_end(&call->writer);
}

static size_t say_statement(sb_call *call)
{
	uint64_t size = call->request->size, bytes = call->stated.bytes;
	char dropped[80];

	call->stated.abstained = false;
	if (call->writer.dropped) {
		snprintf(dropped, sizeof dropped, "more detections than the %d that can be told",
			SB_MAX_DETECTIONS);
		sb_reply_problem(&call->writer, SB_KIND_LIMIT_EXCEEDED, dropped);
	}
	if (call->opened)
		sb_reply_container(&call->writer, &call->container, false);
	if (call->mime[0] != '\0')
		sb_reply_mime(&call->writer, call->mime);
	if (call->versions)
		sb_reply_versions(&call->writer,
			call->engine_version[0] != '\0' ? call->engine_version : NULL,
			call->signature_version[0] != '\0' ? call->signature_version : NULL);
	sb_reply_stated(&call->writer, &call->stated);
	return sb_reply_finish(&call->writer, bytes < size ? bytes : size);
}

size_t sb_guest_judge(
	sb_guest *guest, const sb_request *request, const void *data, int fd, void *out)
{
	sb_call call = {.guest = guest,
		.request = request,
		.data = data,
		.fd = fd,
		.until_ms = sb_guest_now() + request->time_ms,
		.stated = {.confidence = -1}};
	sb_error error;
	int status;

	sb_error_init(&error);
	sb_reply_begin(&call.writer, out, SB_REPLY_BYTES);
	status = guest->loaded.ops->scan(guest->loaded.state, &call, &error);
	if (status == 0 && call.lost)
		status = sb_error_no_memory(&error);
	return status < 0 ? say_failure(&call, status, &error) : say_statement(&call);
}
