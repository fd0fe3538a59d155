"""Threads whose graphs have nothing in common but parameters: none of them sees an error, nor misses a hook."""

from __future__ import annotations

import copy
import itertools
import pickle
import sys
import threading
import time
from collections.abc import Callable

from tinygrad_rnn import Value, detect_anomaly, no_grad
from tinygrad_rnn.engine import hooks, ops

from . import Counts

THREADS = 4
SHARED, ONE_PASS = Value(0.5), threading.Lock()

_number = itertools.count().__next__


def a_hook() -> None:
    """A pass with a hook."""
    seen: list[float] = []
    v = (Value(0.1) * Value(0.2)).tanh()
    handle = v.register_hook(seen.append)
    v.backward()
    handle.remove()
    assert seen == [1.0]


def hooks_on_one_parameter() -> None:
    """Each pass calls the hook that its thread has set on a parameter of all of them.

    One pass after the other: of two at once, it is not known who has brought which gradient to a leaf.
    """
    seen: list[float] = []
    handle = SHARED.register_hook(seen.append)
    with ONE_PASS:
        (SHARED * 2.0).backward()
    handle.remove()
    assert seen


def the_first_hook_of_a_node() -> None:
    """Two threads set the first hook of one node."""
    node, barrier, seen = Value(1.0) * 2.0, threading.Barrier(2), []

    def set_hook() -> None:
        barrier.wait()
        node.register_hook(seen.append)

    other = threading.Thread(target=set_hook)
    other.start()
    set_hook()
    other.join()
    node.backward()
    assert len(seen) == 2


def in_steps() -> None:
    """A pass in steps, and one at once."""
    v = (Value(0.1) * Value(0.2)).tanh()
    steps = v.backward_steps()
    next(steps)
    steps.finish()
    (Value(0.3) * 2.0).backward()


def under_detect_anomaly() -> None:
    """A pass that is watched, while other threads begin and end to watch."""
    with detect_anomaly():
        (Value(0.1) * Value(0.2)).backward()


def in_scopes() -> None:
    """What one thread does not record, the others do."""
    recorded = Value(1.0) * 2.0
    with no_grad():
        plain = Value(1.0) * 2.0
    assert recorded.parents
    assert not plain.parents


def copies() -> None:
    """A copy of a graph and a pickle of one have the same gradients."""
    x = Value(0.5)
    v = (x * x).tanh()
    for twin in (copy.deepcopy(v), pickle.loads(pickle.dumps(v))):
        twin.backward()
        assert twin.parents[0].parents[0].grad == (1.0 - v.data**2) * 1.0


def new_ops() -> None:
    """A new op in the table, while others look one up."""
    name = f"attack {_number()}"
    ops.register(ops.Op(name, name, 1, lambda a: a, lambda out, a: (1.0,), "{0}", ("1",)))
    Value.apply(name, 1.0).backward()
    Value(1.0, (Value(2.0), Value(3.0)), "+")
    del ops.OPS[name]


JOBS = (
    a_hook,
    hooks_on_one_parameter,
    the_first_hook_of_a_node,
    in_steps,
    under_detect_anomaly,
    in_scopes,
    copies,
    new_ops,
)


def attack(seconds: float) -> Counts:
    """Run each in several threads at once, which switch as often as can be for half of the time."""
    counts, usual = Counts(), sys.getswitchinterval()
    for interval in (usual, 1e-6):
        sys.setswitchinterval(interval)
        for job in JOBS:
            _in_threads(job, seconds / len(JOBS) / 2.0, counts)
    sys.setswitchinterval(usual)
    if hooks.watched:
        counts.fail("afterwards", f"{len(hooks.watched)} nodes have hooks")
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
