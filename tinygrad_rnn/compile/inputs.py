"""Kinds of inputs and targets: the numbers that a recurrence reads at every time step.

Each kind has the ``shape`` of the numbers of one time step, and their ``code``: ``"d"`` for real numbers, ``"q"`` for
whole ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import ClassVar

from ..engine.value import Value
from ..errors import ArgumentError
from ..nn.one_hot import OneHot
from ..support.checks import whole_number
from ..support.memory import NODE, require_memory


def _checked_size(name: str, size: int) -> int:
    """A size for which there is memory: a leaf and a symbol for each number when a time step is traced."""
    size = whole_number(name, size)
    require_memory(name, size, lambda n: 2 * NODE * n)
    return size


@dataclass(frozen=True)
class Number:
    """A single real number per time step."""

    code: ClassVar[str] = "d"
    shape: ClassVar[tuple[int, ...]] = ()

    def operand(self, entry: float) -> Value:
        """The number as the cell and the loss take it."""
        return Value(entry)


@dataclass(frozen=True)
class Vector:
    """``size`` real numbers per time step."""

    size: int
    code: ClassVar[str] = "d"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _checked_size("Vector of size", self.size))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the numbers of one time step."""
        return (self.size,)

    def operand(self, entry: Sequence[float]) -> list[Value]:
        """The vector as the cell and the loss take it."""
        return [Value(number) for number in entry]


@dataclass(frozen=True)
class Symbols:
    """A whole number 0 … size - 1 per time step.

    As an input it selects a column, like a one-hot vector without the multiplication. As a target it is a class index.
    """

    size: int
    code: ClassVar[str] = "q"
    shape: ClassVar[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _checked_size("Symbols of size", self.size))

    def operand(self, entry: int) -> OneHot:
        """The symbol as the cell takes it."""
        return OneHot(entry, self.size)


Kind = Number | Vector | Symbols

_REMEDY = "Give Number(), Vector(n) or Symbols(n)"


def check_kind(name: str, kind: object) -> None:
    """Check that this is a kind of inputs or targets.

    Raises:
        ArgumentError: it is not; the error names the kind to use.
    """
    if isinstance(kind, (Number, Vector, Symbols)):
        return
    if isinstance(kind, int) and not isinstance(kind, bool):
        raise ArgumentError(f"{name}={kind} is not a kind of input", remedy=f"Give Vector({kind})")
    if kind is ... and name == "target":
        raise ArgumentError("target=... is not a kind of input", remedy="Give None where the loss takes no target")
    shown = "..." if kind is ... else repr(kind)
    raise ArgumentError(f"{name}={shown:.40} is not a kind of input", remedy=_REMEDY)


def check_loss(loss: Callable[..., object], target: Kind | None) -> None:
    """Check that a loss can be called with a target, or without one where ``target`` is None.

    Raises:
        ArgumentError: it cannot.
    """
    try:
        parameters = signature(loss)
    except (TypeError, ValueError):  # some built-in functions have no signature
        return

    def takes(*arguments: None) -> bool:
        try:
            parameters.bind(*arguments)
        except TypeError:
            return False
        return True

    if target is None and not takes(None) and takes(None, None):
        raise ArgumentError("the loss takes a target, but target is None", remedy=f"{_REMEDY} as target")
    if target is not None and not takes(None, None) and takes(None):
        raise ArgumentError(f"the loss takes no target, but target is {target}", remedy="Leave target out")


def numbers_per_step(kind: Kind | None) -> int:
    """The numbers in memory for one time step."""
    return 0 if kind is None else math.prod(kind.shape)
