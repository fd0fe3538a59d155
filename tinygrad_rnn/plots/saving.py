"""Create and save figures.

matplotlib is an optional dependency (extra ``plot``). Its global state is left alone.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ..errors import ArgumentError
from ..support.files import file_name, write_whole
from ..support.optional import optional

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")


def require_matplotlib() -> ModuleType:
    """Import and return matplotlib.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    with optional("plots need matplotlib", "plot"):
        import matplotlib
    return matplotlib


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure, of a width and height in inches, that notebooks display.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require_matplotlib()
    from .figure import NotebookFigure

    return NotebookFigure(figsize=(width, height), layout="constrained", facecolor="white")


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, SVG or PDF, as the ending of the path says. The same figure gives the same bytes. A
    character that is missing from matplotlib's fonts is drawn as a box.

    Raises:
        ArgumentError: another ending, or no file can have this name.
        OSError: the file cannot be written.
    """
    path = file_name(path)
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        raise ArgumentError(
            f"a plot cannot be written as {ending or 'a file without an ending'}",
            remedy=f"Use one of {', '.join(FORMATS)}",
        )
    content = io.BytesIO()
    dates = {"Date": None} if ending == ".svg" else {"CreationDate": None} if ending == ".pdf" else None
    with require_matplotlib().rc_context({"svg.hashsalt": "tinygrad_rnn"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(content, format=ending[1:], dpi=160, metadata=dates)
    write_whole(path, content.getvalue())
