"""The straight path along a part of the state: its factors, and what of a gradient came along it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tinygrad_rnn import GRU, LSTM, GRUCell, LSTMCell, RNNCell, ScalarRNNCell, Value, total, unroll
from tinygrad_rnn.bptt.straight import Straight, straight_gate, straight_path
from tinygrad_rnn.cli import main
from tinygrad_rnn.errors import ArgumentError
from tinygrad_rnn.plots.saving import save
from tinygrad_rnn.plots.straight import straight_figure

INPUTS = [[0.3], [-0.8], [0.5], [0.1]]


def squares(vector: list[Value]) -> Value:
    return total([entry * entry for entry in vector])


def numbers(vector: list[Value]) -> list[float]:
    return [entry.data for entry in vector]


@pytest.mark.parametrize(
    ("cell", "name", "gate"),
    [
        (LSTMCell(1, 3, seed=1), "c", "f"),
        (GRUCell(1, 3, seed=1), "h", "z"),
        (LSTM(1, 3, 2, seed=1), "c", "f"),
        (GRU(1, 3, 2, seed=1), "h", "z"),
    ],
)
def test_the_factors_are_the_gate_that_lets_the_state_pass(cell: Any, name: str, gate: str) -> None:
    unrolled = unroll(cell, INPUTS)
    way = straight_path(unrolled, squares(unrolled.h[4]), name)
    assert way.exists
    assert way.factor_name == gate
    assert straight_gate(unrolled.cell) == (name, gate)
    assert way.factors == {t: numbers(unrolled[gate][t]) for t in range(1, 5)}
    for k, products in way.products().items():
        for unit, product in enumerate(products):
            gates = [unrolled[gate][t][unit].data for t in range(k + 1, 5)]
            assert product == pytest.approx(math.prod(gates), rel=1e-14)
            # With one loss, all that comes straight starts from ∂L/∂c_T.
            assert way.straight[k][unit] == pytest.approx(way.gradients[4][unit] * product, rel=1e-13)


def test_what_comes_straight_is_the_gradient_with_all_pre_activations_held_fixed() -> None:
    """By central differences, the gates being numbers: c_t = f_t c_{t-1} + i_t g_t, h_t = o_t tanh c_t."""
    unrolled = unroll(LSTMCell(1, 1, seed=3), INPUTS)
    losses = {t: squares(unrolled.h[t]) for t in (2, 4)}
    way = straight_path(unrolled, total(list(losses.values())), "c")
    gates = {name: {t: unrolled[name][t][0].data for t in range(1, 5)} for name in "ifgo"}

    def loss_from(k: int, change: float) -> float:
        c, L = unrolled["c"][k][0].data + change, 0.0
        for t in range(k, 5):
            if t > k:
                c = gates["f"][t] * c + gates["i"][t] * gates["g"][t]
            if t in losses:
                L += (gates["o"][t] * math.tanh(c)) ** 2
        return L

    for k in range(5):
        measured = (loss_from(k, 1e-6) - loss_from(k, -1e-6)) / 2e-6
        assert way.straight[k][0] == pytest.approx(measured, rel=1e-7, abs=1e-11)
        assert way.gradients[k][0] != way.straight[k][0] or k == 4


def test_where_nothing_else_feeds_back_it_is_the_whole_gradient() -> None:
    cell = LSTMCell(1, 2, seed=2)
    for gate in "ifgo":
        for row in getattr(cell, f"W_{gate}"):
            for entry in row:
                entry.data = 0.0
    unrolled = unroll(cell, INPUTS)
    way = straight_path(unrolled, squares(unrolled.h[4]), "c")
    for k in range(5):
        assert way.straight[k] == pytest.approx(way.gradients[k], rel=1e-14)


@pytest.mark.parametrize("cell", [RNNCell(1, 2), RNNCell(1, 2, nonlinearity="identity"), ScalarRNNCell()])
def test_a_plain_rnn_has_none(cell: Any) -> None:
    unrolled = unroll(cell, INPUTS if isinstance(cell, RNNCell) else [0.1, 0.2])
    last = unrolled.h[unrolled.T]
    way = straight_path(unrolled, last * last if isinstance(last, Value) else squares(last), "h")
    assert not way.exists


def test_every_layer_has_its_own_and_no_gradient_changes() -> None:
    cell = LSTM(1, 2, num_layers=2, seed=4).cell
    unrolled = unroll(cell, INPUTS)
    loss = squares(unrolled.h[4])
    loss.backward()
    before = [p.grad for p in cell.parameters()] + [h.grad for h in unrolled.h[2]]
    ways = {name: straight_path(unrolled, loss, name) for name in unrolled.state_names}
    assert {name: way.factor_name for name, way in ways.items() if way.exists} == {"c_l0": "f_l0", "c": "f"}
    assert [p.grad for p in cell.parameters()] + [h.grad for h in unrolled.h[2]] == before
    with pytest.raises(ArgumentError, match="'x' is not part of the state"):
        straight_path(unrolled, loss, "x")


def test_a_cell_of_ones_own_may_have_one_too() -> None:
    """A leaky integrator: h_t = 0.9 h_{t-1} + 0.1 x_t, without a pre-activation."""
    unrolled = unroll(lambda x, h: 0.9 * h + 0.1 * x, [1.0, 2.0, 3.0], h0=0.0)
    way = straight_path(unrolled, unrolled.h[3] * 1.0, "h")
    assert way.factors == {1: [0.9], 2: [0.9], 3: [0.9]}
    assert way.factor_name == ""
    assert way.straight == way.gradients


@pytest.mark.slow
def test_the_command_shows_and_plots_it(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["anatomy", "--cell", "lstm", "--steps", "3", "--straight", "s.png"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "f_(k+1)" in printed
    assert "constant error path" in printed
    assert Path("s.png").read_bytes().startswith(b"\x89PNG")
    assert main(["anatomy", "--cell", "gru", "--steps", "3"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "a step multiplies each unit by z_t" in printed
    assert "constant error path" not in printed  # which is an LSTM's
    assert main(["anatomy", "--cell", "gru", "--steps", "3", "--json"]) == 0
    (way,) = json.loads(capsys.readouterr().out)["straight"]
    assert (way["name"], way["factor_name"]) == ("h", "z")
    assert main(["anatomy", "--steps", "3"]) == 0
    assert "constant error path" not in capsys.readouterr().out
    assert main(["anatomy", "--steps", "3", "--straight", "s.svg"]) == 2
    assert "Add --cell lstm or --cell gru" in capsys.readouterr().err
    assert [file.name for file in empty_folder.iterdir()] == ["s.png"]


@pytest.mark.slow
def test_the_plot_of_many_units_and_steps_has_no_numbers_in_it(tmp_path: Path) -> None:
    unrolled = unroll(LSTMCell(1, 12), [[0.1]] * 40)
    figure = straight_figure(straight_path(unrolled, squares(unrolled.h[40]), "c"))
    assert not figure.axes[0].texts
    assert all(axes.get_ylabel() for axes in figure.axes)
    save(figure, tmp_path / "many.svg")


def test_the_plot_of_one_unit_and_step_has_whole_numbers_on_its_axes() -> None:
    unrolled = unroll(LSTMCell(1, 1), [[0.1]])
    figure = straight_figure(straight_path(unrolled, squares(unrolled.h[1]), "c"))
    lines, below = figure.axes[:2]
    assert [y for y in lines.get_yticks() if abs(y) < 0.5] == [0.0]
    assert {x for x in below.get_xticks() if 0.0 <= x <= 1.0} == {0.0, 1.0}


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 12, 200])
def test_the_legend_of_the_plot_lies_outside_its_axes(steps: int) -> None:
    unrolled = unroll(LSTMCell(1, 4), [[0.1]] * steps)
    figure = straight_figure(straight_path(unrolled, squares(unrolled.h[steps]), "c"))
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 3
    box = legend.get_window_extent()
    assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)
    assert figure.bbox.containsx(box.x0 + 1.0)
    assert box.y0 >= 0.0


def test_a_sequence_of_one_step_is_called_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["anatomy", "--cell", "lstm", "--steps", "1"]) == 0
    assert "yearly sunspot numbers, 1991; " in " ".join(capsys.readouterr().out.split())


def test_a_path_exists_if_any_unit_has_a_factor() -> None:
    assert Straight("c", "f", {1: [0.0, 0.5]}, {}, {}).exists
    assert not Straight("c", "f", {1: [0.0, 0.0]}, {}, {}).exists


def test_factors_have_the_name_of_what_agrees_with_them_at_every_step() -> None:
    def cell(x: Value, c: Value) -> Value:
        return c * x + 0.1

    unrolled = unroll(cell, [0.5, 0.25], Value(0.8), first=1)
    assert straight_path(unrolled, unrolled.h[2], "h").factor_name == "x"
    unrolled = unroll(cell, [0.5, 0.25], Value(0.0), readout=lambda h: 2.5 * h)
    unrolled["x"][2] = Value(7.0)
    assert straight_path(unrolled, unrolled.h[2], "h").factor_name == ""
