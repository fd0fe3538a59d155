"""What hooks, breakpoints, stepping and traces cost, to those who use them and to those who do not.

    python tests/tools/benchmarks/hooks.py [--rounds 60] [--against PATH]

Two variants at a time are run in turn, in one process, and compared by the median of the ratios of their times,
so that what slows the machine down for a while slows both. ``--against`` names the root of another checkout of this
package (from before hooks existed, say), with which building and ``backward()`` are compared in the same way.

The problem is an RNN step as it occurs in training: H = 16, D = 8, T = 35, about 29,000 nodes.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

Timed = Callable[[], float]


def load(root: Path) -> ModuleType:
    """The package of a checkout, beside any other that is loaded already."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "tinygrad_rnn"]:
        del sys.modules[name]
    sys.path.insert(0, str(root))
    try:
        return importlib.import_module("tinygrad_rnn")
    finally:
        sys.path.pop(0)


class Problem:
    """A cell and its inputs, made with one checkout of the package."""

    def __init__(self, package: ModuleType) -> None:
        self.package = package
        rng = random.Random(0)
        self.cell = package.RNNCell(8, 16, seed=0)
        self.inputs = [[rng.uniform(-1.0, 1.0) for _ in range(8)] for _ in range(35)]

    def build(self) -> Any:
        state = [self.package.Value(0.0) for _ in range(16)]
        for x in self.inputs:
            state = self.cell(x, state)
        return self.package.total(state)

    def time_build(self, context: Any = None) -> float:
        with context or nullcontext():
            start = time.perf_counter()
            self.build()
            return time.perf_counter() - start

    def time_backward(self, run: Callable[[Any], object], context: Any = None) -> float:
        self.cell.zero_grad()  # as a training step does
        loss = self.build()
        with context or nullcontext():
            start = time.perf_counter()
            run(loss)
            return time.perf_counter() - start


def compare(what: str, plain: Timed, other: Timed, rounds: int) -> None:
    """Print how much longer ``other`` takes than ``plain``."""
    pairs = []
    for i in range(rounds):
        if i % 2:
            pairs.append((plain(), other()))
        else:
            second, first = other(), plain()
            pairs.append((first, second))
        gc.collect()
    ratios = sorted(b / a for a, b in pairs)
    quartiles = ratios[len(ratios) // 4], ratios[3 * len(ratios) // 4]
    print(
        f"{what:62} {statistics.median(a for a, _ in pairs) * 1e3:7.2f} ms → "
        f"{statistics.median(b for _, b in pairs) * 1e3:7.2f} ms   × {statistics.median(ratios):.3f}"
        f"  (quartiles {quartiles[0]:.3f} … {quartiles[1]:.3f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--against", type=Path, metavar="PATH", help="the root of another checkout")
    args = parser.parse_args()
    here = Path(__file__).parents[3]
    earlier = Problem(load(args.against)) if args.against else None
    problem = Problem(load(here))
    package, rounds = problem.package, args.rounds
    gc.disable()

    def backward(loss: Any) -> None:
        loss.backward()

    def plain() -> float:
        return problem.time_backward(backward)

    if earlier:
        print(f"The earlier checkout → this one ({args.against} → {here}):")
        compare("build", earlier.time_build, problem.time_build, rounds)
        compare("backward()", lambda: earlier.time_backward(backward), plain, rounds)
        print()

    core = importlib.import_module("tinygrad_rnn.engine.backward")
    rewind = importlib.import_module("tinygrad_rnn.debugger.rewind")

    def bare(loss: Any) -> None:
        core.propagate({loss: 1.0})

    print("Nobody asked for anything:")
    compare("the walk by itself → backward()", lambda: problem.time_backward(bare), plain, rounds)
    elsewhere = package.Value(1.0)
    handle = elsewhere.register_hook(lambda gradient: None)
    compare("the same, with a hook on another graph", lambda: problem.time_backward(bare), plain, rounds)
    handle.remove()

    print("Somebody did:")
    parameter = problem.cell.W[0][0]

    def with_hook(loss: Any) -> None:
        with parameter.register_hook(lambda gradient: None):
            loss.backward()

    compare("backward() → with a hook on a parameter", plain, lambda: problem.time_backward(with_hook), rounds)
    compare(
        "backward() → backward_steps()",
        plain,
        lambda: problem.time_backward(lambda loss: loss.backward_steps().finish()),
        rounds,
    )
    compare(
        "backward() → a pass that can be taken back",
        plain,
        lambda: problem.time_backward(lambda loss: rewind.Rewindable(loss).finish()),
        rounds,
    )
    compare(
        "backward() → in detect_anomaly()",
        plain,
        lambda: problem.time_backward(backward, package.detect_anomaly()),
        rounds,
    )
    compare(
        "build → in trace_creation()", problem.time_build, lambda: problem.time_build(package.trace_creation()), rounds
    )


if __name__ == "__main__":
    main()
