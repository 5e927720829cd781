#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An independent oracle for the decision kernel, written from the contract's text alone.

    decision_oracle.py TRUTH_TABLE_PROGRAM

Runs the program and compares every line it prints with what the few functions below make of
the same row. It shares no code, table or constant with the C sources.
"""
import itertools
import subprocess
import sys

# What an engine said -> the kind of its failure, None for an answer.
SAID = [("clean", None), ("infected", None), ("suspicious", None), ("content error", "encrypted"),
        ("engine error", "timeout"), ("not asked", "rate_limited"), ("unset memory", "internal"),
        ("stale cache", "protocol_error")]  # stale: clean without complete coverage


# Whose failure is answered for by whom: a by b, b by c, d by a.
CHAIN = {0: 1, 1: 2, 3: 0}
# Failures of an engine; a fallback doesn't make up for content that nobody can read.
OF_THE_ENGINE = {"timeout", "rate_limited", "protocol_error"}


def replaced(engines, number, fallbacks):
    """Did somebody answer in its place?"""
    while engines[number][1] in OF_THE_ENGINE and number in fallbacks:
        number = fallbacks[number]
        if engines[number][0] in ("clean", "infected", "suspicious"):
            return True
    return False


# What makes enough hits, from the numbers of the engines that say infected and how many of all
# gave a complete answer. The weights are 0.5, 1.5, 2.5 and 3.5.
STRATEGIES = {
    "any": lambda hits, answers: len(hits) >= 1,
    "all": lambda hits, answers: len(hits) == answers,
    "quorum": lambda hits, answers: len(hits) >= 2,
    "majority": lambda hits, answers: 2 * len(hits) > answers,
    "weighted": lambda hits, answers: sum(number + 0.5 for number in hits) >= 4,
    "veto": lambda hits, answers: 1 in hits or sum(number + 0.5 for number in hits) >= 4,
}


def decide(engines, min_engines, fallbacks, strategy):
    """[(what was said, failure kind, required)] -> (outcome, all kinds the error is owed to)."""
    said = [what for what, _, _ in engines]
    failed = [kind for _, kind, _ in engines if kind]
    required_failed = [kind for number, (_, kind, required) in enumerate(engines)
                       if kind and required and not replaced(engines, number, fallbacks)]
    hits = [number for number, what in enumerate(said) if what == "infected"]
    answers = sum(kind is None for _, kind, _ in engines)
    if hits and STRATEGIES[strategy](hits, answers):
        return "infected", ["none"]
    if required_failed:
        return "error", required_failed
    if hits or "suspicious" in said:
        return "suspicious", ["none"]
    if said.count("clean") >= min_engines:
        return "clean", ["none"]
    return "error", failed or ["not_configured"]


PRESETS = {
    "default": dict(infected="quarantine", suspicious="require_manual_review", error="block",
                    clean="allow"),
    "strict": dict(infected="quarantine", suspicious="block", error="block", clean="allow"),
    "monitor": dict(infected="allow_with_warning", suspicious="allow_with_warning",
                    error="allow_with_warning", clean="allow"),
}


def act(policy, outcome, kinds):
    if policy == "rules":  # clean is allowed, infected quarantined, encrypted and internal allowed
        action = {"clean": "allow", "infected": "quarantine"}.get(outcome, "block")
        if len(set(kinds)) == 1:  # a rule that allows an error must hold for all its causes
            action = {"encrypted": "allow_with_warning", "internal": "allow"}.get(kinds[0], action)
    else:
        action = PRESETS[policy][outcome]
    never = {"audit_failed", "internal", "cancelled"} & set(kinds)
    return "block" if never and action.startswith("allow") else action


def table(policy, min_engines, fallbacks={}, strategy="any"):
    """Roles outside, answers inside; the first engine turns fastest in both."""
    for optional in itertools.product((False, True), repeat=4):
        for said in itertools.product(SAID, repeat=4):
            engines = [(*s, not o) for s, o in zip(reversed(said), reversed(optional))]
            outcome, kinds = decide(engines, min_engines, fallbacks, strategy)
            yield f"{outcome} {kinds[0]} {act(policy, outcome, kinds)}"


# --- Tiers: the last two engines are asked only when the first two leave something open --------
def doubtful(outcome, said):
    """The first engine knows rules only: what nobody else calls clean is of low assurance."""
    return outcome != "infected" and not (outcome == "clean" and "clean" in said[1:])


NEXT = {"on_doubt": doubtful, "unless_infected": lambda outcome, _: outcome != "infected",
        "on_suspicion": lambda outcome, _: outcome == "suspicious"}


def tiers(min_engines, next_tier, fallbacks={}, strategy="any"):
    for optional in itertools.product((False, True), repeat=4):
        for said in itertools.product(SAID, repeat=4):
            engines = [(*s, not o) for s, o in zip(reversed(said), reversed(optional))]
            asked = engines[:2]
            # Who has not been asked answers for nobody.
            outcome, kinds = decide(asked, min_engines, {number: other for number, other in
                                                         fallbacks.items()
                                                         if number < 2 and other < 2}, strategy)
            if NEXT[next_tier](outcome, [what for what, _, _ in asked]):
                asked = engines
                outcome, kinds = decide(asked, min_engines, fallbacks, strategy)
            action = act("default", outcome, kinds)
            if outcome == "clean" and "clean" not in [what for what, _, _ in asked[1:]]:
                action = "allow_with_warning"
            yield f"{len(asked)} {outcome} {kinds[0]} {action}"


def all_tiers():
    for next_tier in ("on_doubt", "unless_infected", "on_suspicion"):
        yield tiers(1, next_tier)
        yield tiers(2, next_tier, CHAIN)
        yield tiers(1, next_tier, strategy="quorum")
    for strategy in ("all", "majority", "veto"):
        yield tiers(1, "on_doubt", strategy=strategy)


def main():
    run = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True, check=True)
    expected = itertools.chain(*(table(p, 1) for p in ("default", "strict", "monitor", "rules")),
                               table("default", 2), table("default", 1, CHAIN),
                               table("rules", 2, CHAIN),
                               *(table("default", 1, strategy=name) for name in
                                 ("all", "quorum", "majority", "weighted", "veto")),
                               *all_tiers())
    rows = 0
    for rows, (got, want) in enumerate(itertools.zip_longest(run.stdout.splitlines(), expected), 1):
        if got != want:
            sys.exit(f"row {rows - 1}: the kernel says `{got}`, the oracle `{want}`")
    print(f"{rows} rows agree")
    if rows != (12 + 12) * 16 * 8 ** 4:
        sys.exit("that is not the whole table")


main()
