/* SPDX-License-Identifier: MIT */
/* Atoms are found where libyara's automaton comes to a match: all of them, nothing else, and in
 * the same order. */
#include "rules_scene.h"

#include "worker/atoms.h"

enum { MOST = 100000 };

typedef struct place {
	uint32_t matches;
	size_t end;
} place;

typedef struct places {
	size_t count;
	place at[MOST];
} places;

static int note(void *context, uint32_t matches, size_t end)
{
	places *found = context;

	assert_true(found->count < MOST);
	found->at[found->count++] = (place){matches, end};
	return 0;
}

/* As libyara's loop goes. */
static void run_automaton(const YR_RULES *rules, const uint8_t *data, size_t size, places *out)
{
	const YR_AC_TRANSITION *table = rules->ac_transition_table;
	uint32_t state = YR_AC_ROOT_STATE;

	out->count = 0;
	for (size_t i = 0; i < size; i++) {
		uint32_t code = data[i] + 1u;

		while (YR_AC_INVALID_TRANSITION(table[state + code], code) &&
			state != YR_AC_ROOT_STATE)
			state = YR_AC_NEXT_STATE(table[state]);
		if (!YR_AC_INVALID_TRANSITION(table[state + code], code))
			state = YR_AC_NEXT_STATE(table[state + code]);
		if (rules->ac_match_table[state] != 0)
			note(out, rules->ac_match_table[state], i + 1);
	}
}

static sb_atoms *atoms_of(YR_RULES *rules)
{
	sb_atoms *atoms = malloc(sizeof *atoms);
	sb_trie trie = trie_of(rules);

	assert_non_null(atoms);
	sb_atoms_of(atoms, &trie);
	return atoms;
}

/* First with the sieve, where the processor can, then without it. */
static bool another_way(sb_atoms *atoms)
{
	bool more = atoms->sieve.usable;

	atoms->sieve.usable = false;
	return more;
}

static void compare_places(
	const sb_atoms *atoms, const YR_RULES *rules, const uint8_t *data, size_t size, size_t *sum)
{
	static places expected, found;

	run_automaton(rules, data, size, &expected);
	found.count = 0;
	assert_int_equal(sb_atoms_find(atoms, data, size, note, &found), 0);
	assert_int_equal(found.count, expected.count);
	for (size_t i = 0; i < found.count; i++) {
		assert_int_equal(found.at[i].matches, expected.at[i].matches);
		assert_int_equal(found.at[i].end, expected.at[i].end);
	}
	*sum += found.count;
}

/* Content of few letters, each of its sizes in memory of its own: nothing is read behind its end.
 */
static void compare_with_letters(const sb_atoms *atoms, const YR_RULES *rules, size_t *sum)
{
	uint8_t content[700];

	for (unsigned seed = 0; seed < 3000; seed++) {
		size_t size = seed % (seed % 7 == 0 ? 700 : 40);
		uint8_t *exact = malloc(size + (size == 0));

		assert_non_null(exact);
		make_content(content, sizeof content, seed);
		memcpy(exact, content, size);
		compare_places(atoms, rules, exact, size, sum);
		free(exact);
	}
}

/* Content in which the rules' own atoms follow each other, whole, cut, and with others between. */
typedef struct weaving {
	uint8_t *out;
	size_t used, room;
	unsigned turn;
} weaving;

static void weave(weaving *w, const sb_pattern *atom)
{
	size_t cut = ++w->turn % 5 == 0 ? atom->length - 1u : atom->length;

	if (w->used + atom->length + 1 > w->room)
		return;
	memcpy(w->out + w->used, atom->bytes, cut);
	w->used += cut;
	if (w->turn % 3 == 0)
		w->out[w->used++] = (uint8_t)w->turn;
}

static void compare_with_atoms(const sb_atoms *atoms, const YR_RULES *rules, size_t *sum)
{
	static uint8_t content[60000];
	weaving w = {.out = content, .room = sizeof content};
	size_t count;
	sb_pattern *each = sb_trie_atoms(&atoms->trie, &count);

	assert_non_null(each);
	for (size_t i = 0; i < count; i++)
		weave(&w, &each[i]);
	compare_places(atoms, rules, content, w.used, sum);
	free(each);
}

static void compare(YR_RULES *rules, size_t *sum, unsigned *unusable)
{
	sb_atoms *atoms = atoms_of(rules);

	if (!atoms->usable) {
		++*unusable;
		assert_true(rules->ac_match_table[YR_AC_ROOT_STATE] != 0);
	}
	do {
		if (atoms->usable)
			compare_with_letters(atoms, rules, sum);
		if (atoms->usable)
			compare_with_atoms(atoms, rules, sum);
	} while (another_way(atoms));
	free(atoms);
	yr_rules_destroy(rules);
}

static void atoms_are_where_automata_match(void **state)
{
	unsigned unusable = 0;
	size_t sum = 0;

	(void)state;
	for (size_t i = 0; i < LENGTH(sets); i++)
		compare(compile(sets[i]), &sum, &unusable);
	compare(compile_bundled(), &sum, &unusable);
	compare(compile_many(3000), &sum, &unusable);
	assert_int_equal(unusable, 1);
	assert_true(sum > 100000);
}

static void find_at_every_place(const sb_atoms *atoms, const char *text)
{
	static places found;
	size_t length = strlen(text);
	uint8_t content[150];

	for (size_t at = 0; at + length <= sizeof content; at++) {
		memset(content, '.', sizeof content);
		memcpy(content + at, text, length);
		for (size_t size = 0; size <= sizeof content; size++) {
			found.count = 0;
			sb_atoms_find(atoms, content, size, note, &found);
			assert_int_equal(found.count, size >= at + length);
			if (found.count > 0)
				assert_int_equal(found.at[0].end, at + length);
		}
	}
}

/* At each place of content of each size, as the last bytes, and one byte short of it. */
static void atoms_are_found_at_every_place(void **state)
{
	static const char *const texts[] = {"Q", "QR", "QRS", "QRST", "\xd1", "\xd1R\xd3\xd4"};
	char text[100];

	(void)state;
	for (size_t i = 0; i < LENGTH(texts); i++) {
		YR_RULES *rules;
		sb_atoms *atoms;

		snprintf(text, sizeof text, "rule a { strings: $a = \"%s\" condition: $a }",
			texts[i]);
		rules = compile(text);
		atoms = atoms_of(rules);
		assert_true(atoms->usable);
		do
			find_at_every_place(atoms, texts[i]);
		while (another_way(atoms));
		free(atoms);
		yr_rules_destroy(rules);
	}
}

/* 7: enough; anything else goes back to whoever asked. */
static int stop_at_seven(void *context, uint32_t matches, size_t end)
{
	size_t *calls = context;

	(void)matches;
	(void)end;
	return ++*calls == 7 ? 77 : 0;
}

static void finding_stops_when_told(void **state)
{
	YR_RULES *rules = compile("rule a { strings: $a = \"ab\" condition: #a > 1 }");
	sb_atoms *atoms = atoms_of(rules);
	size_t calls;

	(void)state;
	do {
		calls = 0;
		assert_int_equal(sb_atoms_find(atoms, (const uint8_t *)"ababababababababababab", 22,
					 stop_at_seven, &calls),
			77);
		assert_int_equal(calls, 7);
	} while (another_way(atoms));
	free(atoms);
	yr_rules_destroy(rules);
}

/* What everybody pays for: where it has changed, somebody should know. */
static void the_bundled_rules_begin_in_few_places(void **state)
{
	YR_RULES *rules = compile_bundled();
	sb_atoms *atoms = atoms_of(rules);
	unsigned pairs = 0;

	(void)state;
	assert_true(atoms->usable);
	for (size_t i = 0; i < SB_ATOM_PAIRS; i++) {
		const uint8_t both[2] = {(uint8_t)i, (uint8_t)(i >> 8)};
		static places found;

		pairs += atoms->begins[i];
		found.count = 0;
		sb_atoms_find(atoms, both, sizeof both, note, &found);
		assert_int_equal(found.count, 0); /* no atom is so short as to be everywhere */
	}
	assert_in_range(pairs, 1, 1000);
	free(atoms);
	yr_rules_destroy(rules);
}

/* --- Tables that are not what they should be ----------------------------------------------------
 */

static void strange_tables_are_not_used(void **state)
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

static bool has_atoms(const sb_trie *trie)
{
	size_t count;
	sb_pattern *each = sb_trie_atoms(trie, &count);
	bool has = each != NULL;

	for (size_t i = 0; has && i < count; i++)
		assert_in_range(each[i].length, 1, SB_PATTERN_BYTES);
	free(each);
	return has;
}

/* A state with matches that nothing leads to; one that leads to itself; one that is too deep. */
static void what_is_no_trie_has_no_atoms(void **state)
{
	uint32_t matches[64] = {0};
	YR_AC_TRANSITION slots[64] = {0};
	sb_trie trie = {.transitions = slots, .matches = matches, .slots = LENGTH(slots)};
	sb_atoms *atoms = malloc(sizeof *atoms);

	(void)state;
	assert_non_null(atoms);
	assert_true(has_atoms(&trie));
	matches[20] = 1;
	assert_false(has_atoms(&trie));
	sb_atoms_of(atoms, &trie);
	assert_false(atoms->usable);
	slots[3] = YR_AC_MAKE_TRANSITION(20, 3);
	assert_true(has_atoms(&trie));
	sb_atoms_of(atoms, &trie);
	assert_true(atoms->usable);
	slots[3] = 0;
	slots[25] = YR_AC_MAKE_TRANSITION(20, 5);
	assert_false(has_atoms(&trie));
	slots[25] = 0;
	slots[2] = YR_AC_MAKE_TRANSITION(20, 5); /* from before the table's beginning */
	assert_false(has_atoms(&trie));
	free(atoms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(atoms_are_where_automata_match),
		cmocka_unit_test(atoms_are_found_at_every_place),
		cmocka_unit_test(finding_stops_when_told),
		cmocka_unit_test(the_bundled_rules_begin_in_few_places),
		cmocka_unit_test(strange_tables_are_not_used),
		cmocka_unit_test(what_is_no_trie_has_no_atoms),
	};

	return cmocka_run_group_tests(tests, start_libyara, stop_libyara);
}
