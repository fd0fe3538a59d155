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
from .graph import Block, Edge, Graph, Node, local_gradients

GUTTER = 16.0  # between columns
MARGIN = 12.0  # between a frame and its nodes, above and below
TITLE = 20.0  # room for the title of a frame
FOLD = 110.0  # width of what stands for folded time steps
LANE = 9.0  # between lines that pass over columns
BAND = 42.0  # height of the words about the factor of one time step

Style = Callable[[Node | Edge], Mapping[str, Any] | None]


@dataclass(eq=False)
class _Slot:
    """A block, or a fold, on its way to its place.

    Attributes:
        block: None for folded time steps.
        first, last: its time steps.
        entries: values that come from elsewhere, with the edges that bring them.
        exits: nodes used elsewhere, numbered.
        left, right: where it stands.
        dx, lift: by how much its plan is moved.
    """

    block: Block | None
    first: int | None
    last: int | None
    entries: dict[Value, list[Edge]] = field(default_factory=dict)
    exits: dict[Node, int] = field(default_factory=dict)
    plan: layout.Plan | None = None
    sizes: tuple[tuple[float, float], ...] = ()
    left: float = 0.0
    right: float = 0.0
    dx: float = 0.0
    lift: float = 0.0

    @property
    def follows(self) -> bool:
        return self.block is not None and self.block.follows


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
    slots = _slots(graph)
    rows = {
        node: cards.lines(node, root if node.value is loss else "", ran) for block in graph.blocks for node in block.nodes
    }
    _plan(slots, graph, rows, label_edges, time_limit)
    words = {factor.step: _band(chain, factor, root) for factor in chain.factors} if chain else {}
    if chain:
        words[chain.k] = [f"{_gradient_name(chain, root, chain.target)} = {_so_far(chain, chain.k)}"]
    columns = _columns(slots, words)
    planned = [(slot.plan, slot.lift) for slot in slots if slot.plan]
    top = max(plan.top + lift for plan, lift in planned) + MARGIN + TITLE
    bottom = min(plan.bottom + lift for plan, lift in planned) - MARGIN
    picture = Picture()
    lit = {(link.child, link.position) for link in chain.links} if chain else set()
    ends = {link.child for link in chain.links} | {link.parent for link in chain.links} if chain else set()
    for column in columns:
        if column[0].block:
            picture.frames.append(_frame(column, rows, scale, ends, root, bottom, top))
        else:
            picture.boxes.append(_fold(column[0], bottom, top))
    pen = _Pen(lit, chain.paths if chain else frozenset(), label_edges, style)
    lanes = _lines(picture, slots, graph, pen, top)
    if style:
        for frame in picture.frames:
            frame.boxes = [styled(box, box.node, style) for box in frame.boxes]
    below = bottom - 8.0
    if chain:
        bands = (_band_box(column, chain, words, scale, below) for column in columns)
        picture.boxes += [band for band in bands if band]
        below -= BAND + 8.0
    kinds = {node.kind for node in rows} | ({"tied"} if any(node.copies > 1 for node in rows) else set())
    kinds -= {"parameter"} if not any(n.kind == "parameter" and n.copies == 1 for n in rows) else set()
    right = columns[-1][-1].right
    zoom = min(max(right / 1500.0, 1.0), 3.0)  # a wide picture is looked at from further away
    right = max(right, legend.key(picture, scale, 0.0, below - 10.0 * zoom, zoom, kinds, chain))
    y = above = top + LANE * lanes + 14.0
    heads = legend.heading(chain, title, root)
    sizes = [zoom * size for size in (15.0, *(12.0 for _ in heads[1:]))]
    y = above + sum(1.6 * size for size in sizes)
    height = y - (below - 20.0 * zoom)
    for i, (line, size) in enumerate(zip(heads, sizes)):
        y -= 1.6 * size
        ink = colours.CHAIN if i == 1 else colours.INK
        picture.texts.append(Text(f"head{i}", line, (0.0, y + size * 0.5), size, ink, bold=not i))
        right = max(right, text.width(line, size))
    return picture, (right, height)


# ---- columns ------------------------------------------------------------------------------------------------


def _slots(graph: Graph) -> list[_Slot]:
    """The blocks, with a fold wherever time steps are missing, and what enters and leaves each."""
    slots: list[_Slot] = []
    for block in graph.blocks:
        before = slots[-1].last if slots else None
        if before is not None and block.step is not None and block.step > before + 1:
            slots.append(_Slot(None, before + 1, block.step - 1))
        slots.append(_Slot(block, block.step, block.step))
    of_block = {slot.block: slot for slot in slots if slot.block}
    for slot in of_block.values():
        if slot.block and not slot.follows:
            for node in slot.block.nodes:
                if node.kind == "state":  # used or not, so that all time steps look alike
                    slot.exits[node] = len(slot.exits)
    for edge in graph.crossing:
        if edge.head is not None:
            of_block[edge.head.block].entries.setdefault(edge.parent, []).append(edge)
        if edge.tail is not None:
            exits = of_block[edge.tail.block].exits
            exits.setdefault(edge.tail, len(exits))
    return slots


def _plan(
    slots: Sequence[_Slot], graph: Graph, rows: Mapping[Node, Sequence[str]], roomy: bool, time_limit: float
) -> None:
    """Lay out one block of each shape. Blocks that differ only in the size of their cards get one size."""
    names = {value: (name, i) for entries in graph.states.values() for name, i, value in entries}
    alike: dict[layout.Shape, list[_Slot]] = {}
    for slot in slots:
        if slot.block is not None:
            alike.setdefault(_shape(slot, slot.block, names, roomy), []).append(slot)
    for shape, same in alike.items():
        measured = [
            [cards.size(rows[node], node.kind in ("state", "loss")) for node in slot.block.nodes]
            for slot in same
            if slot.block
        ]
        sizes = tuple((max(w for w, _ in all_), max(h for _, h in all_)) for all_ in zip(*measured))
        plan = layout.plan(replace(shape, sizes=sizes), time_limit)
        for slot in same:
            slot.plan, slot.sizes = plan, sizes


def _shape(slot: _Slot, block: Block, names: Mapping[Value, tuple[str, int]], roomy: bool) -> layout.Shape:
    place = block.place
    carried = {names[node.value]: i for node, i in place.items() if node.kind == "state"}
    straight = [
        (entry, carried[names[value]])
        for entry, value in enumerate(slot.entries)
        if value in names and names[value] in carried
    ]
    if block.follows and slot.entries:
        straight = [(0, len(place) - 1)]
    return layout.Shape(
        sizes=(),
        leaves=tuple(not node.value.parents or node.kind == "parameter" for node in block.nodes),
        edges=tuple((place[edge.tail], place[edge.head]) for edge in block.inner if edge.tail and edge.head),
        entries=tuple(tuple(place[edge.head] for edge in edges if edge.head) for edges in slot.entries.values()),
        exits=tuple(place[node] for node in slot.exits),
        straight=tuple(straight),
        roomy=roomy,
    )


def _columns(slots: Sequence[_Slot], words: Mapping[int | None, Sequence[str]]) -> list[list[_Slot]]:
    """Blocks of one time step, side by side, and each column beside the next."""
    columns: list[list[_Slot]] = []
    for slot in slots:
        if columns and slot.block and columns[-1][0].block and columns[-1][0].first == slot.first:
            columns[-1].append(slot)
        else:
            columns.append([slot])
    x = 0.0
    for column in columns:
        widths = [slot.plan.width if slot.plan else FOLD for slot in column]
        wanted = max((text.width(line, 9.0) + 14 for line in words.get(column[0].first, ())), default=0.0)
        spare = max(0.0, (wanted if column[0].block else 0.0) - sum(widths), 76.0 - sum(widths))
        x += spare / 2
        for slot, width in zip(column, widths):
            slot.left, slot.dx, slot.right = x, x, x + width
            x += width
        column[0].left -= spare / 2
        column[-1].right += spare / 2
        x += spare / 2 + GUTTER
        _lift(column, column is columns[-1])
    return columns


def _lift(column: Sequence[_Slot], last: bool) -> None:
    """What follows from a cell goes where it is in line with the state that it reads, unless there the state
    passes on to the next time step: then above that.
    """
    if len(column) < 2 or not column[0].plan or not column[1].plan:
        return
    cell, following = column[0], column[1]
    assert cell.plan and following.plan
    passing = [cell.plan.leaving[i][-1][1] for node, i in cell.exits.items() if node.kind == "state"]
    onward = [edge for edges in following.entries.values() for edge in edges if edge.tail in cell.exits]
    if passing and not last:
        following.lift = max(passing) + MARGIN - following.plan.bottom
    elif onward and onward[0].tail:
        following.lift = cell.plan.leaving[cell.exits[onward[0].tail]][-1][1]


def _frame(
    column: Sequence[_Slot],
    rows: Mapping[Node, Sequence[str]],
    scale: Scale | None,
    lit: set[Value],
    root: str,
    bottom: float,
    top: float,
) -> Frame:
    boxes = []
    for slot in column:
        assert slot.block and slot.plan
        for node, (x, y), (width, height) in zip(slot.block.nodes, slot.plan.centres, slot.sizes):
            box = cards.box(node, rows[node], width, height, scale)
            box.centre = (x + slot.dx, y + slot.lift)
            box.tooltip = cards.tooltip(node, root)
            if node.value in lit and node.kind != "parameter":
                box.stroke, box.pen = colours.CHAIN, 2.2
            boxes.append(box)
    step = column[0].first
    name, title = ("before", "before time") if step is None else (f"t{step}", f"t = {step}")
    return Frame(name, title, boxes, column[0].left, bottom, column[-1].right, top)


def _fold(item: _Slot, bottom: float, top: float) -> Box:
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


def _lines(picture: Picture, slots: Sequence[_Slot], graph: Graph, pen: _Pen, top: float) -> int:
    """Add all lines, the lit ones last, and return how many lanes above the columns they take."""
    lines: list[Line] = []
    for slot in slots:
        if slot.block and slot.plan:
            for edge, curve in zip(slot.block.inner, slot.plan.inner):
                assert edge.tail and edge.head
                lines.append(pen.line(edge, edge.tail.id, edge.head.id, geometry.moved(curve, slot.dx, slot.lift)))
    where = {slot.block: i for i, slot in enumerate(slots) if slot.block}
    folds = [i for i, slot in enumerate(slots) if not slot.block]
    number = {id(edge): (entry, j) for slot in slots for entry, edges in enumerate(slot.entries.values())
              for j, edge in enumerate(edges)}
    lanes: list[float] = []
    into_folds: dict[tuple[str, str], Line] = {}
    for edge in graph.crossing:
        ends = [where[node.block] if node else _fold_of(graph.steps.get(value), slots, folds)
                for node, value in ((edge.tail, edge.parent), (edge.head, edge.child))]
        if None in ends:
            continue
        from_, to = ends
        source, target = slots[from_], slots[to]
        start = end = None
        if edge.tail:
            start = geometry.moved(source.plan.leaving[source.exits[edge.tail]], source.dx, source.lift)
        if edge.head:
            entry, j = number[id(edge)]
            end = geometry.moved(target.plan.entering[entry][j], target.dx, target.lift)
        tail = edge.tail.id if edge.tail else f"fold{source.first}"
        head = edge.head.id if edge.head else f"fold{target.first}"
        a = start[-1] if start else (source.right, end[0][1])
        b = end[0] if end else (target.left, start[-1][1])
        direct = to == from_ + 1 or (to == from_ + 2 and not source.follows and slots[from_ + 1].follows)
        if direct:
            between = geometry.sweep(a, b)
        else:
            between = _over(a, b, top + LANE * (_lane(lanes, *sorted((a[0], b[0]))) + 1))
        curve = geometry.joined(*(piece for piece in (start, between, end) if piece))
        line = pen.line(edge, tail, head, curve)
        if not edge.head:
            known = into_folds.setdefault((tail, head), line)
            if known is not line:
                if line.pen > known.pen:
                    known.stroke, known.pen = line.stroke, line.pen
                continue
        lines.append(line)
    picture.lines += sorted(lines, key=lambda line: line.pen)
    return len(lanes)


def _fold_of(step: int | None, slots: Sequence[_Slot], folds: Sequence[int]) -> int | None:
    if step is None:
        return None
    return next((i for i in folds if (slots[i].first or 0) <= step <= (slots[i].last or 0)), None)


def _lane(lanes: list[float], start: float, end: float) -> int:
    """The lowest lane that is free from ``start`` to ``end``."""
    for i, taken_until in enumerate(lanes):
        if taken_until <= start:
            lanes[i] = end
            return i
    lanes.append(end)
    return len(lanes) - 1


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
    column: Sequence[_Slot], chain: Chain, words: Mapping[int | None, Sequence[str]], scale: Scale | None, y: float
) -> Box | None:
    item = column[0]
    width = column[-1].right - item.left
    centre = ((column[-1].right + item.left) / 2, y - BAND / 2)
    if item.block is None:
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
