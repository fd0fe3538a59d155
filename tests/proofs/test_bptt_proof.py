"""The proof that plain backward() through an unrolled RNN is backpropagation through time.

Four witnesses that share no code with the engine: BPTT of the same recurrence written by hand, PyTorch's nn.RNN
(stored, and live where torch is installed), central differences, and the closed form of the linear recurrence.
"""

from __future__ import annotations

import json
import math
import random
import runpy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_rnn import Linear, RNNCell, ScalarRNNCell, Value, cross_entropy, gradcheck, mse_loss, total, unroll

GOLDEN = Path(__file__).parents[1] / "golden"
STORED: list[dict[str, Any]] = json.loads((GOLDEN / "rnn.json").read_text(encoding="utf-8"))

Numbers = list[float]
Rows = list[list[float]]


# ---- by hand -----------------------------------------------------------------------------------------------------


def bptt_by_hand(
    W: Rows, U: Rows, b: Numbers, x: Rows, h0: Numbers, slopes: dict[int, Numbers]
) -> tuple[Rows, dict[str, Any]]:
    """The states h_0 … h_T, and the gradients of W, U, b, every x_t and every h_t, from the equations.

    Args:
        slopes: ∂L/∂h_t as the loss has it directly, for the steps t that it sees.
    """
    H, D, T = len(W), len(x[0]), len(x)
    h = [h0]
    for t in range(1, T + 1):
        z = [
            sum(W[i][j] * h[t - 1][j] for j in range(H)) + sum(U[i][j] * x[t - 1][j] for j in range(D)) + b[i]
            for i in range(H)
        ]
        h.append([math.tanh(entry) for entry in z])
    dW, dU, db = [[0.0] * H for _ in W], [[0.0] * D for _ in W], [0.0] * H
    dx, dh = [[0.0] * D for _ in x], [[0.0] * H for _ in h]
    carried = [0.0] * H  # ∂L/∂h_t by way of h_{t+1}
    for t in range(T, 0, -1):
        dh[t] = [carried[i] + slopes.get(t, [0.0] * H)[i] for i in range(H)]
        dz = [dh[t][i] * (1.0 - h[t][i] ** 2) for i in range(H)]
        for i in range(H):
            db[i] += dz[i]
            for j in range(H):
                dW[i][j] += dz[i] * h[t - 1][j]
            for j in range(D):
                dU[i][j] += dz[i] * x[t - 1][j]
        dx[t - 1] = [sum(U[i][j] * dz[i] for i in range(H)) for j in range(D)]
        carried = [sum(W[i][j] * dz[i] for i in range(H)) for j in range(H)]
    dh[0] = carried
    return h, {"W": dW, "U": dU, "b": db, "x": dx, "h": dh}


def flat(tree: Any) -> list[Any]:
    return [leaf for entry in tree for leaf in flat(entry)] if isinstance(tree, (list, tuple)) else [tree]


def agree(mine: Any, theirs: Any, digits: int = 12) -> bool:
    """Whether two trees of numbers agree, relative to the largest among them."""
    a, b = flat(mine), flat(theirs)
    return len(a) == len(b) and a == pytest.approx(b, rel=0.0, abs=10.0**-digits * max(map(abs, b)))


def grads(tree: Any) -> Any:
    return [grads(entry) for entry in tree] if isinstance(tree, list) else tree.grad


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6), H=st.integers(1, 4), D=st.integers(1, 3), T=st.integers(1, 15), gain=st.floats(0.1, 3)
)
def test_against_bptt_written_by_hand(seed: int, H: int, D: int, T: int, gain: float) -> None:
    rng = random.Random(seed)
    cell = RNNCell(D, H, seed=seed)
    for w in flat(cell.W):
        w.data *= gain * math.sqrt(H)
    x = [[rng.gauss(0, 1) for _ in range(D)] for _ in range(T)]
    h0 = [rng.gauss(0, 1) for _ in range(H)]
    seen = [t for t in range(1, T + 1) if t == T or rng.random() < 0.5]
    slopes = {t: [rng.gauss(0, 1) for _ in range(H)] for t in seen}
    numbers = cell.state_dict()
    states, expected = bptt_by_hand(numbers["W"], numbers["U"], numbers["b"], x, h0, slopes)

    unrolled = unroll(cell, x, h0)
    total([slope * entry for t in seen for slope, entry in zip(slopes[t], unrolled.h[t])]).backward()

    assert agree([[entry.data for entry in h] for h in unrolled.h.values()], states)
    assert agree(grads(cell.W), expected["W"])
    assert agree(grads(cell.U), expected["U"])
    assert agree(grads(cell.b), expected["b"])
    assert agree(grads(list(unrolled.x.values())), expected["x"])
    assert agree(grads(list(unrolled.h.values())), expected["h"])


@pytest.mark.slow
@given(
    w=st.floats(-2, 2), u=st.floats(-2, 2), b=st.floats(-1, 1), xs=st.lists(st.floats(-2, 2), min_size=1, max_size=30)
)
def test_the_scalar_chain_is_the_product_of_its_factors(w: float, u: float, b: float, xs: list[float]) -> None:
    unrolled = unroll(ScalarRNNCell(w, u, b), xs)
    T = unrolled.T
    unrolled.h[T].backward()
    product = 1.0
    for k in range(T, -1, -1):
        assert math.isclose(unrolled.h[k].grad, product, rel_tol=1e-13, abs_tol=1e-300)
        product *= w * (1.0 - unrolled.h[k].data ** 2)


# ---- PyTorch -------------------------------------------------------------------------------------------------------


def same_step_here(case: dict[str, Any]) -> dict[str, Any]:
    """What this package makes of a case of make_rnn.py."""
    bias = case.get("bias", True)
    cell = RNNCell(case["D"], case["H"], bias=bias, nonlinearity=case.get("nonlinearity", "tanh"))
    readout = Linear(case["H"], case["O"], bias=bias)
    cell.load_state_dict({name: case["state"][name] for name in ("W", "U", "b") if name in case["state"]})
    readout.load_state_dict({name: case["state"][name] for name in ("V", "c") if name in case["state"]})
    unrolled = unroll(cell, case["x"], case["h0"], readout=readout)
    ys = list(unrolled.y.values())
    loss = mse_loss(ys, case["target"]) if case["loss"] == "mse" else cross_entropy(ys, case["target"])
    loss.backward()
    trees = {"W": cell.W, "U": cell.U, "b": cell.b, "V": readout.V, "c": readout.c}
    return {
        "value": loss.data,
        "h": [[entry.data for entry in unrolled.h[t]] for t in range(1, unrolled.T + 1)],
        "gradients": {name: grads(trees[name]) for name in case["gradients"]},
        "x_gradients": grads(list(unrolled.x.values())),
        "h0_gradient": grads(unrolled.h[0]),
    }


def compare(here: dict[str, Any], there: dict[str, Any]) -> None:
    assert here["value"] == pytest.approx(there["value"], rel=1e-12)
    for what in ("h", "x_gradients", "h0_gradient"):
        assert agree(here[what], there[what], digits=11), what
    assert here["gradients"].keys() == there["gradients"].keys()
    for name, gradient in there["gradients"].items():
        assert agree(here["gradients"][name], gradient, digits=11), name


@pytest.mark.parametrize("case", STORED, ids=lambda case: case["name"])
def test_against_the_stored_gradients_of_pytorch(case: dict[str, Any]) -> None:
    compare(same_step_here(case), case)


@pytest.mark.slow
def test_against_pytorch_as_installed() -> None:
    pytest.importorskip("torch")
    today = runpy.run_path(str(GOLDEN / "make_rnn.py"))["run"]()
    assert [case["name"] for case in today] == [case["name"] for case in STORED]
    for case, stored in zip(today, STORED):
        compare(same_step_here(case), case)
        compare(case, stored)


def test_the_comparison_would_notice_a_thousandth() -> None:
    case = STORED[0]
    here = same_step_here(case)
    here["gradients"]["W"][1][2] *= 1.001
    with pytest.raises(AssertionError):
        compare(here, case)


# ---- central differences ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), H=st.integers(1, 3), T=st.integers(1, 8), classes=st.booleans())
def test_against_central_differences(seed: int, H: int, T: int, classes: bool) -> None:
    rng = random.Random(seed)
    cell, readout = RNNCell(2, H, seed=rng), Linear(H, 3, seed=rng)
    x = [[Value(rng.gauss(0, 1)) for _ in range(2)] for _ in range(T)]
    h0 = [Value(rng.gauss(0, 1)) for _ in range(H)]

    def loss(*_: Value) -> Value:
        ys = list(unroll(cell, x, h0, readout=readout).y.values())
        return cross_entropy(ys, [t % 3 for t in range(T)]) if classes else mse_loss(ys, [[0.1, 0.2, 0.3]] * T)

    assert gradcheck(loss, [*cell.parameters(), *readout.parameters(), *flat(x), *h0])


# ---- the closed form -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("w", [0.5, -0.5, 1.0, 2.0, -2.0, 0.25])
@pytest.mark.parametrize("T", [1, 2, 10, 100])
def test_the_linear_recurrence_follows_the_law_exactly(w: float, T: int) -> None:
    # h_T = Σ w^(T-k) u x_k. With powers of two there is no rounding, so nothing but equality will do.
    xs = [float(1 + k % 3) for k in range(1, T + 1)] if abs(w) in (1.0, 2.0) and T <= 10 else [1.0] + [0.0] * (T - 1)
    u = 4.0
    cell = ScalarRNNCell(w, u, 0.0, "identity")
    unrolled = unroll(cell, xs)
    unrolled.h[T].backward()
    for k in range(1, T + 1):
        assert unrolled.h[k].grad == w ** (T - k)
        assert unrolled.x[k].grad == u * w ** (T - k)
    assert unrolled.h[0].grad == w**T
    assert unrolled.h[T].data == sum(w ** (T - k) * u * x for k, x in enumerate(xs, 1))
    assert cell.u.grad == sum(w ** (T - k) * x for k, x in enumerate(xs, 1))
    assert cell.w.grad == sum((T - k) * w ** (T - k - 1) * u * x for k, x in enumerate(xs, 1) if k < T)


@pytest.mark.slow
@given(w=st.floats(-1.5, 1.5), xs=st.lists(st.floats(-3, 3), min_size=1, max_size=40))
def test_the_linear_recurrence_follows_the_law(w: float, xs: list[float]) -> None:
    cell = ScalarRNNCell(w, 1.0, 0.0, "identity")
    unrolled = unroll(cell, xs)
    T = unrolled.T
    unrolled.h[T].backward()
    for k in range(T + 1):
        assert math.isclose(unrolled.h[k].grad, w ** (T - k), rel_tol=1e-14 * T, abs_tol=1e-300)
    terms = [w ** (T - k) * x for k, x in enumerate(xs, 1)]
    assert math.isclose(cell.u.grad, math.fsum(terms), rel_tol=1e-12, abs_tol=1e-14 * T * max(map(abs, terms)) + 1e-300)
    by_b = math.fsum(w ** (T - k) for k in range(1, T + 1))
    assert math.isclose(cell.b.grad, by_b, rel_tol=1e-12, abs_tol=1e-13 * T * max(1.0, abs(w) ** T))


def test_gradients_vanish_below_one_and_explode_above() -> None:
    for w, law in ((0.9, 0.9**100), (1.1, 1.1**100)):
        unrolled = unroll(ScalarRNNCell(w, 1.0, 0.0, "identity"), [0.01] * 100)
        unrolled.h[100].backward()
        assert unrolled.h[0].grad == pytest.approx(law, rel=1e-12)


def test_two_passes_over_one_unrolling_are_twice_the_gradient() -> None:
    cell = RNNCell(1, 3)
    unrolled = unroll(cell, [[0.5]] * 6)
    loss = mse_loss(unrolled.h[6], [0.0, 0.1, 0.2])
    loss.backward()
    once = [p.grad for p in cell.parameters()]
    inner = [entry.grad for entry in unrolled.h[2]]
    loss.backward()
    assert agree([p.grad for p in cell.parameters()], [2.0 * g for g in once], digits=14)
    assert [entry.grad for entry in unrolled.h[2]] == inner
