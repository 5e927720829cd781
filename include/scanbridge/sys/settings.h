/* SPDX-License-Identifier: MIT */
/**
 * Settings as data. An engine (and every section of our own configuration) declares its
 * keys in a table; parsing, range checks, help, `config init`, the manual page and error
 * messages come from it.
 */
#ifndef SCANBRIDGE_SYS_SETTINGS_H
#define SCANBRIDGE_SYS_SETTINGS_H

#include <scanbridge/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The C type a value is stored as, at `offset` in the zeroed target structure. */
typedef enum sb_setting_type {
	SB_SETTING_BOOL,     /**< bool; `true` or `false` */
	SB_SETTING_INT,      /**< int64_t */
	SB_SETTING_NUMBER,   /**< double */
	SB_SETTING_SIZE,     /**< uint64_t bytes; bare number or KiB, MiB, GiB */
	SB_SETTING_DURATION, /**< uint64_t ms; unit required: ms s m h d; `off` is 0 if min is 0 */
	SB_SETTING_TEXT,     /**< const char * */
	SB_SETTING_PATH,     /**< const char *, made absolute from the file's folder */
	SB_SETTING_CHOICE,   /**< int: index into `choices` */
	SB_SETTING_TEXTS,    /**< sb_texts; one text or a list of texts */
	SB_SETTING_PATHS,    /**< sb_texts, each made absolute */
	SB_SETTING_INTS,     /**< sb_ints; one number or a list */
	SB_SETTING_SECTION,  /**< bool: whether it was given; a map with the keys of `rows` */
} sb_setting_type;

typedef struct sb_texts {
	const char *const *items;
	size_t count;
} sb_texts;

typedef struct sb_ints {
	const int64_t *items;
	size_t count;
} sb_ints;

/** One key. A table ends with a row whose key is NULL. */
typedef struct sb_setting {
	const char *key;
	sb_setting_type type;
	size_t offset;
	const char *fallback; /**< the default as it would be written; NULL: unset, stays zero */
	double min, max;      /**< for numbers, sizes, durations (ms); both 0: no bounds */
	const char *const *choices; /**< NULL-terminated, for SB_SETTING_CHOICE */
	bool required;              /**< the key must be given */
	bool secret;                /**< for texts: never shown */
	const char *help;           /**< one line, no full stop needed */
	/** No verdict depends on it: what is remembered of the engine's answers holds on when it
	 * changes. Where unsure, leave it out. */
	bool operational;
	/** For SB_SETTING_SECTION: its keys, with offsets into the same structure. They have their
	 * defaults also where the section is missing. No sections in sections. */
	const struct sb_setting *rows;
	/** With `required`: this other key, which has no default, may be given in its place, and
	 * not beside it. */
	const char *instead;
} sb_setting;

#ifdef __cplusplus
}
#endif
#endif
