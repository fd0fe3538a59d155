"""Breakpoints of the debugger: at which steps to stop."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..engine.steps import Step
from ..errors import ArgumentError
from .expressions import Expression
from .names import Names

Test = Callable[[Step], bool]

_BOUND = re.compile(r"(?:gradient|\|\s*gradient\s*\||abs\(\s*gradient\s*\))\s*(?:<=?|>=?).*")
_COMPARISON = re.compile(r"[<>]|[=!]=|\b(?:is|in|not)\b")

GRAMMAR = """\
b                    list the breakpoints
b h_3                where the gradient of h_3 flows on; for a leaf such as w, where a contribution arrives
b W                  at all entries of a vector or matrix
b h_1 h_2, b h_*     at each of several nodes
b w·h_1              at a node without a label, by its formula
b op tanh            at every tanh
b time_step 3        in time step 3; also b t=3
b nan                where a gradient becomes NaN or infinite
b |gradient| > 1e3   where a gradient that flows on is larger than this; also >=, <, <=
b gradient < 0       the same, with its sign
b if EXPRESSION      where the expression is true
b ... if EXPRESSION  at one of the above, if the expression is true as well
b label NAME         as b NAME, for a label such as nan or op"""


@dataclass
class Breakpoint:
    """A place to stop at.

    Attributes:
        number: what `clear` calls it.
        text: as it was typed.
        test: whether to stop at a step.
        condition: what must be true as well, or None.
        temporary: whether it is removed when it has stopped the pass.
        hits: how often it has stopped the pass.
    """

    number: int
    text: str
    test: Test
    condition: Expression | None
    temporary: bool = False
    hits: int = 0

    def stops_at(self, step: Step) -> bool:
        """Return whether to stop at a step.

        Raises:
            ArgumentError: the condition fails there, such as 1/0.
        """
        return self.test(step) and (self.condition is None or bool(self.condition.at(step)))


def parse(number: int, text: str, names: Names, temporary: bool = False) -> Breakpoint:
    """Return the breakpoint that a person typed, in the form of `GRAMMAR`.

    Raises:
        ArgumentError: it is not of that form, or nothing in the graph can ever match it.
    """
    place, found, condition = f" {text.strip()} ".partition(" if ")
    if found and not condition.strip():
        raise ArgumentError("there is no condition after 'if'")
    try:
        test = _place(place.strip(), names)
    except ArgumentError as error:
        if _COMPARISON.search(place):
            _ = Expression(place, names)  # an error of its own says more
            both = " and ".join(filter(None, (place.strip(), condition.strip())))
            error.remedy = f"A condition follows 'if': b if {both}"
        raise
    return Breakpoint(number, text.strip(), test, Expression(condition, names) if found else None, temporary)


def _place(place: str, names: Names) -> Test:
    if not place:
        return lambda step: True
    if _BOUND.fullmatch(place):
        bound = Expression(place, names)
        return lambda step: bool(bound.at(step))
    kind, _, rest = place.partition(" ")
    rest = rest.strip()
    if kind in ("nan", "inf") and not rest:
        return lambda step: not (math.isfinite(step.contribution) and math.isfinite(step.gradient_after))
    if kind == "op" and rest:
        return _op(rest, names)
    if time_step := re.fullmatch(r"(?:time_step\s|time_step\s*=|t\s*=)\s*(.+)", place):
        return _time_step(time_step[1], names)
    return _node(rest if kind == "label" and rest else place, names)


def _op(name: str, names: Names) -> Test:
    ops = {node.op for node in names.order if node.parents}
    if name not in ops:
        raise ArgumentError(f"no op {name!r} in this graph", remedy=f"There is {', '.join(sorted(ops))}")
    return lambda step: step.op == name


def _time_step(text: str, names: Names) -> Test:
    time_steps = {node.time_step for node in names.order if node.parents} - {None}
    if text not in map(str, time_steps):
        known = sorted(time_step for time_step in time_steps if time_step is not None)
        remedy = f"They run from {known[0]} to {known[-1]}" if known else "This graph was not unrolled over time"
        raise ArgumentError(f"no time step {text!r} in this graph", remedy=remedy)
    return lambda step: str(step.time_step) == text


def _node(text: str, names: Names) -> Test:
    try:
        nodes = frozenset(names.find(text))
    except ArgumentError as error:
        if any(node.op == text for node in names.order if node.parents):
            error.remedy = f"For every op {text}: b op {text}"
        raise

    def test(step: Step) -> bool:
        return step.node in nodes or (step.parent in nodes and not step.parent.parents)

    return test
