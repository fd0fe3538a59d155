"""An RNN of rectified linear units that starts from the identity, on the adding problem (Le, Jaitly & Hinton 2015)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import adding
from adding import describe, learn
from common import BLUE, RED, Row, Source, main, timed

from tinygrad_rnn.sweep import Record
from tinygrad_rnn.tasks import Adding

T, HIDDEN, RATE, BATCH, UPDATES = 150, 16, 0.002, 16, 5000

SOURCE = Source(
    title=f"IRNN on the adding problem, {T} steps",
    paper="Le, Jaitly & Hinton, A simple way to initialize recurrent networks of rectified linear units, "
    "arXiv:1504.00941",
    year=2015,
    section="4.1",
    setting=f"{HIDDEN} rectified linear units, W = I, b = 0 at first, the other weights as PyTorch draws "
    f"them, beside {HIDDEN} tanh units; Adam, rate {RATE} "
    f"falling as a half cosine over {UPDATES:,} updates of {BATCH} new sequences, gradient clipped to norm "
    f"{adding.MAX_NORM:g}",
    differences="the paper has 100 units, gradient descent, a rate for every method and up to millions of updates, "
    "and runs an LSTM beside; its task is this one; "
    "settings were chosen on seeds 1000 to 1004",
    criterion=f"mean squared error on {adding.TESTED} new sequences at the end (always saying 1: "
    f"{adding.BASELINE:.3f}); solved: below {adding.GOAL}; for those, sequences until the error on {adding.VALIDATED} "
    "others was first below it",
)
SETTINGS = [("irnn",), ("rnn",)]
SEEDS = range(5)


@timed
def experiment(kind: str, seed: int) -> dict[str, Any]:
    """One network."""
    return learn(kind, HIDDEN, Adding(T), RATE, BATCH, UPDATES, seed)


def data(records: Sequence[Record]) -> dict[str, Any]:
    """What came of each network, by kind."""
    return adding.data(records)


def rows(data: dict[str, Any]) -> list[Row]:
    """The lines of the table."""
    return [
        Row("IRNN", describe(data["irnn"]), "solved, about as fast as an LSTM (curve)"),
        Row("tanh RNN", describe(data["rnn"]), "not solved (curve)"),
    ]


def picture(data: dict[str, Any]) -> Any:
    """The learning curves."""
    styles = (("irnn", BLUE, f"IRNN, {HIDDEN} units"), ("rnn", RED, f"tanh RNN, {HIDDEN} units"))
    return adding.learning_curves(data, styles, f"Adding two of {T} numbers, from the identity", BATCH)


def slice_of(engine: str) -> list[float]:
    """Some updates of each network on short sequences."""
    return adding.slice_of(engine, ("irnn", "rnn"), HIDDEN)


if __name__ == "__main__":
    main(sys.modules[__name__])
