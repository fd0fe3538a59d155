"""One verdict on a gradient: tables, JSON, pictures, debugger, plots and page against one by NumPy.

The oracle knows the weights and the inputs. It runs the cells by their equations and takes every derivative by a
complex step (Squire and Trapp 1998), which is exact to rounding: no op table and no backward pass is involved.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest

from tinygrad_rnn import ScalarRNNCell
from tinygrad_rnn.bptt.decay import compare_decay, decay, mean_direction, scalar_cells
from tinygrad_rnn.bptt.verdict import Verdict
from tinygrad_rnn.cli import main, make_parser
from tinygrad_rnn.cli.inputs import Problem, read_problem
from tinygrad_rnn.compile import Number, Recurrence, Symbols, Vector
from tinygrad_rnn.debugger.session import Debugger
from tinygrad_rnn.nn.quantities import entries
from tinygrad_rnn.pictures import draw
from tinygrad_rnn.plots.decay import comparison_figure, decay_figure

from ..node import Node, node
from ..page.test_computation import Posed

__all__ = ["node"]

Array = Any
H = 1e-200  # of the complex step: its square is 0

CASES = [
    "",
    "--w 1.3 --nonlinearity identity",
    "--w -0.9 --loss all",
    "--w 2.5 --nonlinearity tanh_exact --steps 30",
    "--steps 1",
    "--steps 2 --loss all",
    "--w 0 --steps 4",
    "--w 1e200 --nonlinearity identity",
    "--w 1e-150 --nonlinearity identity --steps 5",
    "--hidden 3",
    "--hidden 3 --steps 1",
    "--hidden 1 --steps 2 --loss all",
    "--hidden 3 --loss all --steps 20",
    "--cell lstm --hidden 3",
    "--cell lstm --hidden 2 --loss all --steps 2",
    "--cell lstm --hidden 2 --steps 1",
    "--cell gru --hidden 3 --loss all",
    "--cell gru --hidden 2 --steps 2",
    "--text hello --hidden 4",
    "--text hello --cell lstm --hidden 2",
    "--text hello --cell gru --hidden 3 --loss last",
]


class Oracle:
    """The cell of a problem by its equations, on complex numbers."""

    def __init__(self, posed: Problem) -> None:
        found = {name: np.array(tree) for name, tree in posed.cell.state_dict().items()}
        self.weights: dict[str, Array] = found
        if "w" in found:
            self.weights = {"W": found["w"].reshape(1, 1), "U": found["u"].reshape(1, 1), "b": found["b"].reshape(1)}
        nonlinearity = getattr(posed.cell, "nonlinearity", "tanh")
        self.f = (lambda z: z) if nonlinearity == "identity" else np.tanh
        self.readout = posed.readout and {n: np.array(tree) for n, tree in posed.readout.state_dict().items()}
        x = posed.unrolled.x
        self.inputs = [np.array([node.data for node in entries(x[t])]) for t in x]
        self.target, self.is_text = np.ravel(posed.targets[posed.unrolled.T - 1])[0], bool(posed.alphabet)
        self.is_lstm = "W_f" in self.weights
        self.units = len(posed.unrolled.state(0, ["h"]))

    def affine(self, gate: str, h: Array, x: Array) -> Array:
        W, U, b = (self.weights[f"{name}{gate}"] for name in "WUb")
        return W @ h + U @ x + b

    def step(self, s: Array, x: Array) -> Array:
        sigmoid = lambda z: 1.0 / (1.0 + np.exp(-z))  # noqa: E731
        if self.is_lstm:
            h, c = s[: self.units], s[self.units :]
            i, f, o = (sigmoid(self.affine(gate, h, x)) for gate in ("_i", "_f", "_o"))
            c = f * c + i * np.tanh(self.affine("_g", h, x))
            return np.concatenate([o * np.tanh(c), c])
        if "W_n" in self.weights:
            r, z = (sigmoid(self.affine(gate, s, x)) for gate in ("_r", "_z"))
            inner = self.weights["W_n"] @ s + self.weights["b_hn"]
            n = np.tanh(r * inner + self.weights["U_n"] @ x + self.weights["b_n"])
            return (1.0 - z) * n + z * s
        return self.f(self.affine("", s, x))

    def loss(self, s: Array) -> Array:
        h = s[: self.units]
        y = h if not self.readout else self.readout["V"] @ h + self.readout["c"]
        if self.is_text:
            return np.log(np.exp(y).sum()) - y[self.target]
        return (y[0] - self.target) ** 2

    def derivative(self, f: Any, s: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.array([f(s + 1j * H * e).imag / H for e in np.eye(len(s))]).T

    def kept(self) -> list[float]:
        """By lag: the norm of ∂L_T/∂s_k relative to that of ∂L_T/∂s_T."""
        with np.errstate(all="ignore"):
            states = [np.zeros(self.units * (1 + self.is_lstm))]
            for x in self.inputs:
                states.append(self.step(states[-1], x).real)
            T = len(self.inputs)
            g = self.derivative(self.loss, states[T]) if np.isfinite(states[T]).all() else np.ones(1)
            sizes = []
            for k in range(T, -1, -1):
                sizes.append(math.hypot(*self.with_inner(g, states, k)))
                if k:
                    g = g @ self.jacobian(states[k - 1], self.inputs[k - 1])
            return [size / sizes[0] for size in sizes]

    def jacobian(self, s: Array, x: Array) -> Array:
        if self.f is not np.tanh and "W" in self.weights:
            return self.weights["W"]  # linear: also where a state is infinite
        return self.derivative(lambda z: self.step(z, x), s)

    def with_inner(self, g: Array, states: list[Array], k: int) -> Array:
        """∂L/∂(h_k, c_k) of an LSTM as backward() has it: c_k also gets what flows through h_k = o_k·tanh(c_k)."""
        if not self.is_lstm or k == 0:
            return g
        h, c = states[k][: self.units], states[k][self.units :]
        o = h / np.tanh(c)
        return np.concatenate([g[: self.units], g[self.units :] + g[: self.units] * o * (1.0 - np.tanh(c) ** 2)])


def word(kept: float) -> str:
    if kept == 0.0 or math.isinf(kept):
        return "is 0" if kept == 0.0 else "is infinite"
    if 0.5 <= kept <= 2.0:
        return "keeps its size"
    if kept < 0.5:
        return "shrinks" if kept >= 0.01 else "vanishes"
    return "grows" if kept <= 100.0 else "explodes"


def numbers_of(sentence: str) -> list[float]:
    """The numbers of a headline: ×0.0123 over 4 steps back, ×1.5×10⁻⁵ per step."""
    raised = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    found = re.findall(r"×(?:([\d.]+)×)?(?:10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)|([\d.]+))", sentence)
    return [float(plain) if plain else float(m or 1) * 10.0 ** int(e.translate(raised)) for m, e, plain in found]


@pytest.mark.slow
@pytest.mark.parametrize("options", CASES)
def test_everything_says_the_same(options: str, capsys: pytest.CaptureFixture[str]) -> None:
    typed = [*options.split(), "--no-picture"]
    posed = read_problem(make_parser().parse_args(typed))
    expected = Oracle(posed).kept()
    lag = len(expected) - 1
    left = expected[-1] if expected[-1] >= 2.3e-308 else 0.0
    verb = word(left)
    told = math.isfinite(left) and left > 0.0
    factor = left ** (1.0 / lag)

    assert main([*typed, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["lag"]) == (verb, lag)
    assert float(found["kept"]) == pytest.approx(left, rel=1e-11)
    assert float(found["factor"]) == pytest.approx(factor, rel=1e-11)

    assert main(typed) == 0
    printed = " ".join(capsys.readouterr().out.split())
    steps = "1 step" if lag == 1 else f"{lag} steps"
    mean = f", on average by {factor:.4g} per step" if lag > 1 else ""
    name = found["state"][0] if len(found["state"]) == 1 else "s"
    way = f"{steps} from {name}_{lag} to {name}_0"
    subject = "The gradient of the last loss" if len(posed.losses) > 1 else "The gradient"
    sentence = f"{subject} {verb}: over {way} it is multiplied by {left:.4g}{mean}"
    assert (sentence if told else f"{subject} {verb} after {way}") in printed

    posed.loss.backward()
    drawn = {detail: draw(posed.unrolled, loss=posed.loss, detail=detail) for detail in ("states", "gates", "values")}
    for drawing in drawn.values():
        headline = drawing.text.partition("\n")[0]
        assert headline == drawing.picture.title
        assert f"{steps} back" in headline
        assert headline.startswith(f"The gradient {verb}")
        assert f" {verb}" in drawing.picture.description
        assert steps in drawing.picture.description
        if told:
            assert numbers_of(headline) == pytest.approx([left, factor][: 1 + (lag > 1)], rel=6e-3)

    debugger = Debugger(posed.loss, posed.unrolled)
    debugger.finish()
    verdict = debugger.verdict(0)
    assert verdict is not None
    assert (verdict.word, verdict.lag) == (verb, lag)
    assert verdict.kept == pytest.approx(left, rel=1e-11)


@pytest.mark.parametrize("options", CASES)
def test_so_does_the_page(node: Node, options: str) -> None:
    posed = read_problem(make_parser().parse_args([*options.split(), "--no-picture"]))
    expected = Oracle(posed).kept()
    lag, kind = len(expected) - 1, Number() if isinstance(posed.cell, ScalarRNNCell) else None
    x = [[number.data for number in entries(posed.unrolled.x[t])] for t in posed.unrolled.x]
    target = Symbols(len(posed.alphabet)) if posed.alphabet else kind or Vector(1)
    step = Recurrence(posed.cell, kind or Vector(len(x[0])), posed.criterion, target, posed.readout)
    on_page = Posed.of(step)
    on_page.given |= {"x": x, "target": [[float(number) for number in np.ravel(each)] for each in posed.targets]}
    on_page.settings = {"at": "every" if len(posed.losses) > 1 else "last"}
    code = f"const left = kept(computation); return [left, verdictWord(left[{lag}]), meanFactor(left[{lag}], {lag})];"
    found, verb, factor = on_page.run(node, code)
    assert found == pytest.approx(expected, rel=1e-11)
    assert verb == word(expected[-1])
    assert factor == pytest.approx(expected[-1] ** (1.0 / lag), rel=1e-11)


@pytest.mark.parametrize("w", [0.0, 0.5, 0.9, 1.0, 1.2, 3.0, 1e200])
def test_so_do_the_plots_of_decay(w: float) -> None:
    inputs = [0.1, -0.2, 0.3, 0.1]
    (curve,) = decay(scalar_cells(nonlinearity="identity"), [w], inputs)
    left = w**4 if w < 1e70 else math.inf
    assert curve.verdict == Verdict(pytest.approx(left, rel=1e-13), 4)
    labels = [text.get_text() for text in decay_figure([curve]).axes[0].texts]
    (label,) = [text for text in labels if "‖W‖" in text]
    assert f": {word(left)}" in label
    (same,) = compare_decay({"cell": scalar_cells(nonlinearity="identity")(w)}, inputs, loss=mean_direction)
    assert same.verdict == curve.verdict
    assert f": {word(left)}" in comparison_figure([same]).axes[0].get_lines()[0].get_label()
