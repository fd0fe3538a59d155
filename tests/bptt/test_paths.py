"""The sum over all paths, path by path."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import RNNCell, ScalarRNNCell, Value, unroll
from tinygrad_rnn.bptt.paths import count_paths, paths
from tinygrad_rnn.engine.backward import gradients, topological_order
from tinygrad_rnn.errors import GraphError, TooManyPathsError

from ..random_problems import Problem, problems, rounding


def by_recursion(root: Value, node: Value) -> int:
    return 1 if root is node else sum(by_recursion(parent, node) for parent in root.parents)


@pytest.mark.slow
@given(problems(max_steps=4))
def test_the_products_of_the_paths_sum_to_the_gradient(problem: Problem) -> None:
    _, losses = problem.unroll()
    loss = losses[problem.steps]
    for parameter in problem.cell.parameters():
        count = count_paths(loss, parameter)
        if count > 100:
            continue
        assert count == by_recursion(loss, parameter)
        listed = paths(loss, parameter, limit=100)
        assert len(listed) == count
        assert len({tuple((step.node, step.position) for step in path.steps) for path in listed}) == count
        bound = rounding(loss, more_roundings=count).get(parameter, 0.0)
        assert abs(math.fsum(path.product for path in listed) - gradients(loss, [parameter])[0]) <= bound


@given(st.integers(1, 4), st.integers(2, 40))
@pytest.mark.slow
def test_paths_multiply_where_edges_add_up(n: int, T: int) -> None:
    unrolled = unroll(RNNCell(1, n), [[0.5]] * T)
    # From h_T[0] there is a choice of n entries at every step between, and none at the last.
    assert count_paths(unrolled.h[T][0], unrolled.h[0][0]) == n ** (T - 1)
    edges = sum(len(node.parents) for node in topological_order(unrolled.h[T][0]))
    assert edges <= T * (4 * n * n + 8 * n)


def test_a_path_shows_its_factors() -> None:
    unrolled = unroll(ScalarRNNCell(0.5, 1.0, nonlinearity="identity"), [1.0, 2.0, 3.0])
    (path,) = paths(unrolled.h[3], unrolled.h[1])
    assert path.factors == (1.0, 1.0, 0.5, 1.0, 1.0, 0.5)
    assert path.product == 0.25
    assert path.nodes[0] is unrolled.h[3]
    assert path.nodes[-1] is unrolled.h[1]
    assert unrolled.h[2] in path.nodes
    assert "= 0.25" in str(path)
    assert "h_3" in str(path)


def test_negative_factors_of_a_path_have_parentheses_and_one_minus_sign() -> None:
    x = Value(-0.5, label="x")
    (path,) = paths(x * -2.0 - 1.0, x)
    assert str(path).startswith("1 · (−2) = −2   along x·(−2) − 1 → x·(−2) → x")


def test_both_edges_of_a_square_are_paths() -> None:
    x = Value(3.0)
    assert [path.product for path in paths(x * x, x)] == [3.0, 3.0]


def test_ends() -> None:
    x = Value(3.0, label="x")
    (trivial,) = paths(x, x)
    assert (trivial.product, trivial.nodes) == (1.0, (x,))
    assert count_paths(x, x) == 1
    assert paths(x * 2.0, Value(1.0)) == []
    assert count_paths(x * 2.0, Value(1.0)) == 0


def test_too_many_paths_are_counted_and_not_listed() -> None:
    unrolled = unroll(RNNCell(1, 2), [[0.5]] * 12)
    with pytest.raises(TooManyPathsError, match=r"2048 paths .* limit of 1000") as caught:
        paths(unrolled.h[12][0], unrolled.h[0][0])
    assert (caught.value.count, caught.value.limit) == (2048, 1000)
    unrolled = unroll(RNNCell(1, 4), [[0.5]] * 300)
    with pytest.raises(TooManyPathsError, match=r"about 10\^180 paths"):
        paths(unrolled.h[300][0], unrolled.h[0][0])


@pytest.mark.slow
def test_a_long_path_is_no_matter() -> None:
    unrolled = unroll(ScalarRNNCell(0.999, 1.0, nonlinearity="identity"), [1.0] * 5000)
    (path,) = paths(unrolled.h[5000], unrolled.h[0])
    assert path.product == pytest.approx(0.999**5000)


def test_gradients_are_left_as_they_were() -> None:
    rng = random.Random(0)
    unrolled = unroll(ScalarRNNCell(0.9), [rng.gauss(0, 1) for _ in range(5)])
    unrolled.h[5].backward()
    nodes = topological_order(unrolled.h[5])
    before = [node._grad for node in nodes]
    paths(unrolled.h[5], unrolled.cell.w)
    assert [node._grad for node in nodes] == before


def test_a_closure_on_the_way_is_refused() -> None:
    x = Value(2.0)
    out = Value(4.0, (x,), "square")
    out._backward = lambda: setattr(x, "grad", x.grad + 2.0 * x.data * out.grad)
    with pytest.raises(GraphError, match="by itself") as caught:
        paths(out * 3.0, x)
    assert caught.value.op == "square"
    # Elsewhere in the graph it does no harm.
    y = Value(5.0)
    assert [path.product for path in paths(out * y, y)] == [4.0]
