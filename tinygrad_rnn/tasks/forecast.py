"""Forecasting a real series by one step."""

from __future__ import annotations

import math
import random
from hashlib import sha256
from typing import Any

from ..data import Series, read_column, sunspots
from ..errors import ArgumentError, DataError
from ..support.checks import whole_number
from ..support.text import count
from .task import Example, Outputs, Task, too_short

HELD_OUT = 0.2


class Forecast(Task):
    """Forecast the next number of a series from those before.

    Training examples are pieces from random places of the first four fifths; the last fifth is one validation
    example. Numbers are shifted and scaled so that the training part has mean 0 and standard deviation 1.

    Args:
        csv: a CSV file; by default the series is that of the yearly sunspot numbers.
        column, header, separator, decimal, gaps_elsewhere: how to read it, as for `read_column`.
        length: time steps of a training example.

    Attributes:
        mean, deviation: of the training part, in the unit of the series.

    Raises:
        DataError: the series cannot be read, is too short, or is constant.
        ArgumentError: length is below 1, or there are options for reading a file, but no file.
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

    def __init__(
        self,
        csv: str | None = None,
        column: str | None = None,
        length: int = 30,
        *,
        header: bool | None = None,
        separator: str | None = None,
        decimal: str = ".",
        gaps_elsewhere: bool = False,
    ) -> None:
        self.csv, self.column, self.length = csv, column, _length(length)
        self.header, self.separator, self.decimal = header, separator, decimal
        self.gaps_elsewhere = gaps_elsewhere
        options = {"header": header, "separator": separator, "decimal": decimal, "gaps_elsewhere": gaps_elsewhere}
        series = _series(csv, column=column, **options)
        cut = len(series.numbers) - int(len(series.numbers) * HELD_OUT)
        training = series.numbers[:cut]
        if len(training) <= self.length or len(series.numbers) - cut < 2:
            least = max(10, self.length + 1 + self.length // 4)  # the smallest n with n − ⌊n / 5⌋ > length
            raise too_short(
                f"{series.title} has {count(len(series.numbers), 'number')}, of which a fifth is held out",
                f"at least {least} numbers",
                self.length,
                len(training) - 1 if len(series.numbers) >= 10 else 0,  # of fewer, no two are held out
            )
        self.digest = sha256(repr(series.numbers).encode()).hexdigest()
        # In a unit, a power of two, in which neither sums nor squares leave the range of doubles.
        _, unit = math.frexp(max(map(abs, training)))
        try:
            numbers = [math.ldexp(x, -unit) for x in series.numbers]
        except OverflowError as error:
            raise DataError(
                f"{series.title}: beside its first four fifths, the last one is too large for a double",
                remedy="Give a part in which it is not",
            ) from error
        mean = math.fsum(numbers[:cut]) / cut
        deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in numbers[:cut]) / cut)
        if not deviation:
            raise DataError(f"{series.title} has a standard deviation of 0: nothing to forecast")
        self.mean, self.deviation = math.ldexp(mean, unit), math.ldexp(deviation, unit)
        scaled = [(x - mean) / deviation for x in numbers]
        self._training, self._held_out = scaled[:cut], scaled[cut:]
        (held_out,) = self.validation(1)
        self.baseline = self.error(held_out, held_out.inputs)
        self.goal = math.nextafter(self.baseline, 0.0)

    @property
    def time_steps(self) -> int:
        """The length."""
        return self.length

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
        try:
            return math.fsum(errors) / len(errors)
        except OverflowError:
            return math.inf


def _series(csv: str | None, **options: Any) -> Series:
    """The series in a file, or by default that of the sunspots, which takes no options."""
    if csv is not None:
        return read_column(csv, **options)
    usual = {"decimal": ".", "gaps_elsewhere": False}
    given = [name for name, value in options.items() if value != usual.get(name)]
    if given:
        raise ArgumentError(f"{given[0]} without csv", remedy="Give the file with the series")
    return sunspots()


def _piece(numbers: list[float]) -> Example:
    steps = [(number,) for number in numbers]
    return Example(tuple(steps[:-1]), tuple(steps[1:]))


def _length(number: int) -> int:
    return whole_number("length", number, 1, "there must be something to read")
