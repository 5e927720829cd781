/* SPDX-License-Identifier: MIT */
/*
 * Compressed streams that libarchive does not read to the letter: gzip (sums, fields of the
 * header), LZMA without a container (its end, several in a row), compress(1).
 */
#ifndef SB_CONTAINERS_STREAM_H
#define SB_CONTAINERS_STREAM_H

#include "containers/reader.h"

/* Whether @p type is one of them. */
bool sb_stream_knows(const char *type);
/* Streams in a row become one member. *@p larger: it would be larger than a member may be, but is
 * a tar or cpio archive, to be read as it unpacks; nothing was handed over. */
int sb_stream_read(
	sb_walk *walk, const sb_level *level, sb_likeness likeness, const char *name, bool *larger);

#endif
