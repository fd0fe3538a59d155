"""What became of a gradient: the word, the factor per step, and how much of it is left, by independent computations."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from tinygrad_rnn import Linear, LSTMCell, RNNCell, ScalarRNNCell, Value, cross_entropy, mse_loss, problem, unroll
from tinygrad_rnn.bptt.verdict import Verdict, kept, verdict
from tinygrad_rnn.data import sunspots
from tinygrad_rnn.errors import ArgumentError, GraphError

INPUTS = [math.sin(t) for t in range(12)]


@pytest.mark.parametrize(
    ("size", "word"),
    [
        (0.0, "is 0"),
        (5e-324, "vanishes"),
        (0.00999, "vanishes"),
        (0.01, "shrinks"),
        (0.499, "shrinks"),
        (0.5, "keeps its size"),
        (0.97, "keeps its size"),
        (2.0, "keeps its size"),
        (2.01, "grows"),
        (100.0, "grows"),
        (100.1, "explodes"),
        (math.inf, "is infinite"),
        (math.nan, "is not a number"),
    ],
)
def test_the_word(size: float, word: str) -> None:
    found = verdict(size, 12)
    assert found is not None
    assert found.word == word
    assert found.sentence.startswith(f"The gradient {word}")
    assert "12 steps" in found.sentence


def test_the_factor_is_the_mean_per_step() -> None:
    found = Verdict(0.7**12, 12)
    assert found.factor == pytest.approx(0.7, rel=1e-15)
    assert found.sentence == (
        "The gradient shrinks: over 12 steps it is multiplied by 0.01384, on average by 0.7 per step."
    )
    assert Verdict(3.0, 1).clause("Along it the gradient", "from h_1 to h_0") == (
        "Along it the gradient grows: over 1 step from h_1 to h_0 it is multiplied by 3"
    )
    assert Verdict(0.25, 2).as_dict() == {"verdict": "shrinks", "lag": 2, "kept": 0.25, "factor": 0.5}
    assert Verdict(0.0, 3).factor == 0.0
    assert Verdict(math.inf, 3).factor == math.inf
    assert math.isnan(Verdict(math.nan, 3).factor)


def test_a_lag_of_0_has_no_verdict() -> None:
    assert verdict(1.0, 0) is None
    with pytest.raises(ArgumentError, match="kept is -1"):
        verdict(-1.0, 3)
    with pytest.raises(ArgumentError, match="lag"):
        verdict(1.0, -1)


@pytest.mark.parametrize("at", ["last", "every"])
def test_of_a_scalar_cell_it_is_the_product_of_the_slopes(at: str) -> None:
    posed = problem(ScalarRNNCell(0.9, 0.5), INPUTS, [*INPUTS[1:], 0.3], at=at)
    with mpmath.workdps(40):
        h, slopes = mpmath.mpf(0), []
        for x in INPUTS:
            h = mpmath.tanh(mpmath.mpf(0.9) * h + mpmath.mpf(0.5) * mpmath.mpf(x))
            slopes.append(mpmath.mpf(0.9) * (1 - h * h))
        right = [float(mpmath.fprod(slopes[12 - lag :])) for lag in range(13)]
    for loss in (posed.losses[-1], posed.loss):  # the mean has the loss of the last step in it
        assert kept(posed.unrolled, loss) == pytest.approx(right, rel=1e-13)


def test_with_a_loss_at_every_step_the_whole_gradients_tell_another_story() -> None:
    series = sunspots().last(13).scaled().numbers
    posed = problem(ScalarRNNCell(), series[:-1], series[1:], at="every")
    posed.loss.backward()
    h, w = posed.unrolled.h, 0.9
    assert abs(h[0].grad / h[12].grad) == pytest.approx(1.93, abs=0.005)
    chain = math.prod(w * (1.0 - h[t].data ** 2) for t in range(1, 13))
    assert chain == pytest.approx(0.0079, abs=0.0001)
    assert kept(posed.unrolled, posed.loss)[12] == pytest.approx(chain, rel=1e-13)


def test_of_a_text() -> None:
    text = "hello world, hello"
    alphabet = sorted(set(text))
    size, places = len(alphabet), [alphabet.index(character) for character in text]
    inputs = [[float(i == place) for i in range(size)] for place in places[:-1]]
    cell, readout = RNNCell(size, 4, seed=0), Linear(4, size, seed=1)
    posed = problem(cell, inputs, places[1:], readout=readout, loss=cross_entropy, at="every")
    u, T = posed.unrolled, posed.unrolled.T
    found = kept(u, posed.loss)
    # By hand: softmax - one-hot through V, then back through diag(1 - h²) W, step by step.
    scores = np.array([y.data for y in u.y[T]])
    error = np.exp(scores) / np.exp(scores).sum() - np.eye(size)[places[T]]
    g = error @ [[v.data for v in row] for row in readout.V]
    first, W = np.linalg.norm(g), np.array([[w.data for w in row] for row in cell.W])
    for lag in range(T + 1):
        assert found[lag] == pytest.approx(np.linalg.norm(g) / first, rel=1e-12)
        g = (g * (1.0 - np.array([h.data for h in u.h[T - lag]]) ** 2)) @ W
    posed.loss.backward()
    whole = math.hypot(*(h.grad for h in u.h[0])) / math.hypot(*(h.grad for h in u.h[T]))
    assert whole > 0.4
    assert found[T] < 1e-4


def test_of_an_lstm_it_is_h_and_c_together_or_one_part() -> None:
    u = unroll(LSTMCell(1, 3, seed=2), [[x] for x in INPUTS])
    loss = mse_loss(u.h[12], [0.1, -0.4, 0.2])
    found, of_c, of_h = kept(u, loss), kept(u, loss, "c"), kept(u, loss, state="h")
    loss.backward()

    def size(k: int, *parts: str) -> float:
        return math.hypot(*(node.grad for part in parts for node in u[part][k]))

    for lag in range(13):
        assert found[lag] == pytest.approx(size(12 - lag, "h", "c") / size(12, "h", "c"), rel=1e-13)
        assert of_c[lag] == pytest.approx(size(12 - lag, "c") / size(12, "c"), rel=1e-13)
        assert of_h[lag] == pytest.approx(size(12 - lag, "h") / size(12, "h"), rel=1e-13)
    with pytest.raises(ArgumentError, match="'d' is not part of the state"):
        kept(u, loss, "d")


def test_the_lag_counts_from_the_last_time_step_with_a_loss() -> None:
    cell = ScalarRNNCell(0.5, 1.0, nonlinearity="identity")
    posed = problem(cell, INPUTS[:5], [None, 0.0, 0.3, None, None], at="every")
    assert kept(posed.unrolled, posed.loss) == [1.0, 0.5, 0.25, 0.125]


def test_no_gradient_of_the_graph_changes() -> None:
    posed = problem(ScalarRNNCell(0.9, 0.5), INPUTS, INPUTS, at="every")
    fresh = problem(ScalarRNNCell(0.9, 0.5), INPUTS, INPUTS, at="every")
    posed.loss.backward()
    before = [node.grad for node in posed.unrolled.nodes()]
    kept(posed.unrolled, posed.loss)
    kept(fresh.unrolled, fresh.loss)
    assert [node.grad for node in posed.unrolled.nodes()] == before
    assert not any(node.has_grad for node in fresh.unrolled.nodes())
    assert not fresh.loss.has_grad


def test_a_gradient_that_the_cell_lets_not_through_is_0() -> None:
    h0 = Value(0.3)
    h0.grad = 7.0  # of another pass
    u = unroll(lambda x, h: x * 2.0, [1.0, 2.0], h0=h0)
    assert kept(u, u.h[2]) == [1.0, 0.0, 0.0]
    assert h0.grad == 7.0


def test_extremes() -> None:
    linear = problem(ScalarRNNCell(1e-3, 1.0, nonlinearity="identity"), [1.0] * 9, [0.0] * 9)
    # The gradient of the loss is 1e-300: times w^9 it is no double, but what is kept is one.
    assert kept(linear.unrolled, linear.unrolled.h[9] * 1e-300)[9] == pytest.approx(1e-27, rel=1e-13)
    assert kept(linear.unrolled, linear.unrolled.h[9] * 0.0) == [0.0] * 10
    huge = unroll(ScalarRNNCell(1e200, 0.0, nonlinearity="identity"), [0.0] * 3)
    assert kept(huge, huge.h[3])[2:] == [math.inf, math.inf]
    with pytest.raises(GraphError, match="does not depend on the state"):
        kept(huge, Value(2.0) * 3.0)


def test_a_gradient_that_is_infinite_or_whose_norm_is() -> None:
    """The ratios are those of its direction, by NumPy; of several infinite entries no ratio is known."""
    linear = unroll(ScalarRNNCell(1e200, 1.0, nonlinearity="identity"), [1.0] * 4)
    assert linear.h[4].data == math.inf
    assert kept(linear, linear.h[4] ** 2) == [1.0, 1e200, math.inf, math.inf, math.inf]

    cell = RNNCell(1, 2, nonlinearity="identity")
    W = np.array([[0.3, -0.4], [0.2, 0.5]])
    cell.load_state_dict({"W": W, "U": [[1.0], [1.0]], "b": [0.0, 0.0]})
    u = unroll(cell, [[0.5]] * 3)
    for at_T in ([1.5e308, 1.5e308], [-1.2e308, 1.5e308], [1e-320, 2e-320]):
        loss = u.h[3][0] * at_T[0] + u.h[3][1] * at_T[1]
        start = np.array(at_T) / max(map(abs, at_T))
        expected = [np.linalg.norm(start @ np.linalg.matrix_power(W, lag)) / np.linalg.norm(start) for lag in range(4)]
        assert kept(u, loss) == pytest.approx(expected, rel=1e-3 if abs(at_T[0]) < 1.0 else 1e-12)
    one = kept(u, (u.h[3][0] * 1e200) * 1e200 + u.h[3][1])
    assert one == pytest.approx([np.linalg.norm(np.linalg.matrix_power(W, lag)[0]) for lag in range(4)], rel=1e-12)
    assert all(map(math.isnan, kept(u, ((u.h[3][0] - u.h[3][1]) * 1e200) * 1e200)))


def test_a_loss_that_is_the_state_or_of_a_part_of_a_sequence() -> None:
    u = unroll(ScalarRNNCell(0.5, 1.0, nonlinearity="identity"), [1.0, 1.0], h0=0.2, first=7)
    assert kept(u, u.h[8]) == [1.0, 0.5, 0.25]
    assert kept(u, u.h[6]) == [1.0]


def test_what_no_longer_shrinks_since_a_double_ends_there_is_0() -> None:
    """Here the gradient gets stuck at some 1e-323, of which the mean factor would be far too large."""
    unrolled = unroll(ScalarRNNCell(w=0.9, nonlinearity="identity"), [0.1] * 8000)
    loss = unrolled.h[8000] ** 2
    loss.backward()
    assert unrolled.h[0].grad > 0.0
    left = kept(unrolled, loss)
    assert left[8000] == 0.0
    assert left[6000] == pytest.approx(0.9**6000, rel=1e-9)
