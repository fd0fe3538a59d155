"""Checkpoints: resuming is as if training had never stopped, and a bad file is one clear error."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tinygrad_rnn import Linear, RNNCell, optim
from tinygrad_rnn.errors import ArgumentError, CheckpointError, DataError
from tinygrad_rnn.interop import read_safetensors, write_safetensors
from tinygrad_rnn.interop.safetensors import CHECKPOINT, Tensor
from tinygrad_rnn.support.files import sole_writer
from tinygrad_rnn.tasks import Adding, Latch, Reber, Text
from tinygrad_rnn.train import History, Limits, RecurrentNetwork, Settings, Trainer, load_checkpoint, train
from tinygrad_rnn.train.engine import EagerEngine, Interrupted
from tinygrad_rnn.train.trainer import forget_final_validation

STEPS = 8
SETTINGS = Settings(batch_size=2, validate_every=5, validation_size=3, truncate=4)


def run(steps: int, path: Path | None, resume: bool = False, kind: str = "Adam", **more: Any) -> tuple[Any, ...]:
    """Train a little; the weights, the optimizer's numbers and the history without its seconds."""
    task = Reber()
    model = RecurrentNetwork.for_task(task, "lstm", 2, seed=3)
    arguments = {"momentum": 0.9} if kind == "SGD" else {}  # by default it has no state at all
    optimizer = optim.OPTIMIZERS[kind](model.parameters(), lr=0.1 if kind == "SGD" else 0.03, **arguments)
    limits = Limits(steps, stop_when_solved=more.pop("stop_when_solved", True))
    every = more.pop("checkpoint_every", None)
    settings = replace(SETTINGS, optimizer=optimizer, scheduler=optim.CosineAnnealingLR(optimizer, 20), **more)
    history = train(
        model, task, settings, limits, checkpoint=path, checkpoint_every=every, resume=resume, progress=False
    )
    return model.state_dict(), optimizer.state_dict(), [replace(row, seconds=0.0) for row in history.rows]


@pytest.mark.parametrize("kind", optim.OPTIMIZERS)
@pytest.mark.slow
def test_stopping_at_any_step_and_resuming_changes_no_bit(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "run.safetensors"
    expected = run(STEPS, None, kind=kind)
    for stop in range(1, STEPS):
        path.unlink(missing_ok=True)
        run(stop, path, kind=kind)
        assert load_checkpoint(path).step == stop
        assert run(STEPS, path, resume=True, kind=kind) == expected


def test_stopping_at_every_step_in_a_row_changes_no_bit(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    for steps in range(1, STEPS + 1):
        reached = run(steps, path, resume=steps > 1)
    assert reached == run(STEPS, None)


def test_resuming_what_is_finished_does_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    first = run(5, path)
    assert run(5, path, resume=True) == first
    with pytest.raises(ArgumentError, match="the limit is 3 updates, but the checkpoint has had 5"):
        run(3, path, resume=True)


def test_checkpoint_every_step_is_the_same_training(tmp_path: Path) -> None:
    assert run(6, tmp_path / "a", checkpoint_every=1) == run(6, None)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    """SIGKILL at random moments: there is always a whole checkpoint, and it leads to the same end."""
    path = tmp_path / "run.safetensors"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from test_checkpoint import run\n"
        "p = Path(sys.argv[2])\n"
        "run(100000, p, resume=p.exists(), checkpoint_every=1, stop_when_solved=False, keep_best=False)"
    )
    rng = random.Random(0)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code, str(Path(__file__).parent), str(path)])
        before = path.stat().st_mtime_ns if path.exists() else 0
        while not path.exists() or path.stat().st_mtime_ns == before:
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.2))
        process.kill()
        process.wait()
        step = load_checkpoint(path).step
    assert step >= 3
    weights, optimizer, rows = run(step, None, stop_when_solved=False, keep_best=False)
    checkpoint = load_checkpoint(path)
    assert checkpoint.weights == weights
    assert checkpoint.slots == optimizer["slots"]
    history = checkpoint.history
    forget_final_validation(history, 5)
    if step % 5:
        rows[-1] = replace(rows[-1], validation_loss=None, validation_error=None)
    assert [replace(row, seconds=0.0) for row in history.rows] == rows


def test_a_model_and_its_task_come_back_from_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    (tmp_path / "words.txt").write_text("to be or not to be " * 20)
    task = Text(str(tmp_path / "words.txt"), length=5)
    for kind, more in (("rnn", {"nonlinearity": "relu", "bias": False}), ("gru", {"num_layers": 2}), ("lstm", {})):
        model = RecurrentNetwork.for_task(task, kind, 3, seed=4, **more)
        train(model, task, Settings(batch_size=1, validation_size=1), Limits(2), checkpoint=path, progress=False)
        checkpoint = load_checkpoint(path)
        twin, same = checkpoint.make_model(), checkpoint.make_task()
        assert repr(twin) == repr(model)
        assert checkpoint.alphabet == task.alphabet
        example = same.validation(1)[0]
        assert twin.outputs(example.inputs) == model.outputs(example.inputs)


def test_a_schedule_comes_back_and_another_is_refused(tmp_path: Path) -> None:
    run(2, tmp_path / "c")
    checkpoint = load_checkpoint(tmp_path / "c")
    model = checkpoint.make_model()
    schedule = checkpoint.make_scheduler(checkpoint.make_optimizer(model))
    assert isinstance(schedule, optim.CosineAnnealingLR)
    assert (schedule.T_max, schedule.initial_lr) == (20, 0.03)
    optimizer = optim.Adam(model.parameters(), lr=0.03)
    other = optim.CosineAnnealingLR(optimizer, 21)
    settings = replace(SETTINGS, optimizer=optimizer, scheduler=other)
    with pytest.raises(CheckpointError, match=r"another scheduler: T_max 20 there, T_max 21 here"):
        train(model, Reber(), settings, Limits(3), checkpoint=tmp_path / "c", resume=True)


def test_settings_and_limits_come_back(tmp_path: Path) -> None:
    run(2, tmp_path / "c", max_norm=None, seed=7)
    record = load_checkpoint(tmp_path / "c").record
    assert record.description.settings == replace(SETTINGS, max_norm=None, seed=7)
    assert record.limits == Limits(2)


def test_a_file_of_an_earlier_version_of_the_package_is_read_and_written_again_byte_for_byte(tmp_path: Path) -> None:
    """``golden/checkpoint.safetensors`` was written before there were `Settings`, after 4 of 4 updates."""
    path = Path(__file__).parents[1] / "golden" / "checkpoint.safetensors"
    checkpoint = load_checkpoint(path)
    assert (checkpoint.step, checkpoint.model_step, checkpoint.history.ending) == (4, 4, "steps")
    model = RecurrentNetwork.for_task(Reber(), "lstm", 3, seed=3)
    optimizer = optim.Adam(model.parameters(), lr=0.03)
    schedule = optim.CosineAnnealingLR(optimizer, 20)
    settings = replace(SETTINGS, optimizer=optimizer, scheduler=schedule, validate_every=3)
    trainer = Trainer(model, Reber(), settings, Limits(4, stop_when_solved=False))
    trainer.resume(checkpoint)
    assert model.state_dict() == checkpoint.weights == checkpoint.make_model().state_dict()
    assert checkpoint.best.keys() == checkpoint.weights.keys()
    assert checkpoint.best != checkpoint.weights
    trainer.save(tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == path.read_bytes()


def test_what_was_interrupted_before_the_first_update_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gradients = EagerEngine.gradients

    def interrupted(*_: Any) -> float:
        raise Interrupted

    monkeypatch.setattr(EagerEngine, "gradients", interrupted)
    assert run(2, tmp_path / "c")[2] == []
    monkeypatch.setattr(EagerEngine, "gradients", gradients)
    assert run(2, tmp_path / "c", resume=True) == run(2, None)


def test_a_model_of_ones_own_takes_its_own_program(tmp_path: Path) -> None:
    model = RecurrentNetwork(RNNCell(7, 2), Linear(2, 7))
    train(
        model, Reber(), Settings(batch_size=1, validation_size=1), Limits(1), checkpoint=tmp_path / "c", progress=False
    )
    with pytest.raises(CheckpointError, match="made of RNNCell"):
        load_checkpoint(tmp_path / "c").make_model()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "run.safetensors"
    run(2, path)
    return path


def rewrite(path: Path, **changes: Any) -> None:
    tensors, metadata = read_safetensors(path)
    state = json.loads(metadata["state"])
    for name, change in changes.items():
        if name in metadata:
            metadata[name] = change
        else:
            state[name] = change
    if "state" not in changes:
        metadata["state"] = json.dumps(state)
    write_safetensors(path, tensors, metadata)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"version": "3"}, "version 3 of the format, this package knows 2. Use a newer"),
        ({"version": "1"}, "version 1 of the format, this package knows 2. Use an older"),
        ({"version": "new"}, "version 'new'"),
        ({"format": "something else"}, "not a checkpoint of this package"),
        ({"state": "{"}, "is damaged: its state is no JSON"),
        ({"state": "[" * 100_000}, "is damaged: its state is no JSON"),
        ({"state": "[" + "1" * 5000 + "]"}, "is damaged: its state is no JSON"),
        ({"state": "[]"}, r"is damaged: the whole is \[\], not an object"),
        ({"random": [3, [1, 2], None]}, "is damaged: random is .*, not the state of a generator"),
        ({"random": [3, [2**31] + [0] * 623 + [624], None]}, "this one would only ever draw 0"),
        ({"step": 7}, r"history\.rows is .*, not a row for each of 7 updates: it has 2"),
        ({"history": {}}, r"history\.task is missing"),
        ({"surprise": 1}, "'surprise' is unknown"),
        (
            {"architecture": {"kind": "GRU"}},
            "another architecture: kind GRU there, kind LSTM, .* here",
        ),
        ({"architecture": {"kind": "GRU", "arguments": {}}}, r"architecture\.arguments\.input_size is missing"),
        ({"settings": {}}, r"settings\.batch_size is missing"),
        ({"optimizer": {"kind": "Adam", "lr": 0.5, "settings": {}, "state": {}}}, "lr 0.5 there, lr 0.03.* here"),
        ({"scheduler": None}, "another scheduler"),
        ({"task": {"name": "reber", "settings": {"embedded": False}, "digest": ""}}, "embedded False there"),
    ],
)
def test_a_checkpoint_of_something_else_is_one_clear_error_and_changes_nothing(
    written: Path, changes: dict[str, Any], complaint: str
) -> None:
    rewrite(written, **changes)
    content = written.read_bytes()
    with pytest.raises(CheckpointError, match=complaint):
        run(4, written, resume=True)
    assert written.read_bytes() == content


def changed(state: Any, path: str, value: object) -> Any:
    """A state with another value at a path of names and places."""
    name, _, rest = path.partition(".")
    key: Any = int(name) if isinstance(state, list) else name
    new = changed(state[key], rest, value) if rest else value
    return [*state[:key], new, *state[key + 1 :]] if isinstance(state, list) else {**state, key: new}


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("settings.seed", [1], "settings.seed is [1], not a whole number from 0 to 9223372036854775807"),
        (
            "settings.truncate",
            10**30,
            "settings.truncate is 1000000000000000000000000000000, not a whole number",
        ),
        ("limits.steps", 10**30, "limits.steps is 1000000000000000000000000000000, not a whole number from 1 to"),
        ("limits.patience", 0, "limits.patience is 0, not a whole number from 1"),
        ("history.ending", "tired", "history.ending is 'tired', not one of '', 'steps', 'solved', 'patience', 'inter"),
        ("alphabet", "a\ud800", "alphabet is 'a\\ud800', not an alphabet of whole characters, each once"),
        ("alphabet", "aa", "alphabet is 'aa', not an alphabet"),
        ("settings.max_norm", -1.0, "settings.max_norm is -1.0, not a number above 0"),
        ("settings.keep_best", 1, "settings.keep_best is 1, not true or false"),
        ("step", True, "step is True, not a whole number"),
        ("optimizer.lr", "fast", "optimizer.lr is 'fast', not a number of at least 0"),
        ("optimizer.lr", 10**400, "optimizer.lr is 1000000000"),
        ("optimizer.settings", [], "optimizer.settings is [], not an object"),
        ("optimizer.settings.betas", [[[[[[[[[[0.5]]]]]]]]]], "not nested at most 8 deep"),
        ("scheduler.state", None, "scheduler.state is None, not an object"),
        ("architecture.arguments.hidden_size", 0, "architecture.arguments.hidden_size is 0, not a whole number from 1"),
        ("architecture.arguments.num_layers", 1.5, "architecture.arguments.num_layers is 1.5, not a whole number"),
        ("task.settings", "x", "task.settings is 'x', not an object"),
        ("task.digest", None, "task.digest is None, not a text"),
        ("random.1.624", 625, "random[1][624] is 625, not a whole number from 0 to 624"),
        ("random.1.0", -1, "random[1][0] is -1, not a whole number from 0 to 4294967295"),
        ("history.rows.1.step", 1, "history.rows[1].step is 1, not a whole number from 2 to 2"),
        ("history.rows.0.loss", None, "history.rows[0].loss is None, not a number"),
        ("history.rows.0.seconds", -1, "history.rows[0].seconds is -1, not a number of at least 0"),
        ("history.rows.1.validation_loss", None, "history.rows[1] is {"),
    ],
)
def test_every_entry_has_a_type_and_a_range(written: Path, path: str, value: object, complaint: str) -> None:
    tensors, metadata = read_safetensors(written)
    state = changed(json.loads(metadata["state"]), path, value)
    write_safetensors(written, tensors, {**metadata, "state": json.dumps(state)})
    with pytest.raises(CheckpointError) as refused:
        load_checkpoint(written)
    assert refused.value.what.startswith(f"run.safetensors is damaged: {complaint}") or complaint in refused.value.what
    assert len(refused.value.what) < 300


def test_a_small_file_cannot_ask_for_a_large_network(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """168 kB with a read-out of 20,000 units, and no other weights, made a network of 3 GB."""
    state = json.loads(read_safetensors(written)[1]["state"])
    monkeypatch.setattr(RecurrentNetwork, "load_state_dict", lambda *_: None)
    for sizes in ({"hidden_size": 20_000}, {"hidden_size": 20_000, "num_layers": 10**6}, {"hidden_size": 10**18}):
        state["architecture"]["arguments"].update(sizes)
        units = min(sizes["hidden_size"], 20_000)
        tensors = {"model.readout.V": Tensor.of([[0.0] * units]), "model.readout.c": Tensor.of([0.0])}
        metadata = {"format": CHECKPOINT, "version": "2", "state": json.dumps(state)}
        write_safetensors(written, tensors, metadata)
        with pytest.raises(CheckpointError, match=r"sizes and weights do not fit together: .* would be needed"):
            load_checkpoint(written).make_model()


def test_a_training_of_many_steps_can_be_interrupted(written: Path) -> None:
    tensors, metadata = read_safetensors(written)
    state = changed(json.loads(metadata["state"]), "limits.steps", 2**63 - 1)
    write_safetensors(written, tensors, {**metadata, "state": json.dumps(state)})
    assert load_checkpoint(written).record.limits.updates == 2**63 - 1


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no such device")
def test_a_device_without_end_is_not_read_to_its_end(written: Path) -> None:
    with pytest.raises(CheckpointError, match="zero: more than 256 MB come from something other than a regular file"):
        load_checkpoint("/dev/zero")
    task = Text(text="to be or not to be " * 20, length=5)
    settings = Settings(batch_size=1, validation_size=1)
    train(RecurrentNetwork.for_task(task, "rnn", 1), task, settings, Limits(1), checkpoint=written, progress=False)
    tensors, metadata = read_safetensors(written)
    state = changed(json.loads(metadata["state"]), "task.settings", {"path": "/dev/zero"})
    write_safetensors(written, tensors, {**metadata, "state": json.dumps(state)})
    with pytest.raises(DataError, match="zero has more than 256 MB"):
        load_checkpoint(written).make_task()


def test_a_checkpoint_of_another_size_names_it(written: Path) -> None:
    task = Reber()
    model = RecurrentNetwork.for_task(task, "lstm", 3, seed=5)
    before = model.state_dict()
    optimizer = optim.Adam(model.parameters(), lr=0.03)
    with pytest.raises(CheckpointError, match="hidden_size 2 there, hidden_size 3 here"):
        train(model, task, Settings(optimizer=optimizer), Limits(4), checkpoint=written, resume=True, progress=False)
    assert model.state_dict() == before
    model = RecurrentNetwork(RNNCell(7, 3, seed=6), Linear(3, 7))
    path = written.with_name("cell")
    train(model, task, Settings(batch_size=1, validation_size=1), Limits(1), checkpoint=path, progress=False)
    other = RecurrentNetwork(RNNCell(7, 4, seed=6), Linear(4, 7))
    before = other.state_dict()
    with pytest.raises(CheckpointError, match=r"cell\.W has shape \(4, 4\), the state.* \(3, 3\)"):
        train(
            other,
            task,
            Settings(batch_size=1, validation_size=1),
            Limits(2),
            checkpoint=path,
            resume=True,
            progress=False,
        )
    assert other.state_dict() == before


def test_every_truncation_of_a_checkpoint_is_an_error(written: Path) -> None:
    content = written.read_bytes()
    for length in [*range(0, 300, 7), *range(300, len(content), 997)]:
        written.write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            load_checkpoint(written)


def test_no_checkpoint_and_a_pickle_are_errors(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read"):
        run(2, tmp_path / "missing", resume=True)
    (tmp_path / "pickle").write_bytes(b"\x80\x04cos\nsystem\n(S'echo hacked'\ntR.")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_checkpoint(tmp_path / "pickle")


def test_a_write_that_fails_leaves_the_last_good_checkpoint(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = written.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        run(4, written, resume=True)
    assert written.read_bytes() == content
    assert [p.name for p in written.parent.iterdir()] == [written.name]


def test_another_text_under_the_same_name_is_noticed(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    settings, outputs = Settings(batch_size=1, validation_size=1), {"checkpoint": tmp_path / "c", "progress": False}
    words.write_text("abcd" * 50)
    task = Text(str(words), length=5)
    train(RecurrentNetwork.for_task(task, "rnn", 2), task, settings, Limits(1), **outputs)
    words.write_text("abdc" * 50)
    task = Text(str(words), length=5)
    with pytest.raises(CheckpointError, match="digest"):
        train(RecurrentNetwork.for_task(task, "rnn", 2), task, settings, Limits(2), resume=True, **outputs)


def test_infinite_history_numbers_survive(tmp_path: Path) -> None:
    assert History("x", "y", 1.0, 0.5).best == float("inf")
    assert run(1, tmp_path / "a", max_norm=None) != run(1, tmp_path / "b", max_norm=0.01)
    with pytest.raises(CheckpointError, match=r"max_norm 0\.01 there, max_norm 0\.02 here"):
        run(2, tmp_path / "b", resume=True, max_norm=0.02)
    task = Adding(3)
    model = RecurrentNetwork.for_task(task, "rnn", 1)
    with pytest.raises(CheckpointError, match="another"):
        train(model, task, Settings(), Limits(2), checkpoint=tmp_path / "b", resume=True, progress=False)


def anything(rng: random.Random) -> Any:
    return rng.choice([None, -1, 0, 10**9, 1.5, "x", [], {}, [1], [None], {"a": 1}, True])


def damaged(rng: random.Random, tree: Any) -> Any:
    """The tree with one entry, anywhere in it, replaced or left out."""
    if isinstance(tree, dict) and tree and rng.random() < 0.9:
        name = rng.choice(sorted(tree))
        if rng.random() < 0.1:
            return {key: entry for key, entry in tree.items() if key != name}
        return {**tree, name: damaged(rng, tree[name])}
    if isinstance(tree, list) and tree and rng.random() < 0.9:
        i = rng.randrange(len(tree))
        return [*tree[:i], damaged(rng, tree[i]), *tree[i + 1 :]]
    return anything(rng)


@pytest.mark.slow
def test_a_state_damaged_anywhere_is_refused_with_an_error_of_ours_or_harmless(written: Path) -> None:
    tensors, metadata = read_safetensors(written)
    state = json.loads(metadata["state"])
    rng = random.Random(1)
    refused = 0
    for _ in range(200):
        write_safetensors(written, tensors, {**metadata, "state": json.dumps(damaged(rng, state))})
        try:
            checkpoint = load_checkpoint(written)
            run(3, written, resume=True)
            checkpoint.make_model()
        except CheckpointError:
            refused += 1
    assert refused > 100


def test_two_trainings_in_one_process_do_not_write_one_file(tmp_path: Path) -> None:
    errors: list[str] = []

    def second(_: History) -> None:
        for each in (lambda: run(1, tmp_path / "c"), lambda: run(1, tmp_path / "c", resume=True)):
            with pytest.raises(DataError, match="another process or thread is writing") as refused:
                each()
            errors.append(refused.value.what)
        run(1, tmp_path / "other")

    task = Latch(5)
    model = RecurrentNetwork.for_task(task, "rnn", 1)
    settings = Settings(batch_size=1, validate_every=2, validation_size=1)
    train(model, task, settings, Limits(3), checkpoint=tmp_path / "c", progress=False, on_validation=second)
    assert len(errors) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "other"]


def test_what_another_training_saved_before_the_lock_was_taken_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(path: Path) -> Any:
        path.write_text("theirs")
        return sole_writer(path)

    monkeypatch.setattr("tinygrad_rnn.train.loop.sole_writer", late)
    task = Latch(5)
    model = RecurrentNetwork.for_task(task, "rnn", 1)
    with pytest.raises(ArgumentError, match=r"c exists. Resume it, overwrite it, or give another file"):
        train(model, task, Settings(batch_size=1), Limits(1), checkpoint=tmp_path / "c", overwrite=False)
    assert (tmp_path / "c").read_text() == "theirs"
    train(model, task, Settings(batch_size=1, validation_size=1), Limits(1), checkpoint=tmp_path / "c", progress=False)
    assert load_checkpoint(tmp_path / "c").step == 1


def test_there_must_be_room_for_the_numbers_of_a_checkpoint_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def no_room(path: Path, *, again: bool = False, size: int = 0) -> None:
        sizes.append(size)
        raise DataError("no room")

    task = Latch(5)
    model = RecurrentNetwork.for_task(task, "rnn", 30)
    monkeypatch.setattr("tinygrad_rnn.train.trainer.check_writable", no_room)
    with pytest.raises(DataError, match="no room"):
        train(model, task, Settings(validation_size=1), Limits(1), checkpoint=tmp_path / "c")
    monkeypatch.undo()
    train(model, task, Settings(batch_size=1, validation_size=1), Limits(1), checkpoint=tmp_path / "c", progress=False)
    assert 0.8 * (tmp_path / "c").stat().st_size < sizes[0] < (tmp_path / "c").stat().st_size


@pytest.mark.parametrize("validation", [1, 2])
def test_who_is_notified_of_a_validation_cannot_lose_it(validation: int, tmp_path: Path) -> None:
    """A closed pipe behind a printed row, say."""
    called: list[int] = []

    def fail(history: History) -> None:
        called.append(len(history.rows))
        if len(called) == validation:
            raise BrokenPipeError

    task = Latch(5)
    model = RecurrentNetwork.for_task(task, "rnn", 1)
    settings = Settings(batch_size=1, validate_every=2, validation_size=1)
    limits = Limits(4, stop_when_solved=False)
    with pytest.raises(BrokenPipeError):
        train(model, task, settings, limits, checkpoint=tmp_path / "c", progress=False, on_validation=fail)
    assert called == [2, 4][:validation]
    checkpoint = load_checkpoint(tmp_path / "c")
    assert checkpoint.step == called[-1]
    assert checkpoint.history.rows[-1].validation_error is not None


def test_a_program_may_change_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkpoint was written once more, in the other folder."""
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    task = Adding(2)
    settings, limits = Settings(batch_size=1, validation_size=1, validate_every=1), Limits(2, stop_when_solved=False)
    model = RecurrentNetwork.for_task(task, "rnn", 1)
    train(model, task, settings, limits, checkpoint="c", on_validation=lambda _: os.chdir(tmp_path / "other"))
    assert load_checkpoint(tmp_path / "c").step == 2
    assert not os.listdir(tmp_path / "other")


@pytest.mark.skipif(os.name != "posix", reason="sends SIGTERM")
def test_a_program_that_listens_for_a_signal_goes_on_to(tmp_path: Path) -> None:
    heard: list[int] = []

    def listen(signum: int, frame: object) -> None:
        heard.append(signum)

    def press(_: History) -> None:
        signal.raise_signal(signal.SIGTERM)

    earlier = signal.signal(signal.SIGTERM, listen)
    try:
        task = Latch(5)
        model = RecurrentNetwork.for_task(task, "rnn", 1)
        settings = Settings(batch_size=1, validate_every=1, validation_size=1)
        limits = Limits(2, stop_when_solved=False)
        history = train(model, task, settings, limits, checkpoint=tmp_path / "c", progress=False, on_validation=press)
        assert signal.getsignal(signal.SIGTERM) is listen
    finally:
        signal.signal(signal.SIGTERM, earlier)
    assert (heard, history.ending) == ([signal.SIGTERM] * 2, "steps")


def test_a_path_that_cannot_be_written_is_found_before_the_first_update(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        run(1, tmp_path / "no" / "c")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="only a regular file can be written again"):
        run(1, tmp_path / "pipe")
