"""The figure of the straight path along a part of the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bptt.anatomy import norm
from ..bptt.straight import Straight
from ..support.colours import INK, PAPER, STRAIGHT, ink_on, mixed
from ..support.text import magnitude
from .axes import DASHES, colour_map, log_axis, loggable, verbatim
from .saving import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def straight_figure(way: Straight, title: str = "") -> Figure:
    """Draw the straight path along a part of the state. Above: a line per unit through time, coloured by its
    factors. Below: the gradient that came along it, the whole gradient, and the product of the factors.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(8.2, 6.4)
    units = len(next(iter(way.factors.values())))
    lines, below = figure.subplots(2, sharex=True, height_ratios=(min(0.35 + 0.12 * units, 1.0), 1.0))
    steps = sorted(way.factors)
    table = [[abs(way.factors[t][unit]) for t in steps] for unit in range(units)]
    name = verbatim(way.name)
    factor = f"{verbatim(way.factor_name)}$_t$" if way.factor_name else f"∂{name}$_t$/∂{name}$_{{t−1}}$"
    gradient = magnitude(f"∂L/∂{name}$_k$", units)
    largest = max(1.0, *map(max, table))
    image = lines.imshow(
        table,
        cmap=colour_map((PAPER, STRAIGHT)),
        vmin=0.0,
        vmax=largest,
        extent=(steps[0] - 1, steps[-1], units - 0.5, -0.5),
        aspect="auto",
        interpolation="nearest",
    )
    for unit in range(1, units):
        lines.axhline(unit - 0.5, color="white", linewidth=6.0 if units <= 8 else 1.0)
    if len(steps) <= 16 and units <= 8:
        for unit, row in enumerate(table):
            for t, size in zip(steps, row):
                colour = ink_on(mixed((PAPER, STRAIGHT), size / largest))
                lines.text(t - 0.5, unit, f"{way.factors[t][unit]:.2f}", ha="center", va="center", color=colour)
    lines.spines[:].set_visible(False)
    lines.tick_params(left=False)
    lines.yaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    lines.set_ylabel(f"unit of {name}")
    figure.colorbar(image, ax=lines, label=factor).outline.set_visible(False)
    lines.set_title(verbatim(title) or f"The straight path along {name}", loc="left")
    ks = sorted(way.straight)
    root = len(way.straight[ks[-1]]) ** 0.5
    curves = [
        ([norm(way.gradients[k]) for k in ks], INK, 3.5, "-", f"{gradient} by backward()"),
        ([norm(way.straight[k]) for k in ks], STRAIGHT, 1.6, "-", "what of it came along the straight path"),
        (
            [norm(way.products()[k]) / root for k in ks],
            STRAIGHT,
            1.4,
            DASHES,
            f"product of the {factor} after k (rms of the units)",
        ),
    ]
    for sizes, colour, width, style, label in curves:
        below.plot(ks, loggable(sizes), color=colour, linewidth=width, linestyle=style, label=label)
    log_axis(below, [size for sizes, *_ in curves for size in sizes])
    below.set_xlim(ks[0], ks[-1])
    below.xaxis.set_major_locator(MaxNLocator(nbins=14, integer=True, min_n_ticks=1))
    below.set_xlabel("time step k")
    below.set_ylabel(f"{gradient}, product of the {factor}")
    figure.legend(frameon=False, loc="outside lower left", ncols=1)
    return figure
