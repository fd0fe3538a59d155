"""What commands say: on any terminal, in any encoding, at any width."""

from __future__ import annotations

import codecs
import json
import math
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

_PLAIN = str.maketrans(
    {
        "∂": "d",
        "Σ": "S",
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
    }
)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """What to write where the encoding lacks a character: a look-alike of the same width."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "replace").decode("ascii"), error.end


codecs.register_error("tinygrad_rnn.plainly", _plainly)


def speak_any_encoding() -> None:
    """From now on, what stdout or stderr cannot encode is written with look-alikes."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="tinygrad_rnn.plainly")


def width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns, right-aligned, two spaces apart, without colour."""
    table = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        print("  ".join(cell.rjust(size) for cell, size in zip(row, widths)).rstrip())


def print_json(data: Any) -> None:
    """Print data as JSON; numbers that JSON lacks become the strings ``"inf"``, ``"-inf"`` and ``"nan"``."""
    print(json.dumps(_strict(data), indent=2, ensure_ascii=True, allow_nan=False))


def _strict(data: Any) -> Any:
    if isinstance(data, float) and not math.isfinite(data):
        return str(data)
    if isinstance(data, dict):
        return {key: _strict(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_strict(value) for value in data]
    return data
