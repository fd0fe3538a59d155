"""Losses, with PyTorch's names and means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..engine import arithmetic
from ..engine.sums import total
from ..engine.value import Value, as_value
from ..errors import ArgumentError, ShapeError
from .trees import is_vector, pairs, shape


def mse_loss(input: Any, target: Any) -> Value:
    """The mean of (input - target)² over all entries.

    Args:
        input: a Value, or lists (of lists) of them.
        target: numbers or Values in the same shape.

    Raises:
        ShapeError: the shapes differ, or there are no entries.
    """
    return _mean([(as_value(x) - as_value(y)) ** 2 for x, y in pairs("input", input, "target", target)])


def log_sum_exp(values: Sequence[Value]) -> Value:
    """log Σ exp(v), without overflow: the largest v, as a constant, is taken out first.

    Raises:
        ShapeError: there are no values.
    """
    if not values:
        raise ShapeError("log-sum-exp of no values")
    largest = arithmetic.largest([value.data for value in values])
    result: Value = total([(value - largest).exp() for value in values]).log() + largest
    return result


def cross_entropy(input: Any, target: Any) -> Value:
    """-log softmax(input)[target], from logits; over several time steps, the mean.

    Args:
        input: the logits of one prediction, or a list of such lists.
        target: the index of the right class, or a list of indices.

    Raises:
        ShapeError: the numbers of predictions and of targets differ, or are 0.
        ArgumentError: a target is not the index of a class.
    """
    if not is_vector(input) or not len(input):
        raise ShapeError("cross-entropy of no predictions", remedy="Give logits: one list, or one per time step")
    if not is_vector(input[0]):
        if not isinstance(target, arithmetic.Symbolic) and (
            not hasattr(target, "__index__") or is_vector(target) or not 0 <= target < len(input)
        ):
            raise ArgumentError(f"target {target!r}", remedy=f"A target is a whole number from 0 to {len(input) - 1}")
        logits = [as_value(logit) for logit in input]
        right: Value = arithmetic.choose(logits, target)
        return log_sum_exp(logits) - right
    if shape(target) != (len(input),):
        raise ShapeError(f"{len(input)} predictions, but targets of shape {shape(target)}")
    return _mean([cross_entropy(row, index) for row, index in zip(input, target)])


def binary_cross_entropy_with_logits(input: Any, target: Any) -> Value:
    """-y log σ(v) - (1 - y) log(1 - σ(v)) for logits v and targets y, as log(1 + e^v) - y v; the mean over all entries.

    Args:
        input: a Value, or lists (of lists) of them.
        target: numbers from 0 to 1, in the same shape.

    Raises:
        ShapeError: the shapes differ, or there are no entries.
        ArgumentError: a target is not a number from 0 to 1.
    """
    losses = []
    for logit, target_entry in pairs("input", input, "target", target):
        v, y = as_value(logit), as_value(target_entry)
        if arithmetic.refuted(y.data >= 0.0) or arithmetic.refuted(y.data <= 1.0):
            raise ArgumentError(f"target {y.data!r}", remedy="A target is the probability of class 1, from 0 to 1")
        losses.append(log_sum_exp([Value(0.0), v]) - y * v)
    return _mean(losses)


def _mean(losses: list[Value]) -> Value:
    if not losses:
        raise ShapeError("a mean loss of no predictions")
    return losses[0] if len(losses) == 1 else total(losses) / len(losses)
