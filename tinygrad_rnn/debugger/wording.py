"""The lines that the terminal prints about a `Debugger` and its pass."""

from __future__ import annotations

from itertools import islice

from ..bptt.anatomy import number_or_norm
from ..engine.notation import derivative, gradient, in_formula, local_formula, name, number, time_step
from ..engine.steps import Step
from ..engine.value import Value
from ..nn.linalg import Rows, spectral_norm
from ..support.text import count
from .breakpoints import Breakpoint
from .session import ChainRow, Debugger

MOST_LINES = 40
_MOST_LEAVES = 6  # at the end of a pass


def folded(lines: list[str], keep: str = "first") -> list[str]:
    """The lines; if there are very many, only the first or the last ones."""
    if len(lines) <= MOST_LINES:
        return lines
    left_out = f"… {len(lines) - MOST_LINES} more"
    return [*lines[:MOST_LINES], left_out] if keep == "first" else [left_out, *lines[-MOST_LINES:]]


# ---- the step in view -------------------------------------------------------------------------------------------


def in_view(debugger: Debugger) -> list[str]:
    """The step in view; at the start and the end of the pass, also a line about the pass."""
    view = debugger.view
    if debugger.depth:
        return [f"   [{debugger.depth} up] {view}"]
    if debugger.steps.finished:
        leaves = [node for node in debugger.nodes() if not node.parents and node.time_step is None]
        shown = [f"{gradient(leaf)} = {number(leaf.grad)}" for leaf in leaves[:_MOST_LEAVES]]
        shown += [f"… {len(leaves) - _MOST_LEAVES} more: grads"] if len(leaves) > _MOST_LEAVES else []
        return [f"The pass is complete: {count(debugger.total, 'step')}. {', '.join(shown)}".rstrip()]
    start = []
    if not debugger.taken:
        seed = f"{gradient(debugger.loss)} = {number(debugger.loss.grad)}"
        hidden = f", besides {debugger.hidden} to constants" if debugger.hidden else ""
        start = [f"At the start: {seed}; {count(debugger.total, 'step')} to take{hidden}. help lists the commands."]
    return [*start, f"-> {numbered(debugger, debugger.taken + 1, view)}" if view else no_next_step(debugger)]


def no_next_step(debugger: Debugger) -> str:
    """The message when no step is left: the pass is complete.

    Raises:
        TinygradRNNError: the pass is not complete; the error says why its next step cannot be taken.
    """
    if not debugger.steps.finished:
        next(debugger.steps)
    return "The pass is complete: no step is left. Undo one: back"


def numbered(debugger: Debugger, place: int, step: Step) -> str:
    """A step, with its place in the pass."""
    return f"[{place}/{debugger.total}] {step}"


def parts(step: Step) -> list[str]:
    """A step, and each of its parts."""
    return [
        str(step),
        f"node = {name(step.node)}, parent = {name(step.parent)}, op = {step.op}, time_step = {step.time_step}",
        f"gradient = {step.gradient!r}, local_gradient = {step.local_gradient!r}, contribution = {step.contribution!r}",
    ]


def values(value: object) -> list[str]:
    """The value of an expression; several nodes one by one."""
    nodes = value if isinstance(value, list) and all(isinstance(each, Value) for each in value) else []
    return [repr(node) for node in nodes or [value]]


def around(debugger: Debugger, steps: int) -> list[str]:
    """The latest steps, the next one, and as many after it."""
    done = debugger.latest(steps)
    lines = [f"   {place:>5}  {step}" for place, step in enumerate(done, debugger.taken - len(done) + 1)]
    for place, (node, position) in enumerate(islice(debugger.to_come(), steps + 1), debugger.taken + 1):
        sides = derivative(node, node.parents[position]), local_formula(node, position)
        later = f"{time_step(node)}{' = '.join(filter(None, sides))}  to come"
        is_next = place == debugger.taken + 1
        lines.append(f"{'->' if is_next else '  '} {place:>5}  {(is_next and debugger.next_step) or later}")
    return lines


def breakpoint_line(breakpoint: Breakpoint) -> str:
    """A breakpoint, and how often it has stopped the pass."""
    kind = "   temporary" if breakpoint.temporary else ""
    hits = f"   (hit {count(breakpoint.hits, 'time')})" if breakpoint.hits else ""
    return f"{breakpoint.number}: {breakpoint.text}{kind}{hits}"


# ---- what has flowed so far -------------------------------------------------------------------------------------


def gradients(debugger: Debugger, nodes: list[Value]) -> list[str]:
    """The gradient of each node, and whether it is complete."""
    names = [gradient(node) for node in nodes]
    width = max(map(len, names))
    return [
        f"{name:>{width}} = {number(node.grad):<11} {_progress(debugger, node)}".rstrip()
        for name, node in zip(names, nodes)
    ]


def additions(steps: list[Step]) -> list[str]:
    """The contribution of each step to the gradient of its operand."""
    return [
        f"{time_step(step.node)}{step.formula}, times {in_formula(step.gradient)}, "
        f"adds {in_formula(step.contribution)} to {gradient(step.parent)}"
        for step in steps
    ]


def account(debugger: Debugger, node: Value, steps: list[Step]) -> str:
    """The gradient of a node, to which these steps have added."""
    total = f"{gradient(node)} = {number(node.grad)}"
    if node is debugger.loss:
        return f"{total}: the pass starts here"
    if not steps:
        return f"{total}: nothing has reached it yet"
    before = steps[0].gradient_before
    from_before = f", {number(before)} of it from before this pass" if before else ""
    return f"{total} {_progress(debugger, node)}".rstrip() + from_before


def _progress(debugger: Debugger, node: Value) -> str:
    if debugger.reach.is_complete(node):
        return ""
    return "so far" if debugger.reach.is_reached(node) else "to come"


def chain(debugger: Debugger, k: int) -> list[str]:
    """The product of the Jacobians from the last state back to h_k as a table, and what became of the gradient.

    Raises:
        ArgumentError: as `Debugger.chain`.
    """
    rows = debugger.chain(k)
    last = rows[0].t
    table = [("t", "J_{t+1}", f"J_{last} ⋯ J_{{t+1}}", "∂L/∂h_t", "")]
    for row in rows:
        factor = _factor(row.J) if row.J else ""
        product = _factor(row.jacobian) if row.jacobian and row.t < last else ""
        table.append(
            (str(row.t), factor, product, _size(row.gradient), "" if row.complete else _missing(debugger, row))
        )
    widths = [max(map(len, column)) for column in zip(*table)]
    lines = folded(["  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths)).rstrip() for line in table])
    if len(rows[0].gradient) > 1:
        lines.append("Of vectors the Euclidean norm, of matrices the spectral norm.")
    verdict = debugger.verdict(k)
    return [*lines, verdict.sentence] if verdict else lines


def _missing(debugger: Debugger, row: ChainRow) -> str:
    if not row.connected:
        return f"no way from {name(debugger.loss)}: cut off"
    return "so far" if any(row.gradient) else "to come"


def _size(vector: list[float]) -> str:
    return number(number_or_norm(vector[0] if len(vector) == 1 else vector))


def _factor(matrix: Rows) -> str:
    return number(matrix[0][0] if len(matrix) == 1 else spectral_norm(matrix))
