"""Latching a bit: how often gradient descent succeeds, by the length of the sequence (Bengio, Simard & Frasconi 1994).

One unit x_t = tanh(w x_(t-1) + h_t). In the first three steps h_t is a learned number, one for each class and step;
after that it is noise. The unit is to say at the end which class it was.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

from common import BLUE, GREY, Row, Source, by_setting, figure, interval, main, plain, share, timed

from tinygrad_rnn import Value
from tinygrad_rnn.compile import Number, Recurrence, Vector
from tinygrad_rnn.nn import Cell
from tinygrad_rnn.optim import SGD
from tinygrad_rnn.sweep import Record

LEARNED = 3  # steps that carry the class
NOISE = 0.2**0.5
W_0, TARGET = 1.25, 0.8
RATE, UPDATES, SEQUENCES, TESTED = 0.1, 3000, 64, 500

SOURCE = Source(
    title="Latching a bit, against the length of the sequence",
    paper="Bengio, Simard & Frasconi, Learning long-term dependencies with gradient descent is difficult, IEEE TNN",
    year=1994,
    section="III, minimal task",
    setting=f"one tanh unit, w = {W_0} at first, the {LEARNED} learned inputs of each class from U(-0.1, 0.1), noise "
    f"of variance 0.2, targets ±{TARGET}; {UPDATES} steps of gradient descent, rate {RATE}, on {SEQUENCES} fixed "
    "sequences",
    differences="rate, number of sequences and of steps, and the first numbers of the learned inputs are ours; the "
    "paper shows the frequency of convergence as a curve, without figures; settings were chosen on seeds 1000 to 1007",
    criterion=f"at most 5 % of {TESTED} new sequences end on the wrong side",
)
LENGTHS = (5, 8, 11, 14, 17, 20, 25, 30, 40, 60, 80)
SETTINGS = [(T,) for T in LENGTHS]
SEEDS = range(40)


class Latch(Cell):
    """The unit. x_t is the noise, then a mark for the class and step whose learned number comes in."""

    state_names = ("h",)
    input_size = 1 + 2 * LEARNED

    def __init__(self, seed: int) -> None:
        rng = random.Random(f"weights {seed}")
        self.w = Value(W_0, label="w")
        self.inputs = [Value(rng.uniform(-0.1, 0.1), label=f"inputs[{i}]") for i in range(2 * LEARNED)]

    def step(self, x: Any, *state: Any) -> dict[str, Value]:
        """x_t = tanh(w x_(t-1) + h_t)."""
        (before,) = state
        noise, *marks = x
        z = self.w * before + noise
        for learned, mark in zip(self.inputs, marks):
            z = z + learned * mark
        return {"h": z.tanh()}

    def initial_state(self) -> tuple[Value]:
        """0."""
        return (Value(0.0),)


def squared_error(y: Value, target: Value) -> Value:
    """½ (y − target)²."""
    return 0.5 * (y - target) ** 2


@cache
def program(mode: str) -> tuple[Latch, Recurrence]:
    """The unit, compiled."""
    unit = Latch(0)
    return unit, Recurrence(unit, Vector(unit.input_size), squared_error, Number(), loss_at="last", mode=mode)


def sequences(rng: random.Random, count: int, T: int) -> tuple[list[Any], list[list[float]]]:
    """Inputs and targets; the classes take turns."""
    inputs, targets = [], []
    for b in range(count):
        kind = b % 2
        marked = [[0.0, *(float(i == LEARNED * kind + t) for i in range(2 * LEARNED))] for t in range(LEARNED)]
        noise = [[rng.gauss(0.0, NOISE), *[0.0] * (2 * LEARNED)] for _ in range(T - LEARNED)]
        inputs.append(marked + noise)
        targets.append([TARGET * (2 * kind - 1)] * T)
    return inputs, targets


def learn(T: int, seed: int, updates: int, count: int, engine: str) -> tuple[Latch, Recurrence]:
    """The unit after gradient descent."""
    unit, compiled = program("fast" if engine == "compiled fast" else "exact")
    unit.load_state_dict(Latch(seed).state_dict())
    inputs, targets = sequences(random.Random(f"sequences {seed}"), count, T)
    given = buffers(inputs, targets)
    optimizer = SGD(unit.parameters(), lr=RATE)
    for _ in range(updates):
        if engine == "eager":
            sums = [0.0] * len(compiled.parameters)
            for x, target in zip(inputs, targets):
                unit.zero_grad()
                _, loss = compiled.eager(x, target)
                assert loss is not None
                loss.backward(1.0 / count)
                sums = [before + parameter.grad for before, parameter in zip(sums, compiled.parameters)]
        else:
            compiled.read_parameters()
            sums = list(compiled.forward_backward(*given, gradient=1.0 / count).gradients)
        for parameter, gradient in zip(compiled.parameters, sums):
            parameter.grad = gradient
        optimizer.step()
    return unit, compiled


def buffers(inputs: Any, targets: Any) -> tuple[Any, Any]:
    """The numbers as arrays, which the engine reads in place."""
    import numpy as np

    return np.array(inputs), np.array(targets)


@timed
def experiment(T: int, seed: int) -> dict[str, Any]:
    """Whether the bit is latched, and the weight."""
    unit, compiled = learn(T, seed, UPDATES, SEQUENCES, "compiled fast")
    compiled.read_parameters()
    inputs, targets = sequences(random.Random(f"test {seed}"), TESTED, T)
    run = compiled.forward(*buffers(inputs, targets))
    states: Any = run.state.tolist()
    wrong = sum(x * target[-1] <= 0.0 for (x,), target in zip(states, targets))
    return {"wrong": wrong / TESTED, "w": unit.w.data}


def data(records: Sequence[Record]) -> dict[str, Any]:
    """Successes by T."""
    return {
        str(T): {"solved": sum(run["wrong"] <= 0.05 for run in runs), "of": len(runs)}
        for (T,), runs in by_setting(records).items()
    }


def rows(data: dict[str, Any]) -> list[Row]:
    """The lines of the table."""
    solved = {T: share(entry["solved"], entry["of"]) for T, entry in data.items()}
    chosen = ("5", "20", "80")
    first = Row(
        f"runs that latch the bit at T = {', '.join(chosen)}",
        ", ".join(solved[T] for T in chosen),
        "falls with T towards none (curve)",
    )
    return [first, *(Row(f"T = {T}", count, "–") for T, count in solved.items() if T not in chosen)]


def picture(data: dict[str, Any]) -> Any:
    """The curve, with 95 % intervals."""
    drawing = figure(7.2, 4.2)
    axes = drawing.add_subplot()
    T = [int(length) for length in data]
    shares = [entry["solved"] / entry["of"] for entry in data.values()]
    low, high = zip(*(interval(entry["solved"], entry["of"]) for entry in data.values()))
    axes.fill_between(T, low, high, color=BLUE, alpha=0.15, linewidth=0, label="95 % interval (Wilson)")
    axes.plot(T, shares, color=BLUE, linewidth=2.2, marker="o", markersize=5, label=f"share of {len(SEEDS)} runs")
    axes.set(xlabel="length T of the sequence", ylabel="latched the bit", ylim=(-0.03, 1.03), xlim=(0, max(T) + 2))
    axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.0f} %")
    axes.set_title("One tanh unit learns to latch a bit, if it need not wait long", loc="left", fontsize=11)
    axes.text(3.4, 0.06, "the class comes in\nat steps 1 to 3", color=GREY, fontsize=9)
    axes.axvspan(0, LEARNED, color=GREY, alpha=0.15, linewidth=0)
    axes.legend(frameon=False)
    plain(axes)
    return drawing


def slice_of(engine: str) -> list[float]:
    """The weights after a few steps on a few sequences."""
    unit, _ = learn(12, 0, 5, 9, engine)
    return [parameter.data for parameter in unit.parameters()]


if __name__ == "__main__":
    main(sys.modules[__name__])
