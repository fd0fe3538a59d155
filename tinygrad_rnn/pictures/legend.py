"""The text above and below a picture of every Value: the chain in words, and the key to its colours."""

from __future__ import annotations

import math
from collections.abc import Collection

from ..bptt.verdict import verdict
from ..support import colours
from ..support.colours import Scale
from . import geometry, text
from .chain import Chain
from .geometry import Row
from .sheet import Sheet

_WRITTEN_OUT = 4  # factors, before the middle becomes "…"


def lines(chain: Chain | None, root: str) -> list[str]:
    """The chain with its factors and their product, and the law that it follows."""
    return [] if chain is None else [equation(chain, root), *law(chain)]


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
    """w^(T−k) with its numbers; and of one path among several, what becomes of the gradient along it."""
    steps = chain.T - chain.k
    if not steps:
        return []
    log10 = chain.log10 - chain.back_to(chain.T)[1]
    verdict_ = [] if chain.only else [verdict_along(log10, steps)]
    tied = chain.tied
    if tied is None:
        return verdict_
    weight, times, power, others = tied
    span = f"∂{text.clipped(chain.last.label, 20)}/∂{text.clipped(chain.target.label, 20)}"
    sign = -1.0 if weight.data < 0 and times % 2 else 1.0
    names, numbers = [f"{text.clipped(weight.label or 'w', 20)}^(T−k)"], [text.power(weight.data, times)]
    values = [text.power_of_ten(sign, power)]
    rest = {name.partition("(")[0] for factor in chain.factors for name, _, own in factor.terms if own is None}
    if rest:
        names.append(f"∏ {rest.pop()}" if len(rest) == 1 and min(rest).endswith("′") else "∏ of the rest")
        product = text.power_of_ten(chain.rest_sign, others)
        numbers.append(product)
        values.append(product)
        values = [f"{' · '.join(values)} = {text.power_of_ten(chain.rest_sign * sign, log10)}"]
    equation = f"{span} = {' · '.join(names)} = {' · '.join(numbers)} = {values[0]}"
    return [f"{'The law' if chain.only else 'Its law'}: {equation}, T−k = {steps}", *verdict_]


def verdict_along(log10: float, steps: int) -> str:
    """A sentence on what becomes of the gradient along a path of so many time steps, given log10 of its product."""
    size = math.nan if math.isnan(log10) else math.inf if log10 > 308 else 10.0**log10
    found = verdict(size, steps)
    assert found is not None
    return f"{found.clause('Along this path the gradient', number=text.number)}."


def _abridged(items: list[str]) -> list[str]:
    items = [f"({item})" if item.startswith("−") else item for item in items]
    return items if len(items) <= _WRITTEN_OUT else [*items[:2], "…", items[-1]]


class Key:
    """The scale of gradients with its numbers, and what each kind of card and line is.

    Args:
        scale: None where there is no gradient.
        kinds: of the nodes that are drawn, and ``"tied"`` where a weight has copies.
        chain: what is lit.
    """

    def __init__(self, scale: Scale | None, kinds: Collection[str], chain: Chain | None) -> None:
        self.scale, self.kinds, self.chain = scale, kinds, chain

    def width(self, size: float) -> float:
        """Its width in text of that size, in points."""
        return self._write(None, 0.0, 0.0, size)

    def draw(self, sheet: Sheet, y: float) -> None:
        """Write it from the left margin on, with its middle at ``y``."""
        self._write(sheet, sheet.left, y, sheet.size)

    def _write(self, sheet: Sheet | None, x: float, y: float, size: float) -> float:
        count = 0

        def words(meaning: str) -> None:
            nonlocal x, count
            if sheet is not None:
                sheet.text(f"key{count}", meaning, x, y, ink=colours.QUIET, role="key")
            count += 1
            x += text.width(meaning, size) + 1.2 * size

        def box(wide: float, label: str = "", **looks: object) -> None:
            nonlocal x, count
            if sheet is not None:
                rows = [Row(label)] if label else []
                sheet.box(f"key{count}", rows, x + wide / 2, y, wide, 1.5 * size, role="swatch", **looks)
            count += 1
            x += wide

        def line(stroke: str, pen: float) -> None:
            nonlocal x, count
            if sheet is not None:
                ends = (x, y), (x + 2.4 * size, y)
                sheet.line(f"key{count}", geometry.straight(*ends), stroke=stroke, pen=pen, role="key")
            count += 1
            x += 2.9 * size

        scale = self.scale
        if scale is None:
            words("white: backward() not run")
        else:
            words("|gradient|")
            for e in scale.levels():
                fill = scale.of_log(float(e))
                looks = {"fill": fill, "stroke": fill, "ink": colours.ink_on(fill), "shape": "bar"}
                box(3.0 * size, text.decade(e), **looks)
            x += 1.2 * size
        for kind, meaning, fill, stroke in _KINDS:
            if kind in self.kinds:
                box(2.0 * size, fill=fill, stroke=stroke, pen=1.4, dashed=kind == "tied")
                x += 0.5 * size
                words(meaning)
        if self.chain is not None and self.chain.links:
            line(colours.CHAIN, 3.0)
            words("the chain" if self.chain.only else "the strongest path")
            if not self.chain.only:
                line(colours.FAINT_CHAIN, 1.2)
                words("all other paths")
        return x


#: Kinds of nodes with what they are, their fill and their stroke.
_KINDS = (
    ("parameter", "parameter", colours.PARAMETER, colours.PARAMETER_LINE),
    ("tied", "one tied weight, a copy per step (here: the step's part)", colours.PARAMETER, colours.PARAMETER_LINE),
    ("input", "input", colours.PAPER, colours.INPUT_LINE),
    ("constant", "constant", colours.PAPER, colours.CONSTANT_LINE),
)
