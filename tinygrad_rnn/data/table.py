"""Tables in CSV files: their separator, the names of their columns, and rows of as many cells as there are names.

Nothing ambiguous is guessed: it is an error that says which argument decides it.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import chain, pairwise
from typing import Any

from ..errors import ArgumentError, DataError
from ..support.checks import in_short
from ..support.text import count, listed
from .quotes import misplaced_quote

SEPARATORS = (",", ";", "\t")  # those that are looked for
DECIMALS = (".", ",")
_EXCELS_LINE = re.compile(r'"?sep=([^\w"+.-])"?\s*', re.IGNORECASE)  # may stand above the names; gives the separator
_PLAIN = r"[+-]?(?:\d+{mark}?\d*|{mark}\d+)(?:[eE][+-]?\d+)?"
_NUMBER = {mark: re.compile(_PLAIN.format(mark=re.escape(mark)), re.ASCII) for mark in DECIMALS}
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:[,.'’\s]\d{3})+(?:[.,]\d*)?")  # 1,234.5 or 1.234,5 or 1 234
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_FILL = "Each row is a time step: fill the gap, or give a part of the file without one"
_IN_NAMES = frozenset("_-+.()[]{}%°'\"#*&")  # signs that belong to a name or a number, and separate nothing
_MISSING = frozenset({"", "-", "?", "na", "n/a", "null", "none", "missing"})


@dataclass(frozen=True)
class Table:
    """A table of text, read row by row.

    Attributes:
        name: the file, for errors.
        columns: the names of the columns; their numbers, from 1, in a file without names.
        rows: an iterator over line numbers and cells, as many as there are columns.
        decimal: the sign before the decimals of its numbers.
    """

    name: str
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, tuple[str, ...]]]
    decimal: str

    def place(self, column: str | None) -> int:
        """The index of a column; None is the only one.

        Raises:
            ArgumentError: it is not a text.
            DataError: there is no such column, or more than one.
        """
        if column is not None and not isinstance(column, str):
            raise ArgumentError(f"the column {in_short(column)} is not a text", remedy="Give its name, such as '2'")
        column = column if column is None else _one_line(column)
        names = listed(self.columns)
        if column is None:
            if len(self.columns) > 1:
                columns = count(len(self.columns), "column")
                raise DataError(f"{self.name} has {columns}", remedy=f"Name one of {names}")
            return 0
        if self.columns.count(column) != 1:
            problem = "no column" if column not in self.columns else "more than one column"
            hint = _cause_of_one_column(self.columns, self.columns[0])
            raise DataError(
                f"{self.name} has {problem} called {listed([column])}",
                remedy=". ".join(filter(None, [f"It has {names}", hint])),
            )
        return self.columns.index(column)

    def check_filled(self, line: int, row: Sequence[str]) -> None:
        """Check that no cell of a row is empty, in the columns that are not read.

        Raises:
            DataError: one is; the error names the argument that allows it.
        """
        if not all(row):
            raise DataError(
                f"{self._where(line, row.index(''))}: the cell is empty",
                remedy=f"{_FILL}. If the column is not needed, give gaps_elsewhere=True (--gaps-elsewhere)",
            )

    def cell(self, line: int, row: Sequence[str], place: int) -> str:
        """The text of a cell.

        Raises:
            DataError: it is empty.
        """
        if not row[place]:
            raise DataError(f"{self._where(line, place)}: the cell is empty", remedy=_FILL)
        return row[place]

    def number(self, line: int, row: Sequence[str], place: int) -> float:
        """The number of a cell.

        Raises:
            DataError: it is not a finite one.
        """
        cell = self.cell(line, row, place)
        if not _NUMBER[self.decimal].fullmatch(cell):
            what = "is not finite" if _NOT_FINITE.fullmatch(cell) else "is not a number"
            cause = _cause_of_one_column(self.columns, cell) or _cause_of_text(cell, self.decimal)
            raise DataError(f"{self._where(line, place)}: {listed([cell])} {what}", remedy=cause)
        number = float(cell.replace(self.decimal, "."))
        if not math.isfinite(number):
            raise DataError(
                f"{self._where(line, place)}: {listed([cell])} is not finite", remedy="It is too large for a double"
            )
        return number

    def _where(self, line: int, place: int) -> str:
        return _where(self.name, line, self.columns, place)


def _one_line(cell: str) -> str:
    """A cell, or the name of a column, without spaces around it, and with single ones inside."""
    return " ".join(cell.split())


def parse(name: str, text: str, header: bool | None, separator: str | None, decimal: str) -> Table:
    """Read a table from the text of a CSV file.

    Args:
        name: the file, for errors.
        text: its content.
        header: whether the first line names the columns; None for "it does, and holds no number".
        separator: between cells; None for the one of comma, semicolon and tab that the first line has outside quotes,
            or that a line ``sep=;`` above it names.
        decimal: the sign before decimals, ``"."`` or ``","``.

    Raises:
        ArgumentError: an argument makes no sense.
        DataError: the text is not a table, or it is ambiguous without an argument. Also raised while the rows are read.
    """
    _check_arguments(header, separator, decimal)
    if "\0" in text:
        raise DataError(f"{name} has characters of number 0, as UTF-16 has", remedy="Save it in UTF-8")
    lines = list(StringIO(text, newline=""))
    excels = _EXCELS_LINE.fullmatch(lines[0]) if lines else None
    first = 1 if excels else 0
    if not any(line.strip() for line in lines[first:]):
        raise DataError(f"{name} is empty", remedy="Give a column of numbers below its name")
    if separator is None:
        separator = str(excels[1]) if excels else _find_separator(name, lines, header, decimal)
    rows = _rows(name, lines, first, separator, header)
    line, names = next(rows)
    below = rows
    if header is False:
        columns, below = tuple(map(str, range(1, len(names) + 1))), chain([(line, names)], rows)
    else:
        _check_names(name, line, names, header)
        columns = names
    return Table(name, columns, _checked(name, below, columns, header, separator), decimal)


def _check_arguments(header: bool | None, separator: str | None, decimal: str) -> None:
    if header is not None and not isinstance(header, bool):  # 0 means the first line in pandas, and False in Python
        raise ArgumentError(f"header is {in_short(header)}", remedy="It is True, False or None")
    if decimal not in DECIMALS:
        raise ArgumentError(f"decimal is {decimal!r:.40}", remedy='It is "." or ","')
    if separator is None:
        return
    if not isinstance(separator, str) or len(separator) != 1 or separator.isalnum() or separator in '"\r\n+-.':
        raise ArgumentError(
            f"separator is {separator!r:.40}", remedy="Give one sign that stands in no number, such as ';' or a tab"
        )


def _find_separator(name: str, lines: Sequence[str], header: bool | None, decimal: str) -> str:
    """The sign that separates the cells of the first line; where it has one cell, any that could."""
    cells = {sign: _first_row(lines, sign) for sign in SEPARATORS}
    found = [sign for sign in SEPARATORS if len(cells[sign]) > 1]
    doubtful = len(found) > 1 or decimal in found
    if header is False:
        if decimal in found:  # it stands in the numbers
            found.remove(decimal)
        doubtful = len(found) > 1 or (found == [","] and any(_could_be_one(*pair) for pair in pairwise(cells[","])))
    if doubtful:
        raise DataError(
            f"{name}: the sign between cells cannot be inferred from its first line, which has {listed(found)}",
            remedy="Give separator= (--separator); where a comma stands before decimals, decimal=',' (--decimal ,)",
        )
    return found[0] if found else next(sign for sign in SEPARATORS if sign != decimal)


def _first_row(lines: Sequence[str], separator: str) -> list[str]:
    """The cells of the first row; none if something else than this separator stands behind a quoted one."""
    try:
        row: list[str] = next(_reader(lines, separator))
        return row
    except csv.Error:
        return []


def _reader(lines: Sequence[str], separator: str) -> Any:
    # A blank after a separator is skipped, so that a quote may follow it; where blanks separate, each of them counts.
    return csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=separator != " ")


def _rows(
    name: str, lines: Sequence[str], first: int, separator: str, header: bool | None
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Every row: the number of the line where it begins, and its cells; none of an empty line."""
    reader = _reader(lines[first:], separator)
    names: tuple[str, ...] = ()
    begin = first + 1
    try:
        for row in reader:
            is_blank = len(row) < 2 and not lines[begin - 1].strip()
            cells = () if is_blank else tuple(map(_one_line, row))
            yield begin, cells
            names = names or (cells if header is not False else ())
            begin = first + reader.line_num + 1
    except csv.Error as error:
        fault = misplaced_quote("".join(lines[begin - 1 :]), separator, SEPARATORS)
        if fault is None:  # a cell is longer than the csv module allows
            raise DataError(f"{name}, line {begin}: {error}", remedy="Give a file with shorter cells") from error
        where = _where(name, begin + fault.lines, names or [str(i + 1) for i in range(fault.place + 1)], fault.place)
        raise DataError(f"{where}: {fault.problem}", remedy=fault.remedy) from error


def _check_names(name: str, line: int, names: Sequence[str], header: bool | None) -> None:
    if not any(names):
        raise DataError(
            f"{name}, line {line}: no column is named", remedy="Name them there, or give header=False (--no-header)"
        )
    numeric = next((cell for cell in names if cell and _looks_like_data(cell)), None)
    if header is None and numeric is not None:
        raise DataError(
            f"{name}, line {line}: {listed([numeric])} stands where a column is named",
            remedy="If the columns have no names, give header=False (--no-header); if this is one, as a year may be, "
            "header=True (--header)",
        )


def _checked(
    name: str, rows: Iterator[tuple[int, tuple[str, ...]]], columns: Sequence[str], header: bool | None, separator: str
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The rows, without empty lines at the end.

    Raises:
        DataError: there are none, one is empty, or one has more or fewer cells than the first line.
    """
    empty, seen = None, False
    for line, row in rows:
        if not row:
            empty = empty or line
            continue
        if empty:
            raise DataError(
                f"{name}, line {empty}: an empty line between rows",
                remedy="Take it out, or fill it: each row is a time step",
            )
        if len(row) != len(columns):
            size = len(columns)
            first = f"below {count(size, 'cell')}" if header is False else f"under {count(size, 'name')}"
            place, cause = _cause_of_count(row, size, separator)
            raise DataError(
                f"{_where(name, line, columns, place)}: {count(len(row), 'cell')} {first}",
                remedy=cause,
            )
        seen = True
        yield line, row
    if not seen:
        raise DataError(f"{name} has no rows below its first line")


def _where(name: str, line: int, columns: Sequence[str], place: int) -> str:
    column = listed([columns[place]]) if columns[place:] and columns[place] else f"{place + 1}, which has no name"
    return f"{name}, line {line}, column {column}"


# ---- likely causes ------------------------------------------------------------------------------------------------


def _looks_like_data(cell: str) -> bool:
    """Whether a cell is a number, in whatever way it is written, or says that one is missing."""
    return cell.lower() in _MISSING or any(
        pattern.fullmatch(cell) for pattern in (*_NUMBER.values(), _GROUPED, _NOT_FINITE)
    )


def _cause_of_text(cell: str, decimal: str) -> str | None:
    """The likely reason why a cell is not a number, as a remedy."""
    if _NOT_FINITE.fullmatch(cell):
        return _FILL if "nan" in cell.lower() else "Give a part of the file without it"
    if cell.lower() in _MISSING:
        return _FILL
    if _NUMBER[decimal].fullmatch(cell.replace("−", "-")):
        return "The minus sign of a number is -"
    other = "," if decimal == "." else "."
    as_decimal = f"If {other!r} stands before decimals, give decimal={other!r} (--decimal {other})"
    grouped = _GROUPED.fullmatch(cell)
    if _NUMBER[other].fullmatch(cell):
        return f"{as_decimal}; if it separates thousands, take it out" if grouped else as_decimal
    return "Take out what separates thousands" if grouped else None


def _cause_of_one_column(columns: Sequence[str], cell: str) -> str | None:
    """The sign that may separate the cells of what was read as a table of one column, as a remedy."""
    if len(columns) > 1:
        return None
    for sign in dict.fromkeys(sign for sign in cell if not sign.isalnum() and sign not in _IN_NAMES):
        nameless = columns[0] == "1" and all(map(_looks_like_data, cell.split(sign)))
        if nameless or columns[0].count(sign) == cell.count(sign):
            cause = f"If {sign!r} separates cells, give separator={sign!r} (--separator {sign!r})"
            return f"{cause}; if it separates thousands, take it out" if _GROUPED.fullmatch(cell) else cause
    return None


def _cause_of_count(row: Sequence[str], names: int, separator: str) -> tuple[int, str]:
    """The place from which a row has more or fewer cells than the first, and the likely reason, as a remedy."""
    parts = [i for i, pair in enumerate(pairwise(row)) if separator == "," and _could_be_one(*pair)]
    if len(row) < names:
        return len(row), f"{_FILL}. If a name holds {separator!r}, put it in quotes"
    if not parts:
        return names - 1, f"Put what holds {separator!r} in quotes, or give another separator (--separator)"
    place = min(parts[0], names - 1)
    if names > 1:
        cause = "If a comma stands before decimals or between thousands, quote such numbers, or separate cells by ';'"
        return place, cause
    cause = "If a comma stands before decimals, give separator=';' and decimal=',' (--separator ';' --decimal ,)"
    is_grouped = _GROUPED.fullmatch(",".join(row)) is not None
    return place, f"{cause}; if it separates thousands, take it out" if is_grouped else cause


def _could_be_one(a: str, b: str) -> bool:
    """Whether a comma between two cells may belong to a number."""
    return (a.lstrip("+-").isdigit() and b[:1].isdigit()) or bool(_GROUPED.fullmatch(f"{a},{b}"))
