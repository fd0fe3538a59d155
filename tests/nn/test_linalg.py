"""Matrices of floats: products, starting numbers, the spectral norm and radius."""

from __future__ import annotations

import math
import random
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.errors import ArgumentError, MissingDependencyError
from tinygrad_rnn.nn import linalg

seeds = st.integers(0, 2**32)


@given(st.integers(1, 6), seeds)
def test_orthogonal_is_orthogonal(n: int, seed: int) -> None:
    Q = linalg.orthogonal(n, seed)
    for row, unit in zip(linalg.product(Q, linalg.transpose(Q)), linalg.identity(n)):
        assert row == pytest.approx(unit, abs=1e-14)
    assert linalg.orthogonal(n, seed) == Q


@given(st.integers(2, 7), st.floats(0.1, 3.0), st.floats(0.0, 1.0), seeds)
def test_a_non_normal_matrix_is_as_prescribed(n: int, norm: float, share: float, seed: int) -> None:
    B = linalg.non_normal(n, norm, share * norm, seed)
    assert linalg.spectral_norm(B) == pytest.approx(norm, rel=1e-12)
    # A defective eigenvalue moves as the square root of the rounding of the entries.
    assert linalg.spectral_radius(B) == pytest.approx(share * norm, abs=1e-6 * norm)


def test_impossible_matrices_are_refused() -> None:
    for wrong in ((4, 1.0, 1.5), (4, 1.0, -0.1), (4, 0.0, 0.0), (1, 1.0, 0.5)):
        with pytest.raises(ArgumentError):
            linalg.non_normal(*wrong)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), seeds)
def test_product_and_singular_values_are_numpys(n: int, m: int, p: int, seed: int) -> None:
    rng = random.Random(seed)
    a = [[rng.gauss(0, 1) for _ in range(m)] for _ in range(n)]
    b = [[rng.gauss(0, 1) for _ in range(p)] for _ in range(m)]
    assert np.allclose(linalg.product(a, b), np.array(a) @ np.array(b), rtol=1e-14, atol=1e-14)
    assert linalg.spectral_norm(a) == pytest.approx(float(np.linalg.norm(a, 2)), rel=1e-12)


def test_an_overflown_product_has_an_infinite_norm() -> None:
    assert linalg.spectral_norm([[math.inf, 1.0], [0.0, 1.0]]) == math.inf
    assert linalg.spectral_radius([[math.nan, 1.0], [0.0, 1.0]]) == math.inf


def test_without_numpy_norms_work_and_eigenvalues_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert linalg.spectral_norm([[3.0, 0.0], [4.0, 0.0]]) == pytest.approx(5.0, rel=1e-15)
    with pytest.raises(MissingDependencyError, match=r"tinygrad_rnn\[linalg\]"):
        linalg.spectral_radius([[1.0, 0.0], [0.0, 1.0]])


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1.0, 1e-300, 1e300, 5e-324]), seeds)
def test_the_norm_is_numpys_to_rounding(n: int, m: int, scale: float, seed: int) -> None:
    rng = random.Random(seed)
    a = [[scale * round(rng.gauss(0, 3), 6) for _ in range(m)] for _ in range(n)]
    exact = float(np.linalg.norm(np.array(a), 2))
    assert linalg.spectral_norm(a) == pytest.approx(exact, rel=1e-14, abs=5e-323)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 16])
def test_equal_and_nearly_equal_singular_values(n: int) -> None:
    assert linalg.spectral_norm(linalg.identity(n)) == pytest.approx(1.0, rel=1e-15)
    assert linalg.spectral_norm(linalg.orthogonal(n)) == pytest.approx(1.0, rel=1e-14)
    for gap in (1e-3, 1e-8, 1e-12):
        near = [[(1.0 - gap * i) * (i == j) for j in range(n)] for i in range(n)]
        assert linalg.spectral_norm(near) == pytest.approx(1.0, rel=1e-15)
    assert linalg.spectral_norm([[2.0] * n] * 3) == pytest.approx(2.0 * math.sqrt(3 * n), rel=1e-15)


def test_the_norm_of_zero_and_at_the_ends_of_the_range() -> None:
    assert linalg.spectral_norm([[0.0, -0.0, 0.0]]) == 0.0
    assert linalg.spectral_norm([[-5e-324]]) == 5e-324
    assert linalg.spectral_norm([[1.7e308, 1.7e308], [1.7e308, 1.7e308]]) == math.inf
    assert linalg.spectral_norm([[1e308, 1e308], [1e308, -1e308]]) == pytest.approx(2**0.5 * 1e308, rel=1e-15)


def test_seed_0_is_the_seed_where_none_is_given() -> None:
    assert linalg.orthogonal(3) == linalg.orthogonal(3, seed=0)


def test_a_matrix_with_an_infinite_entry_has_an_infinite_norm() -> None:
    assert linalg.spectral_norm([[math.inf, 1.0]]) == math.inf
    assert linalg.spectral_norm([[math.inf], [1.0], [0.0]]) == math.inf
    assert linalg.spectral_norm([[1.0, math.nan]]) == math.inf


def test_the_blocks_of_a_non_normal_matrix() -> None:
    Q, A = linalg.orthogonal(5, seed=3), linalg.non_normal(5, 2.0, 1.0, seed=3)
    B = linalg.product(linalg.product(linalg.transpose(Q), A), Q)
    c = 2.0 - 1.0 / 2.0
    expected = [[1.0, c, 0, 0, 0], [0, 1.0, 0, 0, 0], [0, 0, 1.0, c, 0], [0, 0, 0, 1.0, 0], [0, 0, 0, 0, 1.0]]
    assert [entry for row in B for entry in row] == pytest.approx([e for row in expected for e in row], abs=1e-12)
