"""Quotes in CSV files that are not closed, or do not enclose a whole cell: in which cell, and the likely cause."""

from __future__ import annotations

import re
from io import StringIO
from typing import NamedTuple

from ..support.text import count

_DOUBLED = "Quotes enclose a whole cell, and a quote within one is doubled"


class Fault(NamedTuple):
    """A quoted cell that cannot be read.

    Attributes:
        lines: the number of line ends before it.
        place: its index in the row.
        problem: what is wrong.
        remedy: what to do.
    """

    lines: int
    place: int
    problem: str
    remedy: str


def misplaced_quote(text: str, separator: str, others: tuple[str, ...]) -> Fault | None:
    """The first quoted cell of a row that cannot be read; None if there is none.

    Args:
        text: the row, and what follows it.
        separator: the sign between cells.
        others: signs that usually separate cells.
    """
    opening = re.compile('"' if separator == " " else ' *"')
    inside = re.compile(r'[^"]*(?:""[^"]*)*')
    plain = re.compile(rf"[^{re.escape(separator)}\r\n]*")
    place, at = 0, 0
    while True:
        quote = opening.match(text, at)
        if quote is None:
            end = _end(plain, text, at)
        else:
            end = _end(inside, text, quote.end()) + 1
            follows = text[end : _end(plain, text, end)]
            if end > len(text) or follows:
                return Fault(_line_ends(text[:at]), place, *_cause(text[quote.end() : end], follows, others))
        if text[end : end + 1] != separator:
            return None
        place, at = place + 1, end + 1


def _cause(cell: str, follows: str, others: tuple[str, ...]) -> tuple[str, str]:
    """The mistake in a quoted cell, judged by the text after it, and the likely reason."""
    if not follows:
        return "the quote that begins the cell is not closed", f"Close it, or take it out. {_DOUBLED}"
    sign, lines = follows[0], _line_ends(cell)
    further = f", {count(lines, 'line')} further down" if lines else ""
    problem = f"{sign!r} follows the quote that closes the cell{further}"
    if lines:
        return problem, f"A quote may be missing before. {_DOUBLED}"
    if sign in others:
        return problem, f"If {sign!r} separates cells, give separator={sign!r} (--separator {sign!r})"
    return problem, _DOUBLED if follows.strip() else "Take out the blank"


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _line_ends(text: str) -> int:
    """The number of line ends in a text, as Python counts the lines of a file."""
    return sum(1 for line in StringIO(text, newline="") if line.endswith(("\r", "\n")))
