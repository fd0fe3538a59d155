"""Small dense matrices, such as Jacobians and recurrent weights, as lists of rows of floats.

All of it is plain Python except `spectral_radius`: where a matrix is far from normal, eigenvalues need the care that
LAPACK takes, through NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul
from typing import Any

from ..engine.arithmetic import number
from ..errors import ArgumentError
from ..support.checks import whole_number
from ..support.optional import optional
from ..support.sums import add_up, norm_of
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

    Its square is the largest eigenvalue of a aᵀ: reflections make that tridiagonal (Householder 1958), and bisection
    finds the smallest number λ for which T - λ is negative definite (Golub and Van Loan, Matrix Computations, 8.3.1
    and 8.4.1). Both are stable, so that all but the last digits are right, also where singular values are equal or
    nearly so.
    """
    largest = max(abs(entry) for row in a for entry in row) if _is_finite(a) else math.inf
    if not 0.0 < largest < math.inf:
        return largest
    a = [[entry / largest for entry in row] for row in a]
    return largest * math.sqrt(_largest_eigenvalue(*_tridiagonal(_gram(a if len(a) <= len(a[0]) else transpose(a)))))


def _gram(a: Rows) -> Rows:
    """a aᵀ. It is symmetric, so that half of it is computed."""
    half = [[add_up(map(mul, row, other)) for other in a[: i + 1]] for i, row in enumerate(a)]
    return [row + [lower[i] for lower in half[i + 1 :]] for i, row in enumerate(half)]


def _tridiagonal(a: Rows) -> tuple[list[float], list[float]]:
    """The diagonal of a tridiagonal matrix with the eigenvalues of the symmetric a, and the squares beside it."""
    diagonal, beside = [a[0][0]], []
    while len(a) > 1:
        column, a = a[0][1:], [row[1:] for row in a[1:]]
        norm = norm_of(column)
        beside.append(norm * norm)
        if norm > 0.0:  # reflect the column onto the first axis: a becomes H a H with H = 1 - 2 v vᵀ / vᵀv
            v = [entry / norm for entry in column]
            v[0] += math.copysign(1.0, v[0])
            half = add_up(map(mul, v, v)) / 2.0
            p = [add_up(map(mul, row, v)) / half for row in a]
            overlap = add_up(map(mul, p, v)) / (2.0 * half)
            q = [p_i - overlap * v_i for p_i, v_i in zip(p, v)]
            a = [
                [entry - v_i * q_j - q_i * v_j for entry, v_j, q_j in zip(row, v, q)] for row, v_i, q_i in zip(a, v, q)
            ]
        diagonal.append(a[0][0])
    return diagonal, beside


def _largest_eigenvalue(diagonal: list[float], beside: list[float]) -> float:
    """The largest eigenvalue of a tridiagonal matrix that has no negative one."""

    def exceeds_all(guess: float) -> bool:
        pivot = -1.0
        for entry, square in zip(diagonal, [0.0, *beside]):
            pivot = entry - guess - square / pivot
            if pivot >= 0.0:
                return False
        return True

    low, high = 0.0, add_up(diagonal)  # the sum of all eigenvalues
    while low < (middle := (low + high) / 2.0) < high:
        low, high = (low, middle) if exceeds_all(middle) else (middle, high)
    return high


def spectral_radius(a: Rows) -> float:
    """ρ(a): the largest magnitude of an eigenvalue; infinite where an entry is not finite. It never exceeds ‖a‖₂.

    Raises:
        MissingDependencyError: NumPy is missing, and the matrix is larger than 1 × 1.
    """
    if not _is_finite(a):
        return math.inf
    if len(a) == 1:
        return abs(a[0][0])
    with optional("the eigenvalues of a matrix need NumPy", "linalg"):
        from numpy import linalg
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
        drawn = norm_of(vector)
        for _ in range(2):
            for unit in basis:
                overlap = add_up(map(mul, vector, unit))
                vector = [a - overlap * b for a, b in zip(vector, unit)]
        norm = norm_of(vector)
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
    norm, radius = number(norm, "norm"), number(radius, "radius")
    if not 0.0 <= radius <= norm or norm == 0.0:
        raise ArgumentError(f"spectral radius {radius:g} with norm {norm:g}", remedy="It needs 0 <= radius <= norm")
    if whole_number("n", n) < 2:
        raise ArgumentError("a non-normal 1 × 1 matrix", remedy="Give n of at least 2")
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
