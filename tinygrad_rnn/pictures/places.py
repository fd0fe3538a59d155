"""Places found by Graphviz, for pictures in which only it can find them."""

from __future__ import annotations

import json
from dataclasses import replace

from . import engine
from .geometry import Curve, Picture
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
    return replace(
        picture,
        boxes=[replace(box, centre=centres[box.id]) for box in picture.boxes],
        lines=[replace(line, curve=_course(courses[line.id])) for line in picture.lines],
        width=right - left,
        height=top - bottom,
    )


def _course(text: str) -> Curve:
    """The control points of an edge; the tip of its arrow is the last."""
    head, _, rest = text.partition(" ")
    return [*points(rest)[:-1], *points(head)] if head.startswith("e,") else points(text)
