/* SPDX-License-Identifier: MIT */
/*
 * The first 512 bytes of a signature file of ClamAV (.cvd, .cld, .cud): fields between colons,
 * blanks up to the end.
 *
 *   ClamAV-VDB:16 Sep 2021 08-32 -0400:26295:1974320:90:MD5:SIGNATURE:builder:1631795562
 *
 * MD5 is that of all that follows; a .cld, which freshclam has changed, has none that holds.
 */
#ifndef SB_WIRE_CVD_HEADER_H
#define SB_WIRE_CVD_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include <scanbridge/types.h>

enum { SB_CVD_HEADER = 512 };

typedef struct sb_cvd_header {
	uint64_t version, signatures, level;
	char made[48];      /* as its maker wrote it; printable */
	bool has_digest;    /* 32 hex digits stood there */
	uint8_t digest[16]; /* MD5 */
	int64_t time;       /* seconds since the epoch; 0: not told */
} sb_cvd_header;

/* False: these bytes (exactly SB_CVD_HEADER) are no such header. */
bool sb_cvd_header_parse(const void *data, size_t length, sb_cvd_header *out);

#endif
