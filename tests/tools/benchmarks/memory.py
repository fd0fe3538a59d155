"""Does memory grow with the number of compilations, or of runs?

    python tests/tools/benchmarks/memory.py [--count 10000]

A small graph and (a tenth as often: 1,000 times) a small recurrence are compiled again and again, and one program of
each is run again and again, the recurrence also over sequences of all lengths.
Printed is the resident memory after every tenth part, and its growth per compilation, or run, over the last half.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tinygrad_rnn import RNNCell, Value, mse_loss
from tinygrad_rnn.compile import Recurrence, Vector, compile


def resident() -> int:
    """Resident memory of this process in bytes."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def measure(name: str, count: int, act: Callable[[int], object]) -> None:
    """Act so many times, and print how memory grew."""
    began, sizes = time.perf_counter(), []
    for i in range(count):
        act(i)
        if (i + 1) % (count // 10) == 0:
            sizes.append(resident())
            print(f"{name}: {i + 1} of {count}, {sizes[-1] / 2**20:.2f} MB", file=sys.stderr, flush=True)
    per_act = (sizes[-1] - sizes[4]) / (count // 2)
    seconds = time.perf_counter() - began
    shown = ", ".join(f"{size / 2**20:.2f}" for size in sizes)
    print(f"{name}: {shown} MB; {per_act:+.1f} bytes each over the last half; {1000 * seconds / count:.2f} ms each")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    count = max(10, parser.parse_args().count)
    a = Value(0.5)
    root, cell, x, target = (a * a + a).tanh(), RNNCell(1, 2), [[[0.5]] * 3], [[[0.5, 0.5]] * 3]

    def recurrence() -> Recurrence:
        return Recurrence(cell, Vector(1), mse_loss, Vector(2))

    def run_of_any_length(i: int) -> None:
        T = 3 + i % 1000
        recurrent.forward_backward([[[0.5]] * T], [[[0.5, 0.5]] * T])

    program, recurrent = compile(root), recurrence()
    measure("runs of a graph", count, lambda i: program.forward_backward([0.01 * i]))
    measure("runs of a recurrence", count, lambda i: recurrent.forward_backward(x, target))
    measure("runs of a recurrence, 3 to 1002 steps", max(10, count // 10), run_of_any_length)
    measure("compilations of a graph", count, lambda i: compile(root).forward_backward([0.01]))
    measure("compilations of a recurrence", max(10, count // 10), lambda i: recurrence().forward_backward(x, target))


if __name__ == "__main__":
    main()
