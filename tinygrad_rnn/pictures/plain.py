"""A picture written as text, for a terminal: time runs downwards, from the loss back to the earliest state."""

from __future__ import annotations

from collections.abc import Iterator

from ..support.sums import add_up
from .geometry import Box, Picture
from .text import printable

BAR = 24  # characters of the longest bar
_MOST = 400  # boxes of a picture that is no chain of states


def write(picture: Picture) -> str:
    """The text of a picture: of one with states their chain, of any other what each box is made of."""
    states = any(box.role == "state" for box in picture.boxes)
    lines = [*_heading(picture), *(_chain(picture) if states else _boxes(picture))]
    return "".join(f"{printable(line).rstrip()}\n" for line in lines)


def _heading(picture: Picture) -> Iterator[str]:
    found = [text.text for role in ("headline", "equation", "caption") for text in picture.texts if text.role == role]
    yield from [*found, ""] if found else ()


def _chain(picture: Picture) -> Iterator[str]:
    texts = {text.id: text.text for text in picture.texts}
    rows: dict[int, list[Box]] = {}
    folds = {box.step: box for box in picture.boxes if box.role == "fold" and box.step is not None}
    for box in picture.boxes:
        if box.role in ("state", "input") and box.step is not None:
            rows.setdefault(box.step, []).append(box)
    cells = {step: [_said(box) for box in boxes] for step, boxes in rows.items()}
    for text in picture.texts:
        if text.role == "note" and text.step is not None:
            cells[text.step].append(text.text)
    most = max(map(len, cells.values()))
    widths = [max((len(row[i]) for row in cells.values() if i < len(row)), default=0) for i in range(most)]
    bars = {bar.step: bar.height for bar in picture.boxes if bar.role == "bar"}
    highest = max(bars.values(), default=0.0) or 1.0
    losses = [box for box in picture.boxes if box.role == "loss"]
    for box in losses:
        yield _said(box)
        yield "  │"
    for step in sorted({*rows, *folds}, reverse=True):
        if step in folds:
            yield f"  ⋮ {folds[step].lines[-1]}"
        else:
            line = "   ".join(cell.ljust(width) for cell, width in zip(cells[step], widths))
            if step in bars:
                full = max(1, round(BAR * bars[step] / highest))
                line = f"{line.ljust(add_up(widths) + 3 * (most - 1))}   {'█' * full} {texts.get(f'left_{step}', '')}"
            yield line
        factor = texts.get(f"factor_{step}")
        if factor:
            terms, rest = texts.get(f"terms_{step}", ""), texts.get(f"terms_{step}_rest", "")
            made_of = f" = {terms}{rest}" if rest else f"   {texts.get('terms', '')} {terms}" if terms else ""
            folded = texts.get(f"folded_{step}", "")
            yield f"  ↓ {factor}{made_of}{f' = {folded}' if folded else ''}"
        elif step > min(rows):
            yield "  │"
    law = texts.get("lawname")
    key = [text.text for text in picture.texts if text.role == "key" and text.text.startswith("gradient")]
    if law or key:
        yield ""
    if law:
        yield law
    for gradient in key:
        yield f"After a name: value, {gradient}"


def _said(box: Box) -> str:
    """The rows of a box in one line: its name, value and gradient."""
    return "  ".join(line for line in box.lines if line)


def _boxes(picture: Picture) -> Iterator[str]:
    into: dict[str, list[str]] = {}
    for line in picture.lines:
        into.setdefault(line.head, []).append(line.tail)
    boxes = [box for box in picture.every_box() if box.lines and box.role != "swatch"]  # of the key
    names = {box.id: box.lines[0].removeprefix("data ") for box in boxes}
    for box in boxes[:_MOST]:
        parents = ", ".join(names.get(tail, tail) for tail in into.get(box.id, ()))
        yield _said(box) + (f"   from {parents}" if parents else "")
    if len(boxes) > _MOST:
        yield f"… and {len(boxes) - _MOST:,} more"
