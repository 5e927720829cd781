/* SPDX-License-Identifier: MIT */
/* Rules that let released content pass from now on, kept in the data directory. */
#ifndef SB_SCAN_RELEASES_H
#define SB_SCAN_RELEASES_H

#include "quarantine/quarantine.h"

/*
 * Add a rule that allows exactly the content of @p record, to its tenant if it has one. Durable
 * when it returns; *added false: it was there already. Any number of processes may do it at once;
 * managers that are open already don't see it.
 */
int sb_releases_add(const char *data_dir, const sb_quarantine_record *record, const char *reason,
	bool *added, sb_error *error);

#endif
