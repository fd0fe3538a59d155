"""Figures of where a gradient came from: by use step, loss step and lag, and what truncated BPTT keeps of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..bptt.anatomy import Anatomy, TimeStep, number_or_norm
from ..bptt.truncation import Truncation
from ..engine.notation import number
from ..nn.trees import NestedNumbers
from ..support.colours import CHAIN, CUT, INK, NEGATIVE, PAPER, POSITIVE, SIGNED, SIZES, ink_on
from .axes import FAINT, colour_map, plain, verbatim
from .saving import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

Sums = dict[TimeStep, NestedNumbers]

SIGNED_DECADES, NORM_DECADES = 3, 6  # how far below the largest term a heat map still tells sizes apart

_MOST_MARKED = 40  # rows of a heat map whose cells have a minus where they are negative, and more than pale


def anatomy_figure(anatomy: Anatomy, title: str = "", truncation: Truncation | None = None) -> Figure:
    """Draw the heat map of use step (downwards) × loss step (to the right), with the sums by loss step above, by use
    step at the right and by lag below; for a single loss, the contributions by use step alone.

    Numbers are signed where the parameter is a single number; of a vector or matrix, norms are shown. Uses
    outside time are left out.

    Args:
        anatomy: the split gradient.
        title: replaces the default title.
        truncation: the truncation of the same gradient: what it cuts is drawn in grey.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    name = verbatim(anatomy.name)
    kept = None if truncation is None else truncation.kept
    if len(anatomy.loss_steps) == 1:
        figure = new_figure(8.0, 3.6)
        axes = figure.add_subplot()
        _bars(axes, anatomy, kept, Anatomy.by_use_step)
        axes.set_xlabel("use step k")
        axes.set_ylabel(_size_label(anatomy, f"(∂L$_{{{anatomy.loss_steps[0]}}}$/∂{name})$_k$"))
        axes.set_title(verbatim(title) or f"∂L/∂{name}, use by use", loc="left")
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
    above.set_title(verbatim(title) or f"∂L/∂{name}: where it came from", loc="left")
    corner = figure.add_subplot(grid[2, 1:])
    corner.axis("off")
    corner.text(0.0, 0.95, "\n".join(_summary(anatomy, truncation)), va="top", color=INK, linespacing=1.6)
    return figure


def _size_label(anatomy: Anatomy, text: str) -> str:
    return f"‖{text}‖" if anatomy.shape else text


def _bars(
    axes: Axes, anatomy: Anatomy, kept: Anatomy | None, by: Callable[[Anatomy], Sums], upright: bool = True
) -> None:
    """Draw a bar per step; with ``kept``, the whole in grey behind the part that truncated BPTT keeps."""
    from matplotlib.ticker import MaxNLocator

    plain(axes)
    draw, zero_line = (axes.bar, axes.axhline) if upright else (axes.barh, axes.axvline)
    along, across = (axes.xaxis, axes.yaxis) if upright else (axes.yaxis, axes.xaxis)
    sums = by(anatomy)
    steps = [step for step in sums if step is not None]
    width = 0.9 if len(steps) < 200 else 1.0
    if kept is not None:
        whole = [number_or_norm(sums[step]) for step in steps]
        draw(steps, [size if math.isfinite(size) else 0.0 for size in whole], width, color=CUT)
        sums, width = by(kept), 0.6 * width
    sizes = [number_or_norm(sums[step]) for step in steps]
    drawn = [size if math.isfinite(size) else 0.0 for size in sizes]
    draw(steps, drawn, width, color=[CHAIN if anatomy.shape else POSITIVE if n > 0 else NEGATIVE for n in sizes])
    zero_line(0.0, color=FAINT, linewidth=0.8)
    for step, size in zip(steps, sizes):
        if not math.isfinite(size):
            x, y = (float(step), 0.0) if upright else (0.0, float(step))
            axes.text(x, y, number(size), ha="center", va="center", color=INK, backgroundcolor=PAPER)
    if upright:
        axes.set_xlim(steps[0] - 0.5, steps[-1] + 0.5)
    else:
        axes.set_ylim(steps[-1] + 0.5, steps[0] - 0.5)  # downwards
    along.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    across.set_major_locator(MaxNLocator(nbins=3 if upright else 2))


def _heat_map(axes: Axes, scale: Axes, anatomy: Anatomy, truncation: Truncation | None) -> None:
    """Draw the cells: white where nothing can flow, grey where truncated BPTT cuts, dark where it is NaN; with a minus
    where negative. What is infinite has the colour of the largest.
    """
    from matplotlib.colors import ListedColormap, LogNorm, SymLogNorm, to_hex

    uses = [k for k in anatomy.use_steps if k is not None]
    losses = [t for t in anatomy.loss_steps if t is not None]
    table = anatomy.table()
    sizes = [[math.nan] * (losses[-1] - losses[0] + 1) for _ in range(uses[0], uses[-1] + 1)]
    cut, unknown = ([row[:] for row in sizes] for _ in range(2))
    for k, row in zip(anatomy.use_steps, table):
        for t, size in zip(anatomy.loss_steps, row):
            if k is not None and t is not None and k <= t:
                is_cut = truncation is not None and not truncation.keeps(k, t)
                layer = cut if is_cut else unknown if math.isnan(size) else sizes
                layer[k - uses[0]][t - losses[0]] = size if layer is sizes else 1.0
    largest = max((abs(size) for row in table for size in row if math.isfinite(size)), default=0.0) or 1.0
    colour_scale: Normalize
    if anatomy.shape:
        smallest = largest / 10.0**NORM_DECADES
        sizes = [[max(size, smallest) if size == size else size for size in row] for row in sizes]
        colour_scale, colours = LogNorm(smallest, largest), colour_map(SIZES)
    else:
        smallest = largest / 10.0**SIGNED_DECADES
        colour_scale, colours = SymLogNorm(smallest, vmin=-largest, vmax=largest), colour_map(SIGNED)
    place: Any = {
        "extent": (losses[0] - 0.5, losses[-1] + 0.5, uses[-1] + 0.5, uses[0] - 0.5),
        "aspect": "auto",
        "interpolation": "nearest",
    }
    sizes = [[min(max(size, -largest), largest) if size == size else size for size in row] for row in sizes]
    image = axes.imshow(sizes, norm=colour_scale, cmap=colours, **place)
    for layer, colour in ((cut, CUT), (unknown, INK)):
        axes.imshow(layer, cmap=ListedColormap([colour]), vmin=0.0, vmax=1.0, **place)
    plain(axes)
    bar = axes.figure.colorbar(image, cax=scale)
    bar.outline.set_visible(False)
    bar.set_label(_size_label(anatomy, f"(∂L$_t$/∂{verbatim(anatomy.name)})$_k$"))
    if not anatomy.shape:
        powers = [10.0 ** (math.floor(math.log10(largest)) - i) for i in range(SIGNED_DECADES)]
        bar.set_ticks([*(-power for power in powers), 0.0, *reversed(powers)])
        bar.ax.minorticks_off()
        if len(sizes) <= _MOST_MARKED:  # in grey print, both signs are as dark
            cells = [(t, k, size) for k, row in enumerate(sizes, uses[0]) for t, size in enumerate(row, losses[0])]
            looks: Any = {"linestyle": "none", "marker": "_", "markersize": min(6.0, 140.0 / len(sizes))}
            for where, places in ((axes, cells), (bar.ax, [(0.5, -power, -power) for power in powers])):
                for ink in (INK, PAPER):
                    marked = [
                        (x, y)
                        for x, y, size in places
                        if size <= -smallest and ink_on(to_hex(colours(colour_scale(size)))) == ink
                    ]
                    where.plot([x for x, _ in marked], [y for _, y in marked], color=ink, markeredgewidth=1.4, **looks)


def _summary(anatomy: Anatomy, truncation: Truncation | None) -> list[str]:
    what = _size_label(anatomy, f"∂L/∂{verbatim(anatomy.name)}")
    lines = [f"{what} = {number(number_or_norm(anatomy.total()), 6)}"]
    sizes = [number_or_norm(part) for k, t, part in anatomy.terms() if k is not None and t is not None]
    if any(map(math.isinf, sizes)):
        lines.append("infinite: the colour of the largest")
    if any(map(math.isnan, sizes)):
        lines.append("black: not a number")
    if truncation is not None:
        lines += [
            f"truncated: {number(number_or_norm(truncation.kept.total()), 6)}",
            f"grey: cut by truncation to\nk1 = {truncation.k1}, k2 = {truncation.k2}",
        ]
    return lines
