"""What surrounds the graph: the words above it and the key to its colours below it."""

from __future__ import annotations

import math

from . import colours, text
from .chain import Chain
from .colours import Scale
from .geometry import Box, Line, Picture, Text

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
    factors = [f"({'·'.join(name for name, _, _ in f.terms) or '1'})" for f in chain.factors]
    numbers = [text.number(f.product) for f in chain.factors]
    with_loss = chain.root is not chain.last
    first = [f"∂{root}/∂{last}"] * with_loss
    first_number = [text.number(chain.head.product)] * with_loss
    words = " · ".join(first + _abridged(factors))
    values = " · ".join(first_number + _abridged(numbers))
    left = f"∂{root}/∂{target}" if chain.only else f"along the strongest path, ∂{root}/∂{target}"
    return f"{left} = {words} = {values} = {total}"


def law(chain: Chain) -> list[str]:
    """w^(T−k) with its numbers, and what the gradient does over T − k steps."""
    steps = chain.T - chain.k
    if not steps:
        return []
    span = f"∂{text.clipped(chain.last.label, 20)}/∂{text.clipped(chain.target.label, 20)}"
    over = chain.log10 - chain.log10_back_to(chain.T)
    size = text.power_of_ten(1.0, over)
    fate = (
        f"the gradient vanishes: {size} of it is left after {steps} steps back"
        if over < -0.02
        else f"the gradient explodes: it has grown {size}-fold after {steps} steps back"
        if over > 0.02
        else f"the gradient keeps its size over {steps} steps back"
    )
    tied = chain.tied
    if tied is None:
        return [f"{steps} factors, one per time step: {fate}."]
    weight, times, power, others = tied
    name = text.clipped(weight.label or "w", 20)
    exponent = "T−k" if times == steps else str(times)
    sign = -1.0 if weight.data < 0 and times % 2 else 1.0
    base = text.number(weight.data)
    base = f"({base})" if weight.data < 0 else base
    words = f"The law {name}^({exponent}) = {base}{text.superscript(times)} = {text.power_of_ten(sign, power)}"
    if others:
        words += (
            f"; times all the other derivatives, {text.power_of_ten(1.0, others)},"
            f" it is |{span}| = {size}"
        )
    return [f"{words}; {fate}."]


def _abridged(items: list[str]) -> list[str]:
    return items if len(items) <= _WRITTEN_OUT else [*items[:2], "…", items[-1]]


def key(picture: Picture, scale: Scale | None, left: float, y: float, kinds: set[str], chain: Chain | None) -> float:
    """Add the key to the picture, its middle line at ``y``; returns its right end."""
    x = left
    if scale is None:
        x = _words(picture, x, y, "white: backward() not run")
    else:
        x = _words(picture, x, y, "log₁₀ |gradient|")
        count = min(max(scale.high - scale.low, 4), 10)
        for i in range(count + 1):
            log10 = scale.low + (scale.high - scale.low) * i / count
            shown = text.raised(round(log10)) if math.isclose(log10, round(log10)) and abs(log10) > 0.01 else ""
            shown = "1" if abs(log10) < 0.01 else shown
            box = Box(f"k{len(picture.boxes)}", [shown], 36.0, 18.0, (x + 18.0, y), fill=scale.of_log(log10), size=9.0)
            box.stroke = box.fill
            picture.boxes.append(box)
            x += 36.0
        x += 18.0
    for kind, name, fill, stroke, dashed in (
        ("parameter", "parameter", colours.PARAMETER, colours.PARAMETER_LINE, False),
        ("tied", "one tied weight, a copy per step", colours.PARAMETER, colours.PARAMETER_LINE, True),
        ("input", "input", colours.PAPER, colours.INPUT_LINE, False),
        ("constant", "constant", colours.PAPER, colours.CONSTANT_LINE, False),
    ):
        if kind in kinds:
            picture.boxes.append(
                Box(f"k{len(picture.boxes)}", [""], 24.0, 14.0, (x + 12, y), fill, stroke, 1.4, dashed=dashed)
            )
            x = _words(picture, x + 30.0, y, name)
    if chain is not None and chain.links:
        lines = [("the chain", colours.CHAIN, 3.0)]
        if not chain.only:
            lines = [("the strongest path", colours.CHAIN, 3.0), ("all other paths", colours.FAINT_CHAIN, 1.2)]
        for name, stroke, pen in lines:
            ends = [Box(f"k{len(picture.boxes) + i}", [""], 2.0, 2.0, (x + 28 * i, y), stroke=stroke) for i in (0, 1)]
            picture.boxes += ends
            curve = [(x, y), (x + 9, y), (x + 18, y), (x + 28, y)]
            picture.lines.append(Line(f"kl{len(picture.lines)}", ends[0].id, ends[1].id, curve, stroke=stroke, pen=pen))
            x = _words(picture, x + 36.0, y, name)
    return x


def _words(picture: Picture, x: float, y: float, words: str) -> float:
    picture.texts.append(Text(f"k{len(picture.texts)}t", words, (x, y), 10.0, colours.QUIET))
    return x + text.width(words, 10.0) + 18.0
