"""One time step of a cell on single numbers: every Value, as a chain with what else goes into it below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..engine.backward import topological_order
from ..engine.value import Value
from ..support import colours
from ..support.sums import add_up, exact_sum
from . import names, text
from .chain import Link, best_ways, path_to
from .geometry import Row, straight
from .graph import Block, Edge, Node, local_gradients
from .sheet import Looks, Sheet
from .subject import Subject

_MOST = 18  # Values of a time step that are drawn as a chain
_LONGEST_NAMES = (9.5, 8.0, 6.5, 5.0)  # in sizes of text: shorter where gaps have no room for a factor
_GAP = 4.1


@dataclass
class StepChain:
    """The Values on the way from h_{t-1} to the loss in a row, and what else goes into each below it."""

    subject: Subject
    sheet: Sheet
    step: int
    spine: list[Value]
    below: list[list[Value]]  # per Value of the spine: what goes into its other operand, from left to right
    height: float = field(init=False)
    longest: float = field(init=False)  # width of a name, in sizes of text

    def __post_init__(self) -> None:
        s = self.sheet.size
        rows = 3 if self.subject.view.values else 1
        self.card = (1.2 * rows + 0.6) * s
        self.height = 2.4 * s + self.card + (1.6 * s + self.card if any(self.below) else 0.0)
        for self.longest in _LONGEST_NAMES:
            if self.gap >= _GAP * s:
                break

    @classmethod
    def of(cls, subject: Subject, sheet: Sheet, t: int) -> StepChain | None:
        """The chain of a time step; None where it is too long, or what goes into it is too deep."""
        (before,) = subject.state(subject.names[0], t - 1)
        (after,) = subject.state(subject.names[0], t)
        with_loss = subject.loss is not None and t == subject.T and list(subject.direct) == [t]
        root = subject.loss if with_loss and subject.loss is not None else after
        order = topological_order(root, stop=[before])
        if len(order) > _MOST or before is after:
            return None
        best = best_ways(order, {root: (0.0, None)})
        if before not in best:
            return None
        links = path_to(best, before)[::-1]
        spine = [before, *(link.child for link in links)]
        if sum(1 for node in order for parent in node.parents if parent is before) > 1:
            return None
        below = [cls._others(link) for link in links]
        if any(group is None for group in below):
            return None
        groups = [[], *(group or [] for group in below)]
        found = [value for group in groups for value in group]
        if len(set(found)) < len(found):
            return None
        return cls(subject, sheet, t, spine, groups)

    @staticmethod
    def _others(link: Link) -> list[Value] | None:
        """The other operand of a Value with its own operands on both sides; None where they have some again."""
        group: list[Value] = []
        for position, parent in enumerate(link.child.parents):
            if position == link.position:
                continue
            if group:
                return None
            operands = parent.parents
            if any(operand.parents for operand in operands) or len(operands) > 2:
                return None
            group = [*operands[:1], parent, *operands[1:]]
        return group

    def draw(self, top: float) -> None:
        subject, sheet, s = self.subject, self.sheet, self.sheet.size
        t = self.step
        heading = f"Step {t} in full: every Value between {text.indexed(subject.names[0], t - 1)} and "
        heading += subject.root if self.spine[-1] is subject.loss else text.indexed(subject.names[0], t)
        sheet.heading("step", heading, top + 0.8 * s, step=self.step)
        y = top + 2.0 * s + self.card / 2
        widths, gap = [self.width(value) for value in self.spine], min(self.gap, 11.0 * s)
        x = sheet.left
        centres: list[float] = []
        for width in widths:
            centres.append(x + width / 2)
            x += width + gap
        lower = self.lower(centres)
        y_low = y + self.card + 1.6 * s
        for i, (value, middle, width) in enumerate(zip(self.spine, centres, widths)):
            self.card_of(value, middle, y, width)
            if i:
                start, end = centres[i - 1] + widths[i - 1] / 2, middle - width / 2
                self.edge(self.spine[i - 1], value, (start, y), (end, y), lit=subject.k is not None)
        for value, group, middle in zip(self.spine, self.below, centres):
            if not group:
                continue
            own = max(range(len(group)), key=lambda i: bool(group[i].parents))
            for i, other in enumerate(group):
                self.card_of(other, lower[other], y_low, self.width(other))
                if i != own:
                    side = 1 if i < own else -1
                    start = lower[other] + side * self.width(other) / 2
                    end = lower[group[own]] - side * self.width(group[own]) / 2
                    self.edge(other, group[own], (start, y_low), (end, y_low))
            self.edge(
                group[own],
                value,
                (lower[group[own]], y_low - self.card / 2),
                (
                    middle
                    + max(-0.3, min(0.3, (lower[group[own]] - middle) / max(self.width(value), 1))) * self.width(value),
                    y + self.card / 2,
                ),
            )

    @property
    def gap(self) -> float:
        """The distance at which the Values of the row can stand."""
        free = self.sheet.right - self.sheet.left - add_up(map(self.width, self.spine))
        return free / max(len(self.spine) - 1, 1)

    def lower(self, centres: Sequence[float]) -> dict[Value, float]:
        """The places of the Values of the lower row: each group below what it goes into, as far as there is room."""
        sheet, s = self.sheet, self.sheet.size
        gap = 1.6 * s
        placed: dict[Value, float] = {}
        spans: list[
            tuple[list[Value], float, float, float]
        ] = []  # values, offset of the main one, width, wanted middle
        for group, middle in zip(self.below, centres):
            if group:
                own = max(range(len(group)), key=lambda i: bool(group[i].parents))
                widths = [self.width(value) for value in group]
                before = add_up(widths[:own]) + gap * own + widths[own] / 2
                spans.append((group, before, add_up(widths) + gap * (len(widths) - 1), middle))
        lefts = [middle - before for _, before, _, middle in spans]
        for i in range(1, len(spans)):  # push to the right where two would overlap,
            lefts[i] = max(lefts[i], lefts[i - 1] + spans[i - 1][2] + gap)
        if spans:
            lefts[-1] = min(lefts[-1], sheet.right - spans[-1][2])
        for i in range(len(spans) - 2, -1, -1):  # and back where the last would leave the page
            lefts[i] = min(lefts[i], lefts[i + 1] - spans[i][2] - gap)
        for (group, *_), left in zip(spans, lefts):
            x = left
            for value in group:
                placed[value] = x + self.width(value) / 2
                x += self.width(value) + gap
        return placed

    def rows(self, value: Value) -> list[Row]:
        s = self.sheet.size
        room = self.longest * s
        known = value.label and value is self.spine[0]
        name = text.squeezed(names.pretty(value.label), room, s, True) if known else names.title(value, room, s, True)
        rows = [Row(name, bold=True, role="name")]
        if not self.subject.view.values:
            return rows
        if value.parents or value.label:
            rows.append(Row(text.number(value.data), role="data"))
        if value.has_grad:
            written, ink = text.number(value.grad), colours.CHAIN
            share = self.share(value)
            if share is not None:
                written = f"adds {text.number(share)}"
            rows.append(Row(written, ink=ink, role="gradient"))
        return rows

    def share(self, value: Value) -> float | None:
        """The part of a parameter's gradient from this time step, where that is not all of it."""
        if value.parents or value.time_step is not None:
            return None
        parts = [
            gradient * child.grad
            for child in (*self.spine, *(v for group in self.below for v in group))
            for parent, gradient in zip(child.parents, local_gradients(child))
            if parent is value and child.has_grad
        ]
        return exact_sum(parts)

    def width(self, value: Value) -> float:
        s = self.sheet.size
        return max(text.width(row.text, s, bool(row.bold)) for row in self.rows(value)) + 0.8 * s

    def card_of(self, value: Value, x: float, y: float, width: float) -> None:
        subject, sheet = self.subject, self.sheet
        kind = "loss" if value is subject.loss else "op" if value.parents else "leaf"
        if not value.parents and value.time_step is None and value.label:
            kind = "parameter"
        node = Node(self.id(value), value, self.step, kind, Block(self.step, False))
        box = sheet.box(
            node.id, self.rows(value), x, y, width, self.card, role="part", step=self.step, pen=1.5, node=node
        )
        if kind == "parameter":
            box.stroke, box.fill = colours.LAW, colours.PARAMETER_FILL
        elif kind == "leaf":
            box.stroke, box.fill = colours.FRAME_LINE, colours.INPUT_FILL
        elif kind == "loss":
            box.fill = colours.LOSS_FILL
        box.tooltip = f"{value.name}: data {value.data!r}, grad {value.grad!r}"

    def id(self, value: Value) -> str:
        every = [*self.spine, *(other for group in self.below for other in group)]
        return f"step{self.step}n{every.index(value)}"

    def edge(
        self, parent: Value, child: Value, start: tuple[float, float], end: tuple[float, float], lit: bool = False
    ) -> None:
        sheet, s = self.sheet, self.sheet.size
        position = next(i for i, other in enumerate(child.parents) if other is parent)
        own = f"{self.id(child)}e{position}"
        looks: Looks = {"stroke": colours.CHAIN, "pen": 3.5} if lit else {"pen": 1.2}
        looks |= {"role": "flow", "step": self.step, "edge": Edge(None, None, parent, child, position)}
        sheet.line(own, straight(start, end), self.id(parent), self.id(child), **looks)
        if not lit:
            return
        gradient, called = local_gradients(child)[position], names.slope(child, position)
        room, middle = end[0] - start[0] - 0.4 * s, (start[0] + end[0]) / 2
        looks = {"anchor": "middle", "ink": colours.CHAIN, "role": "terms", "step": self.step}
        if not math.isnan(gradient):
            factor = text.fitted(gradient, room, s, before="×")
            if text.width(factor, s) > end[0] - start[0]:
                return
            sheet.text(f"{own}slope", factor, middle, start[1] - 1.0 * s, **looks)
        if called and text.width(called, s) <= room:
            sheet.text(f"{own}name", called, middle, start[1] + 1.0 * s, **looks)
