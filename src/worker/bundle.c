/* SPDX-License-Identifier: MIT */
/* The bundle as bytes: sealing it, and reading it on the other side; see bundle.h. What the host
 * puts in is in bundle_files.c. */
#include "worker/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/io.h"
#include "util/text.h"

static const char magic[8] = {'S', 'B', 'R', 'U', 'L', 'E', 'S', '\n'};

void sb_bundle_init(sb_bundle *bundle)
{
	*bundle = (sb_bundle){.plugin = -1};
	sb_buf_init(&bundle->text, SB_BUNDLE_BYTES);
}

void sb_bundle_done(sb_bundle *bundle)
{
	sb_buf_done(&bundle->text);
}

/* --- Sealing ------------------------------------------------------------------------------ */

/* Everything that decides a verdict: sources in their order, digests. */
static int identify(sb_bundle *bundle, sb_error *error)
{
	sb_blake3 *hasher = sb_blake3_new();
	uint8_t digest[SB_BLAKE3_SIZE];

	if (hasher == NULL)
		return sb_error_no_memory(error);
	sb_blake3_update(hasher, &bundle->sources, sizeof bundle->sources);
	if (bundle->text.length > 0)
		sb_blake3_update(hasher, bundle->text.data, bundle->text.length);
	if (bundle->digest_count > 0)
		sb_blake3_update(
			hasher, bundle->digests, bundle->digest_count * sizeof *bundle->digests);
	sb_blake3_final(hasher, digest);
	sb_blake3_free(hasher);
	sb_hex(bundle->identity, digest, sizeof digest);
	return 0;
}

static int write_all(int fd, const sb_bundle *bundle, const sb_bundle_head *head)
{
	if (sb_write_all(fd, head, sizeof *head) < 0 ||
		(bundle->text.length > 0 &&
			sb_write_all(fd, bundle->text.data, bundle->text.length) < 0))
		return -1;
	return bundle->digest_count == 0 ? 0
					 : sb_write_all(fd, bundle->digests,
						   bundle->digest_count * sizeof *bundle->digests);
}

int sb_bundle_seal(sb_bundle *bundle, sb_bundle_head *head, sb_error *error)
{
	int fd, status = identify(bundle, error);

	if (status < 0)
		return status;
	if (bundle->text.failed)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"the rules take more than %d MiB", SB_BUNDLE_BYTES >> 20);
	memcpy(head->magic, magic, sizeof magic);
	head->protocol = SB_WORKER_PROTOCOL;
	head->plugin = bundle->plugin >= 0;
	head->sources = bundle->sources;
	head->sources_at = sizeof *head;
	head->digests = bundle->digest_count;
	head->digests_at = head->sources_at + bundle->text.length;
	head->length = head->digests_at + bundle->digest_count * sizeof *bundle->digests;
	fd = memfd_create("scanbridge-rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "make a memory file for rules");
	if (write_all(fd, bundle, head) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) <
			0) {
		sb_error_set(error, SB_KIND_IO, errno, "write the rules to a memory file");
		sb_close(&fd);
		return -SB_KIND_IO;
	}
	return fd;
}

/* --- Includes ------------------------------------------------------------------------------ */

static bool starts(const char *text, size_t length, size_t at, const char *word)
{
	size_t n = strlen(word);

	return length - at >= n && memcmp(text + at, word, n) == 0;
}

/* Behind the end of a comment, or of a string, that begins at @p at; or just @p at. */
static size_t skip_hidden(const char *text, size_t length, size_t at)
{
	if (starts(text, length, at, "//")) {
		const char *end = memchr(text + at, '\n', length - at);
		return end != NULL ? (size_t)(end - text) : length;
	}
	if (starts(text, length, at, "/*")) {
		const char *end = memmem(text + at + 2, length - at - 2, "*/", 2);
		return end != NULL ? (size_t)(end - text) + 2 : length;
	}
	if (text[at] != '"')
		return at;
	for (at++; at < length && text[at] != '"' && text[at] != '\n'; at++)
		at += text[at] == '\\';
	return at < length ? at + 1 : length;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* The name behind `include` at @p at; NULL when none follows. */
static const char *included(const char *text, size_t length, size_t at, size_t *name_length)
{
	const char *end;

	for (at += strlen("include"); at < length && strchr(" \t\r\n", text[at]) != NULL; at++)
		continue;
	if (at >= length || text[at] != '"')
		return NULL;
	at++;
	end = memchr(text + at, '"', length - at);
	if (end == NULL)
		return NULL;
	*name_length = (size_t)(end - text) - at;
	return text + at;
}

const char *sb_bundle_next_include(const char *text, size_t length, size_t *at, size_t *name_length)
{
	while (*at < length) {
		size_t behind = skip_hidden(text, length, *at);
		const char *name;

		if (behind > *at) {
			*at = behind;
			continue;
		}
		if (!starts(text, length, *at, "include") || (*at > 0 && is_word(text[*at - 1]))) {
			++*at;
			continue;
		}
		name = included(text, length, *at, name_length);
		*at += strlen("include");
		if (name != NULL) {
			*at = (size_t)(name - text) + *name_length + 1;
			return name;
		}
	}
	return NULL;
}

/* Append one step to a path that never leaves its root; false when it would. */
static bool step(char *path, size_t *used, const char *part, size_t length)
{
	if (length == 0 || (length == 1 && part[0] == '.'))
		return true;
	if (length == 2 && memcmp(part, "..", 2) == 0) {
		if (*used == 0)
			return false;
		while (*used > 0 && path[--*used] != '/')
			continue;
		return true;
	}
	if (*used > 0)
		path[(*used)++] = '/';
	memcpy(path + *used, part, length);
	*used += length;
	return true;
}

static bool steps(char *path, size_t *used, const char *text, size_t length)
{
	while (length > 0) {
		const char *slash = memchr(text, '/', length);
		size_t part = slash != NULL ? (size_t)(slash - text) : length;

		if (!step(path, used, text, part))
			return false;
		text += part + (slash != NULL);
		length -= part + (slash != NULL);
	}
	return true;
}

char *sb_bundle_resolve(const char *from, const char *include, size_t length)
{
	const char *slash = strrchr(from, '/');
	size_t folder = slash != NULL ? (size_t)(slash - from) : 0, used = 0;
	char *path = malloc(folder + length + 3);

	if (path == NULL)
		return NULL;
	if (length == 0 || include[0] == '/' || memchr(include, '\0', length) != NULL ||
		!steps(path, &used, from, folder) || !steps(path, &used, include, length) ||
		used == 0) {
		free(path);
		return NULL;
	}
	path[used] = '\0';
	return path;
}

/* --- Reading ------------------------------------------------------------------------------- */

const sb_bundle_head *sb_bundle_check(const void *data, size_t length)
{
	const sb_bundle_head *head = data;

	if (length < sizeof *head || memcmp(head->magic, magic, sizeof magic) != 0 ||
		head->protocol != SB_WORKER_PROTOCOL || head->length != length ||
		head->sources_at != sizeof *head || head->digests_at < head->sources_at ||
		head->digests_at > length ||
		(length - head->digests_at) / sizeof(sb_bundle_digest) != head->digests)
		return NULL;
	return head;
}

bool sb_bundle_next_source(const sb_bundle_head *head, uint64_t *at, sb_source_view *out)
{
	const char *base = (const char *)head;
	uint64_t here = *at == 0 ? head->sources_at : *at;
	sb_bundle_source source;

	if (head->digests_at - here < sizeof source)
		return false;
	memcpy(&source, base + here, sizeof source);
	here += sizeof source;
	if (head->digests_at - here < (uint64_t)source.name_length + source.text_length + 2)
		return false;
	*out = (sb_source_view){.name = base + here,
		.text = base + here + source.name_length + 1,
		.text_length = source.text_length,
		.root = source.root,
		.compiled = source.compiled != 0};
	*at = here + source.name_length + source.text_length + 2;
	return true;
}

bool sb_bundle_find(
	const sb_bundle_head *head, uint32_t root, const char *name, sb_source_view *out)
{
	uint64_t at = 0;

	while (sb_bundle_next_source(head, &at, out))
		if (out->root == root && strcmp(out->name, name) == 0)
			return true;
	return false;
}

const sb_bundle_digest *sb_bundle_digests(const sb_bundle_head *head, size_t *count)
{
	*count = (size_t)head->digests;
	return (const sb_bundle_digest *)(const void *)((const char *)head + head->digests_at);
}

/* --- A plugin's --------------------------------------------------------------------------------
 */

/* The numbers as they are, then path, data folder, each with its NUL, and the settings. */
void sb_bundle_set_plugin(sb_bundle *bundle, const sb_plugin_order *order)
{
	sb_environment environment = order->environment;

	environment.data_dir = NULL;
	bundle->plugin = order->fd;
	sb_buf_add(&bundle->text, &environment, sizeof environment);
	sb_buf_add(&bundle->text, order->path, strlen(order->path) + 1);
	sb_buf_add(&bundle->text, order->environment.data_dir,
		strlen(order->environment.data_dir) + 1);
	sb_buf_add(&bundle->text, order->settings.data, order->settings.length);
}

static const char *take_text(const char **at, size_t *left)
{
	const char *text = *at;
	size_t length = strnlen(text, *left);

	if (length == *left)
		return NULL;
	*at += length + 1;
	*left -= length + 1;
	return text;
}

bool sb_bundle_plugin(const sb_bundle_head *head, int fd, sb_plugin_order *out)
{
	const char *at = (const char *)head + head->sources_at;
	size_t left = (size_t)(head->digests_at - head->sources_at);

	if (head->plugin == 0 || left < sizeof out->environment)
		return false;
	*out = (sb_plugin_order){.fd = fd};
	memcpy(&out->environment, at, sizeof out->environment);
	at += sizeof out->environment;
	left -= sizeof out->environment;
	out->path = take_text(&at, &left);
	out->environment.data_dir = out->path != NULL ? take_text(&at, &left) : NULL;
	out->settings = (sb_packed){at, left};
	return out->environment.data_dir != NULL;
}
