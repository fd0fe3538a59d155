"""One Ctrl-C at a random moment of short trainings in a row: the one that it falls into is the last."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tinygrad_rnn.tasks import Latch
from tinygrad_rnn.train import Limits, RecurrentNetwork, Settings, train

from . import Counts


def attack(seconds: float) -> Counts:
    """Interrupt trainings without a checkpoint, and with one."""
    counts, rng = Counts(), random.Random(0)
    task = Latch(T=4)
    with tempfile.TemporaryDirectory() as folder:
        for name, checkpoint in [("without a checkpoint", None), ("with one", Path(folder, "checkpoint"))]:

            def once(checkpoint: Path | None = checkpoint) -> bool:
                model = RecurrentNetwork.for_task(task, "rnn", 1)
                settings = Settings(batch_size=1, validation_size=1)
                history = train(model, task, settings, Limits(1), checkpoint=checkpoint, progress=False)
                return history.ending == "interrupted"

            end = time.monotonic() + seconds / 2
            while time.monotonic() < end:
                counts.tried[name] += 1
                if not _ends(once, rng.uniform(1e-4, 0.02)):
                    counts.fail(name, "the next training begins")
    return counts


def _ends(once: Callable[[], bool], delay: float) -> bool:
    """Whether Ctrl-C after so many seconds ends trainings in a row."""
    pressed = []

    def press(*_: object) -> None:
        pressed.append(True)
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.signal(signal.SIGALRM, press)
    try:
        signal.setitimer(signal.ITIMER_REAL, delay)
        while not once():
            if pressed:
                return False
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGALRM, before)
    return True
