/* SPDX-License-Identifier: MIT */
/* Inputs and options: what a caller fills in before a scan. */
#include "scan/input.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "scan/context.h"

static sb_input *make(sb_input_type type, const char *path)
{
	sb_input *input = calloc(1, sizeof *input);

	if (input == NULL)
		return NULL;
	input->type = type;
	input->fd = -1;
	if (path != NULL) {
		const char *slash = strrchr(path, '/');
		const char *name = slash != NULL && slash[1] != '\0' ? slash + 1 : path;
		input->path = strdup(path);
		if (input->path == NULL || sb_input_set_name(input, name, strlen(name)) < 0) {
			sb_input_free(input);
			return NULL;
		}
	}
	return input;
}

sb_input *sb_input_path(const char *path)
{
	sb_input *input = make(SB_INPUT_PATH, path);

	if (input != NULL)
		input->fd = AT_FDCWD;
	return input;
}

sb_input *sb_input_at(int dir_fd, const char *name, const char *path)
{
	sb_input *input = make(SB_INPUT_AT, path);

	if (input == NULL)
		return NULL;
	input->fd = dir_fd;
	input->name_at = strdup(name);
	if (input->name_at == NULL) {
		sb_input_free(input);
		return NULL;
	}
	return input;
}

sb_input *sb_input_fd(int fd)
{
	sb_input *input = make(SB_INPUT_FD, NULL);

	if (input != NULL)
		input->fd = fd;
	return input;
}

sb_input *sb_input_memory(const void *data, size_t length)
{
	sb_input *input = make(SB_INPUT_MEMORY, NULL);

	if (input != NULL) {
		input->data = data;
		input->length = length;
	}
	return input;
}

sb_input *sb_input_stream(void)
{
	return make(SB_INPUT_STREAM, NULL);
}

int sb_input_set_name(sb_input *input, const char *name, size_t length)
{
	char *copy = malloc(length + 1);

	if (copy == NULL)
		return -SB_KIND_INTERNAL;
	if (length > 0)
		memcpy(copy, name, length);
	copy[length] = '\0';
	free((char *)(uintptr_t)input->name.data);
	input->name = (sb_span){copy, length};
	return 0;
}

void sb_input_free(sb_input *input)
{
	if (input == NULL)
		return;
	free(input->path);
	free(input->name_at);
	free((char *)(uintptr_t)input->name.data);
	free(input);
}

sb_scan_options *sb_scan_options_new(void)
{
	return calloc(1, sizeof(sb_scan_options));
}

void sb_scan_options_free(sb_scan_options *options)
{
	if (options == NULL)
		return;
	sb_context_free(options->context);
	for (size_t i = 0; i < options->engine_count; i++)
		free(options->engines[i]);
	free(options->engines);
	for (size_t i = 0; i < options->password_count; i++) {
		explicit_bzero(options->passwords[i], strlen(options->passwords[i]));
		free(options->passwords[i]);
	}
	free(options);
}

void sb_scan_options_set_timeout_ms(sb_scan_options *options, uint64_t ms)
{
	options->timeout_ms = ms;
}

void sb_scan_options_set_max_size(sb_scan_options *options, uint64_t bytes)
{
	options->max_size = bytes;
}

void sb_scan_options_set_quarantine(sb_scan_options *options, bool on)
{
	options->no_quarantine = !on;
}

void sb_scan_options_set_remove_original(sb_scan_options *options, bool on)
{
	options->remove_original = on;
}

void sb_scan_options_set_cache(sb_scan_options *options, bool on)
{
	options->no_cache = !on;
}

void sb_scan_options_set_cancel(sb_scan_options *options, sb_cancel *cancel)
{
	options->cancel = cancel;
}

int sb_scan_options_set_context(sb_scan_options *options, const sb_context *context)
{
	sb_context *copy = sb_context_new();
	int status = copy != NULL ? 0 : -SB_KIND_INTERNAL;
	const struct {
		const sb_span *from;
		int (*set)(sb_context *, const char *, size_t);
	} fields[] = {
		{&context->tenant, sb_context_set_tenant},
		{&context->user, sb_context_set_user},
		{&context->request_id, sb_context_set_request_id},
		{&context->source, sb_context_set_source},
	};

	for (size_t i = 0; status == 0 && i < sizeof fields / sizeof fields[0]; i++)
		if (fields[i].from->data != NULL)
			status = fields[i].set(copy, fields[i].from->data, fields[i].from->length);
	for (size_t i = 0; status == 0 && i < context->metadata_count; i++) {
		const sb_pair *pair = &context->metadata[i];
		status = sb_context_set_metadata(copy, pair->key.data, pair->key.length,
			pair->value.data, pair->value.length);
	}
	if (status < 0) {
		sb_context_free(copy);
		return status;
	}
	sb_context_free(options->context);
	options->context = copy;
	return 0;
}

int sb_scan_options_add_engine(sb_scan_options *options, const char *name)
{
	size_t n = options->engine_count;
	char **engines = realloc(options->engines, (n + 1) * sizeof *engines);

	if (engines == NULL)
		return -SB_KIND_INTERNAL;
	options->engines = engines;
	engines[n] = strdup(name);
	if (engines[n] == NULL)
		return -SB_KIND_INTERNAL;
	options->engine_count = n + 1;
	return 0;
}

int sb_scan_options_add_password(sb_scan_options *options, const char *password, size_t length)
{
	char *copy;

	if (options->password_count == SB_MAX_PASSWORDS || length < 1 ||
		length > SB_PASSWORD_BYTES || memchr(password, '\0', length) != NULL)
		return -SB_KIND_LIMIT_EXCEEDED;
	copy = malloc(length + 1);
	if (copy == NULL)
		return -SB_KIND_INTERNAL;
	memcpy(copy, password, length);
	copy[length] = '\0';
	options->passwords[options->password_count++] = copy;
	return 0;
}
