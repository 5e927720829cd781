/* SPDX-License-Identifier: MIT */
/*
 * Office documents. OOXML and ODF are zips: the names of their members tell most, a few of them
 * are XML that is searched for a handful of words, without parsing it.
 */
#include "containers/office.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "containers/bytes.h"

enum { XML_MAX = 4 << 20, PACKAGE_NAME = 1024 };

/* --- Searching XML ----------------------------------------------------------------------- */

/* As ASCII in @p out, whatever the encoding: UTF-16 loses its zeros. */
static size_t narrow(char *out, const uint8_t *data, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		if (data[i] != 0)
			out[n++] =
				(char)(data[i] >= 'A' && data[i] <= 'Z' ? data[i] | 0x20 : data[i]);
	return n;
}

static bool has(const char *text, size_t size, const char *word)
{
	return memmem(text, size, word, strlen(word)) != NULL;
}

/* Kinds of relations that load something without a click. */
static const char *const loaded[] = {"attachedtemplate", "oleobject", "/frame", "externallink",
	"subdocument", "/control", "vbaproject", "/package", "afchunk", "/script"};

static bool loads(const char *element, size_t size)
{
	if (!has(element, size, "targetmode") ||
		(!has(element, size, "external\"") && !has(element, size, "external'")))
		return false;
	for (size_t i = 0; i < sizeof(loaded) / sizeof(loaded[0]); i++)
		if (has(element, size, loaded[i]))
			return true;
	return false;
}

static void relations(sb_walk *walk, const char *text, size_t size)
{
	const char *at = text, *end = text + size;

	while ((at = memmem(at, (size_t)(end - at), "<relationship", 13)) != NULL) {
		const char *close = memchr(at, '>', (size_t)(end - at));

		if (close == NULL)
			close = end;
		if (loads(at, (size_t)(close - at)))
			sb_walk_fact(walk, SB_FACT_EXTERNAL);
		at = close;
	}
}

static void content_types(sb_walk *walk, const char *text, size_t size)
{
	if (has(text, size, "vnd.ms-office.vbaproject") ||
		has(text, size, "vnd.ms-excel.macrosheet") ||
		has(text, size, "vnd.ms-excel.intlmacrosheet"))
		sb_walk_fact(walk, SB_FACT_MACROS);
}

static void workbook(sb_walk *walk, const char *text, size_t size)
{
	if (has(text, size, "_xlnm.auto_open") || has(text, size, "_xlnm.auto_close"))
		sb_walk_fact(walk, SB_FACT_AUTORUN);
}

static void odf_events(sb_walk *walk, const char *text, size_t size)
{
	if (has(text, size, "script:event-listener") &&
		(has(text, size, "dom:load") || has(text, size, "on-load")))
		sb_walk_fact(walk, SB_FACT_AUTORUN);
}

static void odf_module(sb_walk *walk, const char *text, size_t size)
{
	if (has(text, size, "script:module"))
		sb_walk_fact(walk, SB_FACT_MACROS);
}

/* --- By name ------------------------------------------------------------------------------ */

typedef enum where { ANYWHERE, IN_ODF } where;

static const struct {
	const char *start, *end; /* in lower case; "": any */
	where where;
	unsigned facts;
	void (*look)(sb_walk *walk, const char *text, size_t size);
} parts[] = {
	{"", "vbaproject.bin", ANYWHERE, SB_FACT_MACROS, NULL},
	{"xl/macrosheets/", ".xml", ANYWHERE, SB_FACT_MACROS, NULL},
	{"xl/macrosheets/", ".bin", ANYWHERE, SB_FACT_MACROS, NULL},
	{"xl/intlmacrosheets/", "", ANYWHERE, SB_FACT_MACROS, NULL},
	{"word/embeddings/", "", ANYWHERE, SB_FACT_EMBEDDED, NULL},
	{"xl/embeddings/", "", ANYWHERE, SB_FACT_EMBEDDED, NULL},
	{"ppt/embeddings/", "", ANYWHERE, SB_FACT_EMBEDDED, NULL},
	{"word/activex/", ".bin", ANYWHERE, SB_FACT_EMBEDDED, NULL},
	{"xl/activex/", ".bin", ANYWHERE, SB_FACT_EMBEDDED, NULL},
	{"ppt/activex/", ".bin", ANYWHERE, SB_FACT_EMBEDDED, NULL},
	{"", ".rels", ANYWHERE, 0, relations},
	{"[content_types].xml", "", ANYWHERE, 0, content_types},
	{"xl/workbook.xml", "", ANYWHERE, 0, workbook},
	{"basic/", ".xml", IN_ODF, 0, odf_module},
	{"scripts/", "", IN_ODF, SB_FACT_MACROS, NULL},
	{"object ", "", IN_ODF, SB_FACT_EMBEDDED, NULL},
	{"content.xml", "", IN_ODF, 0, odf_events},
};

/* An ODF document says so in its first member, which is stored as it is. */
static bool is_odf(const sb_level *level)
{
	static const char kind[] = "mimetypeapplication/vnd.oasis.opendocument";

	return level->size > 200 && memmem(level->data, 200, kind, sizeof(kind) - 1) != NULL;
}

static bool matches(const char *name, size_t length, const char *start, const char *end)
{
	size_t first = strlen(start), last = strlen(end);

	return length >= first && length >= last && strncasecmp(name, start, first) == 0 &&
	       strcasecmp(name + length - last, end) == 0;
}

static void odf_encrypted(sb_walk *walk, const sb_level *level, const uint8_t *data, size_t size)
{
	static const char mark[] = "manifest:encryption-data";

	if (memmem(data, size, mark, sizeof(mark) - 1) != NULL && is_odf(level))
		sb_walk_problem(walk, level, NULL, SB_KIND_ENCRYPTED, "a document with a password");
}

void sb_office_member(
	sb_walk *walk, const sb_level *level, const char *name, const uint8_t *data, size_t size)
{
	size_t length = strlen(name);

	if (size > XML_MAX)
		size = XML_MAX;
	if (strcasecmp(name, "META-INF/manifest.xml") == 0)
		odf_encrypted(walk, level, data, size);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char *text;

		if (!matches(name, length, parts[i].start, parts[i].end) ||
			(parts[i].where == IN_ODF && !is_odf(level)))
			continue;
		sb_walk_fact(walk, parts[i].facts);
		text = parts[i].look != NULL ? malloc(size > 0 ? size : 1) : NULL;
		if (text != NULL)
			parts[i].look(walk, text, narrow(text, data, size));
		free(text);
	}
}

/* --- Packages ----------------------------------------------------------------------------- */

/* A NUL-terminated text at *at; NULL when it has no end. */
static const char *read_text(const uint8_t *data, size_t size, size_t *at)
{
	const uint8_t *end = memchr(data + *at, 0, size - *at);
	const char *text = (const char *)data + *at;

	if (end == NULL || end - (data + *at) > PACKAGE_NAME)
		return NULL;
	*at = (size_t)(end - data) + 1;
	return text;
}

bool sb_office_package(
	sb_walk *walk, const sb_level *level, const uint8_t *data, size_t size, int *result)
{
	const char *label, *path;
	size_t at = 2, length;

	*result = 0;
	if (size < 20 || sb_le16(data) != 2)
		return false;
	label = read_text(data, size, &at);
	if (label == NULL || read_text(data, size, &at) == NULL || size - at < 8)
		return false;
	length = sb_le32(data + at + 4);
	at += 8;
	if (length > size - at)
		return false;
	path = (const char *)data + at;
	at += length;
	if (size - at < 4)
		return false;
	length = sb_le32(data + at);
	at += 4;
	if (length > size - at)
		length = size - at;
	if (label[0] == '\0')
		label = path[0] != '\0' &&
					memchr(path, 0, size - (size_t)(path - (const char *)data))
				? path
				: "package";
	sb_walk_fact(walk, SB_FACT_EMBEDDED);
	*result = sb_walk_member(walk, level, label, strlen(label), data + at, length);
	*result = *result < 0 ? *result : 0;
	return true;
}
