"""A gradient split by use step and loss step: every sum must give the gradient back."""

from __future__ import annotations

import random
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import RNNCell, ScalarRNNCell, Value, mse_loss, total, unroll
from tinygrad_rnn.bptt.anatomy import Anatomy, anatomy, norm, state_gradients
from tinygrad_rnn.engine.backward import gradients, topological_order
from tinygrad_rnn.errors import ArgumentError, DomainError, GraphError, TooLargeError
from tinygrad_rnn.nn.quantities import entries
from tinygrad_rnn.support import memory

from ..random_problems import Problem, problems, rounding


def gradient_of_sum(losses: dict[int, Value], parameter: Any) -> tuple[list[float], list[float]]:
    """The gradient of the sum of the losses, by plain backward(), and how far a sum of its parts may be off."""
    root = total(losses.values())
    nodes = entries(parameter)
    bounds = rounding(root, more_roundings=len(topological_order(root)))
    return gradients(root, nodes), [bounds.get(node, 0.0) for node in nodes]


def close(parts: Any, whole: list[float], bounds: list[float]) -> bool:
    return all(abs(a - b) <= bound for a, b, bound in zip(entries(parts), whole, bounds))


@given(problems())
def test_rows_columns_and_diagonals_sum_to_the_gradient(problem: Problem) -> None:
    unrolled, losses = problem.unroll()
    for parameter in problem.matrices.values():
        split = anatomy(unrolled, losses, parameter)
        whole, bounds = gradient_of_sum(losses, parameter)
        assert close(split.total(), whole, bounds)
        for sums in (split.by_use_step(), split.by_loss_step(), split.by_lag()):
            added = [sum(column) for column in zip(*map(entries, sums.values()))]
            assert close(added, whole, bounds)


@given(problems())
def test_one_loss_gives_its_gradient_to_the_bit(problem: Problem) -> None:
    # One use per step, added up in the order of the walk: nothing is rounded differently.
    unrolled, losses = problem.unroll()
    loss = losses[problem.steps]
    for parameter in problem.matrices.values():
        assert entries(anatomy(unrolled, loss, parameter).total()) == gradients(loss, entries(parameter))


@given(problems())
def test_a_column_is_the_gradient_of_its_loss(problem: Problem) -> None:
    unrolled, losses = problem.unroll()
    for parameter in problem.matrices.values():
        by_loss_step = anatomy(unrolled, losses, parameter).by_loss_step()
        assert list(by_loss_step) == sorted(losses)
        for t, loss in losses.items():
            assert entries(by_loss_step[t]) == gradients(loss, entries(parameter))


class Untied(ScalarRNNCell):
    """A scalar cell with a weight of its own for every time step."""

    def __init__(self, weights: list[float]) -> None:
        super().__init__()
        self.weights = [Value(w) for w in weights]
        self.t = 0

    def step(self, x: Any, *state: Value) -> dict[str, Value]:
        self.w = self.weights[self.t]
        self.t += 1
        return super().step(x, *state)


@given(st.integers(1, 12), st.integers(0, 2**32))
def test_a_contribution_is_the_gradient_of_an_untied_weight(T: int, seed: int) -> None:
    rng = random.Random(seed)
    w, inputs = rng.gauss(0, 1), [rng.gauss(0, 1) for _ in range(T)]
    tied, untied = unroll(ScalarRNNCell(w), inputs), unroll(Untied([w] * T), inputs)
    split = anatomy(tied, {t: tied.h[t] for t in range(1, T + 1)}, tied.cell.w)
    for t in range(1, T + 1):
        apart = gradients(untied.h[t], untied.cell.weights)
        assert [split[k, t] for k in range(1, T + 1)] == apart


@given(problems())
def test_gradients_are_left_as_they_were(problem: Problem) -> None:
    unrolled, losses = problem.unroll()
    root = total(losses.values())
    nodes = topological_order(root)
    for _ in range(2):
        before = [node._grad for node in nodes]
        for parameter in problem.matrices.values():
            anatomy(unrolled, losses, parameter)
        state_gradients(unrolled, root)
        assert [node._grad for node in nodes] == before
        root.backward()


def test_gradients_are_left_as_they_were_when_a_derivative_does_not_exist() -> None:
    unrolled = unroll(ScalarRNNCell(0.5, 0.0), [1.0, 1.0])
    unrolled.h[2].backward()
    before = unrolled.cell.w.grad, unrolled.h[1].grad
    with pytest.raises(DomainError):
        anatomy(unrolled, unrolled.h[2].sqrt(), unrolled.cell.w)
    assert (unrolled.cell.w.grad, unrolled.h[1].grad) == before


@given(problems(kinds=("vector", "gated")))
def test_an_entry_is_a_part_of_the_whole(problem: Problem) -> None:
    unrolled, losses = problem.unroll()
    matrix = next(iter(problem.matrices.values()))
    whole = anatomy(unrolled, losses, matrix)
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            entry = whole.entry(i, j)
            assert entry.name == value.label
            assert list(entry.terms()) == list(anatomy(unrolled, losses, value).terms())
    last = max(losses)
    assert whole.table()[-1][-1] == norm(whole[whole.use_steps[-1], last])


def test_a_use_outside_time_has_a_row_of_its_own() -> None:
    cell = ScalarRNNCell(0.5)
    unrolled = unroll(cell, [1.0, -1.0])
    penalty = cell.w * cell.w
    split = anatomy(unrolled, [unrolled.h[1], unrolled.h[2], penalty], cell.w)
    assert split.use_steps == (None, 1, 2)
    assert split.loss_steps == (None, 1, 2)
    assert split[None, None] == 1.0
    assert split.by_lag()[None] == 1.0
    assert split.total() == pytest.approx(sum(gradients(total([*unrolled.h.values(), penalty]), [cell.w])))


def test_a_computed_weight_is_split_at_its_uses() -> None:
    g = Value(0.7, label="g")
    w = g * g
    cell = ScalarRNNCell(w)
    unrolled = unroll(cell, [1.0, -1.0, 0.5])
    split = anatomy(unrolled, unrolled.h[3], w)
    plain = unroll(ScalarRNNCell(w.data), [1.0, -1.0, 0.5])
    assert list(split.terms()) == list(anatomy(plain, plain.h[3], plain.cell.w).terms())
    # What lies below it is still reached: both at once.
    both = anatomy(unrolled, unrolled.h[3], [w, g])
    assert both.by_use_step()[None] == [0.0, gradients(unrolled.h[3], [g])[0]]


def test_steps_may_come_in_any_order_of_creation() -> None:
    # Two layers, one after the other: the walk meets step 3 … 1 of the upper, then step 3 … 1 of the lower.
    w = Value(0.8, label="w")
    lower = unroll(ScalarRNNCell(w), [1.0, -0.5, 2.0])
    upper = unroll(ScalarRNNCell(w), [lower.h[t] for t in (1, 2, 3)])
    split = anatomy(upper, upper.h[3], w)
    assert split.use_steps == (1, 2, 3)
    assert split.total() == pytest.approx(gradients(upper.h[3], [w])[0], rel=1e-15)
    assert 0.0 not in (split[2, 3], split[3, 3])


def test_a_closure_counts_like_any_op() -> None:
    w = Value(3.0, label="w")

    def cell(x: Value, h: Value) -> Value:
        out = Value(h.data * w.data + x.data, (h, w, x), "user")

        def backward() -> None:
            h.grad += w.data * out.grad
            w.grad += h.data * out.grad
            x.grad += out.grad

        out._backward = backward
        return out

    unrolled = unroll(cell, [1.0, 2.0, 3.0], h0=0.5)
    plain = unroll(ScalarRNNCell(3.0, 1.0, nonlinearity="identity"), [1.0, 2.0, 3.0], h0=0.5)
    split = anatomy(unrolled, unrolled.h[3], w)
    assert split.table() == anatomy(plain, plain.h[3], plain.cell.w).table()


def test_losses_of_one_step_are_added_and_steps_are_found() -> None:
    unrolled = unroll(ScalarRNNCell(0.5), [1.0, -1.0])
    loss = mse_loss(unrolled.h[2], 1.0)
    assert anatomy(unrolled, loss, unrolled.cell.w).loss_steps == (2,)
    twice = anatomy(unrolled, [loss, loss], unrolled.cell.w)
    assert twice.loss_steps == (2,)
    assert twice.total() == 2.0 * anatomy(unrolled, loss, unrolled.cell.w).total()
    assert anatomy(unrolled, {7: loss}, unrolled.cell.w).loss_steps == (7,)


def test_where_parts_the_sum() -> None:
    unrolled = unroll(RNNCell(1, 2), [[1.0], [-1.0], [0.5]])
    split = anatomy(unrolled, {t: mse_loss(unrolled.h[t], [0.0, 1.0]) for t in (1, 2, 3)}, unrolled.cell.W)
    near, far = split.where(lambda k, t: t - k < 1), split.where(lambda k, t: t - k >= 1)
    for a, b, whole in zip(entries(near.table()), entries(far.table()), entries(split.table())):
        assert 0.0 in (a, b)
        assert a + b == whole


@pytest.mark.parametrize(
    ("parameter", "complaint"),
    [([], "nothing"), ([Value(1.0), 2.0], "float"), ([[Value(1.0)], [Value(1.0), Value(2.0)]], "length")],
)
def test_what_is_no_parameter_is_refused(parameter: Any, complaint: str) -> None:
    unrolled = unroll(ScalarRNNCell(0.5), [1.0])
    with pytest.raises(ArgumentError, match=complaint):
        anatomy(unrolled, unrolled.h[1], parameter)


def test_what_cannot_be_split_is_refused() -> None:
    unrolled = unroll(ScalarRNNCell(0.5), [1.0])
    w = unrolled.cell.w
    with pytest.raises(GraphError, match="no loss depends"):
        anatomy(unrolled, unrolled.h[1], Value(1.0, label="other"))
    with pytest.raises(ArgumentError, match="twice"):
        anatomy(unrolled, unrolled.h[1], [w, w])
    with pytest.raises(ArgumentError, match="no losses"):
        anatomy(unrolled, [], w)
    with pytest.raises(ArgumentError, match="float"):
        anatomy(unrolled, [1.0], w)  # type: ignore[list-item]
    split = anatomy(unrolled, unrolled.h[1], w)
    with pytest.raises(ArgumentError, match="no use at time step 2"):
        split[2, 1]
    with pytest.raises(ArgumentError, match="no entry"):
        split.entry(0)


def test_a_loss_that_is_the_parameter_itself_is_counted() -> None:
    unrolled = unroll(ScalarRNNCell(0.5), [1.0, 2.0])
    w, loss = unrolled.cell.w, unrolled.h[2]
    assert anatomy(unrolled, w, w).total() == 1.0
    assert anatomy(unrolled, {None: w, 2: loss}, w).total() == pytest.approx(1.0 + gradients(loss, [w])[0])
    h = unrolled.h[1]
    assert anatomy(unrolled, [h], h).total() == 1.0


def test_an_infinite_gradient_is_shown_as_such() -> None:
    unrolled = unroll(ScalarRNNCell(1e10, 1.0, nonlinearity="identity"), [1e-300] * 40)
    split = anatomy(unrolled, unrolled.h[40], unrolled.cell.u)
    assert split.total() == gradients(unrolled.h[40], [unrolled.cell.u])[0] == float("inf")


@given(problems())
def test_state_gradients_are_those_of_backward(problem: Problem) -> None:
    unrolled, losses = problem.unroll()
    root = total(losses.values())
    found_by_name = {name: state_gradients(unrolled, root, name) for name in unrolled.state_names}
    root.backward()
    for name, found in found_by_name.items():
        for k, quantity in unrolled[name].items():
            assert entries(found[k]) == [node.grad for node in entries(quantity)]


@pytest.mark.slow
def test_a_long_sequence_is_no_matter() -> None:
    unrolled = unroll(ScalarRNNCell(0.99, 0.5), [0.1] * 10_000)
    split = anatomy(unrolled, unrolled.h[10_000], unrolled.cell.w)
    assert split.total() == gradients(unrolled.h[10_000], [unrolled.cell.w])[0]
    assert len(split.use_steps) == 10_000


def test_repr_is_short() -> None:
    unrolled = unroll(ScalarRNNCell(0.5), [1.0, 2.0])
    split: Anatomy = anatomy(unrolled, {t: unrolled.h[t] for t in (1, 2)}, unrolled.cell.w)
    assert repr(split) == "Anatomy(∂L/∂w, uses 1 … 2, losses 1 … 2)"


def test_a_contribution_is_found_without_a_search() -> None:
    """A search through all steps for each of T² contributions would take T³."""
    compared = []

    class Step(int):
        def __eq__(self, other: object) -> bool:
            compared.append(other)
            return int(self) == other

        __hash__ = int.__hash__

    n = 100
    steps = tuple(map(Step, range(1, n + 1)))
    split = Anatomy("w", (), steps, steps, tuple(array("d", [1.0] * n) for _ in steps))
    assert split[n, n] == split[steps[-1], steps[-1]] == 1.0
    compared.clear()
    assert split[n, n] == 1.0
    assert len(compared) <= 4


@pytest.mark.slow
def test_contributions_that_do_not_fit_into_memory_are_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = RNNCell(1, 60)
    unrolled = unroll(cell, [[0.1]] * 30)
    monkeypatch.setattr(memory, "available_memory", lambda: 10**7)
    losses = [mse_loss(h, [0.0] * 60) for h in unrolled.h.values() if h]
    with pytest.raises(TooLargeError, match=r"^the number of loss steps = 31 takes about 53\.6 MB"):
        anatomy(unrolled, losses[-31:], cell.W)
