"""The eager engine on the numbers of a compiled run: to raise its errors, and to look inside.

Exact mode is the very same computation, so the eager engine shows every number that compiled code computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..bptt.unroll import Series, Unrolled, keep
from ..engine.backward import topological_order
from ..engine.recording import time_step
from ..engine.sums import total
from ..engine.value import Value
from ..errors import ArgumentError
from .inputs import Symbols
from .step import Step


def unroll_step(
    step: Step,
    x: Sequence[Any],
    target: Sequence[Any] | None,
    h0: Sequence[float],
    has_loss: Sequence[bool],
    first: int = 1,
) -> tuple[Unrolled, Value | None]:
    """One sequence, unrolled, and the sum of its losses.

    Args:
        step: the time step.
        x, target: plain numbers.
        h0: the initial state in a row.
        has_loss: per time step, whether there is a loss.
        first: number of the first time step.
    """
    state = step.shaped([Value(entry) for entry in h0])
    start: tuple[object, ...] = state
    series: Series = {}
    for name, part in zip(step.names, state):
        keep({}, name, first - 1, part)
    losses = []
    for t, (entry, goal, with_loss) in enumerate(
        zip(x, [None] * len(x) if target is None else target, has_loss), first
    ):
        with time_step(t):
            if step.target is not None and not isinstance(step.target, Symbols):
                goal = step.target.operand(goal)
            operand = step.x.operand(entry)
            keep({}, "x", t, operand)
            state, loss = step(series, t, operand, state, goal, with_loss)
            if loss is not None:
                losses.append(loss)
    unrolled = Unrolled(getattr(step.cell, "function", step.cell), step.names, first, start, series)
    return unrolled, total(losses) if losses else None


def replay(
    step: Step,
    sequence: tuple[Sequence[object], Sequence[object] | None, Sequence[float]],
    has_loss: Sequence[bool],
    window: int,
    gradient: float | None,
) -> None:
    """Repeat a run of one sequence, for the errors that it may raise.

    Args:
        step: the time step.
        sequence: x, targets and initial state, from `batch.Batch.sequence`.
        has_loss: per time step, whether there is a loss.
        window: steps after which the gradient is cut.
        gradient: that of each loss; None to go forward only.
    """
    x, target, state = sequence
    for start in range(0, len(x), window):
        part = slice(start, start + window)
        unrolled, loss = unroll_step(step, x[part], target and target[part], state, has_loss[part], start + 1)
        if gradient is not None and loss is not None:
            loss.backward(gradient)
        state = [node.data for node in unrolled.state(unrolled.T)]


class Inspection:
    """The value and the gradient of every node with a label.

    Args:
        roots: nodes from which all others are reached.
        unrolled: the unrolled graph; None for a graph that is not a recurrence.

    Attributes:
        nodes: the nodes by label, parents first.
        unrolled: the unrolled graph, to draw it or to step through it.
    """

    def __init__(self, roots: Iterable[Value], unrolled: Unrolled | None = None) -> None:
        self.nodes = {node.label: node for node in topological_order(*roots)[::-1] if node.label}
        self.unrolled = unrolled

    def value(self, label: str, t: int | None = None) -> float:
        """The number of a node: ``value("z_3[1]")``, or ``value("z_t[1]", 3)``.

        Raises:
            ArgumentError: there is no such node.
        """
        return self._find(label, t).data

    def gradient(self, label: str, t: int | None = None) -> float:
        """The gradient of a node: the derivative of the loss with respect to it."""
        return self._find(label, t).grad

    def _find(self, label: str, t: int | None) -> Value:
        name = label if t is None else label.replace("_t", f"_{t}", 1)
        if name not in self.nodes:
            raise ArgumentError(f"no node {name!r}", remedy=f"Labels: {', '.join(list(self.nodes)[-8:])} …")
        return self.nodes[name]
