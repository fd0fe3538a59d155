"""A short run of every attack in `tests.tools.abuse`, which goes on for longer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from . import abuse
from .abuse.__main__ import ROOT, attack


@pytest.mark.slow
@pytest.mark.parametrize("name", abuse.names())
def test_an_attack_does_no_harm(name: str) -> None:
    counts = attack(name, 3.0)
    assert sum(counts.tried.values()) > 0, counts
    assert not counts.failed, counts


def test_an_attack_that_crashes_has_done_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **options: run([sys.executable, "-c", crash], **options))
    counts = attack("none", 0.0)
    assert "SIGSEGV" in counts.first["the process"]


def test_an_unknown_attack_is_refused_with_the_list_of_those_that_there_are() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.tools.abuse", "x"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "There are: " in done.stderr
