"""Plain ``backward()`` through an unrolled cell is backpropagation through time: proofs, names and errors."""

from __future__ import annotations

import copy
import math
import pickle
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import Linear, RNNCell, ScalarRNNCell, Value, cross_entropy, gradcheck, mse_loss, total, unroll
from tinygrad_rnn.backward import topological_order
from tinygrad_rnn.errors import ArgumentError, DataError, ShapeError

seeds = st.integers(0, 10_000)


def numbers(rng: random.Random, *shape: int) -> Any:
    if not shape:
        return rng.uniform(-1.0, 1.0)
    return [numbers(rng, *shape[1:]) for _ in range(shape[0])]


def bptt_by_hand(W: Any, U: Any, b: Any, V: Any, c: Any, xs: Any, targets: Any) -> tuple[float, dict[str, Any]]:
    """Loss and gradients of the RNN with a squared error at every step, by the textbook's two loops over time."""
    H, T = len(W), len(xs)
    h = [[0.0] * H]
    ys = []
    for x in xs:
        z = [
            sum(W[i][j] * h[-1][j] for j in range(H)) + sum(U[i][j] * x[j] for j in range(len(x))) + b[i]
            for i in range(H)
        ]
        h.append([math.tanh(v) for v in z])
        ys.append([sum(V[o][i] * h[-1][i] for i in range(H)) + c[o] for o in range(len(V))])
    loss = sum((y - g) ** 2 for row, goal in zip(ys, targets) for y, g in zip(row, goal))
    dW = [[0.0] * H for _ in range(H)]
    dU = [[0.0] * len(xs[0]) for _ in range(H)]
    dV = [[0.0] * H for _ in V]
    db, dc, carried = [0.0] * H, [0.0] * len(V), [0.0] * H
    for t in range(T, 0, -1):
        dy = [2.0 * (y - g) for y, g in zip(ys[t - 1], targets[t - 1])]
        dh = [carried[i] + sum(V[o][i] * dy[o] for o in range(len(V))) for i in range(H)]
        dz = [dh[i] * (1.0 - h[t][i] ** 2) for i in range(H)]
        for o in range(len(V)):
            dc[o] += dy[o]
            for i in range(H):
                dV[o][i] += dy[o] * h[t][i]
        for i in range(H):
            db[i] += dz[i]
            for j in range(H):
                dW[i][j] += dz[i] * h[t - 1][j]
            for j in range(len(xs[0])):
                dU[i][j] += dz[i] * xs[t - 1][j]
        carried = [sum(dz[i] * W[i][j] for i in range(H)) for j in range(H)]
    return loss, {"W": dW, "U": dU, "b": db, "V": dV, "c": dc, "h0": carried}


def grads(tree: Any) -> Any:
    return [grads(entry) for entry in tree] if isinstance(tree, list) else tree.grad


def close(ours: Any, theirs: Any) -> None:
    if isinstance(ours, list):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs):
            close(a, b)
    else:
        assert ours == pytest.approx(theirs, rel=1e-11, abs=1e-12)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.integers(1, 7), seeds)
def test_it_is_the_bptt_of_the_textbook(H: int, D: int, O: int, T: int, seed: int) -> None:  # noqa: E741
    rng = random.Random(seed)
    cell, readout = RNNCell(D, H, seed=rng), Linear(H, O, seed=rng)
    xs, targets = numbers(rng, T, D), numbers(rng, T, O)
    state = {**cell.state_dict(), **readout.state_dict()}
    loss, expected = bptt_by_hand(*(state[name] for name in ("W", "U", "b", "V", "c")), xs, targets)
    unrolled = unroll(cell, xs, readout=readout)
    ours = total([(y - g) ** 2 for t in range(1, T + 1) for y, g in zip(unrolled.y[t], targets[t - 1])])
    ours.backward()
    assert ours.data == pytest.approx(loss, rel=1e-12)
    for name, tree in (("W", cell.W), ("U", cell.U), ("b", cell.b), ("V", readout.V), ("c", readout.c)):
        close(grads(tree), expected[name])
    close(grads(unrolled.h[0]), expected["h0"])


@given(st.floats(-1.5, 1.5), st.floats(-2, 2), st.integers(1, 30))
def test_the_linear_recurrence_has_a_closed_form(w: float, x: float, T: int) -> None:
    unrolled = unroll(ScalarRNNCell(w=w, u=1.0, nonlinearity="identity"), [x] + [0.0] * (T - 1))
    h = unrolled.h
    assert h[T].data == pytest.approx(x * w ** (T - 1), rel=1e-12, abs=1e-300)
    h[T].backward()
    for k in range(T + 1):
        assert h[k].grad == pytest.approx(w ** (T - k), rel=1e-12, abs=1e-300)
    # ∂h_T/∂w = (T - 1) x w^(T-2)
    expected = (T - 1) * x * w ** (T - 2) if T > 1 else 0.0
    assert unrolled.cell.w.grad == pytest.approx(expected, rel=1e-11, abs=1e-300)


@given(seeds)
def test_central_differences_agree(seed: int) -> None:
    rng = random.Random(seed)
    cell, readout = RNNCell(2, 3, seed=rng), Linear(3, 4, seed=rng)
    xs, classes = numbers(rng, 4, 2), [rng.randrange(4) for _ in range(4)]

    def loss(*_: Value) -> Value:
        return cross_entropy(list(unroll(cell, xs, readout=readout).y.values()), classes)

    assert gradcheck(loss, cell.parameters() + readout.parameters())


def test_every_node_has_a_name_and_a_time_step() -> None:
    cell, readout = RNNCell(2, 2, seed=0), Linear(2, 1, seed=1)
    unrolled = unroll(cell, [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], readout=readout)
    loss = mse_loss([unrolled.y[t] for t in (1, 2, 3)], [[0.0], [1.0], [0.0]])
    assert [unrolled.h[3][1].label, unrolled.z[2][0].label, unrolled.x[1][1].label] == ["h_3[1]", "z_2[0]", "x_1[1]"]
    assert [unrolled.h[0][0].label, unrolled.y[3][0].label] == ["h_0[0]", "y_3[0]"]
    assert cell.W[0][1].label == "W[0,1]"
    steps = unrolled.steps_of([loss])
    for node in topological_order(loss):
        assert node.name
        assert steps[node] == unrolled.step_of(node)
    assert {steps[p] for p in cell.parameters() + readout.parameters()} == {None}
    assert {steps[h] for h in unrolled.h[2]} == {2}
    assert steps[loss] == 3
    product = next(node for node in topological_order(loss) if node.op == "mul" and node.time_step == 2)
    assert "·" in product.name


def test_scalar_cells_take_their_weights_directly() -> None:
    w = Value(0.5, label="mine")
    unrolled = unroll(ScalarRNNCell(w=w, u=2.0, b=0.25), [1.0, -1.0])
    assert unrolled.h[1].data == math.tanh(2.25)
    assert unrolled.h[2].label == "h_2"
    unrolled.h[2].backward()
    assert w.grad != 0.0


def test_any_function_is_a_cell() -> None:
    w = Value(0.5, label="w")
    unrolled = unroll(lambda x, h: (w * h + x).tanh(), [1.0, 2.0], h0=0.0)
    assert unrolled.h[2].label == "h_2"
    pair = unroll(lambda x, h, c: (h + c, c * x), [1.0, 2.0], h0=(1.0, 1.0))
    assert pair["c"][2].label == "c_2"


def test_seeds_make_models_reproducible() -> None:
    assert RNNCell(2, 3, seed=5).state_dict() == RNNCell(2, 3, seed=5).state_dict()
    assert RNNCell(2, 3, seed=5).state_dict() != RNNCell(2, 3, seed=6).state_dict()
    rng = random.Random(5)
    first, second = RNNCell(2, 3, seed=rng), RNNCell(2, 3, seed=rng)
    assert first.state_dict() == RNNCell(2, 3, seed=5).state_dict() != second.state_dict()


def test_a_state_dict_goes_round_or_changes_nothing() -> None:
    cell, other = RNNCell(2, 3, seed=0), RNNCell(2, 3, seed=1)
    other.load_state_dict(cell.state_dict())
    assert other.state_dict() == cell.state_dict()
    before = cell.state_dict()
    for spoil, error, match in (
        (lambda s: s.pop("b"), ArgumentError, "missing b"),
        (lambda s: s.update(q=[1.0]), ArgumentError, "unknown q"),
        (lambda s: s.update(W=[[1.0]]), ShapeError, r"parameter W has shape \(3, 3\), .* \(1, 1\)"),
        (lambda s: s["U"][2].pop(), ShapeError, r"U\[2\]"),
        (lambda s: s["U"][2].__setitem__(1, "x"), TypeError, "'x'"),
    ):
        state = copy.deepcopy(other.state_dict())
        state["W"][0][0] = 99.0
        spoil(state)
        with pytest.raises(error, match=match):
            cell.load_state_dict(state)
        assert cell.state_dict() == before


def test_tied_parameters_are_listed_once_and_zeroed() -> None:
    cell = RNNCell(1, 1, seed=0)
    cell.U[0][0] = cell.W[0][0]
    assert [name for name, _ in cell.named_parameters()] == ["W[0,0]", "b[0]"]
    unroll(cell, [[1.0], [1.0]]).h[2][0].backward()
    assert all(p.grad for p in cell.parameters())
    cell.zero_grad()
    assert not any(p.grad for p in cell.parameters())


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: unroll(ScalarRNNCell(), []), ArgumentError, "empty"),
        (lambda: unroll(ScalarRNNCell(), [1.0, math.nan]), DataError, r"x_2 is nan .*time step 2"),
        (lambda: unroll(RNNCell(2, 3), [[1.0, 2.0], [1.0]]), ShapeError, r"x is 1 numbers.*U is 3 × 2.*time step 2"),
        (lambda: unroll(RNNCell(2, 3), [1.0]), ShapeError, "U is 3 × 2"),
        (lambda: unroll(RNNCell(2, 3), [[1.0, 2.0]], h0=[0.0]), ShapeError, "W is 3 × 3"),
        (lambda: unroll(lambda x, h: h, [1.0]), ArgumentError, "h0"),
        (lambda: RNNCell(0, 3), ArgumentError, "input_size is 0"),
        (lambda: RNNCell(2, -3), ArgumentError, "hidden_size is -3"),
        (lambda: RNNCell(2, 3, nonlinearity="sin"), ArgumentError, "tanh, relu, identity"),
        (lambda: cross_entropy([Value(1.0)], 1), ArgumentError, "target 1"),
        (lambda: mse_loss([Value(1.0)], [1.0, 2.0]), ShapeError, r"\(1,\).*\(2,\)"),
    ],
)
def test_mistakes_are_named(call: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize("large", [0.0, 1000.0, -1000.0])
def test_cross_entropy_is_stable(large: float) -> None:
    logits = [Value(large), Value(large + 1.0), Value(-large)]
    loss = cross_entropy(logits, 0)
    loss.backward()
    assert math.isfinite(loss.data)
    assert sum(v.grad for v in logits) == pytest.approx(0.0, abs=1e-12)
    assert all(math.isfinite(v.grad) for v in logits)


def test_copies_of_an_unrolling_keep_who_is_who() -> None:
    unrolled = unroll(RNNCell(1, 2, seed=0), [[1.0], [2.0], [3.0]])
    loss = mse_loss(unrolled.h[3], [0.0, 0.0])
    loss.backward()
    for twin, twin_loss in (copy.deepcopy((unrolled, loss)), pickle.loads(pickle.dumps((unrolled, loss)))):
        assert twin.h[3][0] in topological_order(twin_loss)
        twin.cell.zero_grad()
        twin_loss.backward()
        assert [p.grad for p in twin.cell.parameters()] == [p.grad for p in unrolled.cell.parameters()]
