"""What the interactive page carries: the drawing, the walk, chains, decay and anatomy, all from the engine."""

import json
import math
import re

import pytest

from tinygrad_rnn import (
    GRUCell,
    LSTMCell,
    RNNCell,
    Value,
    draw,
    explore,
    mse_loss,
    total,
    unroll,
)
from tinygrad_rnn.bptt.anatomy import anatomy, norm, state_gradients
from tinygrad_rnn.bptt.truncation import truncation
from tinygrad_rnn.cli import main
from tinygrad_rnn.engine.backward import gradients_kept, topological_order
from tinygrad_rnn.engine.passes import steps as engine_steps
from tinygrad_rnn.errors import ArgumentError, DrawError, GraphError
from tinygrad_rnn.nn.linalg import spectral_norm
from tinygrad_rnn.page import graph as pieces
from tinygrad_rnn.page.decay import fate
from tinygrad_rnn.page.page import encoded
from tinygrad_rnn.pictures import text

from .problems import problem


@pytest.fixture
def all_norms():
    """For tests of which the number of ‖W‖ that are measured matters."""


@pytest.fixture(autouse=True)
def few_norms(request, monkeypatch):
    """Measure for few ‖W‖ only, which takes a fraction of the time."""
    if "all_norms" not in request.fixturenames:
        monkeypatch.setattr("tinygrad_rnn.page.decay.NORMS", (0.5, 0.7, 1.0, 1.5))


def vector_problem(cell, T=4):
    unrolled = unroll(cell, [[math.sin(t), math.cos(t)] for t in range(T)])
    loss = mse_loss(unrolled.h[T], [0.1] * 3)
    loss.label = "L"
    return unrolled, loss, [loss]


def test_gradients_in_the_graph_stay_as_they_were():
    unrolled, loss, losses = problem(each=True)
    unrolled.cell.w.grad = 7.0
    explore(unrolled, loss, losses)
    assert unrolled.cell.w.grad == 7.0
    assert not unrolled.h[2].has_grad
    assert not unrolled.cell.b.has_grad


def test_the_walk_is_the_engines():
    unrolled, loss, _ = problem()
    data = explore(unrolled, loss).data
    steps = list(engine_steps(loss))
    assert len(data["backward"]) == len(steps)
    for row, step in zip(data["backward"], steps):
        node, parent, position, formula, by_number, flow, brought, so_far, _ = row
        assert data["values"][node][3] == repr(step.node.data)
        assert data["values"][parent][3] == repr(step.parent.data)
        assert (position, formula, by_number, flow) == (
            step.position,
            step.formula,
            step.formula_in_numbers if step.formula_in_numbers != step.formula else "",
            step.flow,
        )
        assert brought == text.number(step.contribution)
        assert so_far == text.number(step.gradient_after)
    gradients = {name: gradient for name, _, _, _, gradient, _ in data["values"]}
    assert gradients["w"] == repr(unrolled.cell.w.grad)
    assert gradients["h_2"] == repr(unrolled.h[2].grad)


def test_forward_computes_every_value_after_its_operands():
    unrolled, loss, _ = problem()
    data = explore(unrolled, loss).data
    assert data["forward"] == sorted(set(data["forward"]))
    assert len(data["forward"]) == sum(1 for value in topological_order(loss) if value.parents)


@pytest.mark.parametrize("each", [False, True])
def test_the_picture_is_the_static_drawing(each):
    unrolled, loss, losses = problem(each=each)
    data = explore(unrolled, loss, losses).data
    loss.backward()
    picture = draw(unrolled, loss, detail="values").picture
    drawn = {
        (round(box.centre[0] - box.width / 2 - frame.left, 1), tuple(box.lines))
        for frame in picture.frames
        for box in frame.boxes
    }
    carried = {(card[3], tuple(card[8])) for column in data["graph"]["columns"] for card in column["cards"]}
    assert {rows for _, rows in carried} == {rows for _, rows in drawn}
    # The static drawing may widen a column for the words below it, which shifts its cards together.
    assert len(carried) == len(drawn)
    edges = sum(len(column["lines"]) for column in data["graph"]["columns"]) + len(data["graph"]["long"])
    assert edges == len([line for line in picture.lines if line.edge])


def test_colours_are_levels_of_the_drawings_scale():
    shades = pieces.Shades([1e-4, 1.0])
    assert [shades(x) for x in (1e-9, 1e-4, 1e-2, -1.0, 5.0, 0.0, math.inf, math.nan)] == [0, 0, 5, 10, 10, -1, 10, -1]
    levels = [shades.scale.of_log(shades.scale.low + 4 * i / pieces.LEVELS) for i in range(pieces.LEVELS + 1)]
    css = explore_asset("page.css")
    for i, colour in enumerate(levels):
        assert f"--l{i}: {colour};" in css


def explore_asset(name):
    from tinygrad_rnn.page.page import _asset

    return _asset(name)


def test_both_ways_to_dark_give_the_same_colours():
    css = explore_asset("page.css")
    dark = re.findall(r"color-scheme: dark;(.*?)\}", css, flags=re.DOTALL)
    assert len(dark) == 2
    assert len({" ".join(block.split()) for block in dark}) == 1


@pytest.mark.parametrize("each", [False, True])
def test_chains_multiply_up_to_the_gradient(each):
    unrolled, loss, losses = problem(each=each)
    data = explore(unrolled, loss, losses).data
    names = {i: row[0] for i, row in enumerate(data["values"])}
    with gradients_kept(topological_order(loss)):
        loss.backward()
        shades = pieces.Shades([unrolled.h[t].grad for t in range(unrolled.T + 1)])
    for chain, part in zip(data["chains"]["roots"], losses):
        by_step = state_gradients(unrolled, part)
        weight = 1.0 / len(losses)
        for value, later, product, level, *rest in chain["rows"]:
            k = int(names[value].removeprefix("h_"))
            assert rest == []  # the only path, so that its product is the whole gradient
            assert product == text.number(by_step[k] * weight) or math.isclose(
                float(
                    product.replace("−", "-").replace("×10", "e").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
                ),
                by_step[k] * weight,
                rel_tol=6e-3,
            )
            assert later == -1 or names[later] == f"h_{k + 1}"
            assert level == shades(by_step[k] * weight)


def test_a_hop_is_told_once_and_lights_its_edges():
    unrolled, loss, losses = problem(each=True)
    chains = explore(unrolled, loss, losses).data["chains"]
    ends = [(later, earlier) for later, earlier, *_ in chains["hops"]]
    assert len(ends) == len(set(ends)) == unrolled.T
    _, _, edges, name, numbers, product, _ = chains["hops"][0]
    assert name.startswith("w · tanh′(z_")
    assert len(edges) == 4  # tanh, + b, + u x, w h
    assert " · " in numbers
    assert product


@pytest.mark.parametrize("cell", [RNNCell(2, 3), LSTMCell(2, 3), GRUCell(2, 3)], ids=["rnn", "lstm", "gru"])
def test_chains_of_vector_cells_are_the_strongest_paths(cell):
    unrolled, loss, losses = vector_problem(cell)
    data = explore(unrolled, loss, losses).data
    states = len(unrolled.state_names) * 3 * (unrolled.T + 1)
    assert len(data["chains"]["entries"]) == states
    (chain,) = data["chains"]["roots"]
    assert any(len(row) == 5 for row in chain["rows"])  # several paths: the whole differs from the strongest
    known = {(later, earlier) for later, earlier, *_ in data["chains"]["hops"]}
    assert all(later == -1 or (later, value) in known for value, later, *_ in chain["rows"])


def test_anatomy_is_the_engines_and_adds_up():
    unrolled, loss, losses = problem(each=True)
    found = {p["name"]: p for p in explore(unrolled, loss, losses).data["anatomy"]["parameters"]}
    assert set(found) == {"w", "u", "b"}
    weight = 1.0 / len(losses)
    expected = anatomy(unrolled, losses, unrolled.cell.w)
    w = found["w"]
    for j, t in enumerate(w["losses"]):
        for i, k in enumerate(w["uses"]):
            assert w["cells"][j][i] == (pytest.approx(expected[k, t] * weight, rel=1e-5) if k <= t else None)
    loss.backward()
    assert w["total"] == text.number(unrolled.cell.w.grad)
    for k in range(1, unrolled.T + 1):
        cut = truncation(expected, 1, k)
        assert w["windows"][k - 1] == [text.number(part.total() * weight) for part in (cut.kept, cut.cut)]


def test_decay_is_measured_for_every_norm_and_scale():
    unrolled, loss, _ = problem(T=6, w=0.72)
    decay = explore(unrolled, loss).data["decay"]
    assert 1.0 in decay["norms"]
    assert decay["norms"][decay["own"]] == 0.72
    rnn, *_ = decay["cells"]
    assert [len(rnn["curves"]), len(rnn["curves"][0])] == [len(decay["norms"]), len(decay["scales"])]
    own = rnn["curves"][decay["own"]][decay["scales"].index(1.0)]
    unrolled.h[6].backward()
    assert own["g"] == pytest.approx([abs(unrolled.h[6 - lag].grad) for lag in range(7)], rel=1e-5)
    assert decay["mine"] == [{"state": "h", **own}]
    for i, W_norm in enumerate(decay["norms"]):
        assert decay["law"][i]["g"] == pytest.approx([W_norm**lag for lag in range(7)], rel=1e-5)


def test_rnn_and_lstm_are_compared_like_for_like():
    unrolled, loss, _ = problem(T=12)
    decay = explore(unrolled, loss).data["decay"]
    assert [(cell["key"], cell["state"]) for cell in decay["cells"]] == [("rnn", "h"), ("lstm", "h"), ("lstm-c", "c")]
    for cell in decay["cells"]:
        assert all(curve["g"][0] == 1.0 and len(curve["g"]) == 13 for row in cell["curves"] for curve in row)
    at_one, one = decay["norms"].index(1.0), decay["scales"].index(1.0)
    assert [cell["curves"][at_one][one]["words"] for cell in decay["cells"]] == [
        "vanishing",
        "drops, then flat",
        "flat",
    ]


@pytest.mark.parametrize(
    ("cell", "yours"),
    [(LSTMCell(2, 3), ["lstm", "lstm-c"]), (GRUCell(2, 3), ["gru"]), (RNNCell(2, 3), ["rnn"])],
    ids=["lstm", "gru", "rnn"],
)
def test_the_users_own_cell_is_measured_whatever_it_is(cell, yours):
    unrolled, loss, losses = vector_problem(cell)
    ticks = []
    page = explore(unrolled, loss, losses, progress=lambda done, total: ticks.append((done, total)))
    decay = page.data["decay"]
    assert [one["key"] for one in decay["cells"] if one["yours"]] == yours
    assert {one["key"] for one in decay["cells"]} >= {"rnn", "lstm", "lstm-c"}
    for mine in decay["mine"]:  # of the graph itself, at its own ‖W‖
        root = total(unrolled[mine["state"]][4]) / math.sqrt(3)
        by_step = state_gradients(unrolled, root, mine["state"])
        assert mine["g"] == pytest.approx([norm(by_step[4 - lag]) for lag in range(5)], rel=1e-5)
    assert [mine["state"] for mine in decay["mine"]] == list(cell.state_names)
    assert ticks == [(i + 1, len(ticks)) for i in range(len(ticks))]


def test_a_gated_cell_is_scaled_gate_by_gate():
    cell = GRUCell(2, 3)
    unrolled, loss, losses = vector_problem(cell)
    decay = explore(unrolled, loss, losses).data["decay"]
    (gru,) = (one for one in decay["cells"] if one["key"] == "gru")
    for gate in "rzn":
        W = getattr(cell, f"W_{gate}")
        size = spectral_norm([[entry.data for entry in row] for row in W])
        for row in W:
            for entry in row:
                entry.data *= 0.7 / size
    twin = unroll(cell, [[entry.data for entry in unrolled.x[t]] for t in range(1, 5)])
    by_step = state_gradients(twin, total(twin.h[4]) / math.sqrt(3))
    curve = gru["curves"][decay["norms"].index(0.7)][decay["scales"].index(1.0)]["g"]
    assert curve == pytest.approx([norm(by_step[4 - lag]) for lag in range(5)], rel=1e-5)


@pytest.mark.parametrize(
    ("gradients", "words"),
    [
        ([0.9**lag for lag in range(13)], "vanishing"),
        ([1.0] * 13, "flat"),
        ([1.1**lag for lag in range(13)], "exploding"),
        ([1.0, 1e200, *[math.inf] * 4], "exploding"),
        ([1.0, 1e200, *[math.nan] * 4], "not a number"),
        ([1.0, *[0.01] * 12], "drops, then flat"),
        ([1.0, *[9.0] * 12], "rises, then flat"),
        ([1.0, 0.2], "vanishing"),
        ([1.0, 1.1], "flat"),
        ([1.0, 0.0, 0.0, 0.0], "vanishing"),
        ([1.0, 1e200, 1e300, 1e306], "exploding"),
        ([1.0, math.nan, math.nan], "not a number"),
    ],
)
def test_fates(gradients, words):
    assert fate(gradients) == (words.rpartition("then ")[2], words)


def test_encoded_data_cannot_leave_their_script_element():
    hostile = "</script><!--\u2028\u2029&amp;\u202e\ud800\"'"
    safe = encoded({"label": hostile})
    assert not re.search("[<>&\u2028\u2029\u202e\ud800]", safe)
    assert json.loads(safe)["label"] == "</script><!--\u2028\u2029&amp;\ufffd\ufffd\"'"


def test_numbers_that_json_lacks_are_left_out():
    x = Value(1e200, label="x")
    unrolled = unroll(lambda x, h: x * h, [x, 1e200], h0=Value(1.0, label="h_0"))
    root = unrolled.h[2]
    page = explore(unrolled, root)
    assert "Infinity" not in page.html()
    assert "NaN" not in encoded(page.data)


def test_errors_say_what_is_wrong(tmp_path):
    unrolled, loss, _ = problem()
    with pytest.raises(GraphError, match="does not depend on anything that was unrolled"):
        explore(unrolled, Value(1.0) * 2)
    with pytest.raises(ArgumentError, match="does not depend on one of the losses"):
        explore(unrolled, loss, [Value(1.0)])
    with pytest.raises(DrawError, match="cannot write"):
        explore(unrolled, loss).save(tmp_path / "missing" / "page.html")


def test_too_large_a_graph_is_refused(monkeypatch):
    unrolled, loss, _ = problem()
    monkeypatch.setattr("tinygrad_rnn.page.api.MOST_NODES", 10)
    with pytest.raises(DrawError, match="too many for a page"):
        explore(unrolled, loss)


@pytest.mark.slow
def test_a_hundred_steps_fit_into_a_megabyte_and_a_half(all_norms):
    assert len(explore(*problem(100, each=True)).html().encode()) < 1_500_000


def test_the_same_program_writes_the_same_page():
    assert explore(*problem(each=True)).html() == explore(*problem(each=True)).html()


def test_the_command_writes_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["explore", "-o", "bptt.html", "--steps", "4"]) == 0
    assert "Page: bptt.html" in capsys.readouterr().out
    html = (tmp_path / "bptt.html").read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert "yearly sunspot numbers" in html
    assert main(["explore", "-o", "bptt.html", "--text", "hello", "--loss", "last"]) == 0
    assert "(overwritten)" in capsys.readouterr().out


def test_a_page_that_takes_long_shows_its_progress_on_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tinygrad_rnn.support.progress.PATIENCE", 0.0)
    assert main(["explore", "-o", str(tmp_path / "a.html"), "--steps", "3"]) == 0
    assert capsys.readouterr().err == ""  # no terminal
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["explore", "-o", str(tmp_path / "b.html"), "--steps", "3"]) == 0
    shown = capsys.readouterr().err
    assert re.search(r"Page.*\d+/(\d+)", shown)
    monkeypatch.setattr("tinygrad_rnn.support.progress.PATIENCE", 60.0)
    assert main(["explore", "-o", str(tmp_path / "c.html"), "--steps", "3"]) == 0
    assert capsys.readouterr().err == ""  # not long
    assert (tmp_path / "b.html").read_bytes() == (tmp_path / "a.html").read_bytes()


def test_a_page_is_written_under_the_name_of_a_page_only(tmp_path, capsys):
    out = tmp_path / "out.svg"
    assert main(["explore", "-o", str(out), "--steps", "3"]) != 0
    assert capsys.readouterr().err.count("Let its name end in .html") == 1
    assert list(tmp_path.iterdir()) == []
    assert main(["explore", "-o", str(tmp_path / "out.HTM"), "--steps", "3"]) == 0
