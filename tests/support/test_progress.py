"""Progress bars: on a terminal only, late where that is wanted, and gone at the end."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tinygrad_rnn.cli import main
from tinygrad_rnn.support import progress
from tinygrad_rnn.support.progress import NoBar, late_bar, late_clock, make_bar

Capture = pytest.CaptureFixture[str]


def make_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make stderr a terminal that shows every state of a bar."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)


def last_line(text: str) -> str:
    """What the terminal shows where the cursor is: after a carriage return, text overwrites what was there."""
    shown = ""
    for part in text.rpartition("\n")[2].split("\r"):
        shown = part + shown[len(part) :]
    return shown.rstrip()


@pytest.mark.parametrize(("wanted", "terminal"), [(None, False), (False, False), (False, True)])
def test_no_bar_without_a_terminal_or_where_none_is_wanted(
    wanted: bool | None, terminal: bool, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if terminal:
        make_terminal(monkeypatch)
    bar = make_bar("work", 3, 0, wanted)
    assert type(bar) is NoBar
    bar.update()
    bar.set_postfix_str("1 failed")
    with bar.external_write_mode():
        pass
    bar.close()
    assert capsys.readouterr() == ("", "")


def test_no_bar_without_a_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert type(make_bar("work", 3, 0, None)) is NoBar


@pytest.mark.parametrize("total", [3, None])
def test_a_bar_counts_and_leaves_nothing_behind(
    total: int | None, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_terminal(monkeypatch)
    bar = make_bar("work", total, 1, None, "part")
    bar.set_postfix_str("1 failed")
    bar.update(2)
    shown = capsys.readouterr().err
    assert last_line(shown).startswith("work: 100%" if total else "work: 3part")
    assert "1 failed" in last_line(shown)
    bar.close()
    out, rest = capsys.readouterr()
    assert out == ""
    assert last_line(shown + rest) == ""
    assert "\n" not in shown + rest


def test_what_others_write_stands_on_lines_of_its_own(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    make_terminal(monkeypatch)
    bar = make_bar("work", 3, 1, None)
    with bar.external_write_mode():
        assert last_line(capsys.readouterr().err) == ""
    bar.update()
    assert "2/3" in last_line(capsys.readouterr().err)
    bar.close()


def test_a_late_bar_waits_and_counts_from_where_it_began(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    make_terminal(monkeypatch)
    with late_bar("work", "part") as show:
        show(1, 4)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(progress, "PATIENCE", -1.0)
        show(2, 4)
        shown = capsys.readouterr().err
        assert "2/4" in last_line(shown)
        show(4, 4)
        shown += capsys.readouterr().err
        assert "4/4" in last_line(shown)
    assert last_line(shown + capsys.readouterr().err) == ""


def test_a_late_bar_is_removed_when_the_work_fails(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    make_terminal(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    with suppress(ZeroDivisionError), late_bar("work", "part") as show:
        show(1, 4)
        raise ZeroDivisionError
    shown = capsys.readouterr().err
    assert "1/4" in shown
    assert last_line(shown) == ""


def test_a_clock_shows_how_long_it_takes_and_is_gone_at_the_end(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_terminal(monkeypatch)
    with late_clock("work"):
        time.sleep(0.01)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    shown = ""
    with suppress(ZeroDivisionError), late_clock("work"):
        until = time.monotonic() + 30
        while "work: 00:0" not in shown and time.monotonic() < until:
            time.sleep(0.01)
            shown += capsys.readouterr().err
        raise ZeroDivisionError
    assert "work: 00:0" in shown
    assert last_line(shown + capsys.readouterr().err) == ""


def test_without_a_terminal_no_clock_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    before = threading.active_count()
    with late_clock("work"):
        assert threading.active_count() == before


def test_a_command_shows_a_clock_and_prints_when_it_is_gone(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(args: argparse.Namespace) -> int:
        print("printed")
        time.sleep(0.3)
        assert capsys.readouterr().out == ""
        return 0

    make_terminal(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr("tinygrad_rnn.cli.main_job.run", run)
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert out == "printed\n"
    assert last_line(err) == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="presses Ctrl-C on a terminal")
@pytest.mark.parametrize(
    ("command", "clock"),
    [
        *(("--csv", "main job"), ("decay --csv", "decay"), ("step --csv", "graph")),
        *(("eval", "eval"), ("sample", "network")),
    ],
)
def test_ctrl_c_ends_a_command_whose_clock_is_shown(command: str, clock: str, empty_folder: Path) -> None:
    pexpect = pytest.importorskip("pexpect")
    os.mkfifo("pipe.csv")
    process = pexpect.spawn(sys.executable, ["-m", "tinygrad_rnn", *command.split(), "pipe.csv"], timeout=60)
    process.expect(f"{clock}: 00:0")
    process.sendintr()
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 130
    assert os.listdir() == ["pipe.csv"]


@pytest.mark.parametrize("quiet", [[], ["--quiet"], ["--json"]])
def test_training_shows_a_bar_on_a_terminal_unless_it_is_to_be_quiet(
    quiet: list[str], tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["train", "--task", "adding", "--T", "3", "--hidden", "1", "--batch", "1", "--steps", "2", *quiet]
    assert main([*options, "--validation", "2", "--every", "1", "-o", str(tmp_path / "a")]) == 0
    plain, nothing = capsys.readouterr()
    assert nothing == ""
    make_terminal(monkeypatch)
    assert main([*options, "--validation", "2", "--every", "1", "-o", str(tmp_path / "b")]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == plain.count("\n")
    assert "\r" not in out
    assert last_line(err) == ""
    assert ("2/2" in err) == (not quiet)


def test_tqdm_is_imported_only_when_a_bar_is_shown() -> None:
    code = (
        "import sys, tinygrad_rnn.train, tinygrad_rnn.sweep\n"
        "from tinygrad_rnn.support.progress import make_bar\n"
        "make_bar('work', 3, 0, None); make_bar('work', 3, 0, False)\n"
        "print('tqdm' in sys.modules); make_bar('work', 3, 0, True).close(); print('tqdm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nTrue\n"


def test_a_clock_stops_even_if_its_context_is_not_left(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C may come between its start and the `try`."""
    make_terminal(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    start, clocks = threading.Thread.start, []

    def interrupted_after(thread: threading.Thread) -> None:
        start(thread)
        clocks.append(thread)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted_after)
    with pytest.raises(KeyboardInterrupt) as raised, late_clock("work"):
        pass
    del raised
    clocks[0].join(10.0)
    assert not clocks[0].is_alive()
