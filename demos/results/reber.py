"""The embedded Reber grammar, one string at a time (Hochreiter & Schmidhuber 1997, experiment 1)."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from itertools import zip_longest
from statistics import mean
from typing import Any

from common import BLUE, GREY, RED, Learner, Network, Row, Source, by_setting, figure, main, plain, share, timed

from tinygrad_rnn.compile import Symbols
from tinygrad_rnn.nn import Linear, LSTMCell, cross_entropy
from tinygrad_rnn.optim import Adam
from tinygrad_rnn.sweep import Record
from tinygrad_rnn.tasks import Example, Reber

HIDDEN, RATE, MAX_NORM = 8, 0.01, 1.0
STRINGS, MOST, EVERY, SAMPLE = 256, 25_000, 250, 64
TASK = Reber()

SOURCE = Source(
    title="Embedded Reber grammar",
    paper="Hochreiter & Schmidhuber, Long short-term memory, Neural Computation 9(8)",
    year=1997,
    section="5.1, experiment 1, table 1",
    setting=f"LSTM with {HIDDEN} cells and forget gates (575 weights), Adam, rate {RATE}, gradient clipped to norm "
    f"{MAX_NORM:g}, one string at a time from {STRINGS}, up to {MOST} of them; another training and test set for every "
    "seed",
    differences="the paper has 6 cells in 3 blocks without forget gates (276 weights), gradient descent with rate 0.5 "
    "and a truncated gradient, and 3 pairs of training and test sets; settings were chosen on seeds 1000 and 1001",
    criterion=f"at every step of all {STRINGS} training and all {STRINGS} test strings, which are no training strings, "
    f"the legal symbols are the ones rated highest; looked at every {EVERY} strings, at all {2 * STRINGS} once the "
    f"first {SAMPLE} test strings (those of the picture) are right",
)
SETTINGS: list[tuple[()]] = [()]
SEEDS = range(30)


def make_network(seed: int) -> Network:
    """The network at first: forget gates open, all else as PyTorch does."""
    rng = random.Random(f"weights {seed}")
    return Network(LSTMCell(7, HIDDEN, forget_bias=1.0, seed=rng), Linear(HIDDEN, 7, seed=rng))


def start(seed: int, engine: str) -> tuple[Learner, Adam]:
    """A network on an engine, and its optimizer."""
    network = make_network(seed)
    return Learner(network, Symbols(7), cross_entropy, Symbols(7), engine), Adam(network.parameters(), lr=RATE)


def study(pupil: Learner, optimizer: Adam, string: Example) -> float:
    """Learn from one string."""
    return pupil.step(optimizer, [string.inputs], [string.targets], max_norm=MAX_NORM)[0]


def wrong(pupil: Learner, strings: Sequence[Example]) -> int:
    """The number of strings with a step at which the legal symbols are not the ones rated highest."""
    columns = zip_longest(*(string.inputs for string in strings), fillvalue=0)
    outputs = zip(*pupil.outputs(columns))
    return sum(TASK.error(string, said[: len(string.inputs)]) > 0.0 for string, said in zip(strings, outputs))


@timed
def experiment(seed: int) -> dict[str, Any]:
    """How many strings it takes; None if the most were not enough."""
    rng = random.Random(f"strings {seed}")
    training = [TASK.example(rng) for _ in range(STRINGS)]
    known = {string.inputs for string in training}
    test: list[Example] = []
    while len(test) < STRINGS:
        string = TASK.example(rng)
        if string.inputs not in known:
            test.append(string)
    pupil, optimizer = start(seed, "compiled fast")
    course = []
    for read in range(1, MOST + 1):
        study(pupil, optimizer, rng.choice(training))
        if read % EVERY == 0:
            course.append(wrong(pupil, test[:SAMPLE]))
            if course[-1] == 0 and wrong(pupil, training + test) == 0:
                return {"solved": read, "course": course}
    return {"solved": None, "course": course}


def data(records: Sequence[Record]) -> dict[str, Any]:
    """What each seed needed, and the course of each."""
    (results,) = by_setting(records).values()
    return {"solved": [r["solved"] for r in results], "courses": [r["course"] for r in results]}


def rows(data: dict[str, Any]) -> list[Row]:
    """The lines of the table."""
    needed = [read for read in data["solved"] if read]
    return [
        Row("trials solved", share(len(needed), len(data["solved"])), "30 of 30 (97 to 100 %, by rate and size)"),
        Row(
            "strings until then, mean of the solved",
            f"{mean(needed):,.0f} ({min(needed):,} to {max(needed):,})" if needed else "–",
            "8,440 (3,800 to 24,100); Elman net 0 % after 200,000",
        ),
    ]


def picture(data: dict[str, Any]) -> Any:
    """Strings wrong against strings read, and how many are through."""
    drawing = figure(9.0, 4.2)
    left, right = drawing.subplots(1, 2, width_ratios=[1.5, 1.0])
    labels = {True: f"solved within {MOST:,} strings", False: "not solved"}
    for course, read in zip(data["courses"], data["solved"]):
        left.plot(
            [EVERY * i for i in range(1, len(course) + 1)], [count / SAMPLE for count in course],
            color=BLUE if read else RED, linewidth=0.9, alpha=0.5, label=labels.pop(read is not None, None),
        )  # fmt: skip
    for line in left.legend(frameon=False, fontsize=9, loc="upper right").get_lines():
        line.set(linewidth=2.0, alpha=1.0)
    left.axhline(0.5, color=GREY, linestyle="--", linewidth=1.0)
    left.text(
        MOST, 0.515, "half wrong: knows the grammar, guesses the last but one", color=GREY, fontsize=9, ha="right",
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.0},
    )  # fmt: skip
    left.set(xlabel="strings read", ylim=(-0.02, 1.02), xlim=(0, MOST))
    left.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.0f} %")
    left.set_title(f"Wrong ones of the first {SAMPLE} of {STRINGS} test strings, by seed", loc="left", fontsize=11)
    needed = sorted(read for read in data["solved"] if read)
    total = len(data["solved"])
    right.step(
        [0, *needed, MOST],
        [0, *[(i + 1) / total for i in range(len(needed))], len(needed) / total],
        where="post",
        color=BLUE,
        linewidth=2.2,
    )
    right.axvline(8440, color=RED, linestyle="--", linewidth=1.2)
    right.text(9000, 0.03, "mean in 1997", color=RED, fontsize=9)
    right.set(xlabel="strings read", ylim=(-0.02, 1.02), xlim=(0, MOST), xticks=range(0, MOST, 10_000))
    right.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.0f} %")
    right.set_title("Seeds without any mistake left", loc="left", fontsize=11)
    for axes in (left, right):
        plain(axes, counts=True)
    return drawing


def slice_of(engine: str) -> list[float]:
    """The losses of a few strings, and the weights after them."""
    pupil, optimizer = start(0, engine)
    rng = random.Random(0)
    losses = [study(pupil, optimizer, TASK.example(rng)) for _ in range(6)]
    return [*losses, *(parameter.data for parameter in pupil.network.parameters())]


if __name__ == "__main__":
    main(sys.modules[__name__])
