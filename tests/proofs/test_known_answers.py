"""Problems whose gradients, full and truncated, are known in closed form or from the literature."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import Unrolled, Value, no_grad, unroll
from tinygrad_rnn.bptt.anatomy import anatomy
from tinygrad_rnn.bptt.jacobian import jacobian
from tinygrad_rnn.bptt.truncated import truncated_bptt
from tinygrad_rnn.bptt.truncation import truncation

# ---- the linear recurrence x_t = w x_{t-1}: ∂x_T/∂w = T x_0 w^(T-1), in equal parts from each use ------------------


def power_of(w: Value, T: int, x0: float) -> Unrolled:
    return unroll(lambda _, x: w * x, [0.0] * T, h0=x0)


@given(st.integers(1, 40), st.floats(-1.5, 1.5), st.floats(-2, 2))
def test_the_linear_recurrence(T: int, w_number: float, x0: float) -> None:
    w = Value(w_number, label="w")
    unrolled = power_of(w, T, x0)
    unrolled.h[T].backward()
    part = x0 * w_number ** (T - 1)
    assert w.grad == pytest.approx(T * part, rel=1e-12, abs=1e-290)
    for contribution in anatomy(unrolled, unrolled.h[T], w).by_use_step().values():
        assert contribution == pytest.approx(part, rel=1e-12, abs=1e-290)


@pytest.mark.parametrize(
    ("k1", "k2", "gradient"),
    [(3, 3, 0.108), (1, 1, 0.036), (1, 2, 0.072), (1, 3, 0.108), (2, 2, 0.036), (2, 3, 0.072), (2, 4, 0.108)],
)
def test_three_steps_and_what_each_truncation_gives(k1: int, k2: int, gradient: float) -> None:
    # 3 w² x_0 in full, w² x_0 per use. Chunks of 2 end after step 2, so that only the use at step 3 counts.
    w = Value(0.2, label="w")
    truncated_bptt(lambda _, x: w * x, [0.0] * 3, [None, None, 0.0], k1, k2, h0=0.9, loss=lambda x, _: x)
    assert w.grad == pytest.approx(gradient, rel=1e-14)
    full = power_of(Value(0.2, label="w"), 3, 0.9)
    (shared,) = [node for node in full.h[3].parents if node is not full.h[2]]
    assert truncation(anatomy(full, full.h[3], shared), k1, k2).kept.total() == w.grad


# ---- influence balancing (Tallec and Ollivier 2018, "Unbiased online recurrent optimization", section 5.2) -------


SIGNS = [1.0] * 10 + [-1.0] * 13


def influence_balancing(theta: Value, T: int) -> Unrolled:
    """x_t = A x_{t-1} + θ·(1, … 1, -1, … -1), with ½ on the diagonal of A and above it; n = 23."""

    def cell(_: Value, x: list[Value]) -> list[Value]:
        following = [*x[1:], Value(0.0)]
        return [0.5 * a + 0.5 * b + sign * theta for a, b, sign in zip(x, following, SIGNS)]

    return unroll(cell, [0.0] * T, h0=[0.0] * len(SIGNS))


def test_influence_balancing() -> None:
    theta = Value(0.0, label="θ")
    unrolled = influence_balancing(theta, 200)
    by_lag = anatomy(unrolled, unrolled.h[200][0], theta).by_lag()
    truncated = [sum(by_lag[lag] for lag in range(K)) for K in range(201)]
    assert truncated[200] == pytest.approx(-6.0, abs=1e-6)  # 2·(10 - 13): (I - A)^-1 sums along the row
    assert max(truncated) == truncated[19] == pytest.approx(16.48, abs=0.005)
    assert all(gradient > 0.0 for gradient in truncated[1:41])
    assert all(gradient < 0.0 for gradient in truncated[41:])
    # The loss ½(x_0 - 1)² has the gradient (x_0 - 1) ∂x_0/∂θ, which at θ = 0 is -∂x_0/∂θ.
    loss = 0.5 * (unrolled.h[200][0] - 1.0) ** 2
    assert anatomy(unrolled, loss, theta).total() == pytest.approx(6.0, abs=1e-6)


@pytest.mark.parametrize(("K", "sign"), [(1, 1), (19, 1), (40, 1), (41, -1)])
def test_truncation_gets_influence_balancing_wrong(K: int, sign: int) -> None:
    theta = Value(0.0, label="θ")
    cell = influence_balancing(theta, 1).cell
    T = 3 * K  # at θ = 0 the state stays at 0, so that the length does not matter
    truncated_bptt(
        cell, [0.0] * T, [None] * (T - 1) + [0.0], K, K, h0=[0.0] * 23, loss=lambda x, _: 0.5 * (x[0] - 1.0) ** 2
    )
    assert -theta.grad * sign > 0.0


# ---- the unit of Pascanu, Mikolov and Bengio (2013), section 2.3: x_t = w σ(x_{t-1}) + b -------------------------


def unit(w: Value, b: Value, T: int = 50, x0: float = 0.5) -> Unrolled:
    return unroll(lambda _, x: w * x.sigmoid() + b, [0.0] * T, h0=x0)


def error(w: Value, b: Value) -> Value:
    return (unit(w, b).h[50].sigmoid() - 0.7) ** 2


def error_and_slope(b_number: float) -> tuple[float, float]:
    w, b = Value(5.0), Value(b_number)
    E = error(w, b)
    E.backward()
    return E.data, b.grad


@pytest.mark.slow
def test_there_is_a_wall() -> None:
    left, right = error_and_slope(-2.65), error_and_slope(-2.58)
    assert left == pytest.approx((0.3502, -0.2208), abs=5e-4)
    assert right == pytest.approx((0.0149, 0.1334), abs=5e-4)
    steepest, b = min((error_and_slope(b)[1], b) for b in [-2.62 + 0.00001 * i for i in range(1500)])
    assert b == pytest.approx(-2.6123, abs=1e-4)
    assert steepest < -5000.0


def test_norm_clipping_keeps_a_step_at_the_wall_short() -> None:
    rate, most = 0.01, 1.0

    def descend(clip: bool) -> tuple[float, float, float]:
        w, b = Value(5.0), Value(-2.61234)
        for _ in range(5):
            w.zero_grad()
            b.zero_grad()
            E = error(w, b)
            E.backward()
            norm = math.hypot(w.grad, b.grad)
            factor = rate * min(1.0, most / norm) if clip else rate
            w.data, b.data = w.data - factor * w.grad, b.data - factor * b.grad
        return E.data, b.data, b.grad

    E, b, slope = descend(clip=False)  # thrown far off, to where σ is flat: E = (1 - 0.7)², and no way back
    assert b > 20.0
    assert abs(E - 0.09) < 1e-6
    assert abs(slope) < 1e-6
    E, b, _ = descend(clip=True)  # a step of length 0.01 down the wall, and on along the valley
    assert b == pytest.approx(-2.61, abs=0.02)
    assert E < 0.02


def test_bifurcations() -> None:
    """Two folds of x = 5 σ(x) + b, where the slope 5 σ'(x) of the map is 1: σ(x) = (1 ± √0.2) / 2."""
    upper, lower = (
        x - 5.0 * Value(x).sigmoid().data
        for x in (math.log(s / (1.0 - s)) for s in ((1 + math.sqrt(0.2)) / 2, (1 - math.sqrt(0.2)) / 2))
    )
    assert upper == pytest.approx(-2.65561, abs=5e-6)
    assert lower == pytest.approx(-2.34439, abs=5e-6)

    @no_grad()
    def ends(b: float) -> tuple[float, float]:
        low, high = (unit(Value(5.0), Value(b), 3000, x0).h[3000].data for x0 in (-5.0, 5.0))
        return low, high

    for b, attractors in ((upper - 1e-3, 1), (upper + 1e-3, 2), (lower - 1e-3, 2), (lower + 1e-3, 1)):
        low, high = ends(b)
        assert (high - low > 0.1) == (attractors == 2), b


def test_at_a_fold_the_jacobian_is_one() -> None:
    x = math.log((1 + math.sqrt(0.2)) / (1 - math.sqrt(0.2)))
    unrolled = unit(Value(5.0), Value(-2.65561), 1, x)
    assert jacobian(unrolled, 1)[0][0] == pytest.approx(1.0, rel=1e-12)
