/* SPDX-License-Identifier: MIT */
/* The list of engines; meson.build says which of them are built in. */
#include "engines/engines.h"

#include <string.h>

#include "engines_config.h"

#ifdef SB_HAVE_CLAMD
extern const sb_engine_ops sb_engine_clamd;
#endif
#ifdef SB_HAVE_COMMAND
extern const sb_engine_ops sb_engine_command;
#endif
#ifdef SB_HAVE_HASHLIST
extern const sb_engine_ops sb_engine_hashlist;
#endif
#ifdef SB_HAVE_ICAP
extern const sb_engine_ops sb_engine_icap;
#endif
#ifdef SB_HAVE_MOCK
extern const sb_engine_ops sb_engine_mock;
#endif

#ifdef SB_HAVE_VIRUSTOTAL
extern const sb_engine_ops sb_engine_virustotal;
#endif
#ifdef SB_HAVE_YARA
extern const sb_engine_ops sb_engine_yara;
#endif

#ifdef SB_HAVE_PLUGIN
extern const sb_engine_ops sb_engine_plugin;
#endif

const sb_engine_ops *const sb_builtin_engines[] = {
#ifdef SB_HAVE_YARA
	&sb_engine_yara,
#endif
#ifdef SB_HAVE_CLAMD
	&sb_engine_clamd,
#endif
#ifdef SB_HAVE_ICAP
	&sb_engine_icap,
#endif
#ifdef SB_HAVE_COMMAND
	&sb_engine_command,
#endif
#ifdef SB_HAVE_VIRUSTOTAL
	&sb_engine_virustotal,
#endif
#ifdef SB_HAVE_HASHLIST
	&sb_engine_hashlist,
#endif
#ifdef SB_HAVE_MOCK
	&sb_engine_mock,
#endif
#ifdef SB_HAVE_PLUGIN
	&sb_engine_plugin,
#endif
	NULL,
};

const char *const sb_absent_engines[] = {
#ifndef SB_HAVE_CLAMD
	"clamd",
#endif
#ifndef SB_HAVE_COMMAND
	"command",
#endif
#ifndef SB_HAVE_HASHLIST
	"hashlist",
#endif
#ifndef SB_HAVE_ICAP
	"icap",
#endif
#ifndef SB_HAVE_MOCK
	"mock",
#endif
#ifndef SB_HAVE_VIRUSTOTAL
	"virustotal",
#endif
#ifndef SB_HAVE_YARA
	"yara",
#endif
#ifndef SB_HAVE_PLUGIN
	"plugin",
#endif
	NULL,
};

const sb_engine_ops *sb_engine_find(const char *type)
{
	for (size_t i = 0; sb_builtin_engines[i] != NULL; i++)
		if (strcmp(sb_builtin_engines[i]->name, type) == 0)
			return sb_builtin_engines[i];
	return NULL;
}
