"""The computation as a film: every number as it is computed, then every application of the chain rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..engine import passes
from ..engine.steps import Step
from ..engine.value import Value
from ..pictures import text
from .graph import LONGEST, Numbering, Shades

Tick = Callable[[], object]  # called whenever a part of the work is done


def nothing() -> None:
    """Do nothing."""


def record(loss: Value) -> list[Step]:
    """The steps of one backward pass from the loss, which leaves its gradients in the graph."""
    return list(passes.steps(loss))


def forward(order: Sequence[Value], numbers: Numbering) -> list[int]:
    """Which Value is computed when; leaves are there from the start."""
    return [numbers[value] for value in reversed(order) if value.parents]


def backward(steps: Sequence[Step], numbers: Numbering, shades: Shades) -> list[list[Any]]:
    """What each step shows: from where to where, which operand, the local derivative by name and, where that says
    more, by number, what is added to which gradient; and how large that is, the contribution and the sum so far.
    """
    return [
        [
            numbers[step.node],
            numbers[step.parent],
            step.position,
            text.clipped(step.formula, LONGEST),
            text.clipped(step.formula_in_numbers, LONGEST) if step.formula_in_numbers != step.formula else "",
            text.clipped(step.flow, LONGEST),
            text.number(step.contribution),
            text.number(step.gradient_after),
            shades(step.gradient_after),
        ]
        for step in steps
    ]


def sums(steps: Sequence[Step], numbers: Numbering) -> list[list[Any]]:
    """For every labelled leaf that is used more than once, how its gradient adds up: the steps that bring
    something, each with its contribution and the sum so far.
    """
    found: dict[Value, list[list[Any]]] = {}
    for i, step in enumerate(steps):
        if not step.parent.parents and step.parent.label:
            found.setdefault(step.parent, []).append([i, finite(step.contribution), finite(step.gradient_after)])
    several = {value: terms for value, terms in found.items() if len(terms) > 1}
    return [[numbers[value], several[value]] for value in sorted(several, key=numbers.__getitem__)]


def finite(x: float) -> float | None:
    """The number to six digits, which is what a plot needs; None for what cannot be plotted."""
    return float(f"{x:.6g}") if math.isfinite(x) else None
