"""Ctrl-C again and again in the middle of trainings: they end, and signals, weights and checkpoint are in order."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time

from tinygrad_rnn.errors import DataError
from tinygrad_rnn.support.files import sole_writer
from tinygrad_rnn.tasks import Latch
from tinygrad_rnn.train import Limits, RecurrentNetwork, Settings, load_checkpoint, train
from tinygrad_rnn.train.loop import ENDING

from . import Counts

TASK = Latch(T=4)
SETTINGS = Settings(batch_size=1, validation_size=1, validate_every=1)


def attack(seconds: float) -> Counts:
    """Begin trainings, and interrupt them several times, some milliseconds apart."""
    counts, rng = Counts(), random.Random(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    before, folder = {signum: signal.getsignal(signum) for signum in ENDING}, os.getcwd()
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            model = RecurrentNetwork.for_task(TASK, "rnn", 1)
            counts.tried["trainings"] += 1
            _interrupted(model, rng)
            for signum, handler in before.items():
                if signal.getsignal(signum) is not handler:
                    counts.fail("trainings", f"{signum.name} is still listened for")
                    signal.signal(signum, handler)
            found = _harm(model)
            if found is not None:
                counts.fail("trainings", found)
        os.chdir(folder)
    return counts


def _interrupted(model: RecurrentNetwork, rng: random.Random) -> None:
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-4, 0.02), rng.uniform(0.001, 0.01))
            while True:
                limits = Limits(3, stop_when_solved=False)
                train(model, TASK, SETTINGS, limits, checkpoint="c", progress=False)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
    except KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, 0.0)  # the one above may have been interrupted


def _harm(model: RecurrentNetwork) -> str | None:
    if any(type(parameter.data) is not float for parameter in model.parameters()):
        return "a weight is no number"
    if os.path.exists("c"):
        load_checkpoint("c")
    try:
        with sole_writer("c"):
            return None
    except DataError as error:
        return f"kept away: {error}"
