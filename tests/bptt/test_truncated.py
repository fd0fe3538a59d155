"""Truncated BPTT: what it computes, what it cuts, and that its memory does not grow."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_rnn import Linear, RNNCell, ScalarRNNCell, Value, gradcheck, mse_loss, total, unroll
from tinygrad_rnn.bptt.anatomy import anatomy
from tinygrad_rnn.bptt.truncated import Window, truncated_bptt, windows
from tinygrad_rnn.bptt.truncation import cut_edges, keeps, truncated_backward, truncation
from tinygrad_rnn.engine.backward import gradients, topological_order
from tinygrad_rnn.errors import ArgumentError, DataError, GradcheckError, ShapeError
from tinygrad_rnn.nn.quantities import entries

from ..random_problems import Problem, problems, rounding
from ..truncated_gradcheck import truncated_gradcheck

periods = st.tuples(st.integers(1, 5), st.integers(0, 5)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def truncated_gradient(problem: Problem, k1: int, k2: int) -> list[float]:
    problem.cell.zero_grad()
    truncated_bptt(problem.cell, problem.inputs, problem.targets, k1, k2)
    return [parameter.grad for parameter in problem.cell.parameters()]


def detached(quantity: Any) -> Any:
    return quantity.detach() if isinstance(quantity, Value) else [entry.detach() for entry in quantity]


def by_the_definition(problem: Problem, k1: int, k2: int) -> tuple[list[float], list[float]]:
    """Loss by loss: unroll it all, with the state cut where the definition says so. And the bounds on rounding."""
    parameters = problem.cell.parameters()
    sums, bounds = [0.0] * len(parameters), [0.0] * len(parameters)
    for t, target in enumerate(problem.targets, 1):
        if target is None:
            continue
        e = next(e for e in range(k1, t + k1, k1) if e >= t)
        state = problem.cell.initial_state()
        for k in range(1, t + 1):
            if k == e - k2 + 1:
                state = tuple(map(detached, state))
            named = problem.cell.step(problem.inputs[k - 1], *state)
            state = tuple(named[name] for name in problem.cell.state_names)
        loss = mse_loss(named["h"], target)
        possible = rounding(loss, more_roundings=20 * problem.steps)
        for i, (parameter, gradient) in enumerate(zip(parameters, gradients(loss, parameters))):
            sums[i] += gradient
            bounds[i] += possible.get(parameter, 0.0)
    return sums, bounds


@given(problems(max_steps=12), periods)
def test_it_computes_what_the_definition_says(problem: Problem, period: tuple[int, int]) -> None:
    found = truncated_gradient(problem, *period)
    expected, bounds = by_the_definition(problem, *period)
    for a, b, bound in zip(found, expected, bounds):
        assert abs(a - b) <= bound


@given(problems(max_steps=12), periods)
def test_it_is_the_kept_part_of_the_anatomy(problem: Problem, period: tuple[int, int]) -> None:
    truncated_gradient(problem, *period)
    unrolled, losses = problem.unroll()
    bounds = rounding(total(losses.values()), more_roundings=20 * problem.steps)
    for tree in problem.matrices.values():
        parts = truncation(anatomy(unrolled, losses, tree), *period)
        # Rounding is bounded by the full sum of paths: more than enough for a part of them.
        for parameter, kept, cut, full in zip(
            *map(entries, (tree, parts.kept.total(), parts.cut.total(), parts.full.total()))
        ):
            assert abs(parameter.grad - kept) <= bounds.get(parameter, 0.0)
            assert abs(kept + cut - full) <= bounds.get(parameter, 0.0)
        lags = [t - k for k, t, size in parts.kept.terms() if any(entries(size))]
        assert all(lag < period[1] for lag in lags)


@pytest.mark.parametrize("period", [(1, 3), (2, 2), (2, 3)])
def test_an_input_of_every_step_is_truncated_as_a_weight_is(period: tuple[int, int]) -> None:
    cell, x = ScalarRNNCell(0.9, 0.5), Value(0.7)
    truncated_bptt(cell, [x] * 7, [0.1] * 7, *period)
    unrolled = unroll(cell, [x] * 7)
    losses = {t: mse_loss(h, 0.1) for t, h in unrolled.h.items() if t}
    assert x.grad == pytest.approx(truncation(anatomy(unrolled, losses, x), *period).kept.total(), rel=1e-13)


@given(problems(max_steps=12), st.integers(0, 3))
def test_with_k_of_at_least_the_length_it_is_full_bptt_to_the_bit(problem: Problem, more: int) -> None:
    found = truncated_gradient(problem, problem.steps + more, problem.steps + more)
    _, losses = problem.unroll()
    assert found == gradients(total(losses.values()), problem.cell.parameters())


@given(problems(max_steps=20), periods)
def test_every_loss_is_taken_once_and_the_state_flows_on(problem: Problem, period: tuple[int, int]) -> None:
    k1, k2 = period
    unrolled, losses = problem.unroll()
    taken: list[int] = []
    for window in windows(problem.cell, problem.inputs, problem.targets, k1, k2):
        first, last = window.unrolled.first, window.unrolled.T
        assert last - first < k2
        taken += window.losses
        for t, loss in window.losses.items():
            assert loss.data == losses[t].data
            assert last - k1 < t <= last
        for t in range(first - 1, last + 1):
            assert [node.data for node in window.unrolled.state(t)] == [node.data for node in unrolled.state(t)]
            assert all(node.time_step == t for node in window.unrolled.state(t))
    assert taken == sorted(losses)
    value = truncated_bptt(problem.cell, problem.inputs, problem.targets, k1, k2)
    assert value == pytest.approx(sum(loss.data for loss in losses.values()))


@given(st.integers(1, 30), periods)
def test_chunks_lie_side_by_side_and_windows_slide(T: int, period: tuple[int, int]) -> None:
    k1, k2 = period
    spans = [
        (window.unrolled.first, window.unrolled.T)
        for window in windows(ScalarRNNCell(0.5), [0.1] * T, [0.0] * T, k1, k2)
    ]
    if k1 == k2:
        assert [k for first, last in spans for k in range(first, last + 1)] == list(range(1, T + 1))
    for (first, last), e in zip(spans, range(k1, T + k1, k1)):
        assert (first, last) == (max(1, e - k2 + 1), min(e, T))
    assert len(spans) == -(-T // k1)


@given(st.integers(1, 40), st.integers(1, 40), periods)
def test_the_lags_that_are_kept(k: int, t: int, period: tuple[int, int]) -> None:
    k1, k2 = period
    if k <= t:
        if t - k <= k2 - k1:
            assert keeps(k, t, k1, k2)
        if t - k >= k2:
            assert not keeps(k, t, k1, k2)


@pytest.mark.slow
@given(problems(max_steps=9, kinds=("scalar", "vector", "gated")), periods)
def test_the_gradient_check_freezes_what_is_detached(problem: Problem, period: tuple[int, int]) -> None:
    if getattr(problem.cell, "nonlinearity", "") == "relu":  # a kink may lie within ε
        return
    parameters = problem.cell.parameters()
    for parameter in parameters:
        parameter.grad = 7.0
    assert truncated_gradcheck(problem.cell, problem.inputs, problem.targets, *period, parameters, atol=1e-6, rtol=1e-5)
    assert {parameter.grad for parameter in parameters} == {7.0}


def test_the_ordinary_gradient_check_would_be_wrong_for_truncation() -> None:
    cell, inputs, targets = ScalarRNNCell(0.9, 1.0), [0.5, -0.2, 0.4, 0.3], [None, None, None, 1.0]
    cell.zero_grad()
    truncated_bptt(cell, inputs, targets, 2, 2)
    gradient = cell.w.grad

    def full_loss(w: Value) -> Value:
        loss = mse_loss(unroll(cell, inputs).h[4], 1.0)
        return Value.custom(loss.data, [w], [gradient])

    assert not gradcheck(full_loss, [cell.w], raise_exception=False)
    assert truncated_gradcheck(cell, inputs, targets, 2, 2, [cell.w])


def test_the_gradient_check_finds_a_wrong_derivative() -> None:
    def wrong(output: Any, target: Any) -> Value:
        return Value.custom((output.data - target) ** 2, [output], [2.001 * (output.data - target)])

    cell = ScalarRNNCell(0.9)
    with pytest.raises(GradcheckError, match=r"input 0 \(w\)"):
        truncated_gradcheck(cell, [0.5, 1.0, 0.2], [0.0] * 3, 1, 2, [cell.w], loss=wrong)


@settings(max_examples=30)
@given(st.integers(1, 3), periods, st.integers(0, 2**32))
def test_readout_initial_state_and_loss_are_the_callers(H: int, period: tuple[int, int], seed: int) -> None:
    rng = random.Random(seed)
    cell, readout = RNNCell(1, H, seed=seed), Linear(H, 2, seed=seed)
    h0 = [Value(rng.gauss(0, 1)) for _ in range(H)]
    inputs, targets = [[rng.gauss(0, 1)] for _ in range(7)], [rng.gauss(0, 1) for _ in range(7)]

    def loss(y: Any, target: float) -> Value:
        return (y[0] - target) ** 2 + y[1]

    parameters = [*cell.parameters(), *readout.parameters(), *h0]
    options: Any = {"loss": loss, "readout": readout, "h0": h0}
    assert truncated_gradcheck(cell, inputs, targets, *period, parameters, atol=1e-6, rtol=1e-5, **options)
    # A learned initial state gets the losses of the windows that begin at it, and no others.
    truncated_bptt(cell, inputs, targets, *period, **options)
    unrolled = unroll(cell, inputs, h0, readout)
    k1, k2 = period
    reach = [loss(unrolled.y[t], targets[t - 1]) for t in range(1, 8) if keeps(0, t, k1, k2) or keeps(1, t, k1, k2)]
    assert [value.grad for value in h0] == pytest.approx(gradients(total(reach), h0), rel=1e-9, abs=1e-12)


def test_gradients_add_up_and_parameters_may_change_between_windows() -> None:
    cell, inputs, targets = ScalarRNNCell(0.5, 1.0), [0.1 * t for t in range(12)], [0.0] * 12
    truncated_bptt(cell, inputs, targets, 3, 3)
    once = cell.w.grad
    truncated_bptt(cell, inputs, targets, 3, 3)
    assert cell.w.grad == pytest.approx(2.0 * once)
    seen: list[float] = []

    def step(window: Window) -> None:
        cell.w.data -= 0.1 * cell.w.grad
        cell.zero_grad()
        seen.append(cell.w.data)

    cell.zero_grad()
    truncated_bptt(cell, inputs, targets, 3, 3, after_window=step)
    assert len(set(seen)) == 4


def test_inputs_may_be_iterators_and_are_read_one_period_at_a_time() -> None:
    read = []

    def inputs() -> Iterator[float]:
        for t in range(1, 8):
            read.append(t)
            yield 0.1 * t

    cell = ScalarRNNCell(0.5)
    each = windows(cell, inputs(), iter([1.0] * 7), 2, 4)
    next(each)
    assert read == [1, 2]
    next(each)
    assert read == [1, 2, 3, 4]
    assert [sorted(window.losses) for window in each] == [[5, 6], [7]]


def peak(run: Any) -> int:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_is_constant_where_that_of_full_bptt_grows() -> None:
    def memory(T: int, k: int) -> int:
        w = Value(0.9)
        targets = (0.0 if t % 35 == 0 else None for t in range(T))
        return peak(lambda: truncated_bptt(lambda x, h: w * h, (0.01,) * T, targets, k, k, h0=0.0))

    assert memory(100_000, 35) < 20e6
    assert memory(4_000, 35) < memory(1_000, 35) + 100e3
    short, long = memory(1_000, 1_000), memory(8_000, 8_000)
    assert 6.0 < long / short < 12.0  # linear, but for the leaps in which lists and sets grow
    assert short > 4 * memory(1_000, 35)


@pytest.mark.parametrize(
    ("k1", "k2", "complaint"),
    [(0, 1, "k1 is 0"), (1, 0, "k2 is 0"), (3, 2, "reach nothing"), (2.0, 2, "k1 is 2.0"), (True, 2, "k1 is True")],
)
def test_periods_that_make_no_sense_are_refused(k1: Any, k2: Any, complaint: str) -> None:
    cell = ScalarRNNCell(0.5)
    unrolled = unroll(cell, [1.0])
    with pytest.raises(ArgumentError, match=complaint):
        truncated_bptt(cell, [1.0], [1.0], k1, k2)
    with pytest.raises(ArgumentError, match=complaint):
        truncation(anatomy(unrolled, unrolled.h[1], cell.w), k1, k2)
    with pytest.raises(ArgumentError, match=complaint):
        cut_edges(unrolled, k1, k2)


def test_bad_input_is_refused_with_its_step_in_the_whole_sequence() -> None:
    cell = ScalarRNNCell(0.5)
    with pytest.raises(DataError, match=r"no target .*time step 6"):
        truncated_bptt(cell, [0.1] * 7, [0.0] * 5, 2, 2)
    with pytest.raises(DataError, match=r"no input .*time step 6"):
        truncated_bptt(cell, [0.1] * 5, [0.0] * 7, 2, 2)
    with pytest.raises(DataError, match="x_70 is nan"):
        truncated_bptt(cell, [0.1] * 69 + [float("nan")], [0.0] * 70, 4, 8)
    with pytest.raises(ShapeError, match="time step 5"):
        truncated_bptt(RNNCell(2, 2), [[0.1, 0.2]] * 4 + [[0.1]], [None] * 5, 2, 3)


def test_an_empty_sequence_has_no_windows_and_no_gradient() -> None:
    cell = ScalarRNNCell(0.5)
    assert truncated_bptt(cell, [], [], 2, 2) == 0.0
    assert cell.w.grad == 0.0


# ---- the bias, made visible -------------------------------------------------------------------------------------


def test_the_terms_that_were_cut_are_named() -> None:
    cell = ScalarRNNCell(0.5, 1.0, nonlinearity="identity")
    unrolled = unroll(cell, [1.0, 0.0, 0.0, 0.0])
    parts = truncation(anatomy(unrolled, {t: unrolled.h[t] for t in range(1, 5)}, cell.u), 2, 2)
    terms = parts.cut_terms()
    # Only x_1 is not zero: its use at step 1 is cut from the losses of the second chunk, worth w² and w³.
    assert [(term.k, term.t, term.contribution) for term in terms[:2]] == [(1, 3, 0.25), (1, 4, 0.125)]
    assert {(term.k, term.t) for term in terms} == {(1, 3), (2, 3), (1, 4), (2, 4)}
    assert str(terms[0]) == "(∂L_3/∂u)_1 = 0.25, lag 2"
    assert parts.cut.total() == 0.375
    assert parts.kept.by_lag()[2] == 0.0
    assert parts.full.by_lag()[2] == 0.25


def walk_without(edges: list[tuple[Value, Value]], root: Value, parameters: list[Value]) -> list[float]:
    """The gradient by plain recursion over paths that use none of the edges."""
    forbidden = set(edges)
    sums = dict.fromkeys(topological_order(root), 0.0)
    sums[root] = 1.0
    for node in list(sums):
        slopes = node.operation.local_gradients(node.data, *[parent.data for parent in node.parents])
        for parent, slope in zip(node.parents, slopes):
            if (parent, node) not in forbidden:
                sums[parent] += slope * sums[node]
    return [sums[parameter] for parameter in parameters]


@given(problems(max_steps=9), st.integers(1, 4))
def test_the_cut_edges_are_where_chunks_end(problem: Problem, k: int) -> None:
    found = truncated_gradient(problem, k, k)
    unrolled, losses = problem.unroll()
    edges = cut_edges(unrolled, k, k)
    assert edges or k >= problem.steps
    root = total(losses.values())
    bounds = rounding(root, more_roundings=20 * problem.steps)
    parameters = problem.cell.parameters()
    for a, b, parameter in zip(found, walk_without(edges, root, parameters), parameters):
        assert abs(a - b) <= bounds.get(parameter, 0.0)


@pytest.mark.slow
@given(problems(max_steps=9), periods)
def test_a_sliding_pass_cuts_where_its_window_begins(problem: Problem, period: tuple[int, int]) -> None:
    k1, k2 = period
    if k1 == k2:
        return
    unrolled, losses = problem.unroll()
    e = -(-problem.steps // k1) * k1
    edges = cut_edges(unrolled, k1, k2)
    assert edges == cut_edges(unrolled, k1, k2, after=e)
    last = {t: loss for t, loss in losses.items() if e - k1 < t}
    root = total(last.values())
    bounds = rounding(root, more_roundings=20 * problem.steps)
    for name, parameter in problem.cell.named_parameters():
        kept = truncation(anatomy(unrolled, last, parameter), k1, k2).kept.total()
        assert abs(kept - walk_without(edges, root, [parameter])[0]) <= bounds.get(parameter, 0.0), name
    with pytest.raises(ArgumentError, match="no backward pass"):
        cut_edges(unrolled, k1, k2, after=e + k1)


@given(problems(max_steps=9), periods)
def test_the_passes_on_one_graph_bring_the_same(problem: Problem, period: tuple[int, int]) -> None:
    found = truncated_gradient(problem, *period)
    unrolled, losses = problem.unroll()
    root = total(losses.values())
    bounds = rounding(root, more_roundings=20 * problem.steps)
    problem.cell.zero_grad()
    truncated_backward(unrolled, root, losses, *period)
    for a, parameter in zip(found, problem.cell.parameters()):
        assert abs(a - parameter.grad) <= bounds.get(parameter, 0.0)


def test_a_mean_of_losses_and_a_penalty_keep_their_weights() -> None:
    cell = ScalarRNNCell(0.5, 1.0)
    unrolled = unroll(cell, [0.5, -0.5, 1.0, 0.2])
    losses = {t: unrolled.h[t] * unrolled.h[t] for t in range(1, 5)}
    loss = total(losses.values()) / 4 + 3.0 * cell.w
    truncated_backward(unrolled, loss, losses, 2, 2)
    gradient = cell.w.grad
    assert gradient == pytest.approx(3.0 + truncation(anatomy(unrolled, losses, cell.w), 2, 2).kept.total() / 4)
    assert loss.grad == 1.0
    assert losses[3].grad == 0.25
    # h_2 is cut from step 3, and keeps what the loss of its own chunk gives it.
    assert unrolled.h[2].grad == 0.25 * 2.0 * unrolled.h[2].data
    # A full pass afterwards is a full pass.
    cell.zero_grad()
    loss.backward()
    assert cell.w.grad != gradient
    truncated_backward(unrolled, loss, losses, 4, 4)
    assert cell.w.grad == pytest.approx(2.0 * gradients(loss, [cell.w])[0])
