"""A character model of *Alice's Adventures in Wonderland*, against counting (as in Elman 1990 and Graves 2013)."""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from statistics import quantiles
from typing import Any

from common import BLUE, GREY, ORANGE, Learner, Network, Row, Source, figure, main, plain, timed

from tinygrad_rnn.compile import Symbols
from tinygrad_rnn.data import alice
from tinygrad_rnn.nn import Linear, LSTMCell, cross_entropy
from tinygrad_rnn.optim import Adam, CosineAnnealingLR
from tinygrad_rnn.sweep import Record
from tinygrad_rnn.tasks.text import encode

HIDDEN, RATE, MAX_NORM = 32, 0.01, 1.0
STREAMS, WINDOW, UPDATES, EVERY = 32, 40, 2500, 250
LAGS, PLACES = 60, 12
ORDERS = (0, 1, 2, 3, 4, 5)
SAMPLE, TEMPERATURE = 300, 0.7
TEXT = " ".join(alice().split()).lower()
ALPHABET = "".join(sorted(set(TEXT)))
SYMBOLS = len(ALPHABET)
CUT = len(TEXT) - len(TEXT) // 10

SOURCE = Source(
    title="Characters of Alice in Wonderland: LSTM against n-grams",
    paper="Graves, Generating sequences with recurrent neural networks, arXiv:1308.0850",
    year=2013,
    section="3.1 (there on Penn Treebank)",
    setting=f"lower case, {SYMBOLS} characters; the first nine tenths train, the last tenth tests, as one stream; LSTM "
    f"with {HIDDEN} cells, forget gates at bias 1 at first; Adam, rate {RATE} falling as a half cosine over "
    f"{UPDATES:,} updates, gradient clipped to norm {MAX_NORM:g}, windows of {WINDOW} characters of {STREAMS} streams, "
    "the state carried",
    differences="another, much smaller text and network: Graves has 1,000 cells, 5 million characters and 1.32 bits "
    "(1.24 at best, with regularization and dynamic evaluation) beside 1.37 of the best other model; the n-grams are "
    "ours: interpolated Kneser-Ney (Chen & Goodman 1999), discounts estimated from the counts, same split",
    criterion="bits per character of the held-out tenth, every character predicted from all before it",
)
SETTINGS: list[tuple[()]] = [()]
SEEDS = range(1)


def make_network(seed: int) -> Network:
    """The network at first."""
    rng = random.Random(f"weights {seed}")
    return Network(LSTMCell(SYMBOLS, HIDDEN, forget_bias=1.0, seed=rng), Linear(HIDDEN, SYMBOLS, seed=rng))


@cache
def learner(engine: str) -> Learner:
    """The network on an engine."""
    return Learner(make_network(0), Symbols(SYMBOLS), cross_entropy, Symbols(SYMBOLS), engine)


def start(seed: int, engine: str) -> tuple[Learner, Adam]:
    """A fresh network and its optimizer."""
    pupil = learner(engine)
    pupil.restart(make_network(seed))
    return pupil, Adam(pupil.network.parameters(), lr=RATE)


def windows(streams: int, length: int) -> Iterator[list[list[int]]]:
    """Pieces of the training text, one more character than is read, of streams that begin evenly spaced."""
    text = encode(TEXT[:CUT], ALPHABET)
    at = [b * len(text) // streams for b in range(streams)]
    while True:
        yield [[text[(place + t) % len(text)] for t in range(length + 1)] for place in at]
        at = [place + length for place in at]


def learn(pupil: Learner, optimizer: Adam, updates: int, streams: int, length: int) -> Iterator[float]:
    """Train, giving the loss of every update."""
    schedule = CosineAnnealingLR(optimizer, updates)
    state = None
    for pieces in islice(windows(streams, length), updates):
        inputs, targets = [piece[:-1] for piece in pieces], [piece[1:] for piece in pieces]
        loss, _, state = pupil.step(optimizer, inputs, targets, max_norm=MAX_NORM, state=state)
        schedule.step()
        yield loss


def bits(pupil: Learner) -> float:
    """Bits per character of the held-out text, read as one stream; the first character is only read."""
    pupil.program.read_parameters()
    text = encode(TEXT[CUT - 1 :], ALPHABET)
    run = pupil.program.forward([text[:-1]], [text[1:]], asked=[True] * (len(text) - 1))
    return run.loss / (len(text) - 1) / math.log(2.0)


def kneser_ney(order: int) -> float:
    """Bits per character of the held-out text by interpolated Kneser-Ney smoothing of ``order`` characters before.

    P(c | u) = (max(N(uc) - D, 0) + D T(u) P(c | u without its first)) / N(u), with N the counts for the longest u and
    the numbers of different characters before for shorter ones, T(u) the number of different characters after u, and
    D = n_1 / (n_1 + 2 n_2) (Chen & Goodman 1999, section 2.7). Below order 0 lies the uniform distribution.
    """
    counts = Counter(TEXT[i : i + order + 1] for i in range(CUT - order))
    levels = []
    for length in range(order, -1, -1):
        if length < order:
            counts = Counter(gram[1:] for gram in counts)
        sizes = Counter(counts.values())
        discount = sizes[1] / (sizes[1] + 2 * sizes[2])
        total, kinds = Counter[str](), Counter[str]()
        for gram, count in counts.items():
            total[gram[:-1]] += count
            kinds[gram[:-1]] += 1
        levels.append((length, counts, discount, total, kinds))
    needed = 0.0
    for i in range(CUT, len(TEXT)):
        share = 1.0 / SYMBOLS
        for length, counts, discount, total, kinds in reversed(levels):
            before = TEXT[i - length : i]
            if total[before]:
                kept = max(counts[before + TEXT[i]] - discount, 0.0)
                share = (kept + discount * kinds[before] * share) / total[before]
        needed -= math.log2(share)
    return needed / (len(TEXT) - CUT)


def gradients_by_lag(pupil: Learner) -> list[list[float]]:
    """‖∂L_T/∂(h, c) after step T - lag‖ for lags 1 to `LAGS`, at places of the held-out text: quartiles over these.

    The gradient of a state is that of the initial state of a run over the steps after it.
    """
    length = 2 * LAGS
    starts = [CUT + place * (len(TEXT) - CUT - length - 1) // PLACES for place in range(PLACES)]
    texts = [encode(TEXT[at : at + length + 1], ALPHABET) for at in starts]
    pupil.program.read_parameters()
    states: list[Any] = [None]
    for t in range(length):
        run = pupil.program.forward([[x[t]] for x in texts], [[0]] * PLACES, states[-1], [False])
        states.append(run.state)
    quartiles = []
    for lag in range(1, LAGS + 1):
        inputs = [x[length - lag : length] for x in texts]
        targets = [x[length - lag + 1 : length + 1] for x in texts]
        asked = [False] * (lag - 1) + [True]
        run = pupil.program.forward_backward(inputs, targets, states[length - lag], asked)
        norms = [math.hypot(*row[SYMBOLS:]) for row in run.state_gradients.tolist()]
        quartiles.append([float(f"{q:.3g}") for q in quantiles(norms, n=4)])
    return quartiles


def sample(pupil: Learner, prompt: str, seed: int) -> str:
    """What the network writes on from a prompt."""
    rng = random.Random(f"sample {seed}")
    written = list(encode(prompt, ALPHABET))

    def inputs() -> Iterator[list[int]]:
        for t in range(len(prompt) + SAMPLE - 1):
            yield [written[t]]

    for t, (logits,) in enumerate(pupil.outputs(inputs()), start=1):
        if t == len(written):
            highest = max(logits)
            weights = [math.exp((logit - highest) / TEMPERATURE) for logit in logits]
            written += rng.choices(range(SYMBOLS), weights)
    return "".join(ALPHABET[symbol] for symbol in written)


@timed
def experiment(seed: int) -> dict[str, Any]:
    """Train the network, with what is to be seen before and after."""
    pupil, optimizer = start(seed, "compiled fast")
    before, course = gradients_by_lag(pupil), [[0, round(bits(pupil), 4)]]
    for update, _ in enumerate(learn(pupil, optimizer, UPDATES, STREAMS, WINDOW), start=1):
        if update % EVERY == 0:
            course.append([update * STREAMS * WINDOW, round(bits(pupil), 4)])
    return {
        "course": course,
        "before": before,
        "after": gradients_by_lag(pupil),
        "sample": sample(pupil, "alice ", seed),
        "weights": len(pupil.network.parameters()),
        "counted": [round(kneser_ney(order), 4) for order in ORDERS],
    }


def data(records: Sequence[Record]) -> dict[str, Any]:
    """What the run gave."""
    (record,) = records
    assert record.result is not None
    return {key: value for key, value in record.result.items() if key != "cpu"}


def rows(data: dict[str, Any]) -> list[Row]:
    """The lines of the table."""
    counted = data["counted"]
    best = counted.index(min(counted))
    return [
        Row(
            f"LSTM, {data['weights']:,} weights, {data['course'][-1][0] / CUT:.0f} times through the text",
            f"{data['course'][-1][1]:.3f} bits per character;"
            f" best n-gram ({best} characters before): {counted[best]:.3f}",
            "1.32; 1.37 by the best other model (Penn Treebank, 1,000 cells)",
        ),
        Row(
            "n-grams of " + ", ".join(f"{order}" for order in ORDERS) + " characters before",
            ", ".join(f"{number:.3f}" for number in counted),
            "–",
        ),
        Row(
            f"gradient {LAGS} steps back, median, before and after training",
            ", ".join(f"{data[when][-1][1]:.1g}" for when in ("before", "after")),
            "–",
        ),
    ]


def text(data: dict[str, Any]) -> str:
    """A sample for the page."""
    return f"What it writes, at temperature {TEMPERATURE}:\n\n> {data['sample']}"


def picture(data: dict[str, Any]) -> Any:
    """Bits per character during training, and the gradient by lag before and after."""
    drawing = figure(11.0, 4.4)
    left, right = drawing.subplots(1, 2)
    seen, course = zip(*data["course"][1:])
    left.plot(
        [number / CUT for number in seen], course, color=BLUE, linewidth=2.2, marker="o", markersize=4, label="LSTM"
    )
    for order, number in zip(ORDERS, data["counted"]):
        if order:
            left.axhline(number, color=GREY, linestyle="--", linewidth=0.9, zorder=0)
            left.text(seen[-1] / CUT, number, f"{order} before ", color=GREY, fontsize=8, ha="right", va="bottom")
    left.set(xlabel="times through the training text", ylabel="bits per character, held out")
    left.set_title("Learning, beside counting (Kneser-Ney)", loc="left", fontsize=11)
    left.legend(frameon=False)
    lags = range(1, LAGS + 1)
    for name, colour in (("before", ORANGE), ("after", BLUE)):
        low, middle, high = zip(*data[name])
        right.fill_between(lags, low, high, color=colour, alpha=0.2, linewidth=0)
        right.plot(lags, middle, color=colour, linewidth=2.2, label=f"{name} training")
    right.set(yscale="log", xlabel="lag", ylabel="‖∂L$_T$/∂(h, c)$_{T − lag}$‖", xlim=(0, LAGS))
    right.set_title(f"How far the gradient reaches: quartiles over {PLACES} places", loc="left", fontsize=11)
    right.legend(frameon=False)
    for axes in (left, right):
        plain(axes)
    return drawing


def slice_of(engine: str) -> list[float]:
    """Two updates, and the weights."""
    pupil, optimizer = start(0, engine)
    losses = list(learn(pupil, optimizer, 2, 9, 8))
    return [*losses, *(parameter.data for parameter in pupil.network.parameters())]


if __name__ == "__main__":
    main(sys.modules[__name__])
