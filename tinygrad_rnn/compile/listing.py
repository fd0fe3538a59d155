"""A compiled program as a student would write it: a line per node."""

from __future__ import annotations

from collections.abc import Iterable

from ..value import Value


def listing(nodes: Iterable[Value]) -> str:
    """A line per node: its name, formula, label, time step, and the derivative with respect to each operand."""
    names: dict[Value, str] = {}
    lines = []
    for i, node in enumerate(nodes):
        names[node] = node.label or f"v{i}"
        operands = [names[parent] for parent in node.parents]
        op = node._rule
        step = f"t={node.time_step}" if node.time_step is not None else ""
        if not node.parents:
            lines.append(f"{step:6}{names[node]:16} = slot")
            continue
        slopes = [formula.format(*operands, out=names[node]) for formula in op.local_formulas]
        derivatives = "   ".join(f"∂/∂{operand} = {slope}" for operand, slope in zip(operands, slopes))
        lines.append(f"{step:6}{names[node]:16} = {op.formula.format(*operands):32}  {derivatives}")
    return "\n".join(lines) + "\n"
