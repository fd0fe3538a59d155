"""The adding problem."""

from __future__ import annotations

import random

from ..support.checks import whole_number
from ..support.sums import add_up
from .task import Example, Outputs, Task, last_only


class Adding(Task):
    """Say at the end the sum of the two numbers that were marked.

    Each input is a number from U(0, 1) and a marker, 1 at one random step of the first half and at one of the
    second, else 0.

    Args:
        T: number of time steps.

    Raises:
        ArgumentError: T is below 2.
    """

    name = "adding"
    source = (
        "Hochreiter & Schmidhuber 1997, experiment 4, with the numbers and markers of Le, Jaitly & Hinton 2015 and "
        "Arjovsky, Shah & Bengio 2016"
    )
    criterion = "mean squared error of at most 0.01 (1997 also asks that the error stays below 0.04)"
    trivial = "always says 1: mean squared error 1/6, the variance of the sum"
    loss = "mse_loss"
    metric = "mean squared error"
    input_size = 2
    output_size = 1
    goal = 0.01
    baseline = 1 / 6

    def __init__(self, T: int = 20) -> None:
        self.T = whole_number("T", T, 2, "two different steps are marked")

    @property
    def time_steps(self) -> int:
        """T."""
        return self.T

    def example(self, rng: random.Random) -> Example:
        """T pairs of number and marker."""
        marked = {rng.randrange(self.T // 2), rng.randrange(self.T // 2, self.T)}
        numbers = [rng.random() for _ in range(self.T)]
        inputs = tuple((number, float(t in marked)) for t, number in enumerate(numbers))
        return Example(inputs, last_only((add_up(numbers[t] for t in sorted(marked)),), self.T))

    def error(self, example: Example, outputs: Outputs) -> float:
        """The squared error of the last output."""
        difference = outputs[-1][0] - example.targets[-1][0]
        return float(difference * difference)  # ** would raise where this is infinite
