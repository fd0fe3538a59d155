"""One time step of a recurrence over symbols. It is compiled once and replayed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ..bptt.unroll import Series, as_cell, given_state, keep, keep_step
from ..engine.backward import topological_order
from ..engine.recording import Within
from ..engine.value import Value
from ..errors import ArgumentError, CompileError, OperandError
from ..nn.cells import Cell
from ..nn.module import Module
from ..nn.quantities import Quantity, Readout, entries
from ..nn.through_time import advance
from ..nn.trees import is_vector
from ..support.checks import check_callable
from ..support.text import count
from .inputs import Kind, Symbols, Vector, check_kind, check_loss, numbers_per_step
from .lookup import Index, Options, Pick, possible
from .memory import ANY_LEAF, GRADIENT, PARAMETER, STATE, TARGET, Region, X
from .symbol import Symbol, Tape
from .trace import Trace, check_hooks, check_ops, recorded, traceable
from .twins import twin
from .undecided import undecided


@dataclass(frozen=True)
class Step:
    """One time step as plain Python on Values.

    Attributes:
        cell: the cell.
        readout: from h_t to y_t, or None.
        loss: ``loss(prediction, target)``, or ``loss(prediction)`` without targets, or None. The prediction is y_t,
            or h_t without a read-out.
        x: the kind of the inputs.
        target: the kind of the targets, or None.
        state: the initial state, which also gives the sizes of its parts.
    """

    cell: Cell
    readout: Readout | None
    loss: Callable[..., Value] | None
    x: Kind
    target: Kind | None
    state: tuple[Quantity, ...]

    @classmethod
    def of(
        cls,
        cell: Cell | Callable[..., object],
        readout: Readout | None,
        loss: Callable[..., Value] | None,
        x: Kind,
        target: Kind | None,
        h0: Any,
    ) -> Step:
        """A step from the arguments of `Recurrence`.

        Raises:
            ArgumentError: x or target is not a kind of input, they do not fit the loss, a plain function has no h0, or
                what should be a function is none.
            DataError: a number of the initial state is NaN or infinite.
        """
        check_kind("x", x)
        if readout is not None:
            check_callable("readout", readout, "a function of h_t, or None")
        if target is not None:
            check_kind("target", target)
        if loss is not None:
            check_callable("loss", loss, "a function loss(prediction, target), or None")
            check_loss(loss, target)
        cell = cell if isinstance(cell, Cell) else as_cell(cell, h0)
        if h0 is None:
            return cls(cell, readout, loss, x, target, cell.initial_state())
        parts = h0 if isinstance(h0, tuple) else (h0,)
        state = tuple([Value(e) for e in p] if is_vector(p) else Value(p) for p in parts)
        return cls(cell, readout, loss, x, target, given_state(cell, state[0] if len(state) == 1 else state, 0))

    def __call__(
        self, series: Series, t: Any, x: Quantity, state: tuple[Quantity, ...], target: object, has_loss: bool
    ) -> tuple[tuple[Quantity, ...], Value | None]:
        """Record time step t: the cell and, if there is a loss, the read-out and the loss, in this order."""
        named, state = advance(self.cell, x, state)
        keep_step(self.cell, series, t, x, named, self.readout if has_loss else None)
        if not has_loss or self.loss is None:
            return state, None
        return state, self.loss_of(self.prediction(series, t), target)

    def loss_of(self, prediction: Quantity, target: object) -> Value:
        """The loss of a time step.

        Raises:
            OperandError: it is no Value.
        """
        assert self.loss is not None
        if isinstance(target, Index) and is_vector(prediction):
            prediction = Options(prediction)
        loss = self.loss(prediction) if self.target is None else self.loss(prediction, target)
        if not isinstance(loss, Value):
            raise OperandError(f"the loss returns a {type(loss).__name__}", remedy="Return a Value")
        return loss

    def check_target(self, target: object) -> None:
        """Check that there are targets if, and only if, the loss takes them.

        Raises:
            ArgumentError: there are not.
        """
        if self.target is None and target is not None:
            raise ArgumentError(
                "targets for a recurrence that takes none", remedy="Leave them out, or give Recurrence their kind"
            )
        if self.target is not None and target is None:
            raise ArgumentError("no targets for a recurrence that takes some", remedy="Give target")

    def prediction(self, series: Series, t: Any) -> Quantity:
        """The node, or nodes, that the loss compares with the target; or the entries that the loss ``reads``."""
        reads = getattr(self.loss, "reads", None)
        if reads is not None:
            return [entries(series[name][t])[i] for name, i in reads]
        if self.readout or "y" in self.names:  # a part of the state called y is a read-out of the cell's own
            return series["y"][t]
        return series["h" if "h" in series else self.names[0]][t]

    @property
    def modules(self) -> list[Module]:
        """The cell and the read-out, those that are modules. A plain function is also a cell, and holds none."""
        parts = (getattr(self.cell, "function", self.cell), self.readout)
        return [part for part in parts if isinstance(part, Module)]

    def parameter_names(self, parameters: Sequence[Value]) -> list[str]:
        """What parameters are called: by their labels, by a module of the step, or by their places."""
        names: dict[Value, str] = {}
        for module in self.modules:
            with suppress(ArgumentError):  # names are not worth an error
                names |= {value: name for name, value in module.named_parameters()}
        return [each.label or names.get(each) or f"parameter {i}" for i, each in enumerate(parameters)]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts of the state."""
        return self.cell.state_names

    @property
    def initial(self) -> list[float]:
        """The numbers of the initial state in a row."""
        return [entry.data for entry in entries(self.state)]

    def shaped(self, in_a_row: Sequence[Value]) -> tuple[Quantity, ...]:
        """Entries in a row as a state."""
        following = iter(in_a_row)
        return tuple(
            next(following) if isinstance(part, Value) else [next(following) for _ in part] for part in self.state
        )


class _CheckedCell(Cell):
    """A cell whose results are checked before they are named."""

    def __init__(self, cell: Cell, check: Callable[[Iterable[object]], None]) -> None:
        self._cell, self._check_results, self.state_names = cell, check, cell.state_names

    def step(self, x: object, *state: Quantity) -> dict[str, Quantity]:
        """The results of the cell."""
        named = self._cell.step(x, *state)
        self._check_results(entries(list(named.values())))
        return named

    def initial_state(self) -> tuple[Quantity, ...]:
        """The initial state of the cell."""
        return self._cell.initial_state()


class StepTwin:
    """A twin of a time step, to be traced: its parameters hold symbols, and the user's Values stay as they are.

    Args:
        step: the time step.
        parameters: the nodes whose numbers are not known yet; None for any leaf, to find them.
        tape: where the symbols belong.
        computed: with None, also any node that was computed before.

    Attributes:
        step: the twin. The results of its cell and its read-out are checked before they are named.
        parameters: twins of the parameters.
        originals: for the twin of each Value, that Value.

    Raises:
        CompileError: something that holds Values cannot be copied.
    """

    def __init__(self, step: Step, parameters: Sequence[Value] | None, tape: Tape, computed: bool = False) -> None:
        copied, self.originals = twin(step)
        if parameters is None:
            region, found = ANY_LEAF, self.originals.items()
            self.parameters = [leaf for leaf, original in found if computed or not original.parents]
        else:
            region, twins = PARAMETER, {original: leaf for leaf, original in self.originals.items()}
            # A parameter that only nodes outside time read has no twin in the step.
            self.parameters = [twins[each] if each in twins else each.detach() for each in parameters]
        names = [leaf.label or "a number" for leaf in self.parameters]
        if parameters is not None:
            names = step.parameter_names(parameters)
        for slot, (leaf, name) in enumerate(zip(self.parameters, names)):
            leaf.data = tape.load(region, slot)
            leaf.label = name if parameters is not None else leaf.label
            tape.names[tape.symbol(leaf.data).index] = name
        self._known = {*self.parameters}
        self._first = Value(0.0).serial
        cell, readout = _CheckedCell(copied.cell, self.check), copied.readout

        def checked_readout(h: Quantity) -> Quantity:
            assert readout is not None
            prediction = readout(h)
            self.check(entries(prediction))
            return prediction

        self.step = replace(copied, cell=cell, readout=readout and checked_readout)

    def check(self, nodes: Iterable[object]) -> None:
        """Check that nodes are parameters, or were created since.

        Raises:
            CompileError: one is not; the error names it.
        """
        for node in nodes:
            if isinstance(node, Value) and node.serial < self._first and node not in self._known:
                original = self.originals.get(node, node)
                if original.parents:
                    raise CompileError(
                        "a node was computed before the step", node=original.name, remedy="Compute it within the step"
                    )
                raise CompileError(
                    "the time step reads a Value that is not held by its cell, its read-out or its loss",
                    node=original.name,
                    remedy="Let an attribute of an object hold it, or a variable that a function reads; not a class, "
                    "a Python module or a cache",
                )


def find_parameters(step: Step, computed: bool = False) -> list[Value]:
    """The leaves that existed before the step, and whose numbers it reads, in order of creation.

    Args:
        step: the step.
        computed: also find nodes that were computed before the step, which is an error otherwise.

    Raises:
        CompileError: the step does not compile.
    """
    tape = Tape()
    traced = StepTwin(step, None, tape, computed)
    nodes = recorded(_trace, traced, tape, True, True).nodes
    numbers: Iterable[object] = [*(node.data for node in nodes), *(arg for each in tape.symbols for arg in each.args)]
    read: set[object] = {number for number in numbers if isinstance(number, Symbol)}
    found = [traced.originals[leaf] for leaf in traced.parameters if leaf.data in read]
    check_hooks(found)
    return sorted(found, key=lambda leaf: leaf.serial)


def trace_step(
    step: Step, parameters: Sequence[Value], tape: Tape, has_loss: bool = True, outputs: bool = False
) -> Trace:
    """The step over symbols. It is recorded on a twin.

    Args:
        step: the step.
        parameters: leaves whose numbers are not known yet.
        tape: an empty tape.
        has_loss: whether to record the read-out and the loss.
        outputs: whether to store the prediction.

    Raises:
        CompileError: the step does not compile.
    """
    return recorded(_trace, StepTwin(step, parameters, tape), tape, has_loss, outputs)


def _trace(traced: StepTwin, tape: Tape, has_loss: bool, outputs: bool) -> Trace:
    step = traced.step
    x, x_index = _placeholder(tape, X, step.x)
    target, target_index = _placeholder(tape, TARGET, step.target)
    indices = [index for index in (x_index, target_index) if index is not None]
    old_state = [Value(tape.load(STATE, slot)) for slot in range(len(step.initial))]
    state = step.shaped(old_state)
    for name, part in zip(step.names, state):
        _label(part, f"{name}_{{t-1}}")
    series: Series = {}
    if x is not None:
        keep({}, "x", "t", x)  # type: ignore[arg-type]
    with Within(time_step="t"):  # whichever one it is
        with traceable(), undecided(tape, [] if target is None else entries(target)):
            given = x if x_index is None else x_index.one_hot()
            wanted = target if target_index is None else target_index
            new, loss = step(series, "t", given, state, wanted, has_loss)
        new_state = entries(new)
        predicted = entries(step.prediction(series, "t")) if outputs else []
        nodes = topological_order(*new_state, *predicted, *([] if loss is None else [loss]))[::-1]
        traced.check(nodes)
        check_ops([node for node in nodes if not isinstance(node, Pick)])
    for number in entries([quantity for quantity in (x, target) if quantity is not None]):
        (number.data - number.data == 0.0).require()  # NaN and infinity are refused
    # Gradients of constants are never read. Those of parameters, also looked-up ones, add to the sums of later steps.
    starts = {leaf: tape.load(GRADIENT, slot) for slot, leaf in enumerate(traced.parameters)}
    for index in indices:
        for place, entry in index.entries.items():
            starts[entry] = tape.load(*place.gradient)
        if not index.tables.keys().isdisjoint(nodes):
            raise CompileError(
                "a parameter is looked up by an index and also used otherwise in the same time step",
                remedy="Use two tables, or the eager engine",
            )
    check_results(old_state, new_state, loss, starts)
    limits = {index.region: index.limit for index in indices}
    return Trace(tape, nodes, loss, starts, old_state, new_state, predicted, limits)


def check_results(
    old_state: Sequence[Value], new_state: Sequence[Value], loss: Value | None, parameters: Collection[Value]
) -> None:
    """Check that the loss and all entries of the new state are different nodes, so gradients add up as in eager mode.

    Raises:
        CompileError: the new state is longer or shorter than the old one; a node is, or may be, two results; or a
            result is a parameter.
    """
    if len(new_state) != len(old_state):
        before = count(len(old_state), "number")
        raise CompileError(f"the state has {before} before a step and {len(new_state)} after")
    taken, leaves = set[Value](), set(parameters)
    for result in [*new_state, *([] if loss is None else [loss])]:
        nodes = set(possible(result))
        if not nodes.isdisjoint(taken):
            if result is loss:
                raise CompileError("the loss is a part of the state itself", remedy="Return a copy, such as h * 1.0")
            raise CompileError(
                "two entries of the new state are, or may be, the same node",
                node=result.name,
                remedy="Keep it in the state only once, or return a copy, such as h * 1.0",
            )
        if not nodes.isdisjoint(leaves):
            what = "the loss" if result is loss else "a part of the new state"
            raise CompileError(f"{what} is a parameter", node=result.name, remedy="Return a copy, such as w * 1.0")
        taken |= nodes


def _placeholder(tape: Tape, region: Region, kind: Kind | None) -> tuple[Quantity | None, Index | None]:
    """The input, or the target, of the time step over symbols: leaves, or an index."""
    if kind is None:
        return None, None
    if isinstance(kind, Symbols):
        return None, Index(tape, region, kind.size)
    numbers = [Value(tape.load(region, slot)) for slot in range(numbers_per_step(kind))]
    return _label(numbers if isinstance(kind, Vector) else numbers[0], f"{region.name}_t"), None


def _label(quantity: Quantity, name: str) -> Quantity:
    for i, entry in enumerate(entries(quantity)):
        entry.label = name if entry is quantity else f"{name}[{i}]"
        if isinstance(entry.data, Symbol):
            entry.data.tape.names[entry.data.index] = entry.label
    return quantity
