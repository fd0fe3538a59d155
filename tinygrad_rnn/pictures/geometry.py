"""A picture as geometry: what stands where, in points, y upwards. Every writer (DOT, SVG, TikZ, …) reads this.

A picture of a page size has its lower left corner at (0, 0) and its upper right one at (`Picture.width`,
`Picture.height`). Everything in it has an ``id`` that is unique and the same whenever the same program is run, a
``role`` and, where it belongs to one, a time ``step``. States are called ``h_3``, inputs ``x_3``, so that authors can
refer to them. In order of time, forwards, things appear by their ``step``; the gradient travels back along the lines of
the role ``"arc"``, from the largest step to the smallest.

Roles of boxes: state, input, loss, fold, bar, law, swatch, gate; part, of the time step that is shown in full; where
every Value is drawn, also op, parameter, constant and leaf. Of lines: flow (data), arc (the gradient, from h_t back to
h_{t-1}), fade (the beginning of an arc over folded time steps, piece by piece), straight (a path without a
nonlinearity), law, grid, cut, key. Of texts: headline, equation, caption, heading, factor (what one step multiplies the
gradient by), terms (what that is made of), left (what is left of the gradient at a state), law, tick, gate, key, note
(a further line about a time step). Of rows: name, data, gradient, step (what a time step is called).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal, TypeVar

from ..support import colours
from ..support.sums import add_up
from .graph import Edge, Node

Drawn = TypeVar("Drawn")
Point = tuple[float, float]
Curve = list[Point]  # control points of cubic Bézier pieces: 3n + 1 of them

LINE_HEIGHT = 1.2  # of a row of text, as a multiple of its size


@dataclass(slots=True)
class Row:
    """A line of text in a box; what is None is as the box has it.

    Attributes:
        role: what it says: name, data, gradient, share; empty where that does not matter.
    """

    text: str
    size: float | None = None
    ink: str | None = None
    bold: bool | None = None
    role: str = ""


@dataclass(slots=True)
class Box:
    """A card with lines of text.

    Attributes:
        centre: None where Graphviz is to find one.
        rows: the text, line by line, in the middle of the box.
        shape: ``"card"`` has round corners, ``"bar"`` has not.
        size, ink, bold: of rows that have none of their own.
        node: what it shows, if that is a node of the graph.
    """

    id: str
    rows: Sequence[Row]
    width: float
    height: float
    centre: Point | None = None
    fill: str = colours.PAPER
    stroke: str = colours.INK
    pen: float = 0.8
    ink: str = colours.INK
    dashed: bool = False
    bold: bool = False
    size: float = 9.0
    tooltip: str = ""
    node: Node | None = None
    role: str = ""
    step: int | None = None
    shape: Literal["card", "bar"] = "card"

    @property
    def lines(self) -> list[str]:
        """The text alone, line by line."""
        return [row.text for row in self.rows]

    def laid_out(self) -> Iterator[tuple[Row, Text]]:
        """Each row, and the same as a text in its place; of a box that has a place."""
        x, y = self.centre or (0.0, 0.0)
        sizes = [row.size or self.size for row in self.rows]
        y += LINE_HEIGHT * add_up(sizes) / 2.0
        for i, (row, size) in enumerate(zip(self.rows, sizes)):
            y -= LINE_HEIGHT * size / 2.0
            bold = self.bold if row.bold is None else row.bold
            name = f"{self.id}_{row.role or i}"
            yield row, Text(name, row.text, (x, y), size, row.ink or self.ink, bold, "middle", role=row.role)
            y -= LINE_HEIGHT * size / 2.0


@dataclass(slots=True)
class Line:
    """An arrow, or a line.

    Attributes:
        tail, head: the boxes it joins; empty where it ends at none.
        curve: its course, arrow head included; empty where Graphviz is to find one.
        label_at: the middle of the label; None: beside the middle of the curve.
        edge: what it shows, if that is an edge of the graph.
        in_front: whether it is drawn in front of the boxes, not behind them.
    """

    id: str
    tail: str
    head: str
    curve: Curve = field(default_factory=list)
    label: str = ""
    label_at: Point | None = None
    stroke: str = colours.EDGE
    pen: float = 0.8
    dashed: bool = False
    arrow: bool = True
    tooltip: str = ""
    edge: Edge | None = None
    role: str = ""
    step: int | None = None
    in_front: bool = False


@dataclass(slots=True)
class Frame:
    """The frame around the boxes of one time step."""

    id: str
    title: str
    boxes: list[Box]
    left: float
    bottom: float
    right: float
    top: float
    step: int | None = None

    @property
    def heading(self) -> Text:
        """The title as a text in its place."""
        middle = (self.left + self.right) / 2
        return Text(f"{self.id}_title", self.title, (middle, self.top - 10.0), 12.0, anchor="middle")


@dataclass(slots=True)
class Text:
    """A line of text on its own.

    Attributes:
        place: its left end, its middle or its right end, as ``anchor`` says; half of its height above and below.
    """

    id: str
    text: str
    place: Point
    size: float = 11.0
    ink: str = colours.INK
    bold: bool = False
    anchor: Literal["start", "middle", "end"] = "start"
    role: str = ""
    step: int | None = None


@dataclass(slots=True)
class Swatch:
    """The meaning of a colour of the scale; on paper, words."""

    text: str
    fill: str = colours.PAPER


@dataclass(slots=True)
class Picture:
    """Everything that is to be drawn.

    Attributes:
        key: what stands below, in a row, where Graphviz finds the places.
        width, height: of the page; 0 where Graphviz finds the places.
        title: what it shows, in a sentence.
        description: what it says, in two sentences, for those who cannot see it.
    """

    frames: list[Frame] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    key: Sequence[Swatch] = ()
    width: float = 0.0
    height: float = 0.0
    title: str = ""
    description: str = ""

    def back_to_front(
        self,
        frame: Callable[[Frame], Drawn],
        line: Callable[[Line], Drawn],
        box: Callable[[Box], Drawn],
        text: Callable[[Text], Drawn],
    ) -> Iterator[Drawn]:
        """The results of the four functions for everything, in the order in which it is drawn: whatever comes later
        covers what was there. The boxes of frames come with the other boxes.
        """
        yield from map(frame, self.frames)
        yield from (line(each) for each in self.lines if not each.in_front)
        yield from map(box, self.every_box())
        yield from (line(each) for each in self.lines if each.in_front)
        yield from map(text, self.texts)

    def every_box(self) -> Iterator[Box]:
        """All boxes, those in frames included."""
        for frame in self.frames:
            yield from frame.boxes
        yield from self.boxes

    def every_text(self) -> Iterator[Text]:
        """All texts, rows of boxes and titles of frames included."""
        for frame in self.frames:
            if frame.title:
                yield frame.heading
        for box in self.every_box():
            yield from (text for _, text in box.laid_out() if text.text)
        yield from self.texts


def straight(start: Point, end: Point) -> Curve:
    """A straight line as a curve."""
    (ax, ay), (bx, by) = start, end
    return [(ax + (bx - ax) * i / 3, ay + (by - ay) * i / 3) for i in range(4)]


def bounds(picture: Picture) -> tuple[float, float, float, float]:
    """The area that the frames, boxes and lines of a picture cover: left, bottom, right, top."""
    xs = [x for frame in picture.frames for x in (frame.left, frame.right)]
    ys = [y for frame in picture.frames for y in (frame.bottom, frame.top)]
    for box in picture.boxes:
        x, y = box.centre or (0.0, 0.0)
        xs += [x - box.width / 2, x + box.width / 2]
        ys += [y - box.height / 2, y + box.height / 2]
    xs += [x for line in picture.lines for x, _ in line.curve]
    ys += [y for line in picture.lines for _, y in line.curve]
    return min(xs), min(ys), max(xs), max(ys)


def shifted(picture: Picture, dx: float, dy: float) -> Picture:
    """The frames, boxes and lines of a picture elsewhere."""

    def box(it: Box) -> Box:
        return it if it.centre is None else replace(it, centre=(it.centre[0] + dx, it.centre[1] + dy))

    frames = [
        replace(
            it,
            boxes=[box(each) for each in it.boxes],
            left=it.left + dx,
            right=it.right + dx,
            bottom=it.bottom + dy,
            top=it.top + dy,
        )
        for it in picture.frames
    ]
    lines = [replace(it, curve=moved(it.curve, dx, dy)) for it in picture.lines]
    return replace(picture, frames=frames, boxes=[box(each) for each in picture.boxes], lines=lines)


def moved(curve: Sequence[Point], dx: float, dy: float) -> Curve:
    """The curve elsewhere."""
    return [(x + dx, y + dy) for x, y in curve]


def joined(*pieces: Curve) -> Curve:
    """Curves one after the other, each starting where the one before ends."""
    whole = list(pieces[0])
    for piece in pieces[1:]:
        whole += piece[1:]
    return whole


def sweep(start: Point, end: Point) -> Curve:
    """From one point to another, leaving and arriving horizontally."""
    middle = (start[0] + end[0]) / 2
    return [start, (middle, start[1]), (middle, end[1]), end]


def pieces(curve: Curve, count: int) -> list[Curve]:
    """A cubic Bézier curve, cut into that many equal parts of its parameter."""
    rest, cut = curve, []
    for left in range(count, 1, -1):  # de Casteljau's algorithm
        part, rows = 1.0 / left, [rest]
        while len(rows[-1]) > 1:
            rows.append([(ax + (bx - ax) * part, ay + (by - ay) * part) for (ax, ay), (bx, by) in pairwise(rows[-1])])
        cut.append([row[0] for row in rows])
        rest = [row[-1] for row in reversed(rows)]
    return [*cut, rest]


def along(curve: Sequence[Point], part: float) -> Point:
    """The point after that part, from 0 to 1, of the curve."""
    pieces = (len(curve) - 1) // 3
    piece = min(int(part * pieces), pieces - 1)
    q = part * pieces - piece
    p = 1.0 - q
    weights = (p**3, 3 * p * p * q, 3 * p * q * q, q**3)
    four = curve[3 * piece : 3 * piece + 4]
    return add_up(w * x for w, (x, _) in zip(weights, four)), add_up(w * y for w, (_, y) in zip(weights, four))
