"""Mutation testing: does a test fail when the code is wrong?

    pip install coverage
    python -m tests.tools.mutation engine/ops engine/backward bptt/chain --tests tests/engine/test_ops.py ...

The tests are imported once. Each mutant lives in a process forked from there, whose functions get the mutant's code,
and which runs the tests that run the mutated line, the fastest first, until one fails. If the line is run by imports,
the process is forked before them and imports the mutated module. Time is that of the processor, so that the load of
the machine does not matter. Nothing is written but the log and what is known of the tests, which a further run reads.
Processes that tests start themselves see no mutants, so tests that only start processes kill none.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from .known import PACKAGE, Known, import_modules
from .mutants import Mutant, mutants
from .swap import Replacements, functions, replacements, swap
from .trial import QUIET, UNCOVERED, Alone, Outcome, Warm, import_mutant, in_child, run_cold, temporary

Candidate = tuple[str, Mutant]  # the module, below the package and without .py, and the mutant


class Log:
    """How mutants went, a line of JSON for each trial."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, candidate: Candidate, outcome: Outcome) -> None:
        """Add a line."""
        module, mutant = candidate
        record = {
            "module": module,
            "line": mutant.line,
            "text": mutant.source.splitlines()[mutant.line - 1].strip(),
            "before": mutant.before,
            "after": mutant.after,
            "place": mutant.place,
            "outcome": outcome.what,
            "by": outcome.by,
            "seconds": round(outcome.seconds, 2),
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def size(self) -> int:
        """The number of lines."""
        return len(self._lines())

    def outcomes(self, begin: int = 0) -> dict[tuple[object, ...], str]:
        """Mutants, each as it went last, from some line on."""
        records = map(json.loads, self._lines()[begin:])
        return {(r["module"], r["before"], r["after"], *r["place"]): r["outcome"] for r in records}

    def _lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []


def identity(candidate: Candidate) -> tuple[object, ...]:
    """What tells a mutant from the others."""
    module, mutant = candidate
    return module, mutant.before, mutant.after, *mutant.place


def path_of(module: str) -> Path:
    """Where a module is."""
    return PACKAGE / f"{module}.py"


def try_warm(candidates: list[Candidate], known: Known, files: list[str], log: Log, end: float) -> None:
    """Try those mutants whose mistake can be brought into a process that has imported everything."""
    alone = Alone(known.seconds)

    def work(warm: Warm) -> None:
        import_modules({module for module, _ in candidates})
        held = functions(PACKAGE)
        gc.freeze()  # so that a child shares what it does not touch
        for module, mutant in candidates:
            if time.monotonic() > end:
                break
            new = None if known.at_import(mutant, module) else replacements(mutant, path_of(module), held)
            if new is not None:
                tests = known.covering(mutant, module)

                def run(new: Replacements = new, tests: list[str] = tests) -> str:
                    swap(new)
                    return warm.run(tests)

                log.add((module, mutant), in_child(run) if tests else UNCOVERED)

    def collect() -> str:
        pytest.main([*QUIET, *temporary(), *files], plugins=[alone, Warm(alone, work)])
        return ""

    in_child(collect, limited=False)


def try_cold(candidates: list[Candidate], known: Known, log: Log, end: float) -> None:
    """Try mutants, each in a process that imports everything anew."""
    for module, mutant in candidates:
        if time.monotonic() > end:
            break
        tests = known.covering(mutant, module)

        def run(module: str = module, mutant: Mutant = mutant, tests: list[str] = tests) -> str:
            import_mutant(mutant, path_of(module))
            return run_cold(tests, known.seconds)

        log.add((module, mutant), in_child(run) if tests else UNCOVERED)


def main() -> None:
    """Try mutants, and count how they went."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.mutation", description=__doc__)
    parser.add_argument("modules", nargs="+", help="below tinygrad_rnn/, without .py: engine/ops, bptt/chain, ...")
    parser.add_argument("--tests", nargs="+", required=True, metavar="FILE", help="test files")
    parser.add_argument("--fraction", type=float, default=1.0, help="of the mutants, chosen at random (1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this time")
    parser.add_argument("--log", type=Path, default=Path("mutants.jsonl"), help="what it has is not tried again")
    parser.add_argument("--again", nargs="+", default=[], metavar="OUTCOME", help="only these: survived hung")
    parser.add_argument("--cold", action="store_true", help="import everything anew for every mutant")
    parser.add_argument("--known", type=Path, default=Path("mutants.json"), help="of the tests; kept for the next run")
    args = parser.parse_args()
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(args.known.resolve().parent / "hypothesis")
    known = Known.of(args.tests, args.modules, args.known)
    log, end = Log(args.log), time.monotonic() + 60.0 * args.minutes

    every = [(module, mutant) for module in args.modules for mutant in mutants(path_of(module).read_text("utf-8"))]
    sample = {identity(each) for each in random.Random(args.seed).sample(every, round(args.fraction * len(every)))}
    begin, done = log.size(), log.outcomes()
    candidates = [each for each in every if identity(each) in sample]
    candidates = [each for each in candidates if done.get(identity(each)) in (args.again or [None])]
    if not args.cold:
        try_warm(candidates, known, args.tests, log, end)
    tried = log.outcomes(begin)
    import mpmath  # noqa: F401  once, and not once per mutant; nor numpy
    import numpy  # noqa: F401

    try_cold([each for each in candidates if identity(each) not in tried], known, log, end)

    found = log.outcomes()
    for module in args.modules:
        outcomes = [found.get(identity(each), "not tried") for each in every if each[0] == module]
        print(f"{module}: {len(outcomes)} mutants: {dict(Counter(outcomes))}")


if __name__ == "__main__":
    main()
