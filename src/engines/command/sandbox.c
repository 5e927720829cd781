/* SPDX-License-Identifier: MIT */
/*
 * The scanner's sandbox is bubblewrap. It is tried out once, when the engine opens: where
 * namespaces are not allowed (many containers), `sandbox: auto` goes on without, and says so.
 *
 * bubblewrap's own exit status would not do: it ends with 1 when it fails itself, which is
 * "infected" in many tables and may be "clean" in others. So what counts is the status that it
 * reports of the program, on a descriptor that the program doesn't have.
 */
#include "engines/command/command.h"

#include <stdio.h>

#include "util/error.h"

enum { TRIAL_MS = 10000 };

/* bubblewrap in bubblewrap: a program that is surely there. */
static int try_out(sb_command *command, sb_error *error)
{
	const char *const words[] = {command->bwrap, "--version"};
	const sb_texts argv = {words, 2};
	sb_place place;
	sb_run_end end;
	int status = sb_place_make(&place, command->around->data_dir, error);

	if (status == 0) {
		status = sb_command_run(
			command, &argv, command->bwrap, &place, NULL, TRIAL_MS, &end, error);
		if (status == 0 && (end.how != SB_RUN_EXITED || end.number != 0))
			status = sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
				"sandbox: %s does not work here: %s", command->bwrap,
				end.complaint[0] != '\0' ? end.complaint : "it says nothing");
		sb_run_end_done(&end);
	}
	sb_place_remove(&place);
	return status;
}

int sb_sandbox_open(sb_command *command, sb_error *error)
{
	sb_error why;
	int status;

	if (command->sandbox == SB_SANDBOX_NONE)
		return 0;
	sb_error_init(&why);
	status = sb_program_find("bwrap", command->bwrap, &why);
	if (status == 0)
		status = try_out(command, &why);
	if (status == 0)
		return 0;
	command->bwrap[0] = '\0';
	if (command->sandbox == SB_SANDBOX_AUTO) {
		snprintf(command->note, sizeof command->note,
			"runs without a sandbox (%.250s); install bubblewrap or allow it "
			"namespaces, "
			"or say `sandbox: none`",
			why.message);
		return 0;
	}
	sb_error_copy(error, &why);
	return -(int)SB_KIND_NOT_CONFIGURED;
}
