"""Unrolling: what it keeps, how every node is called and to which time step it belongs, what it refuses."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import (
    Linear,
    LSTMCell,
    RNNCell,
    ScalarRNNCell,
    Unrolled,
    Value,
    cross_entropy,
    mse_loss,
    no_grad,
    total,
    unroll,
)
from tinygrad_rnn.bptt.anatomy import anatomy
from tinygrad_rnn.bptt.problem import Problem
from tinygrad_rnn.engine.backward import topological_order
from tinygrad_rnn.errors import ArgumentError, DataError, DomainError, OperandError, ShapeError
from tinygrad_rnn.nn import Cell


def sequence(T: int, width: int, seed: int = 0) -> list[list[float]]:
    rng = random.Random(seed)
    return [[rng.gauss(0, 1) for _ in range(width)] for _ in range(T)]


# ---- what it keeps -----------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=12))
def test_a_scalar_unrolling_is_the_recurrence(xs: list[float]) -> None:
    unrolled = unroll(ScalarRNNCell(0.9, 0.5, -0.1), xs)
    assert (unrolled.first, unrolled.T, unrolled.names) == (1, len(xs), ("h", "x", "z"))
    assert (list(unrolled.h), list(unrolled.z)) == (list(range(len(xs) + 1)), list(range(1, len(xs) + 1)))
    h = 0.0
    assert unrolled.h[0].data == h
    for t, x in enumerate(xs, 1):
        z = 0.9 * h + 0.5 * x + -0.1
        h = math.tanh(z)
        assert (unrolled.x[t].data, unrolled.z[t].data, unrolled.h[t].data) == (x, z, h)


def test_a_vector_unrolling_is_the_cell_step_by_step() -> None:
    cell, readout = RNNCell(2, 3, seed=1), Linear(3, 2, seed=2)
    xs = sequence(4, 2)
    unrolled = unroll(cell, xs, readout=readout)
    h = cell.initial_state()[0]
    for t, x in enumerate(xs, 1):
        h = cell(x, h)
        assert [v.data for v in unrolled.h[t]] == [v.data for v in h]
        assert [v.data for v in unrolled.y[t]] == [v.data for v in readout(h)]
        assert [v.data for v in unrolled.x[t]] == x
    assert unrolled.names == ("h", "x", "z", "y")
    assert repr(unrolled) == "Unrolled(RNNCell(2 → 3, nonlinearity='tanh'), T=4)"


def test_the_states_are_the_nodes_of_the_graph() -> None:
    unrolled = unroll(RNNCell(1, 2), sequence(3, 1))
    reached = set(topological_order(*unrolled.h[3]))
    for t in range(1, 4):
        assert set(unrolled.h[t]) | set(unrolled.z[t]) | set(unrolled.x[t]) <= reached
    assert set(unrolled.h[0]) <= reached
    assert unrolled.h[1][0].parents == (unrolled.z[1][0],)


@pytest.mark.parametrize(
    ("cell", "inputs", "h0"),
    [
        (ScalarRNNCell(), (0.5, 1.0), 0.25),
        (ScalarRNNCell(), iter([0.5, 1.0]), Value(0.25)),
        (ScalarRNNCell(), np.array([0.5, 1.0]), np.float32(0.25)),
        (ScalarRNNCell(), [Value(0.5), 1], np.array(0.25)),
        (RNNCell(1, 1), [[0.5], [1.0]], [0.25]),
        (RNNCell(1, 1), np.array([[0.5], [1.0]]), np.array([0.25])),
        (RNNCell(1, 1), [(0.5,), [Value(1.0)]], (0.25,)),
    ],
)
def test_inputs_and_states_of_many_kinds(cell: Cell, inputs: Any, h0: Any) -> None:
    unrolled = unroll(cell, inputs, h0)
    assert unrolled.T == 2
    flat = [v for t in (1, 2) for v in ([unrolled.x[t]] if isinstance(unrolled.x[t], Value) else unrolled.x[t])]
    assert [v.data for v in flat] == [0.5, 1.0]
    assert unrolled.state(0)[0].data == 0.25


def test_values_given_as_inputs_and_state_are_used_as_they_are() -> None:
    xs, h0 = [Value(0.5), Value(1.0, label="mine")], Value(0.25)
    unrolled = unroll(ScalarRNNCell(), xs, h0)
    assert [unrolled.x[1], unrolled.x[2], unrolled.h[0]] == [*xs, h0]
    assert [v.label for v in (*xs, h0)] == ["x_1", "mine", "h_0"]
    unrolled.h[2].backward()
    assert all(v.grad for v in (*xs, h0))


def test_a_function_as_a_cell() -> None:
    w = Value(0.5, label="w")
    unrolled = unroll(lambda x, h: w * h + x, [1.0, 2.0], h0=0.0)
    assert [v.data for v in unrolled.h.values()] == [0.0, 1.0, 2.5]
    assert [v.label for v in unrolled.h.values()] == ["h_0", "h_1", "h_2"]
    vectors = unroll(lambda x, h: [h[1] * x, h[0]], [1.0, 2.0], h0=[1.0, 3.0])
    assert [v.data for v in vectors.h[2]] == [2.0, 3.0]
    assert vectors.h[2][0].label == "h_2[0]"
    pairs = unroll(lambda x, h, c: (h * x, c + h), [2.0, 3.0], h0=(1.0, 10.0))
    assert (pairs.h[2].data, pairs["c"][2].data, pairs["c"][2].label) == (6.0, 13.0, "c_2")
    assert unroll(lambda x, h: 3.0, [1.0], h0=0.0).h[1].data == 3.0


def test_part_of_a_sequence_is_numbered_as_in_the_whole() -> None:
    cell, xs = ScalarRNNCell(), [0.1, 0.2, 0.3, 0.4]
    whole = unroll(cell, xs)
    part = unroll(cell, xs[2:], h0=whole.h[2].detach(), first=3)
    assert (part.first, part.T, list(part.x), list(part.h)) == (3, 4, [3, 4], [2, 3, 4])
    assert (part.h[4].data, part.h[4].label, part.h[2].time_step) == (whole.h[4].data, "h_4", 2)


# ---- labels and time steps ---------------------------------------------------------------------------------------


def names_by_step(unrolled: Unrolled, root: Value) -> dict[int | None, list[str]]:
    steps: dict[int | None, list[str]] = {}
    for node, step in unrolled.steps_of([root]).items():
        steps.setdefault(step, []).append(node.name)
    return steps


def test_every_node_of_a_scalar_unrolling_has_a_name_and_a_step() -> None:
    unrolled = unroll(ScalarRNNCell(), [0.1, 0.2])
    assert names_by_step(unrolled, unrolled.h[2]) == {
        None: ["w", "u", "b"],
        0: ["h_0"],
        1: ["x_1", "w·h_0", "u·x_1", "w·h_0 + u·x_1", "z_1", "h_1"],
        2: ["x_2", "w·h_1", "u·x_2", "w·h_1 + u·x_2", "z_2", "h_2"],
    }


def test_every_node_of_a_vector_unrolling_has_a_name_and_a_step() -> None:
    unrolled = unroll(RNNCell(1, 2), [[0.1], [0.2]], readout=Linear(2, 1))
    steps = names_by_step(unrolled, unrolled.y[2][0])
    assert steps[None] == ["W[0,0]", "W[0,1]", "W[1,0]", "W[1,1]", "U[0,0]", "U[1,0]", "b[0]", "b[1]",
                           "V[0,0]", "V[0,1]", "c[0]"]  # fmt: skip
    assert steps[0] == ["h_0[0]", "h_0[1]"]
    assert set(steps) == {None, 0, 1, 2}
    assert sorted(name for name in steps[2] if "+" not in name) == [
        "U[0,0]·x_2[0]", "U[1,0]·x_2[0]", "V[0,0]·h_2[0]", "V[0,1]·h_2[1]",
        "W[0,0]·h_1[0]", "W[0,1]·h_1[1]", "W[1,0]·h_1[0]", "W[1,1]·h_1[1]",
        "h_2[0]", "h_2[1]", "x_2[0]", "y_2[0]", "z_2[0]", "z_2[1]",
    ]  # fmt: skip
    assert "W[0,0]·h_1[0] + W[0,1]·h_1[1]" in steps[2]
    assert all(name.strip("(…) +") for names in steps.values() for name in names)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu", "identity"])
def test_a_state_is_called_h_even_where_it_is_also_z(nonlinearity: str) -> None:
    unrolled = unroll(ScalarRNNCell(nonlinearity=nonlinearity), [0.1] * 3)
    assert [v.label for v in unrolled.h.values()] == ["h_0", "h_1", "h_2", "h_3"]
    assert (unrolled.z[3] is unrolled.h[3]) == (nonlinearity == "identity")


def test_a_loss_belongs_to_the_latest_step_that_it_was_computed_from() -> None:
    unrolled = unroll(ScalarRNNCell(), [0.1] * 5)
    early, late = mse_loss(unrolled.h[2], 1.0), mse_loss(unrolled.h[4], 1.0)
    loss = early + late
    for node, step in ((early, 2), (early.parents[0], 2), (late, 4), (loss, 4), (loss * unrolled.cell.w, 4)):
        assert unrolled.step_of(node) == step
    assert unrolled.step_of(unrolled.cell.w * unrolled.cell.u) is None
    for node, step in unrolled.steps_of([loss]).items():
        assert unrolled.step_of(node) == step
        assert node.time_step is None or node.time_step == step


def test_parameters_belong_to_no_step_even_as_inputs() -> None:
    embedding = [[Value(0.1, label="E[0,0]")], [Value(0.2, label="E[1,0]")]]
    unrolled = unroll(RNNCell(1, 1), [embedding[0], embedding[1], embedding[0]])
    assert unrolled.step_of(embedding[0][0]) is None  # used at two steps: tied, as a weight is
    assert embedding[0][0].label == "E[0,0]"
    assert all(unrolled.step_of(parameter) is None for parameter in unrolled.cell.parameters())


@pytest.mark.parametrize("steps", range(2, 6))
def test_a_leaf_of_several_steps_belongs_to_none(steps: int) -> None:
    x = Value(0.7)
    unrolled = unroll(ScalarRNNCell(), [x] * steps)
    assert (x.time_step, x.label, unrolled.step_of(x)) == (None, "x", None)
    penalty = x * x
    assert unrolled.step_of(penalty) is None
    split = anatomy(unrolled, [unrolled.h[steps] ** 2.0, penalty], x)
    assert split.use_steps == (None, *range(1, steps + 1))
    assert split.by_lag()[None] == pytest.approx(1.4)
    unroll(ScalarRNNCell(), [x])
    unroll(ScalarRNNCell(), [0.1, x])
    assert (x.time_step, x.label) == (None, "x")


def test_a_leaf_of_two_unrollings_belongs_to_a_step_that_is_the_same_in_both() -> None:
    x, entry = Value(0.7), Value(0.1, label="E[0,0]")
    for _ in range(3):
        unroll(ScalarRNNCell(), [0.1, x, entry])
    assert [(node.time_step, node.label) for node in (x, entry)] == [(2, "x_2"), (3, "E[0,0]")]
    for _ in range(3):
        unroll(ScalarRNNCell(), [x, entry])
    assert [(node.time_step, node.label) for node in (x, entry)] == [(None, "x"), (None, "E[0,0]")]


def test_an_input_that_was_computed_outside_time_is_as_a_leaf() -> None:
    scale = Value(2.0, label="scale")
    shared, own = [scale * 0.1, scale * 0.2], [scale * 0.3, scale * 0.4]
    unroll(RNNCell(2, 1), [shared, own, shared, shared])
    assert [(node.time_step, node.label) for node in (*shared, *own)] == [
        (None, "x[0]"),
        (None, "x[1]"),
        (2, "x_2[0]"),
        (2, "x_2[1]"),
    ]


def test_a_state_that_is_handed_on_stays_in_its_step() -> None:
    encoder = unroll(ScalarRNNCell(), [0.1, 0.2])
    unroll(ScalarRNNCell(), [encoder.h[2]] * 3, h0=encoder.h[2])
    assert (encoder.h[2].time_step, encoder.h[2].label) == (2, "h_2")


def test_two_unrollings_of_one_cell_share_its_parameters_and_nothing_else() -> None:
    cell = RNNCell(1, 2)
    one, two = unroll(cell, sequence(3, 1)), unroll(cell, sequence(5, 1))
    shared = set(topological_order(*one.h[3])) & set(topological_order(*two.h[5]))
    assert shared == set(cell.parameters())
    assert (one.h[3][0].time_step, two.h[5][0].time_step) == (3, 5)


def test_two_threads_may_unroll_at_once() -> None:
    cell = RNNCell(1, 2)
    found: list[Unrolled] = []
    barrier = threading.Barrier(2)

    class Slow(list[float]):
        def __iter__(self) -> Iterator[float]:
            barrier.wait(timeout=30)  # at every step each thread waits for the other
            return super().__iter__()

    threads = [
        threading.Thread(target=lambda: found.append(unroll(cell, [Slow([0.1]) for _ in range(6)]))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(found) == 2
    for unrolled in found:
        for t in range(1, 7):
            nodes = set(topological_order(*unrolled.h[t])) - set(topological_order(*unrolled.h[t - 1]))
            assert {node.time_step for node in nodes - set(cell.parameters())} == {t}
    assert Value(1.0).time_step is None


def test_within_no_grad_nothing_is_recorded_but_everything_is_there() -> None:
    with no_grad():
        unrolled = unroll(RNNCell(1, 2), sequence(3, 1), readout=Linear(2, 1))
    reference = unroll(RNNCell(1, 2), sequence(3, 1), readout=Linear(2, 1))
    assert unrolled.y[3][0].data == reference.y[3][0].data
    assert (unrolled.y[3][0].parents, unrolled.y[3][0].label, unrolled.y[3][0].time_step) == ((), "y_3[0]", 3)


def test_the_garbage_collector_is_left_as_it_was_found() -> None:
    assert gc.isenabled()
    unroll(ScalarRNNCell(), [0.1])
    assert gc.isenabled()
    with pytest.raises(DataError):
        unroll(ScalarRNNCell(), [0.1, math.nan])
    assert gc.isenabled()
    gc.disable()
    try:
        unroll(ScalarRNNCell(), [0.1])
        assert not gc.isenabled()
    finally:
        gc.enable()


# ---- copies ----------------------------------------------------------------------------------------------------


def there_and_back(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


@pytest.mark.parametrize("copied", [copy.deepcopy, there_and_back])
@pytest.mark.parametrize("cell", [ScalarRNNCell(), RNNCell(1, 2)], ids=["scalar", "vector"])
@pytest.mark.parametrize("loss_first", [False, True])
def test_a_copy_with_its_loss_is_one_graph_with_the_same_gradients_to_the_bit(
    copied: Any, cell: Any, loss_first: bool
) -> None:
    scalar = isinstance(cell, ScalarRNNCell)
    xs: list[Any] = [x[0] for x in sequence(6, 1)] if scalar else sequence(6, 1)
    unrolled = unroll(cell, xs, readout=None if scalar else Linear(2, 3))
    loss = (
        mse_loss(list(unrolled.h.values()), [0.3] * 7)
        if scalar
        else cross_entropy(list(unrolled.y.values()), [0, 1, 2, 0, 1, 2])
    )
    if loss_first:
        twin_loss, twin = copied((loss, unrolled))
    else:
        twin, twin_loss = copied((unrolled, loss))
    assert set(twin.state(3)) <= set(topological_order(twin_loss))
    assert not set(topological_order(twin_loss)) & set(topological_order(loss))
    for parameter in (*twin.cell.parameters(), *unrolled.cell.parameters()):
        parameter.zero_grad()
    loss.backward()
    twin_loss.backward()
    for name in unrolled.names:
        for t in unrolled[name]:
            ours, theirs = (q if isinstance(q, list) else [q] for q in (unrolled[name][t], twin[name][t]))
            for a, b in zip(ours, theirs, strict=True):
                assert (a.data, a.grad, a.label, a.time_step) == (b.data, b.grad, b.label, b.time_step)
    assert [p.grad for p in twin.cell.parameters()] == [p.grad for p in unrolled.cell.parameters()]
    assert all(p.grad for p in twin.cell.parameters())


# ---- what it refuses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "says", "time_step"),
    [
        ((ScalarRNNCell(), []), ArgumentError, "empty", None),
        ((ScalarRNNCell(), iter([])), ArgumentError, "empty", None),
        ((ScalarRNNCell(), None), ArgumentError, "NoneType", None),
        ((ScalarRNNCell(), 3.0), ArgumentError, "float", None),
        ((ScalarRNNCell(), [0.1, math.nan]), DataError, "x_2 is nan", 2),
        ((ScalarRNNCell(), [0.1, 0.2, -math.inf]), DataError, "x_3 is -inf", 3),
        ((RNNCell(2, 1), [[0.1, math.inf]]), DataError, "x_1 is inf", 1),
        ((ScalarRNNCell(), [0.1, "0.2"]), OperandError, "'0.2' is a str", 2),
        ((ScalarRNNCell(), "ab"), OperandError, "'a' is a str", 1),
        ((ScalarRNNCell(), [0.1, None]), OperandError, "NoneType", 2),
        ((ScalarRNNCell(), [0.1, [0.2]]), ShapeError, "x is 1 number, but w, u, b are single", 2),
        ((ScalarRNNCell(), [0.1], [0.2]), ShapeError, "h is 1 number", None),
        ((ScalarRNNCell(), [0.1], math.nan), DataError, "h0 is nan", 0),
        ((ScalarRNNCell(), [0.1], "0"), OperandError, "'0' is a str", None),
        ((RNNCell(2, 3), [[0.1, 0.2], [0.1]]), ShapeError, "x is 1 number, but U is 3 × 2", 2),
        ((RNNCell(2, 3), [0.1, 0.2]), ShapeError, "x is a single number, but U is 3 × 2", 1),
        ((RNNCell(2, 3), [[0.1, 0.2]], [0.0]), ShapeError, "h is 1 number, but W is 3 × 3", 1),
        ((RNNCell(2, 3), [[0.1, 0.2]], 0.0), ShapeError, "h is a single number, but W is 3 × 3", 1),
        ((RNNCell(2, 3), [[0.1, 0.2]], None, Linear(2, 1)), ShapeError, "h is 3 numbers, but V is 1 × 2", 1),
        ((ScalarRNNCell(), [0.1], None, Linear(1, 1)), ShapeError, "h is a single number, but V is 1 × 1", 1),
        ((lambda x, h: h, [0.1]), ArgumentError, "no initial state", None),
        ((lambda x, h, c: h, [0.1], (0.0, 1.0)), ShapeError, "did not return its new state", 1),
        ((lambda x, h, c: (h, c, c), [0.1], (0.0, 1.0)), ShapeError, "did not return its new state", 1),
        ((lambda x, *s: s, [0.1], (0.0, 1.0, 2.0)), ShapeError, "3 parts for a cell whose state is h, c", None),
        ((lambda x, h: None, [0.1], 0.0), OperandError, "NoneType", 1),
        ((lambda x, h: h / x, [0.1, 0.0], 1.0), DomainError, "a divisor other than 0", 2),
        ((lambda x, h: (h + x).log(), [2.0, -9.0], 1.0), DomainError, "above 0", 2),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_time_step(
    arguments: tuple[Any, ...], error: type[Any], says: str, time_step: int | None
) -> None:
    with pytest.raises(error, match=says) as caught:
        unroll(*arguments)
    assert caught.value.time_step == time_step
    assert Value(1.0).time_step is None  # nothing is left behind


def test_there_is_no_series_and_no_state_of_that_name(small_problem: Problem) -> None:
    unrolled = small_problem.unrolled
    for read in (
        lambda: unrolled.y,
        lambda: unrolled["c"],
        lambda: unrolled.state(4),
        lambda: unrolled.state(0, ["c"]),
    ):
        with pytest.raises(ArgumentError):
            read()
    assert unrolled.state(3) == [unrolled.h[3]]


def test_a_readout_may_be_any_function() -> None:
    unrolled = unroll(ScalarRNNCell(), [0.1, 0.2], readout=lambda h: h * 2)
    assert unrolled.y[2].data == 2 * unrolled.h[2].data
    assert (unrolled.y[2].label, unrolled.y[2].time_step) == ("y_2", 2)
    total(list(unrolled.y.values())).backward()
    assert unrolled.h[2].grad == 2.0


def test_after_zero_grad_a_second_pass_gives_the_same_gradients():
    cell = LSTMCell(1, 2, seed=0)
    unrolled = unroll(cell, [[0.5], [-1.0]])
    loss = total(unrolled.h[2])
    leaves = [*cell.parameters(), *unrolled.x[1], *unrolled.x[2], *unrolled.state(0)]
    passes = []
    for _ in range(2):
        unrolled.zero_grad()
        assert not any(leaf.grad for leaf in leaves)
        loss.backward()
        passes.append([leaf.grad for leaf in leaves])
    assert passes[0] == passes[1]
    assert all(passes[0][: len(list(cell.parameters()))])
