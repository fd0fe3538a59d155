"""What the commands print stays, to the byte, unless somebody means it: `tests/golden/commands.txt` remembers it."""

from __future__ import annotations

import json

import pytest

from ..golden.make_bits import FILE as BITS
from ..golden.make_bits import fingerprint
from ..golden.make_commands import COMMANDS, FILE, outputs
from ..same_text import assert_same

SAME_LIBRARY = json.loads(BITS.read_text(encoding="utf-8"))["fingerprint"] == fingerprint()
STORED = dict(block.split("\n", 1) for block in f"\n{FILE.read_text(encoding='utf-8')}".split("\n$ tinygrad-rnn ")[1:])


@pytest.fixture(scope="module")
def printed() -> dict[str, str]:
    return dict(outputs())


def test_every_command_is_stored_and_none_else() -> None:
    assert list(STORED) == list(dict.fromkeys(COMMANDS))


@pytest.mark.parametrize("command", STORED)
def test_a_command_prints_what_is_stored(command: str, printed: dict[str, str]) -> None:
    if SAME_LIBRARY:
        assert printed[command].rstrip("\n") == STORED[command].rstrip("\n")
    else:
        assert_same(printed[command].rstrip("\n"), STORED[command].rstrip("\n"))
