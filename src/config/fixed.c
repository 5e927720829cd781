/* SPDX-License-Identifier: MIT */
/* What can't change while a manager runs: where things are kept, and how. */
#include <string.h>

#include "config/built.h"

/* Of a section, all but these; or of no section, the key. */
static const struct {
	const char *section;
	const char *const *only, *const *but;
} fixed[] = {
	{"audit", NULL, (const char *const[]){"on_failure", NULL}},
	{"cache", NULL, NULL},
	{"quarantine", NULL, (const char *const[]){"remove_original", NULL}},
	{"limits", (const char *const[]){"spool_memory", "spool_disk", "copy_unpinned", NULL},
		NULL},
};
static const char *const top[] = {"data_dir", "isolation", NULL};

static bool is_in(const char *const *list, const char *key)
{
	for (; list != NULL && *list != NULL; list++)
		if (strcmp(*list, key) == 0)
			return true;
	return false;
}

static bool differs(const sb_setting *row, const sb_values *a, const sb_values *b)
{
	sb_buf x, y;
	bool same;

	sb_buf_init(&x, 1 << 20);
	sb_buf_init(&y, 1 << 20);
	sb_setting_write(&x, row, a);
	sb_setting_write(&y, row, b);
	same = !x.failed && !y.failed && x.length == y.length &&
	       (x.length == 0 || memcmp(x.data, y.data, x.length) == 0);
	sb_buf_done(&x);
	sb_buf_done(&y);
	return !same;
}

static int refuse(sb_error *error, const char *section, const char *key)
{
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
		"%s%s%s can't change while it is in use: end the program, and start it anew",
		section, section[0] != '\0' ? "." : "", key);
}

static const sb_setting *rows_of(const char *section)
{
	for (const sb_section *s = sb_sections; s->name != NULL; s++)
		if (strcmp(s->name, section) == 0)
			return s->rows;
	return NULL;
}

int sb_conf_fixed(const sb_conf *now, const sb_conf *then, sb_error *error)
{
	const sb_values *a = &((const sb_built *)(const void *)now)->values;
	const sb_values *b = &((const sb_built *)(const void *)then)->values;

	for (const sb_setting *row = sb_top_rows; row->key != NULL; row++)
		if (is_in(top, row->key) && differs(row, a, b))
			return refuse(error, "", row->key);
	for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
		for (const sb_setting *row = rows_of(fixed[i].section); row->key != NULL; row++)
			if ((fixed[i].only == NULL || is_in(fixed[i].only, row->key)) &&
				!is_in(fixed[i].but, row->key) && differs(row, a, b))
				return refuse(error, fixed[i].section, row->key);
	if (now->quarantine.store != then->quarantine.store ||
		now->quarantine.store_data != then->quarantine.store_data)
		return refuse(error, "", "the registered store");
	return 0;
}
