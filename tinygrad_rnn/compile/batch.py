"""The sequences of one run, with all checks before native code sees an address."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from functools import lru_cache

from ..errors import DataError, ShapeError
from .boundary import Area, Buffer, Numbers, numbers
from .inputs import Kind, Symbols, numbers_per_step
from .memory import TARGET, Region, X
from .step import Step


class Batch:
    """B sequences of T time steps: inputs, targets and initial states.

    Args:
        step: the time step, with the kinds of its inputs and targets.
        initial: the initial state of every sequence if ``h0`` is None.
        limits: whole numbers in x and target must be below these.
        x, target, h0: as for `Recurrence.forward_backward`.

    Raises:
        ArgumentError: there are targets although the loss takes none, or the other way round.
        ShapeError, OperandError: sizes or types do not fit.
        DataError: a whole number is out of range, or an initial state is not finite.
    """

    def __init__(
        self,
        step: Step,
        initial: tuple[float, ...],
        limits: Mapping[Region, int],
        x: Numbers,
        target: Numbers | None,
        h0: Numbers | None,
    ) -> None:
        self.step = step
        step.check_target(target)
        self.x = _checked(X, x, step.x, limits)
        self.B, self.T = self.x.shape[:2]
        self.target = None if step.target is None else _checked(TARGET, target, step.target, limits)
        if self.target and self.target.shape[:2] != (self.B, self.T):
            shape = " × ".join(map(str, self.target.shape[:2]))
            raise ShapeError(f"x is {self.B} × {self.T} time steps, target is {shape}")
        self._state_size = len(initial)
        self.h0 = numbers("h0", h0, (self.B, len(initial))) if h0 is not None else _repeated(initial, self.B)
        if h0 is not None and not all(map(math.isfinite, self.h0.flat())):
            place, number = next((i, each) for i, each in enumerate(self.h0.flat()) if not math.isfinite(each))
            raise DataError(f"h_0 of sequence {place // len(initial)} is {number}", remedy="Remove or replace it")

    def areas(self, b: int) -> tuple[Area, Area, Area]:
        """The areas of x, targets and initial states from sequence b on."""
        x, target, h0 = self.x.area, self.target.area if self.target else Area(), self.h0.area
        if b:
            x = x.after(b * self.T * numbers_per_step(self.step.x))
            target = target.after(b * self.T * numbers_per_step(self.step.target))
            h0 = h0.after(b * self._state_size)
        return x, target, h0

    def sequence(self, b: int) -> tuple[list[object], list[object] | None, list[float]]:
        """x, targets and initial state of sequence b, as plain numbers."""
        h0 = self.h0.view.tolist()[b] if self._state_size else []
        return self.x.view.tolist()[b], self.target.view.tolist()[b] if self.target else None, h0

    def check_finite(self) -> None:
        """Check that there is no NaN and no infinity.

        Raises:
            DataError: there is one; the error names its sequence and time step.
        """
        for name, buffer in (("x", self.x), *([("target", self.target)] if self.target else [])):
            for position, number in enumerate(buffer.flat()):
                if not math.isfinite(number):
                    sequence, rest = divmod(position, math.prod(buffer.shape[1:]))
                    t = rest // math.prod(buffer.shape[2:]) + 1
                    raise DataError(
                        f"{name}_{t} of sequence {sequence} is {number}", time_step=t, remedy="Remove or replace it"
                    )


def _checked(region: Region, given: Numbers | None, kind: Kind, limits: Mapping[Region, int]) -> Buffer:
    buffer = numbers(region.name, given, (None, None, *kind.shape), kind.code)
    if isinstance(kind, Symbols):
        low, high = min(buffer.flat()), max(buffer.flat())
        if low < 0 or high >= limits[region]:
            wrong = low if low < 0 else high
            raise DataError(f"{region.name} holds {wrong}", remedy=f"Give 0 … {limits[region] - 1}")
    return buffer


@lru_cache(maxsize=8)
def _repeated(initial: tuple[float, ...], B: int) -> Buffer:
    """The same initial state for every sequence. It is never written to."""
    repeated = array("d", initial * B or (0.0,))
    return Buffer(memoryview(repeated).cast("B").cast("d", (B, len(initial)) if initial else (1,)))
