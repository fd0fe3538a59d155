"""The chain of the Jacobians, multiplied out: what ``backward()`` must have found at every hidden state.

    ∂L/∂h_k = Σ_t g_t J_t J_{t-1} ⋯ J_{k+1},        J_t = ∂h_t/∂h_{t-1},

where g_t is what the loss gives to h_t directly, not through h_{t+1}. With one loss at the end there is one
term, ∂L/∂h_T · J_T ⋯ J_{k+1}; for a scalar cell J_t = w·tanh'(z_t), for a vector cell diag(tanh'(z_t)) W.

This is a check on the backward pass, so the J_t come from elsewhere: the local gradients are multiplied forwards, from
h_{t-1} to h_t, and that of tanh is the exact one, 4e/(1+e)² with e = exp(-2|z|). ``backward()`` uses 1 - out², as
PyTorch does. This loses its digits where tanh saturates: it is 4 % off at z = 18, and 0 from 19.1 on. The g_t are
those of ``backward()``.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..engine.backward import gradients_kept, local_gradients, topological_order
from ..engine.ops import OPS
from ..engine.passes import steps
from ..engine.value import Value
from ..errors import GraphError
from ..nn.linalg import Rows, transpose
from ..support.sums import add_up, norm_of
from .unroll import Unrolled

Vector = list[float]

#: A later state entry; its derivative by an earlier one, along all paths that pass through no third; and the same sum
#: of products with the magnitude of each factor.
Derivative = tuple[Value, float, float]

TANH, TANH_EXACT = OPS["tanh"], OPS["tanh_exact"]
FEWEST_DIGITS = 1e-6  # the largest relative difference from the chain at which a gradient still has digits left
TINY = 1e-290  # below this, doubles lose digits; at 5e-324 none is left


@dataclass(frozen=True)
class Link:
    """The gradient at the state of one time step, by ``backward()`` and by the chain. Entry i is that of state entry i.

    The product accumulates from the loss backwards, so its rounding grows with the number of time steps. Whether
    ``backward()`` is right is therefore judged one time step at a time: the gradient at h_k must be g_k plus the one at
    h_{k+1} times J_{k+1}, within the rounding of that time step.

    Attributes:
        k: the time step.
        gradient: ∂L/∂h_k as ``backward()`` left it.
        product: the same, computed by the chain from the loss backwards.
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
        """Whether both the gradient and the product are finite."""
        return all(map(math.isfinite, (*self.gradient, *self.product)))

    @property
    def disagrees(self) -> bool:
        """Whether the gradient is not what the chain rule says, which would be a bug. False where it overflowed."""
        return self.finite and not all(abs(r) <= most for r, most in zip(self.residual, self.tolerance))

    @property
    def digits_left(self) -> bool:
        """Whether the gradient has digits left: it differs from the product by at most 1e-6 of itself."""
        return self._distance() <= max(FEWEST_DIGITS * norm_of(self.gradient), TINY)

    @property
    def agrees(self) -> bool:
        """Whether the gradient is what the chain rule says, and has digits left; False where it overflowed."""
        return self.finite and not self.disagrees and self.digits_left

    @property
    def difference(self) -> float:
        """The distance of the product from the gradient, relative to it (Euclidean norm)."""
        norm = norm_of(self.gradient)
        return self._distance() / norm if norm else 0.0

    def _distance(self) -> float:
        return norm_of(a - b for a, b in zip(self.gradient, self.product))


def chain(unrolled: Unrolled, loss: Value) -> Iterator[Link]:
    """Compare what ``loss.backward()`` left at every state with the product of the Jacobians, from T back to 0.

    The tolerance: a residual is the difference of two sums of the same products. In either sum, each of n products and
    n additions rounds by at most 2^-53 of its result, so the sums differ by at most 2·n·2^-52 of the sum of
    magnitudes (Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., section 3.1). Here n is the number
    of edges in the time steps before and after h_k, plus the uses of h_k by the loss. The local gradient of tanh enters
    the magnitudes as 1: the rounding of 1 - out² is relative to 1, however small the difference is.

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
    sums: dict[Value, _Sum] = {}
    before = Derivatives([], {}, 0)
    for k in reversed(states):
        before, after = derivatives(states[k], states.get(k - 1, [])), before
        edges = before.edges + after.edges
        for node in before.entries:
            if node in sums:  # passed on unchanged: the later time step has it already
                continue
            sums[node] = found = _Sum(*direct[node], [float(node is end) for end in states[unrolled.T]])
            for derivative in after.by.get(node, ()):
                found.add(derivative, sums)
            found.held_fixed = found.jacobian
            for derivative in before.by.get(node, ()):  # of another entry of the same state
                found.add(derivative, sums)
        state = [sums[node] for node in states[k]]
        yield Link(
            k,
            [node.grad for node in states[k]],
            [entry.product for entry in state],
            [node.grad - entry.expected for node, entry in zip(states[k], state)],
            # Below the smallest normal number, rounding is absolute.
            [
                2 * (edges + entry.uses) * sys.float_info.epsilon * max(entry.magnitude, sys.float_info.min)
                for entry in state
            ],
            transpose([entry.held_fixed for entry in state]),
        )


@dataclass
class _Sum:
    """The gradient at one entry of a state, added up over the later entries that depend on it.

    Attributes:
        expected: the gradient that follows from those at later entries. Starts as the direct contribution of the loss.
        magnitude: the sum of the magnitudes.
        uses: how often the loss uses the entry directly.
        jacobian: ∂h_T/∂entry.
        product: the gradient by the chain, from the loss backwards.
        held_fixed: the jacobian with the other entries of the same state held fixed.
    """

    expected: float
    magnitude: float
    uses: int
    jacobian: Vector
    product: float = field(init=False)
    held_fixed: Vector = field(init=False)

    def __post_init__(self) -> None:
        self.product, self.held_fixed = self.expected, self.jacobian

    def add(self, derivative: Derivative, sums: dict[Value, _Sum]) -> None:
        """Add the contribution that flows back from a later entry."""
        later, factor, magnitude = derivative
        self.product += factor * sums[later].product
        self.expected += factor * later.grad
        self.magnitude += magnitude * abs(later.grad)
        self.jacobian = [a + factor * b for a, b in zip(self.jacobian, sums[later].jacobian)]


@dataclass(frozen=True)
class Derivatives:
    """The derivatives by which the entries of the state after a time step depend on those before it, and on each other.

    Attributes:
        entries: of the state after the time step, last created first.
        by: for an entry of either state, the derivatives by it.
        edges: number of edges along which local gradients were multiplied.
    """

    entries: list[Value]
    by: dict[Value, list[Derivative]]
    edges: int


def derivatives(after: Sequence[Value], before: Sequence[Value]) -> Derivatives:
    """Multiply the local gradients forwards, from the state before a time step to the one after it."""
    new = dict.fromkeys(after)
    by: dict[Value, list[Derivative]] = {}
    edges = 0
    # For each node, its derivative by every entry that it depends on through no third, and the sum of magnitudes.
    rows = {node: {node: (1.0, 1.0)} for node in before}
    order = topological_order(*after, stop=before)
    uses = Counter(parent for node in order for parent in node.parents)
    for node in reversed(order):
        row: dict[Value, tuple[float, float]] = {}
        if not rows.keys().isdisjoint(node.parents):
            for parent, (factor, size) in zip(node.parents, _factors(node)):
                edges += parent in rows
                if factor == 1.0 and not row and uses[parent] == 1:
                    # A row without another use is moved: copying n partial sums of n products would take time n³.
                    row = rows.pop(parent, {})
                    continue
                for entry, (derivative, magnitude) in rows.get(parent, {}).items():
                    a, b = row.get(entry, (0.0, 0.0))
                    row[entry] = a + factor * derivative, b + size * magnitude
        if node in new:
            for entry, (derivative, magnitude) in row.items():
                by.setdefault(entry, []).append((node, derivative, magnitude))
            row = {node: (1.0, 1.0)}
        if row:
            rows[node] = row
    passed_on = [node for node in dict.fromkeys(before) if node in new]
    return Derivatives([node for node in order if node in new] + passed_on, by, edges)


def _factors(node: Value) -> list[tuple[float, float]]:
    """Return a node's local gradients (of tanh, the exact one), each with the size that its rounding is relative to."""
    if node.operation is TANH:
        (slope,) = TANH_EXACT.local_gradients(node.data, node.parents[0].data)
        return [(slope, 1.0)]
    return [(factor, abs(factor)) for factor in local_gradients(node)]


def _direct_gradients(loss: Value, states: dict[int, list[Value]]) -> dict[Value, tuple[float, float, int]]:
    """Return, for each state entry, the gradient that reaches it from the loss without passing through another entry,
    the sum of the magnitudes of its contributions, and their number.
    """
    cut = tuple(dict.fromkeys(node for state in states.values() for node in state))
    if loss in cut:
        return {node: (float(node is loss), float(node is loss), int(node is loss)) for node in cut}
    contributions: dict[Value, list[float]] = {node: [] for node in cut}
    with gradients_kept([*topological_order(loss, stop=cut), *cut]):
        for step in steps(loss, stop=cut):
            if step.parent in contributions:
                contributions[step.parent].append(abs(step.contribution))
        return {node: (node.grad, add_up(sizes), len(sizes)) for node, sizes in contributions.items()}
