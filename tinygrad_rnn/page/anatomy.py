"""Where the gradient of every parameter came from: use step × loss step, with its sums and what truncation keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..bptt import Unrolled
from ..bptt.anatomy import Anatomy, Numbers, anatomy, number_or_norm
from ..engine.value import Value
from ..nn.quantities import entries
from ..pictures import text
from ..support.sums import add_up
from .chains import Roots
from .walkthrough import Tick, finite, nothing

MOST_LOSSES = 128
LEAST_VISIBLE = 1e-4  # of the largest contribution: where the colours of the heat map end
_MOST_VISITS = 3_000_000  # nodes walked over


def anatomies(
    unrolled: Unrolled,
    roots: Roots,
    weights: Sequence[float],
    wholes: Mapping[str, str],
    steps: Mapping[Value, int | None],
    tick: Tick = nothing,
) -> dict[str, Any]:
    """The anatomy of every parameter, from the losses of the latest steps where there are many.

    Args:
        unrolled: what the losses were computed from.
        roots: the losses, with their time steps.
        weights: ∂L/∂loss for each.
        wholes: ∂L/∂parameter for each, from all losses, as text (`whole_gradients`).
        steps: the time step of every Value.
        tick: called after every parameter.
    """
    groups = parameters(steps)
    told = min(MOST_LOSSES, len(roots), max(1, _MOST_VISITS // max(1, len(groups) * len(steps))))
    losses: dict[int | None, Value] = {}
    for (t, root), weight in list(zip(roots, weights))[-told:]:
        part = root if weight == 1.0 else root * weight
        losses[t] = losses[t] + part if t in losses else part
    named = {t: loss for t, loss in losses.items() if t is not None}
    if len(named) < len(losses):
        named = {unrolled.T: next(iter(losses.values()))}
    left_out = len(roots) - told
    reached = set(unrolled.steps_of(list(named.values())))
    parts = []
    for name, nodes in groups.items():
        if any(node in reached for node in nodes):
            found = anatomy(unrolled, named, nodes[0] if len(nodes) == 1 else nodes)
            parts.append({"whole": wholes[name], **_told(found, name, left_out > 0)})
        tick()
    return {"left_out": left_out, "parameters": parts}


def whole_gradients(steps: Mapping[Value, int | None]) -> dict[str, str]:
    """The gradient that every parameter has now, as text; of several entries the norm."""
    return {
        name: text.number(_size([entry.grad if entry.has_grad else 0.0 for entry in entries]))
        for name, entries in parameters(steps).items()
    }


def parameters(steps: Mapping[Value, int | None]) -> dict[str, list[Value]]:
    """The labelled leaves outside time, entries of one matrix or vector together."""
    groups: dict[str, list[Value]] = {}
    for value, step in steps.items():
        if step is None and not value.parents and value.label:
            groups.setdefault(value.label.partition("[")[0] or value.label, []).append(value)
    return groups


def _told(found: Anatomy, name: str, from_visible: bool) -> dict[str, Any]:
    uses = [k for k in found.use_steps if k is not None]
    losses = [t for t in found.loss_steps if t is not None]
    first = losses[0] - MOST_LOSSES + 1
    shown = [k for k in uses if k >= first]
    by_use, by_loss, by_lag = found.by_use_step(), found.by_loss_step(), found.by_lag()
    table = dict(zip(found.use_steps, found.table()))
    if from_visible:  # earlier steps of which no loss that is told shows anything
        least = LEAST_VISIBLE * max((abs(x) for k in shown for x in table[k]), default=0.0)
        visible = (k for k in shown if k >= losses[0] or any(abs(x) > least for x in table[k]))
        shown = shown[shown.index(next(visible, shown[-1])) :] if shown else shown
    longest = max((lag for lag in by_lag if lag is not None), default=0)
    return {
        "name": name,
        "signed": not found.shape,
        "uses": shown,
        "earlier": len(uses) - len(shown),
        "losses": losses,
        "cells": [[finite(table[k][j]) if k <= t else None for k in shown] for j, t in enumerate(losses)],
        "by_use": [finite(number_or_norm(by_use[k])) for k in shown],
        "by_loss": [finite(number_or_norm(by_loss.get(t, 0.0))) for t in losses],
        "by_lag": [finite(number_or_norm(by_lag.get(lag, 0.0))) for lag in range(min(longest + 1, MOST_LOSSES))],
        "longest": longest,
        "total": text.number(number_or_norm(found.total())),
        "windows": _windows(by_lag, min(longest + 1, MOST_LOSSES)),
    }


def _windows(by_lag: Mapping[int | None, Numbers], most: int) -> list[list[str]]:
    """For windows of 1, 2, … steps: what truncated BPTT that moves on step by step keeps, the lags below the window
    (`tinygrad_rnn.bptt.truncated`, k1 = 1), and what it throws away.
    """

    def added(first: int, last: float) -> str:
        terms = [entries(numbers) for lag, numbers in by_lag.items() if first <= (0 if lag is None else lag) < last]
        return text.number(_size([add_up(column) for column in zip(*terms)] or [0.0]))

    return [[added(0, k), added(k, math.inf)] for k in range(1, most + 1)]


def _size(numbers: Sequence[float]) -> float:
    """A single number as it is; of several, the norm."""
    return number_or_norm(numbers[0] if len(numbers) == 1 else numbers)
