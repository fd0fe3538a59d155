"""One symbol to be kept over many distractors (Hochreiter & Schmidhuber 1997, experiment 2, task 2c)."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Sequence
from statistics import mean
from typing import Any

from common import BLUE, GREY, RED, Learner, Network, Row, Source, by_setting, figure, main, plain, share, timed

from tinygrad_rnn.compile import Symbols
from tinygrad_rnn.nn import Linear, LSTMCell, RNNCell, cross_entropy, init
from tinygrad_rnn.optim import Adam
from tinygrad_rnn.sweep import Record

LAG, DISTRACTORS = 50, 50  # q and p of the paper
HIDDEN, RATE, MAX_NORM, BATCH = 4, 0.01, 1.0, 16
UPDATES, EVERY, TESTED = 1875, 25, 1024
SYMBOLS = DISTRACTORS + 4
E, B, X, Y = range(DISTRACTORS, SYMBOLS)  # the trigger, the beginning, and the two that are to be told apart

SOURCE = Source(
    title=f"A symbol kept over at least {LAG} steps of distractors",
    paper="Hochreiter & Schmidhuber, Long short-term memory, Neural Computation 9(8)",
    year=1997,
    section="5.2, experiment 2, task 2c, table 3",
    setting=f"b, then x or y, then at least {LAG} of {DISTRACTORS} distractors (on average 9 more), then a trigger e, "
    f"after which x or y is to be said; LSTM with {HIDDEN} cells, forget gates at bias 5 and input gates at -3 at "
    f"first, and tanh RNN with {HIDDEN} units; Adam, rate {RATE}, gradient clipped to norm {MAX_NORM:g}, at most "
    f"{UPDATES:,} updates of {BATCH} new sequences, which have one length within an update",
    differences="the paper has 2 cells without forget gates and biases, gradient descent, one sequence per update, and "
    "asks for 10,000 successive sequences; rate and biases are those of the adding problem",
    criterion=f"the probability of the wrong symbol below 0.2 on all of {TESTED} new sequences of 16 lengths, looked "
    f"at every {EVERY} updates once the training loss is below 0.1",
)
SETTINGS = [("lstm",), ("rnn",)]
SEEDS = range(5)


def make_network(kind: str, seed: int) -> Network:
    """The network at first."""
    rng = random.Random(f"weights {seed}")
    if kind == "rnn":
        return Network(RNNCell(SYMBOLS, HIDDEN, seed=rng), Linear(HIDDEN, 2, seed=rng))
    cell = LSTMCell(SYMBOLS, HIDDEN, forget_bias=5.0, seed=rng)
    assert cell.b_i is not None
    init.constant_(cell.b_i, -3.0)
    return Network(cell, Linear(HIDDEN, 2, seed=rng))


def start(kind: str, seed: int, engine: str) -> tuple[Learner, Adam]:
    """A network on an engine, and its optimizer."""
    network = make_network(kind, seed)
    return Learner(network, Symbols(SYMBOLS), cross_entropy, Symbols(2), engine), Adam(network.parameters(), lr=RATE)


def sequences(rng: random.Random, count: int, lag: int) -> tuple[list[list[int]], list[int]]:
    """Inputs of one length, and what is to be said: 0 for x and 1 for y."""
    distractors = lag
    while rng.random() < 0.9:
        distractors += 1
    answers = [rng.randrange(2) for _ in range(count)]
    middles = [[rng.randrange(DISTRACTORS) for _ in range(distractors)] for _ in range(count)]
    return [[B, (X, Y)[answer], *middle, E] for answer, middle in zip(answers, middles)], answers


def study(pupil: Learner, optimizer: Adam, rng: random.Random, batch: int, lag: int) -> float:
    """Learn from a batch, and give its loss."""
    inputs, answers = sequences(rng, batch, lag)
    T = len(inputs[0])
    asked = [False] * (T - 1) + [True]
    return pupil.step(optimizer, inputs, [[answer] * T for answer in answers], asked, MAX_NORM)[0]


def worst(pupil: Learner, rng: random.Random, count: int) -> float:
    """The largest probability of a wrong symbol on new sequences, of 16 lengths."""
    largest = 0.0
    for _ in range(16):
        inputs, answers = sequences(rng, count // 16, LAG)
        for (x, y), answer in zip(pupil.last_outputs(inputs), answers):
            largest = max(largest, 0.5 + 0.5 * math.tanh((x - y if answer else y - x) / 2.0))
    return largest


@timed
def experiment(kind: str, seed: int) -> dict[str, Any]:
    """How many sequences it takes; None if the most were not enough."""
    pupil, optimizer = start(kind, seed, "compiled fast")
    rng, test = random.Random(f"sequences {seed}"), random.Random(f"test {seed}")
    losses, course = [], []
    for update in range(1, UPDATES + 1):
        losses.append(study(pupil, optimizer, rng, BATCH, LAG))
        if update % EVERY == 0:
            course.append(float(f"{mean(losses[-EVERY:]):.3g}"))
            if course[-1] < 0.1 and worst(pupil, test, TESTED) < 0.2:
                return {"solved": update * BATCH, "course": course}
    return {"solved": None, "course": course}


def data(records: Sequence[Record]) -> dict[str, Any]:
    """What came of each network, by kind."""
    return {kind: runs for (kind,), runs in by_setting(records).items()}


def rows(data: dict[str, Any]) -> list[Row]:
    """The lines of the table."""
    lines = []
    for kind, what, theirs in (
        ("lstm", "LSTM", "always, after 30,000 sequences on average"),
        ("rnn", "RNN", "said to be unsolved by other recurrent nets"),
    ):
        solved = [run["solved"] for run in data[kind] if run["solved"]]
        after = (
            f", after {mean(solved):,.0f} sequences on average" if solved else f" within {UPDATES * BATCH:,} sequences"
        )
        lines.append(Row(what, share(len(solved), len(data[kind])) + after, theirs))
    return lines


def picture(data: dict[str, Any]) -> Any:
    """The training loss, a line per network."""
    drawing = figure(7.2, 3.8)
    axes = drawing.add_subplot()
    for kind, colour, label in (("lstm", BLUE, "LSTM"), ("rnn", RED, "tanh RNN")):
        for i, run in enumerate(data[kind]):
            seen = [EVERY * BATCH * j for j in range(1, len(run["course"]) + 1)]
            axes.plot(seen, run["course"], color=colour, alpha=0.75, linewidth=1.5, label=label if i == 0 else None)
            if run["solved"]:
                axes.plot(seen[-1:], run["course"][-1:], "o", color=colour, markersize=6)
    axes.axhline(math.log(2.0), color=GREY, linestyle="--", linewidth=1.0)
    axes.text(UPDATES * BATCH, math.log(2.0) * 0.72, "at a guess", color=GREY, fontsize=9, ha="right")
    axes.set(yscale="log", xlabel="sequences seen", ylabel="training loss")
    axes.set_title(f"x or y, at least {LAG} distractors ago (a dot: solved)", loc="left", fontsize=11)
    axes.legend(frameon=False)
    plain(axes, counts=True)
    return drawing


def slice_of(engine: str) -> list[float]:
    """Two updates of each network on shorter sequences."""
    numbers = []
    for kind in ("lstm", "rnn"):
        pupil, optimizer = start(kind, 0, engine)
        rng = random.Random(0)
        numbers += [study(pupil, optimizer, rng, 9, 5) for _ in range(2)]
        numbers += [parameter.data for parameter in pupil.network.parameters()]
    return numbers


if __name__ == "__main__":
    main(sys.modules[__name__])
