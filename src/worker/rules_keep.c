/* SPDX-License-Identifier: MIT */
#include "worker/rules_keep.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"

/* Version and file of libyara: a rebuilt one may have another virtual machine. */
typedef struct stamp {
	char magic[8], version[16];
	int64_t size, seconds, nanoseconds;
} stamp;

/* Where libyara is: an object of its own, or this program. */
static const char *home_of_libyara(Dl_info *room)
{
	Dl_info ours;

	if (dladdr((const void *)(uintptr_t)yr_initialize, room) == 0 ||
		dladdr((const void *)(uintptr_t)sb_rules_load, &ours) == 0)
		return NULL;
	return room->dli_fbase == ours.dli_fbase ? "/proc/self/exe" : room->dli_fname;
}

static bool make_stamp(stamp *out)
{
	Dl_info info;
	const char *path = home_of_libyara(&info);
	struct stat st;

	*out = (stamp){.magic = "sbyarac", .version = YR_VERSION};
	if (path == NULL || stat(path, &st) < 0)
		return false;
	out->size = st.st_size;
	out->seconds = st.st_mtim.tv_sec;
	out->nanoseconds = st.st_mtim.tv_nsec;
	return true;
}

/* --- Loading --------------------------------------------------------------------------------- */

typedef struct source {
	const uint8_t *at;
	size_t left;
} source;

static size_t take(void *out, size_t size, size_t count, void *data)
{
	source *from = data;
	size_t most = size > 0 ? from->left / size : 0;

	if (count > most)
		count = most;
	memcpy(out, from->at, size * count);
	from->at += size * count;
	from->left -= size * count;
	return count;
}

static bool load_from(const uint8_t *data, size_t length, YR_RULES **out)
{
	source from = {data + sizeof(stamp), length - sizeof(stamp)};
	YR_STREAM stream = {.user_data = &from, .read = take};
	stamp own;

	return make_stamp(&own) && memcmp(data, &own, sizeof own) == 0 &&
	       yr_rules_load_stream(&stream, out) == ERROR_SUCCESS;
}

bool sb_rules_load(int fd, YR_RULES **out)
{
	struct stat st;
	void *data;
	bool good;

	if (fstat(fd, &st) < 0 || st.st_size <= (off_t)sizeof(stamp))
		return false;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return false;
	good = load_from(data, (size_t)st.st_size, out);
	munmap(data, (size_t)st.st_size);
	return good;
}

/* --- Saving ---------------------------------------------------------------------------------- */

static size_t give(const void *from, size_t size, size_t count, void *data)
{
	return sb_write_all(*(int *)data, from, size * count) == 0 ? count : 0;
}

bool sb_rules_save(int fd, YR_RULES *rules)
{
	YR_STREAM stream = {.user_data = &fd, .write = give};
	stamp own;
	bool good = ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0;

	good = good && make_stamp(&own) && sb_write_all(fd, &own, sizeof own) == 0 &&
	       yr_rules_save_stream(rules, &stream) == ERROR_SUCCESS;
	if (!good)
		(void)!ftruncate(fd, 0);
	return good;
}
