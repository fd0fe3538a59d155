"""The backward pass: the shapes of graphs, what accumulates, what is set, and in which order."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
from collections.abc import Callable
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import Value, dot, no_grad, total
from tinygrad_rnn.engine.backward import local_gradients, propagate, topological_order
from tinygrad_rnn.engine.passes import steps as engine_steps
from tinygrad_rnn.engine.steps import Step
from tinygrad_rnn.errors import DomainError, GraphError, OperandError, ShapeError

from ..stepped_graphs import build, programs

ROOT = Path(__file__).parents[2]


def gradients(root: Value, *leaves: Value) -> list[float]:
    for leaf in leaves:
        leaf.zero_grad()
    root.backward()
    return [leaf.grad for leaf in leaves]


# ---- shapes of graphs ------------------------------------------------------------------------------------------


def test_a_leaf_by_itself() -> None:
    x = Value(3.0)
    assert not x.has_grad
    x.backward()
    assert (x.grad, x.has_grad) == (1.0, True)


def test_an_operand_that_occurs_twice() -> None:
    x = Value(3.0)
    assert gradients(x * x, x) == [6.0]
    assert gradients(x + x, x) == [2.0]
    assert gradients(x - x, x) == [0.0]
    assert gradients(x / x, x) == [0.0]
    assert gradients(x.maximum(x), x) == [1.0]
    assert gradients(Value.custom(0.0, (x, x, x), (1.0, 2.0, 4.0)), x) == [7.0]


def test_a_diamond() -> None:
    x = Value(2.0)
    a = x * 3
    left, right = a * a, a + 1
    assert gradients(left * right, x) == [3 * (2 * 6 * 7 + 36)]
    assert (left.grad, right.grad, a.grad) == (7.0, 36.0, 2 * 6 * 7 + 36)


def test_a_node_used_early_and_late() -> None:
    x = Value(2.0)
    h = x * 1
    deep = h
    for _ in range(10):
        deep = deep * 1 + 1
    assert gradients(deep * h, x) == [2 * 2 + 10]


def test_a_ladder_of_diamonds_is_walked_once_per_edge() -> None:
    x = Value(1.0)
    node = x
    for _ in range(60):  # 2^60 paths
        node = node + node
    assert gradients(node, x) == [2.0**60]


def test_constants_get_gradients_and_keep_quiet() -> None:
    x = Value(2.0)
    root = x * 3 + 4
    root.backward()
    assert x.grad == 3.0
    constants = [node for node in topological_order(root) if not node.parents and node is not x]
    assert sorted((constant.data, constant.grad) for constant in constants) == [(3.0, 2.0), (4.0, 1.0)]


def test_a_tied_weight_adds_up_its_uses() -> None:
    w, h = Value(0.5), Value(1.0)
    T = 12
    for _ in range(T):
        h = w * h
    assert gradients(h, w) == [T * 0.5 ** (T - 1)]


def test_what_the_root_does_not_reach_is_left_alone() -> None:
    x = Value(2.0)
    other = x * 5
    (x * 3).backward()
    assert not other.has_grad
    other.backward()
    (x * 3).backward()
    assert other.grad == 1.0


# ---- what accumulates ------------------------------------------------------------------------------------------


def test_only_leaves_accumulate() -> None:
    w = Value(2.0)
    a = 3 * w
    b = a * a
    b.backward()
    assert (w.grad, a.grad, b.grad) == (36.0, 12.0, 1.0)
    b.backward()
    assert (w.grad, a.grad, b.grad) == (72.0, 12.0, 1.0)


def test_two_roots_over_one_graph_accumulate_in_the_leaves() -> None:
    w = Value(2.0)
    h = w * w
    first, second = h * 3, h * 5
    first.backward()
    second.backward()
    assert w.grad == 4 * 3 + 4 * 5
    assert (h.grad, first.grad) == (5.0, 1.0)  # of the latest pass that reached each


def test_zero_grad_starts_a_leaf_afresh() -> None:
    w = Value(2.0)
    root = w * w
    root.backward()
    w.zero_grad()
    root.backward()
    assert w.grad == 4.0
    w.grad = 0
    root.backward()
    assert w.grad == 4.0


def test_the_gradient_of_the_root_is_set_and_not_added() -> None:
    x = Value(3.0)
    root = x * 2
    root.grad = 17.0
    root.backward()
    assert (root.grad, x.grad) == (1.0, 2.0)
    root.backward(gradient=-0.5)
    assert (root.grad, x.grad) == (-0.5, 1.0)


def test_a_leaf_that_is_the_root_accumulates_like_any_other() -> None:
    w = Value(2.0)
    (w * w).backward()
    w.backward()
    assert w.grad == 5.0
    w.backward(0.5)
    assert w.grad == 5.5
    list(w.backward_steps(2.0))
    assert w.grad == 7.5


def test_backward_with_a_gradient() -> None:
    x = Value(3.0)
    (x * x).backward(gradient=10)
    assert x.grad == 60.0
    with pytest.raises(OperandError):
        (x * x).backward(gradient="1")  # type: ignore[arg-type]
    with pytest.raises(OperandError):
        (x * x).backward(Value(1.0))  # type: ignore[arg-type]
    assert x.grad == 60.0


def test_a_pass_cut_in_two_is_the_pass() -> None:
    x = Value(0.5)
    h = (x * 3).tanh()
    loss = h * h
    loss.backward()
    whole = x.grad
    x.zero_grad()
    carried = h.detach()
    (carried * carried).backward()
    h.backward(carried.grad)
    assert x.grad == whole


def test_gradients_stop_at_detach_and_in_no_grad() -> None:
    x = Value(3.0)
    with no_grad():
        frozen = x * x
    assert gradients(x * frozen * (x * 2).detach(), x) == [9.0 * 6.0]


def test_data_changed_after_the_forward_pass_is_read_by_the_backward_pass() -> None:
    x, y = Value(2.0), Value(3.0)
    root = x * y
    y.data = 5.0
    assert gradients(root, x) == [5.0]
    assert root.data == 6.0


# ---- rules of one's own ----------------------------------------------------------------------------------------


def test_a_custom_node() -> None:
    x, y = Value(2.0), Value(3.0)
    node = Value.custom(x.data**2 * y.data, [x, y], [2 * x.data * y.data, x.data**2], op="x²y", label="n")
    assert gradients(node * 10, x, y) == [120.0, 40.0]
    assert (node.op, node.label) == ("x²y", "n")


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_custom_nodes_of_any_width(count: int) -> None:
    xs = [Value(float(i)) for i in range(count)]
    node = Value.custom(1.0, xs, [i + 1.0 for i in range(count)])
    assert gradients(node * 2, *xs) == [2.0 * (i + 1) for i in range(count)]
    assert set(topological_order(node)) == {node, *xs}


def test_every_operand_of_a_wide_node_is_followed() -> None:
    xs = [Value(float(i + 1)) for i in range(4)]
    node = Value.custom(1.0, [x * x for x in xs], [1.0, 2.0, 3.0, 4.0])
    assert gradients(node, *xs) == [2.0, 8.0, 18.0, 32.0]
    assert len(topological_order(node)) == 9


def closure_square(x: Value) -> Value:
    out = Value(x.data**2, (x,), "square")

    def _backward() -> None:
        x.grad += 2 * x.data * out.grad

    out._backward = _backward  # type: ignore[method-assign, assignment]
    return out


def test_a_closure_assigned_to_backward() -> None:
    x = Value(3.0)
    node = closure_square(x * 1) + closure_square(x)
    assert gradients(node, x) == [12.0]
    node.backward()
    assert x.grad == 24.0


def test_a_closure_replaces_the_rule_and_keeps_the_symbol() -> None:
    x, y = Value(3.0), Value(4.0)
    out = Value(x.data + y.data, (x, y), "+")
    assert gradients(out, x, y) == [1.0, 1.0]

    def doubled() -> None:
        x.grad += 2 * out.grad
        y.grad += 2 * out.grad

    out._backward = doubled  # type: ignore[method-assign, assignment]
    assert gradients(out * 5, x, y) == [10.0, 10.0]
    assert (out._op, out._prev) == ("+", (x, y))


def test_backward_by_hand() -> None:
    x, w, b = Value(2.0), Value(-3.0), Value(6.7)
    xw = x * w
    n = xw + b
    o = n.tanh()
    o.grad = 1.0
    for node in (o, n, b, xw, x):
        node._backward()
    expected = 1 - o.data**2
    assert (n.grad, xw.grad, b.grad, x.grad, w.grad) == (expected, expected, expected, -3 * expected, 2 * expected)
    o._backward()
    assert n.grad == 2 * expected


def test_a_node_of_an_unknown_op_has_no_derivative() -> None:
    x = Value(3.0)
    for node in (Value(9.0, (x,), "square"), Value(9.0, (x,)), Value(9.0, (x, x, x), "+")):
        with pytest.raises(GraphError, match=r"no derivative.*_backward"):
            (node * 2).backward()
        with pytest.raises(GraphError):
            node._backward()


@pytest.mark.parametrize(("name", "symbol"), [("mul", "*"), ("tanh", "tanh"), ("relu", "ReLU"), ("exp", "exp")])
def test_a_node_made_by_hand_with_a_known_op_has_its_derivative(name: str, symbol: str) -> None:
    operands = [Value(0.5), Value(0.25)][: 2 if name == "mul" else 1]
    reference = gradients(Value.apply(name, *operands), *operands)
    for op in (name, symbol):
        node = Value(Value.apply(name, *operands).data, operands, op)
        assert gradients(node, *operands) == reference


def test_an_error_of_a_derivative_names_the_node() -> None:
    x = Value(0.0, label="x")
    root = x.sqrt()
    with pytest.raises(DomainError, match=r"\[op sqrt, node √x\].*above 0"):
        root.backward()


# ---- order -----------------------------------------------------------------------------------------------------


@given(programs())
def test_every_node_comes_once_and_before_its_operands_last_created_first(program: object) -> None:
    graph = build(program)  # type: ignore[arg-type]
    order = topological_order(graph.root)
    reached = set(order)
    assert len(reached) == len(order)
    assert order[0] is graph.root
    place = {node: i for i, node in enumerate(order)}
    for node in order:
        assert all(place[parent] > place[node] for parent in node.parents)
    created = [node for node in graph.nodes if node in reached]
    assert [node for node in order if node in set(graph.nodes)] == created[::-1]
    assert topological_order(*graph.nodes) == topological_order(*reversed(graph.nodes))


@given(programs())
def test_the_walk_shows_every_edge_once_and_adds_up(program: object) -> None:
    graph = build(program)  # type: ignore[arg-type]
    order = topological_order(graph.root)
    graph.root.backward()
    whole = [node.grad for node in order]
    for node in order:
        node.zero_grad()
    steps: list[Step] = []
    for step in engine_steps(graph.root):
        assert step.parent.grad == step.gradient_after
        if step.node.op == "closure":  # which says only what it left: its contribution is the difference
            assert step.contribution == step.gradient_after - step.gradient_before
        else:
            assert step.gradient_after == step.gradient_before + step.contribution
        assert step.node.parents[step.position] is step.parent
        steps.append(step)
    assert [node.grad for node in order] == whole
    ordinary = [node for node in order if node.op != "closure"]
    edges = [(node, i) for node in ordinary for i in range(len(node.parents))]
    assert [(step.node, step.position) for step in steps if step.node.op != "closure"] == edges
    for step in steps:
        if step.node.op != "closure":
            assert step.contribution == step.local_gradient * step.gradient


def test_a_change_of_the_order_would_be_seen() -> None:
    # (1 + 1e-16) + 1e-16 is 1, 1 + (1e-16 + 1e-16) is not: the gradient of x tells in which order it was added up.
    x = Value(1.0)
    first, second, third = x * 1e-16, x * 1e-16, x * 1.0
    assert gradients((first + second) + third, x) == [(1.0 + 1e-16) + 1e-16]
    first, second, third = x * 1.0, x * 1e-16, x * 1e-16
    assert gradients((first + second) + third, x) == [(1e-16 + 1e-16) + 1.0]


PROGRAM = """
import math
from tinygrad_rnn import RNNCell, Linear, Value, cross_entropy, unroll
cell, readout = RNNCell(3, 4, seed=1), Linear(4, 3, seed=2)
unrolled = unroll(cell, [[math.sin(3 * t + i) for i in range(3)] for t in range(9)], readout=readout)
loss = cross_entropy(list(unrolled.y.values()), [t % 3 for t in range(9)])
loss = loss + sum((p * p for p in cell.parameters()), Value(0.0)) * 1e-3
loss.backward()
loss.backward()
from tinygrad_rnn.engine.backward import topological_order
for node in topological_order(loss):
    print(node.name, node.data.hex(), node.grad.hex())
"""


@pytest.mark.slow
def test_the_same_program_gives_the_same_bytes_in_every_process() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, *flags, "-c", PROGRAM],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout
        for seed, flags in (("0", []), ("1", []), ("4294967295", ["-O"]), ("random", ["-X", "dev"]))
    }
    assert len(outputs) == 1
    assert outputs.pop().count(b"\n") > 500


# ---- sums ------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-10, 10), max_size=20))
def test_sums_record_add_nodes(numbers: list[float]) -> None:
    leaves = [Value(number) for number in numbers]
    root = total(leaves)
    assert root.data == (reduce(operator.add, numbers) if numbers else 0.0)
    root.backward()
    assert all(leaf.grad == 1.0 for leaf in leaves)
    assert {node.op for node in topological_order(root)} <= {"", "add"}
    assert len(topological_order(root)) == max(1, 2 * len(numbers) - 1)
    assert depth(root) == max(0, len(numbers) - 1)


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=1, max_size=20))
def test_dot_products_record_mul_and_add_nodes(pairs: list[tuple[float, float]]) -> None:
    a, b = [Value(x) for x, _ in pairs], [Value(y) for _, y in pairs]
    root = dot(a, b)
    assert root.data == pytest.approx(sum(x * y for x, y in pairs), abs=1e-9)
    root.backward()
    assert [x.grad for x in a] == [y.data for y in b]
    assert [y.grad for y in b] == [x.data for x in a]
    assert len(topological_order(root)) == 4 * len(pairs) - 1
    with no_grad():
        for twin in (dot(a, b), dot([x for x, _ in pairs], b)):
            assert (repr(twin.data), twin.parents) == (repr(root.data), ())  # to the bit, the sign of zero included


def depth(root: Value) -> int:
    depths: dict[Value, int] = {}
    for node in reversed(topological_order(root)):
        depths[node] = max((depths[parent] + 1 for parent in node.parents), default=0)
    return depths[root]


@pytest.mark.parametrize("function", [total, lambda values: dot(values, values)])
def test_a_sum_of_nothing_is_zero(function: Callable[[list[Value]], Value]) -> None:
    assert (function([]).data, function([]).parents) == (0.0, ())


def test_a_dot_product_takes_plain_numbers_and_nothing_else() -> None:
    w = [Value(2.0), Value(3.0)]
    for mixed in ([0.5, Value(4.0)], [0.5, 4], (Value(0.5), 4.0)):
        for root in (dot(w, mixed), dot(mixed, w), dot(mixed, [2, 3])):
            assert root.data == 13.0
    assert gradients(dot(w, [0.5, 4.0]), *w) == [0.5, 4.0]
    with pytest.raises(OperandError):
        dot(w, ["a", 1.0])
    with pytest.raises(ShapeError, match="2 and 3"):
        dot(w, [1.0, 2.0, 3.0])


def test_a_root_that_is_also_a_stop_is_left_out_with_all_below_it():
    x = Value(2.0)
    a = x * 3.0
    b = a + x
    assert topological_order(a, stop=[a]) == []
    assert topological_order(a, b, stop=[a]) == [b, x]


def test_a_pass_from_several_roots_sets_inner_gradients_and_adds_to_leaves() -> None:
    x = Value(2.0)
    a = x * 3.0
    b = a * 5.0
    x.grad, a.grad, b.grad = 10.0, 100.0, 1000.0
    propagate({b: 1.0, a: 0.5, x: 0.25})
    assert (b.grad, a.grad, x.grad) == (1.0, 5.5, 10.0 + 0.25 + 3.0 * 5.5)
    propagate({b: 1.0}, stop=[a])
    assert (b.grad, a.grad, x.grad) == (1.0, 5.0, 26.75)


def test_the_steps_of_a_pass_leave_the_gradients_that_the_pass_leaves() -> None:
    def stale() -> list[Value]:
        x = Value(2.0)
        a = x * 3.0
        b = (a + x) * a
        for node, gradient in ((x, 10.0), (a, 100.0), (b, 1000.0)):
            node.grad = gradient
        return [x, a, b]

    for root, stop in ((2, []), (2, [1]), (0, [])):
        here, there = stale(), stale()
        taken = list(engine_steps(here[root], [here[i] for i in stop]))
        propagate({there[root]: 1.0}, [there[i] for i in stop])
        assert [node.grad for node in here] == [node.grad for node in there]
        assert len(taken) == (4 if stop else 6 if root else 0)


def test_the_local_gradients_of_a_closure_count_an_operand_once() -> None:
    x, y = Value(3.0), Value(7.0)
    node = Value(x.data * y.data * x.data, (x, y, x), "xyx")

    def _backward() -> None:
        x.grad += 2 * x.data * y.data * node.grad
        y.grad += x.data**2 * node.grad

    node._backward = _backward  # type: ignore[method-assign, assignment]
    x.grad, node.grad = 10.0, 100.0
    assert local_gradients(node) == (42.0, 9.0, 0.0)
    assert (x.grad, y.has_grad, node.grad) == (10.0, False, 100.0)
    assert local_gradients(x * y) == (7.0, 3.0)
    by_parent = {step.parent: step for step in engine_steps(node * 0.5)}
    assert (by_parent[x].local_gradient, by_parent[x].contribution) == (42.0, 21.0)
    assert by_parent[y].local_gradient == 9.0
