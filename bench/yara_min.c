/* SPDX-License-Identifier: MIT */
/*
 * The least that scanning with libyara can cost: the yardstick for the YARA engine.
 *
 *     yara_min [-l] THREADS RULES... < list of files, one a line
 *
 * The rules are compiled once; each thread keeps one scanner and one buffer, into which it reads
 * whole files. The external variables that the bundled rules use are set for every file, as the
 * engine does. Prints the number of matches; with -l a line `RULE FILE` for each instead.
 */
#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yara.h>

static YR_RULES *rules;
static char **files;
static size_t count;
static bool list;
static atomic_size_t next, matches, failures;

static const char *const texts[] = {
	"filename", "filepath", "extension", "container", "mime", "filetype", "owner"};
static const char *const numbers[] = {"size", "depth"};

#define LENGTH(table) (sizeof(table) / sizeof *(table))

static void die(const char *what, const char *which)
{
	fprintf(stderr, "yara_min: %s: %s\n", what, which);
	exit(2);
}

static void complain(
	int level, const char *file, int line, const YR_RULE *rule, const char *message, void *data)
{
	(void)rule;
	(void)data;
	if (level == YARA_ERROR_LEVEL_ERROR)
		fprintf(stderr, "%s:%d: %s\n", file, line, message);
}

static void compile(char **names, int how_many)
{
	YR_COMPILER *compiler = NULL;

	if (yr_initialize() != ERROR_SUCCESS || yr_compiler_create(&compiler) != ERROR_SUCCESS)
		die("libyara", "does not start");
	yr_compiler_set_callback(compiler, complain, NULL);
	for (size_t i = 0; i < LENGTH(texts); i++)
		yr_compiler_define_string_variable(compiler, texts[i], "");
	for (size_t i = 0; i < LENGTH(numbers); i++)
		yr_compiler_define_integer_variable(compiler, numbers[i], 0);
	for (int i = 0; i < how_many; i++) {
		FILE *file = fopen(names[i], "re");

		if (file == NULL || yr_compiler_add_file(compiler, file, NULL, names[i]) != 0)
			die("rules", names[i]);
		fclose(file);
	}
	if (yr_compiler_get_rules(compiler, &rules) != ERROR_SUCCESS)
		die("rules", "out of memory");
	yr_compiler_destroy(compiler);
}

static int heard(YR_SCAN_CONTEXT *context, int message, void *data, void *user)
{
	(void)context;
	if (message == CALLBACK_MSG_RULE_MATCHING) {
		matches++;
		if (list)
			printf("%s %s\n", ((YR_RULE *)data)->identifier, (const char *)user);
	}
	return CALLBACK_CONTINUE;
}

static void describe(YR_SCANNER *scanner, const char *path, size_t size)
{
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
	const char *dot = strrchr(name, '.');
	char extension[64] = "";

	for (size_t i = 0; dot != NULL && dot[i + 1] != '\0' && i + 1 < sizeof extension; i++)
		extension[i] = (char)tolower((unsigned char)dot[i + 1]);
	yr_scanner_define_string_variable(scanner, "filename", name);
	yr_scanner_define_string_variable(scanner, "filepath", name);
	yr_scanner_define_string_variable(scanner, "extension", extension);
	yr_scanner_define_integer_variable(scanner, "size", (int64_t)size);
}

/* The whole file in a buffer that only grows; its size, or -1. */
static ssize_t take(const char *path, uint8_t **buffer, size_t *room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0, n = -1;
	struct stat facts;

	if (fd < 0)
		return -1;
	if (fstat(fd, &facts) == 0 && (size_t)facts.st_size > *room) {
		free(*buffer);
		*room = (size_t)facts.st_size;
		if ((*buffer = malloc(*room)) == NULL)
			die(path, "out of memory");
	}
	while ((n = read(fd, *buffer + got, *room - (size_t)got)) > 0)
		got += n;
	close(fd);
	return n < 0 ? -1 : got;
}

static void *work(void *unused)
{
	uint8_t *buffer = NULL;
	YR_SCANNER *scanner;
	size_t room = 0, i;

	(void)unused;
	if (yr_scanner_create(rules, &scanner) != ERROR_SUCCESS)
		die("scanner", "out of memory");
	yr_scanner_set_flags(scanner, SCAN_FLAGS_NO_TRYCATCH);
	while ((i = next++) < count) {
		ssize_t size = take(files[i], &buffer, &room);

		if (size >= 0) {
			describe(scanner, files[i], (size_t)size);
			yr_scanner_set_callback(scanner, heard, files[i]);
		}
		if (size < 0 || yr_scanner_scan_mem(scanner, buffer, (size_t)size) != ERROR_SUCCESS)
			failures++;
	}
	yr_scanner_destroy(scanner);
	free(buffer);
	return NULL;
}

static void read_list(void)
{
	size_t room = 0, size = 0;
	char *line = NULL;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		line[n - 1] = '\0';
		if (count == room)
			files = realloc(files, (room = room * 2 + 1024) * sizeof *files);
		if (files == NULL || (files[count++] = strdup(line)) == NULL)
			die("list of files", "out of memory");
	}
	free(line);
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	int how_many;

	list = argc > 1 && strcmp(argv[1], "-l") == 0;
	argc -= list;
	argv += list;
	if (argc < 3 || (how_many = atoi(argv[1])) < 1 || how_many > 64) {
		fprintf(stderr, "usage: yara_min [-l] THREADS(1..64) RULES... < FILES\n");
		return 2;
	}
	compile(argv + 2, argc - 2);
	read_list();
	for (int i = 0; i < how_many; i++)
		if (pthread_create(&threads[i], NULL, work, NULL) != 0)
			return 2;
	for (int i = 0; i < how_many; i++)
		pthread_join(threads[i], NULL);
	if (!list)
		printf("%zu\n", (size_t)matches);
	if (failures > 0)
		fprintf(stderr, "yara_min: %zu files failed\n", (size_t)failures);
	return failures > 0;
}
