"""Checks of arguments."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from tinygrad_rnn.errors import ArgumentError
from tinygrad_rnn.nn import LSTM, Linear
from tinygrad_rnn.support.checks import one_of, truth, whole_number
from tinygrad_rnn.support.numbers import typed, typed_whole
from tinygrad_rnn.train.settings import Limits, Settings


@pytest.mark.parametrize("number", [3, np.int64(3), np.array(3)])
def test_a_whole_number_becomes_an_int(number: Any) -> None:
    assert type(whole_number("n", number)) is int
    assert whole_number("n", number, 3) == 3


@pytest.mark.parametrize("number", [0, -1, 1.0, 2.5, True, "3", None, np.float64(3.0), np.array([3]), 10**400 * -1])
def test_anything_else_is_refused(number: Any) -> None:
    with pytest.raises(ArgumentError, match=r"n is .*n must be a whole number of at least 1: why not"):
        whole_number("n", number, why="why not")


def test_any_whole_number_will_do_without_a_bound() -> None:
    assert whole_number("n", -(10**30), least=None) == -(10**30)
    with pytest.raises(ArgumentError, match=r"^n is 1\.5\. n must be a whole number$"):
        whole_number("n", 1.5, least=None)


@pytest.mark.parametrize("value", [True, 1, np.bool_(True), np.array(True), np.int64(1)])
def test_a_truth_value_becomes_a_bool(value: Any) -> None:
    assert truth("bias", value) is True


@pytest.mark.parametrize("value", ["relu", 0.5, 2, None, [True], np.array([True]), np.float64(1.0)])
def test_what_is_no_truth_value_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentError, match=r"bias is .*bias must be True or False"):
        truth("bias", value)


@pytest.mark.parametrize(
    ("number", "shown"),
    [(2**63, "9223372036854775808"), (10**30, "1" + "0" * 30), (10**5000, "a number of 5,000 digits")],
    ids=["64 bits", "30 digits", "5,000 digits"],
)
def test_more_than_any_list_can_hold_is_refused(number: int, shown: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^n is {shown}\. n must be at most 9223372036854775807$"):
        whole_number("n", number)
    with pytest.raises(ArgumentError, match=r"n is -|n is a number of 5,000 digits"):
        whole_number("n", -number)


def test_sizes_of_numpy_are_sizes() -> None:
    module = LSTM(np.int64(1), np.int64(2), np.int64(1))  # type: ignore[arg-type]
    assert repr(module) == "LSTM(1 → 2)"
    assert type(module.hidden_size) is type(module.cells[0].input_size) is int
    assert repr(Linear(np.int64(2), 3)) == "Linear(2 → 3)"  # type: ignore[arg-type]


def test_settings_of_numpy_are_recorded_as_ints() -> None:
    settings = Settings(batch_size=np.int64(2), truncate=np.int64(3))  # type: ignore[arg-type]
    assert json.loads(json.dumps(asdict(settings)))["truncate"] == 3
    assert json.dumps(asdict(Limits(updates=np.int64(2), patience=np.int64(1))))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["lstn", None, ["lstm"]])
def test_an_unknown_name_is_refused_with_the_known_ones(name: Any) -> None:
    assert one_of("kind", "lstm", {"rnn": 1, "lstm": 2}) == "lstm"
    with pytest.raises(ArgumentError, match=r"^unknown kind .*\. Known ones: rnn, lstm$"):
        one_of("kind", name, {"rnn": 1, "lstm": 2})


@pytest.mark.parametrize("text", ["3", "+3", "-3", "0", str(10**30)])
def test_a_text_that_is_a_whole_number(text: str) -> None:
    assert typed_whole(text) == int(text)
    assert typed(text) == float(text)


@pytest.mark.parametrize("text", ["", "x", "1_000", "\u0663", "3 4", "0x10", "- 3", "\u22123"])
def test_a_text_that_is_no_number(text: str) -> None:
    assert typed_whole(text) is None
    assert typed(text) is None


@pytest.mark.parametrize("text", ["3.0", "1e3", "inf", "nan"])
def test_a_text_that_is_a_number_but_not_a_whole_one(text: str) -> None:
    assert typed_whole(text) is None
    assert isinstance(typed(text), float)
