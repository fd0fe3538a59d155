"""Values, drawings and pages display themselves: by the protocol, and in a notebook that is executed."""

from pathlib import Path

import pytest

from tinygrad_rnn import ScalarRNNCell, Value, draw_dot, no_grad, unroll
from tinygrad_rnn.pictures import notebook

ROOT = Path(__file__).parents[2]

SETUP = """
from tinygrad_rnn import ScalarRNNCell, Value, explore, mse_loss, unroll
from tinygrad_rnn.pictures import draw
unrolled = unroll(ScalarRNNCell(), [1.0, 0.5, -0.5])
loss = mse_loss(unrolled.h[3], 0.2)
loss.backward()
"""


def executed(cells: list[str], folder: Path):
    """A valid notebook of these cells, with their outputs."""
    import nbformat  # here, since it takes a second, and most tests need no notebook
    from nbclient import NotebookClient

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    nbformat.validate(book)
    return book


@pytest.mark.slow
def test_an_executed_notebook_shows_values_drawings_and_pages(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cells = [SETUP, "loss", "unrolled.cell.w", "draw(unrolled, loss)", "explore(unrolled, loss)", "unrolled.h"]
    book = executed(cells, tmp_path)
    _, value, leaf, drawing, page, series = (cell.outputs[0].data if cell.outputs else {} for cell in book.cells)
    assert set(value) == set(drawing) == {"text/plain", "image/svg+xml"}
    assert value["text/plain"].startswith("(h_3 - 0.2)^2: data ")
    assert value["image/svg+xml"].rstrip().endswith("</svg>")
    assert set(leaf) == set(series) == {"text/plain"}
    assert leaf["text/plain"].startswith("w: data 0.9, grad ")
    assert set(page) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert page["text/plain"].startswith("Page('ScalarRNNCell")
    assert page["text/html"].startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert page["text/html"].count("<") == 2  # the page itself is escaped


def test_a_value_shows_the_drawing_of_draw_dot():
    y = Value(2.0, label="x") * 3.0
    assert y._repr_mimebundle_() == {"text/plain": repr(y), "image/svg+xml": draw_dot(y).svg()}
    assert y._repr_mimebundle_(include=["text/plain"], exclude=[])["text/plain"] == repr(y)


@pytest.mark.slow
def test_a_leaf_and_a_large_graph_show_as_text(monkeypatch):
    def never(*_, **__):
        pytest.fail("drawn")

    monkeypatch.setattr("tinygrad_rnn.pictures.api.draw_dot", never)
    with no_grad():
        alone = Value(2.0) * 3.0
    deep = Value(1.0)
    for _ in range(100_000):
        deep = deep + 1.0
    for value in (Value(1.0), alone, deep):
        assert value._repr_mimebundle_() == {"text/plain": repr(value)}


def test_the_largest_graph_that_is_drawn():
    sums = [Value(0.0)]
    while len(sums) < notebook.MOST_NODES:
        sums.append(sums[-1] + sums[0])
    assert notebook._is_small(sums[-1])
    assert not notebook._is_small(sums[-1] + sums[0])


def test_showing_a_value_never_raises(monkeypatch):
    broken = Value.custom(1.0, [Value(2.0)], [3.0], op="{9}")
    assert "text/plain" in broken._repr_mimebundle_()
    monkeypatch.setattr("tinygrad_rnn.pictures.engine.programs", lambda: [])
    y = Value(2.0, label="x") * 3.0
    assert y._repr_mimebundle_() == {"text/plain": repr(y)}


def test_a_state_of_an_unrolled_network_shows_itself():
    unrolled = unroll(ScalarRNNCell(), [1.0, 0.5])
    assert "image/svg+xml" in unrolled.h[2]._repr_mimebundle_()


@pytest.mark.slow
def test_a_notebook_shows_a_figure(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    source = "from tinygrad_rnn.plots.saving import new_figure\nnew_figure(2.0, 1.0)"
    book = executed([source], tmp_path)
    assert "image/png" in book.cells[0].outputs[0].data
