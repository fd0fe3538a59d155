"""The backward pass: the chain rule, applied to one edge of the graph after the other.

    ∂L/∂parent += ∂L/∂node · ∂node/∂parent

`walk` is the one place where this is done. Everything that shows, steps through, splits or checks a backward pass
calls it, with what is waiting to be walked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from heapq import heappop, heappush
from itertools import repeat
from operator import attrgetter
from typing import TypeVar

from ..support.uninterrupted import Uninterrupted
from .node import NO_GRADIENT, Node
from .ops import Edges

N = TypeVar("N", bound=Node)


def walk(
    queue: list[int],
    waiting: dict[int, Node],
    edges: Callable[[Node], Edges] | None = None,
    stops: frozenset[Node] = frozenset(),
) -> None:
    """Apply the chain rule to the nodes in the queue, and to those that they reach, the last created first.

    Every node that uses a node was created after it. So when the turn of a node comes, its gradient is complete.
    The order is that of the program that built the graph, played backwards; it depends on nothing else.

    Args:
        queue: a heap of the numbers of the nodes whose turn is to come.
        waiting: these nodes by number, with their gradients. A node that is reached joins both, unless it is a leaf. A
            node in ``waiting`` but not in ``queue`` is an end: it receives gradient and passes none on.
        edges: a function that returns the edges of a node; by default `Op.edges` of its op.
        stops: nodes with a breakpoint. Python's `breakpoint` is called where the gradient of one flows on or, of a
            leaf, arrives.

    Raises:
        DomainError: a local gradient has no finite value, such as that of sqrt at 0.
    """
    while queue:
        node = waiting.pop(heappop(queue))
        for parent, local_gradient in (edges or node.operation.edges)(node):
            if parent.parents and parent._id not in waiting:  # reached for the first time; leaves keep what they have
                waiting[parent._id], parent._grad = parent, NO_GRADIENT
                heappush(queue, parent._id)
            contribution = local_gradient * node._grad
            if stops and (node in stops or (parent in stops and not parent.parents)):
                breakpoint()
            parent._grad += contribution


def propagate(
    gradients: Mapping[Node, float], stop: Iterable[Node] = (), edges: Callable[[Node], Edges] | None = None
) -> None:
    """The backward pass from several roots at once, each with a gradient of its own.

    Leaves add up what reaches them; the gradients of all other nodes that are reached are set anew.

    Args:
        gradients: the gradient of each root.
        stop: nodes beyond which the pass does not go, roots included. They receive gradients.
        edges: as for `walk`.

    Raises:
        DomainError: a local gradient has no finite value.
    """
    ends = {node._id: node for node in stop}
    for node in ends.values():
        if node.parents:
            node._grad = NO_GRADIENT
    for root, gradient in gradients.items():
        root._grad = gradient if root.parents else root._grad + gradient
    queue = sorted(root._id for root in gradients if root._id not in ends)
    walk(queue, {**ends, **{root._id: root for root in gradients}}, edges)


def visit(nodes: Sequence[Node], edges: Callable[[Node], Edges] | None = None) -> None:
    """Apply the chain rule to these nodes alone, with the gradients that they and their parents have.

    Args:
        edges: as for `walk`.
    """
    waiting = {parent._id: parent for node in nodes for parent in (node, *node.parents)}
    walk(sorted(node._id for node in nodes), waiting, edges)


def gradients(
    root: Node, of: Sequence[Node], stop: Sequence[Node] = (), edges: Callable[[Node], Edges] | None = None
) -> list[float]:
    """∂root/∂node for each node of ``of``, along paths that do not lead through ``stop``.

    Every gradient in the graph is left as it was.

    Args:
        root: where to begin.
        of: the nodes.
        stop: nodes beyond which the pass does not go.
        edges: as for `walk`.

    Raises:
        DomainError: a local gradient has no finite value.
    """
    with gradients_kept([*topological_order(root, stop=stop), *stop, *of]):
        propagate({root: 1.0}, stop, edges)
        return [node._grad for node in of]


def local_gradients(node: Node) -> tuple[float, ...]:
    """∂node/∂parent for each parent. Where a closure stands in for the rule, it is called with the gradient 1.

    Such a closure adds to a parent that occurs twice as a whole: that is given at the first of its places, and 0 at
    the others.

    Raises:
        DomainError: a local gradient has no finite value.
    """
    if node.operation.backward is None:
        return tuple([local_gradient for _, local_gradient in node.operation.edges(node)])
    with gradients_kept([node, *node.parents]):
        node._grad = 1.0
        visit([node])
        first = {parent: position for position, parent in reversed(list(enumerate(node.parents)))}
        return tuple([p._grad if first[p] == position else 0.0 for position, p in enumerate(node.parents)])


# ---- the nodes of a pass, in order ------------------------------------------------------------------------------


def topological_order(*roots: N, stop: Iterable[N] = ()) -> list[N]:
    """The nodes that the roots reach, themselves included, last created first: the order of a backward pass.

    A parent is always created before its child, so every node comes before its parents.

    Args:
        roots: where to begin.
        stop: nodes to leave out, with all that is reached only through them.
    """
    left_out = set(stop)
    seen = {*roots, *left_out}
    to_visit = [root for root in roots if root not in left_out]
    while to_visit:
        for parent in to_visit.pop().parents:
            if parent not in seen:
                seen.add(parent)
                to_visit.append(parent)
    return sorted(seen - left_out, key=attrgetter("_id"))


class gradients_kept(Uninterrupted):
    """Within this context the nodes start without gradients; after it they have those that they had before.

    All of them are set in one go, by C code: Ctrl-C comes before or after.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        before = [node._grad for node in nodes]
        self.begin = partial(deque, map(_set_gradient, nodes, repeat(NO_GRADIENT)), 0)
        self.close = partial(deque, map(_set_gradient, nodes, before), 0)


_set_gradient = vars(Node)["_grad"].__set__  # of the slot: C code
