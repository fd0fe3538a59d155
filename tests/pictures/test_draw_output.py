"""From the picture to files: DOT, SVG and PNG, with and without a ``dot`` of the system, whatever the labels."""

from __future__ import annotations

import math
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_rnn
from tinygrad_rnn import MLP, RNNCell, ScalarRNNCell, Value, draw_dot, unroll
from tinygrad_rnn.errors import ArgumentError, DrawError, OperandError
from tinygrad_rnn.pictures import Drawing, draw, engine, places
from tinygrad_rnn.pictures.text import decade
from tinygrad_rnn.support.colours import Scale

PNG = b"\x89PNG\r\n\x1a\n"
SVG = "{http://www.w3.org/2000/svg}"


def small(T: int = 2, label: str = "") -> Drawing:
    unrolled = unroll(ScalarRNNCell(w=Value(0.5, label=label or "w"), u=0.8), [1.0] * T)
    loss = unrolled.h[T] * 2.0
    loss.backward()
    return draw(unrolled, loss, detail="values")


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.fixture
def fake_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a ``dot`` that is a shell script first on the PATH."""

    def install(script: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "dot"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return install


@pytest.fixture(params=["none", "system"])
def any_dot(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a ``dot`` on the PATH, and with the PATH as it is: CI installs one."""
    if request.param == "none":
        monkeypatch.setenv("PATH", "/nonexistent")
        assert len(engine.programs()) == 1


# ---- files --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("any_dot")
def test_svg_png_and_dot_come_out(tmp_path: Path) -> None:
    drawing = small()
    for suffix in (".svg", ".png", ".dot", ".SVG"):
        assert drawing.save(tmp_path / f"picture{suffix}") == tmp_path / f"picture{suffix}"
    assert (tmp_path / "picture.png").read_bytes().startswith(PNG)
    assert (tmp_path / "picture.dot").read_text() == drawing.source
    shown = texts((tmp_path / "picture.svg").read_text())
    assert "h_2 = tanh(z_2)" in shown
    assert "w tied ×2" in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "picture.SVG",
        *(f"picture.{s}" for s in ("dot", "png", "svg")),
    ]


@pytest.mark.usefixtures("any_dot")
def test_a_saved_dot_file_is_drawn_the_same_by_any_dot() -> None:
    drawing = small()
    svg = engine.run(drawing.source, "svg", 60.0).decode()
    assert texts(svg) == texts(drawing.svg())
    root = ElementTree.fromstring(svg)
    assert {"t0", "t1", "t2"} <= {element.get("id") for element in root.iter(f"{SVG}g")}


@pytest.mark.usefixtures("any_dot")
def test_the_states_and_any_graph_come_out() -> None:
    unrolled = unroll(ScalarRNNCell(), [1.0, 2.0])
    assert "h₂" in texts(draw(unrolled).svg())
    assert "x·x" in texts(draw_dot(_square()).svg())


def _square() -> Value:
    x = Value(3.0, label="x")
    return x * x


def test_an_unknown_suffix_is_refused_and_the_known_ones_named(tmp_path: Path) -> None:
    for name in ("picture.bmp", "picture", "picture.svg.bmp"):
        with pytest.raises(DrawError, match=re.escape(".svg, .png, .pdf")):
            small().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(DrawError, match="cannot write"):
        small().save(tmp_path / "no such folder" / "picture.svg")


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "picture.svg"
    target.write_text("old")
    drawing = draw_dot(Value(1.0) + 2.0)
    monkeypatch.setattr(engine, "programs", list)
    with pytest.raises(DrawError, match=r"no Graphviz .* program dot .* pip install graphviz-pure"):
        drawing.save(target)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["picture.svg"]


@pytest.mark.slow
def test_the_same_program_draws_the_same_bytes_in_every_process() -> None:
    program = """
import hashlib, sys
from tinygrad_rnn import RNNCell, Value, mse_loss, unroll
from tinygrad_rnn.pictures import draw, draw_dot
waste = [Value(i) for i in range(int(sys.argv[1]))]
unrolled = unroll(RNNCell(1, 2, seed=1), [[0.5], [0.1]])
loss = mse_loss(unrolled.h[2], [1.0, 0.0])
loss.backward()
for drawing in (draw(unrolled, loss), draw(unrolled, loss, detail="values"), draw_dot(loss), draw(
    unroll(lambda x, h: h * 0.5 + x, [1.0, 2.0], h0=0.0)
)):
    print(hashlib.sha256((drawing.source + drawing.svg()).encode()).hexdigest())
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program, str(waste)],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for waste, seed in ((0, 0), (5, 1), (77, 2))
    }
    assert len(outputs) == 1
    assert len(outputs.pop().split()) == 4


def test_a_png_that_could_not_be_read_is_refused() -> None:
    drawing = draw(unroll(ScalarRNNCell(), [1.0] * 80), max_steps=300)
    with pytest.raises(DrawError, match=r"could not be read.*max_steps"):
        drawing.png(dpi=300.0)
    for dpi in (0.0, -1.0, math.nan, math.inf, "96"):
        with pytest.raises((ArgumentError, OperandError), match=r"^dpi is "):
            drawing.png(dpi=dpi)


# ---- engines ------------------------------------------------------------------------------------------------


def test_a_dot_of_the_system_is_preferred(fake_dot: Callable[[str], None]) -> None:
    drawing = small()
    fake_dot("cat > /dev/null; echo '<svg id=\"mine\"/>'")
    assert drawing.svg().startswith("<svg ")
    assert "mine" in drawing.svg()


def test_where_the_dot_of_the_system_fails_the_embedded_one_draws(fake_dot: Callable[[str], None]) -> None:
    fake_dot("echo 'Format: \"svg\" not recognized' >&2; exit 1")
    assert "h_2 = tanh(z_2)" in texts(small().svg())


def test_nothing_hangs(fake_dot: Callable[[str], None]) -> None:
    drawing = small()
    drawing.time_limit = 0.3
    fake_dot("exec sleep 60")
    begin = time.monotonic()
    with pytest.raises(DrawError, match=r"did not finish within 0.3 s.*Draw less"):
        drawing.svg()
    assert time.monotonic() - begin < 30


def test_the_last_words_of_a_failing_engine_are_passed_on(
    fake_dot: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing = small()
    fake_dot("cat > /dev/null; echo 'syntax error in line 7' >&2; exit 1")
    monkeypatch.setattr(engine, "_embedded", lambda: None)
    with pytest.raises(DrawError, match="syntax error in line 7"):
        drawing.svg()


def test_importing_the_package_starts_nothing() -> None:
    check = "import sys, tinygrad_rnn; print([m for m in ('tinygrad_rnn.pictures', 'subprocess') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_is_the_same_thing_at_every_access() -> None:
    assert tinygrad_rnn.Drawing is Drawing
    assert tinygrad_rnn.draw is draw is tinygrad_rnn.draw
    assert tinygrad_rnn.explore is tinygrad_rnn.explore
    assert not any(isinstance(getattr(tinygrad_rnn, name), ModuleType) for name in tinygrad_rnn.__all__)


# ---- labels are text ------------------------------------------------------------------------------------------

HOSTILE = ['w"];}', "</script><b>&amp;", "\\N\\G\\l", "a\nb", "{x|<p>y}", "שלום", "😀", "<<b>html</b>>", "\x00\x1b[0m"]


@pytest.mark.parametrize("label", HOSTILE)
@pytest.mark.usefixtures("any_dot")
def test_a_label_is_text_and_never_markup(label: str) -> None:
    shown = " ".join(re.sub(r"[\x00-\x1f]", " ", label).split())
    for drawing in (small(label=label), draw_dot(Value(1.0, label=label) * 2.0)):
        svg = drawing.svg()
        assert any(shown in re.sub(r"\s+", " ", text) for text in texts(svg)), texts(svg)
        assert not list(ElementTree.fromstring(svg).iter(f"{SVG}b"))


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(st.text(max_size=12))
def test_any_label_at_all_can_be_drawn(label: str) -> None:
    x = Value(1.0, label=label)
    ElementTree.fromstring(draw_dot(x + x).svg())


# ---- as micrograd and graphviz -----------------------------------------------------------------------------------


def test_draw_dot_stands_in_for_micrograds(empty_folder: Path) -> None:
    loss = (MLP(2, [3, 1])([1.0, -2.0]) - 1.0) ** 2
    loss.backward()
    dot = draw_dot(loss, format="png", rankdir="TB")
    assert "rankdir=TB" in dot.source
    assert dot.render("gout") == "gout.png"
    assert dot.render(empty_folder / "deep", format="svg", cleanup=True) == str(empty_folder / "deep.svg")
    assert sorted(path.name for path in empty_folder.iterdir()) == ["deep.svg", "gout", "gout.png"]
    assert dot.pipe("svg").startswith(b"<?xml")


CALLS: list[dict[str, Any]] = [
    {}, {"filename": "a"}, {"filename": "b.gv", "format": "png"}, {"filename": "c", "cleanup": True},
    {"outfile": "want.svg"}, {"outfile": "want.png", "directory": "below"}, {"outfile": "x.svg", "filename": "y.txt"},
    {"outfile": "odd.picture", "format": "svg"}, {"filename": "d", "directory": "deep/er"},
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:unknown outfile suffix")
@pytest.mark.parametrize("arguments", CALLS, ids=str)
def test_render_writes_the_files_that_the_package_graphviz_writes(
    arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dot").symlink_to(engine.programs()[0])  # the package graphviz finds it on the PATH alone
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    drawing = draw_dot(_square())
    found = {}
    for name, drawn in (("ours", drawing), ("theirs", drawing.dot)):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        returned = drawn.render(**arguments)
        files = sorted(str(path.relative_to(tmp_path / name)) for path in Path().resolve().rglob("*") if path.is_file())
        found[name] = os.path.normpath(returned), files
    assert found["ours"] == found["theirs"]


def test_pipe_and_save_as_in_the_package_graphviz(tmp_path: Path) -> None:
    drawing = draw_dot(_square())
    assert isinstance(drawing.pipe("svg"), bytes)
    assert drawing.pipe("svg", encoding="utf-8") == drawing.svg()
    assert drawing.pipe("dot", encoding="utf-8") == drawing.source == drawing.dot.source
    assert drawing.save("s.dot", directory=tmp_path / "new") == tmp_path / "new" / "s.dot"
    assert (tmp_path / "new" / "s.dot").read_text(encoding="utf-8") == drawing.source
    for refused in (lambda: drawing.render(renderer="cairo"), lambda: drawing.pipe("svg", "cairo")):  # type: ignore
        with pytest.raises(TypeError):  # what is not offered is not swallowed
            refused()


def test_draw_dot_shows_every_node_with_data_and_gradient() -> None:
    x = Value(3.0, label="x")
    y = (x * x).tanh()
    assert "grad not run" in texts(draw_dot(y).svg())
    assert "grad 0" not in texts(draw_dot(y).svg())
    (x * x).backward()
    y = x * 2.0
    y.backward()
    shown = texts(draw_dot(y).svg())
    assert {"x", "data 3", "grad 8", "x·2", "data 6", "grad 1", "data 2", "grad 3"} <= set(shown)


def weighed() -> Value:
    """A value whose gradients go from 10⁻⁴ to 1."""
    x, w = Value(1e-2, label="x"), Value(1e-2, label="w")
    y = ((x * w + 3.0) * 1e-2).tanh() * (x + w)
    y.backward()
    return y


@pytest.mark.parametrize("which", [0, -1])
def test_the_scale_of_draw_dot_has_numbers_and_their_colours(which: int) -> None:
    drawing = draw_dot(weighed())
    done = subprocess.run([engine.programs()[which], "-Tsvg"], input=drawing.source.encode(), capture_output=True)
    root = ElementTree.fromstring(done.stdout)
    fills = {element.get("fill") for element in root.iter(f"{SVG}polygon")}
    scale = Scale.of(box.node.value.grad for box in drawing.picture.boxes if box.node)
    assert scale is not None
    assert len(scale.levels()) > 2
    for e in scale.levels():
        assert scale.of_log(e) in fills
        assert decade(e) in texts(done.stdout.decode())
    swatches = [box for box in places.placed(drawing.picture, drawing.source, 60.0).boxes if box.role == "swatch"]
    assert [(box.lines[0], box.fill) for box in swatches[2:]] == [(decade(e), scale.of_log(e)) for e in scale.levels()]
    assert [box.lines[0] for box in swatches[:2]] == ["|gradient|", "0"]


@pytest.mark.parametrize("rankdir", ["LR", "TB"])
def test_edges_of_draw_dot_end_at_cards(rankdir: str) -> None:
    drawing = draw_dot(weighed(), rankdir=rankdir)
    picture = places.placed(drawing.picture, drawing.source, 60.0)
    boxes = {box.id: box for box in picture.boxes}
    for line in picture.lines:
        for name, (x, y) in ((line.tail, line.curve[0]), (line.head, line.curve[-1])):
            box = boxes[name]
            assert box.centre
            outside = max(abs(x - box.centre[0]) - box.width / 2, abs(y - box.centre[1]) - box.height / 2)
            assert outside > -1.0


def test_draw_dot_labels_edges_on_request() -> None:
    x = Value(3.0, label="x")
    assert "0.5" in texts(draw_dot(x * 0.5, local_gradients=True).svg())


def test_draw_dot_refuses_what_it_cannot_draw() -> None:
    with pytest.raises(ArgumentError, match="LR, TB, RL, BT"):
        draw_dot(Value(1.0), rankdir="XY")
    with pytest.raises(ArgumentError, match="colour"):
        draw_dot(Value(1.0), colour="red")
    with pytest.raises(DrawError, match="svg, png, pdf"):
        draw_dot(Value(1.0), format="bmp")
    with pytest.raises(ArgumentError, match="root is a list"):
        draw_dot([Value(1.0)])  # type: ignore[arg-type]
    x = Value(1.0)
    for _ in range(6000):
        x = x + x
    with pytest.raises(DrawError, match="6,001 nodes"):
        draw_dot(x)


def test_draw_refuses_what_is_not_an_unrolled_network_or_a_loss() -> None:
    with pytest.raises(ArgumentError, match="unrolled is a Value"):
        draw(Value(1.0))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="loss is a float"):
        draw(unroll(ScalarRNNCell(w=0.9, u=0.5), [1.0]), loss=0.5)  # type: ignore[arg-type]


def test_notebooks_get_svg_and_text_or_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = small()
    assert set(drawing._repr_mimebundle_()) == {"image/svg+xml", "text/plain"}
    other = draw_dot(Value(1.0) + 2.0)
    monkeypatch.setattr(engine, "programs", list)
    assert other._repr_mimebundle_() == {"text/plain": repr(other)}
    assert len(repr(other)) < 100


def test_ids_are_unique_also_among_the_pictures_of_one_page() -> None:
    one, other = (re.findall(r' id="([^"]*)"', drawing.svg()) for drawing in (small(2), small(3)))
    assert len(set(one)) == len(one) > 20
    assert not set(one) & set(other)


def test_a_time_step_of_too_many_values_is_refused() -> None:
    unrolled = unroll(RNNCell(1, 24, seed=0), [[1.0], [2.0]])
    assert len(draw(unrolled).picture.boxes) < 100
    with pytest.raises(DrawError, match=r"too large to draw every Value.*detail='states'"):
        draw(unrolled, detail="values")
