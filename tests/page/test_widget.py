"""A page as a widget: its half in Python, that Python and the page mean the same, and both in a JupyterLab."""

import builtins
import copy
import html
import json
import math
import pickle
import time

import pytest

from tinygrad_rnn import (
    GRUCell,
    Linear,
    LSTMCell,
    RNNCell,
    ScalarRNNCell,
    cross_entropy,
    explore,
    mse_loss,
    problem,
    unroll,
)
from tinygrad_rnn.errors import MissingDependencyError
from tinygrad_rnn.nn import OneHot
from tinygrad_rnn.page import page as page_module
from tinygrad_rnn.page import widget as widget_module
from tinygrad_rnn.page.page import assemble, script

from .browser import browser, open_page, settle
from .jupyter import jupyterlab, require_jupyter
from .problems import problem as recorded

__all__ = ["browser", "open_page"]

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def page():
    require_jupyter()
    return explore(*recorded(4)[:2])


def says(page, link, turn):
    """What arrives when the page that is shown says this."""
    page.widget.set_state({"state": {"link": link, "turn": turn, "by": "a view"}})


def test_what_is_set_in_python_is_told_and_what_the_page_says_can_be_read(page):
    page.w = 1.1
    widget = page.widget
    assert widget is page.widget
    assert widget.state == {"link": "#w=1.1", "turn": 0}
    assert widget.frame["srcdoc"] == page.html()  # it begins with what was set
    page.w = 1.2
    assert widget.state == {"link": "#w=1.2", "turn": 1}
    says(page, "#step=3&w=1.3", 1)
    assert (page.w, page.step) == (1.3, 3)
    page.link = "#u=2"
    assert widget.state == {"link": "#u=2", "turn": 2}


def test_what_the_page_said_before_it_followed_does_not_undo_what_python_has_set(page):
    _ = page.widget
    page.w = 1.2
    says(page, "#w=0.1", 0)
    assert page.w == 1.2
    assert page.widget.state == {"link": "#w=1.2", "turn": 1}


def test_a_copy_has_a_widget_of_its_own(page):
    page.w = 1.2
    widget = page.widget
    for other in (copy.copy(page), copy.deepcopy(page), pickle.loads(pickle.dumps(page))):
        assert other.widget is not widget
        other.w = 0.1
        assert (other.widget.state["link"], widget.state["link"], page.w) == ("#w=0.1", "#w=1.2", 1.2)


def test_a_notebook_gets_the_widget_and_a_frame_for_where_there_are_none(page):
    bundle = page._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", VIEW}
    assert bundle[VIEW]["model_id"] == page.widget.model_id
    assert bundle["text/plain"] == "Page('ScalarRNNCell, 4 time steps')"
    assert bundle["text/html"].startswith("<iframe")


@pytest.mark.parametrize("w", [None, 1.2])
def test_a_notebook_gets_one_page_that_is_built_once(page, monkeypatch, w):
    built = []
    monkeypatch.setattr(page_module, "assemble", lambda *parts: built.append(assemble(*parts)) or built[-1])
    if w is not None:
        page.w = w
    shown = page._repr_mimebundle_()["text/html"]
    assert built == [page.widget.frame["srcdoc"]]
    assert html.escape(built[0]) in shown
    assert page.html() is built[0]


def test_without_anywidget_the_frame_says_which_extra_there_is(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "anywidget":
            raise ImportError(name)
        return real(name, *rest)

    widget_module._widget_class.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    page = explore(*recorded(4)[:2])
    bundle = page._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert "pip install &#x27;tinygrad_rnn[notebook]&#x27;" in bundle["text/html"]
    with pytest.raises(MissingDependencyError, match=r"tinygrad_rnn\[notebook\]"):
        _ = page.widget
    page.w = 1.2  # the frame that is shown next begins with it
    assert "#w=1.2" in page._repr_mimebundle_()["text/html"]


# ---- in a browser ---------------------------------------------------------------------------------------------------


def pages():
    unrolled = unroll(ScalarRNNCell(w=-1.3, nonlinearity="relu"), [0.1, 0.2, 0.4], first=5)
    series = [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], [[0.5], None, [0.6]]
    cells = [problem(cell, *series, readout=Linear(2, 1), at="every") for cell in (LSTMCell(2, 2), GRUCell(2, 2))]
    text = problem(
        RNNCell(3, 2),
        [OneHot(i, 3) for i in (0, 2, 1)],
        [2, 1, 0],
        readout=Linear(2, 3),
        loss=cross_entropy,
        at="every",
    )
    return {
        "part": explore(unrolled, mse_loss(unrolled.h[7], 0.1)),
        "cells": explore(cells[0], others=cells[1:]),
        "text": explore(text),
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return {name: page.save(folder / f"{name}.html") for name, page in pages().items()}


#: All that a page can be set to, by Python's names; entries of arrays are changed besides.
SET = {
    "part": {
        **{"nonlinearity": "identity", "T": 2, "k1": 1, "k2": 2, "lr": 1e-7, "clip": 2.5, "cut": [1]},
        **{"step": 4, "t": 6, "node": 3, "speed": 0.5},
    },
    "cells": {"cell": "GRUCell(2 → 2)", "at": "last", "step": 0, "detail": 1, "speed": 4.0},
    "text": {"nonlinearity": "relu", "lr": 3.0, "t": 0},
}


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("name", SET)
def test_python_and_the_page_mean_the_same_by_a_link(name, open_page):
    page = pages()[name]
    for setting, value in SET[name].items():
        page[setting] = value
    settings = page._settings
    text = name == "text"
    for i, key in enumerate(settings._entries):
        page[key] = (i % 3) if text and key[:2] in ("x_", "ta") else math.sin(i + 1) * 10.0 ** (i % 9 - 4)
    seen = open_page(name, page.link)
    settle(seen)
    assert seen.evaluate("chosen.p") == settings.numbers
    assert seen.evaluate("cellNow().groups.map(({ name }) => name)") == page.names[: page.names.index("h0")]
    h0 = seen.evaluate("stateNow()")
    assert (h0[0] if len(h0) == 1 else tuple(h0)) == page.h0
    for array in ("x", "target"):
        rows = [
            None if row is None else row[0] if len(row) == 1 else tuple(row) for row in seen.evaluate(f"chosen.{array}")
        ]
        assert tuple(rows) == page[array]
    for setting in ("nonlinearity", "T", "at", "k1", "k2", "step", "node", "detail", "speed", "lr", "clip"):
        assert seen.evaluate(f"chosen.{setting}") == page[setting], setting
    assert seen.evaluate("chosen.t === null ? null : called(chosen.t)") == page.t
    assert seen.evaluate("cellNow().name") == page.cell
    assert tuple(seen.evaluate("chosen.cuts")) == page.cut
    other = pages()[name]
    other.link = seen.evaluate("asLink()")
    assert other.link == page.link
    names = [[part.partition("=")[0] for part in link.split("&")] for link in (page.link, seen.evaluate("asLink()"))]
    assert names[0] == names[1]  # a number such as 1e-05 is written in two ways


@pytest.mark.slow
@pytest.mark.browser
def test_a_saved_page_begins_with_what_was_set(tmp_path, open_page, files):
    page = pages()["part"]
    page.w = 0.5
    files["set"] = page.save(tmp_path / "set.html")
    seen = open_page("set")
    assert seen.evaluate("[numbersNow()[0], built.p[0][0]]") == [0.5, -1.3]
    assert open_page("set", "#w=2").evaluate("numbersNow()[0]") == 2.0


#: Two views of a widget whose model stands for the kernel; what a view saves arrives only when it is asked for.
HOST = """<!doctype html><div></div><div></div><script type="module">
const listeners = new Set();
window.queue = [];
window.model = {
  state: { frame: FRAME, state: { link: "#w=1.1", turn: 0 } },
  get: (name) => model.state[name],
  set: (name, value) => { model.state[name] = value; for (const each of [...listeners]) each(); },
  save_changes: () => queue.push(model.state.state),
  on: (_, each) => listeners.add(each),
  off: (_, each) => listeners.delete(each),
};
const { default: widget } = await import("data:text/javascript," + encodeURIComponent(WIDGET));
window.ends = [...document.querySelectorAll("div")].map((el) => widget.render({ model, el }));
window.listening = () => listeners.size;
</script>"""


@pytest.mark.slow
@pytest.mark.browser
def test_views_follow_python_and_each_other(tmp_path, browser):
    require_jupyter()
    page = pages()["part"]
    frame = json.dumps(page.widget.frame).replace("</", "<\\/")
    host = tmp_path / "host.html"
    host.write_text(HOST.replace("FRAME", frame).replace("WIDGET", json.dumps(script("widget"))), encoding="utf-8")
    seen = browser.new_page(viewport={"width": 1440, "height": 2000})
    seen.goto(host.as_uri())
    seen.frame_locator("iframe >> nth=1").locator("html[data-ready]").wait_for(state="attached")

    def links(*expected):
        """Wait until the views show this."""
        views = seen.frames[1:]
        end = time.monotonic() + 20
        while (now := [view.evaluate("asLink()") for view in views]) != list(expected):
            assert time.monotonic() < end, now
            seen.wait_for_timeout(20)
        seen.wait_for_timeout(300)  # and stay like this
        assert [view.evaluate("asLink()") for view in views] == list(expected)

    def says(view, change):
        seen.frames[view].evaluate(f"change({change})")

    links("#w=1.1", "#w=1.1")
    assert seen.evaluate("queue.map(({ link }) => link)") == []
    says(1, "{ lr: 0.5 }")
    links("#lr=0.5&w=1.1", "#lr=0.5&w=1.1")
    (said,) = seen.evaluate("queue.splice(0)")
    assert (said["link"], said["turn"]) == ("#lr=0.5&w=1.1", 0)
    seen.evaluate("model.set('state', { link: '#w=1.2', turn: 1 })")  # Python sets something
    links("#w=1.2", "#w=1.2")
    seen.evaluate("(said) => model.set('state', said)", said)  # an echo of what was said before
    links("#w=1.2", "#w=1.2")
    says(2, "{ lr: 0.25 }")
    links("#lr=0.25&w=1.2", "#lr=0.25&w=1.2")
    assert [(each["link"], each["turn"]) for each in seen.evaluate("queue")] == [("#lr=0.25&w=1.2", 1)]
    seen.frames[1].evaluate("parent.postMessage({ link: '#w=9', turn: 0 }, '*')")  # said before it followed
    links("#lr=0.25&w=1.2", "#lr=0.25&w=1.2")
    assert len(seen.evaluate("queue.splice(0)")) == 1
    for lr in (0.5, 0.75):
        says(1, f"{{ lr: {lr} }}")
        links(f"#lr={lr}&w=1.2", f"#lr={lr}&w=1.2")
    first, second = seen.evaluate("queue")
    seen.evaluate("(said) => model.set('state', said)", first)  # an echo: it does not move the view that has gone on
    links("#lr=0.75&w=1.2", "#lr=0.5&w=1.2")
    seen.evaluate("(said) => model.set('state', said)", second)
    links("#lr=0.75&w=1.2", "#lr=0.75&w=1.2")
    seen.evaluate("ends.forEach((end) => end())")
    assert seen.evaluate("listening()") == 0
    seen.close()


@pytest.mark.slow
@pytest.mark.browser
def test_a_page_says_nothing_to_a_frame_that_does_not_ask_and_hears_no_one_else(tmp_path, browser):
    page = pages()["part"]
    frame = json.dumps(page.html()).replace("</", "<\\/")
    host = tmp_path / "host.html"
    host.write_text(
        "<!doctype html><iframe sandbox='allow-scripts'></iframe><script>window.said = [];"
        "addEventListener('message', ({ data }) => said.push(data));"
        f"document.querySelector('iframe').srcdoc = {frame};</script>",
        encoding="utf-8",
    )
    seen = browser.new_page()
    seen.goto(host.as_uri())
    seen.frame_locator("iframe").locator("html[data-ready]").wait_for(state="attached")
    inside = seen.frames[1]
    inside.evaluate("change({ lr: 0.5 })")
    inside.evaluate("postMessage({ link: '#lr=9', turn: 3 }, '*')")
    seen.wait_for_timeout(500)
    assert inside.evaluate("asLink()") == "#lr=0.5"
    assert seen.evaluate("said") == []
    seen.close()


CELLS = [
    """from tinygrad_rnn import ScalarRNNCell, explore, mse_loss, unroll
cell = ScalarRNNCell(w=0.9, u=0.5)
rnn = unroll(cell, [1.0, 0.0, -0.5, 0.25])
page = explore(rnn, mse_loss(rnn.h[4], 0.3))
page""",
    "print(f'read {page.w}, the cell has {cell.w.data}')",
    "page.w = 1.2",
    "page.apply(); print(f'applied {cell.w.data}')",
]


@pytest.mark.slow
@pytest.mark.browser
def test_in_jupyterlab_python_reads_what_is_dragged_and_the_page_follows_python(tmp_path, browser):
    require_jupyter()
    with jupyterlab(tmp_path, CELLS) as address:
        lab = browser.new_page(viewport={"width": 1440, "height": 1000})
        outside = []

        def only_this_machine(route):
            if route.request.url.startswith("http://127.0.0.1:"):
                return route.continue_()
            outside.append(route.request.url)
            return route.abort()

        lab.route("**/*", only_this_machine)
        lab.goto(address)
        lab.get_by_text("| Idle").wait_for(timeout=60_000)

        def run_next():
            lab.evaluate("window.jupyterapp.commands.execute('notebook:run-cell-and-select-next')")

        run_next()
        weight = lab.frame_locator("iframe[srcdoc]").locator("#parameter0")
        weight.wait_for(timeout=60_000)
        assert weight.input_value() == "0.9"
        weight.focus()
        for _ in range(10):
            weight.press("ArrowRight")
        assert weight.input_value() == "1"
        weight.evaluate("() => new Promise((done) => setTimeout(done, 1000))")  # the page tells it
        run_next()
        lab.get_by_text("read 1.0, the cell has 0.9").wait_for(timeout=30_000)
        run_next()
        weight.and_(lab.frame_locator("iframe[srcdoc]").locator("[aria-valuetext='w = 1.2']")).wait_for(timeout=30_000)
        run_next()
        lab.get_by_text("applied 1.2").wait_for(timeout=30_000)
        assert not outside
        lab.close()
