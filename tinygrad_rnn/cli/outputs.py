"""Files to write: what can be known to go wrong with them goes wrong before the work."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from ..errors import DataError


def file_ending_in(*endings: str) -> Callable[[str], str]:
    """The type of an option that takes the name of a file, whose ending says what is written."""

    def parse(text: str) -> str:
        if not text.lower().endswith(endings):
            raise argparse.ArgumentTypeError(f"{text!r} does not end in {', '.join(endings)}")
        return text

    return parse


def plot_file(text: str) -> str:
    """The type of an option that takes the name of a plot to write."""
    from ..plots.plot import FORMATS

    return file_ending_in(*FORMATS)(text)


def check_writable(*paths: str | None) -> None:
    """Check that files can be written, as far as it can be known. None is no file.

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


def check_plotting(*paths: str | None) -> None:
    """Check that there is matplotlib, if any of these files is a plot.

    Raises:
        MissingDependencyError: there is none.
    """
    from ..plots.plot import FORMATS, require_matplotlib

    if any(path and path.lower().endswith(FORMATS) for path in paths):
        require_matplotlib()
