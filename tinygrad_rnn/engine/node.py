"""`Node`: what a number of the graph consists of, and nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, SupportsFloat, TypeVar

from ..errors import OperandError
from .arithmetic import number
from .ops import Op

N = TypeVar("N", bound="Node")

#: The gradient of a node that no contribution has reached. It is 0.0, as an object of its own: so `Node.has_grad` can
#: compare identities, and a backward pass can add to it without a check.
NO_GRADIENT = float("0.0")

#: The next number in the order of creation. It counts downwards, so that a heap gives the last created node first.
next_id = count(0, -1).__next__


class _Number(property):
    """A property that accepts only real numbers. Its getter is C code, so a debugger does not step into it."""

    def __init__(self, slot: str, doc: str) -> None:
        def assign(node: Any, data: SupportsFloat) -> None:
            try:
                setattr(node, slot, number(data))
            except OperandError as error:
                error.node, error.time_step = node.name, node.time_step
                raise

        super().__init__(attrgetter(slot), assign, doc=doc)

    if TYPE_CHECKING:

        def __get__(self, node: object, owner: type | None = None, /) -> float: ...  # type: ignore[override]
        def __set__(self, node: object, data: SupportsFloat, /) -> None: ...


class _Text(property):
    """A property that converts what is assigned to text."""

    def __init__(self, slot: str, doc: str) -> None:
        super().__init__(attrgetter(slot), lambda node, label: setattr(node, slot, str(label or "")), doc=doc)

    if TYPE_CHECKING:

        def __get__(self, node: object, owner: type | None = None, /) -> str: ...  # type: ignore[override]
        def __set__(self, node: object, label: object, /) -> None: ...


class Node:
    """A number, the op that computed it and from which parents, and its gradient.

    Attributes:
        data: the number, always a float. Assigning another does not recompute the nodes that depend on it.
        grad: ∂root/∂self, where root is what ``backward()`` was called on; 0.0 before any pass (see `has_grad`). A leaf
            adds up what every pass brings until ``zero_grad()``; the gradient of any other node belongs to the latest
            pass that reached it.
        operation: the row of the op table that computed it; `ops.LEAF` for a leaf.
        parents: the operands, in order; ``x * x`` has two. Empty for a leaf.
        label: a name for people.
        time_step: the time step during which the node was created, or None.
    """

    __slots__ = (
        "__weakref__", "_data", "_extra", "_grad", "_id", "_label", "operation", "parents", "time_step",
    )  # fmt: skip

    #: The class of what operations record.
    results: ClassVar[type[Any]]

    operation: Op
    parents: tuple[Any, ...]
    time_step: int | None
    _data: float
    _grad: float
    _id: int  # order of creation, from 0 downwards
    _label: str
    _extra: Any  # the rarely used fields (`hooks.Extra`), or None

    data = _Number("_data", "The number, always a float.")
    grad = _Number("_grad", "The gradient; 0.0 before any backward pass.")
    label = _Text("_label", "A name for people.")

    @property
    def has_grad(self) -> bool:
        """Whether a backward pass, or an assignment, has given this node a gradient."""
        return self._grad is not NO_GRADIENT

    @property
    def op(self) -> str:
        """The name of the operation that computed this node, such as ``"mul"``; empty for a leaf."""
        return self.operation.name

    @property
    def serial(self) -> int:
        """Its number in the order of creation: a parent's is always below its child's."""
        return -self._id


def set_numbers(numbers: Mapping[N, float]) -> None:
    """Give nodes other numbers, all in one go, by C code: Ctrl-C, and other threads, come before or after."""
    deque(map(_set_number, numbers, numbers.values()), 0)


_set_number = vars(Node)["_data"].__set__  # of the slot
