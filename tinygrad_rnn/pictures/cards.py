"""Cards: how a node looks, with its label, data and gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..engine import notation
from ..engine.value import Value
from ..support import colours
from ..support.colours import Scale
from . import names, text
from .geometry import Box, Row
from .graph import Edge, Node, local_gradients

LINE_HEIGHT = 11.0
_LONGEST = 22


def title(value: Value, name: str = "") -> str:
    """A node in a few characters: ``h_3 = tanh(z_3)``, ``w·h_2``, ``w``; ``name`` is for what has no label."""
    label = text.clipped(value.label or name, _LONGEST)
    if not value.parents:
        return label or text.number(value.data)
    symbol = value.operation.symbol or value.op
    whole = notation.formula(value)
    for written in (
        *([whole] if "…" not in whole else []),
        notation.outline(value),
        symbol,
    ):
        line = names.minus(text.clipped(f"{label} = {written}" if label else written, 200))
        if len(line) <= _LONGEST:
            return line
    return label or text.clipped(symbol, _LONGEST)


def lines(node: Node, name: str, ran: bool) -> list[str]:
    """The rows of a card.

    Args:
        node: what the card shows.
        name: for a node without a label.
        ran: whether there was a backward pass, so that a node without a gradient is one it did not reach.
    """
    value = node.value
    if node.kind == "constant":
        return [title(value, name), *([text.number(value.data)] if value.label else [])]
    if node.kind == "leaf" and not value.label:
        return [f"data {text.number(value.data)}", gradient(value, ran)]
    head = (
        title(value, name) if node.kind != "parameter" else text.clipped(value.label or name or title(value), _LONGEST)
    )
    if node.copies > 1:
        head += f" tied ×{node.copies}"
    rows = [head, f"data {text.number(value.data)}", gradient(value, ran)]
    if node.share is not None and node.copies > 1:
        rows.append(f"here {text.number(node.share)}")
    return rows


def gradient(value: Value, ran: bool) -> str:
    """The gradient, or that there is none."""
    if value.has_grad:
        return f"grad {text.number(value.grad)}"
    return "grad not reached" if ran else "grad not run"


def slope(edge: Edge) -> str:
    """The local gradient of an edge; nothing where it is unknown."""
    gradient = local_gradients(edge.child)[edge.position]
    return "" if math.isnan(gradient) else text.number(gradient)


def tooltip(node: Node, root: str) -> str:
    """All digits, and the formula."""
    value = node.value
    name = text.clipped(value.label, 60) or title(value)
    rows = [f"{name} = {text.clipped(notation.formula(value), 80)}" if value.parents else name]
    rows.append(f"data {value.data!r}")
    rows.append(f"∂{root}/∂{name if value.label else '…'} = {value.grad!r}" if value.has_grad else "backward() not run")
    if node.share is not None:
        rows.append(f"of which through this time step {node.share!r}")
    return "\n".join(rows)


def size(rows: Sequence[str], bold: bool) -> tuple[float, float]:
    """Width and height of a card with these lines, in points."""
    widest = max(text.width(row, 9.0, bold) for row in rows)
    return max(34.0, round(widest + 12)), round(len(rows) * LINE_HEIGHT + 8)


def box(node: Node, rows: Sequence[str], width: float, height: float, scale: Scale | None) -> Box:
    """The card of a node, coloured by what it is and by its gradient."""
    lines = [Row(row, role="name" if not i else row.partition(" ")[0]) for i, row in enumerate(rows)]
    card = Box(node.id, lines, width, height, node=node, role=node.kind, step=node.step)
    if node.kind == "parameter":
        card.fill, card.stroke, card.pen = colours.PARAMETER, colours.PARAMETER_LINE, 1.4
        card.dashed = node.copies > 1
        return card
    if node.kind == "constant":
        card.stroke, card.ink = colours.CONSTANT_LINE, colours.QUIET
        return card
    if scale is not None and node.value.has_grad:
        card.fill = scale(node.value.grad)
        card.ink = colours.ink_on(card.fill)
    if node.kind in ("input", "leaf"):
        card.stroke, card.pen = colours.INPUT_LINE, 1.4
    if node.kind in ("state", "loss"):
        card.bold, card.pen = True, 1.4
    return card
