"""A long strip of time steps as rows below each other, like a score; lines that go on in another pass between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from . import geometry
from .geometry import Box, Curve, Frame, Line, Picture, Point

LANE = 7.0  # between lines from row to row
GAP = 14.0  # between rows, besides these lines


@dataclass(frozen=True)
class _Part:
    """A block that stays together: a frame with everything above and below it, from ``left`` to ``right``."""

    left: float
    right: float


def most_readable(picture: Picture, aspect: float, heading: float) -> list[float]:
    """The places at which to begin the rows of a strip so that it is as large as can be on a page of this shape.

    Args:
        picture: a strip.
        aspect: width by height of the page.
        heading: height of what stands above the rows.

    Returns:
        the left end of each row.
    """
    parts = _parts(picture)
    height = _height(picture)
    best: tuple[float, list[float]] | None = None
    first_rows = {part.right - parts[0].left for part in parts}
    last_rows = {parts[-1].right - part.left for part in parts}
    for widest in sorted(first_rows | last_rows, reverse=True):
        starts = _starts(parts, widest)
        ends = [*starts[1:], parts[-1].right]
        width = max(end - start for start, end in zip(starts, ends))
        enlarged = min(aspect / width, 1.0 / (heading + len(starts) * (height + GAP)))
        if best is None or enlarged > best[0] * 1.02:  # fewer rows, unless more are really better
            best = enlarged, starts
    return best[1] if best else []


def wrapped(picture: Picture, starts: Sequence[float]) -> Picture:
    """The strip in rows that begin where it says."""
    if len(starts) < 2:
        return picture
    edges = [*starts[1:], float("inf")]
    crossing = dict.fromkeys(range(len(starts)), 0)  # lines that pass above a row
    ends = {id(line): (_row(line.curve[0][0], edges), _row(line.curve[-1][0], edges)) for line in picture.lines}
    lanes: dict[tuple[int, float, float], int] = {}
    for line in picture.lines:
        tail, head = ends[id(line)]
        if tail != head:
            key = (head, *line.curve[0])
            if key not in lanes:
                crossing[head] += 1
                lanes[key] = crossing[head]
    tops = _tops(picture, crossing)
    margin = LANE * (max(crossing.values(), default=0) + 1)
    width = max(end - start for start, end in zip(starts, [*starts[1:], _right(picture)]))

    def moved(x: float, y: float, row: int) -> Point:
        return x - starts[row] + margin, y - tops[row]

    def box(it: Box) -> Box:
        assert it.centre is not None
        return replace(it, centre=moved(*it.centre, _row(it.centre[0], edges)))

    def frame(it: Frame) -> Frame:
        (left, bottom), (right, top) = (
            moved(x, y, _row(it.left, edges)) for x, y in ((it.left, it.bottom), (it.right, it.top))
        )
        return replace(it, boxes=[box(each) for each in it.boxes], left=left, right=right, bottom=bottom, top=top)

    def course(it: Line) -> Line:
        tail, head = ends[id(it)]
        if tail == head:
            return replace(it, curve=[moved(x, y, tail) for x, y in it.curve])
        start, finish = _cut(it.curve, edges[tail], starts[head])
        out = [moved(x, y, tail) for x, y in start]
        into = [moved(x, y, head) for x, y in finish]
        key = (head, *it.curve[0])
        lane = lanes[key]
        right, left = width + margin + LANE * lane, margin - LANE * lane
        between = _top(picture) - tops[head] + GAP / 2 + LANE * (lane - 0.5)
        corners = [out[-1], (right, out[-1][1]), (right, between), (left, between), (left, into[0][1]), into[0]]
        pieces: list[Curve] = [geometry.straight(a, b) for a, b in pairwise(corners) if a != b]
        return replace(
            it, curve=geometry.joined(*([out] if len(out) > 1 else []), *pieces, *([into] if len(into) > 1 else []))
        )

    return replace(
        picture,
        frames=[frame(each) for each in picture.frames],
        boxes=[box(each) for each in picture.boxes],
        lines=[course(each) for each in picture.lines],
    )


def _parts(picture: Picture) -> list[_Part]:
    spans = [(frame.left, frame.right) for frame in picture.frames]
    spans += [
        (b.centre[0] - b.width / 2, b.centre[0] + b.width / 2) for b in picture.boxes if b.role == "fold" and b.centre
    ]
    return [_Part(*span) for span in sorted(spans)]


def _starts(parts: Sequence[_Part], width: float) -> list[float]:
    """Rows of about that width."""
    starts = [parts[0].left]
    for part in parts[1:]:
        if part.right - starts[-1] > width + 1.0:
            starts.append(part.left)
    return starts


def _row(x: float, edges: Sequence[float]) -> int:
    return next(row for row, edge in enumerate(edges) if x < edge - 1e-6)


def _cut(curve: Curve, right: float, left: float) -> tuple[Curve, Curve]:
    """The pieces of a curve before the end of a row, and those after the beginning of another."""
    joints = range(0, len(curve), 3)
    first = max((i for i in joints if all(x <= right for x, _ in curve[: i + 1])), default=0)
    last = min((i for i in joints if all(x >= left - 20.0 for x, _ in curve[i:])), default=len(curve) - 1)
    return curve[: first + 1], curve[last:]


def _top(picture: Picture) -> float:
    return max(y for _, y in _heights(picture))


def _right(picture: Picture) -> float:
    return max(part.right for part in _parts(picture))


def _heights(picture: Picture) -> list[tuple[float, float]]:
    spans = [(frame.bottom, frame.top) for frame in picture.frames]
    spans += [(b.centre[1] - b.height / 2, b.centre[1] + b.height / 2) for b in picture.boxes if b.centre]
    ys = [y for line in picture.lines for _, y in line.curve]
    return [*spans, *([(min(ys), max(ys))] if ys else [])]


def _height(picture: Picture) -> float:
    spans = _heights(picture)
    return max(top for _, top in spans) - min(bottom for bottom, _ in spans)


def _tops(picture: Picture, crossing: dict[int, int]) -> list[float]:
    """By how much every row is moved down."""
    height, moved, tops = _height(picture), 0.0, []
    for row in range(len(crossing)):
        if row:
            moved += height + GAP + LANE * crossing[row]
        tops.append(moved)
    return tops
