"""What hardly any node has: hooks on its gradient, a breakpoint, a note of where it was created.

A pass over a graph without hooks and breakpoints does not look for them node by node: it asks once whether
there are any at all (`watched`).
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, SupportsFloat
from weakref import WeakSet

if TYPE_CHECKING:
    from .value import Value

Hook = Callable[[float], SupportsFloat | None]

#: The nodes that have, or had, hooks or breakpoints.
watched: WeakSet[Value] = WeakSet()


@dataclass(frozen=True, slots=True)
class CreationSite:
    """The line of the user's program that created a node."""

    code: CodeType
    line: int

    def __str__(self) -> str:
        return f'File "{self.code.co_filename}", line {self.line}, in {self.code.co_name}'


@dataclass(slots=True, eq=False)
class Extra:
    """What the slot ``_extra`` of a node holds if it holds anything.

    Attributes:
        operands: the third operand and any further ones.
        hooks: functions to call with the gradient, in order of registration.
        breakpoints: handles of the breakpoints.
        created_at: where the node was created, if that was traced.
    """

    operands: tuple[Value, ...] = ()
    hooks: dict[Handle, Hook] = field(default_factory=dict)
    breakpoints: dict[Handle, None] = field(default_factory=dict)
    created_at: CreationSite | None = None


class Handle:
    """Takes back what returned it: by ``remove()``, or at the end of a ``with`` block."""

    def __init__(self, registered: dict[Handle, Any]) -> None:
        self._registered = registered

    def remove(self) -> None:
        """Take the hook or breakpoint back; a second time does nothing."""
        self._registered.pop(self, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def users_line() -> CreationSite | None:
    """The innermost line under execution that is not this package's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        frame = frame.f_back
    return None if frame is None else CreationSite(frame.f_code, frame.f_lineno)


def extra(node: Value) -> Extra:
    """The node's `Extra`, made if there is none."""
    if node._extra is None:
        node._extra = Extra()
    found: Extra = node._extra
    return found


def add_hook(node: Value, hook: Hook) -> Handle:
    """Call ``hook`` with the complete gradient of ``node`` in every pass."""
    hooks = extra(node).hooks
    handle = Handle(hooks)
    hooks[handle] = hook
    watched.add(node)
    return handle


def add_breakpoint(node: Value) -> Handle:
    """Stop in every pass where the gradient of ``node`` flows on."""
    breakpoints = extra(node).breakpoints
    handle = Handle(breakpoints)
    breakpoints[handle] = None
    watched.add(node)
    return handle


def among(order: Sequence[Value]) -> tuple[list[int], frozenset[Value]]:
    """The places in ``order`` (last created first) of nodes with hooks, and the nodes with breakpoints."""
    hooked, stops = [], []
    for node in list(watched):
        if not node._extra.hooks and not node._extra.breakpoints:
            watched.discard(node)
            continue
        place = bisect_left(order, -node._id, key=lambda other: -other._id)
        if place < len(order) and order[place] is node:
            if node._extra.hooks:
                hooked.append(place)
            if node._extra.breakpoints:
                stops.append(node)
    return sorted(hooked), frozenset(stops)
