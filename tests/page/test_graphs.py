"""The graph of a time step on the page: what stands on its cards, and that none covers another or an edge."""

from itertools import combinations, pairwise

import pytest

from tinygrad_rnn import GRUCell, Linear, LSTMCell, RNNCell, Value, cross_entropy, explore, mse_loss, problem, unroll
from tinygrad_rnn.compile.javascript import PRELUDE, SEQUENCE
from tinygrad_rnn.nn import OneHot
from tinygrad_rnn.page import graphs as graphs_of_page
from tinygrad_rnn.page.graphs import HIGH, WIDE
from tinygrad_rnn.page.page import script
from tinygrad_rnn.support.ranges import spread

from ..node import node
from .pages import gated, scalar

__all__ = ["node"]


def own_cell():
    """A cell whose state before is also read late in the time step."""
    w = Value(0.7, label="w")
    unrolled = unroll(lambda x, h, c: ((w * h + x).tanh() * c + h, c * 0.9 + h), [0.1, 0.2, 0.3], h0=(0.1, 0.2))
    return unrolled, mse_loss(unrolled.h[3], 0.3)


POSED = {
    "scalar": scalar,
    "rnn": lambda: gated(RNNCell(1, 3)),
    "lstm": lambda: gated(LSTMCell(1, 4)),
    "gru": lambda: gated(GRUCell(1, 4)),
    "own": own_cell,
    "symbols": lambda: problem(
        RNNCell(5, 4), [OneHot(i, 5) for i in (0, 3, 1)], [1, 2, 3], readout=Linear(4, 5), loss=cross_entropy
    ),
}
READ = """
return page.graph_of.flatMap((of, i) => page.graphs[of].map((level) => {
  const { cards, edges, height } = readGraph(PROGRAMS[i], level, true), { width, nodes } = PROGRAMS[i].facts;
  const lines = edges.map(({ tail, head, way }) => [tail.id, head.id, way]);
  return { height, width, nodes, cards: cards.map(({ places, x, y }) => ({ places, x, y })), edges: lines };
}));"""
cases = pytest.mark.parametrize("name", POSED)


def graphs(node, name):
    """The graphs of a page as it reads them."""
    posed = POSED[name]()
    page = explore(*posed) if isinstance(posed, tuple) else explore(posed)
    programs = "".join(f"PROGRAMS.push({program});\n" for program in page.programs)
    scripts = "\n".join(script(each).replace('"use strict";', "") for each in ("places", "graph"))
    code = f"{PRELUDE}\n{SEQUENCE}\nconst PROGRAMS = [];\n{programs}{scripts}\nconst page = given;{READ}"
    return node.run(code, page.data)


@cases
def test_cards_neither_meet_each_other_nor_edges_and_time_goes_to_the_right(node, name):
    for graph in graphs(node, name):
        cards = [(card["x"], card["y"]) for card in graph["cards"]]
        for (ax, ay), (bx, by) in combinations(cards, 2):
            assert abs(ax - bx) >= WIDE or abs(ay - by) >= HIGH
        for tail, head, way in graph["edges"]:
            x = [cards[tail][0], *(x for x, _ in way), cards[head][0]]
            assert all(b - a > WIDE for a, b in pairwise(x))
            for px, py in way:
                assert not any(abs(px - cx) < WIDE and cy < py < cy + HIGH for cx, cy in cards)
        first = min(x for x, _ in cards)
        assert first >= 0
        assert all(0 <= y <= graph["height"] - HIGH for _, y in cards)
        assert all(card["x"] == first for card in graph["cards"] if card["places"][0] < 0)  # the state before


def test_gates_stand_in_one_column(node):
    quantities = graphs(node, "lstm")[0]
    columns = {}
    for card in quantities["cards"]:
        name = quantities["nodes"][card["places"][0]][0]
        columns.setdefault(card["x"], set()).add(name[: name.index("_\ua7fb")])
    assert {"i", "f", "g", "o"} in columns.values()
    assert {"z_i", "z_f", "z_g", "z_o"} in columns.values()


@pytest.mark.slow
@cases
def test_every_place_is_on_one_card(node, name):
    page = explore(posed) if not isinstance(posed := POSED[name](), tuple) else explore(*posed)
    quantities = [level for levels in page.data["graphs"] for level in levels if "places" in level]
    for level in quantities:
        places = [place for group in ("places", "others") for card in level[group] for place in spread(card)]
        assert len(places) == len(set(places))
        assert all(level["places"])
    for graph in graphs(node, name):
        places = [place for card in graph["cards"] for place in card["places"]]
        assert len(places) == len(set(places)) > 0
        assert all(place < graph["width"] for place in places)


def test_graphs_of_one_shape_share_a_layout():
    data = explore(gated(LSTMCell(1, 4))).data
    ((quantities, *entries, loss),) = data["graphs"]
    assert quantities["says"] == "its quantities"
    assert len({entry["layout"] for entry in entries}) == 2  # of h and of c
    assert loss["says"] == "all, to the loss"
    names = [level["says"] for level in explore(scalar()).data["graphs"][0]]
    assert names == ["every Value"]


def test_a_quantity_has_its_parts_on_its_card(node):
    quantities = graphs(node, "rnn")[0]
    cards = [sorted(card["places"], reverse=True) for card in quantities["cards"]]
    names = {quantities["nodes"][slot][0]: slot for slot in range(quantities["width"])}
    h = [names[f"h_\ua7fb[{i}]"] for i in range(3)]
    assert h[::-1] in cards
    assert [-1 - slot for slot in h] in cards  # the state before


def test_of_what_has_too_many_cards_no_graph_is_made(monkeypatch):
    made = []

    def counted(operands, level, members):
        made.append(len(members) if level != "quantities" else 0)
        return graph(operands, level, members)

    graph = graphs_of_page._Graph
    monkeypatch.setattr(graphs_of_page, "_Graph", counted)
    explore(problem(RNNCell(1, 20), [[0.1]], [[0.1] * 20]))
    assert 0 < max(made) <= graphs_of_page._MOST < 20 * 20
