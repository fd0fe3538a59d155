"""Symbols as numbers: what a program computes, computed in Python."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable

from ..engine import arithmetic
from .symbol import COMPARISONS, SOURCES, Symbol

_RULES: dict[str, Callable[..., float]] = {
    **{name: getattr(operator, name) for name in ("add", "sub", "mul", "neg", "abs", *COMPARISONS)},
    **{name: getattr(arithmetic, name) for name in arithmetic.ELEMENTARY},
    "div": operator.truediv,
    "pow": arithmetic.pow_,
    "not": operator.not_,
    "select": lambda condition, if_true, if_false: if_true if condition else if_false,
}


def evaluate(symbols: Iterable[Symbol], read: Callable[[Symbol], float]) -> dict[Symbol, float]:
    """The numbers of symbols.

    Args:
        symbols: these, in the order of the tape, with all that they are computed from.
        read: returns the number of a load or an index.

    Raises:
        ArithmeticError, ValueError: an operation has no number there.
    """
    found: dict[Symbol, float] = {}
    for symbol in symbols:
        if symbol.op == "const":
            found[symbol] = symbol.args[0]
        elif symbol.op in SOURCES:
            found[symbol] = read(symbol)
        else:
            found[symbol] = _RULES[symbol.op](*[found[operand] for operand in symbol.args])
    return found
