/* SPDX-License-Identifier: MIT */
/*
 * Reading an audit log for people. Showing trusts nothing: a line that isn't JSON is said to
 * be bad and the rest is shown all the same; whether the log is whole is `audit verify`'s
 * business. What records say comes from outside (names, reasons), so all of it is escaped.
 */
#include "cli/audit_files.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "util/text.h"

/* --- Lines -------------------------------------------------------------------------------- */

/* A line of ours has at most 8 KiB; what is longer is read on to its end and is bad. */
bool sb_audit_lines(FILE *in, sb_audit_line_use *use, void *data)
{
	enum { ROOM = 8192 + 1 };
	char line[ROOM];
	uint64_t number = 0;
	size_t length = 0;
	int c;

	while ((c = getc_unlocked(in)) != EOF) {
		if (c == '\n') {
			line[length < ROOM - 1 ? length : 0] = '\0';
			use(data, line, length < ROOM - 1 ? length : 0, ++number);
			length = 0;
		} else if (length < ROOM - 1) {
			line[length++] = (char)c;
		}
	}
	return length == 0;
}

/* --- verify ------------------------------------------------------------------------------- */

static void print_bad(const char *path, const sb_audit_verdict *v, FILE *out)
{
	fprintf(out,
		"%s: bad record at line %" PRIu64 ", offset %" PRIu64 ", seq %" PRIu64 ": %s\n",
		path, v->bad_line, v->bad_offset, v->bad_seq, v->why);
	if (v->records > 0)
		fprintf(out, "%s: consistent up to seq %" PRIu64 ", %" PRIu64 " records, head %s\n",
			path, v->last_seq, v->records, v->head);
	if (v->torn_tail)
		fprintf(out,
			"%s: only the end is torn, as a crash leaves it: the next start of "
			"scanbridge cuts it and records that\n",
			path);
}

int sb_audit_cmd_verify(const char *path, FILE *out)
{
	sb_error *error = sb_error_new();
	sb_audit_verdict verdict;
	int status = 0;

	if (sb_audit_verify(path, true, &verdict, error) != 0) {
		fprintf(stderr, "scanbridge: %s\n",
			error != NULL ? sb_error_message(error) : "out of memory");
		status = 2;
	} else if (!verdict.ok) {
		print_bad(path, &verdict, out);
		status = 1;
	} else {
		fprintf(out, "%s: consistent up to seq %" PRIu64 ", %" PRIu64 " records, head %s\n",
			path, verdict.last_seq, verdict.records, verdict.head);
	}
	sb_error_free(error);
	return status;
}

/* --- show --------------------------------------------------------------------------------- */

/* What tells a record's story, in this order, where it is there. */
static const char *const members[] = {"outcome", "action", "operation", "phase", "name", "path",
	"original_filename", "threats", "error", "matched_rule_id", "engine", "state", "from", "to",
	"cause", "quarantine_id", "reason", "source", "user_id", "tenant_id", "scan_id", "offset",
	"length", "last_seq", "log_id"};

static void add_value(sb_buf *line, const json_t *value)
{
	const json_t *name = json_object_get(value, "name");
	const json_t *element;
	size_t i;

	if (json_is_string(value)) {
		sb_escape(line, json_string_value(value), json_string_length(value));
	} else if (json_is_integer(value)) {
		sb_buf_printf(line, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_string(name)) {
		sb_escape(line, json_string_value(name), json_string_length(name));
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, element)
		{
			if (i > 0)
				sb_buf_char(line, ',');
			if (!json_is_array(element)) /* one level is all that records have */
				add_value(line, element);
		}
	}
}

static bool worth_saying(const json_t *value)
{
	return json_is_integer(value) || (json_is_string(value) && json_string_length(value) > 0) ||
	       (json_is_array(value) && json_array_size(value) > 0) ||
	       json_is_string(json_object_get(value, "name"));
}

static void print_record(const json_t *record, FILE *out)
{
	sb_buf line;

	sb_buf_init(&line, 1 << 20);
	add_value(&line, json_object_get(record, "time"));
	sb_buf_char(&line, ' ');
	add_value(&line, json_object_get(record, "seq"));
	sb_buf_char(&line, ' ');
	add_value(&line, json_object_get(record, "event"));
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		const json_t *value = json_object_get(record, members[i]);
		if (!worth_saying(value))
			continue;
		sb_buf_printf(&line, " %s=", members[i]);
		add_value(&line, value);
	}
	fprintf(out, "%s\n", line.failed ? "(too long to show)" : line.data);
	sb_buf_done(&line);
}

struct show {
	const struct sb_audit_show_options *options;
	FILE *out;         /* NULL: only count */
	uint64_t skip;     /* matching records not to print */
	uint64_t matching; /* records seen that the options ask for */
	bool bad;
};

static void print_line(struct show *show, const json_t *record, const char *line, uint64_t number)
{
	if (show->out == NULL || show->matching <= show->skip)
		return;
	if (record == NULL)
		fprintf(show->out, "line %" PRIu64 " is no record; run `scanbridge audit verify`\n",
			number);
	else if (show->options->json)
		fprintf(show->out, "%s\n", line);
	else
		print_record(record, show->out);
}

static void show_line(void *data, const char *line, size_t length, uint64_t number)
{
	struct show *show = data;
	const struct sb_audit_show_options *o = show->options;
	json_t *record = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	const char *event = json_string_value(json_object_get(record, "event"));
	const json_t *seq = json_object_get(record, "seq");

	if (event == NULL || !json_is_integer(seq) || json_integer_value(seq) < 0) {
		show->bad = true;
		show->matching++;
		print_line(show, NULL, line, number);
	} else if ((uint64_t)json_integer_value(seq) > o->after &&
		   (o->event == NULL || strcmp(o->event, event) == 0)) {
		show->matching++;
		print_line(show, record, line, number);
	}
	json_decref(record);
}

static void show_file(struct show *show, FILE *in)
{
	if (!sb_audit_lines(in, show_line, show))
		show->bad = true;
}

int sb_audit_cmd_show(const char *path, const struct sb_audit_show_options *options, FILE *out)
{
	struct show show = {.options = options};
	FILE *in = fopen(path, "re");
	bool failed;

	if (in == NULL) {
		fprintf(stderr, "scanbridge: audit log %s: %s\n", path, strerror(errno));
		return 2;
	}
	/* The last N of a log of any length in constant memory: count first. */
	if (options->limit > 0) {
		show_file(&show, in);
		if (show.matching > options->limit)
			show.skip = show.matching - options->limit;
		show.matching = 0;
		rewind(in);
	}
	show.bad = false;
	show.out = out;
	show_file(&show, in);
	failed = ferror(in) != 0;
	fclose(in);
	if (failed) {
		fprintf(stderr, "scanbridge: audit log %s: cannot read\n", path);
		return 2;
	}
	return show.bad ? 1 : 0;
}
