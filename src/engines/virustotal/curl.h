/* SPDX-License-Identifier: MIT */
/*
 * libcurl by its functions, loaded when the first engine that needs it is opened: it brings thirty
 * libraries and some ms of start, which nobody should pay who doesn't use it.
 */
#ifndef SB_ENGINES_VIRUSTOTAL_CURL_H
#define SB_ENGINES_VIRUSTOTAL_CURL_H

#define CURL_DISABLE_TYPECHECK /* its macros want the functions themselves */
#include <curl/curl.h>
#include <scanbridge/error.h>

#define SB_CURL_FUNCTIONS(X)                                                                       \
	X(global_init)                                                                             \
	X(easy_init)                                                                               \
	X(easy_reset)                                                                              \
	X(easy_setopt)                                                                             \
	X(easy_getinfo)                                                                            \
	X(easy_strerror)                                                                           \
	X(easy_cleanup)                                                                            \
	X(multi_init)                                                                              \
	X(multi_add_handle)                                                                        \
	X(multi_remove_handle)                                                                     \
	X(multi_perform)                                                                           \
	X(multi_poll)                                                                              \
	X(multi_info_read)                                                                         \
	X(multi_cleanup)                                                                           \
	X(mime_init)                                                                               \
	X(mime_addpart)                                                                            \
	X(mime_name)                                                                               \
	X(mime_filename)                                                                           \
	X(mime_type)                                                                               \
	X(mime_data_cb)                                                                            \
	X(mime_free)

#undef curl_easy_setopt
#undef curl_easy_getinfo

typedef struct sb_curl {
#define MEMBER(name) __typeof__(&curl_##name) name;
	SB_CURL_FUNCTIONS(MEMBER)
#undef MEMBER
} sb_curl;

/* NULL and why: it isn't here. Stays loaded until the process ends. */
const sb_curl *sb_curl_load(sb_error *error);

#endif
