"""The colours of pictures, plots and the page, each with its one meaning.

Graphviz 2.43 knows hex colours of six digits only.

Colours of different meaning stay apart for colour-blind eyes. Of sizes, lightness alone tells the order, so that it
can be seen in grey print.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

INK = "#1f2933"
QUIET = "#52606d"
PAPER = "#ffffff"
FRAME, FRAME_LINE = "#f8f9fb", "#ced4da"
EDGE = "#7b8794"
GRID = "#dde3ea"
CHAIN = "#b0125f"  # the gradient on its way back, and every gradient that is written
FAINT_CHAIN = "#e3a5c4"
LAW = "#1d4ed8"  # the recurrent weight, and the law that its power is
STRAIGHT = "#2e7d32"  # a path without a nonlinearity, and the gates on it
STRAIGHT_FILL = "#eff8f0"
LOSS_FILL = "#fff4e0"
PARAMETER, PARAMETER_LINE = "#e5dbff", "#6741d9"
PARAMETER_FILL = "#eef3ff"
INPUT_FILL, INPUT_LINE = "#eef2f7", "#0f766e"
CONSTANT_LINE = "#adb5bd"
CUT = "#adb5bd"

POSITIVE, NEGATIVE = "#c2410c", "#1864ab"  # the sign of a number

#: From a gradient that has vanished to one that explodes: from light to dark.
SIZES = ("#dfe9f5", "#bdbce6", "#d652a0", "#9b1166", "#3b052b")


#: From the largest negative number over 0 to the largest positive one: the darker, the larger.
SIGNED = ("#08305a", NEGATIVE, "#b5d2ea", PAPER, "#f6cdb4", POSITIVE, "#5c1d04")


@dataclass(frozen=True)
class Scale:
    """Colour by log10 of a size, from 10^low (light) to 10^high (dark). An exact 0 is white.

    Attributes:
        low, high: whole powers of ten.
        darkest: the part of the colours that is used; half of them where dark text stands on the colour.
    """

    low: int
    high: int
    darkest: float = 1.0

    @classmethod
    def of(cls, gradients: Iterable[float]) -> Scale | None:
        """The scale that these gradients span, for cards with text; None if none of them has a logarithm."""
        logs = [math.log10(abs(g)) for g in gradients if g and math.isfinite(g)]
        if not logs:
            return None
        low, high = math.floor(min(logs)), math.ceil(max(logs))
        return cls(low, max(high, low + 1), 0.5)

    @classmethod
    def around_one(cls, kept: Iterable[float]) -> Scale:
        """The scale of what is left of a gradient: 1 in its middle, at least two powers of ten to either side."""
        logs = [abs(math.log10(ratio)) for ratio in kept if ratio > 0.0 and math.isfinite(ratio)]
        reach = max(2, math.ceil(max(logs, default=0.0) - 1e-9))
        return cls(-reach, reach)

    def __call__(self, gradient: float) -> str:
        """The colour of a gradient; NaN is as white as 0."""
        if not gradient or math.isnan(gradient):
            return PAPER
        return self.of_log(math.log10(abs(gradient)) if math.isfinite(gradient) else math.inf)

    def of_log(self, log10: float) -> str:
        """The colour of a gradient of which only log10 |gradient| is known."""
        if not log10 > -math.inf:
            return PAPER
        return mixed(SIZES, self.darkest * self.place(log10))

    def levels(self, most: int = 8) -> list[int]:
        """The powers of ten that are numbered: at equal distances, with at most so many of these."""
        stride = max(1, math.ceil((self.high - self.low) / most))
        return [e for e in range(self.low, self.high + 1) if e % stride == 0]

    def place(self, log10: float) -> float:
        """The place of a size on the scale, from 0 to 1; sizes beyond an end stand at that end."""
        return min(max((log10 - self.low) / (self.high - self.low), 0.0), 1.0)


def mixed(stops: Sequence[str], part: float) -> str:
    """The colour that is so far, from 0 to 1, on the way over these colours, which are equally far from each other."""
    at = min(max(part, 0.0), 1.0) * (len(stops) - 1)
    i = min(int(at), len(stops) - 2)
    pairs = ((int(stops[i][c : c + 2], 16), int(stops[i + 1][c : c + 2], 16)) for c in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * (at - i)):02x}" for a, b in pairs)


def luminance(colour: str) -> float:
    """The relative luminance of a colour, from 0 to 1 (WCAG 2, https://www.w3.org/TR/WCAG21/#dfn-relative-luminance)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink_on(fill: str) -> str:
    """The colour of text on this colour: `INK` or `PAPER`, whichever has more contrast."""
    own = luminance(fill) + 0.05
    return INK if own / (luminance(INK) + 0.05) >= (luminance(PAPER) + 0.05) / own else PAPER
