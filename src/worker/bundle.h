/* SPDX-License-Identifier: MIT */
/*
 * What a zygote is made of: rule sources, digests, limits, in one sealed memory file; or, where a
 * plugin judges, its settings and environment (its code is a sealed file of its own). The host
 * reads the files, because the zygote can't: it has no rights and no file system. So an include
 * is found only among what the host packed, and what the host packs is confined to the folder
 * that was configured.
 *
 * The digest over everything that decides a verdict is the rule set's identity.
 */
#ifndef SB_WORKER_BUNDLE_H
#define SB_WORKER_BUNDLE_H

#include "containers/containers.h"
#include "plugin/load.h"
#include "util/buf.h"
#include "util/hash.h"

enum {
	SB_BUNDLE_SOURCES = 20000,           /* rule files in one set */
	SB_BUNDLE_BYTES = 512 * 1024 * 1024, /* of all of them, and of digests */
	SB_CANARY_SIZE = 32,
};

/* Fixed part, at offset 0. Made by the host, trusted by the zygote. */
typedef struct sb_bundle_head {
	char magic[8];
	uint32_t protocol; /* SB_WORKER_PROTOCOL: of the same build? */
	uint32_t sandbox;  /* the zygote refuses to start without one */
	uint64_t memory;   /* bytes a worker may take */
	uint32_t plugin;   /* a plugin judges: there are no sources */
	uint32_t reserved;
	sb_container_limits limits;
	char canary[SB_CANARY_SIZE + 1]; /* content that begins with it is a detection */
	uint64_t sources, digests;       /* number */
	uint64_t sources_at, digests_at; /* offsets */
	uint64_t length;                 /* of everything */
} sb_bundle_head;

/* Grows with the layout of bundle, channel and messages. */
enum { SB_WORKER_PROTOCOL = 3 };

/* One rule file: head, name and text, each with a NUL. */
typedef struct sb_bundle_source {
	uint32_t name_length, text_length;
	uint32_t root;     /* of the folder or file that was configured: includes stay in it */
	uint32_t compiled; /* a rule file; else only to be included */
} sb_bundle_source;

/* One digest of a block list. `kinds` as hash lists have them: bit per sb_digest. */
typedef struct sb_bundle_digest {
	uint8_t digest[32]; /* shorter ones are filled up with zeros */
	uint8_t kinds;
} sb_bundle_digest;

/* --- Host ------------------------------------------------------------------------------- */

typedef struct sb_bundle {
	sb_buf text; /* the sources */
	uint64_t sources;
	unsigned compiled;
	uint32_t roots;
	const sb_bundle_digest *digests; /* the caller's, sorted by digest */
	size_t digest_count;
	char identity[2 * SB_BLAKE3_SIZE + 1]; /* by sb_bundle_seal() */
	int plugin; /* the caller's: sealed copy of a plugin; -1: rules judge */
} sb_bundle;

void sb_bundle_init(sb_bundle *bundle);
void sb_bundle_done(sb_bundle *bundle);
/* A rule file, or all `*.yar` and `*.yara` below a folder, in the order of their names. Their
 * includes are packed as well, from the file's own folder or the configured one and below, never
 * through a link out of it. Fails with not_configured, naming the file. */
int sb_bundle_add_rules(sb_bundle *bundle, const char *path, sb_error *error);
/* A rule source from memory. */
int sb_bundle_add_text(
	sb_bundle *bundle, const char *name, const char *text, size_t length, sb_error *error);
/* A plugin instead of rules. */
void sb_bundle_set_plugin(sb_bundle *bundle, const sb_plugin_order *order);
/* Sources from memory that may include each other, by names below a root of their own; those that
 * are not compiled are only included. */
uint32_t sb_bundle_new_root(sb_bundle *bundle);
int sb_bundle_add_source(sb_bundle *bundle, uint32_t root, const char *name, const char *text,
	size_t length, bool compiled, sb_error *error);
/* Everything into a sealed memory file: its descriptor, or -kind. @p head: magic, counts and
 * offsets are filled in here. */
int sb_bundle_seal(sb_bundle *bundle, sb_bundle_head *head, sb_error *error);

/* --- Both sides --------------------------------------------------------------------------- */

/* Names that @p text includes, one after the other: `include "name"` outside of comments and
 * strings. *at is where to go on, 0 first; NULL at the end. The name is not terminated. */
const char *sb_bundle_next_include(
	const char *text, size_t length, size_t *at, size_t *name_length);
/* `a/b/file.yar` including `../c.yar` is `a/c.yar`: the name, allocated; NULL when it leads out
 * of the root, is absolute, or there is no memory. */
char *sb_bundle_resolve(const char *from, const char *include, size_t length);

/* --- Zygote ------------------------------------------------------------------------------- */

typedef struct sb_source_view {
	const char *name, *text;
	size_t text_length;
	uint32_t root;
	bool compiled;
} sb_source_view;

/* The head, if @p data is a whole bundle of this protocol; else NULL. */
const sb_bundle_head *sb_bundle_check(const void *data, size_t length);
/* The sources one after the other; *at is 0 first. False at the end. */
bool sb_bundle_next_source(const sb_bundle_head *head, uint64_t *at, sb_source_view *out);
bool sb_bundle_find(
	const sb_bundle_head *head, uint32_t root, const char *name, sb_source_view *out);
const sb_bundle_digest *sb_bundle_digests(const sb_bundle_head *head, size_t *count);
/* The plugin's order as it was given, with @p fd; false: there is none. */
bool sb_bundle_plugin(const sb_bundle_head *head, int fd, sb_plugin_order *out);

#endif
