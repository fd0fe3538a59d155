"""The parameter whose gradient a command splits, whole or by entry, and the losses that it is split by."""

from __future__ import annotations

import re
from operator import attrgetter
from typing import Any

from ..engine.value import Value
from ..errors import ArgumentError
from ..nn.trees import shape
from ..support.checks import in_short
from .inputs import Problem
from .options import Option

PARAMETER = Option(
    "parameter",
    "parameter whose gradient is split: w, u or b; of a vector cell a whole W, U, b, V or c, or an entry such as "
    "W[0,1]",
    usual="the recurrent weights: w, or the first W",
    metavar="NAME",
)


def parameters_of(problem: Problem) -> dict[str, object]:
    """The parameters of a problem, each as its cell or read-out holds it: a Value, or lists of them."""
    modules = [problem.cell, *([problem.readout] if problem.readout is not None else [])]
    return {path: attrgetter(path)(module) for module in modules for path in module.state_dict()}


def find_parameter(problem: Problem, name: str | None) -> Any:
    """Return the parameter or entry of that name; by default the first parameter, the recurrent weights.

    Raises:
        ArgumentError: there is no such parameter or entry.
    """
    parameters = parameters_of(problem)
    path, index = _parse(name or next(iter(parameters)))
    if path not in parameters:
        raise ArgumentError(f"no parameter {in_short(name)}", remedy=f"There is {', '.join(parameters)}")
    entry = parameters[path]
    for i in index:
        if not isinstance(entry, list) or i >= len(entry):
            raise ArgumentError(f"{path} has no entry {name!r}", remedy=f"Its shape is {shape(parameters[path])}")
        entry = entry[i]
    return entry


def split_loss(problem: Problem) -> list[Value]:
    """Return what each step's loss contributes to ``problem.loss``, which is their mean."""
    n = len(problem.losses)
    return problem.losses if n == 1 else [loss / n for loss in problem.losses]


def _parse(name: str) -> tuple[str, tuple[int, ...]]:
    """``W[0,1]`` as ("W", (0, 1))."""
    match = re.fullmatch(r"(\w+)\[(\d{1,9}(?:,\d{1,9})*)\]", name, flags=re.ASCII)
    return (match[1], tuple(map(int, match[2].split(",")))) if match else (name, ())
