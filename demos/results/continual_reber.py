"""Streams of embedded Reber strings without a reset, with and without forget gates (Gers, Schmidhuber & Cummins 2000).

`LSTM1997` is a user's own cell: any `Cell` unrolls, trains, compiles and draws like those of the package.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from statistics import mean, median
from typing import Any

from common import BLUE, GREY, RED, Learner, Network, Row, Source, by_setting, figure, main, plain, share, timed

from tinygrad_rnn.compile import Symbols
from tinygrad_rnn.nn import Cell, Linear, LSTMCell, RNNCell, cross_entropy
from tinygrad_rnn.optim import Adam, CosineAnnealingLR
from tinygrad_rnn.sweep import Record
from tinygrad_rnn.tasks import Reber
from tinygrad_rnn.tasks.reber import SYMBOLS, encode

HIDDEN, RATE, MAX_NORM = 8, 0.01, 1.0
STREAMS, WINDOW, WINDOWS, UPDATES = 32, 50, 20, 1500
TESTED, LONGEST = 10, 20_000
TASK = Reber()

SOURCE = Source(
    title="Continual embedded Reber grammar, with and without forget gates",
    paper="Gers, Schmidhuber & Cummins, Learning to forget: continual prediction with LSTM, Neural Computation 12(10)",
    year=2000,
    section="4, table 2",
    setting=f"LSTM with {HIDDEN} cells, with or without forget gates (which start at bias 1); {STREAMS} streams side "
    f"by side, windows of {WINDOW} symbols with the state carried, new streams after {WINDOWS} windows; Adam, rate "
    f"{RATE} falling as a half cosine over {UPDATES} updates, gradient clipped to norm {MAX_NORM:g}",
    differences="the paper has 8 cells in 4 blocks, a truncated gradient, an update after every symbol, rate 0.5, and "
    "streams that end with the first mistake; 100 networks, and test streams of 100,000 symbols, so that its averages "
    f"may be larger; ours read {UPDATES * STREAMS * WINDOW / 1e6:.1f} million symbols; settings were chosen on seeds "
    "1000 to 1002",
    criterion=f"symbols until the first mistake on {TESTED} new streams of up to {LONGEST:,} symbols each, with legal "
    "symbols rated above all others; perfect: no mistake at all; good: over 1000 symbols on average, as in the "
    "paper; and the median of the streams beside, as an average of over 1000 may come from a few streams",
)
SETTINGS = [(True,), (False,)]
SEEDS = range(12)


class LSTM1997(Cell):
    """c_t = c_(t-1) + i g and h_t = o tanh(c_t), with i = σ(W_i h + U_i x + b_i) and so on: nothing is forgotten."""

    state_names = ("h", "c")

    def __init__(self, input_size: int, hidden_size: int, seed: random.Random) -> None:
        self.input_size = input_size
        self.i, self.g, self.o = (
            RNNCell(input_size, hidden_size, nonlinearity="identity", seed=seed) for _ in range(3)
        )

    def step(self, x: Any, *state: Any) -> dict[str, Any]:
        """c_t and h_t."""
        h, c = state
        i, g, o = (gate.step(x, h)["h"] for gate in (self.i, self.g, self.o))
        c = [c_k + i_k.sigmoid() * g_k.tanh() for c_k, i_k, g_k in zip(c, i, g)]
        return {"c": c, "h": [o_k.sigmoid() * c_k.tanh() for o_k, c_k in zip(o, c)]}

    def initial_state(self) -> tuple[Any, ...]:
        """Zeros."""
        return (*self.i.initial_state(), *self.i.initial_state())


def make_network(forgets: bool, seed: int) -> Network:
    """The network at first."""
    rng = random.Random(f"weights {seed}")
    cell = LSTMCell(7, HIDDEN, forget_bias=1.0, seed=rng) if forgets else LSTM1997(7, HIDDEN, rng)
    return Network(cell, Linear(HIDDEN, 7, seed=rng))


def learner(forgets: bool, seed: int, engine: str) -> Learner:
    """A network on an engine."""
    return Learner(make_network(forgets, seed), Symbols(7), cross_entropy, Symbols(7), engine)


def stream(rng: random.Random) -> Iterator[tuple[int, frozenset[int]]]:
    """Symbols without end, each with those that may follow."""
    while True:
        string = TASK.string(rng)
        yield from zip(encode(string), followers(string))


@cache
def followers(string: str) -> tuple[frozenset[int], ...]:
    """After each symbol of a string, those that may follow; after the last, the B of the next string."""
    inside = (TASK.legal(string[:t]) for t in range(1, len(string)))
    return tuple(frozenset(map(SYMBOLS.index, legal)) for legal in (*inside, {"B"}))


def learn(pupil: Learner, seed: int, updates: int, streams: int, window: int) -> list[float]:
    """Train, and give the losses."""
    rng = random.Random(f"streams {seed}")
    optimizer = Adam(pupil.network.parameters(), lr=RATE)
    schedule = CosineAnnealingLR(optimizer, updates)
    losses = []
    symbols, latest, state = [], [], None
    for update in range(updates):
        if update % WINDOWS == 0:
            state = None
            symbols = [(symbol for symbol, _ in stream(random.Random(rng.random()))) for _ in range(streams)]
            latest = [next(each) for each in symbols]
        pieces = [[first, *islice(each, window)] for first, each in zip(latest, symbols)]
        latest = [piece[-1] for piece in pieces]
        loss, _, state = pupil.step(
            optimizer, [p[:-1] for p in pieces], [p[1:] for p in pieces], max_norm=MAX_NORM, state=state
        )
        schedule.step()
        losses.append(loss)
    return losses


def until_mistakes(pupil: Learner, seed: int) -> list[int]:
    """The number of symbols predicted before the first mistake, on each test stream."""
    rng = random.Random(f"test {seed}")
    streams = [stream(random.Random(rng.random())) for _ in range(TESTED)]
    lengths: dict[int, int] = {}
    legal: list[frozenset[int]] = []

    def inputs() -> Iterator[list[int]]:
        for _ in range(LONGEST):
            now = [next(each) for each in streams]
            legal[:] = [allowed for _, allowed in now]
            yield [symbol for symbol, _ in now]

    for t, ratings in enumerate(pupil.outputs(inputs())):
        for b, (rating, allowed) in enumerate(zip(ratings, legal)):
            least = min(rating[symbol] for symbol in allowed)
            if b not in lengths and any(rating[s] >= least for s in range(7) if s not in allowed):
                lengths[b] = t
        if len(lengths) == TESTED:
            break
    return [lengths.get(b, LONGEST) for b in range(TESTED)]


@timed
def experiment(forgets: bool, seed: int) -> dict[str, Any]:
    """How far each test stream is predicted."""
    pupil = learner(forgets, seed, "compiled fast")
    losses = learn(pupil, seed, UPDATES, STREAMS, WINDOW)
    return {"lengths": until_mistakes(pupil, seed), "loss": mean(losses[-50:])}


def data(records: Sequence[Record]) -> dict[str, Any]:
    """The lengths of every network."""
    results = by_setting(records)
    return {
        name: [run["lengths"] for run in results[forgets,]] for name, forgets in (("with", True), ("without", False))
    }


def rows(data: dict[str, Any]) -> list[Row]:
    """The lines of the table."""
    far = [sum(mean(lengths) > 1000 for lengths in data[name]) for name in ("with", "without")]
    lines = [
        Row(
            "networks with over 1000 symbols on average before a mistake, with and without forget gates",
            " and ".join(share(count, len(data["with"])) for count in far),
            "68 with a falling rate, as here (47 without), and 1 of 100",
        )
    ]
    for name, theirs in (
        ("with", "62 perfect, 6 good, 32 others with a falling rate; 18, 29, 53 without; of 100"),
        ("without", "0 perfect, 1 good, 99 others (37 symbols on average), of 100"),
    ):
        perfect = sum(min(lengths) == LONGEST for lengths in data[name])
        good = sum(mean(lengths) > 1000 and min(lengths) < LONGEST for lengths in data[name])
        others = [mean(lengths) for lengths in data[name] if mean(lengths) <= 1000]
        ours = f"{perfect} perfect, {good} good (the others over 1000), {len(others)} others"
        ours += f" ({mean(others):.0f} symbols on average)" if others else ""
        lines.append(Row(f"{name} forget gates", f"{ours}, of {len(data[name])}", theirs))
    for name in ("with", "without"):
        medians = ", ".join(f"{median(lengths):,.0f}" for lengths in data[name])
        lines.append(
            Row(f"median of the {TESTED} streams, each network {name} forget gates", f"{medians}{odd(data[name])}", "–")
        )
    return lines


def odd(networks: list[list[int]]) -> str:
    """Of the networks that are good by the average but not by the median: how many streams they fail at once."""
    found = [
        f"seed {seed}: {share(sum(length <= 1 for length in lengths), TESTED)} streams fail at the first symbol, "
        f"{sum(length == LONGEST for length in lengths)} never"
        for seed, lengths in enumerate(networks)
        if mean(lengths) > 1000 >= median(lengths)
    ]
    return f" (good by the average alone: {'; '.join(found)})" if found else ""


def picture(data: dict[str, Any]) -> Any:
    """Every test stream of every network, on a logarithmic axis."""
    drawing = figure(8.4, 4.4)
    axes = drawing.add_subplot()
    for name, colour, side in (("with", BLUE, -0.17), ("without", RED, 0.17)):
        for network, lengths in enumerate(data[name]):
            places = [network + side + 0.022 * (i - (TESTED - 1) / 2) for i in range(TESTED)]
            axes.scatter(
                [max(1, length) for length in sorted(lengths)], places, s=22, color=colour, alpha=0.65, linewidth=0,
                label=f"{name} forget gates" if network == 0 else None,
            )  # fmt: skip
    axes.axvline(LONGEST, color=GREY, linewidth=1.0, linestyle="--")
    axes.set(
        xscale="log",
        xlabel="symbols until the first mistake (dashed: the whole test stream)",
        xlim=(0.8, 1.6 * LONGEST),
    )
    axes.set_yticks(range(len(data["with"])), [f"seed {seed}" for seed in range(len(data["with"]))])
    axes.invert_yaxis()
    axes.set_title(
        "How far a stream is predicted that is never reset: 10 test streams per network", loc="left", fontsize=11
    )
    plain(axes)
    drawing.legend(frameon=False, loc="outside lower right", ncols=2)
    return drawing


def slice_of(engine: str) -> list[float]:
    """Two updates of either network."""
    numbers = []
    for forgets in (True, False):
        pupil = learner(forgets, 0, engine)
        numbers += learn(pupil, 0, 2, 9, 12)
        numbers += [parameter.data for parameter in pupil.network.parameters()]
    return numbers


if __name__ == "__main__":
    main(sys.modules[__name__])
