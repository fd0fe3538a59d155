"""What a scope costs: to enter and leave one, and to a node that is created within it.

    python tests/tools/benchmarks/scopes.py [--rounds 200]

A scope here is never left in force by Ctrl-C, wherever that falls: a ``with`` statement holds a lock, a decorated
function is entered by one, and a call at a time step runs in a copy of the context. The peers are what is usual: a
class and a generator that set a context variable and reset it, which Ctrl-C can leave half-way.

All variants take turns in one process, in every other round in reverse order. What counts is the processor time of a
loop over the variant, without that of an empty loop, per turn: the median over the rounds. It needs nothing but the
package.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar, Token

from tinygrad_rnn import ScalarRNNCell, Value, detect_anomaly, no_grad, time_step, unroll
from tinygrad_rnn.engine.recording import call_at

TURNS = 1000
usual: ContextVar[int] = ContextVar("usual", default=0)


class UsualClass:
    """A context variable that is set and reset, by a class."""

    def __enter__(self) -> None:
        self.token: Token[int] = usual.set(1)

    def __exit__(self, *_: object) -> None:
        usual.reset(self.token)


@contextmanager
def usual_generator() -> Iterator[None]:
    """The same by a generator."""
    token = usual.set(1)
    try:
        yield
    finally:
        usual.reset(token)


def nothing() -> None:
    """What is called within a scope."""


decorated = no_grad()(nothing)
x, y, cell, inputs = Value(0.5), Value(0.6), ScalarRNNCell(), [0.1] * TURNS


def entries() -> dict[str, Callable[[], object]]:
    """Loops of so many turns over each variant."""

    def with_statement(context: Callable[[], object]) -> Callable[[], object]:
        def loop() -> None:
            for _ in range(TURNS):
                with context():  # type: ignore[attr-defined]
                    pass

        return loop

    def called(function: Callable[[], object]) -> Callable[[], object]:
        def loop() -> None:
            for _ in range(TURNS):
                function()

        return loop

    contexts: dict[str, Callable[[], object]] = {
        "with nullcontext()": nullcontext,
        "with a usual class": UsualClass,
        "with a usual generator": usual_generator,
        "with no_grad()": no_grad,
        "with time_step(3)": lambda: time_step(3),
        "with detect_anomaly()": detect_anomaly,
    }
    calls: dict[str, Callable[[], object]] = {
        "a function": nothing,
        "a function decorated with no_grad": decorated,
        "call_at(3, function)": lambda: call_at(3, nothing),
    }
    return {
        **{name: with_statement(context) for name, context in contexts.items()},
        **{name: called(function) for name, function in calls.items()},
    }


def multiply() -> None:
    """So many nodes."""
    for _ in range(TURNS):
        x * y


def within(context: Callable[[], object]) -> Callable[[], object]:
    """So many nodes within a scope."""

    def loop() -> None:
        with context():  # type: ignore[attr-defined]
            multiply()

    return loop


def by_hand() -> None:
    """A cell applied so many times, without time steps and names."""
    h = Value(0.0)
    for number in inputs:
        h = cell(number, h)


def nodes() -> dict[str, Callable[[], object]]:
    """Loops over nodes, and over time steps."""
    return {
        "x*y": multiply,
        "x*y within time_step(3)": within(lambda: time_step(3)),
        "x*y within time_step(3), twice": within_twice(),
        "x*y within call_at": lambda: call_at(3, multiply),
        "x*y within no_grad()": within(no_grad),
        "a time step of a ScalarRNNCell by hand": by_hand,
        "a time step of a ScalarRNNCell by unroll": lambda: unroll(cell, inputs),
    }


def within_twice() -> Callable[[], object]:
    """So many nodes within two scopes."""

    def loop() -> None:
        with time_step(3), time_step(4):
            multiply()

    return loop


def measure(loops: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Nanoseconds per turn, without those of an empty loop: medians over the rounds."""

    def empty() -> None:
        for _ in range(TURNS):
            pass

    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for i in range(rounds):
        for name, loop in list(loops.items())[:: -1 if i % 2 else 1]:
            start = time.process_time()
            empty()
            middle = time.process_time()
            loop()
            seconds[name].append((time.process_time() - middle) - (middle - start))
    return {name: statistics.median(taken) / TURNS * 1e9 for name, taken in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    print(f"Python {platform.python_version()}, nanoseconds a turn, medians of {rounds} rounds")
    for loops in (entries(), nodes()):
        for name, taken in measure(loops, rounds).items():
            print(f"{name:<45}{taken:8.0f}")


if __name__ == "__main__":
    main()
