"""The heading of a picture: the verdict, the chain as an equation, and what was unrolled."""

from __future__ import annotations

from collections.abc import Sequence

from ..support import colours
from . import text, words
from .sheet import Looks, Sheet
from .subject import Subject


def draw(subject: Subject, sheet: Sheet, y: float, equations: Sequence[str]) -> float:
    """Write the heading from ``y`` on, and return where it ends."""
    s = sheet.size
    headline = words.headline(subject)
    if headline:
        sheet.line_of_text("headline", headline, y + 1.3 * s, 2.2 * s, bold=True, role="headline")
        y += 2.7 * s
    room, parts = sheet.right - sheet.left, words.caption(subject)
    while len(parts) > 1 and text.width("; ".join(parts), s) > room:
        parts.pop()
    caption = "; ".join(parts)
    quiet: Looks = {"ink": colours.QUIET, "role": "caption"}
    beside = False
    for i, equation in enumerate(filter(None, equations)):
        looks: Looks = {"ink": colours.INK if i else colours.CHAIN, "role": "equation"}
        made = sheet.line_of_text(f"equation{i or ''}", equation, y + 0.8 * s, 1.3 * s, **looks)
        if not i and text.width(equation, made.size) + text.width(caption, s) + 2 * s <= room:
            sheet.text("caption", caption, sheet.right, y + 0.8 * s, anchor="end", **quiet)
            beside = True
        y += 1.8 * s
    if not beside:
        sheet.line_of_text("caption", caption, y + 0.8 * s, s, **quiet)
        y += 1.6 * s
    return y


def height(equations: Sequence[str], size: float) -> float:
    """The room that it takes at most, in text of that size."""
    return (2.7 + 1.8 * len(equations) + 1.6) * size
