"""The picture of the unrolled graph, cut into columns, so that a page need hold only those in view.

It is the static drawing's own geometry (`tinygrad_rnn.pictures`): the same cards at the same places.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..engine import notation
from ..engine.value import Value
from ..pictures import graph, text, timeline
from ..pictures.colours import Scale
from ..pictures.geometry import Box, Curve, Line, Picture

LONGEST = 120  # characters of a name or a formula
LEVELS = 10  # steps of the colour scale, from a gradient that has vanished to the largest one


class Numbering:
    """A number for every Value, in order of creation: how the page refers to it."""

    def __init__(self, values: Sequence[Value]) -> None:
        self.values = values
        self._places = {value: i for i, value in enumerate(values)}

    def __getitem__(self, value: Value) -> int:
        return self._places[value]

    def __contains__(self, value: Value) -> bool:
        return value in self._places


class Shades:
    """Gradients as levels of the drawing's colour scale.

    Attributes:
        scale: None where there is no gradient to compare with.
    """

    def __init__(self, gradients: Sequence[float]) -> None:
        self.scale = Scale.of(gradients)

    def __call__(self, gradient: float) -> int:
        """0 to `LEVELS`; -1 for an exact 0, which has no logarithm."""
        if self.scale is None or not gradient or math.isnan(gradient):
            return -1
        return self.of_log(math.log10(abs(gradient)) if math.isfinite(gradient) else math.inf)

    def of_log(self, log10: float) -> int:
        """The level of a gradient of this logarithm."""
        if self.scale is None or math.isnan(log10):
            return -1
        place = (log10 - self.scale.low) / (self.scale.high - self.scale.low)
        return round(min(max(place, 0.0), 1.0) * LEVELS)

    def key(self) -> dict[str, Any]:
        """What the ends of the scale mean."""
        return {"low": self.scale.low, "high": self.scale.high} if self.scale else {}


def columns(drawn: graph.Graph, numbers: Numbering, shades: Shades, loss: Value, root: str) -> dict[str, Any]:
    """The drawing of a graph whose gradients are those of one pass from the loss.

    Returns:
        Columns with their cards and lines, in the order of time; x grows to the right, y downwards. A line
        belongs to the column in which it ends; one that passes over others is listed apart, as long.
    """
    picture = timeline.arrange(drawn, None, loss=loss, root=root, ran=True)
    top = max(frame.top for frame in picture.frames)
    frames = sorted([*_frames(picture, numbers, shades), *_folds(picture)], key=lambda column: float(column["x"]))
    home = {id_: column for column in frames for id_ in column.pop("ids")}
    order = {id(column): i for i, column in enumerate(frames)}
    paths: dict[str, int] = {}
    long = []
    for line in picture.lines:
        if line.edge is None or line.tail not in home or line.head not in home:
            continue
        column = home[line.head]
        row = _line(line, column["x"], paths, numbers)
        spans = abs(order[id(home[line.tail])] - order[id(column)])
        if spans > 1:
            xs = [x for x, _ in line.curve]
            long.append([*row, column["x"], min(xs), max(xs)])
        else:
            column["lines"].append(row)
    ys = [y for line in picture.lines if line.edge for _, y in line.curve] + [top]
    ys += [frame.bottom for frame in picture.frames]
    return {
        "columns": frames,
        "long": long,
        "paths": list(paths),
        "width": max(float(column["x"]) + float(column["w"]) for column in frames),
        "top": -max(ys) - 4,
        "bottom": -min(ys) + 4,
    }


def _frames(picture: Picture, numbers: Numbering, shades: Shades) -> list[dict[str, Any]]:
    return [
        {
            "t": frame.boxes[0].node.step if frame.boxes and frame.boxes[0].node else None,
            "title": frame.title,
            "x": round(frame.left, 1),
            "w": round(frame.right - frame.left, 1),
            "y": round(-frame.top, 1),
            "h": round(frame.top - frame.bottom, 1),
            "cards": [_card(box, frame.left, numbers, shades) for box in frame.boxes],
            "lines": [],
            "ids": [box.id for box in frame.boxes],
        }
        for frame in picture.frames
    ]


def _folds(picture: Picture) -> list[dict[str, Any]]:
    return [
        {
            "t": None,
            "title": " ".join(box.lines),
            "x": round(box.centre[0] - box.width / 2, 1),
            "w": round(box.width, 1),
            "y": round(-box.centre[1] - box.height / 2, 1),
            "h": round(box.height, 1),
            "cards": [],
            "lines": [],
            "ids": [box.id],
        }
        for box in picture.boxes
        if box.id.startswith("fold") and box.centre
    ]


def _card(box: Box, left: float, numbers: Numbering, shades: Shades) -> list[Any]:
    node, centre = box.node, box.centre
    assert node is not None  # a frame holds nodes alone,
    assert centre is not None  # each in its place
    x, y = centre
    return [
        numbers[node.value],
        node.kind,
        node.copies,
        round(x - left - box.width / 2, 1),
        round(-y - box.height / 2, 1),
        box.width,
        box.height,
        shades(node.value.grad) if node.value.has_grad and node.kind not in ("parameter", "constant") else -1,
        list(box.lines),
    ]


def _line(line: Line, left: float, paths: dict[str, int], numbers: Numbering) -> list[Any]:
    assert line.edge is not None  # those of the key are left out
    path = paths.setdefault(_path(line.curve, left), len(paths))
    return [path, numbers[line.edge.parent], numbers[line.edge.child], line.edge.position]


def _path(curve: Curve, left: float) -> str:
    """The course as SVG path data, relative to its column."""
    points = [f"{x - left:.4g} {-y:.4g}" for x, y in curve]
    return f"M{points[0]}C{' '.join(points[1:])}"


def details(values: Sequence[Value], steps: Mapping[Value, int | None]) -> list[list[Any]]:
    """What there is to say about every Value: name, formula by name (None where that is its name) and by number,
    data, gradient, time step.
    """
    rows: list[list[Any]] = []
    for value in values:
        name, formula = (text.clipped(of(value), LONGEST) for of in (notation.name, notation.formula))
        rows.append(
            [
                name,
                formula if formula != name else None,
                text.clipped(notation.formula_in_numbers(value), LONGEST),
                repr(value.data),
                repr(value.grad) if value.has_grad else "",
                steps[value],
            ]
        )
    return rows
