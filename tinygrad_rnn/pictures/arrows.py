"""The heads of arrows, and the places of their labels."""

from __future__ import annotations

from ..support.sums import norm_of
from .geometry import Curve, Line, Point, along


def arrow_head(line: Line) -> tuple[Curve, list[Point]]:
    """The curve of an arrow up to its head, and the three corners of the head, the tip first."""
    (px, py), (ex, ey) = line.curve[-2], line.curve[-1]
    if (px, py) == (ex, ey):
        px, py = line.curve[-3]
    distance = norm_of((ex - px, ey - py)) or 1.0
    along_x, along_y = (ex - px) / distance, (ey - py) / distance
    length, width = 1.5 * line.pen + 4.0, 2.0 * line.pen + 3.0
    bx, by = ex - along_x * length, ey - along_y * length
    side_x, side_y = -along_y * width / 2, along_x * width / 2
    return [*line.curve[:-1], (bx, by)], [(ex, ey), (bx + side_x, by + side_y), (bx - side_x, by - side_y)]


def label_place(curve: Curve) -> Point:
    """The place of the label of a line, by default: beside its middle."""
    x, y = along(curve, 0.5)
    upright = abs(curve[-1][0] - curve[0][0]) < 1.0
    return (x + 14.0, y) if upright else (x, y + 7.0)
