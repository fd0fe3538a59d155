"""The bars for what is left of the gradient: one for every state, on a log scale, beside the law."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..support import colours
from ..support.colours import Scale
from . import text, words
from .geometry import Point
from .proportions import BARS_ABOVE, BARS_BELOW, EASE
from .sheet import Anchor, Columns, Looks
from .subject import Subject

LEAST = 8.5  # height of this part, in sizes of text
_CUT = "nothing of it passes the cut"
_MARK = 0.5  # size of a mark on the law, in sizes of text


@dataclass(frozen=True)
class _Bar:
    """A bar: its time step, its middle and its width."""

    step: int
    x: float
    width: float


def draw(subject: Subject, columns: Columns, scale: Scale, top: float, end: float) -> None:
    """Draw the bars, with the heading at the top and the numbers at the end."""
    sheet, s = columns.sheet, columns.sheet.size
    kept, law = subject.kept, subject.law
    sheet.heading("left", words.left(subject), top + 0.7 * s)
    bars = _bars(subject, columns)
    low, high = _decades([*kept.values(), *(law.at.values() if law else ())])
    upper, lower = top + BARS_ABOVE * s, end - BARS_BELOW * s

    def level(value: float) -> float:
        part = (math.log10(value) - low) / (high - low) if value > 0 else 0.0
        return lower - (lower - upper) * min(max(part, 0.0), 1.0)

    def places() -> tuple[list[Point], tuple[float, float, Anchor] | None]:
        points = [(bar.x, level(law.at[bar.step])) for bar in bars if law.at[bar.step] > 0] if law else []
        return points, _name_of_law(
            subject, columns, points, [(bar, level(kept[bar.step])) for bar in bars], level(1.0)
        )

    points, named = places()
    if named and named[1] < upper - 0.2 * s:  # it needs room of its own
        upper += 1.3 * s
        points, named = places()
    _axis(columns, low, high, level, lower - upper)
    for bar in bars:
        y, fill = level(kept[bar.step]), scale(kept[bar.step])
        if lower - y > 0.5:
            looks: Looks = {"fill": fill, "stroke": fill, "shape": "bar", "role": "bar", "step": bar.step}
            looks["tooltip"] = f"k = {bar.step}: {kept[bar.step]!r}"
            sheet.box(f"bar_{bar.step}", [], bar.x, (y + lower) / 2, bar.width, lower - y, **looks)
        if bar.step in columns.x:
            write = text.fitted if subject.is_exactly_0 else text.product
            written = write(kept[bar.step], columns.pitch - 0.4 * s, s)
            looks = {"anchor": "middle", "ink": colours.CHAIN, "role": "left", "step": bar.step}
            sheet.text(f"left_{bar.step}", written, bar.x, lower + 0.9 * s, **looks)
    earliest = bars[0]
    end_of_words = earliest.x - earliest.width / 2 - s
    if earliest.step in subject.view.cuts and text.width(_CUT, s) <= end_of_words - columns.begin:
        sheet.text("nothing", _CUT, end_of_words, lower - 0.9 * s, anchor="end", ink=colours.QUIET, role="cut")
    ink = words.ink_of_terms(subject)
    if len(points) > 1:
        for bar in bars:
            if law and bar.step in columns.x and law.at[bar.step] > 0:  # a line alone is lost on a dark bar
                looks = {"fill": ink, "stroke": colours.PAPER, "pen": 1.5, "shape": "bar", "role": "law"}
                sheet.box(f"law_{bar.step}", [], bar.x, level(law.at[bar.step]), _MARK * s, _MARK * s, **looks)
        sheet.path("law", points, stroke=ink, pen=2.2, dashed=True, role="law", in_front=True)
    if named:
        x, y, anchor = named
        sheet.text("lawname", words.law(subject), x, y, anchor=anchor, ink=ink, bold=True, role="law")


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten between which the scale goes."""
    logs = [math.log10(value) for value in values if 0.0 < value < math.inf] or [0.0]
    low, high = math.floor(min(logs) - EASE), math.ceil(max(logs) - 1e-9)
    return low, max(high, low + 1)


def _bars(subject: Subject, columns: Columns) -> list[_Bar]:
    bars = [_Bar(k, columns.x[k], columns.card) for k in subject.kept if k in columns.x]
    for fold, (a, b) in columns.folds.items():
        inner = sorted(k for k in subject.kept if fold.first <= k <= fold.last)
        each = (b - a) / max(len(inner), 1)
        bars += [_Bar(k, a + each * (i + 0.5), max(0.6, 0.8 * each)) for i, k in enumerate(inner)]
    return sorted(bars, key=lambda bar: bar.step)


def _axis(columns: Columns, low: int, high: int, level: Callable[[float], float], height: float) -> None:
    """Draw lines at powers of ten, as many as have room for their numbers; that at 1 is stronger."""
    sheet, s = columns.sheet, columns.sheet.size
    stride = max(1, math.ceil((high - low) * 1.5 * s / height))
    for e in range(low, high + 1):
        if e % stride == 0:
            y, one = level(10.0**e), e == 0
            looks: Looks = {
                "stroke": colours.QUIET if one else colours.GRID,
                "pen": 1.2 if one else 0.8,
                "role": "grid",
            }
            sheet.path(f"grid{e - low}", [(columns.begin, y), (columns.end, y)], **looks)
            place = columns.begin - 0.4 * s, y
            sheet.text(f"tick{e - low}", text.decade(e), *place, anchor="end", ink=colours.QUIET, role="tick")


def _name_of_law(
    subject: Subject, columns: Columns, points: Sequence[Point], bars: Sequence[tuple[_Bar, float]], one: float
) -> tuple[float, float, Anchor] | None:
    """The place of the name of the law: above its line and the bars, at the end where it can stand lower.

    Args:
        one: the level of 1, whose line is not to go through it.
    """
    if len(points) < 2:
        return None
    s = columns.sheet.size
    width = text.width(words.law(subject), s, True)
    ends: list[tuple[float, float, Anchor]] = []
    first, last = points[0][0] - columns.card / 2, points[-1][0] + columns.card / 2
    for x, low, high, anchor in ((first, first, first + width, "start"), (last, last - width, last, "end")):
        if low < columns.begin or high > columns.sheet.right:
            continue
        near = [y for px, y in points if low - columns.pitch <= px <= high + columns.pitch]
        near += [y for bar, y in bars if low - columns.pitch <= bar.x <= high + columns.pitch]
        ends.append((min(near), x, "start" if anchor == "start" else "end"))
    if not ends:
        return None
    y, x, where = max(ends)
    y -= 0.9 * s
    return x, one - 0.8 * s if abs(y - one) < 0.8 * s else y, where
