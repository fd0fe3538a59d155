"""The chain of the Jacobians, multiplied out: what ``backward()`` must have found at every hidden state.

    ∂L/∂h_k = Σ_t g_t J_t J_{t-1} ⋯ J_{k+1},        J_t = ∂h_t/∂h_{t-1},

where g_t is what the loss gives to h_t directly, not through h_{t+1}. With one loss at the end there is one
term, ∂L/∂h_T · J_T ⋯ J_{k+1}; for a scalar cell J_t = w·tanh'(z_t), for a vector cell diag(tanh'(z_t)) W.

This is a check on the backward walk, so it does not use it for the J_t: the local gradients of the op table
are multiplied forwards, from h_{t-1} to h_t, which is the other order in which the chain rule may be applied.
It goes from state entry to state entry, along paths that meet no third one; so it holds as well where entries
of one time step depend on each other (the h of an LSTM on its c, an upper layer on the lower).
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..engine.backward import gradients_kept, local_gradients, topological_order
from ..engine.passes import steps
from ..engine.value import Value
from ..errors import GraphError
from ..nn.linalg import Rows, transpose
from .unroll import Unrolled

Vector = list[float]

#: From one state entry to another along paths that meet no third: the other, the sum over these paths of the product
#: of the local gradients, and the same sum with absolute values.
Way = tuple[Value, float, float]


@dataclass(frozen=True)
class Link:
    """The gradient at the state of one time step, by both ways. Entry i belongs to entry i of the state.

    The product is multiplied out from the loss on, so that its rounding grows with the number of steps, in a
    way that depends on the Jacobians. Whether the two agree is therefore judged step by step: the gradient
    that ``backward()`` left at h_k must be g_k plus the one that it left at h_{k+1} times J_{k+1}, within the
    rounding of that one step.

    Attributes:
        k: the time step.
        gradient: ∂L/∂h_k as ``backward()`` left it.
        product: the same by the chain, from the loss on.
        residual: gradient - (g_k + ∂L/∂h_{k+1} · J_{k+1}), with ∂L/∂h_{k+1} as ``backward()`` left it.
        tolerance: how large rounding may make the residual.
        jacobian: J_T ⋯ J_{k+1} = ∂h_T/∂h_k, each entry of h_k varied with the others held fixed.
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
        GraphError: ``loss.backward()`` has not run.
    """
    if not loss.has_grad:
        raise GraphError("there is no gradient to compare", node=loss.name, remedy="Call loss.backward() first")
    states = {t: unrolled.state(t) for t in sorted(unrolled.h)}
    direct = _direct_gradients(loss, states)
    uses = _most_uses(loss, states)
    last = states[unrolled.T]
    knots: dict[Value, _Knot] = {}
    within = Reach([], {}, 0)
    for k in reversed(states):
        within, across = reach(states[k], states.get(k - 1, [])), within
        unit = 2 * (within.length + across.length + uses) * sys.float_info.epsilon
        for node in within.entries:
            if node in knots:  # handed on unchanged: the later step has it already
                continue
            given, magnitude = direct[node]
            knot = _Knot(given, given, magnitude, [float(node is end) for end in last])
            for later in across.onward.get(node, ()):
                knot.add(later, knots)
            knot.held = knot.total
            for later in within.onward.get(node, ()):
                knot.add(later, knots)
            knots[node] = knot
        found = [knots[node] for node in states[k]]
        yield Link(
            k,
            [node.grad for node in states[k]],
            [knot.product for knot in found],
            [node.grad - knot.expected for node, knot in zip(states[k], found)],
            # Below the smallest normal number, rounding is absolute.
            [unit * max(knot.magnitude, sys.float_info.min) for knot in found],
            transpose([knot.held for knot in found]),
        )


@dataclass
class _Knot:
    """What is known of one entry of a state.

    Attributes:
        product: ∂L/∂entry by the chain, from the loss on.
        expected: the same from what ``backward()`` left at the next entries.
        magnitude: that with absolute values.
        total: ∂h_T/∂entry.
        held: the same with the other entries of its state held fixed.
    """

    product: float
    expected: float
    magnitude: float
    total: Vector
    held: Vector = field(default_factory=list)

    def add(self, way: Way, knots: Mapping[Value, _Knot]) -> None:
        """Add what comes back from a later entry."""
        later, derivative, magnitude = way
        self.product += derivative * knots[later].product
        self.expected += derivative * later.grad
        self.magnitude += magnitude * abs(later.grad)
        self.total = [a + derivative * b for a, b in zip(self.total, knots[later].total)]


@dataclass(frozen=True)
class Reach:
    """How the entries of the state after a time step depend on those before it, and on each other.

    Attributes:
        entries: of the state after the step, last created first.
        onward: for an entry of either state, the ways from it to those of the new state.
        length: edges of the longest way.
    """

    entries: list[Value]
    onward: dict[Value, list[Way]]
    length: int


def reach(after: Sequence[Value], before: Sequence[Value]) -> Reach:
    """Multiply the local gradients of the op table forwards, from the state before a time step to the one after it."""
    new = dict.fromkeys(after)
    onward: dict[Value, list[Way]] = {}
    longest = 0
    # Per node, the derivative by every entry that it depends on with no third between, and its magnitude.
    rows = {node: {node: (1.0, 1.0)} for node in before}
    lengths = dict.fromkeys(before, 0)
    order = topological_order(*after, stop=before)
    for node in reversed(order):
        row: dict[Value, tuple[float, float]] = {}
        length = 0
        if not rows.keys().isdisjoint(node.parents):
            for parent, factor in zip(node.parents, local_gradients(node)):
                for entry, (derivative, magnitude) in rows.get(parent, {}).items():
                    a, b = row.get(entry, (0.0, 0.0))
                    row[entry] = a + factor * derivative, b + abs(factor) * magnitude
                    length = max(length, 1 + lengths[parent])
        if node in new:
            for entry, (derivative, magnitude) in row.items():
                onward.setdefault(entry, []).append((node, derivative, magnitude))
            longest = max(longest, length)
            row, length = {node: (1.0, 1.0)}, 0
        if row:
            rows[node], lengths[node] = row, length
    handed_on = [node for node in dict.fromkeys(before) if node in new]
    return Reach([node for node in order if node in new] + handed_on, onward, longest)


def _direct_gradients(loss: Value, states: dict[int, list[Value]]) -> dict[Value, tuple[float, float]]:
    """What the loss gives to each state entry without passing through another, and the same with absolute values:
    the graph is cut at all of them.
    """
    cut = tuple(dict.fromkeys(node for state in states.values() for node in state))
    magnitudes = dict.fromkeys(cut, 0.0)
    if loss in magnitudes:
        return {node: (float(node is loss), float(node is loss)) for node in cut}
    with gradients_kept([*topological_order(loss, stop=cut), *cut]):
        for step in steps(loss, stop=cut):
            if step.parent in magnitudes:
                magnitudes[step.parent] += abs(step.contribution)
        return {node: (node.grad, magnitudes[node]) for node in cut}


def _most_uses(loss: Value, states: dict[int, list[Value]]) -> int:
    """How often a state entry is an operand, at most."""
    counts = Counter(parent for node in topological_order(loss) for parent in node.parents)
    return max(counts[node] for state in states.values() for node in state)
