"""Small dense matrices, as lists of rows of floats: what Jacobians and recurrent weights are here.

Singular values and eigenvalues come from LAPACK through NumPy, which is an optional dependency; a 1 × 1
matrix, the whole matter of a scalar cell, needs none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul
from typing import Any

from ..errors import ArgumentError, MissingDependencyError
from ..nn.init import orthonormal
from ..nn.parameters import Seed, size

Rows = list[list[float]]


def identity(n: int) -> Rows:
    """The n × n identity."""
    return [[float(i == j) for j in range(n)] for i in range(n)]


def product(a: Rows, b: Rows) -> Rows:
    """The matrix product a b."""
    columns = list(zip(*b))
    return [[sum(map(mul, row, column)) for column in columns] for row in a]


def transpose(a: Rows) -> Rows:
    """Rows as columns."""
    return [list(column) for column in zip(*a)]


def scaled(a: Rows, factor: float) -> Rows:
    """Every entry times ``factor``."""
    return [[factor * entry for entry in row] for row in a]


def singular_values(a: Rows) -> list[float]:
    """The singular values, largest first; all infinite where an entry is not finite.

    Raises:
        MissingDependencyError: NumPy is missing, and the matrix is larger than 1 × 1.
    """
    if not all(map(math.isfinite, (entry for row in a for entry in row))):
        return [math.inf] * min(len(a), len(a[0]))
    if len(a) == len(a[0]) == 1:
        return [abs(a[0][0])]
    return [float(s) for s in _linalg().svd(a, compute_uv=False)]


def spectral_norm(a: Rows) -> float:
    """‖a‖₂: the largest singular value.

    Raises:
        MissingDependencyError: NumPy is missing, and the matrix is larger than 1 × 1.
    """
    return singular_values(a)[0]


def spectral_radius(a: Rows) -> float:
    """ρ(a): the largest magnitude of an eigenvalue. It never exceeds `spectral_norm`.

    Raises:
        MissingDependencyError: NumPy is missing, and the matrix is larger than 1 × 1.
    """
    if not all(map(math.isfinite, (entry for row in a for entry in row))):
        return math.inf
    if len(a) == 1:
        return abs(a[0][0])
    return float(max(abs(_linalg().eigvals(a))))


def orthogonal(n: int, seed: Seed = 0) -> Rows:
    """A random n × n orthogonal matrix."""
    return orthonormal(size("n", n), n, seed)


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
    if size("n", n) < 2:
        raise ArgumentError("a non-normal 1 × 1 matrix", remedy="Take n of at least 2")
    blocks = [[radius * entry for entry in row] for row in identity(n)]
    for i in range(0, n - 1, 2):
        blocks[i][i + 1] = norm - radius**2 / norm
    basis = orthogonal(n, seed)
    return product(product(basis, blocks), transpose(basis))


def numbers(weights: Sequence[Sequence[Any]]) -> Rows:
    """The data of a matrix of Values."""
    return [[entry.data for entry in row] for row in weights]


def _linalg() -> Any:
    try:
        from numpy import linalg
    except ImportError as error:
        raise MissingDependencyError(
            "singular values and eigenvalues of a matrix need NumPy",
            remedy="pip install 'tinygrad_rnn[linalg]'",
        ) from error
    return linalg


__all__ = [
    "Rows",
    "identity",
    "non_normal",
    "numbers",
    "orthogonal",
    "product",
    "scaled",
    "singular_values",
    "spectral_norm",
    "spectral_radius",
    "transpose",
]
