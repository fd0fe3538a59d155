"""Numbers as they are written into pictures."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.pictures.text import clipped, fitted, number, power, power_of_ten, width


def read(text: str) -> float:
    """The number that a text stands for."""
    match = re.fullmatch(r"(−?)([\d.]*?)(?:×?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", text)
    assert match, text
    sign, mantissa, power = match.groups()
    exponent = (power or "⁰").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    return float(f"{'-' if sign else ''}{mantissa or 1}e{exponent}")


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (0.5, "0.5"),
        (0.4999999, "0.500"),
        (-0.0299816, "−0.0300"),
        (0.00123456, "0.00123"),
        (0.000123456, "1.23×10⁻⁴"),
        (1e-5, "10⁻⁵"),
        (1234.0, "1230"),
        (9999.0, "1.00×10⁴"),
        (1.5e300, "1.5×10³⁰⁰"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "NaN"),
    ],
)
def test_numbers(x: float, text: str) -> None:
    assert number(x) == text


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_a_number_is_off_by_at_most_half_of_its_third_digit(x: float) -> None:
    assert math.isclose(read(number(x)), x, rel_tol=0.0051) or abs(x) > 1.79e308
    assert len(number(x)) <= 12


@given(st.floats(-290, 290), st.sampled_from([1.0, -1.0]))
def test_a_number_given_by_its_logarithm(log10: float, sign: float) -> None:
    assert math.isclose(read(power_of_ten(sign, log10)), sign * 10.0**log10, rel_tol=0.0051)


def test_a_logarithm_beyond_doubles() -> None:
    assert power_of_ten(-1.0, -602.06) == "−8.71×10⁻⁶⁰³"
    assert power_of_ten(1.0, 999.9999) == "1.00×10¹⁰⁰⁰"
    assert power_of_ten(1.0, -math.inf) == "0"
    assert power_of_ten(1.0, math.inf) == "∞"
    assert power_of_ten(1.0, math.nan) == "NaN"


def test_text_is_clipped_to_one_line() -> None:
    assert clipped("a\n b", 10) == "a b"
    assert clipped("abcdef", 4) == "abc…"
    assert width("mmmm", 10.0) > width("iiii", 10.0)


@pytest.mark.parametrize(
    ("base", "written"),
    [(0.9, "0.9¹²"), (-3.0, "(−3)¹²"), (1.5e-5, "(1.5×10⁻⁵)¹²"), (1e200, "(10²⁰⁰)¹²"), (math.inf, "(∞)¹²")],
)
def test_a_power_has_one_exponent(base: float, written: str) -> None:
    """Not 10²⁰⁰¹²."""
    assert power(base, 12) == written


def test_a_rounded_number_does_not_look_like_a_power_of_ten() -> None:
    room = width("−1×10⁵", 15.0)
    assert fitted(-1.34e5, room, 15.0) == "−1×10⁵"
    assert fitted(-1e5, room, 15.0) == "−10⁵"
