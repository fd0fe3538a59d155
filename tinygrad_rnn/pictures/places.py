"""Places found by Graphviz, for pictures in which only it can find them."""

from __future__ import annotations

import json
from dataclasses import replace

from ..support import colours
from ..support.sums import add_up
from . import engine, text
from .dot import KEY_SIZE
from .geometry import Box, Curve, Picture, Row
from .layout import points


def placed(picture: Picture, source: str, time_limit: float) -> Picture:
    """The picture with the places that Graphviz finds for its boxes and lines.

    Args:
        picture: without places.
        source: its DOT text.
        time_limit: in seconds.

    Raises:
        DrawError: Graphviz is missing, failed, or took longer.
    """
    found = json.loads(engine.run(source, "json0", time_limit))
    left, bottom, right, top = (float(number) for number in found["bb"].split(","))
    centres = {item["name"]: points(item["pos"])[0] for item in found["objects"] if "pos" in item}
    courses = {item["id"]: item["pos"] for item in found.get("edges", ()) if "pos" in item}
    boxes = [replace(box, centre=centres[box.id]) for box in picture.boxes]
    key = _key(picture, points(found["lp"])[0][1]) if picture.key else []
    return replace(
        picture,
        boxes=[*boxes, *key],
        lines=[replace(line, curve=_course(courses[line.id])) for line in picture.lines],
        key=(),
        width=max(right - left, add_up(box.width for box in key)),
        height=top - bottom,
    )


def _key(picture: Picture, y: float) -> list[Box]:
    """The key as boxes, side by side."""
    boxes, x = [], 0.0
    for i, swatch in enumerate(picture.key):
        wide = text.width(swatch.text, KEY_SIZE) + KEY_SIZE
        box = Box(f"key{i}", [Row(swatch.text)], wide, 1.6 * KEY_SIZE, (x + wide / 2, y), swatch.fill, pen=0.0)
        box.ink, box.size, box.role, box.shape = colours.ink_on(swatch.fill), KEY_SIZE, "swatch", "bar"
        boxes.append(box)
        x += wide
    return boxes


def _course(text: str) -> Curve:
    """The control points of an edge; the tip of its arrow is the last."""
    head, _, rest = text.partition(" ")
    return [*points(rest)[:-1], *points(head)] if head.startswith("e,") else points(text)
