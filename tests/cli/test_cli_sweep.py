"""The command sweep, as a person types it."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tinygrad_rnn.cli import main
from tinygrad_rnn.cli.options import as_typed
from tinygrad_rnn.cli.sweep import largest, smallest, train_once
from tinygrad_rnn.cli.training import DEFAULTS, VARIED
from tinygrad_rnn.compile.native import llvm
from tinygrad_rnn.errors import DataError
from tinygrad_rnn.sweep import read_records

ROOT = Path(__file__).parents[2]
SMALL = ["--hidden", "1", "--steps", "2", "--every", "1", "--batch", "1", "--validation", "2", "--seeds", "2"]
ADDING = ["sweep", "--task", "adding", "--T", "2", "3", "--cell", "rnn", "gru", *SMALL]


def test_a_table_has_a_row_per_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ADDING) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    (at,) = (i for i, line in enumerate(lines) if line.split()[:2] == ["T", "cell"])
    assert lines[at].split() == ["T", "cell", "mean", "min", "max", "solved", "updates", "seconds", "failed"]
    rows = [line.split() for line in lines[at + 1 : at + 5]]
    assert [row[:2] for row in rows] == [["2", "rnn"], ["2", "gru"], ["3", "rnn"], ["3", "gru"]]
    for row, group in zip(rows, zip(*[iter(read_records("adding.jsonl"))] * 2)):
        errors = [record.result["error"] for record in group if record.result]
        assert [float(cell) for cell in row[2:5]] == pytest.approx(
            [sum(errors) / 2, min(errors), max(errors)], rel=1e-3
        )
        assert row[-1] == "0"


def test_a_run_is_what_train_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ADDING, "--go-on"]) == 0
    sought = {"T": 3, "cell": "gru"}
    (record,) = (r for r in read_records("adding.jsonl") if r.seed == 1 and sought.items() <= r.setting[0].items())
    capsys.readouterr()
    train = ["train", "--task", "adding", "--T", "3", "--cell", "gru", *SMALL[:-2]]
    assert main([*train, "--seed", "1", "--go-on", "--json"]) == 0
    last = json.loads(capsys.readouterr().out)["rows"][-1]
    assert record.result is not None
    assert [record.result[name] for name in ("error", "loss", "steps")] == [
        last[name] for name in ("validation_error", "validation_loss", "step")
    ]


@pytest.mark.slow
def test_what_varies_reaches_the_training(capsys: pytest.CaptureFixture[str]) -> None:
    """Every value of every option that varies, given alone, is in the records and changes the numbers."""
    usual = ["sweep", "--task", "adding", "--T", "4", "--cell", "lstm", "--go-on", *SMALL, "--seeds", "1", "--quiet"]
    usual += ["--validation", "20", "--lr", "0.1", "--clip", "none"]
    assert main([*usual, "-o", "usual"]) == 0
    (plain,) = read_records("usual")
    values = {
        **{"T": [5], "cell": ["rnn", "gru"], "hidden": [2], "layers": [2], "init": ["identity"]},
        **{"forget_bias": [None, 3.0], "steps": [3], "batch": [2], "lr": [0.01], "optimizer": ["adamw", "sgd"]},
        **{"clip": [0.001], "truncate": [1], "nonlinearity": ["relu"], "bidirectional": [True]},
        **{"schedule": ["step:1:0.1", "cosine"]},
    }
    assert {*VARIED} - {*values} == {"count", "length", "patience"}  # of other tasks, or of long training
    for name, those in values.items():
        words = list(map(as_typed, those))
        more = ["--cell", "rnn"] if name == "nonlinearity" else ["--optimizer", "sgd"] if name == "clip" else []
        assert main([*usual, *more, f"--{name.replace('_', '-')}", *words, "-o", name]) == 0
        records = read_records(name)
        assert [record.setting[0][name] for record in records] == those
        losses = [record.result["loss"] for record in records if record.result]
        assert len({plain.result["loss"] if plain.result else None, *losses}) == len(those) + 1


def test_a_setting_holds_the_options_that_its_cell_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--task", "adding", "--T", "2", "--cell", "rnn", "lstm", *SMALL, "--seeds", "1"]) == 0
    printed = capsys.readouterr().out
    assert "over 1 seed." in printed
    assert "cell  " in printed
    assert "bias" not in printed  # only the cell varies
    rnn, lstm = (record.setting[0] for record in read_records("adding.jsonl"))
    assert {*rnn} ^ {*lstm} == {"nonlinearity", "forget_bias"}
    assert (rnn["nonlinearity"], lstm["forget_bias"]) == ("tanh", 1.0)
    biases = ["--cell", "lstm", "--forget-bias", "none", "1"]
    assert main(["sweep", "--task", "adding", "--T", "2", *biases, *SMALL]) == 0
    assert "forget-bias  " in capsys.readouterr().out


@pytest.mark.parametrize(("task", "option"), [("series", "--csv"), ("text", "--text-file")])
def test_new_data_under_an_old_name_are_new_runs(task: str, option: str) -> None:
    """Else the numbers of the old data would be told as those of the new."""
    command = ["sweep", "--task", task, option, "data", "--length", "3", *SMALL, "--seeds", "1", "--quiet", "-o", "s"]
    losses = []
    for content in ("2\n3\n5\n7\n" * 12, "7\n3\n4\n2\n" * 12):
        for _ in range(2):  # the second time, it is on record
            Path("data").write_text("n\n" + content)
            assert main(command) == 0
        losses.append([record.result["loss"] for record in read_records("s") if record.result])
    (first,), (again, second) = losses
    assert first == again
    assert second != first
    (options,) = read_records("s")[-1].setting
    Path("data").write_text("n\n" + "1\n2\n" * 12)  # while the sweep is running
    with pytest.raises(DataError, match="not those that the sweep began with"):
        train_once(options, 0)


@pytest.mark.parametrize("damage", [{}, {"error": "none"}, {"steps": None}, {"solved": []}, {"error": 10**400}])
def test_a_result_of_another_kind_is_told_in_a_line(damage: dict[str, object], error_of: Callable[..., str]) -> None:
    assert main([*ADDING, "--quiet"]) == 0
    *lines, last = Path("adding.jsonl").read_text().splitlines()
    record = json.loads(last)
    record["result"] = {**record["result"], **damage} if damage else {}
    Path("adding.jsonl").write_text("\n".join([*lines, json.dumps(record)]) + "\n")
    complaint = error_of(*ADDING, "--plot", "p.svg")
    assert "adding.jsonl: the result of seed 1 with " in complaint
    assert "Take that line out" in complaint


@pytest.mark.parametrize("task", sorted(DEFAULTS))
@pytest.mark.slow
def test_every_task(task: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--task", task, *SMALL]) == 0
    assert f"Task {task}: " in capsys.readouterr().out
    assert len(read_records(f"{task}.jsonl")) == 2


def test_the_same_command_goes_on_and_more_is_added(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ADDING, "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    whole = Path("adding.jsonl").read_bytes()
    Path("adding.jsonl").write_bytes(whole[: len(whole) // 2])
    assert main([*ADDING, "--quiet", "--workers", "2"]) == 0
    assert len(read_records("adding.jsonl")) == 8
    before = Path("adding.jsonl").read_bytes()
    assert main([*ADDING, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["file"], result["failed"], len(result["records"])) == ("adding.jsonl", 0, 8)
    assert Path("adding.jsonl").read_bytes() == before
    assert main([*ADDING, "--seeds", "3", "--quiet"]) == 0
    assert Path("adding.jsonl").read_bytes().startswith(before)
    assert len(read_records("adding.jsonl")) == 12


def test_a_run_that_fails_is_told_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--lr", "0.01", "1e300", "--optimizer", "sgd", "--clip", "none", "--steps", "3"]
    assert main([*ADDING, *options]) == 1
    printed = capsys.readouterr().out
    assert "Failed with T 2, cell rnn, lr 1e+300, seed 0: DomainError: " in printed
    records = read_records("adding.jsonl")
    assert {record.setting[0]["lr"] for record in records if record.failed} == {1e300}
    assert {record.setting[0]["lr"] for record in records if not record.failed} >= {0.01}
    lines = Path("adding.jsonl").read_text().count("\n")
    assert main([*ADDING, *options, "--no-retry", "--quiet"]) == 1
    assert Path("adding.jsonl").read_text().count("\n") == lines
    assert main([*ADDING, *options, "--quiet"]) == 1
    assert Path("adding.jsonl").read_text().count("\n") > lines


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_a_plot(ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    varied = ["--lr", "0.001", "0.1", "--optimizer", "sgd", "adam"] if ending == ".svg" else []
    assert main([*ADDING, *varied, "--plot", f"p{ending}"]) == 0
    assert Path(f"p{ending}").stat().st_size > 1000
    assert main(["sweep", "--task", "reber", *SMALL, "--plot", f"q{ending}"]) == 0  # nothing varies
    failing = ["--lr", "1e300", "2e300", "--optimizer", "sgd", "--clip", "none", "--steps", "3", "-o", "f"]
    assert main([*ADDING, *failing, "--plot", f"f{ending}"]) == 1
    assert Path(f"f{ending}").stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--task", "chess"], "invalid choice"),
        (["--task", "adding", "--T", "1"], "T is 1"),
        (["--task", "adding", "--T", "5", "0"], "whole number of at least 1"),
        (["--task", "adding", "--T"], "expected at least one argument"),
        (["--task", "temporal-order", "--T", "10", "5"], "at least 10"),
        (["--task", "adding", "--length", "5"], "--length is not an option of task adding"),
        (["--cell", "rnn", "lstm", "--nonlinearity", "relu"], "--nonlinearity with --cell lstm"),
        (["--task", "reber", "--text-file", "x"], "--text-file is not an option of task reber"),
        (["--lr", "0.1", "-0.1"], "'-0.1' is not a number above 0"),
        (["--lr", "nan"], "not a finite number"),
        (["--clip", "-1"], "'-1' is not a number above 0"),
        (["--cell", "lstm", "gru", "--forget-bias", "1"], "--forget-bias with --cell gru"),
        (["--truncate", "never"], "whole number"),
        (["--cell", "rnn", "esn"], "invalid choice"),
        (["--workers", "0"], "whole number of at least 1"),
        (["--workers", "2", "--dask", "x:1"], "not allowed with"),
        (["--task", "text", "--text-file", "missing.txt"], "cannot read 'missing.txt'"),
        (["-o", "missing/x"], "no such folder"),
        (["--plot", "p.bmp"], "does not end in .png"),
    ],
)
def test_bad_options_are_one_line_and_leave_no_file(
    options: list[str], complaint: str, error_of: Callable[..., str]
) -> None:
    assert complaint in error_of("sweep", *options)


def test_another_file_is_refused_and_untouched(error_of: Callable[..., str]) -> None:
    Path("notes").write_text("notes\n")
    assert "notes is not the file of a sweep" in error_of(*ADDING, "-o", "notes")
    assert Path("notes").read_text() == "notes\n"


def test_what_is_missing_is_named(error_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "tinygrad_rnn[dask]" in error_of(*ADDING, "--dask", "127.0.0.1:1")


def test_a_missing_compiler_is_named_before_the_first_run(
    error_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    llvm.cache_clear()
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    options = ["--task", "adding", "--T", "3", "--engine", "compiled"]
    for command in ("sweep", "train"):
        assert "tinygrad_rnn[compile]" in error_of(command, *options)  # and nothing is printed
    assert not os.listdir()


def test_no_scheduler_there(error_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_rnn.cli.sweep.PATIENCE", 0.1)
    assert "no dask scheduler answers at 127.0.0.1:1 " in error_of(*ADDING, "--dask", "127.0.0.1:1")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to a process")
@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
def test_ctrl_c_keeps_what_has_finished(workers: list[str]) -> None:
    command = [sys.executable, "-m", "tinygrad_rnn", *ADDING, "--seeds", "10000", *workers]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    file, until = Path("adding.jsonl"), time.monotonic() + 60
    while not (file.exists() and file.read_text().count("\n") > 3) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped" in out
    assert err == ""
    assert len(read_records(file)) >= 3
    assert file.read_bytes().endswith(b"\n")
    assert os.listdir() == ["adding.jsonl"]


def test_nan_is_the_largest_error_whatever_the_order() -> None:
    for errors in ([math.nan, 0.1, 0.2], [0.1, math.nan, 0.2], [0.2, 0.1, math.nan]):
        assert smallest(errors) == 0.1
        assert math.isnan(largest(errors))
