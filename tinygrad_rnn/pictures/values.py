"""The level of Values: every Value and every edge, one column per time step, in as many rows as can best be read."""

from __future__ import annotations

from dataclasses import replace

from ..errors import DrawError
from ..support.colours import Scale
from . import geometry, graph, heading, legend, rows, text, timeline, words
from .chain import Chain, strongest
from .geometry import Picture
from .sheet import MARGIN, Sheet
from .subject import Subject

MOST_STEPS = 200  # drawn by default; beyond, the middle is folded
MOST_NODES = 6000
LARGEST_STEP = 1000  # nodes; Graphviz needs more than a minute for a few thousand
_MOST_UNITS = 4  # of a cell of which we lay out every Value ourselves
_SIZE = 12.0  # of the text above and below


def arrange(subject: Subject) -> tuple[Picture, int]:
    """Everything in its place.

    Returns:
        The picture, and how many time steps are drawn.

    Raises:
        ArgumentError: there is no state h_k, or the loss does not depend on it.
        DrawError: a time step has too many nodes, or Graphviz failed.
    """
    unrolled, loss, view = subject.unrolled, subject.loss, subject.view
    entries = graph.states_of(unrolled)
    name = view.state or ("h" if "h" in unrolled.state_names else unrolled.state_names[0])
    steps = unrolled.steps_of(graph.roots_of(unrolled, loss))
    chain = strongest(steps, loss, entries, view.k, name) if subject.k is not None else None
    per_step = 1 + len(steps) // len(entries)
    if per_step > LARGEST_STEP:
        raise DrawError(
            f"a time step of {per_step:,} nodes is too large to draw every Value", remedy="Use detail='states'"
        )
    limit = view.max_steps or max(4, min(MOST_STEPS, MOST_NODES // per_step))
    first, last = view.only or (subject.first, subject.last)
    shown = graph.chosen(min(last, subject.last), max(first, subject.first), limit)
    strip = timeline.arrange(
        graph.build(unrolled, loss, steps, shown),
        chain,
        loss=loss,
        root=subject.root or (chain.last.label if chain else "h"),
        ran=subject.ran,
        label_edges=view.local_gradients,
        style=view.style,
        time_limit=view.time_limit,
        values=view.values,
        cuts=view.cuts,
        known=subject.is_built_in and len(unrolled.state(subject.last, [name])) <= _MOST_UNITS,
    )
    for frame in strip.frames:
        if frame.step is None:
            continue
        place = frame.step - unrolled.first
        if notes := ", ".join(filter(None, [view.name_of(place), *view.notes_of(place)])):
            frame.title = text.squeezed(f"{frame.title}: {notes}", frame.right - frame.left - 12.0, 12.0)
    return _page(subject, strip, chain), len(shown)


def _page(subject: Subject, strip: Picture, chain: Chain | None) -> Picture:
    """A page with the strip in rows, what it says above, and the key below."""
    view = subject.view
    lines = legend.lines(chain, subject.root or "h")
    above = heading.height(lines, _SIZE) + _SIZE
    below = 3.0 * _SIZE
    starts = rows.most_readable(strip, view.page[0] / view.page[1], above + below + 2 * MARGIN)
    body = rows.wrapped(strip, starts)
    left, bottom, right, top = geometry.bounds(body)
    nodes = [box.node for box in body.every_box() if box.node is not None]
    kinds = {node.kind if node.copies == 1 else "tied" for node in nodes}
    states = graph.states_of(subject.unrolled).values()
    scale = Scale.of(value.grad for state in states for _, _, value in state if value.has_grad)
    key = legend.Key(scale, kinds, chain)
    width = max(right - left, key.width(_SIZE), 46 * _SIZE) + 2 * MARGIN
    sheet = Sheet(view, _SIZE, (width, top - bottom + above + below + MARGIN / 2))
    heading.draw(subject, sheet, 0.8 * _SIZE, lines)
    key.draw(sheet, sheet.height - 1.4 * _SIZE)
    placed = geometry.shifted(body, MARGIN - left, sheet.height - above - top)
    picture = sheet.picture
    return replace(
        picture,
        frames=placed.frames,
        boxes=[*placed.boxes, *picture.boxes],
        lines=[*placed.lines, *picture.lines],
        texts=[*placed.texts, *picture.texts],
        title=words.title(subject),
        description=words.description(subject),
    )
