"""Plots of what this room measures, with matplotlib, an optional dependency (extra ``plot``).

Each function returns a `matplotlib.figure.Figure`, which notebooks display and `save` writes. No global state
of matplotlib is touched.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bptt.anatomy import Anatomy, Numbers, TimeStep, norm
from ..bptt.decay import DecayCurve
from ..bptt.jacobian import ChainNorm
from ..bptt.straight import Straight
from ..bptt.truncation import Truncation
from ..errors import ArgumentError, MissingDependencyError
from ..support.files import write_whole

Sums = dict[TimeStep, Numbers]

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
_KNOWN = f"Use one of {', '.join(FORMATS)}"

_INK, _FAINT, _CUT = "#333333", "#999999", "#d0d0d0"
_NEGATIVE, _POSITIVE, _NORM = "#2166ac", "#b2182b", "#5b3a8c"
_SIGNED_DECADES, _NORM_DECADES = 3, 6  # how far below the largest term a heat map still tells sizes apart
_MOST_DECADES = 24  # how far from 1 a logarithmic axis reaches
_DASHES = (0, (5, 3))

_CELL_COLOURS = ("#b2182b", "#2166ac", "#1a9850", "#e08214", "#5b3a8c", "#555555")


def decay_figure(curves: Sequence[DecayCurve], title: str = "") -> Figure:
    """Measured gradients (solid) against the lag, with the law ‖W‖^lag (dashed), on a logarithmic axis.

    Raises:
        ArgumentError: there are no curves.
        MissingDependencyError: matplotlib is missing.
    """
    if not curves:
        raise ArgumentError("there are no curves to plot")
    figure = new_figure(8.0, 5.0)
    axes = figure.add_subplot()
    colours = _colours([curve.W_norm for curve in curves])
    for curve, colour in zip(curves, colours):
        # The law goes on top, thin and dashed, so that both show where they agree.
        axes.plot(curve.lags, _loggable(curve.gradients), color=colour, linewidth=3.5, alpha=0.45)
        axes.plot(curve.lags, _loggable(curve.law), color=colour, linewidth=1.2, linestyle=_DASHES)
    limits = _log_axis(axes, [size for curve in curves for size in (*curve.gradients, *curve.law)])
    axes.set_xlim(0, max(1, *(curve.lags[-1] for curve in curves)))
    axes.set_xlabel("lag T − k: steps back in time")
    axes.set_ylabel("|∂L/∂h$_k$|")
    axes.set_title(title or "How far a gradient reaches back", loc="left")
    _end_labels(axes, curves, colours, limits)
    _legend(axes, [("measured by backward()", 3.5, "-", 0.45), ("the law ‖W‖$^{T−k}$", 1.2, _DASHES, 1.0)])
    return figure


def chain_norms_figure(rows: Sequence[ChainNorm], title: str = "") -> Figure:
    """The norm of ∂h_T/∂h_k against the lag, with its bounds, on a logarithmic axis.

    Raises:
        MissingDependencyError: matplotlib is missing.
    """
    figure = new_figure(8.0, 5.0)
    axes = figure.add_subplot()
    lags = [row.lag for row in rows]
    sizes: list[float] = []
    for label, attribute, colour, width, style in (
        ("‖W‖$^{T−k}$", "bound", "#b2182b", 1.4, _DASHES),
        ("‖J$_T$‖ ⋯ ‖J$_{k+1}$‖", "product_of_norms", "#e08214", 1.4, "-"),
        ("ρ(W)$^{T−k}$", "radius_law", "#2166ac", 1.6, (0, (1, 2))),
        ("‖J$_T$ ⋯ J$_{k+1}$‖ = ‖∂h$_T$/∂h$_k$‖", "norm", _INK, 2.6, "-"),
    ):
        line = [getattr(row, attribute) for row in rows]
        if None not in line:
            axes.plot(lags, _loggable(line), color=colour, linewidth=width, linestyle=style, label=label)
            sizes += line
    axes.set_xlim(0, max(lags[-1], 1))
    _log_axis(axes, sizes)
    axes.set_xlabel("lag T − k: steps back in time")
    axes.set_title(title or "How much of a change of h$_k$ arrives at h$_T$", loc="left")
    axes.legend(frameon=False)
    return figure


def straight_figure(way: Straight, title: str = "") -> Figure:
    """The straight path along a part of the state: above, a line per unit through time, lit by its factors; below, the
    gradient that came along it beside the whole gradient and the product of the factors.

    Raises:
        MissingDependencyError: matplotlib is missing.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(8.2, 6.4)
    units = len(next(iter(way.factors.values())))
    lines, below = figure.subplots(2, sharex=True, height_ratios=(min(0.35 + 0.12 * units, 1.0), 1.0))
    steps = sorted(way.factors)
    table = [[abs(way.factors[t][unit]) for t in steps] for unit in range(units)]
    factor = f"{way.factor_name}$_t$" if way.factor_name else f"∂{way.name}$_t$/∂{way.name}$_{{t−1}}$"
    image = lines.imshow(
        table,
        cmap="YlOrRd",
        vmin=0.0,
        vmax=max(1.0, *map(max, table)),
        extent=(steps[0] - 1, steps[-1], units - 0.5, -0.5),
        aspect="auto",
        interpolation="nearest",
    )
    for unit in range(1, units):
        lines.axhline(unit - 0.5, color="white", linewidth=6.0 if units <= 8 else 1.0)
    if len(steps) <= 16 and units <= 8:
        for unit, row in enumerate(table):
            for t, size in zip(steps, row):
                colour = "white" if size > 0.6 else _INK
                lines.text(t - 0.5, unit, f"{way.factors[t][unit]:.2f}", ha="center", va="center", color=colour)
    lines.spines[:].set_visible(False)
    lines.tick_params(left=False)
    lines.yaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    lines.set_ylabel(f"unit of {way.name}")
    figure.colorbar(image, ax=lines, label=factor).outline.set_visible(False)
    lines.set_title(title or f"The straight path along {way.name}", loc="left")
    ks = sorted(way.straight)
    root = len(way.straight[ks[-1]]) ** 0.5
    curves = [
        ([norm(way.gradients[k]) for k in ks], _INK, 3.5, "-", f"‖∂L/∂{way.name}$_k$‖ by backward()"),
        ([norm(way.straight[k]) for k in ks], "#e31a1c", 1.6, "-", "what of it came along the straight path"),
        (
            [norm(way.products()[k]) / root for k in ks],
            "#e08214",
            1.4,
            _DASHES,
            f"product of the {factor} after k (rms of the units)",
        ),
    ]
    for sizes, colour, width, style, label in curves:
        below.plot(ks, _loggable(sizes), color=colour, linewidth=width, linestyle=style, label=label)
    _log_axis(below, [size for sizes, *_ in curves for size in sizes])
    below.set_xlim(ks[0], ks[-1])
    below.xaxis.set_major_locator(MaxNLocator(nbins=14, integer=True, min_n_ticks=1))
    below.set_xlabel("time step k")
    below.set_ylabel(f"‖∂L/∂{way.name}$_k$‖, product of the {factor}")
    figure.legend(frameon=False, loc="outside lower left", ncols=1)
    return figure


def anatomy_figure(anatomy: Anatomy, title: str = "", truncation: Truncation | None = None) -> Figure:
    """The heat map of use step (upwards) × loss step (to the right), with the sums by loss step above, by use
    step at the right and by lag below; for a single loss, the contributions by use step alone.

    Numbers are signed where the parameter is a single number; of a vector or matrix, norms are shown. Uses
    outside time are left out.

    Args:
        anatomy: the split gradient.
        title: instead of the default.
        truncation: the truncation of this very gradient: what it cuts is drawn grey.

    Raises:
        MissingDependencyError: matplotlib is missing.
    """
    name = anatomy.name
    kept = None if truncation is None else truncation.kept
    if len(anatomy.loss_steps) == 1:
        figure = new_figure(8.0, 3.6)
        axes = figure.add_subplot()
        _bars(axes, anatomy, kept, Anatomy.by_use_step)
        axes.set_xlabel("use step k")
        axes.set_ylabel(_size_label(anatomy, f"(∂L$_{{{anatomy.loss_steps[0]}}}$/∂{name})$_k$"))
        axes.set_title(title or f"∂L/∂{name}, use by use", loc="left")
        return figure
    figure = new_figure(8.2, 8.0)
    grid = figure.add_gridspec(3, 3, width_ratios=(1, 0.28, 0.045), height_ratios=(0.25, 1, 0.34))
    heat = figure.add_subplot(grid[1, 0])
    above = figure.add_subplot(grid[0, 0], sharex=heat)
    beside = figure.add_subplot(grid[1, 1], sharey=heat)
    below = figure.add_subplot(grid[2, 0])
    _heat_map(heat, figure.add_subplot(grid[1, 2]), anatomy, truncation)
    _bars(above, anatomy, kept, Anatomy.by_loss_step)
    _bars(beside, anatomy, kept, Anatomy.by_use_step, upright=False)
    _bars(below, anatomy, kept, Anatomy.by_lag)
    heat.set_xlabel("loss step t")
    heat.set_ylabel("use step k")
    above.tick_params(labelbottom=False)
    beside.tick_params(labelleft=False)
    above.set_ylabel("sum over k")
    beside.set_xlabel("sum over t")
    below.set_xlabel("lag t − k")
    below.set_ylabel("sum by lag")
    above.set_title(title or f"∂L/∂{name}: where it came from", loc="left")
    corner = figure.add_subplot(grid[2, 1:])
    corner.axis("off")
    corner.text(0.0, 0.95, "\n".join(_summary(anatomy, truncation)), va="top", color=_INK, linespacing=1.6)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure; the ending of the name, .png, .svg or .pdf, says how. The same figure, the same bytes.

    Raises:
        ArgumentError: another ending.
        OSError: the file cannot be written.
    """
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        raise ArgumentError(f"a plot cannot be written as {ending or 'a file without an ending'}", remedy=_KNOWN)
    content = io.BytesIO()
    dates = {"Date": None} if ending == ".svg" else {"CreationDate": None} if ending == ".pdf" else None
    with require_matplotlib().rc_context({"svg.hashsalt": "tinygrad_rnn"}):
        figure.savefig(content, format=ending[1:], dpi=160, metadata=dates)
    write_whole(path, content.getvalue())


# ---- parts of figures -------------------------------------------------------------------------------------------


def require_matplotlib() -> Any:
    """matplotlib.

    Raises:
        MissingDependencyError: it is missing.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingDependencyError("plots need matplotlib", remedy="pip install 'tinygrad_rnn[plot]'") from error
    return matplotlib


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches that notebooks display.

    Raises:
        MissingDependencyError: matplotlib is missing.
    """
    require_matplotlib()
    from .figure import NotebookFigure

    return NotebookFigure(figsize=(width, height), layout="constrained", facecolor="white")


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")


def _colours(norms: Sequence[float]) -> list[Any]:
    """Blue below 1, dark grey at 1, red above; the further from 1, the darker."""
    from matplotlib import colormaps

    distances = [abs(math.log(n)) if n else math.inf for n in norms]
    colours: list[Any] = []
    for n, distance in zip(norms, distances):
        ranks = sorted({d for m, d in zip(norms, distances) if d > 1e-12 and (m < 1.0) == (n < 1.0)})
        if distance <= 1e-12:
            colours.append(_INK)
        else:
            shade = 0.5 + 0.4 * (ranks.index(distance) + 1) / len(ranks)
            colours.append(colormaps["Blues" if n < 1.0 else "Reds"](shade))
    return colours


def _loggable(sizes: Sequence[float]) -> list[float]:
    """What a logarithmic axis can show; a gap elsewhere. Far outside the plot, matplotlib's own margins overflow."""
    return [min(max(size, 1e-100), 1e100) if 0.0 < size < math.inf else math.nan for size in sizes]


def _log_axis(axes: Axes, sizes: Sequence[float]) -> tuple[float, float]:
    """Make the vertical axis logarithmic, and return the exponents of ten at its ends."""
    logs = [math.log10(size) for size in sizes if 0.0 < size < math.inf] or [0.0]
    low, high = max(min(logs), -_MOST_DECADES), min(max(logs), _MOST_DECADES)
    margin = 0.04 * max(high - low, 2.0)
    axes.set_yscale("log")
    axes.set_ylim(10.0 ** (low - margin), 10.0 ** (high + margin))
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.8)
    _plain(axes)
    return low - margin, high + margin


def _legend(axes: Axes, kinds: Sequence[tuple[str, float, Any, float]]) -> None:
    for label, width, style, alpha in kinds:
        axes.plot([], [], color=_INK, linewidth=width, linestyle=style, alpha=alpha, label=label)
    axes.legend(frameon=False)


def _end_labels(axes: Axes, curves: Sequence[DecayCurve], colours: Sequence[Any], limits: tuple[float, float]) -> None:
    """‖W‖ at the end of each measured curve, moved apart where they would overlap; an arrow leads out of sight."""
    bottom, top = limits
    gap = (top - bottom) / 24
    ends = []
    for curve, colour in zip(curves, colours):
        shown = [size for size in _loggable(curve.gradients) if size == size]
        height = math.log10(shown[-1]) if shown else -math.inf
        arrow = " ↓" if height < bottom else " ↑" if height > top else ""
        ends.append((min(max(height, bottom), top), f"‖W‖ = {curve.W_norm:.4g}{arrow}", curve.W_norm, colour))
    ends.sort(key=lambda end: (end[0], end[2]))
    heights: list[float] = []
    for height, *_ in ends:
        heights.append(max(height, heights[-1] + gap) if heights else height)
    excess = max(0.0, heights[-1] - top)
    for i in reversed(range(len(heights))):  # push down from the top, where the labels have run out of it
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


def _size_label(anatomy: Anatomy, text: str) -> str:
    return f"‖{text}‖" if anatomy.shape else text


def _size(contribution: Any) -> float:
    return contribution if isinstance(contribution, float) else norm(contribution)


def _bars(
    axes: Axes, anatomy: Anatomy, kept: Anatomy | None, by: Callable[[Anatomy], Sums], upright: bool = True
) -> None:
    """A bar per step; with ``kept``, the whole in grey behind the part that truncated BPTT keeps."""
    from matplotlib.ticker import MaxNLocator

    _plain(axes)
    draw, zero_line = (axes.bar, axes.axhline) if upright else (axes.barh, axes.axvline)
    along, across = (axes.xaxis, axes.yaxis) if upright else (axes.yaxis, axes.xaxis)
    sums = by(anatomy)
    steps = [step for step in sums if step is not None]
    width = 0.9 if len(steps) < 200 else 1.0
    if kept is not None:
        draw(steps, [_size(sums[step]) for step in steps], width, color=_CUT)
        sums, width = by(kept), 0.6 * width
    sizes = [_size(sums[step]) for step in steps]
    draw(steps, sizes, width, color=[_NORM if anatomy.shape else _POSITIVE if n > 0 else _NEGATIVE for n in sizes])
    zero_line(0.0, color=_FAINT, linewidth=0.8)
    (axes.set_xlim if upright else axes.set_ylim)(steps[0] - 0.5, steps[-1] + 0.5)
    along.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    across.set_major_locator(MaxNLocator(nbins=3))


def _heat_map(axes: Axes, scale: Axes, anatomy: Anatomy, truncation: Truncation | None) -> None:
    """The cells; white where nothing can flow, grey where truncated BPTT cuts."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, LogNorm, SymLogNorm

    uses = [k for k in anatomy.use_steps if k is not None]
    losses = [t for t in anatomy.loss_steps if t is not None]
    table = anatomy.table()
    sizes = [[math.nan] * (losses[-1] - losses[0] + 1) for _ in range(uses[0], uses[-1] + 1)]
    cut = [row[:] for row in sizes]
    for k, row in zip(anatomy.use_steps, table):
        for t, size in zip(anatomy.loss_steps, row):
            if k is not None and t is not None and k <= t:
                is_cut = truncation is not None and not truncation.keeps(k, t)
                (cut if is_cut else sizes)[k - uses[0]][t - losses[0]] = size
    largest = max((abs(size) for row in table for size in row if math.isfinite(size)), default=0.0) or 1.0
    colour_scale: Any
    if anatomy.shape:
        smallest = largest / 10.0**_NORM_DECADES
        sizes = [[max(size, smallest) if size == size else size for size in row] for row in sizes]
        colour_scale, colours = LogNorm(smallest, largest), colormaps["magma_r"]
    else:
        smallest = largest / 10.0**_SIGNED_DECADES
        colour_scale, colours = SymLogNorm(smallest, vmin=-largest, vmax=largest), colormaps["RdBu_r"]
    place: Any = {
        "extent": (losses[0] - 0.5, losses[-1] + 0.5, uses[0] - 0.5, uses[-1] + 0.5),
        "origin": "lower",
        "aspect": "auto",
        "interpolation": "nearest",
    }
    image = axes.imshow(sizes, norm=colour_scale, cmap=colours, **place)
    axes.imshow(cut, cmap=ListedColormap([_CUT]), vmin=0.0, vmax=1.0, **place)
    _plain(axes)
    bar = axes.figure.colorbar(image, cax=scale)
    bar.outline.set_visible(False)
    bar.set_label(_size_label(anatomy, f"(∂L$_t$/∂{anatomy.name})$_k$"))
    if not anatomy.shape:
        powers = [10.0 ** (math.floor(math.log10(largest)) - i) for i in range(_SIGNED_DECADES)]
        bar.set_ticks([*(-power for power in powers), 0.0, *reversed(powers)])
        bar.ax.minorticks_off()


def _summary(anatomy: Anatomy, truncation: Truncation | None) -> list[str]:
    what = _size_label(anatomy, f"∂L/∂{anatomy.name}")
    lines = [f"{what} = {_size(anatomy.total()):.6g}"]
    if truncation is not None:
        lines += [
            f"truncated: {_size(truncation.kept.total()):.6g}",
            f"grey: cut by truncation to\nk1 = {truncation.k1}, k2 = {truncation.k2}",
        ]
    return lines


def comparison_figure(rows: Sequence[DecayCurve], title: str = "") -> Figure:
    """All rows on one logarithmic axis: a colour per cell, h solid, other parts of the state dashed.

    Raises:
        ArgumentError: there are no rows.
        MissingDependencyError: matplotlib is missing.
    """
    if not rows:
        raise ArgumentError("there are no curves to plot")
    figure = new_figure(8.0, 5.0)
    axes = figure.add_subplot()
    names = list(dict.fromkeys(row.name for row in rows))
    for row in rows:
        axes.plot(
            row.lags,
            _loggable(row.gradients),
            color=_CELL_COLOURS[names.index(row.name) % len(_CELL_COLOURS)],
            linewidth=2.0,
            linestyle="-" if row.state.startswith("h") else (0, (5, 3)),
            label=f"{row.name}: |∂L/∂{row.state}$_k$|",
        )
    _log_axis(axes, [size for row in rows for size in row.gradients])
    axes.set_xlim(0, max(1, *(row.lags[-1] for row in rows)))
    axes.set_xlabel("lag T − k: steps back in time")
    axes.set_ylabel("size of the gradient")
    axes.set_title(title or "How far a gradient reaches back, by cell", loc="left")
    axes.legend(frameon=False)
    return figure
