"""The parts that the figures share: colours, dashes, and the logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..support.colours import GRID

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

FAINT = "#999999"
RED, BLUE, GREEN, ORANGE, VIOLET = "#b2182b", "#2166ac", "#1a9850", "#e08214", "#5b3a8c"
CELLS = (RED, BLUE, GREEN, ORANGE, VIOLET, "#555555")  # a colour per cell
DASHES = (0, (5, 3))
MOST_DECADES = 24  # how far from 1 a logarithmic axis reaches


def colour_map(stops: Sequence[str]) -> Colormap:
    """The colours between these, as matplotlib has them."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("tinygrad_rnn", stops)


def verbatim(text: str) -> str:
    """Escape a user's text, so that matplotlib shows it literally: a pair of dollars would mark a formula."""
    return text.replace("$", r"\$")


def open_frame(axes: Axes) -> None:
    """Keep only the left and the lower edge of the frame."""
    axes.spines[["top", "right"]].set_visible(False)


def grid(axes: Axes) -> None:
    """Draw a grid, light grey, in an open frame."""
    axes.grid(True, which="major", color=GRID, linewidth=0.8)
    open_frame(axes)


def plain(axes: Axes) -> None:
    """Keep only the left and the lower edge of the frame, in grey."""
    open_frame(axes)
    axes.spines[["left", "bottom"]].set_color(FAINT)


def loggable(sizes: Sequence[float]) -> list[float]:
    """The sizes that a logarithmic axis can show, with NaN (a gap) in place of the others. Sizes far outside the plot
    are clipped, since matplotlib's own margins overflow there.
    """
    return [min(max(size, 1e-100), 1e100) if 0.0 < size < math.inf else math.nan for size in sizes]


def log_axis(axes: Axes, sizes: Sequence[float]) -> tuple[float, float]:
    """Make the vertical axis logarithmic, and return the exponents of ten at its ends."""
    logs = [math.log10(size) for size in sizes if 0.0 < size < math.inf] or [0.0]
    low, high = max(min(logs), -MOST_DECADES), min(max(logs), MOST_DECADES)
    margin = 0.04 * max(high - low, 2.0)
    axes.set_yscale("log")
    axes.set_ylim(10.0 ** (low - margin), 10.0 ** (high + margin))
    grid(axes)
    plain(axes)
    return low - margin, high + margin
