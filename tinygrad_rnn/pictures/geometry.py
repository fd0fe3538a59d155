"""A picture as geometry: what stands where, in points, y upwards. DOT is one way to write it down, not the only one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from . import colours
from .graph import Edge, Node

Point = tuple[float, float]
Curve = list[Point]  # control points of cubic Bézier pieces: 3n + 1 of them


@dataclass(slots=True)
class Box:
    """A card with lines of text.

    Attributes:
        id: unique in the picture.
        centre: None where Graphviz is to find one.
        lines: the text, line by line.
        node: what it shows, if that is a node of the graph.
    """

    id: str
    lines: Sequence[str]
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


@dataclass(slots=True)
class Line:
    """An arrow.

    Attributes:
        tail, head: the boxes it joins.
        curve: its course, arrow head included; empty where Graphviz is to find one.
        label_at: the middle of the label; None: beside the middle of the curve.
        edge: what it shows, if that is an edge of the graph.
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


@dataclass(slots=True)
class Frame:
    """What encloses the boxes of one time step."""

    id: str
    title: str
    boxes: list[Box]
    left: float
    bottom: float
    right: float
    top: float


@dataclass(slots=True)
class Text:
    """A line of text on its own.

    Attributes:
        place: its left end, or its middle if it is centred.
    """

    id: str
    text: str
    place: Point
    size: float = 11.0
    ink: str = colours.INK
    bold: bool = False
    centred: bool = False
    mono: bool = False


@dataclass(slots=True)
class Picture:
    """Everything that is to be drawn, back to front."""

    frames: list[Frame] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)


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


def along(curve: Sequence[Point], part: float) -> Point:
    """The point after that part, from 0 to 1, of the curve."""
    pieces = (len(curve) - 1) // 3
    piece = min(int(part * pieces), pieces - 1)
    q = part * pieces - piece
    p = 1.0 - q
    weights = (p**3, 3 * p * p * q, 3 * p * q * q, q**3)
    four = curve[3 * piece : 3 * piece + 4]
    return sum(w * x for w, (x, _) in zip(weights, four)), sum(w * y for w, (_, y) in zip(weights, four))
