/* SPDX-License-Identifier: MIT */
/*
 * A manager's verdict cache, and who asks right now (flights). Opened by a thread of its own while
 * the engines are: the first scan finds it ready, and none that needs no cache waits for it.
 */
#ifndef SB_SCAN_VERDICTS_H
#define SB_SCAN_VERDICTS_H

#include "cache/flights.h"

struct sb_manager;

typedef struct sb_verdicts sb_verdicts;

/* Of the manager's configuration and crew of askers; *out stays NULL where the cache is off. */
int sb_verdicts_open(sb_verdicts **out, struct sb_manager *manager, sb_error *error);
/* After the last call, and after the askers. Writes what is still to be written. NULL is fine. */
void sb_verdicts_close(sb_verdicts *verdicts);

/* Ready to be used; NULL: it could not be opened. May wait for the opening: milliseconds. */
sb_cache *sb_verdicts_cache(sb_verdicts *verdicts);
sb_flights *sb_verdicts_flights(sb_verdicts *verdicts);
/* Why less is remembered than should be, into @p out; false when all is well. */
bool sb_verdicts_problem(sb_verdicts *verdicts, char *out, size_t room);

#endif
