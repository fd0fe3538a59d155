"""`Trainer`: a training run that is under way."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import replace

from ..errors import ArgumentError
from ..nn.trees import NestedNumbers
from ..optim import Adam, Optimizer, clip_grad_norm_, gradient_norm
from ..support.files import check_writable
from ..support.sums import add_up
from ..support.text import count
from ..tasks import Example, Task
from .checkpoint import Checkpoint, restore, save_checkpoint
from .engine import Interrupted, make_engine
from .history import History, Row
from .network import RecurrentNetwork, validate
from .settings import Limits, Settings

Stop = Callable[[], bool]


def never() -> bool:
    """Return False: the run is not interrupted."""
    return False


class Trainer:
    """A training run that is under way. `train` is the loop around it; a loop of your own can call the same methods.

    `step` and `validate` take a function that they call repeatedly. When it returns True, they raise
    `Interrupted`, and everything is as it was before the call.

    Args:
        model: changed in place.
        task: what to learn.
        settings: what decides the numbers.
        limits: when to end.

    Attributes:
        history: what happened so far.
        best: the weights of the best validation so far, if they are to be kept. A validation that was only done because
            training ended does not count.

    Raises:
        ArgumentError: the optimizer belongs to another model, or there is no such engine.
        ShapeError: the model does not fit the task.
        TooLargeError: the sequences, or the graph of one, do not fit into memory.
    """

    def __init__(self, model: RecurrentNetwork, task: Task, settings: Settings, limits: Limits) -> None:
        model.check_fits(task)
        self.model, self.task, self.settings, self.limits = model, task, settings, limits
        self.optimizer: Optimizer = settings.optimizer or Adam(model.parameters(), lr=0.01)
        if not {*map(id, self.optimizer.parameters)} <= {*map(id, model.parameters())}:
            raise ArgumentError(
                "the optimizer has parameters that are not the model's", remedy="Give it model.parameters()"
            )
        self.initial_lr = self.optimizer.lr if settings.scheduler is None else settings.scheduler.initial_lr
        self.rng = random.Random(settings.seed)
        self.history = History(task.name, task.metric, task.baseline, task.goal)
        self.best: dict[str, NestedNumbers] = {}
        task.check_size("batch_size", settings.batch_size)
        self._engine = make_engine(settings.engine, model, task, settings.truncate)
        self._examples = task.validation(settings.validation_size)
        self._began = time.perf_counter()

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint, as if training had never stopped. If it has ended, `history.ending` says why.

        Raises:
            ArgumentError: the checkpoint has more updates than the limits allow.
            CheckpointError: the checkpoint belongs to another run; nothing has changed.
        """
        if checkpoint.step > self.limits.updates:
            raise ArgumentError(
                f"the limit is {count(self.limits.updates, 'update')}, but the checkpoint has had {checkpoint.step}",
                remedy="Those before also count: give at least as many",
            )
        self.history, self.best = restore(checkpoint, self), checkpoint.best
        history = self.history
        was_finished = history.ending not in ("", "interrupted")
        last = [replace(row) for row in history.rows[-1:]]
        self._began = time.perf_counter() - add_up(row.seconds for row in last)
        forget_final_validation(history, self.settings.validate_every)
        if was_finished and self.ending():
            history.rows[-1:] = last
            self.load_best()
        else:
            history.ending = ""

    def step(self, stop: Stop = never) -> Row:
        """Draw a batch, compute the gradient of its mean loss, clip it, and update the parameters once.

        Raises:
            Interrupted: ``stop()`` became true.
            DomainError: a gradient is NaN or infinite; the error names the parameter, and the parameters are unchanged.
        """
        settings, optimizer, parameters = self.settings, self.optimizer, self.optimizer.parameters
        before = self.rng.getstate()
        try:
            loss = self._engine.gradients(self._draw(stop), stop)
        except BaseException:
            self.rng.setstate(before)
            self.model.zero_grad()
            raise
        norm = (
            gradient_norm(parameters) if settings.max_norm is None else clip_grad_norm_(parameters, settings.max_norm)
        )
        lr = optimizer.lr
        optimizer.step()
        if settings.scheduler is not None:
            settings.scheduler.step()
        step = len(self.history.rows) + 1
        seconds = time.perf_counter() - self._began
        row = Row(step, step * settings.batch_size, loss, norm, lr, None, None, seconds)
        self.history.rows.append(row)
        return row

    def _draw(self, stop: Stop) -> list[Example]:
        """Draw a batch. Raises: as `step`."""
        examples: list[Example] = []
        while len(examples) < self.settings.batch_size:
            if stop():
                raise Interrupted
            examples.append(self.task.example(self.rng))
        return examples

    def validation_is_due(self) -> bool:
        """Whether a validation belongs to the last update, and has not been done."""
        rows = self.history.rows
        if not rows or rows[-1].validation_error is not None:
            return False
        return len(rows) % self.settings.validate_every == 0 or len(rows) >= self.limits.updates

    def validate(self, stop: Stop = never) -> Row:
        """Validate, add the result to the last row of the history, and keep the weights if they are the best.

        Raises:
            Interrupted: ``stop()`` became true.
        """
        row = self.history.rows[-1]
        outputs = self._engine.outputs(self._examples, stop)
        row.validation_loss, row.validation_error = validate(self.model, self.task, self._examples, outputs)
        row.seconds = time.perf_counter() - self._began
        is_regular = row.step % self.settings.validate_every == 0
        if self.settings.keep_best and is_regular and self.history.best_row is row:
            self.best = self.model.state_dict()
        return row

    def ending(self) -> str:
        """Return why training ends now; empty if it goes on."""
        history, limits = self.history, self.limits
        if limits.stop_when_solved and history.rows and history.rows[-1].validation[0] <= history.goal:
            return "solved"
        if limits.patience is not None:
            errors = [row.validation[0] for row in history.validations()]
            if errors and len(errors) - 1 - errors.index(min(errors)) >= limits.patience:
                return "patience"
        return "steps" if len(history.rows) >= limits.updates else ""

    def check_room(self, path: str | os.PathLike[str]) -> None:
        """Check that a checkpoint could be written now: one of the size that its tensors take.

        Raises:
            DataError: it could not.
        """
        copies = 1 + self.settings.keep_best + len(self.optimizer.state_dict()["slots"])
        check_writable(path, again=True, size=max(4096, 8 * copies * len(self.optimizer.parameters)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint, whole or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        save_checkpoint(path, self)

    def load_best(self) -> None:
        """Give the model the weights of the best validation, if they are kept and Ctrl-C did not end training."""
        if self.best and self.history.best_is_earlier:
            self.model.load_state_dict(self.best)


def forget_final_validation(history: History, validate_every: int) -> None:
    """Forget a validation that was only done because training ended there."""
    if history.rows and history.rows[-1].step % validate_every:
        history.rows[-1].validation_loss = history.rows[-1].validation_error = None
