"""The decay, or growth, of a gradient with distance: measured on the real graph, beside the law ‖W‖^lag.

    ‖∂L/∂h_k‖ <= ‖∂L/∂h_T‖ ‖W‖^(T-k)

since |tanh'| <= 1 (Hochreiter 1991; Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio 2013). On a
logarithmic axis the law is a straight line: down for ‖W‖ < 1, flat at 1, up above. A linear cell whose W is a
multiple of an orthogonal matrix (any scalar W is) follows it exactly; where tanh saturates, the measured
gradient bends away below it. `decay` measures one kind of cell for several ‖W‖, `compare_decay` several cells.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..engine.arithmetic import number
from ..engine.sums import total
from ..engine.value import Value
from ..errors import ArgumentError
from ..nn import init
from ..nn.cells import Cell, RNNCell, ScalarRNNCell
from ..nn.linalg import Rows, non_normal, orthogonal, scaled
from ..nn.parameters import Seed
from ..nn.stacked import Recurrent
from ..support.files import json_text, write_whole
from .anatomy import norm, state_gradients
from .jacobian import power
from .unroll import Unrolled, unroll
from .verdict import Verdict, kept, verdict

CellFactory = Callable[[float], Cell]


@dataclass(frozen=True)
class DecayCurve:
    """The size of the gradient of one part of a cell's state against the lag T - k. Plain data.

    Attributes:
        name: the name of the cell, such as ``"tanh"``.
        state: the part of its state, such as ``"h"`` or ``"c"``.
        lags: 0, 1, … T.
        gradients: ‖∂L/∂state_k‖, the Euclidean norm, measured by one backward pass, for k = T - lag.
        W_norm: ‖W‖₂, where it was prescribed; else NaN.
        law: ‖∂L/∂state_T‖ ‖W‖^lag, where ‖W‖ was prescribed; else empty.
        verdict: what becomes of the gradient over all lags; None if the loss uses the initial state alone.
        entries: the number of entries of that part of the state.
    """

    name: str
    state: str
    lags: tuple[int, ...]
    gradients: tuple[float, ...]
    W_norm: float = math.nan
    law: tuple[float, ...] = ()
    verdict: Verdict | None = None
    entries: int = 1

    def as_dict(self) -> dict[str, Any]:
        """Return the curve as a dict for JSON. The key of the name is "cell" in a comparison of cells."""
        verdict_fields = self.verdict.as_dict() if self.verdict else {}
        measured = {**verdict_fields, "lags": self.lags, "gradients": self.gradients}
        if self.law:
            return {"name": self.name, "W_norm": self.W_norm, **measured, "law": self.law}
        return {"cell": self.name, "state": self.state, **measured}


def decay(
    make_cell: CellFactory,
    norms: Iterable[float],
    inputs: Sequence[object],
    *,
    h0: object = None,
    loss: Callable[[Unrolled], Value] | None = None,
    state: str = "h",
    name: str = "",
) -> list[DecayCurve]:
    """Measure ‖∂L/∂h_k‖ for every k, once per ‖W‖.

    Args:
        make_cell: returns a cell with the given ‖W‖₂. `scalar_cells`, `orthogonal_cells` and `non_normal_cells` return
            such a function. Any function of one number works, such as one that makes an LSTM with weights of that size.
        norms: the values of ‖W‖₂, each at least 0.
        inputs: x_1 … x_T, as for `unroll`.
        h0: the initial state, as for `unroll`.
        loss: computes L from the unrolled cell. By default L is the sum of the entries of h_T, divided by the square
            root of their number, so that ‖∂L/∂h_T‖ = 1.
        state: the part of the state to differentiate by: ``"c"`` for the cell state of an LSTM.
        name: what to call the curves.

    Returns:
        One curve per norm, in the same order.

    Raises:
        ArgumentError: a norm is negative or not finite, or the cell has no such state.
    """
    curves = []
    for W_norm in (number(each, "‖W‖") for each in norms):
        if not (math.isfinite(W_norm) and W_norm >= 0.0):
            raise ArgumentError(f"‖W‖ = {W_norm}", remedy="A norm is a finite number of at least 0")
        unrolled = unroll(make_cell(W_norm), inputs, h0)
        (curve,) = _curves(name, unrolled, loss, [state])
        law = tuple(curve.gradients[0] * power(W_norm, lag) for lag in curve.lags)
        curves.append(replace(curve, W_norm=W_norm, law=law))
    return curves


def compare_decay(
    cells: Mapping[str, Cell | Recurrent],
    inputs: Sequence[object],
    *,
    loss: Callable[[Unrolled], Value] | None = None,
) -> list[DecayCurve]:
    """Measure the decay of every part of the state of every cell over the same inputs.

    In an LSTM the parts tell different stories: ∂L/∂c_k runs along the constant error path, where each time step
    multiplies by f_t, while h_k is only read by the gates of the next time step.

    Args:
        cells: by name, such as ``{"RNN": RNNCell(1, 8), "LSTM": LSTMCell(1, 8)}``.
        inputs: x_1 … x_T, as for `unroll`.
        loss: as for `decay`.

    Returns:
        One curve per cell and part of its state, in the same order.

    Raises:
        ArgumentError: there are no cells.
        ArgumentError, DataError, ShapeError: as `unroll`.
    """
    if not cells:
        raise ArgumentError("there are no cells to compare")
    curves = []
    for name, cell in cells.items():
        unrolled = unroll(cell, inputs)
        curves += _curves(name, unrolled, loss, unrolled.state_names)
    return curves


def _curves(
    name: str, unrolled: Unrolled, loss: Callable[[Unrolled], Value] | None, states: Iterable[str]
) -> list[DecayCurve]:
    """Return the decay curves of these parts of the state, without a law."""
    root = loss(unrolled) if loss else mean_direction(unrolled)
    curves = []
    for state in states:
        by_step = state_gradients(unrolled, root, state)
        lags = tuple(range(len(by_step)))
        sizes = tuple(norm(by_step[unrolled.T - lag]) for lag in lags)
        ratios = kept(unrolled, root, state)
        found = verdict(ratios[-1], len(ratios) - 1)
        size = len(unrolled.state(unrolled.T, [state]))
        curves.append(DecayCurve(name, state, lags, sizes, verdict=found, entries=size))
    return curves


def mean_direction(unrolled: Unrolled, state: str = "h") -> Value:
    """The sum of a state's entries at step T, divided by the root of their number: its gradient there has norm 1."""
    entries = unrolled.state(unrolled.T, [state])
    return entries[0] if len(entries) == 1 else total(entries) / math.sqrt(len(entries))


# ---- cells of a prescribed ‖W‖ ----------------------------------------------------------------------------------


def scalar_cells(u: float = 0.5, b: float = 0.0, nonlinearity: str = "tanh") -> CellFactory:
    """Scalar cells with w = ‖W‖."""
    return lambda W_norm: ScalarRNNCell(w=W_norm, u=u, b=b, nonlinearity=nonlinearity)


def orthogonal_cells(hidden_size: int, input_size: int = 1, nonlinearity: str = "tanh", seed: Seed = 0) -> CellFactory:
    """Vector cells whose W is ‖W‖ times a random orthogonal matrix: every singular value is ‖W‖."""
    Q = orthogonal(hidden_size, seed)
    return _vector_cells(lambda W_norm: scaled(Q, W_norm), hidden_size, input_size, nonlinearity, seed)


def non_normal_cells(
    hidden_size: int, input_size: int = 1, nonlinearity: str = "tanh", seed: Seed = 0, radius: float = 0.8
) -> CellFactory:
    """Vector cells with a random W of the given norm and ``radius`` times that as its spectral radius.

    Over long lags the linear cell's gradient goes like (radius·‖W‖)^lag. So it vanishes also for ‖W‖ slightly above 1,
    where it may grow first.
    """
    radius = number(radius, "radius")
    if not 0.0 <= radius <= 1.0:
        raise ArgumentError(f"radius is {radius:g}", remedy="It is a share of ‖W‖, between 0 and 1")
    B = non_normal(hidden_size, 1.0, radius, seed)
    return _vector_cells(lambda W_norm: scaled(B, W_norm), hidden_size, input_size, nonlinearity, seed)


def _vector_cells(
    W: Callable[[float], Rows], hidden_size: int, input_size: int, nonlinearity: str, seed: Seed
) -> CellFactory:
    def make_cell(W_norm: float) -> Cell:
        cell = RNNCell(input_size, hidden_size, nonlinearity=nonlinearity, seed=seed)
        init.set_(cell.W, W(W_norm))
        return cell

    return make_cell


# ---- writing ----------------------------------------------------------------------------------------------------


def write_csv(curves: Sequence[DecayCurve], path: str | os.PathLike[str]) -> None:
    """Write a line per curve and lag: name, W_norm, lag, gradient, law; or cell, state, lag, gradient. Numbers are
    written in full.

    Raises:
        OSError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for i, curve in enumerate(curves):
        (first, name), (second, which), *others = curve.as_dict().items()
        columns = {heading.removesuffix("s"): column for heading, column in others if isinstance(column, tuple)}
        if i == 0:
            writer.writerow([first, second, *columns])
        for row in zip(*columns.values()):
            writer.writerow([name, which, *row])
    write_whole(path, text.getvalue())


def write_json(curves: Sequence[DecayCurve], path: str | os.PathLike[str]) -> None:
    """Write a JSON list with one object per curve, as returned by `DecayCurve.as_dict`; NaN and infinity are strings.

    Raises:
        OSError: the file cannot be written.
    """
    write_whole(path, json_text([curve.as_dict() for curve in curves]) + "\n")
