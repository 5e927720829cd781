# SPDX-License-Identifier: MIT
"""What a recipe makes, and the table of all families of recipes.

A family is a generator: it gets the payload and yields one Sample for each of its recipes. Given
another payload it yields the harmless counterparts, name by name.
"""
import dataclasses
import functools

later = functools.partial  # a sample whose tool may be missing: made when it is written

# What an honest scanner may say at best, from the best on. Worse is always allowed, with one
# exception that nothing excuses: clean, and everything inspected.
BEST = ("infected", "encrypted", "corrupt", "limit_exceeded", "unsupported", "partial")


@dataclasses.dataclass
class Sample:
    recipe: str
    data: object  # bytes, or a function that makes them
    intention: str
    best: str = "infected"
    sound: bool = False  # nothing is wrong with it: without the payload it must be clean
    suffix: str = "bin"
    password: str = None
    family: str = ""

    def __post_init__(self):
        assert self.best in BEST, self.best

    @property
    def file(self):
        return f"{self.recipe}.{self.suffix}" if self.suffix else self.recipe


FAMILIES = {}


def family(name):
    def add(function):
        FAMILIES[name] = function
        return function
    return add
