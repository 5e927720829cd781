/* SPDX-License-Identifier: MIT */
#include "util/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sb_buf_init(sb_buf *buf, size_t max)
{
	*buf = (sb_buf){.max = max};
}

void sb_buf_done(sb_buf *buf)
{
	free(buf->data);
	*buf = (sb_buf){.max = buf->max};
}

void sb_buf_clear(sb_buf *buf)
{
	buf->length = 0;
	buf->failed = false;
	if (buf->data != NULL)
		buf->data[0] = '\0';
}

char *sb_buf_grow(sb_buf *buf, size_t size)
{
	size_t need, capacity = buf->capacity > 0 ? buf->capacity : 256;
	char *data;

	if (buf->failed || size > buf->max - buf->length || size >= SIZE_MAX - buf->length) {
		buf->failed = true;
		return NULL;
	}
	need = buf->length + size + 1; /* the NUL */
	while (capacity < need)
		capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
	if (capacity - 1 > buf->max)
		capacity = buf->max + 1;
	data = realloc(buf->data, capacity);
	if (data == NULL) {
		buf->failed = true;
		return NULL;
	}
	buf->data = data;
	buf->capacity = capacity;
	return buf->data + buf->length;
}

void sb_buf_add(sb_buf *buf, const void *data, size_t size)
{
	char *room = sb_buf_reserve(buf, size);

	if (room == NULL)
		return;
	if (size > 0)
		memcpy(room, data, size);
	buf->length += size;
	buf->data[buf->length] = '\0';
}

void sb_buf_text(sb_buf *buf, const char *text)
{
	sb_buf_add(buf, text, strlen(text));
}

void sb_buf_printf(sb_buf *buf, const char *format, ...)
{
	va_list args;
	char space[256], *room;
	int length;

	va_start(args, format);
	length = vsnprintf(space, sizeof space, format, args);
	va_end(args);
	if (length < 0) {
		buf->failed = true;
		return;
	}
	if ((size_t)length < sizeof space) {
		sb_buf_add(buf, space, (size_t)length);
		return;
	}
	room = sb_buf_reserve(buf, (size_t)length);
	if (room == NULL)
		return;
	va_start(args, format);
	vsnprintf(room, (size_t)length + 1, format, args);
	va_end(args);
	buf->length += (size_t)length;
}

void sb_buf_cut(sb_buf *buf, size_t length)
{
	if (length >= buf->length)
		return;
	buf->length = length;
	buf->data[length] = '\0';
}

char *sb_buf_take(sb_buf *buf)
{
	char *data = buf->failed || buf->length == 0 ? NULL : buf->data;

	if (data != NULL)
		buf->data = NULL;
	sb_buf_done(buf);
	return data;
}
