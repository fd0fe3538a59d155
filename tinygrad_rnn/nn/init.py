"""Starting numbers for weights, in place, with PyTorch's names where it has one.

>>> from tinygrad_rnn.nn import RNNCell, init
>>> cell = RNNCell(1, 8, nonlinearity="relu")
>>> init.eye_(cell.W)  # the IRNN of Le, Jaitly & Hinton 2015
>>> init.constant_(cell.b, 0.0)
"""

from __future__ import annotations

import math

from ..engine.arithmetic import number as to_number
from ..errors import ArgumentError
from ..support.checks import one_of
from ..support.pytorch import refuses_options
from . import linalg
from .gate import Gate
from .module import Module
from .parameters import Matrix, Seed, Vector, generator
from .quantities import entries
from .trees import pairs


@refuses_options
def constant_(parameters: Matrix | Vector, number: float) -> None:
    """Set every entry to ``number``: the bias of a forget gate to 1, say."""
    for parameter in entries(parameters):
        parameter.data = number


def set_(W: Matrix, rows: linalg.Rows) -> None:
    """Set W to plain numbers of the same shape. Nothing changes if they do not fit.

    Raises:
        ShapeError: the shapes differ.
        OperandError: an entry is not a number.
    """
    both = [(parameter, to_number(each)) for parameter, each in pairs("W", W, "what is put there", rows)]
    for parameter, plain in both:
        parameter.data = plain


@refuses_options
def eye_(W: Matrix, *, gain: float = 1.0) -> None:
    """Set W to ``gain`` times the identity: with relu and b = 0, the IRNN of Le, Jaitly & Hinton 2015."""
    for i, row in enumerate(W):
        for j, entry in enumerate(row):
            entry.data = gain if i == j else 0.0


@refuses_options
def normal_(W: Matrix, *, std: float = 1.0, seed: Seed = 0) -> None:
    """Draw every entry from N(0, std²).

    Raises:
        ArgumentError: std is negative, or not finite.
    """
    rng, std = generator(seed), to_number(std, "std")
    if not 0.0 <= std < math.inf:
        raise ArgumentError(f"std is {std:g}", remedy="Give a finite number of at least 0")
    for parameter in entries(W):
        parameter.data = rng.gauss(0.0, std)


@refuses_options
def orthogonal_(W: Matrix, gain: float = 1.0, *, seed: Seed = 0) -> None:
    """Set W to ``gain`` times a random matrix with orthonormal rows, or columns where there are fewer of them.

    All its singular values are ``gain``, so that a linear recurrence keeps the length of a gradient at gain 1
    (Saxe, McClelland & Ganguli 2014).
    """
    rows, columns, gain = len(W), len(W[0]), to_number(gain, "gain")
    basis = linalg.orthonormal(min(rows, columns), max(rows, columns), seed)
    set_(W, linalg.scaled(basis if rows <= columns else linalg.transpose(basis), gain))


RECURRENT = ("uniform", "orthogonal", "identity")


def recurrent_(module: Module, how: str, seed: Seed = 0) -> None:
    """Set the recurrent weights W of every gate in a module.

    Args:
        module: a cell, or a module made of cells.
        how: ``"orthogonal"`` (`orthogonal_`), ``"identity"`` (`eye_`), or ``"uniform"``, which leaves them as they are.
        seed: an int, or a `random.Random` to draw from.

    Raises:
        ArgumentError: ``how`` is none of these.
    """
    one_of("kind of recurrent weights", how, RECURRENT)
    rng = generator(seed)
    for gate in module.modules():
        if isinstance(gate, Gate):
            if how == "orthogonal":
                orthogonal_(gate.W, seed=rng)
            elif how == "identity":
                eye_(gate.W)


def scale_(W: Matrix, spectral_norm: float) -> None:
    """Multiply W by the number that makes its largest singular value ``spectral_norm``.

    ‖W‖₂ bounds the growth of a gradient per time step: above 1 it can explode, below 1 (with tanh) it vanishes
    (Pascanu, Mikolov & Bengio 2013).

    Raises:
        ArgumentError: the norm is not a finite number above 0, or W is zero.
    """
    spectral_norm = to_number(spectral_norm, "spectral_norm")
    if not 0.0 < spectral_norm < math.inf:
        raise ArgumentError(f"spectral_norm is {spectral_norm!r}", remedy="Give a finite number above 0")
    largest = linalg.spectral_norm(linalg.numbers(W))
    if not largest:
        raise ArgumentError("a zero matrix cannot be scaled to a norm", remedy="Draw its entries first")
    for parameter in entries(W):
        parameter.data *= spectral_norm / largest
