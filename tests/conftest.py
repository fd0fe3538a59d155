"""Settings of the tests, and what many of them need: an empty folder, a command that runs, its error, a small RNN."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tinygrad_rnn import ScalarRNNCell, problem
from tinygrad_rnn.bptt.problem import Problem
from tinygrad_rnn.cli import main
from tinygrad_rnn.engine.ops import OPS

from .pythons import interpreters

ROOT = Path(__file__).parents[1]

# Tests must not fail for the machine's being slow. Where a change is checked, more is drawn at random.
settings.register_profile("here", deadline=None, max_examples=30)
settings.register_profile("checked", deadline=None, max_examples=100)
settings.load_profile("checked" if "CI" in os.environ else "here")

# A shell starts background jobs, and nohup all jobs, with Ctrl-C ignored, which processes pass on to their children.
# The tests press Ctrl-C themselves, so they and their children begin with Python's own handler.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Say by which Pythons the same numbers are computed once more."""
    return f"found Python {', '.join(f'{major}.{minor}' for major, minor in interpreters())}"


@pytest.fixture
def ops_as_they_were() -> Iterator[None]:
    """Take the ops that a test has added to the table out again."""
    before = set(OPS)
    yield
    for name in set(OPS) - before:
        del OPS[name]


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a test runs: an empty one of its own, with the package importable from there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """A function that runs a command and returns what it prints as JSON."""

    def run(*arguments: str) -> Any:
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def error_of(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """A function that runs a command and returns its error: one line on stderr, nothing on stdout, no new file."""

    def run(*arguments: str) -> str:
        before = sorted(os.listdir())
        assert main(arguments) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("tinygrad-rnn: error: ")
        assert captured.err.count("\n") == 1
        assert sorted(os.listdir()) == before
        return captured.err

    return run


@pytest.fixture
def small_problem() -> Problem:
    """A scalar RNN over three time steps and its loss, for a test that needs any graph."""
    return problem(ScalarRNNCell(w=0.9, u=0.5, b=0.1), [0.1, 0.2, 0.3], [0.2, 0.3, 0.4])
