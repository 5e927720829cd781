/* SPDX-License-Identifier: MIT */
/*
 * releases.yaml in the data directory: the rules that `quarantine release` has made, before all
 * others. A file of its own, because the configuration is the operator's to write, not ours.
 */
#include "config/built.h"

#include <stdio.h>
#include <fcntl.h>
#include <unistd.h>

enum { MAX_RELEASES = 10000 };

static int read_list(sb_reader *reader, const sb_node *root, sb_built *built)
{
	const sb_node *list = sb_node_get(root, "rules");
	sb_rule *rules;
	size_t n = 0;
	int rc = 0;

	if (list == NULL)
		return 0;
	if (list->type != SB_NODE_LIST || list->count > MAX_RELEASES)
		return sb_node_error(reader->error, list,
			"rules: a list of up to %d rules expected", MAX_RELEASES);
	rules = sb_arena_zalloc(reader->arena, (list->count + 1) * sizeof *rules);
	if (rules == NULL)
		return sb_error_no_memory(reader->error);
	for (const sb_node *node = list->first; rc == 0 && node != NULL; node = node->next) {
		rc = sb_build_rule(reader, node, &rules[n]);
		rules[n++].priority = INT64_MAX;
	}
	built->releases = rules;
	built->release_count = n;
	return rc;
}

/* Before the rules of the configuration, whatever their priority. */
static int put_first(sb_reader *reader, sb_built *built)
{
	size_t behind = 0, n = built->release_count;
	const sb_rule *rest = sb_policy_rules(built->conf.policy, &behind);
	sb_rule *rules = sb_arena_zalloc(reader->arena, (n + behind) * sizeof *rules);

	if (rules == NULL)
		return sb_error_no_memory(reader->error);
	for (size_t i = 0; i < n; i++)
		rules[i] = built->releases[i];
	for (size_t i = 0; i < behind; i++)
		rules[n + i] = rest[i];
	built->conf.policy = sb_policy_new("rules", rules, n + behind, reader->arena);
	return built->conf.policy != NULL ? 0 : sb_error_no_memory(reader->error);
}

int sb_build_releases(sb_reader *reader, const char *data_dir, sb_built *built)
{
	const char *path = sb_path_below(reader->arena, data_dir, SB_RELEASES);
	const sb_node *root;
	int rc;

	if (path == NULL)
		return sb_error_no_memory(reader->error);
	if (faccessat(AT_FDCWD, path, F_OK, 0) != 0)
		return 0; /* nothing was ever released */
	root = sb_document_read(reader->arena, path, reader->error);
	if (root == NULL)
		return -1;
	if (root->type != SB_NODE_MAP)
		return sb_node_error(reader->error, root, "a map with a list `rules` expected");
	rc = read_list(reader, root, built);
	return rc == 0 && built->release_count > 0 ? put_first(reader, built) : rc;
}
