/* SPDX-License-Identifier: MIT */
/*
 * Manual pages in scdoc's language, made from the tables of commands, options and settings. What
 * no table says (files, environment, how values are written) is data in manual_text.c.
 */
#ifndef SB_CLI_MANUAL_H
#define SB_CLI_MANUAL_H

#include "util/buf.h"

/* A term and what it means; tables end with a row without a term. */
typedef struct sb_manual_item {
	const char *term, *text;
} sb_manual_item;

/* Of the program as a whole: --help shows some of them, too. */
extern const char sb_program_summary[];     /* one line */
extern const char sb_program_examples[];    /* ready lines */
extern const char sb_program_exit_status[]; /* ready lines */
extern const char *const sb_manual_introduction[];
extern const sb_manual_item sb_manual_files[], sb_manual_environment[];

/* Of the configuration file. */
extern const char *const sb_manual_config_introduction[];
extern const sb_manual_item sb_manual_values[], sb_manual_engine_keys[], sb_manual_when_keys[];
extern const char sb_manual_config_example[];

/* --- scdoc ---------------------------------------------------------------------------- */

/* @p text without any meaning to scdoc. */
void sb_scdoc_text(sb_buf *out, const char *text);
/* A line each of @p text as it is, without the indent that all lines have. */
void sb_scdoc_literal(sb_buf *out, const char *text);
void sb_scdoc_paragraphs(sb_buf *out, const char *const *texts);
void sb_scdoc_items(sb_buf *out, const sb_manual_item *items);

/* The body of scanbridge.yaml(5), behind its title. */
void sb_manual_config(sb_buf *out);

#endif
