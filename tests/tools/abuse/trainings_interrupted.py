"""Ctrl-C in short trainings in a row: the one that it falls into is the last. However often it comes, they end, and
signals, weights and checkpoint are in order.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from pathlib import Path

from tinygrad_rnn.errors import DataError
from tinygrad_rnn.support.files import sole_writer
from tinygrad_rnn.tasks import Latch
from tinygrad_rnn.train import Limits, RecurrentNetwork, Settings, load_checkpoint, train
from tinygrad_rnn.train.loop import ENDING

from . import Counts

TASK = Latch(T=4)
SETTINGS = Settings(batch_size=1, validation_size=1, validate_every=1)


def attack(seconds: float) -> Counts:
    """Interrupt trainings without a checkpoint, and with one: once, or several times some milliseconds apart."""
    counts, rng = Counts(), random.Random(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    usual = {signum: signal.getsignal(signum) for signum in ENDING}
    with tempfile.TemporaryDirectory() as folder:
        for where, checkpoint in [("without a checkpoint", None), ("with one", Path(folder, "checkpoint"))]:
            for name, again in [(f"once, {where}", False), (f"several times, {where}", True)]:
                end = time.monotonic() + seconds / 4
                while time.monotonic() < end:
                    model = RecurrentNetwork.for_task(TASK, "rnn", 1)
                    counts.tried[name] += 1
                    if not _end(model, checkpoint, rng, again):
                        counts.fail(name, "the next training begins")
                    for signum, handler in usual.items():
                        if signal.getsignal(signum) is not handler:
                            counts.fail(name, f"{signum.name} is still listened for")
                            signal.signal(signum, handler)
                    found = _harm(model, checkpoint)
                    if found is not None:
                        counts.fail(name, found)
    return counts


def _end(model: RecurrentNetwork, checkpoint: Path | None, rng: random.Random, again: bool) -> bool:
    """Whether Ctrl-C ends trainings in a row."""
    pressed: list[int] = []

    def press(signum: int, _: object) -> None:
        pressed.append(signum)
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGALRM, press)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-4, 0.02), rng.uniform(0.001, 0.01) if again else 0.0)
            while True:
                limits = Limits(3, stop_when_solved=False)
                history = train(model, TASK, SETTINGS, limits, checkpoint=checkpoint, progress=False)
                if history.ending == "interrupted" or (pressed and not again):
                    return history.ending == "interrupted"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
    except KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, 0.0)  # the one above may have been interrupted
    return True


def _harm(model: RecurrentNetwork, checkpoint: Path | None) -> str | None:
    """What is no longer as it was."""
    if any(type(parameter.data) is not float for parameter in model.parameters()):
        return "a weight is no number"
    if checkpoint is None:
        return None
    if checkpoint.exists():
        load_checkpoint(checkpoint)
    try:
        with sole_writer(checkpoint):
            return None
    except DataError as error:
        return f"kept away: {error}"
