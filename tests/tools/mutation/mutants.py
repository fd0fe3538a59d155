"""Mutants of a module: each differs from it by one small mistake that a programmer could have made.

Left as they are: docstrings, annotations, decorators, what only the type checker reads, strings, and what stands in
a `raise` statement, which is mostly the wording of a message. That something is raised is put to the test.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_ACTIONS = (ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete)


@dataclass(frozen=True)
class Mutant:
    """A module with one mistake in it.

    Attributes:
        line: where the mistake is.
        statement: the first and the last line of the statement that it is in, without the statements within it.
        before, after: the mistake.
        source: of the module, without the mistake.
        place: which node of it is changed, and which of its changes this is.
    """

    line: int
    statement: tuple[int, int]
    before: str
    after: str
    source: str = field(repr=False)
    place: tuple[int, int]

    @property
    def tree(self) -> ast.Module:
        """The whole module, with the mistake."""
        tree = ast.parse(self.source)
        which, choice = self.place
        node, _ = next(islice(_nodes(tree), which, None))
        changed = next(islice(_changes(node), choice, None))
        node.__class__ = changed.__class__  # in place, so that nobody has to know who holds the node
        node.__dict__.clear()
        node.__dict__.update(changed.__dict__)
        return ast.fix_missing_locations(tree)


def mutants(source: str) -> Iterator[Mutant]:
    """All mutants of a module, in order of the source."""
    for which, (node, statement) in enumerate(_nodes(ast.parse(source))):
        for choice, changed in enumerate(_changes(node)):
            yield Mutant(node.lineno, statement, _written(node), _written(changed), source, (which, choice))


def _nodes(tree: ast.AST, statement: tuple[int, int] = (0, 0)) -> Iterator[tuple[Any, tuple[int, int]]]:
    """The nodes that may be changed, and the extent of the statement around each."""
    for name, child in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for node in child if isinstance(child, list) else [child]:
            if not isinstance(node, ast.AST) or _inert(node):
                continue
            extent = statement
            if isinstance(node, ast.stmt):
                body = getattr(node, "body", None)
                extent = node.lineno, max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
            if hasattr(node, "lineno"):
                yield node, extent
            if not isinstance(node, ast.Raise):
                yield from _nodes(node, extent)


def _inert(node: ast.AST) -> bool:
    """A docstring, or what is only there for the type checker."""
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return text or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")


def _changes(node: Any) -> Iterator[ast.AST]:
    if isinstance(node, (ast.BinOp, ast.BoolOp, ast.AugAssign)) and type(node.op) in _OPERATORS:
        yield _with(node, op=_OPERATORS[type(node.op)]())
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            if type(op) in _OPERATORS:
                yield _with(node, ops=[*node.ops[:i], _OPERATORS[type(op)](), *node.ops[i + 1 :]])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield node.operand
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield _with(node, value=not node.value)
        elif isinstance(node.value, (int, float)):
            yield _with(node, value=node.value + 1)
            if isinstance(node.value, int) and node.value > 0:
                yield _with(node, value=node.value - 1)
    if isinstance(node, (ast.If, ast.IfExp, ast.While)) and not isinstance(node.test, (ast.Compare, ast.UnaryOp)):
        yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.Name) and node.id in _NAMES:
        yield _with(node, id=_NAMES[node.id])
    if isinstance(node, ast.Return) and node.value and ast.unparse(node.value) != "None":
        yield _with(node, value=ast.Constant(None))
    stores = isinstance(node, ast.Assign) and not all(isinstance(target, ast.Name) for target in node.targets)
    if isinstance(node, (ast.Expr, *_ACTIONS)) or stores:
        yield ast.copy_location(ast.Pass(), node)


def _with(node: Any, **fields: Any) -> Any:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _written(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node)).partition("\n")[0]
