"""`train`: the loop."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from types import FrameType

from ..errors import ArgumentError
from ..support.checks import whole_number
from ..support.files import check_writable
from ..support.progress import Bar, make_bar
from ..tasks import Task
from .checkpoint import load_checkpoint
from .engine import Interrupted
from .history import History
from .network import RecurrentNetwork
from .settings import Limits, Settings
from .trainer import Stop, Trainer

OnValidation = Callable[[History], None]


def train(
    model: RecurrentNetwork,
    task: Task,
    settings: Settings | None = None,
    limits: Limits | None = None,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    progress: bool | None = None,
    on_validation: OnValidation | None = None,
) -> History:
    """Train a model on a task.

    Every update draws sequences, computes the gradient of their mean loss (`tinygrad_rnn.train.engine` says in which
    order it is summed), clips it and changes the parameters once. Ctrl-C ends training after the last complete update,
    which the model then holds, and drops a validation that is under way (resumed, training begins with that); a second
    Ctrl-C raises KeyboardInterrupt.

    Args:
        model: changed in place.
        task: what to learn.
        settings: what decides the numbers (default: those of `Settings`).
        limits: when to end (default: those of `Limits`).
        checkpoint: file for a checkpoint, written at validations and at the end. It also holds the weights of the last
            update, to go on from.
        checkpoint_every: updates between two checkpoints, instead.
        resume: go on from the checkpoint, as if training had never stopped: every bit is the same. The settings must
            be as they were, except the engine. Where the limits leave nothing to do, the history comes back as it was
            and nothing is written.
        progress: whether to show a progress bar; None for "if stderr is a terminal".
        on_validation: called with the history after each validation.

    Returns:
        What happened, the part before a resumed checkpoint included.

    Raises:
        ArgumentError: an argument makes no sense.
        ShapeError: the model does not fit the task.
        TooLargeError: sequences or graphs of these sizes do not fit into memory; nothing has begun.
        CheckpointError: the checkpoint cannot be resumed; nothing has changed.
        DomainError: a gradient is NaN or infinite; the error names the parameter. The model is as it was before
            the update, and the last checkpoint stays.
        DataError: the checkpoint could not be written; nothing has begun.
        OSError: the checkpoint cannot be written after all.
    """
    if checkpoint_every is not None:
        whole_number("checkpoint_every", checkpoint_every)
    if checkpoint is not None:
        check_writable(checkpoint, again=True)
    trainer = Trainer(model, task, settings or Settings(), limits or Limits())
    if resume:
        if checkpoint is None:
            raise ArgumentError("resume without a checkpoint", remedy="Name the file with checkpoint=")
        trainer.resume(load_checkpoint(checkpoint))
        if trainer.history.ending:
            return trainer.history
    history = trainer.history
    with closing(make_bar(task.name, trainer.limits.updates, len(history.rows), progress)) as bar:
        with _interruptible(progress is not False) as stop:
            try:
                _validate_if_due(trainer, stop, bar, on_validation)  # after Ctrl-C in the last one
                history.ending = trainer.ending()
                while not history.ending:
                    trainer.step(stop)
                    _validate_if_due(trainer, stop, bar, on_validation)
                    bar.set_postfix_str(_postfix(history), refresh=False)
                    bar.update()
                    history.ending = trainer.ending()
                    is_due = len(history.rows) % (checkpoint_every or trainer.settings.validate_every) == 0
                    if checkpoint is not None and is_due and not history.ending:
                        trainer.save(checkpoint)
            except Interrupted:
                history.ending = "interrupted"
        if checkpoint is not None:
            trainer.save(checkpoint)
        trainer.load_best()
    return history


def _validate_if_due(trainer: Trainer, stop: Stop, bar: Bar, on_validation: OnValidation | None) -> None:
    if trainer.validation_is_due():
        trainer.validate(stop)
        if on_validation is not None:
            with bar.external_write_mode():
                on_validation(trainer.history)


def _postfix(history: History) -> str:
    row = history.rows[-1]
    rate = row.sequences / max(row.seconds, 1e-9)
    text = f"loss {row.loss:.4g}, gradient norm {row.gradient_norm:.3g}, {rate:.3g} sequences/s"
    validations = history.validations()
    return text + (f", {history.metric} {validations[-1].validation_error:.3g}" if validations else "")


@contextmanager
def _interruptible(aloud: bool) -> Iterator[Callable[[], bool]]:
    """Within this context, a first Ctrl-C makes the function that it yields return True; a second one raises.

    Only the main thread can listen for Ctrl-C; in any other, nothing changes.

    Args:
        aloud: whether the first one writes a line to stderr.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return
    earlier = signal.getsignal(signal.SIGINT)

    def note(signum: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if aloud:
            with suppress(RuntimeError, OSError):  # the signal may have come in the middle of another write
                print("\nStopping after this step …", file=sys.stderr, flush=True)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, earlier)
