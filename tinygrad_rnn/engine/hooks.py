"""The rarely used fields of a node: hooks on its gradient, breakpoints, and where it was created.

A backward pass does not look for them node by node. It checks once whether there are any at all (`watched`).

Threads may set and remove them at the same time, also on one node: each handle has an entry of its own in every dict,
and all entries are read from a copy, which C code makes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from types import CodeType, FrameType
from typing import Any, SupportsFloat
from weakref import ref

from .node import Node

Hook = Callable[[float], SupportsFloat | None]

#: The numbers of the nodes that have hooks or breakpoints, one for every handle.
watched: dict[int, int] = {}

_next_handle = count().__next__

_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class CreationSite:
    """The line of the user's program that created a node."""

    code: CodeType
    line: int

    def __str__(self) -> str:
        return f'File "{self.code.co_filename}", line {self.line}, in {self.code.co_name}'


@dataclass(slots=True, eq=False)
class Extra:
    """The rarely used fields of a node, kept behind its slot ``_extra``.

    Attributes:
        hooks: functions to call with the gradient, in order of registration.
        breakpoints: handles of the breakpoints.
        created_at: where the node was created, if that was traced.
        is_adopted: whether the node, which was created outside time, got its time step by being used in it.
    """

    hooks: dict[Handle, Hook] = field(default_factory=dict)
    breakpoints: dict[Handle, None] = field(default_factory=dict)
    created_at: CreationSite | None = None
    is_adopted: bool = False


class Handle:
    """A handle on one hook or breakpoint. ``remove()``, or the end of a ``with`` block, removes it."""

    def __init__(self, node: Node, registered: dict[Handle, Any], entry: object) -> None:
        self._number, self._registered = _next_handle(), registered
        self._node = ref(node, partial(watched.pop, self._number))
        registered[self] = entry
        watched[self._number] = node._id

    def remove(self) -> None:
        """Remove the hook or breakpoint; a second time does nothing."""
        self._registered.pop(self, None)
        watched.pop(self._number, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def users_line() -> CreationSite | None:
    """The innermost line under execution that is not this package's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return None if frame is None else CreationSite(frame.f_code, frame.f_lineno)


def extra(node: Node) -> Extra:
    """The node's `Extra`, made if there is none."""
    if node._extra is None:
        made = Extra()
        if node._extra is None:  # No other thread comes in between this line and the next, since nothing is called.
            node._extra = made
    found: Extra = node._extra
    return found


def is_adopted(node: Node) -> bool:
    """Whether a node from outside time got its time step by being used in it."""
    return node._extra is not None and node._extra.is_adopted


def add_hook(node: Node, hook: Hook) -> Handle:
    """Call ``hook`` with the complete gradient of ``node`` in every pass."""
    return Handle(node, extra(node).hooks, hook)


def add_breakpoint(node: Node) -> Handle:
    """Stop in every pass where the gradient of ``node`` flows on."""
    return Handle(node, extra(node).breakpoints, None)


def hooks_of(node: Node) -> list[Hook]:
    """The hooks of a node, in order of registration."""
    return [] if node._extra is None else list(node._extra.hooks.copy().values())


def is_watched(node: Node) -> bool:
    """Whether a node has hooks or breakpoints."""
    return node._extra is not None and bool(node._extra.hooks or node._extra.breakpoints)


def concern(root: Node) -> bool:
    """Whether a node that ``root`` depends on has hooks or breakpoints."""
    numbers = set(watched.copy().values())
    seen, to_visit = {root}, [root]
    while to_visit:
        node = to_visit.pop()
        if node._id in numbers:
            return True
        for parent in node.parents:
            if parent not in seen:
                seen.add(parent)
                to_visit.append(parent)
    return False


def among(order: Sequence[Node]) -> tuple[frozenset[Node], frozenset[Node]]:
    """The nodes in ``order`` that have hooks, and those that have breakpoints."""
    found = [node for node in order if node._extra is not None] if watched else []
    return (
        frozenset(node for node in found if node._extra.hooks),
        frozenset(node for node in found if node._extra.breakpoints),
    )
