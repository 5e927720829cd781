/* SPDX-License-Identifier: MIT */
/*
 * Compiling and running YARA rules with libyara 4.2 (yara.readthedocs.io, "The C API"), from
 * source or from what we compiled of the same source before (worker/rules_keep.h). The signal
 * handlers that libyara would install are turned off; a fault ends the worker, which is what a
 * worker is for. Its timeout is off as well: the host owns the clock.
 */
#include "worker/rules.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yara.h>

#include "worker/rules_keep.h"
#include "worker/search.h"

/* What a rule may ask about its subject. Those of LOKI and THOR are there so that their rules
 * compile. */
enum { FILENAME, FILEPATH, EXTENSION, CONTAINER, MIME, FILETYPE, OWNER, TEXTS };

static const char *const texts[TEXTS] = {[FILENAME] = "filename",
	[FILEPATH] = "filepath",
	[EXTENSION] = "extension",
	[CONTAINER] = "container",
	[MIME] = "mime",
	[FILETYPE] = "filetype",
	[OWNER] = "owner"};
static const char *const numbers[] = {"size", "depth"};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

/* A variable's value, when it is short. */
typedef struct said {
	bool known;
	char text[64];
} said;

struct sb_rules {
	YR_RULES *compiled;
	YR_SCANNER *scanner;
	uint64_t count;
	bool wants_mime;
	sb_search search;
	said said[TEXTS];
	/* of the scan under way */
	void (*found)(void *data, const sb_found *found);
	void *data;
};

#define CANARY_NAMESPACE "scanbridge"

const char *sb_rules_version(void)
{
	return YR_VERSION;
}

uint64_t sb_rules_count(const sb_rules *rules)
{
	return rules->count;
}

bool sb_rules_want_mime(const sb_rules *rules)
{
	return rules->wants_mime;
}

/* --- Compiling ----------------------------------------------------------------------------- */

typedef struct compilation {
	const sb_bundle_head *head;
	sb_source_view source; /* the one in work */
	char *why;
	size_t room;
	bool failed;
} compilation;

static void complain(
	int level, const char *file, int line, const YR_RULE *rule, const char *message, void *data)
{
	compilation *c = data;

	(void)rule;
	if (level != YARA_ERROR_LEVEL_ERROR || c->failed)
		return;
	c->failed = true;
	snprintf(c->why, c->room, "%s:%d: %s", file != NULL ? file : c->source.name, line, message);
}

/* Where a name leads from a file, among what was packed; NULL: nowhere. */
static const char *look_up(const compilation *c, const char *from, const char *name)
{
	char *path = sb_bundle_resolve(from, name, strlen(name));
	sb_source_view view = {.text = NULL};
	bool there = path != NULL && sb_bundle_find(c->head, c->source.root, path, &view);

	free(path);
	return there ? view.text : NULL;
}

/* libyara hands over names of included files as their includer wrote them, or below the
 * includer's own folder. */
static const char *include(const char *name, const char *from, const char *space, void *data)
{
	const compilation *c = data;
	const char *text = look_up(c, from != NULL ? from : c->source.name, name);

	(void)space;
	if (text == NULL)
		text = look_up(c, c->source.name, name);
	return text != NULL ? text : look_up(c, "", name);
}

static void keep(const char *text, void *data)
{
	(void)text; /* part of the bundle */
	(void)data;
}

static bool define_variables(YR_COMPILER *compiler)
{
	bool good = true;

	for (size_t i = 0; i < TEXTS; i++)
		good = good &&
		       yr_compiler_define_string_variable(compiler, texts[i], "") == ERROR_SUCCESS;
	for (size_t i = 0; i < NUMBERS; i++)
		good = good && yr_compiler_define_integer_variable(compiler, numbers[i], 0) ==
				       ERROR_SUCCESS;
	return good;
}

static bool mentions(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *p = strstr(text, word); p != NULL; p = strstr(p + 1, word))
		if ((p == text || (!isalnum((unsigned char)p[-1]) && p[-1] != '_')) &&
			!isalnum((unsigned char)p[length]) && p[length] != '_')
			return true;
	return false;
}

static bool add_sources(compilation *c, YR_COMPILER *compiler)
{
	uint64_t at = 0;
	char space[32];

	for (unsigned i = 0; sb_bundle_next_source(c->head, &at, &c->source); i++) {
		if (!c->source.compiled)
			continue;
		/* Rules of different files may have the same name. */
		snprintf(space, sizeof space, "source%u", i);
		if (yr_compiler_add_string(compiler, c->source.text, space) > 0 || c->failed)
			return false;
	}
	return true;
}

/* Known answers without EICAR: content that begins with a secret of this run. */
static bool add_canary(const compilation *c, YR_COMPILER *compiler)
{
	char text[256];

	snprintf(text, sizeof text,
		"rule Scanbridge_Canary { meta: severity = \"low\" category = \"test\" "
		"strings: $a = \"%s\" condition: $a at 0 }",
		c->head->canary);
	return yr_compiler_add_string(compiler, text, CANARY_NAMESPACE) == 0;
}

static void look_over(sb_rules *rules, const sb_bundle_head *head)
{
	sb_source_view source;
	uint64_t at = 0;
	YR_RULE *rule;

	while (sb_bundle_next_source(head, &at, &source))
		rules->wants_mime = rules->wants_mime || mentions(source.text, "mime");
	yr_rules_foreach(rules->compiled, rule) rules->count +=
		strcmp(rule->ns->name, CANARY_NAMESPACE) != 0;
}

static int report_match(YR_SCAN_CONTEXT *context, int message, void *data, void *user);

static bool compile(compilation *c, YR_RULES **out)
{
	YR_COMPILER *compiler = NULL;
	bool good = yr_compiler_create(&compiler) == ERROR_SUCCESS;

	if (!good)
		return false;
	yr_compiler_set_callback(compiler, complain, c);
	yr_compiler_set_include_callback(compiler, include, keep, c);
	good = define_variables(compiler) && add_sources(c, compiler) && add_canary(c, compiler);
	if (good && yr_compiler_get_rules(compiler, out) != ERROR_SUCCESS) {
		snprintf(c->why, c->room, "out of memory for the compiled rules");
		good = false;
	}
	yr_compiler_destroy(compiler);
	return good;
}

static bool begin(sb_rules *rules, const sb_bundle_head *head)
{
	sb_search_of(&rules->search, rules->compiled);
	if (yr_scanner_create(rules->compiled, &rules->scanner) != ERROR_SUCCESS)
		return false;
	yr_scanner_set_flags(rules->scanner,
		SCAN_FLAGS_NO_TRYCATCH | SCAN_FLAGS_FAST_MODE | SCAN_FLAGS_REPORT_RULES_MATCHING);
	yr_scanner_set_callback(rules->scanner, report_match, rules);
	look_over(rules, head);
	return true;
}

sb_rules *sb_rules_compile(
	const sb_bundle_head *head, int kept, bool *fresh, char *why, size_t room)
{
	compilation c = {.head = head, .why = why, .room = room};
	sb_rules *rules = calloc(1, sizeof *rules);
	uint32_t none = 0;
	bool good;

	snprintf(why, room, "libyara could not be started");
	good = rules != NULL && yr_initialize() == ERROR_SUCCESS &&
	       yr_set_configuration(YR_CONFIG_MAX_MATCH_DATA, &none) == ERROR_SUCCESS;
	*fresh = false;
	if (good && (kept < 0 || !sb_rules_load(kept, &rules->compiled))) {
		good = compile(&c, &rules->compiled);
		*fresh = good && kept >= 0 && sb_rules_save(kept, rules->compiled);
	}
	if (good && begin(rules, head))
		return rules;
	free(rules);
	return NULL;
}

/* --- Metadata ------------------------------------------------------------------------------- */

static const char *meta_text(const YR_RULE *rule, const char *name)
{
	for (const YR_META *meta = rule->metas; meta != NULL;
		meta = META_IS_LAST_IN_RULE(meta) ? NULL : meta + 1)
		if (meta->type == META_TYPE_STRING && strcmp(meta->identifier, name) == 0)
			return meta->string;
	return NULL;
}

static sb_severity severity_of(const YR_RULE *rule)
{
	const char *text = meta_text(rule, "severity");
	sb_severity severity;

	for (severity = SB_SEVERITY_LOW; text != NULL && severity <= SB_SEVERITY_CRITICAL;
		severity++)
		if (strcasecmp(text, sb_severity_name(severity)) == 0)
			return severity;
	return SB_SEVERITY_MEDIUM;
}

static int report_match(YR_SCAN_CONTEXT *context, int message, void *data, void *user)
{
	const sb_rules *rules = user;
	const YR_RULE *rule = data;
	const char *verdict;

	(void)context;
	if (message != CALLBACK_MSG_RULE_MATCHING)
		return CALLBACK_CONTINUE;
	verdict = meta_text(rule, "verdict");
	rules->found(rules->data,
		&(sb_found){
			.infected = verdict == NULL || strcasecmp(verdict, "suspicious") != 0,
			.severity = severity_of(rule),
			.name = rule->identifier,
			.category = meta_text(rule, "category"),
			.description = meta_text(rule, "description"),
			.signature_id = meta_text(rule, "signature_id"),
		});
	return CALLBACK_CONTINUE;
}

/* --- Scanning ------------------------------------------------------------------------------- */

/* The lower-case text behind the name's last dot. */
static const char *extension_of(const sb_member *member, char *out, size_t room)
{
	const char *dot = strrchr(member->name, '.');
	size_t length = 0;

	if (dot != NULL && dot != member->name)
		for (dot++; dot[length] != '\0' && length + 1 < room; length++)
			out[length] = (char)tolower((unsigned char)dot[length]);
	out[length] = '\0';
	return out;
}

/* What stands behind the last separator of either kind. */
static const char *base_name(const char *name)
{
	for (const char *p = name; *p != '\0'; p++)
		if ((*p == '/' || *p == '\\') && p[1] != '\0')
			name = p + 1;
	return name;
}

/* What a variable already says is not said again: most are the same for one file as for the one
 * before, and libyara looks each up by its name. */
static int set_text(sb_rules *rules, size_t which, const char *value)
{
	said *before = &rules->said[which];
	size_t length = strlen(value);
	int status;

	if (before->known && strcmp(before->text, value) == 0)
		return ERROR_SUCCESS;
	status = yr_scanner_define_string_variable(rules->scanner, texts[which], value);
	before->known = status == ERROR_SUCCESS && length < sizeof before->text;
	if (before->known)
		memcpy(before->text, value, length + 1);
	return status;
}

/* `filetype` and `owner` stay empty, and so does `mime` when no rule asks. */
static int set_variables(sb_rules *rules, const sb_member *member, const char *mime)
{
	char extension[32];
	const char *const values[TEXTS] = {
		[FILENAME] = base_name(member->name),
		[FILEPATH] = member->path_length > 0 ? member->path : member->name,
		[EXTENSION] = extension_of(member, extension, sizeof extension),
		[CONTAINER] = member->container,
		[MIME] = rules->wants_mime ? mime : NULL,
	};
	const int64_t amounts[NUMBERS] = {(int64_t)member->size, member->depth};
	int status = ERROR_SUCCESS;

	for (size_t i = 0; status == ERROR_SUCCESS && i < TEXTS; i++)
		if (values[i] != NULL)
			status = set_text(rules, i, values[i]);
	for (size_t i = 0; status == ERROR_SUCCESS && i < NUMBERS; i++)
		status = yr_scanner_define_integer_variable(rules->scanner, numbers[i], amounts[i]);
	return status;
}

sb_kind sb_rules_scan(sb_rules *rules, const sb_member *member, const char *mime,
	void (*found)(void *data, const sb_found *found), void *data, char *why, size_t room)
{
	int status = set_variables(rules, member, mime);

	rules->found = found;
	rules->data = data;
	if (status == ERROR_SUCCESS)
		status = sb_search_scan(&rules->search, rules->scanner, member->data, member->size);
	if (status == ERROR_SUCCESS)
		return SB_KIND_NONE;
	snprintf(why, room, "libyara failed with its error %d", status);
	return status == ERROR_INSUFFICIENT_MEMORY ? SB_KIND_LIMIT_EXCEEDED
						   : SB_KIND_ENGINE_UNAVAILABLE;
}
