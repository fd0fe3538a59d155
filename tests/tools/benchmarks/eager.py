"""Eager speed and memory against micrograd: build an RNN's graph and run backward().

The network has H = 16, D = 8, T = 35 by default. Three programs do the same arithmetic:

* micrograd: plain Python over micrograd's Value, with a tanh added as its users do;
* same code: the very same plain Python over our Value;
* RNNCell: our RNNCell, unroll and mse_loss.

``--against`` names the root of an earlier checkout of this package, whose two programs join them.

All run in one process, in turn, so that whatever else the machine does hits all of them alike; what counts is the
median of the ratios of processor time within a round. Python's cyclic garbage collector decides much of the comparison
(a graph of micrograd is full of cycles, one of ours has none), and so does the version of Python: every program runs
with the collector on and off, and the Python that runs it is named. Run it with several. Needs micrograd from PyPI.

    python tests/tools/benchmarks/eager.py [--rounds 15] [--against PATH] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import platform
import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from hooks import load
from micrograd.engine import Value as MicrogradValue

Program = Callable[[], Any]

sys.setrecursionlimit(1_000_000)  # micrograd sorts its graph by recursion


def tanh(self: Any) -> Any:
    """The tanh that micrograd's Value lacks, as its users add it."""
    out = MicrogradValue(math.tanh(self.data), (self,), "tanh")

    def _backward() -> None:
        self.grad += (1 - out.data * out.data) * out.grad

    out._backward = _backward
    return out


MicrogradValue.tanh = tanh


class Problem:
    """The numbers that all programs share: inputs, targets, starting weights."""

    def __init__(self, hidden: int, inputs: int, steps: int) -> None:
        rng = random.Random(0)

        def rows(height: int, width: int, bound: float) -> list[list[float]]:
            return [[rng.uniform(-bound, bound) for _ in range(width)] for _ in range(height)]

        self.xs, (self.targets,) = rows(steps, inputs, 1.0), rows(1, hidden, 1.0)
        bound = 1.0 / math.sqrt(hidden)
        self.W, self.U, (self.b,) = rows(hidden, hidden, bound), rows(hidden, inputs, bound), rows(1, hidden, bound)

    def plain(self, value: type[Any]) -> Program:
        """A program in plain Python over this Value class. Its parameters are made once."""
        W, U, (b,) = ([[value(number) for number in row] for row in rows] for rows in (self.W, self.U, [self.b]))
        parameters = [p for rows in (W, U, [b]) for row in rows for p in row]

        def step() -> Any:
            for p in parameters:
                p.grad = 0.0
            h = [value(0.0) for _ in b]
            for numbers in self.xs:
                x = [value(number) for number in numbers]
                h = [
                    (sum((w * v for w, v in zip(Wi, h)), sum((u * v for u, v in zip(Ui, x)), bi))).tanh()
                    for Wi, Ui, bi in zip(W, U, b)
                ]
            loss = sum(((hi - target) ** 2 for hi, target in zip(h, self.targets)), value(0.0)) * (1.0 / len(h))
            loss.backward()
            return loss, parameters

        return step

    def cells(self, package: ModuleType) -> Program:
        """The same by RNNCell, unroll and mse_loss of a checkout of this package."""
        cell = package.RNNCell(len(self.U[0]), len(self.W))
        for rows, numbers in ((cell.W, self.W), (cell.U, self.U), ([cell.b], [self.b])):
            for row, row_of_numbers in zip(rows, numbers):
                for parameter, number in zip(row, row_of_numbers):
                    parameter.data = number

        def step() -> Any:
            cell.zero_grad()
            loss = package.mse_loss(package.unroll(cell, self.xs).h[len(self.xs)], self.targets)
            loss.backward()
            return loss, cell.parameters()

        return step


def nodes_below(root: Any) -> int:
    """The number of nodes that the root reaches, for any Value class."""
    seen, to_visit = {root}, [root]
    while to_visit:
        fresh = set(to_visit.pop()._prev) - seen
        seen |= fresh
        to_visit += fresh
    return len(seen)


def disagreement(programs: Sequence[Program]) -> float:
    """The largest relative difference between the gradients of the programs: they must do the same work."""
    gradients = [[p.grad for p in program()[1]] for program in programs]
    scale = max(map(abs, gradients[0]))
    return max(abs(a - b) / scale for other in gradients[1:] for a, b in zip(gradients[0], other))


def times(programs: Mapping[str, Program], rounds: int, collecting: bool) -> dict[str, list[float]]:
    """Seconds of each program in each round; the programs take turns, in every other round in reverse order."""
    result: dict[str, list[float]] = {name: [] for name in programs}
    for i in range(rounds):
        for name, program in list(programs.items())[:: -1 if i % 2 else 1]:
            gc.collect()
            (gc.enable if collecting else gc.disable)()
            start = time.process_time()
            kept = program()
            result[name].append(time.process_time() - start)
            gc.enable()
            del kept  # freeing the graph is not timed for anyone
    return result


def ratio(seconds: Mapping[str, Sequence[float]], other: str, name: str) -> float | None:
    """How many times as long another program takes: the median over the rounds."""
    if other == name or other not in seconds:
        return None
    return statistics.median(a / b for a, b in zip(seconds[other], seconds[name]))


def bytes_per_node(program: Program) -> tuple[int, float, float]:
    """Nodes of the graph, bytes per node that it holds after backward(), and bytes per node at the peak."""
    program()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    root, _ = program()
    gc.collect()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    count = nodes_below(root)
    return count, (held - before) / count, (peak - before) / count


EARLIER = ", earlier"  # what the name of a program of the earlier checkout ends with


def rows(programs: Mapping[str, Program], rounds: int) -> list[dict[str, Any]]:
    """One row per program and setting of the collector."""
    worst = disagreement(list(programs.values()))
    if worst > 1e-12:
        raise SystemExit(f"the programs disagree by {worst:.2g}: there is nothing to compare")
    memory = {name: bytes_per_node(program) for name, program in programs.items()}
    found = []
    for collecting in (True, False):
        seconds = times(programs, rounds, collecting)
        for name in programs:
            nodes, held, peak = memory[name]
            found.append(
                {
                    "python": platform.python_version(),
                    "collector": "on" if collecting else "off",
                    "program": name,
                    "nodes": nodes,
                    "median_seconds": statistics.median(seconds[name]),
                    "fastest_seconds": min(seconds[name]),
                    "micrograd_takes": ratio(seconds, "micrograd", name),
                    "earlier_takes": ratio(seconds, name + EARLIER, name),
                    "bytes_per_node": held,
                    "peak_bytes_per_node": peak,
                }
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--inputs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=35)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--against", type=Path, metavar="PATH", help="the root of an earlier checkout")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    problem = Problem(args.hidden, args.inputs, args.steps)
    programs = {"micrograd": problem.plain(MicrogradValue)}
    roots = {EARLIER: args.against} if args.against else {}
    for which, root in {**roots, "": Path(__file__).parents[3]}.items():
        package = load(root)
        programs["same code" + which] = problem.plain(package.Value)
        programs["RNNCell" + which] = problem.cells(package)
    table = rows(programs, args.rounds)

    print(
        f"Python {platform.python_version()}, H={args.hidden} D={args.inputs} T={args.steps}; build + backward(), "
        f"medians of {args.rounds} rounds; × how many times as long the other takes, median of the ratios"
    )
    heads = ("collector", "program", "nodes", "time", "micrograd", "earlier", "bytes/node", "at peak")
    form = "{:<11}{:<20}{:>7}{:>11}{:>11}{:>9}{:>12}{:>9}"
    print(form.format(*heads))
    for row in table:
        factors = [f"× {row[key]:.2f}" if row[key] else "" for key in ("micrograd_takes", "earlier_takes")]
        memory = [f"{row[key]:.0f}" for key in ("bytes_per_node", "peak_bytes_per_node")]
        time_taken = f"{row['median_seconds'] * 1e3:.1f} ms"
        print(form.format(row["collector"], row["program"], row["nodes"], time_taken, *factors, *memory))
    if args.json:
        args.json.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
