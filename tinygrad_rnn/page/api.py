"""`explore`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from ..bptt import Unrolled
from ..engine.backward import gradients_kept, topological_order
from ..engine.value import Value
from ..errors import ArgumentError, DrawError, GraphError
from ..pictures import graph, text
from ..support.text import count as number_of
from . import walkthrough
from .anatomy import anatomies, parameters, whole_gradients
from .chains import chains, factor, told_roots
from .decay import decay_parts, measured
from .graph import Numbering, Shades, columns, details
from .page import Page

MOST_NODES = 60_000


def explore(
    unrolled: Unrolled,
    loss: Value,
    losses: Sequence[Value] | None = None,
    *,
    title: str = "",
    names: Sequence[str] = (),
    progress: Callable[[int, int], object] | None = None,
) -> Page:
    """An interactive page: the unrolled graph with every step of its computation, the decay of the gradient with
    the lag, measured for many ‖W‖, and where the gradient of each parameter came from.

    The gradients in the graph are left as they were.

    Args:
        unrolled: the unrolled cell.
        loss: the loss L, computed from it.
        losses: the losses of single time steps that L is made of, if it is: the mean or sum of them, say. Their
            chains and their parts of the gradient are told apart.
        title: what the sequence is.
        names: what x_1 … x_T are called: years, characters.
        progress: called again and again, with how many parts of the work are done and how many there are.

    Raises:
        ArgumentError: L does not depend on one of the losses.
        DrawError: the graph is too large for a page.
        GraphError: the loss does not depend on what was unrolled, or has no gradient.
    """
    steps = unrolled.steps_of(graph.roots_of(unrolled, loss))
    if len(steps) > MOST_NODES:
        raise DrawError(
            f"{len(steps):,} nodes are too many for a page",
            remedy=f"Unroll fewer time steps, or a smaller cell: up to {MOST_NODES:,} nodes",
        )
    order = topological_order(loss)
    if not any(value in steps and steps[value] is not None and not value.parents for value in order):
        raise GraphError("the loss does not depend on anything that was unrolled", node=loss.name)
    reached = set(order)
    parts = list(losses) if losses else [loss]
    for part in parts:
        if part not in reached:
            raise ArgumentError("the loss does not depend on one of the losses", node=part.name)
    roots = sorted(((steps[part], part) for part in parts), key=lambda pair: pair[0] or 0)
    values = list(steps)
    numbers = Numbering(values)
    done, parts_in_all = count(), told_roots(unrolled, roots) + len(parameters(steps)) + decay_parts(unrolled)

    def tick() -> None:
        if progress:
            progress(next(done) + 1, parts_in_all)

    root = text.clipped(loss.label or "L", 20)
    with gradients_kept(values):
        taken = walkthrough.record(loss)
        states = graph.states_of(unrolled)
        shades = Shades([v.grad for entries in states.values() for _, _, v in entries if v.has_grad])
        drawn = graph.build(unrolled, loss, steps, list(range(min(states), unrolled.T + 1)))
        data: dict[str, Any] = {
            "cell": text.clipped(repr(unrolled.cell), 120),
            "title": text.clipped(title, 160),
            "T": unrolled.T,
            "first": min(states),
            "root": root,
            "factor": factor(unrolled.cell),
            "loss": numbers[loss],
            "names": [text.clipped(str(name), 24) for name in names],
            "values": details(values, steps),
            "graph": columns(drawn, numbers, shades, loss, root),
            "shades": shades.key(),
            "forward": walkthrough.forward(order, numbers),
            "backward": walkthrough.backward(taken, numbers, shades),
            "sums": walkthrough.sums(taken, numbers),
            "chains": chains(unrolled, loss, roots, numbers, steps, shades, tick),
        }
        weights = [part.grad for _, part in roots]
        wholes = whole_gradients(steps)
    data["anatomy"] = anatomies(unrolled, roots, weights, wholes, steps, tick)
    data["decay"] = measured(unrolled, tick)
    described = text.clipped(repr(unrolled.cell), 80)
    return Page(f"{described} over {number_of(unrolled.T, 'step')}", data)
