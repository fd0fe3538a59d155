"""The backward walk: the chain rule, applied to one edge of the graph after the other.

Everything that shows, steps through, splits or checks a backward pass is a view of `walk`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from .errors import DomainError

if TYPE_CHECKING:
    from .value import Value

_by_creation = attrgetter("_id")


@dataclass(frozen=True, slots=True)
class Step:
    """One application of the chain rule: what flowed from a node to one of its parents.

    Attributes:
        node: the node whose gradient is complete.
        parent: the operand that receives.
        position: index of the operand among ``node.parents``.
        local_gradient: ∂node/∂parent.
        contribution: ``local_gradient * node.grad``.
        gradient_before: ``parent.grad`` before the contribution was added.
        gradient_after: ``parent.grad`` after it.
    """

    node: Value
    parent: Value
    position: int
    local_gradient: float
    contribution: float
    gradient_before: float
    gradient_after: float


def topological_order(*roots: Value, stop: Sequence[Value] = ()) -> list[Value]:
    """The nodes that the roots reach, themselves included, last created first.

    A parent is always created before its child, so every node comes before its parents. The order is the
    order of the program that built the graph, played backwards; it depends on nothing else.

    Args:
        roots: where to begin.
        stop: nodes to leave out, with all that is reached only through them.
    """
    seen = {*roots, *stop}
    to_visit = [root for root in roots if root not in stop] if stop else list(roots)
    while to_visit:
        for parent in to_visit.pop().parents:
            if parent not in seen:
                seen.add(parent)
                to_visit.append(parent)
    seen.difference_update(stop)
    return sorted(seen, key=_by_creation, reverse=True)


def start(order: Iterable[Value], root: Value, gradient: float) -> None:
    """Set the gradients from which a pass starts: only leaves keep what earlier passes added."""
    for node in order:
        if node.parents or node._grad is None:
            node._grad = 0.0
    root._grad = gradient


@contextmanager
def gradients_kept(nodes: Sequence[Value]) -> Iterator[None]:
    """Within this context the nodes start without gradients; after it they have those they had before."""
    before = [node._grad for node in nodes]
    for node in nodes:
        node._grad = None
    try:
        yield
    finally:
        for node, gradient in zip(nodes, before):
            node._grad = gradient


def backward(root: Value, gradient: float = 1.0) -> None:
    """Add ``gradient`` × ∂root/∂leaf to every leaf that ``root`` reaches; set the gradients of all other nodes."""
    order = topological_order(root)
    start(order, root, gradient)
    for _ in walk(order, record=False):
        pass


def walk(order: Iterable[Value], record: bool = True) -> Iterator[Step]:
    """Apply the chain rule to each node in turn; with ``record``, yield each application once it is done.

    The two edges of a binary op are written out one after the other, since a loop over two of them would
    double the time of the whole walk.

    Args:
        order: nodes, each before its parents, with gradients set by `start`.
        record: without it nothing is yielded, and the whole walk runs when the iterator is first advanced.

    Raises:
        DomainError: a local gradient has no finite value, such as that of sqrt at 0.
    """
    try:
        for node in order:
            op = node._rule
            gradient = node._grad
            if op.arity == 2:
                parent, second = node.parents
                local_gradient, second_gradient = op.local_gradients(node.data, parent.data, second.data)
                contribution = local_gradient * gradient
                before = parent._grad
                parent._grad = before + contribution
                if record:
                    yield Step(node, parent, 0, local_gradient, contribution, before, parent._grad)
                parent = second
                local_gradient = second_gradient
            elif op.arity == 1:
                (parent,) = node.parents
                (local_gradient,) = op.local_gradients(node.data, parent.data)
            elif op.arity == 0:
                continue
            else:
                yield from _walk_wide(node, record)
                continue
            contribution = local_gradient * gradient
            before = parent._grad
            parent._grad = before + contribution
            if record:
                yield Step(node, parent, op.arity - 1, local_gradient, contribution, before, parent._grad)
    except (ValueError, ArithmeticError) as error:
        raise DomainError(
            f"the derivative has no finite value: {error}",
            op=op.name,
            node=node.name,
            time_step=node.time_step,
            remedy=f"{op.name} needs {op.domain}" if op.domain else None,
        ) from error


def _walk_wide(node: Value, record: bool) -> Iterator[Step]:
    """The chain rule for a node with many operands, or whose op adds to its operands' gradients by itself."""
    op, gradient, parents = node._rule, node._grad, node.parents
    if op.backward is not None:
        earlier = {parent: parent._grad for parent in parents}
        op.backward()
        if record:  # seen from outside: an operand that occurs twice shows one sum
            for parent, before in earlier.items():
                contribution = parent._grad - before
                local_gradient = contribution / gradient if gradient else math.nan
                yield Step(node, parent, parents.index(parent), local_gradient, contribution, before, parent._grad)
        return
    local_gradients = op.local_gradients(node.data, *[parent.data for parent in parents])
    for position, (parent, local_gradient) in enumerate(zip(parents, local_gradients)):
        contribution = local_gradient * gradient
        before = parent._grad
        parent._grad = before + contribution
        if record:
            yield Step(node, parent, position, local_gradient, contribution, before, parent._grad)
