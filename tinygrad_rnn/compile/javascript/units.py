"""A time step over symbols, in the two units of which it is made: the cell, and the read-out with the loss.

Each unit reads numbers that were computed elsewhere. They are its ends: leaves that know where their numbers and
their gradients lie. So a unit goes forward and backward without the other, and whoever runs them chooses their order:
that in which the eager engine recorded them.

The numbers of a time step lie in a row: first x_t, the target and the new state, then those of all other nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ...bptt.unroll import Series, keep, keep_step
from ...engine.backward import gradients_kept, propagate, topological_order
from ...engine.node import Node
from ...engine.recording import time_step
from ...engine.value import Value
from ...errors import CompileError, OperandError
from ...nn.quantities import Quantity, as_quantity
from ...nn.through_time import advance
from ..inputs import numbers_per_step
from ..lookup import Index
from ..memory import GRADIENT, STATE, STATE_GRADIENT, TARGET, Place, Region, X
from ..step import Step, StepTwin, _label, _placeholder, flat
from ..symbol import Symbol, Tape
from ..trace import check_ops

#: Where t and t - 1 stand in names: two letters that nobody writes.
TIME, TIME_BEFORE = "\ua7fb", "\ua7fc"

#: The numbers of a time step, and their gradients.
NOW, NOW_GRADIENT = Region("now"), Region("now_gradient")


@dataclass
class Unit:
    """A part of a time step that is recorded at one go.

    Attributes:
        nodes: its nodes over symbols, parents first.
        ends: leaves with numbers that are computed elsewhere, and where their gradients lie.
        results: the nodes for which it is computed, and the slot at which a gradient comes to each from elsewhere.
        picks: nodes that choose one of several computed nodes, by a whole number that is read at run time.
        required: conditions that eager Python checks while it records the unit.
    """

    nodes: list[Value]
    ends: dict[Value, Place]
    results: dict[Value, int]
    picks: set[Value]
    required: list[Symbol] = field(default_factory=list)

    def gradients(self, tape: Tape, roots: Mapping[Value, Symbol]) -> dict[Value, Symbol]:
        """The gradients of all nodes and ends that are reached, last created first: the engine's walk over symbols.

        Args:
            tape: the tape of the time step.
            roots: the gradient that each root has from elsewhere.
        """
        order = topological_order(*roots)
        seeds: dict[Node, Any] = {node: gradient for node, gradient in roots.items()}  # noqa: C416
        with gradients_kept([*order, *self.ends]):
            for leaf, place in self.ends.items():
                leaf.grad = tape.load(*place)  # type: ignore[assignment]
            propagate(seeds)
            return {node: tape.symbol(node.grad) for node in order}


@dataclass
class TimeStep:
    """A time step over symbols.

    Attributes:
        tape: the instructions.
        cell, loss: the units; the second is None where there is no loss.
        slots: the slot of every node of the units in the row of numbers, and of inputs and targets.
        old_state: leaves for the state before.
        new_state: the nodes of the state after.
        parameters: the parameters.
        inputs: the number of slots of x_t.
        first: the slot of the first entry of the state.
    """

    tape: Tape
    cell: Unit
    loss: Unit | None
    slots: dict[Value, int]
    old_state: list[Value]
    new_state: list[Value]
    parameters: list[Value]
    inputs: int
    first: int

    @property
    def units(self) -> list[Unit]:
        """The units, in order."""
        return [self.cell] if self.loss is None else [self.cell, self.loss]

    @property
    def width(self) -> int:
        """The length of the row of numbers."""
        return 1 + max([*self.slots.values(), *self.cell.results.values()])

    def read_by_loss(self) -> frozenset[Value]:
        """The results of the cell on which the loss depends."""
        if self.loss is None:
            return frozenset()
        places = {self.loss.ends.get(node) for node in topological_order(*self.loss.results)}
        return frozenset(node for node, slot in self.cell.results.items() if Place(NOW_GRADIENT, slot) in places)


def trace_units(traced: StepTwin, tape: Tape) -> TimeStep:
    """The time step over symbols.

    Raises:
        CompileError: it does not compile; the error names the op and the node.
    """
    step, parameters = traced.step, traced.parameters
    x, x_index = _placeholder(tape, X, step.x)
    target, target_index = _placeholder(tape, TARGET, step.target)
    indices = [index for index in (x_index, target_index) if index]
    old_state = [Value(tape.load(STATE, i)) for i in range(len(step.initial))]  # type: ignore[arg-type]
    state = step.shaped(old_state)
    for name, part in zip(step.names, state):
        _label(part, f"{name}_{TIME_BEFORE}")
    for quantity, name in ((x, "x"), (target, "target")):
        _label([] if quantity is None else quantity, f"{name}_{TIME}")
    inputs, targets = flat([] if x is None else [x]), flat([] if target is None else [target])
    first = numbers_per_step(step.x) + numbers_per_step(step.target)
    slots = {node: i for i, node in enumerate(inputs)}
    slots |= {node: numbers_per_step(step.x) + i for i, node in enumerate(targets)}
    ends = {parameter: Place(GRADIENT, i) for i, parameter in enumerate(parameters)}
    ends |= {node: Place(NOW_GRADIENT, slot) for node, slot in slots.items()}

    series: Series = {}
    with _traceable(), time_step(TIME):  # type: ignore[arg-type]
        named, new = advance(step.cell, x_index.one_hot() if x_index else x, state)
        keep_step(step.cell, series, TIME, x, named)  # type: ignore[arg-type]
    new_state, predicted = flat(new), _predicted(step, named)
    _check_state(old_state, new_state)
    results = {node: first + i for i, node in enumerate(new_state)}
    for node in flat([predicted]):
        results.setdefault(node, first + len(results))
    cell_ends = ends | {node: Place(STATE_GRADIENT, i) for i, node in enumerate(old_state)}
    cell = _unit(traced, tape, results, cell_ends, indices, slots)
    loss = None
    if step.loss is not None:
        stand_ins: dict[Value, Value] = {}
        for node in flat([predicted]):
            stand_ins[node] = leaf = Value(tape.load(NOW, results[node]), label=node.label)  # type: ignore[arg-type]
            leaf.time_step = node.time_step
        entries = list(stand_ins.values())
        with _traceable(), time_step(TIME):  # type: ignore[arg-type]
            result = _record_loss(step, entries[0] if isinstance(predicted, Value) else entries, target_index or target)
        loss_ends = ends | {leaf: Place(NOW_GRADIENT, results[node]) for node, leaf in stand_ins.items()}
        following = 1 + max([*slots.values(), *results.values()])
        loss = _unit(traced, tape, {result: following}, loss_ends, indices, slots)
    return TimeStep(tape, cell, loss, slots, old_state, new_state, list(parameters), numbers_per_step(step.x), first)


def _predicted(step: Step, named: Mapping[str, Quantity]) -> Quantity:
    """What the loss or the read-out reads."""
    return [] if step.loss is None else named[step.names[0] if step.readout is None else "h"]


def _record_loss(step: Step, h: Quantity, target: Any) -> Value:
    """Record the read-out and the loss."""
    prediction = h
    if step.readout is not None:
        prediction = as_quantity(step.readout(h))
        keep({}, "y", TIME, prediction)  # type: ignore[arg-type]
    assert step.loss is not None
    loss = step.loss(prediction) if step.target is None else step.loss(prediction, target)
    if not isinstance(loss, Value):
        raise OperandError(f"the loss returns a {type(loss).__name__}", remedy="Return a Value")
    if not loss.parents and loss in flat([h]):
        raise CompileError("the loss is a part of the state itself", remedy="Return a copy, such as h * 1.0")
    loss.label = loss.label or f"L_{TIME}"
    return loss


def _unit(
    traced: StepTwin,
    tape: Tape,
    results: dict[Value, int],
    ends: Mapping[Value, Place],
    indices: Sequence[Index],
    slots: dict[Value, int],
) -> Unit:
    """The unit of everything that has been recorded for these results. Its nodes get slots."""
    nodes = topological_order(*results)[::-1]
    traced.check(nodes)
    picks = {node for index in indices for node in index.picks}
    check_ops([node for node in nodes if node not in picks])
    looked_up = {entry: place.gradient for index in indices for place, entry in index.entries.items()}
    for entry, place in looked_up.items():
        entry.label = entry.label or _column(place, traced.parameters)
    if any(not index.tables.keys().isdisjoint(nodes) for index in indices):
        raise CompileError(
            "a parameter is looked up by an index and also used otherwise in the same time step",
            remedy="Use two tables, or the eager engine",
        )
    all_ends = {**ends, **looked_up}
    own = [node for node in nodes if node not in all_ends]
    slots |= {node: slot for node, slot in results.items() if node not in all_ends}
    free = count(1 + max([*slots.values(), *results.values()]))
    for node in own:
        if node not in slots:
            slots[node] = next(free)
    required = [condition.args[0] for condition in tape.alarms if condition.op == "not"]
    tape.alarms.clear()
    return Unit(own, all_ends, results, picks, required)


def _column(place: Place, parameters: Sequence[Value]) -> str:
    """The name of a column of a table that is looked up: U[0,x_t] for what is U[0,0], U[0,1], …"""
    labels = [parameters[place.slot + i * place.region.stride].label for i in (0, 1)]
    numbers = [re.findall(r"\d+", label) for label in labels]
    differing = next((i for i, (a, b) in enumerate(zip(*numbers)) if a != b), -1)
    counted = count()
    index = f"{place.region.index}_{TIME}"
    return re.sub(r"\d+", lambda found: index if next(counted) == differing else found[0], labels[0])


def _check_state(old_state: Sequence[Value], new_state: Sequence[Value]) -> None:
    if len(new_state) != len(old_state):
        raise CompileError(f"the state has {len(old_state)} numbers before a step and {len(new_state)} after")
    if len(set(new_state)) != len(new_state):
        raise CompileError("a node stands in two places of the new state", remedy="Keep the state only once")


@contextmanager
def _traceable() -> Iterator[None]:
    """Within this context, what symbols cannot do is a CompileError."""
    try:
        yield
    except (TypeError, AttributeError) as error:
        if "Symbol" not in str(error):
            raise
        raise CompileError(
            f"the time step cannot be traced: {error}",
            remedy="Compute with Values, their methods and those of engine.arithmetic, not with math or float()",
        ) from error
