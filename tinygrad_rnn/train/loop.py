"""The training loop."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from ..engine.value import Value
from ..errors import ArgumentError
from ..optim import Adam, LRScheduler, Optimizer, clip_grad_norm_, gradient_norm
from ..support.checks import whole_number
from ..support.progress import make_bar
from ..tasks import Task
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
    keep_best: bool = True,
    checkpoint: Path | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    engine: str = "eager",
    progress: bool | None = None,
    on_validation: Callable[[History], None] | None = None,
) -> History:
    """Train a model on a task.

    A step draws ``batch_size`` sequences, computes the gradient of their mean loss (`tinygrad_rnn.train.engine`
    says in which order it is summed), clips it and updates the parameters once. Ctrl-C ends training after the
    last complete step, which the model then holds, and drops a validation that is under way (resumed, training
    begins with that); a second Ctrl-C raises KeyboardInterrupt.

    Truncation cuts each sequence into chunks of ``truncate`` steps: the state flows on from chunk to chunk, the
    gradient stops at the border, and memory is that of one chunk. The gradients of all chunks are added up before
    the one update per batch, so that truncation changes the gradient and nothing else, and can be compared with
    full BPTT. It does not update after every chunk, as is often done with one endless sequence: that is what
    `bptt.truncated_bptt` does with an ``after_window`` that takes an optimizer's step and sets its gradients to zero.

    Args:
        model: changed in place.
        task: what to learn.
        steps: steps to take in all, those before a resumed checkpoint included.
        batch_size: sequences per step.
        optimizer: by default `Adam` with a learning rate of 0.01.
        scheduler: takes a step after each of the optimizer's.
        max_norm: bound on the norm of the gradient; None for no clipping.
        truncate: steps of a chunk in truncated BPTT; None for full BPTT.
        seed: of the sequences that are drawn.
        validate_every: steps between two validations; there is one at the end, too.
        validation_size: sequences to validate on, always the same.
        patience: end after so many validations without a smaller error than the best; None for no such end.
        stop_when_solved: end when a validation meets the task's criterion. On few sequences that may be luck:
            measure what was reached with `validate` on others.
        keep_best: whether the model ends with the weights of the best validation (the smallest error, of equal
            ones the smallest loss) instead of those of the last step, unless Ctrl-C ended training.
        checkpoint: file for a checkpoint, written at validations and at the end. It holds the weights of the last
            step, too, to go on from.
        checkpoint_every: steps between two checkpoints, instead.
        resume: go on from the checkpoint, as if training had never stopped: every bit is the same. What decides
            the numbers must be as it was; ``steps``, ``patience``, ``stop_when_solved`` and ``engine`` may change.
            Where they leave nothing to do, the history comes back as it was and nothing is written.
        engine: ``"eager"``; ``"compiled"``: the same to the bit as native code (needs the extra ``compile``); or
            ``"compiled fast"``, which rounds differently.
        progress: whether to show a progress bar; None for "if stderr is a terminal".
        on_validation: called with the history after each validation.

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
            whole_number(name, number)
    if max_norm is not None and not max_norm > 0.0:
        raise ArgumentError(f"max_norm is {max_norm!r}", remedy="Give a number above 0, or None")
    if resume and checkpoint is None:
        raise ArgumentError("resume without a checkpoint", remedy="Name the file with checkpoint=")
    model.check_fits(task)
    optimizer = optimizer or Adam(model.parameters(), lr=0.01)
    if not {*map(id, optimizer.parameters)} <= {*map(id, model.parameters())}:
        raise ArgumentError(
            "the optimizer has parameters that are not the model's", remedy="Give it model.parameters()"
        )
    settings = {
        "batch_size": batch_size,
        "truncate": truncate,
        "max_norm": max_norm,
        "seed": seed,
        "validate_every": validate_every,
        "validation_size": validation_size,
        "keep_best": keep_best,
    }
    limits = {"steps": steps, "patience": patience, "stop_when_solved": stop_when_solved}
    first_lr = optimizer.lr if scheduler is None else scheduler.initial_lr
    compute = make_engine(engine, model, task, truncate)
    rng = random.Random(seed)
    history = History(task.name, task.metric, task.baseline, task.goal)
    best: dict[str, Any] = {}  # the weights of the best validation so far, the one after the last step left out
    if resume and checkpoint is not None:
        found = load_checkpoint(checkpoint)
        if found.step > steps:
            raise ArgumentError(
                f"steps is {steps}, but the checkpoint has taken {found.step}",
                remedy="Steps taken before count, too: give at least as many",
            )
        history = restore(found, model, task, optimizer, scheduler, rng, settings, first_lr)
        best = found.best
        last = dict(history.rows[-1]) if history.rows else {}
        _take_back_final_validation(history, validate_every)
        if history.ending not in ("", "interrupted") and _ending(history, steps, patience, stop_when_solved):
            history.rows[-1].update(last)  # training has ended there, and does not go on
            if best and history.best_is_earlier:
                model.load_state_dict(best)
            return history
    examples = task.validation(validation_size)
    began = time.perf_counter() - (history.rows[-1]["seconds"] if history.rows else 0.0)

    def clip(parameters: Sequence[Value]) -> float:
        return gradient_norm(parameters) if max_norm is None else clip_grad_norm_(parameters, max_norm)

    def save() -> None:
        if checkpoint is not None:
            save_checkpoint(
                checkpoint, model, task, optimizer, scheduler, rng, history, settings, limits, first_lr, best
            )

    def validation_due() -> bool:
        """Whether one has to follow the last step, and none has yet."""
        if not history.rows or history.rows[-1]["validation_error"] is not None:
            return False
        return len(history.rows) % validate_every == 0 or len(history.rows) >= steps

    def validate_now(stop: Callable[[], bool]) -> None:
        nonlocal best
        row = history.rows[-1]
        said = compute.outputs(examples, stop)
        row["validation_loss"], row["validation_error"] = validate(model, task, examples, said)
        row["seconds"] = time.perf_counter() - began
        if keep_best and row["step"] % validate_every == 0 and history.best_row is row:
            best = model.state_dict()
        if on_validation is not None:
            with bar.external_write_mode():
                on_validation(history)

    bar = make_bar(task.name, steps, len(history.rows), progress)
    try:
        with _interruptible(progress is not False) as stop:
            try:
                if validation_due():  # Ctrl-C ended the one that belongs to the last step
                    validate_now(stop)
                history.ending = _ending(history, steps, patience, stop_when_solved)
                while not history.ending:
                    before = rng.getstate()
                    try:
                        loss = compute.gradients([task.example(rng) for _ in range(batch_size)], stop)
                    except BaseException:
                        rng.setstate(before)
                        model.zero_grad()
                        raise
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
                    if validation_due():
                        validate_now(stop)
                    bar.set_postfix_str(_postfix(history), refresh=False)
                    bar.update()
                    history.ending = _ending(history, steps, patience, stop_when_solved)
                    if not history.ending and step % (checkpoint_every or validate_every) == 0:
                        save()
            except Interrupted:
                history.ending = "interrupted"
        save()
        if best and history.best_is_earlier:
            model.load_state_dict(best)
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
def _interruptible(aloud: bool) -> Iterator[Callable[[], bool]]:
    """Within this context, a first Ctrl-C makes the function that it gives return True; a second one raises.

    Only the main thread can listen for Ctrl-C; in any other, nothing changes.

    Args:
        aloud: whether to say on stderr that the first one was heard.
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
