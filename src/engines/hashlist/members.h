/* SPDX-License-Identifier: MIT */
/* The members of containers, looked up in a block list by a worker. Without a worker in the build
 * (no_members.c) there is never an opener. */
#ifndef SB_ENGINES_HASHLIST_MEMBERS_H
#define SB_ENGINES_HASHLIST_MEMBERS_H

#include "worker/bundle.h"

typedef struct sb_members sb_members;

/* @p entries: sorted by digest; copied. *out stays NULL where there is no worker in the build. */
int sb_members_open(sb_members **out, const sb_bundle_digest *entries, size_t count,
	const sb_environment *environment, sb_error *error);
void sb_members_close(sb_members *members);

/* 1: members are on the list, stated as infected; 0: none is, as far as the content could be
 * opened; -kind: the worker failed. */
int sb_members_look(sb_members *members, sb_call *call, sb_error *error);

#endif
