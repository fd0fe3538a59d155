"""A picture written as DOT text."""

from __future__ import annotations

import math
import re

from . import colours
from .geometry import Box, Curve, Frame, Line, Picture, Point, Text, along
from .text import width as measure

FONT = "Helvetica"  # one of the names that every engine knows, with its bold
_INCH = 72.0
_ARROW = 5.0  # length of an arrow head, in points

_HEAD = f"""\
graph [fontname="{FONT}" fontcolor="{colours.INK}" bgcolor="{colours.PAPER}" charset="UTF-8" {{graph}}]
node [shape=box style="rounded,filled" fixedsize=true margin=0 fontname="{FONT}" fontsize=9 penwidth=0.8 \
color="{colours.INK}" fillcolor="{colours.PAPER}" fontcolor="{colours.INK}"]
edge [color="{colours.EDGE}" penwidth=0.8 arrowsize=0.5 fontname="{FONT}" fontsize=8 fontcolor="{colours.INK}"]"""


def write(picture: Picture, graph: str = "layout=nop2") -> str:
    """The DOT of a picture. With positions given throughout, ``layout=nop2`` makes any ``dot`` use them.

    Args:
        picture: what to write.
        graph: attributes of the whole graph.
    """
    out = ["digraph tinygrad_rnn {", _HEAD.replace("{graph}", graph)]
    for frame in picture.frames:
        out += _frame(frame)
    out += map(_box, picture.boxes)
    out += map(_line, picture.lines)
    out += map(_text, picture.texts)
    return "\n".join([*out, "}\n"])


def quoted(text: str) -> str:
    """A text as a DOT string in which nothing has a special meaning. Line ends become line ends."""
    # A control character would make the SVG, which is XML, unreadable.
    clean = re.sub(r"[\x00-\x09\x0b-\x1f\x7f\ufffe\uffff\ud800-\udfff]", " ", text)
    clean = clean.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;").replace("\n", "\\n")
    return f'"{clean}"'


def _frame(frame: Frame) -> list[str]:
    middle = (frame.left + frame.right) / 2
    bounds = f"{frame.left:.6g},{frame.bottom:.6g},{frame.right:.6g},{frame.top:.6g}"
    title = (
        f'label={quoted(frame.title)} lp="{middle:.6g},{frame.top - 10:.6g}" lwidth=1 lheight=0.2'
        if frame.title
        else ""
    )
    return [
        f"subgraph cluster_{frame.id} {{",
        f'graph [id="{frame.id}" bb="{bounds}" {title} style="rounded,filled" '
        f'fillcolor="{colours.FRAME}" color="{colours.FRAME_LINE}" fontsize=12]',
        *map(_box, frame.boxes),
        "}",
    ]


def _box(box: Box) -> str:
    parts = [
        f"label={quoted(chr(10).join(box.lines))} width={box.width / _INCH:.4f} height={box.height / _INCH:.4f}"
        f' id="{box.id}"'
    ]
    if box.centre:
        parts.append(f'pos="{box.centre[0]:.7g},{box.centre[1]:.7g}"')
    if box.fill != colours.PAPER:
        parts.append(f'fillcolor="{box.fill}"')
    if box.stroke != colours.INK:
        parts.append(f'color="{box.stroke}"')
    if box.pen != 0.8:
        parts.append(f"penwidth={box.pen:g}")
    if box.ink != colours.INK:
        parts.append(f'fontcolor="{box.ink}"')
    if box.dashed:
        parts.append('style="rounded,filled,dashed"')
    if box.bold:
        parts.append(f'fontname="{FONT}-Bold"')
    if box.size != 9.0:
        parts.append(f"fontsize={box.size:g}")
    if box.tooltip:
        parts.append(f"tooltip={quoted(box.tooltip)}")
    return f"{box.id} [{' '.join(parts)}]"


def _line(line: Line) -> str:
    parts = [f'id="{line.id}"']
    if line.curve:
        parts.append(f'pos="{_course(line.curve, line.arrow, line.pen)}"')
    if not line.arrow:
        parts.append("dir=none")
    if line.stroke != colours.EDGE:
        parts.append(f'color="{line.stroke}"')
    if line.pen != 0.8:
        parts.append(f"penwidth={line.pen:g}")
    if line.dashed:
        parts.append("style=dashed")
    if line.label:
        parts.append(f"label={quoted(line.label)}")
        if line.curve:
            parts.append('lp="{:.7g},{:.7g}"'.format(*(line.label_at or _label_place(line.curve))))
    if line.tooltip:
        parts.append(f"tooltip={quoted(line.tooltip)}")
    return f"{line.tail} -> {line.head} [{' '.join(parts)}]"


def _text(text: Text) -> str:
    # Justified to the left of a box wide enough, so that it starts in place whatever width its letters have.
    width, (x, y) = measure(text.text, text.size, text.mono) * (1.4 if text.bold else 1.25), text.place
    font = "Courier New" if text.mono else f"{FONT}-Bold" if text.bold else FONT
    label = quoted(text.text) if text.centred else f'{quoted(text.text)[:-1]}\\l"'
    return (
        f'{text.id} [shape=none style="" label={label} pos="{x if text.centred else x + width / 2:.7g},{y:.7g}"'
        f" width={width / _INCH:.4f} height={text.size / _INCH:.4f} fontsize={text.size:g}"
        f' fontname="{font}" fontcolor="{text.ink}" id="{text.id}"]'
    )


def _course(curve: Curve, arrow: bool, pen: float) -> str:
    if not arrow:
        return " ".join(f"{x:.7g},{y:.7g}" for x, y in curve)
    (px, py), (ex, ey) = curve[-2], curve[-1]
    if (px, py) == (ex, ey):
        px, py = curve[-3]
    length = math.hypot(ex - px, ey - py) or 1.0
    back = min(_ARROW + pen, 0.9 * length) / length
    end = (ex - (ex - px) * back, ey - (ey - py) * back)
    return f"e,{ex:.7g},{ey:.7g} " + " ".join(f"{x:.7g},{y:.7g}" for x, y in [*curve[:-1], end])


def _label_place(curve: Curve) -> Point:
    x, y = along(curve, 0.5)
    upright = abs(curve[-1][0] - curve[0][0]) < 1.0
    return (x + 14.0, y) if upright else (x, y + 7.0)
