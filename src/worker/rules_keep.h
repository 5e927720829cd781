/* SPDX-License-Identifier: MIT */
/*
 * Compiled rules in a file, so that the next start need not compile them: libyara takes most of a
 * start for that. Only the zygote writes such a file, before it has seen any content, and only the
 * host hands one over, after it has proved that nobody changed it (worker/compiled.h): compiled
 * rules are code for libyara's virtual machine.
 *
 * The file begins with a stamp of the library that wrote it: another one compiles anew.
 */
#ifndef SB_WORKER_RULES_KEEP_H
#define SB_WORKER_RULES_KEEP_H

#include <stdbool.h>
#include <yara.h>

/* False: nothing in it, of another library, or no memory; the caller compiles. */
bool sb_rules_load(int fd, YR_RULES **out);
/* In place of what is in the file; a failure leaves it empty. */
bool sb_rules_save(int fd, YR_RULES *rules);

#endif
