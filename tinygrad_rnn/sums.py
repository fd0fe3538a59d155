"""Sums and dot products, recorded as ordinary add and mul nodes.

A sequential sum is one long chain, ((a + b) + c) + d; a balanced one is a tree, (a + b) + (c + d), of depth
log2(n), whose rounding error grows as log n instead of n.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .errors import ShapeError
from .value import Operand, Value, as_value

# Called as functions, which spares each of very many nodes the search that an operator makes for its method.
_add, _mul = Value.__add__, Value.__mul__


def total(values: Iterable[Operand], balanced: bool = False) -> Value:
    """The sum of the values; of none, a leaf 0."""
    return _sum([as_value(value) for value in values], balanced)


def dot(a: Sequence[Value], b: Sequence[Value], balanced: bool = False) -> Value:
    """The dot product of two vectors of the same length.

    Raises:
        ShapeError: the lengths differ.
    """
    if len(a) != len(b):
        raise ShapeError(f"dot product of vectors of length {len(a)} and {len(b)}")
    return _sum([_mul(x, y) for x, y in zip(a, b)], balanced)


def _sum(terms: list[Value], balanced: bool) -> Value:
    if not terms:
        return Value(0.0)
    if not balanced:
        result = terms[0]
        for term in terms[1:]:
            result = _add(result, term)
        return result
    while len(terms) > 1:
        pairs = [_add(x, y) for x, y in zip(terms[::2], terms[1::2])]
        terms = pairs + terms[2 * len(pairs) :]
    return terms[0]
