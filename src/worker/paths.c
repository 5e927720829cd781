/* SPDX-License-Identifier: MIT */
/*
 * Where the worker program and the bundled rules are: in the build folder that this code runs
 * from, else where they were installed. A program that somebody else could have written is not
 * started.
 */
#include "worker/paths.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker_config.h"

static pthread_once_t looked = PTHREAD_ONCE_INIT;
static char program[PATH_MAX], rules[PATH_MAX];
static char refusal[PATH_MAX + 128];

/* --- Which file this code was loaded from --------------------------------------------------- */

struct search {
	uintptr_t address;
	bool first, in_main;
};

static int look_at(struct dl_phdr_info *info, size_t size, void *data)
{
	struct search *search = data;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum && search->first; i++) {
		uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		if (info->dlpi_phdr[i].p_type == PT_LOAD && search->address >= begin &&
			search->address - begin < info->dlpi_phdr[i].p_memsz)
			search->in_main = true;
	}
	search->first = false;
	return 1; /* the main program is the first; no other is of interest */
}

/* The folder of the program or shared library that holds this function; "" when unknown. */
static void own_folder(char folder[PATH_MAX])
{
	struct search search = {.address = (uintptr_t)&own_folder, .first = true};
	Dl_info info;
	char *slash;
	ssize_t n;

	folder[0] = '\0';
	dl_iterate_phdr(look_at, &search);
	if (search.in_main) {
		n = readlink("/proc/self/exe", folder, PATH_MAX - 1);
		folder[n > 0 ? n : 0] = '\0';
	} else if (dladdr((const void *)(uintptr_t)search.address, &info) != 0 &&
		   info.dli_fname[0] == '/') {
		snprintf(folder, PATH_MAX, "%s", info.dli_fname);
	}
	slash = strrchr(folder, '/');
	if (slash != NULL)
		*slash = '\0';
}

/* --- May it be started? --------------------------------------------------------------------------
 */

static const char *fault(const struct stat *info)
{
	if (!S_ISREG(info->st_mode))
		return "is not a regular file";
	if (info->st_uid != 0 && info->st_uid != geteuid())
		return "belongs to another user";
	if ((info->st_mode & S_IWOTH) != 0 ||
		((info->st_mode & S_IWGRP) != 0 && info->st_gid != getegid()))
		return "can be written by other users";
	return NULL;
}

/* True: there is a file, and `program` is it, or `refusal` says why not. */
static bool try_program(const char *path)
{
	struct stat info;
	const char *why;

	if (stat(path, &info) < 0)
		return false;
	why = fault(&info);
	if (why != NULL)
		snprintf(refusal, sizeof refusal, "%s %s: it is not started", path, why);
	else
		snprintf(program, sizeof program, "%s", path);
	return true;
}

static void find_rules(void)
{
	struct stat info;
	const char *slash = strrchr(program, '/');
	int folder = slash != NULL ? (int)(slash - program) : 0;

	/* Beside a worker that is still in its build folder. */
	if (snprintf(rules, sizeof rules, "%.*s/../../rules", folder, program) <
			(int)sizeof rules &&
		stat(rules, &info) == 0 && S_ISDIR(info.st_mode))
		return;
	snprintf(rules, sizeof rules, "%s", SB_RULES_FOLDER);
}

static void look(void)
{
	/* From src/cli/scanbridge and the unit tests, from the library, from bench and tests. */
	static const char *const places[] = {"../worker", "src/worker", "../src/worker"};
	const char *given = secure_getenv("SCANBRIDGE_WORKER");
	char folder[PATH_MAX], path[PATH_MAX];
	bool found = given != NULL && given[0] == '/' && try_program(given);

	own_folder(folder);
	for (size_t i = 0; !found && folder[0] != '\0' && i < sizeof places / sizeof *places; i++)
		found = snprintf(path, sizeof path, "%s/%s/scanbridge-worker", folder, places[i]) <
				(int)sizeof path &&
			try_program(path);
	if (!found && !try_program(SB_WORKER_PROGRAM))
		snprintf(refusal, sizeof refusal, "%s is missing: install Scanbridge again",
			SB_WORKER_PROGRAM);
	find_rules();
}

const char *sb_worker_path(sb_error *error)
{
	pthread_once(&looked, look);
	if (program[0] != '\0')
		return program;
	sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "%s", refusal);
	return NULL;
}

const char *sb_bundled_rules(void)
{
	pthread_once(&looked, look);
	return rules;
}
