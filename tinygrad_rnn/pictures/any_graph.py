"""A graph without time: every node that a Value was computed from, where Graphviz puts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..engine.backward import topological_order
from ..engine.value import Value
from ..errors import DrawError
from ..support.colours import Scale
from . import cards, text
from .geometry import Line, Picture, Swatch
from .graph import Block, Edge, Node
from .view import Style, styled

_MOST = 5000  # nodes
_FITS = 13  # cards of three lines above each other, of which a slide shows letters of 14 pixels


def arrange(root: Value, rankdir: str, style: Style | None, label_edges: bool) -> tuple[Picture, str, int]:
    """Everything that ``root`` was computed from, without places.

    Args:
        root: where the graph ends.
        rankdir: which way data flow: LR, TB, RL or BT.
        style: what is to look different.
        label_edges: whether to write its local gradient on every edge.

    Returns:
        The picture; the attributes of the graph by which Graphviz lays it out; and the number of nodes.

    Raises:
        DrawError: the graph is too large to be laid out.
    """
    order = topological_order(root)[::-1]
    if len(order) > _MOST:
        raise DrawError(
            f"{len(order):,} nodes are too many for one picture",
            remedy="Draw a part of the graph, or an unrolled one with draw(unrolled, loss)",
        )
    scale = Scale.of(value.grad for value in order if value.has_grad)
    is_tall = rankdir in ("LR", "RL") and _most_in_a_rank(order) > _FITS
    block = Block(None, follows=False)
    nodes: dict[Value, Node] = {}
    picture = Picture()
    for i, value in enumerate(order):
        kind = "loss" if value is root else "op" if value.parents else "leaf"
        node = nodes[value] = Node(f"n{i}", value, value.time_step, kind, block)
        rows = cards.lines(node, "", root.has_grad)
        if is_tall and len(rows) == 3:
            rows = [f"{rows[0]}: {rows[1].removeprefix('data ')}", rows[2]]
        box = cards.box(node, rows, *cards.size(rows, node.kind == "loss"), scale)
        box.tooltip = cards.tooltip(node, text.clipped(root.label or "root", 20))
        picture.boxes.append(styled(box, node, style))
        for position, parent in enumerate(value.parents):
            edge = Edge(nodes[parent], node, parent, value, position)
            line = Line(f"{node.id}e{position}", nodes[parent].id, node.id, edge=edge)
            if label_edges:
                line.label = cards.slope(edge)
            picture.lines.append(styled(line, edge, style))
    caption = "backward() not run"
    if scale is not None:
        low, high = map(text.decade, (scale.low, scale.high))
        caption = f"The darker a card, the larger its gradient, from {low} to {high}"
        picture.key = [
            Swatch("|gradient|"),
            Swatch("0"),
            *(Swatch(text.decade(e), scale.of_log(float(e))) for e in scale.levels()),
        ]
    else:
        picture.key = [Swatch(caption)]
    name = cards.title(root)
    picture.title = f"The graph of {name}"
    picture.description = f"{len(order)} nodes, from which {name} = {text.number(root.data)} was computed. {caption}."
    layout = f"rankdir={rankdir} nodesep=0.14 ranksep=0.35 labelloc=b"
    return picture, layout, len(order)


def _most_in_a_rank(order: Sequence[Value]) -> int:
    """The most nodes that are equally far from the end of the graph, by the longest way."""
    far = dict.fromkeys(order, 0)
    for value in reversed(order):
        for parent in value.parents:
            far[parent] = max(far[parent], far[value] + 1)
    return max(Counter(far.values()).values())
