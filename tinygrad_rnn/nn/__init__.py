"""Modules, cells and losses, with PyTorch's names. Also stands in for ``micrograd.nn``. PYTORCH.md has the differences.

    from tinygrad_rnn.nn import LSTMCell, Linear

To read it, follow a weight from its creation to a loss:

1. `module`: `Module` finds the parameters among its attributes, and gives them names. `trees` are lists of
   lists of them, and `out_of_sight` looks for those that would be missed.
2. `parameters`: a parameter is a labelled Value; a matrix is a list of lists of them.
3. `gate`: W h + U x + b, the building block of every cell on vectors.
4. `cells`: a cell computes one time step: the scalar recurrence first, then the same on vectors. `gated`: LSTM and GRU.
5. `through_time`: advance a cell from one time step to the next.
6. `stacked`: cells on top of each other, and the modules `RNN`, `LSTM` and `GRU`.
7. `linear`, `losses`: the read-out, and how wrong it is.

The other modules can be read one by one: `quantities` (single numbers and vectors alike), `one_hot` (a symbol as an
input), `init` (starting numbers), `linalg` (matrices of plain numbers), `kinds` (cells by name), and `mlp` (micrograd's
modules).
"""

from ..engine.value import Value
from . import init
from .cells import Cell, RNNCell, ScalarRNNCell
from .gate import Gate
from .gated import GRUCell, LSTMCell
from .linear import Linear
from .losses import binary_cross_entropy_with_logits, cross_entropy, log_sum_exp, mse_loss
from .mlp import MLP, Layer, Neuron
from .module import Module
from .one_hot import OneHot
from .stacked import GRU, LSTM, RNN, Recurrent, StackedCell

__all__ = [
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "Cell",
    "GRUCell",
    "Gate",
    "LSTMCell",
    "Layer",
    "Linear",
    "Module",
    "Neuron",
    "OneHot",
    "RNNCell",
    "Recurrent",
    "ScalarRNNCell",
    "StackedCell",
    "Value",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "init",
    "log_sum_exp",
    "mse_loss",
]
