"""Texts, built-in and from files."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import DataError


def alice() -> str:
    """Return Alice's Adventures in Wonderland, 148,000 characters; source and licence are in the README beside it."""
    return read_text(Path(__file__).with_name("alice.txt"))


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a file in UTF-8.

    Raises:
        DataError: it cannot be read, or is not UTF-8.
    """
    try:
        # Decoded as a whole: piece by piece, Python takes the beginning of a byte order mark for an empty text.
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {os.fspath(path)!r}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{os.path.basename(os.fspath(path))} is not UTF-8 text") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
