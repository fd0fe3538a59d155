"""One picture, in every format: SVG of our own, PDF, PNG without Graphviz, GIF, TikZ, Mermaid, text."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tinygrad_rnn import LSTMCell, RNNCell, ScalarRNNCell, Unrolled, Value, draw, draw_dot, mse_loss, unroll
from tinygrad_rnn.errors import DrawError, MissingDependencyError
from tinygrad_rnn.pictures import animation, convert, engine, mermaid, svg, text, tikz
from tinygrad_rnn.pictures.drawing import SUFFIXES, Drawing
from tinygrad_rnn.pictures.geometry import Picture

from ..page.browser import browser, find_browser

__all__ = ["browser"]

SVG = "{http://www.w3.org/2000/svg}"
MERMAID = os.environ.get("TINYGRAD_RNN_MERMAID")  # the file dist/mermaid.min.js of the npm package mermaid


def scalar(T: int = 4, w: float = 0.9) -> tuple[Unrolled, Value]:
    """A scalar RNN and its loss, with gradients."""
    rnn = unroll(ScalarRNNCell(w=w, u=0.5), [(-1.0) ** t / t for t in range(1, T + 1)])
    loss = mse_loss(rnn.h[T], 0.3)
    loss.label = "L"
    loss.backward()
    return rnn, loss


def lstm(T: int = 3) -> tuple[Unrolled, Value]:
    """An LSTM of two units and its loss, with gradients."""
    rnn = unroll(LSTMCell(1, 2, seed=0), [[0.5]] * T)
    loss = mse_loss(rnn.h[T][0] + rnn.h[T][1], 0.3)
    loss.label = "L"
    loss.backward()
    return rnn, loss


def expression() -> Value:
    """A small graph without time."""
    a, b = Value(0.3, label="a"), Value(0.4, label="b")
    root = (a * b + a).tanh()
    root.backward()
    return root


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Graphviz."""
    monkeypatch.setattr(engine, "programs", lambda: [])


def parts(source: str) -> dict[str, tuple[str, tuple[float, float]]]:
    """The words of everything that has an id and words, and the middle of its first line of text."""
    root = ET.fromstring(source)
    found = {}
    shift = 0.0
    for group in root.iter(f"{SVG}g"):
        moved = re.search(r"translate\(([-\d.]+)[ ,]([-\d.]+)\)", group.get("transform", ""))
        shift = float(moved[2]) if moved else shift
        texts = [*group.iter(f"{SVG}text")]
        if texts and group.get("id") and group.get("class") != "graph":
            words = " ".join(text.text or "" for text in texts)
            place = float(texts[0].get("x", "nan")), float(texts[0].get("y", "nan")) + shift
            found[group.get("id", "").partition("-")[2]] = words, place
    return found


@pytest.mark.parametrize("make", [scalar, lstm])
def test_our_svg_has_what_graphviz_draws_node_by_node_where_graphviz_draws_it(make: type) -> None:
    drawing = draw(*make())
    ours, theirs = parts(svg.write(drawing.picture)), parts(drawing.svg())
    rows = {text.id for box in drawing.picture.every_box() for _, text in box.laid_out()}
    checked = 0
    for name, (words, (x, y)) in theirs.items():
        if name in rows or name not in ours:
            continue  # the rows of a box are nodes of their own in DOT, and texts of the box in ours
        assert ours[name][0] == words
        if drawing.picture.texts and any(text.id == name and text.anchor == "middle" for text in drawing.picture.texts):
            assert ours[name][1] == pytest.approx((x, y), abs=2.5)
            checked += 1
    assert checked >= 6
    every = {item.id for item in (*drawing.picture.every_box(), *drawing.picture.lines, *drawing.picture.texts)}
    for source in (svg.write(drawing.picture), drawing.svg()):
        drawn = set(re.findall(r'<g id="[gp][0-9a-f]{8}-([^"]+)"', source))
        assert every <= drawn, every - drawn


def test_the_law_is_drawn_over_the_bars_in_every_format() -> None:
    drawing = draw(*scalar())
    law = next(line for line in drawing.picture.lines if line.role == "law")
    assert law.in_front
    for source in (svg.write(drawing.picture), drawing.svg()):
        assert source.rindex("-bar_") < source.index(f'-{law.id}"')
    source = str(drawing.pipe("tikz", encoding="utf-8"))
    assert source.rindex("(bar_") < source.rindex("dashed")


def test_a_state_of_which_the_loss_uses_one_entry_has_a_gradient() -> None:
    rnn = unroll(RNNCell(2, 3, seed=0), [[0.5, 1.0], [0.2, 0.1]])
    loss = rnn.h[2][0] * rnn.h[2][0]
    loss.backward()
    line = next(line for line in draw(rnn, loss).text.splitlines() if line.startswith("h₂"))
    assert text.number(2.0 * abs(rnn.h[2][0].data)) in line


def test_without_graphviz_the_same_picture_is_drawn_by_ourselves(no_engine: None) -> None:
    drawing = draw(*lstm())
    assert drawing.svg() == svg.write(drawing.picture)
    picture = drawing.png(dpi=48.0)
    assert picture.startswith(b"\x89PNG")
    from PIL import Image

    image = Image.open(io.BytesIO(picture))
    assert image.size == (960, 540)
    assert len(image.convert("RGB").getcolors(10**6)) > 20
    with pytest.raises(DrawError, match="there is no Graphviz to draw with"):
        draw_dot(expression()).svg()


def test_our_svg_is_described_and_holds_nothing_that_xml_does_not_know() -> None:
    drawing = draw(*scalar(), title='a < b & "c" \x0b')
    root = ET.fromstring(svg.write(drawing.picture))
    assert root.get("role") == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text == 'a < b & "c"'
    assert description.text == drawing.picture.description


def test_a_pdf_has_the_size_of_the_slide_and_text_that_is_text() -> None:
    content = draw(*scalar()).pipe("pdf")
    assert isinstance(content, bytes)
    assert content.startswith(b"%PDF")
    assert re.search(rb"/MediaBox\s*\[\s*0 0 1440 810\s*\]", content)
    assert b"/ToUnicode" in content


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    convert.converter.cache_clear()
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'tinygrad_rnn\[pictures\]'"):
        draw(*scalar()).pipe("pdf")
    monkeypatch.undo()
    convert.converter.cache_clear()
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingDependencyError, match="GIF needs Pillow"):
        draw(*scalar()).pipe("gif")


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix != ".gif"])  # see the film
@pytest.mark.slow
def test_every_suffix_is_a_format(suffix: str, tmp_path: Path) -> None:
    for name, drawing in (
        ("a", draw(*scalar())),
        ("b", draw_dot(expression())),
        ("c", draw(*scalar(), detail="values")),
    ):
        assert drawing.save(tmp_path / f"{name}{suffix}").stat().st_size > 100


def test_an_unknown_suffix_names_the_known_ones() -> None:
    with pytest.raises(DrawError, match=r"Known suffixes: \.svg, \.png, \.pdf, \.gif, \.tex, \.tikz, \.mmd, \.txt"):
        draw(*scalar()).save("x.bmp")


# ---- TikZ and Mermaid ------------------------------------------------------------------------------------------------


def test_the_nodes_of_tikz_have_the_names_of_the_states() -> None:
    source = draw(*scalar()).pipe("tikz", encoding="utf-8")
    assert isinstance(source, str)
    for name in ("h_0", "h_4", "x_1", "loss"):
        assert re.search(rf"\\node\[.*\] \({name}\) at ", source)
    assert source.startswith(r"\begin{tikzpicture}")
    assert draw(*scalar()).pipe("tex", encoding="utf-8").startswith(r"\documentclass")


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("h₁₂", r"h$\mathsf{_{12}}$"),
        ("−1.2×10⁻⁵", r"$\mathsf{-}$1.2$\mathsf{\times }$10$\mathsf{^{-5}}$"),
        (r"50% of $\x_{&#~^", r"50\% of \$\textbackslash{}x\_\{\&\#\textasciitilde{}\textasciicircum{}"),
        ("é 漢\n", "é ??"),
    ],
)
def test_text_as_tex_says_has_no_commands(words: str, written: str) -> None:
    assert tikz.tex(words) == written


def test_what_is_too_large_for_tikz_or_mermaid_is_refused_with_what_to_do() -> None:
    large = draw(*scalar(300), detail="values", max_steps=150)
    with pytest.raises(DrawError, match=r"nodes are too many for TikZ, which takes 500\. Draw fewer time steps"):
        large.pipe("tex")
    with pytest.raises(DrawError, match=r"arrows are too many for Mermaid, which draws 500\. Draw fewer"):
        large.pipe("mmd")
    wordy = draw(*scalar())
    wordy.picture.boxes[0].rows[0].text = "x" * mermaid.MOST_CHARACTERS
    with pytest.raises(DrawError, match=r"characters are too many for Mermaid, which draws 50,000"):
        wordy.pipe("mmd")


def test_mermaid_has_the_states_their_arrows_and_the_factors_on_the_way_back() -> None:
    source = draw(*scalar(2), title='"quoted" <b>').pipe("mmd", encoding="utf-8")
    assert source.startswith('---\ntitle: " quoted  <b>"\n---\nflowchart LR\n')
    assert '  h_0("h₀<br/>0<br/>' in source
    assert "  h_0 --> h_1\n" in source
    assert re.search(r'  h_1 -\.->\|"×0\.\d+"\| h_0\n', source)
    assert "bar_" not in source


def test_mermaid_says_the_chain_its_law_and_what_the_numbers_are() -> None:
    drawing = draw(*scalar(2))
    texts = {text.id: text.text for text in drawing.picture.texts}
    says = re.search(r'  says\("([^"]*)"\)\n', str(drawing.pipe("mmd", encoding="utf-8")))
    assert says is not None
    read = says[1].replace("#160;", " ").replace("#8288;", "")
    assert read.split("<br/>") == [
        texts["equation"],
        texts["lawname"],
        "In a card: value, below it gradient of L",
    ]


@pytest.mark.slow
def test_pdflatex_draws_the_tex(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None and not os.environ.get("CI"):
        pytest.skip("there is no pdflatex")
    drawing = draw(*lstm(), title=r"50% of $x_1$ & more: \end{document}")
    drawing.save(tmp_path / "whole.tex")
    drawing.save(tmp_path / "part.tikz")
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\n\\usepackage{tikz,amsmath}\n\\begin{document}\n\\resizebox{\\linewidth}{!}{\\input{part.tikz}}\n"
        "\\end{document}\n"
    )
    for name in ("whole", "paper"):
        subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name],
            cwd=tmp_path, check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        assert (tmp_path / f"{name}.pdf").stat().st_size > 5000


@pytest.mark.slow
@pytest.mark.browser
def test_mermaid_draws_the_mmd(browser: Any) -> None:
    if MERMAID is None and not os.environ.get("CI"):
        pytest.skip("TINYGRAD_RNN_MERMAID does not name a mermaid.min.js")
    script = "async text => (await mermaid.render('m', text)).svg"
    page = browser.new_page()
    page.add_script_tag(path=MERMAID or "TINYGRAD_RNN_MERMAID is not set")
    for drawing in (draw(*lstm()), draw(*scalar(), detail="values"), draw_dot(expression())):
        drawn = page.evaluate(script, drawing.pipe("mmd", encoding="utf-8"))
        for box in drawing.picture.every_box():
            if box.role not in ("bar", "swatch") and any(box.lines):
                assert f"-{box.id}-" in drawn


# ---- text ------------------------------------------------------------------------------------------------------------


def test_text_tells_the_chain_from_the_loss_back() -> None:
    rnn = unroll(ScalarRNNCell(w=0.5, u=1.0, nonlinearity="identity"), [1.0, 0.5])
    loss = mse_loss(rnn.h[2], 0.0)
    loss.label = "L"
    loss.backward()
    lines = draw(rnn, loss).text.splitlines()
    assert lines[0] == "The gradient shrinks: ×0.25 over 2 steps back, ×0.5 per step"
    assert "h₂  1  2     x₂  0.5   ████████████████████████ 1" in lines
    assert "  ↓ ×0.5   w 0.5" in lines
    assert [line.split()[0] for line in lines if line[:1] in "Lh" and line] == ["L", "h₂", "h₁", "h₀"]
    assert lines[-1] == "After a name: value, gradient of L"


def test_text_counts_the_factors_of_folded_steps() -> None:
    lines = draw(*scalar(40)).text.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("  ⋮")]
    assert re.fullmatch(r"  ⋮ 30 steps", lines[at])
    assert re.fullmatch(r"  ↓ ×\S+ = 31 factors", lines[at - 1])


def test_the_text_of_a_graph_without_time_says_what_each_value_was_made_of() -> None:
    lines = draw_dot(expression()).text.splitlines()
    assert any(re.match(r"a·b +data 0\.12 .* from a, b$", line) for line in lines)


# ---- what moves ------------------------------------------------------------------------------------------------------


def shown(picture: Picture, role: str) -> list[int]:
    """The time steps of what is there in that role."""
    items = (*picture.boxes, *picture.lines, *picture.texts)
    return sorted(item.step for item in items if item.role == role and item.step is not None)


def test_values_appear_forwards_then_the_gradient_travels_back_factor_by_factor() -> None:
    drawing = draw(*scalar(4))
    film = animation.film(drawing.picture)
    states, arcs, bars, products = [], [], [], []
    for moment in film.moments():
        picture = film.at(moment)
        states.append(shown(picture, "state"))
        assert not shown(picture, "part") or states[-1] == [0, 1, 2, 3, 4]
        arcs.append(shown(picture, "arc"))
        bars.append(shown(picture, "bar"))
        products += [text.text for text in picture.texts if text.role == "sofar" and text.text not in products]
        if shown(picture, "arc"):
            assert shown(picture, "state") == [0, 1, 2, 3, 4]
        assert set(shown(picture, "factor")) == set(shown(picture, "arc"))
    assert states[0] == []
    assert [0] in states
    assert [0, 1, 2] in states
    assert [4] in arcs
    assert [3, 4] in arcs
    assert [2, 3, 4] in arcs
    assert arcs[-1] == [1, 2, 3, 4]
    assert [4] in bars
    assert [3, 4] in bars
    assert bars[-1] == [0, 1, 2, 3, 4]
    factors = [
        text.text[1:]
        for text in sorted(drawing.picture.texts, key=lambda text: -(text.step or 0))
        if text.role == "factor"
    ]
    left = {text.step: text.text for text in drawing.picture.texts if text.role == "left"}
    assert products[0] == f"back to h₃:  {left[3]}"
    assert products[1] == f"back to h₂:  {factors[0]}·{factors[1]} = {left[2]}"


def test_a_gradient_that_the_chain_does_not_reach_is_seen_at_the_end() -> None:
    film = animation.film(draw(*scalar(4), k=2).picture)
    for moment in film.moments():
        gradients = {box.step for box in film.at(moment).boxes if box.role == "state" and box.lines[-1]}
        assert moment == film.seconds or not gradients & {0, 1}
    assert gradients == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("detail", ["states", "gates"])
def test_nothing_of_a_time_step_is_seen_before_its_states(detail: str) -> None:
    """Neither the straight path, nor gates, nor a matrix, nor a cut, nor a note."""
    rnn = unroll(LSTMCell(1, 2), [[0.1]] * 4)
    notes = [["a note"]] * 4
    for made in (rnn, unroll(RNNCell(1, 2), [[0.1]] * 4)):
        loss = mse_loss(made.h[4], [0.1, 0.2])
        loss.backward()
        film = animation.film(draw(made, loss, detail=detail, notes=notes, cuts=(3,)).picture)
        for moment in film.moments():
            picture = film.at(moment)
            reached = max(shown(picture, "state"), default=-1)
            for item in (*picture.boxes, *picture.lines, *picture.texts):
                assert item.step is None or item.step <= reached, item


def test_an_arc_over_folded_steps_travels_piece_by_piece() -> None:
    film = animation.film(draw(*scalar(60)).picture)
    pieces = [len([line for line in film.at(moment).lines if line.role == "fade"]) for moment in film.moments()]
    assert pieces == sorted(pieces)
    assert len(set(pieces)) > 5


def test_the_film_ends_with_the_picture() -> None:
    for make in (scalar, lstm):
        picture = draw(*make()).picture
        film = animation.film(picture)
        assert film.at(film.seconds) == picture
        assert film.at(film.seconds - 0.01) != picture


def test_an_animated_svg_plays_by_css_alone_and_stands_still_for_who_wants_that() -> None:
    source = draw(*scalar(), animate="backward").svg()
    ET.fromstring(source)
    assert "@keyframes" in source
    assert "<script" not in source
    assert "@media (prefers-reduced-motion:reduce)" in source
    names = set(re.findall(r"@keyframes (m\d+)", source))
    assert names == {
        name
        for names in re.findall(r'class="([^"]*)"', source)
        for name in names.split()
        if re.fullmatch(r"m\d+", name)
    }


@pytest.mark.slow
@pytest.mark.browser
def test_in_an_image_the_animation_begins_empty_and_with_less_motion_it_shows_the_end(
    browser: Any, tmp_path: Path
) -> None:
    from PIL import Image

    draw(*scalar(), animate="backward").save(tmp_path / "moving.svg")
    (tmp_path / "page.html").write_text('<body style="margin:0"><img src="moving.svg" width="960"></body>')
    # A page's emulation of that wish does not reach into images; that of the whole browser does.
    still = browser.browser_type.launch(
        executable_path=find_browser(browser.browser_type.executable_path),
        args=["--no-sandbox", "--force-prefers-reduced-motion"],
    )
    ink = []
    for running, motion in ((browser, "no-preference"), (still, "reduce")):
        page = running.new_page(viewport={"width": 960, "height": 540}, reduced_motion=motion)
        page.goto((tmp_path / "page.html").as_uri())
        image = Image.open(io.BytesIO(page.screenshot())).convert("L")
        ink.append(sum(image.histogram()[:128]))
    still.close()
    assert ink[0] < 0.6 * ink[1]


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("make", [scalar, lstm])
def test_in_a_browser_more_and_more_is_seen(
    make: Callable[[], tuple[Unrolled, Value]], browser: Any, tmp_path: Path
) -> None:
    """Screenshots at five times, the last of them when all is there."""
    from PIL import Image

    drawing = draw(*make(), animate="backward")
    drawing.save(tmp_path / "moving.svg")
    page = browser.new_page(viewport={"width": 960, "height": 540})
    page.goto((tmp_path / "moving.svg").as_uri())
    end = animation.film(drawing.picture).seconds
    ink = []
    for moment in (0.0, 0.2 * end, 0.5 * end, 0.8 * end, end + 1.0):
        page.evaluate("t => document.getAnimations().forEach(a => { a.pause(); a.currentTime = 1000 * t; })", moment)
        grey = Image.open(io.BytesIO(page.screenshot())).convert("L")
        ink.append(sum(grey.histogram()[:230]))
    assert ink == sorted(ink)
    assert len(set(ink)) == 5
    assert ink[0] < 0.5 * ink[-1]


@pytest.mark.slow
def test_a_gif_plays_in_frames_of_one_size_and_ends_with_the_picture(tmp_path: Path) -> None:
    from PIL import Image, ImageChops

    drawing = draw(*scalar(2))
    image = Image.open(drawing.save(tmp_path / "film.gif"))
    assert image.size == (1920, 1080)
    assert image.n_frames > 6
    sizes = [re.findall(r'<svg [^>]*viewBox="([^"]+)"', frame) for frame, _ in animation.film(drawing.picture).frames()]
    assert len({size for (size,) in sizes}) == 1
    for i in range(image.n_frames):
        image.seek(i)
        assert image.size == (1920, 1080)
        assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)  # paper
    assert image.info["duration"] == 1000 * animation.HOLD
    still = Image.open(io.BytesIO(convert.png(svg.write(drawing.picture), 4 / 3))).convert("RGB")
    worst = max(high for _, high in ImageChops.difference(image.convert("RGB"), still).getextrema())
    assert worst < 40  # of 255: a palette has fewer colours


def test_what_has_no_gradient_that_travels_cannot_be_animated() -> None:
    rnn, loss = scalar()
    for drawing in (lambda: draw(rnn, loss, lit=False, animate="backward"), lambda: draw_dot(loss).pipe("gif")):
        with pytest.raises(DrawError, match="there is nothing to animate"):
            drawing()


def test_a_drawing_prints_its_text_in_a_terminal() -> None:
    drawing: Drawing = draw(*scalar())
    assert "h₄" in drawing.text
