"""The figure of a sweep: many runs, by one of their options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import mean
from typing import TYPE_CHECKING, Any

from ..tasks import Task
from .axes import grid, verbatim
from .saving import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sweep_figure(
    task: Task,
    lines: Mapping[str, list[tuple[Any, list[float]]]],
    along: str,
    *,
    tick: Callable[[Any], str] = str,
    logarithmic: bool = False,
) -> Figure:
    """Draw the error of every run as a dot, and the means over seeds as lines.

    Args:
        task: what was trained on.
        lines: by label, a line: pairs of what the option was set to, and the errors of all seeds with it.
        along: the name of the option.
        tick: writes what the option was set to, where that is a number.
        logarithmic: whether the option has a logarithmic axis.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    numeric = all(isinstance(x, (int, float)) for points in lines.values() for x, _ in points)
    figure = new_figure(8.0, 5.0)
    axes = figure.subplots()
    for label, points in lines.items():
        points = sorted(points) if numeric else points
        (line,) = axes.plot(
            [x for x, _ in points],
            [mean(errors) for _, errors in points],
            linewidth=2.0,
            label=verbatim(label) or "mean",
        )
        axes.plot(
            [x for x, errors in points for _ in errors],
            [error for _, errors in points for error in errors],
            "o",
            color=line.get_color(),
            alpha=0.5,
        )
    for number, label, style in ((task.baseline, "trivial baseline", "--"), (task.goal, "criterion", ":")):
        axes.axhline(number, color="#666666", linewidth=1.2, linestyle=style, label=label)
    if logarithmic:
        axes.set_xscale("log")
        axes.minorticks_off()
    if numeric:
        ticks = sorted({x for points in lines.values() for x, _ in points})
        axes.set_xticks(ticks, [verbatim(tick(number)) for number in ticks])
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel(verbatim(along))
    axes.set_ylabel(verbatim(task.metric))
    axes.set_title(f"{verbatim(task.name)}: every run, and the mean over seeds", loc="left")
    figure.legend(loc="outside right upper", frameon=False)
    grid(axes)
    return figure
