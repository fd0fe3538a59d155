"""The temporal order problem."""

from __future__ import annotations

import random

from ..support.checks import whole_number
from .task import Example, Outputs, Task, largest, last_only

SYMBOLS = "ABcdef"


class TemporalOrder(Task):
    """Say at the end in which order two symbols came: AA, AB, BA or BB.

    The first of them comes at a random step from T/10 to 2T/10, the second from 4T/10 to 5T/10; all other steps
    show one of four distractors.

    Args:
        T: number of time steps.

    Raises:
        ArgumentError: T is below 10.
    """

    name = "temporal-order"
    source = (
        "Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks, 4.1.1; Hochreiter & "
        "Schmidhuber 1997, experiment 6a"
    )
    criterion = "at most 1 % of the sequences wrong"
    trivial = "always says the same order: three quarters of the sequences wrong"
    loss = "cross_entropy"
    metric = "sequences wrong"
    input_size = len(SYMBOLS)
    output_size = 4
    goal = 0.01
    baseline = 0.75

    def __init__(self, T: int = 20) -> None:
        self.T = whole_number("T", T, 10, "the symbols come in the second and in the fifth tenth of the sequence")

    @property
    def time_steps(self) -> int:
        """T."""
        return self.T

    def example(self, rng: random.Random) -> Example:
        """Distractors, and the two symbols between them."""
        inputs = [rng.randrange(2, len(SYMBOLS)) for _ in range(self.T)]
        first, second = rng.randrange(2), rng.randrange(2)
        inputs[rng.randrange(self.T // 10, 2 * self.T // 10)] = first
        inputs[rng.randrange(4 * self.T // 10, 5 * self.T // 10)] = second
        return Example(tuple(inputs), last_only(2 * first + second, self.T))

    def error(self, example: Example, outputs: Outputs) -> float:
        """0.0 if the order said last is right, else 1.0."""
        return float(largest(outputs[-1]) != example.targets[-1])
