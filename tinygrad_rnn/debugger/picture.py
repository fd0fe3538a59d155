"""The picture of a pass half-way: what is done, what is current, what is to come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..draw import Drawing, draw, draw_dot
from ..draw.graph import Edge, Node

if TYPE_CHECKING:
    from .session import Debugger

DONE, CURRENT, TO_COME = "#1864ab", "#e8590c", "#ced4da"
_PALE, _WHITE = "#868e96", "#ffffff"


def draw_flow(debugger: Debugger) -> Drawing:
    """Draw the graph with the edges of the steps that were taken, the latest one, and those to come apart."""

    def style(drawn: Node | Edge) -> Mapping[str, Any] | None:
        return _edge(debugger, drawn) if isinstance(drawn, Edge) else _node(debugger, drawn)

    if debugger.unrolled is not None:
        return draw(debugger.unrolled, loss=debugger.loss, style=style)
    return draw_dot(debugger.loss, style=style)


def _edge(debugger: Debugger, edge: Edge) -> Mapping[str, Any]:
    last = debugger.steps.last
    if last and edge.child is last.node and edge.position == last.position:
        return {"stroke": CURRENT, "pen": 3.0}
    if debugger.is_walked(edge.child, edge.position):
        return {"stroke": DONE, "pen": 1.6}
    return {"stroke": TO_COME, "pen": 0.8, "dashed": True}


def _node(debugger: Debugger, node: Node) -> Mapping[str, Any]:
    last = debugger.steps.last
    if last and node.value is last.node:
        return {"stroke": CURRENT, "pen": 3.0}
    if not debugger.is_reached(node.value):
        return {"stroke": TO_COME, "ink": _PALE, "fill": _WHITE, "dashed": True}
    return {"stroke": DONE, "pen": 1.6} if debugger.is_complete(node.value) else {"stroke": DONE, "dashed": True}
