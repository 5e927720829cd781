/* SPDX-License-Identifier: MIT */
/*
 * Where the VirusTotal engine may go: an API's base, and the URLs that it hands out for uploads.
 * An answer decides where content goes, so its word is taken for places of the same service only.
 */
#ifndef SB_WIRE_VIRUSTOTAL_URL_H
#define SB_WIRE_VIRUSTOTAL_URL_H

#include <scanbridge/types.h>

enum { SB_VT_ID_MAX = 256, SB_VT_URL_MAX = 2048 };

typedef struct sb_vt_url {
	bool tls;
	char host[256]; /* lower case; of an IPv6 address with its brackets */
	unsigned port;
} sb_vt_url;

/* http or https, a host, perhaps a port, a path; nothing that could be read in two ways. */
bool sb_vt_url_parse(sb_vt_url *out, const char *text);
/* This machine itself: the one place that may be talked to without TLS. */
bool sb_vt_url_is_loopback(const sb_vt_url *url);
/* Is @p text an URL of the service at @p base: the same scheme and port, its host or one below its
 * domain (which is the host without `www.`)? */
bool sb_vt_url_fits(const char *text, const sb_vt_url *base);
/* What may stand in a path as it is: the id of an analysis. */
bool sb_vt_id_ok(const char *id);

#endif
