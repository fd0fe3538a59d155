"""The writing of nodes, formulas and derivatives: by name (``1 − h_3²``) and by number (``1 − 0.4622²``)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from .node import Node
from .ops import Op

Written = tuple[str, int]  # a text, and how tightly it binds: it needs parentheses where something tighter is due

_SUM, _PRODUCT, _POWER, _ATOM = 1, 2, 3, 4
_LOOSE, _ELLIPSIS = 0, ("…", _ATOM)

# How tightly the formula of an op binds, and how tightly its operands must.
_BINDING: dict[str, tuple[int, tuple[int, ...]]] = {
    "add": (_SUM, (_SUM, _PRODUCT)),
    "sub": (_SUM, (_SUM, _PRODUCT)),
    "neg": (_SUM, (_PRODUCT,)),
    "mul": (_PRODUCT, (_PRODUCT, _POWER)),
    "div": (_PRODUCT, (_PRODUCT, _POWER)),
    "pow": (_POWER, (_ATOM, _ATOM)),
    "pow_constant": (_POWER, (_ATOM,)),
    "log": (_POWER, (_ATOM,)),
    "log1p": (_ATOM, (_PRODUCT,)),
    "sqrt": (_POWER, (_ATOM,)),
}
_CALL = re.compile(r"[\w√]+\([^()]*\)|\|[^|]*\|")
_ENCLOSED = re.compile(r"(?<=[(|])\{\d+\}(?=[),|])|(?<=, )\{\d+\}(?=[),])")  # an operand, by what stands on both sides
_NAME = re.compile(r"[\w.'′]+(\[[\w,: ]*\])*")
_PLACE = re.compile(r"( [+−] )?(\(?)\{(\w+)\}(\)?)")  # of an operand in a template: the sign before it, parentheses
_NEGATIVE = re.compile(r"−(?:[\d.]+(?:e[+−]\d+)?|inf)")

_LABEL, _FORMULA = 24, 31  # characters of a description

# What a console that knows only Western European letters cannot print.
_PLAIN = (("−", "-"), ("σ", "sigmoid"), ("√(", "sqrt("), ("√", "sqrt "))


def description(node: Node) -> str:
    """A node on one line of less than 100 characters: ``h_3 = tanh(z_3): data 0.21, grad -0.18``.

    Any console with Western European letters can print it, labels excepted. It also describes a node that is half-made.
    """
    label = getattr(node, "_label", "")
    operation = getattr(node, "operation", None)
    try:
        written = formula(node)
    except (AttributeError, IndexError, KeyError, ValueError):  # half-made, or of an op whose formula is wrong
        written = operation.name if operation is not None else ""
    for sign, plain in _PLAIN:
        written = written.replace(sign, plain)
    what = " = ".join(filter(None, [_shorten(label, _LABEL), _shorten(written, _FORMULA)])) or "leaf"
    data = getattr(node, "_data", None)
    if data is None or operation is None or not hasattr(node, "_grad"):
        return f"{what}: being made"
    gradient = f"{node.grad:.6g}" if node.has_grad or not node.parents else "not run"
    return f"{what}: data {data:.6g}, grad {gradient}"


def _shorten(text: str, length: int) -> str:
    text = "".join(sign if sign.isprintable() else "?" for sign in " ".join(text.split()))
    return text if len(text) <= length else f"{text[: length - 1]}…"


def number(x: float, digits: int = 4) -> str:
    """A number as a reader wants it: four significant digits, or as many as are given."""
    text = f"{x:.{digits}g}"
    return "0" if text == "-0" else text


def in_formula(x: float, digits: int = 4) -> str:
    """A number as it stands in a formula: with the same minus sign as the formula."""
    return number(x, digits).replace("-", "−")


def time_step(node: Node) -> str:
    """The beginning of a line about a node: ``t=3  ``, or nothing outside an unrolling."""
    return "" if node.time_step is None else f"t={node.time_step}  "


def name(node: Node) -> str:
    """The label, or else the formula down to labels, cut short with "…" where that would be long."""
    return _name(node)[0]


def gradient(node: Node) -> str:
    """``h_3.grad``, or ``(w·h_3 + b).grad``."""
    return f"{_bound(_name(node, 2), _ATOM)}.grad"


def product(*factors: float) -> str:
    """``0.7864·(−0.5)``."""
    return "·".join(f"({text})" if text.startswith("−") else text for text in map(in_formula, factors))


def formula(node: Node) -> str:
    """The formula that computed a node, by name: ``tanh(z_3)``. That of a leaf is empty."""
    return _forward(node, lambda parent: _name(parent, 2))[0]


def application(op: Op, operands: Sequence[Node]) -> str:
    """The formula of an op applied to these operands, by name, whether or not there is such a node."""
    return _filled(op.formula, [_name(operand, 2) for operand in operands], _binding(op)[1])


def outline(node: Node) -> str:
    """The formula that computed a node, with "…" for what was computed before it and has no label: ``… + b``."""
    return _forward(node, lambda parent: _name(parent, 0))[0]


def formula_in_numbers(node: Node) -> str:
    """The formula that computed a node, by number: ``tanh(0.5)``. That of a leaf is empty."""
    return _forward(node, _number)[0]


def derivative(node: Node, parent: Node) -> str:
    """``∂h_3/∂z_3``."""
    return f"∂{_bound(_name(node, 2), _ATOM)}/∂{_bound(_name(parent, 2), _ATOM)}"


def local_formula(node: Node, position: int) -> str:
    """The formula of ∂node/∂operand by name: ``1 − h_3²``; empty where the op has none."""
    return _local(node, position, lambda other: _name(other, 2))


def local_formula_in_numbers(node: Node, position: int) -> str:
    """The formula of ∂node/∂operand by number: ``1 − 0.4622²``; empty where the op has none."""
    return _local(node, position, _number)


def _name(node: Node, depth: int = 3) -> Written:
    if node.label:
        return node.label, _ATOM if _NAME.fullmatch(node.label) else _LOOSE
    if not node.parents:
        return _number(node)
    if not depth:
        return _ELLIPSIS
    return _forward(node, lambda parent: _name(parent, depth - 1))


def _number(node: Node) -> Written:
    text = in_formula(node.data)
    return text, _SUM if text.startswith("−") else _POWER if "e" in text else _ATOM


def _forward(node: Node, write: Callable[[Node], Written]) -> Written:
    op = node.operation
    binding, due = _binding(op)
    return _filled(op.formula, [write(parent) for parent in node.parents], due), binding


def _binding(op: Op) -> tuple[int, tuple[int, ...]]:
    if op.name in _BINDING:
        return _BINDING[op.name]
    # For any other op we cannot tell, so we add parentheses wherever no delimiters enclose an operand.
    places = [op.formula.count(f"{{{i}}}") for i in range(op.formula.count("{"))]
    enclosed = Counter(_ENCLOSED.findall(op.formula))
    due = tuple(_LOOSE if enclosed[f"{{{i}}}"] == n else _ATOM for i, n in enumerate(places))
    return _ATOM if _CALL.fullmatch(op.formula) else _LOOSE, due


def _local(node: Node, position: int, write: Callable[[Node], Written]) -> str:
    op = node.operation
    if not op.local_formulas:
        return ""
    template = op.local_formulas[position]
    lone = re.fullmatch(r"\{\w+\}", template)
    due = (_LOOSE if lone else _ATOM,) * len(node.parents)
    return _filled(template, [write(parent) for parent in node.parents], due, out=write(node))


def _filled(template: str, operands: list[Written], due: tuple[int, ...], out: Written = _ELLIPSIS) -> str:
    """The template with its operands filled in, parenthesised where they bind less tightly than is due.

    A negative number is not added but subtracted, and the other way round: ``h_3 + 1``, not ``h_3 − (−1)``.
    """

    def fill(match: re.Match[str]) -> str:
        sign, before, key, after = match.groups(default="")
        written, needed = (out, due[0]) if key == "out" else (operands[int(key)], due[int(key)])
        text, binding = written
        is_term = sign and not before and re.match(r"$|[,)]| [+−] ", template[match.end(3) + 1 :])
        if is_term and binding == _SUM and _NEGATIVE.fullmatch(text):
            return f"{' − ' if sign == ' + ' else ' + '}{text[1:]}{after}"
        return f"{sign}{before}{_bound(written, _LOOSE if before and after else needed)}{after}"

    return _PLACE.sub(fill, template)


def _bound(written: Written, due: int) -> str:
    text, binding = written
    return text if binding >= due else f"({text})"
