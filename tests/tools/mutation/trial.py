"""Try mutants: each in a process forked for it, which runs some tests, in their order, until one fails."""

from __future__ import annotations

import importlib.machinery
import os
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from .mutants import Mutant

QUIET = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "--hypothesis-seed=0"]
AT_LEAST, TIMES = 5.0, 20.0  # a test hangs that takes more CPU seconds than this, and than this many times its usual
IMPORTS = 60.0  # seconds of CPU for imports
BLOCKED = 900.0  # seconds by the clock after which it is given up whatever it waits for


class Alone:
    """A pytest plugin for the tests of one mutant: they end in good time and say which failed."""

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self.seconds = seconds
        self.failed = ""

    def pytest_sessionstart(self) -> None:
        settings.register_profile(
            "mutation",
            settings.get_profile("default"),
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=(HealthCheck.too_slow,),
            database=None,
        )
        settings.load_profile("mutation")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> None:
        limit_next(max(AT_LEAST, TIMES * self.seconds.get(item.nodeid, 0.0)))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


class Chosen:
    """A pytest plugin: run these tests only, in this order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.place = {test: i for i, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self.place), key=lambda i: self.place[i.nodeid])


class Warm:
    """A pytest plugin: instead of running the tests it has collected, it does some work, which may run them.

    Attributes:
        items: the tests.
    """

    def __init__(self, alone: Alone, work: Callable[[Warm], None]) -> None:
        self.alone, self.work = alone, work
        self.items: dict[str, Any] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        self.session = session
        self.items = {item.nodeid: item for item in session.items}
        self.work(self)
        return True

    def run(self, tests: Sequence[str]) -> str:
        """Run tests until one fails, and return which."""
        chosen = [self.items[test] for test in tests]
        for item, successor in zip(chosen, [*chosen[1:], None]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=successor)
            if self.alone.failed:
                break
        return self.alone.failed


def limit_next(seconds: float) -> None:
    """End this process when it has taken so many more seconds of CPU."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


@dataclass(frozen=True)
class Outcome:
    """How it went.

    Attributes:
        what: ``survived``, ``killed``, or ``hung``: a test took far more CPU than without the mutant.
        by: the test that failed.
        seconds: of CPU that it took.
    """

    what: str
    by: str
    seconds: float


UNCOVERED = Outcome("uncovered", "", 0.0)  # no test runs it


def in_child(work: Callable[[], str], limited: bool = True) -> Outcome:
    """What a forked process came to: its work returns the test that failed, or nothing.

    Its standard output is lost if it is limited in time.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            if limited:
                os.setpgid(0, 0)
                silence = os.open(os.devnull, os.O_RDWR)
                for stream in (0, 1, 2):
                    os.dup2(silence, stream)
                signal.setitimer(signal.ITIMER_REAL, BLOCKED)
                limit_next(IMPORTS)
            failed = work()
            os.write(writer, failed.encode()[:4000])
            os._exit(1 if failed else 0)
        finally:
            os._exit(70)
    os.close(writer)
    _, status, usage = os.wait4(child, 0)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what its tests started and, cut short, did not end
    os.set_blocking(reader, False)  # nor is the other end of the pipe theirs to keep open
    with suppress(BlockingIOError), os.fdopen(reader, "rb", buffering=0) as pipe:
        failed = (pipe.read(4000) or b"").decode()
    code = os.waitstatus_to_exitcode(status)
    seconds = usage.ru_utime + usage.ru_stime
    if code in (-signal.SIGPROF, -signal.SIGALRM):
        return Outcome("hung", signal.Signals(-code).name, seconds)
    return Outcome("killed", failed or f"exit code {code}", seconds) if code else Outcome("survived", "", seconds)


def import_mutant(mutant: Mutant, path: Path) -> None:
    """From now on in this process, whoever imports the module at this path gets the mutant."""
    original = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: Any, name: str) -> Any:
        if self.path != str(path):
            return original(self, name)
        return compile(mutant.tree, str(path), "exec", dont_inherit=True)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


def run_cold(tests: Sequence[str], seconds: Mapping[str, float]) -> str:
    """Import, collect and run tests until one fails, and return which."""
    alone = Alone(seconds)
    code = pytest.main([*QUIET, *temporary(), *files_of(tests)], plugins=[alone, Chosen(tests)])
    return alone.failed or (f"pytest ended with {int(code)}" if code else "")


def temporary() -> list[str]:
    """An option for pytest: a place for its temporary files."""
    return [f"--basetemp={tempfile.gettempdir()}/mutation-{os.getppid()}"]


def files_of(tests: Sequence[str]) -> list[str]:
    """The files in which tests are, each once."""
    return list(dict.fromkeys(test.partition("::")[0] for test in tests))
