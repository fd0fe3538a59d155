"""What surrounds the graph: the words above it and the key to its colours below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..bptt.verdict import verdict
from ..support.sums import add_up
from . import colours, text
from .chain import Chain
from .colours import Scale
from .geometry import Box, Line, Picture, Row, Text

_WRITTEN_OUT = 4  # factors, before the middle becomes "…"


def heading(chain: Chain | None, title: str, root: str) -> list[str]:
    """The title; the chain with its factors and their product; the law that it follows."""
    if chain is None:
        return [title]
    return [title, equation(chain, root), *law(chain)]


def equation(chain: Chain, root: str) -> str:
    """∂L/∂h_0 = ∂L/∂h_3 · (w·tanh′(z_3)) · … = product."""
    last, target = (text.clipped(value.label, 20) for value in (chain.last, chain.target))
    total = text.power_of_ten(chain.sign, chain.log10)
    if not chain.factors:
        return f"∂{root}/∂{target} = {total}"
    factors = [
        f"({'·'.join(names)})" if len(names := [name for name, _, _ in f.terms]) > 1 else "".join(names) or "1"
        for f in chain.factors
    ]
    numbers = [text.number(f.product) for f in chain.factors]
    with_loss = chain.root is not chain.last
    first = [f"∂{root}/∂{last}"] * with_loss
    first_number = [text.number(chain.head.product)] * with_loss
    words = " · ".join(first + _abridged(factors))
    values = " · ".join([*first_number, *_abridged(numbers)])
    equation = f"{words} = {values} = {total}" if len(first + factors) > 1 else f"{words} = {total}"
    if chain.only:
        return f"∂{root}/∂{target} = {equation}"
    share = ""
    if chain.target.has_grad and chain.root.has_grad and chain.target.grad * chain.product:
        part = 100.0 * chain.product * chain.root.grad / chain.target.grad
        share = f", {text.number(round(part, 1))} % of it" if 0.1 <= part <= 100.0 else ""
    return f"Strongest path to ∂{root}/∂{target}: {equation}{share}"


def law(chain: Chain) -> list[str]:
    """w^(T−k) with its numbers, and what becomes of the gradient over T − k steps."""
    steps = chain.T - chain.k
    if not steps:
        return []
    log10 = chain.log10 - chain.back_to(chain.T)[1]
    tied = chain.tied
    if tied is None:
        return [told(log10, steps, path=not chain.only)]
    weight, times, power, others = tied
    span = f"∂{text.clipped(chain.last.label, 20)}/∂{text.clipped(chain.target.label, 20)}"
    number = f"({text.number(weight.data)})" if weight.data < 0 else text.number(weight.data)
    sign = -1.0 if weight.data < 0 and times % 2 else 1.0
    names, numbers = [f"{text.clipped(weight.label or 'w', 20)}^(T−k)"], [f"{number}{text.superscript(times)}"]
    values = [text.power_of_ten(sign, power)]
    rest = {name.partition("(")[0] for factor in chain.factors for name, _, own in factor.terms if own is None}
    if rest:
        names.append(f"∏ {rest.pop()}" if len(rest) == 1 and min(rest).endswith("′") else "∏ of the rest")
        product = text.power_of_ten(chain.rest_sign, others)
        numbers.append(product)
        values.append(product)
        values = [f"{' · '.join(values)} = {text.power_of_ten(chain.rest_sign * sign, log10)}"]
    equation = f"{span} = {' · '.join(names)} = {' · '.join(numbers)} = {values[0]}"
    return [f"{'The law' if chain.only else 'Its law'}: {equation},  T−k = {steps}", told(log10, steps, not chain.only)]


def told(log10: float, steps: int, path: bool = False) -> str:
    """What became of the gradient over that many time steps, given log10 of the product of its factors."""
    size = math.nan if math.isnan(log10) else math.inf if log10 > 308 else 10.0**log10
    found = verdict(size, steps)
    assert found is not None
    return found.clause("Along this path the gradient" if path else "The gradient") + "."


def write_heading(picture: Picture, lines: Sequence[str], bottom: float, zoom: float) -> tuple[float, float]:
    """Add the heading, above ``bottom``, ``zoom`` times as large; returns its top and its right end."""
    sizes = [zoom * size for size in (15.0, *(12.0 for _ in lines[1:]))]
    top = y = bottom + 1.6 * add_up(sizes)
    for i, (line, size) in enumerate(zip(lines, sizes)):
        y -= 1.6 * size
        ink = colours.CHAIN if i == 1 else colours.INK
        picture.texts.append(Text(f"head{i}", line, (0.0, y + size * 0.5), size, ink, bold=not i))
    return top, max(text.width(line, size, not i) for i, (line, size) in enumerate(zip(lines, sizes)))


def _abridged(items: list[str]) -> list[str]:
    items = [f"({item})" if item.startswith("−") else item for item in items]
    return items if len(items) <= _WRITTEN_OUT else [*items[:2], "…", items[-1]]


def key(
    picture: Picture, scale: Scale | None, left: float, y: float, zoom: float, kinds: set[str], chain: Chain | None
) -> float:
    """Add the key to the picture, ``zoom`` times as large, its middle line at ``y``; returns its right end."""
    key = _Key(picture, left, y, zoom)
    if scale is None:
        key.words("white: backward() not run")
    else:
        key.words("|gradient|")
        span = scale.high - scale.low
        step = -(-span // 10) if span > 4 else 1.0 / -(-4 // span)
        for i in range(math.ceil(span / step) + 1):
            log10 = min(scale.low + i * step, scale.high)
            whole = abs(log10 - round(log10)) < 0.01
            shown = "1" if abs(log10) < 0.01 else text.raised(round(log10)) if whole else ""
            fill = scale.of_log(log10)
            key.box(36.0, 18.0, shown, fill=fill, stroke=fill, ink=colours.ink_on(fill))
        key.x += 18.0 * zoom
    for kind, name, fill, stroke in (
        ("parameter", "parameter", colours.PARAMETER, colours.PARAMETER_LINE),
        ("tied", "one tied weight, a copy per step (here: the step's part of its gradient)", *_TIED),
        ("input", "input", colours.PAPER, colours.INPUT_LINE),
        ("constant", "constant", colours.PAPER, colours.CONSTANT_LINE),
    ):
        if kind in kinds:
            key.box(24.0, 14.0, fill=fill, stroke=stroke, pen=1.4, dashed=kind == "tied")
            key.x += 6.0 * zoom
            key.words(name)
    if chain is not None and chain.links:
        key.line(colours.CHAIN, 3.0)
        key.words("the chain" if chain.only else "the strongest path")
        if not chain.only:
            key.line(colours.FAINT_CHAIN, 1.2)
            key.words("all other paths")
    return key.x


_TIED = (colours.PARAMETER, colours.PARAMETER_LINE)


class _Key:
    """A row of signs and words."""

    def __init__(self, picture: Picture, x: float, y: float, zoom: float) -> None:
        self.picture, self.x, self.y, self.zoom = picture, x, y, zoom

    def words(self, words: str) -> None:
        size = 10.0 * self.zoom
        self.picture.texts.append(Text(self._id(), words, (self.x, self.y), size, colours.QUIET))
        self.x += text.width(words, size) + 14.0 * self.zoom

    def box(self, width: float, height: float, words: str = "", **looks: Any) -> Box:
        width, height = width * self.zoom, height * self.zoom
        box = Box(self._id(), [Row(words)], width, height, (self.x + width / 2, self.y), size=9.0 * self.zoom, **looks)
        self.picture.boxes.append(box)
        self.x += width
        return box

    def line(self, stroke: str, pen: float, dashed: bool = False) -> None:
        start, x = self.box(1.0, 1.0, stroke=stroke), self.x
        self.x += 24.0 * self.zoom
        curve = [(x + (self.x - x) * i / 3, self.y) for i in range(4)]
        end = self.box(1.0, 1.0, stroke=stroke)
        self.picture.lines.append(Line(self._id(), start.id, end.id, curve, stroke=stroke, pen=pen, dashed=dashed))
        self.x += 8.0 * self.zoom

    def _id(self) -> str:
        return f"key{len(self.picture.boxes)}_{len(self.picture.texts)}_{len(self.picture.lines)}"
