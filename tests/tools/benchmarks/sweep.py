"""What sweeping costs: runs per second against a plain loop.

    python tests/tools/benchmarks/sweep.py [--rounds 7] [--runs 40]

In every round, a plain loop and the sweeps do the same runs, in random order, so that what slows the machine down for
a while slows all; a sweep's figure is the median over rounds of its rate divided by the loop's. The processes are
started, and have done the same once, before the first round. "Busy" is the processor time of this process, threads
included, which depends less on what else the machine is doing.

Two kinds of runs: one that does nothing, which shows what a run costs, and one of some 10 ms: forward and backward
through an RNN with 4 units over 50 steps, twice.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster

from tinygrad_rnn import RNNCell, total, unroll
from tinygrad_rnn.sweep import ProcessPool, sweep


def nothing(number: int, seed: int) -> dict[str, Any]:
    return {"number": number}


def gradient(number: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    cell = RNNCell(2, 4, seed=number)
    for _ in range(2):
        unrolled = unroll(cell, [[rng.gauss(0.0, 1.0), 1.0] for _ in range(50)])
        total(unrolled.h[50]).backward()
    return {"gradient": cell.parameters()[0].grad}


def measure(experiment: Callable[..., dict[str, Any]], runs: int, rounds: int, executors: dict[str, Executor]) -> None:
    settings = [(number,) for number in range(runs)]

    def loop() -> None:
        for setting in settings:
            experiment(*setting, seed=0)

    with tempfile.TemporaryDirectory() as folder:
        count = 0

        def swept(executor: Executor | None, on_file: bool) -> Callable[[], None]:
            def run() -> None:
                nonlocal count
                count += 1
                file = Path(folder, str(count)) if on_file else None
                records = sweep(experiment, settings, executor, file=file, progress=False)
                assert not any(record.failed for record in records)

            return run

        variants = {"plain loop": loop, "sweep": swept(None, False), "sweep, on file": swept(None, True)}
        variants |= {f"sweep, on file, {name}": swept(executor, True) for name, executor in executors.items()}
        seconds: dict[str, list[float]] = {name: [] for name in variants}
        busy: dict[str, list[float]] = {name: [] for name in variants}
        order = list(variants)
        rng = random.Random(0)
        for variant in variants.values():
            variant()
        for _ in range(rounds):
            rng.shuffle(order)
            for name in order:
                began, busy_before = time.perf_counter(), time.process_time()
                variants[name]()
                seconds[name].append(time.perf_counter() - began)
                busy[name].append(time.process_time() - busy_before)
    print(f"{experiment.__name__}, {runs} runs, {rounds} rounds")
    for name, times in seconds.items():
        ratios = [one / other for one, other in zip(seconds["plain loop"], times)]
        middle = statistics.median(times)
        print(
            f"  {name:30} {runs / middle:10,.0f} runs/s   {1e3 * middle / runs:8.3f} ms a run, "
            f"{1e3 * statistics.median(busy[name]) / runs:7.3f} of them busy   "
            f"{statistics.median(ratios):7.3g} of the loop ({min(ratios):.3g} to {max(ratios):.3g})",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--runs", type=int, default=40)
    args = parser.parse_args()
    with (
        ProcessPool(2) as pool,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        executors: dict[str, Executor] = {"2 processes": pool, "dask, 2 workers": client.get_executor(pure=False)}
        measure(gradient, args.runs, args.rounds, executors)
        measure(nothing, 10 * args.runs, args.rounds, executors)


if __name__ == "__main__":
    main()
