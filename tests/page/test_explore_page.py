"""The page in a real browser: everything can be changed, and what is shown then is what the engine computes."""

import contextlib
import math
import random
import re

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
from tinygrad_rnn.bptt.anatomy import anatomy
from tinygrad_rnn.bptt.decay import decay
from tinygrad_rnn.bptt.jacobian import chain_norms
from tinygrad_rnn.bptt.truncation import truncated_backward
from tinygrad_rnn.bptt.verdict import kept, verdict
from tinygrad_rnn.engine.backward import topological_order
from tinygrad_rnn.engine.passes import steps
from tinygrad_rnn.errors import ArgumentError, DomainError
from tinygrad_rnn.nn.linalg import spectral_norm
from tinygrad_rnn.nn.quantities import entries
from tinygrad_rnn.optim import SGD, clip_grad_norm_
from tinygrad_rnn.pictures import text
from tinygrad_rnn.pictures.subject import Subject
from tinygrad_rnn.pictures.view import View

from .browser import browser, click_link, find_browser, open_page, says, set_range, settle, settle_work, wait_until
from .pages import (
    WAVE,
    agrees,
    computed_once,
    files,
    gated,
    gradients,
    loss_before_the_end,
    penalised,
    scalar,
    stacked,
    vectors,
)

__all__ = ["browser", "files", "open_page"]

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_a_missing_browser_is_said_and_fails_where_the_page_must_be_tested(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="no Chromium"):
        find_browser(str(tmp_path / "none"))
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="THE PAGE IS NOT TESTED"):
        find_browser(str(tmp_path / "none"))


# ---- everything can be changed ----------------------------------------------------------------------------------


def test_the_first_view_tells_the_story(open_page):
    page = open_page("last")
    posed = scalar()
    agrees(page, posed)
    left = kept(posed.unrolled, posed.loss)
    assert says(page, "#equation").startswith("∂h6/∂h0 = w⁶ · ∏ tanh′ = ")
    assert says(page, "#equation").endswith(text.number(left[-1]))
    factors = page.locator("#picture text.factor").all_text_contents()
    ratios = [a / b for a, b in zip(left[1:], left)][::-1]
    assert factors == [f"×{text.number(ratio)}" for ratio in ratios]
    assert page.evaluate("document.documentElement.scrollHeight") > 900
    box = page.locator("#stage").bounding_box()
    assert box["y"] + page.locator("#picture").bounding_box()["height"] < 900  # the story is above the fold


@pytest.mark.parametrize("name", ["w", "u", "b"])
def test_weights_by_slider_number_and_arrow_keys(open_page, name):
    page = open_page("last")
    place = "wub".index(name)
    set_range(page, f"#parameter{place}", -1.2)
    agrees(page, scalar(**{name: -1.2}))
    page.locator(f"#parameter{place}-number").fill("0.123456789")
    page.locator(f"#parameter{place}-number").press("Enter")
    settle(page)
    agrees(page, scalar(**{name: 0.123456789}))
    page.locator(f"#parameter{place}").focus()
    before = page.evaluate(f"numbersNow()[{place}]")
    page.keyboard.press("ArrowRight")
    settle(page)
    assert page.evaluate(f"numbersNow()[{place}]") == pytest.approx(before + 0.01, abs=0.006)


def test_what_lies_outside_time_follows_and_is_listed(open_page):
    page = open_page("outside")
    set_range(page, "#parameter0", 0.7)
    unrolled, loss = computed_once(0.7)
    loss.backward()
    w2 = unrolled.h[6].parents[0].parents[0].parents[0]
    w = w2.parents[0].parents[0].parents[0]
    assert (w2.label, w.label) == ("w2", "w")
    assert page.evaluate("result.computation.loss") == pytest.approx(loss.data, rel=1e-12)
    assert gradients(page)[0] == pytest.approx(w.grad, rel=1e-12)
    said = f"w2 = tanh(w·s)·2 = {text.number(w2.data)}; gradient {text.number(w2.grad)}"
    assert page.locator("#outside li").all_inner_texts() == [said]
    settle_work(page)
    assert says(page, "#where-says") == f"∂L/∂w = {text.number(w.grad)}, from 1 loss through 6 uses."
    page.locator("#update").click()
    settle(page)
    assert "w2" not in page.evaluate("asLink()")
    assert page.evaluate("chosen.p[0].length") == 2


def test_a_penalty_on_the_weights_follows_and_is_listed(open_page):
    page = open_page("penalty")
    set_range(page, "#parameter0", 0.7)
    unrolled, loss = penalised(0.7)
    loss.backward()
    cell = unrolled.cell
    expected = [cell.w.grad, cell.u.grad, cell.b.grad]
    assert page.evaluate("result.computation.loss") == pytest.approx(loss.data, rel=1e-12)
    assert gradients(page)[:3] == pytest.approx(expected, rel=1e-12)
    over_time, _ = loss.parents
    assert page.locator("#outside li").all_inner_texts() == [
        f"loss over time = {text.number(over_time.data)}; gradient 1",
        f"L = (loss over time) + 0.01·(… + …) = {text.number(loss.data)}; gradient 1",
    ]
    settle_work(page)
    part = text.number(0.02 * cell.w.data)
    assert says(page, "#where-says").startswith(
        f"∂L/∂w = {text.number(cell.w.grad)}, from 6 losses through 6 uses; {part} "
    )
    page.locator("#update").click()
    settle(page)
    assert page.evaluate("numbersNow()") == pytest.approx(
        [0.7 - 0.1 * expected[0], 0.5 - 0.1 * expected[1], 0.1 - 0.1 * expected[2]]
    )


def test_of_the_uses_of_a_weight_those_count_that_a_loss_can_reach(open_page):
    page = open_page("early")
    _, loss = loss_before_the_end()
    loss.backward()
    w, v = (next(node for node in topological_order(loss) if node.label == name) for name in "wv")
    settle_work(page)
    assert (
        says(page, "#where-says")
        == f"∂L/∂w = {text.number(w.grad)}, from 1 loss through 3 uses; 0 comes from outside time."
    )
    page.locator("#of").select_option("v")
    settle_work(page)
    assert says(page, "#where-says") == f"∂L/∂v = {text.number(v.grad)}, all of which comes from outside time."


def test_a_contribution_that_is_not_finite_is_said_and_written(open_page):
    page = open_page("last", "#nonlinearity=identity&w=1e100")
    settle_work(page)
    assert says(page, "#where-says") == "∂L/∂w = NaN, from 1 loss through 6 uses; at lag 0 it is infinite already."
    written = page.evaluate("""(() => {
      const found = [], pen = byId("lag-plot").getContext("2d"), own = pen.fillText.bind(pen);
      pen.fillText = (...all) => { found.push(all[0]); own(...all); };
      drawLags();
      return found;
    })()""")
    assert {"∞", "NaN"} <= set(written)


def test_the_loss_is_joined_to_the_state_that_it_reads_and_to_none_without_a_loss(open_page):
    page = open_page("early")
    parts = """Object.fromEntries([...picture.lastElementChild.parts]
      .map(([id, { attributes, text }]) => [id, { ...attributes, text }]))"""
    drawn = page.evaluate(parts)
    start = drawn["boxh3"]
    ends = [float(start["x"]) + float(start["width"]), float(drawn["boxL"]["x"]) - 1]
    numbers = [float(number) for number in re.findall(r"[\d.]+", drawn["flowLh"]["d"])]
    assert [numbers[0], numbers[-1]] == pytest.approx(ends)
    page = open_page("early", "#T=2")
    assert "flowLh" not in page.evaluate(parts)
    drawn = open_page("third").evaluate(parts)
    assert drawn["lawname"]["text"].startswith("w^(3−k) = ")
    assert "meanL" not in drawn


@pytest.mark.parametrize(
    ("name", "link", "expected"),
    [
        ("last", "", ["T, k", "∂h6/∂hk", "w", "tanh′", "too small for a double"]),
        ("cells", "", ["T, k", "st", "‖∂L5/∂sk‖", "Jt, ‖J‖", "mean f, ∏ f", "too small for a double"]),
        ("vectors", "", ["T, k", "‖∂L4/∂hk‖", "Jt, ‖J‖", "‖W‖", "too small for a double"]),
        ("early", "#T=2", ["T, k"]),
    ],
)
def test_the_signs_of_the_picture_are_explained(open_page, name, link, expected):
    page = open_page(name, link)
    page.locator("#score summary").filter(has_text="What the signs mean").evaluate("(one) => one.click()")
    settle(page)
    assert page.locator("#signs dt").all_text_contents() == expected


def test_a_target_that_the_loss_does_not_take_is_named(open_page):
    page = open_page("logits", "#target_3[0]=1.2")
    assert says(page, "#headline") == "target3[0] = 1.2 is outside of what the loss takes"
    page.evaluate("change({ target: replaced(chosen.target, 2, [0.7, 1]) })")
    settle(page)
    assert says(page, "#headline").startswith("The gradient")


def test_a_link_that_changes_a_look_leaves_the_training_as_it_is(open_page):
    page = open_page("last")
    page.locator("#update").click()
    settle(page)
    before = page.evaluate("[chosen.losses.length, past.length]")
    page.evaluate("follow(asLink() + '&speed=2')")
    settle(page)
    assert page.evaluate("[chosen.losses.length, past.length]") == before == [1, 1]
    assert page.evaluate("chosen.speed") == 2


#: What is said of each application of the chain rule in the time step of the film, and the gradients on the cards then.
SAID = """(() => {
    const found = [];
    for (let node = 1; node <= itemsNow().length; node++) {
        chosen = { ...chosen, node };
        showStep();
        const item = itemsNow()[node - 1], card = stepGraph.cardOf.get(item.node);
        const { node: of, parent, before, gradient, after } = item;
        found.push([of, parent, before, gradient, after, graphSvg.parts.get("grad" + card.id).text, shown(gradient)]);
    }
    return found;
})()"""


@pytest.mark.parametrize("link", ["#at=every&node=1&step=11", "#at=every&node=1&step=10&w=1.2"])
def test_node_by_node_the_gradients_add_up_over_the_time_steps(open_page, link):
    page = open_page("last", link)
    T = page.evaluate("chosen.T")
    left = {}  # what has arrived at the state, before the film comes to its time step
    state = page.evaluate("facts().first")
    for t in range(page.evaluate("filmNow().t"), 0, -1):
        page.evaluate(f"change({{ step: {2 * T + 1 - t}, node: 1 }})")
        settle(page)
        said = page.evaluate(SAID)
        for node, parent, before, gradient, after, on_card, written in said:
            assert on_card == written
            if parent == state:
                assert before == left.get(t, before)
                left[t] = after
            if node == state:
                assert gradient == left.get(t, gradient)
            if parent == -1 - state:
                assert before == left.get(t - 1, 0.0)
                left[t - 1] = after
    assert left[1] == pytest.approx(page.evaluate("result.computation.sequence.grad[1][facts().first]"), rel=1e-12)


def test_unticking_after_a_link_stays_where_that_led(open_page):
    page = open_page("last")
    page.locator("#by-node").check()
    page.evaluate("location.hash = '#step=8&node=1&w=1.2'")
    wait_until(page, "numbersNow()[0] === 1.2")
    settle(page)
    page.locator("#by-node").uncheck()
    assert page.evaluate("[chosen.step, chosen.node]") == [8, None]


def test_where_no_gradient_comes_that_is_said(open_page):
    page = open_page("last", "#cut=4&t=3")
    settle_work(page)
    assert says(page, "#item-says") == "No gradient comes to this time step."


def test_on_a_phone_no_number_of_a_card_is_a_power_of_ten_that_hides_it(open_page):
    page = open_page("last", "#step=9", width=390, height=844)
    settle_work(page)
    numbers = page.evaluate("chosen.x.flat()")
    assert all(abs(number) > 0.01 for number in numbers)
    assert not [
        text for text in page.locator("#picture text.data").all_text_contents() if text.strip("−") in ("10⁰", "10⁻¹")
    ]


def test_of_several_cells_of_a_kind_each_can_be_chosen(open_page):
    page = open_page("twins")
    page.locator("#cell").select_option("ScalarRNNCell (2)")
    settle(page)
    agrees(page, scalar(w=1.2))
    set_range(page, "#parameter0", 0.7)
    agrees(page, scalar(w=0.7))
    for name, seed in (("RNNCell(1 → 1)", 0), ("RNNCell(1 → 1) (2)", 4)):
        page.locator("#cell").select_option(name)
        page.locator("#at").select_option("every")
        settle(page)
        posed = gated(RNNCell(1, 1, seed=seed), T=6)
        posed.loss.backward()
        by_name = {own: parameter.grad for own, parameter in posed.named_parameters()}
        found = page.evaluate("NAMES[chosen.cell].map((name, i) => [name, result.computation.sequence.p_grad[i]])")
        assert dict(found) == pytest.approx(by_name, rel=1e-12)
    page.locator("#cell").select_option("ScalarRNNCell")
    page.locator("#at").select_option("last")
    settle(page)
    agrees(page, scalar())


def test_stacked_cells_are_drawn_from_the_input_up(open_page):
    page = open_page("stack")
    posed = stacked()
    flows = page.evaluate(
        "[...picture.lastElementChild.parts.keys()].filter((id) => id.startsWith('flow') && /[2L]/.test(id))"
    )
    subject = Subject(posed.unrolled, posed.loss, View(), 20)
    ways = [*subject.dependencies(2), *subject.within(2)]
    entered = [f"flowx{name}2" for name in subject.entered(2)]
    assert len(entered) == 2
    assert sorted(flows) == sorted([f"flow{a}{b}2" for a, b in ways] + entered + ["flowLh"])
    tops = page.evaluate("""Object.fromEntries([...picture.lastElementChild.parts].filter(([id]) => /^box.*2$/.test(id))
      .map(([id, { attributes }]) => [id.slice(3, -1), Number(attributes.y)]))""")
    assert sorted(tops, key=tops.get) == subject.names == ["c", "h", "c_l0", "h_l0"]
    settle_work(page)
    (curve,) = decay(lambda _: posed.cell, [1.0], [[x] for x in WAVE[1:6]])
    left = curve.gradients[-1] / curve.gradients[0]
    assert f"measured, ∂h: the gradient {verdict(left, 5).word}, {text.number(left)} left; " in says(
        page, "#norms-says"
    )


@pytest.mark.parametrize("nonlinearity", ["identity", "relu"])
def test_the_nonlinearity(open_page, nonlinearity):
    page = open_page("last")
    page.locator("#nonlinearity").select_option(nonlinearity)
    settle(page)
    agrees(page, scalar(nonlinearity=nonlinearity))


def test_where_the_losses_are_and_how_many_time_steps(open_page):
    page = open_page("last")
    page.locator("#at").select_option("every")
    settle(page)
    agrees(page, scalar(at="every"))
    set_range(page, "#T", 4)
    posed = problem(ScalarRNNCell(0.9, 0.5, 0.1), WAVE[1:5], WAVE[2:6], at="every")
    agrees(page, posed)
    set_range(page, "#T", 1)
    posed = problem(ScalarRNNCell(0.9, 0.5, 0.1), WAVE[1:2], WAVE[2:3])
    agrees(page, posed)


def test_inputs_and_targets_of_the_time_step_in_view_and_the_initial_state(open_page):
    page = open_page("every")
    page.evaluate("goTo(3)")
    settle(page)
    assert "time step 3" in says(page, "#controls")
    set_range(page, "#x", 1.5)
    set_range(page, "#target", -0.5)
    set_range(page, "#h0", 0.7)
    inputs, targets = WAVE[1:7], WAVE[2:8]
    inputs[2], targets[2] = 1.5, -0.5
    code = "Array.from(result.computation.sequence.p_grad)"
    cell = ScalarRNNCell(0.9, 0.5, 0.1)
    unrolled = unroll(cell, inputs, 0.7)
    sum(mse_loss(unrolled.h[t], targets[t - 1]) / 6 for t in range(1, 7)).backward()
    assert page.evaluate(code) == pytest.approx([cell.w.grad, cell.u.grad, cell.b.grad], rel=1e-11)


@pytest.mark.parametrize("control", ["x", "target"])
def test_sliders_have_room_for_the_numbers_of_the_sequence(open_page, control):
    page = open_page("tens")
    at = float(page.locator(f"#{control}").input_value())
    assert at == {"x": 15, "target": 17}[control]
    page.locator(f"#{control}").focus()
    for key, expected in (("ArrowLeft", at - 0.01), ("ArrowRight", at)):
        page.keyboard.press(key)
        settle(page)
        chosen = page.evaluate(f"chosen.{control}[4][0]")
        assert chosen == pytest.approx(expected)


def test_a_slider_has_room_for_a_number_beyond_those_that_were_built(open_page):
    page = open_page("last", "#w=9")
    assert page.locator("#parameter0").input_value() == "9"
    page.locator("#parameter0").focus()
    page.keyboard.press("ArrowLeft")
    settle(page)
    assert page.evaluate("numbersNow()[0]") == pytest.approx(8.99)
    page.keyboard.press("Control+z")
    page.locator("#parameter0-number").fill("0.5")
    page.locator("#parameter0-number").press("Enter")
    settle(page)
    assert page.locator("#parameter0").get_attribute("max") == "2"


@pytest.mark.parametrize(("w", "is_beyond"), [(1.1, False), (1.5, True)])
def test_the_prediction_has_room_in_the_plot_or_it_is_said_how_far_it_goes(open_page, w, is_beyond):
    page = open_page("last", f"#nonlinearity=identity&w={w}")
    texts = page.evaluate(
        """() => {
            const pen = seriesPlot.getContext("2d"), found = [];
            pen.fillText = (text) => found.push(text);
            drawSeries();
            delete pen.fillText;
            return found;
        }"""
    )
    states = scalar(w=w, nonlinearity="identity").unrolled.h
    most = max(states[t].data for t in range(1, 7))
    assert [each for each in texts if each[0] in "↑↓"] == [f"↑ {text.number(most)}"] * is_beyond
    low, high = page.evaluate("[seriesAt.low, seriesAt.high]")
    assert (most > high) == is_beyond
    assert high - low <= 2 * (max(WAVE[1:8]) - min(WAVE[1:8])) + 1e-9  # the inputs keep half of the height


def test_a_target_without_a_loss_cannot_be_set(open_page):
    page = open_page("last")
    page.evaluate("goTo(3)")
    settle(page)
    assert page.locator("#target").is_hidden()
    page.locator("#at").select_option("every")
    settle(page)
    assert page.locator("#target").is_visible()


def drag(page, selector, dy):
    box = page.locator(selector).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + dy / 2)
    page.mouse.move(x, y + dy)
    page.mouse.up()
    settle(page)


def test_an_input_is_dragged_at_its_node_and_in_the_plot_and_undone_at_once(open_page):
    page = open_page("last")
    before = page.evaluate("chosen.x[1][0]")
    drag(page, "rect[data-x='2']", -40)
    assert page.evaluate("chosen.x[1][0]") == pytest.approx(before + 0.5, abs=0.01)
    assert page.evaluate("chosen.step") is None  # the whole chain is in view, and follows
    page.keyboard.press("Control+z")
    settle(page)
    assert page.evaluate("chosen.x[1][0]") == before
    box = page.locator("#series-plot").bounding_box()
    where = page.evaluate("[seriesAt.x(4), seriesAt.y(chosen.x[3][0])]")
    page.mouse.move(box["x"] + where[0], box["y"] + where[1])
    page.mouse.down()
    page.mouse.move(box["x"] + where[0], box["y"] + page.evaluate("seriesAt.y(0.25)"))
    page.mouse.up()
    settle(page)
    assert page.evaluate("chosen.x[3][0]") == pytest.approx(0.25, abs=0.02)
    assert page.evaluate("chosen.step") is None
    page.mouse.click(box["x"] + where[0], box["y"] + where[1])  # without a movement, it is a click
    settle(page)
    assert page.evaluate("[timeInView(), chosen.step]") == [4, None]


def test_an_entry_of_a_vector_is_dragged_at_its_node_and_in_the_plot(open_page):
    page = open_page("vectors")
    page.locator("#part").select_option("1")
    before = page.evaluate("chosen.x[1]")
    drag(page, "rect[data-x='2']", -40)
    after = page.evaluate("chosen.x[1]")
    assert after == [before[0], pytest.approx(before[1] + 0.5, abs=0.01)]
    assert page.locator("#picture text.data").filter(has_text=f"‖{text.number(math.hypot(*after))}‖").count() == 1
    page.locator("rect[data-x='2']").click()
    settle(page)
    assert page.locator("#x-number").input_value() == str(after[1])
    assert says(page, "#series figcaption").startswith("The sequence, entry 1 of x: drag")
    box = page.locator("#series-plot").bounding_box()
    x, y = page.evaluate("[seriesAt.x(4), seriesAt.y(chosen.x[3][1])]")
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.down()
    page.mouse.move(box["x"] + x, box["y"] + page.evaluate("seriesAt.y(0.25)"))
    page.mouse.up()
    settle(page)
    assert page.evaluate("chosen.x[3][1]") == pytest.approx(0.25, abs=0.02)
    cell = RNNCell(2, 3)
    inputs = page.evaluate("chosen.x")
    posed = problem(cell, inputs, page.evaluate("chosen.target"), readout=Linear(3, 2, seed=3), at="every")
    posed.loss.backward()
    assert page.evaluate("result.computation.loss") == pytest.approx(posed.loss.data, rel=1e-12)


def test_a_matrix_keeps_its_direction_on_the_way_through_0(open_page):
    page = open_page("cells")
    page.locator("#cell").select_option(index=2)
    set_range(page, "#entry", 1.25)
    before = page.evaluate("numbersNow()")
    for norm in (0.01, 0, 0):
        set_range(page, "#norm", norm)
    assert page.evaluate("normOfWeights(numbersNow(), cellNow().recurrent)") == 0
    set_range(page, "#entry", 0)  # another gesture, which changes nothing
    norm = spectral_norm([[before[place] for place in row] for row in page.evaluate("cellNow().recurrent[0]")])
    page.locator("#norm-number").fill(repr(norm))
    page.locator("#norm-number").press("Enter")
    settle(page)
    assert page.evaluate("numbersNow()") == pytest.approx(before, rel=1e-12)


#: Numbers of which a field shows more than it has room for.
HIDDEN = """() => [...document.querySelectorAll(".setting input[type=number]")]
    .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth).map((one) => [one.id, one.value])"""


@pytest.mark.parametrize(
    "number",
    ["-0.13436424411240122", "-1.0964615946337121e-301", "-123456789012345680", "2.2250738585072014e-308", "0.9"],
)
@pytest.mark.parametrize("width", [360, 1440])
def test_no_digit_of_a_weight_is_hidden(open_page, number, width):
    page = open_page("last", f"#w={number}&u={number}&x_6[0]={number}", width=width)
    assert page.evaluate(HIDDEN) == []
    shown = [page.locator(f"#{name}-number").input_value() for name in ("parameter0", "parameter1", "x")]
    digits = 5 if 0.1 < abs(float(number)) < 1 else 3
    assert [float(each) for each in shown] == pytest.approx([float(number)] * 3, rel=10**-digits)
    page.locator("#parameter0-number").click()
    assert page.locator("#parameter0-number").input_value() == number
    assert page.evaluate(HIDDEN) == []
    page.locator("#parameter1-number").click()
    assert page.locator("#parameter0-number").input_value() == shown[0]
    assert page.evaluate("numbersNow()[0]") == float(number)


def test_entries_of_a_matrix_its_norm_and_the_forget_bias(open_page):
    page = open_page("cells")
    page.locator("#group").select_option("W_f")
    page.locator("#entries button").nth(1).click()
    settle(page)
    set_range(page, "#entry", 1.25)
    cell = LSTMCell(1, 2)
    cell.W_f[0][1].data = 1.25
    agrees(page, gated(cell))
    page.locator("#entries button").nth(1).focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("parameterName(entry)") == "W_f[1,1]"
    set_range(page, "#forget", 3)
    for entry in cell.b_f:
        entry.data = 3.0
    agrees(page, gated(cell))
    before = [[[entry.data for entry in row] for row in gate.W] for gate in cell.gates]
    set_range(page, "#norm", 0.5)
    places = page.evaluate("cellNow().recurrent.flat(2)")
    numbers = page.evaluate("numbersNow()")
    assert page.evaluate("normOfWeights(numbersNow(), cellNow().recurrent)") == pytest.approx(0.5, rel=1e-12)
    ratios = {round(numbers[place] / x, 9) for place, x in zip(places, entries(before)) if x}
    assert len(ratios) == 1  # all by one factor


def test_the_cell(open_page):
    page = open_page("cells")
    agrees(page, gated(LSTMCell(1, 2)))
    page.locator("#cell").select_option(label="GRUCell(1 → 2)")
    settle(page)
    agrees(page, gated(GRUCell(1, 2)))
    page.locator("#cell").select_option(index=2)
    page.locator("#nonlinearity").select_option("relu")
    settle(page)
    agrees(page, gated(RNNCell(1, 3, nonlinearity="relu")))


def test_a_text_has_symbols_to_choose_from(open_page):
    page = open_page("hello")
    assert page.locator("#picture text.data").filter(has_text="“h”").count() == 1
    page.evaluate("goTo(2)")
    settle(page)
    page.locator("#symbol").select_option(label="“o”")
    page.locator("#class").select_option(label="“h”")
    settle(page)
    assert page.evaluate("[chosen.x[1], chosen.target[1]]") == [[3], [1]]
    page.locator("rect[data-x='4']").click()
    settle(page)
    assert page.evaluate("[timeInView(), chosen.step, document.activeElement.id]") == [4, None, "symbol"]
    cell, readout = RNNCell(4, 4, seed=0), Linear(4, 4, seed=1)
    one_hot = [[float(i == place) for i in range(4)] for place in (1, 3, 2, 2)]
    agrees(page, problem(cell, one_hot, [0, 1, 2, 3], readout=readout, loss=cross_entropy, at="every"))


# ---- truncation -------------------------------------------------------------------------------------------------


def test_a_link_is_cut_and_joined_by_a_click(open_page):
    page = open_page("last")
    click_link(page, 2)
    assert page.evaluate("chosen.cuts") == [2]
    assert re.search(r"over 3 steps back, ×[\d.]+ per step, then it is cut$", says(page, "#headline"))
    assert page.locator("path.arc.cut").count() == 3
    assert page.locator("text.scissors").count() == 1
    assert page.locator("rect.bar.cut").count() == 3
    cell = ScalarRNNCell(0.9, 0.5, 0.1)
    early = unroll(cell, WAVE[1:3])
    late = unroll(cell, WAVE[3:7], early.h[2].detach(), first=3)
    mse_loss(late.h[6], WAVE[7]).backward()
    assert gradients(page) == pytest.approx([cell.w.grad, cell.u.grad, cell.b.grad], rel=1e-11)
    click_link(page, 2)
    agrees(page, scalar())


def test_a_link_is_cut_and_joined_by_the_keyboard_and_the_first_one_too(open_page):
    page = open_page("every", "#step=10")
    assert says(page, "#cut") == "cut before step 3"
    page.locator("#cut").focus()
    page.keyboard.press("Enter")
    settle(page)
    assert page.evaluate("chosen.cuts") == [2]
    assert says(page, "#cut") == "join before step 3"
    page.keyboard.press("Enter")
    page.evaluate("goTo(1)")
    settle(page)
    page.keyboard.press("Enter")
    settle(page)
    assert page.evaluate("[chosen.cuts, result.computation.state(0, result.computation.sequence.grad)[0]]") == [[0], 0]
    again = open_page("every", page.evaluate("asLink()"))
    assert again.evaluate("chosen.cuts") == [0]
    assert again.locator("#link-says").is_hidden()
    page.evaluate("change({ cuts: [5] })")
    settle(page)
    assert says(page, "#headline") == "The gradient is cut at its first step back in time"


def test_chunks_mean_what_truncated_bptt_means(open_page):
    page = open_page("every")
    page.locator("#truncate").check()
    for k1, k2 in ((2, 2), (2, 3), (1, 4), (6, 6)):
        set_range(page, "#k2", k2)
        set_range(page, "#k1", k1)
        assert page.evaluate("[chosen.k1, chosen.k2]") == [k1, k2]
        posed = scalar(at="every")
        losses = {loss.time_step: loss for loss in posed.losses}
        truncated_backward(posed.unrolled, posed.loss, losses, k1, k2)
        cell = posed.cell
        assert gradients(page) == pytest.approx([cell.w.grad, cell.u.grad, cell.b.grad], rel=1e-11)
    page.locator("#truncate").uncheck()
    settle(page)
    agrees(page, scalar(at="every"))


@pytest.mark.parametrize(
    ("link", "cut", "faint"),
    [
        ("#k1=2&k2=2", [2, 4], []),
        ("#k1=2&k2=3", [3], [1]),  # the chunk that ends at 4 passes where the one that ends at 6 is cut
        ("#k1=4&k2=5&cut=2", [2, 3], []),
        ("#k1=6&k2=6", [], []),
        ("#k1=2&k2=2&at=last", [4], []),
    ],
)
def test_every_border_of_a_chunk_is_seen(open_page, link, cut, faint):
    page = open_page("every", link)
    seen = page.locator("text.scissors").count(), page.locator("text.scissors.faint").count()
    assert seen == (len(cut) + len(faint), len(faint))
    assert sorted(page.evaluate("[...linksCut().keys()]")) == sorted([*cut, *faint])
    assert page.locator("#picture text.small", has_text="cut").count() == len(cut)


def test_what_is_too_small_for_a_double_has_no_factor_per_step(open_page):
    page = open_page("subnormal")
    assert page.evaluate("result.kept[2000]") == 0
    assert says(page, "#headline") == "The gradient is 0, or too small for a double, 2000 steps back"
    assert "= 0, or too small for a double" in says(page, "#equation")
    assert "−324" not in page.evaluate("headline()[0] + equation() + byId('picture').textContent")
    gates = page.evaluate(
        "result.computation.sequence.now.slice(1).map((row) => slotsOf('f').map((slot) => row[slot]))"
    )
    direct = page.evaluate(
        "(kept(result.computation), [...result.computation.state(2000, result.computation.aside.grad, 'c')])"
    )
    logs = [math.fsum(math.log10(f) for f in unit) for unit in zip(*gates)]
    most = max(logs)
    shares = [abs(g) * 10 ** (log - most) for g, log in zip(direct, logs)]
    product = most + math.log10(math.hypot(*shares) / math.hypot(*direct))
    assert says(page, "#equation").endswith(f"gates alone: ∏ f = {text.power_of_ten(1.0, product)}")
    assert page.locator("#picture text.law-name").text_content().endswith(f"∏ f = {text.power_of_ten(1.0, product)}")


# ---- undo, reset, links -----------------------------------------------------------------------------------------


def test_undo_takes_back_a_drag_at_once_and_reset_everything(open_page):
    page = open_page("last")
    assert page.locator("#undo").is_disabled()
    assert page.locator("#reset").is_disabled()
    for value in (1.0, 1.1, 1.2):
        page.evaluate(
            "(x) => { const one = byId('parameter0'); one.value = x; one.dispatchEvent(new Event('input')); }", value
        )
    settle(page)
    page.evaluate("dispatchEvent(new Event('pointerup'))")
    set_range(page, "#parameter1", 1.0)
    page.locator("#undo").click()
    settle(page)
    assert page.evaluate("numbersNow()") == [1.2, 0.5, 0.1]
    page.locator("#undo").click()
    settle(page)
    assert page.evaluate("numbersNow()") == [0.9, 0.5, 0.1]
    set_range(page, "#parameter2", 1.0)
    page.evaluate("goTo(3)")
    page.locator("#reset").click()
    settle(page)
    agrees(page, scalar())
    assert page.evaluate("chosen.step") is None
    wait_until(page, "location.hash === ''")
    assert page.locator("#reset").is_disabled()


def test_large_weights_have_room_above_their_factors(open_page):
    page = open_page("last", "#nonlinearity=identity&w=-1.57827e93")
    places = "(texts) => texts.map((one) => one.getBBox()).map(({ x, width }) => [x, width])"
    boxes = page.locator("#picture text.law-ink.small").evaluate_all(places)
    assert len(boxes) > 2
    for (x, width), (following, _) in zip(sorted(boxes), sorted(boxes)[1:]):
        assert x + width < following


def test_a_link_holds_what_differs(open_page):
    page = open_page("last")
    set_range(page, "#parameter0", 1.2)
    click_link(page, 2)
    page.keyboard.press("PageUp")
    page.evaluate("goTo(3)")
    settle(page)
    wait_until(page, "location.hash.includes('step')")
    link = page.evaluate("location.hash")
    assert link == "#step=13&t=3&cut=2&w=1.2"
    again = open_page("last", link)
    assert again.evaluate("[numbersNow(), chosen.cuts, chosen.step, chosen.t]") == [[1.2, 0.5, 0.1], [2], 13, 3]
    assert says(again, "#headline") == says(page, "#headline")


def test_a_random_link_shows_what_the_engine_computes(open_page):
    rng = random.Random(19)
    for _ in range(6):
        w, u, b = (round(rng.uniform(-1.5, 1.5), 3) for _ in range(3))
        T, at, nonlinearity = rng.randint(1, 6), rng.choice(["last", "every"]), rng.choice(["tanh", "relu", "identity"])
        x = round(rng.uniform(-2, 2), 3)
        link = f"#w={w}&u={u}&b={b}&T={T}&at={at}&nonlinearity={nonlinearity}&x_1[0]={x}"
        page = open_page("every", link)
        cell = ScalarRNNCell(w, u, b, nonlinearity=nonlinearity)
        posed = problem(cell, [x, *WAVE[2 : T + 1]], WAVE[2 : T + 2], at=at)
        parameters = [cell.w, cell.u, cell.b]
        posed.loss.backward()
        assert page.evaluate("result.computation.loss") == pytest.approx(posed.loss.data, rel=1e-12)
        expected = [parameter.grad for parameter in parameters]
        assert gradients(page) == pytest.approx(expected, rel=0, abs=1e-12 * max(1e-300, *map(abs, expected)))
        left = kept(posed.unrolled, posed.loss)
        assert says(page, "#headline").startswith(f"The gradient {verdict(left[-1], T).word}")


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("#w=", "w = “” must be a number"),
        ("#w=NaN&u=1e999", "w = “NaN” must be a number; u = “1e999” must be a number"),
        ("#T=0", "T = “0” must be a whole number from 1 to 6"),
        ("#T=99999", "T = “99999” must be a whole number from 1 to 6"),
        ("#cut=99,-1", "cut = “99” must be a whole number from 0 to 5; cut = “-1” must be"),
        ("#step=1e9", "step = “1e9” must be a whole number from 0 to 13"),
        ("#t=7&speed=3", "t = “7” must be a whole number from 0 to 6; speed = “3” must be one of 0.5, 1, 2, 4"),
        ("#node=0&detail=5", "detail = “5” must be 0; node = “0” must be a whole number from 1 on"),
        ("#cell1.q=1&cell2.w=1", "there is no “cell1.q”; there is no “cell2.w”"),
        ("#k1=0&k2=-1&lr=-1", "k1 = “0” must be a whole number from 1 to 6; k2 = “-1”"),
        ("#lr=-1", "lr = “-1” must be a number that is not negative"),
        ("#x_99[0]=1", "there is no “x_99[0]”"),
        ("#w_1=1&q", "there is no “w_1”; there is no “q”"),
        ("#%E0%A4%A", "“%E0%A4%A” cannot be read"),
        ("#nonlinearity=__proto__", "nonlinearity = “__proto__” must be one of tanh, identity, relu"),
        ("#cell=%3Cimg%3E", "cell = “<img>” must be one of ScalarRNNCell"),
        ("#at=</script>", "at = “</script>” must be one of last, every"),
        ("#a&b&c&d&e", "there is no “c”; and 2 more"),
    ],
)
def test_what_of_a_link_makes_no_sense_is_as_built_and_said(open_page, link, said):
    page = open_page("last", link)
    assert page.evaluate("JSON.stringify({ ...chosen, step: null }) === JSON.stringify({ ...built, step: null })")
    agrees(page, scalar())
    assert said in says(page, "#link-says")
    assert says(page, "#link-says").endswith("The rest is as it says.")
    set_range(page, "#parameter0", 0.5)
    assert page.locator("#link-says").is_hidden()


def test_in_a_link_an_only_entry_needs_no_index(open_page):
    page = open_page("every", "#x_2=0.5&target_1=-1&h0=0.25&cut=&clip=")
    assert page.evaluate("[chosen.x[1], chosen.target[0], chosen.h0[0]]") == [[0.5], [-1], [0.25]]
    assert page.locator("#link-says").is_hidden()
    in_python = explore(scalar(at="every"))
    in_python.link = "#x_2=0.5&target_1=-1&h0=0.25&cut=&clip="
    assert page.evaluate("asLink()") == in_python.link == "#h0%5B0%5D=0.25&x_2%5B0%5D=0.5&target_1%5B0%5D=-1"
    page = open_page("vectors", "#x_2=0.5&h0=1")
    assert "“x_2” is several numbers, such as x_2[0]; “h0” is several numbers" in says(page, "#link-says")
    with pytest.raises(ArgumentError, match=r"'x_2' in a link is several numbers.* x_2\[0\]"):
        explore(vectors()).link = "#x_2=0.5"


@pytest.mark.parametrize(
    ("link", "chunks"),
    [("k1=4", [4, 4]), ("k2=3", [3, 3]), ("k1=2&k2=5", [2, 5]), ("k1=4&k2=2", [2, 2]), ("k1=&k2=", [None, None])],
)
def test_chunks_of_a_link_are_what_python_takes_them_for(open_page, link, chunks):
    page = open_page("every", f"#{link}")
    assert page.evaluate("[chosen.k1, chosen.k2]") == chunks
    assert page.locator("#link-says").is_hidden()
    in_python = explore(scalar(at="every"))
    in_python.link = f"#{link}"
    assert [in_python.k1, in_python.k2] == chunks


def test_the_rest_of_a_link_that_makes_no_sense_in_part_is_taken(open_page):
    page = open_page("last", "#T=1&cut=1&w=1.5&u=x&k2=1")
    assert page.evaluate("[chosen.T, chosen.cuts, chosen.k1, chosen.k2]") == [1, [], 1, 1]
    assert page.evaluate("numbersNow()") == [1.5, 0.5, 0.1]
    assert "cut = “1” must be 0; u = “x” must be a number" in says(page, "#link-says")


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("#x_2[0]=9", "x_2[0] = “9” must be a whole number from 0 to 3"),
        ("#x_2[0]=0.5", "x_2[0] = “0.5” must be"),
        ("#target_1[0]=4", "target_1[0] = “4” must be a whole number from 0 to 3"),
        ("#target_1[0]=-1&x_1[0]=1", "target_1[0] = “-1” must be"),
    ],
)
def test_a_symbol_outside_the_alphabet_is_refused(open_page, link, said):
    page = open_page("hello", link)
    settle_work(page)
    assert said in says(page, "#link-says")
    assert page.evaluate("result.error") is None
    assert page.evaluate("chosen.target.concat(chosen.x).flat().every((i) => Number.isInteger(i) && i >= 0 && i < 4)")
    texts = "".join(page.locator("#picture text.data").all_text_contents())
    assert "undefined" not in texts


# ---- without a loss ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "said", "remedy"),
    [
        ("#T=3", "There is no loss: no time step up to 3 has a target", "Choose T = 5, or more"),
        ("#T=3&at=last", "There is no loss: time step 3 has no target", "Choose T = 5"),
        ("#at=last", "There is no loss: time step 8 has no target", "Choose T = 7, or the loss at every step"),
    ],
)
def test_without_a_loss_the_page_says_so_and_what_to_choose(open_page, link, said, remedy):
    page = open_page("sparse", link)
    settle_work(page)
    assert says(page, "#headline") == said
    assert says(page, "#equation") == remedy
    for selector in ("path.arc", "text.factor", "text.grad:not(.small)", "rect.bar"):
        assert page.locator(f"#picture {selector}").count() == 0
    assert "none" in page.locator("#picture text.data").all_text_contents()
    assert page.locator("#where").is_hidden()
    words = page.evaluate("document.body.innerText + byId('picture').textContent")
    assert not re.search("NaN|∞|infinite|undefined", words)
    page.locator("#update").click()
    assert says(page, "#train-says") == f"{said}."
    page.locator("#step-on").click()
    page.keyboard.press("ArrowLeft")
    settle(page)
    assert says(page, "#film-says").startswith("backward, t = ")
    assert page.evaluate("asLink()").startswith(link)


def test_the_link_is_copied_and_opens_the_same_page(open_page):
    page = open_page("last", permissions=["clipboard-read", "clipboard-write"])
    set_range(page, "#parameter0", 1.2)
    page.evaluate("goTo(4)")
    click_link(page, 2)
    settle(page)
    page.locator("#link").click()
    wait_until(page, "byId('link').textContent === 'Copied'")
    link = page.evaluate("navigator.clipboard.readText()")
    assert set(link.partition("#")[2].split("&")) == {"w=1.2", "t=4", "cut=2"}
    assert says(page, "#said") == "the link is copied"
    again = open_page("last", "#" + link.partition("#")[2])
    assert again.evaluate("asLink()") == page.evaluate("asLink()") == "#" + link.partition("#")[2]
    assert says(again, "#headline") == says(page, "#headline")


def test_where_nothing_can_be_copied_the_page_does_not_say_so(open_page):
    page = open_page("last", "#w=1.2")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    page.locator("#link").click()
    wait_until(page, "byId('link').textContent === 'In the address bar'")
    assert page.evaluate("location.hash") == "#w=1.2"


def test_a_link_holds_neither_undo_nor_the_loss_curve(open_page):
    page = open_page("last")
    page.locator("#update").click()
    settle(page)
    page.locator("#reset").click()
    settle(page)
    assert page.evaluate("past.length") > 0
    assert page.evaluate("asLink()") == "#"


# ---- in a lecture hall ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1440, 1920])
def test_full_screen_enlarges_the_picture_and_keys_work_there(open_page, width):
    page = open_page("last", width=width, height=width * 9 // 16)
    before = page.locator("#picture").bounding_box()["height"]
    for way in ("click", "key"):
        if way == "click":
            page.locator("#full-screen").click()
        else:
            page.keyboard.press("f")
        wait_until(page, "document.fullscreenElement === byId('stage')")
        settle_work(page)
        height = page.viewport_size["height"]
        assert before * 1.05 < page.locator("#picture").bounding_box()["height"] < height
        for part in ("#picture", ".transport", "#controls"):
            box = page.locator(part).bounding_box()
            assert 0 <= box["y"] <= height - box["height"], part
        step = page.evaluate("chosen.step")
        page.keyboard.press("PageUp")
        settle(page)
        assert page.evaluate("chosen.step") == (13 if step is None else step - 1)
        page.keyboard.press("f")
        wait_until(page, "!document.fullscreenElement")
        settle_work(page)
        assert page.locator("#picture").bounding_box()["height"] == before


#: What can have the focus: where a slide was left, and what has just been used.
FOCUS = [
    "body",
    "#link",
    "#play",
    "#parameter0",
    "#parameter0-number",
    "#nonlinearity",
    "#position",
    "#truncate",
    "summary",
]


@pytest.mark.parametrize("focus", FOCUS)
def test_the_keys_of_a_remote_step_whatever_has_the_focus(open_page, focus):
    page = open_page("last")
    page.locator(focus).first.evaluate("(one) => one.focus({ preventScroll: true })")
    before = page.evaluate("[chosen.p, chosen.nonlinearity]")
    for key, step in (("PageUp", 13), ("PageUp", 12), ("PageDown", 13)):
        page.keyboard.press(key)
        settle(page)
        assert page.evaluate("chosen.step") == step
    assert page.evaluate("[chosen.p, chosen.nonlinearity]") == before
    if focus in ("body", "#link", "#play", "#truncate", "summary"):
        page.keyboard.press("ArrowLeft")
        settle(page)
        assert page.evaluate("chosen.step") == 12
        page.keyboard.press("ArrowRight")
        settle(page)
        assert page.evaluate("chosen.step") == 13
        assert page.evaluate("scrollY") == 0


@pytest.mark.parametrize("control", ["#parameter0", "#position", "#nonlinearity", "#parameter0-number"])
def test_what_was_used_by_the_pointer_gives_the_keys_back_and_what_was_reached_by_tab_keeps_them(open_page, control):
    page = open_page("last", "#step=5")
    used = page.locator(control)
    if control == "#nonlinearity":
        used.click()
        used.select_option("relu")
    elif control == "#parameter0-number":
        used.click()
        page.keyboard.type("0.5")
        page.keyboard.press("Enter")
    else:
        box = used.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 6, box["y"] + 100)
        page.mouse.up()
    settle(page)
    assert page.evaluate("asLink()") != "#step=5"
    step, numbers = page.evaluate("[chosen.step, [chosen.p, chosen.nonlinearity]]")
    page.keyboard.press("ArrowRight")
    settle(page)
    assert page.evaluate("[chosen.step, [chosen.p, chosen.nonlinearity]]") == [step + 1, numbers]
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("(one) => document.activeElement.matches(one)", control):
            break
    step, link = page.evaluate("[chosen.step, asLink()]")
    page.keyboard.press("ArrowDown" if control == "#nonlinearity" else "ArrowUp")
    page.keyboard.press("Enter")
    settle(page)
    assert page.evaluate("(one) => document.activeElement.matches(one)", control)
    assert page.evaluate("asLink()") != link or control == "#nonlinearity"  # a list may open first
    assert page.evaluate("chosen.step") == step + (control == "#position")


def test_an_entry_of_a_matrix_gives_the_keys_back_when_it_is_clicked_and_keeps_them_when_it_is_reached_by_tab(
    open_page,
):
    page = open_page("cells", "#step=5")
    page.locator("#group").select_option("W_f")
    page.locator("#entries button").nth(1).click()
    assert page.evaluate("parameterName(entry)") == "W_f[0,1]"
    page.keyboard.press("ArrowRight")
    settle(page)
    assert page.evaluate("[parameterName(entry), chosen.step]") == ["W_f[0,1]", 6]
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('#entries button')"):
            break
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    settle(page)
    assert page.evaluate("[parameterName(entry), chosen.step]") == ["W_f[1,0]", 6]
    assert page.evaluate("document.activeElement.matches('#entries button.chosen')")


def test_a_table_that_was_clicked_does_not_keep_the_keys(open_page):
    page = open_page("last", "#step=5")
    page.locator("#step-panel .scroll").first.click(position={"x": 5, "y": 5})
    page.keyboard.press("ArrowRight")
    settle(page)
    assert page.evaluate("chosen.step") == 6


def test_the_space_bar_plays_where_nothing_is_pressed_by_it(open_page):
    page = open_page("last")
    page.keyboard.press(" ")
    assert says(page, "#play") == "Pause"
    page.keyboard.press(" ")
    assert says(page, "#play") == "Play"
    assert page.evaluate("scrollY") == 0


# ---- training ---------------------------------------------------------------------------------------------------


def test_one_update_is_that_of_the_engine(open_page):
    page = open_page("every")
    page.locator("#clip-on").check()
    page.locator("#lr-number").fill("0.3")
    page.locator("#clip-number").fill("0.05")
    page.locator("#clip-number").press("Enter")
    settle(page)
    page.locator("#update").click()
    settle(page)
    posed = scalar(at="every")
    posed.loss.backward()
    parameters = posed.cell.parameters()
    clip_grad_norm_(parameters, 0.05)
    SGD(parameters, lr=0.3).step()
    assert page.evaluate("numbersNow()") == pytest.approx([parameter.data for parameter in parameters], rel=1e-12)
    page.keyboard.press("Control+z")
    settle(page)
    assert page.evaluate("numbersNow()") == [0.9, 0.5, 0.1]


def test_training_runs_and_the_loss_falls(open_page):
    page = open_page("every")
    first = page.evaluate("result.computation.loss")
    page.locator("#run").click()
    wait_until(page, "chosen.losses.length > 10")
    page.locator("#headline").click()  # what else is clicked or pressed meanwhile does not divide it
    page.keyboard.press("PageUp")
    before = page.evaluate("chosen.losses.length")
    wait_until(page, f"chosen.losses.length > {before + 10}")
    page.locator("#run").click()
    assert says(page, "#run") == "Run"
    assert page.evaluate("result.computation.loss") < first
    assert "Loss over" in page.locator("#loss-plot").get_attribute("aria-label")
    page.locator("#undo").click()  # the whole run is one gesture
    settle(page)
    assert page.evaluate("numbersNow()") == [0.9, 0.5, 0.1]


def test_beside_the_loss_stands_the_norm_of_the_present_gradient(open_page):
    page = open_page("every")
    page.locator("#update").click()
    settle(page)
    for w in (None, 0.4):
        if w is not None:
            set_range(page, "#parameter0", w)
        loss, norm = page.evaluate("[result.computation.loss, Math.hypot(...result.computation.sequence.p_grad)]")
        assert says(page, "#train-says") == f"loss {text.number(loss)}, gradient's norm {text.number(norm)}"


def test_undo_takes_from_the_loss_curve_what_it_undoes_and_nothing_else(open_page):
    page = open_page("every")
    page.locator("#loss-details summary").evaluate("(one) => one.click()")

    def rows():
        return page.locator("#loss-table tbody").inner_text().splitlines()

    for _ in range(2):
        page.locator("#update").click()
        settle(page)
    trained = rows()
    assert len(trained) == 3
    set_range(page, "#x", 0.3)
    page.keyboard.press("Control+z")
    settle(page)
    assert rows() == trained
    assert page.locator("#loss-plot").is_visible()
    page.keyboard.press("Control+z")
    settle(page)
    assert rows() == trained[:2]
    page.locator("#run").click()
    wait_until(page, "chosen.losses.length > 10")
    page.locator("#run").click()
    page.locator("#undo").click()
    settle(page)
    assert rows() == trained[:2]
    page.keyboard.press("Control+z")
    settle(page)
    assert page.locator("#loss-plot").is_hidden()
    assert says(page, "#train-says") == ""


def test_an_explosion_stops_with_the_update_that_did_it(open_page):
    page = open_page("every", "#nonlinearity=identity&w=3")
    page.locator("#lr-number").fill("1000")
    page.locator("#lr-number").press("Enter")
    page.locator("#run").click()
    wait_until(page, "byId('run').textContent === 'Run'")
    assert re.search(
        r"Exploded: the gradient of \w is (not a number|infinite) after \d+ updates?", says(page, "#train-says")
    )
    assert all(map(math.isfinite, page.evaluate("numbersNow()")))
    done = int(re.search(r"after (\d+) update", says(page, "#train-says"))[1])
    assert page.evaluate("chosen.losses.length") == done
    assert f"over {done} update" in page.locator("#loss-plot").get_attribute("aria-label")
    page.locator("#undo").click()
    settle(page)
    losses = []
    for _ in range(done):
        losses.append(page.evaluate("result.computation.loss"))
        page.locator("#update").click()
        settle(page)
    assert page.evaluate("chosen.losses") == losses
    assert page.evaluate("chosen.losses.length") == done
    page.locator("#update").click()
    settle(page)
    assert page.evaluate("chosen.losses.length") == done


def test_an_update_that_makes_a_weight_infinite_is_not_done(open_page):
    page = open_page("every", "#nonlinearity=identity&w=3&lr=1e308")
    before = page.evaluate("numbersNow()")
    page.locator("#run").click()
    wait_until(page, "byId('run').textContent === 'Run'")
    said = says(page, "#train-says")
    assert said == "Exploded: the update of w is infinite after 0 updates. The weights are those before it."
    assert page.evaluate("numbersNow()") == before


# ---- what has no real value -------------------------------------------------------------------------------------


def test_where_python_raises_a_domain_error_the_page_names_the_node(open_page):
    page = open_page("log")
    page.evaluate("change({ h0: [[-1.9]] })")
    settle(page)
    with pytest.raises(DomainError) as caught:
        unroll(lambda x, h: (h * x + 1.0).log(), [0.5, 0.4, 0.3], h0=-1.9)
    assert (caught.value.node, caught.value.time_step) == ("ln (h_1·x_2 + 1)", 2)
    assert says(page, "#headline") == "ln (h1·x2 + 1) has no real value at t = 2"
    assert page.locator("#banner").is_visible()
    said = "ln (h 1·x 2 + 1) has no real value at t = 2. The picture shows what was before."
    assert page.locator("#picture-says").text_content() == said
    assert page.locator("#picture").evaluate("(one) => getComputedStyle(one).opacity") == "0.45"
    page.locator("#reset").click()
    settle(page)
    assert page.locator("#picture").evaluate("(one) => getComputedStyle(one).opacity") == "1"
    assert page.locator("#picture-says").text_content().startswith("The gradient")
    assert page.locator("#banner").is_hidden()
    assert says(page, "#headline").startswith("The gradient")


#: What is seen of the panels, and of what is drawn in them.
PANELS = """[...document.querySelectorAll(".panel, .panel svg, .panel canvas")].filter((one) => one.checkVisibility())
    .map((one) => one.id)"""


def test_a_link_into_what_has_no_real_value_hides_what_has_nothing_to_show(open_page):
    page = open_page("log", "#h0[0]=-1.9")
    settle_work(page)
    assert says(page, "#headline") == "ln (h1·x2 + 1) has no real value at t = 2"
    assert says(page, "#banner") == "Choose other numbers, or press Reset: with these there is nothing to draw."
    assert page.locator("#picture-says").text_content() == "ln (h 1·x 2 + 1) has no real value at t = 2."
    assert page.evaluate(PANELS) == ["score", "series-plot", "controls"]
    assert page.evaluate("document.documentElement.scrollHeight") == 900
    assert page.locator("#save").is_disabled()
    for key in ("PageUp", "Home", "PageDown", "End"):
        page.keyboard.press(key)
        settle(page)
    set_range(page, "#h0", 0.5)
    settle_work(page)
    assert page.locator("#banner").is_hidden()
    assert {"picture", "step-graph"} <= set(page.evaluate(PANELS))
    assert page.locator("#save").is_enabled()
    whole = open_page("log")
    settle_work(whole)
    for part in ("#picture", "#step-graph"):
        drawn = [each.locator(part).evaluate("(one) => one.outerHTML") for each in (page, whole)]
        assert drawn[0] == drawn[1]
    page.evaluate("change({ h0: [[-1.9]] })")
    settle(page)
    assert says(page, "#banner") == "Undo, or choose other numbers: what is drawn below is from before."


# ---- the film, and the time step in view ------------------------------------------------------------------------


def test_a_click_brings_a_time_step_into_view_and_the_film_stays_where_it_is(open_page):
    page = open_page("every")
    arcs = page.locator("#picture path.arc").count()
    for selector, t in (("rect[data-t='2']", 2), ("rect[data-x='4']", 4)):
        page.locator(selector).first.click()
        settle(page)
        assert page.evaluate("[timeInView(), asLink()]") == [t, f"#t={t}"]
        assert page.locator("#picture path.arc").count() == arcs
        assert page.locator("#picture rect.here").get_attribute("data-t") == str(t)
        assert says(page, "#controls h3 >> nth=0") == f"At time step {t}"
        assert says(page, "#step-title") == f"Time step {t} in full"
        assert says(page, "#film-says").startswith("complete")
    page.keyboard.press("PageUp")  # the film brings its own into view
    page.keyboard.press("PageUp")
    settle(page)
    assert page.evaluate("[timeInView(), asLink()]") == [1, "#step=12"]
    page.locator("rect[data-t='5']").click()
    page.keyboard.press("PageUp")
    settle(page)
    assert page.evaluate("[timeInView(), asLink()]") == [2, "#step=11"]


def test_what_is_changed_at_a_time_step_in_view_leaves_the_film_where_it_is_and_undo_does_too(open_page):
    page = open_page("every")
    page.locator("rect[data-x='3']").click()
    before = page.evaluate("chosen.x[2][0]")
    set_range(page, "#x", 1.5)
    link = page.evaluate("asLink()")
    assert link == "#t=3&x_3%5B0%5D=1.5"
    page.keyboard.press("Control+z")
    settle(page)
    assert page.evaluate("[chosen.x[2][0], asLink()]") == [before, "#t=3"]
    page.keyboard.press("End")
    settle(page)
    assert page.evaluate("asLink()") == "#"
    again = open_page("every", link)
    assert again.evaluate("[asLink(), timeInView()]") == [link, 3]
    text = open_page("hello")
    text.locator("rect[data-x='2']").click()
    text.locator("#symbol").select_option(label="“o”")
    settle(text)
    assert text.evaluate("[asLink(), chosen.step]") == ["#t=2&x_2%5B0%5D=3", None]


def test_undo_restores_what_a_change_changed_and_nothing_else(open_page):
    page = open_page("every", "#step=11&t=6")
    set_range(page, "#T", 4)  # on the way back at t = 2; there is no time step 6 that could be in view
    assert page.evaluate("asLink()") == "#T=4&step=7"
    page.evaluate("dispatchEvent(new Event('pointerup'))")
    set_range(page, "#parameter0", 0.5)
    page.keyboard.press("PageUp")
    page.locator("#undo").click()
    settle(page)
    assert page.evaluate("asLink()") == "#T=4&step=6"
    page.locator("#undo").click()
    settle(page)
    assert page.evaluate("asLink()") == "#step=11&t=6"
    page.locator("#reset").click()
    settle(page)
    assert page.evaluate("asLink()") == "#"
    page.locator("#undo").click()
    settle(page)
    assert page.evaluate("asLink()") == "#step=11&t=6"


@pytest.mark.parametrize(
    ("link", "fewer"),
    [
        ("#step=2", "#T=4&step=2"),
        ("#step=6", "#T=4&step=4"),  # forward, at the last time step
        ("#step=11", "#T=4&step=7"),  # back, at t = 2
        ("#step=8", "#T=4&step=5"),  # back, at t = 5: at the last one
        ("#step=13&node=1", "#T=4&step=9&node=1"),  # back, at the initial state
        ("#step=10&t=4", "#T=4&step=6&t=4"),
        ("#t=5", "#T=4"),  # complete stays complete
    ],
)
def test_the_film_stays_at_its_time_step_when_there_are_fewer_and_undo_brings_its_place_back(open_page, link, fewer):
    page = open_page("every", link)
    set_range(page, "#T", 4)
    assert page.evaluate("asLink()") == fewer
    page.evaluate("dispatchEvent(new Event('pointerup'))")
    page.locator("#undo").click()
    settle(page)
    assert page.evaluate("asLink()") == link


def test_what_was_moved_since_stays_at_its_time_step_when_the_number_of_them_is_undone(open_page):
    page = open_page("every")
    set_range(page, "#T", 4)
    page.evaluate("change({ step: 6 })")  # back, at t = 3
    page.locator("#undo").click()
    settle(page)
    assert page.evaluate("[filmNow().t, asLink()]") == [3, "#step=10"]


def test_unticking_node_by_node_returns_to_where_the_film_was_unless_it_was_moved(open_page):
    for link in ("#", "#t=3", "#step=3&t=5", "#step=9"):
        page = open_page("every", link)
        arcs = page.locator("#picture path.arc").count()
        page.locator("#by-node").check()
        settle(page)
        page.locator("#by-node").uncheck()
        settle(page)
        assert page.evaluate("asLink()") == link
        assert page.locator("#picture path.arc").count() == arcs
        page.locator("#by-node").check()
        page.keyboard.press("PageDown")
        settle(page)
        place = page.evaluate("chosen.step")
        page.locator("#by-node").uncheck()
        settle(page)
        assert page.evaluate("asLink()") == f"#step={place}"


def test_before_the_first_time_step_nothing_of_another_one_is_left(open_page):
    page = open_page("last", "#step=9&node=2")
    page.locator("#step-panel summary").click()
    for way in ("click", "Home"):
        page.evaluate("goTo(3)")
        settle(page)
        assert "of 9)" in says(page, "#item-says")
        assert says(page, "#values caption") == "Time step 3"
        top = page.evaluate("byId('where').getBoundingClientRect().top")
        if way == "click":
            page.locator("rect[data-t='0']").click()
        else:
            page.keyboard.press("Home")
        settle(page)
        expected = "Before the first time step\n\nh0 is given: nothing is computed before time step 1."
        assert says(page, "#step-panel") == expected
        assert page.evaluate("byId('where').getBoundingClientRect().top") == top
    page.locator("#by-node").uncheck()
    page.locator("#by-node").check()
    settle(page)
    assert "Tick" not in says(page, "#step-panel")
    cells = open_page("cells", "#step=0&node=1")
    settle(cells)
    top = cells.evaluate("byId('where').getBoundingClientRect().top")
    cells.keyboard.press("PageDown")
    settle(cells)
    assert cells.evaluate("byId('where').getBoundingClientRect().top") == top
    cells.keyboard.press("PageUp")
    settle(cells)
    assert says(cells, "#item-says") == "h0 and c0 are given: nothing is computed before time step 1."


def test_the_name_of_a_symbol_follows_it(open_page):
    page = open_page("hello", "#step=2")
    assert says(page, "#film-says") == "forward, t = 2 (e)"
    page.locator("#symbol").select_option(label="“o”")
    page.locator("#steps").evaluate("(one) => { one.closest('details').open = true; }")
    settle(page)
    assert says(page, "#film-says") == "forward, t = 2 (o)"
    assert says(page, "#step-settings-of") == "time step 2 (o)"
    assert page.locator("#steps tbody th").all_inner_texts() == ["0", "1 (h)", "2 (o)", "3 (l)", "4 (l)"]


def test_the_film_says_where_no_gradient_comes(open_page):
    page = open_page("sparse")  # whose losses are those of time steps 5, 6 and 7 of 8
    page.keyboard.press("PageUp")
    said = []
    for step in range(9, 12):
        page.evaluate("(step) => change({ step, t: null })", step)
        settle(page)
        said.append(says(page, "#film-says"))
    assert said[0] == "backward, t = 8: no gradient comes here, since the last loss is that of t = 7"
    assert said[1] == "backward, from the loss to t = 7"
    assert said[2].endswith(" is left of the gradient at t = 7")
    set_range(page, "#T", 4)
    page.evaluate("change({ step: 5 })")
    settle(page)
    assert says(page, "#film-says") == "backward, t = 4: there is no loss"


def test_undoing_the_choice_of_a_cell_brings_a_level_of_detail_that_it_has(open_page):
    page = open_page("cells", "#cell=RNNCell(1%20%E2%86%92%203)")
    page.locator("#cell").select_option(index=0)
    page.locator("#unit").select_option(index=2)
    page.locator("#undo").click()
    settle(page)
    assert page.evaluate("[asLink(), chosen.detail]") == ["#cell=RNNCell(1%20%E2%86%92%203)", 0]


def test_a_time_step_in_view_shows_only_what_the_film_has_reached(open_page):
    page = open_page("last", "#step=3&t=5")  # on the way forward, at t = 3
    texts = "(kind) => [...document.querySelectorAll('#step-graph text.' + kind)].map((one) => one.textContent)"
    names, data, grads = (page.evaluate(texts, kind) for kind in ("name", "data", "grad"))
    assert {name for name, number in zip(names, data) if number != "…"} == {"x5"}
    assert set(grads) == {"…"}
    page.evaluate("goTo(2)")
    settle(page)
    assert "…" not in page.evaluate(texts, "data")
    page.evaluate("change({ step: 9 })")  # on the way back, at t = 4
    settle(page)
    assert set(page.evaluate(texts, "grad")) == {"…"}
    page.evaluate("goTo(5)")
    settle(page)
    assert "…" not in page.evaluate(texts, "grad")


def test_node_by_node_a_click_takes_the_film_to_its_time_step(open_page):
    page = open_page("last", "#t=4")
    page.locator("#by-node").check()
    settle(page)
    assert page.evaluate("asLink()") == "#step=9&node=1"  # on the way back, t = 4
    page.keyboard.press("ArrowRight")
    page.locator("rect[data-t='2']").click()
    settle(page)
    assert page.evaluate("asLink()") == "#step=11&node=1"
    assert says(page, "#item-says").endswith("(1 of 9)")
    page.keyboard.press("PageUp")
    settle(page)
    assert page.evaluate("asLink()") == "#step=10&node=9"
    assert says(page, "#item-says").endswith("(9 of 9)")
    page.locator("#by-node").uncheck()
    settle(page)
    assert page.evaluate("asLink()") == "#step=10"


def test_a_link_holds_the_node_the_level_of_detail_and_the_speed(open_page):
    page = open_page("cells", "#step=8")
    page.locator("#unit").select_option(index=1)
    page.locator("#by-node").check()
    page.locator("#speed").select_option("2")
    for _ in range(3):
        page.keyboard.press("PageDown")
    settle(page)
    link, said = page.evaluate("asLink()"), says(page, "#item-says")
    assert link == "#step=8&node=4&detail=1&speed=2"
    again = open_page("cells", link)
    settle(again)
    assert again.evaluate("[asLink(), byId('speed').value, byId('by-node').checked]") == [link, "2", True]
    assert says(again, "#item-says") == said
    drawn = [each.locator("#step-graph").evaluate("(one) => one.outerHTML") for each in (page, again)]
    assert drawn[0] == drawn[1]
    again.keyboard.press("PageDown")
    settle(again)
    assert again.evaluate("chosen.node") == 5
    again.locator("#cell").select_option(index=1)  # which has levels of its own
    settle(again)
    assert again.evaluate("[chosen.detail, byId('unit').selectedIndex]") == [0, 0]
    most = open_page("cells", "#step=8&node=1000")
    count = most.evaluate("itemsNow().length")
    assert says(most, "#item-says").endswith(f"({count} of {count})")
    most.keyboard.press("PageUp")
    settle(most)
    assert most.evaluate("chosen.node") == count - 1


def test_a_link_holds_the_weights_of_every_cell(open_page):
    page = open_page("cells")
    set_range(page, "#forget", 3)
    set_range(page, "#h0", 0.5)
    numbers = page.evaluate("chosen.p[0]")
    page.locator("#cell").select_option(index=1)
    set_range(page, "#entry", 0.25)
    link = page.evaluate("asLink()")
    again = open_page("cells", link)
    assert again.evaluate("[chosen.p, chosen.h0, asLink()]") == page.evaluate("[chosen.p, chosen.h0, asLink()]")
    again.locator("#cell").select_option(index=0)
    settle(again)
    assert again.evaluate("[numbersNow(), stateNow()[0]]") == [numbers, 0.5]
    named = again.evaluate("decodeURIComponent(asLink())")
    assert named.startswith("#b_f[0]=3&b_f[1]=3&h0[0]=0.5&cell2.")
    old = open_page("cells", "#b_f[0]=2&cell1.b_f[1]=2")  # that it is of the cell in view need not be said
    assert old.evaluate("decodeURIComponent(asLink())") == "#b_f[0]=2&b_f[1]=2"


def test_the_film_goes_forward_and_back_by_time_step(open_page):
    page = open_page("last")
    page.keyboard.press("Home")
    settle(page)
    assert page.locator("#picture text.factor").count() == 0
    assert page.locator("#picture rect.state.ahead").count() == 6
    for t in range(1, 7):
        page.keyboard.press("PageDown")
        settle(page)
        assert says(page, "#film-says") == f"forward, t = {t} (day {t})"
        assert page.locator("#picture rect.state.ahead").count() == 6 - t
    for arrived in range(7):
        page.keyboard.press("ArrowRight")
        settle(page)
        assert page.locator("#picture text.factor").count() == arrived
    page.keyboard.press("PageUp")
    settle(page)
    assert page.locator("#picture text.factor").count() == 5
    page.keyboard.press("End")
    settle(page)
    assert "complete" in says(page, "#film-says")


def test_play_runs_to_the_end_and_can_be_paused(open_page):
    page = open_page("last")
    page.locator("#speed").select_option("4")
    page.locator("#play").click()
    assert says(page, "#play") == "Pause"
    wait_until(page, "chosen.step !== null && chosen.step > 3")
    wait_until(page, "chosen.step === null && byId('play').textContent === 'Play'")


def test_a_long_sequence_plays_in_half_a_minute_and_says_how(open_page):
    page = open_page("long", "#step=990")
    for speed in ("0.5", "1", "2", "4"):
        page.locator("#speed").select_option(speed)
        wait, by = page.evaluate("(() => { const { wait, by } = paceNow(); return [wait, by]; })()")
        assert wait >= 60
        assert wait * 2001 / by < 30_000 / float(speed)
    settle(page)
    page.evaluate(
        "() => { window.seen = []; views.push(() => seen.push([chosen.step, byId('film-says').textContent])); }"
    )
    page.locator("#play").click()
    wait_until(page, "seen.length > 4")
    page.locator("#play").click()
    (first, said), (second, _), *_ = page.evaluate("seen")
    assert (first, second) == (1000, 1020)  # the end of the way forward is not passed
    assert said == "forward, t = 1000; playing 20 time steps at a time"
    assert "at a time" not in says(page, "#film-says")
    page.locator("#by-node").check()
    assert page.evaluate("paceNow().by") == 1


def test_node_by_node_shows_every_application_of_the_chain_rule(open_page):
    page = open_page("last")
    page.evaluate("goTo(6)")
    page.locator("#by-node").check()
    settle(page)
    seen = []
    for _ in range(30):
        seen.append(says(page, "#item-says"))
        page.keyboard.press("ArrowRight")
        settle(page)
        if page.evaluate("filmNow().t") != 6:
            break
    posed = scalar()
    posed.loss.backward()
    assert len(seen) == sum(step.node.time_step == 6 for step in steps(posed.loss)) == 12
    assert seen[0].startswith("∂L6/∂(h6 − target6) = ")
    unrolled = posed.unrolled
    assert any(f"∂h6/∂z6 = {text.number(1 - unrolled.h[6].data ** 2)};" in one for one in seen)
    assert f"∂L/∂h5 = 0 + 0.9·{text.number(unrolled.z[6].grad)} = {text.number(unrolled.h[5].grad)}" in "".join(seen)


def test_node_by_node_the_state_has_the_gradient_that_came_from_the_time_step_after(open_page):
    page = open_page("last")
    page.locator("#by-node").check()
    page.evaluate("change({ step: 2 * chosen.T + 1 - 4 })")
    settle(page)
    posed = scalar()
    posed.loss.backward()
    cards = page.locator("#step-graph text.name").all_text_contents()
    written = page.locator("#step-graph text.grad").all_text_contents()
    assert dict(zip(cards, written))["h4"] == text.number(posed.unrolled.h[4].grad)


def test_node_by_node_a_value_comes_after_those_that_it_is_computed_from(open_page):
    page = open_page("last")
    page.locator("#by-node").check()
    page.evaluate("goTo(6)")
    page.evaluate("change({ step: 6 })")
    settle(page)
    names = page.evaluate("itemsNow().map(({ node }) => nameOf(node, 6))")
    assert names == ["w·h_5", "u·x_6", "w·h_5 + u·x_6", "z_6", "h_6", "h_6 − target_6", "L_6"]


def test_a_time_step_in_full_and_as_a_table(open_page):
    page = open_page("last")
    page.evaluate("goTo(4)")
    page.locator("#step-panel summary").click()
    settle(page)
    posed = scalar()
    posed.loss.backward()
    row = page.locator("#values tbody tr").filter(has_text="tanh(z4)").inner_text().split("\t")
    assert row == ["h4", "tanh(z4)", text.number(posed.unrolled.h[4].data), text.number(posed.unrolled.h[4].grad)]
    names = page.locator("#step-graph text.name").all_text_contents()
    assert {"h3", "x4", "w·h3", "z4", "h4"} <= set(names)


@pytest.mark.parametrize("name", ["last", "cells"])
def test_every_time_step_as_a_table(open_page, name):
    page = open_page(name)
    page.locator("#steps").evaluate("(one) => { one.closest('details').open = true; }")
    settle(page)
    posed = scalar() if name == "last" else gated(LSTMCell(1, 2))
    posed.loss.backward()
    unrolled, T = posed.unrolled, posed.unrolled.T
    left = kept(unrolled, posed.loss)
    written = [row.split("\t") for row in page.locator("#steps tbody").inner_text().splitlines()]
    assert len(written) == T + 1
    for t, row in enumerate(written):
        assert row[0] == (f"{t} (day {t})" if name == "last" and t else str(t))
        if t:
            assert row[1] == text.number(WAVE[t])
        sizes = [
            text.number(numbers[0]) if len(numbers) == 1 else f"‖{text.number(math.hypot(*numbers))}‖"
            for part in unrolled.state_names
            for values in [entries(unrolled[part][t])]
            for numbers in ([value.data for value in values], [value.grad for value in values])
        ]
        assert row[3 : 3 + len(sizes)] == sizes
        assert row[-1] == text.number(left[T - t])
        assert row[-2] == (f"×{text.number(left[T - t + 1] / left[T - t])}" if t else "")


def test_a_long_table_has_the_rows_near_the_time_step_in_view_and_says_how_many(open_page):
    page = open_page("long", "#step=1301")  # on the way back, t = 700
    page.locator("#steps").evaluate("(one) => { one.closest('details').open = true; }")
    settle(page)
    assert says(page, "#steps caption").endswith(": 400 rows of 1001")
    rows = page.locator("#steps tbody th").all_inner_texts()
    assert (rows[0], rows[-1], len(rows)) == ("500", "899", 400)


def test_the_loss_after_each_update_as_a_table(open_page):
    page = open_page("every")
    assert page.locator("#loss-details").is_hidden()
    losses = [page.evaluate("result.computation.loss")]
    for _ in range(3):
        page.locator("#update").click()
        settle(page)
        losses.append(page.evaluate("result.computation.loss"))
    page.locator("#loss-details summary").click()
    settle(page)
    rows = page.locator("#loss-table tbody").inner_text().splitlines()
    assert rows == [f"{i}\t{text.number(loss)}" for i, loss in enumerate(losses)]


def test_in_the_graph_of_a_text_symbols_are_named_and_have_no_gradient(open_page):
    page = open_page("hello")
    page.evaluate("goTo(2)")
    page.locator("#step-panel summary").click()
    settle(page)
    small = page.locator("#step-graph text.small").all_text_contents()
    assert small[0].startswith("x2 = “e”")
    assert small[-1].startswith("target2 = “l”")
    rows = [row.split("\t") for row in page.locator("#values tbody").inner_text().splitlines()]
    without = [row[0] for row in rows if row[3] == ""]
    assert {"x2", "target2", "choose(…)"} == set(without)


def test_a_gated_cell_has_levels_of_detail(open_page):
    page = open_page("cells")
    page.evaluate("goTo(2)")
    settle(page)
    names = page.locator("#step-graph text.name").all_text_contents()
    assert {"zi,2", "i2", "f2", "c2", "h2", "c1", "h1"} <= set(names)
    few = len(names)
    page.locator("#unit").select_option(label="what h_t[0] is computed from")
    settle(page)
    assert page.locator("#step-graph rect.card").count() > few


# ---- where the gradient came from, and the law ------------------------------------------------------------------


def test_the_split_is_that_of_anatomy_and_follows(open_page):
    page = open_page("every")
    settle_work(page)
    for w in (0.9, -0.7):
        set_range(page, "#parameter0", w)
        settle_work(page)
        posed = scalar(at="every", w=w)
        losses = {loss.time_step: loss * (1.0 / 6.0) for loss in posed.losses}
        split = anatomy(posed.unrolled, losses, posed.cell.w)
        cells = page.evaluate("whole.cells.map((row) => [...row])")
        for t in range(1, 7):
            assert cells[t - 1] == pytest.approx([split[k, t] for k in range(1, t + 1)], rel=1e-9, abs=1e-15)
        assert f"∂L/∂w = {text.number(split.total())}" in says(page, "#where-says")
    page.locator("#where summary").click()
    settle(page)
    assert page.locator("#where-table tbody tr").count() == 6


#: By use step, the colours of the bar of its sum: across the line on which it stands, beside that line, and at its end.
BARS = """() => {
    const { lineX, high, top, end } = barsAt, ratio = devicePixelRatio, copy = document.createElement("canvas");
    Object.assign(copy, { width: heat.width, height: heat.height });
    const pen = copy.getContext("2d", { willReadFrequently: true });
    pen.drawImage(heat, 0, 0);
    return Array.from({ length: whole.T + 1 }, (_, k) => (!k ? null : [-2, 2, end(k) - lineX].map((away, i) => {
        const x = i < 2 ? lineX + 0.5 + away * Math.sign(end(k) - lineX) : end(k) - 2 * Math.sign(end(k) - lineX);
        const { data } = pen.getImageData(Math.round(x * ratio), Math.round((top + (k - 0.5) * high) * ratio), 1, 1);
        return "rgb(" + [...data].slice(0, 3).join(", ") + ")";
    })));
}"""


def test_another_cell_has_the_same_weight_split_where_it_has_one_of_that_name_and_else_the_first(open_page):
    page = open_page("cells")

    def split_of():
        return page.locator("#of").evaluate("(one) => one.selectedOptions[0].text")

    first = split_of()
    for name, expected in (("V", "V"), (page.locator("#of option").nth(2).inner_text(), None)):
        page.locator("#of").select_option(label=name)
        page.locator("#cell").select_option(index=2)
        settle_work(page)
        assert split_of() == (expected or page.locator("#of option").first.inner_text())
        page.locator("#cell").select_option(index=0)
        settle_work(page)
    assert split_of() == first


def test_bars_follow_the_sign_and_the_truncation(open_page):
    page = open_page("every", "#w=0.2")
    settle_work(page)
    key = {name: page.evaluate("(name) => colour(name)", name) for name in ("positive", "negative", "cut")}
    use, kept_use = page.evaluate("[whole.by_use, whole.kept_by_use]")
    assert use == kept_use
    wide = [k for k in range(1, 7) if abs(use[k]) > 0.1 * max(map(abs, use))]
    assert {use[k] > 0 for k in wide} == {True, False}
    bars = page.evaluate(BARS)
    for k in wide:
        other, beside, end = bars[k]
        assert beside == end == key["positive" if use[k] > 0 else "negative"], k
        assert other not in key.values(), k
    page.evaluate("change({ k1: 1, k2: 1 })")
    settle_work(page)
    use, kept_use, lags = page.evaluate("[whole.by_use, whole.kept_by_use, whole.kept_by_lag]")
    assert lags[0] != 0
    assert set(lags[1:]) == {0}
    shorter = [k for k in wide if 0.1 < kept_use[k] / use[k] < 0.85]
    assert shorter
    bars = page.evaluate(BARS)
    for k in shorter:
        _, beside, end = bars[k]
        assert (beside, end) == (key["positive" if use[k] > 0 else "negative"], key["cut"]), k
    for words in ("positive", "negative", "thrown away"):
        assert words in says(page, "#where .hint >> nth=0")


#: The colour of a cell of the heat map, for every pair (k, j), and the shades.
CELLS = """(cells) => {
    const ratio = heat.width / heat.getBoundingClientRect().width;
    const { data, width } = heat.getContext("2d").getImageData(0, 0, heat.width, heat.height);
    const inked = cells.map(([k, j]) => {
        const [x, y] = whereAt.corner(k, j), across = x + whereAt.wide / 3, down = y + whereAt.high / 3;
        const i = 4 * (Math.round(down * ratio) * width + Math.round(across * ratio));
        return `rgb(${data.slice(i, i + 3).join(", ")})`;
    });
    return [inked, Array.from({ length: 13 }, (_, i) => colour("shade" + i))];
}"""


#: For every cell of the heat map, whether its middle is another colour than its corner.
MARKED = """() => {
    const ratio = heat.width / heat.getBoundingClientRect().width, { corner, wide, high } = whereAt;
    const { data, width } = heat.getContext("2d").getImageData(0, 0, heat.width, heat.height);
    const at = (x, y) => data.slice(4 * (Math.round(y * ratio) * width + Math.round(x * ratio))).slice(0, 3).join();
    return whole.cells.map((row, j) => [...row].map((_, i) => {
        const [x, y] = corner(i + 1, j);
        return at(x + (wide - 1) / 2, y + (high - 1) / 2) !== at(x + wide / 8, y + high / 4);
    }));
}"""


def test_the_sign_of_a_cell_does_not_hang_on_colour(open_page):
    page = open_page("every")
    settle_work(page)
    cells = page.evaluate("whole.cells.map((row) => [...row])")
    most, decades = max(abs(size) for row in cells for size in row), page.evaluate("DECADES.signed")
    marked = page.evaluate(MARKED)
    assert marked == [[size < -most / 10**decades for size in row] for row in cells]
    assert {mark for row in marked for mark in row} == {True, False}


def test_norms_have_the_shades_of_every_size_of_a_gradient(open_page):
    page = open_page("cells")
    settle_work(page)
    rows = page.evaluate("whole.cells.map((cell) => [...cell])")
    sizes = {(k, j): size for j, row in enumerate(rows) for k, size in enumerate(row, start=1) if size}
    most = max(sizes.values())
    inked, shades = page.evaluate(CELLS, [list(cell) for cell in sizes])
    expected = [shades[round(12 * max(0, 1 + math.log10(size / most) / 6))] for size in sizes.values()]
    assert inked == expected
    assert "smaller" in says(page, "#where .hint >> nth=0")
    assert "positive" not in says(page, "#where .hint >> nth=0")


def test_a_click_leads_to_what_it_changes(open_page):
    page = open_page("every", reduced_motion="reduce")
    settle_work(page)
    page.locator("#heat").scroll_into_view_if_needed()
    assert page.evaluate("scrollY") > 300
    x, y = page.evaluate("whereAt.corner(2, 4)")
    box = page.locator("#heat").bounding_box()
    page.mouse.click(box["x"] + x + 3, box["y"] + y + 3)
    settle_work(page)
    here = page.locator("#picture rect.here").bounding_box()
    assert 0 < here["y"] < 900 - here["height"]
    assert page.evaluate("[timeInView(), chosen.step]") == [2, None]
    assert says(page, "#step-title") == "Time step 2 in full"


def test_every_cell_of_the_split_can_be_reached_by_the_keyboard(open_page):
    page = open_page("every")
    settle_work(page)
    page.locator("#heat-cells [role=gridcell]").focus()
    reached = set()
    for key in ["Home", *["ArrowLeft", "Home"] * 6, *["ArrowRight", "Home", *["ArrowDown"] * 6] * 6]:
        page.keyboard.press(key)
        said = page.locator("#heat-cells [role=gridcell]").get_attribute("aria-label")
        t, k = re.match(r"\S+ from the loss of step (\d+) through w at step (\d+)", said).groups()
        reached.add((int(k), int(t)))
    assert reached == {(k, t) for t in range(1, 7) for k in range(1, t + 1)}
    page.keyboard.press("Enter")
    settle(page)
    assert page.evaluate("timeInView()") == int(k)


def test_without_a_worker_the_same_is_computed_in_the_page(browser, files):
    context = browser.new_context()
    with contextlib.closing(context):
        page = context.new_page()
        page.add_init_script("delete window.Worker")
        page.goto(files["every"].as_uri())
        settle_work(page)
        assert page.evaluate("usable") is False
        assert page.evaluate("whole.cells.length") == 6
        assert says(page, "#norms-says").startswith("‖W‖ = 0.9.")


def test_the_law_beside_what_is_measured(open_page):
    page = open_page("last", "#nonlinearity=identity&w=1.1&b=0")
    settle_work(page)
    posed = scalar(w=1.1, b=0.0, nonlinearity="identity")
    left = kept(posed.unrolled, posed.loss)[-1]
    assert f"The law ‖W‖^lag says {text.number(1.1**6)} after 6 steps" in says(page, "#norms-says")
    assert f"{text.number(left)} left" in says(page, "#norms-says")
    assert left == pytest.approx(1.1**6)


def test_text_plot_and_table_have_the_same_share_left(open_page):
    page = open_page("cells")
    settle_work(page)
    page.locator("#norms summary").click()
    shares = dict(re.findall(r"∂(\w): the gradient [a-z ]+, (\S+) left", says(page, "#norms-says")))
    head, *rows = (row.split("\t") for row in page.locator("#norm-table").inner_text().splitlines()[1:])
    assert head[2:] == ["∂h", "∂c"]
    assert rows[0][2:] == ["1", "1"]
    assert rows[-1][2:] == [shares["h"], shares["c"]]
    curves = page.evaluate(CURVES)
    assert len(curves) == 2
    assert curves[0][0] == curves[1][0]  # both begin at 1


#: The heights of the thick curves of the plot.
CURVES = """(() => {
    const pen = normPlot.getContext("2d"), found = [];
    pen.beginPath = () => found.push([]);
    pen.moveTo = () => {};
    pen.lineTo = (x, y) => { if (pen.lineWidth === 3) found[found.length - 1].push(y); };
    drawNorms();
    for (const name of ["beginPath", "moveTo", "lineTo"]) delete pen[name];
    return found.filter((curve) => curve.length > 1);
})()"""


def test_what_is_measured_begins_at_the_last_loss(open_page):
    page = open_page("sparse")  # no loss at the last time step
    settle_work(page)
    (curve,) = decay(lambda _: ScalarRNNCell(), [0.9], WAVE[1:8])
    left = text.number(curve.gradients[-1])
    assert re.search(rf" after 7 steps; .*, {left} left\.$", says(page, "#norms-says"))
    assert f"×{left} over 7 steps back" in says(page, "#headline")


def test_the_norm_is_set_in_its_panel(open_page):
    page = open_page("last", "#w=-0.9")
    settle_work(page)
    assert page.locator("#norms .setting label").inner_text() == "‖W‖"
    set_range(page, "#norm-here", 1.2)
    settle_work(page)
    assert page.evaluate("numbersNow()[0]") == pytest.approx(-1.2)
    assert says(page, "#norms-says").startswith("‖W‖ = 1.2.")


def test_where_there_is_no_loss_nothing_is_said_of_the_gradient(open_page):
    page = open_page("sparse", "#T=2")
    settle_work(page)
    assert page.locator("#norms").is_hidden()


def test_a_gradient_that_is_0_is_told_from_one_that_is_too_small(open_page):
    page = open_page("last", "#nonlinearity=relu&w=-1.4")
    settle_work(page)
    assert says(page, "#norms-says").endswith("measured, ∂h: the gradient is 0.")


def test_a_curve_that_leaves_the_plot_is_not_drawn_flat(open_page):
    page = open_page("subnormal")
    settle_work(page)
    assert "∂h: the gradient is 0, or too small for a double; ∂c: the gradient is 0, or" in says(page, "#norms-says")
    inked = page.evaluate(
        """() => {
            const ratio = devicePixelRatio, pen = normPlot.getContext("2d"), wide = normPlot.width;
            const { data } = pen.getImageData(0.7 * wide, (300 - 34 - 3) * ratio, 0.2 * wide, 6 * ratio);
            const found = new Set();
            for (let i = 0; i < data.length; i += 4) found.add(`rgb(${data.slice(i, i + 3).join(", ")})`);
            return ["chain", "straight"].filter((name) => found.has(colour(name)));
        }"""
    )
    assert inked == []


# ---- long sequences ---------------------------------------------------------------------------------------------


def test_of_a_long_sequence_only_what_is_in_view_is_in_the_document(open_page):
    page = open_page("long")
    settle_work(page)
    assert page.locator("#picture rect.state").count() < 20
    assert page.locator("#picture rect.fold").count() >= 1
    assert page.evaluate("document.querySelectorAll('*').length") < 1500
    assert page.locator("#heat").bounding_box()["height"] < 450
    assert page.locator("#where").bounding_box()["height"] < 900
    page.evaluate("goTo(500)")
    settle(page)
    assert "h500" in page.locator("#picture text.name").all_text_contents()
    posed = problem(ScalarRNNCell(), WAVE[:1000], WAVE[1:1001], at="every")
    posed.loss.backward()
    cell = posed.cell
    assert gradients(page) == pytest.approx([cell.w.grad, cell.u.grad, cell.b.grad], rel=1e-9)


def test_the_law_of_a_matrix_is_a_bound_and_called_as_in_the_table(open_page):
    page = open_page("unit")
    assert says(page, "#equation").startswith("∂h5/∂h0 = W⁵ · ∏ tanh′ = −0.168 · ")
    assert page.locator("#picture .law-name").text_content() == "at most ‖W‖^(T−k) = 0.7⁵ = 0.168"
    page.evaluate("change({ cell: 1 })")
    settle(page)
    norm = spectral_norm([[entry.data for entry in row] for row in RNNCell(1, 3).W])
    chain = chain_norms(gated(RNNCell(1, 3), at="last").unrolled)[-1].norm
    bounds = f" ≤ ‖J5 ⋯ J1‖ = {text.number(chain)} ≤ ‖W‖⁵ = {text.number(norm)}⁵ = {text.number(norm**5)}"
    assert says(page, "#equation").endswith(bounds)
    click_link(page, 2)
    chain, *_ = (row.norm for row in chain_norms(gated(RNNCell(1, 3), at="last").unrolled) if row.lag == 2)
    assert f" ≤ ‖J5·J4‖ = {text.number(chain)} ≤ ‖W‖² = " in says(page, "#equation")


#: Move a slider; the class of a part of the page in the frame after.
NEXT = """async ([id, value, part]) => {
    byId(id).value = value;
    byId(id).dispatchEvent(new Event("input"));
    await new Promise((done) => requestAnimationFrame(done));
    return byId(part).className;
}"""


def test_a_change_touches_what_it_changes_and_what_is_out_of_view_follows(open_page):
    page = open_page("last", height=500)
    settle_work(page)
    page.evaluate(
        """() => {
            window.touched = [];
            new MutationObserver((records) => touched.push(...records.map((each) => each.target))).observe(
                byId("picture"), { attributes: true, childList: true, subtree: true });
        }"""
    )
    before = says(page, "#where-says")
    assert page.evaluate(NEXT, ["parameter0", 0.8, "where"]) == "panel old"
    assert page.evaluate("touched.some((one) => one.matches('.bar'))")
    unchanged = "#picture, .state, .input, .flow, .grid, .name"
    assert page.evaluate("(them) => touched.filter((one) => one.matches(them)).length", unchanged) == 0
    settle_work(page)
    assert says(page, "#where-says") != before
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    settle_work(page)
    before = page.locator("#step-graph").text_content()
    assert page.evaluate(NEXT, ["parameter0", 0.7, "step-panel"]) == "panel old"
    page.evaluate("byId('step-panel').scrollIntoView()")
    settle_work(page)
    assert page.locator("#step-graph").text_content() != before


def test_a_part_of_a_sequence_keeps_its_numbers(open_page):
    page = open_page("part")
    names = page.locator("#picture text.name").all_text_contents()
    assert names[:3] == ["h4", "h5", "h6"]
    assert says(page, "#equation").startswith("∂h6/∂h4 = ")


def test_one_time_step(open_page):
    page = open_page("one")
    settle_work(page)
    agrees(page, scalar(1))


@pytest.mark.slow
def test_what_is_large_is_computed_in_the_worker_too(open_page):
    page = open_page("large")
    page.locator("#where").scroll_into_view_if_needed()
    settle_work(page)
    assert page.evaluate("usable")
    assert page.evaluate("whole.T") == 4
