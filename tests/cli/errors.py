"""What every error of a command must be."""

from __future__ import annotations

import os

import pytest

from tinygrad_rnn.cli import main


def error_of(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The error of a command line: one line on stderr, nothing on stdout, and no file that was not there before."""
    before = sorted(os.listdir())
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("tinygrad-rnn: error: ")
    assert captured.err.count("\n") == 1
    assert sorted(os.listdir()) == before
    return captured.err
