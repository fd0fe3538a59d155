"""Figures of how a gradient decays with the lag: for several ‖W‖, or in several cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..bptt.decay import DecayCurve
from ..engine.notation import number
from ..errors import ArgumentError
from ..support.colours import INK
from ..support.text import magnitude
from .axes import CELLS, DASHES, log_axis, loggable, verbatim
from .saving import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import ColorType, LineStyleType


def decay_figure(curves: Sequence[DecayCurve], title: str = "") -> Figure:
    """Draw measured gradients (solid) against the lag, with the law ‖W‖^lag (dashed), on a logarithmic axis.

    Raises:
        ArgumentError: there are no curves.
        MissingDependencyError: matplotlib is not installed.
    """
    if not curves:
        raise ArgumentError("there are no curves to plot")
    figure = new_figure(8.0, 5.0)
    axes = figure.add_subplot()
    colours = _colours([curve.W_norm for curve in curves])
    for curve, colour in zip(curves, colours):
        # The law goes on top, thin and dashed, so that both show where they agree.
        axes.plot(curve.lags, loggable(curve.gradients), color=colour, linewidth=3.5, alpha=0.45)
        axes.plot(curve.lags, loggable(curve.law), color=colour, linewidth=1.2, linestyle=DASHES)
    limits = log_axis(axes, [size for curve in curves for size in (*curve.gradients, *curve.law)])
    axes.set_xlim(0, max(1, *(curve.lags[-1] for curve in curves)))
    axes.set_xlabel("lag T − k: steps back in time")
    axes.set_ylabel(_magnitude(curves[0]))
    axes.set_title(verbatim(title) or "How far a gradient reaches back", loc="left")
    _end_labels(axes, curves, colours, limits)
    _legend(axes, [("measured by backward()", 3.5, "-", 0.45), ("the law ‖W‖$^{T−k}$", 1.2, DASHES, 1.0)])
    return figure


def comparison_figure(rows: Sequence[DecayCurve], title: str = "") -> Figure:
    """Draw all rows on one logarithmic axis: a colour per cell, h solid, other parts of the state dashed.

    Raises:
        ArgumentError: there are no rows.
        MissingDependencyError: matplotlib is not installed.
    """
    if not rows:
        raise ArgumentError("there are no curves to plot")
    figure = new_figure(8.0, 5.0)
    axes = figure.add_subplot()
    names = list(dict.fromkeys(row.name for row in rows))
    for row in rows:
        axes.plot(
            row.lags,
            loggable(row.gradients),
            color=CELLS[names.index(row.name) % len(CELLS)],
            linewidth=2.0,
            linestyle="-" if row.state.startswith("h") else DASHES,
            label=f"{verbatim(row.name)}: {_magnitude(row)}{_word(row)}",
        )
    log_axis(axes, [size for row in rows for size in row.gradients])
    axes.set_xlim(0, max(1, *(row.lags[-1] for row in rows)))
    axes.set_xlabel("lag T − k: steps back in time")
    axes.set_ylabel("size of the gradient")
    axes.set_title(verbatim(title) or "How far a gradient reaches back, by cell", loc="left")
    axes.legend(frameon=False)
    return figure


def _log10(size: float) -> float:
    """The place of a size on the axis: 0 below it, infinity above it, and NaN at 1."""
    return math.log10(size) if size > 0.0 else 0.0 if math.isnan(size) else -math.inf


def _magnitude(curve: DecayCurve) -> str:
    """The name of what is measured."""
    return magnitude(f"∂L/∂{verbatim(curve.state)}$_k$", curve.entries)


def _word(curve: DecayCurve) -> str:
    """The verdict on the gradient, for a label, and the mean factor per time step. The lag is on the axis."""
    found = curve.verdict
    if found is None:
        return ""
    return f": {found.word}" + (f", ×{number(found.factor, 3)} per step" if 0.0 < found.kept < math.inf else "")


def _colours(norms: Sequence[float]) -> list[ColorType]:
    """Blue below 1, dark grey at 1, red above; the further from 1, the darker."""
    from matplotlib import colormaps

    distances = [abs(math.log(n)) if n else math.inf for n in norms]
    colours: list[ColorType] = []
    for n, distance in zip(norms, distances):
        ranks = sorted({d for m, d in zip(norms, distances) if d > 1e-12 and (m < 1.0) == (n < 1.0)})
        if distance <= 1e-12:
            colours.append(INK)
        else:
            shade = 0.5 + 0.4 * (ranks.index(distance) + 1) / len(ranks)
            colours.append(colormaps["Blues" if n < 1.0 else "Reds"](shade))
    return colours


def _legend(axes: Axes, kinds: Sequence[tuple[str, float, LineStyleType, float]]) -> None:
    for label, width, style, alpha in kinds:
        axes.plot([], [], color=INK, linewidth=width, linestyle=style, alpha=alpha, label=label)
    axes.legend(frameon=False)


def _end_labels(
    axes: Axes, curves: Sequence[DecayCurve], colours: Sequence[ColorType], limits: tuple[float, float]
) -> None:
    """Write ‖W‖ at the end of each measured curve. Labels that would overlap are moved apart; an arrow marks a curve
    that ends outside the plot.
    """
    bottom, top = limits
    gap = (top - bottom) / 24
    ends = []
    for curve, colour in zip(curves, colours):
        height = _log10(curve.gradients[-1])
        arrow = "↓ " if height < bottom else "↑ " if height > top else ""
        ends.append(
            (min(max(height, bottom), top), f"{arrow}‖W‖ = {number(curve.W_norm)}{_word(curve)}", curve.W_norm, colour)
        )
    ends.sort(key=lambda end: (end[0], end[2]))
    heights: list[float] = []
    for height, *_ in ends:
        heights.append(max(height, heights[-1] + gap) if heights else height)
    excess = max(0.0, heights[-1] - top)
    for i in reversed(range(len(heights))):  # labels that were moved above the top are pushed down again
        heights[i] = min(heights[i], heights[i + 1] - gap) if i + 1 < len(heights) else heights[i] - excess
    for height, (_, label, _, colour) in zip(heights, ends):
        axes.annotate(
            label,
            (1.0, 10.0**height),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            annotation_clip=False,
        )
