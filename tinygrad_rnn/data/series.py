"""Series of numbers, read from CSV files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..support.checks import truth, whole_number
from ..support.files import file_name
from ..support.text import printable
from .table import parse
from .text import read_utf8

LONGEST_TITLE, LONGEST_LABEL = 60, 40  # characters


@dataclass(frozen=True)
class Series:
    """Numbers in order of time.

    Attributes:
        title: what they are, for people.
        numbers: the numbers, finite, at least one.
        labels: what each is called (a year, a row), as many as there are numbers.
    """

    title: str
    numbers: tuple[float, ...]
    labels: tuple[str, ...]

    def scaled(self) -> Series:
        """Return the series, moved and stretched linearly to span [-1, 1], the range of tanh; 0 if it is constant."""
        low, high = min(self.numbers), max(self.numbers)
        # Halved before they are subtracted, so that no finite number overflows; from the lowest number and not from
        # the middle, which among large numbers near each other may be no double.
        half = high / 2 - low / 2
        numbers = tuple(2.0 * ((number / 2 - low / 2) / half) - 1.0 if half else 0.0 for number in self.numbers)
        return Series(self.title, numbers, self.labels)

    def until(self, label: str) -> Series:
        """Return the numbers up to the first that is called so."""
        end = self.labels.index(label) + 1
        return Series(self.title, self.numbers[:end], self.labels[:end])

    def last(self, count: int) -> Series:
        """Return the last ``count`` numbers, or all if there are fewer.

        Raises:
            ArgumentError: the count is not a whole number of at least 1.
        """
        count = whole_number("count", count)
        return Series(self.title, self.numbers[-count:], self.labels[-count:])


def sunspots() -> Series:
    """Return the yearly sunspot numbers, 1700–2008; source and licence are in the README beside the file."""
    series = read_column(Path(__file__).with_name("sunspots.csv"), "sunspots", labels="year")
    return Series("yearly sunspot numbers", series.numbers, series.labels)


def read_column(
    path: str | os.PathLike[str],
    column: str | None = None,
    *,
    labels: str | None = None,
    header: bool | None = None,
    separator: str | None = None,
    decimal: str = ".",
    gaps_elsewhere: bool = False,
) -> Series:
    """Return one column of numbers of a CSV file.

    Every row must have as many cells as the first. A gap, that is an empty cell or an empty line between rows, is an
    error in whichever column it is, because each row is a time step.

    Args:
        path: the file, in UTF-8.
        column: name of the column; it may be left out if the file has only one.
        labels: name of the column that names the time steps, such as years; by default the rows are counted.
        header: whether the first line names the columns; if not, their names are ``"1"``, ``"2"``, …. By default it
            must, and a number among the names is an error; ``True`` accepts it as a name, such as ``2020``.
        separator: the sign between cells. By default it is the one of comma, semicolon and tab that the first line
            has outside quotes, or that a line ``sep=;`` above it names, as Excel writes it.
        decimal: the sign before decimals, ``"."`` or ``","``. No sign may separate thousands.
        gaps_elsewhere: whether columns that are not read, such as one of remarks, may have empty cells.

    Raises:
        ArgumentError: separator or decimal is not such a sign, header is not a bool, or a name is not a text.
        DataError: the file cannot be read, has no such column, a row has too many or too few cells, a cell is empty,
            or one of the column is not a finite number. The error names the line, the column and, where it can be
            seen, the cause.
    """
    name = printable(os.path.basename(file_name(path)), LONGEST_TITLE)
    table = parse(name, read_utf8(path), header, separator, decimal)
    place, label_place = table.place(column), None if labels is None else table.place(labels)
    numbers, names = [], []
    gaps_elsewhere = truth("gaps_elsewhere", gaps_elsewhere)
    for line, row in table.rows:
        numbers.append(table.number(line, row, place))
        name_of_step = str(len(numbers)) if label_place is None else table.cell(line, row, label_place)
        names.append(printable(name_of_step, LONGEST_LABEL))
        if not gaps_elsewhere:
            table.check_filled(line, row)
    called = f"column {table.columns[place]}" if header is False else table.columns[place]
    return Series(f"{printable(called, LONGEST_TITLE)} ({name})", tuple(numbers), tuple(names))
