"""Recurrent cells: one time step each.

A cell computes named vectors, among them its next state. `Cell.step` returns them by name, in the order in which they
are computed. `bptt.unroll` labels and keeps them under these names.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from ..engine.value import Operand, Value
from ..errors import ShapeError
from ..support.checks import one_of, whole_number
from ..support.pytorch import refuses_options
from ..support.text import count
from .gate import Gate
from .module import Module
from .parameters import Seed, Vector, uniform
from .quantities import Quantity
from .trees import is_vector

_SINGLE = {float, int, Value}  # types of a single number that need no check

NONLINEARITIES: dict[str, Callable[[Value], Value]] = {
    "tanh": Value.tanh,
    "tanh_exact": Value.tanh_exact,
    "relu": Value.relu,
    "identity": lambda z: z,
}


class Cell(Module):
    """Base class of cells.

    Attributes:
        state_names: names of the quantities returned by `step` that are carried on to the next time step.
        pre_activation_names: names of the quantities that a nonlinearity is applied to.
        input_size: length of x_t. A cell on single numbers has none.
        step: a method, ``step(x, *state)``. It returns everything that one time step computes, by name, the new state
            included. How many parts the state has depends on the cell.
    """

    state_names: tuple[str, ...] = ("h",)
    pre_activation_names: tuple[str, ...] = ("z",)
    input_size: int
    step: Callable[..., dict[str, Quantity]]

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The gates of this cell, in PyTorch's order, without those of nested cells."""
        return tuple(part for part in vars(self).values() if isinstance(part, Gate))

    @abstractmethod
    def initial_state(self) -> tuple[Quantity, ...]:
        """The state before the first time step, zeros, in the order of `state_names`."""

    def check(self, name: str, quantity: Quantity) -> None:
        """Check an input, or a part of the state, before it is used. Does nothing unless a cell overrides it.

        Raises:
            ShapeError: it does not fit.
        """

    def _check(self, x: Quantity, state: Sequence[Quantity]) -> None:
        if state and len(state) != len(self.state_names):
            raise ShapeError(
                f"a state of {count(len(state), 'part')}", remedy=f"Give {', '.join(self.state_names)}, or nothing"
            )
        for name, quantity in zip(("x", *self.state_names), (x, *state)):
            self.check(name, quantity)

    def __call__(self, x: Quantity, *state: Quantity) -> Any:
        """The next state: h, or a tuple in the order of `state_names` if the state has several parts.

        Raises:
            ShapeError: x or the state does not fit.
        """
        if not {type(x), *map(type, state)} <= _SINGLE or len(state) > 1:
            self._check(x, state)
        named = self.step(x, *(state or self.initial_state()))
        new = tuple(named[name] for name in self.state_names)
        return new[0] if len(new) == 1 else new


def known(nonlinearity: str) -> str:
    """Return ``nonlinearity``, which must be one of `NONLINEARITIES`.

    Raises:
        ArgumentError: it is not.
    """
    return one_of("nonlinearity", nonlinearity, NONLINEARITIES)


class ScalarRNNCell(Cell):
    """h_t = tanh(w h_{t-1} + u x_t + b) on single numbers: the recurrence at its smallest.

    Args:
        w, u, b: numbers, or Values to share.
        nonlinearity: ``"tanh"``, ``"tanh_exact"`` (the same, with a derivative that keeps its digits where tanh
            saturates), ``"relu"`` or ``"identity"``.

    Raises:
        ArgumentError: unknown nonlinearity.
    """

    def __init__(self, w: Operand = 0.9, u: Operand = 0.5, b: Operand = 0.0, nonlinearity: str = "tanh") -> None:
        self.w, self.u, self.b = (
            number if isinstance(number, Value) else Value(number, label=label)
            for number, label in ((w, "w"), (u, "u"), (b, "b"))
        )
        self.nonlinearity = known(nonlinearity)

    def step(self, x: Operand, h: Value) -> dict[str, Value]:
        """z_t = w h_{t-1} + u x_t + b and h_t."""
        h = NONLINEARITIES[self.nonlinearity](z := self.w * h + self.u * x + self.b)
        return {"z": z, "h": h}

    def check(self, name: str, quantity: Quantity) -> None:
        """Check that a quantity is a single number.

        Raises:
            ShapeError: it is not.
        """
        if is_vector(quantity):
            raise ShapeError(
                f"{name} is {count(len(quantity), 'number')}, but w, u, b are single", remedy=f"Give one {name}"
            )

    def initial_state(self) -> tuple[Value]:
        """h_0 = 0."""
        return (Value(0.0, label="h_0"),)

    def __repr__(self) -> str:
        w, u, b = self.w.data, self.u.data, self.b.data
        return f"ScalarRNNCell(w={w:g}, u={u:g}, b={b:g}, nonlinearity={self.nonlinearity!r})"


class RNNCell(Cell, Gate):
    """h_t = tanh(W h_{t-1} + U x_t + b) (Elman 1990).

    Args:
        input_size: length of x_t.
        hidden_size: length of h_t.
        bias: whether there is a b.
        nonlinearity: ``"tanh"``, ``"relu"`` or ``"identity"``.
        seed: an int, or a `random.Random` to draw from.

    Attributes:
        W: recurrent weights, hidden_size × hidden_size, drawn from U(-k, k) with k = 1/√hidden_size, as in
            PyTorch (which calls them weight_hh).
        U: input weights, hidden_size × input_size, drawn likewise (weight_ih).
        b: bias, hidden_size long, drawn likewise; or None. PyTorch has two, bias_ih + bias_hh = b.

    Raises:
        ArgumentError: a size is not a whole number of at least 1, or the nonlinearity is unknown.
    """

    @refuses_options
    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", *, seed: Seed = 0
    ) -> None:
        self.input_size = whole_number("input_size", input_size)
        self.hidden_size = whole_number("hidden_size", hidden_size)
        Gate.__init__(self, "", self.input_size, self.hidden_size, bias, uniform(seed, self.hidden_size))
        self.nonlinearity = known(nonlinearity)

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The cell itself."""
        return (self,)

    def step(self, x: Sequence[Operand], *state: Vector) -> dict[str, Vector]:
        """z_t = W h_{t-1} + U x_t + b and h_t.

        Raises:
            ShapeError: x or the state has the wrong length.
        """
        self.check_sizes(x, *state)
        (h,) = state
        f = NONLINEARITIES[self.nonlinearity]
        z = self.affine(h, x)
        return {"z": z, "h": [f(entry) for entry in z]}

    def initial_state(self) -> tuple[Vector]:
        """h_0 = 0."""
        return ([Value(0.0) for _ in self.W],)

    def __repr__(self) -> str:
        return f"RNNCell({len(self.U[0])} → {len(self.W)}, nonlinearity={self.nonlinearity!r})"
