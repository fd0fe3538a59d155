"""Places in the memory of compiled code, and the assembly and the listing that name them."""

from __future__ import annotations

import re

from tinygrad_rnn import Linear, RNNCell, cross_entropy
from tinygrad_rnn.compile import Recurrence, Symbols
from tinygrad_rnn.compile.memory import (
    GRADIENT,
    LOSS,
    NEW_STATE,
    PARAMETER,
    REGIONS,
    SAVED,
    STATE,
    STATE_GRADIENT,
    Place,
    Region,
    Sizes,
    X,
)


def test_the_gradient_of_a_place_lies_at_the_same_slot_of_the_same_table():
    assert Place(PARAMETER, 3).gradient == Place(GRADIENT, 3)
    assert Place(PARAMETER.table("x", 16), 3).gradient == Place(GRADIENT.table("x", 16), 3)


def test_a_table_is_not_the_region_in_which_it_lies():
    table = PARAMETER.table("x", 16)
    assert table != PARAMETER
    assert table.whole == PARAMETER
    assert table not in REGIONS


def test_places_are_sorted_by_region_so_that_neighbours_follow_each_other():
    table = GRADIENT.table("x", 5)
    places = [Place(LOSS, 0), Place(table, 0), Place(GRADIENT, 1), Place(GRADIENT, 0)]
    assert sorted(places) == [Place(GRADIENT, 0), Place(GRADIENT, 1), Place(table, 0), Place(LOSS, 0)]


def test_the_sizes_of_rows():
    sizes = Sizes(parameters=7, x=2, state=3, saved=4)
    regions = (X, STATE, STATE_GRADIENT, SAVED, LOSS, PARAMETER, NEW_STATE, Region("target"))
    assert [sizes.row(region) for region in regions] == [2, 3, 3, 4, 1, 0, 0, 0]


def test_a_row_of_weights_is_looked_up_by_the_input():
    program = Recurrence(RNNCell(6, 4), Symbols(6), cross_entropy, Symbols(6), Linear(4, 6))
    (line, *_) = (line for line in program.source.splitlines() if "·x" in line)
    assert re.search(r"= parameter \d+ \+ 1·x$", line)
    assert "getelementptr inbounds double, ptr %parameter, i64" in program.ir
    assert "getelementptr inbounds double, ptr %gradient, i64" in program.ir
