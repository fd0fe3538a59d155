"""The commands train, eval and sample, as a person types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tinygrad_rnn import optim
from tinygrad_rnn.cli import main, training
from tinygrad_rnn.cli.sample import draw
from tinygrad_rnn.cli.training import DEFAULTS
from tinygrad_rnn.interop import read_safetensors, write_safetensors
from tinygrad_rnn.nn.kinds import KINDS
from tinygrad_rnn.tasks import TASKS
from tinygrad_rnn.train import Limits, RecurrentNetwork, Settings, load_checkpoint, train

SMALL = ["--hidden", "2", "--steps", "4", "--every", "2", "--batch", "1", "--validation", "3"]


def test_there_are_defaults_for_every_task() -> None:
    assert DEFAULTS.keys() == TASKS.keys()


@pytest.mark.parametrize("task", sorted(TASKS))
@pytest.mark.slow
def test_every_task_is_trained_evaluated_and_resumed(
    task: str, capsys: pytest.CaptureFixture[str], error_of: Callable[..., str]
) -> None:
    assert main(["train", "--task", task, *SMALL, "--go-on"]) == 0
    printed = capsys.readouterr()
    assert f"Task {task}:" in printed.out
    assert "Source:" in printed.out
    assert printed.err == ""
    assert os.listdir() == [f"{task}.safetensors"]
    assert load_checkpoint(f"{task}.safetensors").step == 4
    assert main(["train", "--resume", "-o", f"{task}.safetensors", "--steps", "5"]) == 0
    assert load_checkpoint(f"{task}.safetensors").step == 5
    capsys.readouterr()
    count = ["--sequences", "3"] if "count" in TASKS[task].validation_by else []
    assert main(["eval", f"{task}.safetensors", *count, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["step"] == 5
    assert result["error"] >= 0.0
    assert main(["eval", f"{task}.safetensors", *count]) == 0
    said = capsys.readouterr().out
    assert "criterion" in said
    assert ("chose the best weights" in " ".join(said.split())) == (task in ("text", "series"))
    assert ("on other sequences" in " ".join(printed.out.split())) == (task not in ("text", "series"))
    assert "1 sequences" not in said
    assert "1 validation sequences" not in printed.out
    for option, argument in (("--sequences", "count"), ("--seed", "seed")):
        if argument not in TASKS[task].validation_by:
            assert f"{option} makes no difference" in error_of("eval", f"{task}.safetensors", option, "3")


@pytest.mark.parametrize("cell", KINDS)
@pytest.mark.parametrize("optimizer", [name.lower() for name in optim.OPTIMIZERS])
def test_every_cell_with_every_optimizer(cell: str, optimizer: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--task", "adding", "--T", "3", "--cell", cell, "--optimizer", optimizer, "--layers", "2", "--json"]
    assert main(["train", *options, *SMALL, "--truncate", "2", "-o", "x", "--history", "h.csv"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["settings"] == {"T": 3}
    assert len(result["rows"]) == 4
    assert Path("h.csv").read_text().count("\n") == 5


@pytest.mark.parametrize("cell", KINDS)
@pytest.mark.slow
def test_another_cell_than_the_usual_one_needs_no_other_option(cell: str) -> None:
    for task in DEFAULTS:
        assert main(["train", "--task", task, "--cell", cell, *SMALL, "--steps", "1", "--quiet", "--force"]) == 0


@pytest.mark.slow
def test_a_text_is_learned_and_written(capsys: pytest.CaptureFixture[str], error_of: Callable[..., str]) -> None:
    Path("abc.txt").write_text("abc " * 200)
    options = ["--task", "text", "--text-file", "abc.txt", "--length", "8", "--cell", "rnn", "--hidden", "6"]
    assert main(["train", *options, "--steps", "150", "--quiet", "--every", "150", "--plot", "p.png"]) == 0
    assert Path("p.png").stat().st_size > 1000
    Path("abc.txt").unlink()  # the model alone is enough to write
    assert capsys.readouterr().out == ""
    assert main(["sample", "text.safetensors", "--prompt", "ab", "--length", "20", "--temperature", "0"]) == 0
    assert capsys.readouterr().out == "abc abc abc abc abc ab\n"
    assert main(["sample", "text.safetensors", "--length", "5", "--temperature", "2", "--seed", "1"]) == 0
    assert len(capsys.readouterr().out) == 7
    assert "'X' at position 2" in error_of("sample", "text.safetensors", "--prompt", "abXc")
    capital = error_of("sample", "text.safetensors", "--prompt", "A")
    assert "'A' at position 0 is not in the alphabet. Write it in lower case: the alphabet is" in capital
    assert "prompt is empty" in error_of("sample", "text.safetensors", "--prompt", "")
    assert "temperature" in error_of("sample", "text.safetensors", "--temperature", "-1")
    assert "abc.txt" in error_of("eval", "text.safetensors")


def test_a_model_that_another_training_saves_meanwhile_is_not_overwritten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(options: Any) -> Any:
        Path("x").write_text("theirs")
        return training.build(options)

    monkeypatch.setattr("tinygrad_rnn.cli.train.build", build)
    assert main(["train", "--task", "latch", "--T", "5", *SMALL, "-o", "x"]) == 2
    assert capsys.readouterr().err.startswith("tinygrad-rnn: error: x exists. ")
    assert Path("x").read_text() == "theirs"


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_terminal_takes_no_orders_from_a_text(
    is_terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "a\x1b[2jé\x9b 日"
    Path("x.txt").write_text(text * 60, newline="")
    assert main(["train", "--task", "text", "--text-file", "x.txt", "--length", "4", *SMALL, "--quiet"]) == 0
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    assert main(["sample", "text.safetensors", "--prompt", text, "--length", "200"]) == 0
    written = capsys.readouterr().out
    assert written.startswith("a\\x1b[2jé\\x9b 日" if is_terminal else text)
    assert is_terminal is not any(sign in written for sign in "\x1b\x9b")


def test_the_forget_bias_begins_as_asked() -> None:
    for given, bias in (([], 1.0), (["--forget-bias", "3"], 3.0), (["--forget-bias", "none"], None)):
        options = ["--task", "adding", "--cell", "lstm", *SMALL, "--steps", "1", "--lr", "1e-9", "--quiet", "--force"]
        assert main(["train", *options, *given, "-o", "f"]) == 0
        biases = load_checkpoint("f").weights["cell.cells.0.b_f"]
        if bias is not None:
            assert biases == pytest.approx([bias] * 2, abs=1e-6)
        else:
            assert all(abs(entry) < 2**-0.5 for entry in biases)  # U(-1/√H, 1/√H), as in PyTorch
            assert len(set(biases)) == 2


def test_drawing_follows_the_probabilities() -> None:
    import random

    rng = random.Random(0)
    drawn = [draw([0.0, 1.0986122886681098], 1.0, rng) for _ in range(2000)]
    assert 0.7 < sum(drawn) / 2000 < 0.8


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--task", "chess"], "invalid choice"),
        (["--task", "adding", "--T", "1"], "T is 1"),
        (["--task", "temporal-order", "--T", "5"], "at least 10"),
        (["--task", "adding", "--length", "5"], "--length is not an option of task adding"),
        (["--task", "reber", "--text-file", "x"], "--text-file is not an option of task reber"),
        (["--lr", "-0.1"], "'-0.1' is not a number above 0"),
        (["--lr", "nan"], "not a finite number"),
        (["--clip", "-1"], "'-1' is not a number above 0"),
        (["--hidden", "0"], "whole number of at least 1"),
        (["--task", "text", "--text-file", "missing.txt"], "cannot read 'missing.txt'"),
        (["--task", "series", "--csv", "missing.csv"], "cannot read 'missing.csv'"),
        (["-o", "missing/x"], "no such folder"),
        (["--nonlinearity", "relu"], "--nonlinearity with --cell lstm. Only an rnn has a choice of it"),
        (["--cell", "gru", "--forget-bias", "1"], "--forget-bias with --cell gru. Only an lstm has a forget gate"),
        (["--bidirectional"], "in task reber the next input is predicted"),
        (["--task", "latch", "--bidirectional", "--truncate", "2"], "truncation with a bidirectional network"),
        (["--task", "latch", "--bidirectional", "--engine", "compiled"], "engine 'compiled' with a bidirectional"),
        (["--schedule", "linear"], "'linear' is not constant, cosine, step:N:FACTOR or exponential:FACTOR"),
        (["--schedule", "step:5"], "'step:5' is not constant, cosine, step:N:FACTOR or"),
        (["--schedule", "cosine:9"], "'cosine:9' is not constant"),
        (["--schedule", "step:0:0.5"], "'0' is not a whole number of at least 1"),
        (["--schedule", "exponential:-1"], "'-1' is not a number above 0"),
        (["--schedule", "exponential:nan"], "'nan' is not a finite number"),
        (["--schedule", "exponential:1e300"], "argument --schedule: '1e300' is not a factor of at most 1"),
        (["--schedule", "step:3:1.1"], "argument --schedule: '1.1' is not a factor of at most 1"),
        (["--forget-bias", "None"], "argument --forget-bias: 'None' is not a finite number, nor \"none\""),
        (["--truncate", "0"], "argument --truncate: '0' is not a whole number of at least 1, nor \"none\""),
        (["--history", "h.xml"], "does not end in .csv, .json"),
        (["--plot", "p.bmp"], "does not end in .png"),
        (["--resume"], "cannot read 'reber.safetensors'"),
    ],
)
def test_bad_options_are_one_line_and_leave_no_file(
    options: list[str], complaint: str, error_of: Callable[..., str]
) -> None:
    assert complaint in error_of("train", *options)


@pytest.mark.parametrize("text", ["", "a"])
def test_a_text_too_short_is_refused(text: str, error_of: Callable[..., str]) -> None:
    Path("t.txt").write_text(text)
    assert f"{len(text)} character" in error_of("train", "--task", "text", "--text-file", "t.txt")


def test_a_model_is_not_overwritten_unasked(error_of: Callable[..., str]) -> None:
    options = ["train", "--task", "adding", *SMALL, "--quiet"]
    assert main(options) == 0
    content = Path("adding.safetensors").read_bytes()
    assert "exists" in error_of(*options)
    assert "which is not a text" in error_of("sample", "adding.safetensors")
    Path("cut.safetensors").write_bytes(content[:-9])
    assert "cut off" in error_of("eval", "cut.safetensors")
    assert Path("adding.safetensors").read_bytes() == content
    assert main([*options, "--force", "--seed", "1"]) == 0
    assert Path("adding.safetensors").read_bytes() != content


def state(path: str) -> tuple[object, ...]:
    """All that a checkpoint holds but for seconds, and the steps that were planned."""
    checkpoint = load_checkpoint(path)
    history = checkpoint.history
    rest = replace(checkpoint.record, history=replace(history, rows=[]), limits=Limits())
    return (
        *(checkpoint.weights, checkpoint.best, checkpoint.slots, rest),
        [replace(row, seconds=0.0) for row in history.rows],
    )


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [0.4, 0.4, 0.4, 0.4]),
        ("cosine", [0.4, 0.34142135623730953, 0.2, 0.05857864376269051]),  # 0.2 (1 + cos(πt/4))
        ("step:2:0.5", [0.4, 0.4, 0.2, 0.2]),
        ("exponential:.5", [0.4, 0.2, 0.1, 0.05]),
    ],
)
def test_a_schedule_sets_the_rate_of_every_step_and_goes_on_when_resumed(
    schedule: str, rates: list[float], capsys: pytest.CaptureFixture[str], error_of: Callable[..., str]
) -> None:
    options = ["train", "--task", "adding", "--T", "3", *SMALL, "--go-on", "--lr", "0.4", "--schedule", schedule]
    assert main([*options, "-o", "whole"]) == 0
    advice = " ".join(capsys.readouterr().out.split())
    assert [row.lr for row in load_checkpoint("whole").history.rows] == pytest.approx(rates, rel=1e-15)
    if schedule == "cosine":
        assert "Go on with" not in advice
        assert "the cosine schedule of whole ends after 4. Give at most that many" in error_of(
            "train", "--resume", "-o", "whole", "--steps", "5"
        )
        assert main([*options, "--resume", "-o", "whole", "--quiet"]) == 0  # nothing is left to do
        return
    assert "train --resume -o whole --steps 8." in advice
    assert main([*options, "--steps", "2", "-o", "part", "--quiet"]) == 0
    assert main(["train", "--resume", "-o", "part", "--steps", "4", "--quiet"]) == 0
    assert state("part") == state("whole")


def test_a_cosine_schedule_that_was_cut_short_goes_on_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["train", "--task", "adding", "--T", "3", *SMALL, "--steps", "6", "--schedule", "cosine", "--quiet"]
    assert main([*options, "--go-on", "-o", "whole"]) == 0
    patient = [*options, "--every", "1", "--patience", "1", "--lr", "1e-300", "-o", "part"]
    assert main(patient) == 0
    assert load_checkpoint("part").step == 2
    capsys.readouterr()
    assert main(["train", "--resume", "-o", "part", "--patience", "none", "--go-on", "--steps", "4"]) == 0
    assert load_checkpoint("part").step == 4
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == "Go on with tinygrad-rnn train --resume -o part --steps 6."
    assert main(said.removeprefix("Go on with tinygrad-rnn ").rstrip(".").split()) == 0
    assert "Go on with" not in capsys.readouterr().out
    rates = [row.lr * 1e300 for row in load_checkpoint("part").history.rows]
    assert rates == pytest.approx([row.lr / 0.02 for row in load_checkpoint("whole").history.rows])


def test_a_schedule_that_only_a_program_knows_is_named(error_of: Callable[..., str]) -> None:
    task = TASKS["adding"]()
    model = RecurrentNetwork.for_task(task, "rnn", 1)
    optimizer = optim.SGD(model.parameters())
    schedule = optim.LambdaLR(optimizer, lambda steps: 1 / (steps + 1))
    train(
        model,
        task,
        Settings(optimizer=optimizer, scheduler=schedule, validation_size=1),
        Limits(1),
        checkpoint="f",
        progress=False,
    )
    assert "a LambdaLR cannot be made from a checkpoint" in error_of("train", "--resume", "-o", "f")


@pytest.mark.parametrize("cell", KINDS)
@pytest.mark.slow
def test_a_bidirectional_network_is_trained_resumed_and_measured(
    cell: str, capsys: pytest.CaptureFixture[str], error_of: Callable[..., str]
) -> None:
    options = ["train", "--task", "copy", "--bidirectional", "--cell", cell, "--layers", "2", *SMALL, "--go-on"]
    assert main([*options, "-o", "whole"]) == 0
    said = capsys.readouterr().out
    assert f"{cell.upper()}(10 → 2, num_layers=2, bidirectional)" in said
    assert "Linear(4 → 9)" in said
    assert main([*options, "--steps", "3", "-o", "part", "--quiet"]) == 0
    assert main(["train", "--resume", "-o", "part", "--steps", "4", "--bidirectional", "--quiet"]) == 0
    assert state("part") == state("whole")
    assert "engine 'compiled'" in error_of("train", "--resume", "-o", "part", "--engine", "compiled")
    assert main(["eval", "whole", "--sequences", "3"]) == 0


@pytest.mark.parametrize("stop", [1, 4, 5])
@pytest.mark.slow
def test_resume_takes_everything_from_the_file(stop: int, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--task", "copy", "--T", "2", "--count", "1", "--cell", "rnn", "--layers", "2", "--nonlinearity", "relu"]
    options += ["--hidden", "3", "--batch", "2", "--lr", "0.03", "--optimizer", "rmsprop", "--clip", "0.5", "--go-on"]
    options += ["--truncate", "2", "--every", "2", "--validation", "5", "--seed", "3", "--quiet", "--init", "identity"]
    assert main(["train", *options, "--steps", "9", "-o", "whole"]) == 0
    assert main(["train", *options, "--steps", str(stop), "-o", "part"]) == 0
    assert main(["train", "--resume", "-o", "part", "--steps", "9", "--quiet"]) == 0
    assert state("part") == state("whole")
    assert capsys.readouterr().err == ""


def test_what_contradicts_the_file_is_named_and_what_agrees_is_accepted(
    capsys: pytest.CaptureFixture[str], error_of: Callable[..., str]
) -> None:
    made = ["train", "--task", "adding", "--T", "3", *SMALL, "--quiet", "--go-on", "-o", "f"]
    assert main(made) == 0
    content = Path("f").read_bytes()
    for option, was, given in (
        ("--task", "adding", "latch"),
        ("--T", "3", "4"),
        ("--text-file", "not set", "x"),
        ("--cell", "gru", "lstm"),
        ("--hidden", "2", "3"),
        ("--layers", "1", "2"),
        ("--nonlinearity", "not set", "relu"),
        ("--schedule", "constant", "step:5:0.5"),
        ("--optimizer", "adam", "sgd"),
        ("--lr", "0.02", "0.5"),
        ("--batch", "1", "2"),
        ("--clip", "1.0", "2.0"),
        ("--truncate", "not set", "2"),
        ("--every", "2", "3"),
        ("--validation", "3", "4"),
        ("--seed", "0", "1"),
    ):
        expected = f"{option} is {was} in f, not {given}"
        assert expected in error_of("train", "--resume", "-o", "f", option, given)
    bidirectional = error_of("train", "--resume", "-o", "f", "--bidirectional")
    assert "--bidirectional is no in f, not yes" in bidirectional
    assert "--init is for a new network" in error_of("train", "--resume", "-o", "f", "--init", "identity")
    assert "--forget-bias is for a new" in error_of("train", "--resume", "-o", "f", "--forget-bias", "1")
    assert main(["train", "--help"]) == 0
    assert "--init and --forget-bias, which are for a new network, are refused" in " ".join(
        capsys.readouterr().out.split()
    )
    assert "--clip is 1.0 in f, not none" in error_of("train", "--resume", "-o", "f", "--clip", "none")
    both = error_of("train", "--resume", "-o", "f", "--hidden", "3", "--lr", "0.5")
    assert "--hidden is 2 in f, not 3; --lr is 0.02 in f, not 0.5" in both or "--lr is 0.02 in f, not 0.5; " in both
    assert Path("f").read_bytes() == content
    assert main([*made, "--resume", "--steps", "6", "--patience", "50"]) == 0
    assert load_checkpoint("f").step == 6
    Path("abc.txt").write_text("abc " * 100)
    text = ["train", "--task", "text", "--text-file", "abc.txt", *SMALL, "--quiet", "-o", "t"]
    assert main([*text, "--length", "5"]) == 0
    Path("abc.txt").write_text("acb " * 100)
    for command in (["train", "--resume", "-o", "t", "--steps", "6"], ["eval", "t"]):
        assert "not those that were trained on" in error_of(*command)
    Path("abc.txt").write_text("abc " * 100)
    assert main(["eval", "t"]) == 0


@pytest.mark.parametrize("part", ["settings", "limits", "scheduler", "optimizer", "architecture", "task"])
@pytest.mark.parametrize("damage", [{}, {"settings": 5, "kind": 5, "name": 5}, {"kind": "LSTM", "arguments": 5}])
def test_a_damaged_file_is_one_clear_error(part: str, damage: dict[str, object], error_of: Callable[..., str]) -> None:
    assert main(["train", "--task", "adding", "--T", "3", *SMALL, "--quiet", "--go-on", "-o", "f"]) == 0
    tensors, metadata = read_safetensors("f")
    state = {**json.loads(metadata["state"]), part: damage}
    write_safetensors("f", tensors, {**metadata, "state": json.dumps(state)})
    assert "f" in error_of("train", "--resume", "-o", "f", "--steps", "5")


def test_eval_at_a_length_that_the_task_has_not_names_the_length(error_of: Callable[..., str]) -> None:
    assert main(["train", "--task", "temporal-order", *SMALL, "--steps", "1", "--quiet", "-o", "f"]) == 0
    assert "error: T is 2. T must be" in error_of("eval", "f", "--T", "2")


def test_clipping_can_be_switched_off_and_stays_so(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["train", "--task", "adding", *SMALL, "--quiet", "--go-on"]
    assert main([*options, "-o", "a", "--clip", "none"]) == 0
    assert main([*options, "-o", "b", "--clip", "1e9"]) == 0
    assert load_checkpoint("a").record.description.settings.max_norm is None
    assert load_checkpoint("a").weights == load_checkpoint("b").weights
    assert main(["train", "--resume", "-o", "a", "--clip", "none", "--steps", "5", "--quiet"]) == 0
    assert load_checkpoint("a").step == 5


@pytest.mark.parametrize(("given", "bias"), [([], 1.0), (["--forget-bias", "-2.5"], -2.5)])
def test_the_forget_bias_is_1_unless_it_is_given(given: list[str], bias: float) -> None:
    frozen = ["--optimizer", "sgd", "--lr", "1e-300"]
    assert main(["train", "--task", "reber", *SMALL, *frozen, "--quiet", "-o", "f", *given]) == 0
    assert load_checkpoint("f").weights["cell.cells.0.b_f"] == [bias, bias]


@pytest.mark.parametrize("steps", ["5", "6"])  # off and on the grid of validations
@pytest.mark.parametrize("ended", [["--go-on"], ["--go-on", "--patience", "1", "--lr", "1e-12"]])
def test_resuming_what_is_finished_changes_nothing(
    steps: str, ended: list[str], capsys: pytest.CaptureFixture[str], error_of: Callable[..., str]
) -> None:
    assert main(["train", "--task", "adding", *SMALL, *ended, "--steps", steps, "-o", "f", "--json"]) == 0
    first, content = json.loads(capsys.readouterr().out), Path("f").read_bytes()
    for more in ([], ["--steps", str(len(first["rows"]))]):
        assert main(["train", "--resume", "-o", "f", "--json", *more]) == 0
        assert json.loads(capsys.readouterr().out) == first
    assert first["rows"][-1]["validation_error"] is not None
    fewer = error_of("train", "--resume", "-o", "f", "--steps", "2", "--quiet")
    assert f"the limit is 2 updates, but the checkpoint has had {len(first['rows'])}" in fewer
    assert Path("f").read_bytes() == content


def test_a_finished_run_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--task", "adding", *SMALL]) == 0
    (said,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("Go on with tinygrad-rnn "))
    assert main(said.removeprefix("Go on with tinygrad-rnn ").rstrip(".").split()) == 0
    assert load_checkpoint("adding.safetensors").step == 8


def test_rows_are_written_as_they_come_also_into_a_file() -> None:
    command = [sys.executable, "-m", "tinygrad_rnn", "train", "--task", "latch", "--steps", "100000", "--every", "2"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with open("log", "w") as log:
        process = subprocess.Popen([*command, "--go-on"], stdout=log, stderr=subprocess.STDOUT, env=environment)
    until = time.monotonic() + 30
    while Path("log").read_text().count("\n") < 12 and time.monotonic() < until:
        time.sleep(0.05)
    process.kill()
    process.wait()
    lines = Path("log").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.split()[:2] == ["update", "sequences"])
    assert [line.split()[0] for line in lines[start + 1 : start + 4]] == ["2", "4", "6"]


@pytest.mark.parametrize("engine", ["compiled", "compiled-fast"])
def test_the_engine_can_be_chosen(engine: str) -> None:
    options = ["--task", "adding", "--T", "3", *SMALL, "--go-on", "--quiet"]
    assert main(["train", *options, "-o", "eager"]) == 0
    assert main(["train", *options, "-o", "native", "--engine", engine]) == 0
    assert load_checkpoint("native").step == 4
    if engine == "compiled":
        assert state("native") == state("eager")
    assert main(["train", "--resume", "-o", "eager", "--steps", "6", "--quiet", "--engine", engine]) == 0


POSIX = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
LONG = ["--task", "adding", "--steps", "100000", "--every", "5", "--go-on"]


def begin_training(before: str = "") -> subprocess.Popen[str]:
    """A training under way, which has written a checkpoint; after a shell command."""
    command = ["bash", "-c", f'{before} exec "$@"', "bash", sys.executable, "-m", "tinygrad_rnn", "train", *LONG]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 30
    while not Path("adding.safetensors").exists() and time.monotonic() < until:
        time.sleep(0.05)
    return process


@POSIX
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.slow
def test_a_signal_to_end_keeps_what_was_learned(name: str) -> None:
    process = begin_training()
    process.send_signal(signal.Signals[name])
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped after update" in out
    assert err == "\nStopping after this update …\n"
    assert load_checkpoint("adding.safetensors").step >= 5
    assert os.listdir() == ["adding.safetensors"]


@POSIX
@pytest.mark.slow
def test_after_nohup_a_lost_terminal_ends_nothing() -> None:
    process = begin_training("trap '' HUP;")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert "Stopped after update" in out


@POSIX
@pytest.mark.slow
def test_two_trainings_do_not_write_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    process = begin_training()
    try:
        for how in ("--resume", "--force"):
            assert main(["train", *LONG, "--quiet", how]) == 2
            assert "another process or thread is writing 'adding.safetensors'" in capsys.readouterr().err
    finally:
        process.kill()
        process.communicate()
    assert ".adding.safetensors.lock" in os.listdir()  # a kill leaves it
    step = load_checkpoint("adding.safetensors").step
    assert main(["train", "--resume", "-o", "adding.safetensors", "--steps", f"{step + 1}", "--quiet"]) == 0
    assert os.listdir() == ["adding.safetensors"]
