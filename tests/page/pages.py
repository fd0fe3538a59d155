"""The pages that are tested in a browser, the problems that they are about, and what a page must agree with."""

import math

import pytest

from tinygrad_rnn import (
    LSTM,
    GRUCell,
    Linear,
    LSTMCell,
    RNNCell,
    ScalarRNNCell,
    Value,
    explore,
    mse_loss,
    problem,
    total,
    unroll,
)
from tinygrad_rnn.bptt.verdict import kept, verdict
from tinygrad_rnn.cli import main
from tinygrad_rnn.nn import binary_cross_entropy_with_logits
from tinygrad_rnn.page.api import page_of
from tinygrad_rnn.page.source import from_sequence
from tinygrad_rnn.pictures import text

from .browser import says

HOSTILE = "</script><img src=x onerror=window.hacked=1>\"'&\u202e\u05d0\u2028😀"
WAVE = [math.sin(0.7 * i) for i in range(2100)]


def scalar(T=6, at="last", **weights):
    return problem(ScalarRNNCell(**{"w": 0.9, "u": 0.5, "b": 0.1, **weights}), WAVE[1 : T + 1], WAVE[2 : T + 2], at=at)


def gated(cell, T=5, at="every"):
    pairs = [[x] for x in WAVE[1 : T + 1]], [[y] for y in WAVE[2 : T + 2]]
    return problem(cell, *pairs, readout=Linear(cell.hidden_size, 1, seed=3), at=at)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A page per problem, on disk."""
    folder = tmp_path_factory.mktemp("pages")
    pages = {
        "last": explore(scalar(), title="a sine", names=[f"day {i}" for i in range(1, 7)]),
        "every": explore(scalar(at="every")),
        "one": explore(scalar(1)),
        "tens": explore(problem(ScalarRNNCell(w=0.9, u=0.5), [10, 14, 12, 18, 15], [14, 12, 18, 15, 17])),
        "cells": explore(gated(LSTMCell(1, 2)), others=[gated(GRUCell(1, 2)), gated(RNNCell(1, 3))]),
        "long": page_of(from_sequence(ScalarRNNCell(), WAVE[:1000], WAVE[1:1001], at="every")),
        "subnormal": explore(gated(LSTMCell(1, 4), 2000, at="last")),
        "hostile": explore(
            problem(
                ScalarRNNCell(w=Value(0.9, label=HOSTILE), u=Value(0.5, label="=cmd|' /C'!A0")), [1.0, 0.5], [0.1, 0.2]
            ),
            title=HOSTILE,
            names=[HOSTILE, "{{scripts}}"],
        ),
        "log": explore(*logarithmic()),
        "part": explore(*part_of_a_sequence()),
        "outside": explore(*computed_once()),
        "penalty": explore(*penalised()),
        "twins": explore(
            scalar(), others=[scalar(w=1.2), gated(RNNCell(1, 1), 6, "last"), gated(RNNCell(1, 1, seed=4), 6, "last")]
        ),
        "early": explore(*loss_before_the_end()),
        "stack": explore(stacked()),
        "formulas": explore(*formulas()),
        "vectors": explore(vectors()),
        "logits": explore(problem(RNNCell(1, 2), [[0.1]] * 3, [[0.0, 1.0]] * 3, loss=binary_cross_entropy_with_logits)),
        "third": explore(problem(ScalarRNNCell(), WAVE[1:6], [None, None, 0.4, None, None], at="every")),
        "sparse": page_of(from_sequence(ScalarRNNCell(), WAVE[1:9], [None] * 4 + WAVE[6:9] + [None], at="every")),
        "large": explore(problem(LSTMCell(3, 20), [[0.1, 0.2, 0.3]] * 4, [[0.1, 0.2]] * 4, readout=Linear(20, 2))),
        "unit": explore(single_unit(), others=[gated(RNNCell(1, 3), at="last")]),
    }
    made = {name: page.save(folder / f"{name}.html") for name, page in pages.items()}
    made["hello"] = folder / "hello.html"
    assert main(["explore", "--text", "hello", "-o", str(made["hello"])]) == 0
    return made


def vectors():
    inputs = [[WAVE[t], WAVE[t + 5]] for t in range(1, 5)]
    targets = [[WAVE[t + 1], WAVE[t + 6]] for t in range(1, 5)]
    return problem(RNNCell(2, 3), inputs, targets, readout=Linear(3, 2, seed=3), at="every")


def computed_once(w=0.8):
    w, s = Value(w, label="w"), Value(1.3, label="s")
    w2 = (w * s).tanh() * 2.0
    w2.label = "w2"
    unrolled = unroll(lambda x, h: (w2 * h + x).tanh(), WAVE[:6], h0=0.1)
    return unrolled, mse_loss(unrolled.h[6], 0.5)


def penalised(w=0.9):
    """A mean of losses, and a penalty on the weights."""
    posed = scalar(at="every", w=w)
    loss = posed.loss + 0.01 * total(weight * weight for weight in posed.cell.parameters())
    loss.label = "L"
    return posed.unrolled, loss


def loss_before_the_end():
    """A loss of time step 3 of 5, and a penalty on a weight that is used nowhere else."""
    w, v = Value(0.9, label="w"), Value(0.4, label="v")
    unrolled = unroll(lambda x, h: (w * h + x).tanh(), WAVE[1:6], h0=0.1)
    return unrolled, mse_loss(unrolled.h[3], 0.3) + 0.01 * v * v


def formulas():
    w = Value(0.9, label="w")

    def step(x, h):
        return (((w * h + 1.5) ** 2 + 1.0).log() * 0.2 + (x**2 + 2.0).sqrt() * 0.1).tanh()

    unrolled = unroll(step, WAVE[1:6], h0=0.1)
    return unrolled, mse_loss(unrolled.h[5], 0.3)


def stacked():
    rows = [[x] for x in WAVE[1:6]]
    return problem(LSTM(1, 2, 2, seed=3), rows, rows, readout=Linear(2, 1, seed=3))


def logarithmic():
    def step(x, h):
        return (h * x + 1.0).log()

    unrolled = unroll(step, [0.5, 0.4, 0.3], h0=0.5)
    return unrolled, mse_loss(unrolled.h[3], 0.1)


def part_of_a_sequence():
    unrolled = unroll(ScalarRNNCell(w=-1.3, nonlinearity="relu"), [0.1, 0.2], first=5)
    return unrolled, mse_loss(unrolled.h[6], 0.1)


def single_unit():
    cell = RNNCell(1, 1)
    cell.W[0][0].data = -0.7
    return gated(cell, at="last")


def gradients(page):
    """∂L/∂ every parameter, as the page has them, in order of creation."""
    return page.evaluate(
        "cellNow().groups.flatMap(({ places }) => places.map((i) => result.computation.sequence.p_grad[i]))"
    )


def agrees(page, posed, digits=12):
    """The page has the loss and the gradients of this problem, and shows what is left, its verdict and its states."""
    parameters = [parameter for _, parameter in posed.named_parameters()]
    for parameter in parameters:
        parameter.zero_grad()
    posed.loss.backward()
    expected = [parameter.grad for parameter in parameters]
    most = max(map(abs, expected))
    assert page.evaluate("result.computation.loss") == pytest.approx(posed.loss.data, rel=10.0**-digits)
    assert gradients(page) == pytest.approx(expected, rel=0, abs=most * 10.0**-digits)
    left = kept(posed.unrolled, posed.loss)
    word = verdict(left[-1], len(left) - 1).word
    assert says(page, "#headline").startswith(f"The gradient {word}")
    assert f"×{text.number(left[-1])}" in says(page, "#headline")
    if len(left) > 2:
        mean = verdict(left[-1], len(left) - 1).factor
        assert f"back, ×{text.number(mean)} per step" in says(page, "#headline")
    T = posed.unrolled.T
    shown = page.locator("#picture text.data").all_text_contents()
    for state in (posed.unrolled.state(0), posed.unrolled.state(T)):
        size = state[0].data if len(state) == 1 else None
        assert size is None or text.number(size) in shown
