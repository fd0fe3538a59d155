"""The streams that a command was started with may be closed or full, and Python may leave docstrings out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_rnn.cli import main

POSIX = pytest.mark.skipif(os.name != "posix", reason="streams are closed by a shell")
PYTHON = f"'{sys.executable}'"
COMMANDS = ("--no-picture", "step", "step -c s", "anatomy --steps 3", "--help", "--version", "train --help")
TRAIN = "train --task latch --T 5 --steps 1 --validation 1 -o model"


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("command", [*COMMANDS, f"{TRAIN} --force"])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed(command: str, closed: str) -> None:
    done = shell(f"{PYTHON} -m tinygrad_rnn {command} {closed}")
    assert (done.returncode, done.stderr) == (0, "")


@POSIX
def test_a_file_does_not_take_the_place_of_a_closed_stream() -> None:
    """The first file that is opened would be number 1, and get what is printed."""
    assert shell(f"{PYTHON} -m tinygrad_rnn decay --steps 3 -o a.csv <&- >&- 2>&-").returncode == 0
    assert shell(f"{PYTHON} -m tinygrad_rnn decay --steps 3 -o b.csv").returncode == 0
    assert Path("a.csv").read_text() == Path("b.csv").read_text()


@POSIX
def test_a_missing_stdin_ends_the_debugger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["step", "--steps", "2"]) == 0


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_stdout_is_an_error(command: str) -> None:
    done = shell(f"{PYTHON} -m tinygrad_rnn {command} </dev/null >/dev/full")
    assert (done.returncode, done.stderr) == (2, "tinygrad-rnn: error: output: No space left on device\n")


@POSIX
def test_a_full_stderr_leaves_the_exit_code() -> None:
    assert shell(f"{PYTHON} -m tinygrad_rnn --unknown 2>/dev/full").returncode == 2
    done = shell(f"{PYTHON} -m tinygrad_rnn --no-picture >/dev/full 2>/dev/full")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@pytest.mark.slow
@pytest.mark.parametrize("command", [*COMMANDS, TRAIN, "step -c help -c 'help s'"])
def test_without_docstrings(command: str) -> None:
    done = shell(f"{PYTHON} -OO -m tinygrad_rnn {command} </dev/null")
    assert (done.returncode, done.stderr) == (0, "")


def test_too_little_memory_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def build(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("tinygrad_rnn.cli.main_job.read_problem", build)
    assert main(["--no-picture"]) == 2
    assert capsys.readouterr().err == "tinygrad-rnn: error: there is not enough memory. Give smaller numbers\n"


def test_help_of_the_debugger_does_not_load_the_pictures() -> None:
    code = "import sys; from tinygrad_rnn.cli import main; main(['step', '--help']); print([*sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "'tinygrad_rnn.cli.step'" in done.stdout
    assert "'tinygrad_rnn.pictures'" not in done.stdout
