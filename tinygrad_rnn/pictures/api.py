"""`draw` and `draw_dot`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

from ..bptt import Unrolled
from ..engine.value import Value
from ..errors import ArgumentError
from ..support.collector import collector_paused
from . import any_graph, states
from . import values as every_value
from .drawing import Drawing
from .sheet import most_states
from .subject import Subject
from .view import Style, View


def draw(
    unrolled: Unrolled,
    loss: Value | None = None,
    *,
    k: int | None = None,
    state: str | None = None,
    lit: bool = True,
    detail: str = "states",
    aspect: str = "16:9",
    max_steps: int | None = None,
    only: tuple[int, int] | None = None,
    title: str | None = None,
    values: bool = True,
    local_gradients: bool = False,
    style: Style | None = None,
    time_limit: float = 60.0,
    animate: Literal["backward"] | None = None,
    names: Sequence[str] = (),
    notes: Sequence[Sequence[str]] = (),
    cuts: Collection[int] = (),
) -> Drawing:
    """Draw an unrolled RNN, and the chain from the loss back to h_k.

    Args:
        unrolled: what to draw.
        loss: what was computed from it; without one the chain starts from the last state.
        k: the time step to which the chain is lit; by default that of the initial state.
        state: the part of the state that the chain is about, of a cell that has several; by default the whole state.
        lit: whether to light the chain, and to write it out, at all.
        detail: ``"states"`` for a slide with the states, the factor of every time step and what is left of the
            gradient; ``"gates"`` for also what the gates of the cell do; or ``"values"`` for every Value.
        aspect: the shape of the slide: ``"16:9"`` or ``"4:3"``.
        max_steps: the most time steps to draw, at least 2; the middle of a longer sequence is folded. By default as
            many as can be read; in every Value at most 200 and about 6000 nodes.
        only: the first and the last time step to draw, such as ``(3, 5)``.
        title: the headline, in place of the verdict.
        values: whether to write data and gradients.
        local_gradients: whether to write its local gradient on every edge between Values.
        style: called with every drawn `Node` and `Edge`; returns what is to differ from the usual, by the
            names of the attributes of `Box` and `Line`, or None.
        time_limit: how long Graphviz may take, in seconds.
        animate: ``"backward"`` for an SVG that plays: values appear in order of time, then the gradient travels back.
        names: what x_1 … x_T are called, such as years: written to their time steps.
        notes: what else to write below the time steps 1 … T, such as what is predicted: lines for each.
        cuts: the time steps t such that truncated BPTT lets no gradient pass from t back to t - 1: marked.

    Raises:
        ArgumentError: there is no state h_k, the loss does not depend on it, an option is unknown, or what is
            to be drawn is not an unrolled network.
        DrawError: Graphviz failed, or took too long; or a time step has too many nodes to draw every Value; or nothing
            is there to animate.
    """
    if animate not in (None, "backward"):
        raise ArgumentError(f"animate {animate!r}", remedy="Known ones: backward")
    view = View(
        detail=detail,
        aspect=aspect,
        k=k,
        state=state,
        lit=lit,
        only=only,
        max_steps=max_steps,
        title=title,
        values=values,
        local_gradients=local_gradients,
        style=style,
        time_limit=time_limit,
        names=names,
        notes=notes,
        cuts=cuts,
    )
    if not isinstance(unrolled, Unrolled):
        raise ArgumentError(
            f"unrolled is a {type(unrolled).__name__}",
            remedy="Give what unroll() returns; draw_dot(value) draws any graph",
        )
    if loss is not None:
        _check_value("loss", loss)
    with collector_paused():  # thousands of small objects, and no cycles among them
        first, last = view.only or (unrolled.first - 1, unrolled.T)
        subject = Subject(unrolled, loss, view, most_states(view, last - first + 1, loss is not None))
        if view.detail == "values":
            picture, shown = every_value.arrange(subject)
        else:
            picture, shown = states.arrange(subject), len(subject.shown)
    described = f"{shown} of {unrolled.T - unrolled.first + 2} time steps"
    return Drawing(picture, time_limit=time_limit, description=described, animate=animate is not None)


def _check_value(name: str, value: object) -> None:
    if not isinstance(value, Value):
        raise ArgumentError(
            f"{name} is a {type(value).__name__}, not a Value", remedy="Give a single Value of the graph"
        )


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
    picture, layout, count = any_graph.arrange(
        root, rankdir, options.get("style"), label_edges=bool(options.get("local_gradients"))
    )
    return Drawing(
        picture,
        graph=layout,
        format=format,
        time_limit=options.get("time_limit", 60.0),
        description=f"{count} nodes",
    )
