"""One time step of a cell that we do not know: every Value of it, laid out by Graphviz."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..engine.backward import topological_order
from ..engine.value import Value
from ..errors import DrawError
from . import colours, layout, names, text
from .chain import best_ways, path_to
from .geometry import Row
from .graph import Block, Edge, Node
from .sheet import LEAST, Looks, Sheet
from .subject import Subject

_MOST = 120  # Values of a time step
_HEADING = 2.0  # in sizes of text


@dataclass
class StepGraph:
    """A time step as a graph, from the state before it to the state after it.

    Attributes:
        height: how much room it takes.
        size: of its text, in points.
    """

    subject: Subject
    sheet: Sheet
    step: int
    nodes: Sequence[Value]
    rows: Sequence[Sequence[Row]]
    boxes: Sequence[tuple[float, float]]
    plan: layout.Plan
    size: float

    @property
    def height(self) -> float:
        """How much room it takes."""
        return self._scale * (self.plan.top - self.plan.bottom) + _HEADING * self.sheet.size

    @property
    def _scale(self) -> float:
        return self.size / LEAST

    @classmethod
    def of(cls, subject: Subject, sheet: Sheet, t: int, room: float) -> StepGraph | None:
        """The time step with as many rows in a card as fit into that height; None where not even names fit."""
        before = subject.unrolled.state(t - 1)
        order = topological_order(*subject.unrolled.state(t), stop=before)
        leaves = dict.fromkeys(parent for node in order for parent in node.parents)
        nodes = [*dict.fromkeys(before), *(n for n in reversed(order) if n not in before)]
        nodes += [leaf for leaf in leaves if leaf not in set(nodes)]
        if len(nodes) > _MOST:
            return None
        wide, high = sheet.right - sheet.left, room - _HEADING * sheet.size
        for rows in (_all, _with_data, _names):
            if rows is not _names and not subject.view.values:
                continue
            told = [rows(node) for node in nodes]
            boxes = [_size(lines) for lines in told]
            try:
                plan = layout.plan(_shape(nodes, set(before), boxes), subject.view.time_limit)
            except DrawError:  # without Graphviz there is no such part of the picture
                return None
            size = LEAST * min(wide / plan.width, high / (plan.top - plan.bottom))
            if size >= max(LEAST, 2.2 * sheet.size / 3.0):  # a third of the headline
                return cls(subject, sheet, t, nodes, told, boxes, plan, min(size, sheet.size))
        return None

    def draw(self, top: float) -> None:
        """Draw it, with its upper edge at ``top``."""
        subject, sheet, scale, t = self.subject, self.sheet, self._scale, self.step
        states = " and ".join(text.indexed(name, t) for name in subject.unrolled.state_names)
        sheet.heading("step", f"Step {t} in full: every Value of {states}", top + 0.8 * sheet.size, step=t)
        left = (sheet.left + sheet.right - scale * self.plan.width) / 2
        level = top + _HEADING * sheet.size + scale * self.plan.top
        ids = {node: f"step{t}n{i}" for i, node in enumerate(self.nodes)}
        lit = self._lit()
        state = set(subject.unrolled.state(t)) | set(subject.unrolled.state(t - 1))
        edges = _edges(self.nodes, set(subject.unrolled.state(t - 1)))
        for (tail, head, position), curve in zip(edges, self.plan.inner):
            parent, child = self.nodes[tail], self.nodes[head]
            is_lit = (parent, child) in lit
            looks: Looks = {"stroke": colours.CHAIN, "pen": 2.4} if is_lit else {}
            looks |= {"role": "flow", "step": t, "edge": Edge(None, None, parent, child, position)}
            course = [(left + scale * x, level - scale * y) for x, y in curve]
            sheet.line(f"{ids[child]}e{position}", course, ids[parent], ids[child], **looks)
        for node, rows, (width, height), (x, y) in zip(self.nodes, self.rows, self.boxes, self.plan.centres):
            kind = "state" if node in state else "op" if node.parents else "leaf"
            looks = {"node": Node(ids[node], node, t, kind, Block(t, False)), "role": "part", "step": t}
            looks |= {"tooltip": f"{node.name}: data {node.data!r}, grad {node.grad!r}", "size": self.size, "pen": 1.2}
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


def _names(value: Value) -> list[Row]:
    return [Row(names.title(value, 8.0 * LEAST, LEAST, True), bold=True, role="name")]


def _with_data(value: Value) -> list[Row]:
    data = [Row(text.number(value.data), ink=colours.QUIET, role="data")] if value.parents or value.label else []
    return [*_names(value), *data]


def _all(value: Value) -> list[Row]:
    gradient = [Row(text.number(value.grad), ink=colours.CHAIN, role="gradient")] if value.has_grad else []
    return [*_with_data(value), *gradient]


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
