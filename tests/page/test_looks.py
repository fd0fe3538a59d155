"""How the page looks in a real browser, to everyone: on any screen, in the dark, printed, saved, and read aloud."""

import contextlib
import re
from xml.etree import ElementTree

import pytest
from axe_playwright_python.sync_playwright import Axe

from tinygrad_rnn import (
    GRUCell,
    LSTMCell,
    RNNCell,
    draw,
    explore,
)
from tinygrad_rnn.bptt.verdict import Verdict, kept
from tinygrad_rnn.pictures import text

from .browser import browser, open_page, says, set_range, settle, settle_work, wait_until
from .pages import (
    files,
    gated,
    scalar,
    single_unit,
)

__all__ = ["browser", "files", "open_page"]

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SVG = "http://www.w3.org/2000/svg"


def saved(page, path):
    """The picture that the page saves, as a tree."""
    with page.expect_download() as download:
        page.locator("#save").click()
    download.value.save_as(path)
    return ElementTree.parse(path)


def test_the_picture_is_saved_with_its_looks(open_page, tmp_path):
    page = open_page("last")
    tree = saved(page, path := tmp_path / "saved.svg")
    texts = ["".join(each.itertext()) for each in tree.iter(f"{{{SVG}}}text")]
    assert says(page, "#headline") in texts
    assert "h6" in texts
    assert not [each for each in tree.iter() if each.get("class") == "hit"]
    fills = {each.get("fill") for each in tree.iter(f"{{{SVG}}}path")}
    assert len(fills) > 4
    assert "var(" not in path.read_text(encoding="utf-8")


def test_of_what_has_no_real_value_the_saved_picture_says_that_it_is_from_before(open_page, tmp_path):
    page = open_page("log")
    page.evaluate("change({ h0: [[-1.9]] })")
    settle(page)
    texts = ["".join(each.itertext()) for each in saved(page, tmp_path / "saved.svg").iter(f"{{{SVG}}}text")]
    assert texts[:2] == ["ln (h1·x2 + 1) has no real value at t = 2", "The picture shows what was before."]


@pytest.mark.parametrize("width", [360, 1440])
def test_the_saved_picture_keeps_subscripts_and_cuts_no_sentence_off(open_page, browser, tmp_path, width):
    page = open_page("subnormal", width=width)
    settle_work(page)
    tree = saved(page, path := tmp_path / "saved.svg")
    texts = ["".join(each.itertext()) for each in tree.iter(f"{{{SVG}}}text")]
    above = texts[: texts.index("mean f") if "mean f" in texts else texts.index("1998 factors")]
    assert " ".join(above).startswith(f"{says(page, '#headline')} {says(page, '#equation')}")
    lines = list(tree.iter(f"{{{SVG}}}text"))[: len(above)]
    sizes = [(piece, float(line.get("font-size", 0))) for line in lines for piece in line]
    smaller = [piece.text for piece, size in sizes if float(piece.get("font-size", 99)) < size]
    assert smaller[:2] == ["0", "2000"]
    with contextlib.closing(browser.new_context(viewport={"width": width + 100, "height": 900})) as context:
        alone = context.new_page()
        alone.goto(path.as_uri())
        left, right = alone.evaluate(
            """() => {
                const sheet = document.documentElement.viewBox.baseVal;
                const boxes = [...document.querySelectorAll("text")].map((one) => one.getBBox());
                return [Math.min(...boxes.map((box) => box.x)),
                        sheet.width - Math.max(...boxes.map((box) => box.x + box.width))];
            }"""
        )
    assert left > 0
    assert right > 0


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        ("every", 360, "light"), ("every", 1920, "dark"), ("cells", 360, "dark"), ("cells", 1920, "light"),
        ("hello", 1440, "light"),
    ],
)  # fmt: skip
def test_axe_finds_nothing(open_page, name, width, scheme):
    page = open_page(name, "#step=8", width=width, color_scheme=scheme)
    settle_work(page)
    for summary in page.locator("summary:visible").all():
        summary.click()
    page.locator("#truncate").check()
    page.locator("#clip-on").check()
    page.locator("#update").click()
    settle_work(page)
    page.locator("#loss-details summary").click()
    settle_work(page)
    found = Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()


def test_every_control_is_reached_by_the_keyboard_and_has_a_name(open_page):
    page = open_page("cells")
    settle_work(page)
    page.locator("#truncate").check()
    settle_work(page)
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    controls = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input")]
            .filter((one) => one.checkVisibility() && !one.disabled && one.tabIndex >= 0 && one.id)
            .map((one) => one.id)"""
    )
    assert set(controls) <= reached
    tree = page.locator("body").aria_snapshot()
    assert not re.search(
        r"^ *- (slider|spinbutton|combobox|button|img|grid|gridcell|region|table)(:| \[|$)", tree, flags=re.MULTILINE
    )
    for slider in page.locator("input[type=range]").all():
        if slider.is_visible():
            assert re.search("[A-Za-z]", slider.get_attribute("aria-valuetext") or "")


def test_dark_mode_follows_the_system_and_the_choice(open_page):
    def paper(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light, dark = paper(open_page("last", color_scheme="light")), paper(open_page("last", color_scheme="dark"))
    assert light != dark
    page = open_page("last", color_scheme="light")
    page.locator("#theme").select_option("dark")
    assert paper(page) == dark
    page = open_page("last", color_scheme="dark")
    page.locator("#theme").select_option("light")
    assert paper(page) == light


@pytest.mark.parametrize("name", ["every", "long", "cells", "hostile", "hello"])
def test_a_narrow_screen_needs_no_sideways_scrolling(open_page, name):
    page = open_page(name, width=360, height=740, has_touch=True)
    settle_work(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input")]
            .filter((one) => one.checkVisibility()).map((one) => [one.id, one.type, one.getBoundingClientRect()])
            .filter(([, type, box]) => (type !== "checkbox" && (box.height < 20 || box.width < 20)) || box.left < 0
              || box.right > 360)
            .map(([id]) => id)"""
    )
    assert small == []


BOXES = """(pairs) => pairs.flatMap(([text, box]) => {
    const inner = [...document.querySelectorAll(text)], outer = [...document.querySelectorAll(box)];
    return inner.filter((one) => one.textContent && !outer.some((other) => {
        const a = one.getBoundingClientRect(), b = other.getBoundingClientRect();
        return a.left >= b.left - 0.5 && a.right <= b.right + 0.5 && a.top >= b.top - 0.5 && a.bottom <= b.bottom + 0.5;
    })).map((one) => one.textContent);
})"""


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("last", ""),
        ("cells", "#T=5"),
        ("last", "#w=1e-9"),
        ("last", "#w=1e9"),
        ("long", ""),
        ("subnormal", "#at=every"),
    ],
)
def test_no_number_leaves_its_card_and_the_law_meets_nothing(open_page, name, link, width):
    page = open_page(name, link, width=width)
    assert page.evaluate(BOXES, [["#picture text", "#picture"]]) == []
    inside = [
        ["#picture text.grad:not(.small)", "rect.state, rect.loss"],
        ["#picture text.data", "rect.state, rect.loss, rect.input"],
        ["#picture text.name", "rect.state, rect.loss, rect.fold"],
    ]
    assert page.evaluate(BOXES, inside) == []
    assert page.locator("#picture text.small").filter(has_text=re.compile("^(10[⁻⁰-⁹]+|1)$")).count() > 1  # the axis
    crossing = page.evaluate(
        """() => {
            const law = document.querySelector("#picture text.law-name").getBoundingClientRect();
            return [...document.querySelectorAll("#picture text:not(.law-name), rect.bar, path.law")].filter((one) => {
                const b = one.getBoundingClientRect();
                return b.left < law.right && b.right > law.left && b.top < law.bottom - 1 && b.bottom > law.top + 1;
            }).map((one) => one.textContent || one.getAttribute("class"));
        }"""
    )
    assert crossing == []


@pytest.mark.parametrize(("name", "link"), [("subnormal", "#T=100"), ("every", ""), ("long", "")])
def test_a_number_keeps_away_from_the_border_of_its_card(open_page, name, link):
    page = open_page(name, link, width=1920, height=1080)
    close = page.evaluate(
        """() => {
            const boxes = [...picture.querySelectorAll("rect.state, rect.loss, rect.input")]
                .map((one) => one.getBBox());
            return [...picture.querySelectorAll("text.data, text.grad:not(.small)")].filter((one) => {
                const { x, y, width } = one.getBBox(), middle = x + width / 2;
                const box = boxes.find((each) => each.x < middle && middle < each.x + each.width
                    && each.y < y && y < each.y + each.height);
                return x - box.x < 2 || box.x + box.width - x - width < 2;
            }).map((one) => one.textContent);
        }"""
    )
    assert close == []


#: Texts of a drawing that a line crosses: their words.
CROSSED = """([drawing, lines]) => {
    const root = document.querySelector(drawing), found = new Set();
    const texts = [...root.querySelectorAll("text:not(.scissors)")].map((one) => [one, one.getBBox()]);
    for (const line of root.querySelectorAll(lines)) {
        for (let at = 0, end = line.getTotalLength(); at <= end; at += 3) {
            const { x, y } = line.getPointAtLength(at);
            for (const [one, box] of texts) {
                const across = x > box.x && x < box.x + box.width, down = y > box.y + 2 && y < box.y + box.height - 2;
                if (across && down) found.add(one.textContent);
            }
        }
    }
    return [...found];
}"""


@pytest.mark.parametrize("width", [390, 1440, 1920])
@pytest.mark.parametrize(
    ("name", "link"), [("last", ""), ("cells", "#at=every"), ("long", "#cut=995"), ("one", ""), ("stack", "#at=every")]
)
def test_no_edge_crosses_a_heading_or_a_number(open_page, name, link, width):
    page = open_page(name, link, width=width)
    settle_work(page)
    assert page.evaluate(CROSSED, ["#picture", ".arc, .flow"]) == []
    assert page.evaluate(CROSSED, ["#step-graph", ".edge"]) == []


#: Texts that DRAW, a function of the page, writes on a canvas: those that meet another, or leave the canvas.
MEETING = """(canvas) => {
    const plot = byId(canvas), pen = plot.getContext("2d"), texts = [];
    pen.fillText = (text, x, y) => {
        const { width } = pen.measureText(text), left = x - width * { left: 0, center: 0.5, right: 1 }[pen.textAlign];
        texts.push({ text, left, right: left + width, top: y - 9, bottom: y });
    };
    DRAW();
    delete pen.fillText;
    const meets = (a, b) => a !== b && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    const isOut = ({ left, right, bottom }) => left < 0 || right > widthOf(plot) || bottom > plot.clientHeight;
    return texts.filter((a) => isOut(a) || texts.some((b) => meets(a, b))).map(({ text }) => text);
}"""


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize(
    ("name", "link"),
    [("last", ""), ("last", "#w=1.9&nonlinearity=identity"), ("long", ""), ("subnormal", ""), ("stack", "")],
)
def test_the_labels_of_a_plot_do_not_meet(open_page, name, link, width):
    page = open_page(name, link, width=width)
    settle_work(page)
    for canvas, draw_it in (("norm-plot", "drawNorms"), ("lag-plot", "drawLags")):
        assert page.evaluate(MEETING.replace("DRAW", draw_it), canvas) == []


def test_long_names_fit_into_their_cards_and_short_ones_into_a_line(open_page):
    page = open_page("formulas")
    settle_work(page)
    assert page.evaluate(BOXES, [["#step-graph text.name", "#step-graph rect.card"]]) == []
    page = open_page("vectors")
    heights = page.locator(".setting label").evaluate_all(
        "(all) => all.map((one) => [one.textContent, one.offsetHeight])"
    )
    assert [name for name, height in heights if height > 22] == []


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1920, 1080)])
@pytest.mark.parametrize("name", ["last", "cells", "long"])
def test_picture_and_controls_fit_on_a_screen_and_the_graph_of_a_time_step_in_its_panel(open_page, name, width, height):
    page = open_page(name, width=width, height=height)
    settle_work(page)
    for part in ("#headline", "#picture", ".transport", "#controls", "#run"):
        box = page.locator(part).bounding_box()
        assert 0 <= box["y"] <= height - box["height"], part
    assert page.locator("#step-panel .scroll.wide").evaluate("(one) => one.scrollWidth <= one.clientWidth")


#: Whether the marked cards are in view in the box of the graph, and where graph and picture are.
CLOSE = """() => {
    const box = byId("step-graph").parentElement, frame = box.getBoundingClientRect();
    const isIn = ({ left, right, top, bottom }) => frame.left <= left && right <= frame.right && frame.top <= top
        && bottom <= frame.bottom;
    const from = [...document.querySelectorAll("#step-graph .card.from")];
    const place = ({ left, right, top, bottom }) => [left, right, top, bottom].map(Math.round).join();
    const isOnTop = (one) => {
        const { left, right, top, bottom } = one.getBoundingClientRect();
        return document.elementFromPoint((left + right) / 2, (top + bottom) / 2) === one;
    };
    const rect = (id) => place(byId(id).getBoundingClientRect());
    return { count: from.length, in: from.every((one) => isIn(one.getBoundingClientRect())), box: place(frame),
        places: [rect("picture"), rect("play")], size: [box.scrollWidth, box.scrollHeight].join(),
        onTop: from.every(isOnTop), bottom: frame.bottom };
}"""


@pytest.mark.parametrize(
    ("name", "link", "size", "full"),
    [
        ("last", "#step=4&node=5", (1440, 900), False),
        ("last", "#step=4&node=5", (1440, 900), True),
        ("last", "#step=4&node=5", (1920, 1080), True),
        ("last", "#step=4&node=5", (390, 844), False),
        ("cells", "#step=4&node=25", (1440, 900), False),
        ("cells", "#step=4&node=25", (1920, 1080), False),
        ("cells", "#step=4&node=25&detail=5", (1440, 900), True),
        ("cells", "#step=4&node=25&detail=5", (390, 844), False),
    ],
)
def test_node_by_node_the_graph_stands_below_the_chain_and_the_marked_card_is_in_view(
    open_page, name, link, size, full
):
    page = open_page(name, link, width=size[0], height=size[1])
    if full:
        page.keyboard.press("f")
        wait_until(page, "document.fullscreenElement === byId('stage')")
    settle_work(page)
    seen = []
    for _ in range(12):
        seen.append(page.evaluate(CLOSE))
        page.keyboard.press("PageDown")
        settle(page)
    assert page.evaluate("scrollY") == 0
    assert all(each["count"] == 1 and each["in"] for each in seen)
    for fixed in ("box", "places", "size"):  # nothing jumps
        assert len({str(each[fixed]) for each in seen}) == 1, fixed
    if size[0] > 1000:
        assert seen[0]["bottom"] <= size[1]
        assert all(each["onTop"] for each in seen)
    else:
        panel, score = (page.locator(part).bounding_box() for part in ("#step-panel", "#score"))
        assert panel["y"] - score["y"] - score["height"] < 20
        assert panel["y"] < size[1] - 50 or name == "cells"
    for part in ("#picture", ".transport"):
        box = page.locator(part).bounding_box()
        assert 0 <= box["y"] <= size[1] - box["height"]


def test_ticking_node_by_node_brings_chain_and_graph_into_view_and_unticking_all_as_it_was(open_page):
    page = open_page("last")
    before = page.locator("#series-plot").bounding_box(), page.locator("#picture").bounding_box()["height"]
    page.evaluate("scrollTo(0, 300)")
    page.locator("#by-node").check()
    settle(page)
    for part in ("#picture", "#play", "#step-graph"):
        box = page.locator(part).bounding_box()
        assert 0 <= box["y"] <= 900 - box["height"], part
    order = "[...byId('stage').children].map(({ id }) => id)"
    assert page.evaluate(order) == ["score", "step-panel", "controls"]
    page.locator("#by-node").uncheck()
    page.evaluate("scrollTo(0, 0)")
    settle_work(page)
    assert page.evaluate(order) == ["score", "controls", "step-panel"]
    assert (page.locator("#series-plot").bounding_box(), page.locator("#picture").bounding_box()["height"]) == before


#: The gradient that stands below a name in a drawing.
GRADIENT_BELOW = """([drawing, name]) => {
    const texts = [...document.querySelectorAll(drawing + " text")];
    const head = texts.find((one) => one.matches(".name") && one.textContent === name);
    const y = Number(head.getAttribute("y")), column = head.getAttribute("x");
    const isBelow = (one) => one.getAttribute("x") === column && Number(one.getAttribute("y")) > y;
    const found = texts.filter((one) => one.matches(".grad") && isBelow(one));
    return found.reduce((a, b) => (Number(b.getAttribute("y")) < Number(a.getAttribute("y")) ? b : a)).textContent;
}"""


def test_a_state_has_one_gradient_wherever_it_is_written(open_page):
    page = open_page("every")
    page.evaluate("goTo(3)")
    settle_work(page)
    posed = scalar(at="every")
    posed.loss.backward()
    for drawing in ("#picture", "#step-graph"):
        assert page.evaluate(GRADIENT_BELOW, [drawing, "h3"]) == text.number(posed.unrolled.h[3].grad)


def test_a_target_that_stands_alone_is_seen_and_a_panel_that_stands_alone_has_the_width(open_page):
    page = open_page("log")
    settle_work(page)
    seen = page.evaluate(
        """() => {
            const { x, y } = seriesAt, ratio = devicePixelRatio, pen = seriesPlot.getContext("2d");
            const { data } = pen.getImageData(Math.round(x(3) * ratio), Math.round(y(0.1) * ratio), 1, 1);
            return [`rgb(${data.slice(0, 3).join(", ")})`, colour("quiet")];
        }"""
    )
    assert seen[0] == seen[1]
    assert page.locator("#norms").is_hidden()
    assert page.locator("#where").bounding_box() is None  # there is no parameter to split a gradient of
    page = open_page("outside")
    settle_work(page)
    assert page.locator("#where").bounding_box()["width"] > 1300


def test_a_panel_that_gets_another_width_is_drawn_for_it(open_page):
    page = open_page("last")
    settle_work(page)
    page.evaluate("byId('where').hidden = true")
    settle(page)
    settle_work(page)
    drawn, wide = page.evaluate("[normPlot.width, normPlot.clientWidth * devicePixelRatio]")
    assert wide > 1300
    assert drawn == pytest.approx(wide, abs=1)


def test_the_curves_of_stacked_cells_are_told_apart(open_page):
    page = open_page("stack")
    settle_work(page)
    looks = page.evaluate(
        """() => {
            const pen = normPlot.getContext("2d"), found = [];
            pen.stroke = () => found.push([pen.strokeStyle, pen.getLineDash().join(), pen.lineWidth]);
            drawNorms();
            delete pen.stroke;
            return found.filter(([, , wide]) => wide === 3).map((look) => look.join(";"));
        }"""
    )
    assert len(looks) == 8  # each curve, and its sample beside its name
    assert len(set(looks)) == 4


def test_while_the_film_goes_forward_no_gradient_is_there(open_page):
    page = open_page("last", "#step=3")
    settle(page)
    for mark in (".arc", ".tip", "text.factor", "text.grad", ".bar"):
        assert page.locator(f"#picture {mark}").count() == 0, mark
    assert page.locator("#picture text.data").count() > 0
    assert set(page.locator("#step-graph text.grad").all_text_contents()) == {"…"}


#: Digits and letters below the line, as the page writes them.
LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉ₖ", "0123456789k")


@pytest.mark.parametrize(
    ("name", "posed", "link"),
    [
        ("last", scalar, ""),
        ("last", lambda: scalar(w=-1.3), "#w=-1.3"),
        ("last", lambda: scalar(w=0.0), "#w=0"),
        ("every", lambda: scalar(at="every"), ""),
        ("unit", single_unit, ""),
        ("cells", lambda: gated(LSTMCell(1, 2)), ""),
        ("cells", lambda: gated(GRUCell(1, 2)), "#cell=" + repr(GRUCell(1, 2))),
        ("cells", lambda: gated(RNNCell(1, 3)), "#cell=" + repr(RNNCell(1, 3)).partition(", nonl")[0] + ")"),
    ],
)
def test_the_page_says_what_the_picture_says(open_page, name, posed, link):
    page = open_page(name, link, width=1920)
    settle(page)
    made = posed()
    made.loss.backward()
    drawn = draw(made.unrolled, made.loss)
    written = ElementTree.fromstring(drawn.svg()).iter(f"{{{SVG}}}text")
    texts = {" ".join("".join(one.itertext()).translate(LOWERED).split()) for one in written}
    assert says(page, "#headline") in texts
    if name != "cells" or not isinstance(
        made.cell, RNNCell
    ):  # the picture of several units has the product's norm, too
        assert says(page, "#equation") in texts
    for kind in ("heading", "law-name", "factor"):
        found = page.locator(f"#picture text.{kind}").all_text_contents()
        assert len(found) > (kind == "factor") * made.unrolled.T - 1 - (link == "#w=0"), kind
        for words in found:
            assert words in texts, words


def test_titles_are_true_for_gated_cells(open_page):
    page = open_page("cells")
    settle_work(page)
    assert "In a plain RNN at most" in says(page, "#norms-says")
    assert "law" not in says(page, "#norms-says")
    assert says(page, "#equation").startswith("‖∂L5/∂s0‖ / ‖∂L5/∂s5‖ = ")
    assert "gates alone: ∏ f" in says(page, "#equation")
    page.locator("#cell").select_option(index=2)
    settle_work(page)
    assert "The law" in says(page, "#norms-says")


@pytest.mark.parametrize(
    "link",
    [
        "#w=1e150&nonlinearity=identity",
        "#w=-1e200&nonlinearity=relu&at=every",
        "#w=1e308&nonlinearity=identity",
        "#w=0",
        "#w=1e-320&nonlinearity=identity",
        "#x_1[0]=1e308&u=1e300&at=every",
        "#k1=1&k2=1&at=every",
    ],
)
def test_no_number_is_beyond_words(open_page, link):
    page = open_page("last", link)
    settle_work(page)
    for summary in page.locator("summary:visible").all():
        summary.click()
    settle_work(page)
    words = page.evaluate(
        "document.body.innerText + [...document.querySelectorAll('svg text')].map((one) => one.textContent).join(' ')"
    )
    assert not re.findall(r"undefined|Infinity|null|\[object|NaN[×⁰-⁹]", words)


@pytest.mark.parametrize(
    ("link", "options", "where", "what"),
    [
        ("#w=1e150&nonlinearity=identity", {"w": 1e150}, "in time step 4", "w·h3 = ∞"),
        ("#u=0&w=1e150&nonlinearity=identity&b=0", {"w": 1e150, "u": 0.0, "b": 0.0}, "on the way back", "∂h6/∂h3 = ∞"),
    ],
)
def test_of_a_gradient_that_is_not_finite_the_page_says_what_python_says_and_what_was_so_first(
    open_page, link, options, where, what
):
    page = open_page("last", link)
    said, equation = says(page, "#headline"), says(page, "#equation")
    posed = scalar(nonlinearity="identity", **options)
    clause = Verdict(kept(posed.unrolled, posed.loss)[-1], 6).clause(way="back").partition(":")[0]
    assert said == f"{clause}: infinite first {where}"
    assert equation == f"Infinite first {where}: {what}"


def test_a_weight_near_1_is_not_written_as_1(open_page):
    page = open_page("last", "#nonlinearity=identity&w=1.02")
    assert "1.02" in page.locator("#picture text.law-ink").all_text_contents()
    assert "1.0" not in page.locator("#picture text.law-ink").all_text_contents()


#: How high each character of a text stands above the line of the first.
ABOVE = """(words) => {
    const text = write(document.createElementNS(SVG, "text"), words);
    picture.append(text);
    const y = Array.from(text.textContent, (_, i) => text.getStartPositionOfChar(i).y);
    return [text.textContent, y.map((each) => Math.round(10 * (y[0] - each)) / 10)];
}"""


@pytest.mark.parametrize("power", ["2", "−1", "0.5", "−1.5"])
def test_a_power_of_a_name_with_a_subscript_is_raised_and_the_rest_is_not(open_page, power):
    page = open_page("last")
    words, above = page.evaluate(ABOVE, f"x_6^{power}·y")
    assert words == f"x6{power}·y"
    assert above[0] == above[-2] == above[-1] == 0
    assert above[1] < -1
    assert set(above[2:-2]) == {above[2]}
    assert above[2] > 3
    assert page.evaluate("(words) => spoken(words)", f"x_6^{power}") == f"x 6 to the power {power}"
    in_list = {"2": "x₆²", "−1": "x₆⁻¹"}.get(power, f"x₆^{power}")
    assert page.evaluate("(words) => inCharacters(words)", f"x_6^{power}") == in_list


def test_motion_is_reduced_on_request(open_page):
    def animation(page):
        page.evaluate("goTo(5)")
        page.locator("#by-node").check()
        settle(page)
        return page.locator(".edge.back").first.evaluate("(edge) => getComputedStyle(edge).animationName")

    assert animation(open_page("last", reduced_motion="no-preference")) == "back"
    assert animation(open_page("last", reduced_motion="reduce")) == "none"


def test_labels_never_become_markup(open_page):
    page = open_page("hostile", width=1920)
    settle_work(page)
    for summary in page.locator("summary:visible").all():
        summary.click()
    for position in range(6):
        set_range(page, "#position", position)
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0
    assert "\u202e" not in page.content()


#: What is wider than what it stands in, or narrower than drawn, of what is seen.
CUT_OFF = """() => [...document.querySelectorAll("svg, canvas, .scroll, .panel")].filter((one) => {
    if (!one.checkVisibility() || one.closest("button")) return false;
    const { left, right, width, height } = one.getBoundingClientRect(), sheet = document.documentElement.clientWidth;
    const [wide, high] = one.matches("canvas") ? [one.width, one.height]
        : one.matches("svg") ? [one.viewBox.baseVal.width, one.viewBox.baseVal.height] : [width, height];
    const stretched = Math.abs(width / height / (wide / high) - 1) > 0.02;
    return left < 0 || right > sheet + 1 || one.scrollWidth > one.clientWidth || stretched
        || one.scrollHeight > one.clientHeight + 1;
}).map((one) => one.id || one.className)"""


@pytest.mark.parametrize("sheet", [1040, 740])  # A4 with margins, across and upright
@pytest.mark.parametrize(("name", "link"), [("last", ""), ("cells", "#step=8"), ("long", ""), ("hello", "")])
def test_on_paper_nothing_is_cut_off_and_all_is_there_in_light_colours(open_page, name, link, sheet):
    page = open_page(name, link, height=500, color_scheme="dark")
    page.locator("#theme").select_option("dark")
    for summary in page.locator("summary:visible").all():
        summary.click()
    settle_work(page)
    paper = page.evaluate("colour('panel')")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # as the browser does, before it lays out the sheet
    page.set_viewport_size({"width": sheet, "height": 700})
    page.emulate_media(media="print")
    settle(page)
    for selector in (".tools", ".transport", "#controls", "footer"):
        assert page.locator(selector).is_hidden()
    assert page.locator("#picture").is_visible()
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate("colour('panel')") != paper
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    settle(page)
    assert page.evaluate("colour('panel')") == paper
    assert page.locator("#controls").is_visible()


@pytest.mark.parametrize("size", ["A4", "A5", "Letter"])
@pytest.mark.parametrize(("name", "sheets"), [("last", 2), ("cells", 3)])
def test_the_picture_stands_on_the_first_sheet_below_the_heading(open_page, name, sheets, size):
    page = open_page(name)
    settle_work(page)
    printed = page.pdf(format=size)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == sheets  # one more where the picture has moved to the second


def test_a_printer_does_not_wait_for_the_worker(open_page):
    page = open_page("every", height=300)
    page.evaluate(
        """() => {
            helper.postMessage = () => {};
            change({ p: [[0.5, 0.5, 0.1]] });
            return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }"""
    )
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    posed = scalar(at="every", w=0.5)
    posed.loss.backward()
    assert says(page, "#where-says").startswith(f"∂L/∂w = {text.number(posed.cell.w.grad)}")
    assert says(page, "#norms-says").startswith("‖W‖ = 0.5.")


def test_another_size_or_colour_is_not_computed_anew(open_page):
    page = open_page("every")
    settle_work(page)
    before = page.evaluate("requests")
    page.locator("#theme").select_option("dark")
    page.set_viewport_size({"width": 1200, "height": 2000})
    settle_work(page)
    assert page.evaluate("requests") == before


def test_what_is_computed_is_marked_as_old_until_it_is_there(open_page):
    page = open_page("every", height=2000)
    settle_work(page)
    page.evaluate(
        """() => {
            window.held = [];
            helper.postMessage = (message) => held.push(message);
        }"""
    )
    set_range(page, "#parameter0", 0.7)
    set_range(page, "#position", 3)  # another step in view, while the answer is awaited
    for part in ("where", "norms"):
        assert page.evaluate("(part) => byId(part).matches('.old')", part)
    page.evaluate("() => { delete helper.postMessage; for (const each of held) helper.postMessage(each); }")
    settle_work(page)
    posed = scalar(at="every", w=0.7)
    posed.loss.backward()
    assert says(page, "#where-says").startswith(f"∂L/∂w = {text.number(posed.cell.w.grad)}")


def test_an_answer_to_an_earlier_question_does_not_pass_for_a_new_one(open_page):
    page = open_page("every", height=300)  # the parts below are out of view
    settle_work(page)
    page.evaluate(
        """() => {
            window.answer = helper.onmessage;
            helper.onmessage = (event) => held.push(event);
            window.held = [];
        }"""
    )
    set_range(page, "#parameter0", 0.8)
    wait_until(page, "held.length === 2")
    page.evaluate(
        """async () => {
            change({ p: [[0.7, 0.5, 0.1]] });
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
            helper.onmessage = answer;
            for (const each of held) answer(each);
            window.marked = [...document.querySelectorAll(".old")].map(({ id }) => id);
        }"""
    )
    assert page.evaluate("marked") == ["step-panel", "where", "norms"]
    settle_work(page)
    posed = scalar(at="every", w=0.7)
    posed.loss.backward()
    assert says(page, "#where-says").startswith(f"∂L/∂w = {text.number(posed.cell.w.grad)}")


@pytest.mark.parametrize(
    "policy",
    [
        "",
        # as strict as hosts of notebooks are: what they allow a frame, it inherits
        "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; child-src https:",
    ],
    ids=["jupyter", "strict"],
)
def test_in_a_frame_without_rights_it_works_the_same(browser, tmp_path, policy):
    bundle = explore(scalar())._repr_mimebundle_()
    host = tmp_path / "host.html"
    head = f'<meta charset=utf-8><meta http-equiv="Content-Security-Policy" content="{policy}">'
    host.write_text(f"<!doctype html>{head}{bundle['text/html']}", encoding="utf-8")
    context = browser.new_context()
    with contextlib.closing(context):
        page = context.new_page()
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(host.as_uri())
        frame = page.frame_locator("iframe")
        frame.locator("#parameter0-number").fill("1.5")
        frame.locator("#parameter0-number").press("Enter")
        frame.locator("#norms-says").filter(has_text="‖W‖ = 1.5.").wait_for(timeout=20_000)
        assert wrong == []
