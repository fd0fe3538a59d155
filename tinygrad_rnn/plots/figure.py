"""`NotebookFigure`. Importing this module needs matplotlib."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that a notebook displays. It would show a plain `Figure` only after pyplot was imported, or with
    ``%matplotlib inline``.
    """

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=100)
        return content.getvalue()
