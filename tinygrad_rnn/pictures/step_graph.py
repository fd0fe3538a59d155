"""One time step of a cell that we do not know: every Value of it, laid out by Graphviz."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..engine.backward import topological_order
from ..engine.value import Value
from ..errors import DrawError
from ..support import colours
from . import layout, names, text
from .chain import best_ways, path_to
from .geometry import Row
from .graph import Block, Edge, Node
from .sheet import LEAST, MARGIN, SMALLEST, Looks, Sheet
from .subject import Subject

_MOST = 120  # Values of a time step
_HEADING = 2.0  # in sizes of text
_SMALLEST = max(LEAST, 2.2 * SMALLEST / 3.0)  # size of text in points: a third of the headline


@dataclass(frozen=True)
class Plan:
    """The places of the Values of a time step, from the state before it to the state after it, in text of size `LEAST`.

    Attributes:
        nodes: the Values.
        rows, boxes: what is written in the card of each, and its size.
        places: where they stand.
    """

    nodes: Sequence[Value]
    rows: Sequence[Sequence[Row]]
    boxes: Sequence[tuple[float, float]]
    places: layout.Plan

    @property
    def height(self) -> float:
        """The room that they take, with the heading, in sizes of text."""
        return _HEADING + (self.places.top - self.places.bottom) / LEAST

    @classmethod
    def of(cls, subject: Subject, t: int, room: float) -> Plan:
        """The plan with as many rows in a card as there is room for: at least a name, and the gradient if there is one.

        Args:
            subject: what is drawn.
            t: the time step.
            room: the height that it may have, in sizes of text.

        Raises:
            DrawError: there is no room for them, or no Graphviz.
        """
        before = subject.unrolled.state(t - 1)
        order = topological_order(*subject.unrolled.state(t), stop=before)
        leaves = dict.fromkeys(parent for node in order for parent in node.parents)
        nodes = [*dict.fromkeys(before), *(n for n in reversed(order) if n not in before)]
        nodes += [leaf for leaf in leaves if leaf not in set(nodes)]
        wide = subject.view.page[0] - 2 * MARGIN
        ways = (_all, _with_gradient) if subject.view.values else (_name,)
        for rows_of in ways if len(nodes) <= _MOST else ():
            rows = [rows_of(node, node in before) for node in nodes]
            boxes = [_size(lines) for lines in rows]
            places = layout.plan(_shape(nodes, set(before), boxes), subject.view.time_limit)
            plan = cls(nodes, rows, boxes, places)
            if plan.height <= room and places.width * _SMALLEST / LEAST <= wide:
                return plan
        raise DrawError(f"its {len(nodes)} Values have no room here, detail='values' draws them")


@dataclass(frozen=True)
class StepGraph:
    """A time step as a graph."""

    subject: Subject
    sheet: Sheet
    step: int
    plan: Plan

    @property
    def height(self) -> float:
        """The room that it takes."""
        return self.plan.height * self.sheet.size

    def draw(self, top: float) -> None:
        """Draw it, with its upper edge at ``top``."""
        subject, sheet, t = self.subject, self.sheet, self.step
        nodes, plan = self.plan.nodes, self.plan.places
        size = min(sheet.size, LEAST * (sheet.right - sheet.left) / plan.width)
        scale = size / LEAST
        states = " and ".join(text.indexed(name, t) for name in subject.unrolled.state_names)
        sheet.heading("step", f"Step {t} in full: every Value of {states}", top + 0.8 * sheet.size, step=t)
        left = (sheet.left + sheet.right - scale * plan.width) / 2
        level = top + _HEADING * sheet.size + scale * plan.top
        ids = {node: f"step{t}n{i}" for i, node in enumerate(nodes)}
        lit = self._lit()
        state = set(subject.unrolled.state(t)) | set(subject.unrolled.state(t - 1))
        edges = _edges(nodes, set(subject.unrolled.state(t - 1)))
        for (tail, head, position), curve in zip(edges, plan.inner):
            parent, child = nodes[tail], nodes[head]
            is_lit = (parent, child) in lit
            looks: Looks = {"stroke": colours.CHAIN, "pen": 2.4} if is_lit else {}
            looks |= {"role": "flow", "step": t, "edge": Edge(None, None, parent, child, position)}
            course = [(left + scale * x, level - scale * y) for x, y in curve]
            sheet.line(f"{ids[child]}e{position}", course, ids[parent], ids[child], **looks)
        for node, rows, (width, height), (x, y) in zip(nodes, self.plan.rows, self.plan.boxes, plan.centres):
            kind = "state" if node in state else "op" if node.parents else "leaf"
            looks = {"node": Node(ids[node], node, t, kind, Block(t, False)), "role": "part", "step": t}
            looks |= {"tooltip": f"{node.name}: data {node.data!r}, grad {node.grad!r}", "size": size, "pen": 1.2}
            if kind == "leaf":
                looks |= {"fill": colours.INPUT_FILL, "stroke": colours.FRAME_LINE}
            if kind == "leaf" and node.time_step is None and node.label:
                looks |= {"fill": colours.PARAMETER_FILL, "stroke": colours.LAW}
            sheet.box(ids[node], rows, left + scale * x, level - scale * y, scale * width, scale * height, **looks)

    def _lit(self) -> set[tuple[Value, Value]]:
        """The edges of the strongest path through the time step, of the part of the state that the chain is about."""
        subject, t = self.subject, self.step
        if subject.k is None or not subject.k < t <= subject.T:
            return set()
        after = subject.state(subject.names[0], t)
        order = topological_order(*subject.unrolled.state(t), stop=subject.unrolled.state(t - 1))
        best = best_ways(order, dict.fromkeys(after, (0.0, None)))
        ends = [value for value in subject.unrolled.state(t - 1) if value in best]
        if not ends:
            return set()
        return {(link.parent, link.child) for link in path_to(best, max(ends, key=lambda value: best[value][0]))}


def _name(value: Value, is_given: bool) -> list[Row]:
    """The name of a Value, with its formula unless it is given to the time step."""
    room = 8.0 * LEAST
    label = names.pretty(value.label) if is_given else ""
    name = text.squeezed(label, room, LEAST, True) if label else names.title(value, room, LEAST, True)
    return [Row(name, bold=True, role="name")]


def _with_gradient(value: Value, is_given: bool) -> list[Row]:
    gradient = [Row(text.number(value.grad), ink=colours.CHAIN, role="gradient")] if value.has_grad else []
    return [*_name(value, is_given), *gradient]


def _all(value: Value, is_given: bool) -> list[Row]:
    name, *gradient = _with_gradient(value, is_given)
    data = [Row(text.number(value.data), role="data")] if value.parents or value.label else []
    return [name, *data, *gradient]


def _size(rows: Sequence[Row]) -> tuple[float, float]:
    wide = max(text.width(row.text, LEAST, bool(row.bold)) for row in rows)
    return round(wide + 0.8 * LEAST, 2), round((1.2 * len(rows) + 0.5) * LEAST, 2)


def _edges(nodes: Sequence[Value], before: Collection[Value]) -> list[tuple[int, int, int]]:
    """Every edge among the nodes: parent, child, which operand it is. What is ``before`` the step has no parents."""
    place = {node: i for i, node in enumerate(nodes)}
    return [
        (place[parent], i, position)
        for i, node in enumerate(nodes)
        if node not in before
        for position, parent in enumerate(node.parents)
    ]


def _shape(nodes: Sequence[Value], before: set[Value], boxes: Sequence[tuple[float, float]]) -> layout.Shape:
    return layout.Shape(
        sizes=tuple(boxes),
        leaves=tuple(not node.parents and node not in before for node in nodes),
        edges=tuple((tail, head) for tail, head, _ in _edges(nodes, before)),
        entries=(),
        exits=(),
        straight=(),
        roomy=False,
    )
