/* SPDX-License-Identifier: MIT */
/* The engines of this build: the one place that lists them. */
#ifndef SB_ENGINES_ENGINES_H
#define SB_ENGINES_ENGINES_H

#include <scanbridge/sys/engine.h>

/* NULL-terminated, in the order in which help lists them. */
extern const sb_engine_ops *const sb_builtin_engines[];

const sb_engine_ops *sb_engine_find(const char *type);

/* Types that the configuration knows and this build lacks; NULL-terminated. */
extern const char *const sb_absent_engines[];

#endif
