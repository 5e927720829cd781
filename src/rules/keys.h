/* SPDX-License-Identifier: MIT */
/*
 * Ed25519 keys of rule bundles, by OpenSSL: PEM files as `openssl genpkey -algorithm ed25519` and
 * `openssl pkey -pubout` write them. A public key's id is the SHA-256 of its 32 bytes.
 */
#ifndef SB_RULES_KEYS_H
#define SB_RULES_KEYS_H

#include "rules/pack.h"
#include "util/error.h"

/*
 * Is the bundle signed by a key of one of the files? The files are read now: a key that is taken
 * out of the configuration is trusted no more. 0; authentication_failed for a bundle that none of
 * them has signed; not_configured for files that can't be used, those that others may write to
 * among them.
 */
int sb_rule_verify(
	const sb_pack_head *head, const char *const *files, size_t count, sb_error *error);

/* The head of a payload: made, and signed with the private key of @p file, which nobody else may
 * read. @p out holds SB_PACK_HEAD bytes and the payload behind them. */
int sb_rule_sign(uint8_t *out, size_t length, const char *file, sb_error *error);

/* A new pair: the private key into @p file, 0600, the public one into @p file.pub. Neither may be
 * there yet. @p id: the hex digits of the key's id. */
int sb_rule_make_key(const char *file, char id[2 * SB_PACK_KEY_ID + 1], sb_error *error);

#endif
