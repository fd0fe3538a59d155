"""The default pictures as slides: large enough to be read from the last row, and no text on another."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_rnn import LSTM, ScalarRNNCell, Unrolled, Value, mse_loss, total, unroll
from tinygrad_rnn.cli.inputs import input_options, read_problem
from tinygrad_rnn.cli.options import Parser, add_options
from tinygrad_rnn.engine.backward import topological_order
from tinygrad_rnn.pictures import draw, draw_dot
from tinygrad_rnn.pictures.geometry import Box, Curve, Picture, Text
from tinygrad_rnn.pictures.places import placed
from tinygrad_rnn.pictures.text import width

from ..eyes import EYES, seen
from ..random_problems import Problem as RandomProblem
from ..random_problems import problems
from .own_cell import unrolled_own_cell

Problem = tuple[Unrolled, Value, dict[str, Any]]  # with arguments of draw
WIDTH, HEIGHT = 1920, 1080


def command(*arguments: str) -> Problem:
    """The problem of ``tinygrad-rnn`` with these arguments."""
    parser = Parser()
    add_options(parser, input_options())
    posed = read_problem(parser.parse_args(arguments))
    return posed.unrolled, posed.loss, posed.labels()


def own_cell(units: int) -> Callable[[], Problem]:
    """A cell that we do not know, with two parts of its state."""

    def make() -> Problem:
        return *unrolled_own_cell(units), {}

    return make


def named() -> Problem:
    """A loss with a long name, of vectors."""
    unrolled, loss, labels = command("--cell", "rnn", "--steps", "40")
    loss.label = "last entropy"
    return unrolled, loss, labels


def long_step() -> Problem:
    """A time step with more Values between state and loss than have room for long names."""
    unrolled = unroll(ScalarRNNCell(w=1.28818, u=1.44945, b=0.0663358), [-0.000764543])
    return unrolled, mse_loss(unrolled.h[1], -1.0921732) * 0.001, {}


def stacked() -> Problem:
    """Two layers, each with two parts of the state."""
    unrolled = unroll(LSTM(1, 2, 2, seed=0), [[0.1 * t] for t in range(12)])
    return unrolled, mse_loss(unrolled.h[12], [0.3, 0.1]), {}


SLIDES: dict[str, tuple[Callable[[], Problem], dict[str, Any], float]] = {
    "default": (command, {}, 20.0),
    "3 steps": (lambda: command("--steps", "3"), {}, 20.0),
    "1 step": (lambda: command("--steps", "1"), {}, 20.0),
    "2 steps": (lambda: command("--steps", "2"), {}, 20.0),
    "5 steps": (lambda: command("--steps", "5"), {}, 20.0),
    "explodes": (lambda: command("--w", "1.6", "--nonlinearity", "identity"), {}, 20.0),
    "negative w": (lambda: command("--w", "-3", "--nonlinearity", "identity"), {}, 20.0),
    "50 steps": (lambda: command("--steps", "50"), {}, 14.0),
    "200 steps": (lambda: command("--steps", "200"), {}, 14.0),
    "hello": (lambda: command("--text", "hello"), {}, 14.0),
    "4 hidden": (lambda: command("--hidden", "4"), {}, 14.0),
    "lstm": (lambda: command("--cell", "lstm"), {}, 14.0),
    "lstm that keeps": (lambda: command("--cell", "lstm", "--forget-bias", "4"), {}, 14.0),
    "lstm along c": (lambda: command("--cell", "lstm"), {"state": "c"}, 14.0),
    "gru": (lambda: command("--cell", "gru", "--hidden", "8"), {}, 14.0),
    "all losses": (lambda: command("--steps", "30", "--loss", "all"), {}, 14.0),
    "own cell": (own_cell(1), {}, 14.0),
    "large own cell": (own_cell(8), {}, 14.0),
    "4:3": (command, {"aspect": "4:3"}, 20.0),
    "4:3 along c": (lambda: command("--cell", "lstm"), {"aspect": "4:3", "state": "c"}, 14.0),
    "4:3 hello": (lambda: command("--text", "hello"), {"aspect": "4:3"}, 14.0),
    "4:3 gru": (lambda: command("--cell", "gru"), {"aspect": "4:3"}, 14.0),
    "4:3 rnn": (lambda: command("--cell", "rnn"), {"aspect": "4:3"}, 14.0),
    "4:3 with a long step": (long_step, {"aspect": "4:3"}, 14.0),
    "4:3 with a named loss": (named, {"aspect": "4:3"}, 14.0),
    "only": (command, {"only": (3, 5)}, 20.0),
    "to k": (command, {"k": 8}, 20.0),
    "20 steps asked for": (lambda: command("--steps", "40"), {"max_steps": 17}, 14.0),
    "a title": (command, {"title": "The chain rule, over and over again, in one picture that fits a slide"}, 20.0),
    "no values": (command, {"values": False}, 20.0),
    "gates": (command, {"detail": "gates"}, 14.0),
    "gates of an lstm": (lambda: command("--cell", "lstm"), {"detail": "gates"}, 14.0),
    "gates of a gru": (lambda: command("--cell", "gru", "--hidden", "8"), {"detail": "gates"}, 14.0),
    "gates of an own cell": (own_cell(1), {"detail": "gates"}, 14.0),
    "no years": (command, {"names": ()}, 20.0),
    "not run": (command, {"run": False}, 20.0),
    "tanh_exact": (lambda: command("--nonlinearity", "tanh_exact"), {}, 20.0),
    "relu": (lambda: command("--nonlinearity", "relu", "--w", "0.1"), {}, 20.0),
    "no loss": (command, {"loss": False}, 20.0),
    "one unit": (lambda: command("--hidden", "1"), {}, 14.0),
    "lstm of one unit": (lambda: command("--cell", "lstm", "--hidden", "1", "--steps", "3"), {}, 14.0),
    "text of a gru": (lambda: command("--text", "abracadabra", "--cell", "gru"), {}, 14.0),
    "text of an lstm": (lambda: command("--text", "hello", "--cell", "lstm"), {}, 14.0),
    "text of an lstm, 4:3": (lambda: command("--text", "abracadabra", "--cell", "lstm"), {"aspect": "4:3"}, 14.0),
    "two layers": (stacked, {}, 14.0),
    "two layers, 4:3": (stacked, {"aspect": "4:3"}, 14.0),
    "truncated": (lambda: command("--loss", "all"), {"k": 9, "cuts": (5, 9)}, 14.0),
    "truncated, 4:3": (lambda: command("--loss", "all"), {"k": 9, "cuts": (5, 9), "aspect": "4:3"}, 14.0),
    "a truncated lstm": (lambda: command("--loss", "all", "--cell", "lstm"), {"k": 9, "cuts": (5, 9)}, 14.0),
    "unlit": (command, {"lit": False}, 20.0),
}


@pytest.fixture(scope="module", params=SLIDES)
def slide(request: pytest.FixtureRequest) -> tuple[Picture, float]:
    make, options, least = SLIDES[request.param]
    unrolled, loss, labels = make()
    options = {**labels, **options}
    if options.pop("run", True):
        loss.backward()
    return draw(unrolled, *([loss] if options.pop("loss", True) else []), **options).picture, least


def shown_at(picture: Picture) -> float:
    """By how much the picture is enlarged where it fills a screen of 1920 × 1080."""
    return min(WIDTH / picture.width, HEIGHT / picture.height)


def extent(text: Text) -> tuple[float, float, float, float]:
    """What a text covers: left, bottom, right and top. Of its height, letters fill four fifths."""
    (x, y), wide = text.place, width(text.text, text.size, text.bold)
    left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[text.anchor] * wide
    return left, y - 0.4 * text.size, left + wide, y + 0.4 * text.size


def point_at(curve: Curve, first: int, t: float) -> tuple[float, float]:
    """A point of the piece of a curve whose first control point is given."""
    weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
    piece = list(zip(weights, curve[first : first + 4]))
    return sum(w * x for w, (x, _) in piece), sum(w * y for w, (_, y) in piece)


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two extents share more than an edge."""
    return all(max(a[i], b[i]) < min(a[i + 2], b[i + 2]) - 1e-9 for i in (0, 1))


def sides(box: Box) -> tuple[float, float, float, float]:
    assert box.centre
    (x, y), w, h = box.centre, box.width, box.height
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


@pytest.mark.slow
def test_text_can_be_read_from_the_last_row(slide: tuple[Picture, float]) -> None:
    picture, least = slide
    sizes = [text.size for text in picture.every_text()]
    assert min(sizes) * shown_at(picture) >= least - 1e-9
    assert max(sizes) <= 3.0 * min(sizes)


def test_no_text_leaves_its_box_or_the_page(slide: tuple[Picture, float]) -> None:
    picture, _ = slide
    for box in picture.every_box():
        left, bottom, right, top = sides(box)
        assert left >= 0.0
        assert bottom >= 0.0
        assert right <= picture.width
        assert top <= picture.height
        for _, text in box.laid_out():
            a, b, c, d = extent(text)
            assert left < a, text
            assert bottom < b, text
            assert c < right, text
            assert d < top, text
    for text in picture.texts:
        a, b, c, d = extent(text)
        assert a >= 0.0, text
        assert b >= 0.0, text
        assert c <= picture.width, text
        assert d <= picture.height, text


def test_no_name_is_cut_short(slide: tuple[Picture, float]) -> None:
    """In the equations of a time step; of other names, which users give, there is no end."""
    cards = [box for box in slide[0].boxes if box.id.startswith("step_")]
    for text in [row.text for box in cards for row in box.rows] + [text.text for text in slide[0].texts]:
        assert not text.endswith("…"), text


def test_no_text_touches_another(slide: tuple[Picture, float]) -> None:
    texts = [(text, extent(text)) for text in slide[0].every_text() if text.text]
    assert len(texts) > 2
    for (one, a), (other, b) in combinations(texts, 2):
        assert not overlap(a, b), (one, other)


def test_no_card_lies_on_another_or_on_a_text(slide: tuple[Picture, float]) -> None:
    cards = [box for box in slide[0].every_box() if box.shape == "card"]
    for one, other in combinations(cards, 2):
        assert not overlap(sides(one), sides(other)), (one.id, other.id)
    for box in [*cards, *(box for box in slide[0].boxes if box.role == "law")]:
        for text in slide[0].texts:
            assert not overlap(sides(box), extent(text)), (box.id, text)


def test_no_arrow_strikes_a_card_through(slide: tuple[Picture, float]) -> None:
    """Graphviz ends arrows up to a point inside a card."""
    boxes = [box for box in slide[0].every_box() if box.shape == "card"]
    for line in slide[0].lines:
        points = [point_at(line.curve, i, j / 8) for i in range(0, len(line.curve) - 1, 3) for j in range(9)]
        for box in boxes:
            margin = 0.1 if box.role == "fold" else 1.0
            left, bottom, right, top = sides(box)
            within = [left + margin < x < right - margin and bottom + margin < y < top - margin for x, y in points]
            assert not any(within), (line.id, box.id)


def test_a_value_and_its_gradient_are_told_apart_in_grey_print_and_by_every_eye(slide: tuple[Picture, float]) -> None:
    """By lightness, and by where they stand, which the key says."""
    picture, _ = slide
    both = [{row.role: text for row, text in box.laid_out()} for box in picture.boxes]
    both = [rows for rows in both if rows.keys() >= {"data", "gradient"}]
    for rows in both:
        assert rows["data"].place[1] > rows["gradient"].place[1]
    for data, gradient in {(rows["data"].ink, rows["gradient"].ink) for rows in both}:
        assert all(seen(gradient, eye)[0] > seen(data, eye)[0] + 12.0 for eye in EYES)
    key = " ".join(text.text for text in picture.texts if text.id.startswith("key"))
    assert not both or key.startswith("In a card: value, below it gradient")


@pytest.mark.parametrize("eye", EYES)
def test_vanishing_and_exploding_look_different_in_grey_print_and_to_every_eye(eye: str) -> None:
    """The gradient that vanishes leaves ever shorter and lighter bars and ever thinner arcs on its way back."""
    for arguments, sign in (((), 1), (("--w", "1.6", "--nonlinearity", "identity"), -1)):
        unrolled, loss, _ = command(*arguments)
        picture = draw(unrolled, loss).picture
        bars = sorted((box for box in picture.boxes if box.role == "bar"), key=lambda box: -sign * (box.step or 0))
        arcs = sorted((line for line in picture.lines if line.role == "arc"), key=lambda line: -sign * (line.step or 0))
        light = [seen(bar.fill, eye)[0] for bar in bars]
        assert light == sorted(light)
        assert light[-1] > light[0] + 25.0
        for sizes in ([bar.height for bar in bars], [arc.pen for arc in arcs]):
            assert sizes == sorted(sizes, reverse=True)
            assert sizes[0] > 1.5 * sizes[-1]


def test_ids_are_unique_and_good_for_any_medium(slide: tuple[Picture, float]) -> None:
    picture, _ = slide
    ids = [part.id for part in (*picture.every_box(), *picture.lines, *picture.every_text(), *picture.frames)]
    assert len(set(ids)) == len(ids)
    assert all(name.isascii() and name.replace("_", "").isalnum() and not name[0].isdigit() for name in ids)


def expression(seed: int) -> Value:
    """Some 30 nodes, at most 8 levels deep."""
    rng = random.Random(seed)
    while True:
        found = [(Value(rng.uniform(-2, 2), label=f"{rng.choice('abcxyw')}{i}"), 0) for i in range(rng.randint(4, 14))]
        for _ in range(200):
            (a, depth_a), (b, depth_b) = rng.choice(found[-8:]), rng.choice(found)
            value = rng.choice([a.tanh(), a.sigmoid(), a + b, a * b, a - b, a * 0.3])
            depth = max(depth_a, depth_b) + 1
            if depth <= 8:
                found.append((value, depth))
                if 28 <= len(topological_order(value)) <= 30:
                    value.backward()
                    return value


def tree(leaves: int) -> Value:
    """A tree as wide as one can be."""
    values = [Value(0.1 * i - 0.7, label=f"x{i}") for i in range(leaves)]
    while len(values) > 1:
        values = [a * b for a, b in zip(values[::2], values[1::2])] + values[len(values) // 2 * 2 :]
    values[0].backward()
    return values[0]


@pytest.mark.parametrize("make", [*(lambda seed=seed: expression(seed) for seed in range(6)), lambda: tree(15)])
def test_an_expression_of_30_nodes_can_be_read_on_a_slide(make: Callable[[], Value]) -> None:
    drawing = draw_dot(make())
    picture = placed(drawing.picture, drawing.source, 60.0)
    assert min(text.size for text in picture.every_text()) * shown_at(picture) >= 14.0


def test_the_default_can_be_read_in_a_readme() -> None:
    unrolled, loss, labels = command()
    picture = draw(unrolled, loss, **labels).picture
    assert min(text.size for text in picture.every_text()) * 900 / picture.width >= 9.0


@settings(deadline=None, max_examples=30)
@given(
    problem=problems(20),
    size=st.sampled_from([1e-3, 1.0, 30.0, 1e3]),
    options=st.fixed_dictionaries(
        {},
        optional={
            "detail": st.just("gates"),
            "aspect": st.just("4:3"),
            "values": st.just(False),
            "lit": st.just(False),
            "names": st.just([f"step no. {t}" for t in range(20)]),
            "cuts": st.just([2, 5]),
            "max_steps": st.integers(2, 8),
            "only": st.sampled_from([(0, 0), (0, 1), (1, 1), (1, 3)]),
            "notes": st.just([["next “e”", "says “<nothing at all>”"]] * 20),
            "title": st.text(max_size=30),
        },
    ),
)
@pytest.mark.slow
def test_texts_keep_apart_whatever_the_numbers(problem: RandomProblem, size: float, options: dict[str, Any]) -> None:
    """Tiny gradients and huge ones, of long numbers."""
    inputs = [[size * x for x in xs] if isinstance(xs, list) else size * xs for xs in problem.inputs]
    unrolled = unroll(problem.cell, inputs)
    losses = [mse_loss(unrolled.h[t], y) for t, y in enumerate(problem.targets, start=1) if y is not None]
    loss = total(losses) * size
    loss.backward()
    slide = draw(unrolled, loss, **options).picture, 14.0
    test_text_can_be_read_from_the_last_row(slide)
    test_no_text_leaves_its_box_or_the_page(slide)
    test_no_text_touches_another(slide)
    test_no_card_lies_on_another_or_on_a_text(slide)
    test_ids_are_unique_and_good_for_any_medium(slide)
