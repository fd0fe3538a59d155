"""Sums and dot products, recorded as ordinary add and mul nodes.

A sequential sum is one long chain, ((a + b) + c) + d; a balanced one is a tree, (a + b) + (c + d), of depth
log2(n), whose rounding error grows as log n instead of n.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

from .errors import ShapeError
from .ops import OPS
from .value import Operand, Value, _record, _recording, as_value

# Recorded without going through the operators: these are most of the nodes of a network.
_ADD, _MUL = OPS["add"], OPS["mul"]
_plus, _times = _ADD.forward, _MUL.forward


def total(values: Iterable[Operand], balanced: bool = False) -> Value:
    """The sum of the values; of none, a leaf 0."""
    return _sum([as_value(value) for value in values], balanced)


def dot(a: Sequence[Operand], b: Sequence[Operand], balanced: bool = False) -> Value:
    """The dot product of two vectors of the same length.

    Raises:
        ShapeError: the lengths differ.
        OperandError: an entry is not a number.
    """
    if len(a) != len(b):
        raise ShapeError(f"dot product of vectors of length {len(a)} and {len(b)}")
    try:
        if len(a) and not (balanced or _recording()):  # the same products and sums, without a node for each
            return Value(reduce(_plus, [_times(x._data, y._data) for x, y in zip(a, b)]))  # type: ignore[union-attr]
        products = [_record(_MUL, _times(x._data, y._data), x, y) for x, y in zip(a, b)]  # type: ignore[union-attr, arg-type]
    except AttributeError:  # not all of them are Values
        products = [as_value(x) * as_value(y) for x, y in zip(a, b)]
    return _sum(products, balanced)


def _sum(terms: list[Value], balanced: bool) -> Value:
    if not terms:
        return Value(0.0)
    if not balanced:
        result = terms[0]
        for term in terms[1:]:
            result = _record(_ADD, _plus(result._data, term._data), result, term)
        return result
    while len(terms) > 1:
        pairs = [x + y for x, y in zip(terms[::2], terms[1::2])]
        terms = pairs + terms[2 * len(pairs) :]
    return terms[0]
