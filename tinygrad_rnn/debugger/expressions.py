"""Expressions that a person types into the debugger: Python, evaluated at a step."""

from __future__ import annotations

import ast
import builtins
import math
import re
import warnings
from collections.abc import Mapping
from typing import Any

from ..engine.recording import no_grad
from ..engine.steps import Step
from ..engine.value import Value
from ..errors import ArgumentError
from .names import Names

STEP_NAMES = ("node", "parent", "op", "time_step", "gradient", "local_gradient", "contribution")
#: |gradient|, |h_3.grad|: magnitudes as they are printed. No formula of a node looks like this.
_MAGNITUDE = re.compile(r"\|\s*(gradient|local_gradient|contribution|[\w\[\],]+\.(?:grad|data))\s*\|")
_MATH: Mapping[str, object] = {
    name: getattr(math, name) for name in ("exp", "inf", "isfinite", "isinf", "isnan", "log", "log10", "nan", "sqrt")
}

HELP = f"""\
An EXPRESSION is Python, with these names in view:

{", ".join(STEP_NAMES)}
                     of the step in view (time_step is None outside an unrolling)
h_3.grad, W[0,1].data
                     nodes by label; a node has data, grad, has_grad, label, name, op, parents, time_step
w·h_1, "(h_4 − 0.3)²".grad
                     nodes by the formula that is printed; in quotes wherever it is not Python
h_*, h_*.grad        a list of all nodes that match, or of their gradients;
                     likewise W, W.grad of the entries of a matrix or vector
|gradient|           its magnitude; likewise |w.grad|
                     variables of the program, if it was started by debug(loss), and Python's builtins
{", ".join(_MATH)}
                     of the module math"""


class Expression:
    """An expression, checked when it is created: every name in it is known, if only as a part of a step.

    Raises:
        ArgumentError: it is not Python, or a name is unknown.
    """

    def __init__(self, text: str, names: Names) -> None:
        self.text = text.strip()
        self._values: dict[str, object] = {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as of "1if x"
                tree = self._parse(self.text, names)
                unknown = _names_in(tree) - set(self._values)
                self._values.update({name: _meaning(name, names) for name in sorted(unknown - set(STEP_NAMES))})
                self._code = compile(ast.fix_missing_locations(tree), "<expression>", "eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if isinstance(error, ArgumentError):
                raise
            reason = getattr(error, "msg", None) or error
            raise ArgumentError(f"{self.text[:80]!r} is not an expression ({reason})") from error
        self._parts = sorted(unknown & set(STEP_NAMES))

    def at(self, step: Step | None) -> Any:
        """Return the value of the expression at a step.

        Raises:
            ArgumentError: it has none, such as 1/0, or names a part of the step where there is no step.
        """
        if step is None and self._parts:
            raise ArgumentError(f"there is no {self._parts[0]!r}: no step is left", remedy="Undo one: back")
        try:
            with no_grad():
                parts = {name: getattr(step, name) for name in self._parts}
                return eval(self._code, {**self._values, **parts})
        except Exception as error:
            raise ArgumentError(f"{self.text} failed: {type(error).__name__}: {error}") from error

    def _parse(self, source: str, names: Names) -> ast.Expression:
        whole, _, attribute = source.rpartition(".")
        readings = ((source, ""), (whole, f".{attribute}"))
        for name, rest in readings:
            if name not in names.variables and attribute.isidentifier() and names.has_entries(name):
                return self._each(names.find(name), rest)
        try:
            tree = ast.parse(source, mode="eval").body
        except SyntaxError:  # perhaps a formula as it is printed, (h_4 − 0.3)².grad, or a pattern, h_*.grad
            if (as_python := _MAGNITUDE.sub(r"abs(\1)", source)) != source:
                return self._parse(as_python, names)
            for formula, rest in readings:
                if (node := names.get(formula)) is not None:
                    self._values["_0"] = node
                    return ast.parse(f"_0{rest}", mode="eval")
                if (not rest or attribute.isidentifier()) and (nodes := names.matching(formula)):
                    return self._each(nodes, rest)
            source = source.replace("−", "-")
            tree = ast.parse(source, mode="eval").body
        return ast.Expression(_Formulas(source, names, self._values).visit(tree))

    def _each(self, nodes: list[Value], attribute: str) -> ast.Expression:
        self._values["_0"] = nodes
        return ast.parse(f"[each{attribute} for each in _0]", mode="eval")


class _Formulas(ast.NodeTransformer):
    """Replaces each node name that is not a Python name by a variable that holds the node."""

    def __init__(self, source: str, names: Names, values: dict[str, object]) -> None:
        self._source, self._names, self._values = source, names, values

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        of = node.value
        if isinstance(of, ast.Constant) and isinstance(of.value, str) and not hasattr(str, node.attr):
            node.value = self._variable(self._names.node(of.value))
            return node
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if isinstance(node.value, ast.Name) and _is_literal(node.slice):
            name = node.value.id
            if self._names.has_entries(name) or name not in (*self._names.variables, *STEP_NAMES):
                return self._variable(self._names.node(ast.unparse(node).replace(" ", "")))
        return self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        return self._formula(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        return self._formula(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return self._formula(node)

    def _formula(self, tree: ast.expr) -> ast.AST:
        parts = list(ast.walk(tree))
        if not any(isinstance(part, ast.Attribute) for part in parts) and any(
            isinstance(part, ast.Name) and (part.id in self._names or not part.id.isascii()) for part in parts
        ):
            node = self._names.get(ast.get_source_segment(self._source, tree) or "")
            if node is not None:
                return self._variable(node)
        return self.generic_visit(tree)

    def _variable(self, node: Value) -> ast.Name:
        name = f"_{len(self._values)}"
        self._values[name] = node
        return ast.Name(name, ast.Load())


def _is_literal(tree: ast.expr) -> bool:
    try:
        ast.literal_eval(tree)
    except ValueError:
        return False
    return True


def _names_in(tree: ast.AST) -> set[str]:
    """The names that an expression reads, except those that it binds itself: in comprehensions, lambdas, by ``:=``."""
    parts = list(ast.walk(tree))
    bound = {part.id for part in parts if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)}
    bound |= {part.arg for part in parts if isinstance(part, ast.arg)}
    return {part.id for part in parts if isinstance(part, ast.Name)} - bound


def _meaning(name: str, names: Names) -> Any:
    if name in names:
        return names.node(name)
    for known in (names.variables, _MATH, vars(builtins)):
        if name in known:
            return known[name]
    return names.node(name, besides=STEP_NAMES)
