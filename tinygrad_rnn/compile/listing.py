"""A compiled program as a student would write it: a line per node."""

from __future__ import annotations

from collections.abc import Iterable

from ..value import Value


def listing(nodes: Iterable[Value]) -> str:
    """A line per node: its time step, name and formula, and the derivative with respect to each operand."""
    names: dict[Value, str] = {}
    rows: list[tuple[str, str, str, str]] = []
    for i, node in enumerate(nodes):
        name = names[node] = node.label or f"v{i}"
        operands = [names[parent] for parent in node.parents]
        op, step = node._rule, "" if node.time_step is None else f"t={node.time_step}"
        slopes = [formula.format(*operands, out=name) for formula in op.local_formulas]
        rows.append((
            step, name, op.formula.format(*operands) or "slot",
            ", ".join(f"∂/∂{operand} = {slope}" for operand, slope in zip(operands, slopes)),
        ))  # fmt: skip
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "".join(
        f"{step:{widths[0]}} {name:{widths[1]}} = {formula:{widths[2]}}  {slopes}".rstrip() + "\n"
        for step, name, formula, slopes in rows
    )
