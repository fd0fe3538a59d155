"""How a gradient decays in different cells, side by side: |∂L/∂h_k| and, where there is one, |∂L/∂c_k|.

In an LSTM the two tell different stories: ∂L/∂c_k runs along the constant error path, where each step multiplies
by f_t, while h_k is only read by the gates of the next step.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..engine.value import Value
from ..errors import ArgumentError
from ..nn.cells import Cell
from ..nn.stacked import Recurrent
from ..support.files import json_text, write_whole
from .anatomy import norm, state_gradients
from .decay import mean_direction
from .unroll import Unrolled, unroll


@dataclass(frozen=True)
class StateDecay:
    """The size of the gradient of one part of a cell's state against the lag T - k. Plain data.

    Attributes:
        cell: what the cell was called.
        state: the part of its state, such as ``"h"`` or ``"c"``.
        lags: 0, 1, … T.
        gradients: |∂L/∂state_k|, the Euclidean norm, measured by one backward pass, for k = T - lag.
    """

    cell: str
    state: str
    lags: tuple[int, ...]
    gradients: tuple[float, ...]


def compare_decay(
    cells: Mapping[str, Cell | Recurrent],
    inputs: Sequence[Any],
    *,
    loss: Callable[[Unrolled], Value] | None = None,
) -> list[StateDecay]:
    """Measure the decay of every part of the state of every cell over the same inputs.

    Args:
        cells: by name, such as ``{"RNN": RNNCell(1, 8), "LSTM": LSTMCell(1, 8)}``.
        inputs: x_1 … x_T, as for `unroll`.
        loss: computes L from what was unrolled. By default L is the sum of the entries of h_T over the square
            root of their number, as in `decay`.

    Returns:
        A row per cell and part of its state, in their order.

    Raises:
        ArgumentError: there are no cells.
        ArgumentError, DataError, ShapeError: as `unroll`.
    """
    if not cells:
        raise ArgumentError("there are no cells to compare")
    rows = []
    for name, cell in cells.items():
        unrolled = unroll(cell, inputs)
        root = loss(unrolled) if loss else mean_direction(unrolled)
        lags = tuple(range(unrolled.T + 1))
        for state in unrolled.state_names:
            by_step = state_gradients(unrolled, root, state)
            rows.append(StateDecay(name, state, lags, tuple(norm(by_step[unrolled.T - lag]) for lag in lags)))
    return rows


def write_csv(rows: Sequence[StateDecay], path: str | os.PathLike[str]) -> None:
    """A line per cell, part of the state and lag. Numbers are written in full.

    Raises:
        OSError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["cell", "state", "lag", "gradient"])
    for row in rows:
        for pair in zip(row.lags, row.gradients):
            writer.writerow([row.cell, row.state, *pair])
    write_whole(path, text.getvalue())


def write_json(rows: Sequence[StateDecay], path: str | os.PathLike[str]) -> None:
    """A list of objects with the attributes of `StateDecay`.

    Raises:
        OSError: the file cannot be written.
    """
    write_whole(path, json_text([asdict(row) for row in rows]) + "\n")
