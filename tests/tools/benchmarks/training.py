"""What every task reaches with the settings that ``tinygrad-rnn train`` has for it: the table of `README.md`, here.

python tests/tools/benchmarks/training.py [--seeds 0 1 2] [--tasks adding latch] [--engine eager]

Prints a row per task, with a figure per seed: the steps taken, the CPU seconds they took (validations included), and
the error on sequences that were neither trained nor validated on (of text and series, on the held-out part).
"""

from __future__ import annotations

import argparse
import time

from tinygrad_rnn.cli.training import DEFAULTS, ENGINES, arguments, build, with_defaults
from tinygrad_rnn.train import train, validate

FRESH = 256


def row(name: str, seeds: list[int], engine: str) -> str:
    steps, seconds, errors = [], [], []
    for seed in seeds:
        options = with_defaults({"task": name, "seed": seed, "engine": engine})
        task, model, optimizer, scheduler = build(options)
        began = time.process_time()
        history = train(model, task, *arguments(options, optimizer, scheduler), progress=False)
        seconds.append(f"{time.process_time() - began:.0f}")
        steps.append(str(len(history.rows)))
        errors.append(f"{validate(model, task, task.validation(FRESH, seed=1))[1]:.3g}")
    network = f"{options['cell'].upper()}, {options['hidden']} units"
    figures = " | ".join(", ".join(each) for each in (steps, seconds, errors))
    return f"| {name} | {network} | {figures} | {task.metric} | {task.baseline:.3g} | {task.goal:.3g} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--tasks", nargs="+", choices=sorted(DEFAULTS), default=list(DEFAULTS))
    parser.add_argument("--engine", choices=ENGINES, default="eager")
    args = parser.parse_args()
    print("| task | network | steps | CPU seconds | reached | what is measured | trivially | criterion |")
    print("|---|---|---|---|---|---|---|---|")
    for name in args.tasks:
        print(row(name, args.seeds, args.engine), flush=True)
