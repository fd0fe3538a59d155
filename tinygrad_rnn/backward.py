"""The backward walk: the chain rule, applied to one edge of the graph after the other.

Everything that shows, steps through, splits or checks a backward pass is a view of `walk`.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from . import hooks, notation
from .errors import DomainError
from .hooks import watched

if TYPE_CHECKING:
    from .stepping import BackwardSteps
    from .value import Value

_by_creation = attrgetter("_id")

#: Who is told of everything that happens in every pass; hardly ever anyone.
observers: list[Observer] = []

#: Passes that someone is stepping through.
under_way: WeakSet[BackwardSteps] = WeakSet()


@dataclass(frozen=True, slots=True)
class Step:
    """One application of the chain rule: what flowed from a node to one of its parents.

    Attributes:
        node: the node whose gradient is complete.
        parent: the operand that receives.
        position: index of the operand among ``node.parents``.
        gradient: the node's gradient as it flowed on.
        local_gradient: ∂node/∂parent.
        contribution: ``local_gradient * gradient``.
        gradient_before: ``parent.grad`` before the contribution was added.
        gradient_after: ``parent.grad`` after it.
    """

    node: Value
    parent: Value
    position: int
    gradient: float
    local_gradient: float
    contribution: float
    gradient_before: float
    gradient_after: float

    @property
    def op(self) -> str:
        """The name of the node's op."""
        return self.node.op

    @property
    def time_step(self) -> int | None:
        """The time step of the node; None outside an unrolling."""
        return self.node.time_step

    @property
    def formula(self) -> str:
        """The local gradient by name: ``∂h_3/∂z_3 = 1 − h_3² = 0.7864``."""
        return self._equation(notation.local_formula(self.node, self.position))

    @property
    def formula_in_numbers(self) -> str:
        """The local gradient by number: ``∂h_3/∂z_3 = 1 − 0.4622² = 0.7864``."""
        return self._equation(notation.local_formula_in_numbers(self.node, self.position))

    @property
    def flow(self) -> str:
        """What was added to the parent's gradient: ``z_3.grad = 0 + 0.7864·0.5 = 0.3932``."""
        added = notation.product(self.local_gradient, self.gradient)
        before, after = notation.number(self.gradient_before), notation.number(self.gradient_after)
        return f"{notation.gradient(self.parent)} = {before} + {added} = {after}"

    def __str__(self) -> str:
        return f"{notation.time_step(self.node)}{self.formula};  {self.flow}"

    def _equation(self, formula: str) -> str:
        sides = [notation.derivative(self.node, self.parent), formula, notation.number(self.local_gradient)]
        if formula.replace("−", "-") in ("", sides[2]):
            del sides[1]
        return " = ".join(sides)


class Observer(Protocol):
    """Someone who watches all passes."""

    def began(self, root: Value) -> None:
        """A pass from ``root`` is about to take its first step."""

    def stepped(self, step: Step) -> None:
        """A step was taken."""

    def replaced(self, node: Value) -> None:
        """A hook replaced the gradient of a node."""


def topological_order(*roots: Value, stop: Sequence[Value] = ()) -> list[Value]:
    """The nodes that the roots reach, themselves included, last created first.

    A parent is always created before its child, so every node comes before its parents. The order is the
    order of the program that built the graph, played backwards; it depends on nothing else.

    Args:
        roots: where to begin.
        stop: nodes to leave out, with all that is reached only through them.
    """
    seen: set[Any] = {None, *roots, *stop}  # None stands for the operand that a unary op or a leaf lacks
    to_visit = [root for root in roots if root not in stop]
    while to_visit:
        node = to_visit.pop()
        first, second = node._first, node._second
        if first not in seen:
            seen.add(first)
            to_visit.append(first)
        if second not in seen:
            seen.add(second)
            to_visit.append(second)
        if node._extra is not None:
            to_visit += [parent for parent in node._extra.operands if parent not in seen]
            seen.update(node._extra.operands)
    seen.difference_update((None, *stop))
    return sorted(seen, key=_by_creation, reverse=True)


def start(order: Sequence[Value], root: Value, gradient: float) -> None:
    """Set the gradients from which a pass starts: only leaves keep what earlier passes added."""
    if under_way:
        for steps in list(under_way):
            steps.interrupt(order)
    for node in order:
        if node._first is not None or node._grad is None:
            node._grad = 0.0
    root._grad = gradient


@contextmanager
def gradients_kept(nodes: Sequence[Value]) -> Iterator[None]:
    """Within this context the nodes start without gradients; after it they have those they had before."""
    before = [node._grad for node in nodes]
    undisturbed = set(under_way)
    under_way.clear()
    for node in nodes:
        node._grad = None
    try:
        yield
    finally:
        under_way.update(undisturbed)
        for node, gradient in zip(nodes, before):
            node._grad = gradient


def backward(root: Value, gradient: float = 1.0) -> None:
    """Add ``gradient`` × ∂root/∂leaf to every leaf that ``root`` reaches; set the gradients of all other nodes."""
    order = topological_order(root)
    if observers or (watched and any(hooks.among(order))):
        from .stepping import BackwardSteps  # above this module, and hardly ever needed

        BackwardSteps(root, gradient).run()
        return
    start(order, root, gradient)
    for _ in walk(order, record=False):
        pass


def walk(order: Iterable[Value], record: bool = True, stops: Container[Value] = ()) -> Iterator[Step]:
    """Apply the chain rule to each node in turn; with ``record``, yield each application once it is done.

    The two edges of a binary op are written out one after the other, since a loop over two of them would
    double the time of the whole walk.

    Args:
        order: nodes, each before its parents, with gradients set by `start`.
        record: without it nothing is yielded, and the whole walk runs when the iterator is first advanced.
        stops: nodes with a breakpoint, for which Python's `breakpoint` is called; needs ``record``.

    Raises:
        DomainError: a local gradient has no finite value, such as that of sqrt at 0.
    """
    try:
        for node in order:
            op = node._rule
            gradient = node._grad
            if op.arity == 2:
                parent, second = node._first, node._second
                local_gradient, second_gradient = op.local_gradients(node._data, parent._data, second._data)
                contribution = local_gradient * gradient
                before = parent._grad
                parent._grad = before + contribution
                if record:
                    if stops and _stops_at(stops, node, parent):
                        breakpoint()
                    yield Step(node, parent, 0, gradient, local_gradient, contribution, before, parent._grad)
                parent = second
                local_gradient = second_gradient
            elif op.arity == 1:
                parent = node._first
                (local_gradient,) = op.local_gradients(node._data, parent._data)
            elif op.arity == 0:
                continue
            else:
                yield from _walk_wide(node, record, stops)
                continue
            contribution = local_gradient * gradient
            before = parent._grad
            parent._grad = before + contribution
            if record:
                if stops and _stops_at(stops, node, parent):
                    breakpoint()
                yield Step(node, parent, op.arity - 1, gradient, local_gradient, contribution, before, parent._grad)
    except (ValueError, ArithmeticError) as error:
        raise DomainError(
            f"the derivative has no finite value: {error}",
            op=op.title,
            node=notation.name(node),
            time_step=node.time_step,
            remedy=f"{op.title} needs {op.domain}" if op.domain else None,
            created_at=node.created_at,
        ) from error


def _stops_at(stops: Container[Value], node: Value, parent: Value) -> bool:
    """Whether to stop at an edge: where the gradient of a stop flows on, or, for a leaf, where it arrives."""
    return node in stops or (parent in stops and not parent.parents)


def _walk_wide(node: Value, record: bool, stops: Container[Value]) -> Iterator[Step]:
    """The chain rule for a node with many operands, or whose op adds to its operands' gradients by itself."""
    op, gradient, parents = node._rule, node._grad, node.parents
    if op.backward is not None:
        earlier = {parent: parent._grad for parent in parents}
        op.backward()
        if record:  # seen from outside, and played back slowly: an operand that occurs twice shows one sum
            later = {parent: parent._grad for parent in earlier}
            for parent, before in earlier.items():
                parent._grad = before
            for parent, before in earlier.items():
                parent._grad = later[parent]
                contribution = parent._grad - before
                local_gradient = contribution / gradient if gradient else math.nan
                if stops and _stops_at(stops, node, parent):
                    breakpoint()
                position = parents.index(parent)
                yield Step(node, parent, position, gradient, local_gradient, contribution, before, later[parent])
        return
    local_gradients = op.local_gradients(node._data, *[parent._data for parent in parents])
    for position, (parent, local_gradient) in enumerate(zip(parents, local_gradients)):
        contribution = local_gradient * gradient
        before = parent._grad
        parent._grad = before + contribution
        if record:
            if stops and _stops_at(stops, node, parent):
                breakpoint()
            yield Step(node, parent, position, gradient, local_gradient, contribution, before, parent._grad)
