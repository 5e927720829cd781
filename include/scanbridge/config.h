/* SPDX-License-Identifier: MIT */
/**
 * A configuration under construction: from a file, from text, or built call by call.
 * All three write the same document and are checked by the same settings table, so
 * whatever scanbridge.yaml(5) describes can be set from a program too.
 *
 * Threads: one thread at a time. A manager takes what it needs when it is opened; the
 * configuration may be freed or changed afterwards without effect on it.
 */
#ifndef SCANBRIDGE_CONFIG_H
#define SCANBRIDGE_CONFIG_H

#include <scanbridge/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_config sb_config;
struct sb_engine_ops;
struct sb_store_ops;

/** The built-in defaults; NULL when there is no memory. */
SB_API sb_config *sb_config_new(void);
SB_API void sb_config_free(sb_config *config);

/**
 * Read a YAML (or JSON) file or text. Keys it sets replace earlier values. Errors are
 * -SB_KIND_NOT_CONFIGURED, with `file:line:column: ` first in the message, or
 * -SB_KIND_FILE_NOT_FOUND, -SB_KIND_IO. @p origin stands in messages for the file name.
 */
SB_API int sb_config_load_file(sb_config *config, const char *path, sb_error *error);
SB_API int sb_config_load_text(
	sb_config *config, const char *text, size_t length, const char *origin, sb_error *error);

/** Set one value by its dotted path, written as in the file:
 * `sb_config_set(config, "limits.timeout", "30s", error)`. */
SB_API int sb_config_set(sb_config *config, const char *key, const char *value, sb_error *error);

/** Append one engine, written as an item of the file's `engines` list:
 * `{name: clamav, type: clamd, address: "unix:/run/clamav/clamd.ctl"}`. */
SB_API int sb_config_add_engine(sb_config *config, const char *yaml, sb_error *error);

/** Make an engine type of your own known; @p ops must outlive every manager. */
SB_API int sb_config_register_engine(
	sb_config *config, const struct sb_engine_ops *ops, sb_error *error);

/** Keep what policy holds back in a store of your own (<scanbridge/sys/store.h>) instead of the
 * data directory; the last one registered counts. @p ops and @p data must outlive every manager and
 * quarantine; `quarantine.max_size` and `key_file` are not for it. */
SB_API int sb_config_register_store(
	sb_config *config, const struct sb_store_ops *ops, void *data, sb_error *error);

#ifdef __cplusplus
}
#endif
#endif
