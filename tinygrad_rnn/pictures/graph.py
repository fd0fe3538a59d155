"""The part of a graph to draw, before any position is known: nodes by time step, a copy of a tied weight in each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ..bptt import Unrolled
from ..engine import backward
from ..engine.backward import topological_order
from ..engine.value import Value
from ..errors import TinygradRNNError
from ..nn.quantities import entries

TimeStep = int | None


def trace(root: Value) -> tuple[set[Value], set[tuple[Value, Value]]]:
    """All nodes that ``root`` was computed from, itself included, and all edges (parent, child)."""
    nodes = set(topological_order(root))
    return nodes, {(parent, child) for child in nodes for parent in child.parents}


def local_gradients(node: Value) -> tuple[float, ...]:
    """∂node/∂operand for every operand, as the backward walk finds it; NaN where it finds none."""
    try:
        return backward.local_gradients(node)
    except (TinygradRNNError, ValueError, ArithmeticError):
        return (math.nan,) * len(node.parents)


@dataclass(eq=False, slots=True)
class Node:
    """A node to be drawn: a Value, or the copy of a tied one in one time step.

    Attributes:
        id: unique in the picture, and the same whenever the same program is run.
        value: the Value.
        step: the time step in whose column it stands; None: before time.
        kind: ``"op"``, ``"state"``, ``"input"``, ``"parameter"``, ``"constant"``, ``"loss"``, or
            ``"leaf"`` where nothing says which.
        block: the block of its column in which it stands.
        copies: for a tied weight, in how many time steps of the whole graph it is used; else 1.
        share: for the copy of a tied weight, what its uses in this time step bring to its gradient.
        values: all Values that it stands for, where it is a part of the state, an input, or another quantity.
    """

    id: str
    value: Value
    step: TimeStep
    kind: str
    block: Block
    copies: int = 1
    share: float | None = None
    values: tuple[Value, ...] = ()


@dataclass(eq=False, slots=True)
class Edge:
    """From an operand to what was computed from it. One end is None where it is in a folded time step.

    Attributes:
        tail, head: the drawn nodes.
        parent, child: the Values.
        position: index of the operand among ``child.parents``.
    """

    tail: Node | None
    head: Node | None
    parent: Value
    child: Value
    position: int


@dataclass(eq=False, slots=True)
class Block:
    """Part of a time step: the cell, from which the new state comes, or what follows from it, read-out and loss.

    Drawn apart, the cell looks the same in every time step.

    Attributes:
        step: the time step; None for what was computed before time.
        follows: whether it is the part that follows from the cell.
        nodes: in order of creation, each copy of a tied weight before its first use.
        place: index of each node.
        inner: the edges within the block, as (tail, head, edge).
    """

    step: TimeStep
    follows: bool
    nodes: list[Node] = field(default_factory=list)
    place: dict[Node, int] = field(default_factory=dict)
    inner: list[tuple[Node, Node, Edge]] = field(default_factory=list)


@dataclass(eq=False)
class Graph:
    """The drawn part of an unrolled graph.

    Attributes:
        blocks: from left to right. Steps missing between two of them are folded.
        crossing: edges between blocks with at least one end in a block.
        steps: the time step of every Value of the whole graph, in order of creation.
        states: the state entries of the whole graph, by time step: name, index and Value.
    """

    blocks: list[Block]
    crossing: list[Edge]
    steps: dict[Value, TimeStep]
    states: dict[int, list[tuple[str, int, Value]]]


def states_of(unrolled: Unrolled) -> dict[int, list[tuple[str, int, Value]]]:
    """Every entry of every state, by time step."""
    states: dict[int, list[tuple[str, int, Value]]] = {}
    for name in unrolled.state_names:
        for t, quantity in unrolled[name].items():
            states.setdefault(t, []).extend((name, i, value) for i, value in enumerate(entries(quantity)))
    return states


def roots_of(unrolled: Unrolled, loss: Value | None) -> list[Value]:
    """Everything that was unrolled, and the loss."""
    return [*unrolled.nodes(), *([] if loss is None else [loss])]


def build(
    unrolled: Unrolled,
    loss: Value | None,
    steps: dict[Value, TimeStep],
    shown: Collection[int],
) -> Graph:
    """The graph to draw.

    Args:
        unrolled: what to draw.
        loss: what was computed from it, if anything.
        steps: `Unrolled.steps_of` for all that is to be drawn.
        shown: the time steps to draw, in order.
    """
    states = states_of(unrolled)
    state_values = {value for state in states.values() for _, _, value in state}
    inputs = {value for quantity in unrolled.x.values() for value in entries(quantity)}
    used_in = _used_in(steps)
    in_cell = _in_cells(steps, state_values)
    early = any(step is None and value.parents for value, step in steps.items())
    blocks: dict[tuple[TimeStep, bool], Block] = {}
    counts: Counter[TimeStep] = Counter()
    drawn: dict[tuple[Value, TimeStep], Node] = {}
    crossing: list[Edge] = []

    def place(value: Value, step: TimeStep, kind: str, follows: bool) -> Node:
        if (value, step) not in drawn:
            block = blocks.setdefault((step, follows), Block(step, follows))
            name = f"{'p' if step is None else f't{step}n'}{counts[step]}"
            node = Node(name, value, step, kind, block, len(used_in.get(value, ())) or 1)
            counts[step] += 1
            block.place[node] = len(block.nodes)
            block.nodes.append(node)
            drawn[value, step] = node
        return drawn[value, step]

    def kind_of(value: Value) -> str:
        if value in state_values:
            return "state"
        if value is loss:
            return "loss"
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
        follows = step is not None and child not in in_cell
        operands: list[Node | None] = []
        for parent in child.parents:
            parent_step = steps[parent]
            if parent_step is not None:
                operands.append(drawn.get((parent, parent_step)))
            elif visible:
                kind = "parameter" if parent.parents and step is not None else kind_of(parent)
                operands.append(place(parent, step, kind, follows))
            else:
                operands.append(None)
        head = place(child, step, kind_of(child), follows) if visible else None
        slopes: tuple[float, ...] = ()
        for position, (parent, tail) in enumerate(zip(child.parents, operands)):
            if tail is None and head is None:
                continue
            edge = Edge(tail, head, parent, child, position)
            if tail and head and tail.block is head.block:
                tail.block.inner.append((tail, head, edge))
            else:
                crossing.append(edge)
            if tail and tail.kind == "parameter" and child.has_grad:
                slopes = slopes or local_gradients(child)
                part = slopes[position] * child.grad
                tail.share = part if tail.share is None else tail.share + part
    order = sorted(blocks, key=lambda place: (-1 if place[0] is None else place[0], place[1]))
    return Graph([blocks[key] for key in order], crossing, steps, states)


def _in_cells(steps: dict[Value, TimeStep], states: set[Value]) -> set[Value]:
    """The nodes that the states are computed from, and those that stand alone."""
    inside = set(states)
    for child in reversed(steps):
        if child in inside:
            inside.update(child.parents)
    return inside


def _used_in(steps: dict[Value, TimeStep]) -> dict[Value, Counter[TimeStep]]:
    """For every Value outside time, the time steps that use it."""
    used: dict[Value, Counter[TimeStep]] = {}
    for child, step in steps.items():
        if step is not None:
            for parent in child.parents:
                if steps[parent] is None:
                    used.setdefault(parent, Counter())[step] += 1
    return used


def chosen(T: int, first: int, limit: int | None) -> list[int]:
    """The time steps among ``first … T`` to show if at most ``limit`` may be: from both ends."""
    steps: Sequence[int] = range(first, T + 1)
    if limit is None or len(steps) <= limit:
        return list(steps)
    ahead = limit // 2
    return [*steps[:ahead], *steps[len(steps) - (limit - ahead) :]]
