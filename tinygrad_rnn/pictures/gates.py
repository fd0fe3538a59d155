"""The level of gates: what else a cell computes in every time step, a row each, below the states."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..engine.value import Value
from ..nn.quantities import entries
from . import colours, text
from .geometry import Row
from .graph import Block, Node, local_gradients
from .sheet import Columns, Looks
from .subject import Subject

_ROW, _HEADING = 1.55, 1.9  # heights, in sizes of text


@dataclass(frozen=True)
class _Quantity:
    """A row: its name, and by time step its Values and the number that is written of them."""

    name: str
    values: Mapping[int, Sequence[Value]]
    numbers: Mapping[int, float]


def height(subject: Subject, size: float) -> float:
    """How much room the rows take, in text of that size."""
    rows = len(_quantities(subject))
    return (_HEADING + _ROW * rows) * size if rows else 0.0


def draw(subject: Subject, columns: Columns, y: float) -> float:
    """Draw a row for every quantity, from ``y`` on, and return where they end."""
    sheet, s = columns.sheet, columns.sheet.size
    rows = _quantities(subject)
    if not rows:
        return y
    units = len(next(iter(rows[0].values.values())))
    of = f" (means of {units} units)" if units > 1 else ""
    shaded = any(_is_open(values) for row in rows for values in row.values.values())
    shade = "; a gate is the darker the wider it is open" if shaded else ""
    sheet.heading("gates", f"What the cell computes in every step{of}{shade}", y + 0.7 * s)
    y += _HEADING * s
    beside = min(columns.x[t] for t in rows[0].numbers) - columns.card / 2 - sheet.left - 0.3 * s
    for row in rows:
        middle = y + _ROW * s / 2
        said = text.squeezed(row.name, beside, s, True)
        sheet.text(f"gate_{_id(row.name)}", said, sheet.left, middle, bold=True, role="gate")
        for t, number in row.numbers.items():
            values = row.values[t]
            own = f"{_id(row.name)}_{t}"
            fill = colours.mixed(colours.PAPER, colours.STRAIGHT, number) if _is_open(values) else colours.PAPER
            told = [Row(text.fitted(number, columns.card - 6.0, s), role="data")] if subject.view.values else []
            node = Node(own, values[0], t, "gate", Block(t, False), values=tuple(values))
            looks: Looks = {"fill": fill, "stroke": colours.FRAME_LINE, "ink": colours.ink_on(fill), "shape": "bar"}
            looks |= {"role": "gate", "step": t, "node": node}
            sheet.box(f"gate{own}", told, columns.x[t], middle, columns.card, (_ROW - 0.2) * s, **looks)
        y += _ROW * s
    return y


def _quantities(subject: Subject) -> list[_Quantity]:
    """What is computed besides states and read-outs: gates, or else pre-activations and the slopes at them."""
    unrolled = subject.unrolled
    before = set(getattr(unrolled.cell, "pre_activation_names", ()))
    others = [name for name in unrolled.names if name not in ("x", "y", *unrolled.state_names)]
    gates = [name for name in others if name not in before]
    steps = [t for t in subject.shown if t > subject.first]
    found = []
    for name in gates or others:
        values = {t: entries(unrolled[name][t]) for t in steps}
        found.append(_Quantity(name, values, {t: _mean([v.data for v in values[t]]) for t in steps}))
    if not gates and subject.is_built_in:
        states = {t: entries(unrolled.h[t]) for t in steps}
        op = states[steps[0]][0].operation if steps else None
        if op is not None and op.arity == 1:  # h_t = f(z_t)
            slopes = {t: _mean([local_gradients(value)[0] for value in states[t]]) for t in steps}
            found.append(_Quantity(f"{op.symbol}′(z)", states, slopes))
    return found if steps else []


def _is_open(values: Sequence[Value]) -> bool:
    """Whether it is a gate: between 0 and 1."""
    return all(value.parents and value.operation.name == "sigmoid" for value in values)


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers)


def _id(name: str) -> str:
    return "".join(sign if sign.isascii() and sign.isalnum() else f"u{ord(sign):x}" for sign in name)
