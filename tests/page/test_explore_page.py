"""The interactive page in a real browser: headless Chromium, driven by Playwright."""

import contextlib
import math
import os
import re
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright import sync_api as playwright

from tinygrad_rnn import GRUCell, LSTMCell, RNNCell, ScalarRNNCell, Value, explore, mse_loss, total, unroll
from tinygrad_rnn.bptt.anatomy import anatomy, state_gradients
from tinygrad_rnn.bptt.decay import decay, scalar_cells
from tinygrad_rnn.bptt.truncation import truncation
from tinygrad_rnn.cli import main
from tinygrad_rnn.engine.backward import gradients_kept, topological_order
from tinygrad_rnn.engine.passes import steps
from tinygrad_rnn.page.decay import fate as fate_of
from tinygrad_rnn.pictures import text

from .problems import problem

pytestmark = [pytest.mark.slow, pytest.mark.browser]

HOSTILE = "</script><img src=x onerror=window.hacked=1>\"'&\u202e\u05d0\u2028😀"
INPUTS = [math.sin(0.7 * i) for i in range(1, 400)]


def find_browser(playwrights_own):
    """A Chromium of this machine: that of the variable CHROMIUM, the first on the PATH, or Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", playwrights_own)
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found:
        return found
    message = (
        "THE PAGE IS NOT TESTED: no Chromium. Install one (apt-get install chromium, or python -m playwright install "
        "chromium), or name it in the variable CHROMIUM"
    )
    if os.environ.get("CI"):  # where it must be tested; .ci/run sets it
        pytest.fail(message)
    return pytest.skip(message)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        program = find_browser(running.chromium.executable_path)
        started = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


def test_a_missing_browser_is_said_and_fails_where_the_page_must_be_tested(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="no Chromium"):
        find_browser(str(tmp_path / "none"))
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="THE PAGE IS NOT TESTED"):
        find_browser(str(tmp_path / "none"))


@pytest.fixture(scope="module")
def problems():
    return {
        "last": problem(5),
        "each": problem(6, each=True),
        "long": problem(150),
        "many": problem(200, each=True),
        "longer": problem(210),
    }


@pytest.fixture(scope="module")
def files(problems, tmp_path_factory):
    """A page per problem, on disk."""
    folder = tmp_path_factory.mktemp("pages")
    made = {name: explore(*problem, title="a sine").save(folder / f"{name}.html") for name, problem in problems.items()}
    made["hostile"] = hostile_page().save(folder / "hostile '\"&<b>.html")
    for name, cell in (("vector", RNNCell(2, 3)), ("lstm", LSTMCell(2, 2)), ("gru", GRUCell(2, 2))):
        unrolled = unroll(cell, [[math.sin(t), math.cos(t)] for t in range(4)])
        losses = [mse_loss(unrolled.h[t], [0.1] * len(unrolled.h[t])) for t in (2, 4)]
        made[name] = explore(unrolled, total(losses), losses).save(folder / f"{name}.html")
    bare = unroll(lambda x, h: (h * 0.9 + x).tanh(), [0.1, 0.2, 0.3], h0=0.5)  # no parameters
    made["function"] = explore(bare, mse_loss(bare.h[3], 0.1)).save(folder / "function.html")
    part = unroll(ScalarRNNCell(w=-1.3, nonlinearity="relu"), [0.1, 0.2], first=5)
    huge = unroll(ScalarRNNCell(w=1e200, u=0.5, nonlinearity="identity"), [0.0] * 5)
    made["overflow"] = explore(huge, mse_loss(huge.h[5], 0.1)).save(folder / "overflow.html")
    hello = folder / "hello.html"
    assert main(["explore", "--text", "hello", "--loss", "last", "-o", str(hello)]) == 0
    made["hello"] = hello
    made["part"] = explore(part, mse_loss(part.h[6], 0.1)).save(folder / "part.html")
    return made


def hostile_page():
    cell = ScalarRNNCell(w=Value(0.9, label=HOSTILE), u=Value(0.5, label="=cmd|' /C'!A0"), b=0.0)
    unrolled = unroll(cell, [Value(1.0, label=HOSTILE), 0.5])
    loss = mse_loss(unrolled.h[2], 0.1)
    loss.label = HOSTILE
    return explore(unrolled, loss, title=HOSTILE, names=[HOSTILE, "{{scripts}}"])


@pytest.fixture
def open_page(browser, files):
    """Open a page; whatever goes wrong in it fails the test."""
    contexts, wrong = [], []

    def open_(name="last", width=1280, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: wrong.append(request.url) if request.url != page.url else None)
        page.goto(files[name].as_uri())
        page.wait_for_selector("html[data-ready]", state="attached", timeout=20_000)
        wrong[:] = [one for one in wrong if one != files[name].as_uri()]
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


def says(page, selector):
    return page.locator(selector).inner_text()


def seen(text):
    """How a text of the engine reads in the page, its names with subscripts: h_12 as h12, z_i_3 as zi,3."""
    names = r"(?<!\w)([^\W\d_])((?:_(?:\d+|[A-Za-z]{1,2}|l\d+))+)(?!\w)"
    text = re.sub(names, lambda found: found[1] + found[2][1:].replace("_", ","), text)
    return re.sub(r"\^(-?)(\d+)", lambda found: found[1].replace("-", "−") + found[2], text)


def set_range(page, selector, value):
    """Move a slider as a person does, who leaves it at a value."""
    page.locator(selector).evaluate(
        "(range, value) => { range.value = value; range.dispatchEvent(new Event('input', {bubbles: true})); }", value
    )
    settle(page)


def settle(page):
    """Wait until what is asked for once per frame is done."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def show_all(page):
    """Zoom out until all columns are in view."""
    for _ in range(6):
        page.locator("#zoom-out").click()
    settle(page)


def card(page, label):
    """The card whose first line names this label."""
    return page.locator("#cards > g > g").filter(
        has=page.locator("text").first.filter(has_text=re.compile(rf"^{re.escape(seen(label))}( |$)"))
    )


def walked(loss):
    """The nodes below the loss, and the steps of a backward pass that finds no gradients."""
    order = topological_order(loss)
    with gradients_kept(order):
        return order, list(steps(loss))


def count(shown):
    shown = shown.replace("−", "-").replace("×10", "e").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    return float(shown)


# ---- loading ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["last", "each", "long", "vector", "lstm", "gru", "function", "part"])
def test_every_kind_of_page_opens_offline_without_a_complaint(open_page, name):
    page = open_page(name)
    assert page.title().endswith("Backpropagation through time")
    assert page.locator("#cards rect").count() > 5
    assert says(page, "#chain-equation").startswith("∂L/∂h4" if name == "part" else "∂L/∂h0")
    verdict = r"Here \d+ steps leave \S+ of it: it (vanishes|explodes|stays|drops, then flat)"
    assert re.search(verdict, says(page, "#lead"))


def test_the_page_can_reach_no_network_and_run_no_other_script(browser, files):
    context = browser.new_context()
    page = context.new_page()
    page.goto(files["last"].as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    blocked = page.evaluate(
        """async () => {
            const blocked = [];
            document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
            await fetch("http://127.0.0.1:9/").catch(() => 0);
            const script = document.createElement("script");
            script.textContent = "window.hacked = 1";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", "<p style='color: red'>x</p><img src='http://127.0.0.1:9/x.png'>");
            await new Promise((done) => setTimeout(done, 100));
            return [[...new Set(blocked)].sort(), window.hacked];
        }"""
    )
    context.close()
    assert blocked == [["connect-src", "img-src", "script-src-elem", "style-src-attr"], None]


# ---- the walk ---------------------------------------------------------------------------------------------------


def test_every_step_says_what_the_engine_says(open_page, problems):
    page = open_page("last")
    _, loss, _ = problems["last"]
    order, steps = walked(loss)
    page.locator("#to-backward").click()
    assert "forward" in says(page, "#now-where")
    position = int(page.locator("#position").input_value())
    for i, step in enumerate(steps, start=1):
        page.locator("#step-on").click()
        assert says(page, "#now-where").startswith(f"backward {i} of {len(steps)}")
        assert says(page, "#now-name") == seen(step.formula)
        by_number = "" if step.formula_in_numbers == step.formula else step.formula_in_numbers
        assert page.locator("#now-numbers").text_content() == seen(by_number)
        assert says(page, "#now-flow") == seen(step.flow)
    assert position == sum(1 for value in order if value.parents)
    page.locator("#step-on").click()
    assert says(page, "#now-where") == "complete"


def test_the_gradient_accumulates_on_the_card(open_page, problems):
    page = open_page("last")
    show_all(page)
    _, loss, _ = problems["last"]
    order, steps = walked(loss)
    w_steps = [(i, step) for i, step in enumerate(steps, start=1) if step.parent.label == "w"]
    assert len(w_steps) == 5
    forward = sum(1 for value in order if value.parents)
    for i, step in w_steps:
        set_range(page, "#position", forward + i)
        lit = page.locator(".card.to")
        assert lit.count() == 1
        assert f"grad {text.number(step.gradient_after)}" in lit.text_content()
        assert page.locator(".edge.now").count() == 1


def test_stepping_back_undoes_a_step(open_page):
    page = open_page("last")
    show_all(page)
    before = page.locator("#cards").text_content()
    for _ in range(3):
        page.locator("#step-back").click()
    assert page.locator("#cards").text_content() != before
    for _ in range(3):
        page.locator("#step-on").click()
    assert page.locator("#cards").text_content() == before


def test_what_is_not_computed_yet_is_not_shown(open_page):
    page = open_page("last", width=1920)
    show_all(page)
    page.locator("#to-start").click()
    computed = page.locator(".card.op, .card.state, .card.loss").count() - 1  # h_0 is given
    assert page.locator(".card.ahead").count() == computed
    assert "data …" in page.locator(".card.loss").text_content()
    set_range(page, "#position", 1)
    assert page.locator(".card.at").count() == 1


@pytest.mark.parametrize("width", [360, 1280])
def test_the_walk_keeps_what_it_is_about_in_view(open_page, width):
    page = open_page("lstm", width=width)
    hidden = page.evaluate(
        """() => {
            const hidden = [];
            for (let position = 1; position < lastPosition; position += 5) {
                select({ position });
                place();
                const stage = document.getElementById("stage").getBoundingClientRect();
                const cards = [...document.querySelectorAll(".card.at")].map((card) => card.getBoundingClientRect());
                if (!cards.some((card) => card.left >= stage.left && card.right <= stage.right
                    && card.top >= stage.top && card.bottom <= stage.bottom)) hidden.push(position);
            }
            return hidden;
        }"""
    )
    assert hidden == []


def test_playing_walks_on_and_pauses(open_page):
    page = open_page("last")
    page.locator("#play").click()
    playwright.expect(page.locator("#now-where")).to_contain_text(re.compile(r"forward [1-9]\d* of"))
    page.locator("#play").click()
    assert says(page, "#play") == "Play"
    assert "forward" in says(page, "#now-where")


# ---- the chain and the weight -----------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 2, 4])
def test_a_click_on_a_state_lights_its_chain(open_page, problems, k):
    page = open_page("last", width=1920)
    show_all(page)
    unrolled, loss, _ = problems["last"]
    gradient = state_gradients(unrolled, loss)[k]
    card(page, f"h_{k}").click()
    assert says(page, "#chain-k-text") == str(k)
    shown = says(page, "#chain-equation").rpartition(" = ")[2]
    assert count(shown) == pytest.approx(gradient, rel=6e-3)
    factors = page.locator("#chain-factors li:not(.product)")
    assert factors.count() == 1 + 5 - k
    product = count(factors.first.locator("span").last.text_content())
    for i in range(1, factors.count()):
        assert f"w · tanh′(z{6 - i})" in factors.nth(i).text_content()
        product *= count(factors.nth(i).locator("span").last.text_content().rpartition(" = ")[2])
    assert product == pytest.approx(gradient, rel=2e-2)
    assert page.locator(".edge.lit").count() == 2 + 4 * (5 - k)  # the square, the difference; then the cells
    assert card(page, f"h_{k}").get_attribute("class").endswith("on-chain")
    assert page.locator("#said").text_content() == f"∂L/∂h {k} = {shown}"
    assert "on-chain" not in (page.locator(".card.input").first.get_attribute("class") or "")


def outline(page):
    """The boxes of the network at a glance: name and what stands below it."""
    return page.locator("#outline-picture .box[data-t]").evaluate_all(
        "(boxes) => boxes.map((box) => [...box.querySelectorAll('.of-state, .number')].map((one) => one.textContent))"
    )


def test_the_first_view_shows_the_whole_chain_and_says_what_it_comes_to(open_page, problems):
    page = open_page("last")
    unrolled, loss, _ = problems["last"]
    gradients = state_gradients(unrolled, loss)
    boxes = outline(page)
    assert [name for name, _ in boxes] == [f"h{t}" for t in range(6)]
    assert [count(number) for _, number in boxes] == pytest.approx([gradients[t] for t in range(6)], rel=6e-3)
    factors = [count(one.text_content().removeprefix("×")) for one in page.locator("#outline-picture .factor").all()]
    assert factors == pytest.approx([gradients[t] / gradients[t + 1] for t in range(5)], rel=6e-3)
    kept = text.number(gradients[0] / gradients[5])
    assert says(page, "#lead").endswith(f"Here 5 steps leave {kept} of it: it vanishes.")
    box = page.locator("#outline-picture").bounding_box()
    assert box["y"] + box["height"] < 900  # on the first screen


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", ["vector", "lstm", "last", "hello"])
def test_the_first_view_of_the_graph_can_be_read_and_shows_the_loss(open_page, name, width):
    page = open_page(name, width=width)
    settle(page)
    assert page.evaluate("view.zoom") >= 0.9
    stage, loss = (page.locator(one).bounding_box() for one in ("#stage", ".card.loss"))
    assert loss["x"] >= stage["x"]
    assert loss["y"] >= stage["y"]
    assert loss["x"] + loss["width"] <= stage["x"] + stage["width"]
    assert loss["y"] + loss["height"] <= stage["y"] + stage["height"]


def test_the_network_at_a_glance_follows_the_walk_and_chooses_chains(open_page, problems):
    page = open_page("each")
    unrolled, _, _ = problems["each"]
    page.locator("#outline-picture [data-root='3']").click()
    page.locator("#outline-picture [data-t='2'] .state").click()
    assert "∂h2 through L4" in says(page, "#chain-equation")
    settle(page)
    assert [name for name, *number in outline(page) if number] == ["h2", "h3", "h4"]
    page.locator("#to-backward").click()
    settle(page)
    assert [number for _, number in outline(page)] == [text.number(unrolled.h[t].data) for t in range(7)]
    page.locator("#to-start").click()
    settle(page)
    assert {number for _, number in outline(page)[1:]} == {"…"}


def test_a_long_sequence_is_folded_at_a_glance(open_page, problems):
    page = open_page("long", width=360)
    names = [name for name, *_ in outline(page)]
    assert names[0] == "h0"
    assert names[-1] == "h150"
    assert len(names) < 6
    set_range(page, "#chain-k", 70)
    names = [name for name, *_ in outline(page)]
    assert "h70" in names
    assert page.locator("#outline-picture .small").filter(has_text="factors").count() == 2
    product = 1.0
    for factor in page.locator("#outline-picture .factor").all():
        product *= count(factor.text_content().removeprefix("×"))
    by_step = state_gradients(problems["long"][0], problems["long"][0].h[150])
    assert product == pytest.approx(by_step[70], rel=2e-2)
    unfolded = len(names) - 1 - 2  # neighbours among the states shown, but for the two over a fold
    folded = [
        int(one.split()[0]) for one in page.locator("#outline-picture .small").all_text_contents() if "factors" in one
    ]
    assert sum(folded) + unfolded == 150
    assert page.locator("#outline-picture .link.lit").count() == 3  # L to h_150, to the fold, and on to h_70


def test_the_chain_sliders_choose_loss_and_state(open_page, problems):
    page = open_page("each")
    unrolled, _, losses = problems["each"]
    set_range(page, "#chain-loss", 3)
    set_range(page, "#chain-k", 1)
    expected = state_gradients(unrolled, losses[3])[1] / len(losses)
    equation = says(page, "#chain-equation")
    assert "through L4" in equation
    assert count(equation.rpartition(" = ")[2]) == pytest.approx(expected, rel=6e-3)
    spoken = page.locator("#chain-k").get_attribute("aria-valuetext")
    assert "t = 1" in spoken
    assert "∂L/∂h 1 through L 4 = " + equation.rpartition(" = ")[2] in spoken


def test_a_weights_uses_light_together_and_add_up(open_page, problems):
    page = open_page("last", width=1920)
    show_all(page)
    unrolled, loss, _ = problems["last"]
    card(page, "w").first.click()
    assert page.locator(".card.use").count() == 5
    assert page.locator(".edge.use").count() == 5
    unrolled.cell.zero_grad()
    loss.backward()
    assert says(page, "#weight-equation").startswith(f"w.grad = {text.number(unrolled.cell.w.grad)}, the sum of 5")
    page.locator("#weight-table").locator("xpath=ancestor::details").locator("summary").click()
    rows = page.locator("#weight-table tbody tr")
    playwright.expect(rows).to_have_count(5)
    assert rows.first.locator("th").inner_text() == "5"
    assert rows.last.locator("td").last.inner_text() == text.number(unrolled.cell.w.grad)


# ---- the decay --------------------------------------------------------------------------------------------------


def plotted(page, curve):
    """The numbers that a curve stands for, read off its path and the labels of the axis."""
    path = page.locator(f"#decay-plot .curve.{curve}").get_attribute("d")
    ys = [float(y) for _, y in re.findall(r"([\d.]+) (-?[\d.]+)", path)]
    ticks = page.evaluate(
        """() => [...document.querySelectorAll("#decay-plot text[text-anchor=end]")]
            .map((text) => [text.textContent, Number(text.getAttribute("y")) - 4])"""
    )
    powers = dict(ticks)
    one, tenth = powers["1"], powers["10⁻¹"]
    return [0.1 ** ((y - one) / (tenth - one)) for y in ys]


@pytest.mark.parametrize("steps", [-3, 0, 2])
def test_sliding_the_norm_plots_what_the_engine_measures(open_page, steps):
    page = open_page("last")
    slider = page.locator("#norm")
    slider.focus()
    before = (slider.get_attribute("aria-valuetext"), page.locator("#decay-plot .curve.rnn").get_attribute("d"))
    for _ in range(abs(steps)):
        page.keyboard.press("ArrowRight" if steps > 0 else "ArrowLeft")
    settle(page)
    norm = round(0.9 + 0.05 * steps, 2)
    assert says(page, "#norm-text") == f"{norm:g}"
    (curve,) = decay(scalar_cells(u=0.5, b=0.1), [norm], INPUTS[:5])
    assert plotted(page, "rnn") == pytest.approx(list(curve.gradients), rel=1e-3)
    assert plotted(page, "law") == pytest.approx([norm**lag for lag in range(6)], rel=1e-3)
    spoken = slider.get_attribute("aria-valuetext")
    kept = text.number(curve.gradients[-1] / curve.gradients[0])
    fate = fate_of(curve.gradients)[1]
    assert f"RNN ∂h {fate}, {kept}" in spoken
    assert f"Measured, RNN: {fate}." in says(page, "#fate")
    if steps:
        assert spoken != before[0]
        assert page.locator("#decay-plot .curve.rnn").get_attribute("d") != before[1]


def test_fates_are_named_as_they_happen(open_page):
    page = open_page("each")
    for value, sign, law in ((0, "<", "vanishing"), (10, "=", "flat"), (20, ">", "exploding")):
        set_range(page, "#norm", value)
        (curve,) = decay(scalar_cells(u=0.5, b=0.1), [0.5 + value / 20], INPUTS[:6])
        measured = fate_of(curve.gradients)[1]
        assert says(page, "#fate").startswith(f"‖W‖ {sign} 1. The law: {law}. Measured, RNN: {measured}.")
        for label, fate in (("law", law), ("rnn", measured)):
            assert says(page, f"#decay-legend .{label} .left").endswith(f" left: {fate}")
            named = page.locator(f"#decay-plot .curve-name.{label} + .curve-fate").text_content()
            assert named == fate


def test_the_law_and_the_measured_gradient_are_both_named_where_they_differ(open_page):
    page = open_page("long")
    set_range(page, "#norm", 12)
    assert says(page, "#fate").startswith("‖W‖ > 1. The law: exploding. Measured, RNN: vanishing.")
    assert "the law exploding" in page.locator("#norm").get_attribute("aria-valuetext")
    assert "RNN ∂h vanishing" in page.locator("#norm").get_attribute("aria-valuetext")
    page.locator("#own-norm").click()
    assert "norm of W 0.9: the law vanishing" in page.locator("#said").text_content()


def test_the_users_own_cell_is_plotted_as_it_is(open_page, problems):
    page = open_page("each")
    unrolled, _, _ = problems["each"]
    by_step = state_gradients(unrolled, unrolled.h[6])
    expected = [abs(by_step[6 - lag]) for lag in range(7)]
    for norm in (0, 20):  # no slider moves it
        set_range(page, "#norm", norm)
        assert plotted(page, "mine") == pytest.approx(expected, rel=1e-3)
    assert says(page, "#decay-legend .mine > b") == "your cell ∂h"
    vector = open_page("lstm")
    assert vector.locator("#decay-plot .curve.mine, #decay-plot .curve.mine-c").count() == 2


def test_a_long_sequences_measured_part_is_named(open_page, problems):
    page = open_page("longer")
    unrolled, _, _ = problems["longer"]
    by_step = state_gradients(unrolled, unrolled.h[210])
    kept = text.number(abs(by_step[10]))
    assert says(page, "#lead").endswith(f"The last 200 of 210 steps leave {kept} of it: it vanishes.")
    assert "whose state starts from 0 there" in says(page, "#decay-about")


def test_a_gradient_that_overflows_explodes_in_words(open_page):
    page = open_page("overflow")
    assert says(page, "#lead").endswith("Here 5 steps leave ∞ of it: it explodes.")
    assert "not a number" not in page.locator("body").inner_text()


def test_without_input_the_measured_gradient_lies_on_the_law(open_page):
    page = open_page("hostile")  # the only one without a bias
    set_range(page, "#scale", 0)
    assert plotted(page, "rnn") == pytest.approx(plotted(page, "law"), rel=1e-3)


def test_tables_stand_behind_the_plots(open_page):
    page = open_page("each")
    for summary in page.locator("summary").all():
        summary.click()
    for table, rows in (("weight-table", 6), ("decay-table", 7), ("anatomy-table", 7), ("lag-table", 6)):
        playwright.expect(page.locator(f"#{table} tbody tr")).to_have_count(rows)
        assert page.locator(f"#{table} caption").inner_text()


# ---- the anatomy ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 6])
def test_truncation_greys_what_it_throws_away(open_page, problems, k):
    page = open_page("each")
    show_all(page)
    unrolled, _, losses = problems["each"]
    cut = truncation(anatomy(unrolled, losses, unrolled.cell.w), 1, k)
    kept, thrown = (text.number(part.total() / len(losses)) for part in (cut.kept, cut.cut))
    set_range(page, "#window", k)
    said = says(page, "#truncation")
    if k < 6:
        assert f"keeps {kept} and throws away {thrown}" in said
        assert page.locator("#frames").count() == 1
        assert page.locator("#lines > g.thrown").count() > 0
    else:
        assert "nothing is thrown away" in said
        assert page.locator("#lines > g.thrown").count() == 0
    assert page.locator("#lag-plot .bar-ahead").count() == 6 - k
    page.locator("#anatomy-details summary").click()
    playwright.expect(page.locator("#anatomy-table tbody tr")).to_have_count(7)
    assert page.locator("#anatomy-table td.cut").count() == sum(
        1 for t in range(1, 7) for use in range(1, t + 1) if t - use >= k
    )


def test_the_lag_plot_has_a_scale(open_page):
    page = open_page("each")
    marks = page.locator("#lag-plot .mark").all_text_contents()
    sums = page.evaluate("anatomy.parameters[0].by_lag")
    assert marks[0] == "0"
    assert [text.number(max(sums)) in marks, len(marks) in (2, 3)] == [True, True]


def test_beyond_the_windows_told_the_slider_says_what_is_cut_and_ends_with_the_whole(open_page, problems):
    page = open_page("long")
    unrolled, loss, _ = problems["long"]
    split = anatomy(unrolled, {150: loss}, unrolled.cell.w)
    kept, cut = (text.number(part.total()) for part in (truncation(split, 1, 128).kept, truncation(split, 1, 128).cut))
    whole = text.number(split.total())
    assert says(page, "#truncation") == f"∂L/∂w = {whole} in full: nothing is thrown away."
    assert says(page, "#window-text") == "all 150 steps: nothing is cut"
    set_range(page, "#window", 128)
    assert says(page, "#window-text") == "128 steps"
    assert f"keeps {kept} and throws away {cut}." in says(page, "#truncation")


def test_where_the_latest_losses_are_told_their_part_is_called_a_part(open_page, problems):
    page = open_page("many")
    unrolled, loss, losses = problems["many"]
    unrolled.cell.zero_grad()
    loss.backward()
    whole = text.number(unrolled.cell.w.grad)
    part = text.number(anatomy(unrolled, losses[-128:], unrolled.cell.w).total() / 200)
    assert whole != part
    said = f"The latest 128 of 200 losses bring {part} of ∂L/∂w = {whole}. Of theirs, "
    assert says(page, "#truncation") == said + "nothing is thrown away."
    set_range(page, "#window", 2)
    assert says(page, "#truncation").startswith(said + "truncated BPTT with a window of 2 steps keeps ")
    first, most = page.evaluate(
        "[largest(anatomy.parameters[0].cells.map((row) => row[0])), largest(anatomy.parameters[0].cells.flat())]"
    )
    assert 1e-4 * most < first < 1e-3 * most  # the rows begin with the first that can be seen
    assert page.evaluate("anatomy.parameters[0].uses[0] === anatomy.parameters[0].earlier + 1")


def test_a_click_on_a_cell_shows_its_chain(open_page):
    page = open_page("each")
    where = page.evaluate("() => [layout.left + 3.5 * layout.wide, layout.top + 1.5 * layout.high]")
    page.locator("#heat").click(position={"x": where[0], "y": where[1]})
    assert "∂h2 through L4" in says(page, "#chain-equation")


def test_every_cell_can_be_reached_by_the_keyboard_and_says_its_number(open_page, problems):
    page = open_page("each")
    unrolled, _, losses = problems["each"]
    split = anatomy(unrolled, losses, unrolled.cell.w)
    cell = page.locator("#heat-cells [role=gridcell]")
    cell.focus()
    reached = set()
    for key in ("Home", *["ArrowUp", "Home"] * 6, *["ArrowRight"] * 6, *["ArrowDown", "Home", *["ArrowRight"] * 6] * 6):
        page.keyboard.press(key)
        assert cell.count() == 1
        assert cell.evaluate("(one) => one === document.activeElement")
        said = cell.get_attribute("aria-label")
        number, t, k = re.match(r"(\S+) from the loss of step (\d+) through w at step (\d+)", said).groups()
        assert count(number) == pytest.approx(split[int(k), int(t)] / len(losses), rel=6e-3, abs=1e-12)
        assert says(page, "#heat-tip") == said
        reached.add((int(k), int(t)))
    assert reached == {(k, t) for t in range(1, 7) for k in range(1, t + 1)}
    page.keyboard.press("ArrowLeft")  # from k = 6, t = 6 there is nothing: step 6 comes after the loss of step 5
    assert "through w at step 6" in cell.get_attribute("aria-label")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert "∂h5 through L6" in says(page, "#chain-equation")


# ---- for everyone -----------------------------------------------------------------------------------------------


def test_with_the_keyboard_alone(open_page):
    page = open_page("each")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    controls = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, #stage")]
            .filter((one) => one.checkVisibility() && !one.disabled).map((one) => one.id)"""
    )
    assert set(controls) <= reached
    page.locator("#stage").focus()
    page.keyboard.press("Home")
    assert says(page, "#now-where") == "at the start"
    page.keyboard.press("ArrowRight")
    assert says(page, "#now-where").startswith("forward 1 of")
    assert page.locator("#said").text_content().startswith("forward 1 of")
    page.keyboard.press("End")
    page.keyboard.press("Escape")
    assert says(page, "#chain-equation") == "Nothing is lit."
    assert page.locator(".edge.lit").count() == 0
    page.keyboard.press("Enter")
    assert says(page, "#chain-equation").startswith("∂L/∂h0")
    zoom = page.evaluate("view.zoom")
    page.keyboard.press("+")
    assert page.evaluate("view.zoom") > zoom
    page.keyboard.press("0")
    assert page.evaluate("view.zoom") == zoom


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [("each", 360, "light"), ("each", 1920, "dark"), ("vector", 360, "dark"), ("vector", 1920, "light")],
)
def test_axe_finds_nothing(open_page, name, width, scheme):
    page = open_page(name, width=width, color_scheme=scheme)
    for summary in page.locator("summary").all():
        summary.click()
    set_range(page, "#window", 2)
    page.locator("#to-backward").click()
    page.locator("#step-on").click()
    found = Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()


@pytest.mark.parametrize("name", ["each", "vector"])
def test_every_control_has_a_name_and_sliders_say_their_value_in_words(open_page, name):
    page = open_page(name)
    tree = page.locator("body").aria_snapshot()
    assert len(re.findall(r'^ *- slider "', tree, flags=re.MULTILINE)) == 6
    assert not re.search(
        r"^ *- (slider|combobox|button|img|grid|gridcell|region|table)(:| \[|$)", tree, flags=re.MULTILINE
    )
    for slider in page.locator("input[type=range]").all():
        assert re.search("[a-z]", slider.get_attribute("aria-valuetext"))
        assert "_" not in slider.get_attribute("aria-valuetext")


def test_dark_mode_follows_the_system_and_the_choice(open_page):
    def paper(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light, dark = paper(open_page(color_scheme="light")), paper(open_page(color_scheme="dark"))
    assert light != dark
    page = open_page(color_scheme="light")
    page.locator("#theme").select_option("dark")
    assert paper(page) == dark
    page = open_page(color_scheme="dark")
    page.locator("#theme").select_option("light")
    assert paper(page) == light


@pytest.mark.parametrize("name", ["each", "long", "vector", "hostile"])
def test_a_narrow_screen_needs_no_sideways_scrolling(open_page, name):
    page = open_page(name, width=360, height=740, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input")]
            .filter((one) => one.checkVisibility()).map((one) => [one.id, one.getBoundingClientRect()])
            .filter(([, box]) => box.height < 24 || box.width < 24 || box.left < 0 || box.right > 360)
            .map(([id]) => id)"""
    )
    assert small == []


def test_motion_is_reduced_on_request(open_page):
    def animation(page):
        page.locator("#step-back").click()
        return page.locator(".edge.now").evaluate("(edge) => getComputedStyle(edge).animationName")

    assert animation(open_page(reduced_motion="no-preference")) == "back"
    assert animation(open_page(reduced_motion="reduce")) == "none"


def test_labels_never_become_markup(open_page):
    page = open_page("hostile", width=1920)
    show_all(page)
    for summary in page.locator("summary").all():
        summary.click()
    for position in range(int(page.locator("#position").get_attribute("max")) + 1):
        set_range(page, "#position", position)
    page.locator(".card.parameter").first.hover()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0
    shown = HOSTILE.replace("\u202e", "\ufffd").replace("\u2028", " ")
    assert page.locator("#tip b").text_content() == shown
    assert shown in page.locator("#weight").text_content()
    assert "\u202e" not in page.content()


# ---- long sequences ---------------------------------------------------------------------------------------------


def test_only_what_is_in_view_is_in_the_document(open_page):
    page = open_page("long")
    assert page.evaluate("graph.columns.length") == 151
    for _ in range(12):
        assert 0 < page.locator("#frames > g").count() <= 40
        assert page.locator("svg#picture *").count() < 6000
        page.locator("#zoom-out").click()
        settle(page)
    page.locator("#overview").click(position={"x": 3, "y": 12})
    settle(page)
    assert "t = 1" in page.locator("#frames").text_content()
    page.locator("#to-start").click()
    for _ in range(2):
        page.locator("#step-on").click()
    settle(page)
    assert page.locator(".card.at").count() == 1  # brought into view


def test_dragging_moves_the_picture_and_lights_nothing(open_page):
    page = open_page("long")
    before = page.evaluate("view.x"), says(page, "#chain-equation")
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 700, box["y"] + 110, steps=5)
    page.mouse.up()
    assert page.evaluate("view.x") == pytest.approx(before[0] + 400, abs=2)
    assert says(page, "#chain-equation") == before[1]


# ---- in a notebook ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        "",
        # as strict as hosts of notebooks are: what they allow a frame, it inherits
        "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; child-src https:",
    ],
    ids=["jupyter", "strict"],
)
def test_in_a_frame_without_rights_it_works_the_same(browser, problems, tmp_path, policy):
    bundle = explore(*problems["last"])._repr_mimebundle_()
    host = tmp_path / "host.html"
    head = f'<meta charset=utf-8><meta http-equiv="Content-Security-Policy" content="{policy}">'
    host.write_text(f"<!doctype html>{head}{bundle['text/html']}", encoding="utf-8")
    context = browser.new_context()
    with contextlib.closing(context):
        page = context.new_page()
        wrong = []
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(host.as_uri())
        frame = page.frame_locator("iframe")
        frame.locator("#step-back").click()
        assert "backward" in frame.locator("#now-where").inner_text()
        assert wrong == []
