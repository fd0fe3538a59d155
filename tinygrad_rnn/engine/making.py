"""Making nodes: the record of an operation, and the error where it has no value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from ..errors import DomainError
from . import hooks, notation
from .arithmetic import number
from .node import NO_GRADIENT, Node, next_id
from .ops import LEAF, Op
from .recording import current, newest

N = TypeVar("N", bound=Node)

_new: Any = object.__new__


def record(op: Op, data: float, parents: tuple[N, ...]) -> N:
    """A new node for the number that an op gave; within `no_grad`, a leaf."""
    node, (time_step, records, _, _, plain) = _new(parents[0].results), newest()  # __init__ would take longer
    node._data, node._grad, node._label = data, NO_GRADIENT, ""
    node.operation, node.parents, node.time_step = op, parents, time_step
    node._id, node._extra = next_id(), None
    if not (plain and records):
        apply_scope(node)
    return node  # type: ignore[no-any-return]


def apply_scope(node: Node) -> None:
    """Apply the scope in force to a new node."""
    scope = current()
    node.time_step = scope.time_step
    if scope.traces:
        hooks.extra(node).created_at = hooks.users_line()
    if not scope.records:
        node.operation, node.parents = LEAF, ()


def compute(op: Op, parents: tuple[N, ...]) -> N:
    """Apply an op to nodes, and record it.

    Raises:
        DomainError: it has no real value there.
        OperandError: its forward rule does not give a number.
    """
    try:
        return record(op, number(op.forward(*[parent._data for parent in parents])), parents)
    except (ValueError, ArithmeticError) as error:
        raise _outside_domain(op, parents, error) from error


def _outside_domain(op: Op, parents: Sequence[Node], error: Exception) -> DomainError:
    numbers = ", ".join(notation.number(parent._data, 6) for parent in parents)
    return DomainError(
        f"{op.title} has no finite real value at {numbers} ({error})",
        op=op.title,
        node=notation.application(op, parents),
        time_step=current().time_step,
        remedy=f"It needs {op.domain}" if op.domain else None,
    )
