"""The figure of the products of Jacobians, with their bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..bptt.jacobian import ChainNorm
from ..support.colours import INK, LAW
from .axes import DASHES, ORANGE, log_axis, loggable, verbatim
from .saving import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def chain_norms_figure(rows: Sequence[ChainNorm], title: str = "") -> Figure:
    """Draw the norm of ∂h_T/∂h_k against the lag, with its bounds, on a logarithmic axis.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figure = new_figure(8.0, 5.0)
    axes = figure.add_subplot()
    lags = [row.lag for row in rows]
    sizes: list[float] = []
    for label, attribute, colour, width, style in (
        ("‖W‖$^{T−k}$", "bound", LAW, 1.4, DASHES),
        ("‖J$_T$‖ ⋯ ‖J$_{k+1}$‖", "product_of_norms", ORANGE, 1.4, "-"),
        ("ρ(W)$^{T−k}$", "radius_law", LAW, 1.6, (0, (1, 2))),
        ("‖J$_T$ ⋯ J$_{k+1}$‖ = ‖∂h$_T$/∂h$_k$‖", "norm", INK, 2.6, "-"),
    ):
        line = [getattr(row, attribute) for row in rows]
        if None not in line:
            axes.plot(lags, loggable(line), color=colour, linewidth=width, linestyle=style, label=label)
            sizes += line
    axes.set_xlim(0, max(lags[-1], 1))
    log_axis(axes, sizes)
    axes.set_xlabel("lag T − k: steps back in time")
    axes.set_title(verbatim(title) or "How much of a change of h$_k$ arrives at h$_T$", loc="left")
    axes.legend(frameon=False)
    return figure
