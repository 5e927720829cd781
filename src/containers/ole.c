/* SPDX-License-Identifier: MIT */
/*
 * OLE2 documents: every stream of a compound file is a member. Some streams are looked into for
 * what they say of the whole, or because they wrap something: packages, macros, PowerPoint's
 * objects. Which ones is a table.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "containers/bytes.h"
#include "containers/cfb.h"
#include "containers/inflate.h"
#include "containers/office.h"
#include "containers/vba.h"

typedef struct ole {
	sb_walk *walk;
	const sb_level *level;
	sb_cfb cfb;
	bool missing; /* some bytes of some stream */
} ole;

/* --- Streams that say something ------------------------------------------------------------ */

static int encrypted(ole *o, const uint8_t *data, size_t size)
{
	(void)data;
	(void)size;
	sb_walk_problem(o->walk, o->level, NULL, SB_KIND_ENCRYPTED, "a document with a password");
	return 0;
}

static int word(ole *o, const uint8_t *data, size_t size)
{
	if (size >= 12 && (sb_le16(data) == 0xa5ec || sb_le16(data) == 0xa5dc) &&
		(sb_le16(data + 10) & 0x0100) != 0)
		return encrypted(o, data, size);
	return 0;
}

static int powerpoint_user(ole *o, const uint8_t *data, size_t size)
{
	return size >= 16 && sb_le32(data + 12) == 0xf3d1c4df ? encrypted(o, data, size) : 0;
}

enum {
	BIFF_NAME = 0x0018,
	BIFF_PASSWORD = 0x002f,
	BIFF_SHEET = 0x0085,
	BIFF_SHEET_MACROS = 1,
	BIFF_NAME_BUILT_IN = 0x0020,
};

/* Auto_Open and its like, as Excel's own number or spelt out. */
static bool biff_name_runs(const uint8_t *data, size_t size)
{
	/* Behind the head there is a byte for the width of letters from BIFF8 on. */
	if (size < 16)
		return false;
	if ((sb_le16(data) & BIFF_NAME_BUILT_IN) != 0) {
		uint8_t number = data[14] == 0 ? data[15] : data[14];

		return number == 1 || number == 2 || number == 10 || number == 11;
	}
	return (size >= 23 && strncasecmp((const char *)data + 14, "auto_open", 9) == 0) ||
	       (size >= 24 && strncasecmp((const char *)data + 15, "auto_open", 9) == 0);
}

static int excel(ole *o, const uint8_t *data, size_t size)
{
	bool macros = false, runs = false;

	for (size_t at = 0, count = 0; size - at >= 4; count++) {
		unsigned id = sb_le16(data + at), length = sb_le16(data + at + 2);

		at += 4;
		if (length > size - at)
			break;
		if (id == BIFF_PASSWORD)
			encrypted(o, data, size);
		else if (id == BIFF_SHEET && length >= 6)
			macros |= data[at + 5] == BIFF_SHEET_MACROS;
		else if (id == BIFF_NAME)
			runs |= biff_name_runs(data + at, length);
		at += length;
		if (count % 65536 == 0) {
			int stop = sb_walk_poll(o->walk);

			if (stop != 0)
				return stop;
		}
	}
	if (macros)
		sb_walk_fact(o->walk, SB_FACT_MACROS | (runs ? SB_FACT_AUTORUN : 0u));
	return 0;
}

static int linked(ole *o, const uint8_t *data, size_t size)
{
	if (size >= 8 && (sb_le32(data + 4) & 1) != 0)
		sb_walk_fact(o->walk, SB_FACT_EXTERNAL);
	return 0;
}

static int native(ole *o, const uint8_t *data, size_t size)
{
	size_t length;
	int r;

	sb_walk_fact(o->walk, SB_FACT_EMBEDDED);
	if (size < 4)
		return 0;
	if (sb_office_package(o->walk, o->level, data + 4, size - 4, &r))
		return r;
	/* The older form is the bytes of the object and nothing else. */
	length = sb_le32(data) < size - 4 ? sb_le32(data) : size - 4;
	r = sb_walk_member(o->walk, o->level, "native", 6, data + 4, length);
	return r < 0 ? r : 0;
}

/* --- PowerPoint: objects and macros in compressed records ----------------------------------- */

enum { PPT_OBJECT = 0x1011, PPT_CONTAINER = 0xf };

static int ppt_object(ole *o, unsigned number, bool packed, const uint8_t *data, size_t size)
{
	sb_inflated inflated;
	char name[32];
	sb_sink sink;
	int r;

	snprintf(name, sizeof(name), "object-%u", number);
	sb_walk_fact(o->walk, SB_FACT_EMBEDDED);
	if (!packed || size < 4) {
		r = sb_walk_member(o->walk, o->level, name, strlen(name), data, size);
		return r < 0 ? r : 0;
	}
	r = sb_sink_open(&sink, o->walk, o->level, name, size);
	if (r != 0)
		return r < 0 ? r : 0;
	inflated = sb_inflate(&sink, data + 4, size - 4);
	r = sb_sink_close(&sink);
	if (inflated != SB_INFLATED_WHOLE && sink.stopped == 0)
		sb_walk_problem(o->walk, o->level, name, SB_KIND_CORRUPT, "a damaged object");
	return r;
}

static int powerpoint(ole *o, const uint8_t *data, size_t size)
{
	unsigned number = 0;
	int r = 0;

	for (size_t at = 0, count = 0; r == 0 && size - at >= 8; count++) {
		unsigned head = sb_le16(data + at), type = sb_le16(data + at + 2);
		uint32_t length = sb_le32(data + at + 4);

		at += 8;
		if ((head & 0xf) == PPT_CONTAINER)
			continue;
		if (length > size - at)
			length = (uint32_t)(size - at);
		if (type == PPT_OBJECT)
			r = ppt_object(o, ++number, head >> 4 == 1, data + at, length);
		else if (count % 65536 == 0)
			r = sb_walk_poll(o->walk);
		at += length;
	}
	return r;
}

/* --- Which is which -------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*look)(ole *o, const uint8_t *data, size_t size);
} streams[] = {
	{"EncryptedPackage", encrypted},
	{"EncryptionInfo", encrypted},
	{"\x09"
	 "DRMContent",
		encrypted},
	{"EncryptedSummary", encrypted},
	{"WordDocument", word},
	{"Current User", powerpoint_user},
	{"PowerPoint Document", powerpoint},
	{"Workbook", excel},
	{"Book", excel},
	{"\x01Ole", linked},
	{"\x01Ole10Native", native},
};

static int look_into(ole *o, const char *name, const sb_cfb_bytes *bytes)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(streams) / sizeof(streams[0]); i++)
		if (strcasecmp(name, streams[i].name) == 0)
			r = streams[i].look(o, bytes->data, bytes->size);
	return r;
}

static int stream(ole *o, uint32_t entry)
{
	bool in_tree = o->cfb.parents[entry] != SB_CFB_NONE;
	char name[SB_CFB_NAME], path[SB_CFB_PATH];
	sb_cfb_bytes bytes;
	int r = sb_cfb_read(&o->cfb, entry, &bytes);

	if (r != 0)
		return r;
	/* What hangs in no tree is a leftover, and often overwritten in part. */
	o->missing |= in_tree && !bytes.whole;
	sb_cfb_name(&o->cfb, entry, name);
	if (bytes.size > 0) {
		size_t length = sb_cfb_path(&o->cfb, entry, path);

		r = sb_walk_member(o->walk, o->level, path, length, bytes.data, bytes.size);
		if (r >= 0)
			r = look_into(o, name, &bytes);
	} else if (in_tree) {
		r = look_into(o, name, &bytes);
	}
	sb_cfb_release(&bytes);
	return r < 0 ? r : 0;
}

static int all_streams(ole *o)
{
	int r = 0;

	for (uint32_t i = 1; r == 0 && i < o->cfb.entries; i++) {
		char name[SB_CFB_NAME];

		switch (sb_cfb_entry_type(&o->cfb, i)) {
		case SB_CFB_STREAM:
			r = stream(o, i);
			break;
		case SB_CFB_STORAGE:
			sb_cfb_name(&o->cfb, i, name);
			if (strcmp(name, "ObjectPool") == 0 || strncmp(name, "MBD", 3) == 0)
				sb_walk_fact(o->walk, SB_FACT_EMBEDDED);
			break;
		case SB_CFB_UNUSED:
		case SB_CFB_ROOT:
			break;
		}
	}
	return r;
}

static sb_likeness recognise(const uint8_t *data, size_t size, const char **type)
{
	*type = "ole";
	return sb_cfb_is(data, size) ? SB_SURELY : SB_NOT_THIS;
}

static int take_apart(sb_walk *walk, const sb_level *level, sb_likeness likeness)
{
	ole o = {.walk = walk, .level = level};
	int r;

	(void)likeness;
	r = sb_cfb_open(&o.cfb, walk, level);
	if (r == 0 && o.cfb.entries > 0) {
		r = all_streams(&o);
		if (r == 0)
			r = sb_vba_take_apart(walk, level, &o.cfb);
	}
	if (r == 0 && (o.cfb.damaged || o.missing))
		sb_walk_problem(walk, level, NULL, SB_KIND_CORRUPT,
			o.missing ? "bytes of a stream are missing" : "its tables are damaged");
	sb_cfb_close(&o.cfb);
	return r;
}

const sb_reader_ops sb_reader_ole = {"OLE", recognise, take_apart};
