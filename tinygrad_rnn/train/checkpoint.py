"""Checkpoints: everything that training needs to go on as if it had never stopped, in one safetensors file.

The tensors are the weights after the last update (``model.`` and the path of the parameter), those of the best
validation so far (``best.``), and the optimizer's numbers (``optimizer.`` and the name of the slot); the rest is JSON
in the metadata: a `record.Record`. Nothing in the file is executed.
"""

from __future__ import annotations

import json
import math
import os
import random
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import ArgumentError, CheckpointError, DataError, ShapeError, TinygradRNNError, TooLargeError
from ..interop.safetensors import CHECKPOINT, Tensor, read_safetensors, write_safetensors
from ..nn import RNN, Gate, Linear, Recurrent
from ..nn.kinds import KINDS, find_kind
from ..nn.trees import NestedNumbers, shape
from ..optim import OPTIMIZERS, SCHEDULES, LRScheduler, Optimizer
from ..support.checks import in_short
from ..support.files import file_name
from ..support.numbers import typed_whole
from ..support.sums import add_up
from ..support.text import count
from ..tasks import Task, make_task
from .history import History
from .network import RecurrentNetwork
from .record import (
    Architecture,
    Arguments,
    Description,
    OptimizerRecord,
    Record,
    ScheduleRecord,
    TaskRecord,
)
from .settings import Limits, Settings

# The errors of making something from settings that make no sense.
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
        record: all else.
    """

    weights: dict[str, NestedNumbers]
    best: dict[str, NestedNumbers]
    slots: dict[str, list[float]]
    record: Record

    @property
    def step(self) -> int:
        """The number of updates made."""
        return self.record.step

    @property
    def history(self) -> History:
        """An independent copy of the history until then."""
        return self.record.history.copy()

    @property
    def alphabet(self) -> str | None:
        """The characters that the symbols stand for, if the task is a text."""
        return self.record.alphabet

    def make_task(self, **instead: object) -> Task:
        """Return the task that was trained on.

        Args:
            instead: settings to change, such as the path of a text.

        Raises:
            DataError: its data cannot be read.
            CheckpointError: there is no such task, or it has no such settings.
        """
        task = self.record.description.task
        try:
            return make_task(task.name, {**task.settings, **instead})
        except DataError:
            raise
        except _SENSELESS as error:
            raise CheckpointError(f"the checkpoint's task cannot be made: {error}") from error

    def check_data(self, task: Task) -> None:
        """Check that the data of a task are those that were trained on.

        Raises:
            DataError: they are others, under the same name.
        """
        if task.digest != self.record.description.task.digest:
            raise DataError(
                f"the data of task {task.name} are not those that were trained on",
                remedy="Restore them, or train from the start into another file",
            )

    @property
    def model_step(self) -> int:
        """The number of the update after which the model had the weights of `make_model`."""
        best = self.record.history.best_row
        return best.step if self._takes_best and best else self.step

    @property
    def _takes_best(self) -> bool:
        return bool(self.best) and self.record.history.best_is_earlier

    def make_model(self) -> RecurrentNetwork:
        """Return the model as training left it: with the weights of the best validation or, where it keeps none or
        Ctrl-C ended it, of the last update.

        Raises:
            CheckpointError: its cell is not an `RNN`, `LSTM` or `GRU`, so that only its own program can make it; or the
                file contradicts itself.
            TooLargeError: it does not fit into memory.
        """
        try:
            return self._make_model()
        except TooLargeError:
            raise
        except (ArgumentError, ShapeError, *_SENSELESS) as error:
            raise CheckpointError(f"the checkpoint contradicts itself: {error}") from error

    def _make_model(self) -> RecurrentNetwork:
        built = self.record.description.architecture
        if built.arguments is None:
            raise CheckpointError(
                f"a model made of {built.kind} cannot be made from a checkpoint",
                remedy="Make the model yourself and call load_state_dict(checkpoint.weights)",
            )
        weights = self.best if self._takes_best else self.weights
        kind, sizes = find_kind(built.kind.lower()), built.arguments
        output_size, hidden_size = shape(weights["readout.V"])
        if self.alphabet is not None and len(self.alphabet) != output_size:
            characters, outputs = count(len(self.alphabet), "character"), count(output_size, "output")
            raise ShapeError(f"an alphabet of {characters} for {outputs}")
        # Before anything is made of these sizes, which may be huge in a damaged file.
        needed = kind.count_weights(sizes.input_size, sizes.hidden_size, sizes.num_layers, sizes.bidirectional)
        if needed > add_up(math.prod(shape(numbers)) for numbers in weights.values()):
            raise ShapeError(f"sizes and weights do not fit together: {needed:,} would be needed")
        recurrent = kind.module(**sizes.as_json())
        model = RecurrentNetwork(recurrent, Linear(hidden_size, output_size, "readout.c" in weights))
        model.load_state_dict(weights)
        return model

    def make_optimizer(self, model: RecurrentNetwork) -> Optimizer:
        """Return an optimizer of the kind that was used, as it was at the beginning.

        Raises:
            CheckpointError: it is not one of this package's; or the file contradicts itself.
        """
        made = self.record.description.optimizer
        try:
            settings: dict[str, Any] = dict(made.settings)
            return OPTIMIZERS[made.kind](model.parameters(), lr=made.lr, **settings)
        except (ArgumentError, *_SENSELESS) as error:
            raise CheckpointError(f"no optimizer can be made from the checkpoint: {error}") from error

    def make_scheduler(self, optimizer: Optimizer) -> LRScheduler | None:
        """Return a schedule of the kind that was used, as it was at the beginning; None if there was none.

        Raises:
            CheckpointError: it is one that a checkpoint cannot describe, such as a `LambdaLR`; or the file contradicts
                itself.
        """
        made = self.record.description.scheduler
        if made is None:
            return None
        if made.kind not in SCHEDULES:
            raise CheckpointError(
                f"a {made.kind} cannot be made from a checkpoint",
                remedy="Resume with train(), and the schedule that it was written with",
            )
        try:
            return SCHEDULES[made.kind](optimizer, **made.settings)
        except (ArgumentError, *_SENSELESS) as error:
            raise CheckpointError(f"no schedule can be made from the checkpoint: {error}") from error


def architecture(model: RecurrentNetwork) -> Architecture:
    """Return the kind and the arguments of a model's recurrent part."""
    cell = model.cell
    kind = type(cell).__name__
    if not isinstance(cell, Recurrent) or kind.lower() not in KINDS:
        return Architecture(kind, None)
    bias = any(isinstance(module, Gate) and module.b for module in cell.modules())
    nonlinearity = cell.nonlinearity if isinstance(cell, RNN) else None
    sizes = cell.input_size, cell.hidden_size, cell.num_layers
    return Architecture(kind, Arguments(*sizes, bias, nonlinearity, cell.bidirectional))


class Run(Protocol):
    """A training run that can be saved in a checkpoint and restored from it: a `Trainer`.

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
    best: dict[str, NestedNumbers]


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
    version, words, gauss = run.rng.getstate()
    record = Record(
        len(run.history.rows),
        describe(run),
        run.limits,
        trained,
        None if scheduler is None else scheduler.state_dict(),
        (version, words, gauss),
        run.history,
        getattr(run.task, "alphabet", None),
    )
    state = json.dumps(record.as_json())
    write_safetensors(path, tensors, {"format": CHECKPOINT, "version": str(VERSION), "state": state})


def describe(run: Run) -> Description:
    """Describe what may not change when a run is resumed."""
    task, optimizer, scheduler = run.task, run.optimizer, run.settings.scheduler
    return Description(
        TaskRecord(task.name, task.settings(), task.digest),
        architecture(run.model),
        run.settings,
        OptimizerRecord(type(optimizer).__name__, run.initial_lr, optimizer.settings),
        None if scheduler is None else ScheduleRecord(type(scheduler).__name__, scheduler.settings),
    )


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        ArgumentError: no file can have this name.
        CheckpointError: there is none, or it is damaged, not a checkpoint, or of another version of the format.
        TooLargeError: it does not fit into memory.
    """
    name = os.path.basename(file_name(path))
    try:
        tensors, metadata = read_safetensors(path)
    except DataError as error:
        raise CheckpointError(error.what, remedy=error.remedy) from error
    if metadata.get("format") != CHECKPOINT:
        raise CheckpointError(
            f"{name} is not a checkpoint of this package",
            remedy="For weights alone, use tinygrad_rnn.interop.load_safetensors",
        )
    version = typed_whole(metadata.get("version", ""))
    if version is None:
        raise CheckpointError(f"{name} has version {metadata.get('version', '')[:20]!r}")
    if version != VERSION:
        raise CheckpointError(
            f"{name} has version {in_short(version)} of the format, this package knows {VERSION}",
            remedy=f"Use {'a newer' if version > VERSION else 'an older'} tinygrad_rnn",
        )
    parts: dict[str, dict[str, NestedNumbers]] = {"model": {}, "best": {}}
    slots: dict[str, list[float]] = {}
    for key, tensor in tensors.items():
        part, _, path_in_it = key.partition(".")
        if part == "optimizer":
            slots[path_in_it] = list(tensor.numbers)
        elif part in parts:
            parts[part][path_in_it] = tensor.nested()
    try:
        record = Record.read(json.loads(metadata.get("state", "")))
    except (ValueError, RecursionError) as error:
        reason = error.what if isinstance(error, CheckpointError) else f"its state is no JSON ({error})"
        raise CheckpointError(f"{name} is damaged: {reason}") from error
    return Checkpoint(parts["model"], parts["best"], slots, record)


def restore(checkpoint: Checkpoint, run: Run) -> History:
    """Put model, optimizer, schedule and generator back as they were, and return the history until then.

    Raises:
        CheckpointError: the checkpoint belongs to another architecture, task, optimizer, schedule or setting. Nothing
            has changed.
    """
    record = checkpoint.record
    _check_same(record.description, describe(run))
    model, optimizer, scheduler = run.model, run.optimizer, run.settings.scheduler
    before, optimizer_before = model.state_dict(), optimizer.state_dict()
    schedule_before = None if scheduler is None else scheduler.state_dict()
    try:
        model.load_state_dict(checkpoint.best or checkpoint.weights)  # an error if the best do not fit
        model.load_state_dict(checkpoint.weights)
        optimizer.load_state_dict({**record.optimizer_state, "slots": checkpoint.slots})
        if scheduler is not None:
            scheduler.load_state_dict(record.schedule_state or {})
    except (TinygradRNNError, *_SENSELESS) as error:
        model.load_state_dict(before)
        optimizer.load_state_dict(optimizer_before)
        if scheduler is not None and schedule_before is not None:
            scheduler.load_state_dict(schedule_before)
        reason = error.what if isinstance(error, TinygradRNNError) else repr(error)
        raise CheckpointError(f"the checkpoint belongs to another model: {reason}") from error
    run.rng.setstate(record.random)
    return checkpoint.history


def _check_same(then: Description, now: Description) -> None:
    parts = now.as_json()
    for part, was in then.as_json().items():
        one, other = (json.loads(json.dumps(each)) for each in (was, parts[part]))
        if one != other:
            then_text, now_text = (_difference(a, b) or "nothing" for a, b in ((one, other), (other, one)))
            raise CheckpointError(
                f"the checkpoint belongs to another {part.removesuffix('s')}: {then_text} there, {now_text} here",
                remedy="Resume with what it was written with, or start again in another file",
            )


def _difference(one: object, other: object) -> str:
    """Return in words what ``one`` has and ``other`` does not, down to the entries that differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        parts = [
            _difference(entry, other.get(name)) if isinstance(entry, dict) else f"{name} {entry}"
            for name, entry in one.items()
            if entry != other.get(name)
        ]
        return ", ".join(filter(None, parts))
    return str(one)
