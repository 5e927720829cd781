/* SPDX-License-Identifier: MIT */
/*
 * The rule bundles that a data directory holds: rules/NAME/VERSION is a bundle as it came, whose
 * signature is looked at whenever it is read, and rules/NAME/current says which one is in use and
 * which was the highest ever. Nothing is unpacked, so nothing can end up anywhere else.
 *
 * Readers take no lock: `current` is replaced by rename, and what it names is whole and durable
 * before. Whoever changes something holds the lock of the folder `rules`.
 */
#ifndef SB_RULES_SHELF_H
#define SB_RULES_SHELF_H

#include "rules/keys.h"

enum { SB_SHELF_KEPT = 4 }; /* versions of a bundle: the one in use, and three others at most */

/* A bundle in memory, its signature good. */
typedef struct sb_shelved {
	sb_pack_head head;
	sb_pack pack;
	char *bytes;
	size_t length;
} sb_shelved;

/* From a file of anybody's; @p name stands in messages. */
int sb_shelf_read(sb_shelved *out, int dir, const char *path, const char *name,
	const char *const *keys, size_t key_count, sb_error *error);
void sb_shelf_done(sb_shelved *shelved);

/* A version of a bundle, 0: the one in use. Fails with not_configured where there is none. */
int sb_shelf_open(sb_shelved *out, const char *data_dir, const char *name, uint64_t version,
	const char *const *keys, size_t key_count, sb_error *error);

typedef struct sb_shelf_state {
	uint64_t current, highest; /* 0: none was ever in use */
} sb_shelf_state;

/* Ascending; more than there are kept by whatever accident are not told of. */
typedef struct sb_shelf_versions {
	uint64_t list[64];
	size_t count;
} sb_shelf_versions;

int sb_shelf_look(sb_shelf_state *state, sb_shelf_versions *versions, const char *data_dir,
	const char *name, sb_error *error);
/* Names of all bundles, sorted, to be freed one by one and as a whole. */
int sb_shelf_names(char ***names, size_t *count, const char *data_dir, sb_error *error);

/* --- Changing it ------------------------------------------------------------------------------ */

typedef struct sb_shelf {
	int root, dir;               /* `rules`, locked; the bundle's folder */
	const char *data_dir, *name; /* not ours */
} sb_shelf;

/* Lock, and the folder of bundle @p name, made if need be; both names have to live as long. What a
 * dead process has left there is cleared away: temporary files, and versions above the highest that
 * was ever in use. */
int sb_shelf_lock(sb_shelf *shelf, const char *data_dir, const char *name, sb_error *error);
void sb_shelf_unlock(sb_shelf *shelf);
/* Durable when it returns, and not in use yet. */
int sb_shelf_put(sb_shelf *shelf, const sb_shelved *shelved, sb_error *error);
/* Unless it is in use, or nobody can tell. */
void sb_shelf_drop(sb_shelf *shelf, uint64_t version);
/* From now on, and after a crash, @p state holds; then versions that are too many are removed, the
 * lowest first. On failure what held before still does. */
int sb_shelf_switch(sb_shelf *shelf, const sb_shelf_state *state, sb_error *error);

#endif
