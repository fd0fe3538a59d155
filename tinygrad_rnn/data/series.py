"""Series of numbers, read from CSV files."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ..errors import DataError


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

    def last(self, count: int) -> Series:
        """Return the last ``count`` numbers."""
        return Series(self.title, self.numbers[-count:], self.labels[-count:])


def sunspots() -> Series:
    """Return the yearly sunspot numbers, 1700–2008; source and licence are in the README beside the file."""
    with open(Path(__file__).with_name("sunspots.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = tuple(float(row["sunspots"]) for row in rows)
    return Series("yearly sunspot numbers", numbers, tuple(row["year"] for row in rows))


def read_column(path: str | os.PathLike[str], column: str | None = None) -> Series:
    """Return one column of numbers of a CSV file, whose first line names the columns.

    Args:
        path: the file, in UTF-8; cells are separated by commas, semicolons or tabs.
        column: name of the column; it may be left out if the file has only one.

    Raises:
        DataError: the file cannot be read, has no such column, or a cell is not a finite number; the error
            names the line.
    """
    name = os.path.basename(os.fspath(path))
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return _series(name, file, column)
    except OSError as error:
        raise DataError(f"cannot read {os.fspath(path)!r}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8 text", remedy="Save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{name} is not a CSV file: {error}") from error


def _series(name: str, lines: Iterable[str], column: str | None) -> Series:
    rows, first = _rows(lines)
    header = [cell.strip() for cell in first]
    if not any(header):
        raise DataError(f"{name} is empty", remedy="Its first line must name the columns")
    place = _place(name, header, column)
    numbers, labels = [], []
    for line, row in rows:
        if not any(row):
            continue
        cell = row[place].strip() if place < len(row) else ""
        numbers.append(_number(cell, f"{name}, line {line}, column {header[place]!r}"))
        labels.append(str(len(numbers)))
    if not numbers:
        raise DataError(f"{name} has no rows below its first line")
    return Series(f"{header[place]} ({name})", tuple(numbers), tuple(labels))


def _rows(lines: Iterable[str]) -> tuple[Iterator[tuple[int, list[str]]], list[str]]:
    """Return the rows below the first with their line numbers, and the first, whose separator holds for all."""
    lines = iter(lines)
    first = next(lines, "")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(chain([first], lines), delimiter=delimiter)
    header = next(reader, [])
    return ((reader.line_num, row) for row in reader), header


def _place(name: str, header: Sequence[str], column: str | None) -> int:
    columns = ", ".join(map(repr, header))
    if column is None:
        if len(header) > 1:
            raise DataError(f"{name} has {len(header)} columns", remedy=f"Name one of {columns}")
        return 0
    if header.count(column) != 1:
        problem = "no column" if column not in header else "more than one column"
        raise DataError(f"{name} has {problem} called {column!r}", remedy=f"It has {columns}")
    return header.index(column)


def _number(cell: str, place: str) -> float:
    try:
        if "_" in cell:  # which float() would take
            raise ValueError
        number = float(cell)
    except ValueError:
        what = f"{cell[:40]!r} is not a number" if cell else "the cell is empty"
        raise DataError(f"{place}: {what}") from None
    if not math.isfinite(number):
        raise DataError(f"{place}: {cell} is not finite")
    return number
