"""Threads that share a compiled program from its first use on, and its model: right numbers, and nothing is lost."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tinygrad_rnn import Linear, Value, cross_entropy, mse_loss, no_grad
from tinygrad_rnn.compile import Recurrence, Symbols, Vector, compile
from tinygrad_rnn.nn import LSTMCell

from . import Counts

THREADS = 4
X, Y = [[[0.1, 0.2, 0.3, 0.4]] * 5] * 3, [[[0.1]] * 5] * 3
LONGER = [X[0] * 40], [Y[0] * 40]


def uses(program: Recurrence) -> list[Callable[[], Any]]:
    """Ways to use a program whose results do not depend on others."""

    def eagerly() -> Any:
        with no_grad():
            loss = program.eager(X[0], Y[0])[1]
        return loss and loss.data

    return [
        lambda: list(program.forward_backward(X, Y).gradients),
        lambda: list(program.forward_backward(*LONGER, window=7).gradients),
        lambda: program.forward(X, Y).loss,
        lambda: program.predict(X).tolist(),
        lambda: program.inspect(X[0], Y[0]).gradient("h_2[1]"),
        eagerly,
    ]


def make(seed: int) -> Recurrence:
    """A program that nobody has used."""
    return Recurrence(LSTMCell(4, 3, seed=seed), Vector(4), mse_loss, Vector(1), Linear(3, 1, seed=1))


def _used_for_the_first_time(seed: int, counts: Counts) -> None:
    expected = [use() for use in uses(make(seed))]
    fresh = make(seed)
    before = [parameter.data for parameter in fresh.parameters]
    ways = uses(fresh) * 2
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(_result_of, ways[seed % len(ways) :] + ways[: seed % len(ways)]))
    counts.tried["first uses"] += len(found)
    right = (expected * 2)[seed % len(ways) :] + (expected * 2)[: seed % len(ways)]
    for result, wanted in zip(found, right):
        if repr(result) != repr(wanted):  # where weights are symbols, == is one also
            counts.fail("first uses", f"{result!r:.200} instead of {wanted!r:.200}")
    if any(type(now.data) is not float or now.data != data for now, data in zip(fresh.parameters, before)):
        counts.fail("first uses", "a parameter has another number")


def _result_of(use: Callable[[], Any]) -> Any:
    try:
        return use()
    except Exception as error:
        return repr(error)


def _made_at_once(seed: int, counts: Counts) -> None:
    """Several programs of one model, made and used at once, and graphs."""
    cell, readout = LSTMCell(4, 3, seed=seed), Linear(3, 4, seed=1)
    a = Value(0.5)
    root = (a * a).tanh()

    def one(i: int) -> Any:
        if i % 3 == 0:
            return compile(root).forward_backward([0.5])[0]
        program = Recurrence(cell, Symbols(4), cross_entropy, Symbols(4), readout)
        return program.forward_backward([[1, 2, 3]], [[0, 1, 2]]).loss

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda i: _result_of(lambda: one(i)), range(6)))
    counts.tried["made at once"] += len(found)
    for i, result in enumerate(found):
        if repr(result) != repr(root.data if i % 3 == 0 else found[1]) or isinstance(result, str):
            counts.fail("made at once", f"{found!r:.300}")


def attack(seconds: float) -> Counts:
    """Share programs until the time is up."""
    counts, end, seed, interval = Counts(), time.monotonic() + seconds, 0, sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        while time.monotonic() < end:
            seed += 1
            _used_for_the_first_time(seed, counts)
            _made_at_once(seed, counts)
    finally:
        sys.setswitchinterval(interval)
    return counts
