"""Memory that runs out, at any allocation of a compiled program: then the next runs give the right numbers."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from typing import Any

from tinygrad_rnn import Linear, Value, mse_loss
from tinygrad_rnn.compile import Recurrence, Vector, boundary, compile, graph, machine, recurrence
from tinygrad_rnn.nn import LSTMCell

from . import Counts

LENGTHS = (3, 30, 300, 3000)


class RunningOut:
    """`boundary.doubles`, until it has been called ``left`` times."""

    def __init__(self) -> None:
        self.doubles, self.left = boundary.doubles, -1

    def __call__(self, count: int) -> Any:
        self.left -= 1
        if self.left == 0:
            raise MemoryError
        return self.doubles(count)


def x(B: int, T: int) -> list[list[list[float]]]:
    """Inputs and targets."""
    return [[[0.1]] * T] * B


def attack(seconds: float) -> Counts:
    """Let memory run out, and run again, shorter and longer."""
    counts, rng, end, running_out = Counts(), random.Random(0), time.monotonic() + seconds, RunningOut()
    for module in (graph, machine, recurrence):
        module.doubles = running_out  # type: ignore[attr-defined]

    def make() -> Recurrence:
        return Recurrence(LSTMCell(1, 4), Vector(1), mse_loss, Vector(1), Linear(4, 1), lanes=2)

    root = Value(0.5) * Value(0.25)
    program, whole, right = make(), compile(root), {}
    for B in (1, 3):
        for T in LENGTHS:
            right[B, T] = list(program.forward_backward(x(B, T), x(B, T)).gradients)
    while time.monotonic() < end:
        if rng.random() < 0.2:
            program = make()
        for _ in range(5):
            B, T, window = rng.choice([1, 3]), rng.choice(LENGTHS), rng.choice([None, None, 2])
            running_out.left = rng.randint(-1, 16)
            with suppress(MemoryError):
                program.forward_backward(x(B, T), x(B, T), window=window)
                program.forward(x(B, T), x(B, T))
                program.predict(x(B, T))
                whole.run_on_values()
                whole.forward_backward([0.1, 0.2])
            running_out.left = -1
            B, T = rng.choice([1, 3]), rng.choice(LENGTHS)
            counts.tried["runs"] += 1
            if list(program.forward_backward(x(B, T), x(B, T)).gradients) != right[B, T]:
                counts.fail("runs", f"other gradients of {B} × {T}")
            if list(whole.forward_backward([0.1, 0.2])[1]) != [0.2, 0.1]:
                counts.fail("runs", "other gradients of a graph")
    return counts
