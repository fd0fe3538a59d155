"""Check output paths up front, so that a long computation never ends in a failed write."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import DataError


def check_writable(*paths: str | None) -> None:
    """Check that files can be written, as far as can be known. None is no file.

    Raises:
        DataError: one cannot.
    """
    for path in filter(None, paths):
        target = Path(os.path.realpath(path))
        folder = target.parent
        if target.is_dir():
            reason = "it is a folder"
        elif not folder.is_dir():
            reason = "there is no such folder"
        elif not (os.access(folder, os.W_OK) or os.access(target, os.W_OK)):
            reason = "permission denied"
        else:
            continue
        raise DataError(f"cannot write {path!r}: {reason}", remedy="Choose another place")
