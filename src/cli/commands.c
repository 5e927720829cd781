/* SPDX-License-Identifier: MIT */
/* The table of commands, and the little that is needed to walk along it. */
#include "cli/commands.h"

#include <stdlib.h>
#include <string.h>

#include "cli/settings.h"
#include "cli/log.h"
#include "cli/manual.h"
#include "cli/quarantine.h"
#include "cli/quarantine_commands.h"
#include "config/config.h"
#include "util/text.h"

const sb_option sb_global_options[] = {
	{"config", 0, SB_OPTION_TEXT, "FILE", offsetof(sb_globals, config),
		"read this configuration (default: $SCANBRIDGE_CONFIG, "
		"$XDG_CONFIG_HOME/scanbridge/scanbridge.yaml, /etc/scanbridge/scanbridge.yaml, "
		"else built-in defaults)"},
	{"data-dir", 0, SB_OPTION_TEXT, "DIR", offsetof(sb_globals, data_dir),
		"where the audit log and other data live"},
	{"log-level", 0, SB_OPTION_CHOICE, "LEVEL", offsetof(sb_globals, log_level),
		"error, warn (default), info or debug", sb_log_levels},
	{"log-format", 0, SB_OPTION_CHOICE, "FORMAT", offsetof(sb_globals, log_format),
		"text (default) or json, on standard error", sb_log_formats},
	{"version", 'V', SB_OPTION_YES, NULL, offsetof(sb_globals, version),
		"print the version, engines and features of this build"},
	{NULL},
};

#define SB_QUARANTINE_EXIT                                                                         \
	"  0    fine\n"                                                                            \
	"  1    refused, damaged, or there is no such object\n"                                    \
	"  2    the command could not run\n"

#define SB_RULES_EXIT                                                                              \
	"  0    fine\n"                                                                            \
	"  1    refused: nothing has changed\n"                                                    \
	"  2    the command could not run\n"

const sb_command sb_commands[] = {
	{.name = "scan",
		.synopsis = "[OPTIONS] PATH...\n[OPTIONS] -",
		.summary = "scan files, directories or standard input",
		.description =
			"Every PATH is scanned, directories with all that is below them; - is "
			"standard input. A line is printed for every file that is not simply "
			"clean, "
			"a summary on standard error at the end. A verdict is printed only after "
			"its audit record is on disk. Symbolic links are followed when they are "
			"named, never inside a directory; a file with several names is scanned "
			"once; kernel file systems and the data directory are left out.",
		.options = sb_scan_cli_options,
		.options_size = sizeof(sb_scan_settings),
		.max_words = UINT32_MAX,
		.examples = "  scanbridge scan ~/Downloads\n"
			    "  scanbridge scan --json --exclude '*.iso' /srv > reports.ndjson\n"
			    "  curl -s https://example.org/file | scanbridge scan --name file -\n"
			    "  find /srv -newer stamp -print0 | scanbridge scan --file-list - -0\n",
		.exit_status =
			"  0    policy allows every file\n"
			"  1    at least one file was judged and is not allowed\n"
			"  2    none of those, but something could not be scanned or opened,\n"
			"       or the command could not run\n"
			"  130  interrupted; the summary tells how far it got\n",
		.run = sb_cmd_scan},
	{.name = "watch",
		.synopsis = "[OPTIONS] FOLDER...",
		.summary = "scan what arrives in folders, until it is told to stop",
		.description =
			"Every FOLDER is watched with all folders below it, new ones too. A file "
			"is scanned when it was closed after writing or moved in and has been "
			"quiet for a while, and again when it changed; what is there already is "
			"scanned first, except what was judged before with the same "
			"configuration. A file that stays open without being written to is "
			"scanned after 10 s. When engines fail, files stay pending and are tried "
			"again after 1 s, 2 s, and so on up to 5 min. When events are lost, "
			"everything is looked through again. A folder that goes away is watched "
			"again when it is back. Output is that of `scan`; links, special files, "
			"kernel file systems and the data directory are left out. SIGHUP reads "
			"configuration and rules anew: they take over when every engine that is "
			"new "
			"or changed has passed its known-answer test and leaves benign content "
			"alone, else all stays as it was; what was judged by another configuration "
			"is judged again. SIGTERM and "
			"SIGINT let scans end, for up to 5 s, and print the summary.",
		.options = sb_watch_cli_options,
		.options_size = sizeof(sb_watch_settings),
		.min_words = 1,
		.max_words = UINT32_MAX,
		.examples = "  scanbridge watch --exclude '*.part' /srv/incoming\n"
			    "  scanbridge watch --json --quiet /srv/incoming | your-program\n",
		.exit_status = "  0    ended by SIGTERM\n"
			       "  2    the command could not run, or not go on\n"
			       "  130  ended by SIGINT\n",
		.run = sb_cmd_watch},
	{.name = "engines",
		.synopsis = "[--check] [--json]",
		.summary = "show the engines and how they are",
		.description =
			"Asks every configured engine who it is. --check also lets each one judge "
			"harmless content and the EICAR test file, and tells what to change when "
			"an answer is not what it has to be; the result is kept for later scans.",
		.options = sb_engines_options,
		.options_size = sizeof(sb_engines_settings),
		.exit_status = "  0    fine\n"
			       "  1    --check: a required engine failed\n"
			       "  2    the command could not run\n",
		.run = sb_cmd_engines},
	{.name = "audit verify",
		.synopsis = "[OPTIONS] [FILE]",
		.summary = "check the audit log's chain; name the first bad record",
		.description = "FILE is by default the audit log of the configuration.",
		.options = sb_audit_verify_options,
		.max_words = 1,
		.exit_status = "  0    consistent\n"
			       "  1    not consistent: altered, cut or torn\n"
			       "  2    the file could not be read\n",
		.run = sb_cmd_audit_verify},
	{.name = "audit show",
		.synopsis = "[OPTIONS] [FILE]",
		.summary = "print audit records for people",
		.options = sb_audit_show_options,
		.options_size = sizeof(sb_audit_show_settings),
		.max_words = 1,
		.run = sb_cmd_audit_show},
	{.name = "audit export",
		.synopsis = "[OPTIONS] [FILE]",
		.summary = "print audit records as events for other systems",
		.description =
			"Scans become Scan Activity (6007), detections also Detection Finding "
			"(2004), what happens in quarantine File Remediation Activity (7002). The "
			"decision of policy stands in the events of its scan. Records of the log's "
			"own have no event. The same log always gives the same events.",
		.options = sb_audit_export_options,
		.options_size = sizeof(sb_audit_export_settings),
		.max_words = 1,
		.examples = "  scanbridge audit export --format ocsf > events.ndjson\n"
			    "  scanbridge audit export --after 4711 | send-to-siem\n",
		.exit_status = "  0    fine\n"
			       "  1    a line is no record; the others were exported\n"
			       "  2    the file could not be read\n",
		.run = sb_cmd_audit_export},
	{.name = "config check",
		.synopsis = "[FILE]",
		.summary = "check a configuration; errors come with file, line and column",
		.max_words = 1,
		.exit_status = "  0    fine\n"
			       "  1    there is an error in it\n"
			       "  2    the file could not be read\n",
		.run = sb_cmd_config_check},
	{.name = "config show",
		.synopsis = "",
		.summary = "print the effective configuration, defaults included",
		.run = sb_cmd_config_show},
	{.name = "config init",
		.synopsis = "[FILE]",
		.summary = "write a commented starter file",
		.description = "Without FILE it is printed. A file that exists is never replaced.",
		.max_words = 1,
		.run = sb_cmd_config_init},
	{.name = "policy check",
		.synopsis = "[--json] FILE",
		.summary = "check a policy file and run the tests in it",
		.description =
			"Runs the file's tests, and tells of outcomes and kinds of errors that no "
			"rule handles, of rules that are never reached or have no effect, and of "
			"those that let errors pass, each with its place in the file.",
		.options = sb_policy_check_options,
		.options_size = sizeof(sb_policy_settings),
		.min_words = 1,
		.max_words = 1,
		.exit_status = "  0    fine; there may be warnings\n"
			       "  1    a test failed, or there is an error in the file\n"
			       "  2    the file could not be read\n",
		.run = sb_cmd_policy_check},
	{.name = "policy explain",
		.synopsis = "[--policy POLICY] REPORT\n[--policy POLICY] -",
		.summary = "tell why a report's action is what it is, rule by rule",
		.description =
			"REPORT is one report as `scan --json` prints it; - is standard input. "
			"Every rule up to the one that matches is shown with its conditions, those "
			"that hold (+) and those that don't (-), then the decision, and whether "
			"the report says the same.",
		.options = sb_policy_explain_options,
		.options_size = sizeof(sb_policy_settings),
		.min_words = 1,
		.max_words = 1,
		.run = sb_cmd_policy_explain},
	{.name = "policy replay",
		.synopsis = "--policy POLICY [OPTIONS] [AUDIT...]",
		.summary = "count what a candidate policy would have decided otherwise",
		.description =
			"Reads the scans of an audit log, by default that of the configuration "
			"with the files it continues, decides each again with the candidate, and "
			"counts what changes. A scan "
			"whose record lacks what the candidate looks at is told apart.",
		.options = sb_policy_replay_options,
		.options_size = sizeof(sb_policy_settings),
		.max_words = UINT32_MAX,
		.exit_status = "  0    nothing changes\n"
			       "  1    something changes\n"
			       "  2    the command could not run\n",
		.run = sb_cmd_policy_replay},
	{.name = "quarantine list",
		.synopsis = "[OPTIONS]",
		.summary = "list what is in quarantine, newest first",
		.options = sb_quarantine_list_options,
		.options_size = sizeof(sb_quarantine_settings),
		.examples =
			"  scanbridge quarantine list --state held\n"
			"  scanbridge quarantine list --json --after 2026-11-01 | jq -r .sha256\n"
			"  scanbridge quarantine list -n 100 --cursor "
			"0f6c1de2a6f94a0c8d1e2f3a4b5c6d7e\n",
		.run = sb_cmd_quarantine_list},
	{.name = "quarantine show",
		.synopsis = "[--json] ID",
		.summary = "show all that is known of an object",
		.options = sb_quarantine_show_options,
		.options_size = sizeof(sb_quarantine_settings),
		.min_words = 1,
		.max_words = 1,
		.exit_status = "  0    fine\n"
			       "  1    there is no such object, or it is damaged\n"
			       "  2    the command could not run\n",
		.run = sb_cmd_quarantine_show},
	{.name = "quarantine get",
		.synopsis = "-o FILE ID",
		.summary = "decrypt an object into a new file, as it is: for analysis",
		.description = "Nothing is scanned and nothing changes in quarantine. The file is "
			       "readable by its owner only, and there as soon as it is whole. "
			       "Who got what, and why, is on record before.",
		.options = sb_quarantine_get_options,
		.options_size = sizeof(sb_quarantine_settings),
		.min_words = 1,
		.max_words = 1,
		.exit_status = SB_QUARANTINE_EXIT,
		.run = sb_cmd_quarantine_get},
	{.name = "quarantine restore",
		.synopsis = "--to DIR [OPTIONS] ID",
		.summary = "put an object back into a folder, if it is clean by now",
		.description =
			"The content is scanned with current signatures first, and restored only "
			"if it is clean, or was released. It gets the name that it had, belongs to "
			"whoever restores it and is readable by nobody else; a file that is there "
			"is never overwritten. The object stays until it is deleted.",
		.options = sb_quarantine_restore_options,
		.options_size = sizeof(sb_quarantine_settings),
		.min_words = 1,
		.max_words = 1,
		.examples = "  scanbridge quarantine restore --to ~/restored ID\n"
			    "  scanbridge quarantine restore --to . --force --reason 'ticket 4711' "
			    "ID\n",
		.exit_status = SB_QUARANTINE_EXIT,
		.run = sb_cmd_quarantine_restore},
	{.name = "quarantine release",
		.synopsis = "[--reason TEXT] ID...",
		.summary = "let an object's content pass from now on",
		.description =
			"For a false positive: a rule that allows exactly this content, to the "
			"tenant of the object if it has one, is put before all others, into "
			"releases.yaml in the data directory. Programs that run see it when they "
			"start anew. The object can be restored then; it is not deleted.",
		.options = sb_quarantine_change_options,
		.options_size = sizeof(sb_quarantine_settings),
		.min_words = 1,
		.max_words = UINT32_MAX,
		.exit_status = SB_QUARANTINE_EXIT,
		.run = sb_cmd_quarantine_release},
	{.name = "quarantine reject",
		.synopsis = "[--reason TEXT] ID...",
		.summary = "keep what was held for a person: it is quarantined",
		.options = sb_quarantine_change_options,
		.options_size = sizeof(sb_quarantine_settings),
		.min_words = 1,
		.max_words = UINT32_MAX,
		.exit_status = SB_QUARANTINE_EXIT,
		.run = sb_cmd_quarantine_reject},
	{.name = "quarantine hold",
		.synopsis = "[--off] [--reason TEXT] ID...",
		.summary = "put an object on legal hold: retention and deletion stop",
		.options = sb_quarantine_hold_options,
		.options_size = sizeof(sb_quarantine_settings),
		.min_words = 1,
		.max_words = UINT32_MAX,
		.exit_status = SB_QUARANTINE_EXIT,
		.run = sb_cmd_quarantine_hold},
	{.name = "quarantine delete",
		.synopsis = "[--reason TEXT] ID...",
		.summary = "destroy an object, its key first",
		.options = sb_quarantine_change_options,
		.options_size = sizeof(sb_quarantine_settings),
		.min_words = 1,
		.max_words = UINT32_MAX,
		.exit_status = SB_QUARANTINE_EXIT,
		.run = sb_cmd_quarantine_delete},
	{.name = "quarantine verify",
		.synopsis = "[--json] [ID]",
		.summary = "decrypt and check one object, or all, and look for strays",
		.options = sb_quarantine_verify_options,
		.options_size = sizeof(sb_quarantine_settings),
		.max_words = 1,
		.exit_status = "  0    all are whole\n"
			       "  1    one is damaged, or something is there that does not belong\n"
			       "  2    the command could not run\n",
		.run = sb_cmd_quarantine_verify},
	{.name = "quarantine purge",
		.synopsis = "",
		.summary = "delete what retention has ended, now",
		.description = "Programs that run do it every hour. What is on legal hold stays.",
		.run = sb_cmd_quarantine_purge},
	{.name = "quarantine rebuild",
		.synopsis = "",
		.summary = "make the index anew from the objects",
		.description = "For an index that is lost or damaged; no other program may use "
			       "the quarantine meanwhile.",
		.run = sb_cmd_quarantine_rebuild},
	{.name = "quarantine rekey",
		.synopsis = "",
		.summary = "make a new key, and wrap every object's key with it",
		.description = "Interrupted, all objects stay readable: run it again. The old key "
			       "stays in the key file until no object needs it.",
		.run = sb_cmd_quarantine_rekey},
	{.name = "cache stats",
		.synopsis = "[--json]",
		.summary = "show what the verdict cache holds, and how often it was of use",
		.description =
			"Counts are those of all processes that share the data directory, since "
			"its cache was made. Only complete verdicts on content that could not "
			"change are stored; others are refused. Evictions made room on disk; what "
			"is damaged was thrown away instead of believed. A problem says why "
			"nothing is kept on disk.",
		.options = sb_cache_cli_options,
		.options_size = sizeof(sb_cache_settings),
		.run = sb_cmd_cache_stats},
	{.name = "cache lookup",
		.synopsis = "[--json] HASH",
		.summary = "show what is remembered about a content",
		.description =
			"HASH is the content's BLAKE3, as reports and `scanbridge hash` show it. A "
			"line for each verdict that still holds, newest first: one engine may have "
			"several, since each generation of its signatures has its own.",
		.options = sb_cache_cli_options,
		.options_size = sizeof(sb_cache_settings),
		.min_words = 1,
		.max_words = 1,
		.examples = "  scanbridge cache lookup \"$(scanbridge hash FILE | cut -c 1-64)\"\n",
		.exit_status = "  0    there is something\n"
			       "  1    nothing is known about it\n"
			       "  2    no such HASH can be, or the command could not run\n",
		.run = sb_cmd_cache_lookup},
	{.name = "cache forget",
		.synopsis = "HASH",
		.summary = "forget all verdicts about a content, in all processes",
		.exit_status = "  0    forgotten\n"
			       "  1    nothing was known about it\n"
			       "  2    no such HASH can be, or the command could not run\n",
		.min_words = 1,
		.max_words = 1,
		.run = sb_cmd_cache_forget},
	{.name = "cache clear",
		.synopsis = "",
		.summary = "forget all verdicts, in all processes",
		.run = sb_cmd_cache_clear},
	{.name = "setup clamav",
		.synopsis = "[--write FILE]\n--import FILE...\n--roll-back",
		.summary =
			"look for ClamAV and tell how to configure it; bring signatures in by hand",
		.description =
			"Without options it changes nothing: it prints which programs, sockets and "
			"signatures of ClamAV are here, how old they are and what would keep them "
			"from working, and a configuration that fits. --import is for machines "
			"without a network: it takes copies of main.cvd, daily.cvd and "
			"bytecode.cvd, or of signatures of your own, from another machine, checks "
			"them and puts them where a clamd of our own (spawn, without database) "
			"loads them from; one that runs notices. Nothing changes unless all of "
			"them are good. What was replaced is kept until the next import, and "
			"--roll-back brings it back.",
		.options = sb_setup_options,
		.options_size = sizeof(sb_setup_settings),
		.max_words = UINT32_MAX,
		.examples = "  scanbridge setup clamav --write scanbridge.yaml\n"
			    "  scanbridge setup clamav --import /media/usb/*.cvd\n",
		.exit_status =
			"  0    fine\n"
			"  1    no clamd was found, a file is not what it should be, or FILE "
			"is there\n"
			"  2    the command could not run\n",
		.run = sb_cmd_setup_clamav},
	{.name = "rules list",
		.synopsis = "[--json]",
		.summary = "list rule bundles, and which version is in use",
		.options = sb_rules_list_options,
		.options_size = sizeof(sb_rules_settings),
		.run = sb_cmd_rules_list},
	{.name = "rules import",
		.synopsis = "[OPTIONS] BUNDLE",
		.summary =
			"take a signed rule bundle into use, if it is newer and shows itself well",
		.description =
			"Its signature must be by one of the keys under rules.trusted_keys, and "
			"its "
			"version higher than every one that was in use. Then its rules must "
			"compile "
			"in a sandboxed worker, find their samples, and leave benign content "
			"alone: "
			"what the program makes itself, and what rules.benign and --benign name. "
			"Every import is in the audit log, refused ones too. Engines with "
			"`bundles: [NAME]` judge by it when they are opened or read their rules "
			"anew: "
			"`watch` does at SIGHUP. Three versions before it are kept.",
		.options = sb_rules_import_options,
		.options_size = sizeof(sb_rules_settings),
		.min_words = 1,
		.max_words = 1,
		.examples = "  scanbridge rules import ours-42.rules\n"
			    "  scanbridge rules import --benign /usr/share/doc ours-42.rules\n",
		.exit_status = SB_RULES_EXIT,
		.run = sb_cmd_rules_import},
	{.name = "rules rollback",
		.synopsis = "[OPTIONS] NAME",
		.summary = "go back to a version of a rule bundle that is kept",
		.description =
			"It has to show itself like a new one. Versions that were in use can't be "
			"imported again after it; --to comes back to one that is kept.",
		.options = sb_rules_rollback_options,
		.options_size = sizeof(sb_rules_settings),
		.min_words = 1,
		.max_words = 1,
		.exit_status = SB_RULES_EXIT,
		.run = sb_cmd_rules_rollback},
	{.name = "rules build",
		.synopsis = "--name NAME --key FILE -o FILE [OPTIONS] FOLDER",
		.summary = "make a signed rule bundle of a folder",
		.description =
			"All files below FOLDER come along, but hidden ones; *.yar and *.yara are "
			"rules, others are there to be included. Links are refused.",
		.options = sb_rules_build_options,
		.options_size = sizeof(sb_rules_settings),
		.min_words = 1,
		.max_words = 1,
		.examples = "  scanbridge rules build --name ours --key ours.key -o ours.rules "
			    "rules/\n",
		.run = sb_cmd_rules_build},
	{.name = "rules keygen",
		.synopsis = "-o FILE",
		.summary = "make a pair of keys to sign rule bundles with",
		.description =
			"FILE is the private key, readable by its owner only; FILE.pub is what "
			"rules.trusted_keys takes. A file that exists is never replaced. Keys "
			"are Ed25519 in PEM, as `openssl genpkey -algorithm ed25519` makes "
			"them.",
		.options = sb_rules_keygen_options,
		.options_size = sizeof(sb_rules_settings),
		.run = sb_cmd_rules_keygen},
	{.name = "hash",
		.synopsis = "[OPTIONS] FILE...",
		.summary = "print BLAKE3 digests in the format of b3sum",
		.options = sb_hash_options,
		.options_size = sizeof(sb_hash_settings),
		.min_words = 1,
		.max_words = UINT32_MAX,
		.examples = "  scanbridge hash *.iso > digests\n"
			    "  b3sum --check digests\n",
		.exit_status = "  0    fine\n"
			       "  1    a file could not be read\n"
			       "  2    the command could not run\n",
		.run = sb_cmd_hash},
	{.name = "completion",
		.synopsis = "SHELL",
		.summary = "print completions for bash, zsh or fish",
		.description = "The script makes the shell complete commands, options and their "
			       "values; installed packages bring it along.",
		.words = sb_completion_shells,
		.min_words = 1,
		.max_words = 1,
		.examples = "  . <(scanbridge completion bash)\n"
			    "  scanbridge completion zsh > ~/.zfunc/_scanbridge\n"
			    "  scanbridge completion fish > "
			    "~/.config/fish/completions/scanbridge.fish\n",
		.run = sb_cmd_completion},
	{.name = "manual",
		.synopsis = "[PAGE]",
		.summary = "print a page of the manual as the build needs it, or name all pages",
		.max_words = 1,
		.hidden = true,
		.run = sb_cmd_manual},
	{NULL},
};

/* Commands of the product that other builds have. */
static const char *const absent[] = {"serve", "doctor", "setup", "audit init", NULL};

const char sb_usual_exit_status[] = "  0    fine\n"
				    "  2    the command could not run\n";

/* --- Help --------------------------------------------------------------------------- */

static void usage_lines(sb_buf *out, const sb_command *command)
{
	const char *line = command->synopsis;
	const char *head = "Usage: ";

	do {
		size_t length = strcspn(line, "\n");
		sb_buf_printf(out, "%sscanbridge [GLOBAL OPTIONS] %s%s%.*s\n", head, command->name,
			length > 0 ? " " : "", (int)length, line);
		head = "       ";
		line += length;
	} while (*line++ == '\n');
}

static int flush_help(sb_buf *text, FILE *out)
{
	int status = SB_EXIT_OK;

	if (text->failed || fwrite(text->data, 1, text->length, out) != text->length ||
		fflush(out) != 0)
		status = SB_EXIT_FAILED;
	sb_buf_done(text);
	return status;
}

static int help_command(const sb_command *command)
{
	sb_buf text;

	sb_buf_init(&text, 65536);
	usage_lines(&text, command);
	sb_buf_char(&text, '\n');
	sb_help_wrap(&text, command->description != NULL ? command->description : command->summary,
		0, 0);
	if (command->options != NULL) {
		if (command->options[0].type != SB_OPTION_GROUP)
			sb_buf_text(&text, "\nOptions:\n");
		sb_options_help(&text, command->options);
	}
	sb_buf_printf(&text, "%s  -h, --help              this text\n",
		command->options == NULL ? "\nOptions:\n" : "");
	sb_buf_text(&text, "\nGlobal options (scanbridge --help) may stand before or after.\n");
	if (command->examples != NULL)
		sb_buf_printf(&text, "\nExamples:\n%s", command->examples);
	sb_buf_printf(&text, "\nExit status:\n%s",
		command->exit_status != NULL ? command->exit_status : sb_usual_exit_status);
	return flush_help(&text, stdout);
}

static bool is_listed(const sb_command *command, const char *group)
{
	size_t length = group != NULL ? strlen(group) : 0;

	return !command->hidden && (group == NULL || (strncmp(command->name, group, length) == 0 &&
							     command->name[length] == ' '));
}

/* One line each for all commands, or for those of a group like `audit`. */
static void command_lines(sb_buf *out, const char *group)
{
	size_t width = 0;

	for (const sb_command *c = sb_commands; c->name != NULL; c++)
		if (is_listed(c, group) && strlen(c->name) > width)
			width = strlen(c->name);
	for (const sb_command *c = sb_commands; c->name != NULL; c++) {
		size_t start = out->length;
		if (!is_listed(c, group))
			continue;
		sb_buf_printf(out, "  %s", c->name);
		sb_help_wrap(out, c->summary, width + 4, out->length - start);
	}
}

void sb_help_program(FILE *out)
{
	sb_buf text;

	sb_buf_init(&text, 65536);
	sb_buf_text(&text, "Usage: scanbridge [GLOBAL OPTIONS] COMMAND [ARGUMENTS]\n\n");
	sb_help_wrap(&text, sb_program_summary, 0, 0);
	sb_buf_text(&text, "\nCommands:\n");
	command_lines(&text, NULL);
	sb_buf_text(&text, "\nGlobal options:\n");
	sb_options_help(&text, sb_global_options);
	sb_buf_text(&text, "  -h, --help              this text; after a command, the command's\n");
	sb_buf_printf(&text, "\nExamples:\n%s\nExit status:\n%s", sb_program_examples,
		sb_program_exit_status);
	(void)flush_help(&text, out);
}

void sb_usage_short(FILE *out)
{
	sb_buf text;

	sb_buf_init(&text, 65536);
	sb_buf_text(&text, "Usage: scanbridge [GLOBAL OPTIONS] COMMAND [ARGUMENTS]\n\n");
	command_lines(&text, NULL);
	sb_buf_text(&text, "\nTry 'scanbridge --help' or 'scanbridge COMMAND --help'.\n");
	(void)flush_help(&text, out);
}

/* --- Finding a command ---------------------------------------------------------------- */

/* The row for argv[0] (and argv[1]); *words_used says how many words its name took. */
static const sb_command *find(int argc, char **argv, int *words_used)
{
	for (const sb_command *c = sb_commands; c->name != NULL; c++) {
		const char *second = strchr(c->name, ' ');
		size_t first = second != NULL ? (size_t)(second - c->name) : strlen(c->name);
		if (strlen(argv[0]) != first || strncmp(c->name, argv[0], first) != 0)
			continue;
		if (second == NULL || (argc > 1 && strcmp(second + 1, argv[1]) == 0)) {
			*words_used = second != NULL ? 2 : 1;
			return c;
		}
	}
	return NULL;
}

static bool is_group(const char *word)
{
	size_t length = strlen(word);

	for (const sb_command *c = sb_commands; c->name != NULL; c++)
		if (strncmp(c->name, word, length) == 0 && c->name[length] == ' ')
			return true;
	return false;
}

/* Said, if the command is one of those. */
static bool is_absent(const char *command)
{
	for (size_t i = 0; absent[i] != NULL; i++) {
		if (strcmp(absent[i], command) == 0) {
			sb_log(SB_LOG_ERROR, "%s is not available in this build", command);
			return true;
		}
	}
	return false;
}

static int group_without_command(const char *group, const char *word)
{
	bool help = word != NULL && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0);
	char both[64];
	sb_buf text, shown;

	if (word != NULL && snprintf(both, sizeof both, "%s %s", group, word) < (int)sizeof both &&
		is_absent(both))
		return SB_EXIT_FAILED;
	sb_buf_init(&shown, 256);
	if (word != NULL && !help) {
		sb_escape(&shown, word, strnlen(word, 60));
		sb_log(SB_LOG_ERROR, "'%s' is no %s command", shown.data != NULL ? shown.data : "",
			group);
	}
	sb_buf_done(&shown);
	sb_buf_init(&text, 65536);
	sb_buf_printf(
		&text, "Usage: scanbridge [GLOBAL OPTIONS] %s COMMAND [ARGUMENTS]\n\n", group);
	command_lines(&text, group);
	sb_buf_printf(&text, "\nTry 'scanbridge %s COMMAND --help'.\n", group);
	if (help)
		return flush_help(&text, stdout);
	(void)flush_help(&text, stderr);
	return SB_EXIT_FAILED;
}

static int unknown_command(const char *word)
{
	const char *names[64];
	const char *near;
	size_t count = 0;
	sb_buf shown;

	if (is_absent(word))
		return SB_EXIT_FAILED;
	for (const sb_command *c = sb_commands; c->name != NULL && count < 64; c++)
		if (!c->hidden)
			names[count++] = c->name;
	near = sb_suggest(word, names, count);
	sb_buf_init(&shown, 256);
	sb_escape(&shown, word, strnlen(word, 60));
	sb_log(SB_LOG_ERROR, "unknown command '%s'%s%s%s", shown.data != NULL ? shown.data : "",
		near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		near != NULL ? "'?" : "");
	sb_log(SB_LOG_ERROR, "try 'scanbridge --help'");
	sb_buf_done(&shown);
	return SB_EXIT_FAILED;
}

/* --- Running it ------------------------------------------------------------------------ */

static int usage_error(const sb_command *command, const char *message)
{
	sb_log(SB_LOG_ERROR, "%s: %s", command->name, message);
	sb_log(SB_LOG_ERROR, "try 'scanbridge %s --help'", command->name);
	return SB_EXIT_FAILED;
}

static int parse_and_run(
	const sb_command *command, sb_globals *globals, void *options, int argc, char **argv)
{
	const sb_option_set sets[] = {{command->options, options}, {sb_global_options, globals}};
	bool help = false;
	int first;
	size_t count;
	sb_error error;

	sb_error_init(&error);
	if (sb_options_parse(sets, 2, argc, argv, false, &first, &help, &error) < 0)
		return usage_error(command, sb_error_message(&error));
	if (help)
		return help_command(command);
	sb_log_setup(globals->log_level, globals->log_format == 1);
	count = (size_t)(argc - first);
	if (count < command->min_words)
		return usage_error(command, "an argument is missing");
	if (count > command->max_words)
		return usage_error(command, "too many arguments");
	return command->run(globals, options, argv + first, count);
}

int sb_command_dispatch(sb_globals *globals, int argc, char **argv)
{
	int words = 0, status;
	const sb_command *command = find(argc, argv, &words);
	void *options;

	if (command == NULL && is_group(argv[0]))
		return group_without_command(argv[0], argc > 1 ? argv[1] : NULL);
	if (command == NULL)
		return unknown_command(argv[0]);
	options = calloc(1, command->options_size + 1);
	if (options == NULL) {
		sb_log(SB_LOG_ERROR, "out of memory");
		return SB_EXIT_FAILED;
	}
	status = parse_and_run(command, globals, options, argc - (words - 1), argv + (words - 1));
	sb_options_done(command->options, options);
	free(options);
	return status;
}

sb_config *sb_cli_load(const sb_globals *globals, sb_error *error)
{
	char *path = sb_config_find(globals->config);
	sb_config *config = sb_config_new();
	int status = 0;

	if (config == NULL)
		status = sb_error_no_memory(error);
	if (status == 0 && path != NULL)
		status = sb_config_load_file(config, path, error);
	if (status == 0 && globals->data_dir != NULL)
		status = sb_config_set_text(config, "data_dir", globals->data_dir, error);
	free(path);
	if (status < 0) {
		sb_config_free(config);
		return NULL;
	}
	return config;
}

sb_config *sb_cli_config(const sb_globals *globals)
{
	sb_config *config;
	sb_error error;

	sb_error_init(&error);
	config = sb_cli_load(globals, &error);
	if (config == NULL)
		sb_log_error(&error);
	return config;
}
