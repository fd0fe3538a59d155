"""Copies of whole graphs, and pickles: never node by node, since the nodes may be a million deep.

`copy.deepcopy` and `pickle` follow references, and so would go as deep as the graph is long. Instead they get the
nodes below a root as a list, oldest first. In this order the parents of a node always come before the node. And the
copies are created in the order of the originals, so that their ``backward()`` adds up gradients in the same order.

Hooks and breakpoints stay with the node on which they were set, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from threading import local
from typing import Any, TypeVar
from weakref import ref

from .backward import topological_order
from .node import NO_GRADIENT, Node, next_id
from .ops import Op

N = TypeVar("N", bound=Node)

#: For each thread, the list of nodes (`_OldestFirst`) that a pickler is working through. pickle calls `reduce` for one
#: node after the other, and passes on nothing about the others. So a node looks here whether its parents are in the
#: list already; otherwise it would add the whole list again.
_thread = local()


def copy(node: N) -> N:
    """A copy of one node, with the same parents."""
    return _twin(node, node.parents)


def deepcopy(node: N, memo: dict[int, Any]) -> N:
    """A copy of a node and of all that it depends on."""
    found, to_copy = {node}, [node]
    for each in to_copy:
        for parent in each.parents:
            if parent not in found and id(parent) not in memo:
                found.add(parent)
                to_copy.append(parent)
    for each in sorted(to_copy, key=attrgetter("_id"), reverse=True):
        memo[id(each)] = _twin(each, tuple([memo[id(parent)] for parent in each.parents]))
    twin: N = memo[id(node)]
    return twin


def reduce(node: Node) -> tuple[object, ...]:
    """The part of a node that pickle stores."""
    below = InCreationOrder(*node.parents) if node.parents and not _is_at_work_on(node) else None
    gradient = node._grad if node.has_grad else None
    state = (node.operation, node._data, gradient, node._label, node.time_step)
    return _restore, (below, node.results, *state, *node.parents)


class InCreationOrder:
    """All nodes that some roots reach, for `pickle` and `copy`: they come back as a list, oldest first."""

    def __init__(self, *roots: Node) -> None:
        self.roots = roots

    def __reduce__(self) -> tuple[object, ...]:
        nodes = _OldestFirst(reversed(topological_order(*self.roots)))
        _thread.at_work = ref(nodes)
        return list, (), None, nodes


class _OldestFirst:
    """An iterator over nodes that knows all of them. It lives as long as `pickle` works through them."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._nodes = dict.fromkeys(nodes)
        self._rest = iter(self._nodes)

    def __iter__(self) -> Iterator[Node]:
        return self

    def __next__(self) -> Node:
        return next(self._rest)

    def __contains__(self, node: Node) -> bool:
        return node in self._nodes


def _is_at_work_on(node: Node) -> bool:
    """Whether the pickler in this thread meets the parents of a node before the node."""
    at_work: _OldestFirst | None = getattr(_thread, "at_work", lambda: None)()
    return at_work is not None and node in at_work


def _twin(node: N, parents: tuple[Node, ...]) -> N:
    if node.operation.backward is not None:
        node.operation.refuse_copies()
    twin: N = _filled(node.results, node.operation, node._data, node._grad, node._label, node.time_step, parents)
    return twin


def _restore(
    _: object, cls: type[N], op: Op, data: float, grad: float | None, label: str, step: int | None, *parents: Node
) -> N:
    return _filled(cls, op, data, NO_GRADIENT if grad is None else grad, label, step, parents)


def _filled(
    cls: type[N], op: Op, data: float, grad: float, label: str, step: int | None, parents: tuple[Node, ...]
) -> N:
    node: N = object.__new__(cls)
    node._data, node._grad, node._label = data, grad, label
    node.operation, node.parents, node.time_step = op, parents, step
    node._id, node._extra = next_id(), None
    return node
