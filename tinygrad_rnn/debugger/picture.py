"""The picture of an incomplete pass: what is done, what is current, what is to come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..bptt import Unrolled
from ..pictures import Drawing, draw, draw_dot
from ..pictures.graph import Edge, Node
from ..support.text import count
from .session import Debugger

DONE, CURRENT, TO_COME = "#1864ab", "#e8590c", "#ced4da"
KEY = "blue: done, orange: the next step, dashed grey: later"
_PALE, _WHITE = "#868e96", "#ffffff"


def draw_flow(debugger: Debugger) -> Drawing:
    """Draw the graph, with edges that show whether their step is done, next or later.

    If a cell was unrolled, the chain of Jacobians is written out as far back as the gradient has come.
    """

    def style(drawn: Node | Edge) -> Mapping[str, object] | None:
        return _edge(debugger, drawn) if isinstance(drawn, Edge) else _node(debugger, drawn)

    unrolled = debugger.unrolled
    if unrolled is None:
        return draw_dot(debugger.loss, style=style)
    k = _farthest(debugger, unrolled)
    following = f", next: {debugger.next_step}" if debugger.next_step else ""
    caption = f"{debugger.taken} of {count(debugger.total, 'step')}{following}   ({KEY})"
    looks: dict[str, Any] = {"detail": "values", "title": caption, "style": style}
    return draw(unrolled, loss=debugger.loss, k=k, lit=k is not None, **looks)


def _farthest(debugger: Debugger, unrolled: Unrolled) -> int | None:
    """The reach of the gradient: the time step of the earliest state that has all of its gradient; None as
    long as none has.
    """
    complete = (t for t in unrolled.h if all(map(debugger.reach.is_complete, unrolled.state(t))))
    return min(complete, default=None)


def _edge(debugger: Debugger, edge: Edge) -> Mapping[str, object]:
    step = debugger.next_step
    if step and edge.child is step.node and edge.position == step.position:
        return {"stroke": CURRENT, "pen": 3.0}
    if debugger.reach.is_walked(edge.child, edge.position):
        return {"stroke": DONE, "pen": 1.6}
    return {"stroke": TO_COME, "pen": 0.8, "dashed": True}


def _node(debugger: Debugger, node: Node) -> Mapping[str, object]:
    if debugger.next_step and node.value is debugger.next_step.node:
        return {"stroke": CURRENT, "pen": 3.0}
    if not debugger.reach.is_reached(node.value):
        return {"stroke": TO_COME, "ink": _PALE, "fill": _WHITE, "dashed": True}
    return {"stroke": DONE, "pen": 1.6} if debugger.reach.is_complete(node.value) else {"stroke": DONE, "dashed": True}
