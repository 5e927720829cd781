/* SPDX-License-Identifier: MIT */
/* Office documents: what their parts say about them. */
#ifndef SB_CONTAINERS_OFFICE_H
#define SB_CONTAINERS_OFFICE_H

#include "containers/reader.h"

extern const sb_reader_ops sb_reader_rtf;  /* rtf.c */
extern const sb_reader_ops sb_reader_flat; /* flat.c: documents that are one XML text */

/* Look at a member of a zip, which may be OOXML or ODF: sets facts, and the problem `encrypted`
 * for ODF's own encryption. By its name first, so cheap for all others. @p level: the zip. */
void sb_office_member(
	sb_walk *walk, const sb_level *level, const char *name, const uint8_t *data, size_t size);

/* An OLE package (Ole10Native, or the same in RTF, both without the length in front): hands over
 * the file in it under its label. False when it is none; *result: 0, or negative to pass up. */
bool sb_office_package(
	sb_walk *walk, const sb_level *level, const uint8_t *data, size_t size, int *result);

#endif
