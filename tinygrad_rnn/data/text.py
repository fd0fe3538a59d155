"""Texts, built-in and from files."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import DataError
from ..support.files import file_name, read_bounded

MOST_BYTES = 2**28  # of a text or a series: 256 MB. A device such as /dev/zero has no end


def alice() -> str:
    """Return Alice's Adventures in Wonderland, 148,000 characters; source and licence are in the README beside it."""
    return read_text(Path(__file__).with_name("alice.txt"))


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a file in UTF-8, with the line ends of Unix.

    Raises:
        DataError: it cannot be read, is not UTF-8, or has more than 256 MB.
    """
    return read_utf8(path).replace("\r\n", "\n").replace("\r", "\n")


def read_utf8(path: str | os.PathLike[str]) -> str:
    """Return the text of a file in UTF-8, without a byte order mark. Raises as `read_text` does."""
    path = file_name(path)
    name = os.path.basename(path)
    try:
        content = read_bounded(path, MOST_BYTES)
    except OSError as error:
        raise DataError(f"cannot read {path!r}: {error.strerror or error}") from error
    if len(content) > MOST_BYTES:
        raise DataError(f"{name} has more than {MOST_BYTES // 2**20} MB", remedy="Give a part of it")
    try:
        # Decoded as a whole: piece by piece, Python takes the beginning of a byte order mark for an empty text.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8 text", remedy="Save it in UTF-8") from error
