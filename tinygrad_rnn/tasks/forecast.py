"""Forecasting a real series by one step."""

from __future__ import annotations

import itertools
import math
import random
from hashlib import sha256

from ..data import read_column, sunspots
from ..errors import DataError
from ..support.checks import whole_number
from .task import Example, Outputs, Task, too_short

HELD_OUT = 0.2


class Forecast(Task):
    """Forecast the next number of a series from those before.

    Training examples are pieces from random places of the first four fifths; the last fifth is one validation
    example. Numbers are shifted and scaled so that the training part has mean 0 and standard deviation 1.

    Args:
        csv: a CSV file; by default the series is that of the yearly sunspot numbers.
        column: its column of numbers.
        length: time steps of a training example.

    Attributes:
        mean, deviation: of the training part, in the unit of the series.

    Raises:
        DataError: the series cannot be read, is too short, or is constant.
        ArgumentError: length is below 1.
    """

    name = "series"
    source = "any CSV file; built in are the yearly sunspot numbers 1700-2008 (NGDC)"
    criterion = "a smaller mean squared error on the last fifth than saying that the next number is the present one"
    trivial = "says that the next number is the present one (persistence)"
    loss = "mse_loss"
    metric = "mean squared error"
    predicts_next = True
    validation_by = ()
    input_size = output_size = 1

    def __init__(self, csv: str | None = None, column: str | None = None, length: int = 30) -> None:
        self.csv, self.column, self.length = csv, column, _length(length)
        series = sunspots() if csv is None else read_column(csv, column)
        cut = len(series.numbers) - int(len(series.numbers) * HELD_OUT)
        training = series.numbers[:cut]
        if len(training) <= self.length or len(series.numbers) - cut < 2:
            least = next(n for n in itertools.count(10) if n - int(n * HELD_OUT) > self.length)
            raise too_short(
                f"{series.title} has {len(series.numbers)} numbers, of which a fifth is held out",
                f"at least {least} numbers",
                self.length,
                len(training) - 1 if len(series.numbers) >= 10 else 0,  # of fewer, no two are held out
            )
        self.digest = sha256(repr(series.numbers).encode()).hexdigest()
        self.mean = math.fsum(training) / len(training)
        self.deviation = math.sqrt(math.fsum((x - self.mean) ** 2 for x in training) / len(training))
        if not 0.0 < self.deviation < math.inf:
            raise DataError(f"{series.title} has a standard deviation of {self.deviation:g}: nothing to forecast")
        scaled = [(x - self.mean) / self.deviation for x in series.numbers]
        self._training, self._held_out = scaled[:cut], scaled[cut:]
        (held_out,) = self.validation(1)
        self.baseline = self.error(held_out, held_out.inputs)
        self.goal = math.nextafter(self.baseline, 0.0)

    def example(self, rng: random.Random) -> Example:
        """A piece of the training part."""
        start = rng.randrange(len(self._training) - self.length)
        return _piece(self._training[start : start + self.length + 1])

    def validation(self, count: int, seed: int = 0) -> list[Example]:
        """The held-out fifth as one example, whatever the count and seed."""
        return [_piece(self._held_out)]

    def error(self, example: Example, outputs: Outputs) -> float:
        """The mean squared error, in units of the training part's variance."""
        differences = [y[0] - target[0] for y, target in zip(outputs, example.targets)]
        errors = [difference * difference for difference in differences]  # ** would raise where this is infinite
        return math.fsum(errors) / len(errors)


def _piece(numbers: list[float]) -> Example:
    steps = [(number,) for number in numbers]
    return Example(tuple(steps[:-1]), tuple(steps[1:]))


def _length(number: int) -> int:
    return whole_number("length", number, 1, "there must be something to read")
