/* SPDX-License-Identifier: MIT */
/* URLs, by a grammar that is narrower than theirs; see virustotal_url.h. */
#include "wire/virustotal_url.h"

#include <ctype.h>
#include <string.h>

static const char in_host[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
static const char in_path[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			      "-._~!$&'()*+,;=:@%/?";

/* The host's length at @p text; 0: none. */
static size_t host_length(const char *text)
{
	size_t length;

	if (text[0] != '[')
		return strspn(text, in_host);
	length = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
	return text[length] == ']' ? length + 1 : 0;
}

/* Behind a colon; false: no port. */
static bool read_port(const char **text, unsigned *port)
{
	size_t digits = strspn(*text, "0123456789");

	if (digits == 0 || digits > 5)
		return false;
	*port = 0;
	for (size_t i = 0; i < digits; i++)
		*port = *port * 10 + (unsigned)((*text)[i] - '0');
	*text += digits;
	return *port > 0 && *port <= 65535;
}

bool sb_vt_url_parse(sb_vt_url *out, const char *text)
{
	size_t length;

	*out = (sb_vt_url){0};
	if (strlen(text) > SB_VT_URL_MAX)
		return false;
	out->tls = strncmp(text, "https://", 8) == 0;
	if (!out->tls && strncmp(text, "http://", 7) != 0)
		return false;
	text += out->tls ? 8 : 7;
	length = host_length(text);
	if (length == 0 || length >= sizeof out->host)
		return false;
	for (size_t i = 0; i < length; i++)
		out->host[i] = (char)tolower((unsigned char)text[i]);
	text += length;
	out->port = out->tls ? 443 : 80;
	if (*text == ':') {
		text++;
		if (!read_port(&text, &out->port))
			return false;
	}
	return (*text == '\0' || *text == '/') && text[strspn(text, in_path)] == '\0';
}

bool sb_vt_url_is_loopback(const sb_vt_url *url)
{
	unsigned dots = 0;

	if (strcmp(url->host, "localhost") == 0 || strcmp(url->host, "[::1]") == 0)
		return true;
	for (const char *p = url->host; *p != '\0'; p++)
		dots += *p == '.';
	return strncmp(url->host, "127.", 4) == 0 && dots == 3 &&
	       url->host[strspn(url->host, "0123456789.")] == '\0';
}

/* An address has no domain. */
static bool is_below(const char *host, const char *domain)
{
	size_t all = strlen(host), length = strlen(domain);

	if (strncmp(domain, "www.", 4) == 0)
		return is_below(host, domain + 4);
	if (length == 0 || !isalpha((unsigned char)domain[length - 1]) ||
		strchr(domain, '.') == NULL)
		return false;
	return strcmp(host, domain) == 0 || (all > length + 1 && host[all - length - 1] == '.' &&
						    strcmp(host + all - length, domain) == 0);
}

bool sb_vt_url_fits(const char *text, const sb_vt_url *base)
{
	sb_vt_url url;

	return sb_vt_url_parse(&url, text) && url.tls == base->tls && url.port == base->port &&
	       (strcmp(url.host, base->host) == 0 || is_below(url.host, base->host));
}

bool sb_vt_id_ok(const char *id)
{
	size_t length =
		strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+");

	return length > 0 && length <= SB_VT_ID_MAX && id[length] == '\0';
}
