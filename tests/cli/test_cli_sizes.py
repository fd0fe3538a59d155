"""Sizes: what does not fit into memory is refused in one line, by every command, before anything is allocated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinygrad_rnn.cli import main
from tinygrad_rnn.support import memory

MANY = " ".join(map(str, range(2, 202)))
HUGE = {
    "--hidden 100000": "--hidden = 100,000",
    "--cell gru --hidden 100000 --no-picture": "--hidden = 100,000",
    "--csv long.csv --steps 90000": "--steps = 90,000",
    "anatomy --hidden 100000": "--hidden = 100,000",
    "truncate --hidden 100000 --k2 2": "--hidden = 100,000",
    "explore --hidden 100000": "--hidden = 100,000",
    "step --hidden 100000 -c s": "--hidden = 100,000",
    "decay --hidden 100000": "--hidden = 100,000",
    "decay --csv long.csv --steps 90000": "--steps = 90,000",
    "decay --kind non-normal --hidden 100000": "--hidden = 100,000",
    "decay --cells rnn lstm --hidden 100000": "--hidden = 100,000",
    "train --hidden 100000": "hidden_size = 100,000",
    "train --layers 1000000000": "num_layers = 1,000,000,000",
    "train --task adding --T 100000000000": "the number of time steps = 100,000,000,000",
    "train --task copy --count 1000000000": "the number of time steps = 2,000,000,003",
    "train --batch 1000000000": "batch_size = 1,000,000,000",
    "train --task latch --validation 1000000000": "the number of sequences = 1,000,000,000",
    "train --task copy --T 1000000 --validation 1 --truncate 500000": "truncate = 500,000",
    "sweep --seeds 1000000000": "--seeds = 1,000,000,000",
    f"sweep --T {MANY} --hidden {MANY} --batch {MANY} --task adding": "the number of combinations = 8,000,000",
    "sweep --hidden 100000 --seeds 1": "hidden_size = 100,000",
    "eval model --T 100000000000": "the number of time steps = 100,000,000,000",
    "eval model --sequences 1000000000": "the number of sequences = 1,000,000,000",
}


@pytest.mark.parametrize("command", HUGE)
def test_what_does_not_fit_is_one_error(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if "long.csv" in command:
        Path("long.csv").write_text("level\n" + "1\n2\n" * 50_000)
    if "model" in command:
        assert (
            main(
                ["train", "--task", "latch", "--T", "5", "--steps", "1", "--validation", "1", "--quiet", "-o", "model"]
            )
            == 0
        )
    monkeypatch.setattr(memory, "available_memory", lambda: 5 * 10**8)
    if command.startswith("sweep --hidden"):
        assert main(command.split()) == 1
        assert f"{HUGE[command]} takes about" in " ".join(capsys.readouterr().out.split())
    else:
        before = os.listdir()
        assert main(command.split()) == 2
        assert capsys.readouterr().err.startswith(f"tinygrad-rnn: error: {HUGE[command]} takes about")
        assert os.listdir() == before


def test_what_only_takes_long_is_not_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Begun(Exception):
        pass

    def begin(*_: object, **__: object) -> None:
        raise Begun

    monkeypatch.setattr(memory, "available_memory", lambda: 10**12)
    monkeypatch.setattr("tinygrad_rnn.cli.inputs.kinds.make_cell", begin)
    with pytest.raises(Begun):
        main(["--hidden", "2000", "--no-picture"])


@pytest.mark.parametrize("command", ["--steps", "--seed", "train --hidden", "sweep --seeds", "sample x --length"])
def test_a_number_of_too_many_digits_is_called_one(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Python does not read it, so it was said to be no whole number."""
    assert main([*command.split(), "9" * 5000]) == 2
    assert "a number of 5,000 digits is more than 9223372036854775807" in capsys.readouterr().err
