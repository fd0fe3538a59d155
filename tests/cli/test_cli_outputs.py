"""Files to write, in every command that writes some: what will go wrong is told before the work."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tinygrad_rnn.cli import main
from tinygrad_rnn.cli.options import PICTURES
from tinygrad_rnn.pictures.drawing import SUFFIXES
from tinygrad_rnn.support.files import sole_writer, write_whole

from ..ordinary_user import ordinary_user

#: By command line, where the file's name is to be added: an ending that it may have.
WRITERS = {
    "-o": ".svg",
    "explore -o": ".html",
    "explore --code": ".mjs",
    "anatomy -o": ".png",
    "anatomy --jacobians": ".pdf",
    "anatomy --cell lstm --straight": ".png",
    "truncate -o": ".svg",
    "truncate --picture": ".svg",
    "decay -o": ".csv",
    "decay --cells rnn -o": ".PNG",
    "train -o": ".safetensors",
    "train --history": ".JSON",
    "train --plot": ".PNG",
    "sweep -o": ".jsonl",
    "sweep --plot": ".PNG",
}


@pytest.fixture(autouse=True)
def where_any_work_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError("too late: the work has begun")

    for place in ("cli.anatomy", "cli.truncate", "cli.main_job"):
        monkeypatch.setattr(f"tinygrad_rnn.{place}.read_problem", work)
    for place in ("cli.decay", "cli.explore"):
        monkeypatch.setattr(f"tinygrad_rnn.{place}.read_data", work)
    monkeypatch.setattr("tinygrad_rnn.cli.train.build", work)
    monkeypatch.setattr("tinygrad_rnn.cli.sweep.build_task", work)


def refusal(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says that does not begin."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err.removeprefix("tinygrad-rnn: error: ")


@pytest.mark.skipif(os.name != "posix", reason="owners and modes of POSIX")
@pytest.mark.parametrize("command", WRITERS)
def test_where_nothing_can_be_written_nothing_is_begun(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`support/test_files.py` has more obstacles."""
    ending = WRITERS[command]
    with ordinary_user():
        Path(f"folder{ending}").mkdir()
        Path("shut").mkdir(mode=0o555)
        protected = Path(f"protected{ending}")
        protected.write_text("old")
        protected.chmod(0o444)
        reasons = {
            f"no/x{ending}": "there is no such folder",
            f"folder{ending}": "it is a folder",
            f"shut/x{ending}": "permission denied",
            f"{'x' * 300}{ending}": "its name is too long",
            str(protected): "permission denied" if command == "sweep -o" else "it is write-protected",
        }
        before = sorted(Path().rglob("*"))
        for name, reason in reasons.items():
            expected = f"cannot write {name!r}: {reason}. Choose another place\n"
            assert refusal([*command.split(), name], capsys) == expected
        assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    "command",
    [
        "anatomy -o x.png --jacobians ./x.png",
        "truncate -o x.svg --picture x.svg",
        "decay -o x.csv -o x.csv",
        "train -o x.csv --history x.csv",
        "sweep -o x.png --plot x.png",
    ],
)
def test_a_file_is_not_written_twice(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "would be written twice. Give each output a file of its own" in refusal(command.split(), capsys)


@pytest.mark.parametrize(
    "command",
    [
        "decay --csv x.csv -o x.csv",
        "train --task series --csv x.csv --history x.csv",
        "sweep --task series --csv x.csv -o x.csv",
    ],
)
def test_a_file_that_is_read_is_not_overwritten(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.csv").write_text("level\n1\n2\n")
    assert refusal(command.split(), capsys) == "'x.csv' would be overwritten, and is read. Write to another file\n"


def test_a_checkpoint_that_another_training_writes_is_found_before_the_network_is_built(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with sole_writer("x"):
        assert refusal(["train", "-o", "x"], capsys).startswith("another process or thread is writing 'x'")
    assert not Path(".x.lock").exists()


@pytest.mark.parametrize("command", ["train -o", "sweep -o"])
def test_an_empty_name_is_not_the_default(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As a shell gives it for a variable that is not set."""
    assert refusal([*command.split(), ""], capsys) == "cannot write '': it is a folder. Choose another place\n"


@pytest.mark.parametrize("command", ["-o", "truncate --picture", "train --history", "explore -o"])
def test_an_ending_that_says_nothing_is_refused_before_the_work(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "x.bmp" in refusal([*command.split(), "x.bmp"], capsys)
    assert tuple(SUFFIXES) == PICTURES


@pytest.mark.parametrize(
    "command", [c for c in WRITERS if c.startswith(("anatomy", "decay", "truncate -o")) or "--plot" in c]
)
def test_without_matplotlib_no_plot_is_begun(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main([*command.split(), "x.svg"]) == 2
    remedy = "pip install 'tinygrad_rnn[plot]'"
    assert capsys.readouterr() == ("", f"tinygrad-rnn: error: plots need matplotlib. {remedy}\n")


def test_what_cannot_be_written_after_all_is_named_as_it_was_given() -> None:
    with pytest.raises(FileNotFoundError) as raised:
        write_whole("no/x", "content")
    assert raised.value.filename == "no/x"
    assert "unfinished" not in str(raised.value)
