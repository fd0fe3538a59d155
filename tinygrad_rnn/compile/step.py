"""One time step of a recurrence, traced: what is compiled once and replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..backward import topological_order
from ..bptt.unroll import Unrolled, _advance
from ..errors import ArgumentError, CompileError
from ..nn.cells import Cell, Quantity
from ..nn.one_hot import OneHot
from ..nn.stacked import Recurrent
from ..value import Value, time_step
from .schedule import Pass, Place, Store
from .symbol import Index, Tape, leaf
from .trace import check_ops, differentiate, labels, symbol_of


@dataclass(frozen=True)
class Symbols:
    """Says that the inputs (or targets) are whole numbers 0 … size - 1. As inputs they become one-hot vectors,
    by which nothing is multiplied; as targets they are indices of classes.
    """

    size: int


Kind = int | None | Symbols  # vectors of that many numbers; single numbers; whole numbers


@dataclass(frozen=True)
class Step:
    """What one time step does, as plain Python on Values.

    Attributes:
        cell: a `Cell`, or a function ``cell(x, *state)``.
        readout: from h_t to y_t, or None.
        loss: ``loss(prediction, target)``, or ``loss(prediction)`` without targets; the prediction is y_t, or
            h_t without a read-out. None if there is no loss.
        x: the kind of the inputs.
        target: the kind of the targets; ``...`` where there are none.
        state: the initial state, which also says its sizes.
    """

    cell: Cell | Callable[..., Any]
    readout: Callable[[Any], Any] | None
    loss: Callable[..., Value] | None
    x: Kind
    target: Any
    state: tuple[Quantity, ...]

    def __call__(
        self, unrolled: Unrolled, t: Any, x: Any, state: tuple[Quantity, ...], target: Any, asks: bool
    ) -> tuple[tuple[Quantity, ...], Value | None]:
        """Record time step t: the cell and, if something is asked, the read-out and the loss, in this order."""
        state = _advance(unrolled, t, x, state, self.readout if asks else None)
        if not asks or self.loss is None:
            return state, None
        prediction = unrolled["y" if self.readout else unrolled.state_names[0]][t]
        return state, self.loss(prediction) if self.target is ... else self.loss(prediction, target)

    def names(self) -> tuple[str, ...]:
        """Names of the parts of the state."""
        return tuple(getattr(self.cell, "state_names", ("h", "c")[: len(self.state)]))

    @property
    def state_size(self) -> int:
        """Numbers in the state."""
        return len(flat(self.state))


def flat(state: Sequence[Quantity]) -> list[Value]:
    """The entries of all parts of a state in a row."""
    return [entry for part in state for entry in ([part] if isinstance(part, Value) else part)]


def size_of(kind: Any) -> int:
    """Numbers per time step."""
    return kind if isinstance(kind, int) else 0 if kind is ... else 1


class Traced:
    """A time step over symbols.

    Attributes:
        tape: its instructions, forward only so far.
        nodes: its nodes that the loss or the new state depends on, parents first.
        loss: the node of the loss, or None.
        old_state, new_state: the leaves and nodes of the state, in a row.
        starts: the gradients that parameters have already, from later time steps.
    """

    def __init__(self, step: Step, parameters: Sequence[Value], asks: bool, fast: bool) -> None:
        self._first_id = Value(0.0)._id
        self.tape = tape = Tape(fast)
        self.step, self.parameters = step, parameters
        x, self.x_index = _placeholder(tape, "x", step.x)
        if self.x_index is not None and isinstance(step.x, Symbols):
            x = _one_hot(self.x_index, step.x.size)
        target, self.target_index = _placeholder(tape, "target", step.target)
        unrolled = Unrolled(step.cell, step.names())
        slots = iter(range(step.state_size))
        state = tuple(
            leaf(tape.load("state", next(slots)), f"{name}_{{t-1}}")
            if isinstance(part, Value)
            else [leaf(tape.load("state", next(slots)), f"{name}_{{t-1}}[{i}]") for i in range(len(part))]
            for name, part in zip(step.names(), step.state)
        )
        self.old_state = flat(state)
        with _symbols_as_data(tape, parameters), time_step("t"):  # type: ignore[arg-type]
            try:
                new, self.loss = step(unrolled, "t", x, state, target, asks)
            except (TypeError, AttributeError) as error:
                if "Symbol" not in str(error):
                    raise
                raise CompileError(
                    f"the time step cannot be traced: {error}",
                    remedy="Compute with Values, their methods and tinygrad_rnn.ops, not with math or float()",
                ) from error
            self.new_state = flat(new)
            roots = [*self.new_state, *([self.loss] if self.loss is not None else [])]
            self.nodes = topological_order(*roots)[::-1]
            check_ops([node for node in self.nodes if node not in tape.picks])
            # Constants get no gradient that anyone reads, parameters go on from that of later time steps.
            slots_of = {parameter: slot for slot, parameter in enumerate(parameters)}
            self.starts = {p: tape.load("gradient", slot) for p, slot in slots_of.items()}
            for (region, base), node in tape.lookups.items():
                self.starts[node] = tape.load(region.replace("table", "gradient", 1), base)
        self.forward_length = len(tape.symbols)
        self._check_shapes()

    def _check_shapes(self) -> None:
        if len(self.new_state) != len(self.old_state):
            raise CompileError(
                f"the state has {len(self.old_state)} numbers before a step and {len(self.new_state)} after"
            )
        if len(set(self.new_state)) != len(self.new_state):
            raise CompileError("a node stands in two places of the new state", remedy="Keep the state only once")
        if self.loss in self.new_state:
            raise CompileError("the loss is a part of the state itself", remedy="Return a copy, such as h * 1.0")
        if not self.tape.looked_up_in.keys().isdisjoint(self.nodes):
            raise CompileError(
                "a parameter is looked up by an index and also used otherwise in the same time step",
                remedy="Use two tables, or the eager engine",
            )

    def found_parameters(self) -> list[Value]:
        """Leaves that were there before the step, in order of creation."""
        return [node for node in self.nodes if node._id < self._first_id]

    def reached(self, live: frozenset[int]) -> list[Value]:
        """The nodes that the loss and these entries of the new state depend on."""
        roots = [self.new_state[slot] for slot in live] + ([self.loss] if self.loss is not None else [])
        return topological_order(*roots) if roots else []

    def live_before(self, live: frozenset[int]) -> frozenset[int]:
        """The entries of the old state that get a gradient if these of the new one do."""
        reached = set(self.reached(live))
        return frozenset(slot for slot, node in enumerate(self.old_state) if node in reached)

    def passes(self, live: frozenset[int], name: str, watched: Sequence[str] | None = None) -> list[Pass]:
        """The forward and the backward pass, the latter from the loss and these entries of the new state.

        Args:
            live: the entries.
            name: goes into the names of the functions.
            watched: labels of nodes to be stored for whoever looks.
        """
        tape = self.tape
        with _symbols_as_data(tape, self.parameters):
            reached = self.reached(live)
            roots: dict[Value, Any] = {self.new_state[slot]: tape.load("new_state_gradient", slot) for slot in live}
            if self.loss is not None:
                roots[self.loss] = tape.load("seed", 0)
            within = set(reached)
            starts = {node: start for node, start in self.starts.items() if node in within}
            before = {node: node._grad for node in reached}
            differentiate(roots, starts)
            gradients = {node: node._grad for node in reached}
            self.labels = labels([*self.nodes])
            for node, gradient in before.items():
                node._grad = gradient
            forward = [
                Store(Place("new_state", s), symbol_of(tape, node.data)) for s, node in enumerate(self.new_state)
            ]
            if self.loss is not None:
                forward.append(Store(Place("loss", 0), symbol_of(tape, self.loss.data)))
            zero = tape.const(0.0)
            back = [
                Store(Place("state_gradient", s), symbol_of(tape, gradients.get(node, zero)))
                for s, node in enumerate(self.old_state)
            ]
            back += [Store(Place(*start.args), gradients[node]) for node, start in starts.items()]
            if watched is not None:
                by_label = {node.label: node for node in self.nodes if node.label}
                for i, label in enumerate(watched):
                    seen = by_label.get(label)
                    if seen is not None:
                        forward.append(Store(Place("watched", 2 * i), symbol_of(tape, seen.data)))
                        slope = tape.emit("add", 0.0, gradients[seen]) if seen in gradients else zero
                        back.append(Store(Place("watched", 2 * i + 1), slope))
            split = self.forward_length
            return [
                Pass(f"forward.{name}", tape.symbols[:split], forward),
                Pass(f"backward.{name}", tape.symbols[split:], back),
            ]


def trace(step: Step, asks: bool, fast: bool) -> Traced:
    """Trace a step: once to find the parameters, once with symbols in their places."""
    found = Traced(step, (), asks, fast).found_parameters()
    computed = [node for node in found if node.parents]
    if computed:
        raise CompileError("a node was computed before the step", node=computed[0].name)
    return Traced(step, found, asks, fast)


def _placeholder(tape: Tape, name: str, kind: Any) -> tuple[Any, Index | None]:
    """What stands for the input, or the target, of the time step."""
    if kind is ...:
        return None, None
    if isinstance(kind, Symbols):
        index = tape.index(name)
        index.limit = kind.size
        return index, index
    if kind is None:
        return leaf(tape.load(name, 0), f"{name}_t"), None
    return [leaf(tape.load(name, i), f"{name}_t[{i}]") for i in range(kind)], None


def _one_hot(index: Index, size: int) -> OneHot:
    vector = OneHot(0, size)
    for i, entry in enumerate(vector):
        entry._data = index.tape.emit("eq", index, float(i)).select(1.0, 0.0)  # type: ignore[assignment]
    vector.hot = index  # type: ignore[assignment]
    return vector


@contextmanager
def _symbols_as_data(tape: Tape, parameters: Sequence[Value]) -> Iterator[None]:
    """For the time of tracing, parameters hold symbols; their own numbers and gradients come back in any case."""
    kept = [(parameter, parameter.data, parameter._grad) for parameter in parameters]
    for slot, parameter in enumerate(parameters):
        parameter.data = tape.load("parameter", slot)  # type: ignore[assignment]
    try:
        yield
    finally:
        for parameter, data, gradient in kept:
            parameter.data, parameter._grad = data, gradient


def make_step(cell: Any, x: Kind, target: Any, readout: Any, loss: Any, h0: Any) -> Step:
    """A `Step` from what a user gives.

    Raises:
        ArgumentError: a plain function has no h0.
    """
    if isinstance(cell, Recurrent):
        cell = cell.cell
    if h0 is not None:
        state = h0 if isinstance(h0, tuple) else (h0,)
        state = tuple(Value(p) if not hasattr(p, "__len__") else [Value(e) for e in p] for p in state)
    elif isinstance(cell, Cell):
        state = cell.initial_state()
    else:
        raise ArgumentError("a plain function has no initial state", remedy="Give h0")
    return Step(cell, readout, loss, x, target, state)
