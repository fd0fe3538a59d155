"""A cell as the page has it: its programs, its numbers, and which of them belong together."""

from __future__ import annotations

import copy
import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from types import FunctionType

from ..bptt import Unrolled
from ..bptt.straight import straight_gate
from ..compile.javascript import Program, TimeStep, find_outside, javascript
from ..engine.backward import topological_order
from ..engine.value import Value
from ..errors import ArgumentError, CompileError
from ..nn.cells import Cell, RNNCell, ScalarRNNCell
from ..nn.gate import Gate
from ..nn.gated import LSTMCell
from ..nn.module import Module
from ..nn.parameters import Matrix
from ..nn.quantities import entries
from ..pictures import text
from ..support.ranges import ranges
from .compared import check_losses, check_steps
from .data import CellData, Group
from .settings import RESERVED
from .source import Source

#: The most nodes of a time step: some megabytes of code.
MOST_NODES = 6000

#: The nonlinearities that can be chosen, for a cell that has one.
CHOICES = ("identity", "tanh", "relu")


@dataclass(frozen=True)
class CellOfPage:
    """A cell of the page.

    Attributes:
        parameters: the parameters, in the order of their numbers.
        programs: its program for every nonlinearity that can be chosen; of a cell without one, under ``""``.
        facts: its numbers and what they are.
    """

    parameters: list[Value]
    programs: dict[str, Program]
    facts: CellData

    @property
    def limits(self) -> dict[str, int]:
        """The bounds that an input (``"x"``) and a target must be below, where they are whole numbers."""
        facts = self.programs[self.facts["nonlinearity"]].facts
        slots = {"x": "0", "target": str(facts["x"])}
        return {name: facts["symbols"][slot] for name, slot in slots.items() if slot in facts["symbols"]}


def cell_of_page(source: Source, unrolled: Unrolled | None = None) -> CellOfPage:
    """The cell of a source. With a graph, its time steps are compared with the one that was traced.

    Raises:
        ArgumentError: a target is not the index of a class.
        CompileError: the time step cannot be a program, or makes too long a one; a time step of the graph differs.
    """
    step = source.step
    if unrolled is None and source.posed is not None:
        unrolled = source.posed.unrolled
    created, outside = find_outside(step, source.whole)
    of_readout: set[Value] = set(step.readout.parameters()) if isinstance(step.readout, Module) else set()
    # Those of the read-out come first: so its program is the same for every cell.
    leaves = sorted(created, key=lambda leaf: leaf not in of_readout)
    parameters = [*leaves, *outside]
    if unrolled is not None:
        _check_reads_no_input(outside, unrolled)
        _check_is_given(unrolled, parameters)
    cell = step.cell
    own = getattr(cell, "nonlinearity", "") if _has_choice(cell) else ""
    programs = {own: javascript(step, leaves, MOST_NODES, outside, source.whole)}
    _check_state_is_computed(programs[own].traced)
    if unrolled is not None:
        check_steps(programs[own].traced, unrolled, parameters)
    if source.posed is not None:
        check_losses(programs[own], source.posed)
    for name in CHOICES if own else ():
        if name != own:
            other = copy.copy(cell)
            other.nonlinearity = name
            programs[name] = javascript(replace(step, cell=other), leaves, MOST_NODES, outside, source.whole)
    names = {value: name for name, value in source.named_parameters()}
    below = {parent for node in outside for parent in node.parents}
    in_time = set(leaves if source.whole is None else find_outside(step)[0])

    def is_trained(leaf: Value) -> bool:
        return leaf in names or (leaf in in_time and (not names or leaf in below))

    function = getattr(cell, "function", cell)
    recurrent = _recurrent(cell, leaves)
    facts: CellData = {
        "name": _name(function),
        "nonlinearity": own,
        "p": [leaf.data for leaf in leaves],
        "h0": step.initial,
        "trained": ranges(_places([leaf for leaf in created if is_trained(leaf)], leaves)),
        "groups": _groups(created, leaves, names),
        "recurrent": recurrent,
        "forget": _places(_forget_biases(cell), leaves),
        "straight": None if (path := straight_gate(cell)) is None else list(path),
    }
    made = CellOfPage(leaves, programs, facts)
    _check_classes(source, made.limits.get("target"))
    return made


def _check_classes(source: Source, classes: int | None) -> None:
    """Check the targets that are classes, also where there is no loss: the page can have losses everywhere."""
    if classes is None:
        return
    for t, target in enumerate(source.targets, source.first):
        if target is not None and not 0 <= target[0] < classes:
            raise ArgumentError(
                f"target {target[0]:g}",
                time_step=t,
                remedy=f"A target is a whole number from 0 to {classes - 1}, or None where there is no loss",
            )


def _check_reads_no_input(outside: Sequence[Value], unrolled: Unrolled) -> None:
    """Check that what was computed before the first time step does not depend on inputs, which can be changed."""
    inputs = {x for t in range(unrolled.first, unrolled.T + 1) for x in entries(unrolled.x[t])}
    for node in outside:
        for parent in node.parents:
            if parent in inputs:
                raise CompileError(
                    "this node was computed from an input before the first time step",
                    op=node.op,
                    node=node.name,
                    remedy="Compute it within the step",
                )


def _check_is_given(unrolled: Unrolled, parameters: Sequence[Value]) -> None:
    """Check that no input and no initial state depends on a parameter, whose gradient would lack that share."""
    first, own = unrolled.first, set(parameters)
    for t in range(first - 1, unrolled.T + 1):
        given = unrolled.state(t) if t < first else entries(unrolled.x[t])
        for value in given:
            if not own.isdisjoint(topological_order(value) if value.parents else [value]):
                what = "an input" if t >= first else "the initial state"
                raise CompileError(
                    f"{what} is a parameter of the time step, or computed from one",
                    node=value.name,
                    time_step=t,
                    remedy="Give it a Value of its own, or compute it within the step",
                )


def _check_state_is_computed(traced: TimeStep) -> None:
    """Check that no part of the state is a node that the time step was given: its gradient would be that of both."""
    for part in traced.new_state:
        if not part.parents:
            raise CompileError(
                "a part of the new state is a Value that the time step was given",
                node=part.name,
                remedy="Return a copy, such as h * 1.0",
            )


def _name(cell: object) -> str:
    """A cell in a few words, without addresses, and without what can be changed on the page."""
    if isinstance(cell, ScalarRNNCell):
        return type(cell).__name__
    if isinstance(cell, FunctionType):
        return "a function" if cell.__name__ == "<lambda>" else cell.__name__
    return text.clipped(re.sub(r" at 0x[0-9a-fA-F]+|, nonlinearity='\w+'", "", repr(cell)), 120)


def _has_choice(cell: Cell) -> bool:
    return any(isinstance(cell, kind) and type(cell).step is kind.step for kind in (ScalarRNNCell, RNNCell))


def _forget_biases(cell: Cell) -> list[Value]:
    """Those of every layer."""
    return [bias for part in cell.modules() if isinstance(part, LSTMCell) for bias in part.f.b or ()]


def _places(values: Sequence[Value], parameters: Sequence[Value]) -> list[int]:
    place = {parameter: i for i, parameter in enumerate(parameters)}
    return [place[value] for value in values if value in place]


def _recurrent(cell: Cell, parameters: Sequence[Value]) -> list[list[list[int]]]:
    """The recurrent matrices. A number is a matrix of 1 × 1."""
    if isinstance(cell, ScalarRNNCell):
        matrices: Sequence[Matrix] = [[[cell.w]]]
    else:
        matrices = [part.W for part in cell.modules() if isinstance(part, Gate)]
    found = [[_places(row, parameters) for row in matrix] for matrix in matrices]
    return [rows for rows in found if rows and all(len(row) == len(rows[0]) > 0 for row in rows)]


def _groups(created: Sequence[Value], parameters: Sequence[Value], names: dict[Value, str]) -> list[Group]:
    """The parameters by name, in order of creation; entries of a matrix or a vector together. No name stands twice, or
    for something else.
    """
    own = [names.get(parameter) or parameter.label or f"parameter {i}" for i, parameter in enumerate(parameters)]
    groups: dict[str, list[tuple[tuple[int, ...], int]]] = {}
    for place in _places(created, parameters):
        name = own[place]
        array, index = re.fullmatch(r"(.*?)(?:\[(\d{1,9}(?:,\d{1,9})*)\])?", name, flags=re.DOTALL).groups()  # type: ignore[union-attr]
        groups.setdefault(array, []).append((tuple(map(int, index.split(","))) if index else (), place))
    arrays: list[tuple[str, list[int], list[int]]] = []
    for array, members in groups.items():
        shape = [1 + max(axis) for axis in zip(*(index for index, _ in members))]
        if math.prod(shape) == len(members) == len(dict(members)) and len({len(index) for index, _ in members}) == 1:
            arrays.append((array, shape, [place for _, place in sorted(members)]))
        else:  # these entries fill no array
            arrays += [(own[place], [], [place]) for _, place in members]
    short = (text.clipped(name, 40) for name, _, _ in arrays)
    clear = (f"parameter {name}".rstrip() if not name or RESERVED.fullmatch(name) else name for name in short)
    return [
        {"name": name, "shape": shape, "places": ranges(places)}
        for name, (_, shape, places) in zip(distinct(clear), arrays)
    ]


def distinct(names: Iterable[str]) -> list[str]:
    """The names; those that have occurred before with a number."""
    found: dict[str, None] = {}
    for name in names:
        numbered = (f"{name} ({i})" for i in itertools.count(2))
        found[next(one for one in itertools.chain([name], numbered) if one not in found)] = None
    return list(found)
