/* SPDX-License-Identifier: MIT */
/* Who asks, and why: a handful of owned strings. */
#include "scan/context.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

sb_context *sb_context_new(void)
{
	return calloc(1, sizeof(sb_context));
}

static void drop(sb_span *span)
{
	free((char *)(uintptr_t)span->data);
	*span = (sb_span){NULL, 0};
}

void sb_context_free(sb_context *context)
{
	if (context == NULL)
		return;
	drop(&context->tenant);
	drop(&context->user);
	drop(&context->request_id);
	drop(&context->source);
	for (size_t i = 0; i < context->metadata_count; i++) {
		drop(&context->metadata[i].key);
		drop(&context->metadata[i].value);
	}
	free(context->metadata);
	free(context);
}

static int replace(sb_span *span, const char *data, size_t length, size_t max)
{
	char *copy;

	if (length > max)
		length = max;
	copy = malloc(length + 1);
	if (copy == NULL)
		return -SB_KIND_INTERNAL;
	if (length > 0)
		memcpy(copy, data, length);
	copy[length] = '\0';
	drop(span);
	*span = (sb_span){copy, length};
	return 0;
}

int sb_context_set_tenant(sb_context *context, const char *id, size_t length)
{
	return replace(&context->tenant, id, length, SB_CONTEXT_MAX_VALUE);
}

int sb_context_set_user(sb_context *context, const char *id, size_t length)
{
	return replace(&context->user, id, length, SB_CONTEXT_MAX_VALUE);
}

int sb_context_set_request_id(sb_context *context, const char *id, size_t length)
{
	return replace(&context->request_id, id, length, SB_CONTEXT_MAX_VALUE);
}

int sb_context_set_source(sb_context *context, const char *source, size_t length)
{
	return replace(&context->source, source, length, SB_CONTEXT_MAX_VALUE);
}

int sb_context_set_metadata(sb_context *context, const char *key, size_t key_length,
	const char *value, size_t value_length)
{
	size_t n = context->metadata_count;
	sb_pair *pairs;

	if (key_length > SB_CONTEXT_MAX_KEY)
		key_length = SB_CONTEXT_MAX_KEY;
	for (size_t i = 0; i < n; i++) {
		sb_pair *pair = &context->metadata[i];
		if (pair->key.length == key_length && memcmp(pair->key.data, key, key_length) == 0)
			return replace(&pair->value, value, value_length, SB_CONTEXT_MAX_VALUE);
	}
	if (n == SB_CONTEXT_MAX_METADATA)
		return -SB_KIND_LIMIT_EXCEEDED;
	pairs = realloc(context->metadata, (n + 1) * sizeof *pairs);
	if (pairs == NULL)
		return -SB_KIND_INTERNAL;
	context->metadata = pairs;
	pairs[n] = (sb_pair){{NULL, 0}, {NULL, 0}};
	if (replace(&pairs[n].key, key, key_length, SB_CONTEXT_MAX_KEY) < 0)
		return -SB_KIND_INTERNAL;
	if (replace(&pairs[n].value, value, value_length, SB_CONTEXT_MAX_VALUE) < 0) {
		drop(&pairs[n].key);
		return -SB_KIND_INTERNAL;
	}
	context->metadata_count = n + 1;
	return 0;
}

bool sb_context_confidential(const sb_context *context)
{
	static const char key[] = "confidential", no[] = "false";

	for (size_t i = 0; i < context->metadata_count; i++) {
		const sb_pair *pair = &context->metadata[i];

		if (pair->key.length == strlen(key) &&
			strncasecmp(pair->key.data, key, strlen(key)) == 0 &&
			(pair->value.length != strlen(no) ||
				memcmp(pair->value.data, no, strlen(no)) != 0))
			return true;
	}
	return false;
}

static int copy_span(sb_span *to, const sb_span *from, sb_arena *arena)
{
	*to = (sb_span){NULL, 0};
	if (from->data == NULL)
		return 0;
	to->data = sb_arena_copy(arena, from->data, from->length);
	to->length = from->length;
	return to->data != NULL ? 0 : -SB_KIND_INTERNAL;
}

int sb_context_copy(sb_context *to, const sb_context *from, sb_arena *arena)
{
	int status = 0;

	*to = (sb_context){0};
	if (from == NULL)
		return 0;
	status |= copy_span(&to->tenant, &from->tenant, arena);
	status |= copy_span(&to->user, &from->user, arena);
	status |= copy_span(&to->request_id, &from->request_id, arena);
	status |= copy_span(&to->source, &from->source, arena);
	if (from->metadata_count > 0)
		to->metadata = sb_arena_zalloc(arena, from->metadata_count * sizeof *to->metadata);
	if (from->metadata_count > 0 && to->metadata == NULL)
		return -SB_KIND_INTERNAL;
	for (size_t i = 0; i < from->metadata_count; i++) {
		status |= copy_span(&to->metadata[i].key, &from->metadata[i].key, arena);
		status |= copy_span(&to->metadata[i].value, &from->metadata[i].value, arena);
	}
	to->metadata_count = from->metadata_count;
	return status == 0 ? 0 : -SB_KIND_INTERNAL;
}
