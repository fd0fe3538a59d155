"""Breakpoints of the debugger: at which steps to stop."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..engine.steps import Step
from ..errors import ArgumentError
from . import expressions
from .names import STEP_NAMES, Labels, NamesAt

Test = Callable[[Step], bool]

_BOUND = re.compile(r"(?:grad|\|\s*grad\s*\||abs\(\s*grad\s*\))\s*(<=?|>=?)\s*(\S+)")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

GRAMMAR = """\
b                    list the breakpoints
b h_3                where the gradient of h_3 flows on; for a leaf such as w, where a contribution arrives.
                     A vector or matrix (h_3, W) stands for all its entries (h_3[0], W[0,1]).
b op tanh            at every tanh
b t 3                in time step 3
b nan                where a gradient becomes NaN or infinite
b |grad| > 1e3       where a gradient that flows on is larger than this; also >=, <, <=
b if CONDITION       where the condition holds
b ... if CONDITION   at one of the above, if the condition holds too
b label NAME         as b NAME, for a label such as nan, op or t"""


@dataclass
class Breakpoint:
    """Where to stop.

    Attributes:
        number: what `clear` calls it.
        text: as it was typed.
        test: whether to stop at a step.
        condition: what must hold as well, or None.
        hits: how often it has stopped the pass.
    """

    number: int
    text: str
    test: Test
    condition: ast.expr | None
    hits: int = 0

    def stops_at(self, step: Step, labels: Labels) -> bool:
        """Whether to stop at a step.

        Raises:
            ArgumentError: the condition has no value there, such as 1/0.
        """
        if not self.test(step):
            return False
        try:
            return self.condition is None or bool(expressions.evaluate(self.condition, NamesAt(step, labels)))
        except ArgumentError as error:
            error.what = f"the condition of breakpoint {self.number} has no value there: {error.what}"
            raise


def parse(number: int, text: str, labels: Labels) -> Breakpoint:
    """The breakpoint that a person typed, in the form of `GRAMMAR`.

    Raises:
        ArgumentError: it is not of that form, or nothing in the graph can ever match it.
    """
    place, found, condition = f" {text.strip()} ".partition(" if ")
    tree = None
    if found:
        if not condition.strip():
            raise ArgumentError("there is no condition after 'if'")
        tree = expressions.parse(condition)
        _check_names(tree, labels)
    return Breakpoint(number, text.strip(), _place(place.strip(), labels), tree)


def _place(place: str, labels: Labels) -> Test:
    if not place:
        return lambda step: True
    if bound := _BOUND.fullmatch(place):
        return _bound(*bound.groups())
    kind, _, rest = place.partition(" ")
    rest = rest.strip()
    if kind in ("nan", "inf") and not rest:
        return lambda step: not (math.isfinite(step.contribution) and math.isfinite(step.gradient_after))
    if kind == "op" and rest:
        return _op(rest, labels)
    if kind == "t" and rest:
        return _time_step(rest, labels)
    return _label(rest if kind == "label" and rest else place, labels)


def _bound(sign: str, number: str) -> Test:
    try:
        bound = float(number)
    except ValueError:
        raise ArgumentError(f"{number!r} is not a number to compare a gradient with") from None
    compare = _COMPARE[sign]
    return lambda step: compare(abs(step.gradient), bound)


def _op(name: str, labels: Labels) -> Test:
    ops = {node.op for node in labels.order if node.parents}
    if name not in ops:
        raise ArgumentError(f"no op {name!r} in this graph", remedy=f"There is {', '.join(sorted(ops))}")
    return lambda step: step.op == name


def _time_step(text: str, labels: Labels) -> Test:
    steps = {node.time_step for node in labels.order if node.parents} - {None}
    if text not in map(str, steps):
        known = sorted(step for step in steps if step is not None)
        remedy = f"They run from {known[0]} to {known[-1]}" if known else "This graph was not unrolled over time"
        raise ArgumentError(f"no time step {text!r} in this graph", remedy=remedy)
    return lambda step: str(step.time_step) == text


def _label(label: str, labels: Labels) -> Test:
    try:
        nodes = frozenset(labels.entries(label))
    except ArgumentError as error:
        if any(node.op == label for node in labels.order if node.parents):
            error.remedy = f"For every op {label}: b op {label}"
        raise

    def test(step: Step) -> bool:
        return step.node in nodes or (step.parent in nodes and not step.parent.parents)

    return test


def _check_names(tree: ast.expr, labels: Labels) -> None:
    """Complain about an unknown name now, not when the pass has come to it."""
    parts = list(ast.walk(tree))
    elsewhere = {part.func for part in parts if isinstance(part, ast.Call)}
    for part in parts:
        if isinstance(part, ast.Subscript):
            labels.node(expressions.label(part))
            elsewhere.update(inner for inner in ast.walk(part) if isinstance(inner, ast.expr))
    for part in parts:
        if isinstance(part, ast.Name) and part not in elsewhere and part.id not in STEP_NAMES:
            labels.node(part.id)
