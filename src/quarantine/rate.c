/* SPDX-License-Identifier: MIT */
/*
 * How many originals may go in an hour, over all processes and restarts: counted by minutes, so
 * that a bad signature that hits half of a disk is stopped, and somebody looks. A clock that was
 * set back finds its counts in the future: they count, rather than none.
 */
#include <inttypes.h>

#include "quarantine/index.h"

enum { MINUTES = 60 };

sb_quarantine_status sb_index_take_removal(
	sb_index *index, uint64_t now, uint64_t max, sb_error *error)
{
	int64_t minute = (int64_t)(now / (UINT64_C(60) * 1000000000)), count = 0;
	sb_quarantine_status status;

	if (max == 0)
		return SB_Q_OK;
	status = sb_index_run(index, error, NULL, NULL, "DELETE FROM rate WHERE minute <= ?", "i",
		minute - MINUTES);
	if (status == SB_Q_OK)
		status = sb_index_run(index, error, sb_index_number, &count,
			"SELECT coalesce(sum(count), 0) FROM rate", "");
	if (status == SB_Q_OK && (uint64_t)count >= max) {
		sb_quarantine_fail(error, SB_Q_RATE, 0,
			"quarantine: %" PRIu64 " originals were removed within the hour "
			"(max_per_hour): the others stay where they are until somebody has looked",
			max);
		sb_error_set_retry_after_ms(error, INT64_C(60000));
		return SB_Q_RATE;
	}
	if (status == SB_Q_OK)
		status = sb_index_run(index, error, NULL, NULL,
			"INSERT INTO rate VALUES(?, 1) ON CONFLICT(minute) DO UPDATE SET"
			" count = count + 1",
			"i", minute);
	return status;
}
