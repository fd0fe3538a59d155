"""The level of gates: what else a cell computes in every time step, a row each, below the states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..engine.value import Value
from ..nn.quantities import entries
from ..support import colours
from ..support.sums import exact_sum
from . import text
from .geometry import Row
from .graph import Block, Node, local_gradients
from .sheet import Columns, Looks
from .subject import Subject

_ROW, _HEADING = 1.55, 1.9  # heights, in sizes of text


@dataclass(frozen=True)
class Quantity:
    """A row: its name, and by time step its Values and the number that is written of them."""

    name: str
    values: Mapping[int, Sequence[Value]]
    numbers: Mapping[int, float]


@dataclass(frozen=True)
class Gates:
    """Rows of what a cell computes.

    Attributes:
        hidden: how many rows have no room.
    """

    subject: Subject
    columns: Columns
    rows: Sequence[Quantity]
    hidden: int

    @property
    def height(self) -> float:
        """The room that they take."""
        return (_HEADING + _ROW * len(self.rows)) * self.columns.sheet.size

    def draw(self, top: float) -> None:
        """Draw them, from ``top`` on."""
        subject, columns = self.subject, self.columns
        sheet, s = columns.sheet, columns.sheet.size
        units = len(next(iter(self.rows[0].values.values())))
        of = f" (means of {units} units)" if units > 1 else ""
        shaded = any(_is_open(values) for row in self.rows for values in row.values.values())
        shade = "; a gate is the darker the wider it is open" if shaded else ""
        more = f"; {self.hidden} more have no room" if self.hidden else ""
        sheet.heading("gates", f"What the cell computes in every step{of}{shade}{more}", top + 0.7 * s)
        beside = min(columns.x[t] for t in self.rows[0].numbers) - columns.card / 2 - sheet.left - 0.3 * s
        y = top + (_HEADING + _ROW / 2) * s
        for row in self.rows:
            name = text.squeezed(row.name, beside, s, True)
            sheet.text(f"gate_{_id(row.name)}", name, sheet.left, y, bold=True, role="gate")
            for t, number in row.numbers.items():
                values = row.values[t]
                own = f"{_id(row.name)}_{t}"
                fill = colours.mixed((colours.PAPER, colours.STRAIGHT), number) if _is_open(values) else colours.PAPER
                rows = [Row(text.fitted(number, columns.card - 6.0, s), role="data")] if subject.view.values else []
                looks: Looks = {"fill": fill, "stroke": colours.FRAME_LINE, "ink": colours.ink_on(fill)}
                looks |= {"shape": "bar", "role": "gate", "step": t}
                looks["node"] = Node(own, values[0], t, "gate", Block(t, False), values=tuple(values))
                sheet.box(f"gate{own}", rows, columns.x[t], y, columns.card, (_ROW - 0.2) * s, **looks)
            y += _ROW * s


def choose(subject: Subject, columns: Columns, room: float) -> Gates | None:
    """The rows that fit into that height, those of upper layers first; None if there is none."""
    rows = quantities(subject)
    rows.sort(key=lambda row: "_l" in row.name)
    fits = min(len(rows), int((room / columns.sheet.size - _HEADING) / _ROW))
    return Gates(subject, columns, rows[:fits], len(rows) - fits) if fits > 0 else None


def quantities(subject: Subject) -> list[Quantity]:
    """The quantities other than states and read-outs: gates, or else pre-activations and the slopes at them; empty for
    a cell that names nothing else.
    """
    unrolled = subject.unrolled
    before = set(getattr(unrolled.cell, "pre_activation_names", ()))
    others = [name for name in unrolled.names if name not in ("x", "y", *unrolled.state_names)]
    gates = [name for name in others if name not in before]
    steps = [t for t in subject.shown if t > subject.first]
    found = []
    for name in gates or others:
        values = {t: entries(unrolled[name][t]) for t in steps}
        found.append(Quantity(name, values, {t: _mean([v.data for v in values[t]]) for t in steps}))
    if not gates and subject.is_built_in:
        states = {t: entries(unrolled.h[t]) for t in steps}
        op = states[steps[0]][0].operation if steps else None
        if op is not None and op.arity == 1:  # h_t = f(z_t)
            slopes = {t: _mean([local_gradients(value)[0] for value in states[t]]) for t in steps}
            found.append(Quantity(f"{op.symbol}′(z)", states, slopes))
    return found if steps else []


def _is_open(values: Sequence[Value]) -> bool:
    """Whether it is a gate: between 0 and 1."""
    return all(value.parents and value.operation.name == "sigmoid" for value in values)


def _mean(numbers: Sequence[float]) -> float:
    return exact_sum(numbers) / len(numbers)


def _id(name: str) -> str:
    return "".join(sign if sign.isascii() and sign.isalnum() else f"u{ord(sign):x}" for sign in name)
