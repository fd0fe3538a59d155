"""The unrolled picture: a column per time step, from left to right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..value import Value
from . import cards, colours, geometry, layout, legend, text
from .chain import Chain, Factor
from .colours import Scale
from .geometry import Box, Curve, Frame, Line, Picture, Point, Text
from .graph import Column, Edge, Graph, Node, local_gradients

GUTTER = 16.0  # between columns
MARGIN = 12.0  # between a frame and its nodes, above and below
TITLE = 20.0  # room for the title of a frame
FOLD = 110.0  # width of what stands for folded time steps
LANE = 9.0  # between lines that pass over columns
BAND = 42.0  # height of the words about the factor of one time step

Style = Callable[[Node | Edge], Mapping[str, Any] | None]


@dataclass(eq=False)
class _Placed:
    """A column, or a fold, on its way to its place."""

    column: Column | None  # None: folded time steps
    first: int | None
    last: int | None
    place: dict[Node, int] = field(default_factory=dict)
    entries: dict[Value, int] = field(default_factory=dict)
    uses: list[list[Edge]] = field(default_factory=list)
    exits: dict[Node, int] = field(default_factory=dict)
    shape: layout.Shape | None = None
    plan: layout.Plan | None = None
    left: float = 0.0
    right: float = 0.0
    inset: float = 0.0


def arrange(
    graph: Graph,
    chain: Chain | None,
    *,
    title: str,
    loss: Value | None,
    root: str,
    ran: bool,
    label_edges: bool = False,
    style: Style | None = None,
    time_limit: float = 60.0,
) -> tuple[Picture, tuple[float, float]]:
    """Everything in its place.

    Returns:
        The picture, and its width and height in points.
    """
    scale = Scale.of(
        value.grad for entries in graph.states.values() for _, _, value in entries if value.has_grad
    )
    placed = _columns(graph)
    rows = {
        node: cards.lines(node, root if node.value is loss else "", ran)
        for item in placed
        if item.column
        for node in item.column.nodes
    }
    _plan(placed, graph, rows, label_edges, time_limit)
    words = {factor.step: _band(chain, factor, root) for factor in chain.factors} if chain else {}
    if chain:
        words[chain.k] = [f"{_gradient_name(chain, root, chain.target)} = {_so_far(chain, chain.k)}"]
    x = 0.0
    for item in placed:
        wanted = max((text.width(line, 9.0) + 14 for line in words.get(item.first, ())), default=0.0)
        width = max(item.plan.width if item.plan else FOLD, wanted if item.column else 0.0, 76.0)
        item.left, item.right = x, x + width
        item.inset = (width - item.plan.width) / 2 if item.plan else 0.0
        x += width + GUTTER
    top = max(item.plan.top for item in placed if item.plan) + MARGIN + TITLE
    bottom = min(item.plan.bottom for item in placed if item.plan) - MARGIN
    picture = Picture()
    lit = {(link.child, link.position) for link in chain.links} if chain else set()
    ends = {link.child for link in chain.links} | {link.parent for link in chain.links} if chain else set()
    for item in placed:
        if item.column:
            picture.frames.append(_frame(item, rows, scale, ends, root, bottom, top))
        else:
            picture.boxes.append(_fold(item, bottom, top))
    pen = _Pen(lit, chain.paths if chain else frozenset(), label_edges, style)
    lanes = _lines(picture, placed, graph, pen, top)
    if style:
        for frame in picture.frames:
            frame.boxes = [styled(box, box.node, style) for box in frame.boxes]
    below = bottom - 8.0
    if chain:
        for item in placed:
            band = _band_box(item, chain, words, scale, below)
            if band:
                picture.boxes.append(band)
        below -= BAND + 8.0
    kinds = {node.kind for node in rows} | ({"tied"} if any(node.copies > 1 for node in rows) else set())
    kinds -= {"parameter"} if not any(n.kind == "parameter" and n.copies == 1 for n in rows) else set()
    right = max(placed[-1].right, legend.key(picture, scale, 0.0, below - 10.0, kinds, chain))
    above = top + LANE * lanes + 14.0
    heads = legend.heading(chain, title, root)
    sizes = [15.0, *(12.0 for _ in heads[1:])]
    y = above + sum(size * 1.6 for size in sizes)
    height = y - (below - 20.0)
    for i, (line, size) in enumerate(zip(heads, sizes)):
        y -= size * 1.6
        ink = colours.CHAIN if i == 1 else colours.INK
        picture.texts.append(Text(f"head{i}", line, (0.0, y + size * 0.5), size, ink, bold=not i))
        right = max(right, text.width(line, size))
    return picture, (right, height)


# ---- columns ------------------------------------------------------------------------------------------------


def _columns(graph: Graph) -> list[_Placed]:
    """The columns with a fold wherever time steps are missing, and what enters and leaves each."""
    placed: list[_Placed] = []
    for column in graph.columns:
        before = placed[-1].last if placed else None
        if before is not None and column.step is not None and column.step > before + 1:
            placed.append(_Placed(None, before + 1, column.step - 1))
        item = _Placed(column, column.step, column.step)
        item.place = {node: i for i, node in enumerate(column.nodes)}
        placed.append(item)
    by_step = {item.first: item for item in placed if item.column}
    for step, item in by_step.items():
        states = {value for _, _, value in graph.states.get(step, ())} if step is not None else set()
        for node in item.place:
            if node.value in states and node.step == step and item is not placed[-1]:
                item.exits[node] = len(item.exits)
    for edge in graph.crossing:
        if edge.head is not None:
            item = by_step[edge.head.step]
            entry = item.entries.setdefault(edge.parent, len(item.entries))
            if entry == len(item.uses):
                item.uses.append([])
            item.uses[entry].append(edge)
        if edge.tail is not None:
            item = by_step[edge.tail.step]
            item.exits.setdefault(edge.tail, len(item.exits))
    return placed


def _plan(
    placed: Sequence[_Placed], graph: Graph, rows: Mapping[Node, Sequence[str]], roomy: bool, time_limit: float
) -> None:
    """Lay out one column of each shape. Columns that differ in the size of their cards alone get one size."""
    names = {value: (name, i) for entries in graph.states.values() for name, i, value in entries}
    alike: dict[Any, list[_Placed]] = {}
    for item in placed:
        if item.column is None:
            continue
        own = {names[node.value]: i for node, i in item.place.items() if node.value in names and node.kind == "state"}
        straight = tuple(
            (entry, own[names[value]])
            for value, entry in item.entries.items()
            if value in names and names[value] in own
        )
        ending = None
        last = len(item.column.nodes) - 1
        if item is placed[-1] and straight and last != straight[0][1]:
            ending = straight[0][1], last
        item.shape = layout.Shape(
            sizes=(),
            leaves=tuple(not node.value.parents or node.kind == "parameter" for node in item.column.nodes),
            edges=tuple((tail, head) for tail, head, _ in item.column.inner),
            entries=tuple(tuple(item.place[edge.head] for edge in edges if edge.head) for edges in item.uses),
            exits=tuple(item.place[node] for node in item.exits),
            straight=straight,
            ending=ending,
            roomy=roomy,
        )
        alike.setdefault(item.shape, []).append(item)
    for shape, items in alike.items():
        measured = [
            [cards.size(rows[node], node.kind in ("state", "loss")) for node in item.column.nodes]
            for item in items
            if item.column
        ]
        sizes = tuple((max(w for w, _ in same), max(h for _, h in same)) for same in zip(*measured))
        plan = layout.plan(replace(shape, sizes=sizes), time_limit)
        for item in items:
            item.shape, item.plan = replace(shape, sizes=sizes), plan


def _frame(
    item: _Placed,
    rows: Mapping[Node, Sequence[str]],
    scale: Scale | None,
    lit: set[Value],
    root: str,
    bottom: float,
    top: float,
) -> Frame:
    assert item.column and item.plan and item.shape
    boxes = []
    for node, (x, y), (width, height) in zip(item.column.nodes, item.plan.centres, item.shape.sizes):
        box = cards.box(node, rows[node], width, height, scale)
        box.centre = (x + item.left + item.inset, y)
        box.tooltip = cards.tooltip(node, root)
        if node.value in lit and node.kind != "parameter":
            box.stroke, box.pen = colours.CHAIN, 2.2
        boxes.append(box)
    name = f"t{item.first}" if item.first is not None else "before"
    title = f"t = {item.first}" if item.first is not None else "before time"
    return Frame(name, title, boxes, item.left, bottom, item.right, top)


def _fold(item: _Placed, bottom: float, top: float) -> Box:
    assert item.first is not None and item.last is not None
    steps = f"t = {item.first}" if item.first == item.last else f"t = {item.first} … {item.last}"
    centre = ((item.left + item.right) / 2, (bottom + top) / 2)
    return Box(
        f"fold{item.first}",
        ["…", steps, f"({item.last - item.first + 1} folded)"],
        item.right - item.left,
        top - bottom,
        centre,
        colours.FRAME,
        colours.FRAME_LINE,
        ink=colours.QUIET,
        dashed=True,
        size=11.0,
    )


# ---- lines --------------------------------------------------------------------------------------------------


@dataclass
class _Pen:
    """How lines look."""

    lit: set[tuple[Value, int]]
    paths: frozenset[tuple[Value, int]]
    label_edges: bool
    style: Style | None

    def line(self, edge: Edge, tail: str, head: str, curve: Curve) -> Line:
        owner = edge.head.id if edge.head else f"{tail}{head}"
        line = Line(f"{owner}e{edge.position}", tail, head, curve, edge=edge)
        place = edge.child, edge.position
        if edge.position < 0:
            line.id, line.stroke, line.dashed = f"{tail}{head}cut", colours.CUT, True
            line.tooltip = "cut: no gradient flows here"
        elif place in self.lit:
            line.stroke, line.pen = colours.CHAIN, 3.0
        elif place in self.paths:
            line.stroke, line.pen = colours.FAINT_CHAIN, 1.2
        if self.label_edges and edge.position >= 0 and edge.head:
            line.label = text.number(local_gradients(edge.child)[edge.position])
        return styled(line, edge, self.style) if self.style else line


def _lines(picture: Picture, placed: Sequence[_Placed], graph: Graph, pen: _Pen, top: float) -> int:
    """Add all lines, the lit ones last, and return how many lanes above the columns they take."""
    lines: list[Line] = []
    for item in placed:
        if item.column and item.plan:
            for (_, _, edge), curve in zip(item.column.inner, item.plan.inner):
                assert edge.tail and edge.head
                shifted = geometry.moved(curve, item.left + item.inset, 0.0)
                lines.append(pen.line(edge, edge.tail.id, edge.head.id, shifted))
    where = {item.first: i for i, item in enumerate(placed) if item.column}
    folds = [(i, item) for i, item in enumerate(placed) if item.column is None]
    lanes: dict[Value, int] = {}
    into_fold: dict[tuple[str, str], int] = {}
    used = {edge: (entry, j) for item in placed for entry, edges in enumerate(item.uses) for j, edge in enumerate(edges)}

    def fold_of(value: Value) -> tuple[int, _Placed] | None:
        step = graph.steps.get(value)
        return next(
            ((i, f) for i, f in folds if step is not None and (f.first or 0) <= step <= (f.last or 0)), None
        )

    for edge in graph.crossing:
        start: Curve = []
        end: Curve = []
        tail = head = ""
        from_ = to = 0
        if edge.tail is not None:
            from_ = where[edge.tail.step]
            item = placed[from_]
            assert item.plan
            start = geometry.moved(item.plan.leaving[item.exits[edge.tail]], item.left + item.inset, 0.0)
            tail = edge.tail.id
        if edge.head is not None:
            to = where[edge.head.step]
            item = placed[to]
            assert item.plan
            entry, j = used[edge]
            end = geometry.moved(item.plan.entering[entry][j], item.left + item.inset, 0.0)
            head = edge.head.id
        if not start or not end:
            fold = fold_of(edge.parent if not start else edge.child)
            if fold is None:
                continue
            if not start:
                from_, tail, y = fold[0], f"fold{fold[1].first}", end[0][1]
                start = [(fold[1].right, y)] * 4
            else:
                to, head, y = fold[0], f"fold{fold[1].first}", start[-1][1]
                end = [(fold[1].left, y)] * 4
                lit = (edge.child, edge.position) in pen.lit
                if (tail, head) in into_fold:
                    if lit:
                        lines[into_fold[tail, head]].stroke, lines[into_fold[tail, head]].pen = colours.CHAIN, 3.0
                    continue
                into_fold[tail, head] = len(lines)
        if to == from_ + 1:
            curve = geometry.joined(start, geometry.sweep(start[-1], end[0]), end)
        else:
            lane = lanes.setdefault(edge.parent, len(lanes))
            curve = geometry.joined(start, _over(start[-1], end[0], top + LANE * (lane + 1)), end)
        lines.append(pen.line(edge, tail, head, curve))
    picture.lines += sorted(lines, key=lambda line: line.pen)
    return len(lanes)


def _over(start: Point, end: Point, y: float) -> Curve:
    """From a column to another that is not the next one, over the columns between them."""
    (ax, ay), (bx, by) = start, end
    up = [start, (ax + 12, ay), (ax + 2, y), (ax + 14, y)]
    down = [(bx - 14, y), (bx - 2, y), (bx - 12, by), end]
    return geometry.joined(up, geometry.sweep(up[-1], down[0]), down)


def styled(item: Any, subject: Any, style: Style | None) -> Any:
    changes = style(subject) if style and subject is not None else None
    return replace(item, **changes) if changes else item


# ---- words below the columns ----------------------------------------------------------------------------------


def _band(chain: Chain, factor: Factor, root: str) -> list[str]:
    later, earlier = (text.clipped(value.label or "…", 14) for value in (factor.later, factor.earlier))
    names = " · ".join(name for name, _, _ in factor.terms) or "1"
    numbers = " · ".join(text.number(x) for _, x, _ in factor.terms)
    product = text.number(factor.product)
    return [
        f"{_gradient_name(chain, root, factor.later)} = {_so_far(chain, factor.step)}",
        f"∂{later}/∂{earlier} = {names}",
        f"= {numbers} = {product}" if len(factor.terms) > 1 else f"= {product}",
    ]


def _gradient_name(chain: Chain, root: str, value: Value) -> str:
    name = f"∂{root}/∂{text.clipped(value.label or '…', 14)}"
    return name if chain.only else f"path: {name}"


def _so_far(chain: Chain, step: int | None) -> str:
    factors = [f for f in (chain.head, *chain.factors) if f is chain.head or (f.step or 0) > (step or 0)]
    sign = 1.0
    for factor in factors:
        sign *= -1.0 if factor.product < 0 else 1.0
    return text.power_of_ten(sign, chain.log10_back_to(step or 0))


def _band_box(
    item: _Placed, chain: Chain, words: Mapping[int | None, Sequence[str]], scale: Scale | None, y: float
) -> Box | None:
    width = item.right - item.left
    centre = ((item.left + item.right) / 2, y - BAND / 2)
    if item.column is None:
        assert item.first is not None and item.last is not None
        inside = [f for f in chain.factors if f.step is not None and item.first <= f.step <= item.last]
        if not inside:
            return None
        log10 = chain.log10_back_to(item.first - 1) - chain.log10_back_to(item.last)
        rows = [f"{len(inside)} factors", f"product {text.power_of_ten(1.0, log10)}"]
        return Box(f"band{item.first}", rows, width, BAND, centre, stroke=colours.FRAME_LINE, dashed=True)
    if item.first not in words:
        return None
    fill = scale.of_log(chain.log10_back_to(item.first or 0)) if scale else colours.PAPER
    return Box(f"band{item.first}", words[item.first], width, BAND, centre, fill, colours.CHAIN, 1.0)
