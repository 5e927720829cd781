/* SPDX-License-Identifier: MIT */
/* A fuzz target as a plain program: it is given every file of a folder once, in no order. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static void replay(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *data;
	ssize_t length;

	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(name);
		exit(1);
	}
	/* Exactly as large as the input, so that a sanitizer sees one byte too far. */
	data = malloc((size_t)st.st_size > 0 ? (size_t)st.st_size : 1);
	length = data != NULL ? read(fd, data, (size_t)st.st_size) : -1;
	if (length != st.st_size) {
		perror(name);
		exit(1);
	}
	close(fd);
	LLVMFuzzerTestOneInput(data, (size_t)length);
	free(data);
}

int main(int argc, char **argv)
{
	DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
	size_t count = 0;

	if (folder == NULL) {
		fprintf(stderr, "usage: %s FOLDER (which must be there)\n", argv[0]);
		return 1;
	}
	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		replay(dirfd(folder), entry->d_name);
		count++;
	}
	closedir(folder);
	printf("%zu inputs\n", count);
	return count > 0 ? 0 : 1;
}
