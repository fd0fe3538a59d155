"""The streams that a command was started with may be closed or full, and Python may leave docstrings out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_rnn.cli import COMMANDS, main

POSIX = pytest.mark.skipif(os.name != "posix", reason="streams are closed by a shell")
PYTHON = f"'{sys.executable}'"
SMALL = "--hidden 2 --steps 2 --validation 2 --batch 1"
SWEEP = f"sweep --task latch --T 5 --seeds 2 {SMALL} -o runs"
#: A command line for everything that any command does, with an output that it can have.
WORKING = {
    "--no-picture": None,
    "--no-picture --json": None,
    "--steps 3 -o": "f.svg",
    "step": None,
    "step -c s -c 'help s' -c 'why h_1' -c c -c q": None,
    "step -c graph": None,
    "explore -o": "f.html",
    "explore --code": "f.mjs",
    "anatomy --steps 3 -o": "f.svg",
    "anatomy --steps 3 --paths --json": None,
    "decay --steps 3 -o": "f.json",
    "truncate --steps 3 --picture": "f.png",
    f"train --task latch --T 5 {SMALL} --force -o": "model",
    f"train --task latch --T 5 {SMALL} --force -o new --json --history": "f.csv",
    f"{SWEEP} --plot": "f.pdf",
    f"{SWEEP} --workers 2": None,
    "eval trained": None,
    "sample trained --length 9": None,
    **{f"{command} --help": None for command in ("", *COMMANDS)},
    "--version": None,
}
IDS = [" ".join(line.split()[:3]) for line in WORKING]
EVERY_COMMAND = pytest.mark.parametrize(("command", "output"), WORKING.items(), ids=IDS)


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("trained") / "trained"
    options = ["--task", "text", "--length", "5", *SMALL.split(), "--quiet", "-o", str(file)]
    assert main(["train", *options]) == 0
    return file


@pytest.fixture
def model(empty_folder: Path, trained: Path) -> None:
    """A trained model in the folder."""
    shutil.copy(trained, "trained")


@POSIX
@pytest.mark.slow
@pytest.mark.usefixtures("model")
@EVERY_COMMAND
@pytest.mark.parametrize(
    ("optimized", "closed"),
    [("", "<&-"), ("", "</dev/null >&-"), ("", "</dev/null 2>&-"), ("-OO", "</dev/null"), ("-OO", "<&- >&- 2>&-")],
)
def test_streams_may_be_closed_and_docstrings_left_out(
    closed: str, optimized: str, command: str, output: str | None
) -> None:
    done = shell(f"{PYTHON} {optimized} -m tinygrad_rnn {command} {output or ''} {closed}")
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (">&-" not in closed.replace("2>&-", "")) or "--code" in command
    assert output is None or Path(output).stat().st_size > 100


@POSIX
@pytest.mark.slow
@pytest.mark.usefixtures("model")
@EVERY_COMMAND
def test_a_full_stdout_is_an_error(command: str, output: str | None) -> None:
    done = shell(f"{PYTHON} -m tinygrad_rnn {command} {output or ''} </dev/null >/dev/full")
    assert (done.returncode, done.stderr) == (2, "tinygrad-rnn: error: output: No space left on device\n")


@POSIX
@pytest.mark.slow
@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(("command", "output"), [line for line in WORKING.items() if line[1]])
def test_a_full_output_is_an_error_and_nothing_else_is_written(command: str, output: str) -> None:
    os.symlink("/dev/full", output)
    before = sorted(os.listdir())
    done = shell(f"{PYTHON} -m tinygrad_rnn {command} {output} </dev/null")
    message = f"tinygrad-rnn: error: cannot write '{output}': there is no space left. Choose another place\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
    assert sorted(os.listdir()) == before


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
def test_a_full_stderr_leaves_the_exit_code() -> None:
    assert shell(f"{PYTHON} -m tinygrad_rnn --unknown 2>/dev/full").returncode == 2
    done = shell(f"{PYTHON} -m tinygrad_rnn --no-picture >/dev/full 2>/dev/full")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


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
