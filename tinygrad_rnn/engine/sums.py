"""Sums and dot products, recorded as ordinary add and mul nodes: ((a + b) + c) + d."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add
from typing import Any

from ..errors import ShapeError
from .making import record
from .recording import current
from .value import ADD, MUL, Operand, Value, as_value


def total(values: Iterable[Operand]) -> Value:
    """The sum of the values; of none, a leaf 0."""
    return _sum([as_value(value) for value in values])


def dot(a: Sequence[Operand], b: Sequence[Operand]) -> Value:
    """The dot product of two vectors of the same length.

    Raises:
        ShapeError: the lengths differ.
        OperandError: an entry is not a number.
    """
    if len(a) != len(b):
        raise ShapeError(f"dot product of vectors of length {len(a)} and {len(b)}")
    pairs: Any = zip(a, b)
    if not {*map(type, a), *map(type, b)} <= {Value}:
        pairs = [(as_value(x), as_value(y)) for x, y in pairs]
    if len(a) and not current().records:  # the same products and sums, without a node for each
        return Value(reduce(add, [x._data * y._data for x, y in pairs]))
    return _sum([record(MUL, x._data * y._data, (x, y)) for x, y in pairs])


def _sum(terms: list[Value]) -> Value:
    if not terms:
        return Value(0.0)
    result = terms[0]
    for term in terms[1:]:
        result = record(ADD, result._data + term._data, (result, term))
    return result
