"""Mutation testing: does a test fail when the code is wrong?

    pip install coverage
    python -m tests.mutation ops value backward bptt/chain --fraction 0.5 --minutes 20

Each mutant lives in a process of its own, which imports the mutated module instead of the one on disk and runs
the tests that cover the mutated line, the fastest first, until one fails. Nothing is written but the log. Processes
that tests start themselves see no mutants, so tests that only start processes kill none.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coverage
import pytest

from .mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tinygrad_rnn"
QUIET = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "--hypothesis-seed=0"]
SLOW = 4.0  # seconds of CPU that a test may take to take part
MOST = 20.0  # seconds of CPU for the tests of a mutant
LIMIT = 60  # seconds of CPU after which a mutant counts as hung, and so as killed


class Timed:
    """A pytest plugin: which test runs which lines, and how long it takes."""

    def __init__(self, watch: coverage.Coverage) -> None:
        self.watch = watch
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Any:
        self.watch.switch_context(item.nodeid)
        begun = time.process_time()
        result = yield
        self.seconds[item.nodeid] = time.process_time() - begun
        self.watch.switch_context("")
        return result


class Chosen:
    """A pytest plugin: run these tests only, in this order."""

    def __init__(self, tests: list[str]) -> None:
        self.place = {test: i for i, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self.place), key=lambda i: self.place[i.nodeid])


def in_child(work: Callable[[], int], limit: int | None = None) -> int | None:
    """The exit code of a forked process; None if it took more than so many seconds of CPU."""
    child = os.fork()
    if not child:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        code = 70
        try:
            code = int(work())
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return None if code in (-signal.SIGXCPU, -signal.SIGKILL) else code


def map_tests(files: list[str], cache: Path) -> dict[str, Any]:
    """Which tests run which lines of the package: ``lines[module][line]`` lists them; and their seconds."""
    if not cache.exists():

        def work() -> int:
            watch = coverage.Coverage(data_file=None, source=[str(PACKAGE)])
            watch.start()
            timed = Timed(watch)
            code = pytest.main([*QUIET, *files], plugins=[timed])
            watch.stop()
            data = watch.get_data()
            lines = {str(Path(f).relative_to(PACKAGE)): data.contexts_by_lineno(f) for f in data.measured_files()}
            cache.write_text(json.dumps({"lines": lines, "seconds": timed.seconds}))
            return code

        if in_child(work) != 0:
            cache.unlink(missing_ok=True)
            sys.exit("the tests fail without any mutant")
    found: dict[str, Any] = json.loads(cache.read_text())
    return found


def covering(mutant: Mutant, module: str, known: dict[str, Any]) -> list[str]:
    """The tests that run the mutated line; for a line that is only run on import, all that run the module."""
    lines, seconds = known["lines"][module], known["seconds"]

    def tests(numbers: range) -> set[str]:
        return {test for n in numbers for test in lines.get(str(n), ()) if test}

    first, last = mutant.statement
    found = tests(range(mutant.line, mutant.line + 1)) or tests(range(first, last + 1))
    if not found and any(str(n) in lines for n in range(first, last + 1)):
        found = {test for each in lines.values() for test in each if test}
    chosen, total = [], 0.0
    for test in sorted(found, key=seconds.__getitem__):
        total += seconds[test]
        if seconds[test] > SLOW or total > MOST:
            break
        chosen.append(test)
    return chosen


def outcome(mutant: Mutant, path: Path, tests: list[str]) -> str:
    """``killed``, ``hung`` or ``survived``; ``uncovered`` if no test runs the line."""
    if not tests:
        return "uncovered"

    def work() -> int:
        original = importlib.machinery.SourceFileLoader.get_code

        def get_code(self: Any, name: str) -> Any:
            if self.path != str(path):
                return original(self, name)
            return compile(mutant.tree, str(path), "exec", dont_inherit=True)

        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
        files = sorted({test.partition("::")[0] for test in tests})
        return pytest.main([*QUIET, *files], plugins=[Chosen(tests)])

    code = in_child(work, LIMIT)
    return "hung" if code is None else "killed" if code else "survived"


def main() -> None:
    """Kill what can be killed, and list what cannot."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="+", help="below tinygrad_rnn/, without .py: ops, bptt/chain, ...")
    parser.add_argument("--tests", nargs="+", required=True, metavar="FILE", help="test files")
    parser.add_argument("--fraction", type=float, default=1.0, help="of the mutants, chosen at random (1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this time")
    parser.add_argument("--lines", type=int, nargs="+", help="only mutants of these lines")
    parser.add_argument("--log", type=Path, default=Path("mutants.jsonl"), help="one line per mutant is appended")
    parser.add_argument("--map", type=Path, default=Path("mutants.map.json"), help="kept for the next run")
    args = parser.parse_args()
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(args.map.resolve().parent / "hypothesis")
    known = map_tests(args.tests, args.map)
    import hypothesis  # noqa: F401  once, and not once per mutant; nor these
    import mpmath  # noqa: F401
    import numpy  # noqa: F401

    end = time.monotonic() + 60.0 * args.minutes
    for module in args.modules:
        path = PACKAGE / f"{module}.py"
        every = list(mutants(path.read_text(encoding="utf-8")))
        if args.lines:
            every = [mutant for mutant in every if mutant.line in args.lines]
        sample = random.Random(args.seed).sample(every, round(args.fraction * len(every)))
        counts: dict[str, int] = {}
        for mutant in sorted(sample, key=lambda mutant: mutant.line):
            if time.monotonic() > end:
                print("out of time")
                break
            found = outcome(mutant, path, covering(mutant, f"{module}.py", known))
            counts[found] = counts.get(found, 0) + 1
            record = {"module": module, "line": mutant.line, "before": mutant.before, "after": mutant.after}
            with args.log.open("a", encoding="utf-8") as log:
                log.write(json.dumps({**record, "outcome": found}) + "\n")
            if found in ("survived", "uncovered"):
                print(f"{module}.py:{mutant.line}: {found}: {mutant.before}   ->   {mutant.after}", flush=True)
        print(f"{module}: {len(every)} mutants, {sum(counts.values())} tried: {counts}", flush=True)


if __name__ == "__main__":
    main()
