"""The commands anatomy, truncate and decay: their numbers, their output on any terminal, their mistakes."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tinygrad_rnn.bptt.anatomy import norm
from tinygrad_rnn.cli import main
from tinygrad_rnn.data import sunspots
from tinygrad_rnn.nn.quantities import entries

ROOT = Path(__file__).parents[2]
COMMANDS = ("anatomy", "truncate", "decay")


def sums(parts: list[Any]) -> list[float]:
    return [sum(column) for column in zip(*map(entries, parts))]


# ---- numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [(), ("--loss", "last"), ("--hidden", "3"), ("--text", "hello"), ("--parameter", "u"), ("--w", "1.5")]
)
def test_the_parts_add_up_to_the_gradient_of_the_main_job(report, arguments):
    found = report("anatomy", "--steps", "4", *arguments)
    gradient = entries(found["gradient"])
    for name in ("by_use_step", "by_loss_step", "by_lag"):
        assert sums([part["sum"] for part in found[name]]) == pytest.approx(gradient, rel=1e-12, abs=1e-16)
    cells = [cell for row in found["contributions"] for cell in row]
    assert sums(cells) == pytest.approx(gradient, rel=1e-12, abs=1e-16)
    if "--text" not in arguments:
        shared = [a for a in arguments if a not in ("--parameter", "u")]
        main_job = report("--steps", "4", "--no-picture", *shared, *([] if "--loss" in shared else ["--loss", "all"]))
        assert found["loss"] == main_job["loss"]
        by_entry = {name: grad for name, grad in main_job["gradients"].items() if name.startswith(found["parameter"])}
        assert list(by_entry.values()) == gradient


def test_an_entry_is_part_of_the_whole(report):
    whole = report("anatomy", "--hidden", "2", "--parameter", "W")
    entry = report("anatomy", "--hidden", "2", "--parameter", "W[1,0]")
    assert entry["parameter"] == "W[1,0]"
    assert entry["contributions"] == [[cell[1][0] for cell in row] for row in whole["contributions"]]


def test_jacobians_and_paths(report):
    found = report("anatomy", "--loss", "last", "--steps", "5", "--jacobians", "--paths")
    assert len(found["paths"]) == 5
    assert sum(path["product"] for path in found["paths"]) == pytest.approx(found["gradient"])
    assert [row["lag"] for row in found["jacobians"]] == [0, 1, 2, 3, 4, 5]
    assert found["jacobians"][-1]["bound"] == pytest.approx(0.9**5)


def test_truncation_by_hand(report):
    found = report("truncate", "--nonlinearity", "identity", "--w", "0.5", "--steps", "3", "--k2", "2")
    raw = sunspots().until("1992").numbers[-4:]
    x1, x2, x3, x4 = (2.0 * (n - min(raw)) / (max(raw) - min(raw)) - 1.0 for n in raw)
    h1, h2 = 0.5 * x1, 0.25 * x1 + 0.5 * x2
    h3 = 0.5 * h2 + 0.5 * x3
    # Chunks {1, 2} and {3}: the loss of step 3 does not reach the use of w at step 2.
    e2, e3 = 2.0 * (h2 - x3) / 3.0, 2.0 * (h3 - x4) / 3.0
    assert found["gradients"]["w"]["truncated"] == pytest.approx(e2 * h1 + e3 * h2)
    assert found["gradients"]["w"]["full"] == pytest.approx(e2 * h1 + e3 * (h2 + 0.5 * h1))
    assert found["cut"][0] == {"k": 2, "t": 3, "contribution": pytest.approx(e3 * 0.5 * h1)}


def test_full_bptt_cuts_nothing(report, capsys):
    found = report("truncate", "--k2", "12")
    assert found["cut"] == []
    assert all(part["full"] == part["truncated"] for part in found["gradients"].values())
    assert main(["truncate", "--k2", "12"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "this is full BPTT" in said
    assert "Nothing was cut." in said


def test_a_sliding_window_keeps_more(report):
    cut = [len(report("truncate", "--k1", str(k1), "--k2", "4")["cut"]) for k1 in (1, 2, 4)]
    assert cut == sorted(set(cut))


def test_decay_of_a_linear_cell_is_the_law(report):
    for kind in ((), ("--hidden", "3"), ("--hidden", "3", "--kind", "orthogonal")):
        for curve in report("decay", "--steps", "20", *kind)["curves"]:
            assert curve["gradients"] == pytest.approx(curve["law"], rel=1e-12)
            assert curve["law"] == pytest.approx([curve["W_norm"] ** lag for lag in range(21)])


def test_decay_runs_over_the_sequence(report):
    tanh, shifted = (
        report("decay", "--nonlinearity", "tanh", "--steps", "10", *more)["curves"][0] for more in ((), ("--u", "0.1"))
    )
    assert tanh["gradients"] != shifted["gradients"]
    non_normal = report("decay", "--text", "to be or not to be", "--kind", "non-normal", "--norms", "1.2")["curves"]
    assert [len(curve["lags"]) for curve in non_normal] == [18]


# ---- files --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_files_are_written(capsys):
    assert main(["anatomy", "-o", "anatomy.png", "--jacobians", "norms.svg"]) == 0
    assert main(["truncate", "-o", "truncate.svg", "--picture", "cut.dot", "--k1", "2"]) == 0
    assert main(["decay", "--steps", "5", "-o", "a.csv", "-o", "a.json", "-o", "a.pdf"]) == 0
    said = capsys.readouterr().out
    starts = {
        "anatomy.png": b"\x89PNG",
        "truncate.svg": b"<?xml",
        "norms.svg": b"<?xml",
        "cut.dot": b"digraph",
        "a.pdf": b"%PDF",
    }
    for name, start in starts.items():
        assert Path(name).read_bytes().startswith(start)
        assert f": {name}" in said
    with open("a.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 5 * 6
    assert len(json.loads(Path("a.json").read_text())) == 5


def test_the_picture_shows_truncated_gradients_and_the_cut():
    assert main(["truncate", "--steps", "4", "--k2", "2", "--picture", "cut.dot"]) == 0
    source = Path("cut.dot").read_text(encoding="utf-8")
    assert re.findall(r"^(cut_\d+)_from -> ", source, flags=re.MULTILINE) == ["cut_3"]
    assert "no gradient passes a cut" in source


# ---- terminals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [24, 40, 80, 200])
@pytest.mark.parametrize(
    "arguments",
    [
        ("anatomy", "--jacobians", "--paths", "--parameter", "u"),
        ("anatomy", "--steps", "100"),
        ("anatomy", "--hidden", "2", "--jacobians"),
        ("truncate", "--steps", "60", "--k1", "3", "--k2", "9"),
        ("truncate", "--text", "hello"),
        ("decay",),
        ("decay", "--hidden", "2", "--norms", "0.5", "2"),
    ],
)
@pytest.mark.slow
def test_lines_fit_the_terminal(columns, arguments, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(list(arguments)) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= columns
    assert "\x1b" not in said


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding(command, encoding):
    environment = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-m", "tinygrad_rnn", command], capture_output=True, timeout=60, env=environment
    )
    assert (done.returncode, done.stderr) == (0, b"")
    said = done.stdout.decode(encoding)
    assert "?" not in said
    assert "\ufffd" not in said


def test_the_heat_map_shades_by_size(capsys):
    assert main(["anatomy", "--nonlinearity", "identity", "--w", "0.05", "--parameter", "b", "--steps", "5"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if " | " in line]
    assert len(rows) == 5
    # By lag, the contributions shrink 20-fold: every step away from the diagonal is at least a shade lighter.
    shades = "█▓▒░."
    for row in rows:
        cells = row.partition("| ")[2][::2].strip()
        for near, far in pairwise(cells):
            assert shades.index(far) >= shades.index(near) - 1
    assert rows[0].rstrip().endswith(".")  # the first use step, the longest lag


def test_use_steps_run_downwards_as_in_the_plot(capsys):
    assert main(["truncate", "--steps", "5", "--k2", "2"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if " | " in line]
    assert [int(row.split()[0]) for row in rows] == [1, 2, 3, 4, 5]
    assert [row.partition("| ")[2].index("×") // 2 + 1 for row in rows[:4]] == [3, 3, 5, 5]  # chunks 1-2, 3-4, 5


# ---- mistakes -----------------------------------------------------------------------------------------------

MISTAKES = {
    "no such parameter": (["anatomy", "--parameter", "W"], "There is w, u, b"),
    "no such entry": (["anatomy", "--hidden", "2", "--parameter", "W[0,2]"], "(2, 2)"),
    "entry of a number": (["anatomy", "--parameter", "w[0]"], "no entry"),
    "entry of 5,000 digits": (["anatomy", "--hidden", "2", "--parameter", f"W[{'1' * 5000}]"], "no parameter 'W[111"),
    "malformed entry": (["anatomy", "--parameter", "W[a]"], "no parameter 'W[a]'"),
    "paths to a matrix": (["anatomy", "--hidden", "2", "--paths"], "--parameter W[0,0]"),
    "too many paths": (["anatomy", "--paths", "3"], "limit of 3"),
    "kind of plot": (["anatomy", "-o", "plot.bmp"], "plot.bmp"),
    "no directory": (["anatomy", "-o", "none/plot.png"], "none"),
    "k1 above k2": (["truncate", "--k1", "5", "--k2", "4"], "k1 = 5"),
    "no k2": (["truncate", "--k2", "0"], "'0' is not a whole number"),
    "kind of picture": (["truncate", "--picture", "a.bmp"], "a.bmp"),
    "sweep and cells": (["decay", "--cells", "rnn", "--norms", "1"], "--norms does not go with --cells"),
    "kind and cells": (["decay", "--cells", "rnn", "--kind", "scalar"], "--kind does not go with --cells"),
    "radius and cells": (["decay", "--cells", "rnn", "--radius", "0.8"], "--radius does not go with --cells"),
    "weights and cells": (["decay", "--cells", "rnn", "--u", "0.5"], "--u does not go with --cells"),
    "a cell twice": (["decay", "--cells", "rnn", "rnn"], "--cells names rnn twice"),
    "forget bias and no lstm": (["decay", "--cells", "rnn", "--forget-bias", "1"], "Add lstm to --cells"),
    "nonlinearity and no rnn": (["decay", "--cells", "gru", "--nonlinearity", "relu"], "Add rnn to --cells"),
    "forget bias and no cells": (["decay", "--forget-bias", "1"], "Name the cells with --cells"),
    "weight of a vector cell": (["decay", "--hidden", "2", "--b", "1"], "--b is a weight of the scalar cell"),
    "w of decay": (["decay", "--w", "0.5"], "--norms"),
    "loss of decay": (["decay", "--loss", "all"], "--loss does not go with decay"),
    "negative norm": (["decay", "--norms", "-1"], "norm"),
    "radius of a scalar": (["decay", "--radius", "0.5"], "--radius with --kind scalar"),
    "impossible radius": (["decay", "--kind", "non-normal", "--radius", "2"], "between 0 and 1"),
    "one unit": (["decay", "--kind", "non-normal", "--hidden", "1"], "non-normal 1 × 1"),
    "scalar kind": (["decay", "--kind", "scalar", "--hidden", "2"], "--kind scalar with a vector cell"),
    "u of a vector": (["decay", "--hidden", "2", "--u", "1"], "--u is a weight of the scalar cell"),
    "kind of output": (["decay", "-o", "a.txt"], "a.txt"),
    "bad data": (["decay", "--csv", "none.csv"], "none.csv"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line_and_nothing_is_left_behind(mistake, error_of):
    arguments, message = MISTAKES[mistake]
    assert message in error_of(*arguments)
    assert not list(Path().iterdir())


def test_norms_of_matrices_are_shown(capsys, report):
    assert main(["anatomy", "--hidden", "2"]) == 0
    said = capsys.readouterr().out
    found = report("anatomy", "--hidden", "2")
    assert f"‖∂L/∂W‖ = {norm(found['gradient']):.9g}" in said
