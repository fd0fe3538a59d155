"""What the tests of `tinygrad_rnn.bptt` by random problems do not see: bounds, orders, names, and who is asked."""

from __future__ import annotations

import gc
import math
import sys
from array import array

import pytest

from tinygrad_rnn import RNNCell, ScalarRNNCell, Value, mse_loss, unroll
from tinygrad_rnn.bptt.anatomy import Anatomy, anatomy
from tinygrad_rnn.bptt.chain import Link, chain, derivatives
from tinygrad_rnn.bptt.decay import DecayCurve, mean_direction, non_normal_cells, orthogonal_cells, scalar_cells
from tinygrad_rnn.bptt.jacobian import chain_norms, jacobian, recurrent_matrix
from tinygrad_rnn.bptt.paths import paths
from tinygrad_rnn.bptt.truncated import truncated_bptt
from tinygrad_rnn.bptt.truncation import cut_edges, truncated_backward, truncation
from tinygrad_rnn.bptt.unroll import Unrolled
from tinygrad_rnn.errors import ArgumentError, GraphError, TooManyPathsError
from tinygrad_rnn.nn import linalg as matrices
from tinygrad_rnn.plots.decay import comparison_figure

from ..truncated_gradcheck import truncated_gradcheck

EPSILON = sys.float_info.epsilon


def scalar(T: int = 3) -> tuple[ScalarRNNCell, object, Value]:
    cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
    unrolled = unroll(cell, [1.0, -0.5, 0.25, 0.5][:T])
    return cell, unrolled, mse_loss(unrolled.h[T], 0.3)


# ---- chain ------------------------------------------------------------------------------------------------------


def test_the_derivative_through_a_time_step_its_magnitude_and_its_edges() -> None:
    _, unrolled, _ = scalar()
    (before,), (after,) = unrolled.state(1), unrolled.state(2)
    found = derivatives([after], [before])
    ((end, derivative, magnitude),) = found.by[before]
    assert end is after
    assert derivative == pytest.approx(0.9 * (1.0 - after.data**2))
    assert magnitude == 0.9  # the rounding of 1 - h² is relative to 1
    assert found.edges == 4  # w·h, + u·x, + b, tanh


def test_a_state_passed_on_has_no_edges() -> None:
    a = Value(1.0)
    assert derivatives([a], [a]).edges == 0


def test_a_derivative_is_that_of_the_first_entry_on_the_way() -> None:
    before, w = Value(0.5), Value(2.0)
    c = before * w * w * w
    h = c.sigmoid()
    found = derivatives([c, h], [before])
    slope = h.data * (1.0 - h.data)
    assert found.by == {before: [(c, 8.0, 8.0)], c: [(h, slope, slope)]}
    assert found.edges == 4


def test_a_loss_that_is_a_state_gives_itself_the_gradient_1() -> None:
    _, unrolled, _ = scalar()
    unrolled.h[3].backward()
    last, *earlier = chain(unrolled, unrolled.h[3])
    assert last.gradient == last.product == [1.0]
    assert last.tolerance == [2 * (4 + 0 + 1) * EPSILON * 1.0]  # 4 edges in the time step, and a state used once
    assert all(link.agrees for link in earlier)


def test_a_residual_as_large_as_its_tolerance_agrees() -> None:
    def link(residual: float) -> Link:
        return Link(0, [1.0], [1.0], [residual], [0.5], [[1.0]])

    assert link(0.5).agrees
    assert link(-0.5).agrees
    assert not link(0.6).agrees
    assert link(0.6).disagrees
    assert not Link(0, [1.0, 1.0], [1.0, 1.0], [0.0, 0.6], [0.5, 0.5], [[1.0, 0.0], [0.0, 1.0]]).agrees


def test_a_gradient_has_digits_left_if_the_product_is_within_a_millionth_of_it() -> None:
    def link(gradient: float, product: float) -> Link:
        return Link(0, [gradient], [product], [0.0], [1.0], [[1.0]])

    assert link(1.0, 1.0 + 9e-7).digits_left
    assert not link(1.0, 1.0 + 2e-6).digits_left
    assert not link(1.0, 1.0 + 2e-6).agrees
    assert not link(1.0, 1.0 + 2e-6).disagrees
    assert link(0.0, 0.0).digits_left
    assert not link(0.0, 1e-20).digits_left
    assert link(1e-291, 2e-291).digits_left  # so small that doubles lose digits by themselves
    assert not link(1.0, math.nan).digits_left


def test_a_state_that_depends_on_nothing_before_has_no_derivative() -> None:
    assert derivatives([Value(1.0)], [Value(2.0)]).edges == 0
    assert derivatives([Value(1.0)], [Value(2.0)]).by == {}


def test_the_difference_of_a_link_is_relative_to_its_gradient() -> None:
    def link(*product: float) -> Link:
        return Link(0, [3.0, 4.0], list(product), [0.0, 0.0], [1.0, 1.0], [[1.0, 0.0], [0.0, 1.0]])

    assert link(3.0, 4.5).difference == pytest.approx(0.1)
    assert link(3.0, 4.5).finite
    assert not link(3.0, math.inf).finite


# ---- Jacobians --------------------------------------------------------------------------------------------------


def test_a_state_with_one_value_in_two_places_names_its_step() -> None:
    twice = Value(0.5)
    unrolled = unroll(RNNCell(1, 2), [[1.0], [0.5]], [twice, twice])
    with pytest.raises(GraphError) as caught:
        jacobian(unrolled, 1)
    assert caught.value.time_step == 0


def test_the_radius_and_the_norm_of_a_matrix_that_is_not_normal() -> None:
    cell = RNNCell(1, 2, nonlinearity="identity")
    for row, numbers in zip(cell.W, ([0.5, 10.0], [0.0, 0.25])):
        for entry, number in zip(row, numbers):
            entry.data = number
    rows = chain_norms(unroll(cell, [[1.0], [0.5]]))
    norm = matrices.spectral_norm([[0.5, 10.0], [0.0, 0.25]])
    assert norm > 10.0
    assert [row.radius_law for row in rows] == pytest.approx([1.0, 0.5, 0.25])
    assert [row.bound for row in rows] == pytest.approx([1.0, norm, norm**2])
    assert matrices.spectral_radius([[0.5, 0.0], [0.0, -2.0]]) == pytest.approx(2.0)


def test_a_cell_with_a_step_of_its_own_has_no_known_recurrent_matrix() -> None:
    class Leaky(RNNCell):
        def step(self, x, h):  # type: ignore[no-untyped-def]
            return [0.5 * a + 0.5 * b for a, b in zip(h, super().step(x, h))]

    assert recurrent_matrix(RNNCell(1, 2)) is not None
    assert recurrent_matrix(Leaky(1, 2)) is None


# ---- paths ------------------------------------------------------------------------------------------------------


def test_every_path_hangs_together() -> None:
    x = Value(3.0, label="x")
    a = x * 2.0
    b = a + x
    c = b * a
    loss = c * b
    found = paths(loss, x)
    assert len(found) == 5
    for path in found:
        assert path.steps[0].node is loss
        assert path.steps[-1].parent is x
        assert all(step.parent is after.node for step, after in zip(path.steps, path.steps[1:]))
    loss.backward()
    assert sum(path.product for path in found) == pytest.approx(x.grad)


def test_as_many_paths_as_the_limit_are_listed() -> None:
    x, y = Value(3.0, label="x"), Value(1.0)
    loss = x * x
    assert len(paths(loss, x, limit=2)) == 2
    assert paths(loss, y, limit=0) == []
    with pytest.raises(TooManyPathsError):
        paths(loss, x, limit=1)


def test_a_path_is_written_as_the_product_along_its_nodes() -> None:
    x = Value(3.0, label="x")
    (alone,), (path,) = paths(x, x), paths(2.0 * x, x)
    assert str(alone) == "1 = 1   along x"
    assert str(path) == "2 = 2   along 2·x → x"
    assert path.steps[0].gradient == 1.0


# ---- anatomy ----------------------------------------------------------------------------------------------------


def test_an_entry_of_a_matrix_that_is_not_square() -> None:
    cell = RNNCell(2, 3, seed=1)
    unrolled = unroll(cell, [[1.0, -0.5], [0.25, 0.5]])
    loss = mse_loss(unrolled.h[2], [0.1, 0.2, 0.3])
    whole = anatomy(unrolled, loss, cell.U)
    loss.backward()
    for i in range(3):
        for j in range(2):
            entry = whole.entry(i, j)
            assert entry.total() == pytest.approx(cell.U[i][j].grad)
            assert entry.name == f"U[{i},{j}]"
    for index in ((0, 2), (3, 0), (-1, 0), (0,), (0, 0, 0)):
        with pytest.raises(ArgumentError, match="no entry"):
            whole.entry(*index)


def test_a_table_has_signed_numbers_for_a_number_and_norms_for_a_matrix() -> None:
    cell, unrolled, _ = scalar()
    parts = anatomy(unrolled, mse_loss(unrolled.h[3], 3.0), cell.w)
    signed = [[k] for k in parts.by_use_step().values()]
    assert parts.table() == signed
    assert any(number < 0.0 for (number,) in signed)
    vector = RNNCell(1, 2, seed=1)
    steps = unroll(vector, [[1.0], [0.5]])
    matrix = anatomy(steps, mse_loss(steps.h[2], [0.1, 0.2]), vector.W)
    squares = [sum(x * x for row in rows for x in row) for rows in matrix.by_use_step().values()]
    assert [row[0] ** 2 for row in matrix.table()] == pytest.approx(squares)


def test_uses_outside_time_come_first() -> None:
    cell, unrolled, loss = scalar()
    parts = anatomy(unrolled, loss + cell.w * cell.w, cell.w)
    assert list(parts.by_use_step()) == [None, 1, 2, 3]


def test_how_a_parameter_is_called_and_its_steps_are_listed() -> None:
    cell, unrolled, loss = scalar(1)
    assert repr(anatomy(unrolled, {1: loss}, cell.w)) == "Anatomy(∂L/∂w, uses 1, losses 1)"
    cell, unrolled, loss = scalar(3)
    assert repr(anatomy(unrolled, loss, cell.w)) == "Anatomy(∂L/∂w, uses 1 … 3, losses 3)"
    vector = RNNCell(1, 2)
    steps = unroll(vector, [[1.0], [0.5]])
    loss = mse_loss(steps.h[2], [0.0, 0.0])
    assert anatomy(steps, loss, vector.W).name == "W"
    for row in vector.W:
        for entry in row:
            entry.label = ""
    assert anatomy(steps, loss, vector.W).name == "parameter"


def test_a_loss_that_is_a_constant_brings_nothing() -> None:
    cell, unrolled, loss = scalar()
    parts = anatomy(unrolled, {1: Value(0.5), 3: loss}, cell.w)
    assert parts.total() == anatomy(unrolled, loss, cell.w).total()
    assert parts[1, 1] == 0.0


def test_what_came_from_a_later_use_is_never_lost_from_the_total() -> None:
    def one_cell(*numbers: float) -> Anatomy:
        return Anatomy("b", (2,), (2,), (1,), (array("d", numbers),))  # a use at step 2, a loss said to be of step 1

    assert one_cell(0.0, 0.0).total() == [0.0, 0.0]
    assert one_cell(0.0, 3.0).total() == [0.0, 3.0]
    assert [steps[:2] for steps in one_cell(0.0, 3.0).terms()] == [(2, 1)]
    assert list(one_cell(0.0, 0.0).terms()) == []


# ---- truncation -------------------------------------------------------------------------------------------------


def test_a_learned_initial_state_gets_its_gradient_from_every_window_that_reaches_it() -> None:
    cell, h0 = ScalarRNNCell(w=0.9, u=0.5), Value(0.5)
    inputs, targets = [1.0, -0.5, 0.25], [0.1, 0.2, 0.3]
    truncated_bptt(cell, inputs, targets, 1, 2, h0=h0)
    found = h0.grad
    h0.zero_grad()
    unrolled = unroll(cell, inputs[:2], h0)
    (mse_loss(unrolled.h[1], 0.1) + mse_loss(unrolled.h[2], 0.2)).backward()
    assert found == pytest.approx(h0.grad, rel=1e-14)
    assert truncated_gradcheck(cell, inputs, targets, 1, 2, [h0, cell.w], h0=h0)


def test_a_truncation_that_makes_no_sense_is_refused() -> None:
    cell, unrolled, loss = scalar()
    with pytest.raises(ArgumentError, match="k1 = 3"):
        truncation(anatomy(unrolled, {3: loss}, cell.w), 3, 2)
    with pytest.raises(ArgumentError, match="k1 = 3"):
        truncated_backward(unrolled, loss, {3: loss}, 3, 2)


def test_where_passes_cut() -> None:
    _, unrolled, _ = scalar(4)
    h = unrolled.h

    def cut_at(*arguments: int) -> list[Value]:
        return [parent for parent, _ in cut_edges(unrolled, *arguments)]

    assert cut_at(1, 1) == [h[1], h[2], h[3]]
    assert cut_at(2, 2) == [h[2]]
    assert cut_at(1, 2) == [h[2]]  # of the last pass
    assert cut_at(1, 2, 3) == [h[1]]


def test_terms_of_one_size_come_latest_first() -> None:
    cell = ScalarRNNCell(w=1.0, u=1.0, nonlinearity="identity")
    unrolled = unroll(cell, [1.0, 0.0, 0.0, 0.0])  # so that h_1 = … = h_4 = 1, and every use but the first brings 1
    split = truncation(anatomy(unrolled, {t: unrolled.h[t] * 1.0 for t in (1, 2, 3, 4)}, cell.w), 1, 1)
    found = [(term.size, term.t, term.k) for term in split.cut_terms()]
    assert found == [(1.0, 4, 3), (1.0, 4, 2), (1.0, 3, 2), (0.0, 4, 1), (0.0, 3, 1), (0.0, 2, 1)]


# ---- unrolling --------------------------------------------------------------------------------------------------


def test_an_unrolling_that_has_not_begun_ends_before_its_first_step() -> None:
    assert Unrolled(ScalarRNNCell(w=0.9, u=0.5), ["h"], 3, [Value(0.0)], {}).T == 2


def test_the_collector_pauses_while_a_cell_is_unrolled() -> None:
    paused = []

    def cell(x: Value, h: Value) -> Value:
        paused.append(not gc.isenabled())
        return h

    assert gc.isenabled()
    unroll(cell, [Value(1.0), Value(2.0)], Value(0.5))
    assert paused == [True, True]
    assert gc.isenabled()


# ---- the comparison of cells ------------------------------------------------------------------------------------


def test_the_figure_has_a_line_per_row_a_colour_per_cell_and_dashes_for_all_but_h() -> None:
    rows = [
        DecayCurve("RNN", "h", (0, 1, 2), (1.0, 0.5, 0.25)),
        DecayCurve("LSTM", "h", (0, 1), (1.0, 0.0)),
        DecayCurve("LSTM", "c", (0, 1), (2.0, 3.0), entries=4),
    ]
    (axes,) = comparison_figure(rows, "A title").axes
    rnn, lstm_h, lstm_c = axes.lines
    assert [list(line.get_xdata()) for line in axes.lines] == [[0, 1, 2], [0, 1], [0, 1]]
    assert list(rnn.get_ydata()) == [1.0, 0.5, 0.25]
    assert [line.get_label() for line in (rnn, lstm_c)] == ["RNN: |∂L/∂h$_k$|", "LSTM: ‖∂L/∂c$_k$‖"]
    assert rnn.get_color() != lstm_h.get_color() == lstm_c.get_color()
    assert [line.get_linestyle() for line in axes.lines] == ["-", "-", "--"]
    assert axes.get_yscale() == "log"
    assert axes.get_xlim() == (0.0, 2.0)
    assert 3.0 <= axes.get_ylim()[1] < 4.0
    assert axes.get_title("left") == "A title"
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [line.get_label() for line in axes.lines]
    assert comparison_figure(rows[:1]).axes[0].get_title("left").startswith("How far")
    many = [DecayCurve(f"cell {i}", "h", (0,), (1.0,)) for i in range(7)]
    (axes,) = comparison_figure(many).axes
    assert axes.lines[6].get_color() == axes.lines[0].get_color() != axes.lines[5].get_color()
    assert axes.get_xlim() == (0.0, 1.0)
    with pytest.raises(ArgumentError, match="no curves"):
        comparison_figure([])


# ---- decay ------------------------------------------------------------------------------------------------------


def test_the_direction_in_which_a_decay_is_measured() -> None:
    _, unrolled, _ = scalar()
    assert mean_direction(unrolled) is unrolled.h[3]
    vector = unroll(RNNCell(1, 2, seed=1), [[1.0]])
    assert mean_direction(vector).data == pytest.approx(sum(h.data for h in vector.h[1]) / math.sqrt(2.0))


@pytest.mark.parametrize("radius", [0.0, 1.0])
def test_a_radius_may_be_all_of_the_norm_or_nothing(radius: float) -> None:
    cell = non_normal_cells(2, radius=radius)(0.5)
    assert matrices.spectral_norm(matrices.numbers(cell.W)) == pytest.approx(0.5)
    assert matrices.spectral_radius(matrices.numbers(cell.W)) == pytest.approx(0.5 * radius, abs=1e-7)


def test_what_the_makers_of_cells_take_unless_told() -> None:
    assert scalar_cells()(0.9).u.data == 0.5
    assert matrices.numbers(orthogonal_cells(3)(1.0).W) == matrices.orthogonal(3, seed=0)
    assert len(non_normal_cells(2)(1.0).U[0]) == len(orthogonal_cells(2)(1.0).U[0]) == 1
