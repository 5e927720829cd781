/* SPDX-License-Identifier: MIT */
/*
 * Generations: digests that say "whoever has the same one would judge alike".
 *
 *     engine_gen   one engine: type, settings that its verdicts depend on, identity of engine and
 *                  signatures. It keys the verdict cache; policy has no part in it.
 *     site_gen     all of them, with roles, decision and policy: what a whole answer depends on.
 *
 * Into an engine_gen go: this program's version, the engine's name, type and ABI; of its type's
 * settings those that aren't marked `operational`; `heuristics`; limits of containers, passwords,
 * whether media types are wanted; identity and its exactness. Out of it stay what only says when
 * and how the engine is asked (timeout, concurrency, retry, breaker, max_size, isolation,
 * self_test) and what is done with the answer (role, weight, veto). An address is in: behind
 * another one may be other settings that no identity tells.
 *
 * Where secrets are among it, the digest is keyed, so that it can be shown: nobody can try
 * passwords on it.
 */
#ifndef SB_SCAN_GENERATION_H
#define SB_SCAN_GENERATION_H

#include "cache/cache.h"
#include "util/buf.h"

struct sb_engine;
struct sb_manager;

typedef struct sb_generation {
	bool known; /* false: nobody knows who would judge */
	uint8_t gen[SB_GEN_SIZE];
	sb_exactness exactness;
} sb_generation;

/* All of it but the identity, once. @p keyed: with @p key. */
int sb_generation_base(struct sb_engine *engine, const uint8_t key[SB_BLAKE3_SIZE], bool keyed,
	uint8_t out[SB_GEN_SIZE], sb_error *error);
/* Secrets are among it. */
bool sb_generation_has_secrets(const struct sb_engine *engine);
void sb_generation_of(
	sb_generation *out, const uint8_t base[SB_GEN_SIZE], const sb_identity *identity);
/* A content's name is part of what was judged: the first half stays, so that whatever concerns the
 * engine as a whole finds it. */
void sb_generation_for_name(uint8_t gen[SB_GEN_SIZE], const char *name, size_t length);

#endif
