"""Names of Values as they stand in a picture: with lowered indices, and as short as the room requires."""

from __future__ import annotations

import re

from ..engine import notation
from ..engine.value import Value
from . import text


def pretty(name: str) -> str:
    """A name or formula as mathematics writes it: h_12 becomes h₁₂, x^2 becomes x², a hyphen before a digit a minus."""
    name = re.sub(r"_(\d+)\b", lambda found: text.subscript(int(found[1])), name)
    name = re.sub(r"\^(-?\d+)\b(?!\.)", lambda found: text.superscript(int(found[1])), name)
    return minus(name)


def minus(name: str) -> str:
    """A formula with the sign of a negative number as it is written elsewhere in a picture."""
    return re.sub(r"(?<![\w)\]])-(?=[\d.])", "−", name)


def title(value: Value, room: float, size: float, bold: bool = False) -> str:
    """A node in the room that there is: ``h₃ = tanh(z₃)``, else the label, the formula or the sign alone."""
    label = pretty(text.clipped(value.label, 60))
    if not value.parents:
        return text.squeezed(label or text.number(value.data), room, size, bold)
    symbol = (value.operation.symbol or value.op).replace("-", "−")
    whole = pretty(notation.formula(value))
    short = pretty(notation.outline(value))
    for written in (
        *([f"{label} = {whole}"] if label and "…" not in whole else []),
        *([f"{label} = {short}", label] if label else []),
        *([whole] if "…" not in whole else []),
        short,
        symbol,
    ):
        if text.width(written, size, bold) <= room:
            return written
    return text.squeezed(label or symbol, room, size, bold)


def slope(child: Value, position: int) -> str:
    """The name of ∂child/∂operand: w for a product with w, tanh′ for a function; empty where it has no name."""
    op = child.operation
    formula = op.local_formulas[position] if op.local_formulas else ""
    lone = {"{0}": 0, "{1}": 1}.get(formula)
    if lone is not None:
        return pretty(text.clipped(child.parents[lone].label, 12))
    return f"{op.symbol}′" if op.arity == 1 and op.symbol.isalpha() else ""


__all__ = ["minus", "pretty", "slope", "title"]
