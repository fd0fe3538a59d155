"""What is known of the tests without any mutant: which lines each runs, and how long it takes."""

from __future__ import annotations

import functools
import gc
import importlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import coverage
import pytest

from .mutants import Mutant
from .trial import QUIET, Alone, Warm, in_child, temporary

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "tinygrad_rnn"
SLOW = 4.0  # seconds of CPU that a test may take to take part
COVERING, OTHERS = (
    25.0,
    10.0,
)  # seconds of CPU for the tests of a mutant: those that run the line, and those beside them

Lines = dict[str, dict[str, list[str]]]  # module, line number -> tests; "" for the time before the first test


class Known:
    """What is known of the tests that pass.

    Attributes:
        lines: per module and line number, the tests that run it; ``""`` stands for imports.
        seconds: of CPU that each test takes alone.
    """

    def __init__(self, lines: Lines, seconds: dict[str, float]) -> None:
        self.lines, self.seconds = lines, seconds

    @classmethod
    def of(cls, files: list[str], modules: list[str], cache: Path) -> Known:
        """Of the tests in these files: from the cache, or by running all twice: with coverage, and each alone."""
        if not cache.exists():
            found, alone = cache.with_suffix(".lines"), cache.with_suffix(".alone")
            in_child(lambda: _run_with_coverage(files, modules, found), limited=False)
            in_child(lambda: _run_each_alone(files, alone), limited=False)
            cache.write_text(f'{{"lines": {found.read_text()}, "seconds": {alone.read_text()}}}')
        known = json.loads(cache.read_text())
        given = {file.partition("::")[0] for file in files}
        seconds = {test: took for test, took in known["seconds"].items() if test.partition("::")[0] in given}
        return cls(known["lines"], seconds)

    def at_import(self, mutant: Mutant, module: str) -> bool:
        """Whether the mutated statement is also run before the first test."""
        first, last = mutant.statement
        lines = self.lines[f"{module}.py"]
        return any("" in lines.get(str(n), ()) for n in (mutant.line, *range(first, last + 1)))

    def covering(self, mutant: Mutant, module: str) -> list[str]:
        """The tests to run, the fastest first: those that run the mutated line, then the others of their files.

        The others are there for results that one test computes and another looks at. If only imports run the line, all
        tests are taken that run the module, and if none does that (a module of nothing but constants), all.
        """
        lines, (first, last) = self.lines[f"{module}.py"], mutant.statement

        def tests(numbers: Iterable[int]) -> set[str]:
            return {test for n in numbers for test in lines.get(str(n), ())} & self.seconds.keys()

        found = tests([mutant.line]) or tests(range(first, last + 1))
        if not found and self.at_import(mutant, module):
            found = tests(map(int, lines)) or set(self.seconds)
        files = {test.partition("::")[0] for test in found}
        beside = {test for test in self.seconds if test.partition("::")[0] in files} - found
        return [*self._fastest(found, COVERING), *self._fastest(beside, OTHERS)]

    def _fastest(self, tests: Iterable[str], most: float) -> list[str]:
        chosen, total = [], 0.0
        for test in sorted(tests, key=lambda test: (self.seconds[test], test)):
            total += self.seconds[test]
            if self.seconds[test] > SLOW or total > most:
                break
            chosen.append(test)
        return chosen


def import_modules(modules: Iterable[str]) -> None:
    """Import modules of the package, so that the first test to use one does not import it."""
    for module in modules:
        importlib.import_module(f"{PACKAGE.name}.{module.replace('/', '.')}")


class _Context:
    """A pytest plugin that tells coverage which test is running."""

    def __init__(self, watch: coverage.Coverage, modules: list[str]) -> None:
        self.watch, self.modules = watch, modules
        self.caches: list[Any] = []

    def pytest_collection_finish(self) -> None:
        import_modules(self.modules)
        names = {f"{PACKAGE.name}.{module.replace('/', '.')}" for module in self.modules}
        caches = (each for each in gc.get_objects() if isinstance(each, functools._lru_cache_wrapper))
        self.caches = [cache for cache in caches if cache.__module__ in names]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Any:
        for cache in self.caches:  # or only the first test would run what it does
            cache.cache_clear()
        self.watch.switch_context(item.nodeid)
        result = yield
        self.watch.switch_context("")
        return result


def _run_with_coverage(files: list[str], modules: list[str], output: Path) -> str:
    watch = coverage.Coverage(data_file=None, source=[str(PACKAGE)])
    watch.start()
    options = [option for option in QUIET if option != "-x"]
    pytest.main([*options, *temporary(), *files], plugins=[_Context(watch, modules)])
    watch.stop()
    data = watch.get_data()
    lines = {str(Path(f).relative_to(PACKAGE)): data.contexts_by_lineno(f) for f in data.measured_files()}
    output.write_text(json.dumps(lines))
    return ""


def _run_each_alone(files: list[str], output: Path) -> str:
    alone = Alone({})

    def measure(warm: Warm) -> None:
        seconds = {}
        for test in warm.items:
            outcome = in_child(lambda: warm.run([test]))  # noqa: B023  it is called at once
            if outcome.what == "survived":
                seconds[test] = round(outcome.seconds, 3)
            else:
                print(f"left out, for it fails or takes too long: {test}", flush=True)
        output.write_text(json.dumps(seconds))

    pytest.main([*QUIET, *temporary(), *files], plugins=[alone, Warm(alone, measure)])
    return ""
