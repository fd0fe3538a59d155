"""Making parameters: labelled Values with seeded starting numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from ..engine.value import Value
from ..errors import ArgumentError, ShapeError

Seed = int | random.Random
Vector = list[Value]
Matrix = list[list[Value]]


def generator(seed: Seed) -> random.Random:
    """A random generator of its own for an int; a generator is used as it is, so that modules can share one."""
    return seed if isinstance(seed, random.Random) else random.Random(seed)


def size(name: str, number: int) -> int:
    """``number`` if it is a size.

    Raises:
        ArgumentError: it is not a whole number of at least 1.
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ArgumentError(f"{name} is {number!r}", remedy="A size is a whole number of at least 1")
    return number


def vector(name: str, length: int, draw: Callable[[], float]) -> Vector:
    """``length`` parameters called ``name[i]``, each with the number that ``draw()`` gives."""
    return [Value(draw(), label=f"{name}[{i}]") for i in range(length)]


def matrix(name: str, rows: int, columns: int, draw: Callable[[], float]) -> Matrix:
    """``rows`` × ``columns`` parameters called ``name[i,j]``, each with the number that ``draw()`` gives."""
    return [[Value(draw(), label=f"{name}[{i},{j}]") for j in range(columns)] for i in range(rows)]


def zero() -> float:
    """What a bias is drawn from."""
    return 0.0


def fits(what: str, entries: Sequence[Any], name: str, weights: Matrix) -> None:
    """Check that ``weights`` can be applied to ``entries``.

    Raises:
        ShapeError: they cannot; the error names both sizes and the parameter.
    """
    if isinstance(entries, Value) or not hasattr(entries, "__len__") or len(entries) != len(weights[0]):
        found = f"{len(entries)} numbers" if hasattr(entries, "__len__") else "a single number"
        raise ShapeError(
            f"{what} is {found}, but {name} is {len(weights)} × {len(weights[0])}",
            remedy=f"Give {what} as {len(weights[0])} numbers",
        )
