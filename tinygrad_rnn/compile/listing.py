"""A compiled program in mathematics: a line per node."""

from __future__ import annotations

from collections.abc import Iterable

from ..engine.notation import in_formula
from ..engine.value import Value
from .symbol import Symbol


def listing(nodes: Iterable[Value]) -> str:
    """A line per node: its time step, name and formula, and the derivative with respect to each operand.

    The formula of a leaf is its place in memory (``parameter 3`` is the fourth parameter), or a constant.
    The gradient of an operand is the sum, over the nodes that use it, of this derivative times the node's gradient.

    Args:
        nodes: nodes over symbols, parents first.
    """
    names: dict[Value, str] = {}
    rows = []
    for i, node in enumerate(nodes):
        op, name = node.operation, node.label or f"v{i}"
        operands, names[node] = [names[parent] for parent in node.parents], name
        slopes = [formula.format(*operands, out=name) for formula in op.local_formulas]
        formula = op.formula.format(*operands) if slopes else f"{op.name}({', '.join(operands)})"
        if not operands:
            formula = _source(node.data)
        step = "" if node.time_step is None else f"t={node.time_step}"
        derivatives = ", ".join(f"∂/∂{operand} = {slope}" for operand, slope in zip(operands, slopes))
        rows.append((step, name, formula, derivatives))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "".join(
        f"{step:{widths[0]}}  {name:{widths[1]}} = {formula:{widths[2]}}  {derivatives}".rstrip() + "\n"
        for step, name, formula, derivatives in rows
    )


def _source(data: float | Symbol) -> str:
    """The place in memory of the number of a leaf, or that number."""
    if not isinstance(data, Symbol):
        return in_formula(data)
    if data.op != "load":
        return f"{data.op}(…), taken as a constant"
    region, slot = data.place
    return f"{region.name} {slot}" + (f" + {region.stride}·{region.index}" if region.index else "")
