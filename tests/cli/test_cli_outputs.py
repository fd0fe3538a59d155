"""Files to write, in every command that writes some: what will go wrong is told before the work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tinygrad_rnn.cli import main
from tinygrad_rnn.support.files import write_whole

#: By command line, where the file's name is to be added: an ending that it may have.
WRITERS = {
    "-o": ".svg",
    "explore -o": ".html",
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
def where_any_work_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def work(*_: object, **__: object) -> None:
        raise AssertionError("too late: the work has begun")

    for place in ("cli.anatomy", "cli.truncate", "cli.explore", "cli.main_job"):
        monkeypatch.setattr(f"tinygrad_rnn.{place}.read_problem", work)
    monkeypatch.setattr("tinygrad_rnn.cli.decay.read_data", work)
    monkeypatch.setattr("tinygrad_rnn.cli.train.train", work)
    monkeypatch.setattr("tinygrad_rnn.cli.sweep.sweep", work)


@pytest.mark.parametrize("command", WRITERS)
def test_where_nothing_can_be_written_nothing_is_begun(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(name: str, reason: str) -> None:
        assert main([*command.split(), name]) == 2
        assert capsys.readouterr() == (
            "",
            f"tinygrad-rnn: error: cannot write {name!r}: {reason}. Choose another place\n",
        )

    refused(f"no/x{WRITERS[command]}", "there is no such folder")
    folder = Path(f"x{WRITERS[command]}")
    folder.mkdir()
    refused(str(folder), "it is a folder")
    folder.rmdir()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    assert main([*command.split(), str(folder)]) == 2
    assert ": permission denied. Choose another place\n" in capsys.readouterr().err
    assert not list(Path().iterdir())


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
