"""Losses, with PyTorch's names and means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..errors import ArgumentError, ShapeError
from ..sums import total
from ..value import Value, as_value
from .module import shape


def mse_loss(input: Any, target: Any) -> Value:
    """The mean of (input - target)² over all entries.

    Args:
        input: a Value, or lists (of lists) of them.
        target: numbers or Values in the same shape.

    Raises:
        ShapeError: the shapes differ, or there are no entries.
    """
    return _mean([(x - y) ** 2 for x, y in _pairs(input, target)])


def log_sum_exp(values: Sequence[Value]) -> Value:
    """log Σ exp(v), without overflow: the largest v, as a constant, is taken out first.

    Raises:
        ShapeError: there are no values.
    """
    if not values:
        raise ShapeError("log-sum-exp of no values")
    largest = ops.largest([value.data for value in values])
    return total([(value - largest).exp() for value in values]).log() + largest


def cross_entropy(input: Sequence[Any], target: Any) -> Value:
    """-log softmax(input)[target], from logits; over several time steps, the mean.

    Args:
        input: the logits of one prediction, or a list of such lists.
        target: the index of the right class, or a list of indices.

    Raises:
        ShapeError: the numbers of predictions and of targets differ, or are 0.
        ArgumentError: a target is not the index of a class.
    """
    if not len(input):
        raise ShapeError("cross-entropy of no predictions")
    if isinstance(input[0], Value):
        if not hasattr(target, "choose") and not (hasattr(target, "__index__") and 0 <= target < len(input)):
            raise ArgumentError(f"target {target!r}", remedy=f"A target is a whole number from 0 to {len(input) - 1}")
        right: Value = ops.choose(input, target)
        return log_sum_exp(input) - right
    if shape(target) != (len(input),):
        raise ShapeError(f"{len(input)} predictions, but targets of shape {shape(target)}")
    return _mean([cross_entropy(logits, index) for logits, index in zip(input, target)])


def binary_cross_entropy_with_logits(input: Any, target: Any) -> Value:
    """-y log σ(v) - (1 - y) log(1 - σ(v)) for logits v and targets y, as log(1 + e^v) - y v; the mean over all entries.

    Args:
        input: a Value, or lists (of lists) of them.
        target: numbers from 0 to 1, in the same shape.

    Raises:
        ShapeError: the shapes differ, or there are no entries.
        ArgumentError: a target is not a number from 0 to 1.
    """
    pairs = _pairs(input, target)
    for _, y in pairs:
        if not 0.0 <= y.data <= 1.0:
            raise ArgumentError(f"target {y.data!r}", remedy="A target is the probability of class 1, from 0 to 1")
    return _mean([log_sum_exp([Value(0.0), v]) - y * v for v, y in pairs])


def _pairs(input: Any, target: Any) -> list[tuple[Value, Value]]:
    if shape(input) != shape(target):
        raise ShapeError(f"input has shape {shape(input)}, target has {shape(target)}")
    a, b = _flat(input), _flat(target)
    if not a or len(a) != len(b):
        raise ShapeError(f"{len(a)} predictions and {len(b)} targets")
    return list(zip(a, b))


def _mean(losses: list[Value]) -> Value:
    return losses[0] if len(losses) == 1 else total(losses) / len(losses)


def _flat(tree: Any) -> list[Value]:
    entries: Sequence[Any] = tree if isinstance(tree, (list, tuple)) else [tree]
    return [
        leaf for entry in entries for leaf in (_flat(entry) if isinstance(entry, (list, tuple)) else [as_value(entry)])
    ]
