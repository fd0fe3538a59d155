"""The embedded Reber grammar."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..errors import ArgumentError
from .task import Example, Outputs, Task

SYMBOLS = "BTPSXVE"

# The Reber grammar (Reber 1967): from each state, the symbols that may follow and the states they lead to.
# From state 7 nothing follows: the string is complete.
TRANSITIONS: tuple[dict[str, int], ...] = (
    {"B": 1},
    {"T": 2, "P": 3},
    {"S": 2, "X": 4},
    {"T": 3, "V": 5},
    {"X": 3, "S": 6},
    {"P": 4, "V": 6},
    {"E": 7},
    {},
)
COMPLETE = 7


def _legal_inside(string: str, start: int = 0, end: int | None = None) -> set[str]:
    """The symbols that may follow ``string[start:end]`` in the plain grammar; ``{""}`` when that is complete."""
    state = 0
    for place, symbol in enumerate(string[start:end], start):
        if symbol not in TRANSITIONS[state]:
            raise _not_in_the_grammar(string, place)
        state = TRANSITIONS[state][symbol]
    return set(TRANSITIONS[state]) or {""}


def _not_in_the_grammar(string: str, place: int) -> ArgumentError:
    return ArgumentError(f"{string[place]!r} at place {place} of {string!r} is not in the grammar")


class Reber(Task):
    """Predict the next symbol of strings B t … t E, where t is T or P and … a string of the plain Reber grammar.

    To predict the last symbol but one, the second one has to be remembered, over a lag of at least 6 steps and without
    an upper bound. ``embedded=False`` gives the plain grammar, where looking back two symbols is enough.

    Args:
        embedded: whether the strings are embedded.
    """

    name = "reber"
    source = "Hochreiter & Schmidhuber 1997, Long Short-Term Memory, experiment 1; Cleeremans et al. 1989"
    criterion = (
        "at most 1 % of 256 strings have a step at which the symbols rated highest, as many as are legal, are not "
        "the legal ones (the paper asks this of all strings)"
    )
    trivial = "knows the grammar but not the second symbol, and guesses the last but one: half of the strings wrong"
    loss = "cross_entropy"
    metric = "strings wrong"
    predicts_next = True
    input_size = output_size = len(SYMBOLS)
    goal = 0.01

    def __init__(self, embedded: bool = True) -> None:
        self.embedded = embedded
        self.baseline = 0.5 if embedded else 1.0

    def string(self, rng: random.Random) -> str:
        """A random string: where the grammar leaves a choice, both are as likely."""
        state, inside = 0, ""
        while state != COMPLETE:
            symbol = rng.choice(list(TRANSITIONS[state]))
            inside, state = inside + symbol, TRANSITIONS[state][symbol]
        wing = rng.choice("TP") if self.embedded else ""
        return f"B{wing}{inside}{wing}E" if self.embedded else inside

    def legal(self, prefix: str) -> set[str]:
        """The oracle: every symbol that may follow; ``{""}`` when the string is complete.

        Raises:
            ArgumentError: the prefix itself is not legal; the error names the symbol and its place.
        """
        if not self.embedded:
            return _legal_inside(prefix)
        if not prefix:
            return {"B"}
        for place, allowed in enumerate(("B", "TP")):
            if len(prefix) > place and prefix[place] not in allowed:
                raise _not_in_the_grammar(prefix, place)
        if len(prefix) == 1:
            return {"T", "P"}
        wing = prefix[1]
        end = prefix.find("E", 2) + 1
        if not end:
            return _legal_inside(prefix, 2)
        _legal_inside(prefix, 2, end)
        expected = [*prefix[:end], wing, "E"]
        for place in range(end, len(prefix)):
            if place >= len(expected) or prefix[place] != expected[place]:
                raise _not_in_the_grammar(prefix, place)
        return set(expected[len(prefix) :][:1]) or {""}

    def example(self, rng: random.Random) -> Example:
        """A string; the target at each symbol except the last is the next one."""
        symbols = encode(self.string(rng))
        return Example(tuple(symbols[:-1]), tuple(symbols[1:]))

    def error(self, example: Example, outputs: Outputs) -> float:
        """0.0 if at every step the legal symbols are the ones rated highest, else 1.0."""
        string = "".join(SYMBOLS[symbol] for symbol in example.inputs)
        for t, rating in enumerate(outputs, start=1):
            legal = self.legal(string[:t])
            ranking = sorted(range(len(SYMBOLS)), key=lambda symbol: -rating[symbol])
            if {SYMBOLS[symbol] for symbol in ranking[: len(legal)]} != legal:
                return 1.0
        return 0.0


def encode(string: str) -> Sequence[int]:
    """The symbols of a string as numbers.

    Raises:
        ArgumentError: a character is not a symbol of the grammar; the error names it and its place.
    """
    for place, symbol in enumerate(string):
        if symbol not in SYMBOLS:
            raise ArgumentError(f"{symbol!r} at place {place} is not one of {SYMBOLS}")
    return [SYMBOLS.index(symbol) for symbol in string]
