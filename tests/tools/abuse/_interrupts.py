"""Ctrl-C at random moments: a real SIGINT, that ends what the main thread does with a KeyboardInterrupt."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextvars import copy_context

from . import Counts


def interrupt(jobs: dict[str, Callable[[], object]], harm: Callable[[], str | None], seconds: float) -> Counts:
    """Interrupt each job, repeated in a loop, at random moments.

    Args:
        jobs: what to interrupt, by name.
        harm: says what is no longer as it was, or None.
        seconds: how long, for all jobs together.
    """
    counts, rng = Counts(), random.Random(0)
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for name, job in jobs.items():
            began = time.perf_counter()
            for _ in range(5):
                job()
            once = (time.perf_counter() - began) / 5
            end = time.monotonic() + seconds / len(jobs)
            while time.monotonic() < end:
                found = copy_context().run(_once, job, max(5e-5, rng.uniform(0.0, 1.5) * once), harm)
                counts.tried[name] += 1
                if found is not None:
                    counts.fail(name, found)
    finally:
        signal.signal(signal.SIGALRM, before)
    return counts


def _once(job: Callable[[], object], delay: float, harm: Callable[[], str | None]) -> str | None:
    """The harm that one interrupt did. Context variables are those of one try, so the next finds them in order."""
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, delay, 1.0)  # and again: an interrupt in a finalizer is lost
            while True:
                job()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
    except KeyboardInterrupt:
        pass
    return harm()
