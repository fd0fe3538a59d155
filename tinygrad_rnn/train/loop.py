"""`train`: the loop."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing, nullcontext

from ..errors import ArgumentError
from ..support.checks import whole_number
from ..support.files import check_writable, sole_writer
from ..support.progress import PATIENCE, late_clock, make_bar
from ..tasks import Task
from .checkpoint import load_checkpoint
from .engine import Interrupted
from .history import History
from .listening import Listening
from .network import RecurrentNetwork
from .settings import Limits, Settings
from .trainer import Stop, Trainer

OnValidation = Callable[[History], None]
#: The signals that end a training, Ctrl-C first; the others only where there is a checkpoint to save.
ENDING = [signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def train(
    model: RecurrentNetwork,
    task: Task,
    settings: Settings | None = None,
    limits: Limits | None = None,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    overwrite: bool = True,
    progress: bool | None = None,
    on_validation: OnValidation | None = None,
) -> History:
    """Train a model on a task.

    Every update draws sequences, computes the gradient of their mean loss (`tinygrad_rnn.train.engine` says in which
    order it is summed), clips it and changes the parameters once. Ctrl-C ends training after the last complete update,
    which the model then holds, and drops a validation under way (a resumed training begins with it); ``ending`` says so
    even if that was to be the last one. A second Ctrl-C raises KeyboardInterrupt, and so does one during the last
    writing of the checkpoint. Where there is a checkpoint, SIGTERM and SIGHUP do the same; a second one ends the
    process. Two trainings cannot have the same checkpoint at the same time.

    Args:
        model: changed in place.
        task: what to learn.
        settings: what decides the numbers (default: those of `Settings`).
        limits: when to end (default: those of `Limits`).
        checkpoint: file for a checkpoint, written at validations and at the end. It also holds the weights of the last
            update, to go on from.
        checkpoint_every: updates between two checkpoints, if they are not to be written at validations.
        resume: go on from the checkpoint, as if training had never stopped: every bit is the same. The settings must
            be as they were, except the engine. Where the limits leave nothing to do, the history comes back as it was
            and nothing is written.
        overwrite: whether the checkpoint may replace an existing file without resuming it.
        progress: whether to show a progress bar; None for "if stderr is a terminal".
        on_validation: called with the history after each validation, once the checkpoint is written.

    Returns:
        What happened, the part before a resumed checkpoint included.

    Raises:
        ArgumentError: an argument makes no sense, or the checkpoint exists and may not be overwritten.
        ShapeError: the model does not fit the task.
        TooLargeError: sequences or graphs of these sizes do not fit into memory; nothing has begun.
        CheckpointError: the checkpoint cannot be resumed; nothing has changed.
        DomainError: a gradient is NaN or infinite; the error names the parameter. The model is as it was before
            the update, and the last checkpoint stays.
        DataError: the checkpoint could not be written, or another training is writing it; nothing has begun.
        OSError: the checkpoint cannot be written after all.
    """
    if checkpoint_every is not None:
        whole_number("checkpoint_every", checkpoint_every)
    if checkpoint is not None:
        check_writable(checkpoint, again=True)
    with nullcontext() if checkpoint is None else sole_writer(checkpoint):
        with nullcontext() if progress is False else late_clock("sequences"):
            trainer = Trainer(model, task, settings or Settings(), limits or Limits())
        if resume:
            if checkpoint is None:
                raise ArgumentError("resume without a checkpoint", remedy="Name the file with checkpoint=")
            trainer.resume(load_checkpoint(checkpoint))
        elif checkpoint is not None and not overwrite and os.path.exists(checkpoint):
            raise ArgumentError(
                f"{os.fspath(checkpoint)} exists", remedy="Resume it, overwrite it, or give another file"
            )
        if not trainer.history.ending:
            if checkpoint is not None:
                trainer.check_room(checkpoint)
                checkpoint = os.path.abspath(checkpoint)  # `on_validation` may change the folder
            _run(trainer, checkpoint, checkpoint_every, progress, on_validation)
    return trainer.history


def _run(
    trainer: Trainer,
    checkpoint: str | os.PathLike[str] | None,
    checkpoint_every: int | None,
    progress: bool | None,
    on_validation: OnValidation | None,
) -> None:
    """Train to the end. `on_validation` is called after the checkpoint is written, because it may raise."""
    history = trainer.history
    every = checkpoint_every or trainer.settings.validate_every
    signals = ENDING if checkpoint is not None else ENDING[:1]
    with closing(make_bar(trainer.task.name, trainer.limits.updates, len(history.rows), progress)) as bar:

        def notify() -> None:
            if on_validation is not None:
                with bar.external_write_mode():
                    on_validation(history)

        received: list[int] = []
        shown = time.monotonic()

        def stop() -> bool:
            nonlocal shown
            if time.monotonic() - shown > PATIENCE:  # in a long update, or a validation
                bar.refresh()
                shown = time.monotonic()
            return bool(received)

        with Listening(signals, received, aloud=progress is not False):
            is_new = False  # whether there is a validation that `on_validation` has not seen
            try:
                is_new = _validate_if_due(trainer, stop)  # after Ctrl-C in the last one
                history.ending = trainer.ending()
                while not history.ending:
                    if is_new:
                        is_new = False
                        notify()
                    trainer.step(stop)
                    is_new = _validate_if_due(trainer, stop)
                    bar.set_postfix_str(_postfix(history), refresh=False)
                    bar.update()
                    history.ending = trainer.ending()
                    if checkpoint is not None and len(history.rows) % every == 0 and not history.ending:
                        trainer.save(checkpoint)
            except Interrupted:
                history.ending = "interrupted"
            if stop():  # also after the last update: a program that trains several models in a row then ends there
                history.ending = "interrupted"
            if checkpoint is not None:
                trainer.save(checkpoint)
        if stop() and history.ending != "interrupted":
            raise KeyboardInterrupt  # it came while the checkpoint was being written
        if is_new:
            notify()
        trainer.load_best()


def _validate_if_due(trainer: Trainer, stop: Stop) -> bool:
    """Validate if that is due, and return whether it was."""
    is_due = trainer.validation_is_due()
    if is_due:
        trainer.validate(stop)
    return is_due


def _postfix(history: History) -> str:
    row = history.rows[-1]
    rate = row.sequences / max(row.seconds, 1e-9)
    text = f"loss {row.loss:.4g}, gradient norm {row.gradient_norm:.3g}, {rate:.3g} sequences/s"
    validations = history.validations()
    return text + (f", {history.metric} {validations[-1].validation_error:.3g}" if validations else "")
