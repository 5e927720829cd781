/* SPDX-License-Identifier: MIT */
/* One table of classes and activities, one of actions, and a function for each kind of event. */
#include "cli/ocsf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <scanbridge/types.h>

#include "cli/members.h"
#include "util/json.h"

enum { STORED = 64, ID_SIZE = 64, NAME_SIZE = 129 };

struct sb_ocsf {
	/* A scan_completed, its decision outstanding. */
	char line[SB_OCSF_LINE];
	sb_members waiting;
	bool waits;
	char stored[STORED][ID_SIZE]; /* scans whose content went into quarantine: a ring */
	size_t stored_next;
};

/* --- Reading records ---------------------------------------------------------------------- */

static bool is(const sb_members *record, const char *key, const char *text)
{
	sb_piece value = sb_member_string(record, key);

	return value.data != NULL && value.length == strlen(text) &&
	       memcmp(value.data, text, value.length) == 0;
}

static bool has_text(const sb_members *record, const char *key)
{
	return sb_member_string(record, key).data != NULL;
}

/* Up to @p room - 1 bytes of a text; escapes stay escapes. */
static void some_of(char *out, size_t room, const sb_members *record, const char *key)
{
	sb_piece value = sb_member_string(record, key);
	size_t length = value.length < room ? value.length : room - 1;

	if (length > 0)
		memcpy(out, value.data, length);
	out[length] = '\0';
}

/* At most 18 digits: always fits, whatever the log says. */
static bool whole_number(sb_piece value, int64_t *out)
{
	int64_t sum = 0;

	if (value.length == 0 || value.length > 18)
		return false;
	for (size_t i = 0; i < value.length; i++) {
		if (value.data[i] < '0' || value.data[i] > '9')
			return false;
		sum = sum * 10 + (value.data[i] - '0');
	}
	*out = sum;
	return true;
}

static int two(const char *digits)
{
	return (digits[0] - '0') * 10 + (digits[1] - '0');
}

/* `2026-11-22T08:00:00.000Z` to milliseconds; -1: not of this form. */
static int64_t parse_time(sb_piece piece)
{
	static const char form[] = "0000-00-00T00:00:00.000Z";
	const char *text = piece.data;
	struct tm tm = {0};

	if (piece.length != sizeof form - 1)
		return -1;
	for (size_t i = 0; i < piece.length; i++)
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return -1;
	tm.tm_year = two(text) * 100 + two(text + 2) - 1900;
	tm.tm_mon = two(text + 5) - 1;
	tm.tm_mday = two(text + 8);
	tm.tm_hour = two(text + 11);
	tm.tm_min = two(text + 14);
	tm.tm_sec = two(text + 17);
	return (int64_t)timegm(&tm) * 1000 + two(text + 20) * 10 + (text[22] - '0');
}

static int64_t time_of(const sb_members *record)
{
	return parse_time(sb_member_string(record, "time"));
}

/* What every line of the log has. */
static bool is_record(const sb_members *record)
{
	sb_piece hash = sb_member_string(record, "hash");
	int64_t seq;

	return whole_number(sb_member(record, "seq"), &seq) && has_text(record, "event") &&
	       hash.length == 64 && memchr(hash.data, '\\', 64) == NULL && time_of(record) >= 0;
}

static bool is_hit(const sb_members *record)
{
	return is(record, "outcome", "infected") || is(record, "outcome", "suspicious");
}

/* --- Numbers of the schema ------------------------------------------------------------------ */

typedef struct activity {
	unsigned category, class, id;
	const char *category_name, *class_name, *name;
} activity;

#define SCAN(id, name)                                                                             \
	{                                                                                          \
		6, 6007, id, "Application Activity", "Scan Activity", name                         \
	}
#define REMEDIATION(id, name)                                                                      \
	{                                                                                          \
		7, 7002, id, "Remediation", "File Remediation Activity", name                      \
	}

static const activity scan_started = SCAN(1, "Started");
static const activity finding_created = {2, 2004, 1, "Findings", "Detection Finding", "Create"};

/* By the kind of the error; the last row is for all others. */
static const struct {
	const char *kind;
	activity what;
} scan_ends[] = {
	{"cancelled", SCAN(3, "Cancelled")},
	{"timeout", SCAN(4, "Duration Violation")},
	{NULL, SCAN(6, "Error")},
};
static const activity scan_completed = SCAN(2, "Completed");

static const struct {
	const char *operation;
	activity what;
	unsigned action_id, disposition_id;
	const char *disposition;
} remediations[] = {
	{"store", REMEDIATION(1, "Isolate"), 2, 3, "Quarantined"},
	{"delete", REMEDIATION(2, "Evict"), 2, 5, "Deleted"},
	{"purge", REMEDIATION(2, "Evict"), 2, 5, "Deleted"},
	{"remove", REMEDIATION(2, "Evict"), 2, 5, "Deleted"},
	{"restore", REMEDIATION(3, "Restore"), 1, 9, "Restored"},
	{"release", REMEDIATION(3, "Restore"), 1, 9, "Restored"},
};

/* In ascending order of severity_id; informational is what has no threat. */
static const char *const severities[] = {
	"Unknown", "Informational", "Low", "Medium", "High", "Critical"};
enum { INFORMATIONAL = 1, MEDIUM = 3, HIGH = 4 };
static const char *const severity_words[] = {"", "", "low", "medium", "high", "critical"};

/* Quarantined is said only where the log says that it was stored. */
static const struct {
	const char *action;
	unsigned action_id, disposition_id;
	const char *disposition;
} actions[] = {
	{"allow", 1, 1, "Allowed"},
	{"allow_with_warning", 1, 19, "Alert"},
	{"require_manual_review", 2, 14, "Delayed"},
	{"quarantine", 2, 2, "Blocked"},
	{"block", 2, 2, "Blocked"},
};
static const char *const action_names[] = {"Unknown", "Allowed", "Denied"};

/* Parts of names that engines agree on; malware.classification_ids. */
static const struct {
	const char *part;
	unsigned id;
} families[] = {
	{"adware", 1},
	{"backdoor", 2},
	{"bootkit", 4},
	{"downloader", 6},
	{"dropper", 7},
	{"keylogger", 9},
	{"ransom", 10},
	{"rootkit", 15},
	{"spyware", 17},
	{"trojan", 18},
	{"virus", 19},
	{"webshell", 20},
	{"worm", 22},
};

static unsigned family_of(const char *name)
{
	for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
		if (strcasestr(name, families[i].part) != NULL)
			return families[i].id;
	return 0;
}

static unsigned severity_of(const sb_members *threat)
{
	for (unsigned i = 2; i < sizeof severity_words / sizeof severity_words[0]; i++)
		if (is(threat, "severity", severity_words[i]))
			return i;
	return 0;
}

/* The record's threats one by one, from its array. */
static bool next_threat(sb_piece *rest, sb_members *threat)
{
	sb_piece element;

	return sb_elements_next(rest, &element) &&
	       sb_members_read(threat, element.data, element.length);
}

/* What the threats of a record come to. */
typedef struct threats {
	unsigned worst; /* severity_id; a hit without any is high or medium */
	bool test;      /* EICAR, by the name that most engines give it, and nothing else */
	char first[NAME_SIZE];
} threats;

static void look_at_threats(threats *out, const sb_members *record)
{
	sb_piece rest = sb_member(record, "threats");
	sb_members threat;
	size_t count = 0, tests = 0;

	*out = (threats){0};
	while (next_threat(&rest, &threat)) {
		unsigned severity = severity_of(&threat);
		char name[NAME_SIZE];
		some_of(name, sizeof name, &threat, "name");
		if (count++ == 0)
			memcpy(out->first, name, sizeof name);
		tests += strcasestr(name, "eicar") != NULL;
		out->worst = severity > out->worst ? severity : out->worst;
	}
	out->test = count > 0 && tests == count;
	if (out->worst == 0)
		out->worst = is(record, "outcome", "infected") ? HIGH : MEDIUM;
}

/* --- Members --------------------------------------------------------------------------------- */

/* A text or whole number of the record under another name, if it is there. */
static bool is_truth(sb_piece value)
{
	return (value.length == 4 && memcmp(value.data, "true", 4) == 0) ||
	       (value.length == 5 && memcmp(value.data, "false", 5) == 0);
}

static void copy(sb_json *json, const char *as, const sb_members *record, const char *key)
{
	sb_piece value = sb_member(record, key);
	int64_t number;

	if (value.data != NULL &&
		(value.data[0] == '"' || whole_number(value, &number) || is_truth(value)))
		sb_json_raw(json, as, value.data, value.length);
}

static void metadata(sb_json *json, const sb_members *record, const activity *what, bool incident)
{
	char hash[65], uid[96];

	some_of(hash, sizeof hash, record, "hash");
	snprintf(uid, sizeof uid, "%s-%u", hash, what->class);
	sb_json_object(json, "metadata");
	sb_json_text(json, "version", "1.5.0");
	sb_json_object(json, "product");
	sb_json_text(json, "name", "Scanbridge");
	sb_json_text(json, "vendor_name", "Scanbridge");
	sb_json_text(json, "version", sb_version());
	sb_json_end_object(json);
	sb_json_array(json, "profiles");
	if (incident)
		sb_json_text(json, NULL, "incident");
	sb_json_text(json, NULL, "security_control");
	sb_json_end_array(json);
	sb_json_text(json, "uid", uid);
	copy(json, "sequence", record, "seq");
	copy(json, "original_time", record, "time");
	copy(json, "event_code", record, "event");
	copy(json, "correlation_uid", record, "scan_id");
	copy(json, "tenant_uid", record, "tenant_id");
	sb_json_end_object(json);
}

static void head(sb_json *json, const sb_members *record, const activity *what, unsigned severity)
{
	char type[128];

	snprintf(type, sizeof type, "%s: %s", what->class_name, what->name);
	sb_json_object(json, NULL);
	sb_json_uint(json, "activity_id", what->id);
	sb_json_text(json, "activity_name", what->name);
	sb_json_uint(json, "category_uid", what->category);
	sb_json_text(json, "category_name", what->category_name);
	sb_json_uint(json, "class_uid", what->class);
	sb_json_text(json, "class_name", what->class_name);
	sb_json_uint(json, "type_uid", what->class * 100 + what->id);
	sb_json_text(json, "type_name", type);
	sb_json_int(json, "time", time_of(record));
	sb_json_uint(json, "severity_id", severity);
	sb_json_text(json, "severity", severities[severity]);
	metadata(json, record, what, what->class == finding_created.class);
}

static void tail(sb_json *json, sb_buf *out)
{
	sb_json_end_object(json);
	sb_buf_char(out, '\n');
}

static void status(sb_json *json, unsigned id, const char *name)
{
	sb_json_uint(json, "status_id", id);
	sb_json_text(json, "status", name);
}

static void fingerprint(sb_json *json, unsigned id, const char *algorithm, const sb_members *record,
	const char *key)
{
	if (!has_text(record, key))
		return;
	sb_json_object(json, NULL);
	sb_json_uint(json, "algorithm_id", id);
	sb_json_text(json, "algorithm", algorithm);
	copy(json, "value", record, key);
	sb_json_end_object(json);
}

/* OCSF's file object; `name` is required, if only an empty one. */
static void file(sb_json *json, const sb_members *record)
{
	const char *name = has_text(record, "name") ? "name" : "original_filename";

	sb_json_object(json, "file");
	if (has_text(record, name))
		copy(json, "name", record, name);
	else
		sb_json_text(json, "name", "");
	copy(json, "path", record, "path");
	sb_json_uint(json, "type_id", 1);
	sb_json_text(json, "type", "Regular File");
	copy(json, "size", record, "size");
	copy(json, "size", record, "file_size");
	copy(json, "mime_type", record, "mime");
	sb_json_array(json, "fingerprints");
	fingerprint(json, 3, "SHA-256", record, "file_hash_sha256");
	fingerprint(json, 99, "BLAKE3", record, "file_hash_blake3");
	sb_json_end_array(json);
	sb_json_end_object(json);
}

static void scan(sb_json *json, const sb_members *record)
{
	sb_json_object(json, "scan");
	copy(json, "uid", record, "scan_id");
	if (!has_text(record, "source")) {
		sb_json_uint(json, "type_id", 0);
		sb_json_text(json, "type", "Unknown");
	} else if (is(record, "source", "cli")) {
		sb_json_uint(json, "type_id", 1);
		sb_json_text(json, "type", "Manual");
	} else {
		sb_json_uint(json, "type_id", 99);
		copy(json, "type", record, "source");
	}
	sb_json_end_object(json);
}

static bool was_stored(const sb_ocsf *ocsf, const sb_members *record)
{
	for (size_t i = 0; i < STORED; i++)
		if (ocsf->stored[i][0] != '\0' && is(record, "scan_id", ocsf->stored[i]))
			return true;
	return false;
}

/* The profile security_control, from a policy_decision; NULL: nobody knows. */
static void control(const sb_ocsf *ocsf, sb_json *json, const sb_members *decision)
{
	const size_t count = sizeof actions / sizeof actions[0];
	size_t i = 0;
	bool stored;

	while (i < count && !is(decision, "action", actions[i].action))
		i++;
	if (i == count) {
		sb_json_uint(json, "action_id", 0);
		sb_json_uint(json, "disposition_id", 0);
		return;
	}
	stored = is(decision, "action", "quarantine") && was_stored(ocsf, decision);
	sb_json_uint(json, "action_id", actions[i].action_id);
	sb_json_text(json, "action", action_names[actions[i].action_id]);
	sb_json_uint(json, "disposition_id", stored ? 3 : actions[i].disposition_id);
	sb_json_text(json, "disposition", stored ? "Quarantined" : actions[i].disposition);
	if (!has_text(decision, "matched_rule_id"))
		return;
	sb_json_object(json, "policy");
	copy(json, "uid", decision, "matched_rule_id");
	copy(json, "name", decision, "matched_rule_name");
	copy(json, "desc", decision, "reason");
	sb_json_end_object(json);
}

/* What the schema has no place for. */
static void unmapped(
	sb_json *json, const sb_members *record, const sb_members *decision, bool with_file)
{
	static const char *const keys[] = {"outcome", "cached", "user_id", "request_id", "source",
		"operation", "quarantine_id"};

	sb_json_object(json, "unmapped");
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		copy(json, keys[i], record, keys[i]);
	copy(json, "action", decision, "action");
	if (with_file)
		file(json, record);
	sb_json_end_object(json);
}

/* --- Events ---------------------------------------------------------------------------------- */

static void started(const sb_members *record, sb_buf *out)
{
	sb_json json = sb_json_on(out);

	head(&json, record, &scan_started, INFORMATIONAL);
	status(&json, 1, "Success");
	scan(&json, record);
	unmapped(&json, record, NULL, false);
	tail(&json, out);
}

static const activity *end_of_scan(const sb_members *record)
{
	size_t i = 0;

	if (!is(record, "outcome", "error"))
		return &scan_completed;
	while (scan_ends[i].kind != NULL && !is(record, "error", scan_ends[i].kind))
		i++;
	return &scan_ends[i].what;
}

static int64_t duration_of(const sb_members *record)
{
	sb_piece value = sb_member(record, "total_duration_ms");
	const char *point = value.data != NULL ? memchr(value.data, '.', value.length) : NULL;
	int64_t ms = 0;

	if (point != NULL)
		value.length = (size_t)(point - value.data);
	return whole_number(value, &ms) ? ms : 0;
}

static void completed(
	const sb_ocsf *ocsf, const sb_members *record, const sb_members *decision, sb_buf *out)
{
	const activity *what = end_of_scan(record);
	bool well = what == &scan_completed;
	int64_t end = time_of(record);
	int64_t duration = duration_of(record);
	sb_json json = sb_json_on(out);

	head(&json, record, what, well ? INFORMATIONAL : MEDIUM);
	status(&json, well ? 1 : 2, well ? "Success" : "Failure");
	copy(&json, "status_code", record, "error");
	copy(&json, "status_detail", record, "message");
	scan(&json, record);
	sb_json_int(&json, "start_time", end - duration);
	sb_json_int(&json, "end_time", end);
	sb_json_int(&json, "duration", duration);
	sb_json_uint(&json, "num_files", 1);
	sb_json_uint(&json, "num_detections", is_hit(record) ? 1 : 0);
	sb_json_uint(&json, "total", 1);
	control(ocsf, &json, decision);
	unmapped(&json, record, decision, true);
	tail(&json, out);
}

static void malware(sb_json *json, const sb_members *record)
{
	sb_piece rest = sb_member(record, "threats");
	sb_members threat;

	sb_json_array(json, "malware");
	while (next_threat(&rest, &threat)) {
		char name[NAME_SIZE];
		some_of(name, sizeof name, &threat, "name");
		sb_json_object(json, NULL);
		copy(json, "name", &threat, "name");
		sb_json_array(json, "classification_ids");
		sb_json_uint(json, NULL, family_of(name));
		sb_json_end_array(json);
		copy(json, "provider", &threat, "engine");
		copy(json, "path", record, "path");
		sb_json_end_object(json);
	}
	sb_json_end_array(json);
}

static void verdict(sb_json *json, const sb_members *record, bool test)
{
	bool infected = is(record, "outcome", "infected");

	sb_json_uint(json, "verdict_id", test ? 6 : infected ? 2 : 4);
	sb_json_text(json, "verdict", test ? "Test" : infected ? "True Positive" : "Suspicious");
}

static void found(
	const sb_ocsf *ocsf, const sb_members *record, const sb_members *decision, sb_buf *out)
{
	char title[2 * NAME_SIZE], outcome[16];
	threats all;
	sb_json json = sb_json_on(out);

	look_at_threats(&all, record);
	some_of(outcome, sizeof outcome, record, "outcome");
	snprintf(title, sizeof title, "%s%s%s", outcome, all.first[0] != '\0' ? ": " : "",
		all.first);
	head(&json, record, &finding_created, all.worst);
	status(&json, 1, "New");
	sb_json_text(&json, "message", title);
	sb_json_object(&json, "finding_info");
	copy(&json, "uid", record, has_text(record, "scan_id") ? "scan_id" : "hash");
	sb_json_text(&json, "title", title);
	sb_json_int(&json, "created_time", time_of(record));
	sb_json_end_object(&json);
	sb_json_bool(&json, "is_alert", true);
	verdict(&json, record, all.test);
	malware(&json, record);
	sb_json_array(&json, "evidences");
	sb_json_object(&json, NULL);
	file(&json, record);
	sb_json_end_object(&json);
	sb_json_end_array(&json);
	control(ocsf, &json, decision);
	unmapped(&json, record, decision, false);
	tail(&json, out);
}

static void note_stored(sb_ocsf *ocsf, const sb_members *record)
{
	some_of(ocsf->stored[ocsf->stored_next++ % STORED], ID_SIZE, record, "scan_id");
}

static void remedied(sb_ocsf *ocsf, const sb_members *record, sb_buf *out)
{
	const size_t count = sizeof remediations / sizeof remediations[0];
	activity what = REMEDIATION(99, "Other");
	bool failed = has_text(record, "error");
	sb_json json = sb_json_on(out);
	size_t i = 0;

	if (is(record, "phase", "intent"))
		return; /* how it ends is a record of its own */
	while (i < count && !is(record, "operation", remediations[i].operation))
		i++;
	if (i < count)
		what = remediations[i].what;
	if (what.id == 1 && !failed)
		note_stored(ocsf, record);
	head(&json, record, &what, failed ? HIGH : INFORMATIONAL);
	status(&json, failed ? 6 : 1, failed ? "Error" : "Success");
	copy(&json, "status_code", record, "error");
	copy(&json, "status_detail", record, "reason");
	copy(&json, "command_uid", record, "hash");
	if (i < count && !failed) {
		sb_json_uint(&json, "action_id", remediations[i].action_id);
		sb_json_text(&json, "action", action_names[remediations[i].action_id]);
		sb_json_uint(&json, "disposition_id", remediations[i].disposition_id);
		sb_json_text(&json, "disposition", remediations[i].disposition);
	}
	file(&json, record);
	unmapped(&json, record, NULL, false);
	tail(&json, out);
}

/* --- The order of the log ----------------------------------------------------------------------
 */

sb_ocsf *sb_ocsf_new(void)
{
	return calloc(1, sizeof(sb_ocsf));
}

void sb_ocsf_free(sb_ocsf *ocsf)
{
	free(ocsf);
}

static void settle(sb_ocsf *ocsf, const sb_members *decision, sb_buf *out)
{
	if (!ocsf->waits)
		return;
	ocsf->waits = false;
	completed(ocsf, &ocsf->waiting, decision, out);
	if (is_hit(&ocsf->waiting))
		found(ocsf, &ocsf->waiting, decision, out);
}

/* The line belongs to the caller, who goes on to the next one. */
static void keep(sb_ocsf *ocsf, const char *line, size_t length)
{
	memcpy(ocsf->line, line, length);
	ocsf->waits = sb_members_read(&ocsf->waiting, ocsf->line, length);
}

static bool decides(const sb_ocsf *ocsf, const sb_members *record)
{
	sb_piece mine = sb_member_string(record, "scan_id"),
		 waiting = sb_member_string(&ocsf->waiting, "scan_id");

	return ocsf->waits && is(record, "event", "policy_decision") && mine.data != NULL &&
	       mine.length == waiting.length && memcmp(mine.data, waiting.data, mine.length) == 0;
}

bool sb_ocsf_line(sb_ocsf *ocsf, const char *line, size_t length, uint64_t after, sb_buf *out)
{
	sb_members record;
	int64_t seq;

	if (length > SB_OCSF_LINE || !sb_members_read(&record, line, length) || !is_record(&record))
		return false;
	if (after > 0 && whole_number(sb_member(&record, "seq"), &seq) && (uint64_t)seq <= after)
		return true;
	if (decides(ocsf, &record)) {
		settle(ocsf, &record, out);
		return true;
	}
	settle(ocsf, NULL, out);
	if (is(&record, "event", "scan_started"))
		started(&record, out);
	else if (is(&record, "event", "scan_completed"))
		keep(ocsf, line, length);
	else if (is(&record, "event", "quarantine_operation"))
		remedied(ocsf, &record, out);
	return true;
}

void sb_ocsf_end(sb_ocsf *ocsf, sb_buf *out)
{
	settle(ocsf, NULL, out);
}
