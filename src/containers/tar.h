/* SPDX-License-Identifier: MIT */
/*
 * Which bytes of a tar archive are headers: the members claim their own, and what is left between
 * (padding, bytes behind a directory) is nobody's. Pure but for the claims.
 */
#ifndef SB_CONTAINERS_TAR_H
#define SB_CONTAINERS_TAR_H

#include "containers/reader.h"

/* Of the archive at the beginning of @p level, up to @p to. */
void sb_tar_claim(const sb_level *level, uint64_t to);

#endif
