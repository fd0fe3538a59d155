"""The reach of a backward pass: which nodes it has reached, which are complete, which are to come."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from ..engine.passes import BackwardSteps
from ..engine.value import Value

Edge = tuple[Value, int]  # a node, and the position of an operand


class Reach:
    """The reach of a pass, by the places of its nodes in the order of the walk."""

    def __init__(self, steps: BackwardSteps) -> None:
        self._steps = steps
        self._places = {node: place for place, node in enumerate(steps.order)}

    def edges(self, begin: int = 0) -> Iterator[Edge]:
        """The edges in the order of the walk, from the edges of the node at this place on."""
        for place in range(begin, len(self._steps.order)):
            node = self._steps.order[place]
            yield from ((node, position) for position in _positions(node))

    def to_come(self) -> Iterator[Edge]:
        """The edges that are still to be walked."""
        last = self._steps.last
        begin = self._places[last.node] if last else 0
        return (edge for edge in self.edges(begin) if not self.is_walked(*edge))

    def is_in_graph(self, node: Value) -> bool:
        """Whether the loss depends on a node."""
        return node in self._places

    def is_walked(self, node: Value, position: int) -> bool:
        """Whether the step from a node to its operand at this position has been taken."""
        last = self._steps.last
        if last is None or not self.is_in_graph(node):
            return False
        return (self._places[node], position) <= (self._places[last.node], last.position)

    def is_reached(self, node: Value) -> bool:
        """Whether anything has arrived at a node."""
        return node is self._steps.root or (node in self._uses and self.is_walked(*self._uses[node][0]))

    def is_complete(self, node: Value) -> bool:
        """Whether everything has arrived that the pass brings to a node."""
        return node is self._steps.root or (node in self._uses and self.is_walked(*self._uses[node][1]))

    @cached_property
    def _uses(self) -> dict[Value, tuple[Edge, Edge]]:
        """For every node except the root, the edges by which the gradient reaches it first and last."""
        uses: dict[Value, tuple[Edge, Edge]] = {}
        for edge in self.edges():
            node, position = edge
            parent = node.parents[position]
            uses[parent] = uses.get(parent, (edge, edge))[0], edge
        return uses


def _positions(node: Value) -> range | list[int]:
    """The positions of the operands, each of which takes a step."""
    if node.operation.backward is None:
        return range(len(node.parents))
    return sorted({node.parents.index(parent) for parent in node.parents})
