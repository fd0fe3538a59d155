"""Fast mode: its exp, tanh and sigmoid within the stated bound over all doubles, its results close to exact."""

from __future__ import annotations

import ctypes
import math
import random
import struct
from functools import cache

import mpmath
import pytest

from tinygrad_rnn import Linear, Value, cross_entropy
from tinygrad_rnn.compile import Number, Recurrence, Symbols, compile
from tinygrad_rnn.compile.elementary import COEFFICIENTS, FAST_ULP, definitions
from tinygrad_rnn.compile.emit import function, vector_type
from tinygrad_rnn.compile.native import Native
from tinygrad_rnn.nn import LSTMCell

SPECIAL = [
    *(0.0, -0.0, math.inf, -math.inf, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-300, 1e308, -1e308),
    *(709.782712893384, 709.7827128933841, -708.4, -744.4, -745.1332191019412, -745.2, 19.06, 22.0, -22.0),
]


@cache
def native_map(op: str, width: int):
    """Apply a fast function to ``width`` numbers in memory."""
    kind = vector_type(width)
    text = (
        definitions({(op, width)}, fast=True)
        + f"""
define i64 @map(ptr %call) {{
  %from = load ptr, ptr %call
  %a = load {kind}, ptr %from, align 8
  %r = call {kind} {function(op, width)}({kind} %a)
  store {kind} %r, ptr %from, align 8
  ret i64 0
}}
"""
    )
    native = Native(text, "map")
    run = native.call

    def apply(numbers: list[float]) -> list[float]:
        memory = (ctypes.c_double * width)(*numbers)
        address = ctypes.c_void_p(ctypes.addressof(memory))
        run(ctypes.addressof(address))
        return list(memory)

    apply.native = native
    return apply


def points(count: int) -> list[float]:
    """Doubles from everywhere: of any exponent, around 0, and where the functions change their course."""
    rng = random.Random(0)
    anywhere = [struct.unpack("<d", rng.randbytes(8))[0] for _ in range(count)]
    near = [rng.uniform(-limit, limit) for limit in (1e-8, 0.4, 1.0, 3.0, 25.0, 750.0) for _ in range(count)]
    halves = [(k + 0.5) * math.log(2.0) / 2 + rng.uniform(-1e-9, 1e-9) for k in range(-200, 200)]
    every = [*SPECIAL, *(x for x in anywhere if not math.isnan(x)), *near, *halves]
    return every + [0.0] * (-len(every) % 8)


def error_in_ulp(got: float, exact) -> float:
    if math.isinf(got):
        return 0.0 if abs(exact) >= mpmath.mpf(2) ** 1024 * (1 - mpmath.mpf(2) ** -54) else math.inf
    unit = math.ulp(float(exact))
    return float(abs(got - exact) / mpmath.mpf(unit))


@pytest.mark.parametrize("width", [1, 4, 8])
@pytest.mark.parametrize("op", ["exp", "tanh"])
def test_largest_error(op, width):
    apply = native_map(op, width)
    exact = getattr(mpmath, op)
    xs, worst = points(600), (0.0, 0.0)
    with mpmath.workprec(160):
        for i in range(0, len(xs), width):
            for x, got in zip(xs[i : i + width], apply(xs[i : i + width])):
                if math.isinf(x):
                    assert got == {"exp": math.inf if x > 0 else 0.0, "tanh": math.copysign(1.0, x)}[op]
                    continue
                if (op == "exp" and x < -800) or (op == "tanh" and abs(x) > 40):  # where mpmath takes long
                    assert got == (0.0 if op == "exp" else math.copysign(1.0, x))
                    continue
                if op == "exp" and x > 800:
                    assert got == math.inf
                    continue
                worst = max(worst, (error_in_ulp(got, exact(mpmath.mpf(x))), x))
    print(op, width, worst)
    assert worst[0] <= FAST_ULP[op], worst


def test_sigmoid_as_the_op_table_writes_it():
    a = Value(0.0)
    compiled = compile(a.sigmoid(), mode="fast")
    worst = (0.0, 0.0)
    with mpmath.workprec(160):
        for x in points(150):
            if abs(x) < 745:
                exact = 1 / (1 + mpmath.exp(-mpmath.mpf(x)))
                worst = max(worst, (error_in_ulp(compiled.forward([x]), exact), x))
    print("sigmoid", worst)
    assert worst[0] <= FAST_ULP["sigmoid"], worst


@pytest.mark.parametrize("op", ["exp", "tanh"])
def test_nan_stays_nan_and_the_sign_of_zero_is_kept(op):
    apply = native_map(op, 8)
    got = apply([math.nan, -math.nan, 0.0, -0.0, 5e-324, -5e-324, math.inf, -math.inf])
    assert math.isnan(got[0])
    assert math.isnan(got[1])
    if op == "tanh":
        assert [math.copysign(1.0, y) for y in got[2:6]] == [1.0, -1.0, 1.0, -1.0]
        assert got[4] == 5e-324


def test_coefficients_are_what_the_comment_says():
    with mpmath.workdps(40):
        edge = mpmath.log(2) / 2

        def exact(r):
            return (mpmath.expm1(r) - r) / r**2

        for i in range(-50, 51):
            r = edge * i / 50 + mpmath.mpf("1e-6")
            fitted = mpmath.polyval([mpmath.mpf(c) for c in COEFFICIENTS[::-1]], r)
            assert abs(fitted - exact(r)) < 2e-17


def test_results_are_close_to_exact_mode():
    rng = random.Random(0)
    x = [[rng.randrange(6) for _ in range(20)] for _ in range(11)]
    target = [[rng.randrange(6) for _ in range(20)] for _ in range(11)]
    exact, fast = (
        Recurrence(LSTMCell(6, 5), Symbols(6), cross_entropy, Symbols(6), Linear(5, 6), mode=mode)
        for mode in ("exact", "fast")
    )
    a, b = exact.forward_backward(x, target), fast.forward_backward(x, target)
    assert a.loss == pytest.approx(b.loss, rel=1e-13)
    assert list(a.gradients) == pytest.approx(list(b.gradients), rel=1e-11, abs=1e-13)
    assert list(a.gradients) != list(b.gradients)  # else this tests nothing


def test_another_order_may_leave_the_range_of_doubles_as_the_limits_say():
    w = Value(0.0, label="w")

    def last(factor: float, x: float, mode: str) -> float:
        program = Recurrence(lambda x, h: x * factor * factor + w * h, Number(), lambda h: h * 1.0, h0=0.0, mode=mode)
        return program.forward([[x]]).loss

    cases = [(1e200, 0.0), (1e200, 1e-300), (1e-200, 1e300)]
    assert [last(*case, "exact") for case in cases] == [0.0, pytest.approx(1e100), pytest.approx(1e-100)]
    assert [repr(last(*case, "fast")) for case in cases] == ["nan", "inf", "0.0"]
