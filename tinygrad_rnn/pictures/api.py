"""`draw` and `draw_dot`."""

from __future__ import annotations

import re
from typing import Any

from ..bptt import Unrolled
from ..engine.backward import topological_order
from ..engine.value import Value
from ..errors import ArgumentError, DrawError
from ..support.collector import collector_paused
from . import cards, dot, folded, graph, text, timeline
from .chain import strongest
from .colours import Scale
from .drawing import Drawing
from .geometry import Line, Picture
from .graph import Node
from .timeline import Style

MOST_STEPS = 200  # drawn unless asked for; beyond, the middle is folded
MOST_NODES = 6000
LARGEST_STEP = 1000  # nodes; Graphviz needs more than a minute for a few thousand
_LARGEST_DOT = 5000


def draw(
    unrolled: Unrolled,
    loss: Value | None = None,
    *,
    k: int | None = None,
    state: str | None = None,
    lit: bool = True,
    view: str | None = None,
    local_gradients: bool = False,
    max_steps: int | None = None,
    style: Style | None = None,
    time_limit: float = 60.0,
) -> Drawing:
    """Draw an unrolled RNN: a column per time step, the chain from the loss back to h_k lit.

    Args:
        unrolled: what to draw.
        loss: what was computed from it; without one the chain starts from the last state.
        k: the time step to which the chain is lit; by default the earliest that the loss reaches.
        state: the state to which it is lit, of a cell that has several; h by default.
        lit: whether to light the chain, and to write it out, at all.
        view: ``"full"``, or ``"folded"`` for one node per state and the Jacobian J_t between them. By default
            full, as long as a time step has at most 1000 nodes.
        local_gradients: whether to write its local gradient on every edge.
        max_steps: the most time steps to draw, at least 2; the middle of a longer sequence is folded. By
            default at most 200 and about 6000 nodes, in a PNG what fits into 16,000 pixels.
        style: called with every drawn `Node` and `Edge`; returns what is to differ from the usual, by the
            names of the attributes of `Box` and `Line`, or None.
        time_limit: how long Graphviz may take, in seconds.

    Raises:
        ArgumentError: there is no state h_k, the loss does not depend on it, an option is unknown, or what is
            to be drawn is not an unrolled network.
        DrawError: Graphviz failed, or took too long; or a time step has too many nodes for the full view.
    """
    if view not in (None, "full", "folded"):
        raise ArgumentError(f"view {view!r}", remedy="Known views: full, folded")
    if max_steps is not None and max_steps < 2:
        raise ArgumentError(f"max_steps is {max_steps}", remedy="Draw at least 2 time steps")
    if not isinstance(unrolled, Unrolled):
        raise ArgumentError(
            f"unrolled is a {type(unrolled).__name__}",
            remedy="Give what unroll() returns; draw_dot(value) draws any graph",
        )
    if loss is not None:
        _check_value("loss", loss)
    states = graph.states_of(unrolled)
    name = state or ("h" if "h" in unrolled.state_names else unrolled.state_names[0])
    if name not in unrolled.state_names:
        raise ArgumentError(f"no state {name!r}", remedy=f"There is {', '.join(unrolled.state_names)}")
    steps = unrolled.steps_of(graph.roots_of(unrolled, loss))
    chain = strongest(steps, loss, states, k, name) if lit else None
    if lit and loss is not None and chain is None:
        raise ArgumentError(
            f"the loss depends on no state {name}_t of what is to be drawn",
            node=loss.name,
            remedy="Give the loss that was computed from it, or lit=False; draw_dot(loss) draws any graph",
        )
    root = text.clipped(loss.label or "L", 20) if loss is not None else (chain.last.label if chain else "h")
    ran = loss.has_grad if loss is not None else any(v.has_grad for entries in states.values() for _, _, v in entries)
    title = f"{_described(unrolled.cell)}, unrolled over {len(unrolled.x)} time steps"

    def drawing(limit: int | None) -> Drawing:
        with collector_paused():  # thousands of small objects, and no cycles among them
            shown = graph.chosen(unrolled.T, min(states), limit)
            if view == "folded":
                picture, size = folded.arrange(
                    unrolled, loss, k=k if lit else unrolled.T, shown=shown, title=title, root=root
                )
            else:
                picture, size = full(shown)

            def narrower(width: float) -> Drawing:
                return drawing(max(2, int(width / (size[0] / len(shown))) - 2))

            return Drawing(
                dot.write(picture),
                picture,
                time_limit=time_limit,
                size=size,
                narrower=narrower if max_steps is None else None,
                description=f"{len(shown)} of {len(states)} time steps",
            )

    def full(shown: list[int]) -> tuple[Picture, tuple[float, float]]:
        drawn = graph.build(unrolled, loss, steps, shown)
        return timeline.arrange(
            drawn,
            chain,
            title=title,
            loss=loss,
            root=root,
            ran=ran,
            label_edges=local_gradients,
            style=style,
            time_limit=time_limit,
        )

    per_step = 1 + len(steps) // len(states)
    if view is None:
        view = "full" if per_step <= LARGEST_STEP else "folded"
    if view == "folded":
        per_step = 1
    elif per_step > LARGEST_STEP:
        raise DrawError(
            f"a time step of {per_step:,} nodes is too large to be drawn in full", remedy="Use view='folded'"
        )
    return drawing(max_steps or max(4, min(MOST_STEPS, MOST_NODES // per_step)))


def _check_value(name: str, value: object) -> None:
    if not isinstance(value, Value):
        raise ArgumentError(
            f"{name} is a {type(value).__name__}, not a Value", remedy="Give a single Value of the graph"
        )


def _described(cell: object) -> str:
    """A cell in a few words, and the same words in every process: without addresses."""
    name: str | None = getattr(cell, "__qualname__", None)
    if name is not None:
        return text.clipped(name.rpartition(".")[2], 100)
    return text.clipped(re.sub(r"<([\w.]+\.)?(\w+) object at 0x[0-9a-fA-F]+>", r"\2", repr(cell)), 100)


def draw_dot(root: Value, format: str = "svg", rankdir: str = "LR", **options: Any) -> Drawing:
    """Draw everything that ``root`` was computed from.

    Args:
        root: where the graph ends.
        format: svg, png or dot: what `Drawing.render` writes.
        rankdir: which way data flow: LR, TB, RL or BT.
        options: ``local_gradients``, ``style`` and ``time_limit`` as in `draw`.

    Raises:
        ArgumentError: an option is unknown, or ``root`` is not a Value.
        DrawError: the graph is too large to be laid out.
    """
    if rankdir not in ("LR", "TB", "RL", "BT"):
        raise ArgumentError(f"rankdir {rankdir!r}", remedy="Known ones: LR, TB, RL, BT")
    unknown = options.keys() - {"local_gradients", "style", "time_limit"}
    if unknown:
        raise ArgumentError(f"unknown option {', '.join(sorted(unknown))}")
    _check_value("root", root)
    order = topological_order(root)[::-1]
    if len(order) > _LARGEST_DOT:
        raise DrawError(
            f"{len(order):,} nodes are too many for one picture",
            remedy="Draw a part of the graph, or an unrolled one with draw(unrolled, loss)",
        )
    style: Style | None = options.get("style")
    scale = Scale.of(value.grad for value in order if value.has_grad)
    nodes = {}
    block = graph.Block(None, follows=False)
    picture = Picture()
    for i, value in enumerate(order):
        kind = "loss" if value is root else "op" if value.parents else "leaf"
        nodes[value] = Node(f"n{i}", value, value.time_step, kind, block)
    for node in nodes.values():
        rows = cards.lines(node, "", root.has_grad)
        box = cards.box(node, rows, *cards.size(rows, node.kind == "loss"), scale)
        box.tooltip = cards.tooltip(node, text.clipped(root.label or "root", 20))
        picture.boxes.append(timeline.styled(box, node, style))
        for position, parent in enumerate(node.value.parents):
            edge = graph.Edge(nodes[parent], node, parent, node.value, position)
            line = Line(f"{node.id}e{position}", nodes[parent].id, node.id, edge=edge)
            if options.get("local_gradients"):
                line.label = cards.slope(edge)
            picture.lines.append(timeline.styled(line, edge, style))
    caption = "backward() not run"
    if scale is not None:
        low, high = (text.power_of_ten(1.0, end) for end in (scale.low, scale.high))
        caption = f"|gradient| from {low} (pale) to {high} (red); 0 is white"
    label = f"label={dot.quoted(caption)} labelloc=b"
    source = dot.write(picture, f"rankdir={rankdir} nodesep=0.14 ranksep=0.35 fontsize=9 {label}")
    return Drawing(
        source, picture, format=format, time_limit=options.get("time_limit", 60.0), description=f"{len(order)} nodes"
    )
