"""The figure of a training history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..train.history import History
from .axes import GREEN, RED, grid, verbatim
from .saving import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRAINING, VALIDATION = "#9ecae1", "#08519c"
MOST_DOTS = 40  # more of them would hide the line


def history_figure(history: History) -> Figure:
    """Draw loss, gradient norm and validation error against the update.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figure = new_figure(8.0, 6.4)
    above, middle, below = figure.subplots(3, sharex=True)
    steps = [row.step for row in history.rows]
    above.plot(steps, [row.loss for row in history.rows], color=TRAINING, linewidth=0.8, label="training")
    checked = history.validations()
    at = [row.step for row in checked]
    dots: dict[str, object] = {"marker": "o", "markersize": 4.0} if len(at) <= MOST_DOTS else {}  # one point is no line
    above.plot(
        at, [row.validation_loss for row in checked], color=VALIDATION, linewidth=2.0, label="validation", **dots
    )
    above.set_ylabel("loss")
    above.legend(frameon=False)
    above.set_title(f"Training on {verbatim(history.task)}", loc="left")
    middle.plot(steps, [row.gradient_norm for row in history.rows], color="#737373", linewidth=0.8)
    middle.set_yscale("log")
    middle.set_ylabel("gradient norm\nbefore clipping")
    below.plot(at, [row.validation_error for row in checked], color=VALIDATION, linewidth=2.0, **dots)
    below.axhline(history.baseline, color=RED, linewidth=1.0, linestyle="--", label="trivial baseline")
    below.axhline(history.goal, color=GREEN, linewidth=1.0, linestyle=":", label="criterion")
    below.set_ylim(bottom=0.0)
    below.set_ylabel(verbatim(history.metric))
    below.set_xlabel("step")
    below.legend(frameon=False)
    for axes in (above, middle, below):
        grid(axes)
    return figure
