/* SPDX-License-Identifier: MIT */
/*
 * Unique files for benchmarks, the same on every machine: mktree DIR COUNT MIN MAX SEED
 * makes COUNT files of MIN to MAX bytes, small ones more often (the logarithm of the size is
 * uniform, as file sizes in the wild nearly are), filled from a generator with a fixed seed.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t seed;

/* splitmix64: every seed is a good one. */
static uint64_t next(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static int make(int dir, unsigned long number, uint64_t size)
{
	uint64_t block[8192];
	char name[32];
	int fd;

	snprintf(name, sizeof name, "f%06lu", number);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	while (size > 0) {
		size_t step = size < sizeof block ? (size_t)size : sizeof block;
		for (size_t i = 0; i < (step + 7) / 8; i++)
			block[i] = next();
		if (write(fd, block, step) != (ssize_t)step)
			break;
		size -= step;
	}
	return close(fd) < 0 || size > 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	unsigned long count;
	double low, high;
	int dir;

	if (argc != 6) {
		fprintf(stderr, "usage: mktree DIR COUNT MIN MAX SEED\n");
		return 2;
	}
	count = strtoul(argv[2], NULL, 10);
	low = log(strtod(argv[3], NULL));
	high = log(strtod(argv[4], NULL));
	seed = strtoull(argv[5], NULL, 10);
	mkdir(argv[1], 0755);
	dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned long i = 0; dir >= 0 && i < count; i++) {
		double where = (double)(next() >> 11) / 9007199254740992.0;
		if (make(dir, i, (uint64_t)llround(exp(low + (high - low) * where))) < 0) {
			dir = -1;
			break;
		}
	}
	if (dir < 0) {
		fprintf(stderr, "mktree: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	return 0;
}
