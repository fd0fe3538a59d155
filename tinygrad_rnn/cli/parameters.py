"""Options that name a parameter, whole or by entry."""

from __future__ import annotations

import re
from operator import attrgetter
from typing import Any

from ..engine.value import Value
from ..errors import ArgumentError
from ..nn.module import shape
from .inputs import Problem


def add_parameter_option(parser: Any) -> None:
    """Add the option for `chosen`."""
    parser.add_argument(
        "--parameter",
        metavar="NAME",
        help="whose gradient is split: w, u or b; of a vector cell a whole W, U, b, V or c, or an entry such as "
        "W[0,1] (w, or W)",
    )


def trees(problem: Problem) -> dict[str, Any]:
    """The parameters of a problem, each as its cell or read-out holds it."""
    modules = [problem.cell, *([problem.readout] if problem.readout is not None else [])]
    return {path: attrgetter(path)(module) for module in modules for path in module.state_dict()}


def chosen(problem: Problem, name: str | None) -> Any:
    """The parameter of that name: a Value, or lists of them. By default the first, the recurrent weights.

    Raises:
        ArgumentError: there is no such parameter or entry.
    """
    known = trees(problem)
    path, index = _parsed(name or next(iter(known)))
    if path not in known:
        raise ArgumentError(f"no parameter {name!r}", remedy=f"There is {', '.join(known)}")
    tree = known[path]
    for i in index:
        if not isinstance(tree, list) or i >= len(tree):
            raise ArgumentError(f"{path} has no entry {name!r}", remedy=f"Its shape is {shape(known[path])}")
        tree = tree[i]
    return tree


def shares(problem: Problem) -> list[Value]:
    """What each step's loss contributes to ``problem.loss``, which is their mean."""
    n = len(problem.losses)
    return problem.losses if n == 1 else [loss / n for loss in problem.losses]


def _parsed(name: str) -> tuple[str, tuple[int, ...]]:
    """``W[0,1]`` as ("W", (0, 1))."""
    match = re.fullmatch(r"(\w+)\[(\d+(?:,\d+)*)\]", name, flags=re.ASCII)
    return (match[1], tuple(map(int, match[2].split(",")))) if match else (name, ())
