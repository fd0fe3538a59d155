"""The chain of the Jacobians, multiplied out: what ``backward()`` must have found at every hidden state.

    ∂L/∂h_k = Σ_t g_t J_t J_{t-1} ⋯ J_{k+1},        J_t = ∂h_t/∂h_{t-1},

where g_t is what the loss gives to h_t directly, not through h_{t+1}. With one loss at the end there is one
term, ∂L/∂h_T · J_T ⋯ J_{k+1}; for a scalar cell J_t = w·tanh'(z_t), for a vector cell diag(tanh'(z_t)) W.

Where parts of the state of one time step depend on each other (the h of an LSTM on its c, the upper layer on the
lower), the sum gives the gradient at each with the others held fixed. ``backward()`` finds what comes through the
others as well, which is that times M_k, the derivative of the state by its own entries.

This is a check on the backward walk, so it does not use it for the J_t: the local gradients of the op table
are multiplied forwards, from h_{t-1} to h_t, which is the other order in which the chain rule may be applied.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import add

from ..backward import gradients_kept, start, topological_order, walk
from ..errors import GraphError
from ..value import Value
from .matrices import Rows, identity, product
from .unroll import Unrolled

Vector = list[float]


@dataclass(frozen=True)
class Link:
    """The gradient at the state of one time step, by both ways. Entry i belongs to entry i of the state.

    The product is multiplied out from the loss on, so that its rounding grows with the number of steps, in a
    way that depends on the Jacobians. Whether the two agree is therefore judged step by step: the gradient
    that ``backward()`` left at h_k must be the one that it left at h_{k+1} times J_{k+1}, plus g_k, within the
    rounding of that one step.

    Attributes:
        k: the time step.
        gradient: ∂L/∂h_k as ``backward()`` left it.
        product: the same by the chain, from the loss on.
        residual: gradient - (∂L/∂h_{k+1} · J_{k+1} + g_k), with ∂L/∂h_{k+1} as ``backward()`` left it.
        tolerance: how large rounding may make the residual.
        jacobian: J_T ⋯ J_{k+1} = ∂h_T/∂h_k.
    """

    k: int
    gradient: Vector
    product: Vector
    residual: Vector
    tolerance: Vector
    jacobian: Rows

    @property
    def finite(self) -> bool:
        """Whether neither way overflowed."""
        return all(map(math.isfinite, (*self.gradient, *self.product)))

    @property
    def agrees(self) -> bool:
        """Whether the gradient is what the chain rule says, but for rounding; False where it overflowed."""
        return self.finite and all(abs(r) <= most for r, most in zip(self.residual, self.tolerance))

    @property
    def difference(self) -> float:
        """How far the product is from the gradient, relative to it (Euclidean norm)."""
        norm = math.hypot(*self.gradient)
        return math.hypot(*(a - b for a, b in zip(self.gradient, self.product))) / norm if norm else 0.0


def chain(unrolled: Unrolled, loss: Value) -> Iterator[Link]:
    """Compare what ``loss.backward()`` left at every state with the product of the Jacobians, from T back to 0.

    Rounding: within a step either way multiplies along paths of at most n edges and adds at most n terms, n
    being the length of the longest path from h_k to h_{k+1} plus the number of uses of a state. So a residual
    is at most 2·n·2^-52 of the same sum with absolute values (Higham, *Accuracy and Stability of Numerical
    Algorithms*, 2nd ed., section 3.1).

    Args:
        unrolled: what the loss was computed from.
        loss: the root of the one backward pass that has run.

    Raises:
        GraphError: ``loss.backward()`` has not run, or a derivative is a closure.
    """
    if not loss.has_grad:
        raise GraphError("there is no gradient to compare", node=loss.name, remedy="Call loss.backward() first")
    states = {t: unrolled.state(t) for t in sorted(unrolled.h)}
    direct = _direct_gradients(loss, states)
    uses = _most_uses(loss, states)
    size = len(states[unrolled.T])
    # Behind the last state there is nothing: no gradient comes from there.
    arrived = multiplied = [0.0] * size
    jacobian = identity(size)
    step = earlier = start_of_chain = StepJacobian(jacobian, jacobian, jacobian, None, None, 0)
    for k in reversed(states):
        if k < unrolled.T:
            step = earlier
            jacobian = product(jacobian, step.matrix)
        earlier = step_jacobian(states[k], states[k - 1]) if k - 1 in states else start_of_chain
        gradient = [node.grad for node in states[k]]
        expected = earlier.spread(_sum(_through(arrived, step.apart), direct[k]))
        magnitude = earlier.spread_magnitude(
            _sum(_through(map(abs, arrived), step.apart_magnitude), map(abs, direct[k]))
        )
        unit = 2 * (step.length + earlier.length + uses) * sys.float_info.epsilon
        multiplied = _sum(_through(multiplied, step.matrix), direct[k])
        yield Link(
            k,
            gradient,
            earlier.spread(multiplied),
            [a - b for a, b in zip(gradient, expected)],
            # Below the smallest normal number, rounding is absolute.
            [unit * max(most, sys.float_info.min) for most in magnitude],
            jacobian,
        )
        arrived = gradient


@dataclass(frozen=True)
class StepJacobian:
    """How the state after a time step depends on the one before it.

    Attributes:
        matrix: J, the sum over all paths of the product of the local gradients.
        apart: the same over the paths that meet no other entry of the new state.
        apart_magnitude: that with absolute values.
        within: M, how the new state depends on its own entries; None if on none but itself, so that M is 1.
        within_magnitude: that with absolute values.
        length: edges of the longest path.
    """

    matrix: Rows
    apart: Rows
    apart_magnitude: Rows
    within: Rows | None
    within_magnitude: Rows | None
    length: int

    def spread(self, gradient: Vector) -> Vector:
        """The gradient at each entry, given the one with all others held fixed."""
        return gradient if self.within is None else _through(gradient, self.within)

    def spread_magnitude(self, gradient: Vector) -> Vector:
        """The same with absolute values."""
        return gradient if self.within_magnitude is None else _through(gradient, self.within_magnitude)


def step_jacobian(after: Sequence[Value], before: Sequence[Value]) -> StepJacobian:
    """∂after/∂before, by multiplying the local gradients of the op table forwards.

    Args:
        after: the state after a time step.
        before: the state before it.

    Raises:
        GraphError: a derivative is a closure.
    """
    # A column per entry of the old state, and one per entry of the new, where paths begin anew.
    entries = [*before, *after]
    zero, units = [0.0] * len(entries), identity(len(entries))
    rows = dict(zip(before, units))
    magnitudes = dict(rows)
    lengths = dict.fromkeys(before, 0)
    place = {node: i for i, node in enumerate(entries) if i >= len(before) and node not in rows}
    found = {node: (row, row) for node, row in rows.items()}
    for node in reversed(topological_order(*after, stop=before)):
        row, magnitude, length = zero, zero, 0
        if any(parent in rows for parent in node.parents):
            for parent, factor in zip(node.parents, _local_gradients(node)):
                if parent in rows:
                    row = [a + factor * b for a, b in zip(row, rows[parent])]
                    magnitude = [a + abs(factor) * b for a, b in zip(magnitude, magnitudes[parent])]
                    length = max(length, 1 + lengths[parent])
        elif node not in place:
            continue
        if node in place:
            found[node] = row, magnitude
            row = magnitude = units[place[node]]
        rows[node], magnitudes[node], lengths[node] = row, magnitude, length
    split = len(before)
    apart, own = zip(*((row[:split], row[split:]) for row, _ in (found[node] for node in after)))
    apart_magnitude, own_magnitude = zip(*((row[:split], row[split:]) for _, row in (found[node] for node in after)))
    if not any(map(any, own_magnitude)):
        return StepJacobian(list(apart), list(apart), list(apart_magnitude), None, None, max(lengths.values()))
    order = sorted(range(len(after)), key=lambda i: list(found).index(after[i]))
    within, within_magnitude = _closure(own, order), _closure(own_magnitude, order)
    return StepJacobian(
        product(within, list(apart)),
        list(apart),
        list(apart_magnitude),
        within,
        within_magnitude,
        max(lengths.values()),
    )


def _closure(own: Sequence[Vector], order: Sequence[int]) -> Rows:
    """1 + S + S² + …, for the S of entries that depend on those earlier in the order only."""
    result = identity(len(own))
    for i in order:
        for j, factor in enumerate(own[i]):
            if factor:
                result[i] = [a + factor * b for a, b in zip(result[i], result[j])]
    return result


def _local_gradients(node: Value) -> Sequence[float]:
    rule = node._rule
    if rule.backward is not None:
        raise GraphError(
            "its derivative is a closure, so that its local gradients are unknown",
            op=rule.name,
            node=node.name,
            time_step=node.time_step,
            remedy="Record it with Value.custom or with an op of the table",
        )
    local_gradients: Sequence[float] = rule.local_gradients(node.data, *[parent.data for parent in node.parents])
    return local_gradients


def _direct_gradients(loss: Value, states: dict[int, list[Value]]) -> dict[int, Vector]:
    """What the loss gives to each state without passing through another: the graph is cut at all of them."""
    cut = tuple(node for nodes in states.values() for node in nodes)
    order = topological_order(loss, stop=cut)
    touched = [*order, *cut]
    with gradients_kept(touched):
        start(touched, loss, 1.0)
        for _ in walk(order, record=False):
            pass
        return {t: [node.grad for node in nodes] for t, nodes in states.items()}


def _most_uses(loss: Value, states: dict[int, list[Value]]) -> int:
    """How often a state entry is an operand, at most."""
    counts = Counter(parent for node in topological_order(loss) for parent in node.parents)
    return max(counts[node] for nodes in states.values() for node in nodes)


def _through(row: Iterable[float], matrix: Rows) -> Vector:
    """row · matrix."""
    return product([list(row)], matrix)[0]


def _sum(a: Iterable[float], b: Iterable[float]) -> Vector:
    return list(map(add, a, b))
