"""One time step of a cell on vectors that we know: its equations, with the sizes of their parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ..bptt.jacobian import jacobian
from ..engine.value import Value
from ..nn.cells import RNNCell
from ..nn.gated import GRUCell, LSTMCell
from ..nn.linalg import Rows, spectral_norm
from ..nn.quantities import entries
from ..support import colours
from ..support.sums import add_up, exact_sum, norm_of
from . import text
from .geometry import Row, straight
from .graph import Block, Node
from .sheet import Looks, Sheet
from .subject import Subject

_MOST_IN_MATRIX = 4  # units, up to which the Jacobian is written out


@dataclass
class _Part:
    """A quantity in the equations of a cell.

    Attributes:
        id, name: what it is called.
        values: its entries.
        column, row: where it stands; whole rows from the top down.
        kind: state, gate, input, parameter, loss or op.
        below: what is written below its name; None: its numbers.
    """

    id: str
    name: str
    values: Sequence[Value]
    column: float
    row: int
    kind: str = "op"
    below: str | None = None


@dataclass
class StepEquations:
    """The equations of a cell as a graph of its quantities."""

    subject: Subject
    sheet: Sheet
    step: int
    parts: list[_Part]
    edges: list[tuple[str, str, str, str]]  # tail, head, role (lit, straight or flow), label
    heading: str
    matrix: Rows | None = None
    height: float = field(init=False)
    room: float = field(init=False)

    def __post_init__(self) -> None:
        s = self.sheet.size
        self.card = (1.2 * (3 if self.subject.view.values else 1) + 0.6) * s
        self.rows = max(part.row for part in self.parts) + 1
        self.height = 2.4 * s + self.rows * self.card + (self.rows - 1) * 1.8 * s
        for self.room in (13.0, 9.0, 0.0):  # for the entries of a vector; where they have none, its norm is written
            if self.free >= 0.0:
                break

    @classmethod
    def of(cls, subject: Subject, sheet: Sheet, t: int) -> StepEquations | None:
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
        sheet.heading("step", self.heading, top + 0.8 * s, step=self.step)
        middles = self.middles()
        places = {
            part.id: (middles[part.id], top + 2.0 * s + self.card / 2 + part.row * (self.card + 1.8 * s))
            for part in self.parts
        }
        for part in self.parts:
            self.box(part, *places[part.id], self.width(part))
        for tail, head, role, label in self.edges:
            self.edge(tail, head, role, label, places)
        if self.matrix:
            right, y = max(
                (x + self.width(part) / 2, y) for part in self.parts if part.row for x, y in [places[part.id]]
            )
            self.write_matrix(right + 2.5 * s, y)

    def width(self, part: _Part) -> float:
        """The width of the card of a part: its name fits into it."""
        s = self.sheet.size
        data = text.width(vector(part.values, math.inf, s), s) if part.below is None else 0.0
        below = text.width(part.below or "", s)
        return max(text.width(part.name, s, True), below, min(data, self.room * s), 6.0 * s) + 0.9 * s

    @property
    def upper(self) -> list[_Part]:
        """The parts in the upper row, from left to right."""
        return sorted((part for part in self.parts if not part.row), key=lambda part: part.column)

    @property
    def gaps(self) -> list[float]:
        """The least distance between the parts in the upper row: there is room for what is written between them."""
        s = self.sheet.size
        labels = {(tail, head): label.partition(",")[0] for tail, head, _, label in self.edges}
        return [max(1.8 * s, text.width(labels.get((a.id, b.id), ""), s) + 0.8 * s) for a, b in pairwise(self.upper)]

    @property
    def free(self) -> float:
        """The room that is left in the upper row."""
        return self.sheet.right - self.sheet.left - add_up(map(self.width, self.upper)) - add_up(self.gaps)

    def middles(self) -> dict[str, float]:
        """The places of the parts, from left to right: in the upper row from margin to margin; in the lower row as far
        below what they go into as there is room.
        """
        sheet, s = self.sheet, self.sheet.size
        upper, free = self.upper, self.free
        steps = [b.column - a.column for a, b in pairwise(upper)]
        found: dict[str, float] = {}
        x = sheet.left
        for part, gap, step in zip(upper, [*self.gaps, 0.0], [*steps, 0.0]):
            found[part.id] = x + self.width(part) / 2
            x += self.width(part) + gap + free * step / add_up(steps)
        lower = sorted((part for part in self.parts if part.row), key=lambda part: part.column)
        middles = [_between([(part.column, found[part.id]) for part in upper], part.column) for part in lower]
        least = [(self.width(a) + self.width(b)) / 2 + 1.6 * s for a, b in pairwise(lower)]
        for i, gap in enumerate(least):  # push to the right where two would overlap,
            middles[i + 1] = max(middles[i + 1], middles[i] + gap)
        end = sheet.right
        for i in reversed(range(len(lower))):  # and back where the last would leave the page
            middles[i] = min(middles[i], end - self.width(lower[i]) / 2)
            end = middles[i] - self.width(lower[i]) / 2 - 1.6 * s
        return found | {part.id: middle for part, middle in zip(lower, middles)}

    def write_matrix(self, x: float, y: float) -> None:
        """The Jacobian, entry by entry, with its middle at ``y``; nothing where it has no room."""
        sheet, s = self.sheet, self.sheet.size
        name = f"{text.indexed('J', self.step)} ="
        cells = [[text.number(entry, 2) for entry in row] for row in self.matrix or ()]
        width = max(text.width(cell, s) for row in cells for cell in row) + 0.8 * s
        begin = x + text.width(name, s, True) + 0.7 * s
        right, height = begin + width * len(cells) + 0.4 * s, 1.15 * s * len(cells)
        if right > sheet.right or height > self.card + 1.2 * s:
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
            if part.below is not None:
                rows.append(Row(text.squeezed(part.below, room, s), role="data"))
            elif part.values:
                rows.append(Row(vector(part.values, room, s), role="data"))
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

    def edge(self, tail: str, head: str, role: str, label: str, places: Mapping[str, tuple[float, float]]) -> None:
        sheet, s = self.sheet, self.sheet.size
        widths = {part.id: self.width(part) for part in self.parts}
        looks: Looks = {"pen": 1.2}
        if role != "flow":
            looks = {"pen": 3.5, "stroke": colours.CHAIN if role == "lit" else colours.STRAIGHT}
        own = f"{head}from{tail}"
        (ax, ay), (bx, by) = places[tail], places[head]
        if abs(ay - by) < 1.0:
            side = 1.0 if bx > ax else -1.0
            start, end = (ax + side * widths[tail] / 2, ay), (bx - side * widths[head] / 2, by)
            room = abs(end[0] - start[0]) - 0.3 * s
            if text.width(label, s) > room:  # a factor comes first, words about it after a comma
                label = text.squeezed(label.partition(",")[0], room, s)
            if label:
                sheet.text(
                    f"{own}label",
                    label,
                    (start[0] + end[0]) / 2,
                    ay - 0.9 * s,
                    anchor="middle",
                    ink=looks.get("stroke", colours.QUIET),
                    role="terms",
                    step=self.step,
                )
        else:
            up = -1.0 if by < ay else 1.0
            slides = [max(-0.35 * widths[name], min(0.35 * widths[name], ax - bx)) for name in (tail, head)]
            start, end = (ax - slides[0], ay + up * self.card / 2), (bx + slides[1], by - up * self.card / 2)
        sheet.line(own, straight(start, end), tail, head, role="flow", step=self.step, **looks)


def _between(points: Sequence[tuple[float, float]], at: float) -> float:
    """The height of a line through these points at that place; beyond an end, that of the end."""
    for (x0, y0), (x1, y1) in pairwise(points):
        if at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return points[-1][1]


def vector(values: Sequence[Value], room: float, size: float) -> str:
    """The numbers of a vector, as many digits as fit; or else its norm."""
    data = [value.data for value in values]
    if len(data) == 1:
        return text.fitted(data[0], room, size)
    if len(data) <= 4:
        for digits in (3, 2, 1):
            row = "  ".join(text.number(x, digits) for x in data)
            if text.width(row, size) <= room:
                return row
    return text.fitted(norm_of(data), room - text.width("‖", size), size, before="‖·‖ ")


def _means(values: Sequence[Value]) -> str:
    return f"{'mean ' if len(values) > 1 else ''}{text.number(_mean(values), 2)}"


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
    return parts, edges, f"Step {t} at its gates, each from {h0} and {x1}", None


def _gru(subject: Subject, t: int) -> _Graph:
    unrolled = subject.unrolled
    q = {name: entries(unrolled[name][t]) for name in "rznh"}
    h0, h1, x1 = text.indexed("h", t - 1), text.indexed("h", t), text.indexed("x", t)
    parts = [
        _Part("step_h0", h0, entries(unrolled.h[t - 1]), 0, 0, "straight"),
        _Part("step_h", f"{h1} = z·{h0} + (1−z)·n", q["h"], 2.4, 0, "straight"),
        _Part("step_z", "z = σ(z_z)", q["z"], 0.8, 1, "straight", _means(q["z"])),
        _Part("step_n", "n = tanh(z_n)", q["n"], 2.4, 1, "gate", _means(q["n"])),
        _Part("step_r", "r = σ(z_r)", q["r"], 1.6, 1, "gate", _means(q["r"])),
    ]
    edges = [
        ("step_h0", "step_h", "straight", f"×z = {text.number(_mean(q['z']), 2)}, no tanh and no matrix"),
        ("step_z", "step_h", "flow", ""),
        ("step_n", "step_h", "flow", ""),
        ("step_r", "step_n", "flow", ""),
    ]
    _end(subject, t, 3.8, parts, edges, "step_h")
    return parts, edges, f"Step {t} at its gates, each from {h0} and {x1}", None


def _mean(values: Sequence[Value]) -> float:
    return exact_sum(value.data for value in values) / len(values)
