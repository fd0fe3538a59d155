"""How the gradient decays on the user's own sequence, measured for every ‖W‖ and input scale of the sliders."""

from __future__ import annotations

import copy
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..bptt import Unrolled, unroll
from ..bptt.anatomy import norm, state_gradients
from ..bptt.decay import CellFactory, mean_direction, orthogonal_cells
from ..bptt.jacobian import recurrent_matrix
from ..engine.value import Value
from ..nn import GRUCell, LSTMCell, RNNCell, ScalarRNNCell, init
from ..nn.cells import Cell
from ..nn.linalg import numbers, orthogonal, scaled, spectral_norm
from ..nn.quantities import Quantity, entries
from ..pictures import text
from .walkthrough import Tick, finite, nothing

NORMS = tuple(i / 20 for i in range(10, 31))  # 0.5 to 1.5, through 1
SCALES = (0.0, 0.5, 1.0, 2.0, 4.0)
#: Of the LSTM for comparison, whose forget gates are to carry a gradient over a thousand steps: b_f = log 1000 (Tallec
#: and Ollivier 2018, "Can recurrent neural networks warp time?", section 2). Its input gates let in so little that
#: the sequence cannot fill the cell: i ≈ 1/(3T).
FORGET_BIAS = math.log(1000.0)
_MOST_STEPS = 200
_MOST_NODES = 8000  # per measured graph
FLAT = 0.6  # a gradient of which this part is left, or one over it, or anything between, is called flat


@dataclass(frozen=True)
class _Kind:
    """A kind of cell to measure.

    Attributes:
        key: how the page refers to it.
        name, note: what it is called, and what there is to know.
        make: makes the cell of a given ‖W‖.
        yours: whether it is the user's cell, but for ‖W‖.
        states: the parts of its state to differentiate, each by itself: ∂h_T/∂h_k, ∂c_T/∂c_k.
        single: whether its inputs are single numbers.
    """

    key: str
    name: str
    note: str
    make: CellFactory
    yours: bool = True
    states: tuple[str, ...] = ("h",)
    single: bool = False


def measured(unrolled: Unrolled, tick: Tick = nothing) -> dict[str, Any]:
    """Curves over the sequence that was unrolled, or over its end where it is long, for an RNN and an LSTM of its
    size, and for the cell itself if it is a GRU. ``mine`` is what the unrolled graph itself does, whatever its cell.

    Differentiated is the sum of the entries of h_T over the root of their number, by h_k, so that every curve
    starts from 1 and all of them compare; of an LSTM also that of c_T by c_k, where its constant error path runs.
    """
    sequence = _measured_inputs(unrolled)
    own, norms = _norms(unrolled.cell)
    return {
        "norms": norms,
        "scales": SCALES,
        "own": norms.index(own) if own else None,
        "lags": len(sequence),
        "of": unrolled.T - unrolled.first + 1,
        "law": [_told(_law(W_norm, len(sequence))) for W_norm in norms],
        "mine": [
            {"state": state, **_told(_gradients(unrolled, state)[: len(sequence) + 1])}
            for state in [name for name in unrolled.state_names if name in ("h", "c")] or unrolled.state_names[:1]
        ],
        "cells": [curves for kind in _kinds(unrolled) for curves in _curves(kind, norms, sequence, tick)],
    }


def _curves(
    kind: _Kind, norms: Sequence[float], sequence: Sequence[list[float]], tick: Tick
) -> Iterator[dict[str, Any]]:
    """For each part of the state the curves for every norm and input scale."""
    grid = []
    for W_norm in norms:
        row = []
        for scale in SCALES:
            twin = unroll(kind.make(W_norm), [_scaled(x, scale, kind.single) for x in sequence])
            row.append({state: _told(_gradients(twin, state)) for state in kind.states})
            tick()
        grid.append(row)
    for state in kind.states:
        yield {
            "key": kind.key if state == "h" else f"{kind.key}-{state}",
            "name": kind.name,
            "state": state,
            "yours": kind.yours,
            "note": kind.note if state == "h" else f"the same cell, along its cell state {state}",
            "curves": [[told[state] for told in row] for row in grid],
        }


def _measured_inputs(unrolled: Unrolled) -> list[list[float]]:
    """The sequence, or its end where it is long."""
    hidden, inputs, _ = _sizes(unrolled)
    per_step = 2 * hidden * (hidden + inputs) + 2 * hidden
    steps = max(10, min(_MOST_STEPS, _MOST_NODES // per_step))
    return [_numbers(x) for x in list(unrolled.x.values())[-steps:]]


def decay_parts(unrolled: Unrolled) -> int:
    """How often `measured` ticks."""
    return len(_kinds(unrolled)) * len(_norms(unrolled.cell)[1]) * len(SCALES)


def _gradients(unrolled: Unrolled, state: str) -> list[float]:
    """|∂h_T/∂h_k| by lag, in the mean direction of h_T; or that of another part of the state."""
    by_step = state_gradients(unrolled, mean_direction(unrolled, state), state)
    return [norm(by_step[k]) for k in sorted(by_step, reverse=True)]


def _told(gradients: Sequence[float]) -> dict[str, Any]:
    kept = _ratio(gradients[-1], gradients[0])
    ending, words = fate(gradients)
    return {"g": [finite(g) for g in gradients], "fate": ending, "words": words, "kept": text.number(kept)}


def _law(W_norm: float, steps: int) -> list[float]:
    """The law itself, by the engine: a linear cell, whose gradient is ‖W‖^lag whatever the input."""
    return _gradients(unroll(ScalarRNNCell(w=W_norm, u=0.0, nonlinearity="identity"), [0.0] * steps), "h")


def fate(gradients: Sequence[float]) -> tuple[str, str]:
    """What becomes of a gradient with distance, and that in words.

    What the median of the farther half of the lags has become of that of the nearer half decides, taken twice for
    the whole way. Lag 0 does not count: the first step leads into the cell, which may cost once what is not lost
    again.
    """
    if any(math.isinf(g) for g in gradients) and not any(math.isnan(g) for g in gradients):
        return "exploding", "exploding"
    middle = len(gradients) // 2
    near, far = (
        (gradients[1 : middle + 1], gradients[middle + 1 :]) if len(gradients) > 2 else (gradients[:1], gradients)
    )
    half_way = _ratio(statistics.median(far), statistics.median(near))
    ending = _named(half_way * half_way)
    whole = _named(_ratio(gradients[-1], gradients[0]))
    if ending == "flat" and whole != "flat":
        return ending, f"{'drops' if whole == 'vanishing' else 'rises'}, then flat"
    return ending, ending


def _named(kept: float) -> str:
    """What has become of a gradient of which this part is left."""
    if math.isnan(kept):
        return "not a number"
    return "vanishing" if kept < FLAT else "exploding" if kept > 1.0 / FLAT else "flat"


def _ratio(last: float, first: float) -> float:
    return last / first if first else math.nan if last else 0.0


def _kinds(unrolled: Unrolled) -> list[_Kind]:
    """The cells to measure."""
    cell = unrolled.cell
    hidden, inputs, scalar = _sizes(unrolled)
    if isinstance(cell, ScalarRNNCell):
        note = f"your cell, with w set to {'−' if cell.w.data < 0 else ''}‖W‖"
        kinds = [_Kind("rnn", f"RNN, {cell.nonlinearity}", note, _scalar_cells(cell), single=scalar)]
    elif isinstance(cell, RNNCell):
        note = "your cell, with W scaled to ‖W‖"
        kinds = [_Kind("rnn", f"RNN, {cell.nonlinearity}", note, _scaled_cells(cell))]
    else:
        note = "an RNN of the same size, W being ‖W‖ times an orthogonal matrix"
        kinds = [_Kind("rnn", "RNN, tanh", note, orthogonal_cells(hidden, inputs), yours=False)]
    if isinstance(cell, GRUCell):
        note = "your cell, with the W of every gate scaled to ‖W‖"
        kinds.append(_Kind("gru", "GRU", note, _scaled_cells(cell)))
    if isinstance(cell, LSTMCell):
        note = "your cell, with the W of every gate scaled to ‖W‖"
        return [*kinds, _Kind("lstm", "LSTM", note, _scaled_cells(cell), states=("h", "c"))]
    other = LSTMCell(inputs, hidden, forget_bias=FORGET_BIAS)
    Q = orthogonal(hidden)
    steps = len(_measured_inputs(unrolled))
    for gate in other.gates:
        init.set_(gate.W, Q)
    for entry in other.b_i or ():
        entry.data = -math.log(3 * steps)
    gates_set = f"f ≈ {1.0 / (1.0 + math.exp(-FORGET_BIAS)):.3f}, i ≈ {1.0 / (1.0 + 3 * steps):.2g}"
    note = f"of the same size, every W of norm ‖W‖, its biases set so that it remembers ({gates_set})"
    return [*kinds, _Kind("lstm", "LSTM", note, _scaled_cells(other), False, ("h", "c"))]


def _scalar_cells(cell: ScalarRNNCell) -> CellFactory:
    return lambda W_norm: ScalarRNNCell(
        math.copysign(W_norm, cell.w.data), cell.u.data, cell.b.data, nonlinearity=cell.nonlinearity
    )


def _scaled_cells(cell: Cell) -> CellFactory:
    """Copies of a cell, with the W of every gate scaled to a norm."""
    norms = [spectral_norm(numbers(gate.W)) for gate in cell.gates]

    def make_cell(W_norm: float) -> Cell:
        twin = copy.deepcopy(cell)
        for gate, own_norm in zip(twin.gates, norms):
            init.set_(gate.W, scaled(numbers(gate.W), W_norm / own_norm if own_norm else 0.0))
        return twin

    return make_cell


def _norms(cell: Cell) -> tuple[float | None, list[float]]:
    """‖W‖ of the cell itself, if the law is about it, and all to measure, in order."""
    W = recurrent_matrix(cell)
    own = spectral_norm(W) if W else 0.0
    return (own, sorted({*NORMS, own})) if 0.0 < own < math.inf else (None, list(NORMS))


def _sizes(unrolled: Unrolled) -> tuple[int, int, bool]:
    """Hidden size, input size, and whether both are single numbers."""
    h = unrolled[unrolled.state_names[0]]
    state, x = next(iter(h.values())), next(iter(unrolled.x.values()))
    scalar = isinstance(state, Value) and isinstance(x, Value)
    return 1 if isinstance(state, Value) else len(state), 1 if isinstance(x, Value) else len(x), scalar


def _numbers(x: Quantity) -> list[float]:
    return [entry.data for entry in entries(x)]


def _scaled(x: list[float], scale: float, flat: bool) -> float | list[float]:
    return x[0] * scale if flat else [scale * entry for entry in x]
