"""The graph of a time step on the page: what stands on its cards, and that none covers another or an edge."""

from itertools import combinations, pairwise

import pytest

from tinygrad_rnn import GRUCell, Linear, LSTMCell, RNNCell, cross_entropy, explore, problem
from tinygrad_rnn.nn import OneHot
from tinygrad_rnn.page.graphs import HIGH, WIDE

from .pages import gated, scalar

POSED = {
    "scalar": scalar,
    "rnn": lambda: gated(RNNCell(1, 3)),
    "lstm": lambda: gated(LSTMCell(1, 4)),
    "gru": lambda: gated(GRUCell(1, 4)),
    "symbols": lambda: problem(
        RNNCell(5, 4), [OneHot(i, 5) for i in (0, 3, 1)], [1, 2, 3], readout=Linear(4, 5), loss=cross_entropy
    ),
}
cases = pytest.mark.parametrize("name", POSED)


@cases
def test_cards_neither_meet_each_other_nor_edges_and_time_goes_to_the_right(name):
    data = explore(POSED[name]()).data
    for layout in data["layouts"]:
        cards = list(zip(layout["x"], layout["y"]))
        for (ax, ay), (bx, by) in combinations(cards, 2):
            assert abs(ax - bx) >= WIDE or abs(ay - by) >= HIGH
        for tail, head, way in zip(layout["tail"], layout["head"], layout["way"]):
            x = [layout["x"][tail], *(x for x, _ in way), layout["x"][head]]
            assert all(b - a > WIDE for a, b in pairwise(x))
            for px, py in way:
                assert not any(abs(px - cx) < WIDE and cy < py < cy + HIGH for cx, cy in cards)
        assert min(layout["x"]) >= 0
        assert all(0 <= y <= layout["height"] - HIGH for y in layout["y"])


@pytest.mark.slow
@cases
def test_every_place_is_on_one_card(name):
    page = explore(POSED[name]())
    for levels in page.data["graphs"]:
        for level in levels:
            places = [place for group in ("places", "others") for card in level[group] for place in card]
            assert len(places) == len(set(places))
            assert len(level["places"]) == len(level["small"]) == len(page.data["layouts"][level["layout"]]["x"])
            assert all(level["places"])


def test_graphs_of_one_shape_share_a_layout():
    data = explore(gated(LSTMCell(1, 4))).data
    ((quantities, *entries, loss),) = data["graphs"]
    assert quantities["says"] == "its quantities"
    assert len({entry["layout"] for entry in entries}) == 2  # of h and of c
    assert loss["says"] == "all, to the loss"
    names = [level["says"] for level in explore(scalar()).data["graphs"][0]]
    assert names == ["every Value"]


def test_a_quantity_has_its_parts_on_its_card():
    (quantities, *_), *_ = explore(gated(RNNCell(1, 3))).data["graphs"]
    ((h,),) = [[card for card in quantities["places"] if card == [2, 3, 4]]]
    assert len(h) == 3
    assert [-3, -4, -5] in [sorted(card, reverse=True) for card in quantities["places"]]  # the state before
