"""Files are written whole or not at all, and JSON is strict."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file so that a reader, or an interruption, finds the old content or the new, never a part.

    The content goes to a temporary file beside the target, which then takes the target's place. What is no
    regular file, such as a pipe, is written to directly.

    Args:
        path: the file; a symbolic link is followed.
        content: text, written as UTF-8, or bytes.

    Raises:
        OSError: the file cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        target.write_bytes(data)
        return
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(temporary, target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def json_text(data: Any) -> str:
    """Data as JSON; numbers that JSON lacks become the strings ``"inf"``, ``"-inf"`` and ``"nan"``."""
    return json.dumps(_strict(data), indent=2, ensure_ascii=True, allow_nan=False)


def _strict(data: Any) -> Any:
    if isinstance(data, float) and not math.isfinite(data):
        return str(data)
    if isinstance(data, dict):
        return {key: _strict(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_strict(value) for value in data]
    return data
