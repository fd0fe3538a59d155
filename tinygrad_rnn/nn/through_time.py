"""Advance a cell through time: a single time step, and a sequence of them.

All others are made of these: stacked layers, generation, compiled code and its replay. Except for cells that are made
of cells, only `bptt.unroll` calls a cell itself, so that a debugger steps from its loop straight into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..engine.recording import call_at
from .cells import Cell
from .quantities import Quantity, finite

Named = dict[str, Quantity]  # everything that a time step computes, by name
State = tuple[Quantity, ...]


def advance(cell: Cell, x: Quantity, state: Sequence[Quantity]) -> tuple[Named, State]:
    """One time step: everything that it computes, and the new state."""
    named = cell.step(x, *state)
    return named, state_among(named, cell)


def state_among(named: Named, cell: Cell) -> State:
    """The new state, among everything that a time step computed."""
    return tuple(named[name] for name in cell.state_names)


def through_time(
    cell: Cell, inputs: Iterable[tuple[int, object]], state: Sequence[Quantity]
) -> Iterator[tuple[int, Named, State]]:
    """Advance a cell over inputs, pairs of t and x_t. Yield t, everything that time step t computes, and the new state.

    Raises:
        DataError: a number of an input is NaN or infinite.
        ShapeError: an input or the state has the wrong size; the error names the time step.
    """
    for t, x in inputs:
        named, state = call_at(t, _advance_on_finite, cell, t, x, state)
        yield t, named, state


def _advance_on_finite(cell: Cell, t: int, x: object, state: Sequence[Quantity]) -> tuple[Named, State]:
    return advance(cell, finite(x, f"x_{t}", t), state)
