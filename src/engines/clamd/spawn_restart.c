/* SPDX-License-Identifier: MIT */
/*
 * When to start a program again. After one end at once: most of them have a cause that is over.
 * Then half a second, doubled every time, up to a minute. A minute of life makes all good.
 */
#include "engines/clamd/spawn.h"

#include "util/clock.h"

#define FIRST_WAIT (500 * SB_MS)
#define LONGEST_WAIT (60000 * SB_MS)
#define GOOD_LIFE (60000 * SB_MS)

enum { HOPELESS = 3, DOUBLINGS = 7 };

void sb_restart_up(sb_restart *restart, uint64_t now)
{
	restart->up_since = now;
	restart->stillborn = 0;
}

void sb_restart_ended(sb_restart *restart, uint64_t now)
{
	uint64_t wait = 0;

	if (restart->up_since != 0 && now - restart->up_since >= GOOD_LIFE)
		restart->failures = 0;
	if (restart->up_since == 0 && restart->stillborn < UINT32_MAX)
		restart->stillborn++;
	restart->up_since = 0;
	if (restart->failures < UINT32_MAX)
		restart->failures++;
	if (restart->failures > DOUBLINGS + 1)
		wait = LONGEST_WAIT;
	else if (restart->failures > 1)
		wait = FIRST_WAIT << (restart->failures - 2);
	restart->due = now + (wait < LONGEST_WAIT ? wait : LONGEST_WAIT);
}

bool sb_restart_hopeless(const sb_restart *restart)
{
	return restart->stillborn >= HOPELESS;
}
