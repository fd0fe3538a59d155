"""Every cell goes through every tool: nothing in them knows which cell it is looking at."""

from __future__ import annotations

import csv
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from tinygrad_rnn import GRU, LSTM, GRUCell, LSTMCell, RNNCell, Value, total, unroll
from tinygrad_rnn.bptt.anatomy import anatomy, state_gradients
from tinygrad_rnn.bptt.chain import chain
from tinygrad_rnn.bptt.decay import compare_decay, decay, write_csv, write_json
from tinygrad_rnn.bptt.truncated import truncated_bptt
from tinygrad_rnn.cli import main
from tinygrad_rnn.errors import ArgumentError
from tinygrad_rnn.nn import Cell, OneHot, StackedCell, init
from tinygrad_rnn.nn.quantities import entries
from tinygrad_rnn.pictures import draw
from tinygrad_rnn.pictures.view import DETAILS
from tinygrad_rnn.plots.decay import comparison_figure
from tinygrad_rnn.plots.saving import save

from ..truncated_gradcheck import truncated_gradcheck

CELLS: dict[str, Any] = {
    "RNN": lambda: RNNCell(2, 2, seed=1),
    "RNN relu": lambda: RNNCell(2, 2, nonlinearity="relu", seed=2),
    "LSTM": lambda: LSTMCell(2, 2, seed=3),
    "GRU": lambda: GRUCell(2, 2, seed=4),
    "LSTM of 2 layers": lambda: LSTM(2, 2, num_layers=2, seed=5).cell,
    "GRU of 2 layers": lambda: GRU(2, 2, num_layers=2, seed=6).cell,
    "a mixed stack": lambda: StackedCell([GRUCell(2, 2, seed=7), LSTMCell(2, 2, seed=8)]),
}
INPUTS: dict[str, list[Any]] = {
    "numbers": [[0.5, -1.0], [0.3, 0.8], [-0.7, 0.1]],
    "symbols": [OneHot(1, 2), OneHot(0, 2), OneHot(1, 2)],
}


@pytest.fixture(params=CELLS.values(), ids=CELLS.keys())
def cell(request: pytest.FixtureRequest) -> Cell:
    made: Cell = request.param()
    return made


@pytest.fixture(params=INPUTS.values(), ids=INPUTS.keys())
def inputs(request: pytest.FixtureRequest) -> list[Any]:
    given: list[Any] = request.param
    return given


def squares(nodes: list[Value]) -> Value:
    return total([node * node for node in nodes])


def test_anatomy_sums_to_the_gradient(cell: Cell, inputs: list[Any]) -> None:
    unrolled = unroll(cell, inputs)
    losses = {t: squares(unrolled.h[t]) for t in (1, 2, 3)}
    parts = anatomy(unrolled, losses, cell.parameters())
    total(list(losses.values())).backward()
    for split, parameter in zip(entries(parts.total()), cell.parameters(), strict=True):
        assert split == pytest.approx(parameter.grad, rel=1e-12, abs=1e-14)


def test_the_product_of_jacobians_is_the_gradient(cell: Cell, inputs: list[Any]) -> None:
    unrolled = unroll(cell, inputs)
    loss = squares(unrolled.h[3])
    loss.backward()
    links = list(chain(unrolled, loss))
    assert len(links) == 4
    assert all(link.agrees for link in links)


@pytest.mark.slow
def test_truncated_bptt(cell: Cell, inputs: list[Any]) -> None:
    targets = [[0.1] * len(cell.initial_state()[-1]), None, [0.5] * len(cell.initial_state()[-1])]
    truncated_bptt(cell, inputs, targets, 2, 2)
    truncated = [p.grad for p in cell.parameters()]
    cell.zero_grad()
    truncated_bptt(cell, inputs, targets, 3, 3)
    assert [p.grad for p in cell.parameters()] != truncated
    if getattr(cell, "nonlinearity", "") != "relu":
        assert truncated_gradcheck(cell, inputs, targets, 2, 2, cell.parameters())


@pytest.mark.parametrize("detail", DETAILS)
@pytest.mark.slow
def test_drawing(cell: Cell, inputs: list[Any], detail: str) -> None:
    unrolled = unroll(cell, inputs)
    loss = squares(unrolled.h[3])
    loss.backward()
    source = draw(unrolled, loss=loss, detail=detail).source
    assert "h_3" in source
    assert "t = 2" in source or detail != "values"


def test_stepping_through_the_backward_pass(cell: Cell, inputs: list[Any]) -> None:
    unrolled = unroll(cell, inputs)
    loss = squares(unrolled.h[3])
    loss.backward()
    expected = [p.grad for p in cell.parameters()]
    cell.zero_grad()
    steps = list(loss.backward_steps())
    assert [p.grad for p in cell.parameters()] == expected
    assert len(steps) > 10
    assert {step.node.time_step for step in steps if step.node.label} <= {None, 0, 1, 2, 3}


def test_decay(cell: Cell, inputs: list[Any]) -> None:
    (curve,) = decay(lambda _: cell, [1.0], inputs)
    rows = compare_decay({"cell": cell}, inputs)
    assert [row.state for row in rows] == list(cell.state_names)
    by_h = next(row for row in rows if row.state == "h")
    assert by_h.gradients == curve.gradients
    assert by_h.gradients[0] == pytest.approx(1.0)


# ---- the comparison of cells ------------------------------------------------------------------------------------


def test_an_lstm_with_open_forget_gates_carries_a_gradient_where_an_rnn_loses_it(tmp_path: Path) -> None:
    rng = random.Random(0)
    inputs = [[rng.gauss(0.0, 1.0)] for _ in range(40)]
    cells = {
        "RNN": RNNCell(1, 6, seed=1),
        "GRU": GRUCell(1, 6, seed=1),
        "LSTM": LSTMCell(1, 6, forget_bias=5.0, seed=1),
    }
    rows = compare_decay(cells, inputs)
    last = {(row.name, row.state): row.gradients[-1] / row.gradients[0] for row in rows}
    assert last.keys() == {("RNN", "h"), ("GRU", "h"), ("LSTM", "h"), ("LSTM", "c")}
    assert last["RNN", "h"] < 1e-8
    assert last["LSTM", "c"] > 0.01
    write_csv(rows, tmp_path / "rows.csv")
    write_json(rows, tmp_path / "rows.json")
    with open(tmp_path / "rows.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 4 * 41
    assert json.loads((tmp_path / "rows.json").read_text())[3]["gradients"] == list(rows[3].gradients)
    save(comparison_figure(rows), tmp_path / "rows.png")
    with pytest.raises(ArgumentError, match="no cells"):
        compare_decay({}, inputs)


def test_the_constant_error_path_is_the_product_of_the_forget_gates() -> None:
    """Along c alone: where h feeds nothing back, ‖∂L/∂c_k‖ is ‖∂L/∂c_T‖ times f_{k+1} … f_T."""
    cell = LSTMCell(1, 1, forget_bias=2.0, seed=2)
    for gate in "ifgo":
        init.constant_(getattr(cell, f"W_{gate}"), 0.0)
    unrolled = unroll(cell, [[0.4], [-0.2], [0.9], [0.1]])
    measured = state_gradients(unrolled, squares(unrolled.h[4]), "c")
    for k in range(4):
        f = math.prod(unrolled["f"][t][0].data for t in range(k + 1, 5))
        assert measured[k][0] == pytest.approx(measured[4][0] * f, rel=1e-13)


def test_the_command_compares_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot, data = tmp_path / "cells.png", tmp_path / "cells.csv"
    options = ["--steps", "12", "--hidden", "3", "--forget-bias", "3", "-o", str(plot), "-o", str(data)]
    assert main(["decay", "--cells", "rnn", "lstm", "gru", *options]) == 0
    printed = capsys.readouterr().out
    for name in ("RNN: ‖∂L/∂h_k‖", "LSTM, b_f = 3: ‖∂L/∂c_k‖", "GRU: ‖∂L/∂h_k‖"):
        assert name in printed
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert len(data.read_text().splitlines()) == 1 + 4 * 13
    assert main(["decay", "--cells", "gru", "--text", "hello", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["curves"][0]["cell"] == "GRU"
    for wrong in (
        ["--cells", "rnn", "--norms", "1"],
        ["--forget-bias", "1"],
        ["--cells", "cnn"],
        ["--cells", "rnn", "gru", "--forget-bias", "1"],
        ["--cells", "lstm", "gru", "--nonlinearity", "relu"],
        ["--cells", "gru", "gru"],
    ):
        assert main(["decay", *wrong]) == 2
