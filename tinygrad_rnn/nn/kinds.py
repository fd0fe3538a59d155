"""Kinds of cells by name: the one place where ``"lstm"`` becomes an `LSTMCell`, or an `LSTM` with layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ArgumentError
from ..support.checks import one_of
from .cells import Cell, RNNCell
from .gated import GRUCell, LSTMCell
from .parameters import Seed
from .stacked import GRU, LSTM, RNN, Recurrent


@dataclass(frozen=True)
class Kind:
    """A kind of recurrent network.

    Attributes:
        cell: the class of its cell, for one time step.
        module: the class of its module, with layers and directions.
        matrices: the number of recurrent matrices of a cell, one per gate.
    """

    cell: Callable[..., Cell]
    module: Callable[..., Recurrent]
    matrices: int

    def count_weights(self, input_size: int, hidden_size: int, num_layers: int = 1, bidirectional: bool = False) -> int:
        """The number of weights in a module of these sizes, without biases."""
        directions = 2 if bidirectional else 1
        first = self.matrices * hidden_size * (input_size + hidden_size)
        other = self.matrices * hidden_size * (directions * hidden_size + hidden_size)
        return directions * (first + (num_layers - 1) * other)


KINDS = {"rnn": Kind(RNNCell, RNN, 1), "lstm": Kind(LSTMCell, LSTM, 4), "gru": Kind(GRUCell, GRU, 3)}
#: Settings that only one kind has: which one, and what it has.
ONLY = {"nonlinearity": ("rnn", "a choice of it"), "forget_bias": ("lstm", "a forget gate")}


def own_settings(kind: str) -> list[str]:
    """The names of the settings that this kind alone has."""
    return [name for name, (only, _) in ONLY.items() if only == kind]


def find_kind(name: str) -> Kind:
    """The kind of this name.

    Raises:
        ArgumentError: there is none.
    """
    return KINDS[one_of("kind", name, KINDS)]


def make_cell(kind: str, input_size: int, hidden_size: int, *, seed: Seed = 0, **settings: object) -> Cell:
    """A cell of a kind.

    Args:
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        input_size: length of x_t.
        hidden_size: length of h_t.
        seed: an int, or a `random.Random` to draw the weights from.
        settings: settings in `ONLY` that the kind has. None stands for the default of the cell.

    Raises:
        ArgumentError: the kind is unknown, a size is not a whole number of at least 1, or the kind lacks a setting.
    """
    found = find_kind(kind)
    given = {name: setting for name, setting in settings.items() if setting is not None}
    for name in given:
        if name not in own_settings(kind):
            only = "Only an {} has {}".format(*ONLY[name]) if name in ONLY else f"The settings are {', '.join(ONLY)}"
            raise ArgumentError(f"{name} with a cell of kind {kind}", remedy=only)
    return found.cell(input_size, hidden_size, seed=seed, **given)
