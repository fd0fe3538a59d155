"""Sums and norms of plain numbers, the same in every Python."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import TypeVar

N = TypeVar("N", bound=float)


def add_up(numbers: Iterable[N]) -> N:
    """The sum of numbers, from left to right: ((0 + a) + b) + c.

    The built-in `sum` compensates for rounding from Python 3.12 on, so its last digits depend on the version.
    """
    return reduce(add, numbers, 0)  # type: ignore[return-value]  # an int, if there are none


def exact_sum(numbers: Iterable[float]) -> float:
    """The sum, rounded once; infinite or NaN where `math.fsum` raises an error: after an overflow, and for ∞ − ∞."""
    entries = list(numbers)
    try:
        return math.fsum(entries)
    except (OverflowError, ValueError):
        return add_up(entries)


_SMALL, _SCALE = 2.0**-1000, 2.0**600


def norm_of(numbers: Iterable[float]) -> float:
    """The Euclidean norm.

    Where all numbers are below the smallest normal one, `math.hypot` rounds in another way from Python 3.12 on. So such
    numbers are scaled by a power of 2, which rounds nothing.
    """
    entries = list(numbers)
    norm = math.hypot(*entries)
    return norm if not norm < _SMALL else math.hypot(*[_SCALE * entry for entry in entries]) / _SCALE
