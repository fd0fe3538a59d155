"""The loss of a recorded graph, read so that it can be repeated with other numbers.

A graph tells what was computed, and not by which function. Numbers that differ from time step to time step are taken
for targets, others for constants. A number that was read off a node (``y.data``, or the largest logit of a
`cross_entropy`) would have to follow that node, so it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ..bptt import Unrolled
from ..compile.javascript import Whole
from ..compile.trace import of_one_node
from ..engine.backward import topological_order
from ..engine.making import compute
from ..engine.ops import Op
from ..engine.value import Value
from ..errors import CompileError
from ..nn.quantities import entries

#: What an operand is: ``("read", i)`` of what the cell computed, ``("node", i)`` computed before, ``("value", v)`` from
#: outside time, ``("target", i)``, or ``("number", x)``.
Origin = tuple[Any, ...]

_REMEDY = "Or explore a problem(cell, inputs, targets, loss=…), which knows the function"

#: Numbers that are constants of formulas, so that a node that has the same number is a coincidence.
_ORDINARY = frozenset({0.0, 1.0, -1.0, 2.0, 0.5})


@dataclass(frozen=True)
class RecordedLoss:
    """The loss of a time step as it was recorded: a function of what the cell computed, and of a target.

    Attributes:
        reads: names and entries of the quantities that it reads.
        ops: the op of every node, in order, with its operands.
    """

    reads: tuple[tuple[str, int], ...]
    ops: tuple[tuple[Op, tuple[Origin, ...]], ...]

    def __call__(self, read: Sequence[Value], target: Sequence[Value] = ()) -> Value:
        """Record the same again, with other numbers."""
        nodes: list[Value] = []

        def find(origin: Origin) -> Value:
            kind, *where = origin
            if kind == "number":
                return Value(where[0])
            found: Value = (
                where[0] if kind == "value" else {"read": read, "node": nodes, "target": target}[kind][where[0]]
            )
            return found

        for op, operands in self.ops:
            nodes.append(compute(op, tuple(map(find, operands))))
        return nodes[-1]


@dataclass(frozen=True)
class Losses:
    """The losses of a recorded graph.

    Attributes:
        loss: that of one time step.
        targets: by time step, the numbers that it differs in from step to step.
        mean: whether the loss over time is the mean of these; else it is their sum.
        whole: what the whole loss is computed by, if not by time steps alone.
    """

    loss: RecordedLoss
    targets: dict[int, list[float]]
    mean: bool
    whole: Whole | None = None


def read_losses(unrolled: Unrolled, loss: Value, losses: Sequence[Value] | None = None) -> Losses:
    """Read the losses of the time steps, and how the whole loss is made of them.

    Args:
        unrolled: what the loss was computed from.
        loss: the loss.
        losses: the losses of single time steps whose sum or mean it is, with or without its parts outside time. By
            default they are found.

    Raises:
        CompileError: they cannot be repeated; the error names the node.
    """
    # What depends on the initial state alone lies outside time.
    steps = {node: None if t == unrolled.first - 1 else t for node, t in unrolled.steps_of([loss]).items()}
    over_time = loss
    if losses is None or list(losses) != [loss]:
        over_time = _over_time(unrolled, loss, steps)
        losses = losses and [each for each in losses if steps.get(each, 0) is not None]
    terms, mean = _terms(over_time, losses, steps)
    by_step: dict[int, Value] = {}
    for term in terms:
        t = steps.get(term)
        if t is None:
            raise CompileError(
                "this part of the loss depends on no time step, and comes between those that do",
                node=term.name,
                remedy="Add it last: loss + penalty",
            )
        if t in by_step:
            raise CompileError("a time step has two losses", node=term.name, time_step=t, remedy="Add them up")
        by_step[t] = term
    made = _compared([_Recorded(unrolled, by_step[t], t) for t in sorted(by_step)], mean)
    return made if over_time is loss else replace(made, whole=_whole(unrolled, loss, over_time))


# ---- what it has outside time ---------------------------------------------------------------------------------------


def _over_time(unrolled: Unrolled, loss: Value, steps: Mapping[Value, int | None]) -> Value:
    """The node in a loss that is made by time steps: a sum or a mean of losses, or the loss of one time step. What is
    added to it outside time, or multiplies it, is left out.
    """
    computed, found, way = set(unrolled.nodes()), loss, [loss]
    while (node := way[-1]).op in ("add", "sub", "mul", "div", "neg"):
        timed = [parent for parent in node.parents if steps[parent] is not None]
        if len(timed) != 1 or timed[0] in computed or (node.op == "div" and timed[0] is not node.parents[0]):
            break
        way.append(timed[0])
        if node.op in ("add", "sub") and any(parent.parents and steps[parent] is None for parent in node.parents):
            found = timed[0]
    if len(_summands(way[-1], steps)) == 1:
        return found
    mean = way[-2:][0]
    return mean if _factor(mean) == 1.0 / len(_summands(way[-1], steps)) else way[-1]


def _whole(unrolled: Unrolled, loss: Value, over_time: Value) -> Whole:
    """The nodes that compute a loss from what it is over time."""
    began = _began(unrolled)
    order = topological_order(loss, stop=[over_time])
    nodes = [node for node in reversed(order) if node.parents and node is not over_time and node.serial >= began]
    initial = {entry: i for i, entry in enumerate(unrolled.state(unrolled.first - 1))}
    read = dict.fromkeys(parent for node in nodes for parent in node.parents)
    for node in read:
        if (
            node not in initial
            and node not in nodes
            and node is not over_time
            and not initial.keys().isdisjoint(topological_order(node))
        ):
            raise CompileError(
                "this part of the loss depends on the initial state, and was computed before the first time step",
                node=node.name,
                remedy="Compute it after the losses of all time steps",
            )
    numbers = {node.data: node for node in [over_time, *nodes]}
    first_use: dict[Value, Value] = {}
    for node in nodes:
        if node.operation.backward is not None or not node.operation.local_formulas:
            raise of_one_node(node, None)
        for parent in node.parents:
            first_use.setdefault(parent, node)
            if (
                _is_constant(parent)
                and parent not in initial
                and parent.data not in _ORDINARY
                and parent.data in numbers
            ):
                raise _read_off(parent, numbers[parent.data], None)
    for node in topological_order(over_time):
        for parent in node.parents:
            if parent in first_use and first_use[parent].serial < node.serial and node.serial >= began:
                raise CompileError(
                    f"a part of the loss outside time was computed before {node.name}, which also reads {parent.name}",
                    op=first_use[parent].op,
                    node=first_use[parent].name,
                    time_step=node.time_step,
                    remedy="Compute it after the losses of all time steps",
                )
    return Whole(over_time, nodes, {entry: i for entry, i in initial.items() if entry in read})


# ---- how the loss is made of those of time steps --------------------------------------------------------------------


def _terms(loss: Value, losses: Sequence[Value] | None, steps: Mapping[Value, int | None]) -> tuple[list[Value], bool]:
    """The losses of the time steps, and whether the whole loss is their mean."""
    factor = _factor(loss)
    terms = _summands(loss if factor is None else loss.parents[0], steps)
    timed = [t for term in terms if (t := steps.get(term)) is not None]
    if losses is None:
        if len(timed) < 2 or len(set(timed)) < len(timed):
            return [loss], False
    elif list(losses) == [loss]:
        return [loss], False
    elif set(losses) != set(terms):
        missing = next((each for each in losses if each not in terms), terms[0])
        raise CompileError(
            "the loss is not the sum or the mean of the losses that were given",
            node=missing.name,
            remedy="Leave losses out, or explore a problem(cell, inputs, targets)",
        )
    return terms, factor is not None


def _factor(node: Value) -> float | None:
    """The constant that a node is multiplied by."""
    if node.op not in ("div", "mul") or not _is_constant(node.parents[1]):
        return None
    number = node.parents[1].data
    return number if node.op == "mul" else 1.0 / number if number else 0.0


def _is_constant(node: Value) -> bool:
    return not node.parents and not node.label


def _summands(node: Value, steps: Mapping[Value, int | None] | None = None) -> list[Value]:
    """The terms of ((a + b) + c) + d; with steps, those of different time steps. A 0 that `sum` began with is none."""
    found: list[Value] = []
    while node.op == "add":
        rest, last = node.parents
        if steps is not None and steps.get(rest) == steps.get(last):
            break
        found.append(last)
        node = rest
    found.append(node)
    return [term for term in reversed(found) if not (_is_constant(term) and term.data == 0.0)]


# ---- the loss of one time step --------------------------------------------------------------------------------------


def _began(unrolled: Unrolled) -> int:
    """The serial number from which on time steps were computed."""
    return min(entry.serial for entry in unrolled.state(unrolled.first))


def _outside(unrolled: Unrolled, loss: Value, read: Iterable[Value]) -> list[Value]:
    """The nodes outside time that a loss reads: those that were computed before the first time step."""
    began = _began(unrolled)
    below = topological_order(loss, stop=read)
    return [node for node in below if node.parents and node.time_step is None and node.serial < began]


class _Recorded:
    """The graph of the loss of a time step.

    Attributes:
        t: the time step.
        loss: the node.
        order: its nodes, parents first, down to what the cell computed.
        read: what the cell computed: name and entry by node.
        leaves: its leaves, in the order in which they are used.
    """

    def __init__(self, unrolled: Unrolled, loss: Value, t: int) -> None:
        self.t, self.loss = t, loss
        self.read = {
            node: (name, i)
            for name in unrolled.names
            if name != "y" and t in unrolled[name]
            for i, node in reversed(list(enumerate(entries(unrolled[name][t]))))
        }
        if loss in self.read:
            raise CompileError("the loss is what the cell computes", node=loss.name, remedy="Return a copy: h * 1.0")
        ends = [*self.read, *_outside(unrolled, loss, self.read)]
        newest_first = [node for node in topological_order(loss, stop=ends) if node.parents and node not in ends]
        for node in newest_first:
            for each in (node, *node.parents):
                if each not in self.read and each.time_step not in (None, t):
                    raise CompileError(
                        f"the loss of time step {t} reads a node of another one",
                        node=each.name,
                        time_step=each.time_step,
                        remedy="Carry what it needs in the state of the cell",
                    )
            if node.operation.backward is not None or not node.operation.local_formulas:
                raise of_one_node(node, t)
        self.order = newest_first[::-1]
        self.place = {node: i for i, node in enumerate(self.order)}
        uses = [p for node in self.order for p in node.parents if p not in self.read and p not in self.place]
        self.leaves = list(dict.fromkeys(uses))

    def shape(self) -> tuple[object, ...]:
        """The ops and their operands, without the numbers of leaves. Losses of equal shape are one function."""
        leaf = {node: i for i, node in enumerate(self.leaves)}
        operands = (tuple(("leaf", leaf[p]) if p in leaf else self.origin(p) for p in n.parents) for n in self.order)
        return tuple((node.operation, each) for node, each in zip(self.order, operands))

    def origin(self, node: Value) -> Origin:
        """The origin of a node that is no leaf."""
        return ("read", self.read[node]) if node in self.read else ("node", self.place[node])

    def is_like_a_target(self, leaf: Value) -> bool:
        """Whether something that was computed is compared with it."""
        return any(
            node.op == "sub" and leaf in node.parents and not all(p in self.leaves for p in node.parents)
            for node in self.order
        )

    def was_read_off(self, leaf: Value) -> Value | None:
        """A computed node with the same number as a leaf, from which the number may have been read."""
        if leaf.data in _ORDINARY or leaf.label:
            return None
        computed = [*self.read, *self.order]
        return next((node for node in computed if node.parents and node.data == leaf.data), None)


def _read_off(leaf: Value, node: Value, t: int | None) -> CompileError:
    return CompileError(
        f"a constant of the loss, {leaf.data:.6g}, is the number of this node. If it was read off it, the page could "
        "not repeat that",
        node=node.name,
        time_step=t,
        remedy=_REMEDY,
    )


def _compared(recorded: Sequence[_Recorded], mean: bool) -> Losses:
    """The losses of the time steps, which must have one shape."""
    first, shape = recorded[0], recorded[0].shape()
    for one in recorded[1:]:
        if one.shape() != shape:
            raise CompileError(
                f"the losses of time steps {first.t} and {one.t} have different shapes",
                node=one.loss.name,
                time_step=one.t,
                remedy=f"Compute the same formula at every time step that has a loss. {_REMEDY}",
            )
    origins: list[Origin] = []
    targets: dict[int, list[float]] = {one.t: [] for one in recorded}
    for i, leaf in enumerate(first.leaves):
        same = [one.leaves[i] for one in recorded]
        if len(set(same)) == 1 and (len(same) > 1 or leaf.label or leaf.parents):
            origins.append(("value", leaf))
            continue
        if leaf.parents:
            raise CompileError(
                "the losses of the time steps read different nodes that were computed before the first one",
                node=leaf.name,
                remedy=f"Compute them within the time step. {_REMEDY}",
            )
        sources = [one.was_read_off(each) for one, each in zip(recorded, same)]
        if sources[0] is not None and all(sources):
            raise _read_off(leaf, sources[0], first.t)
        constant = all(a.data == b.data for a, b in pairwise(same)) and (
            len(same) > 1 or not first.is_like_a_target(leaf)
        )
        if constant:
            origins.append(("number", leaf.data))
        else:
            origins.append(("target", len(targets[first.t])))
            for one, each in zip(recorded, same):
                targets[one.t].append(each.data)
    return Losses(_function(first, origins), targets, mean)


def _function(recorded: _Recorded, origins: Sequence[Origin]) -> RecordedLoss:
    of_leaf = dict(zip(recorded.leaves, origins))
    used = [p for node in recorded.order for p in node.parents if p in recorded.read]
    reads = tuple(dict.fromkeys(recorded.read[p] for p in used))
    place = {where: i for i, where in enumerate(reads)}

    def origin(node: Value) -> Origin:
        if node in recorded.read:
            return "read", place[recorded.read[node]]
        return of_leaf[node] if node in of_leaf else ("node", recorded.place[node])

    ops = tuple((node.operation, tuple(map(origin, node.parents))) for node in recorded.order)
    return RecordedLoss(reads, ops)
