/* SPDX-License-Identifier: MIT */
/* What --help and the manual say beside the tables, written by hand. */
#include "cli/manual.h"

#include <stddef.h>

const char sb_program_summary[] =
	"One door in front of every malware scanner: asks the configured engines, decides once, "
	"applies policy, and records it before it tells you.";

const char sb_program_examples[] =
	"  scanbridge scan ~/Downloads          scan a folder\n"
	"  scanbridge engines --check           are the engines doing their work?\n"
	"  scanbridge audit verify              has anybody touched the records?\n";

const char sb_program_exit_status[] = "  0    fine\n"
				      "  1    something was found, failed a check or was refused\n"
				      "  2    the command could not run\n";

const char *const sb_manual_introduction[] = {
	"Scanbridge shows a file to the engines of its configuration, makes one decision from what "
	"they proved, lets policy turn it into an action, writes both to a chained log, and only "
	"then tells.",
	"There are four outcomes: clean, infected, suspicious and error. Clean is said only with "
	"positive, complete evidence from every required engine for exactly these bytes, and when "
	"the record of it is on disk. A timeout, a limit or an odd reply is an error, and an error "
	"is never clean. No error deletes, moves or alters a file.",
	"There are five actions, from the mildest: allow, allow_with_warning, "
	"require_manual_review, quarantine and block. The first two allow the file.",
	NULL,
};

const sb_manual_item sb_manual_files[] = {
	{"/etc/scanbridge/scanbridge.yaml",
		"The configuration, see scanbridge.yaml(5), when neither --config nor "
		"$SCANBRIDGE_CONFIG nor $XDG_CONFIG_HOME/scanbridge/scanbridge.yaml is there."},
	{"/var/lib/scanbridge",
		"The data directory of root; of others $XDG_DATA_HOME/scanbridge. Only its owner "
		"may look inside."},
	{"audit.jsonl", "In the data directory: the audit log, one JSON object a line."},
	{"watch.sqlite",
		"In the data directory: what scanbridge-watch(1) has judged. Without it everything "
		"is judged once more."},
	{NULL},
};

const sb_manual_item sb_manual_environment[] = {
	{"SCANBRIDGE_CONFIG", "The configuration file, when --config is not given."},
	{"XDG_CONFIG_HOME", "Where a person's configuration is; default ~/.config."},
	{"XDG_DATA_HOME", "Where a person's data is; default ~/.local/share."},
	{"NO_COLOR", "No colours, if it is set and not empty."},
	{"TERM", "No colours on a terminal that is dumb."},
	{"NOTIFY_SOCKET", "Set by systemd: scanbridge-watch(1) tells there when it is ready."},
	{NULL},
};

const char *const sb_manual_config_introduction[] = {
	"A YAML 1.2 file. It is looked for in --config, $SCANBRIDGE_CONFIG, "
	"$XDG_CONFIG_HOME/scanbridge/scanbridge.yaml and /etc/scanbridge/scanbridge.yaml; without "
	"any of them the defaults hold.",
	"Unknown keys, keys given twice and values out of range are errors, told with file, line "
	"and column. What asks for a part that is not built is refused. scanbridge config check "
	"looks for mistakes, config show prints what holds, config init writes a starter file.",
	"In the core schema of YAML 1.2 off, on, yes and no are text, and 010 is the number 10: "
	"quote what has to stay text, such as the mode \"0660\".",
	NULL,
};

const sb_manual_item sb_manual_values[] = {
	{"SIZE", "Bytes, or a number with KiB, MiB or GiB: 25MiB."},
	{"DURATION",
		"A number with its unit, ms, s, m, h or d: 90s. Where 0 is possible, off too."},
	{"PATH", "Relative ones start at the folder of the configuration file; audit.file at the "
		 "data directory."},
	{"LIST", "Several values in brackets, or one without."},
	{NULL},
};

/* What the table of engine keys can't say in a row. */
const sb_manual_item sb_manual_engine_keys[] = {
	{"on_open", "What an open breaker means. fail_closed (default): the engine's error "
		    "circuit_open, which of a required engine is the scan's. fail_open: the same "
		    "error, but the engine counts as optional meanwhile; nothing becomes clean by "
		    "it. {fallback: NAME}: that engine answers in its place, also after other "
		    "failures (see fallback_on)."},
	{NULL},
};

/* Conditions that hold others, or keys of one's own. */
const sb_manual_item sb_manual_when_keys[] = {
	{"metadata", "A map: every key of it stands in the scan's metadata with a value that "
		     "matches a pattern, or one of a list; case counts."},
	{"container", "A map, see below."},
	{"time", "A window or a list of windows, see below."},
	{"all", "A list of conditions that all hold."},
	{"any", "A list of conditions of which one holds."},
	{"not", "Conditions that do not hold; of a list, none does."},
	{NULL},
};

const char sb_manual_config_example[] =
	"  limits: {max_size: 1GiB, timeout: 120s}\n"
	"  engines:\n"
	"    - name: clamav\n"
	"      type: clamd\n"
	"      address: unix:/run/clamav/clamd.ctl\n"
	"    - {name: lists, type: hashlist, block: bad-hashes.txt}\n"
	"  policy:\n"
	"    preset: default\n"
	"    rules:\n"
	"      - id: locked-archives\n"
	"        when: {error_kind: encrypted}\n"
	"        then: {action: require_manual_review, reason: nobody could look inside}\n";
