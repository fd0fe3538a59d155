"""The temporal order problem with and without gradient clipping (Pascanu, Mikolov & Bengio 2013, section 4.1.1)."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from functools import cache
from statistics import mean
from typing import Any

from common import BLUE, GREY, ORANGE, RED, Learner, Network, Row, Source, figure, main, plain, timed

from tinygrad_rnn.compile import Symbols
from tinygrad_rnn.nn import Linear, RNNCell, cross_entropy, init
from tinygrad_rnn.optim import SGD
from tinygrad_rnn.support.sums import add_up
from tinygrad_rnn.sweep import Record
from tinygrad_rnn.tasks import TemporalOrder

HIDDEN, BATCH, INPUT_STD, OUTPUT_STD = 50, 20, 0.003, 1.0
UPDATES, EVERY, LOOKED_AT, TESTED = 6000, 250, 250, 10_000
PATIENCE, HOPELESS = 1000, 1.35
KINDS = {"clipped": (0.01, 1.0), "plain": (0.01, None), "plain, smaller": (0.0003, None)}  # rate, largest norm
LENGTHS = (50, 100, 150, 200)

SOURCE = Source(
    title="Temporal order, with and without gradient clipping",
    paper="Pascanu, Mikolov & Bengio, On the difficulty of training recurrent neural networks, ICML",
    year=2013,
    section="4.1.1, figure 7",
    setting=f"{HIDDEN} tanh units; gradient descent without momentum, {BATCH} new sequences per update; clipped "
    "to norm 1 at rate 0.01 (all as in the paper), plain at this rate, and plain at rate 0.0003; W orthogonal, U from "
    f"N(0, {INPUT_STD:g}²), V from N(0, 1) and b = c = 0 at first; at most {UPDATES:,} updates, and no more after "
    f"{PATIENCE:,} or later if the mean loss of {EVERY} is above {HOPELESS} (ln 4 = 1.386: nothing is known)",
    differences=f"the paper has up to 5,000,000 updates, {5_000_000 // UPDATES:,} times ours, and three other "
    "initializations; ours lets no gradient vanish at first: an orthogonal W keeps lengths, and inputs so small that "
    "hundreds of them leave tanh linear keep tanh' near 1; the paper's regularizer is not repeated here; its published "
    "code has the second symbol a tenth of T later; settings were chosen on seeds 100 and 101, the smaller rate on "
    "seed 100 at T = 100, where plain descent succeeded at 0.0003, but not at 0.001, 0.003 and 0.01",
    criterion=f"at most 1 % of {TESTED:,} new sequences wrong, looked at when at most 1 % of {LOOKED_AT} others are, "
    f"every {EVERY} updates",
)
SETTINGS = [(T, kind) for T in LENGTHS for kind in KINDS]
SEEDS = range(5)


def make_network(seed: int, hidden: int = HIDDEN) -> Network:
    """The network at first."""
    rng = random.Random(f"weights {seed}")
    cell, readout = RNNCell(6, hidden, seed=rng), Linear(hidden, 4, seed=rng)
    init.orthogonal_(cell.W, seed=rng)
    init.normal_(cell.U, std=INPUT_STD, seed=rng)
    init.normal_(readout.V, std=OUTPUT_STD, seed=rng)
    for bias in (cell.b, readout.c):
        init.constant_(bias or [], 0.0)
    return Network(cell, readout)


@cache
def learner(engine: str, hidden: int) -> Learner:
    """The network on an engine."""
    return Learner(make_network(0, hidden), Symbols(6), cross_entropy, Symbols(4), engine)


def start(seed: int, engine: str, kind: str, hidden: int = HIDDEN) -> tuple[Learner, SGD]:
    """A fresh network and its optimizer."""
    pupil = learner(engine, hidden)
    pupil.restart(make_network(seed, hidden))
    return pupil, SGD(pupil.network.parameters(), lr=KINDS[kind][0])


def study(
    pupil: Learner, optimizer: SGD, task: TemporalOrder, batch: int, kind: str, rng: random.Random
) -> tuple[float, float]:
    """Learn from a batch, and give its loss and the norm of the gradient."""
    examples = [task.example(rng) for _ in range(batch)]
    targets = [[example.targets[-1]] * task.T for example in examples]
    asked = [False] * (task.T - 1) + [True]
    inputs = [example.inputs for example in examples]
    loss, norm, _ = pupil.step(optimizer, inputs, targets, asked, KINDS[kind][1])
    return loss, norm


def wrong(pupil: Learner, task: TemporalOrder, count: int, seed: int) -> float:
    """The share of new sequences that are wrong."""
    examples = task.validation(count, seed)
    outputs = pupil.last_outputs([example.inputs for example in examples])
    return add_up(task.error(example, [output]) for example, output in zip(examples, outputs)) / count


@timed
def experiment(T: int, kind: str, seed: int) -> dict[str, Any]:
    """How many updates it takes; None if it is not learned."""
    task, rng = TemporalOrder(T), random.Random(f"sequences {seed}")
    pupil, optimizer = start(seed, "compiled fast", kind)
    loss, largest, solved, updates = 0.0, 0.0, None, 0
    while solved is None and updates < UPDATES and (updates < PATIENCE or loss <= HOPELESS):
        losses, norms = zip(*(study(pupil, optimizer, task, BATCH, kind, rng) for _ in range(EVERY)))
        loss, largest, updates = mean(losses), max(largest, *norms), updates + EVERY
        if wrong(pupil, task, LOOKED_AT, seed) <= 0.01 and wrong(pupil, task, TESTED, 1_000_000 + seed) <= 0.01:
            solved = updates
    return {"solved": solved, "updates": updates, "loss": loss, "largest": largest}


def data(records: Sequence[Record]) -> dict[str, Any]:
    """What came of every run, by kind."""
    runs: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for record in records:
        assert record.result is not None
        T, kind = record.setting
        counts = {key: record.result[key] for key in ("solved", "updates")}
        numbers = {key: float(f"{record.result[key]:.3g}") for key in ("loss", "largest")}
        runs[kind].append({"T": T, **counts, **numbers})
    return runs


def solved(data: dict[str, Any], kind: str, T: int) -> tuple[int, int]:
    """How many runs succeeded, of how many."""
    runs = [run for run in data[kind] if run["T"] == T]
    return sum(run["solved"] is not None for run in runs), len(runs)


def rows(data: dict[str, Any]) -> list[Row]:
    """The lines of the table."""
    found = {kind: ", ".join(str(solved(data, kind, T)[0]) for T in LENGTHS) for kind in KINDS}
    losses = {}
    for kind in KINDS:
        ends = [run["loss"] for run in data[kind] if run["T"] == LENGTHS[-1]]
        losses[kind] = f"{min(ends):.2f} to {max(ends):.2f}"
    largest = [run["largest"] for run in data["clipped"] if run["solved"]]
    updates = [run["solved"] for run in data["clipped"] if run["solved"]]
    return [
        Row(
            f"successes of {len(SEEDS)} at T = {', '.join(map(str, LENGTHS))}",
            f"{found['clipped']} with clipping, {found['plain']} without, both at rate 0.01; "
            f"{found['plain, smaller']} without at rate 0.0003",
            "clipping matters the more, the longer the sequence (curves)",
        ),
        Row(
            "largest gradient of a successful clipped run, before clipping",
            f"{min(largest):.3g} to {max(largest):.3g}",
            "tasks that need long memory make gradients explode",
        ),
        Row(
            f"mean loss at the end at T = {LENGTHS[-1]} (knowing nothing: 1.386)",
            f"{losses['clipped']} with clipping, {losses['plain']} without, {losses['plain, smaller']} without at rate "
            "0.0003",
            "–",
        ),
        Row("updates of a successful clipped run", f"{min(updates):,} to {max(updates):,}", "up to 5,000,000"),
    ]


def picture(data: dict[str, Any]) -> Any:
    """Success against T, and the largest gradient of every run."""
    drawing = figure(9.6, 4.0)
    left, right = drawing.subplots(1, 2, width_ratios=[1.2, 1.1])
    looks = {"clipped": (BLUE, "-", -5.0), "plain": (RED, "-", 0.0), "plain, smaller": (ORANGE, "--", 5.0)}
    for kind, (colour, line, shift) in looks.items():
        rate, max_norm = KINDS[kind]
        label = f"{'plain' if max_norm is None else f'clipped to norm {max_norm:g}'}, rate {rate:g}"
        shares = [solved(data, kind, T)[0] / solved(data, kind, T)[1] for T in LENGTHS]
        left.plot(LENGTHS, shares, line, color=colour, linewidth=2.2, marker="o", label=label)
        right.scatter(
            [run["T"] + shift for run in data[kind]],
            [run["largest"] for run in data[kind]],
            s=30,
            c=[colour if run["solved"] else "none" for run in data[kind]],
            edgecolors=colour,
            linewidths=1.3,
        )
    left.set(xlabel="length T of the sequence", ylabel="runs that learn the order", ylim=(-0.04, 1.04))
    left.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.0f} %")
    left.set_title("Gradient descent on the temporal order problem", loc="left", fontsize=11)
    left.legend(frameon=False)
    right.axhline(1.0, color=GREY, linewidth=1.0, linestyle="--")
    right.set(yscale="log", xlabel="length T of the sequence", ylabel="largest gradient of a run, before clipping")
    right.set_title("Filled: the run succeeded", loc="left", fontsize=11)
    for axes in (left, right):
        axes.set_xticks(LENGTHS)
        plain(axes)
    return drawing


def slice_of(engine: str) -> list[float]:
    """Some updates of a small network on short sequences."""
    numbers = []
    for kind in ("clipped", "plain"):
        pupil, optimizer = start(0, engine, kind, 8)
        rng = random.Random(0)
        numbers += [n for _ in range(3) for n in study(pupil, optimizer, TemporalOrder(20), 9, kind, rng)]
        numbers += [parameter.data for parameter in pupil.network.parameters()]
    return numbers


if __name__ == "__main__":
    main(sys.modules[__name__])
