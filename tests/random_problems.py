"""Random unrolled cells for property tests, and how much rounding may make of a sum over paths."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tinygrad_rnn import RNNCell, ScalarRNNCell, Unrolled, Value, dot, mse_loss, unroll
from tinygrad_rnn.bptt.jacobian import jacobian
from tinygrad_rnn.engine.backward import topological_order
from tinygrad_rnn.nn import Cell
from tinygrad_rnn.nn.linalg import Rows, identity, product
from tinygrad_rnn.nn.parameters import matrix


class GatedCell(Cell):
    """A user's own cell with a state of two parts: with f = σ(F h + G x), the new ones are
    c = f·c + (1 - f)·tanh(A h + B x) and h = f·tanh(c).
    """

    state_names = ("h", "c")

    def __init__(self, input_size: int, hidden_size: int, seed: int = 0) -> None:
        rng = random.Random(seed)
        self.F = matrix("F", hidden_size, hidden_size, lambda: rng.gauss(0, 1))
        self.G = matrix("G", hidden_size, input_size, lambda: rng.gauss(0, 1))
        self.A = matrix("A", hidden_size, hidden_size, lambda: rng.gauss(0, 1))
        self.B = matrix("B", hidden_size, input_size, lambda: rng.gauss(0, 1))

    def step(self, x: Any, *state: Any) -> dict[str, Any]:
        h, c = state
        f = [(dot(a, h) + dot(b, x)).sigmoid() for a, b in zip(self.F, self.G)]
        g = [(dot(a, h) + dot(b, x)).tanh() for a, b in zip(self.A, self.B)]
        c = [fi * ci + (1 - fi) * gi for fi, ci, gi in zip(f, c, g)]
        return {"f": f, "g": g, "c": c, "h": [fi * ci.tanh() for fi, ci in zip(f, c)]}

    def initial_state(self) -> tuple[Any, Any]:
        return [Value(0.0) for _ in self.F], [Value(0.0) for _ in self.F]


@dataclass
class Problem:
    """A cell, what it is unrolled over, and a loss at some of the steps."""

    cell: Any
    inputs: list[Any]
    targets: list[Any]

    @property
    def steps(self) -> int:
        return len(self.inputs)

    def unroll(self) -> tuple[Unrolled, dict[int, Value]]:
        unrolled = unroll(self.cell, self.inputs)
        return unrolled, {
            t: mse_loss(unrolled.h[t], target) for t, target in enumerate(self.targets, 1) if target is not None
        }

    @property
    def matrices(self) -> dict[str, Any]:
        """Each parameter as the cell holds it: a Value, a vector or a matrix."""
        return {name: tree for name, tree in vars(self.cell).items() if isinstance(tree, (Value, list))}


@st.composite
def problems(draw: st.DrawFn, max_steps: int = 8, kinds: tuple[str, ...] = ("scalar", "vector", "gated")) -> Problem:
    """A random cell over random inputs, with a random target at some of the steps, the last among them."""
    kind = draw(st.sampled_from(kinds))
    T = draw(st.integers(1, max_steps))
    seed = draw(st.integers(0, 2**32))
    rng = random.Random(seed)
    nonlinearity = draw(st.sampled_from(["tanh", "relu", "identity"]))
    if kind == "scalar":
        w, u, b = (rng.gauss(0, 1) for _ in range(3))
        cell: Any = ScalarRNNCell(w, u, b, nonlinearity=nonlinearity)
        inputs: list[Any] = [rng.gauss(0, 1) for _ in range(T)]
        targets: list[Any] = [rng.gauss(0, 1) for _ in range(T)]
    else:
        H, D = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        if kind == "vector":
            cell = RNNCell(D, H, bias=draw(st.booleans()), nonlinearity=nonlinearity, seed=seed)
            for row in cell.W:
                for entry in row:
                    entry.data *= 2.0
        else:
            cell = GatedCell(D, H, seed=seed)
        inputs = [[rng.gauss(0, 1) for _ in range(D)] for _ in range(T)]
        targets = [[rng.gauss(0, 1) for _ in range(H)] for _ in range(T)]
    with_loss = draw(st.lists(st.booleans(), min_size=T - 1, max_size=T - 1))
    return Problem(cell, inputs, [target if wanted else None for target, wanted in zip(targets, [*with_loss, True])])


def jacobian_product(unrolled: Unrolled, t: int, k: int) -> Rows:
    """J_t J_{t-1} ⋯ J_{k+1}, which is ∂h_t/∂h_k; the identity for k = t."""
    result = identity(len(unrolled.state(t)))
    for step in range(t, k, -1):
        result = product(result, jacobian(unrolled, step))
    return result


def rounding(root: Value, more_roundings: int = 0) -> dict[Value, float]:
    """By how much two ways to sum the same paths from root may differ at each node.

    Along a path, every node costs a rounding for its multiplication and at most one per use for adding up.
    Whoever adds at most n roundings to a path errs by at most n·2^-53 of Σ |product of the path| (Higham,
    Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1), and each of two ways may err.
    """
    order = topological_order(root)
    uses = dict.fromkeys(order, 0)
    for node in order:
        for parent in node.parents:
            uses[parent] += 1
    magnitude = dict.fromkeys(order, 0.0)
    roundings = dict.fromkeys(order, 0)
    magnitude[root] = 1.0
    for node in order:
        slopes = node.operation.local_gradients(node.data, *[parent.data for parent in node.parents])
        for parent, slope in zip(node.parents, slopes):
            magnitude[parent] += abs(slope) * magnitude[node]
            roundings[parent] = max(roundings[parent], roundings[node] + 2 + uses[parent])
    return {node: 2.0 * (roundings[node] + more_roundings) * 2.0**-53 * magnitude[node] for node in order}
