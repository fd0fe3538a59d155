"""Starting numbers for weights, in place, with PyTorch's names where it has one.

>>> from tinygrad_rnn.nn import RNNCell, init
>>> cell = RNNCell(1, 8, nonlinearity="relu")
>>> init.eye_(cell.W)  # the IRNN of Le, Jaitly & Hinton 2015
>>> init.constant_(cell.b, 0.0)
"""

from __future__ import annotations

import math
import random
from operator import mul

from ..errors import ArgumentError
from .module import Module
from .parameters import Matrix, Seed, Vector, generator


def constant_(parameters: Matrix | Vector, number: float) -> None:
    """Set every entry to ``number``: the bias of a forget gate to 1, say."""
    for entry in parameters:
        for parameter in entry if isinstance(entry, list) else [entry]:
            parameter.data = float(number)


def eye_(W: Matrix, gain: float = 1.0) -> None:
    """Set W to ``gain`` times the identity: with relu and b = 0, the IRNN of Le, Jaitly & Hinton 2015."""
    for i, row in enumerate(W):
        for j, entry in enumerate(row):
            entry.data = float(gain) if i == j else 0.0


def normal_(W: Matrix, std: float = 1.0, seed: Seed = 0) -> None:
    """Draw every entry from N(0, std²)."""
    rng = generator(seed)
    for row in W:
        for entry in row:
            entry.data = rng.gauss(0.0, std)


def xavier_uniform_(W: Matrix, gain: float = 1.0, seed: Seed = 0) -> None:
    """Draw every entry from U(-a, a), a = gain √(6 / (rows + columns)) (Glorot & Bengio 2010, equation 16)."""
    rng, bound = generator(seed), gain * math.sqrt(6.0 / (len(W) + len(W[0])))
    for row in W:
        for entry in row:
            entry.data = rng.uniform(-bound, bound)


def orthogonal_(W: Matrix, gain: float = 1.0, seed: Seed = 0) -> None:
    """Set W to ``gain`` times a random matrix with orthonormal rows, or columns where there are fewer of them.

    All its singular values are ``gain``, so that a linear recurrence keeps the length of a gradient at gain 1
    (Saxe, McClelland & Ganguli 2014).
    """
    rows, columns = len(W), len(W[0])
    basis = orthonormal(min(rows, columns), max(rows, columns), seed)
    for i, row in enumerate(W):
        for j, entry in enumerate(row):
            entry.data = gain * (basis[i][j] if rows <= columns else basis[j][i])


RECURRENT = ("uniform", "orthogonal", "identity")


def recurrent_(module: Module, how: str, seed: Seed = 0) -> None:
    """Set the recurrent weights of all cells of a module, W or W_i, W_f and so on.

    Args:
        module: what has the cells.
        how: ``"orthogonal"`` (`orthogonal_`), ``"identity"`` (`eye_`), or ``"uniform"``, which leaves them as drawn.
        seed: an int, or a `random.Random` to draw from.

    Raises:
        ArgumentError: an unknown way.
    """
    if how not in RECURRENT:
        raise ArgumentError(f"recurrent weights {how!r}", remedy=f"Known ways: {', '.join(RECURRENT)}")
    rng = generator(seed)
    for path, W in module._trees():
        if path.rpartition(".")[2].partition("_")[0] == "W":
            if how == "orthogonal":
                orthogonal_(W, seed=rng)
            elif how == "identity":
                eye_(W)


def orthonormal(count: int, length: int, seed: Seed = 0) -> list[list[float]]:
    """Random orthonormal vectors, uniform over all such (Haar): Gram-Schmidt on normal draws, each direction
    cleaned twice ("twice is enough", Giraud, Langou and Rozloznik 2005).
    """
    rng = generator(seed)
    basis: list[list[float]] = []
    while len(basis) < count:
        vector = [rng.gauss(0.0, 1.0) for _ in range(length)]
        drawn = math.hypot(*vector)
        for _ in range(2):
            for unit in basis:
                overlap = sum(map(mul, vector, unit))
                vector = [a - overlap * b for a, b in zip(vector, unit)]
        norm = math.hypot(*vector)
        if norm > 1e-8 * drawn:  # else it all but lies in the span of the others: draw anew
            basis.append([entry / norm for entry in vector])
    return basis


def scale_(W: Matrix, spectral_norm: float) -> None:
    """Multiply W by the number that makes its largest singular value ``spectral_norm``.

    ‖W‖₂ is what bounds the growth of a gradient per time step: above 1 it can explode, below 1 (with tanh) it
    vanishes (Pascanu, Mikolov & Bengio 2013).

    Raises:
        ArgumentError: the norm is not a finite number above 0, or W is zero.
    """
    if not 0.0 < spectral_norm < math.inf:
        raise ArgumentError(f"spectral norm {spectral_norm!r}", remedy="Give a finite number above 0")
    largest = _largest_singular_value([[entry.data for entry in row] for row in W])
    if not largest:
        raise ArgumentError("a zero matrix cannot be scaled to a norm", remedy="Draw its entries first")
    for row in W:
        for entry in row:
            entry.data *= spectral_norm / largest


def _largest_singular_value(M: list[list[float]]) -> float:
    """‖M‖₂ by power iteration on MᵀM, from a fixed random start."""
    rng = random.Random(0)
    v = [rng.gauss(0.0, 1.0) for _ in M[0]]
    sigma = 0.0
    for _ in range(100_000):
        norm = math.hypot(*v)
        if not norm:
            return 0.0
        v = [entry / norm for entry in v]
        Mv = [sum(a * b for a, b in zip(row, v)) for row in M]
        before, sigma = sigma, math.hypot(*Mv)
        if abs(sigma - before) <= 1e-15 * sigma:
            break
        v = [sum(row[j] * a for row, a in zip(M, Mv)) for j in range(len(v))]
    return sigma
