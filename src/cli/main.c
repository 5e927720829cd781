/* SPDX-License-Identifier: MIT */
/* The program: what stands before the command, then the command. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/log.h"
#include "engines/engines.h"

/* Parts of the product, and whether this build has them. */
static const struct {
	const char *name;
	bool here;
} features[] = {
	{"scan", true},
	{"policy", true},
	{"audit", true},
	{"hash", true},
	{"quarantine", true},
	{"cache", true},
	{"server", false},
	{"watch", true},
};

static void print_features(const char *title, bool here)
{
	const char *separator = "";

	printf("%s", title);
	for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
		if (features[i].here == here) {
			printf("%s%s", separator, features[i].name);
			separator = ", ";
		}
	}
	puts("");
}

static int print_version(void)
{
	printf("scanbridge %s\n", sb_version());
	printf("engines:   ");
	for (size_t i = 0; sb_builtin_engines[i] != NULL; i++)
		printf("%s%s", i > 0 ? ", " : "", sb_builtin_engines[i]->name);
	printf("\n  absent:  ");
	for (size_t i = 0; sb_absent_engines[i] != NULL; i++)
		printf("%s%s", i > 0 ? ", " : "", sb_absent_engines[i]);
	print_features("\nfeatures:  ", true);
	print_features("  absent:  ", false);
	return fflush(stdout) == 0 ? SB_EXIT_OK : SB_EXIT_FAILED;
}

/* A large file's buffer goes back to the system when its scan ends. Left alone, glibc learns to
 * keep such buffers in an arena for every thread: /usr/bin then needs twice the memory. Small ones
 * stay: they are asked for again at once, and each page would be filled with zeros again. */
static void keep_little_memory(void)
{
#ifdef M_MMAP_THRESHOLD
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 2 << 20);
	(void)mallopt(M_TOP_PAD, 256 << 10);
#endif
}

int main(int argc, char **argv)
{
	sb_globals globals = {.log_level = SB_LOG_WARN};
	const sb_option_set set = {sb_global_options, &globals};
	bool help = false;
	int first;
	sb_error error;

	sb_watch_options_fill();
	signal(SIGPIPE, SIG_IGN); /* a reader that left is a write error, told like any other */
	keep_little_memory();
	sb_error_init(&error);
	if (sb_options_parse(&set, 1, argc, argv, true, &first, &help, &error) < 0) {
		sb_log_error(&error);
		sb_log(SB_LOG_ERROR, "try 'scanbridge --help'");
		return SB_EXIT_FAILED;
	}
	sb_log_setup(globals.log_level, globals.log_format == 1);
	if (help) {
		sb_help_program(stdout);
		return fflush(stdout) == 0 ? SB_EXIT_OK : SB_EXIT_FAILED;
	}
	if (globals.version != 0)
		return print_version();
	if (first >= argc) {
		sb_usage_short(stderr);
		return SB_EXIT_FAILED;
	}
	return sb_command_dispatch(&globals, argc - first, argv + first);
}
