"""A time step over symbols, in three units: the cell, the read-out and the loss.

Each unit reads numbers that were computed elsewhere. These are its ends: leaves with the places of their numbers and
gradients. So a unit runs forward and backward without the others. The caller runs them in the order in which the eager
engine records them.

The numbers of a time step lie in a row: first x_t and the target, then all of the loss and of the read-out, then the
new state and the rest of the cell. So read-out and loss are the same, slot by slot, for cells of the same size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from ...bptt.unroll import Series, keep, keep_step
from ...engine.backward import topological_order
from ...engine.recording import Within
from ...engine.value import Value
from ...errors import CompileError
from ...nn.quantities import Quantity, as_quantity, entries
from ...nn.through_time import advance
from ..inputs import numbers_per_step
from ..lookup import Pick
from ..memory import GRADIENT, STATE, STATE_GRADIENT, TARGET, Place, Region, X
from ..step import StepTwin, _label, _placeholder, check_results
from ..symbol import Symbol, Tape
from ..trace import backward, check_ops, traceable
from ..undecided import undecided

#: Placeholders for t and t - 1 in names: two letters that nobody uses in a label.
TIME, TIME_BEFORE = "\ua7fb", "\ua7fc"

#: The gradients of the numbers of a time step. Of the numbers and gradients, those of the units' results, counted.
NOW_GRADIENT = Region("now_gradient")
RESULT, RESULT_GRADIENT = Region("result"), Region("result_gradient")


@dataclass
class Unit:
    """A part of a time step that is recorded in one go.

    Attributes:
        nodes: its nodes over symbols, parents first.
        ends: leaves with numbers that are computed elsewhere, and where their gradients lie.
        results: its outputs, each with the slot of the gradient that comes from elsewhere.
        picks: nodes that choose one of several computed nodes, and the region with the whole number that decides.
        required: conditions that eager Python checks while it records the unit.
    """

    nodes: list[Value]
    ends: dict[Value, Place]
    results: dict[Value, int]
    picks: dict[Value, Region]
    required: list[Symbol] = field(default_factory=list)

    def gradients(self, tape: Tape, roots: Mapping[Value, Symbol]) -> dict[Value, Symbol]:
        """The gradients of all nodes and ends that are reached, last created first: the engine's walk over symbols.

        Args:
            tape: the tape of the time step.
            roots: the gradient that each root has from elsewhere.
        """
        starts = {leaf: tape.load(*place) for leaf, place in self.ends.items()}
        found = backward(roots, starts)
        return {node: tape.symbol(gradient) for node, gradient in found.items() if node not in self.picks}


@dataclass
class TimeStep:
    """A time step over symbols.

    Attributes:
        tape: the instructions.
        units: the cell; then the read-out and the loss, if there are any.
        slots: the slot of every node of the units in the row of numbers, and of inputs and targets.
        old_state: leaves for the state before.
        new_state: the nodes of the state after.
        parameters: the parameters.
        inputs: the number of slots of x_t.
        targets: the number of those of the target.
        first: the slot of the first entry of the state.
        results: the slots of the units' results.
        parts: the parts of the state: name, and number of entries.
        limits: of inputs and targets that are whole numbers, by the name of the region: they must be below this.
    """

    tape: Tape
    units: dict[str, Unit]
    slots: dict[Value, int]
    old_state: list[Value]
    new_state: list[Value]
    parameters: list[Value]
    inputs: int
    targets: int
    first: int
    results: list[int]
    parts: list[tuple[str, int]]
    limits: dict[str, int]

    @property
    def cell(self) -> Unit:
        """The unit of the cell."""
        return self.units["cell"]

    @property
    def width(self) -> int:
        """The length of the row of numbers."""
        return 1 + max(self.slots.values(), default=-1)

    def read_by_loss(self) -> frozenset[Value]:
        """The results of the cell on which the loss depends."""
        number = {slot: i for i, slot in enumerate(self.results)}

        def is_read(slot: int) -> bool:
            return Place(RESULT_GRADIENT, number[slot]) in read

        read: set[Place | None] = set()
        for name in ("loss", "readout"):
            if name in self.units:
                unit = self.units[name]
                roots = [node for node, slot in unit.results.items() if name == "loss" or is_read(slot)]
                read |= {unit.ends.get(node) for node in topological_order(*roots)} if roots else set()
        return frozenset(node for node, slot in self.cell.results.items() if is_read(slot))


def trace_units(twin: StepTwin, tape: Tape) -> TimeStep:
    """The time step over symbols.

    Raises:
        CompileError: it does not compile; the error names the op and the node.
    """
    return _Tracer(twin, tape).trace()


class _Tracer:
    """Traces the units of a time step."""

    def __init__(self, twin: StepTwin, tape: Tape) -> None:
        self.twin, self.step, self.parameters, self.tape = twin, twin.step, twin.parameters, tape
        step = self.step
        x, self.x_index = _placeholder(tape, X, step.x)
        target, self.target_index = _placeholder(tape, TARGET, step.target)
        self.indices = [index for index in (self.x_index, self.target_index) if index is not None]
        self.inputs = numbers_per_step(step.x)
        self.targets = numbers_per_step(step.target)
        self.slots: dict[Value, int] = {}
        for quantity, name, slot in ((x, "x", 0), (target, "target", self.inputs)):
            if quantity is not None:
                _label(quantity, f"{name}_{TIME}")
                self.slots |= {node: slot + i for i, node in enumerate(entries(quantity))}
        self.x, self.target = x, target
        self.ends = {parameter: Place(GRADIENT, i) for i, parameter in enumerate(self.parameters)}
        self.ends |= {node: Place(NOW_GRADIENT, slot) for node, slot in self.slots.items()}
        self.results: dict[Value, int] = {}  # those of the units, counted
        self.units: dict[str, Unit] = {}

    def trace(self) -> TimeStep:
        step, tape = self.step, self.tape
        old_state = [Value(tape.load(STATE, i)) for i in range(len(step.initial))]
        state = step.shaped(old_state)
        for name, part in zip(step.names, state):
            _label(part, f"{name}_{TIME_BEFORE}")
        series: Series = {}
        with self.recorded():
            x: object = self.x if self.x_index is None else self.x_index.one_hot()
            named, new = advance(step.cell, x, state)
            keep_step(step.cell, series, TIME, x, named)  # type: ignore[arg-type]
        new_state = entries(new)
        looked_up = [entry for index in self.indices for entry in index.entries.values()]
        check_results(old_state, new_state, None, [*self.parameters, *looked_up])
        predicted: Quantity = []
        if step.loss is not None:
            predicted = named["h"] if step.readout is not None else step.prediction(series, TIME)
        before = {node: Place(STATE_GRADIENT, i) for i, node in enumerate(old_state)}
        self.add("cell", [*new_state, *entries(predicted)], before)
        if step.loss is not None and step.readout is not None:
            h, ends = self.stand_ins(predicted)
            with self.recorded():
                predicted = as_quantity(step.readout(h))
                keep({}, "y", TIME, predicted)  # type: ignore[arg-type]
            self.add("readout", entries(predicted), ends)
        if step.loss is not None:
            y, ends = self.stand_ins(predicted)
            with self.recorded():
                loss = step.loss_of(y, self.target if self.target_index is None else self.target_index)
            if not loss.parents and loss in entries(y):
                raise CompileError("the loss is a part of the state itself", remedy="Return a copy, such as h * 1.0")
            loss.label = loss.label or f"L_{TIME}"
            self.add("loss", [loss], ends)
        free = first = self.inputs + self.targets
        for unit in reversed(self.units.values()):
            first = free
            for node in [*unit.results, *(node for node in unit.nodes if node not in unit.results)]:
                self.slots[node], free = free, free + 1
            unit.results = {node: self.slots[node] for node in unit.results}
        results = [self.slots[node] for node in self.results]
        parts = [(name, len(entries(part))) for name, part in zip(step.names, step.state)]
        limits = {index.region.name: index.limit for index in self.indices}
        return TimeStep(
            tape, self.units, self.slots, old_state, new_state, self.parameters, self.inputs, self.targets, first,
            results, parts, limits,
        )  # fmt: skip

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """A context manager in which a time step is recorded; what symbols cannot do raises a CompileError."""
        target = [] if self.target is None else entries(self.target)
        with traceable(), undecided(self.tape, target), Within(time_step=TIME):
            yield

    def stand_ins(self, quantity: Quantity) -> tuple[Quantity, dict[Value, Place]]:
        """Leaves with the numbers of what a unit has computed, for the next unit, and the places of their gradients."""
        leaves: dict[Value, Place] = {}
        for node in entries(quantity):
            leaf = Value(self.tape.load(RESULT, self.results[node]), label=node.label)
            leaf.time_step = node.time_step
            leaves[leaf] = Place(RESULT_GRADIENT, self.results[node])
        in_a_row = list(leaves)
        return in_a_row[0] if isinstance(quantity, Value) else in_a_row, leaves

    def add(self, name: str, results: Sequence[Value], ends: Mapping[Value, Place]) -> None:
        """Add the unit of everything that has been recorded for these results."""
        nodes = topological_order(*results)[::-1]
        self.twin.check(nodes)
        picks: dict[Value, Region] = {node: node.region for node in nodes if isinstance(node, Pick)}
        check_ops([node for node in nodes if node not in picks])
        looked_up = {entry: place.gradient for index in self.indices for place, entry in index.entries.items()}
        for entry, place in looked_up.items():
            entry.label = entry.label or _column(place, self.parameters)
        if any(not index.tables.keys().isdisjoint(nodes) for index in self.indices):
            raise CompileError(
                "a parameter is looked up by an index and also used otherwise in the same time step",
                remedy="Use two tables, or the eager engine",
            )
        all_ends = {**self.ends, **ends, **looked_up}
        own = [node for node in nodes if node not in all_ends]
        for node in results:
            self.results.setdefault(node, len(self.results))
        for node in own:
            if not node.parents and not node.label and isinstance(node.data, Symbol):
                node.label = "constant"  # a number that was read off other nodes
        required = [condition.args[0] for condition in self.tape.alarms if condition.op == "not"]
        self.tape.alarms.clear()
        self.units[name] = Unit(own, all_ends, dict.fromkeys(results, -1), picks, required)


def _column(place: Place, parameters: Sequence[Value]) -> str:
    """The name of a column of a table that is looked up: U[0,x_t] for what is U[0,0], U[0,1], …"""
    labels = [parameters[place.slot + i * place.region.stride].label for i in (0, 1)]
    numbers = [re.findall(r"\d+", label) for label in labels]
    differing = next((i for i, (a, b) in enumerate(zip(*numbers)) if a != b), -1)
    counted = count()
    index = f"{place.region.index}_{TIME}"
    return re.sub(r"\d+", lambda found: index if next(counted) == differing else found[0], labels[0])
