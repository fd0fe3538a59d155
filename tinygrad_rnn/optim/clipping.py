"""Gradient clipping, and the norm of all gradients together."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..engine.value import Value
from ..errors import DomainError
from ..support.pytorch import refuses_options
from ..support.sums import norm_of
from .arguments import SMALLEST, each_once, within


@refuses_options
def clip_grad_norm_(parameters: Iterable[Value], max_norm: float, norm_type: float = 2.0) -> float:
    """Shrink all gradients together so that their norm is at most ``max_norm`` (Pascanu, Mikolov & Bengio 2013).

    As in PyTorch, they are multiplied by max_norm / (norm + 1e-6) where that is below 1.

    Args:
        parameters: the parameters whose gradients are clipped; duplicates count once.
        max_norm: the bound.
        norm_type: p of the p-norm; ``math.inf`` for the largest absolute value.

    Returns:
        The norm before clipping. It is infinite if it exceeds the largest float; the gradients are clipped even then.

    Raises:
        DomainError: a gradient is NaN or infinite; the error names the parameter, and nothing has changed.
        ArgumentError: max_norm is negative, norm_type is not above 0, or something among the parameters is not one.
    """
    clipped = each_once(parameters)
    max_norm = within("max_norm", max_norm, most=math.inf)
    norm_type = within("norm_type", norm_type, least=SMALLEST, most=math.inf)
    norm = gradient_norm(clipped, norm_type)
    if norm == math.inf > max_norm:  # of finite numbers: shrunk by the largest, they keep their direction
        largest = max(abs(parameter.grad) for parameter in clipped)
        for parameter in clipped:
            parameter.grad /= largest
        factor = max_norm / gradient_norm(clipped, norm_type)
    else:
        factor = min(1.0, max_norm / (norm + 1e-6))  # inf / inf is NaN, which min turns into 1
    if factor != 1.0:
        for parameter in clipped:
            parameter.grad *= factor
    return norm


def gradient_norm(parameters: Iterable[Value], norm_type: float = 2.0) -> float:
    """The p-norm of all gradients together: infinite only where it is itself beyond the largest float.

    Raises:
        DomainError: a gradient is NaN or infinite; the error names the parameter.
    """
    sizes = [abs(gradient) for gradient in finite_gradients(parameters)]
    largest = max(sizes, default=0.0)
    if norm_type == 2.0:
        return norm_of(sizes)
    if norm_type == math.inf or not largest:
        return largest
    return float(largest * math.fsum((size / largest) ** norm_type for size in sizes) ** (1.0 / norm_type))


@refuses_options
def clip_grad_value_(parameters: Iterable[Value], clip_value: float) -> None:
    """Move every gradient into [-clip_value, clip_value].

    Raises:
        DomainError: a gradient is NaN or infinite; the error names the parameter, and nothing has changed.
        ArgumentError: clip_value is negative, or something among the parameters is not one.
    """
    clipped = each_once(parameters)
    clip_value = within("clip_value", clip_value, most=math.inf)
    for parameter, gradient in zip(clipped, finite_gradients(clipped)):
        parameter.grad = min(max(gradient, -clip_value), clip_value)


def finite_gradients(parameters: Iterable[Value]) -> list[float]:
    """Return the gradient of each parameter; duplicates count once.

    Raises:
        DomainError: one is NaN or infinite; the error names the parameter.
        ArgumentError: something among the parameters is not one.
    """
    distinct = each_once(parameters)
    gradients = [parameter.grad for parameter in distinct]
    if not all(map(math.isfinite, gradients)):
        parameter = next(p for p in distinct if not math.isfinite(p.grad))
        raise DomainError(
            f"the gradient of {parameter.name} is {parameter.grad}",
            node=parameter.name,
            remedy="Look for what overflowed in the forward pass or on the way back; a smaller learning rate may help",
        )
    return gradients
