/* SPDX-License-Identifier: MIT */
/* For tests: an audit log on a disk that fails when it is told to. */
#ifndef SB_AUDIT_AUDIT_OWN_H
#define SB_AUDIT_AUDIT_OWN_H

#include "audit/audit.h"
#include "audit/file.h"

int sb_audit_open_with(sb_audit **out, const sb_audit_options *options, const sb_audit_io *io,
	sb_audit_recovery *recovery, sb_error *error);

#endif
