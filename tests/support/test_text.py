"""Counted nouns, and names from outside."""

import pytest

from tinygrad_rnn.support.text import count, listed, magnitude, printable


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps"), (1000, "1,000 steps"), (-1, "-1 steps")]
)
def test_a_noun_is_counted(number: int, words: str) -> None:
    assert count(number, "step") == words


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("level", "level"),
        ("a\x1b[31m\n\x9b", "a\\x1b[31m\\n\\x9b"),
        ("\u202e\ufffe\ud800", "\\u202e\\ufffe\\ud800"),
        (" ", "' '"),
        ("'\"\\", "'\"\\"),
        ("", ""),
    ],
)
def test_a_name_prints_in_one_line(name: str, shown: str) -> None:
    assert printable(name) == shown


def test_long_names_and_long_lists_are_cut() -> None:
    assert printable("x" * 10, 4) == "xxx…"
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed([str(i) for i in range(1003)], most=2) == "'0', '1' and 1,001 more"
    assert listed(["x" * 50], longest=3) == "'xxx…'"


def test_the_size_of_several_numbers_is_a_norm() -> None:
    assert [magnitude("h_3", entries) for entries in (1, 2, 30)] == ["|h_3|", "‖h_3‖", "‖h_3‖"]
