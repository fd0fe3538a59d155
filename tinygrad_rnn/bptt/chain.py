"""The chain of the Jacobians, multiplied out: what ``backward()`` must have found at every hidden state.

    ∂L/∂h_k = Σ_t g_t J_t J_{t-1} ⋯ J_{k+1},        J_t = ∂h_t/∂h_{t-1},

where g_t is what the loss gives to h_t directly, not through h_{t+1}. With one loss at the end there is one
term, ∂L/∂h_T · J_T ⋯ J_{k+1}; for a scalar cell J_t = w·tanh'(z_t), for a vector cell diag(tanh'(z_t)) W.

This is a check on the backward walk, so it does not use it for the J_t: the local gradients of the op table
are multiplied forwards, from h_{t-1} to h_t, which is the other order in which the chain rule may be applied.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..backward import gradients_kept, start, topological_order, walk
from ..errors import GraphError
from ..value import Value
from .unroll import Unrolled

Vector = list[float]
Matrix = list[Vector]


@dataclass(frozen=True)
class Link:
    """The gradient at the state of one time step, by both ways. Entry i belongs to entry i of the state.

    Attributes:
        k: the time step.
        gradient: ∂L/∂h_k as ``backward()`` left it.
        product: the same by the chain.
        tolerance: by how much rounding may make the two differ.
        jacobian: J_T ⋯ J_{k+1} = ∂h_T/∂h_k.
    """

    k: int
    gradient: Vector
    product: Vector
    tolerance: Vector
    jacobian: Matrix

    @property
    def finite(self) -> bool:
        """Whether neither way overflowed."""
        return all(map(math.isfinite, (*self.gradient, *self.product)))

    @property
    def difference(self) -> float:
        """The largest difference of an entry, relative to what rounding may make of it: at most 1 if they agree."""
        return max(abs(a - b) / most for a, b, most in zip(self.gradient, self.product, self.tolerance))

    @property
    def agrees(self) -> bool:
        """Whether both ways give the same, but for rounding."""
        return self.gradient == self.product or (self.finite and self.difference <= 1.0)


def chain(unrolled: Unrolled, loss: Value) -> Iterator[Link]:
    """Compare what ``loss.backward()`` left at every state with the product of the Jacobians, from T back to 0.

    Rounding: in one time step either way multiplies along paths of at most n edges and adds at most n terms,
    where n is the length of the longest path from h_{t-1} to h_t plus the number of uses of a state. So they
    differ by at most 2·n·(T-k+1) units of 2^-53 of the same sum with absolute values (Higham, *Accuracy and
    Stability of Numerical Algorithms*, 2nd ed., section 3.1), which is carried along.

    Args:
        unrolled: what the loss was computed from.
        loss: the root of the one backward pass that has run.

    Raises:
        GraphError: ``loss.backward()`` has not run, or a derivative is a closure.
    """
    if not loss.has_grad:
        raise GraphError("there is no gradient to compare", node=loss.name, remedy="Call loss.backward() first")
    states = {t: _state(unrolled, t) for t in sorted(unrolled.h)}
    direct = _direct_gradients(loss, states)
    uses = max(_uses(loss, states), default=0)
    product = magnitude = [0.0] * len(states[unrolled.T])
    jacobian: Matrix = []
    roundings = 0
    for k in reversed(states):
        if k == unrolled.T:
            jacobian = [[float(i == j) for j in range(len(product))] for i in range(len(product))]
            length = 1
        else:
            J, length = step_jacobian(states[k + 1], states[k])
            absolute, _ = step_jacobian(states[k + 1], states[k], abs)
            product = _through(product, J)
            magnitude = _through(magnitude, absolute)
            jacobian = [_through(row, J) for row in jacobian]
        product = [a + b for a, b in zip(product, direct[k])]
        # Never below the smallest normal number: below it, rounding is absolute.
        magnitude = [max(a + abs(b), sys.float_info.min) for a, b in zip(magnitude, direct[k])]
        roundings += 2 * (length + uses)
        tolerance = [roundings * 2.0**-53 * most for most in magnitude]
        yield Link(k, [node.grad for node in states[k]], product, tolerance, jacobian)


def step_jacobian(
    after: Sequence[Value], before: Sequence[Value], each: Callable[[float], float] = float
) -> tuple[Matrix, int]:
    """∂after/∂before, by multiplying local gradients forwards, and the length of the longest path between them.

    Args:
        after: the state after a time step.
        before: the state before it.
        each: applied to every local gradient first; with `abs`, paths cannot cancel.

    Raises:
        GraphError: a derivative is a closure.
    """
    zero = [0.0] * len(before)
    tangents = {node: [float(i == j) for j in range(len(before))] for i, node in enumerate(before)}
    lengths = dict.fromkeys(before, 0)
    for node in reversed(topological_order(*after, stop=before)):
        parents = [(i, parent) for i, parent in enumerate(node.parents) if parent in tangents]
        if not parents:
            continue
        rule = node._rule
        if rule.backward is not None:
            raise GraphError(
                "its derivative is a closure, so that its local gradients are unknown",
                op=rule.name,
                node=node.name,
                time_step=node.time_step,
                remedy="Record it with Value.custom or with an op of the table",
            )
        local_gradients = rule.local_gradients(node.data, *[parent.data for parent in node.parents])
        tangent = zero
        for i, parent in parents:
            factor = each(local_gradients[i])
            tangent = [a + factor * b for a, b in zip(tangent, tangents[parent])]
        tangents[node] = tangent
        lengths[node] = 1 + max(lengths[parent] for _, parent in parents)
    return [tangents.get(node, zero) for node in after], max(lengths.values())


def _state(unrolled: Unrolled, t: int) -> list[Value]:
    """Everything that is carried on after time step t, as one vector."""
    quantities = [unrolled[name][t] for name in unrolled.state_names]
    return [node for q in quantities for node in ([q] if isinstance(q, Value) else q)]


def _direct_gradients(loss: Value, states: dict[int, list[Value]]) -> dict[int, Vector]:
    """What the loss gives to each state without passing through another: the graph is cut at all of them."""
    cut = {node: None for state in states.values() for node in state}
    order = topological_order(loss, stop=tuple(cut))
    touched = [*order, *cut]
    with gradients_kept(touched):
        start(touched, loss, 1.0)
        for _ in walk(order, record=False):
            pass
        return {t: [node.grad for node in state] for t, state in states.items()}


def _uses(loss: Value, states: dict[int, list[Value]]) -> Iterator[int]:
    """How often each state entry is an operand below the loss."""
    counts = Counter(parent for node in topological_order(loss) for parent in node.parents)
    return (counts[node] for state in states.values() for node in state)


def _through(row: Vector, matrix: Matrix) -> Vector:
    """row · matrix."""
    return [sum(a * b for a, b in zip(row, column)) for column in zip(*matrix)]
