"""A picture written as DOT text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from html import escape
from itertools import chain

from ..support import colours
from ..support.sums import norm_of
from .arrows import label_place
from .geometry import Box, Curve, Frame, Line, Picture, Row, Swatch, Text
from .text import printable
from .text import width as measure

FONT = "Helvetica"  # one of the names that every engine knows, with its bold
INCH = 72.0
KEY_SIZE = 9.0  # of text in the key, in points
_ARROW = 5.0  # length of an arrow head, in points
_POINT = 0.72  # the size of a point, which must not be 0
_WIDE = 2.5  # a line wider than this has an arrow head of our own: engines differ in theirs

_HEAD = f"""\
graph [fontname="{FONT}" fontcolor="{colours.INK}" bgcolor="{colours.PAPER}" charset="UTF-8" {{graph}}]
node [shape=box style="rounded,filled" fixedsize={{fixed}} margin=0 fontname="{FONT}" fontsize=9 penwidth=0.8 \
color="{colours.INK}" fillcolor="{colours.PAPER}" fontcolor="{colours.INK}"]
edge [color="{colours.EDGE}" penwidth=0.8 arrowsize=0.5 fontname="{FONT}" fontsize=8 fontcolor="{colours.INK}"]"""


def write(picture: Picture, graph: str = "layout=nop2") -> str:
    """The DOT of a picture. With positions given throughout, ``layout=nop2`` makes any ``dot`` or ``neato`` use them.

    Args:
        picture: what to write.
        graph: attributes of the whole graph.
    """
    if picture.width:
        graph += " pad=0 margin=0"
    if picture.key:
        graph += f" fontsize={KEY_SIZE:g} label={_key(picture.key)}"
    # Where Graphviz finds the places, edges end at cards; with "shape" they would end somewhere inside.
    fixed = "shape" if picture.width else "true"
    out = ["digraph tinygrad_rnn {", _HEAD.replace("{graph}", graph).replace("{fixed}", fixed)]
    if picture.width:  # two corners that nobody sees, so that the page is as large as it should be
        half = _POINT / 2
        for name, x, y in (("page0", half, half), ("page1", picture.width - half, picture.height - half)):
            size = f"width={_POINT / INCH:.5f} height={_POINT / INCH:.5f}"
            out.append(f'{name} [shape=point style=invis label="" pos="{x:.7g},{y:.7g}" {size}]')
    framed = {box.id for frame in picture.frames for box in frame.boxes}  # these stand in the cluster of their frame
    drawn: Iterator[Iterable[str]] = picture.back_to_front(
        _frame, _line, lambda box: () if box.id in framed else _box(box), lambda text: [_text(text, picture.width)]
    )
    out += chain.from_iterable(drawn)
    return "\n".join([*out, "}\n"])


def _key(swatches: Iterable[Swatch]) -> str:
    """A row of words and colours, as a table."""
    cells = "".join(
        f'<TD BGCOLOR="{each.fill}"><FONT COLOR="{colours.ink_on(each.fill)}">'
        f"{escape(each.text, quote=False)}</FONT></TD>"
        for each in swatches
    )
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3"><TR>{cells}</TR></TABLE>>'


def quoted(text: str) -> str:
    """A text as a DOT string in which nothing has a special meaning. Line ends become line ends."""
    clean = printable(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;").replace("\n", "\\n")
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
        *(part for box in frame.boxes for part in _box(box)),
        "}",
    ]


def _box(box: Box) -> Iterator[str]:
    """The node of a box, and one for each of its rows where these differ from each other in their looks."""
    plain = all(row == Row(row.text, role=row.role) for row in box.rows)
    label = "\n".join(box.lines) if plain else ""
    parts = [f'label={quoted(label)} width={box.width / INCH:.4f} height={box.height / INCH:.4f} id="{box.id}"']
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
    if box.dashed or box.shape == "bar":
        style = [*(["rounded"] if box.shape == "card" else []), "filled", *(["dashed"] if box.dashed else [])]
        parts.append(f'style="{",".join(style)}"')
    if box.bold:
        parts.append(f'fontname="{FONT}-Bold"')
    if box.size != 9.0:
        parts.append(f"fontsize={box.size:g}")
    if box.tooltip:
        parts.append(f"tooltip={quoted(box.tooltip)}")
    yield f"{box.id} [{' '.join(parts)}]"
    if not plain:
        yield from (_text(text) for _, text in box.laid_out())


def _line(line: Line) -> Iterator[str]:
    """The edge of a line; nodes for those of its ends that are at no box, and for a wide arrow head."""
    curve, arrow = line.curve, line.arrow
    ends = []
    for which, name, place in (("from", line.tail, 0), ("to", line.head, -1)):
        if not name:
            name = f"{line.id}_{which}"
            x, y = curve[place]
            yield f'{name} [shape=point style=invis label="" width=0.01 height=0.01 pos="{x:.7g},{y:.7g}"]'
        ends.append(name)
    if arrow and curve and line.pen > _WIDE:
        curve, head = _shaft(curve, line.pen)
        arrow = False
        yield f'{line.id}_head [{head} penwidth=0 style=filled label="" fillcolor="{line.stroke}" id="{line.id}_head"]'
    parts = [f'id="{line.id}"']
    if curve:
        parts.append(f'pos="{_course(curve, arrow, line.pen)}"')
    if not arrow:
        parts.append("dir=none")
    if line.stroke != colours.EDGE:
        parts.append(f'color="{line.stroke}"')
    if line.pen != 0.8:
        parts.append(f"penwidth={line.pen:.4g}")
    if line.dashed:
        parts.append("style=dashed")
    if line.label:
        parts.append(f"label={quoted(line.label)}")
        if curve:
            parts.append('lp="{:.7g},{:.7g}"'.format(*(line.label_at or label_place(curve))))
    if line.tooltip:
        parts.append(f"tooltip={quoted(line.tooltip)}")
    yield f"{ends[0]} -> {ends[1]} [{' '.join(parts)}]"


def _text(text: Text, page: float = 0.0) -> str:
    """The node of a text, on a page of that width.

    An engine justifies a text to the side of its node, unless it takes the text for wider than the node: then it begins
    too far to the left. So the node is as wide as any engine takes the text for; where the page has no room for that,
    the text is centred at where it should be.
    """
    (x, y), width = text.place, measure(text.text, text.size, text.bold)
    label, where = quoted(text.text), x
    if text.anchor != "middle":
        side = 1.0 if text.anchor == "start" else -1.0
        wide = max(width, _width_for_engines(text.text, text.size, text.bold))
        if not page or wide <= (page - x if side > 0 else x):
            label = f'{label[:-1]}\\{"l" if side > 0 else "r"}"'
            width = wide
        where = x + side * width / 2
    font = f"{FONT}-Bold" if text.bold else FONT
    return (
        f'{text.id} [shape=none style="" label={label} pos="{where:.7g},{y:.7g}"'
        f" width={width / INCH:.4f} height={text.size / INCH:.4f} fontsize={text.size:.4g}"
        f' fontname="{font}" fontcolor="{text.ink}" id="{text.id}"]'
    )


def _width_for_engines(text: str, size: float, bold: bool) -> float:
    """The width of a text for an engine without fonts: a byte of a character that is not ASCII is a space to it."""
    plain = "".join(sign for sign in text if sign.isascii())
    return measure(plain, size, bold) + 0.29 * size * (len(text.encode()) - len(plain))


def _shaft(curve: Curve, pen: float) -> tuple[Curve, str]:
    """The curve without its arrow head, and the node that is the head: a triangle that points down or aside."""
    (px, py), (ex, ey) = curve[-2], curve[-1]
    length, width = 1.5 * pen + 3.0, 2.0 * pen + 4.0
    along_x = abs(ex - px) > abs(ey - py)
    sign = math.copysign(1.0, ex - px if along_x else ey - py)
    # A triangle of Graphviz fills three quarters of its box, from the tip to the middle of the other side.
    box = length / 0.75
    back = (ex - sign * length, ey) if along_x else (ex, ey - sign * length)
    middle = (ex - sign * box / 2, ey) if along_x else (ex, ey - sign * box / 2)
    turned = 90 * (3 if sign > 0 else 1) if along_x else (0 if sign > 0 else 180)
    size = f"width={width / INCH:.4f} height={box / INCH:.4f}"
    head = f'shape=triangle orientation={turned} {size} pos="{middle[0]:.7g},{middle[1]:.7g}"'
    return [*curve[:-1], back], head


def _course(curve: Curve, arrow: bool, pen: float) -> str:
    if not arrow:
        return " ".join(f"{x:.7g},{y:.7g}" for x, y in curve)
    (px, py), (ex, ey) = curve[-2], curve[-1]
    if (px, py) == (ex, ey):
        px, py = curve[-3]
    length = norm_of((ex - px, ey - py)) or 1.0
    back = min(_ARROW + pen, 0.9 * length) / length
    end = (ex - (ex - px) * back, ey - (ey - py) * back)
    return f"e,{ex:.7g},{ey:.7g} " + " ".join(f"{x:.7g},{y:.7g}" for x, y in [*curve[:-1], end])
