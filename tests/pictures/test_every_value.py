"""The level of Values: which cells need no Graphviz, how steps are laid out, and rows below each other."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from tinygrad_rnn import GRUCell, LSTMCell, RNNCell, ScalarRNNCell, Unrolled, Value, mse_loss, unroll
from tinygrad_rnn.errors import DrawError
from tinygrad_rnn.pictures import draw, engine, geometry, rows
from tinygrad_rnn.pictures.geometry import Box, Picture
from tinygrad_rnn.pictures.text import width

CELLS = [
    ScalarRNNCell(),
    ScalarRNNCell(nonlinearity="identity"),
    RNNCell(2, 4),
    LSTMCell(1, 4),
    GRUCell(1, 4),
    LSTMCell(2, 1, bias=False),
]


def problem(cell: Any, T: int = 3) -> tuple[Unrolled, Value]:
    size = getattr(cell, "input_size", None)
    unrolled = unroll(cell, [0.1 * t if size is None else [0.1 * t] * size for t in range(T)])
    loss = mse_loss(unrolled.h[T], 0.3 if size is None else [0.3] * len(unrolled.h[T]))
    loss.backward()
    return unrolled, loss


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Graphviz."""
    monkeypatch.setattr(engine, "programs", list)


def overlap(one: Box, other: Box) -> bool:
    assert one.centre
    assert other.centre
    dx, dy = abs(one.centre[0] - other.centre[0]), abs(one.centre[1] - other.centre[1])
    return dx < (one.width + other.width) / 2 - 1e-6 and dy < (one.height + other.height) / 2 - 1e-6


@pytest.mark.slow
@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_every_value_of_our_cells_up_to_4_units_needs_no_graphviz(cell: Any) -> None:
    picture = draw(*problem(cell), detail="values").picture
    for one, other in combinations(picture.every_box(), 2):
        assert not overlap(one, other), (one.lines, other.lines)
    left, bottom, right, top = geometry.bounds(picture)
    assert left >= 0.0
    assert bottom >= 0.0
    assert right <= picture.width
    assert top <= picture.height


def test_where_no_gradient_passes_edges_are_dashed() -> None:
    """Exactly those from the state before a cut to the time step after it."""
    unrolled, loss = problem(LSTMCell(1, 2))
    picture = draw(unrolled, loss, detail="values", cuts=(2,)).picture
    edges = [line.edge for line in picture.lines if line.edge is not None and line.dashed]
    assert {edge.parent for edge in edges} == set(unrolled.state(1))
    assert {edge.child.time_step for edge in edges} == {2}
    assert not any(line.dashed for line in draw(unrolled, loss, detail="values").picture.lines if line.edge)


def test_every_value_can_be_drawn_without_numbers() -> None:
    picture = draw(*problem(ScalarRNNCell()), detail="values", values=False).picture
    assert all(len(box.rows) == 1 for frame in picture.frames for box in frame.boxes)


def test_time_steps_have_their_names_and_notes_above_them() -> None:
    picture = draw(*problem(ScalarRNNCell()), detail="values", names="abc", notes=[["d"], [], []]).picture
    assert [frame.title for frame in picture.frames][1:] == ["t = 1: a, d", "t = 2: b", "t = 3: c"]


@pytest.mark.slow
@pytest.mark.parametrize("cell", [*CELLS, RNNCell(1, 5)], ids=repr)
def test_every_text_has_room(cell: Any) -> None:
    picture = draw(*problem(cell), detail="values").picture
    sizes = [text.size for text in picture.every_text()]
    assert max(sizes) <= 3.0 * min(sizes)
    for box in picture.every_box():
        assert box.centre
        for _, text in box.laid_out():
            assert width(text.text, text.size, text.bold) <= box.width - 4.0, text
            assert abs(text.place[1] - box.centre[1]) <= (box.height - text.size) / 2, text
    for text in picture.texts:
        assert text.place[0] + width(text.text, text.size, text.bold) <= picture.width or text.anchor == "end"


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize("cell", [RNNCell(1, 5), GRUCell(2, 40)], ids=repr)
def test_states_of_our_cells_need_no_graphviz_at_any_size(cell: Any) -> None:
    assert draw(*problem(cell)).svg().startswith("<svg")


@pytest.mark.usefixtures("no_engine")
def test_what_needs_graphviz_says_so() -> None:
    unrolled = unroll(lambda x, h: (x * h).sigmoid(), [0.1, 0.2], h0=0.5)
    with pytest.raises(DrawError, match="there is no Graphviz"):
        draw(unrolled, detail="values")
    with pytest.raises(DrawError, match="there is no Graphviz"):
        draw(*problem(RNNCell(1, 5)), detail="values")


@pytest.mark.slow
def test_no_line_of_a_step_that_we_lay_out_crosses_a_card() -> None:
    picture = draw(*problem(LSTMCell(1, 2)), detail="values").picture
    boxes = {box.id: box for box in picture.every_box()}
    crossed = 0
    for line in picture.lines:
        if line.edge is None:
            continue
        inner = [geometry.along(line.curve, part / 40) for part in range(1, 40)]
        for name, box in boxes.items():
            if name in (line.tail, line.head) or box.centre is None or box.node is None:
                continue
            x, y = box.centre
            crossed += any(abs(px - x) < box.width / 2 - 2 and abs(py - y) < box.height / 2 - 2 for px, py in inner)
    assert crossed == 0


# ---- rows -----------------------------------------------------------------------------------------------------------


def strip_of(T: int) -> tuple[Picture, list[float]]:
    picture = draw(*problem(ScalarRNNCell(), T), detail="values", max_steps=T + 1).picture
    return picture, sorted({frame.bottom for frame in picture.frames}, reverse=True)


def test_many_steps_stand_in_rows_that_fill_a_slide() -> None:
    picture, bottoms = strip_of(12)
    assert 2 <= len(bottoms) <= 5
    assert 1.0 < picture.width / picture.height < 3.2
    order = sorted(picture.frames, key=lambda frame: (-frame.bottom, frame.left))
    assert [frame.step for frame in order] == list(range(13))
    for one, other in combinations(picture.every_box(), 2):
        assert not overlap(one, other), (one.id, other.id)


def test_a_line_from_row_to_row_passes_between_them() -> None:
    picture, _ = strip_of(12)
    frames = {box.id: frame for frame in picture.frames for box in frame.boxes}
    passing = [
        line
        for line in picture.lines
        if line.edge and line.tail in frames and frames[line.tail].bottom != frames[line.head].bottom
    ]
    assert passing
    for line in passing:
        assert (len(line.curve) - 1) % 3 == 0
        for x, y in (geometry.along(line.curve, part / 100) for part in range(101)):
            for frame in picture.frames:
                if frame not in (frames[line.tail], frames[line.head]):
                    assert not (frame.left < x < frame.right and frame.bottom < y < frame.top)


def test_a_short_strip_stays_as_it_is() -> None:
    picture, bottoms = strip_of(1)
    assert len(bottoms) == 1
    assert rows.wrapped(picture, [0.0]) is picture
