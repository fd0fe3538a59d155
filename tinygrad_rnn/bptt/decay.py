"""How a gradient decays, or blows up, with distance: measured on the real graph, beside the law ‖W‖^lag.

    |∂L/∂h_k| <= |∂L/∂h_T| ‖W‖^(T-k)

since |tanh'| <= 1 (Hochreiter 1991; Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio 2013). On a
logarithmic axis the law is a straight line: down for ‖W‖ < 1, flat at 1, up above. A linear cell whose W is a
multiple of an orthogonal matrix (any scalar W is) follows it exactly; where tanh saturates, the measured
gradient bends away below it.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..engine.sums import total
from ..engine.value import Value
from ..errors import ArgumentError
from ..nn.cells import Cell, RNNCell, ScalarRNNCell
from ..nn.linalg import Rows, non_normal, orthogonal, scaled
from ..nn.parameters import Seed
from ..support.files import json_text, write_whole
from .anatomy import norm, state_gradients
from .jacobian import power
from .unroll import Unrolled, unroll

CellFactory = Callable[[float], Cell]


@dataclass(frozen=True)
class DecayCurve:
    """The size of ∂L/∂h_k against the lag T - k, for one ‖W‖. Plain data.

    Attributes:
        name: which cell this is about, such as ``"tanh"``.
        W_norm: ‖W‖₂, as it was prescribed.
        lags: 0, 1, … T.
        gradients: |∂L/∂h_k|, the Euclidean norm, measured by one backward pass, for k = T - lag.
        law: |∂L/∂h_T| ‖W‖^lag.
    """

    name: str
    W_norm: float
    lags: tuple[int, ...]
    gradients: tuple[float, ...]
    law: tuple[float, ...]


def decay(
    make_cell: CellFactory,
    norms: Iterable[float],
    inputs: Sequence[Any],
    *,
    h0: Any = None,
    loss: Callable[[Unrolled], Value] | None = None,
    state: str = "h",
    name: str = "",
) -> list[DecayCurve]:
    """Measure |∂L/∂h_k| for every k, once per ‖W‖.

    Args:
        make_cell: makes the cell of a given ‖W‖₂: `scalar_cells`, `orthogonal_cells` or `non_normal_cells`, or any
            function of one number that returns a cell, an LSTM with weights of that size, say.
        norms: the values of ‖W‖₂, each at least 0.
        inputs: x_1 … x_T, as for `unroll`.
        h0: the initial state, as for `unroll`.
        loss: computes L from what was unrolled. By default L is the sum of the entries of h_T over the square
            root of their number, so that |∂L/∂h_T| = 1.
        state: the part of the state to differentiate by: ``"c"`` for the cell state of an LSTM.
        name: what to call the curves.

    Returns:
        A curve per norm, in their order.

    Raises:
        ArgumentError: a norm is negative or not finite, or the cell has no such state.
    """
    curves = []
    for W_norm in norms:
        if not (math.isfinite(W_norm) and W_norm >= 0.0):
            raise ArgumentError(f"‖W‖ = {W_norm}", remedy="A norm is a finite number of at least 0")
        unrolled = unroll(make_cell(W_norm), inputs, h0)
        root = loss(unrolled) if loss else mean_direction(unrolled)
        by_step = state_gradients(unrolled, root, state)
        lags = range(len(by_step))
        gradients = tuple(norm(by_step[unrolled.T - lag]) for lag in lags)
        law = tuple(gradients[0] * power(W_norm, lag) for lag in lags)
        curves.append(DecayCurve(name, float(W_norm), tuple(lags), gradients, law))
    return curves


def mean_direction(unrolled: Unrolled, state: str = "h") -> Value:
    """The sum of the entries of a state at step T over the root of their number: its gradient there has norm 1."""
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

    Over long lags the linear cell's gradient goes like (radius·‖W‖)^lag, so that it vanishes for ‖W‖ somewhat
    above 1 too; but there it may grow first.
    """
    if not 0.0 <= radius <= 1.0:
        raise ArgumentError(f"radius {radius:g}", remedy="It is a share of ‖W‖, between 0 and 1")
    B = non_normal(hidden_size, 1.0, radius, seed)
    return _vector_cells(lambda W_norm: scaled(B, W_norm), hidden_size, input_size, nonlinearity, seed)


def _vector_cells(
    W: Callable[[float], Rows], hidden_size: int, input_size: int, nonlinearity: str, seed: Seed
) -> CellFactory:
    def make_cell(W_norm: float) -> Cell:
        cell = RNNCell(input_size, hidden_size, nonlinearity=nonlinearity, seed=seed)
        for values, numbers in zip(cell.W, W(W_norm)):
            for value, number in zip(values, numbers):
                value.data = number
        return cell

    return make_cell


# ---- writing ----------------------------------------------------------------------------------------------------


def write_csv(curves: Sequence[DecayCurve], path: str | os.PathLike[str]) -> None:
    """A line per curve and lag: name, W_norm, lag, gradient, law. Numbers are written in full.

    Raises:
        OSError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "W_norm", "lag", "gradient", "law"])
    for curve in curves:
        for row in zip(curve.lags, curve.gradients, curve.law):
            writer.writerow([curve.name, curve.W_norm, *row])
    write_whole(path, text.getvalue())


def write_json(curves: Sequence[DecayCurve], path: str | os.PathLike[str]) -> None:
    """A list of objects with the attributes of `DecayCurve`, in the form of `json_text`.

    Raises:
        OSError: the file cannot be written.
    """
    write_whole(path, json_text([asdict(curve) for curve in curves]) + "\n")
