"""Sums and norms, by every Python."""

from __future__ import annotations

import math
import os
import random
import subprocess
from fractions import Fraction
from math import isqrt

import pytest

from tinygrad_rnn.support.sums import add_up, exact_sum, norm_of

from ..pythons import interpreters
from ..tools.abuse.__main__ import ROOT

PYTHONS = interpreters()
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def drawn(lowest: int, highest: int, count: int) -> list[list[float]]:
    """Vectors of numbers of these exponents of 10."""
    rng = random.Random(0)
    return [
        [rng.gauss(0.0, 1.0) * 10.0 ** rng.randint(lowest, highest) for _ in range(rng.choice([2, 3, 9]))]
        for _ in range(count)
    ]


def test_numbers_are_added_from_left_to_right() -> None:
    assert add_up([1e16, 1.0, -1e16, 1.0]) == 1.0
    assert add_up([]) == 0
    assert add_up(iter([1, 2])) == 3


def test_a_norm_is_that_of_hypot() -> None:
    for numbers in [*drawn(-200, 200, 300), [], [3.0, -4.0], [0.0, -0.0], [math.inf, 1.0], [1e308, 1e308]]:
        assert norm_of(iter(numbers)) == math.hypot(*numbers)
    assert math.isnan(norm_of([math.nan, 1e-310]))


def test_a_norm_of_subnormal_numbers_is_right_to_rounding() -> None:
    unit = 5e-324
    for numbers in drawn(-322, -308, 300):
        square = sum(Fraction(number / unit) ** 2 for number in numbers)
        assert abs(norm_of(numbers) / unit - isqrt(int(square))) <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize("version", PYTHONS, ids=lambda version: ".".join(map(str, version)))
def test_a_norm_has_the_same_digits_in_every_python(version: tuple[int, int]) -> None:
    vectors = drawn(-322, -308, 3000)
    script = f"from tinygrad_rnn.support.sums import norm_of\nfor v in {vectors!r}: print(norm_of(v).hex())"
    done = subprocess.run(
        [PYTHONS[version], "-"], input=script, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.stdout.split() == [norm_of(vector).hex() for vector in vectors], done.stderr


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([], 0.0),
        ([0.1] * 10, 1.0),
        ([1e16, 1.0, -1e16], 1.0),
        ([1e308, 1e308], math.inf),
        ([-1e308, -1e308], -math.inf),
        ([math.inf, 1.0], math.inf),
        ([math.inf, -math.inf], math.nan),
        ([math.nan, math.inf], math.nan),
    ],
)
def test_an_exact_sum_is_rounded_once_and_never_an_error(numbers: list[float], expected: float) -> None:
    assert exact_sum(iter(numbers)) == pytest.approx(expected, rel=0.0, abs=0.0, nan_ok=True)
