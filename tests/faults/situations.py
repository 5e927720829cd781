# SPDX-License-Identifier: MIT
"""The catalogue's faults in the middle of something: a replica that stands by, a breaker's probe,
a quota that is used up, an answer that is remembered, others who wait for the same answer.

A situation says how its engines are set up and plays all of a crowd's cells in step, one round of
scans after another; after each round every cell's report is judged like any other of the matrix.
"""
import itertools
import time
from dataclasses import dataclass, replace

from faults import catalogue
from faults.catalogue import Expected, TRUTH, error

PATIENCE_MS = 10000  # nothing here ends by a deadline
COUNTED = {"connection_failed", "protocol_error", "engine_unavailable"}  # by a breaker
LIMITED = error("rate_limited", why="its quota is used up")
# The second content is like the first one, but not the same; and so on.
FILES = ("", "-2", "-3")


def variants(full):
    """What can be switched on and off, each with a transport of its own; in the short form every
    fourth."""
    chosen = [v for v in catalogue.variants()
              if v.sample and v.size != "huge" and not v.slow and not v.warm
              and v.address == "listen" and v.armed is catalogue.always
              and v.fault != "VERSION fails" and "size limit" not in v.detail]
    return chosen if full else chosen[::4]


def together(*expected):
    """Any of these may come."""
    return Expected(any(e.truth for e in expected),
                    frozenset().union(*(e.kinds for e in expected)),
                    any(e.infected for e in expected), " or ".join(e.why for e in expected))


class Situation:
    """One at a time is asked, so that rounds count."""
    name = ""
    cache = False

    def fits(self, variant):
        return True

    def settings(self):
        """Without a pool: what strikes a connection that is new has to strike every time."""
        return {"timeout": f"{PATIENCE_MS}ms", "concurrency": 1, "pool": False,
                "retry": {"attempts": 1}, "breaker": {"preset": "off"}}

    def addresses(self, faulty, _honest):
        return [faulty]

    def play(self, stage):
        raise NotImplementedError


class Replica(Situation):
    """The first address has the fault, the second one is well."""
    name = "a replica stands by"

    def addresses(self, faulty, honest):
        return [faulty, honest()]

    def play(self, stage):
        stage.strike(True)
        for _ in range(3):  # whichever has its turn
            stage.round(_by_either)
        stage.strike(False)
        stage.round(lambda cell: TRUTH)


def _by_either(cell):
    """Who can't be reached is passed by at once; of others it may have been either one's turn."""
    expected = cell.variant.expected
    if expected.kinds == {"connection_failed"}:
        return TRUTH
    return expected if expected.infected else together(expected, TRUTH)


class Retry(Situation):
    """The first attempt meets the fault, the second one the quota's end."""
    name = "no room for a retry"

    def settings(self):
        return super().settings() | {
            "retry": {"attempts": 3, "initial": "1ms", "jitter": False}, "quota": {"per_minute": 1}}

    def play(self, stage):
        stage.strike(True)
        stage.round(lambda cell: cell.variant.expected)
        stage.strike(False)
        stage.round(lambda cell: LIMITED)
        stage.asked_nobody()


class Quota(Situation):
    """Requests that the fault takes are requests; beyond them nobody is asked."""
    name = "the quota's end"

    def settings(self):
        return super().settings() | {"quota": {"per_minute": 2, "per_day": 100}}

    def play(self, stage):
        stage.strike(True)
        stage.round(lambda cell: cell.variant.expected)
        stage.strike(False)
        stage.round(lambda cell: TRUTH)
        stage.strike(True)
        stage.round(lambda cell: LIMITED)
        stage.asked_nobody()
        stage.counter("rate_limited", 1)


class HalfOpen(Situation):
    """A probe meets the fault; the next one doesn't."""
    name = "a half-open probe"

    def fits(self, variant):
        expected = variant.expected
        return expected.kinds <= COUNTED and not expected.truth and not expected.infected

    def settings(self):
        return super().settings() | {"breaker": {
            "failure_threshold": 1, "success_threshold": 1, "open": "20ms", "max_open": "20ms"}}

    def play(self, stage):
        stage.strike(True)
        stage.round(lambda cell: cell.variant.expected)
        stage.await_half_open()
        stage.round(lambda cell: cell.variant.expected)
        stage.counter("opened", 2)
        stage.strike(False)
        stage.await_half_open()
        stage.round(lambda cell: TRUTH)
        stage.counter("closed", 1)
        stage.round(lambda cell: TRUTH)


class Remembered(Situation):
    """What is remembered needs no engine and costs no quota; what failed is not remembered."""
    name = "answers from the cache"
    cache = True

    def settings(self):
        return super().settings() | {"quota": {"per_minute": 3}}

    def play(self, stage):
        stage.round(lambda cell: TRUTH)
        stage.strike(True)
        # Who the engine is, is known for 5 s; later it would be asked, and meet the fault.
        fresh = time.monotonic() - stage.begun < 3
        for _ in range(2):
            stage.round(lambda cell: TRUTH if fresh else together(TRUTH, cell.variant.expected),
                        cached=fresh)
        if not fresh:
            return
        stage.asked_nobody()
        stage.round(lambda cell: cell.variant.expected, file=1)
        stage.strike(False)
        stage.round(lambda cell: _as_remembered(cell), file=1)
        stage.round(lambda cell: TRUTH)
        stage.round(lambda cell: _as_remembered(cell), file=1)
        # Where the fault's own answer counted and was kept, one more request is left.
        stage.round(lambda cell: together(LIMITED, TRUTH)
                    if cell.variant.expected.truth or cell.variant.expected.infected
                    else LIMITED, file=2)


def _as_remembered(cell):
    """The truth, if perhaps by a name that an engine once said."""
    odd = cell.variant.expected.infected
    return Expected(not odd, frozenset(), odd, "asked again, or remembered")


class Coalesced(Situation):
    """Several ask the same at once: one request answers them all, or each learns why not."""
    name = "others wait for the same answer"
    cache = True
    scans = 4

    def settings(self):
        return super().settings() | {"quota": {"per_minute": 2}}

    def play(self, stage):
        stage.round(lambda cell: TRUTH, times=self.scans)
        stage.strike(True)
        stage.round(lambda cell: together(cell.variant.expected, LIMITED), file=1,
                    times=self.scans)
        stage.strike(False)
        stage.round(lambda cell: together(_as_remembered(cell), LIMITED), file=1)
        stage.round(lambda cell: TRUTH, times=self.scans)


ALL = (Replica(), Retry(), Quota(), HalfOpen(), Remembered(), Coalesced())


@dataclass(frozen=True)
class Scene:
    """A cell of the matrix: a fault in a situation."""
    number: int
    variant: catalogue.Variant
    transport: str
    content: str
    role: str
    situation: Situation
    attempts: int = 3

    @property
    def engine(self):
        return f"s{self.number}"

    def file(self, number=0):
        return f"{self.content}-{self.variant.size}{FILES[number]}"

    def expecting(self, expected):
        return replace(self, variant=replace(self.variant, expected=expected))

    def __str__(self):
        return (f"{self.situation.name}: {self.variant.fault} ({self.variant.detail}) × "
                f"{self.transport} × {self.content} × {self.role}")


def scenes(full):
    number = itertools.count()
    for situation in ALL:
        fitting = (v for v in variants(full) if situation.fits(v))
        for place, variant in enumerate(fitting):
            transport = variant.transports[place % len(variant.transports)]
            for content, role in itertools.product(variant.contents, ("required", "optional")):
                yield Scene(next(number), variant, transport, content, role, situation)


def crowds(all_scenes, limit):
    """One situation each."""
    for _, group in itertools.groupby(all_scenes, lambda scene: scene.situation.name):
        group = list(group)
        for start in range(0, len(group), limit):
            yield group[start:start + limit]
