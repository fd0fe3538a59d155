"""Kinds of cells by name."""

from __future__ import annotations

import pytest

from tinygrad_rnn.errors import ArgumentError
from tinygrad_rnn.nn.kinds import KINDS, ONLY, make_cell, own_settings


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_of_a_kind_is_that_of_its_class(kind: str) -> None:
    cell = make_cell(kind, 2, 3, seed=5, **dict.fromkeys(ONLY))
    other = type(cell)(2, 3, seed=5)
    assert type(cell).__name__ == f"{kind.upper()}Cell"
    assert cell.state_dict() == other.state_dict()
    assert type(KINDS[kind].module(2, 3).cells[0]) is type(cell)
    recurrent = [name for name in cell.state_dict() if name.startswith("W")]
    assert len(recurrent) == KINDS[kind].matrices


def test_settings_reach_the_kind_that_has_them() -> None:
    assert own_settings("rnn") == ["nonlinearity"]
    assert own_settings("lstm") == ["forget_bias"]
    assert own_settings("gru") == []
    assert make_cell("rnn", 1, 1, nonlinearity="relu").nonlinearity == "relu"
    assert make_cell("lstm", 1, 2, forget_bias=3.0).state_dict()["b_f"] == [3.0, 3.0]


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("cnn", {}, f"unknown kind 'cnn'. Known ones: {', '.join(KINDS)}"),
        ("gru", {"nonlinearity": "relu"}, "nonlinearity with a cell of kind gru. Only an rnn has a choice of it"),
        ("rnn", {"forget_bias": 0.0}, "forget_bias with a cell of kind rnn. Only an lstm has a forget gate"),
        ("rnn", {"bais": 1.0}, "bais with a cell of kind rnn. The settings are nonlinearity, forget_bias"),
    ],
)
def test_what_a_kind_lacks_is_refused(kind: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        make_cell(kind, 1, 1, **settings)
    assert str(raised.value) == message
