/* SPDX-License-Identifier: MIT */
/* Loading libcurl; see curl.h. */
#include "engines/virustotal/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const char library[] = "libcurl.so.4";

static struct {
	pthread_once_t once;
	bool there;
	char why[256];
	sb_curl curl;
} loaded = {.once = PTHREAD_ONCE_INIT};

static const struct {
	const char *name;
	size_t offset;
} functions[] = {
#define ROW(name) {"curl_" #name, offsetof(sb_curl, name)},
	SB_CURL_FUNCTIONS(ROW)
#undef ROW
};

static bool find_all(void *handle)
{
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
		void *function = dlsym(handle, functions[i].name);

		if (function == NULL) {
			snprintf(loaded.why, sizeof loaded.why, "%s has no %s: it is too old",
				library, functions[i].name);
			return false;
		}
		memcpy((char *)&loaded.curl + functions[i].offset, &function, sizeof function);
	}
	return true;
}

static void load(void)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

	if (handle == NULL) {
		snprintf(loaded.why, sizeof loaded.why,
			"%s can't be loaded; install libcurl (Debian: libcurl4)", library);
		return;
	}
	if (!find_all(handle))
		return;
	loaded.there = loaded.curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
	if (!loaded.there)
		snprintf(loaded.why, sizeof loaded.why, "%s can't be initialised", library);
}

const sb_curl *sb_curl_load(sb_error *error)
{
	pthread_once(&loaded.once, load);
	if (loaded.there)
		return &loaded.curl;
	sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "%s", loaded.why);
	return NULL;
}
