"""Stop a backward pass at the first gradient that is NaN, infinite, or has vanished exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from weakref import ref

from ..errors import AnomalyError
from . import notation
from .backward import local_gradients, topological_order
from .passes import notify
from .recording import Within
from .steps import Step
from .value import Value

#: Ops whose derivative is nowhere 0: a 0 is what rounding left of it.
_NEVER_FLAT = frozenset({"tanh", "sigmoid", "exp"})


class detect_anomaly(Within):
    """Within this context, a backward pass ends with an error at the first gradient that cannot be trusted.

    That is: one that is NaN or infinite, whether computed, overflowed or returned by a hook; any gradient of a
    NaN; and one that vanished exactly, although neither of its factors did (underflow) or although the derivative
    of its op is nowhere 0 (saturation). A product with a true 0, such as the slope of relu or a weight of 0, is no
    anomaly.

    Enter it before the forward pass, and the error says which line of the user's program created the node: it
    includes `trace_creation`. Like PyTorch's, it holds for all threads.

    Args:
        vanishing: whether a gradient that vanished exactly counts.

    Raises (from ``backward()`` and ``backward_steps()``):
        AnomalyError: naming op, node, operands, time step, and line of creation. The gradients are left as they
            were when it happened.
    """

    def __init__(self, vanishing: bool = True) -> None:
        super().__init__(traces=True)
        self.vanishing = vanishing

    def _begin(self, lock: ref[object]) -> None:
        super()._begin(lock)
        notify(_Checks(self.vanishing), lock)


class _Checks:
    """An observer that raises an error at a gradient that cannot be trusted."""

    def __init__(self, vanishing: bool) -> None:
        self._vanishing = vanishing

    def began(self, root: Value) -> None:
        """Refuse to start from a NaN, which need not show in the gradients."""
        if math.isnan(root.data):
            raise _anomaly(root, f"backward() starts from {notation.name(root)}, which is NaN{_first_bad_number(root)}")

    def stepped(self, step: Step) -> None:
        """Check the gradient after a step."""
        what = _not_finite(step) or (self._vanishing and _vanished(step))
        if what:
            node = step.node
            operands = ", ".join(
                f"{notation.name(parent)} = {notation.number(parent.data, 6)}" for parent in node.parents
            )
            in_numbers = f"{step.formula_in_numbers}, times the gradient {notation.number(step.gradient, 6)}"
            error = _anomaly(node, f"{what}: {in_numbers}; the operands are {operands}{_first_bad_number(node)}")
            error.step = step
            raise error

    def replaced(self, node: Value) -> None:
        """Check what a hook returned."""
        if not math.isfinite(node.grad):
            raise _anomaly(node, f"a hook made the gradient of {notation.name(node)} {node.grad}")


def _anomaly(node: Value, what: str) -> AnomalyError:
    return AnomalyError(
        what,
        op=node.operation.title or None,
        node=notation.name(node),
        time_step=node.time_step,
        created_at=node.created_at,
        remedy=None if node.created_at else "To see where it was created, build the graph inside detect_anomaly() too",
    )


def _not_finite(step: Step) -> str | None:
    if math.isfinite(step.gradient_after):
        return None
    parent = notation.name(step.parent)
    if math.isnan(step.gradient_after):
        return f"the gradient of {parent} became NaN"
    overflow = math.isfinite(step.local_gradient) and math.isfinite(step.gradient)
    return f"the gradient of {parent} {'overflowed' if overflow else 'became infinite'}"


def _vanished(step: Step) -> str | None:
    if step.contribution or not step.gradient:
        return None
    to = f"on its way to {notation.name(step.parent)} the gradient vanished exactly"
    if step.local_gradient:
        return f"{to} (underflow)"
    return f"{to} ({step.op} is saturated)" if step.op in _NEVER_FLAT else None


def _first_bad_number(node: Value) -> str:
    """The place where the forward pass already went wrong, if it did."""
    earlier = first_number(node, lambda number: not math.isfinite(number))
    if earlier is None:
        return ""
    site = f", created at {earlier.created_at}" if earlier.created_at else ""
    return f". In the forward pass, {notation.name(earlier)} was the first to be {earlier.data}{site}"


# ---- afterwards -------------------------------------------------------------------------------------------------


def first_number(root: Value, is_wrong: Callable[[float], bool]) -> Value | None:
    """The node whose number was the first to be wrong, such as NaN, in the forward pass; None if none is."""
    return next((node for node in reversed(topological_order(root)) if is_wrong(node.data)), None)


def first_contribution(root: Value, is_wrong: Callable[[float], bool]) -> tuple[Value, Value, float] | None:
    """A node, its operand and the local gradient between them whose contribution was the first to be wrong in the
    backward pass that has run; None if none was.
    """
    for node in topological_order(root):
        for parent, slope in zip(node.parents, local_gradients(node)):
            if is_wrong(slope * node.grad):
                return node, parent, slope
    return None
