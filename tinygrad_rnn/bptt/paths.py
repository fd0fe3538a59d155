"""A gradient as a sum over paths, listed path by path. The backward pass computes the sum without ever listing it.

The gradient of a node is the sum, over all paths from the loss down to it, of the product of the local
gradients along the path (Bauer 1974). The backward pass takes one step per edge. Listing the paths takes one step per
edge *of each path*, and their number multiplies with every step back in time: a vector RNN with n hidden
units has about n^(T-k) paths from h_T to h_k, over n²·(T-k) edges.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..engine.backward import gradients_kept, topological_order
from ..engine.notation import in_formula, product
from ..engine.passes import steps
from ..engine.steps import Step
from ..engine.value import Value
from ..errors import GraphError, TooManyPathsError
from ..support.checks import whole_number
from ..support.sums import add_up

Edges = dict[Value, list[Step]]


@dataclass(frozen=True)
class Path:
    """One path from a loss down to a node.

    Attributes:
        loss: where it begins.
        steps: the edges, from the loss down; each with its node, parent and local gradient.
    """

    loss: Value
    steps: tuple[Step, ...]

    @property
    def nodes(self) -> tuple[Value, ...]:
        """The nodes along the path, both ends included."""
        return (self.loss, *(step.parent for step in self.steps))

    @property
    def factors(self) -> tuple[float, ...]:
        """The local gradient of each edge."""
        return tuple(step.local_gradient for step in self.steps)

    @property
    def product(self) -> float:
        """The product of the factors: the contribution of this path."""
        return math.prod(self.factors)

    def __str__(self) -> str:
        factors = product(*self.factors).replace("·", " · ") or "1"
        return f"{factors} = {in_formula(self.product, 6)}   along {' → '.join(node.name for node in self.nodes)}"


def count_paths(loss: Value, node: Value) -> int:
    """The number of paths from the loss down to the node, counted edge by edge without listing one.

    Raises:
        GraphError: an op on a path adds to its operands' gradients by itself, and has no local gradients.
    """
    return _counts(_edges(loss), loss, node).get(loss, 0)


def paths(loss: Value, node: Value, limit: int = 1000) -> list[Path]:
    """Every path from the loss down to the node; their products sum to ∂loss/∂node.

    The gradients in the graph are left as they were.

    Args:
        loss: where the paths begin.
        node: where they end.
        limit: how many paths to list at most.

    Raises:
        TooManyPathsError: there are more than ``limit``; they were counted, not listed.
        GraphError: an op on a path adds to its operands' gradients by itself, and has no local gradients.
    """
    limit = whole_number("limit", limit, least=0)
    edges = _edges(loss)
    counts = _counts(edges, loss, node)
    if counts.get(loss, 0) > limit:
        raise TooManyPathsError(counts[loss], limit, sum(map(len, edges.values())))
    return [Path(loss, steps) for steps in _enumerate(edges, counts, loss, node)]


def _edges(loss: Value) -> Edges:
    """The edges below the loss, as the backward pass records them, grouped by the node at which they start."""
    edges: Edges = {}
    with gradients_kept(topological_order(loss)):
        for step in steps(loss):
            edges.setdefault(step.node, []).append(step)
    return edges


def _counts(edges: Edges, loss: Value, node: Value) -> dict[Value, int]:
    """The number of paths down to ``node``, from every node that has one. Linear in the edges: the paths
    from a node are those from all its parents together.
    """
    counts = {node: 1}
    for child in reversed(edges):  # the walk goes from the loss down: parents come first in reverse
        if child is not node:
            paths_on = add_up(counts.get(step.parent, 0) for step in edges[child])
            if paths_on:
                _check(edges[child])
                counts[child] = paths_on
    return counts


def _check(steps: list[Step]) -> None:
    node = steps[0].node  # of all of them
    if node.operation.backward is not None:
        raise GraphError(
            "this op adds to its operands' gradients by itself, and has no local gradients to multiply",
            op=node.op,
            node=node.name,
            time_step=node.time_step,
            remedy="Record it with Value.custom or an entry in the op table",
        )


def _enumerate(edges: Edges, counts: dict[Value, int], loss: Value, node: Value) -> Iterator[tuple[Step, ...]]:
    """Depth first, without recursion: ``path`` is where we are, ``untried`` what is left to try at each depth."""
    if loss not in counts:
        return
    if loss is node:
        yield ()
        return

    def onward(from_: Value) -> Iterator[Step]:
        return (step for step in edges[from_] if step.parent in counts)

    path: list[Step] = []
    untried = [onward(loss)]
    while untried:
        step = next(untried[-1], None)
        if step is None:
            untried.pop()
            del path[-1:]
        elif step.parent is node:
            yield (*path, step)
        else:
            path.append(step)
            untried.append(onward(step.parent))
