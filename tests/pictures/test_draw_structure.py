"""What a picture shows, as geometry: nodes, edges, columns, and that none of it lies across another."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

from tinygrad_rnn import Linear, RNNCell, ScalarRNNCell, Unrolled, Value, cross_entropy, mse_loss, pictures, unroll
from tinygrad_rnn.errors import ArgumentError
from tinygrad_rnn.nn.quantities import entries
from tinygrad_rnn.pictures import Drawing, trace
from tinygrad_rnn.pictures.geometry import Box, Picture
from tinygrad_rnn.pictures.graph import Edge, Node
from tinygrad_rnn.pictures.view import DETAILS
from tinygrad_rnn.support.colours import luminance

Problem = tuple[Unrolled, Value]


def draw(*what: Any, **options: Any) -> Drawing:
    return pictures.draw(*what, **{"detail": "values", **options})


def scalar(T: int = 3, w: float = 0.5, nonlinearity: str = "tanh") -> Problem:
    inputs = ([0.5, -0.3, 0.9, 0.1] * T)[:T]
    unrolled = unroll(ScalarRNNCell(w=w, u=0.8, b=0.1, nonlinearity=nonlinearity), inputs)
    return unrolled, (unrolled.h[T] - 1.0) ** 2


def vector() -> Problem:
    unrolled = unroll(RNNCell(2, 3, seed=1), [[1.0, -1.0], [0.5, 0.2], [0.0, 1.0]], readout=Linear(3, 2, seed=2))
    return unrolled, mse_loss([unrolled.y[t] for t in (1, 2, 3)], [[1.0, 0.0]] * 3)


def gated() -> Problem:
    """A scalar LSTM written as a plain function."""
    weights = {name: Value(0.3 + 0.1 * i, label=name) for i, name in enumerate(["w_f", "w_i", "w_g", "w_o", "u"])}

    def cell(x: Value, h: Value, c: Value) -> tuple[Value, Value]:
        f, i, o = ((weights[name] * h + weights["u"] * x).sigmoid() for name in ("w_f", "w_i", "w_o"))
        c = f * c + i * (weights["w_g"] * h + x).tanh()
        return o * c.tanh(), c

    unrolled = unroll(cell, [0.1, 0.2, 0.3], h0=(0.1, 0.2))
    return unrolled, unrolled.h[3] * 2.0


def characters() -> Problem:
    inputs = [[float(i == t) for i in range(3)] for t in range(3)]
    unrolled = unroll(RNNCell(3, 2, seed=3), inputs, readout=Linear(2, 3, seed=4))
    return unrolled, cross_entropy([unrolled.y[t] for t in (1, 2, 3)], [1, 2, 0])


def skipping() -> Problem:
    """A cell that reaches back three steps, and a weight that is itself computed."""
    past: list[Value] = []
    w = Value(0.3, label="a").exp()
    w.label = "w"

    def cell(x: Value, h: Value) -> Value:
        past.append((w * h + x + (past[-3] if len(past) > 2 else 0.0)).tanh())
        return past[-1]

    unrolled = unroll(cell, [0.1 * t for t in range(6)], h0=0.0)
    return unrolled, unrolled.h[6] + unrolled.h[1]


PROBLEMS: dict[str, Callable[[], Problem]] = {
    function.__name__: function for function in (scalar, vector, gated, characters, skipping)
}


@pytest.fixture(params=PROBLEMS)
def problem(request: pytest.FixtureRequest) -> Problem:
    unrolled, loss = PROBLEMS[request.param]()
    loss.backward()
    return unrolled, loss


def nodes_of(picture: Picture) -> list[tuple[Box, Node]]:
    return [(box, box.node) for frame in picture.frames for box in frame.boxes if box.node]


def edges_of(picture: Picture) -> list[Edge]:
    return [line.edge for line in picture.lines if line.edge]


def sides(box: Box) -> tuple[float, float, float, float]:
    assert box.centre
    x, y = box.centre
    w, h = box.width - 1e-6, box.height - 1e-6
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def test_trace_gives_nodes_and_edges() -> None:
    a, b = Value(2.0), Value(3.0)
    total = a + b
    square = total * total
    assert trace(square) == ({a, b, total, square}, {(a, total), (b, total), (total, square)})


def test_every_value_is_drawn_once_and_a_tied_weight_once_per_step(problem: Problem) -> None:
    unrolled, loss = problem
    drawn = [node for _, node in nodes_of(draw(unrolled, loss).picture)]
    steps = unrolled.steps_of([loss, *[v for n in unrolled.names for q in unrolled[n].values() for v in entries(q)]])
    count = Counter(node.value for node in drawn)
    places = Counter((node.value, node.step) for node in drawn)
    assert set(places.values()) == {1}
    assert set(count) >= {value for value, step in steps.items() if step is not None}
    for value, step in steps.items():
        if step is not None:
            assert count[value] == 1
        else:
            users = {steps[child] for child in steps if value in child.parents}
            assert count[value] == len(users | {None}) if value.parents else len(users)


def test_every_operand_has_its_edge(problem: Problem) -> None:
    unrolled, loss = problem
    edges = Counter((edge.parent, edge.child, edge.position) for edge in edges_of(draw(unrolled, loss).picture))
    nodes, _ = trace(loss)
    for child in nodes:
        for position, parent in enumerate(child.parents):
            assert edges[parent, child, position] == 1


def test_nodes_stand_in_the_column_of_their_step_and_columns_in_order_of_time(problem: Problem) -> None:
    unrolled, loss = problem
    picture = draw(unrolled, loss).picture
    frames = [frame for frame in picture.frames if frame.id != "before"]
    assert [frame.title for frame in frames] == [f"t = {t}" for t in range(unrolled.T + 1)]
    for frame, following in zip(picture.frames, picture.frames[1:]):
        assert frame.right < following.left or following.top < frame.bottom  # in a row, or in the next one
    steps = unrolled.steps_of([loss])
    for frame in frames:
        for box in frame.boxes:
            left, bottom, right, top = sides(box)
            assert frame.left <= left
            assert frame.bottom <= bottom
            assert right <= frame.right
            assert top <= frame.top
            assert box.node
            assert steps.get(box.node.value, box.node.step) in (None, int(frame.id[1:]))


def test_no_card_lies_across_another(problem: Problem) -> None:
    picture = draw(*problem).picture
    cards = [*[box for box, _ in nodes_of(picture)], *picture.boxes]
    assert len({box.id for box in cards}) == len(cards)
    for one, other in combinations(cards, 2):
        a, b = sides(one), sides(other)
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (one.lines, other.lines)


def test_every_arrow_goes_from_its_tail_to_its_head(problem: Problem) -> None:
    picture = draw(*problem).picture
    boxes = {box.id: box for box, _ in nodes_of(picture)}
    for line in picture.lines:
        if line.edge is None:
            continue
        assert (len(line.curve) - 1) % 3 == 0
        assert _distance(line.curve[0], boxes[line.tail]) < 3.0
        assert _distance(line.curve[-1], boxes[line.head]) < 3.0


def _distance(point: tuple[float, float], box: Box) -> float:
    left, bottom, right, top = sides(box)
    dx = max(left - point[0], 0.0, point[0] - right)
    dy = max(bottom - point[1], 0.0, point[1] - top)
    return math.hypot(dx, dy)


def test_the_scalar_chain_is_one_straight_line() -> None:
    unrolled, loss = scalar(2)
    picture = draw(unrolled, loss).picture
    assert len({frame.top for frame in picture.frames}) == 1
    heights = {box.centre[1] for box, node in nodes_of(picture) if node.kind == "state" and box.centre}
    assert len(heights) == 1
    (height,) = heights
    lit = [line for line in picture.lines if line.pen == 3.0 and line.edge]
    assert len(lit) == 2 * 4 + 2
    assert all(abs(y - height) < 0.5 for line in lit for _, y in line.curve)


@pytest.mark.parametrize("T", [6, 12])
def test_the_rows_are_the_widths_that_make_a_picture_as_large_as_can_be(T: int) -> None:
    """Of all ways to break the strip, rows of a width that a first or a last row can have."""
    picture = draw(*scalar(T)).picture
    ends: dict[float, float] = {}
    for frame in picture.frames:
        ends[frame.top] = max(ends.get(frame.top, 0.0), frame.right)
    assert max(ends.values()) == ends[min(ends)]  # the last row, with the loss, is the widest
    assert picture.width / picture.height == pytest.approx(16 / 9, rel=0.15)


def test_all_time_steps_look_alike() -> None:
    unrolled, loss = vector()
    frames = {frame.id: frame for frame in draw(unrolled, loss).picture.frames}

    def layout(t: int) -> list[tuple[float, float]]:
        cell = {v for name in ("x", "z", "h") for v in entries(unrolled[name][t])}
        frame = frames[f"t{t}"]
        return [
            (round(box.centre[0] - frame.left, 6), box.centre[1])
            for box in frame.boxes
            if box.node and box.centre and box.node.value in cell
        ]

    assert layout(1) == layout(2) == layout(3)


def test_before_backward_a_gradient_is_not_run_and_never_zero() -> None:
    unrolled, loss = scalar()
    source = draw(unrolled, loss).source
    assert "grad not run" in source
    assert "grad 0" not in source
    loss.backward()
    source = draw(unrolled, loss).source
    assert "grad not run" not in source
    assert "grad −0.602" in source


def test_what_the_loss_does_not_reach_is_told_from_what_has_not_run() -> None:
    unrolled, _ = scalar(3)
    loss = unrolled.h[2] * 1.0
    loss.backward()
    by_value = {node.value: box for box, node in nodes_of(draw(unrolled, loss).picture)}
    assert by_value[unrolled.h[3]].lines[-1] == "grad not reached"
    assert by_value[unrolled.h[2]].lines[-1] == "grad 1"


def test_cards_show_label_op_data_and_gradient() -> None:
    unrolled, loss = scalar()
    loss.backward()
    lines = {tuple(box.lines) for box, _ in nodes_of(draw(unrolled, loss).picture)}
    assert ("h_3 = tanh(z_3)", "data 0.699", "grad −0.602") in lines
    assert ("w·h_2", "data 0.0454", "grad −0.308") in lines
    assert ("z_3 = … + b", "data 0.865", "grad −0.308") in lines
    assert ("x_3", "data 0.9", "grad −0.246") in lines


def test_copies_of_a_tied_weight_say_so_and_their_shares_add_up_to_its_gradient() -> None:
    unrolled, loss = scalar(5)
    loss.backward()
    w = unrolled.cell.w
    copies = [(box, node) for box, node in nodes_of(draw(unrolled, loss).picture) if node.value is w]
    assert [node.step for _, node in copies] == [1, 2, 3, 4, 5]
    assert all(box.lines[0] == "w tied ×5" and box.dashed for box, _ in copies)
    assert math.isclose(sum(node.share or 0.0 for _, node in copies), w.grad)
    others = {box.fill for box, node in nodes_of(draw(unrolled, loss).picture) if node.kind != "parameter"}
    assert copies[0][0].fill not in others


def test_edges_carry_their_local_gradient_on_request() -> None:
    unrolled, loss = scalar(2)
    assert not any(line.label for line in draw(unrolled, loss).picture.lines)
    labels = {
        (line.edge.child.name, line.edge.position): line.label
        for line in draw(unrolled, loss, local_gradients=True).picture.lines
        if line.edge
    }
    assert labels["w·h_1", 1] == "0.5"  # ∂(w·h)/∂h = w
    assert labels["z_2", 0] == "1"
    assert labels["h_1", 0] == "0.786"  # 1 - tanh²(0.5)


def test_colour_follows_the_size_of_the_gradient() -> None:
    unrolled, loss = scalar(12)
    loss.backward()
    fills = {node.value: box.fill for box, node in nodes_of(draw(unrolled, loss).picture)}
    along = [fills[unrolled.h[t]] for t in range(13)]
    assert len(set(along)) > 8
    assert luminance(along[0]) > luminance(along[6]) > luminance(along[12])
    keys = [text for box in draw(unrolled, loss).picture.boxes if box.id.startswith("key") for text in box.lines]
    assert "1" in keys
    assert any(text.startswith("10") for text in keys)


@pytest.mark.slow
def test_the_middle_of_a_long_sequence_is_folded_on_request_and_by_itself() -> None:
    unrolled, loss = scalar(300)
    few = draw(unrolled, loss, max_steps=5)
    assert [frame.id for frame in few.picture.frames] == ["t0", "t1", "t298", "t299", "t300"]
    assert any("(296 folded)" in box.lines for box in few.picture.boxes)
    fold = next(box.id for box in few.picture.boxes if box.id.startswith("fold"))
    assert {(line.tail, line.head) for line in few.picture.lines if fold in (line.tail, line.head)} == {
        (next(box.id for box, node in nodes_of(few.picture) if node.value is unrolled.h[1]), fold),
        (fold, next(box.id for box, node in nodes_of(few.picture) if node.value.name == "w·h_297")),
    }
    assert len(draw(unrolled, loss).picture.frames) == 200
    assert len(draw(unrolled, loss, max_steps=301).picture.frames) == 301


@pytest.mark.slow
def test_a_vector_cell_that_is_long_is_folded_by_the_number_of_its_nodes() -> None:
    unrolled = unroll(RNNCell(1, 8), [[1.0]] * 60)
    picture = draw(unrolled).picture
    assert 4 <= len(picture.frames) < 61
    assert len(nodes_of(picture)) < 9000


def test_a_style_can_change_any_node_and_edge() -> None:
    unrolled, loss = scalar(2)

    def style(item: Node | Edge) -> dict[str, object] | None:
        if isinstance(item, Node) and item.value is unrolled.h[1]:
            return {"fill": "#123456", "rows": ["done"]}
        if isinstance(item, Edge) and item.child is loss:
            return {"dashed": True, "label": "to come"}
        return None

    picture = draw(unrolled, loss, style=style).picture
    assert [box.lines for box, _ in nodes_of(picture) if box.fill == "#123456"] == [["done"]]
    assert [line.label for line in picture.lines if line.dashed] == ["to come"]


def test_without_a_loss_everything_unrolled_is_drawn() -> None:
    unrolled, _ = vector()
    drawn = {node.value for _, node in nodes_of(draw(unrolled).picture)}
    assert all(value in drawn for t in (1, 2, 3) for value in [*unrolled.h[t], *unrolled.y[t]])


@pytest.mark.parametrize("options", [{"detail": "half"}, {"max_steps": 1}, {"state": "q"}, {"k": 9}, {"k": -1}])
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ArgumentError):
        draw(*scalar(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("detail", DETAILS)
def test_a_loss_of_something_else_is_an_error(detail: str) -> None:
    rnn = unroll(ScalarRNNCell(w=0.9, u=0.5), [1.0, 0.0])
    unrelated = Value(1.0, label="other") * 2.0
    unrelated.label = "unrelated"
    with pytest.raises(ArgumentError, match="depends on no state ") as caught:
        draw(rnn, loss=unrelated, detail=detail)
    assert caught.value.node == "unrelated"


@pytest.mark.parametrize("detail", DETAILS)
def test_the_chain_may_be_left_dark(detail: str) -> None:
    rnn = unroll(ScalarRNNCell(w=0.9, u=0.5), [1.0, 0.0])
    rnn.h[2].backward()
    chain = re.compile("∂h(_2|₂)/∂h(_0|₀)")
    assert chain.search(draw(rnn, detail=detail, loss=rnn.h[2] * 1.0).source)
    assert not chain.search(draw(rnn, detail=detail, lit=False).source)
