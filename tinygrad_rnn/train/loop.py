"""The training loop."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ..errors import ArgumentError
from ..nn.parameters import size
from ..optim import Adam, LRScheduler, Optimizer, clip_grad_norm_, gradient_norm
from ..progress import make_bar
from ..tasks import Task
from ..value import Value
from .checkpoint import load_checkpoint, restore, save_checkpoint
from .engine import Interrupted, make_engine
from .history import History
from .network import RecurrentNetwork, validate

Path = str | os.PathLike[str]


def train(
    model: RecurrentNetwork,
    task: Task,
    steps: int = 1000,
    *,
    batch_size: int = 8,
    optimizer: Optimizer | None = None,
    scheduler: LRScheduler | None = None,
    max_norm: float | None = 1.0,
    truncate: int | None = None,
    seed: int = 0,
    validate_every: int = 50,
    validation_size: int = 64,
    patience: int | None = None,
    stop_when_solved: bool = True,
    checkpoint: Path | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    engine: str = "eager",
    progress: bool | None = None,
) -> History:
    """Train a model on a task.

    A step draws ``batch_size`` sequences, computes the gradient of their mean loss (`tinygrad_rnn.train.engine`
    says in which order it is summed), clips it and updates the parameters. Ctrl-C ends training after the last
    complete step, which the model, and the checkpoint, then hold; a second Ctrl-C raises KeyboardInterrupt.

    Args:
        model: changed in place.
        task: what to learn.
        steps: steps to take in all, those before a resumed checkpoint included.
        batch_size: sequences per step.
        optimizer: by default `Adam` with a learning rate of 0.01.
        scheduler: takes a step after each of the optimizer's.
        max_norm: bound on the norm of the gradient; None for no clipping.
        truncate: steps through which a gradient goes back, the state flowing on (chunked truncated BPTT, one
            update per batch); None for full BPTT.
        seed: of the sequences that are drawn.
        validate_every: steps between two validations; there is one at the end, too.
        validation_size: sequences to validate on, always the same.
        patience: end after so many validations without a smaller error than the best; None for no such end.
        stop_when_solved: end when a validation meets the task's criterion. On few sequences that may be luck:
            measure what was reached with `validate` on others.
        checkpoint: file for a checkpoint, written at validations and at the end.
        checkpoint_every: steps between two checkpoints, instead.
        resume: go on from the checkpoint, as if training had never stopped: every bit is the same.
        engine: ``"eager"``; ``"compiled"``: the same to the bit as native code (needs the extra ``compile``); or
            ``"compiled fast"``, which rounds differently.
        progress: whether to show a progress bar; None for "if stderr is a terminal".

    Returns:
        What happened, the part before a resumed checkpoint included.

    Raises:
        ArgumentError: an argument makes no sense.
        ShapeError: the model does not fit the task.
        CheckpointError: the checkpoint cannot be resumed; nothing has changed.
        DomainError: a gradient is NaN or infinite; the error names the parameter. The model is as it was before
            the step, and the last checkpoint stays.
        OSError: the checkpoint cannot be written.
    """
    for name, number in (
        ("steps", steps),
        ("batch_size", batch_size),
        ("truncate", truncate),
        ("validate_every", validate_every),
        ("validation_size", validation_size),
        ("patience", patience),
        ("checkpoint_every", checkpoint_every),
    ):
        if number is not None:
            size(name, number)
    if max_norm is not None and not max_norm > 0.0:
        raise ArgumentError(f"max_norm is {max_norm!r}", remedy="Give a number above 0, or None")
    if resume and checkpoint is None:
        raise ArgumentError("resume without a checkpoint", remedy="Name the file with checkpoint=")
    model.check_fits(task)
    optimizer = optimizer or Adam(model.parameters(), lr=0.01)
    settings = {"batch_size": batch_size, "truncate": truncate, "max_norm": max_norm, "seed": seed}
    compute = make_engine(engine, model, task, truncate)
    rng = random.Random(seed)
    history = History(task.name, task.metric, task.baseline, task.goal)
    if resume and checkpoint is not None:
        history = restore(load_checkpoint(checkpoint), model, task, optimizer, scheduler, rng, settings)
        _take_back_final_validation(history, validate_every)
    examples = task.validation(validation_size)
    began = time.perf_counter() - (history.rows[-1]["seconds"] if history.rows else 0.0)

    def clip(parameters: Sequence[Value]) -> float:
        return gradient_norm(parameters) if max_norm is None else clip_grad_norm_(parameters, max_norm)

    def save() -> None:
        if checkpoint is not None:
            save_checkpoint(checkpoint, model, task, optimizer, scheduler, rng, history, len(history.rows), settings)

    history.ending = _ending(history, steps, patience, stop_when_solved)
    bar = make_bar(task.name, steps, len(history.rows), progress)
    try:
        with _interruptible() as stop:
            while not history.ending:
                before = rng.getstate()
                try:
                    loss = compute.gradients([task.example(rng) for _ in range(batch_size)], stop)
                except BaseException as error:
                    rng.setstate(before)
                    model.zero_grad()
                    if not isinstance(error, Interrupted):
                        raise
                    history.ending = "interrupted"
                    break
                norm = clip(optimizer.parameters)
                lr = optimizer.lr
                optimizer.step()
                if scheduler is not None:
                    scheduler.step()
                step = len(history.rows) + 1
                row: dict[str, Any] = {
                    "step": step,
                    "sequences": step * batch_size,
                    "loss": loss,
                    "gradient_norm": norm,
                    "lr": lr,
                    "validation_loss": None,
                    "validation_error": None,
                    "seconds": time.perf_counter() - began,
                }
                history.rows.append(row)
                if step % validate_every == 0 or step >= steps:
                    row["validation_loss"], row["validation_error"] = validate(model, task, examples)
                    row["seconds"] = time.perf_counter() - began
                bar.set_postfix_str(_postfix(history), refresh=False)
                bar.update()
                history.ending = _ending(history, steps, patience, stop_when_solved)
                if not history.ending and step % (checkpoint_every or validate_every) == 0:
                    save()
        save()
    finally:
        bar.close()
    return history


def _ending(history: History, steps: int, patience: int | None, stop_when_solved: bool) -> str:
    """Why training is to end now; empty if it is not."""
    if stop_when_solved and history.solved and history.rows[-1]["validation_error"] is not None:
        return "solved"
    errors = [row["validation_error"] for row in history.validations()]
    if patience is not None and errors and len(errors) - 1 - errors.index(min(errors)) >= patience:
        return "patience"
    return "steps" if len(history.rows) >= steps else ""


def _take_back_final_validation(history: History, validate_every: int) -> None:
    """Forget a validation that was only done because training ended there."""
    if history.rows and history.rows[-1]["step"] % validate_every:
        history.rows[-1].update(validation_loss=None, validation_error=None)


def _postfix(history: History) -> str:
    row = history.rows[-1]
    rate = row["sequences"] / max(row["seconds"], 1e-9)
    text = f"loss {row['loss']:.4g}, gradient norm {row['gradient_norm']:.3g}, {rate:.3g} sequences/s"
    validations = history.validations()
    return text + (f", {history.metric} {validations[-1]['validation_error']:.3g}" if validations else "")


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Within this context, a first Ctrl-C makes the function that it gives return True; a second one raises.

    Only the main thread can listen for Ctrl-C; in any other, nothing changes.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return
    earlier = signal.getsignal(signal.SIGINT)

    def note(signum: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, earlier)
