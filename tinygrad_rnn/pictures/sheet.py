"""`Sheet`: a page on which one writes from the top down; and `Columns`, where time steps stand on it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from ..support.sums import add_up
from . import geometry, text
from .geometry import Box, Curve, Line, Picture, Point, Row, Text
from .graph import Edge
from .subject import Fold, Subject
from .view import View, styled

Anchor = Literal["start", "middle", "end"]
Looks = dict[str, Any]  # attributes of a box, a line or a text

SMALLEST, LEAST = 15.0, 10.5  # sizes of text in points: 20 and 14 pixels of a slide of 1920 × 1080
MARGIN = 27.0
FOLD, END_FOLD = 2.2, 1.3  # width of folded time steps, in columns: between others, and at either end
_COLUMN = 6.1  # least width of a column, in sizes of text: a number of two digits, a power of ten and a gap
_AXIS = 3.4  # room for the numbers at an axis, in sizes of text


class Sheet:
    """A page that is filled from the top down; y is the distance from the top.

    Attributes:
        picture: what is on it.
        width, height: of the page, in points.
        size: of the smallest text.
        left, right: where the margins are.
    """

    def __init__(self, view: View, size: float, page: tuple[float, float]) -> None:
        self.view = view
        self.width, self.height = page
        self.size = size
        self.left, self.right = MARGIN, self.width - MARGIN
        self.picture = Picture(width=self.width, height=self.height)

    def text(
        self, id: str, words: str, x: float, y: float, size: float = 0.0, anchor: Anchor = "start", **more: Any
    ) -> Text:
        """Write a line whose middle is at ``y``."""
        made = Text(id, words, (x, self.height - y), size or self.size, anchor=anchor, **more)
        self.picture.texts.append(made)
        return made

    def line_of_text(self, id: str, words: str, y: float, size: float, **more: Any) -> Text:
        """Write a line from margin to margin: as large as it fits, at most ``size``, and cut short if it must be."""
        bold, room = bool(more.get("bold")), self.right - self.left
        size = max(self.size, min(size, size * room / max(text.width(words, size, bold), 1e-9)))
        return self.text(id, text.squeezed(words, room + 0.01, size, bold), self.left, y, size, **more)

    def heading(self, id: str, words: str, y: float, **more: object) -> Text:
        """Write what a part of the page is about."""
        return self.line_of_text(id, words, y, 1.15 * self.size, bold=True, role="heading", **more)

    def box(self, id: str, rows: Sequence[Row], x: float, y: float, width: float, height: float, **more: Any) -> Box:
        """Draw a box with its middle at (x, y), with what the user's style changes if it shows a node."""
        box = Box(id, rows, width, height, (x, self.height - y), **{"size": self.size, **more})
        box = styled(box, box.node, self.view.style)
        self.picture.boxes.append(box)
        return box

    def line(self, id: str, curve: Sequence[Point], tail: str = "", head: str = "", **more: Any) -> Line:
        """Draw a line along a curve, with what the user's style changes if it shows an edge."""
        line = Line(id, tail, head, [(x, self.height - y) for x, y in curve], **{"pen": 1.2, **more})
        line = styled(line, line.edge, self.view.style)
        self.picture.lines.append(line)
        return line

    def arrow(self, tail: Box, head: Box, start: Point, end: Point, edge: Edge | None = None, **more: object) -> Line:
        """Draw a straight arrow from box to box."""
        own = f"{head.id}from{tail.id}"
        return self.line(own, geometry.straight(start, end), tail.id, head.id, edge=edge, **{"role": "flow", **more})

    def path(self, id: str, points: Sequence[Point], **more: Any) -> Line:
        """Draw straight lines from point to point."""
        curve: Curve = [points[0]]
        for start, end in pairwise(points):
            curve += geometry.straight(start, end)[1:]
        return self.line(id, curve, **{"arrow": False, **more})

    def side(self, box: Box, x: float, y: float) -> Point:
        """A point of a box, on the page: (-1, 0) is the middle of its left side."""
        cx, cy = box.centre or (0.0, 0.0)
        return cx + x * box.width / 2, self.height - cy + y * box.height / 2


class Columns:
    """The places of the time steps, from left to right, and the loss behind them.

    Args:
        subject: whose time steps.
        tall: the height of what the page must hold, in sizes of text.

    Attributes:
        sheet: a page large enough for all of them, with text as large as they leave room for.
        pitch: from one column to the next.
        card: the width of what stands in one.
        begin, end: where the first begins and the last ends, the loss left out.
        x: the middle of the column of every time step.
        folds: from where to where a fold goes.
        loss: the middle of the column of the loss.
    """

    def __init__(self, subject: Subject, tall: float) -> None:
        view, columns = subject.view, subject.columns
        widths = [
            1.0 if isinstance(c, int) else END_FOLD if i in (0, len(columns) - 1) else FOLD
            for i, c in enumerate(columns)
        ]
        wide = add_up(widths) + (subject.loss is not None)
        size = SMALLEST
        while size > LEAST and (columns_in(view, size) < wide or tall * size > view.page[1]):
            size -= 0.5
        page = max(view.page[0], 2 * MARGIN + (_AXIS + _COLUMN * wide) * size), max(view.page[1], tall * size)
        self.sheet = Sheet(view, size, page)
        self.begin = x = self.sheet.left + _AXIS * size
        self.pitch = (self.sheet.right - x) / wide
        self.card = min(self.pitch - max(1.2 * size, 0.2 * self.pitch), 14.0 * size)
        self.x: dict[int, float] = {}
        self.folds: dict[Fold, tuple[float, float]] = {}
        for column, width in zip(columns, widths):
            if isinstance(column, int):
                self.x[column] = x + self.pitch / 2
            else:
                self.folds[column] = x, x + self.pitch * width
            x += self.pitch * width
        self.end = x
        self.loss = x + self.pitch / 2


def columns_in(view: View, size: float) -> float:
    """The number of columns that a page has room for, with text of this size."""
    return (view.page[0] - 2 * MARGIN - _AXIS * size) / (_COLUMN * size)


def most_states(view: View, count: int, with_loss: bool) -> int:
    """The number of states to draw, of so many: ``max_steps``, or as many as fit onto a page in `SMALLEST` text."""
    if view.max_steps is not None:
        return view.max_steps
    room = columns_in(view, SMALLEST) - with_loss
    return count if count <= room else max(3, int(room - FOLD))
