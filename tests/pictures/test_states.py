"""The level of states: what a slide says about the gradient, and that it is so."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tinygrad_rnn import GRUCell, LSTMCell, RNNCell, ScalarRNNCell, Unrolled, Value, mse_loss, nn, unroll
from tinygrad_rnn.bptt.jacobian import jacobian, jacobian_products
from tinygrad_rnn.bptt.verdict import kept
from tinygrad_rnn.errors import ArgumentError
from tinygrad_rnn.nn import RNN
from tinygrad_rnn.nn.linalg import spectral_norm
from tinygrad_rnn.pictures import draw, engine
from tinygrad_rnn.pictures.geometry import Box, Line, Picture
from tinygrad_rnn.pictures.graph import Edge, Node
from tinygrad_rnn.pictures.subject import Subject
from tinygrad_rnn.pictures.text import number, power_of_ten
from tinygrad_rnn.pictures.view import View
from tinygrad_rnn.support import colours
from tinygrad_rnn.support.colours import Scale

from .own_cell import unrolled_own_cell

Problem = tuple[Unrolled, Value]
SVG = "{http://www.w3.org/2000/svg}"


def scalar(T: int = 4, w: float = 0.9, nonlinearity: str = "tanh") -> Problem:
    inputs = ([0.5, -0.3, 0.9, 0.1] * T)[:T]
    unrolled = unroll(ScalarRNNCell(w=w, u=0.8, b=0.1, nonlinearity=nonlinearity), inputs)
    loss = (unrolled.h[T] - 1.0) ** 2
    loss.backward()
    return unrolled, loss


def vector(cell: RNNCell | LSTMCell | GRUCell, T: int = 5) -> Problem:
    unrolled = unroll(cell, [[0.3 * t] for t in range(T)])
    loss = mse_loss(unrolled.h[T], [0.2] * len(unrolled.h[T]))
    loss.backward()
    return unrolled, loss


def said(picture: Picture, name: str) -> str:
    return next(text.text for text in picture.texts if text.id == name)


def read(text: str) -> float:
    """The number at the end of a text."""
    found = re.search(r"(−?[\d.]*)(?:×?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?$", text)
    assert found, text
    power = (found[2] or "⁰").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    return float(f"{found[1].replace('−', '-') or 1}e{power}")


def arcs(picture: Picture) -> dict[int, Line]:
    return {line.step: line for line in picture.lines if line.role == "arc" and line.step is not None}


def bars(picture: Picture) -> dict[int, Box]:
    return {box.step: box for box in picture.boxes if box.role == "bar" and box.step is not None}


# ---- the chain ------------------------------------------------------------------------------------------------------


def test_the_factors_their_product_and_the_law_are_those_of_the_graph() -> None:
    unrolled, loss = scalar(4, w=-1.5)
    picture = draw(unrolled, loss).picture
    for t in range(1, 5):
        J = jacobian(unrolled, t)[0][0]
        assert read(said(picture, f"factor_{t}")) == pytest.approx(J, rel=0.006)
        assert said(picture, f"terms_{t}") == "−1.5"
        assert read(said(picture, f"terms_{t}_rest").strip("·")) == pytest.approx(J / -1.5, rel=0.06)
    product = math.prod(jacobian(unrolled, t)[0][0] for t in range(1, 5))
    assert product == pytest.approx(unrolled.h[0].grad / unrolled.h[4].grad)
    equation = said(picture, "equation")
    assert equation.startswith("∂h₄/∂h₀ = w⁴ · ∏ tanh′ = 5.06 · ")
    assert read(equation) == pytest.approx(product, rel=0.006)
    assert said(picture, "lawname") == "|w|^(T−k) = 1.5⁴ = 5.06"
    assert "the law |w|^(T−k) alone says 5.06" in picture.description


def test_the_headline_is_the_verdict_and_a_title_takes_its_place() -> None:
    unrolled, loss = scalar(12)
    assert said(draw(unrolled, loss).picture, "headline").startswith("The gradient vanishes: ×")
    assert said(draw(unrolled, loss, title="BPTT").picture, "headline") == "BPTT"
    assert not any(text.role == "headline" for text in draw(unrolled, loss, title="").picture.texts)
    assert said(draw(*scalar(12, 1.6, "identity")).picture, "headline").startswith("The gradient explodes: ×281")


@pytest.mark.parametrize("cell", [RNNCell(1, 3), LSTMCell(1, 3), GRUCell(1, 3)], ids=repr)
def test_of_vectors_the_product_of_the_factors_is_what_is_left(cell: RNNCell | LSTMCell | GRUCell) -> None:
    unrolled, loss = vector(cell)
    picture = draw(unrolled, loss).picture
    ratios = kept(unrolled, loss)
    for lag, ratio in enumerate(ratios):
        assert read(said(picture, f"left_{5 - lag}")) == pytest.approx(ratio, rel=0.006)
        if lag:
            factor = ratio / ratios[lag - 1]
            assert read(said(picture, f"factor_{6 - lag}")) == pytest.approx(factor, rel=0.006)
    assert f"= {said(picture, 'left_0')}" in said(picture, "equation")


def test_the_norms_bound_what_is_left_and_the_norm_of_w_bounds_them() -> None:
    unrolled, loss = vector(RNNCell(1, 3))
    equation = said(draw(unrolled, loss).picture, "equation")
    sizes = [read(part.strip()) for part in equation.split("≤")]
    *_, (_, product, _) = jacobian_products(unrolled)
    W = [[entry.data for entry in row] for row in unrolled.cell.W]
    assert sizes == sorted(sizes)
    assert sizes[1:] == pytest.approx([np.linalg.norm(product, 2), np.linalg.norm(W, 2) ** 5], rel=0.006)
    assert " ≤ ‖J₅ ⋯ J₁‖ = " in equation
    assert " ≤ ‖W‖⁵ = " in equation
    without_a_loss = said(draw(unrolled).picture, "equation")
    assert without_a_loss.startswith(f"‖∂h₅/∂h₀‖ = ‖J₅ ⋯ J₁‖ = {number(sizes[1])} ≤ ‖W‖⁵ = ")


def test_without_a_loss_what_is_left_of_a_part_of_the_state_came_along_all_paths() -> None:
    """A change of c_0 also reaches c_5 through h."""
    cell = LSTMCell(1, 2, seed=0)

    def last(c0: list[float]) -> np.ndarray:
        unrolled = unroll(cell, [[0.3 * t] for t in range(5)], ([0.0, 0.0], c0))
        return np.array([value.data for value in unrolled["c"][5]])

    columns = [(last([e * (i == j) for i in (0, 1)]) - last([0.0, 0.0])) / e for j in (0, 1) for e in (1e-6,)]
    picture = draw(unroll(cell, [[0.3 * t] for t in range(5)]), state="c").picture
    assert read(said(picture, "left_0")) == pytest.approx(np.linalg.norm(np.array(columns), 2), rel=0.006)


@pytest.mark.parametrize("cell", [ScalarRNNCell(w=0.9), LSTMCell(1, 2, seed=0)], ids=repr)
def test_a_loss_without_a_gradient_says_nothing_about_the_factors(cell: ScalarRNNCell | LSTMCell) -> None:
    """A perfect fit. ∂h_5/∂h_0 is not 0."""
    scalar_cell = isinstance(cell, ScalarRNNCell)
    unrolled = unroll(cell, [0.3 if scalar_cell else [0.3]] * 5)
    last = unrolled.h[5]
    loss = mse_loss(last, last.data if scalar_cell else [value.data for value in last])
    loss.backward()
    picture = draw(unrolled, loss).picture
    name = "h₅" if scalar_cell else "s₅"
    assert said(picture, "headline") == picture.title == f"The gradient is 0 at {name} already"
    assert said(picture, "equation") == f"∂L/∂{name} = 0"
    assert said(picture, "left") == f"What is left of the gradient: nothing, since ∂L/∂{name} = 0"
    assert "multiply" not in picture.description
    if scalar_cell:
        assert read(said(picture, "factor_3")) == pytest.approx(jacobian(unrolled, 3)[0][0], rel=0.006)


def test_no_bound_is_claimed_for_a_part_of_the_state() -> None:
    """The gradient reaches the lower layer at step 0 through the upper one also, past the Jacobians of its own."""
    stack = RNN(1, 2, num_layers=2)
    lower, upper = stack.cells
    nn.init.set_(lower.W, [[0.1, 0.0], [0.0, 0.1]])
    for weights in (upper.W, upper.U):
        nn.init.set_(weights, [[1.0, 0.0], [0.0, 1.0]])
    unrolled = unroll(stack.cell, [[x] for x in (0.1, 0.2, 0.1)])
    loss = mse_loss(unrolled.h[3], [2.0, 1.0])
    loss.backward()
    norms = [spectral_norm(jacobian(unrolled, t, ["h_l0"], ["h_l0"])) for t in (1, 2, 3)]
    assert kept(unrolled, loss, "h_l0")[-1] > 10.0 * math.prod(norms)
    assert "≤" not in said(draw(unrolled, loss, state="h_l0").picture, "equation")
    assert "≤" in said(draw(unrolled, loss).picture, "equation")


@pytest.mark.parametrize("T", [3, 40])
def test_the_law_of_a_single_unit_has_a_sign_or_is_a_size(T: int) -> None:
    cell = RNNCell(1, 1)
    cell.W[0][0].data, cell.U[0][0].data = -0.7, 0.3
    picture = draw(*vector(cell, T), max_steps=8).picture
    base = {3: "∂h₃/∂h₀ = W³", 40: "|∂h₄₀/∂h₀| = |W|⁴⁰"}[T]
    assert said(picture, "equation").startswith(f"{base} · ∏ tanh′ = {number((-0.7) ** T)} · ")
    assert said(picture, "lawname").startswith("at most ‖W‖^(T−k) = 0.7")
    assert said(picture, "terms") == "W·tanh′"


def test_straight_along_c_is_the_product_of_the_forget_gates() -> None:
    unrolled, loss = vector(LSTMCell(1, 1, seed=3))
    picture = draw(unrolled, loss).picture
    gates = math.prod(unrolled["f"][t][0].data for t in range(1, 6))
    assert read(said(picture, "lawname")) == pytest.approx(gates, rel=0.006)
    lanes = {box.id: box.centre[1] for box in picture.boxes if box.role == "state" and box.centre}
    assert lanes["c_3"] > lanes["h_3"]
    assert {line.step for line in picture.lines if line.role == "straight"} == {1, 2, 3, 4, 5}


def test_a_product_of_gates_that_is_too_small_for_a_double_keeps_its_digits() -> None:
    cell = LSTMCell(1, 1, seed=3)
    assert cell.f.b is not None
    cell.f.b[0].data = -100.0
    unrolled, loss = vector(cell, 10)
    log10 = math.fsum(math.log10(unrolled["f"][t][0].data) for t in range(1, 11))
    assert log10 < -400.0
    assert said(draw(unrolled, loss).picture, "lawname") == f"straight along c: ∏ f = {power_of_ten(1.0, log10)}"


def test_an_open_straight_path_is_thick_and_a_closed_one_thin() -> None:
    def first(forget_bias: float) -> float:
        picture = draw(*vector(LSTMCell(1, 2, forget_bias=forget_bias, seed=1), 8)).picture
        return next(line.pen for line in picture.lines if line.role == "straight" and line.step == 1)

    assert first(5.0) > 2.0 * first(-2.0)


def test_a_product_too_small_for_a_double_is_not_called_zero() -> None:
    unrolled, loss = scalar(1100, w=0.5, nonlinearity="identity")
    picture = draw(unrolled, loss).picture
    assert said(picture, "headline") == "The gradient is 0, or too small for a double, 1,100 steps back"
    assert said(picture, "equation").endswith("= w¹¹⁰⁰ = 0.5¹¹⁰⁰ = 0, or too small for a double")
    assert said(picture, "lawname").endswith(" = 7.36×10⁻³³²")
    assert said(picture, "left_0") == "≈ 0"


def test_a_product_that_is_0_is_called_so() -> None:
    unrolled = unroll(ScalarRNNCell(w=-1.0, u=-1.0, nonlinearity="relu"), [1.0] * 3)
    loss = unrolled.h[3] * 1.0
    loss.backward()
    picture = draw(unrolled, loss).picture
    assert said(picture, "headline") == "The gradient is 0 after 3 steps back"
    assert said(picture, "factor_3") == "×0"
    assert list(arcs(picture)) == [3]  # from there on, nothing travels


def test_a_derivative_that_nobody_knows_leaves_the_rest_of_the_picture() -> None:
    unrolled = unroll(lambda x, h: Value(h.data, (h, x), "mystery"), [0.1, 0.5], h0=0.2)
    picture = draw(unrolled, unrolled.h[2] * 1.0).picture
    assert said(picture, "headline") == "The gradient is not a number after 2 steps back"
    assert said(picture, "factor_2") == "?"
    assert {"h_0", "h_1", "h_2", "x_1", "x_2", "loss"} <= {box.id for box in picture.boxes}


def test_a_loss_of_every_state_reaches_each_of_them() -> None:
    unrolled, _ = scalar(4)
    loss = unrolled.h[1] * 2.0 + unrolled.h[3] + unrolled.h[4]
    loss.backward()
    picture = draw(unrolled, loss).picture
    assert {line.id for line in picture.lines if line.id.startswith("rail_h")} == {"rail_h_1", "rail_h_3"}
    assert "L depends on 3 states, the chain begins at the last" in said(picture, "caption")
    ratio = unrolled.h[0].grad  # of the whole loss, which is not what comes from the last state alone
    assert read(said(picture, "left_0")) != pytest.approx(abs(ratio), rel=0.05)
    assert read(said(picture, "left_0")) == pytest.approx(kept(unrolled, loss)[-1], rel=0.006)


def test_a_loss_of_every_state_is_told_from_its_part_at_the_end() -> None:
    """∂L/∂h_0 is in the card, and is of the whole loss; what the chain multiplies to is of a part of it."""
    unrolled = unroll(RNNCell(1, 2, seed=0), [[0.1], [0.5], [-0.3]])
    losses = [mse_loss(h, [1.0, -1.0]) for h in (unrolled.h[1], unrolled.h[2], unrolled.h[3])]
    loss = losses[0] + losses[1] + losses[2]
    loss.backward()
    picture = draw(unrolled, loss).picture
    assert said(picture, "equation").startswith("‖∂L₃/∂h₀‖ / ‖∂L₃/∂h₃‖ = ")
    assert "‖∂L₃/∂hₖ‖ / ‖∂L₃/∂h₃‖" in said(picture, "left")
    assert "; L depends on 3 states, its part L₃ on h₃ alone" in said(picture, "caption")
    assert "‖∂L/∂h₀‖ / ‖∂L/∂h₃‖" in said(draw(unrolled, losses[2]).picture, "equation")


def test_a_weight_near_1_is_not_1() -> None:
    unrolled = unroll(ScalarRNNCell(w=0.999, nonlinearity="identity"), [0.1] * 12)
    picture = draw(unrolled, unrolled.h[12] ** 2).picture
    assert said(picture, "terms_5") == "0.999"
    assert said(picture, "factor_5") == "×0.999"


def test_what_is_not_a_number_has_no_arc() -> None:
    unrolled = unroll(ScalarRNNCell(w=1e200, nonlinearity="identity"), [0.1, 0.2, 0.3, 0.4])
    loss = (unrolled.h[4] - unrolled.h[4]) ** 2  # ∞ − ∞
    loss.backward()
    picture = draw(unrolled, loss).picture
    assert math.isnan(kept(unrolled, loss)[-1])
    assert not [line.id for line in picture.lines if line.role in ("arc", "fade")]


def test_the_step_at_its_gates_says_of_each_card_what_it_holds() -> None:
    unrolled = unroll(LSTMCell(1, 8, seed=0), [[0.1], [0.5]])
    box = {box.id: box for box in draw(unrolled, mse_loss(unrolled.h[2], [0.1] * 8)).picture.boxes}
    assert box["step_c"].rows[1].text.startswith("‖·‖ ")
    assert box["step_f"].rows[1].text.startswith("mean ")
    unrolled = unroll(LSTMCell(1, 2, seed=0), [[0.1], [0.5]])
    picture = draw(unrolled, mse_loss(unrolled.h[2], [0.1] * 2)).picture
    assert len(next(box for box in picture.boxes if box.id == "step_c").rows[1].text.split()) == 2  # and no norm
    assert not [one.text for one in picture.texts if "data: norms" in one.text]


@pytest.mark.slow
@pytest.mark.parametrize("steps", [4000, 8000])  # by passes of its own, and read off
def test_a_product_too_small_for_a_double_is_not_taken_for_one_that_stopped_shrinking(steps: int) -> None:
    unrolled = unroll(ScalarRNNCell(w=0.8, nonlinearity="identity"), [0.1] * steps)
    loss = unrolled.h[steps] ** 2
    loss.backward()
    assert 0.0 < unrolled.h[0].grad < 1e-300  # not 1e-388, let alone 1e-775
    picture = draw(unrolled, loss).picture
    assert said(picture, "headline") == f"The gradient is 0, or too small for a double, {steps:,} steps back"


# ---- what one sees --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("w", "sign"), [(0.6, -1), (1.6, 1)])
def test_arcs_and_bars_fade_or_grow_with_the_gradient(w: float, sign: int) -> None:
    picture = draw(*scalar(8, w, "identity")).picture
    pens = [arcs(picture)[t].pen for t in range(8, 0, -1)]
    assert pens == sorted(pens, reverse=sign < 0)
    heights = [bars(picture)[t].height for t in range(8, -1, -1)]
    assert heights == sorted(heights, reverse=sign < 0)
    dark = [colours.luminance(arcs(picture)[t].stroke) for t in range(8, 0, -1)]
    assert dark == sorted(dark, reverse=sign > 0)
    assert len(set(dark)) == 8


def test_the_same_share_has_the_same_place_on_the_scale_in_every_picture() -> None:
    for make in (scalar(8, 0.6, "identity"), scalar(8, 1.6, "identity")):
        picture = draw(*make).picture
        assert arcs(picture)[8].stroke == Scale(-2, 2).of_log(0.0)  # 1: all of it
        keys = [box.lines[0] for box in picture.boxes if box.role == "swatch"]
        assert "1" in keys
        assert len(keys) >= 5


def test_one_step_is_shown_in_full() -> None:
    unrolled, loss = scalar(3)
    parts = {box.rows[0].text: box for box in draw(unrolled, loss).picture.boxes if box.role == "part"}
    assert {"w", "u", "x₃", "b", "w·h₂", "u·x₃", "h₃ = tanh(z₃)"} <= set(parts)
    assert parts["w"].rows[1].text == "0.9"
    assert parts["w"].rows[2].text.startswith("adds ")  # this step's part of its gradient
    share = unrolled.z[3].grad * unrolled.h[2].data
    assert read(parts["w"].rows[2].text) == pytest.approx(share, rel=0.006)


def test_the_jacobian_of_a_small_cell_is_written_out() -> None:
    unrolled, loss = vector(RNNCell(1, 2))
    picture = draw(unrolled, loss).picture
    J = jacobian(unrolled, 5)
    for i in (0, 1):
        for j in (0, 1):
            assert read(said(picture, f"step_J_{i}_{j}")) == pytest.approx(J[i][j], rel=0.06)


def own_cell(count: int) -> Problem:
    """Of a cell that we do not know, with so many weights, after its backward pass."""
    unrolled, loss = unrolled_own_cell(count)
    loss.backward()
    return unrolled, loss


def test_a_step_of_an_own_cell_has_the_gradient_in_every_card() -> None:
    picture = draw(*own_cell(1)).picture
    cards = [box for box in picture.boxes if box.role == "part"]
    assert len(cards) == 15  # two states before, w, x and two constants; nine operations
    for box in cards:
        assert box.node is not None
        (written,) = [row.text for row in box.rows if row.role == "gradient"]
        assert read(written) == pytest.approx(box.node.value.grad, rel=0.006)
        assert any(row.role == "data" for row in box.rows) or not box.node.value.label


@pytest.mark.parametrize(
    ("count", "why"), [(8, "its 85 Values have no room here, detail='values' draws them"), (1, "")]
)
def test_a_step_that_is_not_drawn_is_missed(count: int, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not why:
        monkeypatch.setattr(engine, "programs", list)
        why = "there is no Graphviz to draw with"
    assert said(draw(*own_cell(count)).picture, "step") == f"Step 12 is not drawn in full: {why}"


def test_gates_have_rows_of_their_own() -> None:
    unrolled, loss = vector(LSTMCell(1, 2))
    picture = draw(unrolled, loss, detail="gates").picture
    cells = {box.id: box for box in picture.boxes if box.role == "gate"}
    assert len(cells) == 4 * 5
    mean = (unrolled["f"][3][0].data + unrolled["f"][3][1].data) / 2
    assert read(cells["gatef_3"].lines[0]) == pytest.approx(mean, rel=0.006)
    assert cells["gatef_3"].fill != colours.PAPER
    assert cells["gateg_3"].fill == colours.PAPER  # between -1 and 1: neither open nor closed


# ---- which time steps -----------------------------------------------------------------------------------------------


def test_a_long_sequence_is_folded_with_the_product_of_what_is_folded() -> None:
    unrolled, loss = scalar(60)
    picture = draw(unrolled, loss).picture
    (fold,) = [box for box in picture.boxes if box.role == "fold"]
    shown = sorted(box.step for box in picture.boxes if box.role == "state" and box.step is not None)
    assert shown[0] == 0
    assert shown[-1] == 60
    hidden = [t for t in range(61) if t not in shown]
    assert fold.lines[-1] == f"{len(hidden)} steps"
    product = math.prod(jacobian(unrolled, t)[0][0] for t in range(hidden[0], hidden[-1] + 2))
    assert read(said(picture, f"factor_{hidden[-1] + 1}")) == pytest.approx(product, rel=0.06)
    assert len(bars(picture)) == 61  # thin ones over the fold


def test_an_arc_over_folded_steps_fades_with_the_gradient_on_its_way() -> None:
    """From the strength at its beginning to about that at its end; no arc is as strong as one that begins later."""
    picture = draw(*scalar(200)).picture
    pens = [line.pen for line in picture.lines if line.role == "fade"]
    (fold,) = [box for box in picture.boxes if box.role == "fold"]
    after = max(
        arcs(picture)[t].step or 0 for t in arcs(picture) if arcs(picture)[t].head == f"h_{(fold.step or 0) - 1}"
    )
    before, beyond = arcs(picture)[after], arcs(picture)[(fold.step or 0) - 1]
    assert len(pens) > 5
    assert pens == sorted(pens, reverse=True)
    assert pens[0] <= arcs(picture)[after + 1].pen
    assert beyond.pen <= before.pen <= beyond.pen + 0.2 * (pens[0] - beyond.pen)
    curve = [line.curve for line in (*(line for line in picture.lines if line.role == "fade"), before)]
    assert all(one[-1] == pytest.approx(next_[0]) for one, next_ in pairwise(curve))


def test_an_arc_over_folded_steps_ends_where_the_gradient_does() -> None:
    unrolled = unroll(ScalarRNNCell(w=0.9, u=1.0, nonlinearity="relu"), [-1.0] * 12 + [1.0] * 20)
    picture = draw(unrolled, (unrolled.h[32] - 1.0) ** 2).picture
    (fold,) = [box for box in picture.boxes if box.role == "fold"]
    assert any(line.role == "fade" for line in picture.lines)
    assert not any(line.role == "arc" and line.head == f"h_{(fold.step or 0) - 1}" for line in picture.lines)


@pytest.mark.parametrize(("options", "shown"), [({"only": (3, 5)}, [3, 4, 5]), ({"max_steps": 4}, [0, 10, 11, 12])])
def test_only_the_steps_that_are_asked_for(options: dict[str, object], shown: list[int]) -> None:
    picture = draw(*scalar(12), **options).picture  # type: ignore[arg-type]
    assert sorted(box.step for box in picture.boxes if box.role == "state" and box.step is not None) == shown


@pytest.mark.slow
def test_a_long_sequence_takes_no_longer_than_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of folded time steps nothing is asked for except gradients at some of them."""
    unrolled, loss = scalar(20_000, w=1.0, nonlinearity="identity")
    asked: list[int] = []
    state = Unrolled.state

    def counted(self: Unrolled, t: int, *names: tuple[str, ...]) -> list[Value]:
        asked.append(t)
        return state(self, t, *names)

    monkeypatch.setattr(Unrolled, "state", counted)
    assert said(draw(unrolled, loss).picture, "headline").startswith("The gradient keeps its size: ×1 over 20,000")
    assert len(asked) < 1000


def test_gradients_of_another_pass_are_not_taken_for_those_of_this_loss() -> None:
    unrolled, loss = scalar(6000, w=1.0, nonlinearity="identity")
    unrolled.h[3].backward()  # to h_0, a leaf, its gradient is added; h_1 and h_2 are overwritten
    assert said(draw(unrolled, loss).picture, "left_0") == "1"


@pytest.mark.parametrize(
    "options",
    [
        {"detail": "half"}, {"aspect": "1:1"}, {"max_steps": 1}, {"only": (5, 3)}, {"only": (30, 40)}, {"state": "q"},
        {"k": 9}, {"k": -1},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ArgumentError):
        draw(*scalar(), **options)  # type: ignore[arg-type]


# ---- what else can be set -------------------------------------------------------------------------------------------


def test_a_style_changes_states_and_what_leads_from_one_to_the_next() -> None:
    unrolled, loss = vector(LSTMCell(1, 2))

    def style(item: Node | Edge) -> dict[str, object] | None:
        if isinstance(item, Node) and unrolled["c"][2][0] in item.values:
            return {"fill": "#123456"}
        if isinstance(item, Edge) and item.tail and item.head and (item.tail.id, item.head.id) == ("h_1", "c_2"):
            return {"stroke": "#654321"}
        return None

    picture = draw(unrolled, loss, style=style).picture
    assert [box.id for box in picture.boxes if box.fill == "#123456"] == ["c_2"]
    assert [line.id for line in picture.lines if line.stroke == "#654321"] == ["c_2fromh_1"]


def test_values_can_be_left_out() -> None:
    picture = draw(*scalar(), values=False).picture
    assert all(len(box.rows) == 1 for box in picture.boxes if box.role in ("state", "input", "loss"))


def test_of_a_number_the_value_is_written_and_of_several_the_norm_and_the_key_says_so() -> None:
    unrolled, loss = vector(RNNCell(1, 3))
    picture = draw(unrolled, loss).picture
    data = {box.id: box.lines[1] for box in picture.boxes if box.role in ("state", "input")}
    assert read(data["h_2"]) == pytest.approx(math.hypot(*(value.data for value in unrolled.h[2])), rel=0.006)
    assert read(data["x_2"]) == pytest.approx(0.3)
    key = [said(picture, f"key{i}") for i in range(5)]
    assert key == ["In a card:", "value,", "below it", "gradient of L", "(norms of vectors)"]
    assert not any("norm" in text.text for text in draw(*scalar()).picture.texts if text.role == "key")


def test_where_truncation_cuts_the_chain_the_bars_say_so() -> None:
    unrolled, loss = scalar()
    for cuts, words in (((2, 4), 1), ((2,), 0), ((), 0)):
        texts = [text.text for text in draw(unrolled, loss, k=4, cuts=cuts).picture.texts]
        assert texts.count("nothing of it passes the cut") == words


def test_of_one_gate_there_is_no_mean() -> None:
    for units, mean in ((1, ""), (2, "mean ")):
        picture = draw(*vector(LSTMCell(1, units))).picture
        box = next(box for box in picture.boxes if box.id == "step_f")
        assert said(picture, "terms") == f"{mean}f"
        assert box.lines[1].startswith("mean ") == bool(mean)


def test_a_cell_that_names_no_gates_has_its_last_step_in_their_place() -> None:
    unrolled, loss = unrolled_own_cell(1)
    loss.backward()
    pictures = [draw(unrolled, loss, detail=detail).picture for detail in ("gates", "states")]
    assert [*pictures[0].every_text()] == [*pictures[1].every_text()]
    assert said(pictures[0], "step").startswith("Step 12 in full")


def test_long_names_are_cut_where_they_are_alike() -> None:
    unrolled, loss = scalar(12)
    for names, end in (
        ([f"2024-01-{t:02}" for t in range(1, 13)], "-12"),
        ([f"{t}th of January" for t in range(1, 13)], "…"),
        ([str(1980 + t) for t in range(12)], "1991"),
    ):
        picture = draw(unrolled, loss, names=names).picture
        shown = [row.text for box in picture.boxes for row in box.rows if row.role == "step"]
        assert len(set(shown)) == 12
        assert shown[-1].endswith(end)


def test_notes_stand_below_their_time_steps() -> None:
    unrolled, loss = scalar(3)
    drawing = draw(unrolled, loss, names="abc", notes=[["one"], [], ["three", "more"]])
    picture = drawing.picture
    inputs = {box.step: box for box in picture.boxes if box.role == "input"}
    notes = [text for text in picture.texts if text.role == "note"]
    assert [(text.step, text.text) for text in notes] == [(1, "one"), (3, "three"), (3, "more")]
    for text in notes:
        below = inputs[text.step]
        assert below.centre
        assert text.place[0] == below.centre[0]
        assert text.place[1] < below.centre[1] - below.height / 2
    assert re.search(r"x₃ .* c +three +more", drawing.text)


def test_states_and_inputs_have_the_names_that_authors_use() -> None:
    picture = draw(*vector(LSTMCell(1, 2), 2)).picture
    assert {box.id for box in picture.boxes if box.role in ("state", "input")} == {
        *(f"{name}_{t}" for name in "hc" for t in range(3)),
        "x_1",
        "x_2",
    }


def test_states_are_computed_once_for_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    unrolled, loss = scalar(6)
    calls = []
    own = Subject._link

    def counted(self: Subject, t: int) -> object:
        calls.append(t)
        return own(self, t)

    monkeypatch.setattr(Subject, "_link", counted)
    draw(unrolled, loss)
    assert sorted(calls) == [1, 2, 3, 4, 5, 6]


def test_a_view_says_what_is_drawn_and_nothing_else() -> None:
    assert View(aspect="4:3").page == (1080.0, 810.0)
    assert View() == View(detail="states")


# ---- DOT ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["dot", "neato"])
@pytest.mark.parametrize("detail", ["states", "values"])
def test_stock_graphviz_renders_the_unrolled_graph_with_the_chain_lit(
    program: str, detail: str, tmp_path: Path
) -> None:
    """As DOT that any ``dot`` or ``neato`` takes, with our places."""
    command = [program] if shutil.which(program) else [engine.programs()[-1], f"-K{program}"]
    drawing = draw(*scalar(3), detail=detail)
    drawing.save(tmp_path / "g.dot")
    done = subprocess.run([*command, "-Tsvg", str(tmp_path / "g.dot")], capture_output=True, check=True)
    root = ElementTree.fromstring(done.stdout)
    assert [round(float(x)) for x in (root.get("viewBox") or "").split()[2:]] == pytest.approx(
        [drawing.picture.width, drawing.picture.height], abs=2
    )
    strokes = {
        group.get("id"): path.get("stroke")
        for group in root.iter(f"{SVG}g")
        for path in group.iter(f"{SVG}path")
        if group.get("class") == "edge"
    }
    if detail == "states":
        lit = {name: strokes[name] for name in ("arc_1", "arc_2", "arc_3")}
        assert lit == {name: line.stroke for name, line in ((f"arc_{t}", arcs(drawing.picture)[t]) for t in (1, 2, 3))}
    else:
        assert list(strokes.values()).count(colours.CHAIN) == 3 * 4 + 2 + 1  # and one in the key
    words = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    for text in drawing.picture.every_text():
        assert text.text in words


@pytest.mark.parametrize("which", [0, -1])
def test_texts_begin_and_end_where_they_should_in_every_engine(which: int) -> None:
    """Also in the embedded one, which does not know how wide ‖∂L/∂h₁₂‖ is."""
    drawing = draw(*vector(RNNCell(1, 3)))
    svg = subprocess.run(
        [engine.programs()[which], "-Tsvg"], input=drawing.source.encode(), capture_output=True, check=True
    ).stdout
    found = {
        group.get("id"): (text.get("text-anchor"), float(text.get("x") or "nan"))
        for group in ElementTree.fromstring(svg).iter(f"{SVG}g")
        for text in group.findall(f"{SVG}text")
    }
    for text in drawing.picture.texts:
        assert found[text.id] == (text.anchor, pytest.approx(text.place[0], abs=2.0)), text


def test_an_svg_says_what_it_shows_to_those_who_cannot_see_it() -> None:
    root = ElementTree.fromstring(draw(*scalar(12)).svg())
    assert root.get("role") == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert title.text == "The gradient vanishes: ×2.86×10⁻⁵ over 12 steps back, ×0.418 per step"
    assert description.text is not None
    chain, verdict = description.text.split(". ", 1)
    assert "from h₁₂ back to h₀ the factors multiply to 2.86×10⁻⁵; the law w^(T−k) alone says 0.282" in chain
    assert (
        verdict == "The gradient vanishes: over 12 steps it is multiplied by 2.86×10⁻⁵, on average by 0.418 per step."
    )


def test_in_a_notebook_a_picture_is_as_wide_as_its_cell() -> None:
    bundle = draw(*scalar())._repr_mimebundle_()
    root = ElementTree.fromstring(bundle["image/svg+xml"])
    assert root.get("width") == "100%"
    assert root.get("style") == "max-width: 1440pt; height: auto"
    assert root.get("viewBox")
