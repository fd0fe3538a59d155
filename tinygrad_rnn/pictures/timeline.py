"""The unrolled picture: a column per time step, from left to right."""

from __future__ import annotations

import time
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..engine.value import Value
from ..support import colours
from ..support.colours import Scale
from ..support.sums import add_up
from . import cards, geometry, layers, layout, text
from .chain import Chain, Factor
from .geometry import Box, Curve, Frame, Line, Picture, Point, Row
from .graph import Block, Edge, Graph, Node
from .view import Style, styled

GUTTER = 16.0  # between columns
MARGIN = 12.0  # between a frame and its nodes, above and below
TITLE = 20.0  # room for the title of a frame
FOLD = 110.0  # width of what stands for folded time steps
LANE = 9.0  # between lines that pass over columns
BAND = 42.0  # height of the words about the factor of one time step


@dataclass(eq=False)
class _Slot:
    """A block on its way to its place.

    Attributes:
        entries: values that come from elsewhere, with the edges that bring them.
        exits: nodes used elsewhere, numbered.
        plan: where everything in it goes, once that is known; ``sizes`` are those of its cards.
        left, right: where it stands.
        dx, lift: by how much its plan is moved.
    """

    block: Block
    entries: dict[Value, list[Edge]] = field(default_factory=dict)
    exits: dict[Node, int] = field(default_factory=dict)
    plan: layout.Plan = field(init=False)
    sizes: tuple[tuple[float, float], ...] = ()
    left: float = 0.0
    right: float = 0.0
    dx: float = 0.0
    lift: float = 0.0

    @property
    def step(self) -> int | None:
        return self.block.step

    @property
    def follows(self) -> bool:
        return self.block.follows


@dataclass(eq=False)
class _Fold:
    """A column that stands for the time steps from ``first`` to ``last``."""

    first: int
    last: int
    left: float = 0.0
    right: float = 0.0
    follows: bool = False

    @property
    def id(self) -> str:
        return f"fold{self.first}"


def arrange(
    graph: Graph,
    chain: Chain | None,
    *,
    loss: Value | None,
    root: str,
    ran: bool,
    label_edges: bool = False,
    style: Style | None = None,
    time_limit: float = 60.0,
    values: bool = True,
    cuts: Collection[int] = (),
    known: bool = False,
) -> Picture:
    """Everything in its place.

    Args:
        values: whether to write data and gradients.
        cuts: the time steps t such that no gradient passes from t back to t - 1.
        known: whether the cell is one that we lay out ourselves; any other is laid out by Graphviz.

    Returns:
        A strip, with (0, 0) anywhere.
    """
    scale = Scale.of(value.grad for entries in graph.states.values() for _, _, value in entries if value.has_grad)
    slots = _slots(graph)
    blocks = [slot for slot in slots if isinstance(slot, _Slot)]
    rows = {
        node: cards.lines(node, root if node.value is loss else "", ran)[: None if values else 1]
        for slot in blocks
        for node in slot.block.nodes
    }
    _plan(blocks, graph, rows, label_edges, None if known else time_limit)
    words = _bands(chain, root, {slot.step for slot in blocks}) if chain else {}
    columns = _columns(slots, words)
    top = max(slot.plan.top + slot.lift for slot in blocks) + MARGIN + TITLE
    bottom = min(slot.plan.bottom + slot.lift for slot in blocks) - MARGIN
    picture = Picture()
    lit = {(link.child, link.position) for link in chain.links} if chain else set()
    ends = {link.child for link in chain.links} | {link.parent for link in chain.links} if chain else set()
    for column in columns:
        if isinstance(column, _Fold):
            picture.boxes.append(_fold(column, bottom, top))
        else:
            picture.frames.append(_frame(column, rows, scale, ends, root, bottom, top))
    cut = {(value, t) for t in cuts for _, _, value in graph.states.get(t - 1, ())}
    is_cut = {edge for edge in graph.crossing if (edge.parent, graph.steps.get(edge.child)) in cut}
    pen = _Pen(lit, chain.paths if chain else frozenset(), is_cut, label_edges, style)
    _lines(picture, slots, graph, pen, top)
    if style:
        for frame in picture.frames:
            frame.boxes = [styled(box, box.node, style) for box in frame.boxes]
    below = bottom - 8.0
    if chain:
        bands = (_band_box(column, chain, words, scale, below) for column in columns)
        picture.boxes += [band for band in bands if band]
    return picture


# ---- columns ------------------------------------------------------------------------------------------------


def _slots(graph: Graph) -> list[_Slot | _Fold]:
    """The blocks, with a fold wherever time steps are missing, and what enters and leaves each."""
    slots: list[_Slot | _Fold] = []
    before: int | None = None
    of_block: dict[Block, _Slot] = {}
    for block in graph.blocks:
        if before is not None and block.step is not None and block.step > before + 1:
            slots.append(_Fold(before + 1, block.step - 1))
        before = block.step
        slot = of_block[block] = _Slot(block)
        slots.append(slot)
        if not block.follows:
            for node in block.nodes:
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
    slots: Sequence[_Slot], graph: Graph, rows: Mapping[Node, Sequence[str]], roomy: bool, time_limit: float | None
) -> None:
    """Lay out one block of each shape: by ourselves if there is no time limit for Graphviz.

    Blocks that differ only in the size of their cards get one size.
    """
    names = {value: (name, i) for entries in graph.states.values() for name, i, value in entries}
    alike: dict[layout.Shape, list[_Slot]] = {}
    for slot in slots:
        alike.setdefault(_shape(slot, names, roomy), []).append(slot)
    deadline = time.monotonic() + (time_limit or 0.0)
    for shape, same in alike.items():
        measured = [
            [cards.size(rows[node], node.kind in ("state", "loss")) for node in slot.block.nodes] for slot in same
        ]
        sizes = tuple((max(w for w, _ in all_), max(h for _, h in all_)) for all_ in zip(*measured))
        shape = replace(shape, sizes=sizes)
        plan = layers.plan(shape) if time_limit is None else layout.plan(shape, max(deadline - time.monotonic(), 0.001))
        for slot in same:
            slot.plan, slot.sizes = plan, sizes


def _shape(slot: _Slot, names: Mapping[Value, tuple[str, int]], roomy: bool) -> layout.Shape:
    block, place = slot.block, slot.block.place
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
        edges=tuple((place[tail], place[head]) for tail, head, _ in block.inner),
        entries=tuple(tuple(place[edge.head] for edge in edges if edge.head) for edges in slot.entries.values()),
        exits=tuple(place[node] for node in slot.exits),
        straight=tuple(straight),
        roomy=roomy,
    )


def _columns(slots: Sequence[_Slot | _Fold], words: Mapping[int | None, Sequence[str]]) -> list[list[_Slot] | _Fold]:
    """Blocks of one time step, side by side, and each column beside the next."""
    columns: list[list[_Slot] | _Fold] = []
    for slot in slots:
        if isinstance(slot, _Fold):
            columns.append(slot)
        elif columns and isinstance(columns[-1], list) and columns[-1][0].step == slot.step:
            columns[-1].append(slot)
        else:
            columns.append([slot])
    x = 0.0
    for column in columns:
        if isinstance(column, _Fold):
            column.left, column.right = x, x + FOLD
            x += FOLD + GUTTER
            continue
        width = add_up(slot.plan.width for slot in column)
        lines = words.get(column[0].step, ())
        spare = max(0.0, 76.0 - width, *(text.width(line, 9.0) + 14 - width for line in lines)) / 2
        x += spare
        for slot in column:
            slot.left, slot.dx, slot.right = x, x, x + slot.plan.width
            x = slot.right
        column[0].left -= spare
        column[-1].right += spare
        x += spare + GUTTER
        if len(column) == 2:
            _lift(column[0], column[1], last=column is columns[-1])
    return columns


def _lift(cell: _Slot, following: _Slot, last: bool) -> None:
    """What follows from a cell goes where it is in line with the state that it reads, unless there the state
    passes on to the next time step: then above that.
    """
    passing = [cell.plan.leaving[i][-1][1] for node, i in cell.exits.items() if node.kind == "state"]
    read = [edge.tail for edges in following.entries.values() for edge in edges if edge.tail in cell.exits]
    if passing and not last:
        following.lift = max(passing) + MARGIN - following.plan.bottom
    elif read and read[0]:
        following.lift = cell.plan.leaving[cell.exits[read[0]]][-1][1]


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
        for node, (x, y), (width, height) in zip(slot.block.nodes, slot.plan.centres, slot.sizes):
            box = cards.box(node, rows[node], width, height, scale)
            box.centre = (x + slot.dx, y + slot.lift)
            box.tooltip = cards.tooltip(node, root)
            if node.value in lit and node.kind != "parameter":
                box.stroke, box.pen = colours.CHAIN, 2.2
            boxes.append(box)
    step = column[0].step
    name, title = ("before", "before time") if step is None else (f"t{step}", f"t = {step}")
    return Frame(name, title, boxes, column[0].left, bottom, column[-1].right, top, step)


def _fold(fold: _Fold, bottom: float, top: float) -> Box:
    count = fold.last - fold.first + 1
    steps = f"t = {fold.first}" if count == 1 else f"t = {fold.first} … {fold.last}"
    return Box(
        fold.id,
        [Row("…"), Row(steps), Row(f"({count} folded)")],
        fold.right - fold.left,
        top - bottom,
        ((fold.left + fold.right) / 2, (bottom + top) / 2),
        colours.FRAME,
        colours.FRAME_LINE,
        ink=colours.QUIET,
        dashed=True,
        size=11.0,
        role="fold",
        step=fold.first,
    )


# ---- lines --------------------------------------------------------------------------------------------------


@dataclass
class _Pen:
    """The look of lines."""

    lit: set[tuple[Value, int]]
    paths: frozenset[tuple[Value, int]]
    cut: Collection[Edge]
    label_edges: bool
    style: Style | None

    def line(self, edge: Edge, tail: str, head: str, curve: Curve) -> Line:
        owner = edge.head.id if edge.head else f"{tail}{head}"
        step = edge.head.step if edge.head else None
        line = Line(f"{owner}e{edge.position}", tail, head, curve, edge=edge, role="flow", step=step)
        place = edge.child, edge.position
        if place in self.lit:
            line.stroke, line.pen = colours.CHAIN, 3.0
        elif place in self.paths:
            line.stroke, line.pen = colours.FAINT_CHAIN, 1.2
        if edge in self.cut:
            line.stroke, line.dashed = colours.CUT, True
        if self.label_edges and edge.head:
            line.label = cards.slope(edge)
        return styled(line, edge, self.style) if self.style else line


def _lines(picture: Picture, slots: Sequence[_Slot | _Fold], graph: Graph, pen: _Pen, top: float) -> None:
    """Add all lines, the lit ones last."""
    lines: list[Line] = []
    for slot in slots:
        if isinstance(slot, _Slot):
            for (tail, head, edge), curve in zip(slot.block.inner, slot.plan.inner):
                lines.append(pen.line(edge, tail.id, head.id, geometry.moved(curve, slot.dx, slot.lift)))
    lanes: list[float] = []
    into_folds: dict[tuple[str, str], Line] = {}
    for end in _Ends.of(slots, graph):
        (a, b), start, finish = end.points(), end.start(), end.finish()
        if end.neighbours():
            between = geometry.sweep(a, b)
        else:
            between = _over(a, b, top + LANE * (_lane(lanes, *sorted((a[0], b[0]))) + 1))
        line = pen.line(end.edge, *end.ids(), geometry.joined(*filter(None, (start, between, finish))))
        if end.edge.head is None:  # into a fold: one line for all the uses there, the most important one
            known = into_folds.setdefault((line.tail, line.head), line)
            if known is not line:
                if line.pen > known.pen:
                    known.stroke, known.pen = line.stroke, line.pen
                continue
        lines.append(line)
    picture.lines += sorted(lines, key=lambda line: line.pen)


@dataclass
class _Ends:
    """An edge between two slots, one of which may be a fold."""

    edge: Edge
    between: Sequence[_Slot | _Fold]
    forward: bool
    source: _Slot | _Fold
    target: _Slot | _Fold
    entry: int
    use: int

    @classmethod
    def of(cls, slots: Sequence[_Slot | _Fold], graph: Graph) -> Iterator[_Ends]:
        """The ends of every edge between slots."""
        blocks = {slot.block: i for i, slot in enumerate(slots) if isinstance(slot, _Slot)}
        folds = {i: slot for i, slot in enumerate(slots) if isinstance(slot, _Fold)}
        uses = {
            edge: (entry, use)
            for slot in slots
            if isinstance(slot, _Slot)
            for entry, edges in enumerate(slot.entries.values())
            for use, edge in enumerate(edges)
        }

        def find(node: Node | None, value: Value) -> int | None:
            if node is not None:
                return blocks[node.block]
            step = graph.steps.get(value)
            return next((i for i, f in folds.items() if step is not None and f.first <= step <= f.last), None)

        for edge in graph.crossing:
            a, b = find(edge.tail, edge.parent), find(edge.head, edge.child)
            if a is not None and b is not None:
                yield cls(edge, slots[a + 1 : b], a < b, slots[a], slots[b], *uses.get(edge, (0, 0)))

    def start(self) -> Curve:
        """From the tail to the edge of its slot; nothing from a fold."""
        slot = self.source
        if self.edge.tail is None or isinstance(slot, _Fold):
            return []
        return geometry.moved(slot.plan.leaving[slot.exits[self.edge.tail]], slot.dx, slot.lift)

    def finish(self) -> Curve:
        """From the edge of its slot to the head; nothing into a fold."""
        slot = self.target
        if isinstance(slot, _Fold):
            return []
        return geometry.moved(slot.plan.entering[self.entry][self.use], slot.dx, slot.lift)

    def points(self) -> tuple[Point, Point]:
        """The points where the line leaves one slot and reaches the other. A fold is at any height."""
        start, finish = self.start(), self.finish()
        if not start:
            return (self.source.right, finish[0][1]), finish[0]
        return start[-1], finish[0] if finish else (self.target.left, start[-1][1])

    def neighbours(self) -> bool:
        """Whether there is nothing between the slots, or only what stands above the way."""
        only_above = len(self.between) == 1 and not self.source.follows and self.between[0].follows
        return self.forward and (not self.between or only_above)

    def ids(self) -> tuple[str, str]:
        """The boxes at the ends."""
        ends = (self.edge.tail, self.source), (self.edge.head, self.target)
        tail, head = (node.id if node else slot.id if isinstance(slot, _Fold) else "" for node, slot in ends)
        return tail, head


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


# ---- words below the columns ----------------------------------------------------------------------------------


def _bands(chain: Chain, root: str, steps: Container[int | None]) -> dict[int | None, list[str]]:
    """The text below each column about its factor."""
    words: dict[int | None, list[str]] = {
        factor.step: _band(chain, factor, root) for factor in chain.factors if factor.step in steps
    }
    words[chain.k] = [_gradient(chain, root, chain.target, chain.k)]
    return words


def _band(chain: Chain, factor: Factor, root: str) -> list[str]:
    later, earlier = (text.clipped(value.label or "…", 14) for value in (factor.later, factor.earlier))
    names = " · ".join(name for name, _, _ in factor.terms) or "1"
    numbers = " · ".join(text.number(x) for _, x, _ in factor.terms)
    product = text.number(factor.product)
    return [
        _gradient(chain, root, factor.later, factor.step),
        f"∂{later}/∂{earlier} = {names}",
        f"= {numbers} = {product}" if len(factor.terms) > 1 else f"= {product}",
    ]


def _gradient(chain: Chain, root: str, value: Value, step: int) -> str:
    name = f"∂{root}/∂{text.clipped(value.label or '…', 14)} = {text.power_of_ten(*chain.back_to(step))}"
    return name if chain.only else f"path: {name}"


def _band_box(
    column: Sequence[_Slot] | _Fold,
    chain: Chain,
    words: Mapping[int | None, Sequence[str]],
    scale: Scale | None,
    y: float,
) -> Box | None:
    """The words below a column, on the colour of the gradient that they are about."""
    if isinstance(column, _Fold):
        factors = [f for f in chain.factors if column.first <= f.step <= column.last]
        if not factors:
            return None
        log10 = chain.back_to(column.first - 1)[1] - chain.back_to(column.last)[1]
        rows = [f"{len(factors)} factors", f"product {text.power_of_ten(1.0, log10)}"]
        centre = (column.left + column.right) / 2, y - BAND / 2
        return Box(
            f"band{column.first}", list(map(Row, rows)), FOLD, BAND, centre, stroke=colours.FRAME_LINE, dashed=True
        )
    step, left, right = column[0].step, column[0].left, column[-1].right
    if step is None or step not in words:
        return None
    fill = scale.of_log(chain.back_to(step)[1]) if scale else colours.PAPER
    centre = (left + right) / 2, y - BAND / 2
    factor = list(map(Row, words[step]))
    return Box(f"band{step}", factor, right - left, BAND, centre, fill, colours.CHAIN, 1.0, colours.ink_on(fill))
