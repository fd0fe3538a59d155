"""The colours of a picture, each with its one meaning. Graphviz 2.43 knows hex colours of six digits only."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

INK = "#212529"
QUIET = "#6c757d"
PAPER = "#ffffff"
FRAME, FRAME_LINE = "#f8f9fb", "#ced4da"
EDGE = "#9aa5b1"
CHAIN = "#c2255c"
FAINT_CHAIN = "#eda6be"
PARAMETER, PARAMETER_LINE = "#e5dbff", "#6741d9"
INPUT_LINE = "#2b8a3e"
CONSTANT_LINE = "#adb5bd"
CUT = "#adb5bd"

#: From a gradient that has vanished to the largest one.
_STOPS = (
    (0xE6, 0xEA, 0xF2),
    (0xB5, 0xD3, 0xEE),
    (0xBF, 0xE5, 0xD3),
    (0xFF, 0xEE, 0xAA),
    (0xFF, 0xBE, 0x6E),
    (0xF2, 0x6D, 0x55),
)


@dataclass(frozen=True)
class Scale:
    """Colour by log10 |gradient|, from 10^low to 10^high. An exact 0 is white.

    Attributes:
        low, high: whole powers of ten.
    """

    low: int
    high: int

    @classmethod
    def of(cls, gradients: Iterable[float]) -> Scale | None:
        """The scale that these gradients span; None if none of them has a logarithm."""
        logs = [math.log10(abs(g)) for g in gradients if g and math.isfinite(g)]
        if not logs:
            return None
        low, high = math.floor(min(logs)), math.ceil(max(logs))
        return cls(low, max(high, low + 1))

    def __call__(self, gradient: float) -> str:
        """The colour of a gradient; NaN is as white as 0."""
        if not gradient or math.isnan(gradient):
            return PAPER
        return self.of_log(math.log10(abs(gradient)) if math.isfinite(gradient) else math.inf)

    def of_log(self, log10: float) -> str:
        """The colour of a gradient of which only log10 |gradient| is known."""
        if not log10 > -math.inf:
            return PAPER
        place = (log10 - self.low) / (self.high - self.low) * (len(_STOPS) - 1)
        place = min(max(place, 0.0), len(_STOPS) - 1.0)
        i = min(int(place), len(_STOPS) - 2)
        mixed = (round(a + (b - a) * (place - i)) for a, b in zip(_STOPS[i], _STOPS[i + 1]))
        return "#" + "".join(f"{channel:02x}" for channel in mixed)
