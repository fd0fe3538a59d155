"""Losses, with PyTorch's names and means."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..engine import arithmetic
from ..engine.arithmetic import number
from ..engine.sums import total
from ..engine.value import Operand, Value, as_value
from ..errors import ArgumentError, ShapeError
from ..support.checks import in_short
from ..support.numbers import whole
from ..support.pytorch import refuses_options
from ..support.text import count
from .trees import is_vector, pairs, shape


@refuses_options
def mse_loss(input: object, target: object) -> Value:
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

    Near 0 only its absolute error is small; `cross_entropy` does without it.

    Raises:
        ShapeError: there are no values.
    """
    if not values:
        raise ShapeError("log-sum-exp of no values")
    largest = arithmetic.largest([value.data for value in values])
    result: Value = total([(value - largest).exp() for value in values]).log() + largest
    return result


@refuses_options
def cross_entropy(input: object, target: object) -> Value:
    """-ln softmax(input)[target], from logits; over several time steps, the mean.

    Args:
        input: the logits of one prediction, or a list of such lists, all of one length.
        target: the index of the right class, or a list of indices.

    Raises:
        ShapeError: the numbers of predictions and of targets differ, or are 0, or rows differ in length.
        ArgumentError: a target is not the index of a class.
    """
    if not is_vector(input) or not len(input):
        raise ShapeError("cross-entropy of no predictions", remedy="Give logits: one list, or one per time step")
    if not any(map(is_vector, input)):
        return _of_one_prediction(input, target)
    if not is_vector(target) or shape(target) != (len(input),):
        raise ShapeError(f"{count(len(input), 'prediction')}, but targets of shape {shape(target)}")
    first = shape(next(iter(input)))
    for t, row in enumerate(input):
        if shape(row) != first or len(first) != 1 or not len(row) or any(map(is_vector, row)):
            raise ShapeError(
                f"row {t} of the predictions has shape {shape(row)}{f', row 0 {first}' if t else ''}",
                remedy="Give a list of as many logits as there are classes for each target",
            )
    return _mean([_of_one_prediction(row, right) for row, right in zip(input, target)])


def _of_one_prediction(input: Sequence[Operand], target: object) -> Value:
    logits = [as_value(logit) for logit in input]
    right = target if isinstance(target, arithmetic.Symbolic) else _class(target, len(logits))
    return _log_one_plus(arithmetic.choose(logits, right), arithmetic.without(logits, right))


def _class(target: object, classes: int) -> int:
    """The index of a class, from anything that stands for a whole number, such as an entry of a tensor."""
    place = whole(target)
    if place is None or not 0 <= place < classes:
        raise ArgumentError(f"target {in_short(target)}", remedy=f"A target is a whole number from 0 to {classes - 1}")
    return place


@refuses_options
def binary_cross_entropy_with_logits(input: object, target: object) -> Value:
    """-y ln σ(v) - (1 - y) ln(1 - σ(v)) for logits v and targets y; the mean over all entries.

    This is y ln(1 + e^-v) + (1 - y) ln(1 + e^v), of which both terms are positive, so that nothing is cancelled.

    Args:
        input: a Value, or lists (of lists) of them.
        target: numbers from 0 to 1, in the same shape.

    Raises:
        ShapeError: the shapes differ, or there are no entries.
        ArgumentError: a target is not a number from 0 to 1.
    """
    return _mean([_binary(as_value(v), y) for v, y in pairs("input", input, "target", target)])


def _binary(v: Value, y: Operand) -> Value:
    probability = y.data if isinstance(y, Value) else number(y)
    if arithmetic.refuted(probability >= 0.0) or arithmetic.refuted(probability <= 1.0):
        raise ArgumentError(f"target {probability!r}", remedy="A target is the probability of class 1, from 0 to 1")
    zero = Value(0.0)  # the logit of class 0
    if not isinstance(y, Value) and probability in (0.0, 1.0):
        return _log_one_plus(v, [zero]) if probability else _log_one_plus(zero, [v])
    weight = y if isinstance(y, Value) else probability
    loss: Value = weight * _log_one_plus(v, [zero]) + (1.0 - weight) * _log_one_plus(zero, [v])
    return loss


def _log_one_plus(right: Value, others: Sequence[Value]) -> Value:
    """ln(1 + Σ e^(other - right)), which is -ln softmax at the right logit: the loss of one prediction.

    Let m be the largest of the others, a constant. Where the right logit is above it, this is ln(1 + Σ e^(other -
    right)), in which log1p keeps the digits of a small loss. Where it is below, by a gap, this is ln(e^gap + Σ e^(other
    - m)) - gap, in which no exponential overflows. Both are one formula, since max(right, m) is the right logit in the
    one case and m in the other, and min(right, m) - m is 0 or the gap. Nothing cancels, forward or backward.
    """
    m = arithmetic.largest([-sys.float_info.max, *[other.data for other in others]])
    top = right.maximum(m)
    gap = right.minimum(m) - m
    odds = total([(other - top).exp() for other in others])
    loss: Value = (odds + (gap.exp() - 1.0)).log1p() - gap
    return loss


def _mean(losses: list[Value]) -> Value:
    if not losses:
        raise ShapeError("a mean loss of no predictions")
    return losses[0] if len(losses) == 1 else total(losses) / len(losses)
