"""A picture written as SVG, without Graphviz: for where there is no engine, and for what moves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from html import escape

from ..support import colours
from .arrows import arrow_head, label_place
from .geometry import Box, Curve, Frame, Line, Picture, Text
from .text import printable

#: The first that a viewer has: Helvetica, or what stands in for it.
FONTS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
_BASELINE = 0.35  # of its size, how far the base line of a text is below its middle
_ROUND = 6.0  # radius of the corners of a card, in points

#: From the id of an element to the class that animates it; one that is missing stands still.
Classes = Mapping[str, str]


def write(picture: Picture, style: str = "", classes: Classes | None = None) -> str:
    """The SVG of a picture. It scales to the width of whatever shows it.

    Its ids are those of the picture behind a prefix of their own, so that several fit into one page.

    Args:
        picture: what to write; all of it has a place.
        style: CSS for it.
        classes: from the ids of elements to classes of that CSS.
    """
    writer = _Writer(picture, classes or {})
    body = "\n".join(writer.elements())
    prefix = "p" + hashlib.sha256(body.encode()).hexdigest()[:8]
    body = re.sub(r'(<[a-z]+ id=")', rf"\g<1>{prefix}-", body)
    style = f"<style>{style}</style>\n" if style else ""
    width, height = f"{picture.width:g}", f"{picture.height:g}"
    attributes, title, description = named(picture, prefix)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="{height}pt" viewBox="0 0 {width} {height}"'
        f' {attributes} font-family="{FONTS}">\n{title}\n{description}\n{style}'
        f'<rect width="{width}" height="{height}" fill="{colours.PAPER}"/>\n{body}\n</svg>\n'
    )


def named(picture: Picture, prefix: str) -> tuple[str, str, str]:
    """The marks that make an SVG an image with a name, for those who cannot see it: attributes, title and description.

    Args:
        picture: what it shows.
        prefix: of its ids.
    """
    attributes = f'role="img" aria-labelledby="{prefix}-title {prefix}-desc"'
    title = f'<title id="{prefix}-title">{clean(picture.title)}</title>'
    return attributes, title, f'<desc id="{prefix}-desc">{clean(picture.description)}</desc>'


def clean(text: str) -> str:
    """A text as XML has it."""
    return escape(printable(text), quote=False)


class _Writer:
    """The elements of a picture, back to front."""

    def __init__(self, picture: Picture, classes: Classes) -> None:
        self.picture, self.classes = picture, classes

    def elements(self) -> list[str]:
        return [*self.picture.back_to_front(self.frame, self.line, self.box, self.text)]

    def group(self, id: str, kind: str, inside: str, tooltip: str = "") -> str:
        """An element with its id, its class and what a pointer on it shows."""
        names = " ".join(filter(None, (kind, self.classes.get(id, ""))))
        title = f"<title>{clean(tooltip)}</title>" if tooltip else ""
        return f'<g id="{id}" class="{names}">{title}{inside}</g>'

    def frame(self, frame: Frame) -> str:
        rect = _rect(frame.left, self.y(frame.top), frame.right - frame.left, frame.top - frame.bottom)
        inside = f'<{rect} rx="{_ROUND:g}" fill="{colours.FRAME}" stroke="{colours.FRAME_LINE}" stroke-width="0.8"/>'
        if frame.title:
            inside += self.words(frame.heading)
        return self.group(frame.id, "cluster", inside)

    def box(self, box: Box) -> str:
        x, y = box.centre or (0.0, 0.0)
        rect = _rect(x - box.width / 2, self.y(y) - box.height / 2, box.width, box.height)
        round = f' rx="{_ROUND:g}"' if box.shape == "card" else ""
        dashes = f' stroke-dasharray="{_dashes(box.pen)}"' if box.dashed else ""
        pen = f'stroke="{box.stroke}" stroke-width="{box.pen:g}"' if box.pen else 'stroke="none"'
        inside = f'<{rect}{round} fill="{box.fill}" {pen}{dashes}/>'
        for _, text in box.laid_out():
            if text.text:
                own = self.classes.get(text.id, "")
                inside += f'<g class="{own}">{self.words(text)}</g>' if own else self.words(text)
        return self.group(box.id, f"node {box.role}".strip(), inside, box.tooltip)

    def line(self, line: Line) -> str:
        curve, head = (line.curve, "") if not line.arrow else self.arrow(line)
        dashes = f' stroke-dasharray="{_dashes(line.pen)}"' if line.dashed else ""
        inside = (
            f'<path d="{self.course(curve)}" fill="none" stroke="{line.stroke}" stroke-width="{line.pen:.4g}"{dashes}/>'
        )
        inside += head
        if line.label:
            inside += self.words(Text("", line.label, line.label_at or label_place(line.curve), 8.0, anchor="middle"))
        return self.group(line.id, f"edge {line.role}".strip(), inside, line.tooltip)

    def arrow(self, line: Line) -> tuple[Curve, str]:
        """The curve up to its head, and the head."""
        shaft, triangle = arrow_head(line)
        points = " ".join(f"{x:.7g},{self.y(y):.7g}" for x, y in triangle)
        return shaft, f'<polygon points="{points}" fill="{line.stroke}"/>'

    def text(self, text: Text) -> str:
        return self.group(text.id, f"text {text.role}".strip(), self.words(text))

    def words(self, text: Text) -> str:
        x, y = text.place
        weight = ' font-weight="bold"' if text.bold else ""
        anchor = f' text-anchor="{text.anchor}"' if text.anchor != "start" else ""
        at = f'x="{x:.6g}" y="{self.y(y) + _BASELINE * text.size:.6g}"'
        return f'<text {at} font-size="{text.size:.4g}" fill="{text.ink}"{weight}{anchor}>{clean(text.text)}</text>'

    def course(self, curve: Curve) -> str:
        points = [f"{x:.6g},{self.y(y):.6g}" for x, y in curve]
        return f"M{points[0]}C{' '.join(points[1:])}"

    def y(self, y: float) -> float:
        """The distance from the top."""
        return self.picture.height - y


def _rect(x: float, y: float, width: float, height: float) -> str:
    return f'rect x="{x:.6g}" y="{y:.6g}" width="{width:.6g}" height="{height:.6g}"'


def _dashes(pen: float) -> str:
    return f"{4.0 + pen:.3g} {2.0 + pen:.3g}"
