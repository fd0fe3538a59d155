"""The page as a file: what it holds, how large it is, and that nothing in it can become markup or code."""

import json
import math
import re
import subprocess
import sys

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
from tinygrad_rnn.cli import main
from tinygrad_rnn.errors import ArgumentError, DrawError
from tinygrad_rnn.page.api import page_of
from tinygrad_rnn.page.page import ENGINE, VIEWS, asset, encoded, script
from tinygrad_rnn.page.source import from_sequence

from .problems import problem as recorded

WAVE = [math.sin(0.7 * i) for i in range(2001)]


def source(cell, T, at="every"):
    if isinstance(cell, ScalarRNNCell):
        return from_sequence(cell, WAVE[:T], WAVE[1 : T + 1], at=at)
    pairs = [[x] for x in WAVE[:T]], [[y] for y in WAVE[1 : T + 1]]
    return from_sequence(cell, *pairs, readout=Linear(cell.hidden_size, 1), at=at)


@pytest.mark.parametrize("cell", [ScalarRNNCell(), RNNCell(1, 4), LSTMCell(1, 4), GRUCell(1, 4)])
@pytest.mark.slow
def test_size_hardly_depends_on_the_number_of_time_steps(cell):
    short, long = (len(page_of(source(cell, T)).html().encode()) for T in (100, 2000))
    assert short <= 300_000
    assert long <= 1_000_000


#: A text of 25 different symbols, as long as a page of 2000 time steps needs.
TEXT = "pack my box with five dozen liquors " * 56


def size_of(tmp_path, *options):
    path = tmp_path / "page.html"
    assert main(["explore", *options, "-o", str(path)]) == 0
    return path.stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_page_of_a_text_is_no_larger(tmp_path, cell):
    assert len(set(TEXT)) == 25
    for steps, most in (("100", 300_000), ("2000", 1_000_000)):
        assert size_of(tmp_path, "--text", TEXT, "--cell", cell, "--steps", steps) <= most


@pytest.mark.slow
def test_of_a_text_further_cells_take_at_most_100_kilobytes_each(tmp_path):
    one = ["--text", TEXT, "--steps", "100", "--cell", "rnn"]
    assert size_of(tmp_path, *one, "--with", "lstm", "gru") - size_of(tmp_path, *one) <= 200_000


def test_programs_share_what_is_the_same():
    cell, readout = RNNCell(2, 3), Linear(3, 2)
    made = from_sequence(cell, [[0.1, 0.2]], [1], readout=readout, loss=cross_entropy)
    programs = page_of(made).programs
    assert len(programs) == 3
    assert [program.count("function cell(") for program in programs] == [1, 1, 1]
    assert [program.count("function loss(") for program in programs] == [1, 0, 0]
    assert "readout, loss, readout_backward, loss_backward, readout_local, loss_local } = PROGRAMS[0]" in programs[1]


def test_cells_of_one_size_share_read_out_and_loss():
    cells = [LSTMCell(2, 3), GRUCell(2, 3)]
    one, other = (from_sequence(each, [[0.1, 0.2]], [1], readout=Linear(3, 2), loss=cross_entropy) for each in cells)
    programs = page_of(one, others=[other]).programs
    assert [program.count("function loss(") for program in programs] == [1, 0]
    assert "readout, loss, readout_backward, loss_backward, readout_local, loss_local } = PROGRAMS[0]" in programs[1]
    assert "...PROGRAMS[0].facts.nodes.slice(" in programs[1]
    assert "readout: [...PROGRAMS[0].facts.edges.readout.slice(" in programs[1]


@pytest.mark.slow
def test_a_further_cell_takes_at_most_100_kilobytes():
    one = source(LSTMCell(1, 4), 100)
    alone = len(page_of(one).html().encode())
    more = len(page_of(one, others=[source(GRUCell(1, 4), 100), source(LSTMCell(1, 4, seed=1), 100)]).html().encode())
    assert more - alone <= 200_000


def test_scripts_stand_in_the_page_without_the_comments_on_lines_of_their_own():
    for name in (*ENGINE, *VIEWS):
        lines = [line.strip() for line in script(name).splitlines()]
        assert [line for line in lines if line.startswith(("//", "/*", "*"))] == []
        kept = asset(f"{name}.js").splitlines()
        assert [line for line in lines if line not in map(str.strip, kept)] == []
        assert '"use strict";' in lines[0]


def test_nothing_that_python_computed_is_in_the_page():
    unrolled, loss, _ = recorded(5)
    data = explore(unrolled, loss).data
    numbers = {float(each) for each in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", json.dumps(data))}
    given = {*(x.data for x in unrolled.x.values()), 0.9, 0.5, 0.1, 0.0, math.sin(0.7 * 6)}
    assert numbers <= given


def test_gradients_in_the_graph_stay_as_they_were():
    unrolled, loss, losses = recorded(4, each=True)
    unrolled.cell.w.grad = 7.0
    explore(unrolled, loss, losses)
    explore(unrolled, loss)
    assert unrolled.cell.w.grad == 7.0
    assert not unrolled.h[2].has_grad
    assert unrolled.cell.w.data == 0.9


def test_a_problem_or_a_graph():
    cell = ScalarRNNCell(0.9, 0.5, 0.1)
    posed = problem(cell, WAVE[1:6], WAVE[2:7], at="every")
    of_problem, of_graph = explore(posed), explore(posed.unrolled, posed.loss)
    assert of_problem.data["x"] == of_graph.data["x"]
    assert of_problem.data["target"] == of_graph.data["target"]
    assert [program.count("\n") for program in of_problem.programs] == [
        program.count("\n") for program in of_graph.programs
    ]
    with pytest.raises(ArgumentError, match="no loss"):
        explore(posed.unrolled)
    with pytest.raises(ArgumentError, match="besides a problem"):
        explore(posed, posed.loss)
    with pytest.raises(ArgumentError, match="another sequence"):
        explore(posed, others=[problem(cell, [0.1], [0.2])])


def test_a_cell_of_the_users_own_and_further_cells():
    posed = problem(LSTMCell(1, 2), [[0.1], [0.2]], [[0.3], [0.4]], readout=Linear(2, 1), at="every")
    other = problem(GRUCell(1, 3), [[0.1], [0.2]], [[0.3], [0.4]], readout=Linear(3, 1), at="every")
    data = explore(posed, others=[other]).data
    assert [cell["name"] for cell in data["cells"]] == ["LSTMCell(1 → 2)", "GRUCell(1 → 3)"]
    assert [cell["programs"] for cell in data["cells"]] == [{"": 0}, {"": 1}]
    bare = unroll(lambda x, h: (h * 0.9 + x).tanh(), [0.1, 0.2, 0.3], h0=0.5)  # no parameters
    data = explore(bare, mse_loss(bare.h[3], 0.1)).data
    assert (data["cells"][0]["p"], data["cells"][0]["h0"]) == ([], [0.5])
    assert " at 0x" not in data["cells"][0]["name"]


@pytest.mark.parametrize("hostile", ["</script>", "<!--", "\u2028", "a & b", "\u202e"])
def test_no_text_can_end_the_data(hostile):
    text = encoded({"title": hostile})
    assert not re.search("[<>&\u2028\u2029\u202e]", text)
    expected = hostile.replace("\u202e", "\ufffd")
    assert json.loads(text)["title"] == expected


def test_hostile_names_of_everything():
    hostile = "</script><img src=x onerror=window.hacked=1>"
    cell = ScalarRNNCell(w=Value(0.9, label=hostile), u=Value(0.5, label="\u202e"), b=0.0)
    unrolled = unroll(cell, [Value(1.0, label=hostile), 0.5])
    loss = mse_loss(unrolled.h[2], 0.1)
    loss.label = hostile
    page = explore(unrolled, loss, title=hostile, names=[hostile, "{{scripts}}"]).html()
    assert hostile not in page
    assert page.count("<script") == page.count("</script>")


def test_the_policy_allows_a_worker_and_nothing_else_from_outside():
    page = explore(*recorded(3)[:2]).html()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#x27;", "'")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.keys() == {"default-src", "base-uri", "form-action", "worker-src", "style-src", "script-src"}
    assert (rules["default-src"], rules["worker-src"]) == ("'none'", "blob:")
    assert "unsafe" not in policy
    assert "://" not in re.sub(r"http://www\.w3\.org/\S+", "", page)
    for forbidden in ("eval(", "new Function", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"):
        assert forbidden not in page


def test_dark_colours_stand_once():
    page = explore(*recorded(3)[:2]).html()
    assert page.count("#161b22") == 1


@pytest.mark.parametrize("name", ["p.txt", "p", "p.svg"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(DrawError, match=r"end in \.html"):
        explore(*recorded(3)[:2]).save(tmp_path / name)


@pytest.mark.slow
def test_the_command(tmp_path, capsys):
    path = tmp_path / "page.html"
    assert main(["explore", "-o", str(path)]) == 0
    said = capsys.readouterr().out
    assert "page.html" in said
    assert "Try first" in said
    text = path.read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    assert main(["--no-picture", "--json"]) == 0
    of_main = sorted(json.loads(capsys.readouterr().out)["table"], key=lambda row: row["k"])
    assert data["at"] == "last"
    assert data["names"] == [row["input"] for row in of_main if row["k"]]  # the sequence of the main command
    assert main(["explore", "-o", str(path), "--text", "hello", "--with", "lstm", "gru", "lstm"]) == 0
    assert "(overwritten)" in capsys.readouterr().out
    data = json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"))[1])
    assert (data["alphabet"], data["at"], data["x"]) == ("ehlo", "every", {"rows": [[1.0], [0.0], [2.0], [2.0]]})
    assert [cell["name"].partition("(")[0] for cell in data["cells"]] == ["RNNCell", "LSTMCell", "GRUCell"]


@pytest.mark.slow
def test_neither_llvmlite_nor_numpy_is_needed(tmp_path):
    code = """
import sys
sys.modules["llvmlite"] = sys.modules["numpy"] = None
from tinygrad_rnn.cli import main
sys.exit(main(["explore", "-o", sys.argv[1], "--cell", "lstm"]))
"""
    subprocess.run([sys.executable, "-c", code, tmp_path / "page.html"], check=True, capture_output=True)
