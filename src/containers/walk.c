/* SPDX-License-Identifier: MIT */
/*
 * The walk: each member is judged, then shown to every reader that may know its format, whose
 * members are walked the same way. Limits, paths, problems and doubts are kept here.
 */
#include "containers/walk_own.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "containers/office.h"
#include "containers/sniff.h"
#include "util/text.h"

const sb_reader_ops *const sb_readers[] = {
	&sb_reader_archive,
	&sb_reader_packed,
	&sb_reader_tar,
	&sb_reader_iso,
	&sb_reader_sectors,
	&sb_reader_zip,
	&sb_reader_brotli,
	&sb_reader_mail,
	&sb_reader_ole,
	&sb_reader_pdf,
	&sb_reader_rtf,
	&sb_reader_flat,
	&sb_reader_stray, /* what was found by then is not searched again */
	NULL,
};

/* Those that claim all that they can account for: what is left is worth a look. */
static bool accounts_for_all(const sb_reader_ops *reader)
{
	return reader == &sb_reader_archive || reader == &sb_reader_packed ||
	       reader == &sb_reader_tar || reader == &sb_reader_iso || reader == &sb_reader_zip;
}

/* --- What there is to say --------------------------------------------------------------- */

static const struct {
	sb_kind kind;
	unsigned fact;
} problems[] = {
	/* the gravest first */
	{SB_KIND_LIMIT_EXCEEDED, SB_FACT_LIMIT},
	{SB_KIND_ENCRYPTED, SB_FACT_ENCRYPTED},
	{SB_KIND_CORRUPT, SB_FACT_CORRUPT},
	{SB_KIND_UNSUPPORTED, SB_FACT_UNSUPPORTED},
};

static size_t gravity(sb_kind kind)
{
	size_t i = 0;

	while (i < sizeof problems / sizeof *problems && problems[i].kind != kind)
		i++;
	return i;
}

/* The end of @p text, escaped, in at most @p room bytes of whole characters. */
static void escape_end(char *out, size_t room, const char *text)
{
	sb_buf buf;
	size_t skip;

	sb_buf_init(&buf, (size_t)4 * (SB_WALK_PATH_MAX + SB_WALK_NAME_MAX) + 8);
	sb_escape(&buf, text, strlen(text));
	skip = buf.length >= room ? buf.length - room + 1 : 0;
	while (skip > 0 && skip < buf.length && ((unsigned char)buf.data[skip] & 0xc0) == 0x80)
		skip++;
	snprintf(out, room, "%s", buf.length > 0 && !buf.failed ? buf.data + skip : "");
	sb_buf_done(&buf);
}

/* `path/member: text`, or `text` alone for the content itself. */
static void say(char *out, size_t room, const sb_level *level, const char *member, const char *text)
{
	char where[SB_WALK_PATH_MAX + SB_WALK_NAME_MAX + 2], shown[128], what[120];
	bool both = level->path[0] != '\0' && member != NULL;

	snprintf(where, sizeof where, "%.*s%s%.*s", SB_WALK_PATH_MAX, level->path, both ? "/" : "",
		SB_WALK_NAME_MAX, member != NULL ? member : "");
	escape_end(shown, room < sizeof shown * 2 ? room / 3 : sizeof shown, where);
	escape_end(what, sizeof what, text);
	snprintf(out, room, "%s%s%s", shown, shown[0] != '\0' ? ": " : "", what);
}

void sb_walk_problem(sb_walk *walk, const sb_level *level, const char *member, sb_kind kind,
	const char *format, ...)
{
	size_t rank = gravity(kind);
	char text[120];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (level->embedded && kind != SB_KIND_LIMIT_EXCEEDED) {
		sb_walk_doubt(walk, level, "%s", text);
		return;
	}
	if (rank == sizeof problems / sizeof *problems) {
		kind = SB_KIND_CORRUPT;
		rank = gravity(kind);
	}
	walk->out->facts |= problems[rank].fact;
	if (level->depth == 0 && walk->out->type[0] == '\0' && level->type != NULL)
		snprintf(walk->out->type, sizeof walk->out->type, "%s", level->type);
	if (walk->out->problem != SB_KIND_NONE && gravity(walk->out->problem) <= rank)
		return;
	walk->out->problem = kind;
	say(walk->out->message, sizeof walk->out->message, level, member, text);
}

void sb_walk_doubt(sb_walk *walk, const sb_level *level, const char *format, ...)
{
	char text[120];
	va_list args;

	if (walk->out->doubt)
		return;
	walk->out->doubt = true;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	say(walk->out->doubt_message, sizeof walk->out->doubt_message, level, NULL, text);
}

void sb_walk_fact(sb_walk *walk, unsigned facts)
{
	walk->out->facts |= facts;
}

void sb_walk_claim(const sb_level *level, uint64_t from, uint64_t to)
{
	if (level->claimed != NULL)
		sb_ranges_add(level->claimed, from, to < level->size ? to : level->size);
}

void sb_walk_seen(const sb_level *level, uint64_t from, uint64_t to)
{
	if (level->seen != NULL)
		sb_ranges_add(level->seen, from, to);
}

/* --- Limits of the whole walk ------------------------------------------------------------- */

int sb_walk_over(sb_walk *walk, const sb_level *level, const char *member, const char *text)
{
	sb_walk_problem(walk, level, member, SB_KIND_LIMIT_EXCEEDED, "%s", text);
	walk->over = true;
	return SB_WALK_STOP;
}

int sb_walk_poll(sb_walk *walk)
{
	static const sb_level content = {.path = "", .name = ""};

	if (walk->over || walk->verdict != 0)
		return SB_WALK_STOP;
	if (walk->options->expired != NULL && walk->options->expired(walk->options->data))
		return sb_walk_over(walk, &content, NULL, "no time left for the members");
	return 0;
}

int sb_walk_count(sb_walk *walk, const sb_level *level)
{
	char text[64];

	if (sb_walk_poll(walk) < 0)
		return SB_WALK_STOP;
	if (walk->out->members >= walk->options->limits.max_members) {
		snprintf(text, sizeof text, "more than max_members %llu members",
			(unsigned long long)walk->options->limits.max_members);
		return sb_walk_over(walk, level, NULL, text);
	}
	walk->out->members++;
	if (level->depth + 1 > walk->out->depth)
		walk->out->depth = level->depth + 1;
	if (walk->out->type[0] == '\0') {
		while (level->outer != NULL && level->depth > 0)
			level = level->outer;
		if (level->type != NULL)
			snprintf(walk->out->type, sizeof walk->out->type, "%s", level->type);
	}
	return 0;
}

const char *const *sb_walk_passwords(const sb_walk *walk)
{
	static const char *const none[] = {NULL};

	return walk->options->passwords != NULL ? walk->options->passwords : none;
}

const sb_container_limits *sb_walk_limits(const sb_walk *walk)
{
	return &walk->options->limits;
}

/* --- Paths ------------------------------------------------------------------------------ */

char *sb_walk_path(
	sb_walk *walk, const sb_level *level, const char *name, size_t length, const char **own)
{
	char invented[32], *path;
	size_t outer = strlen(level->path), at;

	if (name == NULL || length == 0) {
		length = (size_t)snprintf(invented, sizeof invented, "member%llu",
			(unsigned long long)walk->out->members);
		name = invented;
	}
	length = length < SB_WALK_NAME_MAX ? length : SB_WALK_NAME_MAX;
	if (outer > SB_WALK_PATH_MAX - 1 - length)
		outer = SB_WALK_PATH_MAX - 1 - length;
	path = malloc(outer + length + 2);
	if (path == NULL)
		return NULL;
	memcpy(path, level->path, outer);
	at = outer;
	if (outer > 0)
		path[at++] = '/';
	for (size_t i = 0; i < length; i++)
		path[at + i] = name[i] != '\0' ? name[i] : '_';
	path[at + length] = '\0';
	*own = path + at;
	return path;
}

/* --- Visiting ---------------------------------------------------------------------------- */

static int judge(sb_walk *walk, const sb_level *level, const char *container)
{
	sb_member member = {
		.path = level->path,
		.path_length = strlen(level->path),
		.name = level->name,
		.name_length = strlen(level->name),
		.container = container,
		.data = level->data,
		.size = level->size,
		.depth = level->depth,
	};

	if (sb_walk_poll(walk) < 0)
		return SB_WALK_STOP;
	walk->verdict = walk->options->member(walk->options->data, &member);
	if (walk->verdict == 0 && strcmp(container, "zip") == 0)
		sb_office_member(walk, level->outer, level->name, level->data, level->size);
	return walk->verdict != 0 ? SB_WALK_STOP : 0;
}

static bool ends_in(const char *name, const char *suffix)
{
	size_t length = strlen(name), tail = strlen(suffix);

	return length > tail && strcasecmp(name + length - tail, suffix) == 0;
}

static int try_reader(sb_walk *walk, sb_level *level, const sb_reader_ops *reader)
{
	unsigned max_depth = walk->options->limits.max_depth;
	sb_likeness likeness;

	if (reader->suffix != NULL && !ends_in(level->name, reader->suffix))
		return 0;
	level->type = reader->name;
	likeness = reader->recognise(level->data, level->size, &level->type);
	if (likeness == SB_NOT_THIS)
		return 0;
	if (level->depth < max_depth)
		return reader->take_apart(walk, level, likeness);
	if (likeness == SB_SURELY)
		sb_walk_problem(walk, level, NULL, SB_KIND_LIMIT_EXCEEDED,
			"%s at max_depth %u is not taken apart", level->type, max_depth);
	else
		sb_walk_doubt(walk, level, "%s at max_depth %u", level->type, max_depth);
	return 0;
}

int sb_walk_visit(sb_walk *walk, sb_level *level, const char *container)
{
	sb_ranges claimed = {0}, seen = {0};
	const char *closed, *type = NULL;
	int result = judge(walk, level, container);

	level->claimed = &claimed;
	level->seen = &seen;
	for (size_t i = 0; result == 0 && level->size > 0 && sb_readers[i] != NULL; i++) {
		size_t before = claimed.count;

		result = try_reader(walk, level, sb_readers[i]);
		if (claimed.count > before && accounts_for_all(sb_readers[i]))
			type = level->type;
	}
	closed = sb_sniff_closed(level->data, level->size);
	if (result == 0 && closed != NULL)
		sb_walk_doubt(walk, level, "%s: can't be opened", closed);
	if (result == 0)
		result = sb_walk_embedded(walk, level);
	if (type != NULL)
		level->type = type;
	if (result == 0 && type != NULL)
		result = sb_walk_leftovers(walk, level);
	level->claimed = level->seen = NULL;
	sb_ranges_done(&claimed);
	sb_ranges_done(&seen);
	return result;
}

/* --- The walk ---------------------------------------------------------------------------- */

/* Kept on purpose: what the C library has loaded it needs not open again, nor put together for each
 * walk. */
static locale_t names;

static locale_t utf8(void)
{
	return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

void sb_containers_prepare(void)
{
	if (names == (locale_t)0)
		names = utf8();
	(void)sb_sniffer_shared();
}

int sb_containers_walk(sb_walked *out, const void *data, size_t length, const char *name,
	size_t name_length, const sb_walk_options *options)
{
	sb_walk walk = {.options = options, .out = out, .size = length};
	sb_level outside = {.path = "", .name = ""};
	sb_level content = {.data = data, .size = length, .path = "", .name = ""};
	locale_t own = names == (locale_t)0 ? utf8() : (locale_t)0, before = uselocale((locale_t)0);
	char *copy = NULL;

	*out = (sb_walked){0};
	if (name_length > 0)
		copy = sb_walk_path(&walk, &outside, name, name_length, &content.name);
	if (names != (locale_t)0 || own != (locale_t)0)
		uselocale(own != (locale_t)0 ? own : names);
	sb_walk_visit(&walk, &content, "");
	uselocale(before);
	if (own != (locale_t)0)
		freelocale(own);
	free(copy);
	return walk.verdict;
}
