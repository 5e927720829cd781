/* SPDX-License-Identifier: MIT */
/* Caller-owned errors: kind, blame and cause in fixed space, so that failing never fails. */
#include "util/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sb_error *sb_error_new(void)
{
	sb_error *error = malloc(sizeof *error);
	if (error != NULL)
		sb_error_init(error);
	return error;
}

void sb_error_free(sb_error *error)
{
	free(error);
}

void sb_error_clear(sb_error *error)
{
	if (error != NULL)
		sb_error_init(error);
}

sb_kind sb_error_kind(const sb_error *error)
{
	return error != NULL ? error->kind : SB_KIND_NONE;
}

sb_class sb_error_class(const sb_error *error)
{
	return sb_kind_class(sb_error_kind(error));
}

const char *sb_error_message(const sb_error *error)
{
	return error != NULL ? error->message : "";
}

const char *sb_error_engine(const sb_error *error)
{
	return error != NULL && error->engine[0] != '\0' ? error->engine : NULL;
}

bool sb_error_retryable(const sb_error *error)
{
	return sb_kind_retryable(sb_error_kind(error));
}

int64_t sb_error_retry_after_ms(const sb_error *error)
{
	return error != NULL ? error->retry_after_ms : -1;
}

int sb_error_sys_errno(const sb_error *error)
{
	return error != NULL ? error->sys_errno : 0;
}

/* strerror() shares a buffer between threads, glibc's strerror_r() may not fill ours. */
static void append_errno(sb_error *error)
{
	char space[128];
	const char *text = strerror_r(error->sys_errno, space, sizeof space);
	size_t length = strlen(error->message);

	snprintf(error->message + length, sizeof error->message - length, "%s%s",
		length > 0 ? ": " : "", text);
}

int sb_error_set(sb_error *error, sb_kind kind, int sys_errno, const char *format, ...)
{
	va_list args;

	if (error == NULL)
		return -(int)kind;
	sb_error_init(error);
	error->kind = kind;
	error->sys_errno = sys_errno;
	va_start(args, format);
	vsnprintf(error->message, sizeof error->message, format, args);
	va_end(args);
	if (sys_errno != 0)
		append_errno(error);
	return -(int)kind;
}

int sb_error_prefix(sb_error *error, const char *format, ...)
{
	char old[sizeof error->message];
	va_list args;
	size_t length;

	if (error == NULL)
		return -(int)SB_KIND_INTERNAL;
	memcpy(old, error->message, sizeof old);
	va_start(args, format);
	vsnprintf(error->message, sizeof error->message, format, args);
	va_end(args);
	length = strlen(error->message);
	snprintf(error->message + length, sizeof error->message - length, ": %.*s",
		(int)(sizeof old - 1), old);
	return -(int)error->kind;
}

void sb_error_set_engine(sb_error *error, const char *engine)
{
	if (error != NULL)
		snprintf(error->engine, sizeof error->engine, "%s", engine != NULL ? engine : "");
}

void sb_error_set_retry_after_ms(sb_error *error, int64_t ms)
{
	if (error != NULL)
		error->retry_after_ms = ms;
}

void sb_error_copy(sb_error *to, const sb_error *from)
{
	if (to == NULL || to == from)
		return;
	if (from == NULL) {
		sb_error_init(to);
		return;
	}
	to->kind = from->kind;
	to->sys_errno = from->sys_errno;
	to->retry_after_ms = from->retry_after_ms;
	snprintf(to->engine, sizeof to->engine, "%s", from->engine);
	snprintf(to->message, sizeof to->message, "%s", from->message);
}

int sb_error_no_memory(sb_error *error)
{
	return sb_error_set(error, SB_KIND_INTERNAL, 0, "out of memory");
}
