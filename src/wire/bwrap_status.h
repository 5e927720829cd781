/* SPDX-License-Identifier: MIT */
/*
 * What bubblewrap tells on `--json-status-fd`: JSON objects, one a line, of which the last one has
 * the program's exit status once it was started and has ended. Without it nobody knows: its own
 * exit status may be that of bubblewrap's failure. Pure: bytes in, status out.
 */
#ifndef SB_WIRE_BWRAP_STATUS_H
#define SB_WIRE_BWRAP_STATUS_H

#include <stddef.h>

/* 0 to 255, or -1. */
int sb_bwrap_status(const char *text, size_t length);

#endif
