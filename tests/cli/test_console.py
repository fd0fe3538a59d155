"""What is printed for people: words, zeros and signs."""

from __future__ import annotations

import pytest

from tinygrad_rnn.cli import main
from tinygrad_rnn.cli.console import print_table, say, unsigned_zeros


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("-0", "0"),
        ("w.grad = -0, u.grad = -0.5", "w.grad = 0, u.grad = -0.5"),
        ("-0.0000 and −0.000", "0.0000 and 0.000"),
        ("-0.0001, 1e-05, 10-0, x-0, h_(t-0), 2020-01-01, -0x", "-0.0001, 1e-05, 10-0, x-0, h_(t-0), 2020-01-01, -0x"),
    ],
)
def test_a_zero_has_no_sign(text: str, printed: str) -> None:
    assert unsigned_zeros(text) == printed


def test_neither_in_tables_nor_in_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["-0", "n"], [["-0.0", "1"], ["1", "-0"]])
    say("It is -0.")
    assert capsys.readouterr().out == " -0  n\n0.0  1\n  1  0\nIt is 0.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hidden", "1", "--no-picture"], "with 1 hidden unit, read out"),
        (["--cell", "gru", "--hidden", "1", "--no-picture"], "; 1 hidden unit, read out"),
        (["--text", "aaa", "--no-picture"], "; 1 different character, each"),
        (["truncate", "--k2", "1"], "chunks of 1 step, the state"),
        (["truncate", "--k2", "2", "--k1", "1"], "after every 1 step a backward pass"),
        (["step", "--steps", "1", "-c", "c"], "steps. w.grad"),
        (["--steps", "1", "--loss", "last", "--no-picture"], "over 1 step "),
    ],
)
def test_one_is_no_plural(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert words in said
    assert " 1 steps" not in said
    assert "(1 steps" not in said


@pytest.mark.parametrize("arguments", [[], ["--cell", "gru"], ["--cell", "lstm"], ["--text", "hello"]])
def test_formulas_have_one_minus_sign(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--no-picture"]) == 0
    said = capsys.readouterr().out
    assert "T−k" in said or "lstm" in arguments or "gru" in arguments
    assert not [hyphen for hyphen in ("t-1", "T-k", "k-1", "= -log") if hyphen in said]


def test_a_formula_in_numbers_has_one_minus_sign(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["step", "--steps", "3", "-c", "s 30"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "∂" in line]
    assert any("−" in line for line in lines)
    assert not [line for line in lines if "(-" in line or "= -" in line]
