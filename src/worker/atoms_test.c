/* SPDX-License-Identifier: MIT */
/* What is said to hold no atom leads libyara's automaton to no match, and what is said to hold one
 * does. */
#include "rules_scene.h"

#include "worker/atoms.h"

/* Does libyara's loop come to a state with matches? */
static bool comes_to_a_match(const YR_RULES *rules, const uint8_t *data, size_t size)
{
	const YR_AC_TRANSITION *table = rules->ac_transition_table;
	uint32_t state = YR_AC_ROOT_STATE;

	for (size_t i = 0; i < size; i++) {
		uint32_t code = data[i] + 1u;

		while (YR_AC_INVALID_TRANSITION(table[state + code], code) &&
			state != YR_AC_ROOT_STATE)
			state = YR_AC_NEXT_STATE(table[state]);
		if (!YR_AC_INVALID_TRANSITION(table[state + code], code))
			state = YR_AC_NEXT_STATE(table[state + code]);
		if (rules->ac_match_table[state] != 0)
			return true;
	}
	return false;
}

static void compare(YR_RULES *rules, unsigned *with, unsigned *without)
{
	sb_trie trie = trie_of(rules);
	uint8_t content[700];
	sb_atoms atoms;

	sb_atoms_of(&atoms, &trie);
	for (unsigned seed = 0; seed < 3000; seed++) {
		size_t size = seed % (seed % 7 == 0 ? 700 : 20);
		uint8_t *exact = malloc(size); /* nothing is read behind its end */
		bool found;

		make_content(content, sizeof content, seed);
		assert_true(size == 0 || exact != NULL);
		if (size > 0)
			memcpy(exact, content, size);
		found = comes_to_a_match(rules, exact, size);
		if (atoms.usable)
			assert_int_equal(sb_atoms_in(&atoms, exact, size), found);
		else
			assert_true(sb_atoms_in(&atoms, exact, size));
		*with += found;
		*without += !found;
		free(exact);
	}
}

static void atoms_are_where_automata_match(void **state)
{
	unsigned with = 0, without = 0;
	YR_RULES *rules;

	(void)state;
	for (size_t i = 0; i < LENGTH(sets); i++) {
		rules = compile(sets[i]);
		compare(rules, &with, &without);
		yr_rules_destroy(rules);
	}
	rules = compile_bundled();
	compare(rules, &with, &without);
	yr_rules_destroy(rules);
	assert_true(with > 3000 && without > 3000);
}

/* At each place of content of each size, as the last bytes, and one byte short of it. */
static void atoms_are_found_at_every_place(void **state)
{
	static const char *const texts[] = {"Q", "QR", "QRS", "QRST"};
	uint8_t content[40];
	char text[100];

	(void)state;
	for (size_t i = 0; i < LENGTH(texts); i++) {
		size_t length = strlen(texts[i]);
		YR_RULES *rules;
		sb_atoms atoms;
		sb_trie trie;

		snprintf(text, sizeof text, "rule a { strings: $a = \"%s\" condition: $a }",
			texts[i]);
		rules = compile(text);
		trie = trie_of(rules);
		sb_atoms_of(&atoms, &trie);
		assert_true(atoms.usable);
		for (size_t at = 0; at + length <= sizeof content; at++) {
			memset(content, '.', sizeof content);
			memcpy(content + at, texts[i], length);
			for (size_t size = 0; size <= sizeof content; size++)
				assert_int_equal(
					sb_atoms_in(&atoms, content, size), size >= at + length);
		}
		yr_rules_destroy(rules);
	}
}

static void nothing_known_is_perhaps(void **state)
{
	static const sb_atoms nothing;
	YR_RULES *rules = compile("rule a { strings: $a = /./ condition: #a > 1 }");
	sb_trie trie = trie_of(rules);
	sb_atoms atoms;

	(void)state;
	assert_true(sb_atoms_in(&nothing, (const uint8_t *)"", 0));
	sb_atoms_of(&atoms, &trie);
	assert_false(atoms.usable);
	assert_true(sb_atoms_in(&atoms, (const uint8_t *)"x", 1));
	yr_rules_destroy(rules);
}

static void the_bundled_rules_have_atoms(void **state)
{
	static const uint8_t zeros[100000];
	YR_RULES *rules = compile_bundled();
	sb_trie trie = trie_of(rules);
	sb_atoms atoms;

	(void)state;
	sb_atoms_of(&atoms, &trie);
	assert_true(atoms.usable);
	assert_false(sb_atoms_in(&atoms, zeros, sizeof zeros));
	for (unsigned first = 0; first < 256;
		first++) /* an atom of one or two bytes is everywhere */
		for (unsigned second = 0; second < 256; second++) {
			const uint8_t both[2] = {(uint8_t)first, (uint8_t)second};

			assert_false(sb_atoms_in(&atoms, both, sizeof both));
		}
	yr_rules_destroy(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(atoms_are_where_automata_match),
		cmocka_unit_test(atoms_are_found_at_every_place),
		cmocka_unit_test(nothing_known_is_perhaps),
		cmocka_unit_test(the_bundled_rules_have_atoms),
	};

	return cmocka_run_group_tests(tests, start_libyara, stop_libyara);
}
