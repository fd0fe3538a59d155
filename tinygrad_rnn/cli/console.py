"""Output: sentences, tables and JSON for any terminal, in any encoding, at any width."""

from __future__ import annotations

import codecs
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from unicodedata import combining, east_asian_width

from ..support.files import json_text
from ..support.sums import add_up

_PLAIN = str.maketrans(
    {
        "∂": "d",
        "Π": "P",
        "σ": "s",
        "‖": "|",
        "·": "*",
        "−": "-",
        "–": "-",
        "…": ".",
        "⋯": ".",
        "≤": "<",
        "≥": ">",
        "≈": "~",
        "×": "x",
        "→": ">",
        "²": "2",
        "ε": "e",
        "✓": "v",
        "✗": "x",
        "█": "#",
        "▓": "*",
        "▒": "+",
        "░": "-",
        "ρ": "r",
    }
)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Return a look-alike of the same width for a character that the encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "replace").decode("ascii"), error.end


codecs.register_error("tinygrad_rnn.plainly", _plainly)


def complete_streams() -> None:
    """Connect those of stdin, stdout and stderr that the caller closed with the null device. Otherwise the next file
    that is opened would take their number, and what is written to them would land in it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def speak_any_encoding() -> None:
    """Make stdout and stderr write look-alikes for what they cannot encode."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="tinygrad_rnn.plainly")


def columns(without_terminal: int) -> int:
    """The columns of the terminal, or of the environment variable COLUMNS, or else ``without_terminal``."""
    return shutil.get_terminal_size((without_terminal, 24)).columns


def say(text: str) -> None:
    """Print a sentence, wrapped."""
    print(textwrap.fill(unsigned_zeros(text), max(20, columns(80)), subsequent_indent="  ", break_on_hyphens=False))


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns, right-aligned, two spaces apart.

    If they do not fit side by side, print several tables, each with the first column.
    """
    table = [header, *([unsigned_zeros(cell) for cell in row] for row in rows)]
    widths = [max(map(_cells, column)) for column in zip(*table)]
    room = columns(sys.maxsize)
    parts: list[list[int]] = [[]]
    for i in range(1, len(widths)):
        if parts[-1] and widths[0] + add_up(2 + widths[j] for j in (*parts[-1], i)) > room:
            parts.append([])
        parts[-1].append(i)
    for n, part in enumerate(parts):
        if n:
            print()
        for row in table:
            print("  ".join(" " * (widths[i] - _cells(row[i])) + row[i] for i in (0, *part)))


def unsigned_zeros(text: str) -> str:
    """The text with 0 in place of -0: its sign is of no use to a reader, and -0.0000 may be any small number."""
    return re.sub(r"(?<![\w.)^])[-−](0(?:\.0+)?)(?!\w|\.\d)", r"\1", text)


def fold_rows(rows: Sequence[Sequence[str]], most: int = 30) -> list[Sequence[str]]:
    """The rows of a table, with "⋯" in place of the middle of a long one: at most so many."""
    if len(rows) <= most:
        return list(rows)
    half = (most - 1) // 2
    return [*rows[:half], ["⋯" for _ in rows[0]], *rows[-half:]]


def _cells(text: str) -> int:
    """The number of cells of a terminal that the text takes."""
    return add_up(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def print_json(data: object) -> None:
    """Print data as JSON, in the form of `json_text`."""
    print(json_text(data))
