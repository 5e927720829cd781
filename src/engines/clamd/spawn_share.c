/* SPDX-License-Identifier: MIT */
/*
 * What the holder of the lock tells the other processes, in the lock file itself: lines of text
 * in a block of one size that is written and read by one system call. Who reads it believes
 * nothing that doesn't fit.
 */
#include "engines/clamd/spawn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "scanbridge-clamd 1";
static const char *const phases[] = {"starting", "up", "down"};

/* Up to the end of the line; the rest of the room is NULs. */
static void one_line(char *out, size_t room, const char *text)
{
	size_t i = 0;

	for (; text[i] != '\0' && i + 1 < room; i++)
		out[i] = text[i] == '\n' ? ' ' : text[i];
	memset(out + i, 0, room - i);
}

void sb_spawn_record_write(char out[SB_SPAWN_RECORD], const sb_spawn_record *record)
{
	char engine[sizeof record->engine], signatures[sizeof record->signatures],
		message[sizeof record->message], temporary[sizeof record->temporary];
	int length;

	one_line(engine, sizeof engine, record->engine);
	one_line(signatures, sizeof signatures, record->signatures);
	one_line(message, sizeof message, record->message);
	one_line(temporary, sizeof temporary, record->temporary);
	memset(out, '\n', SB_SPAWN_RECORD);
	length = snprintf(out, SB_SPAWN_RECORD,
		"%s\n%s\n%s\n%s\n%" PRId64 "\n%s\n%" PRIu64 "\n%s\n", magic, phases[record->phase],
		engine, signatures, record->time, message, record->doubts, temporary);
	out[length] = '\n';
}

/* The next line, without its end, into @p out; NULL: there is none, or it is too long. */
static const char *next_line(const char *text, const char *end, char *out, size_t room)
{
	const char *stop = memchr(text, '\n', (size_t)(end - text));
	size_t length = stop != NULL ? (size_t)(stop - text) : 0;

	if (stop == NULL || length >= room || memchr(text, '\0', length) != NULL)
		return NULL;
	memcpy(out, text, length);
	out[length] = '\0';
	return stop + 1;
}

static bool read_phase(const char *word, sb_spawn_phase *out)
{
	for (int i = 0; i < 3; i++)
		if (strcmp(word, phases[i]) == 0) {
			*out = (sb_spawn_phase)i;
			return true;
		}
	return false;
}

bool sb_spawn_record_read(const char text[SB_SPAWN_RECORD], sb_spawn_record *out)
{
	const char *end = text + SB_SPAWN_RECORD, *at = text;
	char first[32], phase[16], number[24], doubts[24], *stop;
	struct {
		char *out;
		size_t room;
	} lines[] = {{first, sizeof first}, {phase, sizeof phase},
		{out->engine, sizeof out->engine}, {out->signatures, sizeof out->signatures},
		{number, sizeof number}, {out->message, sizeof out->message},
		{doubts, sizeof doubts}, {out->temporary, sizeof out->temporary}};

	for (size_t i = 0; at != NULL && i < sizeof lines / sizeof lines[0]; i++)
		at = next_line(at, end, lines[i].out, lines[i].room);
	if (at == NULL || strcmp(first, magic) != 0 || !read_phase(phase, &out->phase) ||
		number[0] == '\0')
		return false;
	out->time = strtoll(number, &stop, 10);
	if (*stop != '\0')
		return false;
	out->doubts = strtoull(doubts, &stop, 10); /* an older holder tells of none */
	return *stop == '\0';
}
