"""`Gate`: the weights W, U, b of one affine map, the building block of every cell on vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ..engine.arithmetic import choose
from ..engine.sums import dot
from ..engine.value import Operand, Value, as_value
from ..errors import ShapeError
from ..support.checks import truth
from ..support.text import count
from .module import Module
from .one_hot import OneHot
from .parameters import Matrix, Vector, matrix, vector
from .trees import Tree

T = TypeVar("T")


class Gate(Module):
    """W h + U x + b, of which a gate is the sigmoid or tanh. An `RNNCell` is one itself, an `LSTMCell` has four.

    Args:
        name: the name within its cell, such as ``i``: its parameters are called ``W_i``, ``U_i``, ``b_i``. Empty for a
            gate that is a whole cell, whose parameters are called ``W``, ``U``, ``b``.
        input_size: length of x_t.
        hidden_size: length of h_t.
        bias: whether there is a b.
        draw: returns the next starting number.

    Attributes:
        suffix: what its parameters' names end in, such as ``_i``, or nothing.
        W: recurrent weights, hidden_size × hidden_size.
        U: input weights, hidden_size × input_size.
        b: bias, hidden_size long; or None.
    """

    def __init__(self, name: str, input_size: int, hidden_size: int, bias: bool, draw: Callable[[], float]) -> None:
        self.suffix = f"_{name}" if name else ""
        self.W = matrix(f"W{self.suffix}", hidden_size, hidden_size, draw)
        self.U = matrix(f"U{self.suffix}", hidden_size, input_size, draw)
        self.b: Vector | None = vector(f"b{self.suffix}", hidden_size, draw) if truth("bias", bias) else None

    def affine(self, h: Vector, x: Sequence[Operand]) -> Vector:
        """W h + U x + b.

        Raises:
            ShapeError: b does not have as many entries as W has rows.
        """
        z = [from_h + from_x for from_h, from_x in zip(product(self.W, h), product(self.U, x))]
        return plus(z, self.b)

    def check_sizes(self, x: Sequence[Operand], *state: Vector) -> None:
        """Check an input, and the parts of a state, each of which is as long as h; and that W and U fit together.

        Raises:
            ShapeError: a length is wrong; the error names both sizes and the parameter.
        """
        if not len(self.U) == len(self.W) == len(self.W[0]):
            raise ShapeError(
                f"U{self.suffix} has {len(self.U)} rows, W{self.suffix} is {len(self.W)} × {len(self.W[0])}",
                remedy="Both need as many rows as W has columns",
            )
        fits("x", x, f"U{self.suffix}", self.U)
        for name, part in zip("hc", state):
            fits(name, part, f"W{self.suffix}", self.W)

    def __repr__(self) -> str:
        name = f"{self.suffix[1:]}: " if self.suffix else ""
        return f"{type(self).__name__}({name}{len(self.U[0])} → {len(self.W)})"

    def _trees(self, path: str = "", within: tuple[object, ...] = ()) -> Iterator[tuple[str, Tree]]:
        """As for every module, except that the W of a gate ``cell.i`` is called ``cell.W_i``, not ``cell.i.W``."""
        cell = path.rpartition(".")[0] if self.suffix else path
        for name, tree in super()._trees(cell, within):
            yield name + self.suffix, tree


class Weights(Generic[T]):
    """A descriptor: the attribute ``W_i`` of a cell reads and sets the W of its gate i."""

    def __init__(self, kind: str, gate: str) -> None:
        self._kind, self._gate = kind, gate

    def __get__(self, cell: Module | None, owner: type) -> T:
        weights: Any = self if cell is None else getattr(getattr(cell, self._gate), self._kind)
        return weights  # type: ignore[no-any-return]

    def __set__(self, cell: Module, weights: T) -> None:
        setattr(getattr(cell, self._gate), self._kind, weights)


def weights_of(gate: str) -> tuple[Weights[Matrix], Weights[Matrix], Weights[Vector | None]]:
    """The attributes W, U and b of a gate, for the class of its cell."""
    return Weights("W", gate), Weights("U", gate), Weights("b", gate)


def product(M: Matrix, v: Sequence[Operand]) -> Vector:
    """M v; for a one-hot v, a column of M."""
    if isinstance(v, OneHot):
        return [choose(row, v.hot) for row in M]
    entries = [as_value(entry) for entry in v]
    return [dot(row, entries) for row in M]


def plus(v: Vector, b: Vector | None) -> Vector:
    """v + b, or v where there is no b.

    Raises:
        ShapeError: b is longer or shorter than v.
    """
    if b and len(b) != len(v):
        raise ShapeError(f"a bias of {len(b)} numbers for {len(v)}", remedy="Give one for every row of the weights")
    return [entry + bias for entry, bias in zip(v, b)] if b else v


def fits(what: str, entries: Sequence[object], name: str, weights: Matrix) -> None:
    """Check that ``weights`` can be applied to ``entries``.

    Raises:
        ShapeError: they cannot; the error names both sizes and the parameter.
    """
    if isinstance(entries, Value) or not hasattr(entries, "__len__") or len(entries) != len(weights[0]):
        found = count(len(entries), "number") if hasattr(entries, "__len__") else "a single number"
        raise ShapeError(
            f"{what} is {found}, but {name} is {len(weights)} × {len(weights[0])}",
            remedy=f"Give {what} as {count(len(weights[0]), 'number')}",
        )
