/* SPDX-License-Identifier: MIT */
/* Writing ICAP requests; see icap_request.h. */
#include "wire/icap_request.h"

#include <string.h>

/* RFC 3986 2.3; everything else is percent-encoded. */
static bool is_unreserved(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
	       (c != '\0' && strchr("-._~", c) != NULL);
}

static void put_name(sb_buf *out, const sb_icap_request *request)
{
	const char *name = request->name;
	size_t length = request->name_length;
	const char *slash = length > 0 ? memrchr(name, '/', length) : NULL;

	if (slash != NULL) {
		length -= (size_t)(slash - name) + 1;
		name = slash + 1;
	}
	if (length > SB_ICAP_NAME_MAX) {
		name += length - SB_ICAP_NAME_MAX;
		length = SB_ICAP_NAME_MAX;
	}
	if (length == 0)
		sb_buf_text(out, "content");
	for (size_t i = 0; i < length; i++) {
		if (is_unreserved(name[i]))
			sb_buf_char(out, name[i]);
		else
			sb_buf_printf(out, "%%%02X", (unsigned char)name[i]);
	}
}

/* The message that has the content as its body ends here; what goes before it, in front. */
static void put_messages(sb_buf *out, const sb_icap_request *request, size_t *message)
{
	static const char host[] = " HTTP/1.1\r\nHost: scanbridge.invalid\r\n";

	*message = out->length;
	sb_buf_text(out, request->method == SB_ICAP_REQMOD ? "POST /" : "GET /");
	put_name(out, request);
	sb_buf_text(out, host);
	if (request->method == SB_ICAP_RESPMOD) {
		sb_buf_text(out, "\r\n");
		*message = out->length;
		sb_buf_text(out, "HTTP/1.1 200 OK\r\n");
	}
	sb_buf_printf(out, "Content-Type: application/octet-stream\r\nContent-Length: %llu\r\n\r\n",
		(unsigned long long)request->size);
}

static void put_encapsulated(
	sb_buf *out, const sb_icap_request *request, size_t message, size_t end)
{
	if (request->method == SB_ICAP_REQMOD)
		sb_buf_printf(out, "Encapsulated: req-hdr=0, req-body=%zu\r\n\r\n", end);
	else
		sb_buf_printf(out, "Encapsulated: req-hdr=0, res-hdr=%zu, res-body=%zu\r\n\r\n",
			message, end);
}

void sb_icap_request_head(sb_buf *out, const sb_icap_request *request)
{
	static const char *const methods[] = {"OPTIONS", "REQMOD", "RESPMOD"};
	size_t message;
	sb_buf inner;

	sb_buf_printf(out, "%s %s ICAP/1.0\r\nHost: %s\r\nUser-Agent: Scanbridge\r\n",
		methods[request->method], request->url, request->authority);
	if (request->close)
		sb_buf_text(out, "Connection: close\r\n");
	if (request->method == SB_ICAP_OPTIONS) {
		sb_buf_text(out, "Encapsulated: null-body=0\r\n\r\n");
		return;
	}
	sb_buf_text(out, "Allow: 204\r\n");
	if (request->preview != SB_ICAP_NO_PREVIEW)
		sb_buf_printf(out, "Preview: %lld\r\n", (long long)request->preview);
	sb_buf_init(&inner, SB_ICAP_HEADS_MAX);
	put_messages(&inner, request, &message);
	put_encapsulated(out, request, message, inner.length);
	sb_buf_add(out, inner.data, inner.length);
	out->failed = out->failed || inner.failed;
	sb_buf_done(&inner);
}

bool sb_icap_request_message(sb_icap_block *out, const sb_icap_request *request)
{
	sb_buf text;
	size_t start;
	bool whole;

	sb_buf_init(&text, SB_ICAP_HEADS_MAX);
	put_messages(&text, request, &start);
	whole = !text.failed && sb_icap_block_parse(out, text.data + start, text.length - start);
	sb_buf_done(&text);
	return whole;
}
