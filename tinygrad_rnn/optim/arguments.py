"""The arguments of optimizers and schedules: numbers within their range, kept as attributes of the same name."""

from __future__ import annotations

import inspect
import math
from typing import Any

from ..engine.arithmetic import number
from ..errors import ArgumentError

State = dict[str, Any]  # JSON: numbers, and lists of numbers
SMALLEST = math.ulp(0.0)  # the least number above 0


def within(name: str, data: object, least: float = 0.0, below: float = math.inf, most: float | None = None) -> float:
    """``data`` as a float, if least <= data < below (or <= most).

    Raises:
        ArgumentError: it is outside.
        OperandError: it is not a number.
    """
    given = number(data)
    if not (least <= given and (given < below if most is None else given <= most)):
        above = "a number above 0" if least == SMALLEST else f"a number of at least {least:g}"
        bound = f" and below {below:g}" if below < math.inf else ""
        raise ArgumentError(f"{name} is {given!r}", remedy=f"Give {above}{bound}")
    return given


def settings_of(made: object, *without: str) -> dict[str, Any]:
    """The arguments that ``made`` was made with, read from its attributes, in the order of its signature."""
    return {name: getattr(made, name) for name in inspect.signature(type(made)).parameters if name not in without}
