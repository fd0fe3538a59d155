"""The training loop: the order of its sums, that it learns, its endings, its bar and its history."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tinygrad_rnn import Linear, RNNCell, ScalarRNNCell, Value, optim, total, unroll
from tinygrad_rnn.errors import ArgumentError, DomainError, ShapeError
from tinygrad_rnn.nn import GRU, StackedCell, cross_entropy
from tinygrad_rnn.plots.saving import save
from tinygrad_rnn.plots.training import history_figure
from tinygrad_rnn.support import progress as progress_module
from tinygrad_rnn.tasks import TASKS, Adding, CopyMemory, Forecast, Latch, Reber, Task, TemporalOrder, Text
from tinygrad_rnn.train import (
    History,
    Limits,
    RecurrentNetwork,
    Row,
    Settings,
    Trainer,
    load_checkpoint,
    train,
    validate,
)
from tinygrad_rnn.train.engine import EagerEngine, Interrupted, make_engine


def never() -> bool:
    return False


def draw(task: Task, count: int, seed: int = 0) -> list[Any]:
    rng = random.Random(seed)
    return [task.example(rng) for _ in range(count)]


def row(step: int, error: float, loss: float) -> Row:
    return Row(step, step, 1.0, 1.0, 0.1, loss, error, 0.0)


def without_seconds(history: History) -> list[Row]:
    return [replace(row, seconds=0.0) for row in history.rows]


def test_the_gradient_of_a_batch_is_the_sum_over_sequences_in_order_divided_by_their_number() -> None:
    task = Reber()
    model = RecurrentNetwork.for_task(task, "gru", 3, seed=1)
    batch = draw(task, 3)
    assert len({len(example.inputs) for example in batch}) == 2
    losses, sums = 0.0, [0.0] * len(model.parameters())
    for example in sorted(batch, key=lambda example: len(example.inputs)):
        model.zero_grad()
        unrolled = model(example.inputs)
        loss = total([cross_entropy(unrolled.y[t], target) for t, target in enumerate(example.targets, 1)])
        loss.backward(1.0 / len(example.targets))
        losses += loss.data / len(example.targets)
        sums = [a + p.grad for a, p in zip(sums, model.parameters())]
    assert EagerEngine(model, task, None).gradients(batch, never) == losses / 3
    assert [p.grad for p in model.parameters()] == [a / 3 for a in sums]


def test_truncation_cuts_the_gradient_and_not_the_state() -> None:
    task = TemporalOrder(10)
    model = RecurrentNetwork.for_task(task, "lstm", 3, seed=2)
    batch = draw(task, 2)
    gradients = {}
    for truncate in (None, 10, 4):
        loss = EagerEngine(model, task, truncate).gradients(batch, never)
        gradients[truncate] = [p.grad for p in model.parameters()], loss
    assert gradients[None] == gradients[10]
    assert gradients[4][1] == gradients[None][1]
    assert gradients[4][0] != gradients[None][0]


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_bidirectional_network_reads_out_both_directions(kind: str) -> None:
    task = CopyMemory(T=2, count=1)
    model = RecurrentNetwork.for_task(task, kind, 3, num_layers=2, seed=2, bidirectional=True)
    assert len(model.readout.V[0]) == 6
    batch = draw(task, 1)
    inputs, targets = batch[0].inputs, batch[0].targets
    output, _ = model.cell(model.encoded(inputs))  # type: ignore[operator]
    total([cross_entropy(model.readout(h), target) for h, target in zip(output, targets)]).backward(1 / len(targets))
    expected = [parameter.grad for parameter in model.parameters()]
    assert all(any(parameter.grad for parameter in cell.parameters()) for cell in model.cell.cells)  # type: ignore
    assert EagerEngine(model, task, None).gradients(batch, never) == validate(model, task, batch)[0]
    assert [parameter.grad for parameter in model.parameters()] == expected
    assert {y.time_step for y in model.predictions(inputs)[2]} == {3}


def test_what_a_bidirectional_network_cannot_do_is_refused_before_the_first_step() -> None:
    for task in TASKS.values():
        example = draw(task(), 1)[0]
        assert task.predicts_next == (example.inputs[1:] == example.targets[:-1])
        if task.predicts_next:
            with pytest.raises(ArgumentError, match="which a bidirectional network has already read"):
                RecurrentNetwork.for_task(task(), "gru", 2, bidirectional=True)
    reber = Reber()
    cheating = RecurrentNetwork(GRU(7, 2, bidirectional=True), Linear(4, 7))
    with pytest.raises(ArgumentError, match="already read"):
        train(cheating, reber, Settings(), Limits(1), progress=False)
    model = RecurrentNetwork.for_task(Latch(5), "gru", 2, bidirectional=True)
    for more in ({"truncate": 2}, {"engine": "compiled"}):
        with pytest.raises(ArgumentError, match="with a bidirectional network"):
            train(model, Latch(5), Settings(**more), Limits(1), progress=False)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="no single time step"):
        model([[1.0]])


def test_an_interrupted_gradient_is_given_up() -> None:
    task = Adding(4)
    answers = iter([False, True])
    with pytest.raises(Interrupted):
        EagerEngine(RecurrentNetwork.for_task(task), task, None).gradients(draw(task, 5), lambda: next(answers))


@pytest.mark.slow
def test_a_small_network_learns_to_latch() -> None:
    task = Latch(8)
    model = RecurrentNetwork.for_task(task, "rnn", 3, seed=3)
    history = train(
        model, task, Settings(batch_size=2, validate_every=20, validation_size=20), Limits(300), progress=False
    )
    assert history.ending == "solved"
    assert len(history.rows) < 300
    assert history.solved
    assert history.best <= task.goal
    history = train(
        model, task, Settings(batch_size=2, validation_size=20), Limits(200, stop_when_solved=False), progress=False
    )
    assert history.ending == "steps"
    assert history.rows[-1].validation[1] < 0.05


def test_the_same_seeds_give_the_same_numbers() -> None:
    task = Text(text="the quick brown fox " * 20, length=6)
    runs = []
    for _ in range(2):
        model = RecurrentNetwork.for_task(task, "lstm", 3, num_layers=2, seed=4)
        history = train(
            model, task, Settings(batch_size=2, validate_every=2, validation_size=2), Limits(4), progress=False
        )
        runs.append((model.state_dict(), without_seconds(history)))
    assert runs[0] == runs[1]


def test_a_cell_or_a_stack_of_ones_own_is_trained_too() -> None:
    task = Reber()
    for cell in (RNNCell(7, 3, seed=5), StackedCell([RNNCell(7, 3, seed=5), RNNCell(3, 2, seed=6)])):
        model = RecurrentNetwork(cell, Linear(len(cell.initial_state()[-1]), 7, seed=7))
        before = model.state_dict()
        train(model, task, Settings(batch_size=1, validation_size=1), Limits(2), progress=False)
        assert model.state_dict() != before
    with pytest.raises(ArgumentError, match="no input_size"):
        RecurrentNetwork(ScalarRNNCell(), Linear(1, 1))


def test_a_cell_may_have_a_parameter_that_is_a_single_number() -> None:
    class Gained(RNNCell):
        def __init__(self) -> None:
            super().__init__(1, 2)
            self.gain = Value(2.0, label="gain")

        def step(self, x: Any, *state: Any) -> dict[str, Any]:
            h = super().step(x, *state)["h"]
            return {"h": [self.gain * entry for entry in h]}

    model = RecurrentNetwork(Gained(), Linear(2, 1))
    assert model.outputs([[1.0], [0.5]]) == [[y.data for y in model([[1.0], [0.5]]).y[t]] for t in (1, 2)]


def test_patience_ends_training() -> None:
    task = Adding(3)
    model = RecurrentNetwork.for_task(task, "rnn", 2, seed=8)
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    history = train(
        model,
        task,
        Settings(batch_size=1, optimizer=optimizer, validate_every=2, validation_size=2),
        Limits(100, patience=3),
        progress=False,
    )
    assert history.ending == "patience"
    assert len(history.rows) == 8


class Jumping(Adding):
    """The error of a validation is the next of these, whatever the model says."""

    def __init__(self, T: int = 3) -> None:
        super().__init__(T)
        self.errors: Iterator[float] = iter([0.5, 0.2, 0.4, 0.3, 0.9])

    def error(self, example: Any, outputs: Any) -> float:
        return next(self.errors)


@pytest.mark.parametrize(
    ("steps", "every", "patience", "best"),
    [
        (6, 2, None, 4),
        (9, 2, None, 4),  # the validation at the end is off the beat, and no better
        (3, 2, None, 3),  # it is off the beat, and the best
        (10, 2, 2, 4),  # patience ends it at step 8
    ],
)
@pytest.mark.parametrize("first", [0.5, math.nan])  # of which no later one is smaller
def test_the_model_ends_with_the_weights_of_the_best_validation(
    steps: int, every: int, patience: int | None, best: int, first: float, tmp_path: Path
) -> None:
    settings = Settings(batch_size=1, validation_size=1, keep_best=False)
    model = RecurrentNetwork.for_task(Adding(3), "rnn", 2, seed=8)
    jumping = Jumping()
    jumping.errors = chain([first], list(jumping.errors)[1:])
    history = train(
        model,
        jumping,
        replace(settings, validate_every=every, keep_best=True),
        Limits(steps, patience, stop_when_solved=False),
        checkpoint=tmp_path / "c",
        progress=False,
    )
    assert history.best == 0.2
    assert len(history.rows) == min(steps, 8 if patience else steps)
    after = RecurrentNetwork.for_task(Adding(3), "rnn", 2, seed=8)
    train(after, Adding(3), settings, Limits(best, stop_when_solved=False), progress=False)
    assert model.state_dict() == after.state_dict()
    found = load_checkpoint(tmp_path / "c")
    assert found.model_step == best
    assert found.make_model().state_dict() == model.state_dict()
    last = RecurrentNetwork.for_task(Adding(3), "rnn", 2, seed=8)
    train(last, Adding(3), settings, Limits(len(history.rows), stop_when_solved=False), progress=False)
    assert found.weights == last.state_dict()


def test_a_schedule_sets_the_learning_rate_of_every_step() -> None:
    task = Adding(3)
    model = RecurrentNetwork.for_task(task, "rnn", 2)
    optimizer = optim.SGD(model.parameters(), lr=0.8)
    history = train(
        model,
        task,
        Settings(batch_size=1, optimizer=optimizer, scheduler=optim.StepLR(optimizer, 2, 0.5), validation_size=1),
        Limits(4),
        progress=False,
    )
    assert [row.lr for row in history.rows] == [0.8, 0.8, 0.4, 0.4]


def test_validation_records_no_graph_and_agrees_with_the_loss() -> None:
    task = Forecast(length=5)
    model = RecurrentNetwork.for_task(task, "rnn", 2, seed=9)
    batch = draw(task, 3)
    loss, error = validate(model, task, batch)
    assert loss == pytest.approx(EagerEngine(model, task, None).gradients(batch, never), rel=1e-14)
    assert error == pytest.approx(loss)
    assert model.outputs(batch[0].inputs)[-1] == [y.data for y in model(batch[0].inputs).y[5]]


def press_ctrl_c_at(task: Task, when: int, monkeypatch: pytest.MonkeyPatch, presses: int = 1) -> None:
    drawn = 0
    example = type(task).example

    def counting(self: Task, rng: random.Random) -> Any:
        nonlocal drawn
        drawn += 1
        if drawn == when:
            for _ in range(presses):
                signal.raise_signal(signal.SIGINT)
        return example(self, rng)

    monkeypatch.setattr(type(task), "example", counting)


def test_ctrl_c_keeps_the_last_complete_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Latch(5)
    settings = Settings(batch_size=2, validation_size=1)
    expected = RecurrentNetwork.for_task(task, "rnn", 2, seed=10)
    train(expected, task, settings, Limits(3, stop_when_solved=False), progress=False)
    model = RecurrentNetwork.for_task(task, "rnn", 2, seed=10)
    handler = signal.getsignal(signal.SIGINT)
    press_ctrl_c_at(task, 1 + 2 * 3 + 2, monkeypatch)  # the one validation example, three steps, and into the fourth
    history = train(
        model,
        task,
        Settings(batch_size=2, validation_size=1),
        Limits(100, stop_when_solved=False),
        checkpoint=tmp_path / "c",
        progress=False,
    )
    assert history.ending == "interrupted"
    assert len(history.rows) == 3
    assert model.state_dict() == expected.state_dict()
    assert all(p.grad == 0.0 for p in model.parameters())
    assert (tmp_path / "c").exists()
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("asked", [0, 1, 2])
def test_ctrl_c_after_the_last_update_is_not_lost(asked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a sweep would begin its next run."""
    ending, times = Trainer.ending, []

    def pressed(self: Trainer) -> str:
        if len(times) == asked:
            signal.raise_signal(signal.SIGINT)
        times.append(1)
        return ending(self)

    monkeypatch.setattr(Trainer, "ending", pressed)
    task = Latch(5)
    model = RecurrentNetwork.for_task(task, "rnn", 2, seed=10)
    history = train(model, task, Settings(batch_size=2, validation_size=1), Limits(2), progress=False)
    assert (history.ending, len(history.rows)) == ("interrupted", asked)


def test_ctrl_c_while_the_last_checkpoint_is_written_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Trainer.save

    def pressed(self: Trainer, path: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        save(self, path)

    monkeypatch.setattr(Trainer, "save", pressed)
    task = Latch(5)
    model = RecurrentNetwork.for_task(task, "rnn", 2, seed=10)
    with pytest.raises(KeyboardInterrupt):
        train(model, task, Settings(batch_size=2, validation_size=1), Limits(2), checkpoint=tmp_path / "c")
    assert load_checkpoint(tmp_path / "c").step == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.parametrize("steps", [4, 9])
def test_ctrl_c_during_a_validation_drops_it_and_resuming_makes_up_for_it(
    engine: str, steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task = Latch(5)
    settings = Settings(batch_size=2, validation_size=3, validate_every=2, engine=engine)
    limits = Limits(steps, stop_when_solved=False)
    whole = RecurrentNetwork.for_task(task, "rnn", 2, seed=10)
    expected = train(whole, task, settings, limits, progress=False)
    model = RecurrentNetwork.for_task(task, "rnn", 2, seed=10)
    engine_class = type(make_engine(engine, model, task, None))
    outputs, validations = engine_class.outputs, []

    def second_one_interrupted(self: Any, *given: Any) -> Any:
        validations.append(1)
        if len(validations) == 2:
            signal.raise_signal(signal.SIGINT)
        return outputs(self, *given)

    monkeypatch.setattr(engine_class, "outputs", second_one_interrupted)
    history = train(model, task, settings, limits, checkpoint=tmp_path / "c")
    assert capsys.readouterr().err == "\nStopping after this update …\n"
    assert (history.ending, len(history.rows)) == ("interrupted", 4)
    assert history.rows[-1].validation_error is None
    assert load_checkpoint(tmp_path / "c").step == 4
    history = train(model, task, settings, limits, checkpoint=tmp_path / "c", resume=True, progress=False)
    assert history.ending == "steps"
    assert without_seconds(history) == without_seconds(expected)
    assert model.state_dict() == whole.state_dict()


def test_a_second_ctrl_c_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Latch(5)
    press_ctrl_c_at(task, 3, monkeypatch, presses=2)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(
            RecurrentNetwork.for_task(task),
            task,
            Settings(batch_size=2, validation_size=1),
            Limits(100),
            progress=False,
        )
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize(("batch_size", "after"), [(1000, 20), (1, 5)])
def test_an_update_ends_while_its_sequences_are_drawn_or_between_chunks(batch_size: int, after: int) -> None:
    """It went on to the end of them all, for seconds or minutes."""
    task = Latch(1000)
    model = RecurrentNetwork.for_task(task, "rnn", 1)
    settings = Settings(batch_size=batch_size, validation_size=1, truncate=10)
    trainer, before, calls = Trainer(model, task, settings, Limits(1)), model.state_dict(), 0

    def stop() -> bool:
        nonlocal calls
        calls += 1
        return calls > after

    state = trainer.rng.getstate()
    with pytest.raises(Interrupted):
        trainer.step(stop)
    assert calls == after + 1
    assert (trainer.rng.getstate(), model.state_dict()) == (state, before)
    assert not any(parameter.grad for parameter in model.parameters())


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_a_signal_while_another_one_is_noted_does_not_wait_for_it() -> None:
    code = """
import signal, sys
from tinygrad_rnn.train.listening import Listening

def note_another_in_the_middle(frame, event, _):
    global calls
    if noting(frame):
        calls += 1
        if calls == middle:
            signal.raise_signal(signal.SIGTERM)

def noting(frame):
    return frame is not None and (frame.f_code.co_name == "note" or noting(frame.f_back))

for middle in range(1, 30):  # of the calls and returns while it is noted
    calls, received = 0, []
    with Listening([signal.SIGINT, signal.SIGTERM], received, False):
        sys.setprofile(note_another_in_the_middle)
        signal.raise_signal(signal.SIGINT)
        sys.setprofile(None)
    assert len(received) == 1 + (middle <= calls), received
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_training_in_another_thread_leaves_signals_alone() -> None:
    task, results = Adding(2), []
    thread = threading.Thread(
        target=lambda: results.append(
            train(
                RecurrentNetwork.for_task(task, "rnn", 1),
                task,
                Settings(batch_size=1, validation_size=1),
                Limits(1),
                progress=False,
            )
        )
    )
    thread.start()
    thread.join()
    assert results[0].ending == "steps"


def test_a_gradient_that_is_no_number_stops_before_the_step() -> None:
    task = Adding(40)
    model = RecurrentNetwork.for_task(task, "rnn", 1, nonlinearity="identity")
    for parameter in model.parameters():
        parameter.data = 1e9
    before = model.state_dict()
    with pytest.raises(DomainError):
        train(model, task, Settings(batch_size=1, validation_size=1), Limits(3), progress=False)
    assert model.state_dict() == before


def test_what_makes_no_sense_is_refused() -> None:
    task = Adding(3)
    model = RecurrentNetwork.for_task(task, "rnn", 2)
    for wrong in (
        {"batch_size": 0},
        {"truncate": -1},
        {"validate_every": 0},
        {"validation_size": True},
        {"max_norm": -1.0},
        {"max_norm": "1"},
        {"max_norm": float("nan")},
        {"batch_size": 10**5000},
        {"seed": [1]},
        {"seed": -1},
        {"engine": "steam"},
    ):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            train(model, task, Settings(**wrong), progress=False)  # type: ignore[arg-type]
    for limits in ({"updates": 0}, {"patience": 0}, {"updates": 10**30}):
        with pytest.raises(ArgumentError, match=next(iter(limits))):
            Limits(**limits)  # type: ignore[arg-type]
    for outputs in ({"resume": True}, {"checkpoint_every": 0}):
        with pytest.raises(ArgumentError, match=next(iter(outputs))):
            train(model, task, progress=False, **outputs)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="2 inputs and gives 1 output, task reber has 7 and 7"):
        train(model, Reber(), progress=False)
    with pytest.raises(ArgumentError, match="'cnn'"):
        RecurrentNetwork.for_task(task, "cnn")


def test_history_as_csv_json_and_plot(tmp_path: Path) -> None:
    task = Adding(3)
    history = train(
        RecurrentNetwork.for_task(task, "rnn", 2),
        task,
        Settings(batch_size=1, validate_every=2, validation_size=2),
        Limits(5),
        progress=False,
    )
    history.write_csv(tmp_path / "h.csv")
    history.write_json(tmp_path / "h.json")
    save(history_figure(history), tmp_path / "h.png")
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [bool(row["validation_error"]) for row in rows] == [False, True, False, True, True]
    assert json.loads((tmp_path / "h.json").read_text())["rows"][0]["loss"] == history.rows[0].loss
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ArgumentError):
        save(history_figure(history), tmp_path / "h.bmp")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["h.csv", "h.json", "h.png"]


def test_an_optimizer_of_another_model_is_refused() -> None:
    task = Latch(5)
    model, other = (RecurrentNetwork.for_task(task, "rnn", 2) for _ in range(2))
    with pytest.raises(ArgumentError, match="not the model's"):
        train(model, task, Settings(optimizer=optim.SGD(other.parameters(), lr=0.1)), Limits(1), progress=False)


@pytest.mark.parametrize("count", [1, 2, 500])
def test_a_single_validation_can_be_seen_in_the_figure(count: int) -> None:
    history = History("t", "error", 1.0, 0.1)
    for step in range(1, count + 1):
        history.rows.append(row(step, 0.5, 1.0))
    above, _, below = history_figure(history).axes
    for line in (above.lines[1], below.lines[0]):
        assert len(line.get_xdata()) == count
        assert (line.get_marker() == "o") == (count < 500)


def test_the_bar_shows_loss_gradient_norm_and_sequences_per_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_module, "INTERVAL", 0.0)
    task = Adding(2)
    model = RecurrentNetwork.for_task(task, "rnn", 1)
    train(model, task, Settings(batch_size=1, validation_size=1), Limits(3), progress=True)
    shown = capsys.readouterr().err
    assert "3/3" in shown
    for part in ("loss", "gradient norm", "sequences/s"):
        assert part in shown


def test_the_bar_is_shown_again_in_a_long_update_or_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that its clock goes on."""

    class Counted(progress_module.Bar):
        shown = 0

        def refresh(self) -> None:
            Counted.shown += 1

    monkeypatch.setattr("tinygrad_rnn.train.loop.make_bar", lambda *_: Counted())
    monkeypatch.setattr("tinygrad_rnn.train.loop.PATIENCE", 0.0)
    task = Adding(2)
    model = RecurrentNetwork.for_task(task, "rnn", 1)
    train(model, task, Settings(batch_size=5, validation_size=7), Limits(1), progress=True)
    assert Counted.shown >= 5 + 7


def test_of_validations_with_the_same_error_the_one_with_the_smallest_loss_is_best() -> None:
    history = History("task", "error", 1.0, 0.0)
    for step, (error, loss) in enumerate([(0.5, 0.1), (0.0, 0.4), (0.0, 0.3), (0.0, 0.3)], start=1):
        history.rows.append(row(step, error, loss))
    assert history.best_row is history.rows[2]


def test_each_validation_is_told_as_it_is_done() -> None:
    told = []
    train(
        RecurrentNetwork.for_task(Adding(2), "rnn", 1),
        Adding(2),
        Settings(batch_size=1, validate_every=2, validation_size=1),
        Limits(5),
        progress=True,
        on_validation=lambda history: told.append(history.rows[-1].step),
    )
    assert told == [2, 4, 5]


def test_a_loop_of_ones_own_over_a_trainer_is_train(tmp_path: Path) -> None:
    task, settings, limits = Latch(5), Settings(batch_size=2, validation_size=3, validate_every=2), Limits(5)
    whole = RecurrentNetwork.for_task(task, "rnn", 2, seed=10)
    expected = train(whole, task, settings, limits, checkpoint=tmp_path / "c", progress=False)
    model = RecurrentNetwork.for_task(task, "rnn", 2, seed=10)
    trainer = Trainer(model, task, settings, limits)
    while not trainer.ending():
        assert trainer.step() is trainer.history.rows[-1]
        if trainer.validation_is_due():
            trainer.validate()
    trainer.history.ending = trainer.ending()
    trainer.save(tmp_path / "own")
    trainer.load_best()
    assert without_seconds(trainer.history) == without_seconds(expected)
    assert model.state_dict() == whole.state_dict()
    assert load_checkpoint(tmp_path / "own").weights == load_checkpoint(tmp_path / "c").weights


def test_an_interrupted_update_or_validation_leaves_everything_as_it_was() -> None:
    task = Adding(3)
    model = RecurrentNetwork.for_task(task, "rnn", 2)
    trainer = Trainer(model, task, Settings(batch_size=2, validation_size=2), Limits(3))
    trainer.step()
    before, drawn, weights = without_seconds(trainer.history), trainer.rng.getstate(), model.state_dict()
    for interrupted in (trainer.step, trainer.validate):
        with pytest.raises(Interrupted):
            interrupted(lambda: True)
        assert without_seconds(trainer.history) == before
        assert (trainer.rng.getstate(), model.state_dict()) == (drawn, weights)


def test_a_history_is_its_json(tmp_path: Path) -> None:
    history = History("task", "error", 1.0, 0.0, [row(1, 0.5, 0.1), replace(row(2, 0.0, 0.0), validation_loss=None)])
    history.write_json(tmp_path / "h.json")
    data = json.loads((tmp_path / "h.json").read_text())
    assert data["rows"][0] == {
        **{"step": 1, "sequences": 1, "loss": 1.0, "gradient_norm": 1.0, "lr": 0.1},
        **{"validation_loss": 0.1, "validation_error": 0.5, "seconds": 0.0},
    }


def test_settings_and_limits_cannot_change_during_training() -> None:
    for made in (Settings(), Limits()):
        with pytest.raises(FrozenInstanceError):
            made.seed = 1  # type: ignore[union-attr, misc]


def test_generating_agrees_with_unrolling() -> None:
    task = Text(text="hello world " * 30, length=5)
    model = RecurrentNetwork.for_task(task, "lstm", 3, num_layers=2, seed=11)
    prompt, following = task.encode("hel"), task.encode("lo")
    generator = model.generate(prompt)
    said = [next(generator)] + [generator.send(symbol) for symbol in following]
    assert said == model.outputs([*prompt, *following])[2:]


def test_every_cell_can_be_split_by_time_step() -> None:
    """unroll's promise to the tools that read from it: every node of every cell knows its step."""
    for kind in ("rnn", "lstm", "gru"):
        task = Adding(3)
        model = RecurrentNetwork.for_task(task, kind, 2, num_layers=2)
        unrolled = unroll(model.cell, draw(task, 1)[0].inputs, readout=model.readout)
        steps = unrolled.steps_of(unrolled.y[3])
        assert set(steps.values()) == {None, 0, 1, 2, 3}
        assert {node for node, step in steps.items() if step is None} <= set(model.parameters())
