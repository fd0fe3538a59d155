"""Unrolling: a cell applied over a sequence, so that plain ``backward()`` is backpropagation through time."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from contextvars import copy_context
from math import isfinite
from typing import Any

from ..engine.backward import topological_order
from ..engine.copying import InCreationOrder
from ..engine.hooks import extra, is_adopted
from ..engine.recording import Scope, new_scope, newest, put_in_force, settled
from ..engine.value import Value
from ..errors import ArgumentError, ShapeError
from ..nn.cells import Cell
from ..nn.quantities import Quantity, Readout, as_quantity, as_sequence, entries, finite
from ..nn.stacked import Recurrent
from ..nn.through_time import Named, State, state_among
from ..support.checks import check_callable, whole_number
from ..support.collector import Paused
from ..support.text import count

Series = dict[str, dict[int, Quantity]]  # by name and time step
FIRST = 1  # the usual number of the first time step. True and 1.0 are equal to it, so `unroll` compares by ``is``


class Unrolled:
    """A cell unrolled over the time steps t = first … T; first is 1 unless a part of a sequence was unrolled.

    ``unrolled["h"][t]`` is what the cell calls h at time step t: a Value for a scalar cell, else a list of
    Values. The state starts at t = first - 1, everything else at t = first. Every Value has its ``time_step``.

    Attributes:
        cell: what was unrolled.
        first: the first time step.
        T: the last time step.
        state_names: names of what is carried from step to step.
    """

    def __init__(
        self, cell: Any, state_names: Sequence[str], first: int, initial: Sequence[Quantity], series: Series
    ) -> None:
        self.cell = cell
        self.state_names = tuple(state_names)
        self.first = first
        self.T = max(series["x"], default=first - 1) if series else first - 1
        self._series: Series = {}
        for name, part in zip(self.state_names, initial):
            keep(self._series, name, first - 1, part)
        for name in sorted(series, key=lambda name: name not in (*self.state_names, "x")):
            self._series[name] = {**self._series.get(name, {}), **series[name]}

    def __getitem__(self, name: str) -> dict[int, Quantity]:
        try:
            return self._series[name]
        except KeyError:
            raise ArgumentError(f"nothing called {name!r} was unrolled", remedy=f"There is {self.names}") from None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all series, such as x, h, z."""
        return tuple(self._series)

    @property
    def x(self) -> dict[int, Quantity]:
        """Inputs x_1 … x_T."""
        return self["x"]

    @property
    def h(self) -> dict[int, Quantity]:
        """Hidden states h_0 … h_T."""
        return self["h"]

    @property
    def z(self) -> dict[int, Quantity]:
        """Pre-activations z_1 … z_T, of a cell that has one per unit.

        Raises:
            ArgumentError: the cell has several, or z is the name of something else, such as the update gate of a GRU.
        """
        names = getattr(self.cell, "pre_activation_names", ("z",))
        if "z" not in names:
            raise ArgumentError("this cell has no pre-activations z", node="z", remedy=f"Read unrolled[{names[0]!r}]")
        return self["z"]

    @property
    def y(self) -> dict[int, Quantity]:
        """The outputs y_1 … y_T of the read-out, if `unroll` was called with one."""
        return self["y"]

    def state(self, t: int, names: Sequence[str] = ()) -> list[Value]:
        """The state after time step t as one vector: the entries of h_t or, of an LSTM, those of h_t, then of c_t.

        Args:
            t: a time step; ``first - 1`` is the initial state.
            names: only these parts of the state.

        Raises:
            ArgumentError: no such time step, or no such part.
        """
        t = whole_number("t", t, least=None)
        if not self.first - 1 <= t <= self.T:
            raise ArgumentError(f"no state at time step {t}", remedy=f"There is {self.first - 1} … {self.T}")
        for name in names:
            if name not in self.state_names:
                raise ArgumentError(f"{name!r} is not part of the state", remedy=f"It is {', '.join(self.state_names)}")
        return entries([self[name][t] for name in names or self.state_names])

    def step_of(self, node: Value) -> int | None:
        """The time step to which a node belongs; None for a parameter.

        A node created after the unrolling (a loss, say) belongs to the latest time step among those that it
        was computed from.
        """
        if node.time_step is not None or not node.parents:
            return node.time_step
        return self.steps_of([node])[node]

    def steps_of(self, roots: Sequence[Value]) -> dict[Value, int | None]:
        """`step_of` for every node that the roots reach, in order of creation, in one pass."""
        steps: dict[Value, int | None] = {}
        for node in reversed(topological_order(*roots)):
            step = node.time_step
            if step is None:
                step = max((s for parent in node.parents if (s := steps[parent]) is not None), default=None)
            steps[node] = step
        return steps

    def zero_grad(self) -> None:
        """Set to 0 every gradient to which a further ``backward()`` would add: of parameters, inputs, and h_0."""
        for node in topological_order(*self.nodes()):
            if not node.parents:
                node.zero_grad()

    def __getstate__(self) -> tuple[object, ...]:
        """For `copy` and `pickle`: all nodes come first, so that the graph is copied without deep recursion."""
        return InCreationOrder(*self.nodes()), vars(self).copy()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        vars(self).update(state[1])

    def nodes(self) -> Iterator[Value]:
        """Every entry of every quantity, one quantity after another."""
        for quantities in self._series.values():
            for quantity in quantities.values():
                yield from entries(quantity)

    def __repr__(self) -> str:
        return f"Unrolled({self.cell!r}, T={self.T})"


def unroll(
    cell: Cell | Recurrent | Callable[..., object],
    inputs: Iterable[object],
    h0: object = None,
    readout: Readout | None = None,
    first: int = FIRST,
) -> Unrolled:
    """Apply a cell to a sequence, step by step, carrying its state.

    Args:
        cell: a `Cell`; an `RNN`, `LSTM` or `GRU`, whose layers then make one cell; or any function
            ``cell(x, *state)`` that returns the next state (a tuple where there is more than one part).
        inputs: x_1 … x_T, each a number (for a scalar cell) or a sequence of ``input_size`` numbers;
            Values are used as they are, so that ∂L/∂x_t can be read off.
        h0: the initial state; a tuple if the state has several parts, such as h and c. By default that of the cell:
            zeros.
        readout: applied to h_t within each time step; its results are ``unrolled.y``.
        first: the time step of the first input, where ``inputs`` are part of a longer sequence; ``h0`` is
            then the state after time step ``first - 1``.

    Raises:
        ArgumentError: the cell is none, the inputs are empty or not a sequence, a plain function has no h0, or
            ``first`` is not a whole number.
        DataError: a number of an input, or of h0, is NaN or infinite.
        ShapeError: an input or the state has the wrong size; the error names the time step.
    """
    stepped, outer = cell if isinstance(cell, Cell) else as_cell(cell, h0), newest() if newest().plain else settled()
    first, start = (1, stepped.initial_state()) if h0 is None and first is FIRST else _beginning(stepped, h0, first)
    with Paused() if gc.isenabled() else nullcontext():  # C code: no debugger steps into it
        series = copy_context().run(_take_steps, {}, stepped, inputs, first, start, readout, outer)
    return Unrolled(getattr(stepped, "function", stepped), stepped.state_names, first, start, series)


def _beginning(cell: Cell, h0: object, first: int) -> tuple[int, State]:
    """The number of the first time step, checked, and the state before it."""
    first = whole_number("first", first, least=None)
    return first, given_state(cell, h0, first - 1)


def _take_steps(
    series: Series,
    cell: Cell,
    inputs: Iterable[Any],
    first: int,
    state: State,
    readout: Readout | None,
    outer: Scope,
) -> Series:
    """Apply the cell step by step. Every step sets a new scope, so the caller runs this in a context of its own."""
    for t, x in enumerate(inputs if inputs.__class__ is list and inputs else as_sequence(inputs), start=first):
        put_in_force(new_scope((t, *outer[1:])))
        x = Value(x, label=f"x_{t}") if x.__class__ is float and isfinite(x) else as_input(cell, x, t)
        named = cell.step(x, *state)  # not `advance`: under pdb, the way to the cell is one frame shorter
        state = state_among(named, cell)
        keep_step(cell, series, t, x, named, readout)
    return series


def keep_step(cell: Cell, series: Series, t: int, x: Quantity, named: Named, readout: Readout | None = None) -> None:
    """Apply the read-out; name all that time step t computed, and keep it in ``series``. The input is named already."""
    series.setdefault("x", {})[t] = x
    # State first: where a state is also something else (h_t is z_t in a linear cell), it is called h_t.
    for name in sorted(named, key=lambda name: name not in cell.state_names):
        keep(series, name, t, named[name])
    if readout is not None:
        keep(series, "y", t, as_quantity(readout(named["h"])))


def keep(series: Series, name: str, t: int, quantity: Quantity) -> None:
    """Name a quantity of a time step, and keep it."""
    series.setdefault(name, {})[t] = quantity
    if isinstance(quantity, Value):
        _name(quantity, name, t)
    else:
        for i, entry in enumerate(quantity):
            _name(entry, name, t, f"[{i}]")


def _name(node: Value, name: str, t: int, index: str = "") -> None:
    """Name a node of a time step.

    A Value from outside time, such as an input, belongs to the time step that uses it. Once a second time step uses it,
    in this unrolling or a later one, it belongs to no time step any more, and its name loses the number.
    """
    node.label = node.label or f"{name}_{t}{index}"
    if node.time_step == t:
        return
    if node.time_step is None and not is_adopted(node):
        node.time_step, extra(node).is_adopted = t, True
    elif node.time_step is not None and is_adopted(node):
        if node.label == f"{name}_{node.time_step}{index}":
            node.label = f"{name}{index}"
        node.time_step = None


def as_input(cell: Cell, x: object, t: int) -> Quantity:
    """An input as a Quantity with a name.

    Raises:
        DataError: a number of it is NaN or infinite.
        ShapeError: it does not fit the cell.
    """
    quantity = finite(x, f"x_{t}", t)
    cell.check("x", quantity)
    keep({}, "x", t, quantity)
    return quantity


def given_state(cell: Cell, h0: object, t: int) -> tuple[Quantity, ...]:
    """The state ``h0`` after time step ``t`` as a tuple of its parts; by default the cell's own.

    Raises:
        DataError: a number of it is NaN or infinite.
        ShapeError: it does not fit the cell.
    """
    if h0 is None:
        state = cell.initial_state()
        for entry in entries(state) if t else ():
            entry.label = ""  # it is not h_0
        return state
    parts = h0 if isinstance(h0, tuple) and len(cell.state_names) > 1 else (h0,)
    if len(parts) != len(cell.state_names):
        raise ShapeError(
            f"a state of {count(len(parts), 'part')} for a cell whose state is {', '.join(cell.state_names)}",
            remedy="Give h0 as a tuple of that many; a function with a larger state needs an attribute state_names",
        )
    state = tuple(finite(part, "h0", t) for part in parts)
    for name, part in zip(cell.state_names, state):
        cell.check(name, part)
    return state


def as_cell(cell: Callable[..., object], h0: object) -> Cell:
    """Return the layers of a network as one cell, or a function wrapped as a cell, for `unroll` to step through.

    Raises:
        ArgumentError: it is none of these.
    """
    if isinstance(cell, Recurrent):
        return cell.cell
    check_callable("cell", cell, "a Cell, an RNN, LSTM or GRU, or a function cell(x, *state)")
    return _FunctionCell(cell, h0)


class _FunctionCell(Cell):
    """A function ``cell(x, *state)`` that returns the next state."""

    def __init__(self, function: Callable[..., object], h0: object) -> None:
        parts = len(h0) if isinstance(h0, tuple) and len(h0) > 1 else 1
        self.function = function
        self.state_names = tuple(getattr(function, "state_names", ("h", "c")[:parts]))

    def step(self, x: object, *state: Quantity) -> dict[str, Quantity]:
        """The new state by name."""
        new = self.function(x, *state)
        parts = new if len(state) > 1 else (new,)
        if not isinstance(parts, (list, tuple)) or len(parts) != len(state):
            raise ShapeError("the cell did not return its new state", remedy=f"It is {', '.join(self.state_names)}")
        return dict(zip(self.state_names, map(as_quantity, parts)))

    def initial_state(self) -> tuple[Quantity, ...]:
        """A function has none."""
        raise ArgumentError("a plain function has no initial state", remedy="Give h0")
