"""What a page is set to, from Python: names, checks, the link, and the weights that go back into the cell."""

import copy
import json
import math
import pickle
import re
from decimal import Decimal
from fractions import Fraction
from urllib.parse import unquote

import numpy as np
import pytest

from tinygrad_rnn import (
    GRUCell,
    Linear,
    LSTMCell,
    RNNCell,
    ScalarRNNCell,
    Value,
    cross_entropy,
    explore,
    mse_loss,
    problem,
    unroll,
)
from tinygrad_rnn.errors import ArgumentError, CompileError, DataError, ShapeError, UnknownNameError
from tinygrad_rnn.nn import Cell, OneHot
from tinygrad_rnn.page.cells import distinct

from ..node import node
from .problems import problem as recorded

__all__ = ["node"]


def scalar(T=4):
    unrolled, loss, _ = recorded(T)
    return explore(unrolled, loss), unrolled.cell


def small():
    return problem(ScalarRNNCell(), [0.1, 0.2], [0.1, 0.2])


def gated(cell):
    return problem(cell, [[0.1], [0.2], [0.3]], [[0.3], None, [0.5]], readout=Linear(cell.hidden_size, 1), at="every")


def cells():
    first = LSTMCell(1, 2)
    return explore(gated(first), others=[gated(GRUCell(1, 2)), gated(GRUCell(1, 2, seed=1))]), first


def test_a_number_is_read_and_set_by_the_name_that_it_has_on_the_page():
    page, cell = scalar()
    assert (page.w, page.u, page.h0, page.T, page.at, page.step) == (0.9, 0.5, 0.0, 4, "last", None)
    page.w = 1.2
    page["step"] = 3
    assert (page.w, page["w"], page.step) == (1.2, 1.2, 3)
    assert page.link == "#step=3&w=1.2"
    assert cell.w.data == 0.9
    page.w, page.step = 0.9, None
    assert page.link == "#"


def test_whole_arrays_rows_and_entries():
    page, _ = cells()
    page.W_f = [[1, 2], [3, 4.5]]
    assert page.W_f == ((1.0, 2.0), (3.0, 4.5))
    page["W_f[0,1]"] = Value(7.0)
    assert page["W_f[0,1]"] == page.W_f[0][1] == 7.0
    page.x = (0.1, 5, 6)
    page["x_1"] = 4
    assert (page.x, page["x_2"], page["x_2[0]"]) == ((4.0, 5.0, 6.0), 5.0, 5.0)
    assert page.target == (0.3, None, 0.5)
    page.target = (1, None, 2)
    page.h0 = [1, 2, 3, 4]
    assert (page.target, page.h0) == ((1.0, None, 2.0), (1.0, 2.0, 3.0, 4.0))
    with pytest.raises(TypeError):
        page.W_f[0][1] = 0.5  # would set nothing


def test_numbers_of_other_libraries():
    numpy = pytest.importorskip("numpy")
    page, _ = cells()
    page.W_f = numpy.eye(2)
    page.b_f = numpy.float32([0.5, 1.0])
    page.T = numpy.int64(2)
    assert (page.W_f, page.b_f, page.T) == (((1.0, 0.0), (0.0, 1.0)), (0.5, 1.0), 2)


def test_vectors_and_symbols():
    posed = problem(RNNCell(2, 1), [[0.1, 0.2], [0.3, 0.4]], [[0.5], [0.6]])
    page = explore(posed)
    page["x_2"] = [1, 2]
    assert page.x == ((0.1, 0.2), (1.0, 2.0))
    text = problem(
        RNNCell(3, 2), [OneHot(0, 3), OneHot(2, 3)], [2, 1], readout=Linear(2, 3), loss=cross_entropy, at="every"
    )
    page = explore(text)
    page.target = (0, 2)
    assert page.target == (0.0, 2.0)
    for wrong in (3, 0.5, -1):
        with pytest.raises(ArgumentError, match=r"target_2\[0\] is"):
            page["target_2"] = wrong
    page["x_2"] = 1
    for wrong in (3, 0.5):
        with pytest.raises(ArgumentError, match=r"x_2\[0\] is"):
            page["x_2"] = wrong


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("w", "1", "w is '1'. Give a finite number"),
        ("w", Decimal("sNaN"), "w is Decimal('sNaN'). Give a finite number"),
        ("w", Fraction(10**400), "Give a finite number"),
        ("w", float("nan"), "w is nan"),
        ("w", 10**400, "w is"),
        ("w", [1.0], "w has shape (1,), w of the page has shape ()"),
        ("x", [1.0], "x has shape (1,), x of the page has shape (4,)"),
        ("x", [1, 2, None, 4], "x_3[0] is None"),
        ("target", [1, None, None, None], "target is 1 where the page has none"),
        ("T", 5, "T must be at most 4"),
        ("T", None, "T is None"),
        ("T", 0, "at least 1"),
        ("k1", 5, "k1 must be at most 4"),
        ("step", 10, "step must be at most 9"),
        ("t", 5, "t must be at most 4"),
        ("t", -1, "at least 0"),
        ("node", 0, "at least 1"),
        ("detail", 5, "detail must be at most 0"),
        ("detail", None, "detail is None"),
        ("speed", 3, "speed is 3. It can be 0.5, 1, 2, 4"),
        ("lr", -1, "lr is -1"),
        ("lr", None, "lr is None"),
        ("clip", -0.5, "clip is -0.5"),
        ("at", "first", "It can be 'last', 'every'"),
        ("nonlinearity", "sin", "It can be 'tanh', 'identity', 'relu'"),
        ("cell", "LSTM", "It can be 'ScalarRNNCell'"),
        ("cut", [4], "a cut must be at most 3"),
        ("cut", 2, "cut is 2"),
        ("cut", "2", "cut is '2'"),
    ],
)
def test_a_wrong_value_is_an_error_and_changes_nothing(name, value, message):
    page, _ = scalar()
    page.u = 0.25
    with pytest.raises((ArgumentError, ShapeError), match=re.escape(message)):
        page[name] = value
    assert page.link == "#u=0.25"


def test_a_wrong_name_is_an_error_that_names_the_known_ones():
    page, _ = scalar()
    with pytest.raises(UnknownNameError, match=r"no 'W'\. It has w, u, b, h0, x, target, cell"):
        page.W = 1
    with pytest.raises(UnknownNameError, match="no 'title2'"):
        _ = page.title2
    with pytest.raises(UnknownNameError, match="no 'title'"):
        page.title = "other"
    with pytest.raises(UnknownNameError, match=r"no 'x_5'"):
        page["x_5"] = 1.0
    assert not hasattr(page, "W")
    assert {"w", "apply", "link", "T"} <= set(dir(page))


def test_what_depends_on_each_other():
    page, _ = scalar()
    page.k1 = 2
    assert (page.k1, page.k2) == (2, 2)
    page.k2 = 3
    page.k1 = 4
    assert (page.k1, page.k2) == (4, 4)
    page.k2 = 1
    assert (page.k1, page.k2) == (1, 1)
    page.k1 = None
    assert (page.k1, page.k2) == (None, None)
    page.cut = [0]  # of the initial state
    assert page.link == "#cut=0"
    page.cut, page.step = {3, 1}, 8
    assert page.cut == (1, 3)
    page.T = 3
    assert (page.cut, page.step) == ((1,), 6)  # on the way back at t = 1, as before


def test_the_link_says_all_and_can_be_set():
    page, _ = cells()
    assert page.cell == "LSTMCell(1 → 2)"
    page.link = "#cell=GRUCell(1%20%E2%86%92%202)&at=last&lr=0.5&W_z%5B0%2C1%5D=1e-7&x_2[0]=-3"
    assert (page.cell, page.at, page.lr, page["W_z[0,1]"], page.x) == (
        "GRUCell(1 → 2)",
        "last",
        0.5,
        1e-7,
        (0.1, -3.0, 0.3),
    )
    link = page.link
    with pytest.raises(UnknownNameError, match="no 'W_f'"):
        _ = page.W_f
    for wrong in ("#q=1", "#lr=x", "#T=1.5", "#T=99", "#cut=a", "#W_z[0,0]=1", "#W_f[0,1]=", "#W_f[0,1]=inf"):
        with pytest.raises(ArgumentError):
            page.link = wrong
        assert page.link == link
    other, _ = cells()
    other.link = link
    assert (other.link, other.W_z) == (link, page.W_z)
    other.link = ""
    assert other.link == "#"
    assert other.cell == "LSTMCell(1 → 2)"


def test_every_cell_keeps_its_weights_and_state_while_another_is_chosen():
    page, _ = cells()
    page.b_f, page["x_1"], page.lr, page["h0[3]"] = (2, 3), 9, 0.25, 4
    page.detail = 1
    page.cell = "GRUCell(1 → 2) (2)"
    assert (page["x_1"], page.lr, page.h0, page.detail) == (9.0, 0.25, (0.0, 0.0), 0)
    page["b_z[1]"], page["cell2.b_z[0]"], page["cell3.h0"] = 2, 3, (0, 5)
    assert (page["cell1.b_f"], page["cell1.h0[3]"], page["cell3.b_z[1]"], page.h0) == ((2, 3), 4, 2, (0, 5))
    expected = "lr=0.25&b_z[1]=2&h0[1]=5&x_1[0]=9&cell1.b_f[0]=2&cell1.b_f[1]=3&cell1.h0[3]=4&cell2.b_z[0]=3"
    assert unquote(page.link).partition("&")[2] == expected
    other, _ = cells()
    other.link = page.link
    for each in (page, other):
        each.cell = "LSTMCell(1 → 2)"
        expected = "#lr=0.25&b_f[0]=2&b_f[1]=3&h0[3]=4&x_1[0]=9&cell2.b_z[0]=3&cell3.b_z[1]=2&cell3.h0[1]=5"
        assert unquote(each.link) == expected
    with pytest.raises(UnknownNameError, match=r"no 'cell4\.b_z"):
        page.link = "#cell4.b_z[0]=1"
    with pytest.raises(ArgumentError, match=r"cell2\.b_z\[0\] is 'x'"):
        page.link = "#cell2.b_z[0]=x"
    page.link = "#cell1.b_f[0]=2"
    assert unquote(page.link) == "#b_f[0]=2"


def test_the_time_step_in_view_is_another_than_that_of_the_film_if_it_is_set():
    page, _ = scalar()
    page.t = 2
    assert (page.t, page.step, page.link) == (2, None, "#t=2")
    page.step = 3  # which the film brings into view
    assert (page.t, page.link) == (None, "#step=3")
    page.t, page.node, page.detail, page.speed = 4, 2, 0, 0.5
    assert page.link == "#step=3&t=4&node=2&speed=0.5"
    other, _ = scalar()
    other.link = page.link
    assert (other.step, other.t, other.node, other.speed, other.link) == (3, 4, 2, 0.5, page.link)
    page.T = 3
    assert (page.t, page.step) == (None, 3)
    unrolled = unroll(ScalarRNNCell(), [0.1, 0.2], first=5)
    part = explore(unrolled, mse_loss(unrolled.h[6], 0.1))
    part.t = 4  # of the initial state
    with pytest.raises(ArgumentError, match="t must be at most 6"):
        part.t = 7


def test_the_film_stays_at_its_time_step_when_there_are_fewer():
    page, _ = scalar()
    for step, fewer, more in ((2, 2, 2), (4, 3, 3), (None, None, None), (7, 5, 7), (5, 4, 6), (9, 7, 9)):
        page.step = step
        page.T = 3
        assert page.step == fewer
        page.T = 4
        assert page.step == more


def test_apply_writes_the_weights_of_every_cell():
    posed, other = gated(LSTMCell(1, 2)), gated(GRUCell(1, 2))
    page = explore(posed, others=[other])
    before = [parameter.data for _, parameter in other.named_parameters()]
    page.W_f, page.V = [[1, 2], [3, 4]], [[5, 6]]
    page.x = [7, 8, 9]
    page.apply()
    assert [[entry.data for entry in row] for row in posed.cell.f.W] == [[1.0, 2.0], [3.0, 4.0]]
    assert [entry.data for entry in posed.readout.V[0]] == [5.0, 6.0]
    assert [parameter.data for _, parameter in other.named_parameters()] == before
    page.b_f = [7, 8]
    page.cell = "GRUCell(1 → 2)"
    page.b_z = [5, 6]
    page.apply()
    assert [entry.data for entry in other.cell.z.b] == [5.0, 6.0]
    assert [[entry.data for entry in row] for row in posed.cell.f.W] == [[1.0, 2.0], [3.0, 4.0]]
    assert [entry.data for entry in posed.cell.f.b] == [7.0, 8.0]


def test_what_two_cells_share_gets_what_the_cell_that_is_shown_has():
    readout, sequence = Linear(2, 1), ([[0.1], [0.2]], [[0.3], [0.5]])
    first, second = (problem(cell, *sequence, readout=readout) for cell in (LSTMCell(1, 2), GRUCell(1, 2)))
    page = explore(first, others=[second])
    for cell, number in (("GRUCell(1 → 2)", 2.0), ("LSTMCell(1 → 2)", 3.0)):
        page.cell = cell
        page["c[0]"] = number
        page.apply()
        assert readout.c[0].data == number


def test_apply_of_a_recorded_graph():
    page, cell = scalar()
    page.w = 1.2
    page.apply()
    assert (cell.w.data, cell.u.data, cell.b.data) == (1.2, 0.5, 0.1)


def test_a_page_that_is_saved_begins_with_what_was_set(tmp_path):
    page, _ = scalar()
    built = page.html()
    page.w = 1.2
    data = json.loads(
        re.search(r'id="data">(.*?)</script>', page.save(tmp_path / "p.html").read_text(encoding="utf-8"))[1]
    )
    assert data.pop("link") == "#w=1.2"
    assert data == page.data
    page.w = 0.9
    assert page.html() == built


class Clashing(Cell):
    """A cell with parameters of which only the labels say what they are."""

    def __init__(self):
        self._values = [Value(0.5, label=label) for label in ("w", "w", "step", "M[2,3]", "x_1")]

    def initial_state(self):
        return (Value(0.0),)

    def step(self, x, h):
        w, v, step, lonely, last = self._values
        return {"h": (h * w + x * v + step * lonely + last).tanh()}


def test_labels_that_stand_twice_or_for_something_else():
    cell = Clashing()
    unrolled = unroll(cell, [0.1, 0.2])
    page = explore(unrolled, mse_loss(unrolled.h[2], 0.3))
    assert page.names[:5] == ["w", "w (2)", "parameter step", "M[2,3]", "parameter x_1"]
    for i, name in enumerate(page.names[:5]):
        page[name] = i
    page.apply()
    assert [value.data for value in cell._values] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_names_are_made_distinct():
    assert distinct(["a", "a", "a (2)", "b", "a"]) == ["a", "a (2)", "a (2) (2)", "b", "a (3)"]


def test_a_page_can_be_copied_and_sent():
    page, _ = scalar()
    page.w = 1.2
    others = copy.copy(page), copy.deepcopy(page), pickle.loads(pickle.dumps(page))
    for other in others:
        assert (other.w, other.title) == (1.2, page.title)
        other.w = 0.1
    assert page.w == 1.2


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (1e-05, "0.00001"), (1e-6, "0.000001"), (1.5e-7, "1.5e-7"), (1e16, "10000000000000000"), (2.0, "2"),
        (1.2345678901234568e20, "123456789012345680000"), (-1e21, "-1e+21"), (3e300, "3e+300"), (-0.0, "0"),
        (5e-324, "5e-324"),
    ],
)  # fmt: skip
def test_a_link_has_numbers_as_javascript_writes_them(node, number, written):
    page, _ = scalar(2)
    page.w = number
    assert unquote(page.link) == f"#w={written}"
    assert node.run("return String(given.number);", {"number": number}) == written


def test_what_a_page_has_can_be_asked():
    page, _ = scalar(2)
    assert "w" in page
    assert "x_1" in page
    assert "step" in page
    assert "v" not in page
    assert 3 not in page
    assert list(page) == page.names
    with pytest.raises(UnknownNameError, match="the page has no 3"):
        page[3]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (lambda u, loss, p: (u, 0.3), {}, "the loss is 0.3"),
        (lambda u, loss, p: (u.cell, loss), {}, "a page of ScalarRNNCell"),
        (lambda u, loss, p: (p,), {"others": 3}, "others is 3"),
        (lambda u, loss, p: (p,), {"others": [3]}, "others is [3]"),
        (lambda u, loss, p: (p,), {"title": None}, "title is None"),
        (lambda u, loss, p: (u, loss, loss), {}, "losses is L = "),
    ],
)
def test_other_arguments_than_those_of_a_page_are_named(arguments, options, message):
    posed = small()
    with pytest.raises(ArgumentError, match=re.escape(message)):
        explore(*arguments(posed.unrolled, posed.loss, posed), **options)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_named(number):
    posed = small()
    posed.cell.u.data = number
    with pytest.raises(DataError, match=f"the parameter u is {number}"):
        explore(posed)
    posed = problem(ScalarRNNCell(), [0.1, 0.2], [0.1, number], at="every")
    with pytest.raises(DataError, match=rf"the target is {number} \[time step 2\]"):
        explore(posed)


@pytest.mark.parametrize("label", ["lr ", "T\n", " x_1", "h0 ", "\n", " cell2.w"])
def test_no_parameter_has_a_name_that_means_something_else_without_its_blanks(label):
    def made():
        w = Value(0.9, label=label)
        unrolled = unroll(lambda x, h: (w * h + x).tanh(), [0.1, 0.2], h0=0.1)
        return explore(unrolled, mse_loss(unrolled.h[2], 0.3))

    page, other = made(), made()
    (name, *_) = page.names
    assert name.startswith("parameter")
    page[name] = 0.25
    other.link = page.link
    assert (other[name], other.lr) == (0.25, 0.1)


def test_another_problem_has_its_losses_where_the_first_has_them():
    posed = small()
    every = problem(ScalarRNNCell(w=0.7), [0.1, 0.2], [0.1, 0.2], at="every")
    with pytest.raises(
        ArgumentError, match=r"another problem is the mean of those .*, and here it is that of its last"
    ):
        explore(posed, others=[every])
    unrolled = every.unrolled
    summed = mse_loss(unrolled.h[1], 0.1) + mse_loss(unrolled.h[2], 0.2)
    with pytest.raises(
        ArgumentError, match=r"another problem is the mean of those .*, and here it is the sum of those"
    ):
        explore(unrolled, summed, others=[every])


@pytest.mark.parametrize("kind", [np.int64, np.float32, Fraction])
def test_targets_of_any_real_type_are_numbers(kind):
    page = explore(problem(ScalarRNNCell(), [1.0, 0.5], [kind(1), kind(0)], at="every"))
    assert page.target == (1.0, 0.0)


@pytest.mark.parametrize(
    "loss",
    [
        lambda y, t: (y - t % 1) ** 2,
        lambda y, t: (y - t // 1) ** 2,
        lambda y, t: (y - divmod(t, 1)[1]) ** 2,
        lambda y, t: y**2 * t.is_integer(),
        lambda y, t: (y - float(t)) ** 2,
        lambda y, t: (y - math.exp(t)) ** 2,
        lambda y, t: (y - round(t, 2)) ** 2,
    ],
)
def test_what_no_program_computes_of_a_target_is_refused_by_name(loss):
    posed = problem(ScalarRNNCell(), [1.0, 0.5], [0.5, 1.5], loss=loss, at="every")
    with pytest.raises(CompileError, match="a plain number would be computed") as caught:
        explore(posed)
    assert caught.value.node == "target_t"
