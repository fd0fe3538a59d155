"""Cells on top of each other, and the modules `RNN`, `LSTM` and `GRU` that run them over a sequence."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Sequence
from itertools import chain
from typing import Any

from ..errors import ArgumentError, ShapeError
from ..support.checks import truth, whole_number
from ..support.memory import PARAMETER, require_memory
from ..support.pytorch import refuses_options
from ..support.text import count
from .cells import Cell, RNNCell
from .gated import GRUCell, LSTMCell
from .module import Module
from .parameters import Seed, generator
from .quantities import Quantity, as_sequence, finite
from .through_time import through_time
from .trees import shape


class StackedCell(Cell):
    """Cells on top of each other as one cell: the h of one is the input of the next at the same time step.

    The quantities of the top layer keep their names, so that a read-out gets ``h``. Those of the layers below have the
    number of the layer in their names, counted from 0 as in PyTorch: ``h_l0``, ``c_l0``, ``i_l0`` … The parts of the
    state are ordered from the bottom to the top: h_l0, c_l0, h_l1, c_l1, …, h, c.

    Args:
        cells: from the bottom to the top.

    Raises:
        ArgumentError: there are no cells.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        if not cells:
            raise ArgumentError("a stack of no cells", remedy="Give at least one cell")
        self.cells = list(cells)
        self.input_size = cells[0].input_size
        self._suffixes = [f"_l{layer}" for layer in range(len(cells) - 1)] + [""]
        layers = list(zip(cells, self._suffixes))
        self.state_names = tuple(name + suffix for cell, suffix in layers for name in cell.state_names)
        self.pre_activation_names = tuple(
            name + suffix for cell, suffix in layers for name in cell.pre_activation_names
        )

    def step(self, x: Quantity, *state: Quantity) -> dict[str, Quantity]:
        """Everything that the layers compute.

        Raises:
            ShapeError: x or the state does not fit.
        """
        if len(state) != len(self.state_names):
            raise ShapeError(f"a state of {count(len(state), 'part')} for {', '.join(self.state_names)}")
        named: dict[str, Quantity] = {}
        remaining = iter(state)
        for cell, suffix in zip(self.cells, self._suffixes):
            computed = cell.step(x, *[next(remaining) for _ in cell.state_names])
            named.update((name + suffix, quantity) for name, quantity in computed.items())
            x = computed["h"]
        return named

    def initial_state(self) -> tuple[Quantity, ...]:
        """Zeros."""
        return tuple(chain.from_iterable(cell.initial_state() for cell in self.cells))

    def __repr__(self) -> str:
        return f"StackedCell({self.cells!r})"


class Recurrent(Module):
    """Base class of `RNN`, `LSTM` and `GRU`, with the arguments and results of PyTorch's modules (of one sequence).

    Attributes:
        cells: the cells, in PyTorch's order: layer by layer, the forward direction before the backward one.
    """

    @refuses_options
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        *,
        bidirectional: bool = False,
        seed: Seed = 0,
    ) -> None:
        rng = generator(seed)
        self.bidirectional = truth("bidirectional", bidirectional)
        directions = 2 if bidirectional else 1
        self.input_size = whole_number("input_size", input_size)
        self.hidden_size = whole_number("hidden_size", hidden_size)
        self.num_layers = whole_number("num_layers", num_layers)
        weights = directions * self.hidden_size * (self.hidden_size + 1)  # of a layer, at least
        require_memory("num_layers", self.num_layers, lambda n: n * weights * PARAMETER)
        sizes = [self.input_size] + [self.hidden_size * directions] * (self.num_layers - 1)
        self.cells = [self._make_cell(n, self.hidden_size, bias, rng) for n in sizes for _ in range(directions)]
        if len(self.cells) > 1:
            for cell, suffix in zip(self.cells, self.suffixes):
                for parameter in cell.parameters():
                    parameter.label = f"{suffix[1:]}.{parameter.label}"
        self._stack = None if bidirectional else StackedCell(self.cells) if self.num_layers > 1 else self.cells[0]

    @abstractmethod
    def _make_cell(self, input_size: int, hidden_size: int, bias: bool, rng: random.Random) -> Cell:
        """One cell of the kind that this module runs."""

    @property
    def suffixes(self) -> list[str]:
        """The endings of PyTorch's parameter names, one per cell: ``_l0``, ``_l0_reverse``, …"""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [f"_l{layer}{direction}" for layer in range(self.num_layers) for direction in directions]

    @property
    def cell(self) -> Cell:
        """All layers as one cell, to be unrolled.

        Raises:
            ArgumentError: the module is bidirectional, so that a time step needs later ones.
        """
        if self._stack is None:
            raise ArgumentError(
                "a bidirectional module has no single time step to unroll",
                remedy="Call the module on the whole sequence, or unroll each of its .cells",
            )
        return self._stack

    @refuses_options
    def __call__(self, inputs: Sequence[object], state: object = None) -> tuple[list[Quantity], Any]:
        """Run over a sequence, as in PyTorch: ``output, h_n = rnn(inputs, h_0)``, with (h, c) for an LSTM.

        `unroll` computes the same numbers, and names every one of them.

        Args:
            inputs: x_1 … x_T, each of input_size entries.
            state: a list with h_0 of every cell in the order of `cells`; for an LSTM a pair of such lists,
                (h_0, c_0). Zeros by default.

        Returns:
            h_1 … h_T of the top layer (forward and backward direction joined), and the last state.

        Raises:
            ArgumentError: the inputs are empty or not a sequence.
            DataError: a number of an input, or of the state, is NaN or infinite.
            ShapeError: a size does not fit; for an input the error names the time step.
        """
        inputs = as_sequence(inputs)
        states = self._split(state)
        if self._stack is not None:
            output, after = _run(self._stack, inputs, [part for parts in states for part in parts])
            return output, self._join(after)
        last: list[Quantity] = []
        sequence: Sequence[object] = inputs
        for layer in range(self.num_layers):
            forward, backward = self.cells[2 * layer : 2 * layer + 2]
            ahead, ahead_last = _run(forward, sequence, states[2 * layer])
            back, back_last = _run(backward, sequence, states[2 * layer + 1], reverse=True)
            last += [*ahead_last, *back_last]
            sequence = [[*a, *b] for a, b in zip(ahead, back)]
        return list(sequence), self._join(last)

    def _split(self, state: Any) -> list[tuple[Quantity, ...]]:
        """The state of each cell."""
        if state is None:
            return [cell.initial_state() for cell in self.cells]
        names = self.cells[0].state_names
        parts = state if len(names) > 1 else (state,)
        wanted = len(self.cells)
        if shape(parts)[:1] != (len(names),) or any(shape(part)[:1] != (wanted,) for part in parts):
            vectors = count(wanted, "vector")
            raise ShapeError(
                f"the state is not that of {count(wanted, 'cell')}",
                remedy=f"Give {' and '.join(f'a list of {vectors} {name}_0' for name in names)}",
            )
        return [tuple(finite(part[k], f"{name}_0", 0) for name, part in zip(names, parts)) for k in range(wanted)]

    def _join(self, parts: Sequence[Quantity]) -> Any:
        """The inverse of `_split`, from the parts of all cells in one row."""
        kinds = len(self.cells[0].state_names)
        return tuple(list(parts[kind::kinds]) for kind in range(kinds)) if kinds > 1 else list(parts)

    def __repr__(self) -> str:
        more = f", num_layers={self.num_layers}" * (self.num_layers > 1) + ", bidirectional" * self.bidirectional
        return f"{type(self).__name__}({self.input_size} → {self.hidden_size}{more})"


def _run(
    cell: Cell, inputs: Sequence[object], state: Sequence[Quantity], reverse: bool = False
) -> tuple[list[Quantity], Sequence[Quantity]]:
    """h of a cell at every time step, in order of time, and the state after its last step (time step 1 if reversed)."""
    pairs = list(enumerate(inputs, start=1))
    output, last = {}, state
    for t, named, after in through_time(cell, reversed(pairs) if reverse else pairs, state):
        output[t], last = named["h"], after
    return [output[t] for t, _ in pairs], last


class RNN(Recurrent):
    """Layers of `RNNCell` over a sequence, as torch.nn.RNN.

    Args:
        input_size: length of x_t.
        hidden_size: length of h_t.
        num_layers: number of layers; each but the first has the h_t of the one below as its input.
        nonlinearity: ``"tanh"``, ``"relu"`` or ``"identity"``.
        bias: whether there are biases.
        bidirectional: whether each layer also runs backwards in time.
        seed: an int, or a `random.Random` to draw from.

    Raises:
        ArgumentError: a size is not a whole number of at least 1, or the nonlinearity is unknown.
    """

    @refuses_options
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        *,
        bidirectional: bool = False,
        seed: Seed = 0,
    ) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, num_layers, bias, bidirectional=bidirectional, seed=seed)

    def _make_cell(self, input_size: int, hidden_size: int, bias: bool, rng: random.Random) -> Cell:
        return RNNCell(input_size, hidden_size, bias, self.nonlinearity, seed=rng)


class LSTM(Recurrent):
    """Layers of `LSTMCell` over a sequence, as torch.nn.LSTM.

    Args:
        input_size: length of x_t.
        hidden_size: length of h_t and c_t.
        num_layers: number of layers; each but the first has the h_t of the one below as its input.
        bias: whether there are biases.
        bidirectional: whether each layer also runs backwards in time.
        forget_bias: starting number of every b_f; by default it is drawn, as in PyTorch.
        seed: an int, or a `random.Random` to draw from.

    Raises:
        ArgumentError: a size is not a whole number of at least 1.
    """

    @refuses_options
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        *,
        bidirectional: bool = False,
        forget_bias: float | None = None,
        seed: Seed = 0,
    ) -> None:
        self._forget_bias = forget_bias
        super().__init__(input_size, hidden_size, num_layers, bias, bidirectional=bidirectional, seed=seed)

    def _make_cell(self, input_size: int, hidden_size: int, bias: bool, rng: random.Random) -> Cell:
        return LSTMCell(input_size, hidden_size, bias, forget_bias=self._forget_bias, seed=rng)


class GRU(Recurrent):
    """Layers of `GRUCell` over a sequence, as torch.nn.GRU.

    Args:
        input_size: length of x_t.
        hidden_size: length of h_t.
        num_layers: number of layers; each but the first has the h_t of the one below as its input.
        bias: whether there are biases.
        bidirectional: whether each layer also runs backwards in time.
        seed: an int, or a `random.Random` to draw from.

    Raises:
        ArgumentError: a size is not a whole number of at least 1.
    """

    def _make_cell(self, input_size: int, hidden_size: int, bias: bool, rng: random.Random) -> Cell:
        return GRUCell(input_size, hidden_size, bias, seed=rng)
