"""Small dense matrices, such as Jacobians and recurrent weights, as lists of rows of floats.

All of it is plain Python except `spectral_radius`: where a matrix is far from normal, eigenvalues need the care that
LAPACK takes, through NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul
from typing import Any

from ..errors import ArgumentError, MissingDependencyError
from ..support.checks import whole_number
from ..support.sums import add_up
from .parameters import Seed, generator

Rows = list[list[float]]


def identity(n: int) -> Rows:
    """The n × n identity."""
    return [[float(i == j) for j in range(n)] for i in range(n)]


def product(a: Rows, b: Rows) -> Rows:
    """The matrix product a b."""
    columns = list(zip(*b))
    return [[add_up(map(mul, row, column)) for column in columns] for row in a]


def transpose(a: Rows) -> Rows:
    """Rows as columns."""
    return [list(column) for column in zip(*a)]


def scaled(a: Rows, factor: float) -> Rows:
    """Every entry times ``factor``."""
    return [[factor * entry for entry in row] for row in a]


def numbers(weights: Sequence[Sequence[Any]]) -> Rows:
    """The data of a matrix of Values."""
    return [[entry.data for entry in row] for row in weights]


def spectral_norm(a: Rows) -> float:
    """‖a‖₂: the largest singular value; infinite where an entry is not finite.

    Its square is the largest eigenvalue of a aᵀ, and that is the limit of ‖(a aᵀ)^p‖^(1/p). 60 squarings reach
    p = 2^60. Each square is divided by its norm, so that nothing overflows. The root 1/p makes the rounding errors of
    late squares small, so that all digits are right, also where singular values are equal or nearly so.
    """
    largest = max(abs(entry) for row in a for entry in row) if _is_finite(a) else math.inf
    if not 0.0 < largest < math.inf:
        return largest
    a = [[entry / largest for entry in row] for row in a]
    power = _gram(a if len(a) <= len(a[0]) else transpose(a))
    logarithms: list[float] = []  # of the norms by which the powers were divided, each times its 1/p
    for squarings in range(61):
        norm = math.hypot(*(entry for row in power for entry in row))
        logarithms.append(math.ldexp(math.log(norm), -squarings))
        if squarings and abs(logarithms[-1]) < 1e-17:  # nearly of rank 1: the norms of further squares are nearer to 1
            break
        power = _gram(scaled(power, 1.0 / norm))
    return largest * math.exp(math.fsum(logarithms) / 2.0)


def _gram(a: Rows) -> Rows:
    """a aᵀ, the square of a symmetric a. It is symmetric, so that half of it is computed."""
    half = [[add_up(map(mul, row, other)) for other in a[: i + 1]] for i, row in enumerate(a)]
    return [row + [lower[i] for lower in half[i + 1 :]] for i, row in enumerate(half)]


def spectral_radius(a: Rows) -> float:
    """ρ(a): the largest magnitude of an eigenvalue; infinite where an entry is not finite. It never exceeds ‖a‖₂.

    Raises:
        MissingDependencyError: NumPy is missing, and the matrix is larger than 1 × 1.
    """
    if not _is_finite(a):
        return math.inf
    if len(a) == 1:
        return abs(a[0][0])
    try:
        from numpy import linalg
    except ImportError as error:
        raise MissingDependencyError(
            "the eigenvalues of a matrix need NumPy", remedy="pip install 'tinygrad_rnn[linalg]'"
        ) from error
    return float(max(abs(linalg.eigvals(a))))


def _is_finite(a: Rows) -> bool:
    return all(math.isfinite(entry) for row in a for entry in row)


def orthonormal(count: int, length: int, seed: Seed = 0) -> Rows:
    """Random orthonormal vectors, uniform over all such (Haar): Gram-Schmidt on normal draws, each direction
    cleaned twice ("twice is enough", Giraud, Langou and Rozloznik 2005).
    """
    rng = generator(seed)
    basis: Rows = []
    while len(basis) < count:
        vector = [rng.gauss(0.0, 1.0) for _ in range(length)]
        drawn = math.hypot(*vector)
        for _ in range(2):
            for unit in basis:
                overlap = add_up(map(mul, vector, unit))
                vector = [a - overlap * b for a, b in zip(vector, unit)]
        norm = math.hypot(*vector)
        if norm > 1e-8 * drawn:  # else it nearly lies in the span of the others: draw again
            basis.append([entry / norm for entry in vector])
    return basis


def orthogonal(n: int, seed: Seed = 0) -> Rows:
    """A random n × n orthogonal matrix."""
    return orthonormal(whole_number("n", n), n, seed)


def non_normal(n: int, norm: float, radius: float, seed: Seed = 0) -> Rows:
    """A random n × n matrix whose spectral norm and spectral radius are both prescribed.

    It is Q B Qᵀ with Q orthogonal and B of 2 × 2 blocks [[ρ, c], [0, ρ]]. The singular values s₁ >= s₂ of a
    block satisfy s₁ s₂ = ρ² and s₁ - s₂ = c, so that c = norm - ρ²/norm makes the larger one ``norm``. Its
    powers [[ρ^k, k ρ^(k-1) c], [0, ρ^k]] grow before they decay where ρ < 1 < norm.

    Raises:
        ArgumentError: not 0 <= radius <= norm, or n below 2 (every 1 × 1 matrix is normal).
    """
    if not 0.0 <= radius <= norm or norm == 0.0:
        raise ArgumentError(f"spectral radius {radius:g} with norm {norm:g}", remedy="It needs 0 <= radius <= norm")
    if whole_number("n", n) < 2:
        raise ArgumentError("a non-normal 1 × 1 matrix", remedy="Take n of at least 2")
    blocks = scaled(identity(n), radius)
    for i in range(0, n - 1, 2):
        blocks[i][i + 1] = norm - radius**2 / norm
    basis = orthogonal(n, seed)
    return product(product(basis, blocks), transpose(basis))


__all__ = [
    "Rows",
    "identity",
    "non_normal",
    "numbers",
    "orthogonal",
    "orthonormal",
    "product",
    "scaled",
    "spectral_norm",
    "spectral_radius",
    "transpose",
]
