"""Checkpoints: everything that training needs to go on as if it had never stopped, in one safetensors file.

The tensors are the weights after the last update (``model.`` and the path of the parameter), those of the best
validation so far (``best.``), and the optimizer's numbers (``optimizer.`` and the name of the slot); the rest is JSON
in the metadata, where an update is called a step. Nothing in the file is executed.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import ArgumentError, CheckpointError, DataError, ShapeError, TinygradRNNError
from ..interop.safetensors import CHECKPOINT, Tensor, read_safetensors, write_safetensors
from ..nn import RNN, Linear, Recurrent
from ..nn.kinds import KINDS, find_kind
from ..nn.trees import shape
from ..optim import OPTIMIZERS, SCHEDULES, LRScheduler, Optimizer
from ..support.text import count
from ..tasks import Task, make_task
from .history import COLUMNS, History
from .network import RecurrentNetwork
from .settings import Limits, Settings

# The errors of reading JSON that is not what was expected.
_SENSELESS = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)

VERSION = 2


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint.

    Attributes:
        weights: those after the last update, as `Module.state_dict` returns them.
        best: those of the best validation, if there was one and training keeps them; else empty. A validation
            that was only done because training ended at the last update does not count.
        slots: the optimizer's numbers.
        state: the rest: ``step``, ``architecture``, ``task``, ``settings`` (what may not change), ``limits`` (what
            may: when to end), ``optimizer``, ``scheduler``, ``random``, ``history``, ``alphabet``.
    """

    weights: dict[str, Any]
    best: dict[str, Any]
    slots: dict[str, list[float]]
    state: dict[str, Any]

    @property
    def step(self) -> int:
        """The number of updates made."""
        return int(self.state["step"])

    @property
    def history(self) -> History:
        """The history until then."""
        return History.from_dict(self.state["history"])

    @property
    def alphabet(self) -> str | None:
        """The characters that the symbols stand for, if the task is a text."""
        return self.state["alphabet"]  # type: ignore[no-any-return]

    def make_task(self, **instead: Any) -> Task:
        """Return the task that was trained on.

        Args:
            instead: settings to change, such as the path of a text.

        Raises:
            DataError: its data cannot be read.
            CheckpointError: there is no such task, or it has no such settings.
        """
        try:
            return make_task(self.state["task"]["name"], {**self.state["task"]["settings"], **instead})
        except DataError:
            raise
        except _SENSELESS as error:
            raise CheckpointError(f"the checkpoint's task cannot be made: {error}") from error

    def check_data(self, task: Task) -> None:
        """Check that the data of a task are those that were trained on.

        Raises:
            DataError: they are others, under the same name.
        """
        if task.digest != self.state["task"].get("digest"):
            raise DataError(
                f"the data of task {task.name} are not those that were trained on",
                remedy="Bring those back, or train anew into another file",
            )

    @property
    def model_step(self) -> int:
        """The number of the update after which the model had the weights of `make_model`."""
        best = self.history.best_row
        return best.step if self._takes_best and best else self.step

    @property
    def _takes_best(self) -> bool:
        return bool(self.best) and self.history.best_is_earlier

    def make_model(self) -> RecurrentNetwork:
        """Return the model as training left it: with the weights of the best validation or, where it keeps none or
        Ctrl-C ended it, of the last update.

        Raises:
            CheckpointError: its cell is not an `RNN`, `LSTM` or `GRU`, so that only its own program can make it; or the
                file contradicts itself.
        """
        try:
            return self._make_model()
        except (ArgumentError, ShapeError, *_SENSELESS) as error:
            raise CheckpointError(f"the checkpoint contradicts itself: {error}") from error

    def _make_model(self) -> RecurrentNetwork:
        built = self.state["architecture"]
        if "arguments" not in built:
            raise CheckpointError(
                f"a model made of {built['kind']} cannot be made from a checkpoint",
                remedy="Make the model yourself and call load_state_dict(checkpoint.weights)",
            )
        weights = self.best if self._takes_best else self.weights
        V = weights["readout.V"]
        arguments = built["arguments"]
        # Before anything is made of that size: a number in a damaged file may be huge.
        most = max(len(matrix[0]) for matrix in weights.values() if shape(matrix)[1:])
        if self.alphabet is not None and len(self.alphabet) != len(V):
            characters, outputs = count(len(self.alphabet), "character"), count(len(V), "output")
            raise ShapeError(f"an alphabet of {characters} for {outputs}")
        directions = 2 if arguments.get("bidirectional") else 1
        if arguments["hidden_size"] * directions != len(V[0]) or max(
            arguments["input_size"], arguments["num_layers"]
        ) > max(most, len(weights)):
            raise ShapeError("sizes and weights do not fit together")
        recurrent = find_kind(built["kind"].lower()).module(**arguments)
        readout = Linear(len(V[0]), len(V), "readout.c" in weights)
        model = RecurrentNetwork(recurrent, readout)
        model.load_state_dict(weights)
        return model

    def make_optimizer(self, model: RecurrentNetwork) -> Optimizer:
        """Return an optimizer of the kind that was used, as it was at the beginning.

        Raises:
            CheckpointError: it is not one of this package's; or the file contradicts itself.
        """
        made = self.state["optimizer"]
        try:
            return OPTIMIZERS[made["kind"]](model.parameters(), lr=made["lr"], **made["settings"])
        except (ArgumentError, *_SENSELESS) as error:
            raise CheckpointError(f"no optimizer can be made from the checkpoint: {error}") from error

    def make_scheduler(self, optimizer: Optimizer) -> LRScheduler | None:
        """Return a schedule of the kind that was used, as it was at the beginning; None if there was none.

        Raises:
            CheckpointError: it is one that a checkpoint cannot describe, such as a `LambdaLR`; or the file contradicts
                itself.
        """
        made = self.state["scheduler"]
        if made is None:
            return None
        try:
            if made["kind"] not in SCHEDULES:
                raise CheckpointError(
                    f"a {made['kind']} cannot be made from a checkpoint",
                    remedy="Resume with train(), and the schedule that it was written with",
                )
            return SCHEDULES[made["kind"]](optimizer, **made["settings"])
        except (ArgumentError, *_SENSELESS) as error:
            raise CheckpointError(f"no schedule can be made from the checkpoint: {error}") from error


def architecture(model: RecurrentNetwork) -> dict[str, Any]:
    """Return the kind and the arguments of a model's recurrent part, as JSON."""
    cell = model.cell
    built: dict[str, Any] = {"kind": type(cell).__name__}
    if isinstance(cell, Recurrent) and type(cell).__name__.lower() in KINDS:
        arguments = {name: getattr(cell, name) for name in ("input_size", "hidden_size", "num_layers")}
        arguments["bias"] = any(path.rpartition(".")[2].startswith("b") for path in cell.state_dict())
        if isinstance(cell, RNN):
            arguments["nonlinearity"] = cell.nonlinearity
        if cell.bidirectional:
            arguments["bidirectional"] = True
        built["arguments"] = arguments
    return built


class Run(Protocol):
    """A training run that a checkpoint is written of, and restored into: a `Trainer`.

    Attributes:
        initial_lr: learning rate of the first update.
        best: as `Checkpoint.best`.
    """

    model: RecurrentNetwork
    task: Task
    settings: Settings
    limits: Limits
    optimizer: Optimizer
    initial_lr: float
    rng: random.Random
    history: History
    best: dict[str, Any]


def save_checkpoint(path: str | os.PathLike[str], run: Run) -> None:
    """Write a checkpoint of a run, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    trained = run.optimizer.state_dict()
    tensors = {f"model.{name}": Tensor.of(numbers) for name, numbers in run.model.state_dict().items()}
    tensors |= {f"best.{name}": Tensor.of(numbers) for name, numbers in run.best.items()}
    tensors |= {f"optimizer.{name}": Tensor.of(row) for name, row in trained.pop("slots").items()}
    scheduler = run.settings.scheduler
    described = _described(run)
    state = {
        "step": len(run.history.rows),
        "architecture": described["architecture"],
        "task": described["task"],
        "settings": described["settings"],
        "limits": run.limits.record(),
        "optimizer": {**described["optimizer"], "state": trained},
        "scheduler": scheduler and {**described["scheduler"], "state": scheduler.state_dict()},
        "random": run.rng.getstate(),
        "history": run.history.to_dict(),
        "alphabet": getattr(run.task, "alphabet", None),
    }
    write_safetensors(path, tensors, {"format": CHECKPOINT, "version": str(VERSION), "state": json.dumps(state)})


def _described(run: Run) -> dict[str, Any]:
    """Describe what may not change when a run is resumed."""
    task, optimizer, scheduler = run.task, run.optimizer, run.settings.scheduler
    return {
        "task": {"name": task.name, "settings": task.settings(), "digest": task.digest},
        "architecture": architecture(run.model),
        "settings": run.settings.record(),
        "optimizer": {"kind": type(optimizer).__name__, "lr": run.initial_lr, "settings": optimizer.settings},
        "scheduler": scheduler and {"kind": type(scheduler).__name__, "settings": scheduler.settings},
    }


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: there is none, or it is damaged, foreign, or from a newer version of the package.
    """
    name = os.path.basename(os.fspath(path))
    try:
        tensors, metadata = read_safetensors(path)
    except DataError as error:
        raise CheckpointError(error.what, remedy=error.remedy) from error
    if metadata.get("format") != CHECKPOINT:
        raise CheckpointError(
            f"{name} is not a checkpoint of this package",
            remedy="For weights alone, use tinygrad_rnn.interop.load_safetensors",
        )
    version = metadata.get("version", "")
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise CheckpointError(f"{name} has version {version[:20]!r}")
    if int(version) != VERSION:
        raise CheckpointError(
            f"{name} has version {version} of the format, this package knows {VERSION}",
            remedy=f"Use {'a newer' if int(version) > VERSION else 'an older'} tinygrad_rnn",
        )
    parts: dict[str, dict[str, Any]] = {"model": {}, "best": {}, "optimizer": {}}
    for key, tensor in tensors.items():
        part, _, path_in_it = key.partition(".")
        if part in parts:
            parts[part][path_in_it] = list(tensor.numbers) if part == "optimizer" else tensor.nested()
    try:
        checkpoint = Checkpoint(parts["model"], parts["best"], parts["optimizer"], json.loads(metadata["state"]))
        _check_whole(checkpoint)
    except _SENSELESS as error:
        raise CheckpointError(f"{name} is damaged: its state makes no sense ({error!r})") from error
    return checkpoint


_IN_VALIDATION = [name for name in COLUMNS if name.startswith("validation")]
_ALWAYS = [name for name in COLUMNS if name not in _IN_VALIDATION]
_PARTS: dict[str, type | tuple[type, ...]] = {
    "step": int,
    "architecture": dict,
    "task": dict,
    "settings": dict,
    "limits": dict,
    "optimizer": dict,
    "scheduler": (dict, type(None)),
    "random": list,
    "history": dict,
    "alphabet": (str, type(None)),
}


_NUMBER = (int, float)
_OF_HISTORY: dict[str, type | tuple[type, ...]] = {
    **{"task": str, "metric": str, "baseline": _NUMBER, "goal": _NUMBER, "ending": str}
}


def _numbers(entries: Iterable[object]) -> bool:
    return all(isinstance(entry, _NUMBER) for entry in entries)


def _check_whole(checkpoint: Checkpoint) -> None:
    for part, kind in _PARTS.items():
        if not isinstance(checkpoint.state[part], kind):
            raise TypeError(f"{part} is no {kind}")
    task = checkpoint.state["task"]
    if not (isinstance(task["name"], str) and isinstance(task["settings"], dict)):
        raise TypeError("task has no name or no settings")
    if not isinstance(checkpoint.state["history"]["rows"], list):
        raise TypeError("rows of history is no list")
    history = checkpoint.history
    for attribute, kinds in _OF_HISTORY.items():
        if not isinstance(getattr(history, attribute), kinds):
            raise TypeError(f"{attribute} of history is no {kinds}")
    for row in history.rows:
        validation = [getattr(row, name) for name in _IN_VALIDATION]
        if not _numbers(getattr(row, name) for name in _ALWAYS):
            raise ValueError("a row of history is incomplete")
        if not (_numbers(validation) or validation == [None, None]):
            raise ValueError("a validation in history is incomplete")
    if len(history.rows) != checkpoint.step:
        raise ValueError(f"{len(history.rows)} rows of history after {checkpoint.step} steps")
    random_state(checkpoint)


def random_state(checkpoint: Checkpoint) -> tuple[Any, ...]:
    """Return the state of the generator, as `random.Random.setstate` takes it."""
    version, numbers, gauss = checkpoint.state["random"]
    state = (version, tuple(numbers), gauss)
    random.Random(0).setstate(state)  # raises if it is none
    return state


def restore(checkpoint: Checkpoint, run: Run) -> History:
    """Put model, optimizer, schedule and generator back as they were, and return the history until then.

    Raises:
        CheckpointError: the checkpoint is of another architecture, task, optimizer, schedule or setting. Nothing has
            changed.
    """
    _check_same(checkpoint.state, run)
    model, optimizer, scheduler = run.model, run.optimizer, run.settings.scheduler
    before, optimizer_before = model.state_dict(), optimizer.state_dict()
    try:
        model.load_state_dict(checkpoint.best or checkpoint.weights)  # that the best do not fit is to be seen now
        model.load_state_dict(checkpoint.weights)
        optimizer.load_state_dict({**checkpoint.state["optimizer"]["state"], "slots": checkpoint.slots})
        if scheduler is not None:
            scheduler.load_state_dict(checkpoint.state["scheduler"]["state"])
    except (TinygradRNNError, *_SENSELESS) as error:
        model.load_state_dict(before)
        optimizer.load_state_dict(optimizer_before)
        reason = error.what if isinstance(error, TinygradRNNError) else repr(error)
        raise CheckpointError(f"the checkpoint is of another model: {reason}") from error
    run.rng.setstate(random_state(checkpoint))
    return checkpoint.history


def _check_same(state: Mapping[str, Any], run: Run) -> None:
    for part, now in _described(run).items():
        then = state[part]
        if isinstance(then, dict) and part in ("optimizer", "scheduler"):
            then = {name: entry for name, entry in then.items() if name != "state"}
        if then != json.loads(json.dumps(now)):
            then_text, now_text = (_difference(a, b) or "nothing" for a, b in ((then, now), (now, then)))
            raise CheckpointError(
                f"the checkpoint is of another {part.removesuffix('s')}: {then_text} there, {now_text} here",
                remedy="Resume with what it was written with, or start anew in another file",
            )


def _difference(one: object, other: object) -> str:
    """Return in words what ``one`` has and ``other`` has not, down to the entries that differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        parts = [
            _difference(entry, other.get(name)) if isinstance(entry, dict) else f"{name} {entry}"
            for name, entry in one.items()
            if entry != other.get(name)
        ]
        return ", ".join(filter(None, parts))
    return str(one)
