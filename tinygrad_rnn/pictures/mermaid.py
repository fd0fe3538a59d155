"""A picture written as a Mermaid flowchart, which GitHub draws in READMEs and issues."""

from __future__ import annotations

import re

from ..errors import DrawError
from ..support import colours
from .geometry import Box, Picture

#: What Mermaid draws unless its owner allows more: maxTextSize and maxEdges of its default configuration.
MOST_CHARACTERS, MOST_EDGES = 50_000, 500


def write(picture: Picture) -> str:
    """The Mermaid text of a picture: its boxes and arrows, and what it says; Mermaid finds the places.

    Raises:
        DrawError: it is larger than Mermaid draws.
    """
    texts = {text.id: text.text for text in picture.texts}
    known = {box.id for box in picture.every_box() if _is_drawn(box)}
    lines = ["flowchart LR"]
    title = texts.get("headline") or picture.title
    if title:
        lines = ["---", f"title: {_yaml(title)}", "---", *lines]
    lines_of_text = [texts[name] for name in ("equation", "equation1", "lawname") if name in texts]
    if "left" in texts:  # else the rows of a card say themselves what they are
        lines_of_text.append(" ".join(text.text for text in picture.texts if text.id.startswith("key")))
    if lines_of_text:
        lines.append(f'  says("{"<br/>".join(map(_unbroken, lines_of_text))}")')
        lines.append(f"  style says fill:{colours.PAPER},stroke:{colours.PAPER},color:{colours.INK}")
    for frame in picture.frames:
        lines += [f'  subgraph {frame.id}["{_text(frame.title)}"]', *map(_box, filter(_is_drawn, frame.boxes)), "  end"]
    lines += map(_box, filter(_is_drawn, picture.boxes))
    edges: list[str] = []
    styles: list[str] = []
    for line in sorted(picture.lines, key=lambda line: line.role == "arc"):  # Mermaid ranks by what comes first
        if line.tail not in known or line.head not in known:
            continue
        label = line.label or (texts.get(f"factor_{line.step}", "") if line.role == "arc" else "")
        arrow = "-.->" if line.role == "arc" else "-->"
        if line.role == "arc":
            styles.append(f"  linkStyle {len(edges)} stroke:{line.stroke},stroke-width:{max(1.0, line.pen / 3):.3g}px")
        edges.append(f"  {line.tail} {arrow}" + (f'|"{_text(label)}"|' if label else "") + f" {line.head}")
    lines += [*edges, *styles]
    result = "\n".join(lines) + "\n"
    for count, most, what in ((len(edges), MOST_EDGES, "arrows"), (len(result), MOST_CHARACTERS, "characters")):
        if count > most:
            raise DrawError(
                f"{count:,} {what} are too many for Mermaid, which draws {most:,}",
                remedy="Draw fewer time steps (max_steps, only), or less of each (detail='states'); or save it as .svg",
            )
    return result


def _is_drawn(box: Box) -> bool:
    return box.role not in ("bar", "swatch") and any(box.lines)


def _box(box: Box) -> str:
    words = "<br/>".join(_text(line) for line in box.lines if line)
    style = f"  style {box.id} fill:{box.fill},stroke:{box.stroke},color:{box.ink}"
    return f'  {box.id}("{words}")\n{style}'


def _text(text: str) -> str:
    """A text in quotation marks: nothing in it is markup."""
    return re.sub(
        r"[^\w\s.,:()\[\]/=+|^'-]", lambda c: c[0] if ord(c[0]) > 126 else f"#{ord(c[0])};", " ".join(text.split())
    )


def _unbroken(text: str) -> str:
    """A text that Mermaid leaves on one line."""
    return _text(text).replace(" ", "#160;").replace("/", "/#8288;")


def _yaml(text: str) -> str:
    return '"' + re.sub(r'["\\\x00-\x1f\x7f]', " ", text) + '"'
