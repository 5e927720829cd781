/* SPDX-License-Identifier: MIT */
/* `quarantine list` and `show`: objects as lines, as JSON, and one with all that is known. */
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "cli/log.h"
#include "cli/open.h"
#include "cli/quarantine.h"
#include "cli/quarantine_commands.h"
#include "cli/term.h"
#include "quarantine/record.h"
#include "util/text.h"

#define AT(member) offsetof(sb_quarantine_settings, member)

static const char *const states[] = {"all", "quarantined", "held", "released", "damaged", NULL};

const sb_option sb_quarantine_list_options[] = {
	{"json", 0, SB_OPTION_YES, NULL, AT(json), "one object a line, as JSON"},
	{"state", 0, SB_OPTION_CHOICE, "STATE", AT(state),
		"all (default), quarantined, held (waits for a person), released or damaged",
		states},
	{"tenant", 0, SB_OPTION_TEXT, "ID", AT(tenant), "only this tenant's"},
	{"hash", 0, SB_OPTION_TEXT, "DIGEST", AT(hash), "only this content: BLAKE3 or SHA-256"},
	{"after", 0, SB_OPTION_TEXT, "TIME", AT(after),
		"stored at or after: YYYY-MM-DD, or RFC 3339"},
	{"before", 0, SB_OPTION_TEXT, "TIME", AT(before), "stored at or before"},
	{"all", 'a', SB_OPTION_YES, NULL, AT(all),
		"also those whose retention has ended, until the next purge"},
	{"limit", 'n', SB_OPTION_NUMBER, "N", AT(limit), "the newest N (default: all)"},
	{"offset", 0, SB_OPTION_NUMBER, "N", AT(offset), "leave out the newest N"},
	{"cursor", 0, SB_OPTION_TEXT, "ID", AT(cursor), "go on behind this object"},
	{NULL},
};

const sb_option sb_quarantine_show_options[] = {
	{"json", 0, SB_OPTION_YES, NULL, AT(json), "as JSON"},
	{NULL},
};

/* --- Filters ------------------------------------------------------------------------------- */

static int refuse(const char *option, const char *message)
{
	sb_log(SB_LOG_ERROR, "quarantine list: %s: %s", option, message);
	return -1;
}

static int read_time(const char *option, const char *text, uint64_t *out)
{
	if (text == NULL)
		return 0;
	return sb_parse_time_ns(text, out)
		       ? 0
		       : refuse(option, "write it as 2026-11-22 or 2026-11-22T08:00:00Z");
}

static int read_filter(
	sb_quarantine_filter *filter, const sb_quarantine_settings *s, uint8_t hash[SB_BLAKE3_SIZE])
{
	*filter = (sb_quarantine_filter){.tenant = s->tenant,
		.state = (sb_quarantine_state)s->state, /* the same order; all: none */
		.include_expired = s->all != 0,
		.limit = s->limit,
		.offset = s->offset};
	if (s->hash != NULL) {
		if (!sb_unhex(hash, SB_BLAKE3_SIZE, s->hash, strlen(s->hash)))
			return refuse("--hash", "64 hexadecimal digits are a BLAKE3 or SHA-256");
		filter->hash = hash;
	}
	if (s->cursor != NULL && !sb_quarantine_id_ok(s->cursor))
		return refuse("--cursor", "an object's id is 32 digits 0-9a-f");
	if (read_time("--after", s->after, &filter->after) < 0 ||
		read_time("--before", s->before, &filter->before) < 0)
		return -1;
	if (filter->before != 0)
		filter->before += 999999; /* times are shown without what follows the ms */
	return 0;
}

/* --- One object ------------------------------------------------------------------------------ */

/* `EICAR_Test_File, and 2 more` */
static void put_threats(sb_buf *out, const sb_quarantine_record *record)
{
	json_t *threats = record->threats != NULL ? json_loads(record->threats, 0, NULL) : NULL;
	const char *name = json_string_value(json_object_get(json_array_get(threats, 0), "name"));

	if (name == NULL)
		sb_buf_char(out, '-');
	else
		sb_escape(out, name, strlen(name));
	if (json_array_size(threats) > 1)
		sb_buf_printf(out, ", and %zu more", json_array_size(threats) - 1);
	json_decref(threats);
}

static void put_name(sb_buf *out, const sb_quarantine_record *record)
{
	if (record->path != NULL)
		sb_escape(out, record->path, record->path_length);
	else if (record->name != NULL && record->name_length > 0)
		sb_escape(out, record->name, record->name_length);
	else
		sb_buf_char(out, '-');
}

typedef struct listing {
	const sb_quarantine_settings *settings;
	sb_buf line;
	uint64_t count, bytes;
	bool colours, broken;
} listing;

static void put_line(listing *l, const sb_quarantine_record *record)
{
	char time[SB_TIME_SIZE], size[SB_NUMBER_SIZE];

	sb_format_time(time, record->time);
	time[19] = '\0'; /* whole seconds */
	time[10] = ' ';
	sb_format_bytes(size, (double)record->size);
	sb_buf_printf(&l->line, "%s  %s  %-11s %9s  ", record->id, time,
		record->legal_hold ? "legal hold" : sb_quarantine_state_name(record->state), size);
	sb_colour_text(&l->line, sb_colour_of(record->outcome), l->colours,
		sb_outcome_name(record->outcome));
	sb_buf_text(&l->line, " ");
	put_threats(&l->line, record);
	sb_buf_text(&l->line, "  ");
	put_name(&l->line, record);
}

static int list_one(void *data, const sb_quarantine_record *record)
{
	listing *l = data;

	sb_buf_clear(&l->line);
	if (l->settings->json != 0)
		sb_record_json(&l->line, record);
	else
		put_line(l, record);
	sb_buf_char(&l->line, '\n');
	l->count++;
	l->bytes += record->size;
	l->broken =
		l->line.failed || fwrite(l->line.data, 1, l->line.length, stdout) != l->line.length;
	return l->broken;
}

/* --- The commands -------------------------------------------------------------------------- */

/* A page goes on by time and id, however much was added meanwhile. */
static sb_quarantine_status find_cursor(
	sb_quarantine *quarantine, const char *id, sb_quarantine_filter *filter, sb_error *error)
{
	sb_quarantine_record *record;
	sb_quarantine_status status;

	if (id == NULL)
		return SB_Q_OK;
	status = sb_quarantine_find(quarantine, id, &record, error);
	if (status != SB_Q_OK)
		return status;
	filter->cursor_time = record->time;
	filter->cursor_id = id;
	sb_quarantine_record_free(record);
	return SB_Q_OK;
}

static void put_sum(const listing *l)
{
	char count[SB_NUMBER_SIZE], bytes[SB_NUMBER_SIZE];

	if (l->settings->json == 0 && isatty(STDERR_FILENO))
		(void)fprintf(stderr, "%s %s, %s\n", sb_format_count(count, l->count),
			l->count == 1 ? "object" : "objects",
			sb_format_bytes(bytes, (double)l->bytes));
}

static int list(sb_quarantine *quarantine, const sb_quarantine_settings *settings)
{
	listing l = {.settings = settings, .colours = sb_term_colours(STDOUT_FILENO)};
	uint8_t hash[SB_BLAKE3_SIZE];
	sb_quarantine_filter filter;
	sb_quarantine_status status;
	sb_error error;

	sb_error_init(&error);
	if (read_filter(&filter, settings, hash) < 0)
		return SB_EXIT_FAILED;
	sb_buf_init(&l.line, 1 << 24);
	status = find_cursor(quarantine, settings->cursor, &filter, &error);
	if (status == SB_Q_OK)
		status = sb_quarantine_list(quarantine, &filter, list_one, &l, &error);
	sb_buf_done(&l.line);
	if (status != SB_Q_OK)
		return sb_quarantine_told(status, "quarantine", &error);
	put_sum(&l);
	return SB_EXIT_OK;
}

int sb_cmd_quarantine_list(
	const sb_globals *globals, const void *settings, char **words, size_t count)
{
	sb_quarantine *quarantine = sb_cli_quarantine(globals);
	int status = SB_EXIT_FAILED;

	(void)words;
	(void)count;
	if (quarantine != NULL)
		status = list(quarantine, settings);
	sb_quarantine_close(quarantine);
	return sb_cli_flushed(status);
}

/* --- Everything about one ------------------------------------------------------------------ */

static void put_field(sb_buf *out, const char *label, const char *text)
{
	if (text == NULL)
		return;
	sb_buf_printf(out, "  %-12s", label);
	sb_escape(out, text, strlen(text));
	sb_buf_char(out, '\n');
}

static void put_time(sb_buf *out, const char *label, uint64_t ns)
{
	char time[SB_TIME_SIZE];

	sb_format_time(time, ns);
	put_field(out, label, ns != 0 ? time : "never");
}

static void put_digest(sb_buf *out, const char *label, const uint8_t *digest)
{
	char digits[2 * SB_BLAKE3_SIZE + 1];

	sb_hex(digits, digest, SB_BLAKE3_SIZE);
	put_field(out, label, digits);
}

/* Members of an array of objects, a line each: the values of some keys. */
static void put_objects(
	sb_buf *out, const char *label, const char *text, const char *const *keys, size_t key_count)
{
	json_t *array = text != NULL ? json_loads(text, 0, NULL) : NULL;

	for (size_t i = 0; i < json_array_size(array); i++) {
		sb_buf_printf(out, "  %-12s", i == 0 ? label : "");
		for (size_t k = 0; k < key_count; k++) {
			const char *value = json_string_value(
				json_object_get(json_array_get(array, i), keys[k]));
			if (value == NULL)
				continue;
			sb_buf_text(out, k > 0 ? " " : "");
			sb_escape(out, value, strlen(value));
		}
		sb_buf_char(out, '\n');
	}
	json_decref(array);
}

static void put_original(sb_buf *out, const sb_quarantine_record *record)
{
	char text[128], time[SB_TIME_SIZE];

	if (!record->has_original)
		return;
	sb_format_time(time, record->mtime > 0 ? (uint64_t)record->mtime : 0);
	snprintf(text, sizeof text, "owner %u:%u, mode %04o, %llu %s, changed %s", record->uid,
		record->gid, record->mode & 07777, (unsigned long long)record->nlink,
		record->nlink == 1 ? "name" : "names", time);
	put_field(out, "file", text);
}

static void put_all(sb_buf *out, const sb_quarantine_record *record)
{
	static const char *const threat[] = {"name", "severity", "member"};
	static const char *const engine[] = {"engine", "outcome", "version", "signatures"};
	char size[64], bytes[SB_NUMBER_SIZE];

	sb_buf_printf(out, "%s\n", record->id);
	put_field(out, "state", sb_quarantine_state_name(record->state));
	if (record->legal_hold)
		put_field(out, "legal hold", "yes: it is not deleted");
	put_field(out, "outcome", sb_outcome_name(record->outcome));
	put_objects(out, "threats", record->threats, threat, 3);
	put_objects(out, "engines", record->engines, engine, 4);
	put_field(out, "reason", record->reason);
	sb_buf_printf(out, "  %-12s", "name");
	put_name(out, record);
	sb_buf_char(out, '\n');
	snprintf(size, sizeof size, "%llu bytes (%s)", (unsigned long long)record->size,
		sb_format_bytes(bytes, (double)record->size));
	put_field(out, "size", size);
	put_original(out, record);
	put_digest(out, "BLAKE3", record->blake3);
	put_digest(out, "SHA-256", record->sha256);
	put_time(out, "stored", record->time);
	put_time(out, "expires", record->expires_at);
	put_field(out, "tenant", record->tenant);
	put_field(out, "scan", record->scan_id);
}

static int show(sb_quarantine *quarantine, const char *id, bool json)
{
	sb_quarantine_record *record;
	sb_quarantine_status status;
	sb_error error;
	sb_buf out;

	sb_error_init(&error);
	status = sb_quarantine_find(quarantine, id, &record, &error);
	if (status != SB_Q_OK)
		return sb_quarantine_told(status, id, &error);
	sb_buf_init(&out, 1 << 24);
	if (json) {
		sb_record_json(&out, record);
		sb_buf_char(&out, '\n');
	} else {
		put_all(&out, record);
	}
	sb_quarantine_record_free(record);
	return sb_cli_print(&out);
}

int sb_cmd_quarantine_show(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_quarantine_settings *settings = data;
	sb_quarantine *quarantine =
		sb_quarantine_ids_ok(words, count) ? sb_cli_quarantine(globals) : NULL;
	int status = SB_EXIT_FAILED;

	if (quarantine != NULL)
		status = show(quarantine, words[0], settings->json != 0);
	sb_quarantine_close(quarantine);
	return status;
}
