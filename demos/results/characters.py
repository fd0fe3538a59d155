"""A character model of *Alice's Adventures in Wonderland*, against counting (as in Elman 1990 and Graves 2013)."""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import mul
from statistics import fmean, quantiles
from typing import Any

from common import BLUE, GREY, ORANGE, Learner, Network, Row, Source, figure, main, plain, timed

from tinygrad_rnn.compile import Symbols
from tinygrad_rnn.data import alice
from tinygrad_rnn.nn import Linear, LSTMCell, cross_entropy
from tinygrad_rnn.optim import Adam, CosineAnnealingLR
from tinygrad_rnn.support.sums import add_up, norm_of
from tinygrad_rnn.sweep import Record
from tinygrad_rnn.tasks.text import encode

HIDDEN, RATE, MAX_NORM, NOISE = 128, 0.007, 1.0, 0.075
STREAMS, WINDOW, UPDATES, EVERY = 24, 50, 2200, 275
LAGS, PLACES, GATED = 60, 12, 2000
ORDERS = (0, 1, 2, 3, 4, 5, 6, 7)
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
    f"{UPDATES:,} updates, each by the gradient at weights with fresh noise of standard deviation {NOISE}, as in the "
    f"paper, clipped to norm {MAX_NORM:g}; windows of {WINDOW} characters of {STREAMS} streams, the state carried",
    differences="another, much smaller text and network: Graves has 1,000 cells, 5 million characters and 1.32 bits "
    "(1.24 at best, with regularization and dynamic evaluation) beside 1.37 of the best other model; the n-grams are "
    "ours: interpolated Kneser-Ney (Chen & Goodman 1999), discounts estimated from the counts, same split; settings "
    "were chosen with PyTorch's LSTM, other seeds, on the last tenth of the training text; the best n-gram is that on "
    "the tested text, in favour of counting",
    criterion="bits per character of the held-out tenth, every character predicted from all before it",
)
SETTINGS: list[tuple[()]] = [()]
SEEDS = range(1)


def start(seed: int, engine: str, hidden: int = HIDDEN) -> tuple[Learner, Adam]:
    """A fresh network on an engine, and its optimizer."""
    rng = random.Random(f"weights {seed}")
    network = Network(LSTMCell(SYMBOLS, hidden, forget_bias=1.0, seed=rng), Linear(hidden, SYMBOLS, seed=rng))
    pupil = Learner(network, Symbols(SYMBOLS), cross_entropy, Symbols(SYMBOLS), engine)
    return pupil, Adam(network.parameters(), lr=RATE)


def windows(streams: int, length: int) -> Iterator[list[list[int]]]:
    """Pieces of the training text, one more character than is read, of streams that begin evenly spaced."""
    text = encode(TEXT[:CUT], ALPHABET)
    at = [b * len(text) // streams for b in range(streams)]
    while True:
        yield [[text[(place + t) % len(text)] for t in range(length + 1)] for place in at]
        at = [place + length for place in at]


def learn(pupil: Learner, optimizer: Adam, updates: int, streams: int, length: int, seed: int) -> Iterator[float]:
    """Train, giving the loss of every update.

    The gradient is that of weights with fresh noise, and moves the weights without it (Graves 2013, section 3.1).
    """
    schedule, rng = CosineAnnealingLR(optimizer, updates), random.Random(f"noise {seed}")
    state = None
    for pieces in islice(windows(streams, length), updates):
        inputs, targets = [piece[:-1] for piece in pieces], [piece[1:] for piece in pieces]
        noise = [rng.gauss(0.0, NOISE) for _ in optimizer.parameters]
        for parameter, number in zip(optimizer.parameters, noise):
            parameter.data += number
        loss, _, state = pupil.step(optimizer, inputs, targets, max_norm=MAX_NORM, state=state)
        for parameter, number in zip(optimizer.parameters, noise):
            parameter.data -= number
        schedule.step()
        yield loss


def states(pupil: Learner, text: Sequence[int]) -> Iterator[list[float]]:
    """y_t, h_t and c_t in a row after every character of a text."""
    pupil.program.read_parameters()
    state: Any = None
    for symbol in text:
        state = pupil.program.forward([[symbol]], [[0]], state, [False]).state
        yield state.tolist()[0]


def network_shares(pupil: Learner) -> list[float]:
    """The probability of every held-out character, read as one stream; the character before them is only read."""
    text = encode(TEXT[CUT - 1 :], ALPHABET)
    shares = []
    for row, following in zip(states(pupil, text[:-1]), text[1:]):
        weights = [math.exp(logit) for logit in row[:SYMBOLS]]
        shares.append(weights[following] / add_up(weights))
    return shares


def forget_gates(pupil: Learner) -> list[float]:
    """f_t on held-out text: the mean over cells and letters, over cells and spaces, and the cells' least and greatest
    mean."""
    text = encode(TEXT[CUT : CUT + GATED + 1], ALPHABET)
    cell: Any = pupil.network.cell
    weights = [[weight.data for weight in row] for row in cell.W_f]
    gates: list[list[float]] = []
    for row, symbol in zip(states(pupil, text[:-1]), text[1:]):
        h = row[SYMBOLS : SYMBOLS + len(weights)]
        z_f = [add_up(map(mul, W, h)) + U[symbol].data + b.data for W, U, b in zip(weights, cell.U_f, cell.b_f)]
        gates.append([1.0 / (1.0 + math.exp(-z)) for z in z_f])
    read = [ALPHABET[symbol] for symbol in text[1:]]
    letters = fmean(fmean(f) for f, character in zip(gates, read) if character.isalpha())
    spaces = fmean(fmean(f) for f, character in zip(gates, read) if character == " ")
    cells = [fmean(column) for column in zip(*gates)]
    return [round(number, 3) for number in (letters, spaces, min(cells), max(cells))]


def kneser_ney(order: int) -> list[float]:
    """The probability of every held-out character by interpolated Kneser-Ney smoothing of ``order`` characters before.

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
    shares = []
    for i in range(CUT, len(TEXT)):
        share = 1.0 / SYMBOLS
        for length, counts, discount, total, kinds in reversed(levels):
            before = TEXT[i - length : i]
            if total[before]:
                kept = max(counts[before + TEXT[i]] - discount, 0.0)
                share = (kept + discount * kinds[before] * share) / total[before]
        shares.append(share)
    return shares


def needed(shares: Sequence[float]) -> float:
    """Bits per character of these probabilities."""
    return -fmean(map(math.log2, shares))


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
        gradients: Any = run.state_gradients.tolist()
        norms = [norm_of(row[SYMBOLS:]) for row in gradients]
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
    before, gates = gradients_by_lag(pupil), [forget_gates(pupil)]
    course = []
    for update, _ in enumerate(learn(pupil, optimizer, UPDATES, STREAMS, WINDOW, seed), start=1):
        if update % EVERY == 0:
            course.append([update * STREAMS * WINDOW, round(needed(network_shares(pupil)), 4)])
    ours, theirs = network_shares(pupil), {order: kneser_ney(order) for order in ORDERS}
    best = min(ORDERS, key=lambda order: needed(theirs[order]))
    return {
        "course": course,
        "before": before,
        "after": gradients_by_lag(pupil),
        "gates": [*gates, forget_gates(pupil)],
        "sample": sample(pupil, "alice ", seed),
        "weights": len(pupil.network.parameters()),
        "counted": [round(needed(theirs[order]), 4) for order in ORDERS],
        "mixed": round(needed([(a + b) / 2.0 for a, b in zip(ours, theirs[best])]), 4),
    }


def data(records: Sequence[Record]) -> dict[str, Any]:
    """What the run gave."""
    (record,) = records
    assert record.result is not None
    return {key: value for key, value in record.result.items() if key != "cpu"}


def rows(data: dict[str, Any]) -> list[Row]:
    """The lines of the table."""
    counted, network = data["counted"], data["course"][-1][1]
    best = counted.index(min(counted))
    return [
        Row(
            f"LSTM, {data['weights']:,} weights, {data['course'][-1][0] / CUT:.0f} times through the text",
            f"{network:.3f} bits per character;"
            f" best n-gram ({best} characters before): {counted[best]:.3f}; both, the mean of their probabilities: "
            f"{data['mixed']:.3f}",
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
        Row(
            "mean forget gate at a letter and at a space, before and after training",
            "; ".join(f"{letter:.2f} and {space:.2f}" for letter, space, _, _ in data["gates"]),
            "–",
        ),
    ]


def text(data: dict[str, Any]) -> str:
    """What the numbers say, and a sample, for the page."""
    letter, space, _, open_ = data["gates"][1]
    beaten = max(order for order, number in enumerate(data["counted"]) if data["course"][-1][1] < number)
    return (
        f"The network beats counting with up to {beaten} characters before, but not with more. In {CUT:,} characters, "
        "more of them are mostly a piece of a word that was there already: counting looks it up, the network has "
        "to find it by descent without learning the text by heart. But it knows what counting does not: the mean of "
        f"both probabilities needs {min(data['counted']) - data['mixed']:.2f} bits less than the best n-gram.\n\n"
        f"Training makes the gradient {data['after'][0][1] / data['before'][0][1]:.0f} times larger at lag 1, but only "
        f"{data['after'][-1][1] / data['before'][-1][1]:.0f} times at lag {LAGS}, for the forget gates close: from "
        f"{data['gates'][0][0]:.2f} on average to {letter:.2f} at a letter, and further, to {space:.2f}, where a word "
        f"ends. What still reaches far back goes through the cells that stay open, up to {open_:.2f} on average.\n\n"
        f"What it writes, at temperature {TEMPERATURE}:\n\n> {data['sample']}"
    )


def level(axes: Any, number: float, name: str, colour: str) -> None:
    """A line across, with its name at the right."""
    axes.axhline(number, color=colour, linestyle="--", linewidth=0.9, zorder=0)
    axes.annotate(
        name, (1.0, number), xycoords=("axes fraction", "data"), color=colour, fontsize=8, ha="right", va="bottom"
    )


def picture(data: dict[str, Any]) -> Any:
    """Bits per character during training, and the gradient by lag before and after."""
    drawing = figure(11.0, 4.4)
    left, right = drawing.subplots(1, 2)
    seen, course = zip(*data["course"])
    left.plot(
        [number / CUT for number in seen], course, color=BLUE, linewidth=2.2, marker="o", markersize=4, label="LSTM"
    )
    best = data["counted"].index(min(data["counted"]))
    for order in (*range(1, 5), best):
        level(left, data["counted"][order], f"{order} before ", GREY)
    level(left, data["mixed"], f"LSTM and {best} before, mixed ", BLUE)
    left.set(
        xlabel="times through the training text",
        ylabel="bits per character, held out",
        xlim=(0.0, 1.15 * seen[-1] / CUT),
    )
    left.set_title("Learning, beside counting (Kneser-Ney)", loc="left", fontsize=11)
    left.legend(frameon=False, loc=(0.4, 0.8))
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
    """Two updates of a small network, and its weights."""
    pupil, optimizer = start(0, engine, 16)
    losses = list(learn(pupil, optimizer, 2, 9, 8, 0))
    return [*losses, *(parameter.data for parameter in pupil.network.parameters())]


if __name__ == "__main__":
    main(sys.modules[__name__])
