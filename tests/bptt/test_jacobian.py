"""The recurrent Jacobians, their products, their norms and what bounds these."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import RNNCell, ScalarRNNCell, Value, unroll
from tinygrad_rnn.bptt.jacobian import chain_norms, jacobian, jacobian_products
from tinygrad_rnn.engine.backward import gradients, topological_order
from tinygrad_rnn.errors import ArgumentError, GraphError
from tinygrad_rnn.nn import linalg as matrices

from ..random_problems import GatedCell, Problem, problems, rounding

sizes = st.integers(1, 6)
seeds = st.integers(0, 2**32)


@given(problems(kinds=("scalar", "vector")))
def test_a_jacobian_is_tanh_prime_times_the_weights(problem: Problem) -> None:
    unrolled, _ = problem.unroll()
    slope = {"tanh": lambda h: 1.0 - h * h, "relu": lambda h: float(h > 0), "identity": lambda h: 1.0}
    for t in range(1, problem.steps + 1):
        J = jacobian(unrolled, t)
        W = [[problem.cell.w]] if isinstance(problem.cell, ScalarRNNCell) else problem.cell.W
        for i, h in enumerate(unrolled.state(t)):
            assert J[i] == [pytest.approx(slope[problem.cell.nonlinearity](h.data) * w.data, rel=1e-15) for w in W[i]]


@given(problems())
def test_the_product_of_jacobians_is_what_backward_finds(problem: Problem) -> None:
    # ∂h_T/∂h_k, row by row. What one part of the state gets through another of the same time step (h_k depends
    # on c_k) counts for the state as a whole, so this identity is about cells that carry h alone.
    unrolled, _ = problem.unroll()
    if len(unrolled.state_names) > 1:
        return
    T = problem.steps
    products = {k: product for k, product, _ in jacobian_products(unrolled)}
    for i, root in enumerate(unrolled.state(T)):
        bounds = rounding(root, more_roundings=4 * len(unrolled.state(T)) * T)
        for k in range(T + 1):
            nodes = unrolled.state(k)
            row = products[k][i]
            for node, entry, exact in zip(nodes, row, gradients(root, nodes)):
                assert abs(entry - exact) <= bounds.get(node, 0.0)


@given(st.integers(1, 3), st.integers(1, 5), seeds)
def test_a_state_of_several_parts_is_one_vector(H: int, T: int, seed: int) -> None:
    # The initial state is made of leaves, so that there the product is all there is.
    unrolled = unroll(GatedCell(2, H, seed), [[0.3, -0.7]] * T)
    *_, (_, whole, _) = jacobian_products(unrolled)
    for root, row in zip(unrolled.state(T), whole):
        assert row == pytest.approx(gradients(root, unrolled.state(0)), rel=1e-9, abs=1e-12)
    assert [row[H:] for row in jacobian(unrolled, 1)[H:]] == jacobian(unrolled, 1, of=["c"], by=["c"])
    # ∂c_1/∂c_0 = diag(f_1), h_0 held fixed: the constant error path.
    for i, row in enumerate(jacobian(unrolled, 1, of=["c"], by=["c"])):
        assert row == [unrolled["f"][1][i].data * (i == j) for j in range(H)]


@given(st.integers(1, 3), seeds)
def test_a_jacobian_agrees_with_central_differences(H: int, seed: int) -> None:
    rng = random.Random(seed)
    cell = GatedCell(1, H, seed)
    state = [rng.gauss(0, 1) for _ in range(2 * H)]

    def after(numbers: list[float]) -> list[float]:
        named = cell.step([Value(0.5)], [Value(n) for n in numbers[:H]], [Value(n) for n in numbers[H:]])
        return [node.data for node in (*named["h"], *named["c"])]

    unrolled = unroll(cell, [[0.5]], h0=(state[:H], state[H:]))
    for j, column in enumerate(zip(*jacobian(unrolled, 1))):
        above, below = list(state), list(state)
        above[j] += 1e-5
        below[j] -= 1e-5
        numeric = [(a - b) / 2e-5 for a, b in zip(after(above), after(below))]
        assert list(column) == pytest.approx(numeric, rel=1e-6, abs=1e-8)


@given(problems())
def test_gradients_are_left_as_they_were(problem: Problem) -> None:
    unrolled, losses = problem.unroll()
    root = losses[problem.steps]
    root.backward()
    nodes = topological_order(root)
    before = [node._grad for node in nodes]
    list(jacobian_products(unrolled))
    assert [node._grad for node in nodes] == before


def test_a_state_that_stays_is_the_identity() -> None:
    unrolled = unroll(lambda x, h: h, [1.0, 2.0], h0=0.5)
    assert list(jacobian_products(unrolled)) == [(2, [[1.0]], [[1.0]]), (1, [[1.0]], [[1.0]]), (0, [[1.0]], [[1.0]])]


def test_the_products_from_a_time_step_back() -> None:
    unrolled = unroll(ScalarRNNCell(w=2.0, nonlinearity="identity"), [1.0, 2.0, 3.0])
    found = list(jacobian_products(unrolled, 2))
    assert found == [(2, [[1.0]], [[1.0]]), (1, [[2.0]], [[2.0]]), (0, [[4.0]], [[2.0]])]
    assert [k for k, _, _ in jacobian_products(unrolled)] == [3, 2, 1, 0]


def test_only_the_time_step_itself_is_walked() -> None:
    # Below h_1 lies sqrt(0), whose derivative does not exist: J_2 must not ask for it.
    unrolled = unroll(lambda x, h: (h + x).sqrt() * 1.0, [0.0, 4.0], h0=0.0)
    assert jacobian(unrolled, 2) == [[0.25]]


def test_what_has_no_jacobian_is_refused() -> None:
    shared = Value(0.1)
    unrolled = unroll(RNNCell(1, 2), [[1.0], [2.0]], h0=[shared, shared])
    with pytest.raises(GraphError, match="two places"):
        jacobian(unrolled, 1)
    jacobian(unrolled, 2)
    with pytest.raises(ArgumentError, match="no state at time step 3"):
        jacobian(unrolled, 3)
    with pytest.raises(ArgumentError, match="no state at time step -1"):
        jacobian(unrolled, 0)
    with pytest.raises(ArgumentError, match="not part of the state"):
        jacobian(unrolled, 2, of=["c"])
    with pytest.raises(ArgumentError, match="no state at time step 3"):
        list(jacobian_products(unrolled, 3))


@given(problems(kinds=("scalar", "vector")))
def test_the_norm_is_below_its_bounds(problem: Problem) -> None:
    unrolled, _ = problem.unroll()
    rows = chain_norms(unrolled)
    assert [(row.lag, row.k) for row in rows] == [(problem.steps - k, k) for k in range(problem.steps, -1, -1)]
    assert rows[0].norm == rows[0].product_of_norms == rows[0].bound == 1.0
    for row in rows:
        assert row.bound is not None
        assert row.radius_law is not None
        assert row.norm <= row.product_of_norms * (1 + 1e-12) + 1e-300
        assert row.product_of_norms <= row.bound * (1 + 1e-12)
        assert row.radius_law <= row.bound * (1 + 1e-6)


def test_a_saturated_tanh_leaves_the_bound_far_above() -> None:
    rows = chain_norms(unroll(ScalarRNNCell(1.5, 1.0), [1.0] * 20))
    assert rows[-1].bound == pytest.approx(1.5**20)
    assert rows[-1].norm < 1e-6


def test_a_non_normal_matrix_grows_before_it_decays() -> None:
    cell = RNNCell(1, 4, nonlinearity="identity")
    for row, numbers in zip(cell.W, matrices.non_normal(4, 1.2, 0.7, seed=3)):
        for value, number in zip(row, numbers):
            value.data = number
    rows = chain_norms(unroll(cell, [[0.0]] * 60))
    norms = [row.norm for row in rows]
    assert max(norms) > 1.29
    assert norms[-1] < 1e-4
    assert rows[-1].bound is not None
    assert rows[-1].bound > 1e4
    # k·ρ^(k-1)·c, the closed form of the block's corner, is the larger part of it.
    c = 1.2 - 0.7**2 / 1.2
    assert norms[-1] == pytest.approx(60 * 0.7**59 * c, rel=0.01)


def test_there_is_no_bound_where_none_is_known() -> None:
    rows = chain_norms(unroll(GatedCell(1, 2), [[1.0], [2.0]]))
    assert [(row.bound, row.radius_law) for row in rows] == [(None, None)] * 3

    class Doubled(ScalarRNNCell):
        def step(self, x: Any, *state: Any) -> dict[str, Any]:
            return {"h": super().step(x, *state)["h"] * 2.0}

    assert chain_norms(unroll(Doubled(0.9), [1.0]))[-1].bound is None


def test_a_single_number_needs_no_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert chain_norms(unroll(ScalarRNNCell(-0.9), [1.0]))[-1].bound == 0.9
