/* SPDX-License-Identifier: MIT */
/* The body of sb_error, so that our own code can keep one on the stack or in a result. */
#ifndef SB_UTIL_ERROR_H
#define SB_UTIL_ERROR_H

#include <scanbridge/error.h>

struct sb_error {
	sb_kind kind;
	int sys_errno;
	int64_t retry_after_ms;
	char engine[64];
	char message[1024];
};

/* Cheaper than zeroing the whole of it. */
static inline void sb_error_init(sb_error *error)
{
	error->kind = SB_KIND_NONE;
	error->sys_errno = 0;
	error->retry_after_ms = -1;
	error->engine[0] = error->message[0] = '\0';
}

/* Out of memory has an error that needs no memory. */
int sb_error_no_memory(sb_error *error);

#endif
