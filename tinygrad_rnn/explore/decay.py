"""How the gradient decays on the user's own sequence, measured for every ‖W‖ and input scale of the sliders."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from ..bptt import Unrolled
from ..bptt.decay import CellFactory, DecayCurve, decay, mean_direction, orthogonal_cells
from ..bptt.jacobian import recurrent_matrix
from ..bptt.matrices import numbers, orthogonal, scaled, spectral_norm
from ..draw import text
from ..nn import LSTMCell, RNNCell, ScalarRNNCell
from ..nn.cells import Cell
from ..value import Value
from .walkthrough import finite

NORMS = tuple(i / 20 for i in range(10, 31))  # 0.5 to 1.5, through 1
SCALES = (0.0, 0.5, 1.0, 2.0, 4.0)
#: Of the LSTM for comparison, whose gates are to carry a gradient over a thousand steps: b_f = log 1000, b_i = -b_f
#: (Tallec and Ollivier 2018, "Can recurrent neural networks warp time?", section 2).
FORGET_BIAS = math.log(1000.0)
_MOST_STEPS = 200
_MOST_NODES = 8000  # per measured graph
_FLAT = 0.6  # a gradient of which this part is left, or one over it, is called flat


def measured(unrolled: Unrolled) -> dict[str, Any]:
    """Curves over the sequence that was unrolled, or over its end where it is long, for an RNN and an LSTM of its size.

    Differentiated is the sum of the entries of the state at T over the root of their number, so that every curve
    starts from 1: an RNN's h, and the c of an LSTM, along which its constant error path runs.
    """
    hidden, inputs, scalar = _sizes(unrolled)
    per_step = 2 * hidden * (hidden + inputs) + 2 * hidden
    steps = max(10, min(_MOST_STEPS, _MOST_NODES // per_step))
    sequence = [_numbers(x) for x in list(unrolled.x.values())[-steps:]]
    own = _own_norm(unrolled.cell)
    norms = sorted({*NORMS, own}) if own else list(NORMS)
    cells = []
    for key, name, note, make, state, flat in _kinds(unrolled.cell, hidden, inputs, scalar):
        grid = []
        for scale in SCALES:
            xs = [_scaled(x, scale, flat) for x in sequence]
            grid.append(decay(make, norms, xs, loss=partial(mean_direction, state=state), state=state))
        cells.append(
            {
                "key": key,
                "name": name,
                "note": note,
                "state": state,
                "curves": [[_told(grid[j][i]) for j in range(len(SCALES))] for i in range(len(norms))],
            }
        )
    return {
        "norms": norms,
        "scales": SCALES,
        "own": norms.index(own) if own else None,
        "lags": len(sequence),
        "of": unrolled.T,
        "law": [_told(_law(norm, len(sequence))) for norm in norms],
        "cells": cells,
    }


def _told(curve: DecayCurve) -> dict[str, Any]:
    first, last = curve.gradients[0], curve.gradients[-1]
    kept = last / first if first else math.nan
    return {
        "g": [finite(g) for g in curve.gradients],
        "fate": fate(kept),
        "kept": text.number(kept),
    }


def _law(norm: float, steps: int) -> DecayCurve:
    """The law itself, by the engine: a linear cell, whose gradient is ‖W‖^lag whatever the input."""
    return decay(lambda w: ScalarRNNCell(w=w, u=0.0, nonlinearity="identity"), [norm], [0.0] * steps)[0]


def fate(kept: float) -> str:
    """What becomes of a gradient of which this part is left."""
    if math.isnan(kept):
        return "not a number"
    return "vanishing" if kept < _FLAT else "exploding" if kept > 1.0 / _FLAT else "flat"


def _kinds(cell: Any, hidden: int, inputs: int, scalar: bool) -> list[tuple[str, str, str, CellFactory, str, bool]]:
    """The cells to measure: key, name, what there is to know, factory, state, whether inputs are single numbers."""
    if isinstance(cell, ScalarRNNCell):
        rnn: CellFactory = _scalar_cells(cell)
        name, note = f"RNN, {cell.nonlinearity}", "your cell, with w set to ±‖W‖"
    elif isinstance(cell, RNNCell):
        rnn = _scaled_cells(cell, ("W",))
        name, note = f"RNN, {cell.nonlinearity}", "your cell, with W scaled to ‖W‖"
    else:
        rnn = orthogonal_cells(hidden, inputs)
        name, note = "RNN, tanh", "an RNN of the same size, W being ‖W‖ times an orthogonal matrix"
    if isinstance(cell, LSTMCell):
        lstm = _scaled_cells(cell, ("W_i", "W_f", "W_g", "W_o"))
        lstm_name, lstm_note = "LSTM", "your cell, with the W of every gate scaled to ‖W‖"
    else:
        other = LSTMCell(inputs, hidden, forget_bias=FORGET_BIAS)
        Q = orthogonal(hidden)
        for gate in ("W_i", "W_f", "W_g", "W_o"):
            _set(getattr(other, gate), Q)
        for entry in other.b_i or ():
            entry.data = -FORGET_BIAS
        lstm = _scaled_cells(other, ("W_i", "W_f", "W_g", "W_o"))
        lstm_name = "LSTM"
        gates = f"its gates set to remember (b_f = −b_i = {FORGET_BIAS:.1f})"
        lstm_note = f"of the same size, with every W of norm ‖W‖ and {gates}; the gradient of its cell state c_k"
    return [
        ("rnn", name, note, rnn, "h", scalar and isinstance(cell, ScalarRNNCell)),
        ("lstm", lstm_name, lstm_note, lstm, "c", False),
    ]


def _scalar_cells(cell: ScalarRNNCell) -> CellFactory:
    return lambda norm: ScalarRNNCell(
        math.copysign(norm, cell.w.data), cell.u.data, cell.b.data, nonlinearity=cell.nonlinearity
    )


def _scaled_cells(cell: Cell, names: Sequence[str]) -> CellFactory:
    """Copies of a cell, with the named matrices scaled to a norm."""
    before = {name: numbers(getattr(cell, name)) for name in names}
    norms = {name: spectral_norm(rows) for name, rows in before.items()}

    def make_cell(norm: float) -> Cell:
        twin = copy.deepcopy(cell)
        for name, rows in before.items():
            _set(getattr(twin, name), scaled(rows, norm / norms[name] if norms[name] else 0.0))
        return twin

    return make_cell


def _set(matrix: Sequence[Sequence[Value]], rows: Sequence[Sequence[float]]) -> None:
    for values, row in zip(matrix, rows):
        for value, number in zip(values, row):
            value.data = number


def _own_norm(cell: Any) -> float | None:
    W = recurrent_matrix(cell)
    norm = spectral_norm(W) if W else 0.0
    return norm if 0.0 < norm < math.inf else None


def _sizes(unrolled: Unrolled) -> tuple[int, int, bool]:
    """Hidden size, input size, and whether both are single numbers."""
    h = unrolled[unrolled.state_names[0]]
    state, x = next(iter(h.values())), next(iter(unrolled.x.values()))
    scalar = isinstance(state, Value) and isinstance(x, Value)
    return 1 if isinstance(state, Value) else len(state), 1 if isinstance(x, Value) else len(x), scalar


def _numbers(x: Any) -> list[float]:
    return [entry.data for entry in ([x] if isinstance(x, Value) else x)]


def _scaled(x: list[float], scale: float, flat: bool) -> Any:
    return x[0] * scale if flat else [scale * entry for entry in x]
