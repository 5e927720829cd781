/* SPDX-License-Identifier: MIT */
/**
 * Scanbridge: one API in front of every malware scanner.
 *
 *     sb_config *config = sb_config_new();
 *     sb_config_load_file(config, "scanbridge.yaml", error);
 *     sb_manager *manager;
 *     if (sb_manager_open(&manager, config, error) < 0) …
 *     sb_input *input = sb_input_path("upload.bin");
 *     sb_report *report;
 *     if (sb_scan(&report, manager, input, NULL, error) == 0 && sb_report_allowed(report)) …
 *
 * What a caller may rely on:
 *   - `clean` is said only with complete evidence from every required engine for exactly
 *     these bytes, and after the audit record is on stable storage;
 *   - no error ever deletes, moves or alters a file;
 *   - the library never prints, exits or aborts on input, installs no signal handler and
 *     calls nobody back from a thread of its own.
 *
 * examples/basic_scan.c is a complete program. Engine authors: <scanbridge/sys/engine.h>;
 * authors of a quarantine store: <scanbridge/sys/store.h>.
 */
#ifndef SCANBRIDGE_SCANBRIDGE_H
#define SCANBRIDGE_SCANBRIDGE_H

#include <scanbridge/types.h>
#include <scanbridge/error.h>
#include <scanbridge/context.h>
#include <scanbridge/config.h>
#include <scanbridge/manager.h>
#include <scanbridge/report.h>
#include <scanbridge/scan.h>
#include <scanbridge/quarantine.h>

#endif
