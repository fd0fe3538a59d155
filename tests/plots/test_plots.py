"""Figures of training and sweeps, and what the figures share. Those of gradients are tested with what they show."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from tinygrad_rnn import LSTMCell, ScalarRNNCell, mse_loss, unroll
from tinygrad_rnn.bptt.anatomy import anatomy, number_or_norm
from tinygrad_rnn.bptt.decay import DecayCurve
from tinygrad_rnn.bptt.jacobian import ChainNorm
from tinygrad_rnn.bptt.straight import straight_path
from tinygrad_rnn.plots.anatomy import anatomy_figure
from tinygrad_rnn.plots.axes import log_axis, loggable
from tinygrad_rnn.plots.decay import comparison_figure, decay_figure
from tinygrad_rnn.plots.jacobians import chain_norms_figure
from tinygrad_rnn.plots.saving import new_figure, save
from tinygrad_rnn.plots.straight import straight_figure
from tinygrad_rnn.plots.sweep import sweep_figure
from tinygrad_rnn.plots.training import history_figure
from tinygrad_rnn.support.colours import SIGNED, SIZES
from tinygrad_rnn.tasks import Latch
from tinygrad_rnn.train import History, Row


def history() -> History:
    rows = [Row(1, 4, 1.0, 0.5, 0.1, None, None, 0.0), Row(2, 8, 0.5, 0.25, 0.1, 0.75, 0.5, 0.0)]
    return History("latch", "sequences wrong", 0.5, 0.05, rows)


def test_a_history_shows_loss_gradient_norm_and_error() -> None:
    above, middle, below = history_figure(history()).axes
    training, validation = above.lines
    assert [list(training.get_xdata()), list(training.get_ydata())] == [[1, 2], [1.0, 0.5]]
    assert [list(validation.get_xdata()), list(validation.get_ydata())] == [[2], [0.75]]
    assert list(middle.lines[0].get_ydata()) == [0.5, 0.25]
    assert middle.get_yscale() == "log"
    assert list(below.lines[0].get_ydata()) == [0.5]
    assert [list(line.get_ydata()) for line in below.lines[1:]] == [[0.5, 0.5], [0.05, 0.05]]
    assert above.get_title("left") == "Training on latch"


@pytest.mark.slow
def test_a_figure_is_written_with_the_same_bytes_every_time(tmp_path: Path) -> None:
    for file in ("one.svg", "two.svg"):
        save(history_figure(history()), tmp_path / file)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_sweep_shows_every_run_and_the_means_in_the_order_of_numbers() -> None:
    lines = {"": [(0.1, [0.25, 0.75]), (0.01, [1.0])]}
    (axes,) = sweep_figure(Latch(), lines, "--lr", tick=lambda x: f"<{x}>", logarithmic=True).axes
    means, runs, *_ = axes.lines
    assert [list(means.get_xdata()), list(means.get_ydata())] == [[0.01, 0.1], [1.0, 0.5]]
    assert [list(runs.get_xdata()), list(runs.get_ydata())] == [[0.01, 0.1, 0.1], [1.0, 0.25, 0.75]]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["<0.01>", "<0.1>"]
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "--lr")
    assert lines == {"": [(0.1, [0.25, 0.75]), (0.01, [1.0])]}


def test_a_sweep_over_names_keeps_their_order() -> None:
    (axes,) = sweep_figure(Latch(), {"a": [("rnn", [0.5]), ("lstm", [0.25])]}, "--cell").axes
    assert list(axes.lines[0].get_xdata()) == ["rnn", "lstm"]
    assert axes.get_xscale() == "linear"


def test_a_logarithmic_axis_has_gaps_and_ends_where_it_says() -> None:
    assert [math.isnan(size) for size in loggable([0.0, math.inf, math.nan, -1.0, 1.0])] == [True] * 4 + [False]
    assert loggable([1e-200, 1e200]) == [1e-100, 1e100]
    axes = new_figure(2.0, 1.0).add_subplot()
    low, high = log_axis(axes, [1e-300, 0.0, 1e3])
    assert (low, high) == pytest.approx((-24.0 - 0.04 * 27, 3.0 + 0.04 * 27))
    assert axes.get_ylim() == pytest.approx((10.0**low, 10.0**high))


def test_importing_the_room_needs_no_matplotlib() -> None:
    code = (
        "import sys, tinygrad_rnn.plots.training, tinygrad_rnn.plots.sweep;"
        "print({'numpy', 'matplotlib'} & sys.modules.keys())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "set()"


def test_the_number_or_the_norm() -> None:
    assert number_or_norm(-3.0) == -3.0
    assert number_or_norm([-3.0]) == 3.0
    assert number_or_norm([[3.0], [-4.0]]) == 5.0


def test_a_heat_map_has_the_colours_of_the_pictures() -> None:
    """Of sizes the darker, the larger; of signed numbers on either side of 0."""
    unrolled = unroll(LSTMCell(1, 1, seed=0), [[0.3]] * 6)
    losses = {t: unrolled.h[t][0] for t in range(1, 7)}
    for parameter, stops in ((unrolled.cell.f.W[0][0], SIGNED), (unrolled.cell.f.W, SIZES)):
        image = anatomy_figure(anatomy(unrolled, losses, parameter)).axes[0].images[0]
        low, high = image.get_clim()
        assert [to_hex(image.to_rgba(end)) for end in (low, high)] == [stops[0], stops[-1]]
    assert image.to_rgba(math.sqrt(low * high))[:3] == pytest.approx(to_rgb(SIZES[2]), abs=0.01)


def test_the_sign_in_a_heat_map_does_not_hang_on_colour() -> None:
    """Both signs are as dark in grey print."""
    unrolled = unroll(ScalarRNNCell(w=-0.9), [0.3] * 6)
    losses = {t: mse_loss(unrolled.h[t], 0.3) for t in range(1, 7)}
    split = anatomy(unrolled, losses, unrolled.cell.w)
    heat, *_ = anatomy_figure(split).axes
    marked = {(round(float(y)), round(float(x))) for line in heat.lines for x, y in zip(*line.get_data())}
    terms = {(k, t): number_or_norm(size) for k, t, size in split.terms()}
    negative = {place for place, size in terms.items() if size <= -max(map(abs, terms.values())) / 1000}
    assert marked == negative != set()


HOSTILE = r"$\frac{a$b $ \$"


def test_use_steps_run_downwards_in_a_heat_map() -> None:
    unrolled = unroll(LSTMCell(1, 1, seed=0), [[0.3]] * 6)
    split = anatomy(unrolled, {t: unrolled.h[t][0] for t in range(1, 7)}, unrolled.cell.f.W[0][0])
    heat, *others = anatomy_figure(split).axes
    image = heat.images[0]
    left, right, bottom, top = image.get_extent()
    assert (image.origin, left, right, bottom, top) == ("upper", 0.5, 6.5, 6.5, 0.5)  # row i is step i + 1
    shown = image.get_array()
    assert [shown[k - 1, t - 1] for k, t in ((2, 3), (2, 6), (6, 6))] == [split[2, 3], split[2, 6], split[6, 6]]
    first, last = (heat.transData.transform((1, k))[1] for k in (1, 6))
    assert first > last
    beside = next(axes for axes in others if axes.get_xlabel() == "sum over t")
    assert beside.get_ylim() == heat.get_ylim() == (6.5, 0.5)


def figures(text: str) -> dict[str, Figure]:
    """A figure of every kind, with a text of the user's wherever there is one."""
    curve = DecayCurve(text, text, [0, 1], [1.0, 0.5], 0.5, [1.0, 0.5])
    unrolled = unroll(LSTMCell(1, 1), [[0.5], [1.0]])
    parameter = unrolled.cell.parameters()[0]
    losses = [h[0] for h in unrolled.h.values()]
    split = replace(anatomy(unrolled, losses, parameter), name=text)
    task = Latch()
    task.name = task.metric = text  # type: ignore[misc]
    return {
        "decay": decay_figure([curve], text),
        "comparison": comparison_figure([curve], text),
        "norms": chain_norms_figure([ChainNorm(1, 0, 1.0, 1.0, 1.0, 1.0)], text),
        "straight": straight_figure(replace(straight_path(unrolled, losses[-1], "c"), name=text), text),
        "anatomy": anatomy_figure(split, text),
        "last": anatomy_figure(replace(anatomy(unrolled, losses[-1:], parameter), name=text), text),
        "history": history_figure(replace(history(), task=text, metric=text)),
        "sweep": sweep_figure(task, {text: [(0.1, [0.5])]}, text, tick=lambda _: text),
    }


@pytest.mark.parametrize("kind", figures("x"))
@pytest.mark.slow
def test_a_text_of_the_user_is_shown_literally(kind: str) -> None:
    """Between two dollars, matplotlib would look for a formula."""
    figure = figures(HOSTILE)[kind]
    figure.draw_without_rendering()
    shown = [text.get_text() for text in figure.findobj(Text)]
    assert any(r"\$\frac{a\$b \$ \\$" in text for text in shown)


def test_a_character_without_a_glyph_is_no_warning(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    save(figures("\u4f60")["decay"], tmp_path / "a.png")
    assert not recwarn.list


def test_what_is_infinite_or_not_a_number_is_drawn_and_named() -> None:
    unrolled = unroll(ScalarRNNCell(w=1e200, nonlinearity="identity"), [0.5, 0.25, 0.5, -0.25])
    losses = {t: unrolled.h[t] ** 2 for t in range(1, 5)}
    parts = anatomy(unrolled, losses, unrolled.cell.w)
    assert [math.isnan(size) for size in parts.table()[0]] == [False, True, True, True]
    assert parts.table()[2][2] == math.inf
    figure = anatomy_figure(parts)
    colours, _, dark = (image.get_array() for image in figure.axes[0].images)
    largest = abs(parts[2, 2])
    assert [[bool(cell) for cell in row] for row in ~numpy.ma.getmaskarray(dark)] == [
        [False, True, True, True],
        *[[False] * 4] * 3,
    ]
    assert colours[2, 2] == largest
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "infinite: the colour of the largest\nblack: not a number" in "\n".join(said)
    assert said.count("nan") == 1 + 3 + 3
    assert said.count("inf") == 3 + 1
