"""The losses, against their definitions and at the edges of what a double holds."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import Value, cross_entropy, gradcheck, mse_loss
from tinygrad_rnn.errors import ArgumentError, OperandError, ShapeError
from tinygrad_rnn.nn import log_sum_exp

numbers = st.floats(-10, 10)


def values(tree: Any) -> Any:
    return [values(entry) for entry in tree] if isinstance(tree, list) else Value(tree)


# ---- mean squared error ----------------------------------------------------------------------------------------


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8))
def test_mean_squared_error(pairs: list[tuple[float, float]]) -> None:
    inputs, targets = [Value(a) for a, _ in pairs], [b for _, b in pairs]
    loss = mse_loss(inputs, targets)
    assert loss.data == pytest.approx(sum((a - b) ** 2 for a, b in pairs) / len(pairs))
    loss.backward()
    for (a, b), value in zip(pairs, inputs):
        assert value.grad == pytest.approx(2 * (a - b) / len(pairs))


def test_mean_squared_error_takes_one_number_lists_lists_of_lists_and_arrays() -> None:
    assert mse_loss(Value(3.0), 1.0).data == 4.0
    assert mse_loss([[Value(3.0)], [Value(0.0)]], [[1.0], [2.0]]).data == 4.0
    assert mse_loss(values([3.0, 0.0]), np.array([1.0, 2.0])).data == 4.0
    assert mse_loss(np.array(values([[3.0], [0.0]])), [[1.0], [2.0]]).data == 4.0
    assert mse_loss((Value(3.0),), (Value(1.0),)).data == 4.0
    target = Value(1.0)
    mse_loss(Value(3.0), target).backward()
    assert target.grad == -4.0


@pytest.mark.parametrize(
    ("input", "target"),
    [
        ([1.0, 2.0], [1.0]),
        ([1.0], 1.0),
        ([[1.0, 2.0]], [1.0, 2.0]),
        ([[1.0, 2.0], [3.0], [4.0]], [[1.0, 2.0], [3.0, 4.0], [5.0]]),  # as many in all, but ragged
        ([], []),
        ([[]], [[]]),
    ],
)
def test_shapes_that_differ_are_refused(input: Any, target: Any) -> None:
    with pytest.raises(ShapeError):
        mse_loss(values(input), target)


def test_a_target_that_is_no_number_is_refused() -> None:
    for target in (None, "1"):
        with pytest.raises(OperandError):
            mse_loss(Value(1.0), target)


# ---- cross-entropy ---------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-800, 800), min_size=1, max_size=6), st.data())
def test_cross_entropy_is_minus_the_log_of_the_softmax(logits: list[float], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, len(logits) - 1))
    leaves = [Value(logit) for logit in logits]
    loss = cross_entropy(leaves, target)
    loss.backward()
    with mpmath.workdps(50):
        weights = [mpmath.exp(mpmath.mpf(logit)) for logit in logits]
        softmax = [weight / sum(weights) for weight in weights]
        assert loss.data == pytest.approx(
            float(-mpmath.log(softmax[target])), rel=1e-12, abs=1e-12 * max(map(abs, logits))
        )
    for i, leaf in enumerate(leaves):
        assert leaf.grad == pytest.approx(float(softmax[i]) - (i == target), rel=1e-9, abs=1e-12)


def test_over_several_steps_it_is_the_mean() -> None:
    rows, targets = [[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], [2, 0]
    one_by_one = [cross_entropy(values(row), target).data for row, target in zip(rows, targets)]
    for form in (targets, tuple(targets), np.array(targets)):
        assert cross_entropy(values(rows), form).data == pytest.approx(sum(one_by_one) / 2, rel=1e-15)
    assert cross_entropy(values(rows[:1]), targets[:1]).data == one_by_one[0]
    assert cross_entropy(rows, targets).data == cross_entropy(values(rows), targets).data  # plain numbers, too
    assert cross_entropy(values(rows[0]), np.int64(2)).data == one_by_one[0]


def test_equal_logits_cost_the_log_of_the_number_of_classes() -> None:
    for logit in (0.0, 1e300, -1e300):
        assert cross_entropy([Value(logit)] * 4, 1).data == pytest.approx(
            math.log(4) if abs(logit) < 1e9 else 0.0, abs=1.5
        )
        leaves = [Value(logit) for _ in range(4)]
        cross_entropy(leaves, 1).backward()
        assert [leaf.grad for leaf in leaves] == [0.25, -0.75, 0.25, 0.25]


@pytest.mark.parametrize(
    "target", [3, -1, 1.0, "1", None, np.array([1]), np.int64(3), np.int64(-1), np.float64(1.0), Value(1)]
)
def test_a_target_that_is_no_class_is_refused(target: Any) -> None:
    with pytest.raises(ArgumentError, match="from 0 to 2"):
        cross_entropy(values([1.0, 2.0, 3.0]), target)


@pytest.mark.parametrize(
    ("input", "target"),
    [([], 0), ([[]], [0]), ([[1.0, 2.0]], [0, 1]), ([[1.0, 2.0]], 0), (1.0, 0), ([[1.0], [2.0]], [0])],
)
def test_numbers_of_predictions_and_targets_that_differ_are_refused(input: Any, target: Any) -> None:
    with pytest.raises(ShapeError):
        cross_entropy(values(input), target)


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=6))
def test_log_sum_exp(numbers: list[float]) -> None:
    leaves = [Value(number) for number in numbers]
    root = log_sum_exp(leaves)
    with mpmath.workdps(50):
        exact = float(mpmath.log(sum(mpmath.exp(mpmath.mpf(number)) for number in numbers)))
    assert root.data == pytest.approx(exact, rel=1e-13, abs=1e-13)
    assert max(numbers) <= root.data <= max(numbers) + math.log(len(numbers)) + 1e-9
    root.backward()
    assert sum(leaf.grad for leaf in leaves) == pytest.approx(1.0, rel=1e-12)


def test_log_sum_exp_of_nothing_is_refused() -> None:
    with pytest.raises(ShapeError):
        log_sum_exp([])


def test_gradients() -> None:
    assert gradcheck(lambda *xs: mse_loss(list(xs), [0.5, -1.0, 2.0]), [1.0, 2.0, 3.0])
    assert gradcheck(lambda *xs: cross_entropy(list(xs), 1), [1.0, 2.0, 3.0])
    assert gradcheck(lambda *xs: cross_entropy([list(xs[:2]), list(xs[1:])], [1, 0]), [1.0, 2.0, 3.0])
    assert gradcheck(lambda *xs: log_sum_exp(xs), [1.0, 1.0, -30.0])
