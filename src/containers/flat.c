/* SPDX-License-Identifier: MIT */
/*
 * Office documents that are one XML text: OOXML's flat packages, Word 2003, flat ODF. What would be
 * parts of an archive stands in elements, in base64. They are searched for by their names without
 * the prefix, since that is anything the text declares.
 */
#include <stdio.h>
#include <string.h>

#include "containers/decode.h"
#include "containers/office.h"

enum {
	DECLARED = 16384, /* within so many bytes the root names its language */
	TAG = 4096,       /* an element's start is not longer */
};

static const char *const languages[] = {
	"schemas.microsoft.com/office/2006/xmlPackage",
	"schemas.microsoft.com/office/word/2003/wordml",
	"urn:oasis:names:tc:opendocument:xmlns:office:1.0",
};

static const char *const elements[] = {
	"binaryData",  /* pkg: */
	"binData",     /* w: */
	"binary-data", /* office: */
};

enum { ELEMENTS = sizeof(elements) / sizeof(elements[0]) };

static bool holds(const uint8_t *data, size_t size, const char *word)
{
	return memmem(data, size, word, strlen(word)) != NULL;
}

static sb_likeness recognise(const uint8_t *data, size_t size, const char **type)
{
	size_t at = size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	size_t most = size < DECLARED ? size : DECLARED;

	*type = "xml";
	while (at < most && (data[at] == ' ' || (data[at] >= '\t' && data[at] <= '\r')))
		at++;
	if (at == most || data[at] != '<')
		return SB_NOT_THIS;
	for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++)
		if (holds(data, most, languages[i]))
			return SB_PERHAPS;
	return SB_NOT_THIS;
}

/* Where the text of the element begins whose name is at @p at; 0: it is no start of one, or has
 * no text. */
static size_t text_of(const uint8_t *data, size_t size, size_t at, size_t length)
{
	const uint8_t *end;

	if (at == 0 || (data[at - 1] != ':' && data[at - 1] != '<') || at + length >= size ||
		strchr("> \t\r\n", data[at + length]) == NULL || data[at + length] == '\0')
		return 0;
	for (size_t i = at - 1; data[i] != '<'; i--)
		if (i == 0 || data[i] == '>' || data[i] == '/' || at - i > 256)
			return 0;
	end = memchr(data + at, '>', size - at < TAG ? size - at : TAG);
	return end == NULL || end[-1] == '/' ? 0 : (size_t)(end - data) + 1;
}

/* Every element of one name. */
static int all_of(sb_walk *walk, const sb_level *level, const char *element, unsigned *number)
{
	const uint8_t *data = level->data, *found, *end;
	size_t length = strlen(element), size = level->size, at = 0, text;
	char name[32];
	sb_sink sink;
	int r = 0;

	while (r >= 0 && (found = memmem(data + at, size - at, element, length)) != NULL) {
		at = (size_t)(found - data);
		text = text_of(data, size, at, length);
		at += length;
		if (text == 0)
			continue;
		end = memchr(data + text, '<', size - text);
		at = end != NULL ? (size_t)(end - data) : size;
		snprintf(name, sizeof(name), "part-%u", ++*number);
		r = sb_sink_open(&sink, walk, level, name, at - text);
		if (r != 0)
			continue;
		sb_decode_base64(&sink, data + text, at - text, SB_PADDING_ENDS_RUN, NULL);
		r = sb_sink_close(&sink);
	}
	return r < 0 ? r : 0;
}

static int take_apart(sb_walk *walk, const sb_level *level, sb_likeness likeness)
{
	unsigned number = 0;
	int r = 0;

	(void)likeness;
	for (size_t i = 0; r == 0 && i < ELEMENTS; i++)
		r = all_of(walk, level, elements[i], &number);
	if (number > 0)
		sb_walk_fact(walk, SB_FACT_EMBEDDED);
	return r;
}

const sb_reader_ops sb_reader_flat = {"office XML", recognise, take_apart};
