"""Sums and dot products, recorded as ordinary add and mul nodes.

A sequential sum is one long chain, ((a + b) + c) + d; a balanced one is a tree, (a + b) + (c + d), of depth
log2(n), whose rounding error grows as log n instead of n.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .errors import ShapeError
from .value import Operand, Value, as_value


def total(values: Iterable[Operand], balanced: bool = False) -> Value:
    """The sum of the values; of none, a leaf 0."""
    level = [as_value(value) for value in values]
    if not level:
        return Value(0.0)
    if balanced:
        while len(level) > 1:
            pairs = [a + b for a, b in zip(level[::2], level[1::2])]
            level = pairs + level[2 * len(pairs) :]
        return level[0]
    result = level[0]
    for value in level[1:]:
        result = result + value
    return result


def dot(a: Sequence[Value], b: Sequence[Value], balanced: bool = False) -> Value:
    """The dot product of two vectors of the same length.

    Raises:
        ShapeError: the lengths differ.
    """
    if len(a) != len(b):
        raise ShapeError(f"dot product of vectors of length {len(a)} and {len(b)}")
    return total([x * y for x, y in zip(a, b)], balanced)
