"""Threads whose graphs have nothing in common, with hooks or stepwise passes: none of them ever sees an error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tinygrad_rnn import Value

from . import Counts

THREADS = 4


def hooks() -> None:
    """A pass with a hook."""
    v = (Value(0.1) * Value(0.2)).tanh()
    handle = v.register_hook(lambda gradient: None)
    v.backward()
    handle.remove()


def stepwise() -> None:
    """A pass in steps, and one at once."""
    v = (Value(0.1) * Value(0.2)).tanh()
    steps = v.backward_steps()
    next(steps)
    steps.finish()
    (Value(0.3) * 2.0).backward()


def attack(seconds: float) -> Counts:
    """Run each in several threads at once."""
    counts = Counts()
    for job in (hooks, stepwise):
        _in_threads(job, seconds / 2, counts)
    return counts


def _in_threads(job: Callable[[], None], seconds: float, counts: Counts) -> None:
    end, lock = time.monotonic() + seconds, threading.Lock()

    def run() -> None:
        tried = 0
        while time.monotonic() < end:
            tried += 1
            try:
                job()
            except Exception as error:
                with lock:
                    counts.fail(job.__name__, repr(error))
        with lock:
            counts.tried[job.__name__] += tried

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
