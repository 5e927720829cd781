/* SPDX-License-Identifier: MIT */
/* Completed tables say exactly what libyara's own say: state by state, and in what is found. */
#include "rules_scene.h"

#include "worker/automaton.h"

/* --- What the tables say ---------------------------------------------------------------------- */

/* As libyara's loop goes on from a state with a byte. */
static uint32_t step(const YR_RULES *rules, uint32_t state, uint8_t byte)
{
	const YR_AC_TRANSITION *table = rules->ac_transition_table;
	uint32_t code = byte + 1u;

	while (YR_AC_INVALID_TRANSITION(table[state + code], code)) {
		if (state == YR_AC_ROOT_STATE)
			return YR_AC_ROOT_STATE;
		state = YR_AC_NEXT_STATE(table[state]);
	}
	return YR_AC_NEXT_STATE(table[state + code]);
}

typedef struct pair {
	uint32_t own, completed;
} pair;

/* All states that any content can reach, from both roots in step, byte by byte: each pair has the
 * same matches, and no state has two partners. */
static void assert_same_language(YR_RULES *own, YR_RULES *completed, uint32_t slots)
{
	uint32_t *partner = calloc(slots, sizeof *partner), used = 1;
	pair *queue = calloc(slots, sizeof *queue);

	assert_non_null(partner);
	assert_non_null(queue);
	for (uint32_t i = 0; i < used; i++)
		for (unsigned byte = 0; byte < 256; byte++) {
			pair next = {step(own, queue[i].own, (uint8_t)byte),
				step(completed, queue[i].completed, (uint8_t)byte)};

			assert_int_equal(own->ac_match_table[next.own],
				completed->ac_match_table[next.completed]);
			if (next.own == YR_AC_ROOT_STATE || partner[next.own] != 0) {
				assert_int_equal(partner[next.own], next.completed);
				continue;
			}
			partner[next.own] = next.completed;
			queue[used++] = next;
		}
	assert_int_equal(own->ac_match_table[0], completed->ac_match_table[0]);
	free(partner);
	free(queue);
}

static void compare_tables(YR_RULES *rules)
{
	static const uint32_t amounts[] = {1, 2, 3, 10, 100, SB_AUTOMATON_STATES, 5000};
	sb_trie trie = trie_of(rules);
	sb_automaton automaton;

	for (size_t i = 0; i < LENGTH(amounts); i++) {
		YR_RULES own = *rules;

		assert_true(sb_automaton_complete(&automaton, rules, &trie, amounts[i]));
		assert_ptr_not_equal(own.ac_transition_table, rules->ac_transition_table);
		assert_same_language(&own, rules, trie.slots);
		sb_automaton_undo(&automaton);
		assert_ptr_equal(own.ac_transition_table, rules->ac_transition_table);
		assert_ptr_equal(own.ac_match_table, rules->ac_match_table);
	}
}

static void the_tables_say_the_same(void **state)
{
	YR_RULES *rules;

	(void)state;
	for (size_t i = 0; i < LENGTH(sets); i++) {
		rules = compile(sets[i]);
		compare_tables(rules);
		yr_rules_destroy(rules);
	}
	rules = compile_bundled();
	compare_tables(rules);
	yr_rules_destroy(rules);
	rules = compile_many(3000);
	compare_tables(rules);
	yr_rules_destroy(rules);
}

/* --- What is found ---------------------------------------------------------------------------- */

typedef struct findings {
	uint64_t sum, count;
} findings;

static void mix(findings *f, uint64_t value)
{
	f->sum = (f->sum ^ value) * 1099511628211u;
}

static int note(YR_SCAN_CONTEXT *context, int message, void *data, void *user)
{
	findings *f = user;
	YR_RULE *rule = data;
	YR_STRING *string;
	YR_MATCH *match;

	if (message != CALLBACK_MSG_RULE_MATCHING && message != CALLBACK_MSG_RULE_NOT_MATCHING)
		return CALLBACK_CONTINUE;
	mix(f, (uint64_t)message);
	yr_rule_strings_foreach(rule, string)
	{
		yr_string_matches_foreach(context, string, match)
		{
			f->count++;
			mix(f, string->idx);
			mix(f, (uint64_t)match->offset);
			mix(f, (uint64_t)match->match_length);
		}
	}
	return CALLBACK_CONTINUE;
}

static findings scan_all(YR_RULES *rules)
{
	findings f = {.sum = 0};
	YR_SCANNER *scanner;
	uint8_t content[700];

	assert_int_equal(yr_scanner_create(rules, &scanner), ERROR_SUCCESS);
	yr_scanner_set_callback(scanner, note, &f);
	for (unsigned seed = 0; seed < 60; seed++) {
		make_content(content, sizeof content, seed);
		assert_int_equal(yr_scanner_scan_mem(scanner, content, seed * 11u), ERROR_SUCCESS);
	}
	yr_scanner_destroy(scanner);
	return f;
}

static void the_same_is_found(void **state)
{
	sb_automaton automaton;
	uint64_t count = 0;

	(void)state;
	for (size_t i = 0; i < LENGTH(sets); i++) {
		YR_RULES *rules = compile(sets[i]);
		findings own = scan_all(rules), completed;
		sb_trie trie = trie_of(rules);

		assert_true(sb_automaton_complete(&automaton, rules, &trie, i % 2 == 0 ? 1 : 1000));
		completed = scan_all(rules);
		assert_int_equal(own.count, completed.count);
		assert_true(own.sum == completed.sum);
		count += own.count;
		sb_automaton_undo(&automaton);
		yr_rules_destroy(rules);
	}
	assert_true(count > 10000);
}

/* --- Limits ----------------------------------------------------------------------------------- */

/* A table that doesn't fit into 23 bits of a state's number stays as it is. */
static void a_number_has_its_bits(void **state)
{
	YR_RULES *rules = compile(sets[2]);
	const YR_AC_TRANSITION *own = rules->ac_transition_table;
	sb_trie trie = trie_of(rules);
	uint32_t fits = (YR_AC_MAX_TRANSITION_TABLE_SIZE - trie.slots - 257) / 257;
	sb_automaton automaton;

	(void)state;
	for (uint32_t most = fits - 1; most <= fits + 1; most++) {
		assert_int_equal(
			sb_automaton_complete(&automaton, rules, &trie, most), most <= fits);
		assert_int_equal(rules->ac_transition_table != own, most <= fits);
		sb_automaton_undo(&automaton);
		sb_automaton_undo(&automaton); /* nothing more */
	}
	assert_false(sb_automaton_complete(&automaton, rules, &trie, 0));
	assert_false(sb_automaton_complete(&automaton, rules, &trie, UINT32_MAX));
	yr_rules_destroy(rules);
}

static void strange_tables_stay_as_they_are(void **state)
{
	YR_RULES *rules = compile(sets[2]);
	YR_AC_TRANSITION *own = rules->ac_transition_table, kept = own[5];
	sb_trie trie = trie_of(rules);

	(void)state;
	own[5] = YR_AC_MAKE_TRANSITION(trie.slots - 1, 5);
	assert_true(sb_trie_of(&trie, rules));
	own[5] = YR_AC_MAKE_TRANSITION(trie.slots, 5); /* one beyond */
	assert_false(sb_trie_of(&trie, rules));
	own[5] = kept;
	yr_rules_destroy(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tables_say_the_same),
		cmocka_unit_test(the_same_is_found),
		cmocka_unit_test(a_number_has_its_bits),
		cmocka_unit_test(strange_tables_stay_as_they_are),
	};

	return cmocka_run_group_tests(tests, start_libyara, stop_libyara);
}
