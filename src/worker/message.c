/* SPDX-License-Identifier: MIT */
/* Requests and replies as bytes; see message.h. */
#include "worker/message.h"

#include <string.h>

enum { REQUEST_MAGIC = 0x71527362, REPLY_MAGIC = 0x70527362 };

enum tag {
	TAG_TASK = 1, /* flags, size, time */
	TAG_NAME,
	TAG_PASSWORD,
	TAG_JUDGED, /* bytes */
	TAG_FOUND,  /* infected, severity, five texts */
	TAG_PROBLEM,
	TAG_CONTAINER,
	TAG_MIME,
	TAG_FAILURE,
	TAG_STATED,   /* a plugin's words */
	TAG_VERSIONS, /* two texts */
};

struct task {
	uint64_t size, time_ms;
	uint32_t flags, reserved;
};

struct container {
	uint64_t members, bytes;
	uint32_t depth, facts;
	uint32_t doubt;
	char type[20];
};

struct stated {
	uint64_t bytes, doubt_ms;
	double confidence;
	uint32_t content;
	uint8_t clean, cover, abstained, reserved;
};

/* --- Writing ------------------------------------------------------------------------------ */

typedef struct out {
	uint8_t *data;
	size_t room, length;
} out;

static bool put(out *o, const void *data, size_t length)
{
	if (length > o->room - o->length)
		return false;
	if (length > 0)
		memcpy(o->data + o->length, data, length);
	o->length += length;
	return true;
}

static bool put_head(out *o, enum tag tag, size_t length)
{
	uint16_t number = (uint16_t)tag;
	uint32_t size = (uint32_t)length;

	return put(o, &number, sizeof number) && put(o, &size, sizeof size);
}

static bool put_record(out *o, enum tag tag, const void *data, size_t length)
{
	size_t before = o->length;

	if (put_head(o, tag, length) && put(o, data, length))
		return true;
	o->length = before;
	return false;
}

/* With its NUL, so that the reader can point at it. */
static bool put_text(out *o, enum tag tag, const char *text, size_t length)
{
	size_t before = o->length;

	if (put_head(o, tag, length + 1) && put(o, text, length) && put(o, "", 1))
		return true;
	o->length = before;
	return false;
}

size_t sb_request_write(void *data, size_t room, const sb_request *request)
{
	enum { MAX_NAME = 4096 };
	out o = {data, room, 0};
	struct task task = {
		.size = request->size, .time_ms = request->time_ms, .flags = request->flags};
	uint32_t magic = REQUEST_MAGIC;
	size_t name_length = request->name_length < MAX_NAME ? request->name_length : MAX_NAME;

	if (!put(&o, &magic, sizeof magic) || !put_record(&o, TAG_TASK, &task, sizeof task) ||
		!put_text(&o, TAG_NAME, request->name, name_length))
		return 0;
	for (size_t i = 0; i < request->password_count; i++)
		if (!put_text(
			    &o, TAG_PASSWORD, request->passwords[i], strlen(request->passwords[i])))
			return 0;
	return o.length;
}

static out out_of(const sb_reply_writer *writer)
{
	return (out){writer->out, writer->room, writer->length};
}

void sb_reply_begin(sb_reply_writer *writer, void *data, size_t room)
{
	uint32_t magic = REPLY_MAGIC;
	out o = {data, room, 0};

	*writer = (sb_reply_writer){.out = data, .room = room, .failed = !put(&o, &magic, 4)};
	writer->length = o.length;
}

/* Each text with its NUL; one that is not given is a single 0xff. */
static bool put_optional(out *o, const char *text)
{
	if (text == NULL)
		return put(o, "\xff", 1);
	/* No UTF-8 begins like that; what does all the same must not read as absent. */
	return put(o, (uint8_t)text[0] == 0xff ? "?" : text, 1) &&
	       (text[0] == '\0' || put(o, text + 1, strlen(text)));
}

void sb_reply_found(sb_reply_writer *writer, const sb_found *found)
{
	enum { RESERVED = 2048 }; /* for what else has to be said */
	const char *texts[] = {found->name, found->category, found->description,
		found->signature_id, found->member};
	uint8_t head[2] = {found->infected, (uint8_t)found->severity};
	size_t length = sizeof head;
	out o = out_of(writer);

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		length += texts[i] != NULL ? strlen(texts[i]) + 1 : 1;
	if (writer->found == SB_MAX_DETECTIONS || length + RESERVED > o.room - o.length) {
		writer->dropped = true;
		return;
	}
	(void)put_head(&o, TAG_FOUND, length); /* it fits */
	(void)put(&o, head, sizeof head);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		(void)put_optional(&o, texts[i]);
	writer->found++;
	writer->length = o.length;
}

/* A number and a text. */
static void put_reason(sb_reply_writer *writer, enum tag tag, sb_kind kind, const char *message)
{
	uint32_t number = (uint32_t)kind;
	size_t length = strnlen(message, 400);
	out o = out_of(writer);

	if (put_head(&o, tag, sizeof number + length + 1) && put(&o, &number, sizeof number) &&
		put(&o, message, length) && put(&o, "", 1))
		writer->length = o.length;
	else
		writer->failed = true;
}

void sb_reply_problem(sb_reply_writer *writer, sb_kind kind, const char *message)
{
	put_reason(writer, TAG_PROBLEM, kind, message);
}

void sb_reply_container(sb_reply_writer *writer, const sb_container *facts, bool doubt)
{
	struct container record = {.members = facts->members,
		.bytes = facts->bytes,
		.depth = facts->depth,
		.facts = facts->facts,
		.doubt = doubt};
	out o = out_of(writer);

	if (facts->type != NULL)
		memcpy(record.type, facts->type, strnlen(facts->type, sizeof record.type - 1));
	writer->failed = !put_record(&o, TAG_CONTAINER, &record, sizeof record) || writer->failed;
	writer->length = o.length;
}

void sb_reply_mime(sb_reply_writer *writer, const char *mime)
{
	out o = out_of(writer);

	writer->failed = !put_text(&o, TAG_MIME, mime, strnlen(mime, 127)) || writer->failed;
	writer->length = o.length;
}

void sb_reply_stated(sb_reply_writer *writer, const sb_stated *stated)
{
	const struct stated record = {.bytes = stated->bytes,
		.doubt_ms = stated->doubt_ms,
		.confidence = stated->confidence,
		.content = (uint32_t)stated->content,
		.clean = stated->clean,
		.cover = stated->cover,
		.abstained = stated->abstained};
	out o = out_of(writer);

	writer->failed = !put_record(&o, TAG_STATED, &record, sizeof record) || writer->failed;
	writer->length = o.length;
}

void sb_reply_versions(sb_reply_writer *writer, const char *engine, const char *signatures)
{
	const char *texts[] = {engine, signatures};
	size_t length = 0;
	out o = out_of(writer);

	for (size_t i = 0; i < 2; i++)
		length += texts[i] != NULL ? strlen(texts[i]) + 1 : 1;
	if (put_head(&o, TAG_VERSIONS, length) && put_optional(&o, engine) &&
		put_optional(&o, signatures))
		writer->length = o.length;
	else
		writer->failed = true;
}

void sb_reply_failure(sb_reply_writer *writer, sb_kind kind, const char *message)
{
	sb_reply_begin(writer, writer->out, writer->room);
	put_reason(writer, TAG_FAILURE, kind, message);
}

size_t sb_reply_end(sb_reply_writer *writer)
{
	return writer->failed ? 0 : writer->length;
}

size_t sb_reply_finish(sb_reply_writer *writer, uint64_t bytes)
{
	out o = out_of(writer);

	writer->failed = !put_record(&o, TAG_JUDGED, &bytes, sizeof bytes) || writer->failed;
	writer->length = o.length;
	return sb_reply_end(writer);
}

/* --- Reading ------------------------------------------------------------------------------ */

typedef struct in {
	const uint8_t *data;
	size_t left;
} in;

static bool get(in *i, void *data, size_t length)
{
	if (length > i->left)
		return false;
	memcpy(data, i->data, length);
	i->data += length;
	i->left -= length;
	return true;
}

static bool get_magic(in *i, uint32_t expected)
{
	uint32_t magic;

	return get(i, &magic, sizeof magic) && magic == expected;
}

/* The next record; false at the end or when it doesn't fit. */
static bool get_record(in *i, uint16_t *tag, in *record)
{
	uint32_t length;

	if (!get(i, tag, sizeof *tag) || !get(i, &length, sizeof length) || length > i->left)
		return false;
	*record = (in){i->data, length};
	i->data += length;
	i->left -= length;
	return true;
}

/* All that is left is one text: its only NUL is its end. */
static const char *get_text(in *i)
{
	const char *text = (const char *)i->data;
	size_t length = strnlen(text, i->left);

	if (length + 1 != i->left)
		return NULL;
	i->left = 0;
	return text;
}

static bool get_optional(in *i, const char **text)
{
	size_t length;

	if (i->left > 0 && i->data[0] == 0xff) {
		*text = NULL;
		length = 0;
	} else {
		*text = (const char *)i->data;
		length = strnlen(*text, i->left);
	}
	if (length >= i->left)
		return false;
	i->data += length + 1;
	i->left -= length + 1;
	return true;
}

static bool read_request_record(sb_request *request, uint16_t tag, in *record)
{
	struct task task;

	switch (tag) {
	case TAG_TASK:
		if (record->left != sizeof task)
			return false;
		(void)get(record, &task, sizeof task);
		request->size = task.size;
		request->time_ms = task.time_ms;
		request->flags = task.flags;
		return true;
	case TAG_NAME:
		request->name = get_text(record);
		request->name_length = request->name != NULL ? strlen(request->name) : 0;
		return request->name != NULL;
	case TAG_PASSWORD:
		if (request->password_count == SB_REQUEST_PASSWORDS)
			return false;
		request->passwords[request->password_count] = get_text(record);
		return request->passwords[request->password_count++] != NULL;
	default:
		return false;
	}
}

bool sb_request_read(sb_request *request, const void *data, size_t length)
{
	in i = {data, length}, record;
	unsigned seen = 0;
	uint16_t tag;

	memset(request, 0, sizeof *request);
	if (!get_magic(&i, REQUEST_MAGIC))
		return false;
	while (i.left > 0) {
		if (!get_record(&i, &tag, &record) || !read_request_record(request, tag, &record))
			return false;
		if (tag != TAG_PASSWORD && (seen & 1u << tag) != 0)
			return false;
		seen |= 1u << tag;
	}
	return (seen & 1u << TAG_TASK) != 0 && (seen & 1u << TAG_NAME) != 0;
}

static bool read_found(sb_reply *reply, in *record)
{
	sb_found *found = &reply->found[reply->found_count];
	const char **texts[] = {&found->name, &found->category, &found->description,
		&found->signature_id, &found->member};
	uint8_t head[2];

	if (reply->found_count == SB_MAX_DETECTIONS || !get(record, head, sizeof head) ||
		head[0] > 1 || head[1] < SB_SEVERITY_LOW || head[1] > SB_SEVERITY_CRITICAL)
		return false;
	*found = (sb_found){.infected = head[0] == 1, .severity = (sb_severity)head[1]};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (!get_optional(record, texts[i]))
			return false;
	reply->found_count++;
	return record->left == 0 && found->name != NULL && found->name[0] != '\0';
}

static bool read_reason(in *record, sb_kind *kind, const char **message)
{
	uint32_t number;

	if (!get(record, &number, sizeof number) || number == SB_KIND_NONE ||
		number >= SB_KIND_COUNT_)
		return false;
	*kind = (sb_kind)number;
	*message = get_text(record);
	return *message != NULL;
}

static bool read_container(sb_reply *reply, in *record)
{
	const char *type = (const char *)record->data + offsetof(struct container, type);
	struct container facts;

	if (record->left != sizeof facts)
		return false;
	(void)get(record, &facts, sizeof facts);
	if (facts.doubt > 1 || memchr(facts.type, '\0', sizeof facts.type) == NULL)
		return false;
	reply->opened = true;
	reply->doubt = facts.doubt == 1;
	reply->container = (sb_container){.type = type,
		.depth = facts.depth,
		.members = facts.members,
		.bytes = facts.bytes,
		.facts = facts.facts};
	return true;
}

static bool read_stated(sb_reply *reply, in *record)
{
	struct stated stated;

	if (record->left != sizeof stated)
		return false;
	(void)get(record, &stated, sizeof stated);
	if (stated.clean > 1 || stated.cover > 1 || stated.abstained > 1 ||
		stated.content > SB_CONTENT_INSPECTED ||
		!(stated.confidence >= -1 && stated.confidence <= 1))
		return false;
	reply->has_stated = true;
	reply->stated = (sb_stated){.clean = stated.clean == 1,
		.cover = stated.cover == 1,
		.abstained = stated.abstained == 1,
		.content = (sb_content_coverage)stated.content,
		.bytes = stated.bytes,
		.confidence = stated.confidence,
		.doubt_ms = stated.doubt_ms};
	return true;
}

/* Only what containers can bring about: everything else is not the worker's to say. */
static bool is_problem(sb_kind kind)
{
	return kind == SB_KIND_ENCRYPTED || kind == SB_KIND_CORRUPT ||
	       kind == SB_KIND_LIMIT_EXCEEDED || kind == SB_KIND_UNSUPPORTED;
}

static bool read_reply_record(sb_reply *reply, uint16_t tag, in *record)
{
	switch (tag) {
	case TAG_JUDGED:
		reply->judged = true;
		return record->left == sizeof reply->bytes &&
		       get(record, &reply->bytes, sizeof reply->bytes);
	case TAG_FOUND:
		return read_found(reply, record);
	case TAG_PROBLEM:
		return read_reason(record, &reply->problem, &reply->problem_message) &&
		       is_problem(reply->problem);
	case TAG_CONTAINER:
		return read_container(reply, record);
	case TAG_MIME:
		reply->mime = get_text(record);
		return reply->mime != NULL;
	case TAG_FAILURE:
		return read_reason(record, &reply->failure, &reply->failure_message);
	case TAG_STATED:
		return read_stated(reply, record);
	case TAG_VERSIONS:
		return get_optional(record, &reply->engine_version) &&
		       get_optional(record, &reply->signature_version) && record->left == 0;
	default:
		return false;
	}
}

bool sb_reply_read(sb_reply *reply, const void *data, size_t length)
{
	in i = {data, length}, record;
	unsigned seen = 0;
	uint16_t tag;

	memset(reply, 0, sizeof *reply);
	if (!get_magic(&i, REPLY_MAGIC))
		return false;
	while (i.left > 0) {
		if (!get_record(&i, &tag, &record) || !read_reply_record(reply, tag, &record))
			return false;
		if (tag != TAG_FOUND && (seen & 1u << tag) != 0)
			return false;
		seen |= 1u << tag;
	}
	/* Who abstains says why, and whoever fails says nothing else. */
	if (reply->has_stated && reply->stated.abstained != (reply->failure != SB_KIND_NONE))
		return false;
	/* Either it judged, or it says why not. */
	return reply->judged != (reply->failure != SB_KIND_NONE);
}
