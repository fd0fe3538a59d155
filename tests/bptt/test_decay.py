"""The decay of gradients, measured, beside the law ‖W‖^lag; its files and its plots."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import ScalarRNNCell, Unrolled, Value, mse_loss, unroll
from tinygrad_rnn.bptt.anatomy import anatomy
from tinygrad_rnn.bptt.decay import (
    CellFactory,
    decay,
    non_normal_cells,
    orthogonal_cells,
    scalar_cells,
    write_csv,
    write_json,
)
from tinygrad_rnn.bptt.jacobian import chain_norms
from tinygrad_rnn.bptt.truncation import truncation
from tinygrad_rnn.cli import main
from tinygrad_rnn.engine.sums import total
from tinygrad_rnn.errors import ArgumentError, MissingDependencyError
from tinygrad_rnn.plots.anatomy import anatomy_figure
from tinygrad_rnn.plots.decay import decay_figure
from tinygrad_rnn.plots.jacobians import chain_norms_figure
from tinygrad_rnn.plots.saving import save
from tinygrad_rnn.support.files import write_whole

from ..random_problems import GatedCell

norms = st.floats(0.1, 2.0)
seeds = st.integers(0, 2**32)


def noise(T: int, size: int = 0, seed: int = 0) -> list[Any]:
    rng = random.Random(seed)
    return [[rng.gauss(0, 1) for _ in range(size)] if size else rng.gauss(0, 1) for _ in range(T)]


@given(norms, st.integers(1, 60), seeds)
def test_a_linear_scalar_cell_follows_the_law(W_norm: float, T: int, seed: int) -> None:
    (curve,) = decay(scalar_cells(nonlinearity="identity"), [W_norm], noise(T, seed=seed))
    assert curve.lags == tuple(range(T + 1))
    assert curve.gradients == pytest.approx(curve.law, rel=1e-13)
    assert curve.law == pytest.approx([W_norm**lag for lag in range(T + 1)], rel=1e-13)


@given(norms, st.integers(1, 5), st.integers(1, 20), seeds)
def test_a_linear_cell_with_an_orthogonal_matrix_follows_the_law(W_norm: float, H: int, T: int, seed: int) -> None:
    (curve,) = decay(orthogonal_cells(H, 2, "identity", seed), [W_norm], noise(T, 2, seed))
    assert curve.gradients == pytest.approx(curve.law, rel=1e-12)


@given(norms, st.integers(2, 5), st.integers(1, 15), st.sampled_from(["tanh", "relu", "identity"]), seeds)
def test_the_law_is_a_bound(W_norm: float, H: int, T: int, nonlinearity: str, seed: int) -> None:
    families: list[tuple[CellFactory, list[Any]]] = [
        (scalar_cells(1.0, 0.1, nonlinearity), noise(T, seed=seed)),
        (orthogonal_cells(H, 1, nonlinearity, seed), noise(T, 1, seed)),
        (non_normal_cells(H, 1, nonlinearity, seed), noise(T, 1, seed)),
    ]
    for make_cell, inputs in families:
        (curve,) = decay(make_cell, [W_norm], inputs)
        assert all(size <= most * (1 + 1e-12) for size, most in zip(curve.gradients, curve.law))


def test_flat_at_one() -> None:
    (curve,) = decay(scalar_cells(nonlinearity="identity"), [1.0], noise(100))
    assert set(curve.gradients) == {1.0}


def test_a_saturated_tanh_bends_away_below() -> None:
    (curve,) = decay(scalar_cells(u=1.0), [1.5], noise(60))
    assert curve.law[60] > 1e10
    assert curve.gradients[60] < 1e-3
    # At rest tanh is as good as linear.
    (curve,) = decay(scalar_cells(u=1.0), [1.5], [0.0] * 60)
    assert curve.gradients == pytest.approx(curve.law, rel=1e-13)


def test_a_non_normal_matrix_grows_first() -> None:
    (curve,) = decay(non_normal_cells(6, 1, "identity", radius=0.75), [1.2], noise(80, 1), loss=lambda u: u.h[80][1])
    assert max(curve.gradients) > 1.1
    assert curve.gradients[80] < 1e-2
    assert curve.law[80] > 1e6


def test_a_curve_has_a_verdict_on_the_last_loss() -> None:
    inputs = noise(8, 1)

    def losses(unrolled: Unrolled) -> list[Value]:
        return [mse_loss(unrolled["h"][t], [0.5, -0.5]) for t in range(1, 9)]

    # The whole gradient of a loss at every step is another one.
    last, all_of_them = (
        decay(orthogonal_cells(2), [0.6], inputs, loss=loss)[0]
        for loss in (lambda u: losses(u)[-1], lambda u: total(losses(u)))
    )
    assert last.verdict is not None
    assert last.verdict.kept == pytest.approx(last.gradients[8] / last.gradients[0], rel=1e-13)
    assert last.verdict == all_of_them.verdict
    assert last.verdict.kept < 0.1 * all_of_them.gradients[8] / all_of_them.gradients[0]
    assert last.as_dict()["verdict"] == last.verdict.word
    (of_the_start,) = decay(scalar_cells(), [0.6], [1.0], h0=0.3, loss=lambda u: u.h[0] * 2.0)
    assert of_the_start.verdict is None
    assert "verdict" not in of_the_start.as_dict()


def test_any_cell_loss_and_part_of_the_state() -> None:
    def make_cell(W_norm: float) -> GatedCell:
        cell = GatedCell(1, 2)
        for parameter in cell.parameters():
            parameter.data *= W_norm
        return cell

    inputs = noise(10, 1)
    curves = decay(make_cell, [0.5, 1.0], inputs, state="c", name="gated", loss=lambda u: mse_loss(u.h[10], [1.0, 0.0]))
    assert [(curve.name, curve.W_norm, len(curve.lags)) for curve in curves] == [("gated", 0.5, 11), ("gated", 1.0, 11)]
    unrolled = unroll(make_cell(0.5), inputs)
    mse_loss(unrolled.h[10], [1.0, 0.0]).backward()
    measured = [math.hypot(*(node.grad for node in unrolled["c"][10 - lag])) for lag in range(11)]
    assert curves[0].gradients == pytest.approx(measured, rel=1e-14)
    assert curves[0].law[3] == pytest.approx(measured[0] * 0.5**3)
    with pytest.raises(ArgumentError, match="nothing called 'c'"):
        decay(scalar_cells(), [1.0], [0.0], state="c")


@pytest.mark.parametrize("wrong", [-1.0, math.inf, math.nan])
def test_a_norm_must_be_one(wrong: float) -> None:
    with pytest.raises(ArgumentError, match="norm"):
        decay(scalar_cells(), [wrong], [0.0])


def test_a_radius_is_a_share() -> None:
    with pytest.raises(ArgumentError, match="share"):
        non_normal_cells(4, radius=1.2)


def test_a_law_that_overflows_is_infinite() -> None:
    (curve,) = decay(scalar_cells(), [1e10], [1.0] * 40)
    assert curve.law[-1] == math.inf


# ---- files ------------------------------------------------------------------------------------------------------


def test_csv_and_json_carry_every_number(tmp_path: Path) -> None:
    curves = decay(scalar_cells(), [0.9, 1e10], noise(40), name="tanh")
    write_csv(curves, tmp_path / "decay.csv")
    with open(tmp_path / "decay.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["name", "W_norm", "lag", "gradient", "law"]
    flat = [(curve.name, curve.W_norm, *row) for curve in curves for row in zip(curve.lags, curve.gradients, curve.law)]
    assert [(r["name"], float(r["W_norm"]), int(r["lag"]), float(r["gradient"]), float(r["law"])) for r in rows] == flat
    write_json(curves, tmp_path / "decay.json")
    first, second = json.loads((tmp_path / "decay.json").read_text())
    assert tuple(first["gradients"]) == curves[0].gradients
    assert second["law"][-1] == "inf"
    assert [first["verdict"], second["verdict"]] == [curve.verdict.word for curve in curves if curve.verdict]
    assert first["lag"] == 40


def test_files_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "there.txt"
    path.write_text("old")
    os.chmod(path, 0o640)
    write_whole(path, "new ∂")
    assert path.read_text(encoding="utf-8") == "new ∂"
    assert path.stat().st_mode & 0o777 == 0o640
    (tmp_path / "link").symlink_to(path)
    write_whole(tmp_path / "link", b"through the link")
    assert path.read_bytes() == b"through the link"
    assert (tmp_path / "link").is_symlink()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, "never")
    assert path.read_bytes() == b"through the link"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link", "there.txt"]
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "missing" / "file", "never")


# ---- plots ------------------------------------------------------------------------------------------------------


def figures() -> dict[str, Any]:
    unrolled = unroll(ScalarRNNCell(0.9), noise(12))
    losses = {t: mse_loss(unrolled.h[t], 0.5) for t in range(1, 13)}
    split = anatomy(unrolled, losses, unrolled.cell.w)
    matrix = unroll(orthogonal_cells(2)(0.9), noise(5, 1))
    return {
        "decay": decay_figure(decay(scalar_cells(), [0.0, 0.5, 1.0, 1.0, 2.0, 1e10], noise(40))),
        "heat map": anatomy_figure(split),
        "truncated": anatomy_figure(split, truncation=truncation(split, 2, 4)),
        "one loss": anatomy_figure(anatomy(unrolled, losses[12], unrolled.cell.w)),
        "matrix": anatomy_figure(anatomy(matrix, [mse_loss(h, [0, 1]) for h in matrix.h.values()], matrix.cell.W)),
        "norms": chain_norms_figure(chain_norms(matrix)),
        "no bound": chain_norms_figure(chain_norms(unroll(GatedCell(1, 1), noise(4, 1)))),
    }


@pytest.mark.slow
def test_figures_are_written_in_every_format_always_with_the_same_bytes(tmp_path: Path) -> None:
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    for name, figure in figures().items():
        for ending in starts if name == "heat map" else [".svg"]:
            save(figure, tmp_path / f"{name}{ending}")
            assert (tmp_path / f"{name}{ending}").read_bytes().startswith(starts[ending])
    again = figures()["heat map"]
    for ending in (".png", ".svg"):
        save(again, tmp_path / f"again{ending}")
        assert (tmp_path / f"again{ending}").read_bytes() == (tmp_path / f"heat map{ending}").read_bytes()


def test_a_figure_shows_the_numbers() -> None:
    curves = decay(scalar_cells(nonlinearity="identity"), [0.5, 2.0], noise(10))
    (axes,) = decay_figure(curves).axes
    assert axes.get_yscale() == "log"
    shown = [tuple(line.get_ydata()) for line in axes.lines]
    for curve in curves:
        assert curve.gradients in shown
        assert curve.law in shown
    labels = {text.get_text() for text in axes.texts}
    assert {"‖W‖ = 0.5: vanishes, ×0.5 per step", "‖W‖ = 2: explodes, ×2 per step"} <= labels


def test_the_label_of_a_curve_that_leaves_the_picture_says_so() -> None:
    (axes,) = decay_figure(decay(scalar_cells(nonlinearity="identity"), [0.1, 0.5, 10.0], [0.0] * 40)).axes
    assert {text.get_text() for text in axes.texts} == {
        "↓ ‖W‖ = 0.1: vanishes, ×0.1 per step",
        "‖W‖ = 0.5: vanishes, ×0.5 per step",
        "↑ ‖W‖ = 10: explodes, ×10 per step",
    }


def test_0_is_below_and_infinity_above_the_picture() -> None:
    curves = decay(scalar_cells(nonlinearity="identity"), [0.0, 1.0, 1e200], [0.0] * 4)
    (axes,) = decay_figure(curves).axes
    places = {text.get_text(): text.xy[1] for text in axes.texts}
    zero, one, infinite = "↓ ‖W‖ = 0: is 0", "‖W‖ = 1: keeps its size, ×1 per step", "↑ ‖W‖ = 1e+200: is infinite"
    assert set(places) == {zero, one, infinite}
    assert places[zero] < places[one] < places[infinite]


def test_what_cannot_be_plotted_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArgumentError, match="no curves"):
        decay_figure([])
    figure = figures()["decay"]
    for name in ("plot.bmp", "plot"):
        with pytest.raises(ArgumentError, match="cannot be written"):
            save(figure, tmp_path / name)
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"tinygrad_rnn\[plot\]"):
        decay_figure(decay(scalar_cells(), [1.0], [0.0]))


def test_importing_needs_the_standard_library_only() -> None:
    rooms = ", ".join(f"tinygrad_rnn.plots.{room}" for room in ("anatomy", "decay", "jacobians", "saving", "straight"))
    code = f"import sys, {rooms}; print({{'numpy', 'matplotlib'}} & sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "set()"


@pytest.mark.parametrize(
    ("options", "size"), [("", "|∂L/∂h_k|"), ("--hidden 1", "|∂L/∂h_k|"), ("--hidden 3", "‖∂L/∂h_k‖")]
)
def test_table_and_plot_write_it_alike(options: str, size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decay", "--steps", "3", *options.split()]) == 0
    assert f"is {size} as measured" in " ".join(capsys.readouterr().out.split())
    cell = orthogonal_cells(3) if options == "--hidden 3" else scalar_cells()
    curves = decay(cell, [0.9], [[0.1], [0.2]] if options == "--hidden 3" else [0.1, 0.2])
    assert decay_figure(curves).axes[0].get_ylabel() == size.replace("_k", "$_k$")
    if options:
        assert main(["--no-picture", "--steps", "3", *options.split()]) == 0
        assert size in capsys.readouterr().out
