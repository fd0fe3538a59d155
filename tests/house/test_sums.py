"""The built-in `sum` only counts, and nothing calls `math.hypot` but `norm_of`: both give other digits from Python 3.12
on, the one for floats, the other for subnormal ones.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "tinygrad_rnn").rglob("*.py"), *(ROOT / "demos").rglob("*.py")])

#: What `statistics` offers that gives the same digits in every Python.
SAME_DIGITS = {"mean", "fmean", "median", "quantiles"}


def is_whole(node: ast.expr) -> bool:
    """Whether an expression can be seen to be a whole number or a bool."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "len"
    if isinstance(node, ast.BoolOp):
        return all(map(is_whole, node.values))
    return isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))


def counts(call: ast.Call) -> bool:
    """Whether a call of `sum` counts: ``sum(1 for …)``, ``sum(x > y for …)``, ``sum(map(len, …))``."""
    if len(call.args) != 1 or call.keywords:
        return False
    (summed,) = call.args
    if isinstance(summed, (ast.GeneratorExp, ast.ListComp)):
        return is_whole(summed.elt)
    return isinstance(summed, ast.Call) and ast.unparse(summed).startswith("map(len, ")


def other_sums(source: str) -> Iterator[str]:
    """Every use of the built-in `sum`, of `hypot`, or of `statistics`, whose digits may depend on the Python."""
    tree = ast.parse(source)
    counting = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and counts(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "sum" and id(node) not in counting:
            yield f"line {node.lineno}: sum"
        elif isinstance(node, ast.ImportFrom) and node.module == "statistics":
            yield from (f"line {node.lineno}: {each.name}" for each in node.names if each.name not in SAME_DIGITS)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == f"statistics.{node.attr}":
            if node.attr not in SAME_DIGITS:
                yield f"line {node.lineno}: {node.attr}"
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("builtins.sum", "math.hypot", "math.dist"):
            yield f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.ImportFrom) and node.module == "math":
            yield from (f"line {node.lineno}: {each.name}" for each in node.names if each.name in ("hypot", "dist"))


def test_floats_are_added_from_left_to_right() -> None:
    found = {path.relative_to(ROOT).as_posix(): list(other_sums(path.read_text(encoding="utf-8"))) for path in FILES}
    assert len(found) > 100
    of_sums = found.pop("tinygrad_rnn/support/sums.py")
    assert [use.partition(": ")[2] for use in of_sums] == ["math.hypot", "math.hypot"]
    used = {path: uses for path, uses in found.items() if uses}
    assert not used, "support.sums has add_up, from left to right, and norm_of; math.fsum is exact"


@pytest.mark.parametrize(
    "source",
    ["sum(xs)", "sum(x * y for x, y in pairs)", "map(sum, rows)", "reduce(sum, x)", "sum([1.0] * 3)", "sum(xs, 0.0)",
     "sum((1 for x in y), 0.0)", "statistics.stdev(x)", "from statistics import variance", "add = sum",
     "sum(map(f, xs))", "import builtins\nbuiltins.sum(x)", "math.hypot(x, y)", "from math import dist"],
)  # fmt: skip
def test_every_sum_of_floats_is_seen(source: str) -> None:
    assert list(other_sums(source))


@pytest.mark.parametrize(
    "source",
    ["sum(1 for x in y)", "sum(len(x) for x in y)", "sum(map(len, y))", "sum(x > 1.0 for x in y)",
     "sum(not x for x in y)", "sum(x > 1 and y < 2 for x in y)", "math.fsum(x)", "statistics.median(x)", "losses.sum()",
     "def f(sum_): pass"],
)  # fmt: skip
def test_what_counts_or_is_exact_may_stay(source: str) -> None:
    assert not list(other_sums(source))
