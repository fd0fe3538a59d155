"""Parameters: labelled Values with seeded starting numbers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar

from ..engine.value import Value
from ..errors import ArgumentError
from ..support.checks import in_short
from ..support.memory import PARAMETER, require_memory
from ..support.numbers import whole
from .trees import check_replacement

Seed = int | random.Random
Vector = list[Value]
Matrix = list[list[Value]]
T = TypeVar("T", Value, Vector)


class Parameters(list[T]):
    """A list of parameters, or of rows of them, whose entries cannot be overwritten by a number."""

    def __setitem__(self, index: Any, entry: Any) -> None:
        check_replacement(self[index], entry, f"[{index}]")
        super().__setitem__(index, entry)


def generator(seed: Seed) -> random.Random:
    """A new random generator for an int; a generator is returned as it is, so that modules can share one.

    Raises:
        ArgumentError: it is neither.
    """
    if isinstance(seed, random.Random):
        return seed
    number = whole(seed)
    if number is None:
        raise ArgumentError(f"seed is {in_short(seed)}", remedy="Give a whole number, or a random.Random to draw from")
    return random.Random(number)


def uniform(seed: Seed, size: int) -> Callable[[], float]:
    """A function that draws from U(-k, k) with k = 1/√size, as in PyTorch."""
    rng, k = generator(seed), size**-0.5
    return lambda: rng.uniform(-k, k)


def vector(name: str, length: int, draw: Callable[[], float]) -> Vector:
    """``length`` parameters called ``name[i]``; ``draw()`` returns their numbers."""
    require_memory(f"the length of {name}", length, lambda n: n * PARAMETER)
    return Parameters(Value(draw(), label=f"{name}[{i}]") for i in range(length))


def matrix(name: str, rows: int, columns: int, draw: Callable[[], float]) -> Matrix:
    """``rows`` × ``columns`` parameters called ``name[i,j]``; ``draw()`` returns their numbers, row by row."""
    require_memory(f"the number of rows of {name}", rows, lambda n: n * columns * PARAMETER)
    return Parameters(Parameters(Value(draw(), label=f"{name}[{i},{j}]") for j in range(columns)) for i in range(rows))
