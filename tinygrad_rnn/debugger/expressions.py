"""Expressions that a person types into the debugger, evaluated without `eval`.

An expression is Python syntax, but what it can do is what this module does for it:

- numbers, strings, ``None``, ``True``, ``False``; lists and tuples of expressions;
- names that the debugger knows (see `Names`): those of the current step, and the labels of the graph's nodes,
  where ``W[0,1]`` is the label of that name; a label that is no Python name is written as a string:
  ``"x + y".grad``;
- of a node, its ``data``, ``grad``, ``has_grad``, ``label``, ``op`` and ``time_step``;
- ``+ - * / // % **`` on numbers, comparisons, ``in``, ``is``, ``and``, ``or``, ``not``, ``a if b else c``;
  what is None (the time step of a node outside an unrolling) is neither less nor more than any number;
- the functions in `FUNCTIONS`.

Nothing else can be called, no other attribute can be read, nothing can be assigned. Arithmetic is in doubles,
so that no expression takes long.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..engine.value import Value
from ..errors import ArgumentError

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "max": max,
    "min": min,
    **{name: getattr(math, name) for name in ("exp", "isfinite", "isinf", "isnan", "log", "log10", "sqrt")},
}
ATTRIBUTES = ("data", "grad", "has_grad", "label", "op", "time_step")

_ARITHMETIC: Mapping[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,
}
_COMPARISONS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}
_MOST_CHARACTERS = 1000


class Names(Protocol):
    """What the names in an expression stand for."""

    def named(self, name: str) -> Any:
        """What this name stands for.

        Raises:
            ArgumentError: nothing.
        """

    def labelled(self, label: str) -> Value:
        """The node with this label.

        Raises:
            ArgumentError: there is none, or more than one.
        """


def parse(text: str) -> ast.expr:
    """The syntax tree of an expression.

    Raises:
        ArgumentError: it is no expression, or one with something in it that is not allowed.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ArgumentError(f"an expression of {len(text)} characters", remedy=f"At most {_MOST_CHARACTERS} will do")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # "1if x", "\\,": refused, not warned of
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ArgumentError(f"{text.strip()!r} is no expression ({getattr(error, 'msg', None) or error})") from error
    for part in ast.walk(tree):
        _check(part)
    return tree


def label(tree: ast.Subscript) -> str:
    """The label that an expression such as ``W[0, 1]`` stands for."""
    return ast.unparse(tree).replace(" ", "")


def _check(part: ast.AST) -> None:
    match part:
        case ast.Attribute(attr=name) if name not in ATTRIBUTES:
            raise ArgumentError(f"nothing here has a {name!r}", remedy=f"A node has {', '.join(ATTRIBUTES)}")
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
            pass
        case ast.Call():
            known = ", ".join(FUNCTIONS)
            raise ArgumentError(f"{ast.unparse(part.func)} cannot be called here", remedy=f"What can: {known}")
        case ast.Constant(value=None | bool() | int() | float() | str()):
            pass
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            pass
        case ast.Attribute() | ast.Name() | ast.Subscript() | ast.Slice() | ast.Tuple() | ast.List():
            pass
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.UAdd()) | ast.BoolOp() | ast.Compare() | ast.IfExp():
            pass
        case ast.expr():
            raise ArgumentError(f"{ast.unparse(part)!r} is not allowed in an expression")


def evaluate(tree: ast.expr, names: Names) -> Any:
    """The value of an expression that `parse` returned.

    Raises:
        ArgumentError: a name is unknown, or the expression has no value, such as 1/0.
    """
    try:
        return _evaluate(tree, names)
    except (ArithmeticError, TypeError, ValueError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(f"{ast.unparse(tree)} has no value ({error})") from error
    except RecursionError as error:
        raise ArgumentError("the expression is nested too deeply") from error


def _evaluate(tree: ast.expr, names: Names) -> Any:
    def value(part: ast.expr) -> Any:
        return _evaluate(part, names)

    match tree:
        case ast.Constant(value=constant):
            return constant
        case ast.Name(id=name):
            return names.named(name)
        case ast.Subscript():
            return names.labelled(label(tree))
        case ast.Attribute(value=of, attr=attribute):
            node = value(of)
            if isinstance(node, str):
                node = names.labelled(node)
            if isinstance(node, Value):
                return getattr(node, attribute)
            raise ArgumentError(f"{ast.unparse(of)} is not a node, so it has no {attribute}")
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not value(operand)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(value(operand), operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _number(value(operand), operand)
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_number(value(left), left), _number(value(right), right))
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(map(value, parts))
        case ast.BoolOp(values=parts):
            return any(map(value, parts))
        case ast.Compare(left=first, ops=ops, comparators=rest):
            return all(_compare(value, *each) for each in zip([first, *rest], ops, rest))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return value(body) if value(test) else value(orelse)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return tuple(map(value, parts))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return FUNCTIONS[name](*(_number(value(argument), argument) for argument in arguments))
        case _:
            raise ArgumentError(f"{ast.unparse(tree)!r} is not allowed here")


def _number(value: Any, tree: ast.expr) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    hint = ast.unparse(tree)
    if isinstance(value, Value):
        raise ArgumentError(f"{hint} is a node, not a number", remedy=f"Write {hint}.grad or {hint}.data")
    raise ArgumentError(f"{hint} is {value!r}, not a number")


def _compare(value: Callable[[ast.expr], Any], left: ast.expr, op: ast.cmpop, right: ast.expr) -> bool:
    operands = value(left), value(right)
    if isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) and not all(isinstance(each, str) for each in operands):
        if None in operands:
            return False
        operands = _number(operands[0], left), _number(operands[1], right)
    return bool(_COMPARISONS[type(op)](*operands))
