"""One time step in full, at the foot of the level of states: the last one that is shown.

Of a cell on single numbers it is every Value, as a chain from h_{t-1} to the loss with what else goes into it below. Of
a cell on vectors that we know it is the cell's equations, with the sizes of their parts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..bptt.jacobian import jacobian
from ..engine.backward import topological_order
from ..engine.value import Value
from ..nn.cells import RNNCell
from ..nn.gated import GRUCell, LSTMCell
from ..nn.linalg import Rows, spectral_norm
from ..nn.quantities import entries
from ..support.sums import add_up
from . import colours, names, text
from .chain import Link, best_ways, path_to
from .geometry import Row, straight
from .graph import Block, Edge, Node, local_gradients
from .sheet import Looks, Sheet
from .subject import Subject

_MOST_IN_CHAIN = 18  # Values of a time step that are drawn as a chain
_MOST_IN_MATRIX = 4  # units, up to which the Jacobian is written out


class Panel(Protocol):
    """A time step, laid out.

    Attributes:
        height: how much room it takes.
    """

    height: float

    def draw(self, top: float) -> None:
        """Draw it, with its upper edge at ``top``."""


def choose(subject: Subject, sheet: Sheet, room: float) -> Panel | None:
    """The last time step that is shown in as much detail as fits into that height; None if nothing does."""
    t = max(subject.shown)
    if t == subject.first:
        return None
    panels: list[Panel] = []
    if subject.is_scalar:
        chain = _Chain.of(subject, sheet, t)
        panels += [chain] if chain is not None else []
    equations = _Equations.of(subject, sheet, t)
    panels += [equations] if equations is not None else []
    return next((panel for panel in panels if panel.height <= room), None)


# ---- every Value, as a chain ----------------------------------------------------------------------------------------


@dataclass
class _Chain:
    """The Values on the way from h_{t-1} to the loss in a row, and what else goes into each below it."""

    subject: Subject
    sheet: Sheet
    step: int
    spine: list[Value]
    below: list[list[Value]]  # per Value of the spine: what goes into its other operand, from left to right
    height: float = field(init=False)

    def __post_init__(self) -> None:
        s = self.sheet.size
        rows = 3 if self.subject.view.values else 1
        self.card = (1.2 * rows + 0.6) * s
        self.height = 2.4 * s + self.card + (1.6 * s + self.card if any(self.below) else 0.0)

    @classmethod
    def of(cls, subject: Subject, sheet: Sheet, t: int) -> _Chain | None:
        """The chain of a time step; None where it is too long, or what goes into it is too deep."""
        (before,) = subject.state(subject.names[0], t - 1)
        (after,) = subject.state(subject.names[0], t)
        with_loss = subject.loss is not None and t == subject.T and list(subject.direct) == [t]
        root = subject.loss if with_loss and subject.loss is not None else after
        order = topological_order(root, stop=[before])
        if len(order) > _MOST_IN_CHAIN or before is after:
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
        told = f"Step {t} in full: every Value between {text.indexed(subject.names[0], t - 1)} and "
        told += subject.root if self.spine[-1] is subject.loss else text.indexed(subject.names[0], t)
        sheet.heading("step", told, top + 0.8 * s, step=self.step)
        y = top + 2.0 * s + self.card / 2
        widths = [self.width(value) for value in self.spine]
        gaps = len(widths) - 1
        free = sheet.right - sheet.left - add_up(widths)
        gap = min(free / max(gaps, 1), 11.0 * s)
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

    def lower(self, centres: Sequence[float]) -> dict[Value, float]:
        """Where the Values of the lower row stand: each group below what it goes into, as far as there is room."""
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
        room = 9.5 * s
        known = value.label and value is self.spine[0]
        name = text.squeezed(names.pretty(value.label), room, s, True) if known else names.title(value, room, s, True)
        rows = [Row(name, bold=True, role="name")]
        if not self.subject.view.values:
            return rows
        if value.parents or value.label:
            rows.append(Row(text.number(value.data), ink=colours.QUIET, role="data"))
        if value.has_grad:
            told, ink = text.number(value.grad), colours.CHAIN
            share = self.share(value)
            if share is not None:
                told = f"adds {text.number(share)}"
            rows.append(Row(told, ink=ink, role="gradient"))
        return rows

    def share(self, value: Value) -> float | None:
        """What a parameter gets through this time step, where that is not all of its gradient."""
        if value.parents or value.time_step is not None:
            return None
        parts = [
            gradient * child.grad
            for child in (*self.spine, *(v for group in self.below for v in group))
            for parent, gradient in zip(child.parents, local_gradients(child))
            if parent is value and child.has_grad
        ]
        return math.fsum(parts)

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
            told = text.fitted(gradient, room, s, before="×")
            sheet.text(f"{own}slope", told, middle, start[1] - 1.0 * s, **looks)
        if called and text.width(called, s) <= room:
            sheet.text(f"{own}name", called, middle, start[1] + 1.0 * s, **looks)


# ---- the equations of a cell on vectors -----------------------------------------------------------------------------


@dataclass
class _Part:
    """A quantity in the equations of a cell.

    Attributes:
        id, name: what it is called.
        values: its entries.
        column, row: where it stands; whole rows from the top down.
        kind: state, gate, input, parameter, loss or op.
        told: what is written below its name.
    """

    id: str
    name: str
    values: Sequence[Value]
    column: float
    row: int
    kind: str = "op"
    told: str | None = None


@dataclass
class _Equations:
    """The equations of a cell as a graph of its quantities."""

    subject: Subject
    sheet: Sheet
    step: int
    parts: list[_Part]
    edges: list[tuple[str, str, str, str]]  # tail, head, role (lit, straight or flow), label
    said: str
    matrix: Rows | None = None
    height: float = field(init=False)

    def __post_init__(self) -> None:
        s = self.sheet.size
        self.card = (1.2 * (3 if self.subject.view.values else 1) + 0.6) * s
        self.rows = max(part.row for part in self.parts) + 1
        self.height = 2.4 * s + self.rows * self.card + (self.rows - 1) * 1.8 * s

    @classmethod
    def of(cls, subject: Subject, sheet: Sheet, t: int) -> _Equations | None:
        """The equations of a built-in cell; None for any other."""
        cell = subject.unrolled.cell
        if isinstance(cell, RNNCell) and type(cell).step is RNNCell.step:
            return cls(subject, sheet, t, *_rnn(subject, cell, t))
        if isinstance(cell, LSTMCell) and type(cell).step is LSTMCell.step:
            return cls(subject, sheet, t, *_lstm(subject, t))
        if isinstance(cell, GRUCell) and type(cell).step is GRUCell.step:
            return cls(subject, sheet, t, *_gru(subject, t))
        return None

    def draw(self, top: float) -> None:
        sheet, s = self.sheet, self.sheet.size
        sheet.heading("step", self.said, top + 0.8 * s, step=self.step)
        columns = max(part.column for part in self.parts) + 1
        pitch = (sheet.right - sheet.left) / columns
        width = min(pitch - 3.0 * s, 13.0 * s)
        places: dict[str, tuple[float, float]] = {}
        for part in self.parts:
            x = sheet.left + pitch * part.column + width / 2
            y = top + 2.0 * s + self.card / 2 + part.row * (self.card + 1.8 * s)
            places[part.id] = x, y
            self.box(part, x, y, width)
        for tail, head, role, label in self.edges:
            self.edge(tail, head, role, label, places[tail], places[head], width)
        if self.matrix:
            x, y = max(places[part.id] for part in self.parts if part.row == self.rows - 1)
            self.write_matrix(x + width / 2 + 2.5 * s, y)

    def write_matrix(self, x: float, y: float) -> None:
        """The Jacobian, entry by entry, with its middle at ``y``; nothing where it has no room."""
        sheet, s = self.sheet, self.sheet.size
        name = f"{text.indexed('J', self.step)} ="
        cells = [[text.number(entry, 2) for entry in row] for row in self.matrix or ()]
        width = max(text.width(cell, s) for row in cells for cell in row) + 0.8 * s
        begin = x + text.width(name, s, True) + 0.7 * s
        right, height = begin + width * len(cells) + 0.4 * s, 1.15 * s * len(cells)
        if right > sheet.right:
            return
        sheet.text("step_J", name, x, y, ink=colours.LAW, bold=True, role="terms", step=self.step)
        for i, row in enumerate(cells):
            for j, cell in enumerate(row):
                place = begin + width * (j + 1), y - height / 2 + 1.15 * s * (i + 0.5)
                sheet.text(f"step_J_{i}_{j}", cell, *place, anchor="end", role="terms", step=self.step)
        up, down = y - height / 2, y + height / 2
        for side, edge, inner in (("left", begin, begin + 0.3 * s), ("right", right, right - 0.3 * s)):
            corners = [(inner, up), (edge, up), (edge, down), (inner, down)]
            sheet.path(f"step_J_{side}", corners, stroke=colours.INK, role="grid", step=self.step)

    def box(self, part: _Part, x: float, y: float, width: float) -> None:
        subject, sheet, s = self.subject, self.sheet, self.sheet.size
        room = width - 0.6 * s
        rows = [Row(text.squeezed(part.name, room, s, True), bold=True, role="name")]
        if subject.view.values:
            if part.told is not None:
                rows.append(Row(text.squeezed(part.told, room, s), ink=colours.QUIET, role="data"))
            elif part.values:
                rows.append(Row(vector(part.values, room, s), ink=colours.QUIET, role="data"))
            gradient = subject.gradient(part.values) if part.values else None
            if gradient is not None and part.kind != "parameter":
                rows.append(Row(text.fitted(gradient, room, s), ink=colours.CHAIN, role="gradient"))
        looks: Looks = {
            "straight": {"fill": colours.STRAIGHT_FILL, "stroke": colours.STRAIGHT},
            "input": {"fill": colours.INPUT_FILL, "stroke": colours.FRAME_LINE},
            "parameter": {"fill": colours.PARAMETER_FILL, "stroke": colours.LAW},
            "loss": {"fill": colours.LOSS_FILL},
        }.get(part.kind, {})
        node = Node(part.id, part.values[0], self.step, part.kind, Block(self.step, False), values=tuple(part.values))
        sheet.box(part.id, rows, x, y, width, self.card, role="part", step=self.step, pen=1.5, node=node, **looks)

    def edge(
        self, tail: str, head: str, role: str, label: str, a: tuple[float, float], b: tuple[float, float], width: float
    ) -> None:
        sheet, s = self.sheet, self.sheet.size
        looks: Looks = {"pen": 1.2}
        if role != "flow":
            looks = {"pen": 3.5, "stroke": colours.CHAIN if role == "lit" else colours.STRAIGHT}
        own = f"{head}from{tail}"
        (ax, ay), (bx, by) = a, b
        if abs(ay - by) < 1.0:
            side = 1.0 if bx > ax else -1.0
            start, end = (ax + side * width / 2, ay), (bx - side * width / 2, by)
            if label:
                sheet.text(
                    f"{own}label",
                    text.squeezed(label, abs(end[0] - start[0]) - 4, s),
                    (start[0] + end[0]) / 2,
                    ay - 0.9 * s,
                    anchor="middle",
                    ink=looks.get("stroke", colours.QUIET),
                    role="terms",
                    step=self.step,
                )
        else:
            up = -1.0 if by < ay else 1.0
            slide = max(-0.35, min(0.35, (ax - bx) / max(width, 1.0))) * width
            start = (ax - max(-0.35, min(0.35, (ax - bx) / max(width, 1.0))) * width, ay + up * self.card / 2)
            end = (bx + slide, by - up * self.card / 2)
        sheet.line(own, straight(start, end), tail, head, role="flow", step=self.step, **looks)


def vector(values: Sequence[Value], room: float, size: float) -> str:
    """The numbers of a vector, as many digits as fit; or else its norm."""
    data = [value.data for value in values]
    if len(data) == 1:
        return text.fitted(data[0], room, size)
    if len(data) <= 4:
        for digits in (3, 2, 1):
            told = "  ".join(text.number(x, digits) for x in data)
            if text.width(told, size) <= room:
                return told
    return text.fitted(math.hypot(*data), room - text.width("‖", size), size, before="‖·‖ ")


def _means(values: Sequence[Value]) -> str:
    return f"mean {text.number(_mean(values), 2)}"


_Graph = tuple[list[_Part], list[tuple[str, str, str, str]], str, Rows | None]


def _end(
    subject: Subject, t: int, column: float, parts: list[_Part], edges: list[tuple[str, str, str, str]], last: str
) -> None:
    """Add the read-out, if there is one, and the loss."""
    if "y" in subject.unrolled.names:
        parts.append(_Part("step_y", text.indexed("y", t), entries(subject.unrolled["y"][t]), column, 0))
        edges.append((last, "step_y", "lit", ""))
        last, column = "step_y", column + 1
    if subject.loss is not None and t == subject.T:
        parts.append(_Part("step_loss", subject.root, [subject.loss], column, 0, "loss"))
        edges.append((last, "step_loss", "lit", ""))


def _rnn(subject: Subject, cell: RNNCell, t: int) -> _Graph:
    unrolled = subject.unrolled
    before, now = text.indexed("h", t - 1), text.indexed("h", t)
    f = cell.nonlinearity
    z = entries(unrolled["z"][t])
    norm = spectral_norm([[entry.data for entry in row] for row in cell.W])
    sum_ = f"W {before} + U {text.indexed('x', t)}" + (" + b" if cell.b else "")
    parts = [
        _Part("step_h0", before, entries(unrolled.h[t - 1]), 0, 0, "state"),
        _Part("step_z", text.indexed("z", t), z, 1, 0),
        _Part("step_h", f"{now} = {f}({text.indexed('z', t)})", entries(unrolled.h[t]), 2, 0, "state"),
        _Part("step_W", "W", [cell.W[0][0]], 0.4, 1, "parameter", f"‖W‖ {text.number(norm)}"),
        _Part("step_x", text.indexed("x", t), entries(unrolled.x[t]), 1.4, 1, "input"),
    ]
    J = jacobian(unrolled, t) if len(cell.W) <= _MOST_IN_MATRIX else None
    edges = [
        ("step_h0", "step_z", "lit", "×W"),
        ("step_z", "step_h", "lit", f"×{f}′" if f != "identity" else "×1"),
        ("step_W", "step_z", "flow", ""),
        ("step_x", "step_z", "flow", ""),
    ]
    _end(subject, t, 3, parts, edges, "step_h")
    names_ = f"{text.indexed('z', t)} = {sum_}"
    return (
        parts,
        edges,
        f"Step {t} in full: {names_}, {text.indexed('J', t)} = {f'diag({f}′) ' if f != 'identity' else ''}W",
        J,
    )


def _lstm(subject: Subject, t: int) -> _Graph:
    unrolled = subject.unrolled
    q = {name: entries(unrolled[name][t]) for name in "ifgoch"}
    c0, c1 = text.indexed("c", t - 1), text.indexed("c", t)
    h0, h1, x1 = text.indexed("h", t - 1), text.indexed("h", t), text.indexed("x", t)
    parts = [
        _Part("step_c0", c0, entries(unrolled["c"][t - 1]), 0, 0, "straight"),
        _Part("step_c", f"{c1} = f·{c0} + i·g", q["c"], 2, 0, "straight"),
        _Part("step_h", f"{h1} = o·tanh({c1})", q["h"], 4, 0, "state"),
        _Part("step_f", "f = σ(z_f)", q["f"], 1, 1, "straight", _means(q["f"])),
        _Part("step_i", "i = σ(z_i)", q["i"], 2, 1, "gate", _means(q["i"])),
        _Part("step_g", "g = tanh(z_g)", q["g"], 3, 1, "gate", _means(q["g"])),
        _Part("step_o", "o = σ(z_o)", q["o"], 4, 1, "gate", _means(q["o"])),
    ]
    edges = [
        ("step_c0", "step_c", "straight", f"×f = {text.number(_mean(q['f']), 2)}, no tanh and no matrix"),
        ("step_c", "step_h", "lit", "×o·tanh′"),
        ("step_f", "step_c", "flow", ""),
        ("step_i", "step_c", "flow", ""),
        ("step_g", "step_c", "flow", ""),
        ("step_o", "step_h", "flow", ""),
    ]
    _end(subject, t, 5, parts, edges, "step_h")
    return parts, edges, f"Step {t} at its gates, each from {h0} and {x1} (data: norms, of gates means)", None


def _gru(subject: Subject, t: int) -> _Graph:
    unrolled = subject.unrolled
    q = {name: entries(unrolled[name][t]) for name in "rznh"}
    h0, h1, x1 = text.indexed("h", t - 1), text.indexed("h", t), text.indexed("x", t)
    parts = [
        _Part("step_h0", h0, entries(unrolled.h[t - 1]), 0, 0, "straight"),
        _Part("step_h", f"{h1} = z·{h0} + (1−z)·n", q["h"], 2.4, 0, "straight"),
        _Part("step_z", "z = σ(z_z)", q["z"], 1.2, 1, "straight", _means(q["z"])),
        _Part("step_n", "n = tanh(z_n)", q["n"], 2.4, 1, "gate", _means(q["n"])),
        _Part("step_r", "r = σ(z_r)", q["r"], 3.6, 1, "gate", _means(q["r"])),
    ]
    edges = [
        ("step_h0", "step_h", "straight", f"×z = {text.number(_mean(q['z']), 2)}, no tanh and no matrix"),
        ("step_z", "step_h", "flow", ""),
        ("step_n", "step_h", "flow", ""),
        ("step_r", "step_n", "flow", ""),
    ]
    _end(subject, t, 3.8, parts, edges, "step_h")
    return parts, edges, f"Step {t} at its gates, each from {h0} and {x1} (data: norms, of gates means)", None


def _mean(values: Sequence[Value]) -> float:
    return math.fsum(value.data for value in values) / len(values)
