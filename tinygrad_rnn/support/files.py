"""Files are written whole or not at all, and JSON is strict."""

from __future__ import annotations

import glob
import json
import math
import os
import tempfile
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, what a killed process leaves behind stays
    fcntl = None  # type: ignore[assignment]

_UNFINISHED = ".unfinished"


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file so that a reader, or an interruption, finds the old content or the new, never a part.

    The content goes to a temporary file beside the target, which then takes the target's place. A process that is
    killed meanwhile leaves it there; the next who writes the same target removes it. What is no regular file, such
    as a pipe, is written to directly.

    Args:
        path: the file; a symbolic link is followed.
        content: text, written as UTF-8, or bytes.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        _write_whole(Path(os.path.realpath(path)), content.encode() if isinstance(content, str) else content)
    except OSError as error:  # it names the temporary file
        raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from error


def _write_whole(target: Path, data: bytes) -> None:
    if target.exists() and not target.is_file():
        target.write_bytes(data)
        return
    _remove_unfinished(target)
    descriptor, temporary = _begin(target)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.chmod(temporary, target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask())
            if fcntl is None:
                file.close()  # Windows does not rename what is open; elsewhere it stays locked to the end
            os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _begin(target: Path) -> tuple[int, str]:
    """A new file beside the target, open and locked: its descriptor and name."""
    while True:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=_UNFINISHED)
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.exists(name):
            return descriptor, name
        os.close(descriptor)  # before it was locked, someone took it for left behind


def _remove_unfinished(target: Path) -> None:
    """Remove what killed processes left behind as they wrote the target: what is locked by none."""
    if fcntl is None:
        return
    for left in target.parent.glob(f".{glob.escape(target.name)}.????????{_UNFINISHED}"):
        with suppress(OSError), open(left, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def json_text(data: object) -> str:
    """Data as JSON; numbers that JSON lacks become the strings ``"inf"``, ``"-inf"`` and ``"nan"``."""
    return json.dumps(_strict(data), indent=2, ensure_ascii=True, allow_nan=False)


def _strict(data: object) -> object:
    if isinstance(data, float) and not math.isfinite(data):
        return str(data)
    if isinstance(data, dict):
        return {key: _strict(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_strict(value) for value in data]
    return data
