"""Eager speed and memory against micrograd: build an RNN's graph and run backward().

The network has H = 16, D = 8, T = 35 by default. Three programs do the same arithmetic:

* micrograd: plain Python over micrograd's Value, with a tanh added as its users do;
* same code: the very same plain Python over our Value;
* RNNCell: our RNNCell, unroll and mse_loss.

They run in one process, in turn, so that whatever else the machine does hits all of them alike; what counts
is the ratio of the medians of processor time. Needs micrograd from PyPI.

    python tests/benchmarks/eager.py [--rounds 15] [--json FILE]
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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from micrograd.engine import Value as MicrogradValue

import tinygrad_rnn
from tinygrad_rnn import RNNCell, mse_loss, unroll
from tinygrad_rnn.engine.backward import topological_order

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
        draw = random.Random(0).uniform
        self.cell = RNNCell(inputs, hidden, seed=0)
        self.xs = [[draw(-1, 1) for _ in range(inputs)] for _ in range(steps)]
        self.targets = [draw(-1, 1) for _ in range(hidden)]

    def plain(self, value: type[Any]) -> Callable[[], Any]:
        """A program in plain Python over this Value class. Its parameters are made once."""
        W = [[value(w.data) for w in row] for row in self.cell.W]
        U = [[value(u.data) for u in row] for row in self.cell.U]
        b = [value(entry.data) for entry in self.cell.b or ()]
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

    def cells(self) -> Callable[[], Any]:
        """The same by RNNCell, unroll and mse_loss."""
        cell = self.cell

        def step() -> Any:
            cell.zero_grad()
            loss = mse_loss(unroll(cell, self.xs).h[len(self.xs)], self.targets)
            loss.backward()
            return loss, cell.parameters()

        return step


def nodes_below(root: Any) -> int:
    """The number of nodes that the root reaches, for either Value class."""
    if isinstance(root, tinygrad_rnn.Value):
        return len(topological_order(root))
    seen, to_visit = {root}, [root]
    while to_visit:
        fresh = to_visit.pop()._prev - seen
        seen |= fresh
        to_visit += fresh
    return len(seen)


def disagreement(programs: Sequence[Callable[[], Any]]) -> float:
    """The largest relative difference between the gradients of the programs: they must do the same work."""
    gradients = [[p.grad for p in program()[1]] for program in programs]
    scale = max(map(abs, gradients[0]))
    return max(abs(a - b) / scale for other in gradients[1:] for a, b in zip(gradients[0], other))


def times(programs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each program in each round; the rounds interleave the programs."""
    result: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            gc.collect()
            start = time.process_time()
            kept = program()
            result[name].append(time.process_time() - start)
            del kept  # freeing the graph is not timed for anyone
    return result


def bytes_per_node(program: Callable[[], Any]) -> tuple[int, float, float]:
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


def rows(hidden: int, inputs: int, steps: int, rounds: int) -> Iterator[dict[str, Any]]:
    """One row per program."""
    problem = Problem(hidden, inputs, steps)
    programs = {
        "micrograd": problem.plain(MicrogradValue),
        "same code": problem.plain(tinygrad_rnn.Value),
        "RNNCell": problem.cells(),
    }
    worst = disagreement(list(programs.values()))
    if worst > 1e-12:
        raise SystemExit(f"the programs disagree by {worst:.2g}: there is nothing to compare")
    seconds = times(programs, rounds)
    memory = {name: bytes_per_node(program) for name, program in programs.items()}
    reference = statistics.median(seconds["micrograd"])
    reference_held, reference_peak = memory["micrograd"][1:]
    for name in programs:
        median = statistics.median(seconds[name])
        nodes, held, peak = memory[name]
        yield {
            "program": name,
            "nodes": nodes,
            "median_seconds": median,
            "fastest_seconds": min(seconds[name]),
            "times_faster": reference / median,
            "bytes_per_node": held,
            "peak_bytes_per_node": peak,
            "memory_share": held / reference_held,
            "peak_memory_share": peak / reference_peak,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--inputs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=35)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    table = list(rows(arguments.hidden, arguments.inputs, arguments.steps, arguments.rounds))
    print(
        f"H={arguments.hidden} D={arguments.inputs} T={arguments.steps}, Python {platform.python_version()}, "
        f"medians of {arguments.rounds} interleaved rounds"
    )
    print(
        f"{'program':<12}{'nodes':>8}{'build+backward':>16}{'faster':>9}"
        f"{'bytes/node':>12}{'share':>7}{'at peak':>9}{'share':>7}"
    )
    for row in table:
        print(
            f"{row['program']:<12}{row['nodes']:>8}{row['median_seconds'] * 1e3:>13.1f} ms{row['times_faster']:>8.1f}×"
            f"{row['bytes_per_node']:>12.0f}{row['memory_share']:>7.2f}"
            f"{row['peak_bytes_per_node']:>9.0f}{row['peak_memory_share']:>7.2f}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
