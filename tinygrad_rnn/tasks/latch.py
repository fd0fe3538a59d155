"""Latching a bit of information."""

from __future__ import annotations

import random

from ..support.checks import whole_number
from .task import Example, Outputs, Task, last_only

STEPS_OF_THE_CLASS = 3
NOISE = 0.2


class Latch(Task):
    """Say at the end which of two classes the first three inputs stood for; all others are noise.

    The first three inputs are all +1 (class 1) or all -1 (class 0); in the paper they are learned. The others are
    drawn from N(0, 0.2²).

    Args:
        T: number of time steps.

    Raises:
        ArgumentError: T is below 4.
    """

    name = "latch"
    source = "Bengio, Simard & Frasconi 1994, Learning Long-Term Dependencies with Gradient Descent is Difficult, II"
    criterion = "at most 5 % of the sequences put into the wrong class"
    trivial = "always says the same class: half of the sequences wrong"
    loss = "binary_cross_entropy_with_logits"
    metric = "sequences wrong"
    input_size = output_size = 1
    goal = 0.05
    baseline = 0.5

    def __init__(self, T: int = 20) -> None:
        self.T = whole_number("T", T, STEPS_OF_THE_CLASS + 1, "the first 3 inputs are the class, and noise follows")

    @property
    def time_steps(self) -> int:
        """T."""
        return self.T

    def example(self, rng: random.Random) -> Example:
        """The class three times, then noise."""
        answer = rng.randrange(2)
        noise = [(rng.gauss(0.0, NOISE),) for _ in range(self.T - STEPS_OF_THE_CLASS)]
        return Example((*[(2.0 * answer - 1.0,)] * STEPS_OF_THE_CLASS, *noise), last_only((float(answer),), self.T))

    def error(self, example: Example, outputs: Outputs) -> float:
        """0.0 if the last logit has the right sign, else 1.0."""
        return float((outputs[-1][0] > 0.0) != (example.targets[-1][0] == 1.0))
