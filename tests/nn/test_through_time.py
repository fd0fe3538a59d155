"""A cell goes through time: the step that all share, and the entries of what it computes."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

from tinygrad_rnn import Linear, LSTMCell, RNNCell, ScalarRNNCell, Value, unroll
from tinygrad_rnn.engine import no_grad, time_step
from tinygrad_rnn.errors import ArgumentError, DataError, ShapeError
from tinygrad_rnn.nn import LSTM, OneHot
from tinygrad_rnn.nn.quantities import entries
from tinygrad_rnn.nn.through_time import advance, through_time
from tinygrad_rnn.train import RecurrentNetwork


def test_a_step_is_what_the_cell_computes_and_the_new_state() -> None:
    cell = LSTMCell(1, 2)
    named, (h, c) = advance(cell, [Value(0.5)], cell.initial_state())
    assert h is named["h"]
    assert c is named["c"]
    assert list(named) == ["z_i", "i", "z_f", "f", "z_g", "g", "z_o", "o", "c", "h"]


def test_going_through_time_is_unrolling_without_names() -> None:
    cell = ScalarRNNCell()
    unrolled = unroll(cell, [1.0, 0.5, -2.0])
    steps = list(through_time(cell, enumerate([1.0, 0.5, -2.0], start=1), cell.initial_state()))
    assert [t for t, _, _ in steps] == [1, 2, 3]
    for t, named, (h,) in steps:
        assert h.data == unrolled.h[t].data
        assert named["z"].time_step == t
        assert not h.label


def test_a_time_step_ends_before_the_next_one_is_asked_for() -> None:
    cell = ScalarRNNCell()
    for _ in through_time(cell, [(1, 0.5), (2, 0.5)], cell.initial_state()):
        assert Value(0.0).time_step is None


def test_errors_name_the_time_step() -> None:
    module = LSTM(2, 2, bidirectional=True)
    with pytest.raises(ShapeError) as caught:
        module([[1.0, 2.0], [1.0]])
    assert caught.value.time_step == 2
    with pytest.raises(DataError, match="x_2 is nan"):
        module([[1.0, 2.0], [1.0, float("nan")]])
    with pytest.raises(ShapeError) as caught, time_step(7), no_grad():
        RNNCell(2, 2)([1.0])
    assert caught.value.time_step == 7
    with pytest.raises(ShapeError) as caught, time_step(8):
        raise ShapeError("of another step", time_step=3)
    assert caught.value.time_step == 3


def test_entries_of_a_quantity() -> None:
    a, b, c = Value(1.0), Value(2.0), Value(3.0)
    assert entries(a) == [a]
    assert entries([a, b]) == entries((a, b)) == entries(np.array([a, b])) == [a, b]
    assert entries([[a, b], [c]]) == [a, b, c]
    assert entries(0.5) == [0.5]
    assert entries(array("d", [0.5, 1.0])) == [0.5, 1.0]
    assert entries([]) == []
    assert [entry.data for entry in entries(OneHot(1, 3))] == [0.0, 1.0, 0.0]


def test_what_is_generated_has_time_steps_too() -> None:
    network = RecurrentNetwork(RNNCell(3, 2), Linear(2, 3))
    generating = network.generate([0, 1])
    next(generating)
    generating.send(2)
    with pytest.raises(ArgumentError, match="symbol 7 of 3") as caught:
        generating.send(7)
    assert caught.value.time_step == 4
