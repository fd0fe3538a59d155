"""The copy memory problem."""

from __future__ import annotations

import random

from ..support.checks import whole_number
from .task import Example, Outputs, Task, largest

LETTERS = 8
BLANK, GO = LETTERS, LETTERS + 1


class CopyMemory(Task):
    """Repeat a row of random letters after a time of waiting.

    The input is ``count`` letters (of 8), T - 1 blanks, a go signal, and ``count`` blanks. The targets are T + count
    blanks, then the letters.

    Args:
        T: steps to wait.
        count: letters to remember.

    Raises:
        ArgumentError: T or count is below 1.
    """

    name = "copy"
    source = "Arjovsky, Shah & Bengio 2016, Unitary Evolution Recurrent Neural Networks, 4.1; the paper has 10 letters"
    criterion = "at most 1 % of the letters wrong"
    trivial = "says blanks, then random letters: seven eighths of the letters wrong"
    loss = "cross_entropy"
    metric = "letters wrong"
    input_size = LETTERS + 2
    output_size = LETTERS + 1
    goal = 0.01
    baseline = 1 - 1 / LETTERS

    def __init__(self, T: int = 5, count: int = 2) -> None:
        self.T = whole_number("T", T, 1, "there must be time to wait")
        self.count = whole_number("count", count, 1, "there must be something to remember")

    @property
    def time_steps(self) -> int:
        """Letters, waiting, and letters."""
        return self.T + 2 * self.count

    def example(self, rng: random.Random) -> Example:
        """Random letters, blanks, and the letters again as targets."""
        letters = [rng.randrange(LETTERS) for _ in range(self.count)]
        inputs = (*letters, *[BLANK] * (self.T - 1), GO, *[BLANK] * self.count)
        return Example(inputs, (*[BLANK] * (self.T + self.count), *letters))

    def error(self, example: Example, outputs: Outputs) -> float:
        """The share of letters that are wrong."""
        said, right = outputs[-self.count :], example.targets[-self.count :]
        wrong = [largest(numbers) != letter for numbers, letter in zip(said, right)]
        return wrong.count(True) / self.count
