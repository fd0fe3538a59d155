"""Sums of plain numbers, the same in every Python."""

from __future__ import annotations

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
