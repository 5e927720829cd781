/* SPDX-License-Identifier: MIT */
/*
 * One request to its reply: the walk through the content's containers hands over members, rules
 * and digests judge each of them, and what the walk could not open is said as well.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util/hash.h"
#include "util/text.h"
#include "worker/serve.h"

typedef struct judgement {
	const sb_trade *trade;
	sb_reply_writer writer;
	uint64_t until_ms; /* now_ms() */
	const sb_member *member;
	sb_kind failure;
	char why[256];
} judgement;

/* To a few milliseconds, which is near enough and costs a third: it is asked several times for each
 * member. */
static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- What members are judged by -------------------------------------------------------------- */

static void report(judgement *j, const sb_found *found)
{
	sb_buf path;
	sb_found with_member = *found;

	sb_buf_init(&path, 16384);
	sb_escape(&path, j->member->path, j->member->path_length);
	if (j->member->depth > 0 && path.length > 0)
		with_member.member = path.data;
	sb_reply_found(&j->writer, &with_member);
	sb_buf_done(&path);
}

static void matched(void *data, const sb_found *found)
{
	report(data, found);
}

static const struct {
	sb_digest digest;
	size_t size;
} digests[] = {
	{SB_DIGEST_BLAKE3, SB_BLAKE3_SIZE},
	{SB_DIGEST_SHA256, SB_SHA256_SIZE},
	{SB_DIGEST_MD5, SB_MD5_SIZE},
};

static void compute(sb_digest which, const sb_member *member, uint8_t out[32])
{
	memset(out, 0, 32);
	switch (which) {
	case SB_DIGEST_BLAKE3:
		sb_blake3_memory(member->data, member->size, out);
		break;
	case SB_DIGEST_SHA256:
		sb_sha256_memory(member->data, member->size, out);
		break;
	case SB_DIGEST_MD5:
		sb_md5_memory(member->data, member->size, out);
		break;
	}
}

static bool listed(const sb_bundle_digest *list, size_t count, const uint8_t digest[32], int kind)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(list[middle].digest, digest, 32);

		if (order == 0)
			return (list[middle].kinds >> kind & 1) != 0;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* The content itself is looked up by the host. */
static void look_up(judgement *j, const sb_member *member)
{
	size_t count;
	const sb_bundle_digest *list = sb_bundle_digests(j->trade->head, &count);
	uint8_t digest[32];
	char digits[65];

	for (size_t i = 0; count > 0 && i < sizeof digests / sizeof digests[0]; i++) {
		compute(digests[i].digest, member, digest);
		if (!listed(list, count, digest, (int)digests[i].digest))
			continue;
		sb_hex(digits, digest, digests[i].size);
		report(j, &(sb_found){.infected = true,
				  .severity = SB_SEVERITY_HIGH,
				  .name = "Blocklist.Match",
				  .category = "blocklist",
				  .description = "the digest of a member is on the block list",
				  .signature_id = digits});
		return;
	}
}

static int judge_member(void *data, const sb_member *member)
{
	judgement *j = data;
	const char *mime = "";

	j->member = member;
	if (sb_rules_want_mime(j->trade->rules))
		mime = sb_mime_of(member->data, member->size);
	j->failure =
		sb_rules_scan(j->trade->rules, member, mime, matched, j, j->why, sizeof j->why);
	if (j->failure == SB_KIND_NONE && member->depth > 0)
		look_up(j, member);
	return j->failure == SB_KIND_NONE ? 0 : -1;
}

static bool expired(void *data)
{
	const judgement *j = data;

	return now_ms() >= j->until_ms;
}

/* --- From walk to reply ------------------------------------------------------------------------
 */

/* Opening stops before the host's patience ends: a limit with a name is worth more than a
 * timeout. */
static uint64_t walk_time(uint64_t ms)
{
	uint64_t margin = ms / 10 < 500 ? ms / 10 : 500;

	return ms - margin;
}

static int walk(judgement *j, const sb_request *request, const void *data, sb_walked *walked)
{
	sb_walk_options options = {.limits = j->trade->head->limits,
		.passwords = request->passwords,
		.member = judge_member,
		.expired = expired,
		.data = j};
	sb_member content = {.path = "",
		.name = request->name,
		.name_length = request->name_length,
		.container = "",
		.data = data,
		.size = (size_t)request->size};

	if ((request->flags & SB_REQUEST_FLAT) != 0)
		return judge_member(j, &content);
	return sb_containers_walk(
		walked, data, (size_t)request->size, request->name, request->name_length, &options);
}

static void add_container(judgement *j, const sb_walked *walked)
{
	const sb_container container = {.type = walked->type,
		.depth = walked->depth,
		.members = walked->members,
		.bytes = walked->bytes,
		.facts = walked->facts};

	if (walked->problem != SB_KIND_NONE)
		sb_reply_problem(&j->writer, walked->problem, walked->message);
	sb_reply_container(&j->writer, &container, walked->doubt);
}

static size_t say_mime(judgement *j, const sb_request *request, const void *data)
{
	const char *type = sb_mime_of(data, (size_t)request->size);

	if (type[0] != '\0')
		sb_reply_mime(&j->writer, type);
	return sb_reply_finish(&j->writer, request->size);
}

size_t sb_judge(const sb_trade *trade, const sb_request *request, const void *data, void *out)
{
	judgement j = {.trade = trade, .until_ms = now_ms() + walk_time(request->time_ms)};
	sb_walked walked = {.problem = SB_KIND_NONE};

	sb_reply_begin(&j.writer, out, SB_REPLY_BYTES);
	if ((request->flags & SB_REQUEST_JUST_MIME) != 0)
		return say_mime(&j, request, data);
	if (walk(&j, request, data, &walked) != 0) {
		if (j.failure == SB_KIND_NONE)
			snprintf(j.why, sizeof j.why, "the walk through the containers failed");
		sb_reply_failure(
			&j.writer, j.failure != SB_KIND_NONE ? j.failure : SB_KIND_INTERNAL, j.why);
		return sb_reply_end(&j.writer);
	}
	/* Nobody may hide behind so many detections, or one so long, that it is not told. */
	if (j.writer.dropped && walked.problem == SB_KIND_NONE) {
		walked.problem = SB_KIND_LIMIT_EXCEEDED;
		snprintf(walked.message, sizeof walked.message,
			"more detections than the %d that can be told", SB_MAX_DETECTIONS);
	}
	if ((request->flags & SB_REQUEST_FLAT) == 0)
		add_container(&j, &walked);
	if ((request->flags & SB_REQUEST_MIME) != 0 || j.writer.found > 0 ||
		walked.problem != SB_KIND_NONE)
		return say_mime(&j, request, data);
	return sb_reply_finish(&j.writer, request->size);
}
