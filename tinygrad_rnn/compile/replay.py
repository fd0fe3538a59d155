"""The eager engine on what a compiled recurrence runs on: to raise its errors, and to look inside.

Exact mode is the very same computation, so that what the eager engine shows is what compiled code computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..bptt.unroll import Series, Unrolled, keep
from ..engine.backward import gradients_kept, topological_order
from ..engine.recording import time_step
from ..engine.sums import total
from ..engine.value import Value
from ..errors import ArgumentError
from ..nn.one_hot import OneHot
from .step import Step, Symbols


def unroll_step(
    step: Step,
    x: Sequence[Any],
    target: Sequence[Any] | None,
    h0: Sequence[float],
    mask: Sequence[bool],
    first: int = 1,
) -> tuple[Unrolled, Value | None]:
    """One sequence, unrolled, and the sum of its losses.

    Args:
        step: the time step.
        x, target: plain numbers.
        h0: the initial state in a row.
        mask: per time step, whether there is a loss.
        first: number of the first time step.
    """
    state = step.shaped([Value(entry) for entry in h0])
    start: tuple[Any, ...] = state
    series: Series = {}
    for name, part in zip(step.names, state):
        keep({}, name, first - 1, part)
    losses = []
    for i, (entry, asks) in enumerate(zip(x, mask)):
        with time_step(first + i):
            goal = (
                None
                if target is None
                else target[i]
                if isinstance(step.target, Symbols)
                else _operand(step.target, target[i])
            )
            operand = _operand(step.x, entry)
            keep({}, "x", first + i, operand)
            state, loss = step(series, first + i, operand, state, goal, asks)
            if loss is not None:
                losses.append(loss)
    unrolled = Unrolled(getattr(step.cell, "function", step.cell), step.names, first, start, series)
    return unrolled, total(losses) if losses else None


def _operand(kind: Any, number: Any) -> Any:
    if isinstance(kind, Symbols):
        return OneHot(number, kind.size)
    return Value(number) if kind is None else [Value(entry) for entry in number]


def replay(step: Step, sequence: Any, mask: Sequence[bool], window: int, gradient: float | None) -> None:
    """What a run does, for the errors that it may raise.

    Args:
        step: the time step.
        sequence: what `batch.Batch.sequence` gives.
        mask: per time step, whether there is a loss.
        window: steps after which the gradient is cut.
        gradient: that of each loss; None to go forward only.
    """
    x, target, state = sequence
    for start in range(0, len(x), window):
        part = slice(start, start + window)
        unrolled, loss = unroll_step(step, x[part], target and target[part], state, mask[part], start + 1)
        if gradient is not None and loss is not None:
            loss.backward(gradient)
        state = [node.data for node in unrolled.state(unrolled.T)]


@contextmanager
def lent(parameters: Sequence[Value], numbers: Sequence[float]) -> Iterator[None]:
    """Within this context, parameters hold other numbers, and no gradients."""
    kept = [parameter.data for parameter in parameters]
    for parameter, number in zip(parameters, numbers):
        parameter.data = number
    try:
        with gradients_kept(parameters):
            yield
    finally:
        for parameter, data in zip(parameters, kept):
            parameter.data = data


class Inspection:
    """What a run computed: the value and the gradient of every node that has a label.

    Args:
        roots: nodes from which all others are reached.
        unrolled: the unrolled graph, if it is one.

    Attributes:
        nodes: the nodes by label, parents first.
        unrolled: the unrolled graph, to be drawn, stepped through or taken apart.
    """

    def __init__(self, roots: Iterable[Value], unrolled: Unrolled | None = None) -> None:
        self.nodes = {node.label: node for node in topological_order(*roots)[::-1] if node.label}
        self.unrolled = unrolled

    def value(self, label: str, t: int | None = None) -> float:
        """The number of a node: ``value("z_3[1]")``, or ``value("z_t[1]", 3)``.

        Raises:
            ArgumentError: no such node.
        """
        return self._find(label, t).data

    def gradient(self, label: str, t: int | None = None) -> float:
        """Its gradient: the derivative of the loss with respect to it."""
        return self._find(label, t).grad

    def _find(self, label: str, t: int | None) -> Value:
        name = label if t is None else label.replace("_t", f"_{t}", 1)
        if name not in self.nodes:
            raise ArgumentError(f"no node {name!r}", remedy=f"Labels: {', '.join(list(self.nodes)[-8:])} …")
        return self.nodes[name]
