"""What is drawn of a graph, before any position is known: nodes by time step, a copy of a tied weight in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..backward import topological_order
from ..bptt import Unrolled
from ..value import Value

TimeStep = int | None


def trace(root: Value) -> tuple[set[Value], set[tuple[Value, Value]]]:
    """All nodes that ``root`` was computed from, itself included, and all edges (parent, child)."""
    nodes = set(topological_order(root))
    return nodes, {(parent, child) for child in nodes for parent in child.parents}


def local_gradients(node: Value) -> tuple[float, ...]:
    """∂node/∂operand for every operand, by the op table; NaN where the op has no number for it."""
    rule = node._rule
    try:
        gradients = tuple(rule.local_gradients(node.data, *[parent.data for parent in node.parents]))
    except (ValueError, ArithmeticError):
        gradients = ()
    return gradients if len(gradients) == len(node.parents) else (float("nan"),) * len(node.parents)


def values_in(quantity: Any) -> list[Value]:
    """The Values of one entry of a series: of a scalar cell itself, of any other the entries of the vector."""
    if isinstance(quantity, Value):
        return [quantity]
    return [entry for entry in quantity if isinstance(entry, Value)] if isinstance(quantity, (list, tuple)) else []


@dataclass(eq=False, slots=True)
class Node:
    """A node to be drawn: a Value, or the copy of a tied one in one time step.

    Attributes:
        id: unique in the picture, and the same whenever the same program is run.
        value: the Value.
        step: the time step in whose column it stands; None: before time.
        kind: ``"op"``, ``"state"``, ``"input"``, ``"parameter"``, ``"constant"`` or ``"loss"``.
        copies: for a tied weight, in how many time steps of the whole graph it is used; else 1.
        share: for the copy of a tied weight, what its uses in this time step bring to its gradient.
    """

    id: str
    value: Value
    step: TimeStep
    kind: str
    copies: int = 1
    share: float | None = None


@dataclass(eq=False, slots=True)
class Edge:
    """From an operand to what was computed from it. One end is None where it is in a folded time step.

    Attributes:
        tail, head: the drawn nodes.
        parent, child: the Values.
        position: index of the operand among ``child.parents``; -1 for an edge that is only drawn, being cut.
    """

    tail: Node | None
    head: Node | None
    parent: Value
    child: Value
    position: int


@dataclass(eq=False, slots=True)
class Column:
    """One time step of the picture.

    Attributes:
        step: the time step; None for what was computed before time.
        nodes: in order of creation, each copy of a tied weight before its first use.
        inner: edges within the column, as (index of the parent, index of the child, edge).
    """

    step: TimeStep
    nodes: list[Node] = field(default_factory=list)
    inner: list[tuple[int, int, Edge]] = field(default_factory=list)


@dataclass(eq=False)
class Graph:
    """The drawn part of an unrolled graph.

    Attributes:
        columns: from left to right. Steps missing between two of them are folded.
        crossing: edges between time steps with at least one end in a column.
        steps: the time step of every Value of the whole graph, in order of creation.
        states: the state entries of the whole graph, by time step: name, index and Value.
    """

    columns: list[Column]
    crossing: list[Edge]
    steps: dict[Value, TimeStep]
    states: dict[int, list[tuple[str, int, Value]]]


def states_of(unrolled: Unrolled) -> dict[int, list[tuple[str, int, Value]]]:
    """Every entry of every state, by time step."""
    states: dict[int, list[tuple[str, int, Value]]] = {}
    for name in unrolled.state_names:
        for t, quantity in unrolled[name].items():
            states.setdefault(t, []).extend((name, i, value) for i, value in enumerate(values_in(quantity)))
    return states


def roots_of(unrolled: Unrolled, loss: Value | None) -> list[Value]:
    """Everything that was unrolled, and the loss."""
    roots = [value for name in unrolled.names for quantity in unrolled[name].values() for value in values_in(quantity)]
    return [*roots, loss] if loss is not None else roots


def build(
    unrolled: Unrolled,
    loss: Value | None,
    steps: dict[Value, TimeStep],
    shown: Collection[int],
    cut: Iterable[tuple[Value, Value]] = (),
) -> Graph:
    """The graph to draw.

    Args:
        unrolled: what to draw.
        loss: what was computed from it, if anything.
        steps: `Unrolled.steps_of` for all that is to be drawn.
        shown: the time steps to draw.
        cut: (parent, child) of edges that are not in the graph, but are to be seen as missing.
    """
    states = states_of(unrolled)
    state_values = {value for entries in states.values() for _, _, value in entries}
    inputs = {value for quantity in unrolled._series.get("x", {}).values() for value in values_in(quantity)}
    used_in = _used_in(steps)
    shown = set(shown)
    columns: dict[TimeStep, Column] = {}
    drawn: dict[tuple[Value, TimeStep], tuple[Node, int]] = {}
    crossing: list[Edge] = []
    early = any(step is None and value.parents for value, step in steps.items())

    def place(value: Value, step: TimeStep, kind: str) -> tuple[Node, int]:
        if (value, step) not in drawn:
            column = columns.setdefault(step, Column(step))
            name = f"{'p' if step is None else f't{step}n'}{len(column.nodes)}"
            drawn[value, step] = Node(name, value, step, kind, len(used_in.get(value, ())) or 1), len(column.nodes)
            column.nodes.append(drawn[value, step][0])
        return drawn[value, step]

    def kind_of(value: Value) -> str:
        if value is loss and value not in state_values:
            return "loss"
        if value in state_values:
            return "state"
        if value in inputs:
            return "input"
        if value.parents:
            return "op"
        tied = steps[value] is None and (value.label or len(used_in.get(value, ())) > 1)
        return "parameter" if tied else "constant"

    for child, step in steps.items():
        if step is None and not (early and child.parents):
            continue
        visible = step is None or step in shown
        locals_: tuple[float, ...] | None = None
        operands: list[tuple[Node, int] | None] = []
        for parent in child.parents:
            parent_step = steps[parent]
            if parent_step is None:
                kind = "parameter" if parent.parents and step is not None else kind_of(parent)
                operands.append(place(parent, step, kind) if visible else None)
            else:
                operands.append(drawn.get((parent, parent_step)))
        head = place(child, step, kind_of(child)) if visible else None
        for position, (parent, operand) in enumerate(zip(child.parents, operands)):
            if operand is None and head is None:
                continue
            edge = Edge(operand[0] if operand else None, head[0] if head else None, parent, child, position)
            if operand and head and operand[0].step == step:
                columns[step].inner.append((operand[1], head[1], edge))
                if operand[0].kind == "parameter" and child.has_grad:
                    locals_ = locals_ or local_gradients(child)
                    operand[0].share = (operand[0].share or 0.0) + locals_[position] * child.grad
            else:
                crossing.append(edge)
    for parent, child in cut:
        ends = [drawn.get((end, steps.get(end))) for end in (parent, child)]
        if any(ends):
            crossing.append(Edge(*(end[0] if end else None for end in ends), parent, child, -1))  # type: ignore[misc]
    order = sorted(columns, key=lambda step: -1 if step is None else step)
    return Graph([columns[step] for step in order], crossing, steps, states)


def _used_in(steps: dict[Value, TimeStep]) -> dict[Value, Counter[TimeStep]]:
    """For every Value outside time, the time steps that use it."""
    used: dict[Value, Counter[TimeStep]] = {}
    for child, step in steps.items():
        if step is not None:
            for parent in child.parents:
                if steps[parent] is None:
                    used.setdefault(parent, Counter())[step] += 1
    return used


def chosen(T: int, first: int, limit: int | None) -> list[int]:  # noqa: N802
    """Which of the time steps ``first … T`` to show if at most ``limit`` may be: from both ends."""
    steps: Sequence[int] = range(first, T + 1)
    if limit is None or len(steps) <= limit:
        return list(steps)
    ahead = limit // 2
    return [*steps[:ahead], *steps[len(steps) - (limit - ahead) :]]
