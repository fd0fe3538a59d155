"""`Sheet`: a page on which one writes from the top down, and nothing leaves its place."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from . import colours, geometry, text
from .geometry import Box, Curve, Line, Picture, Point, Row, Text

Anchor = Literal["start", "middle", "end"]

SMALLEST, LEAST = 15.0, 10.5  # sizes of text in points: 20 and 14 pixels of a slide of 1920 × 1080
MARGIN = 27.0


class Sheet:
    """A page that is filled from the top down; y is the distance from the top.

    Attributes:
        picture: what is on it.
        width, height: of the page, in points.
        size: of the smallest text.
    """

    def __init__(self, page: tuple[float, float], size: float) -> None:
        self.width, self.height = page
        self.size = size
        self.picture = Picture(width=self.width, height=self.height)

    @property
    def left(self) -> float:
        """Where the margin ends."""
        return MARGIN

    @property
    def right(self) -> float:
        """Where the right margin begins."""
        return self.width - MARGIN

    def text(
        self, id: str, words: str, x: float, y: float, size: float = 0.0, anchor: Anchor = "start", **more: Any
    ) -> Text:
        """Write a line whose middle is at ``y``."""
        made = Text(id, words, (x, self.height - y), size or self.size, anchor=anchor, **more)
        self.picture.texts.append(made)
        return made

    def line_that_fits(self, id: str, words: str, x: float, y: float, room: float, size: float, **more: Any) -> Text:
        """Write a line as large as fits into the room, at most ``size``; cut short where even the smallest does not."""
        bold = bool(more.get("bold"))
        size = max(self.size, min(size, size * room / max(text.width(words, size, bold), 1e-9)))
        return self.text(id, text.squeezed(words, room + 0.01, size, bold), x, y, size, **more)

    def box(self, id: str, rows: Sequence[Row], x: float, y: float, width: float, height: float, **more: Any) -> Box:
        """Draw a box with its middle at (x, y)."""
        made = Box(id, rows, width, height, (x, self.height - y), size=more.pop("size", self.size), **more)
        self.picture.boxes.append(made)
        return made

    def line(self, id: str, curve: Sequence[Point], tail: str = "", head: str = "", **more: Any) -> Line:
        """Draw a line along a curve."""
        upright = [(x, self.height - y) for x, y in curve]
        made = Line(id, tail, head, upright, **more)
        self.picture.lines.append(made)
        return made

    def segment(self, id: str, start: Point, end: Point, tail: str = "", head: str = "", **more: Any) -> Line:
        """Draw a straight line."""
        return self.line(id, geometry.straight(start, end), tail, head, **more)

    def path(self, id: str, points: Sequence[Point], **more: Any) -> Line:
        """Draw straight lines from point to point."""
        curve: Curve = [points[0]]
        for start, end in pairwise(points):
            curve += geometry.straight(start, end)[1:]
        return self.line(id, curve, arrow=False, **more)


def gradient_row(words: str, **more: Any) -> Row:
    """A row of a card that tells a gradient."""
    return Row(words, ink=colours.CHAIN, bold=True, role="gradient", **more)
