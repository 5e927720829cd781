/* SPDX-License-Identifier: MIT */
/*
 * PDF (ISO 32000). Cross-reference tables are not believed: every `N G obj` that stands anywhere
 * in the file is an object, also within the stream of another one, since readers that follow the
 * table would find it there. Streams become members; names tell the facts. All objects together
 * may look at a few times the bytes of the file, so that objects within objects stay cheap.
 */
#include <stdio.h>
#include <string.h>

#include "containers/pdf_filter.h"

enum {
	HEADER_WITHIN = 1024,
	NAME = 48,
	FILTERS = 8,
	STAGE_MAX = 64 << 20,   /* between two filters of a chain */
	OBJECTS_MAX = 32 << 20, /* of an object stream, that is searched */
	LOOKUPS = 32,           /* of filters that are objects of their own */
	WORK = 8,               /* times the size */
};

/* Where a word is next: what was searched is remembered, so each costs about one pass over the
 * file. */
typedef struct finder {
	const char *word;
	size_t from, at;
	bool searched;
} finder;

typedef struct pdf {
	sb_walk *walk;
	const sb_level *level;
	const uint8_t *data;
	size_t size;
	finder object, end_object, end_stream;
	uint64_t work, work_max;
	unsigned lookups, objects;
	unsigned closed; /* of the objects: with a stream; in what surely is PDF, with an end */
	bool sure;
	size_t last; /* where the last object begins */
} pdf;

static size_t find(const pdf *p, finder *f, size_t from)
{
	const uint8_t *found;

	if (f->searched && from >= f->from && from <= f->at)
		return f->at;
	if (f->searched && from < f->from) { /* only what was not searched yet */
		size_t over = f->from - from + strlen(f->word) - 1, room = p->size - from;

		found = memmem(p->data + from, over < room ? over : room, f->word, strlen(f->word));
		if (found == NULL)
			f->from = from;
		return found != NULL ? (size_t)(found - p->data) : f->at;
	}
	found = memmem(p->data + from, p->size - from, f->word, strlen(f->word));
	f->searched = true;
	f->from = from;
	f->at = found != NULL ? (size_t)(found - p->data) : p->size;
	return f->at;
}

/* --- Tokens ------------------------------------------------------------------------------- */

typedef enum token_kind {
	TOKEN_END,
	TOKEN_NAME,
	TOKEN_NUMBER,
	TOKEN_STRING,
	TOKEN_OPEN,  /* << */
	TOKEN_CLOSE, /* >> */
	TOKEN_ARRAY,
	TOKEN_ARRAY_END,
	TOKEN_WORD,
} token_kind;

typedef struct lexer {
	const uint8_t *data;
	size_t at, end;
	uint64_t wasted; /* bytes that were looked at for the end of a string that has none */
	bool no_strings; /* one has no end: what looks like strings is read as anything else */
	char text[NAME];
	size_t length; /* of the text, cut to what fits */
	uint64_t number;
} lexer;

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0;
}

static bool is_delimiter(uint8_t c)
{
	return c == '(' || c == ')' || c == '<' || c == '>' || c == '[' || c == ']' || c == '{' ||
	       c == '}' || c == '/' || c == '%';
}

static void skip_blanks(lexer *l)
{
	while (l->at < l->end) {
		if (l->data[l->at] == '%') {
			while (l->at < l->end && l->data[l->at] != '\n' && l->data[l->at] != '\r')
				l->at++;
		} else if (!is_blank(l->data[l->at])) {
			break;
		} else {
			l->at++;
		}
	}
}

static void put(lexer *l, uint8_t c)
{
	if (l->length < NAME - 1)
		l->text[l->length++] = (char)c;
	l->text[l->length] = '\0';
}

static void read_regular(lexer *l, bool name)
{
	l->length = 0;
	l->text[0] = '\0';
	while (l->at < l->end && !is_blank(l->data[l->at]) && !is_delimiter(l->data[l->at])) {
		uint8_t c = l->data[l->at++];

		if (name && c == '#' && l->end - l->at >= 2 && sb_hex_digit(l->data[l->at]) >= 0 &&
			sb_hex_digit(l->data[l->at + 1]) >= 0) {
			c = (uint8_t)(sb_hex_digit(l->data[l->at]) << 4 |
				      sb_hex_digit(l->data[l->at + 1]));
			l->at += 2;
		}
		put(l, c);
	}
}

static bool skip_string(lexer *l)
{
	unsigned depth = 0;
	size_t at = l->at;

	for (; at < l->end; at++) {
		if (l->data[at] == '\\')
			at++;
		else if (l->data[at] == '(')
			depth++;
		else if (l->data[at] == ')' && --depth == 0)
			break;
	}
	if (at >= l->end) {
		l->no_strings = true;
		l->wasted += l->end - l->at;
		return false;
	}
	l->at = at + 1;
	return true;
}

static token_kind delimiter(lexer *l)
{
	uint8_t c = l->data[l->at];
	bool twice = l->end - l->at > 1 && l->data[l->at + 1] == c;

	if (c == '(' && !l->no_strings && skip_string(l))
		return TOKEN_STRING;
	l->at += twice && (c == '<' || c == '>') ? 2 : 1;
	switch (c) {
	case '[':
		return TOKEN_ARRAY;
	case ']':
		return TOKEN_ARRAY_END;
	case '<':
		return twice ? TOKEN_OPEN : TOKEN_STRING; /* digits follow as a word */
	case '>':
		return twice ? TOKEN_CLOSE : TOKEN_STRING;
	case '/':
		read_regular(l, true);
		return TOKEN_NAME;
	default:
		return TOKEN_STRING;
	}
}

static token_kind next_token(lexer *l)
{
	bool number = true;

	skip_blanks(l);
	if (l->at >= l->end)
		return TOKEN_END;
	if (is_delimiter(l->data[l->at]))
		return delimiter(l);
	read_regular(l, false);
	l->number = 0;
	for (size_t i = 0; i < l->length; i++) {
		number &= l->text[i] >= '0' && l->text[i] <= '9' && i < 18;
		l->number = l->number * 10 + (uint64_t)(l->text[i] - '0');
	}
	return number ? TOKEN_NUMBER : TOKEN_WORD;
}

/* --- Dictionaries --------------------------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned facts;
} facts[] = {
	{"JS", SB_FACT_JAVASCRIPT},
	{"JavaScript", SB_FACT_JAVASCRIPT},
	{"Launch", SB_FACT_LAUNCH},
	{"EmbeddedFile", SB_FACT_EMBEDDED},
	{"RichMedia", SB_FACT_EMBEDDED},
	{"GoToR", SB_FACT_EXTERNAL},
	{"SubmitForm", SB_FACT_EXTERNAL},
	{"ImportData", SB_FACT_EXTERNAL},
};

/* What the outermost dictionary of an object says of its stream. */
typedef struct dictionary {
	unsigned facts;
	char filters[FILTERS][NAME];
	unsigned filter_count; /* above FILTERS: too many */
	bool filter_twice, filter_elsewhere;
	uint64_t filter_object;
	bool has_length, length_elsewhere;
	uint64_t length;
	bool object_stream, encrypted, outside, late_change, parameters_elsewhere;
	sb_pdf_predictor predictor;
	/* While reading: */
	unsigned depth, arrays;
	bool value; /* a value comes next, else a key */
	char key[NAME];
	char parameter[NAME]; /* likewise, in a dictionary within */
} dictionary;

static bool is_key(const dictionary *d, const char *name)
{
	return strcmp(d->key, name) == 0;
}

static void take_key(dictionary *d, const char *name)
{
	d->filter_twice |= strcmp(name, "Filter") == 0 && d->filter_count > 0;
	d->encrypted |= strcmp(name, "Encrypt") == 0;
	d->outside |= strcmp(name, "F") == 0;
	snprintf(d->key, NAME, "%s", name);
}

static void take_name(dictionary *d, const char *name)
{
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		if (strcmp(name, facts[i].name) == 0)
			d->facts |= facts[i].facts;
	if (d->depth != 1) {
		snprintf(d->parameter, NAME, "%s", name);
		return;
	}
	if (d->arrays == 0 && !d->value) {
		take_key(d, name);
		d->value = true;
		return;
	}
	if (is_key(d, "Filter")) {
		if (d->filter_count < FILTERS)
			snprintf(d->filters[d->filter_count], NAME, "%s", name);
		d->filter_count++;
	} else if (is_key(d, "Type")) {
		d->object_stream = strcmp(name, "ObjStm") == 0;
	}
	d->value = d->arrays > 0;
}

/* Of a filter; other dictionaries within have no such names. */
static void take_parameter(dictionary *d, uint64_t number)
{
	const struct {
		const char *name;
		uint64_t *value;
	} numbers[] = {
		{"Predictor", &d->predictor.kind},
		{"Columns", &d->predictor.columns},
		{"Colors", &d->predictor.colors},
		{"BitsPerComponent", &d->predictor.bits},
	};

	d->late_change |= strcmp(d->parameter, "EarlyChange") == 0 && number == 0;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strcmp(d->parameter, numbers[i].name) == 0)
			*numbers[i].value = number;
	d->parameter[0] = '\0';
}

static void take_number(dictionary *d, uint64_t number)
{
	if (d->depth != 1) {
		take_parameter(d, number);
		return;
	}
	if (is_key(d, "Length") && d->value) {
		d->length = number;
		d->has_length = true;
	} else if (is_key(d, "Filter") && d->value) {
		d->filter_object = number;
	}
	d->value = d->arrays > 0;
}

static void take_word(dictionary *d, const char *word)
{
	if (d->depth != 1)
		return;
	if (strcmp(word, "R") == 0) {
		d->length_elsewhere |= is_key(d, "Length");
		d->filter_elsewhere |= is_key(d, "Filter");
		d->parameters_elsewhere |= is_key(d, "DecodeParms") || is_key(d, "DP");
	}
	d->value = d->arrays > 0;
}

/* Feed one token. */
static void take(dictionary *d, token_kind kind, const lexer *l)
{
	switch (kind) {
	case TOKEN_NAME:
		take_name(d, l->text);
		break;
	case TOKEN_NUMBER:
		take_number(d, l->number);
		break;
	case TOKEN_WORD:
		take_word(d, l->text);
		break;
	case TOKEN_OPEN:
		d->depth++;
		break;
	case TOKEN_CLOSE:
		d->depth -= d->depth > 0;
		d->value = d->depth == 1 && d->arrays > 0;
		break;
	case TOKEN_ARRAY:
		d->arrays += d->depth == 1;
		break;
	case TOKEN_ARRAY_END:
		if (d->depth == 1) {
			d->arrays -= d->arrays > 0;
			d->value = d->arrays > 0;
		}
		break;
	case TOKEN_STRING:
		if (d->depth == 1)
			d->value = d->arrays > 0;
		break;
	case TOKEN_END:
		break;
	}
}

/* Up to `stream` or the end of what @p l has; true for a stream. */
static bool read_object(dictionary *d, lexer *l)
{
	for (;;) {
		token_kind kind = next_token(l);

		if (kind == TOKEN_END)
			return false;
		if (kind == TOKEN_WORD) {
			if (strcmp(l->text, "stream") == 0)
				return true;
			if (strcmp(l->text, "obj") == 0 || strcmp(l->text, "endobj") == 0 ||
				strcmp(l->text, "startxref") == 0)
				return false;
		}
		take(d, kind, l);
	}
}

/* All of an object stream's objects. */
static unsigned facts_of(const sb_buf *objects)
{
	lexer l = {.data = (const uint8_t *)objects->data, .end = objects->length};
	dictionary d = {0};

	for (token_kind kind; (kind = next_token(&l)) != TOKEN_END;)
		if (kind == TOKEN_NAME)
			take_name(&d, l.text);
	return d.facts;
}

/* --- Streams -------------------------------------------------------------------------------- */

typedef struct stream {
	const pdf *p;
	char name[32];
	const uint8_t *data;
	size_t size;
	bool early;
} stream;

/* One filter in the midst of a chain, into memory. */
static int stage(stream *s, const sb_pdf_filter *filter, sb_buf *out, bool *whole)
{
	sb_sink sink;

	sb_buf_init(out, STAGE_MAX);
	sb_sink_memory(&sink, s->p->walk, out);
	*whole &= filter->decode(&sink, s->data, s->size, s->early) == SB_INFLATED_WHOLE;
	sb_sink_flush(&sink);
	if (out->failed)
		sb_walk_problem(s->p->walk, s->p->level, s->name, SB_KIND_LIMIT_EXCEEDED,
			"more than %d MiB between two filters", STAGE_MAX >> 20);
	s->data = (const uint8_t *)out->data;
	s->size = out->length;
	return sink.stopped < 0 ? sink.stopped : 0;
}

/* The bytes whose differences the filter gave: one more member. */
static int unpredicted(stream *s, sb_buf *kept, const sb_pdf_predictor *predictor)
{
	int r = sb_walk_poll(s->p->walk);

	if (r != 0)
		return r;
	kept->length = sb_pdf_unpredict((uint8_t *)kept->data, kept->length, predictor);
	r = sb_walk_member(
		s->p->walk, s->p->level, s->name, strlen(s->name), kept->data, kept->length);
	return r < 0 ? r : 0;
}

/* The last filter, into a member. */
static int last_stage(stream *s, const sb_pdf_filter *filter, const dictionary *d, bool *whole)
{
	bool predicted = d->predictor.kind > 1;
	sb_sink sink;
	sb_buf kept;
	int r = sb_sink_open(&sink, s->p->walk, s->p->level, s->name, s->size);

	if (r != 0)
		return r < 0 ? r : 0;
	sb_buf_init(&kept, predicted ? STAGE_MAX : OBJECTS_MAX);
	if (d->object_stream || predicted)
		sink.kept = &kept;
	*whole &= filter->decode(&sink, s->data, s->size, s->early) == SB_INFLATED_WHOLE;
	sb_sink_flush(&sink);
	if (kept.failed)
		sb_walk_doubt(s->p->walk, s->p->level, "a PDF object stream of unusual size");
	r = sb_sink_close(&sink);
	if (r == 0 && predicted && !kept.failed && kept.length > 0)
		r = unpredicted(s, &kept, &d->predictor);
	if (d->object_stream)
		sb_walk_fact(s->p->walk, facts_of(&kept));
	sb_buf_done(&kept);
	return r;
}

/* Which filters do something; false when one is unknown. Images end the chain. */
static bool plan(const dictionary *d, const sb_pdf_filter **todo, unsigned *count, bool *image)
{
	*count = 0;
	*image = false;
	if (d->filter_count > FILTERS)
		return false;
	for (unsigned i = 0; i < d->filter_count && !*image; i++) {
		const sb_pdf_filter *filter = sb_pdf_filter_find(d->filters[i]);

		if (filter == NULL)
			return false;
		if (filter->kind == SB_PDF_DECODES)
			todo[(*count)++] = filter;
		*image = filter->kind == SB_PDF_IMAGE;
	}
	return true;
}

static int decode(stream *s, const dictionary *d)
{
	const sb_pdf_filter *todo[FILTERS];
	bool image, whole = true, known;
	sb_buf between[2] = {0};
	unsigned count;
	int r = 0;

	known = plan(d, todo, &count, &image);
	if (!known || d->filter_twice)
		sb_walk_doubt(
			s->p->walk, s->p->level, "a PDF stream with a filter that is not known");
	if (count == 0) {
		if (!known || image)
			return 0;
		r = sb_walk_member(
			s->p->walk, s->p->level, s->name, strlen(s->name), s->data, s->size);
		if (d->object_stream) {
			sb_buf plain = {.data = (char *)(uintptr_t)s->data, .length = s->size};

			sb_walk_fact(s->p->walk, facts_of(&plain));
		}
		return r < 0 ? r : 0;
	}
	for (unsigned i = 0; r == 0 && i + 1 < count; i++) {
		sb_buf_done(&between[i & 1]);
		r = stage(s, todo[i], &between[i & 1], &whole);
	}
	if (r == 0)
		r = last_stage(s, todo[count - 1], d, &whole);
	if (!whole)
		sb_walk_doubt(s->p->walk, s->p->level, "a damaged PDF stream");
	if (d->parameters_elsewhere)
		sb_walk_doubt(s->p->walk, s->p->level, "a PDF filter's parameters are elsewhere");
	sb_buf_done(&between[0]);
	sb_buf_done(&between[1]);
	return r;
}

static bool starts_with(const pdf *p, size_t at, const char *word)
{
	return at <= p->size && p->size - at >= strlen(word) &&
	       memcmp(p->data + at, word, strlen(word)) == 0;
}

/* Where the data of a stream ends: by its Length if `endstream` is there, else at the first
 * `endstream`, `endobj`, or the end of the file. */
static size_t stream_end(pdf *p, const dictionary *d, size_t from)
{
	size_t end = find(p, &p->end_stream, from);

	if (d->has_length && !d->length_elsewhere && d->length <= p->size - from) {
		size_t at = from + (size_t)d->length;

		while (at < p->size && at < from + d->length + 4 && is_blank(p->data[at]))
			at++;
		if (starts_with(p, at, "endstream"))
			return from + (size_t)d->length;
	}
	return end < p->size ? end : find(p, &p->end_object, from);
}

/* --- Objects -------------------------------------------------------------------------------- */

/* Whether the `obj` here is one's beginning: digits, blanks, digits before it. */
static bool object_head(const pdf *p, size_t at, uint64_t *number)
{
	size_t i = at;
	uint64_t unit = 1;

	while (i > 0 && at - i < 32 && is_blank(p->data[i - 1]))
		i--;
	if (i == 0 || p->data[i - 1] < '0' || p->data[i - 1] > '9')
		return false;
	while (i > 0 && at - i < 48 && p->data[i - 1] >= '0' && p->data[i - 1] <= '9')
		i--;
	if (i == 0 || !is_blank(p->data[i - 1]))
		return false;
	while (i > 0 && at - i < 64 && is_blank(p->data[i - 1]))
		i--;
	*number = 0;
	if (i == 0 || p->data[i - 1] < '0' || p->data[i - 1] > '9')
		return false;
	for (; i > 0 && unit < 10000000000ull && p->data[i - 1] >= '0' && p->data[i - 1] <= '9';
		i--, unit *= 10)
		*number += (uint64_t)(p->data[i - 1] - '0') * unit;
	return true;
}

/* Filters that are an object of their own: rare, but readers follow. */
static void look_up_filters(pdf *p, dictionary *d)
{
	finder object = {.word = "obj"};
	uint64_t number;

	if (++p->lookups > LOOKUPS) {
		sb_walk_doubt(p->walk, p->level, "many PDF streams with filters elsewhere");
		return;
	}
	for (size_t at = 0; (at = find(p, &object, at)) < p->size; at += 3) {
		lexer l = {.data = p->data, .at = at + 3, .end = p->size};

		if (!object_head(p, at, &number) || number != d->filter_object)
			continue;
		if (l.end - l.at > 4096)
			l.end = l.at + 4096;
		for (token_kind kind; (kind = next_token(&l)) == TOKEN_NAME || kind == TOKEN_ARRAY;)
			if (kind == TOKEN_NAME && d->filter_count < FILTERS)
				snprintf(d->filters[d->filter_count++], NAME, "%s", l.text);
		return;
	}
}

static int take_stream(pdf *p, dictionary *d, uint64_t number, size_t at)
{
	stream s = {.p = p, .early = !d->late_change};
	size_t end;

	while (at < p->size && (p->data[at] == ' ' || p->data[at] == '\t'))
		at++;
	if (at < p->size && p->data[at] == '\r')
		at++;
	if (at < p->size && p->data[at] == '\n')
		at++;
	end = stream_end(p, d, at);
	s.data = p->data + at;
	s.size = end - at;
	p->work += s.size;
	if (d->filter_elsewhere && d->filter_count == 0)
		look_up_filters(p, d);
	if (d->outside)
		sb_walk_fact(p->walk, SB_FACT_EXTERNAL);
	snprintf(s.name, sizeof(s.name), "obj %llu", (unsigned long long)number);
	return s.size > 0 ? decode(&s, d) : 0;
}

static void encrypted(const pdf *p)
{
	sb_walk_problem(p->walk, p->level, NULL, SB_KIND_ENCRYPTED, "a PDF that is encrypted");
}

static int object(pdf *p, uint64_t number, size_t at)
{
	lexer l = {.data = p->data, .at = at, .end = find(p, &p->end_object, at)};
	dictionary d = {0};
	bool has_stream = read_object(&d, &l);

	p->work += l.at - at + l.wasted;
	p->closed += has_stream || (p->sure && l.at >= l.end && l.end < p->size);
	sb_walk_fact(p->walk, d.facts);
	if (has_stream && d.encrypted) /* a cross-reference stream is a trailer too */
		encrypted(p);
	return has_stream ? take_stream(p, &d, number, l.at) : 0;
}

static int all_objects(pdf *p, size_t from)
{
	int r = 0;

	for (size_t at = from; r == 0 && (at = find(p, &p->object, at)) < p->size; at += 3) {
		uint64_t number;

		if (!object_head(p, at, &number))
			continue;
		p->last = at;
		p->objects++;
		r = sb_walk_poll(p->walk);
		if (r == 0)
			r = object(p, number, at + 3);
		if (r == 0 && p->work > p->work_max) {
			sb_walk_problem(p->walk, p->level, NULL, SB_KIND_LIMIT_EXCEEDED,
				"PDF objects within each other");
			break;
		}
	}
	return r;
}

static int trailers(pdf *p, size_t from)
{
	finder trailer = {.word = "trailer"};
	int r = 0;

	for (size_t at = from; r == 0 && (at = find(p, &trailer, at)) < p->size; at += 7) {
		lexer l = {.data = p->data, .at = at + 7, .end = p->size};
		dictionary d = {0};

		if (l.end - l.at > 65536)
			l.end = l.at + 65536;
		read_object(&d, &l);
		p->work += l.at - at + l.wasted;
		if (d.encrypted && p->closed > 0)
			encrypted(p);
		if (p->work > p->work_max)
			break;
		r = sb_walk_poll(p->walk);
	}
	return r;
}

/* --- The file ------------------------------------------------------------------------------- */

/* `%PDF-1.7`, or what Adobe's reader takes as well: `%!PS-Adobe-3.0 PDF-1.7`. */
static size_t header(const uint8_t *data, size_t size)
{
	static const char other[] = "%!PS-Adobe-";
	size_t within = size < HEADER_WITHIN ? size : HEADER_WITHIN;
	const uint8_t *found = memmem(data, within, "%PDF-", 5);

	if (found == NULL) {
		found = memmem(data, within, other, sizeof(other) - 1);
		if (found != NULL &&
			((size_t)(found - data) + 20 > size || memcmp(found + 14, " PDF-", 5) != 0))
			found = NULL;
	}
	return found != NULL ? (size_t)(found - data) : SIZE_MAX;
}

static sb_likeness recognise(const uint8_t *data, size_t size, const char **type)
{
	size_t at = header(data, size);

	*type = "pdf";
	return at == 0 ? SB_SURELY : at != SIZE_MAX ? SB_PERHAPS : SB_NOT_THIS;
}

/* An end that is missing: then objects may be missing as well, and one that is open surely is. */
static void look_at_end(pdf *p)
{
	finder end = {.word = "%%EOF"};

	if (find(p, &end, p->last) < p->size)
		return;
	if (p->objects > 0 && find(p, &p->end_object, p->last) == p->size)
		sb_walk_problem(
			p->walk, p->level, NULL, SB_KIND_CORRUPT, "the PDF ends within an object");
	else
		sb_walk_doubt(p->walk, p->level, "the end of the PDF is missing");
}

static int take_apart(sb_walk *walk, const sb_level *level, sb_likeness likeness)
{
	pdf p = {.walk = walk, .level = level, .data = level->data, .size = level->size};
	size_t from = header(level->data, level->size);
	int r;

	if (from == SIZE_MAX)
		return 0;
	p.sure = likeness == SB_SURELY;
	p.object.word = "obj";
	p.end_object.word = "endobj";
	p.end_stream.word = "endstream";
	p.work_max = WORK * (uint64_t)level->size + 65536;
	r = all_objects(&p, from);
	if (r == 0)
		r = trailers(&p, from);
	if (r == 0 && p.sure)
		look_at_end(&p);
	return r;
}

const sb_reader_ops sb_reader_pdf = {"PDF", recognise, take_apart};
