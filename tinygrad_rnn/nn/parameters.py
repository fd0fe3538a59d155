"""Parameters: labelled Values with seeded starting numbers."""

from __future__ import annotations

import random
from collections.abc import Callable

from ..engine.value import Value

Seed = int | random.Random
Vector = list[Value]
Matrix = list[list[Value]]


def generator(seed: Seed) -> random.Random:
    """A new random generator for an int; a generator is returned as it is, so that modules can share one."""
    return seed if isinstance(seed, random.Random) else random.Random(seed)


def uniform(seed: Seed, size: int) -> Callable[[], float]:
    """A function that draws from U(-k, k) with k = 1/√size, as in PyTorch."""
    rng, k = generator(seed), size**-0.5
    return lambda: rng.uniform(-k, k)


def vector(name: str, length: int, draw: Callable[[], float]) -> Vector:
    """``length`` parameters called ``name[i]``; ``draw()`` returns their numbers."""
    return [Value(draw(), label=f"{name}[{i}]") for i in range(length)]


def matrix(name: str, rows: int, columns: int, draw: Callable[[], float]) -> Matrix:
    """``rows`` × ``columns`` parameters called ``name[i,j]``; ``draw()`` returns their numbers, row by row."""
    return [[Value(draw(), label=f"{name}[{i},{j}]") for j in range(columns)] for i in range(rows)]
