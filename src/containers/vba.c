/* SPDX-License-Identifier: MIT */
/*
 * VBA projects. Where the compressed source of a module begins is told by the stream `dir`; where
 * that is damaged or lies, by the first words that Office itself writes into every module.
 */
#include "containers/vba.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "containers/bytes.h"

enum {
	CHUNK = 4096,
	SOURCE_MAX = 16 << 20, /* of one module; Office itself allows far less */
	DIR_MAX = 1 << 20,
	MODULES_MAX = 4096,
	PROJECTS_MAX = 64,
	GUESSES = 16, /* places in a module that are tried */

	RECORD_VERSION = 0x0009, /* its length is a lie by design */
	RECORD_STREAM_NAME = 0x001a,
	RECORD_STREAM_UNICODE = 0x0032,
	RECORD_OFFSET = 0x0031,
};

/* --- Decompression (MS-OVBA 2.4.1) ------------------------------------------------------- */

/* One chunk into out[CHUNK]; the bytes that come out. */
static size_t chunk(const uint8_t *data, size_t size, uint8_t *out)
{
	size_t n = 0;

	for (size_t at = 0; at < size;) {
		unsigned flags = data[at++];

		for (unsigned bit = 0; bit < 8 && at < size && n < CHUNK; bit++) {
			unsigned token, bits = 4;
			size_t length, back;

			if ((flags >> bit & 1) == 0) {
				out[n++] = data[at++];
				continue;
			}
			if (size - at < 2)
				return n;
			token = sb_le16(data + at);
			at += 2;
			while (bits < 12 && (1u << bits) < n)
				bits++;
			length = (token & (0xffffu >> bits)) + 3;
			back = (token >> (16 - bits)) + 1;
			if (back > n)
				return n;
			for (; length > 0 && n < CHUNK; length--, n++)
				out[n] = out[n - back];
		}
		if (n == CHUNK)
			break;
	}
	return n;
}

bool sb_vba_decompress(const uint8_t *data, size_t size, sb_buf *out)
{
	uint8_t block[CHUNK];
	size_t at = 1;

	if (size < 4 || data[0] != 1)
		return false;
	while (size - at >= 3 && !out->failed) {
		unsigned head = sb_le16(data + at);
		size_t length = (head & 0x0fff) + 1;

		if ((head >> 12 & 7) != 3)
			break;
		at += 2;
		if (length > size - at)
			length = size - at;
		if ((head & 0x8000) == 0)
			sb_buf_add(out, data + at, length < CHUNK ? length : CHUNK);
		else
			sb_buf_add(out, block, chunk(data + at, length, block));
		at += length;
	}
	return out->length > 0;
}

/* --- What a source does ------------------------------------------------------------------ */

static const char *const starters[] = {
	"auto_open",
	"autoopen",
	"auto_close",
	"autoclose",
	"autoexec",
	"autoexit",
	"autonew",
	"auto_activate",
	"auto_deactivate",
	"auto_add",
	"auto_remove",
	"document_open",
	"documentopen",
	"document_close",
	"document_new",
	"document_beforeclose",
	"document_beforesave",
	"document_xmlafterinsert",
	"workbook_open",
	"workbook_close",
	"workbook_activate",
	"workbook_deactivate",
	"workbook_beforeclose",
	"workbook_beforesave",
	"workbook_addininstall",
	"worksheet_activate",
	"worksheet_calculate",
	"worksheet_change",
	"app_presentationopen",
	"app_slideshowbegin",
	"onslideshowpagechange",
	"auto_ppt",
	"userdocument_initialize",
	"inkpicture1_painted",
	"application_startup",
};

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static bool is_starter(const char *word, size_t length)
{
	for (size_t i = 0; i < sizeof(starters) / sizeof(starters[0]); i++)
		if (strlen(starters[i]) == length && strncasecmp(word, starters[i], length) == 0)
			return true;
	return false;
}

bool sb_vba_runs_itself(const char *source, size_t size)
{
	bool procedure = false; /* the word before was Sub or Function */

	for (size_t at = 0, end; at < size; at = end) {
		end = at + 1;
		if (!is_word(source[at]))
			continue;
		while (end < size && is_word(source[end]))
			end++;
		if (procedure && is_starter(source + at, end - at))
			return true;
		procedure = (end - at == 3 && strncasecmp(source + at, "sub", 3) == 0) ||
			    (end - at == 8 && strncasecmp(source + at, "function", 8) == 0);
	}
	return false;
}

/* --- `dir`: where sources begin ----------------------------------------------------------- */

typedef struct module {
	char name[SB_CFB_NAME];
	uint32_t offset;
	bool known;
} module;

static void take_unicode(module *m, const uint8_t *data, size_t size)
{
	size_t n = 0;

	/* Only to compare with the directory's name; what is not ASCII is found by searching. */
	for (size_t i = 0; i + 1 < size && n < sizeof(m->name) - 1; i += 2)
		m->name[n++] = data[i + 1] == 0 ? (char)data[i] : '?';
	m->name[n] = '\0';
}

/* The offset that `dir` gives for a stream. */
static module find_module(const sb_buf *dir, const char *name)
{
	const uint8_t *data = (const uint8_t *)dir->data;
	module m = {0};

	for (size_t at = 0; dir->length - at >= 6;) {
		unsigned id = sb_le16(data + at);
		size_t length = sb_le32(data + at + 2);

		at += 6;
		if (id == RECORD_VERSION)
			length = 6;
		if (length > dir->length - at)
			break;
		if (id == RECORD_STREAM_NAME)
			snprintf(m.name, sizeof(m.name), "%.*s",
				(int)(length < SB_CFB_NAME - 1 ? length : SB_CFB_NAME - 1),
				dir->data + at);
		else if (id == RECORD_STREAM_UNICODE)
			take_unicode(&m, data + at, length);
		else if (id == RECORD_OFFSET && length == 4 && strcasecmp(m.name, name) == 0) {
			m.offset = sb_le32(data + at);
			m.known = true;
			return m;
		}
		at += length;
	}
	return m;
}

static bool search_source(const sb_cfb_bytes *bytes, sb_buf *out)
{
	static const char mark[] = "\0Attribut"; /* a flag byte and the first literal ones */
	const uint8_t *found = bytes->data, *end = bytes->data + bytes->size;

	for (unsigned i = 0; i < GUESSES; i++) {
		found = memmem(found, (size_t)(end - found), mark, sizeof(mark) - 1);
		if (found == NULL)
			return false;
		if (found - bytes->data >= 3 &&
			sb_vba_decompress(found - 3, (size_t)(end - found) + 3, out))
			return true;
		found++;
	}
	return false;
}

static bool find_source(const sb_buf *dir, const char *name, const sb_cfb_bytes *bytes, sb_buf *out)
{
	module m = find_module(dir, name);

	if (m.known && m.offset < bytes->size &&
		sb_vba_decompress(bytes->data + m.offset, bytes->size - m.offset, out))
		return true;
	sb_buf_clear(out);
	return bytes->size > 0 && search_source(bytes, out);
}

/* --- Storages ----------------------------------------------------------------------------- */

static bool is_own_stream(const char *name)
{
	return strcasecmp(name, "dir") == 0 || strcasecmp(name, "_VBA_PROJECT") == 0 ||
	       strncasecmp(name, "__SRP_", 6) == 0;
}

static int source(sb_walk *walk, const sb_level *level, const char *name, const sb_buf *out)
{
	char path[SB_CFB_NAME + 16];
	int r;

	sb_walk_fact(walk, SB_FACT_MACROS);
	if (sb_vba_runs_itself(out->data, out->length))
		sb_walk_fact(walk, SB_FACT_AUTORUN);
	if (out->failed)
		sb_walk_problem(walk, level, name, SB_KIND_LIMIT_EXCEEDED,
			"a macro of more than %d MiB", SOURCE_MAX >> 20);
	snprintf(path, sizeof(path), "VBA/%s.bas", name);
	r = sb_walk_member(walk, level, path, strlen(path), out->data, out->length);
	return r < 0 ? r : 0;
}

static int take_module(
	sb_walk *walk, const sb_level *level, sb_cfb *cfb, uint32_t entry, const sb_buf *dir)
{
	char name[SB_CFB_NAME];
	sb_cfb_bytes bytes;
	sb_buf out;
	int r;

	sb_cfb_name(cfb, entry, name);
	if (is_own_stream(name))
		return 0;
	r = sb_cfb_read(cfb, entry, &bytes);
	if (r != 0)
		return r;
	sb_buf_init(&out, SOURCE_MAX);
	if (find_source(dir, name, &bytes, &out))
		r = source(walk, level, name, &out);
	else
		sb_walk_doubt(walk, level, "a macro whose source is not there");
	sb_buf_done(&out);
	sb_cfb_release(&bytes);
	return r;
}

typedef struct project {
	uint32_t storage, dir; /* SB_CFB_NONE: there is none */
	bool sure;             /* by more than a stream called `dir` */
} project;

static project *project_of(project *projects, size_t *count, uint32_t storage)
{
	for (size_t i = 0; i < *count; i++)
		if (projects[i].storage == storage)
			return &projects[i];
	if (*count == PROJECTS_MAX)
		return NULL;
	projects[*count] = (project){storage, SB_CFB_NONE, false};
	return &projects[(*count)++];
}

/* All of them in one pass; false when there are more than anybody needs. */
static bool find_projects(const sb_cfb *cfb, project *projects, size_t *count)
{
	for (uint32_t i = 1; i < cfb->entries; i++) {
		sb_cfb_type type = sb_cfb_entry_type(cfb, i);
		bool vba = type == SB_CFB_STORAGE && sb_cfb_is_named(cfb, i, "VBA");
		bool dir = type == SB_CFB_STREAM && sb_cfb_is_named(cfb, i, "dir");
		bool cache = type == SB_CFB_STREAM && sb_cfb_is_named(cfb, i, "_VBA_PROJECT");
		project *p;

		if ((!vba && !dir && !cache) || cfb->parents[i] == SB_CFB_NONE)
			continue;
		p = project_of(projects, count, vba ? i : cfb->parents[i]);
		if (p == NULL)
			return false;
		p->sure |= vba || cache;
		if (dir)
			p->dir = i;
	}
	return true;
}

static int read_dir(sb_cfb *cfb, uint32_t entry, sb_buf *dir)
{
	sb_cfb_bytes bytes;
	int r;

	if (entry == SB_CFB_NONE)
		return 0;
	r = sb_cfb_read(cfb, entry, &bytes);
	if (r != 0)
		return r;
	sb_vba_decompress(bytes.data, bytes.size, dir);
	sb_cfb_release(&bytes);
	return 0;
}

static int take_project(sb_walk *walk, const sb_level *level, sb_cfb *cfb, const project *p)
{
	unsigned modules = 0;
	sb_buf dir;
	int r;

	sb_buf_init(&dir, DIR_MAX);
	r = read_dir(cfb, p->dir, &dir);
	for (uint32_t i = 1; r == 0 && i < cfb->entries; i++) {
		if (cfb->parents[i] != p->storage || sb_cfb_entry_type(cfb, i) != SB_CFB_STREAM)
			continue;
		if (++modules > MODULES_MAX) {
			sb_walk_problem(walk, level, NULL, SB_KIND_LIMIT_EXCEEDED,
				"more than %d macro modules", MODULES_MAX);
			break;
		}
		r = take_module(walk, level, cfb, i, &dir);
	}
	sb_buf_done(&dir);
	return r;
}

int sb_vba_take_apart(sb_walk *walk, const sb_level *level, sb_cfb *cfb)
{
	project projects[PROJECTS_MAX];
	size_t count = 0;
	int r = 0;

	if (!find_projects(cfb, projects, &count))
		sb_walk_problem(walk, level, NULL, SB_KIND_LIMIT_EXCEEDED,
			"more than %d macro projects", PROJECTS_MAX);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (projects[i].sure)
			r = take_project(walk, level, cfb, &projects[i]);
	return r;
}
