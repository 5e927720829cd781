/* SPDX-License-Identifier: MIT */
/* The answer to OPTIONS; see icap_options.h. */
#include "wire/icap_options.h"

#include <string.h>
#include <strings.h>

static bool lists(const sb_icap_reply *reply, const char *header, const char *word)
{
	sb_icap_span value;
	unsigned at = 0;

	while (sb_icap_find(&reply->head, header, &at, &value)) {
		while (value.length > 0)
			if (sb_icap_is(sb_icap_cut(&value, ','), word))
				return true;
	}
	return false;
}

/* A number that is there has to be one; larger than @p max counts as that. */
static const char *number(
	const sb_icap_reply *reply, const char *header, uint32_t max, bool *told, uint32_t *out)
{
	sb_icap_span value;
	uint64_t n;

	*told = sb_icap_get(&reply->head, header, &value);
	*out = 0;
	if (!*told)
		return NULL;
	if (!sb_icap_number(value, UINT64_MAX, &n))
		return "OPTIONS: a number that is none";
	*out = n < max ? (uint32_t)n : max;
	return NULL;
}

/* How much of it is printable ASCII. */
static size_t printable(sb_icap_span span)
{
	size_t n = 0;

	while (n < span.length && span.text[n] >= ' ' && span.text[n] <= '~')
		n++;
	return n;
}

void sb_icap_tag(const sb_icap_reply *reply, char out[SB_ICAP_TAG_MAX + 1])
{
	sb_icap_span tag;

	out[0] = '\0';
	if (!sb_icap_get(&reply->head, "ISTag", &tag))
		return;
	if (tag.length >= 2 && tag.text[0] == '"' && tag.text[tag.length - 1] == '"')
		tag = (sb_icap_span){tag.text + 1, tag.length - 2};
	if (tag.length > SB_ICAP_TAG_MAX || printable(tag) < tag.length)
		return;
	memcpy(out, tag.text, tag.length);
	out[tag.length] = '\0';
}

/* Several fields of one name are one list. A list that can't be kept whole can't be heeded. */
static const char *keep_list(const sb_icap_reply *reply, const char *header, char *out)
{
	sb_icap_span value;
	unsigned at = 0;
	size_t used = 0;

	while (sb_icap_find(&reply->head, header, &at, &value)) {
		if (used + value.length + 2 > SB_ICAP_LIST_MAX)
			return "OPTIONS: a Transfer list that is too long";
		memcpy(out + used, value.text, value.length);
		used += value.length;
		out[used++] = ',';
	}
	out[used] = '\0';
	return NULL;
}

const char *sb_icap_options_read(const sb_icap_reply *reply, sb_icap_options *out)
{
	static const char *const names[] = {
		[SB_ICAP_TRANSFER_PREVIEW] = "Transfer-Preview",
		[SB_ICAP_TRANSFER_COMPLETE] = "Transfer-Complete",
		[SB_ICAP_TRANSFER_IGNORE] = "Transfer-Ignore",
	};
	sb_icap_span service;
	const char *why = NULL;
	bool told;

	out->reqmod = lists(reply, "Methods", "REQMOD");
	out->respmod = lists(reply, "Methods", "RESPMOD");
	out->allow_204 = lists(reply, "Allow", "204");
	sb_icap_tag(reply, out->tag);
	out->service[0] = '\0';
	if (sb_icap_get(&reply->head, "Service", &service)) {
		size_t kept = printable(service);

		if (kept >= sizeof out->service)
			kept = sizeof out->service - 1;
		memcpy(out->service, service.text, kept);
		out->service[kept] = '\0';
	}
	for (size_t i = 0; why == NULL && i < 3; i++)
		why = keep_list(reply, names[i], out->lists[i]);
	if (why == NULL)
		why = number(
			reply, "Preview", SB_ICAP_PREVIEW_MAX, &out->has_preview, &out->preview);
	if (why == NULL)
		why = number(reply, "Max-Connections", UINT32_MAX, &told, &out->max_connections);
	if (why == NULL)
		why = number(reply, "Options-TTL", UINT32_MAX, &out->has_ttl, &out->ttl_s);
	if (why == NULL && !out->reqmod && !out->respmod)
		why = "OPTIONS without a method for content";
	return why;
}

static bool has_extension(const char *list, sb_icap_span extension)
{
	sb_icap_span rest = {list, strlen(list)};

	while (rest.length > 0) {
		sb_icap_span one = sb_icap_cut(&rest, ',');

		if (one.length > 0 && one.length == extension.length &&
			strncasecmp(one.text, extension.text, one.length) == 0)
			return true;
	}
	return false;
}

sb_icap_transfer sb_icap_options_transfer(
	const sb_icap_options *options, const char *name, size_t length)
{
	static const sb_icap_transfer order[] = {
		SB_ICAP_TRANSFER_IGNORE, SB_ICAP_TRANSFER_COMPLETE, SB_ICAP_TRANSFER_PREVIEW};
	const char *dot = length > 0 ? memrchr(name, '.', length) : NULL;
	sb_icap_span extension = {"", 0}, any = {"*", 1};

	if (dot != NULL)
		extension = (sb_icap_span){dot + 1, length - (size_t)(dot - name) - 1};
	for (size_t i = 0; extension.length > 0 && i < 3; i++)
		if (has_extension(options->lists[order[i]], extension))
			return order[i];
	for (size_t i = 0; i < 3; i++)
		if (has_extension(options->lists[order[i]], any))
			return order[i];
	return SB_ICAP_TRANSFER_PREVIEW;
}
